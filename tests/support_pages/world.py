"""A whole installation in small for views, pages and the journey: real sources, each behind a switchable fault."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import history
from benchmarks.history import Line
from settings import HTTP_SOURCES, Environment, Limits, Settings
from tests.support import real_parts
from tests.support.fault_proxy import FaultProxy
from tests.support.little_synaptic import LittleSynaptic
from tests.support.looping import LoopThread

DAYS = 2
SLOW_SECONDS = 35 * 60
"""How long before the end searches became slow, in a past with trouble; the deploy came five minutes before."""


def trouble() -> list[Line]:
    """The past with slow searches at its end: many more of them, two seconds each on average."""
    labels = 'job="synaptic",pod="synaptic-a",query_type="semantic",complexity="complex",result_size="large"'
    name = "synaptic_query_duration_seconds"
    slow = [
        Line(line.name, line.labels, line.level, counter=True, swing=0.0, begins=SLOW_SECONDS)
        for line in history._histogram(name, labels, 60.0, 2.0)
    ]
    return sorted([*history.lines(), *slow], key=lambda line: line.name)


@contextmanager
def prometheus(folder: Path, now: float, series: Sequence[Line] | None = None) -> Iterator[int]:
    """Prometheus that scrapes nothing and holds a past up to ``now``; its port."""
    history.load(history.write(folder, now, DAYS, series), folder / "data")
    with real_parts.prometheus(folder) as port:
        yield port


@dataclass
class World:
    """All sources of one environment ``test``.

    Attributes:
        proxies: Source → the proxy in front of it.
        replicas: The replicas of Synaptic by name; the balancer's answers are those of the first.
        now: Epoch seconds of the newest metric.
        stores: Sources that are not asked over HTTP, by name: their keys in a settings file.
    """

    proxies: dict[str, FaultProxy]
    replicas: dict[str, LittleSynaptic]
    now: float
    stores: dict[str, dict[str, object]] = field(default_factory=dict)

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    def switch(self, fault: str, *sources: str) -> None:
        """Order a fault for these sources; for all of them where none is named."""
        for name in sources or HTTP_SOURCES:
            self.proxies[name].switch(fault)
        if "synaptic" in (sources or HTTP_SOURCES):
            for replica in self.replicas.values():
                replica.not_ready = ""

    def environment(self, **keys: dict[str, object]) -> dict[str, dict[str, object]]:
        """The environment as it stands in a settings file; ``keys`` adds to single sources."""
        found: dict[str, dict[str, object]] = {}
        for name, proxy in self.proxies.items():
            found[name] = {"url": proxy.url, **keys.get(name, {})}
        for name, given in self.stores.items():
            found[name] = {**given, **keys.get(name, {})}
        # Through the same proxy, so that a fault of the source is one of its replicas too.
        found["synaptic"].setdefault(
            "replicas", [{"name": name, "url": self.proxies["synaptic"].url} for name in self.replicas]
        )
        return found

    def settings(self, limits: Limits | None = None, **keys: dict[str, object]) -> Settings:
        environment = Environment.model_validate(self.environment(**keys))
        return Settings(
            environments={"test": environment}, limits=limits or Limits(deadline=30, answer_ttl=0.001, keep_stale=0)
        )

    def toml(self, environment: str, **keys: dict[str, object]) -> str:
        """The environment under this name as text of a settings file."""
        parts = []
        for name, values in self.environment(**keys).items():
            lines = [f"[environments.{environment}.{name}]"]
            lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
            parts.append("\n".join(lines))
        return "\n\n".join(parts) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(item)}' for key, item in value.items())} }}"
    return f'"{value}"' if isinstance(value, str) else str(value)


@contextmanager
def world(
    servers: LoopThread,
    prometheus_port: int,
    alertmanager: str,
    elasticsearch: str,
    now: float,
    stores: dict[str, dict[str, object]] | None = None,
) -> Iterator[World]:
    """The world around these real parts, without a fault."""
    with ExitStack() as stack:
        replicas = {name: LittleSynaptic(servers) for name in ("synaptic-a", "synaptic-b")}
        for replica in replicas.values():
            stack.callback(replica.close)
        ports = {
            "synaptic": replicas["synaptic-a"].port,
            "prometheus": prometheus_port,
            "alertmanager": int(alertmanager.rpartition(":")[2]),
            "elasticsearch": int(elasticsearch.rpartition(":")[2]),
        }
        proxies = {name: FaultProxy(servers, port) for name, port in ports.items()}
        for proxy in proxies.values():
            stack.callback(proxy.close)
        yield World(proxies, replicas, now, stores or {})

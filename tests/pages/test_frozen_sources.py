"""Each source silent in turn, and all at once, on every page: it is the headline, nothing of it is called well, and all
comes back.

The processes are real; they are stopped by SIGSTOP or cut off by a proxy, and pages are drawn headless. What a page had
stays in its session: the cache of answers keeps no old one here.
"""

import contextlib
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from collectors import registry
from collectors.guard import Outage
from collectors.registry import Sources
from records.database import Database, open_database
from settings import SOURCE_NAMES, SOURCE_TITLES, Limits, Settings
from tests.support import postgresql, redis_servers
from tests.support.fault_proxy import FaultProxy
from tests.support.freezing import frozen
from tests.support.looping import LoopThread, until
from tests.support_pages import world as worlds
from tests.support_pages.world import World
from tests.web.serving import ROOT

pytestmark = pytest.mark.integration

PAGES: dict[str, tuple[str, dict[str, str]]] = {
    **{name: (name, {}) for name in ("overview", "latency", "logs", "cache", "sources")},
    **{f"database-{part}": ("database", {"part": part}) for part in ("now", "load", "queries", "tables", "upkeep")},
}
"""Picture → its page and address."""

HEADLINED = {
    "prometheus": {"latency", "cache", "database-upkeep"},
    "elasticsearch": {"logs"},
    "postgres": {name for name in PAGES if name.startswith("database-")},
    "redis": {"cache"},
}
"""Source → the pages that say first that it is silent; Overview says it in its verdict, Sources in its table."""

ALONE = {
    "prometheus": {"latency"},
    "elasticsearch": {"logs"},
    "postgres": {name for name in PAGES if name.startswith("database-")},
    "redis": {"cache"},
}
"""Source → the pages on which nothing is known without it."""

OF = {
    ("synaptic", "overview"): ("replicas",),
    ("alertmanager", "overview"): ("alerts",),
    ("prometheus", "latency"): ("verdict", "quantiles", "heat", "combinations"),
    ("prometheus", "overview"): ("search", "errors"),
    ("elasticsearch", "logs"): ("histogram", "fields", "patterns"),
    ("postgres", "database-now"): ("now-verdict", "now-connections", "now-findings", "now-states", "now-table"),
    ("postgres", "database-tables"): ("tables-verdict", "tables-all"),
    ("postgres", "database-upkeep"): ("upkeep-verdict", "upkeep-settings"),
    ("redis", "cache"): ("verdict", "safety"),
}
"""Source and picture → panels that had an answer of it before, and keep it."""

PATIENCE, HURRY = 60.0, 1.0
GOOD = re.compile(r":green\[|✓|:material/check_circle:")


def script() -> None:
    import runpy

    import streamlit as st

    from tests.pages import test_frozen_sources as tests
    from ui import context, menu

    menu.link = lambda name, label="", **_: st.caption(f"link {label or name}")
    visit, path = st.session_state["visited"]
    st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    context.enter(visit)
    del tests
    runpy.run_path(path)


@dataclass
class Console:
    """A console over real sources, without its server: pages of one viewer, each open in a session of its own.

    Attributes:
        settings: With one environment ``test``.
        world: The sources.
        ports: Source → port of the process that can be frozen.
        proxies: Source → what stands in front of it and can cut it off.
        records: The console's own memory.
        open: Picture → its session.
    """

    settings: Settings
    world: World
    ports: dict[str, int]
    proxies: dict[str, FaultProxy]
    records: Database
    open: dict[str, AppTest] = field(default_factory=dict)

    @property
    def sources(self) -> Sources:
        return registry.sources(self.settings, "test")

    def draw(self, name: str, window: str = "1h") -> AppTest:
        """Draw a picture, as after a reload of the page in the same session."""
        from access import Role, Viewer
        from ui.context import Context
        from ui.window import Window

        page, params = PAGES[name]
        app = self.open.get(name)
        if app is None:
            app = self.open[name] = AppTest.from_function(script, default_timeout=300)
            for key, value in params.items():
                app.query_params[key] = value
            viewer = Viewer("ada", frozenset({Role.OPERATOR}), "a test")
            visit = Context(self.settings, "test", Window(window), page, "light", viewer, self.records)
            app.session_state["visited"] = (visit, str(ROOT / "pages" / f"{page}.py"))
        app.run()
        assert not app.exception, f"{name}: {app.exception}"
        return app

    @contextlib.contextmanager
    def silent(self, how: str, sources: Sequence[str]) -> Iterator[None]:
        """These sources silent, and impatience with them alone: the others may be slow on a busy machine."""
        configured = [getattr(self.settings.environments["test"], source) for source in sources]
        with contextlib.ExitStack() as stack:
            for source in sources:
                # The service is a part of this process, which cannot be frozen: its proxy stands still.
                if how == "frozen" and source != "synaptic":
                    stack.enter_context(frozen(self.ports[source]))
                else:
                    self.proxies[source].switch("hang" if how == "frozen" else "refuse")
                    stack.callback(self.proxies[source].switch, "none")
            for one in configured:
                object.__setattr__(one, "deadline", HURRY)
                stack.callback(object.__setattr__, one, "deadline", PATIENCE)
            yield


@pytest.fixture(scope="module")
def console(
    servers: LoopThread,
    real_alertmanager: str,
    real_elasticsearch: str,
    postgres: postgresql.Server,
    valkey: redis_servers.Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Console]:
    now = time.time()
    folder = tmp_path_factory.mktemp("frozen")
    stores = {"postgres": FaultProxy(servers, postgres.port), "redis": FaultProxy(servers, valkey.port)}
    with (
        contextlib.closing(stores["postgres"]),
        contextlib.closing(stores["redis"]),
        worlds.prometheus(tmp_path_factory.mktemp("past"), now) as prometheus,
        worlds.world(
            servers, prometheus, real_alertmanager, real_elasticsearch, now,
            {
                "postgres": {"host": "127.0.0.1", "port": stores["postgres"].port, "user": "console", "cpus": 2},
                "redis": {"host": "127.0.0.1", "port": stores["redis"].port},
            },
        ) as world,
    ):  # fmt: skip
        patient = {name: {"deadline": PATIENCE} for name in SOURCE_NAMES}
        settings = world.settings(Limits(deadline=PATIENCE, answer_ttl=0.001, keep_stale=0), **patient)
        records = open_database(SecretStr(f"sqlite:///{folder}/records.sqlite3"))
        records.migrate()
        ports = {
            "prometheus": prometheus,
            "alertmanager": int(real_alertmanager.rpartition(":")[2]),
            "elasticsearch": int(real_elasticsearch.rpartition(":")[2]),
            "postgres": postgres.port,
            "redis": valkey.port,
        }
        console = Console(settings, world, ports, {**world.proxies, **stores}, records)
        for collector in console.sources.configured():
            collector.source.guard._rest = 0.2  # a source that is back is asked again at once
        for name in PAGES:
            console.draw(name)
        yield console
        registry.close_all()


def words(node: Any) -> str:
    """All text that Streamlit was given in a part of a page."""
    found = []
    for kind in ("markdown", "caption", "metric", "code", "info", "warning", "error"):
        found += [str(getattr(element, "value", "")) for element in node.get(kind)]
    found += [element.label for element in node.get("expander")]
    found += [table.value.to_csv() for table in node.get("dataframe")]
    return "\n".join(found)


def panels(app: AppTest) -> dict[str, str]:
    """The text of each panel by its key."""
    found: dict[str, str] = {}

    def walk(node: Any) -> None:
        key = re.search(r"panel-[a-z]+-([\w-]+)$", str(getattr(getattr(node, "proto", None), "id", "")))
        if key:
            found[key.group(1)] = words(node)
        for child in getattr(node, "children", {}).values():
            walk(child)

    walk(app.main)
    return found


def plain(text: str) -> set[str]:
    """The lines of a panel without marks of status, ages and exact figures, which a look more may have moved."""
    bare = re.sub(r":(green|orange|red|gray)(-badge)?\[|:material/\w+:|[✓▲✕?]|was (?=ok|at risk|broken)", "", text)
    lines = {re.sub(r"\d[\d.]*", "0", line.strip()) for line in bare.splitlines()}
    return {line for line in lines if not line.startswith(("as of ", "] Nothing is wrong"))}


def told(console: Console, names: Iterable[str]) -> dict[str, str]:
    return {name: words(console.draw(name)) for name in names}


def concerned(source: str) -> list[str]:
    """The pictures that ask this source, and those of all sources."""
    asked = HEADLINED.get(source, set()) | {name for of, name in OF if of == source}
    return [name for name in PAGES if name in {"overview", "sources"} | asked]


SITUATIONS = [
    *(pytest.param("frozen", (source,), id=source) for source in SOURCE_NAMES),
    *(pytest.param("cut off", (source,), id=f"{source} cut off") for source in SOURCE_NAMES),
    pytest.param("frozen", SOURCE_NAMES, id="all"),
    pytest.param("cut off", SOURCE_NAMES, id="all cut off"),
]


@pytest.mark.parametrize(("how", "sources"), SITUATIONS)
def test_a_frozen_source_is_the_headline_nothing_of_it_is_called_well_and_all_comes_back(console, how, sources):
    names = [name for name in PAGES if any(name in concerned(source) for source in sources)]
    before = {name: panels(console.draw(name)) for name in names}
    kept = [(of, name, panel) for (of, name), found in OF.items() if of in sources for panel in found]

    def silences() -> list[Outage | None]:
        return [getattr(console.sources, source).source.guard.health().silent for source in sources]

    with console.silent(how, sources):

        def given_up() -> bool:
            known = silences()  # before the pages are drawn, so that they know it too
            drawn = {name: panels(console.draw(name)) for name in names}
            return None not in known and all("Last good answer of " in drawn[name][panel] for _, name, panel in kept)

        # The question that was on its way when the source fell silent ends later than the next one.
        until(given_up, f"{sources} being given up")
        for source, outage in zip(sources, silences(), strict=True):
            title = SOURCE_TITLES[source]
            for name in concerned(source):
                app = console.open[name]
                text, drawn = words(app), panels(app)
                if name in HEADLINED.get(source, ()):
                    since = f"{title} has not answered since {outage.since:%H:%M:%S} UTC"
                    assert f"{since}; below is what was before" in text
                if name in ALONE.get(source, ()):
                    assert not GOOD.search(text), text
                for panel in OF.get((source, name), ()):
                    assert not GOOD.search(drawn[panel]), drawn[panel]
                    lost = plain(before[name][panel]) - plain(drawn[panel])
                    # Looks between may have moved some words; a panel that lost its answer has lost nearly all of them.
                    had = len(plain(before[name][panel]))
                    assert len(lost) <= max(had / 5, min(had / 2, 2), 1), lost
            told_of = words(console.draw("sources"))
            assert f"It has not answered since {outage.since:%H:%M:%S} UTC" in told_of
            assert f"['✕ broken'],{source}," in told_of

    def back() -> bool:
        return not any(
            "has not answered" in text or "Last good answer" in text for text in told(console, names).values()
        )

    until(back, f"everything of {sources} being back")

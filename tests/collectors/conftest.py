"""All four sources of an environment, each behind a fault proxy of its own."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from collectors import registry
from collectors.registry import Sources
from settings import Environment, Limits, Settings
from tests.conftest import RealPrometheus
from tests.support.fault_proxy import Certificates, FaultProxy
from tests.support.little_synaptic import LittleSynaptic
from tests.support.looping import LoopThread

SECRET = "a-secret-of-the-tests"
"""Sent to every source as its password; no message may hold it."""


@dataclass(frozen=True)
class Proxies:
    """A proxy in front of each source; ``tls`` ones speak TLS with a certificate of ``ca_file``'s authority."""

    plain: dict[str, FaultProxy]
    tls: dict[str, FaultProxy]
    ca_file: Path

    def settings(self, *, over_tls: str = "", replicas: tuple[dict[str, str], ...] = (), **options: object) -> Settings:
        """One environment ``test`` of all four sources; ``options`` are keys of every source."""
        environment: dict[str, object] = {}
        for name, proxy in self.plain.items():
            keys = {"username": "console", "password": SECRET, "max_bytes": 1024 * 1024, "connections": 8, **options}
            if name == over_tls:
                environment[name] = {"url": self.tls[name].url, "ca_file": str(self.ca_file), **keys}
            else:
                environment[name] = {"url": proxy.url, **keys}
        synaptic = {**environment["synaptic"], "replicas": replicas}  # type: ignore[dict-item]
        parts = Environment.model_validate({**environment, "synaptic": synaptic})
        return Settings(environments={"test": parts}, limits=Limits(answer_ttl=0.001, keep_stale=0))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certificates, Path]:
    contexts = []
    ca_file = tmp_path_factory.mktemp("authority") / "ca.pem"
    for authority in (trusted := trustme.CA(), trustme.CA()):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        contexts.append(context)
    trusted.cert_pem.write_to_path(ca_file)
    return Certificates(*contexts), ca_file


@pytest.fixture(scope="session")
def little_synaptic(servers: LoopThread) -> Iterator[LittleSynaptic]:
    """A healthy replica that nobody changes."""
    service = LittleSynaptic(servers)
    yield service
    service.close()


@pytest.fixture(scope="session")
def all_proxies(
    servers: LoopThread,
    certificates: tuple[Certificates, Path],
    real_prometheus: RealPrometheus,
    real_alertmanager: str,
    real_elasticsearch: str,
    little_synaptic: LittleSynaptic,
) -> Iterator[Proxies]:
    upstreams = {
        "synaptic": little_synaptic.port,
        "prometheus": real_prometheus.port,
        "alertmanager": int(real_alertmanager.rpartition(":")[2]),
        "elasticsearch": int(real_elasticsearch.rpartition(":")[2]),
    }
    contexts, ca_file = certificates
    plain = {name: FaultProxy(servers, port) for name, port in upstreams.items()}
    tls = {name: FaultProxy(servers, port, contexts) for name, port in upstreams.items()}
    yield Proxies(plain, tls, ca_file)
    for proxy in (*plain.values(), *tls.values()):
        proxy.close()


@pytest.fixture
def proxies(all_proxies: Proxies) -> Iterator[Proxies]:
    """The proxies, without a fault before and after the test."""
    yield all_proxies
    for proxy in (*all_proxies.plain.values(), *all_proxies.tls.values()):
        if proxy.fault != "none":
            proxy.switch("none")


@pytest.fixture
def build() -> Iterator[Callable[[Settings], Sources]]:
    """Builds the sources of environment ``test``; they are closed after the test."""
    built: list[Sources] = []

    def make(settings: Settings) -> Sources:
        built.append(registry.build(settings, "test"))
        return built[-1]

    yield make
    for sources in built:
        for collector in sources.configured():
            collector.close()

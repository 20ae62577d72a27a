"""A quiet and a troubled past, and the sources over them."""

import time
from collections.abc import Callable, Iterator

import pytest

from collectors import registry
from collectors.registry import Sources
from collectors.span import Span
from settings import Limits, Settings
from tests.support.looping import LoopThread
from tests.support_pages import world as worlds
from tests.support_pages.world import World
from ui.window import Window


@pytest.fixture(scope="session")
def quiet(
    servers: LoopThread, real_alertmanager: str, real_elasticsearch: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    now = time.time()
    with (
        worlds.prometheus(tmp_path_factory.mktemp("quiet"), now) as port,
        worlds.world(servers, port, real_alertmanager, real_elasticsearch, now) as world,
    ):
        yield world


@pytest.fixture(scope="session")
def troubled(
    servers: LoopThread, real_alertmanager: str, real_elasticsearch: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    now = time.time()
    with (
        worlds.prometheus(tmp_path_factory.mktemp("troubled"), now, worlds.trouble()) as port,
        worlds.world(servers, port, real_alertmanager, real_elasticsearch, now) as world,
    ):
        yield world


@pytest.fixture
def faults(quiet: World) -> Iterator[World]:
    """The quiet world, in which a test may order faults; they are gone afterwards."""
    yield quiet
    quiet.switch("none")


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


@pytest.fixture
def span_of() -> Callable[[World, str], Span]:
    """The span of a window that ends with a world's newest metric."""
    return lambda world, preset="1h": Window(preset).span(world.moment, Limits())

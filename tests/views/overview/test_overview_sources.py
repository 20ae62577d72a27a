"""Sources that hang, one by one: named first with since when, their badges never green, and gone when they answer."""

from datetime import UTC, datetime, timedelta

import pytest

from collectors import registry
from collectors.span import Span
from settings import SOURCE_TITLES, Limits, Settings
from tests.support import postgresql, redis_servers
from tests.support.looping import until
from ui import format
from views.overview.silences import load_silences
from views.overview.view import load_verdict

pytestmark = pytest.mark.integration

HTTP = {"synaptic": "replicas", "prometheus": "prometheus", "alertmanager": "alerts", "elasticsearch": "logs"}


def verdict(sources):
    now = datetime.now(UTC)
    span = Span.of(now - timedelta(minutes=15), now, 60, live=True)
    return load_verdict(sources, span, format.value, lambda moment: f"{moment:%H:%M:%S}").value


@pytest.fixture
def sources_of():
    """Builds sources that keep good answers for long, so that there is something stale to be green about."""
    made = []

    def build(settings: Settings):
        limits = Limits(deadline=30, answer_ttl=300, keep_stale=3600)
        made.append(registry.build(settings.model_copy(update={"limits": limits}), "test"))
        return made[-1]

    yield build
    for sources in made:
        for collector in sources.configured():
            collector.close()


def silent_one(sources):
    return next(iter(load_silences(sources, 0.2).silent), None)


@pytest.mark.parametrize("source", HTTP)
def test_a_source_that_hangs_is_named_with_since_when_and_is_gone_when_it_answers(faults, sources_of, source):
    sources = sources_of(faults.settings(**{name: {"deadline": 2} for name in HTTP}))
    until(lambda: not load_silences(sources).pending and silent_one(sources) is None, "all sources answering")
    answered = datetime.now(UTC)
    faults.switch("hang", source)
    found = until(lambda: silent_one(sources), "a source being silent")
    assert found.source == source
    assert found.since <= answered + timedelta(seconds=30)
    said = verdict(sources)
    told = f"{SOURCE_TITLES[source]} has not answered since {found.since:%H:%M:%S}"
    assert any(one.text.startswith(told) for one in said.findings)
    assert {one.key: one.status for one in said.badges}[HTTP[source]] == "unknown"
    assert said.status != "ok"
    faults.switch("none", source)
    until(lambda: silent_one(sources) is None, "the source answering again")


def test_a_frozen_database_is_the_headline_and_its_badge_is_not_green(sources_of):
    with postgresql.running(18) as server:
        given = {"host": "127.0.0.1", "port": server.port, "user": "console", "deadline": 2}
        sources = sources_of(Settings.model_validate({"environments": {"test": {"postgres": given}}}))
        calm = until(lambda: (found := verdict(sources)).database is not None and found, "the database answering")
        assert [(one.key, one.status) for one in calm.badges] == [("database", "ok")]
        with postgresql.frozen(server):
            until(lambda: silent_one(sources), "the database being silent")
            found = verdict(sources)
            assert found.headline.startswith("PostgreSQL has not answered since ")
            assert found.headline.endswith("; below is what was before")
            assert found.status == "unknown"
            assert [(one.key, one.status) for one in found.badges] == [("database", "unknown")]
        until(lambda: silent_one(sources) is None, "the database answering again")


def test_a_frozen_cache_is_the_headline_and_its_badge_is_not_green(sources_of):
    with redis_servers.running("valkey") as server:
        given = {"host": "127.0.0.1", "port": server.port, "deadline": 2}
        sources = sources_of(Settings.model_validate({"environments": {"test": {"redis": given}}}))
        calm = until(lambda: (found := verdict(sources)).cache is not None and found, "the cache answering")
        assert [(one.key, one.status) for one in calm.badges] == [("cache", "ok")]
        server.send(redis_servers.signal.SIGSTOP)
        try:
            until(lambda: silent_one(sources), "the cache being silent")
            found = verdict(sources)
            assert found.headline.startswith("Redis has not answered since ")
            assert found.status == "unknown"
            assert [(one.key, one.status) for one in found.badges] == [("cache", "unknown")]
        finally:
            server.send(redis_servers.signal.SIGCONT)
        until(lambda: silent_one(sources) is None, "the cache answering again")

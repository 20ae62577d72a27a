"""A panel's loading ends in exactly one of its states, within its deadline, and never with an exception."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from collectors.cache import Answer
from collectors.errors import Denied, NotConfigured, SourceError, TimedOut, Unreachable
from collectors.http import HttpSource
from settings import HttpEndpoint
from tests.support.fault_proxy import FaultProxy
from tests.support.little_synaptic import LittleSynaptic
from tests.support.looping import LoopThread
from ui.panel import Outcome, outcome

THEN = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
GONE = Unreachable("prometheus", "http://127.0.0.1:9090", "cannot be reached", hint="Check that it runs.")


def something(_):
    return ""


def nothing(_):
    return "No samples in this window."


def failing(error):
    def load():
        raise error

    return load


def test_a_fresh_answer_is_data():
    assert outcome(lambda: Answer(7, THEN), something, 5) == Outcome("data", 7, THEN)


def test_an_answer_that_holds_nothing_is_empty_and_says_why():
    assert outcome(lambda: Answer([], THEN), nothing, 5) == Outcome(
        "empty", None, THEN, reason="No samples in this window."
    )


def test_a_source_that_nobody_configured_is_empty_and_says_how_to_configure_it():
    error = NotConfigured("elasticsearch", "", "is not configured", hint="Add [environments.a.elasticsearch].")
    found = outcome(failing(error), something, 5)
    assert found == Outcome(
        "empty",
        reason="elasticsearch is not configured for this environment.",
        hint="Add [environments.a.elasticsearch].",
    )


def test_the_last_good_answer_is_stale_with_its_age_and_the_cause():
    assert outcome(lambda: Answer(7, THEN, GONE), something, 5) == Outcome("stale", 7, THEN, GONE)


def test_a_stale_answer_that_holds_nothing_is_told_as_stale_because_the_cause_matters_more():
    assert outcome(lambda: Answer([], THEN, GONE), nothing, 5) == Outcome("stale", [], THEN, GONE)


@pytest.mark.parametrize("error", [GONE, Denied("prometheus", "", "refused the credentials (403)")])
def test_a_source_without_any_answer_is_failed_with_its_error(error):
    assert outcome(failing(error), something, 5) == Outcome("failed", error=error)


@pytest.mark.parametrize(
    "error", [ZeroDivisionError(), KeyError("secret"), RecursionError(), ExceptionGroup("two", [ValueError()])]
)
def test_a_mistake_of_the_console_costs_its_panel_and_shows_none_of_its_insides(error):
    found = outcome(failing(error), something, 5)
    assert found == Outcome("failed", reason="This panel failed by a mistake of the console; its log has the cause.")


def test_a_mistake_in_telling_whether_an_answer_is_empty_costs_its_panel_too():
    def empty(_):
        raise AttributeError("no such field")

    assert outcome(lambda: Answer(7, THEN), empty, 5).state == "failed"


@dataclass(frozen=True)
class Stuck:
    """A source whose own patience is far longer than any panel's, behind a proxy that never answers."""

    source: HttpSource
    proxy: FaultProxy

    def ask(self):
        return self.source.ask("GET", "/health", lambda answer: answer.body)


@pytest.fixture
def stuck(servers: LoopThread) -> Iterator[Stuck]:
    service = LittleSynaptic(servers)
    proxy = FaultProxy(servers, service.port)
    source = HttpSource("test", "synaptic", HttpEndpoint(url=proxy.url, deadline=100))
    yield Stuck(source, proxy)
    source.close()
    proxy.close()
    service.close()


@pytest.mark.integration
@pytest.mark.parametrize("fault", ["hang", "drip", "slow_headers"])
def test_the_deadline_ends_a_question_that_is_slow_in_any_way(stuck, fault):
    stuck.proxy.switch(fault)
    found = outcome(lambda: Answer(stuck.ask(), THEN), something, 0.3)
    assert isinstance(found.error, TimedOut)


@pytest.mark.integration
def test_the_deadline_holds_over_questions_that_follow_each_other(stuck):
    """Three answers that never come, each with a hundred seconds of its own, end together with the panel."""
    errors: list[SourceError] = []
    stuck.proxy.switch("hang")

    def load():
        for _ in range(2):
            try:
                stuck.ask()
            except SourceError as error:
                errors.append(error)
        return Answer(stuck.ask(), THEN)

    found = outcome(load, something, 0.5)
    assert [type(error) for error in (*errors, found.error)] == [TimedOut] * 3
    assert found.state == "failed"


@pytest.mark.integration
def test_the_deadline_of_one_panel_is_not_that_of_the_next(stuck):
    stuck.proxy.switch("hang")
    outcome(lambda: Answer(stuck.ask(), THEN), something, 0.2)
    stuck.proxy.switch("none")
    found = outcome(lambda: Answer(stuck.ask(), THEN), something, 30)
    assert found.state == "data"

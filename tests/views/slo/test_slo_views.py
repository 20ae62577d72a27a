"""Objectives on a real Prometheus: checked against what really happened, and against promtool on the same instant."""

import re
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.events import Event, EventKind, Severity
from collectors.errors import NotConfigured, Unreachable
from collectors.registry import Sources
from collectors.slos import DAY, Objective, shipped
from collectors.span import Span
from records.corrections import Correction
from settings import Environment, Limits, Settings
from tests.support import real_parts
from tests.support.fault_proxy import FaultProxy
from tests.support.looping import LoopThread
from tests.views.slo import slo_past
from tests.views.slo.slo_past import HOUR, MINUTE, SHARES, Past
from views.slo.events import FINE, POINTS, coarse_step, load_events
from views.slo.rules.budgets import burn_rate, tally
from views.slo.rules.ledger import Episode, Ledger
from views.slo.view import BudgetOverTime, load_budget, load_objectives

pytestmark = pytest.mark.integration

ANSWERED = Objective(
    key="answered",
    title="Answered",
    kind="availability",
    objective=0.99,
    period="7d",
    signal="search_operations",
    bad={"status": ("error",)},
    why="People wait.",
)
QUICK = Objective(
    key="quick",
    title="Quick",
    kind="latency",
    objective=0.95,
    period="7d",
    signal="search_latency",
    threshold=0.5,
    why="People wait.",
)


@dataclass(frozen=True)
class Server:
    """A Prometheus that holds the past, behind a proxy with faults."""

    url: str
    past: Past
    proxy: FaultProxy

    def asked(self, expression: str, at: float) -> float:
        """What promtool says that an expression is at an instant."""
        command = [real_parts.debian("promtool"), "query", "instant", f"--time={at:.0f}", self.url, expression]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = re.search(r"=> (\S+) @\[", done.stdout)
        assert found, done.stdout or "no sample"
        return float(found[1])


@pytest.fixture(scope="module")
def server(servers: LoopThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("slo")
    past = slo_past.write(folder / "past.txt", time.time())
    with real_parts.prometheus(folder, folder / "past.txt") as port:
        proxy = FaultProxy(servers, port)
        yield Server(f"http://127.0.0.1:{port}", past, proxy)
        proxy.close()


@pytest.fixture
def sources(server: Server, build: Callable[[Settings], Sources]) -> Iterator[Sources]:
    environment = Environment.model_validate(
        {"prometheus": {"url": server.proxy.url, "scrape_interval": slo_past.SCRAPE}}
    )
    limits = Limits(deadline=60, answer_ttl=0.001, keep_stale=3600)
    yield build(Settings(environments={"test": environment}, limits=limits))
    if server.proxy.fault != "none":
        server.proxy.switch("none")


def span(end: float, seconds: float = HOUR) -> Span:
    last = datetime.fromtimestamp(end, UTC)
    return Span(last - timedelta(seconds=seconds), last, 60)


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def correction(start: float, end: float, objective: str | None = None) -> Correction:
    return Correction(uuid.uuid4(), "test", objective, moment(start), moment(end), "maintenance", "ada", moment(end))


def standing(sources, objective, at, *corrections):
    (found,) = load_objectives(sources, {objective.key: objective}, corrections, span(at)).value
    return found


def selector(status: str = "") -> str:
    chosen = f',status="{status}"' if status else ""
    return f'{{__name__=~"synaptic_(query_synaptic_)?query_operations_total",job="synaptic"{chosen}}}'


def growth(status: str, window: str) -> str:
    """Hand-written PromQL: the growth of both forms of the name. The names are apart by pod, so none can clash."""
    return f"sum(increase({selector(status)}[{window}]))"


def test_seven_days_are_what_really_happened_without_what_nobody_measured(server, sources):
    past = server.past
    found = standing(sources, ANSWERED, past.end).raw.tally
    start = past.end - 7 * DAY
    total = past.really(past.searches, start, past.end) - past.unmeasured(past.searches)
    bad = past.really(past.failures, start, past.end) - past.unmeasured(past.failures)
    assert found.total == pytest.approx(total, rel=0.002)
    assert found.bad == pytest.approx(bad, rel=0.002)
    assert found.seconds == pytest.approx(7 * DAY - HOUR, abs=3 * coarse_step(7 * DAY))


def test_five_days_with_a_restart_are_what_promtool_says_on_the_same_instant(server, sources):
    # Up to the gap: increase() over a gap guesses what was in it, from the first sample after it.
    at = server.past.gap[0] - MINUTE
    found = standing(sources, ANSWERED, at).raw.tally
    since = f"{int(found.seconds)}s"
    assert found.seconds == pytest.approx(at - server.past.start, abs=2 * coarse_step(7 * DAY))
    assert found.total == pytest.approx(server.asked(growth("", since), at), rel=0.002)
    assert found.bad == pytest.approx(server.asked(growth("error", since), at), rel=0.002)


def test_over_a_gap_they_are_the_sum_of_the_stretches_that_were_measured(server, sources):
    past = server.past
    found = standing(sources, ANSWERED, past.end).raw.tally
    step = coarse_step(7 * DAY)
    recent = past.end - 6 * HOUR

    def summed(step: int, seconds: int) -> str:
        growth = f"sum(rate({selector()}[{step + slo_past.SCRAPE}s])) * {step}"
        return f"sum_over_time(({growth})[{seconds - step}s:{step}s])"

    before, after = summed(step, 7 * DAY - 6 * HOUR), summed(FINE, 6 * HOUR)
    assert found.total == pytest.approx(server.asked(before, recent) + server.asked(after, past.end), rel=1e-6)


@pytest.mark.parametrize("window", [5 * MINUTE, 14 * MINUTE, HOUR, 84 * MINUTE, 336 * MINUTE])
@pytest.mark.parametrize("at", ["end", "outage"])
def test_burn_rates_are_what_promtool_says_on_the_same_instant(server, sources, window, at):
    instant = server.past.end if at == "end" else server.past.outage[1]
    events = load_events(sources, ANSWERED, moment(instant)).value
    mine = burn_rate(tally(events.buckets, instant - window, instant), ANSWERED.objective)
    asked = f"{growth('error', f'{window}s')} / {growth('', f'{window}s')} / {ANSWERED.allowed:.10g}"
    assert mine == pytest.approx(server.asked(asked, instant), rel=0.02)


def test_a_page_is_due_during_the_outage_and_over_half_an_hour_after_it(server, sources):
    during = standing(sources, ANSWERED, server.past.outage[1])
    assert during.status == "broken"
    assert during.burns[0][1].fires
    assert during.burns[0][1].long == pytest.approx(30, rel=0.02)
    assert during.burns[1][1].long == pytest.approx((30 * 40 + 0.1 * 44) / 84, rel=0.02)
    after = standing(sources, ANSWERED, server.past.outage[1] + 6 * HOUR)
    assert not any(burn.fires for _, burn in after.burns[:2])


def test_quick_searches_are_counted_by_the_bucket_of_the_threshold(server, sources):
    found = standing(sources, QUICK, server.past.end)
    assert found.raw.attainment == pytest.approx(SHARES["0.5"], abs=1e-4)
    assert found.remarks == ()
    asked = (
        'sum(increase({__name__=~"synaptic_query_(synaptic_query_)?duration_seconds_bucket",le="0.5"}[1h]))'
        '/ sum(increase({__name__=~"synaptic_query_(synaptic_query_)?duration_seconds_bucket",le="+Inf"}[1h]))'
    )
    assert 1 - found.pace.bad / found.pace.total == pytest.approx(server.asked(asked, server.past.end), abs=1e-6)


@pytest.mark.parametrize(
    ("threshold", "attained", "said"),
    [
        (1.0, 1.0, None),
        (
            0.3,
            0.9,
            r"no bucket that ends at 0\.3 s \(it has 0\.1, 0\.25, 0\.5, 1 s\); events within 0\.25 s are counted",
        ),
        (0.05, None, r"no bucket that ends at 0\.05 s .*, and none below it: how many .* is not known"),
    ],
)
def test_a_threshold_that_is_no_bound_is_said_with_the_bound_that_is_used(server, sources, threshold, attained, said):
    found = standing(sources, QUICK.model_copy(update={"threshold": threshold}), server.past.end)
    if attained is None:
        assert (found.raw, found.status) == (None, "unknown")
    else:
        assert found.raw.attainment == pytest.approx(attained, abs=1e-4)
    assert [bool(re.search(said, text)) for text in found.remarks] == [True] if said else found.remarks == ()


def test_a_counter_of_failures_that_appears_with_the_first_failure_means_none_before(server, sources):
    read = ANSWERED.model_copy(
        update={"signal": "memory_operations", "labels": {"operation_type": ("read",)}, "key": "read"}
    )
    past = server.past
    before = standing(sources, read, past.outage[0])
    assert before.raw.tally.bad == 0
    assert before.raw.attainment == 1
    after = standing(sources, read, past.end).raw.tally
    # The first value of a series is no growth for Prometheus, so what failed before its first sample is not seen.
    seen = slo_past.scrapes(past.outage[0], past.end)
    assert after.bad == pytest.approx(sum(past.failures("a", at) for at in seen[1:]), rel=0.01)


def test_an_excluded_outage_leaves_both_sums_and_stands_beside_the_raw_figures(server, sources):
    past = server.past
    excluded = correction(past.outage[0], past.outage[1])
    found = standing(sources, ANSWERED, past.end, excluded)
    plain = standing(sources, ANSWERED, past.end)
    assert found.corrections == (excluded,)
    assert found.raw.left == pytest.approx(plain.raw.left, abs=1e-4)
    gone = past.really(past.searches, *past.outage)
    failed = past.really(past.failures, *past.outage)
    assert found.raw.tally.total - found.corrected.tally.total == pytest.approx(gone, rel=0.02)
    assert found.raw.tally.bad - found.corrected.tally.bad == pytest.approx(failed, rel=0.02)
    assert found.corrected.attainment == pytest.approx(0.999, abs=5e-5)
    assert plain.corrected is None


def test_a_correction_holds_for_its_objective_and_its_time_only(server, sources):
    past = server.past
    other = correction(*past.outage, objective="quick")
    old = correction(past.end - 20 * DAY, past.end - 19 * DAY)
    assert standing(sources, ANSWERED, past.end, other, old).corrections == ()


def test_a_period_that_is_excluded_as_a_whole_is_unknown(server, sources):
    whole = correction(server.past.end - 9 * DAY, server.past.end + DAY)
    found = standing(sources, ANSWERED, server.past.end, whole)
    assert (found.corrected, found.status) == (None, "unknown")
    assert found.raw is not None


def test_the_budget_over_time_ends_at_the_figures_and_shows_gap_and_outage(server, sources):
    past = server.past
    excluded = correction(past.outage[0], past.outage[1])
    found = load_budget(sources, ANSWERED, [excluded], span(past.end)).value
    frame = found.frame
    assert list(frame.columns) == ["raw", "corrected"]
    assert frame.index[-1] == moment(past.end)
    assert frame.index.is_monotonic_increasing
    assert frame["raw"].iloc[0] == pytest.approx(1, abs=0.01)
    assert frame["raw"].iloc[-1] == pytest.approx(found.standing.raw.left, abs=1e-9)
    assert frame["corrected"].iloc[-1] == pytest.approx(found.standing.corrected.left, abs=1e-9)
    during = frame.loc[moment(past.gap[0] + 10 * MINUTE) : moment(past.gap[1] - 10 * MINUTE)]
    assert during["raw"].isna().all()
    fall = frame["raw"].asof(moment(past.outage[0])) - frame["raw"].asof(moment(past.outage[1]))
    failed = past.really(past.failures, *past.outage)
    assert fall == pytest.approx(failed / found.standing.raw.events, rel=0.01)
    still = frame["corrected"].asof(moment(past.outage[0])) - frame["corrected"].asof(moment(past.outage[1]))
    assert still == pytest.approx(0, abs=1e-6)


def test_the_ledger_of_the_budget_has_the_outage_with_what_it_cost(server, sources):
    past = server.past
    found = load_budget(sources, ANSWERED, [], span(past.end)).value
    (episode,) = found.ledger.episodes
    step = coarse_step(ANSWERED.seconds)
    assert abs(episode.start - past.outage[0]) <= step
    assert abs(episode.end - past.outage[1]) <= step
    assert episode.spent == pytest.approx(
        past.really(past.failures, *past.outage) / found.standing.raw.events, rel=0.02
    )
    assert episode.spent + found.ledger.rest == pytest.approx(1 - found.standing.raw.left)
    without = load_budget(sources, ANSWERED, [correction(*past.outage)], span(past.end)).value
    assert without.ledger.episodes == ()


def test_an_episode_comes_from_the_deploy_before_it_and_not_from_what_followed():
    def event(minute, kind, title, severity=Severity.INFO):
        return Event(moment(minute * MINUTE), kind, title, severity=severity)

    deploy, back = event(58, EventKind.DEPLOY, "deploy 2"), event(75, EventKind.DEPLOY, "roll-back to 1")
    lock = event(64, EventKind.RESTART, "3 replicas restarted", Severity.WARNING)
    alert, old = event(62, EventKind.ALERT, "Burns", Severity.CRITICAL), event(20, EventKind.DEPLOY, "deploy 1")
    episode = Episode(60 * MINUTE, 90 * MINUTE, 120 * MINUTE, 10, 100, 0.1)
    late = event(100, EventKind.DEPLOY, "deploy 3")
    for events, cause in (
        ([old, deploy, alert, lock, back, late], deploy),
        ([old, alert, lock, late], lock),
        ([old, alert, late], alert),
        ([old, late], None),
        ([back], back),
    ):
        assert BudgetOverTime(None, pd.DataFrame(), Ledger((episode,), 0), tuple(events)).cause(episode) == cause


def test_an_hour_without_traffic_is_no_data_and_not_100_percent(server, sources):
    found = standing(sources, ANSWERED, server.past.silence[1])
    assert found.pace.total == pytest.approx(0)
    assert found.pace.seconds == pytest.approx(HOUR, abs=FINE)
    assert found.burns[0][1].short is None
    assert found.burns[0][1].fires is None
    assert found.raw is not None


def test_where_nothing_was_measured_for_a_quarter_of_an_hour_nothing_is_called_fine(server, sources):
    found = standing(sources, ANSWERED, server.past.gap[0] + 20 * MINUTE)
    assert found.pace.seconds > 0
    assert found.status == "unknown"
    assert "Nothing was measured in the last quarter of an hour" in found.why


def test_a_period_longer_than_what_is_kept_says_since_when_there_is_data(server, sources):
    long = ANSWERED.model_copy(update={"period": "30d"})
    found = standing(sources, long, server.past.end)
    assert abs(found.since.timestamp() - server.past.start) <= 2 * coarse_step(30 * DAY)
    assert found.raw.tally.seconds < 8.1 * DAY
    assert found.raw.seconds == pytest.approx(0.01 * found.raw.tally.seconds)
    assert standing(sources, ANSWERED, server.past.end).since is None


def test_a_metric_that_nobody_reports_is_named_and_unknown(server, sources):
    nobody = ANSWERED.model_copy(update={"signal": "storage_operations"})
    found = standing(sources, nobody, server.past.end)
    assert found.absent == ("synaptic_storage_operations_total",)
    assert (found.raw, found.status, found.exhausted_in) == (None, "unknown", None)


def test_all_shipped_objectives_have_a_standing_in_their_order(server, sources):
    found = load_objectives(sources, shipped(), (), span(server.past.end)).value
    assert [one.objective.key for one in found] == list(shipped())
    assert load_objectives(sources, {}, (), span(server.past.end)).value == ()


def test_the_past_is_asked_once_in_few_points_and_then_kept(server, sources):
    at = server.past.end
    load_events(sources, ANSWERED, moment(at - 10 * MINUTE))
    asked: list[tuple[float, float, int]] = []
    client = sources.prometheus._client
    plain = client.custom_query_range

    def counted(query, start, end, step):
        asked.append((start.timestamp(), end.timestamp(), int(step)))
        return plain(query, start, end, step)

    client.custom_query_range = counted
    load_events(sources, ANSWERED, moment(at))
    points = sum((end - start) / step + 1 for start, end, step in asked)
    assert 0 < points < 300
    assert all(step == FINE or start > at - DAY for start, _, step in asked)
    for days in (7, 30, 90, 366):
        assert days * DAY / coarse_step(days * DAY) <= POINTS


def test_a_server_that_went_away_leaves_the_last_good_figures_with_the_cause(server, sources):
    at = server.past.end
    good = load_objectives(sources, {"answered": ANSWERED}, (), span(at))
    server.proxy.switch("refuse")
    stale = load_objectives(sources, {"answered": ANSWERED}, (), span(at + 10 * MINUTE))
    assert isinstance(stale.error, Unreachable)
    assert stale.value == good.value
    with pytest.raises(Unreachable):
        load_objectives(sources, {"quick": QUICK}, (), span(at))


def test_an_environment_without_prometheus_says_so(build, tmp_path: Path):
    bare = build(Settings(environments={"test": Environment()}))
    with pytest.raises(NotConfigured):
        load_objectives(bare, shipped(), (), span(time.time()))


def test_the_stretches_of_a_period_follow_each_other_without_gap_or_overlap(server, sources):
    past = server.past
    excluded = [(past.outage[0] + 90.0, past.outage[1] + 30.0), (past.gap[0] - 7.0, past.end - 5 * HOUR)]
    buckets = load_events(sources, ANSWERED, moment(past.end), excluded).value.buckets
    assert np.array_equal(buckets.starts[1:], buckets.ends[:-1])
    assert buckets.ends[-1] == past.end
    assert buckets.starts[0] <= past.end - 7 * DAY

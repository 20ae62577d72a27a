"""Deploys, restarts and alerts are read off series as an SRE would tell them."""

import math
from datetime import timedelta

import pandas as pd
import pytest

from analysis.changes import alerts, deploys, moments, restarts
from analysis.events import EventKind, Severity
from analysis.quantities import UNKNOWN, amount, size
from tests.analysis.frames import NAN, START, index, minute, running


def told(frame, versions):
    return [(event.time, event.title) for event in deploys(frame, [{"version": version} for version in versions])]


def test_a_version_that_appears_beside_another_is_a_deploy():
    frame = running("####......", "....######")
    assert told(frame, ["1.8.1", "1.8.2"]) == [(minute(4), "deploy 1.8.2")]


def test_a_rolling_update_of_three_replicas_is_one_deploy_at_its_first_replica():
    old = ("###.......", "#####.....", "#######...")
    new = ("...#######", ".....#####", ".......###")
    assert told(running(*old, *new), ["1.8.1"] * 3 + ["1.8.2"] * 3) == [(minute(3), "deploy 1.8.2")]


def test_the_new_replica_that_flickers_while_it_rolls_out_is_not_a_second_deploy():
    frame = running("##########", "..#.##.###")
    assert told(frame, ["1.8.1", "1.8.2"]) == [(minute(2), "deploy 1.8.2")]


def test_a_version_that_comes_back_is_a_roll_back():
    frame = running("###....###", "...####...")
    assert told(frame, ["1.8.1", "1.8.2"]) == [(minute(3), "deploy 1.8.2"), (minute(7), "roll-back to 1.8.1")]


def test_a_version_that_is_deployed_again_much_later_is_told_again():
    frame = running("#" * 5 + "." * 5 + "#" * 30 + "." * 5, "." * 5 + "#" * 5 + "." * 30 + "#" * 5)
    assert [title for _, title in told(frame, ["1", "2"])] == ["deploy 2", "roll-back to 1", "roll-back to 2"]


def test_the_version_that_runs_from_the_start_is_no_deploy():
    assert told(running("##########"), ["1.8.1"]) == []


def test_a_hole_in_all_series_is_no_deploy_but_another_version_after_it_is():
    assert told(running("###....###"), ["1.8.1"]) == []
    assert told(running("###.......", "......####"), ["1.8.1", "1.8.2"]) == [(minute(6), "deploy 1.8.2")]


def test_two_deploys_in_one_window_are_two():
    frame = running("###.......", "...###....", "......####")
    assert told(frame, ["1", "2", "3"]) == [(minute(3), "deploy 2"), (minute(6), "deploy 3")]


def test_series_without_a_version_and_empty_frames_are_no_deploys():
    assert deploys(running("..########"), [{}]) == []
    assert deploys(pd.DataFrame(index=index(5)), []) == []


def test_a_deploy_is_an_event_of_its_kind():
    (event,) = deploys(running("##...", "..###"), [{"version": "1"}, {"version": "2"}])
    assert (event.kind, event.severity) == (EventKind.DEPLOY, Severity.INFO)


def starts(*minutes):
    return [NAN if number is None else minute(number).timestamp() for number in minutes]


def test_a_process_start_that_moves_is_a_restart_at_the_time_that_the_process_tells():
    frame = pd.DataFrame({0: starts(-60, -60, 1.5, 1.5), 1: starts(-30, -30, -30, -30)}, index=index(4))
    found = restarts(frame, [{"pod": "synaptic-a"}, {"pod": "synaptic-b"}], "pod")
    assert [(event.time, event.title, event.kind) for event in found] == [
        (minute(1.5), "synaptic-a restarted", EventKind.RESTART)
    ]


def test_a_gap_alone_is_no_restart_and_a_restart_behind_a_gap_is_one():
    same = pd.DataFrame({0: starts(-60, None, None, -60)}, index=index(4))
    assert restarts(same, [{"pod": "a"}], "pod") == []
    moved = pd.DataFrame({0: starts(-60, None, None, 2.5)}, index=index(4))
    assert [event.time for event in restarts(moved, [{"pod": "a"}], "pod")] == [minute(2.5)]


def test_a_start_time_that_jitters_below_a_second_is_no_restart():
    frame = pd.DataFrame({0: [START.timestamp() + jitter for jitter in (0.0, 0.6, 0.1, 0.7)]}, index=index(4))
    assert restarts(frame, [{"pod": "a"}], "pod") == []


def test_restarts_of_several_replicas_soon_after_each_other_are_one_event_that_names_them():
    frame = pd.DataFrame({0: starts(-60, -60, -60, 2.5), 1: starts(-60, 0.5, 0.5, 0.5)}, index=index(4))
    (event,) = restarts(frame, [{"pod": "a"}, {"pod": "b"}], "pod")
    assert (event.time, event.title, event.detail) == (minute(0.5), "2 replicas restarted", "b, a")


def test_restarts_far_from_each_other_are_told_one_by_one_in_the_order_of_time():
    frame = pd.DataFrame({0: starts(-60, -60, 90), 1: starts(-60, 5, 5)}, index=index(3, timedelta(hours=1)))
    assert [event.title for event in restarts(frame, [{"pod": "a"}, {}], "pod")] == [
        "a replica restarted",
        "a restarted",
    ]


def test_an_alert_is_told_when_it_begins_and_again_when_it_comes_back():
    frame = running("..##..#.")
    found = alerts(frame, [{"alertname": "SearchSlow", "severity": "warning"}])
    assert [(event.time, event.title, event.severity) for event in found] == [
        (minute(2), "SearchSlow", Severity.WARNING),
        (minute(6), "SearchSlow", Severity.WARNING),
    ]


def test_an_alert_that_fires_in_the_first_row_is_told_as_such():
    (event,) = alerts(running("####"), [{"alertname": "SearchSlow", "severity": "critical"}])
    assert event.time == START
    assert event.severity is Severity.CRITICAL
    assert event.detail == "was firing already when the window begins"


def test_one_alert_on_several_replicas_at_once_is_one_event():
    frame = running(".###", ".###", "..##")
    found = alerts(frame, [{"alertname": "Down", "pod": pod} for pod in "abc"])
    assert [event.time - START for event in found] == [timedelta(minutes=1), timedelta(minutes=2)]


def test_no_alerts_are_no_events():
    assert alerts(pd.DataFrame(index=index(3)), []) == []


@pytest.mark.parametrize("odd", [math.inf, 1e308, 1e12, -1e300])
def test_a_start_that_no_calendar_has_is_no_event_and_the_others_are(odd: float):
    frame = pd.DataFrame([[1000.0, 1000.0], [odd, 2000.0]], index=index(2))
    (event,) = restarts(frame, [{"pod": "a"}, {"pod": "b"}], "pod")
    assert event.time.timestamp() == 2000
    assert [moment.timestamp() for moment, _ in moments(frame, [{"pod": "a"}, {"pod": "b"}], "pod")] == [
        1000,
        1000,
        2000,
    ]


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan])
def test_a_figure_that_is_no_number_is_written_as_unknown(odd: float):
    assert amount(odd) == size(odd) == UNKNOWN

"""The objectives: the shipped file is sound, and a mistake names file, objective and key."""

import subprocess
import tomllib

import pytest

from collectors import slo_rules
from collectors.signals import catalogue
from collectors.slos import (
    CATALOG,
    DAY,
    Objective,
    SlosError,
    all_events,
    burn_rules,
    counter,
    load,
    shipped,
    spellings,
    told_events,
    usable_bound,
)
from views.slo.rules.budgets import ENOUGH_BAD

GOOD = """
[quick]
title = "Quick"
kind = "latency"
objective = 0.99
signal = "search_latency"
threshold = 0.25
why = "People wait."
"""


@pytest.fixture
def written(tmp_path):
    """Loads objectives from text."""

    def loaded(text):
        file = tmp_path / "slo.toml"
        file.write_text(text)
        return load(file)

    return loaded


def mistakes(written, text):
    with pytest.raises(SlosError) as caught:
        written(text)
    return str(caught.value).splitlines()


def test_the_shipped_objectives_are_told_in_full_and_each_alert_of_theirs_can_fire():
    assert list(shipped()) == list(tomllib.loads(CATALOG.read_text()))
    for one in shipped().values():
        assert one.why
        assert one.owner
        assert one.runbook
        assert one.remarks == ()
        assert len(one.rules) == 4
    assert {one.kind for one in shipped().values()} == {"availability", "latency"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("0.99", "1.0"), "slo.toml: quick.objective: Input should be less than 1"),
        (("0.99", "0"), "slo.toml: quick.objective: Input should be greater than 0"),
        (('"latency"', '"speed"'), "slo.toml: quick.kind: Input should be 'availability' or 'latency'"),
        (("threshold = 0.25", ""), "slo.toml: quick: latency needs threshold, in seconds, and has no bad"),
        (("threshold = 0.25", "threshold = -1"), "slo.toml: quick.threshold: Input should be greater than 0"),
        (("why", "because"), "slo.toml: quick.why: Field required"),
        (
            ("search_latency", "search_speed"),
            "slo.toml: quick.signal: there is no signal 'search_speed' in the catalogue of signals",
        ),
        (
            ("search_latency", "search_operations"),
            "slo.toml: quick.signal: latency needs the buckets of a histogram, which "
            "synaptic_query_operations_total is not",
        ),
        (
            ("search_latency", "search_mean"),
            "slo.toml: quick.metric: signal search_mean has several metrics; say which: total, number",
        ),
        (
            ("why", 'metric = "counts"\nwhy'),
            "slo.toml: quick.metric: signal search_latency has no metric 'counts'; it has durations",
        ),
        (
            ("why", 'labels = { user = ["u7"] }\nwhy'),
            "slo.toml: quick.labels: signal search_latency has no label 'user'; it has query_type, complexity",
        ),
        (
            ("why", "labels = { query_type = [] }\nwhy"),
            "slo.toml: quick.labels.query_type: Tuple should have at least 1",
        ),
        (("why", 'period = "1d"\nwhy'), 'slo.toml: quick.period: write a number of days from 7 to 366, like "30d"'),
        (("why", 'period = "a month"\nwhy'), "slo.toml: quick.period: write a number of days from 7 to 366"),
        (("[quick]", "[Quick-1]"), "slo.toml: Quick-1.key: String should match pattern"),
        (("[quick]", "quick = 1\n[other]"), "slo.toml: quick is not a table; write [quick]"),
        (("[quick]", "[quick"), "slo.toml: "),
    ],
)
def test_a_mistake_names_file_objective_and_key(written, change, said):
    assert any(line.startswith(said) for line in mistakes(written, GOOD.replace(*change)))


def test_all_mistakes_are_told_at_once(written):
    second = GOOD.replace("[quick]", "[second]").replace("0.25", "0")
    assert len(mistakes(written, GOOD.replace("0.99", "99") + second)) == 2


def test_availability_needs_to_know_what_is_bad_and_counts_no_bucket(written):
    text = GOOD.replace('latency"\nobj', 'availability"\nobj').replace(
        "threshold = 0.25", 'bad = { status = ["error"] }'
    )
    told = mistakes(written, text)
    assert told[0].startswith(
        "slo.toml: quick.signal: availability needs a counter; synaptic_query_duration_seconds_bucket"
    )
    assert told[1].startswith("slo.toml: quick.bad: signal search_latency has no label 'status'")
    no_bad = GOOD.replace('latency"\nobj', 'availability"\nobj').replace("threshold = 0.25", "")
    assert mistakes(written, no_bad)[0].startswith("slo.toml: quick: availability needs bad")


def test_a_label_cannot_say_both_which_events_count_and_which_are_bad(written):
    text = """
    [answered]
    title = "Answered"
    kind = "availability"
    objective = 0.99
    signal = "search_operations"
    labels = { status = ["success"] }
    bad = { status = ["error"] }
    why = "People wait."
    """
    assert "bad: status stands in labels as well" in mistakes(written, text)[0]


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(SlosError, match=r"mine\.toml: .*No such file"):
        load(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("days", "minutes"), [(30, (60, 360, 1440, 4320)), (7, (14, 84, 336, 1008)), (90, (180, 1080, 4320, 12960))]
)
def test_windows_grow_with_the_period_and_spend_the_same_share_of_the_budget(days, minutes):
    rules = burn_rules(days * DAY)
    assert tuple(rule.long / 60 for rule in rules) == pytest.approx(minutes)
    for rule in rules:
        assert rule.factor * rule.long / (days * DAY) == pytest.approx(rule.share)
        assert rule.short >= 60
        assert rule.factor >= 1


def test_half_of_a_long_window_must_have_been_measured_and_a_page_of_hours_never_waits():
    assert [rule.least / 3600 for rule in burn_rules(30 * DAY)] == [0, 0, 12, 36]


def test_a_burn_rate_that_can_never_be_reached_is_left_out_and_said(written):
    one = written(GOOD.replace("0.99", "0.9"))["quick"]
    assert [rule.factor for rule in one.rules] == [6, 3, 1]
    assert one.remarks == (
        "quick: a burn rate of 14.4 can never be reached with an objective of 90 %, because even without a single good "
        "event the rate is 10; that page is left out",
    )


def test_quick_events_are_one_bucket_and_all_events_are_the_last(written):
    one = written(GOOD + 'labels = { query_type = ["a", "b"] }\n')["quick"]
    assert all_events(one) == {"query_type": ("a", "b"), "le": ["+Inf"]}
    assert told_events(one) == {"query_type": ("a", "b"), "le": ["0.25"]}
    assert told_events(one, 0.1)["le"] == ["0.1"]
    assert counter(one).metrics["events"] == catalogue()["search_latency"].metrics["durations"]


def test_a_bound_is_found_however_a_client_library_writes_it():
    assert spellings(1) == ["1.0", "1"]
    assert spellings(0.25) == ["0.25"]
    assert spellings(1e-5) == ["1e-05"]


def test_without_the_bound_the_next_lower_one_is_taken_and_never_a_higher_one():
    bounds = (0.1, 0.25, 0.5, float("inf"))
    assert usable_bound(0.25, bounds) == 0.25
    assert usable_bound(0.3, bounds) == 0.25
    assert usable_bound(0.05, bounds) is None


HOSTILE = '"} or vector(1) #{{ $value }} \\ \n'


def test_rules_hold_foreign_text_as_text(tmp_path):
    one = Objective(
        key="hostile",
        title=HOSTILE,
        kind="availability",
        objective=0.99,
        signal="search_operations",
        labels={"query_type": (HOSTILE, "a|b.*")},
        bad={"status": (HOSTILE,)},
        why=HOSTILE,
        owner=HOSTILE,
        runbook=HOSTILE,
    )
    text = slo_rules.rules([one], job=HOSTILE)
    file = tmp_path / "rules.yml"
    file.write_text(text)
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'job="\\"} or vector(1) #{{ $value }} \\\\ \\n"' in text
    assert '{{ \\"{{\\" }} $value }}' in text


def test_rules_of_no_objective_are_an_empty_file():
    assert slo_rules.rules([]).endswith("\ngroups: []\n")


def test_console_and_rules_agree_on_how_many_failures_are_enough():
    assert slo_rules.ENOUGH_BAD == ENOUGH_BAD


def test_a_file_without_objectives_or_that_cannot_be_read_is_told_by_its_name_alone(tmp_path):
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    for path, said in ((empty, "names no objective"), (tmp_path / "missing.toml", "cannot be read: No such file")):
        with pytest.raises(SlosError, match=said) as told:
            load(path)
        assert str(tmp_path) not in str(told.value)

"""What is concluded about a cache: differences of counters, resets, flushes, samples of keys, diagnoses, costs."""

import doctest
import math
import random
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from ui import format
from views.cache.rules import diagnoses as cache
from views.cache.rules import keys as cache_keys
from views.cache.rules import samples as cache_samples
from views.cache.rules.diagnoses import State, diagnoses, flush_cost
from views.cache.rules.keys import Seen, prefixes, share, shown, without_end
from views.cache.rules.samples import Sample, between, emptied, hit_share, quantile, rates, restarts, took, total

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
COUNTERS = ("hits", "keyspace_misses")


def sample(minute, run="a", commands=None, times=None, **figures):
    return Sample(NOON + timedelta(minutes=minute), run, figures, commands or {}, times or {})


def hits(minute, hits, misses=0, keys=1000, run="a", **more):
    return sample(minute, run, more.pop("commands", None), None, hits=hits, keyspace_misses=misses, keys=keys, **more)


def cells(minutes, step=1):
    return pd.date_range(NOON, NOON + timedelta(minutes=minutes), freq=f"{step}min")


def test_examples_in_the_documentation_hold():
    for module, examples in ((cache_keys, 3), (cache, 1)):
        assert doctest.testmod(module) == (0, examples)


def test_a_counter_is_told_a_second_and_its_sum_is_what_it_gained():
    found = between([hits(0, 100), hits(1, 160), hits(2, 400)], COUNTERS)
    frame = rates(found, ["hits"], cells(2), 120)
    assert frame["hits"].tolist()[1:] == [1.0, 4.0]
    assert math.isnan(frame["hits"].iloc[0])
    assert total(found, "hits", NOON, NOON + timedelta(minutes=2)).gain == 300
    assert total(found, "hits", NOON, NOON + timedelta(minutes=1)).gain == 60
    half = total(found, "hits", NOON + timedelta(seconds=90), NOON + timedelta(minutes=2))
    assert (half.gain, half.seconds, half.rate) == (120, 30, 4.0)


def test_a_pause_of_the_worker_is_a_gap_in_a_chart_and_not_in_a_sum():
    found = between([hits(0, 0), hits(1, 60), hits(10, 600)], COUNTERS)
    frame = rates(found, ["hits"], cells(10), 150)
    assert frame["hits"].notna().sum() == 1
    assert total(found, "hits", NOON, NOON + timedelta(minutes=10)).gain == 600


@pytest.mark.parametrize(
    ("after", "broken"),
    [
        (hits(2, 5, run="b"), "restart"),
        (hits(2, 5), "reset"),
        (hits(2, 900, commands={"get": (1, 1), "config|resetstat": (1, 1)}), "reset"),
    ],
)
def test_what_was_counted_across_a_restart_or_a_reset_is_unknown_and_not_zero(after, broken):
    before = hits(1, 500, commands={"get": (400, 400)})
    found = between([hits(0, 440, commands={"get": (300, 300)}), before, after, hits(3, 960, run=after.run_id,
                    commands=dict(after.commands))], COUNTERS)  # fmt: skip
    assert [one.broken for one in found] == ["", broken, ""]
    frame = rates(found, ["hits"], cells(3), 150)
    assert frame["hits"].isna().tolist() == [True, False, True, False]
    known = total(found, "hits", NOON, NOON + timedelta(minutes=3))
    assert known.seconds == 120
    assert known.gain == 60 + 960 - after.figures["hits"]


def test_a_figure_that_is_not_told_is_unknown():
    found = between([sample(0), sample(1)], COUNTERS)
    assert total(found, "hits", NOON, NOON + timedelta(minutes=1)).gain is None
    assert rates(found, ["hits"], cells(1), 150)["hits"].isna().all()
    assert hit_share(None, 3) is None
    assert hit_share(0, 0) is None


def test_commands_are_told_by_the_time_that_they_took_within_the_window():
    found = between(
        [
            sample(0, commands={"get": (10, 1000), "set": (5, 500)}),
            sample(1, commands={"get": (20, 2000), "set": (7, 5_500), "del": (1, 10)}),
        ],
        COUNTERS,
    )
    frame = cache_samples.spent(found, NOON, NOON + timedelta(minutes=1))
    assert frame["command"].tolist() == ["set", "get", "del"]
    assert frame["calls"].tolist() == [2, 10, 1]
    assert frame["seconds"].tolist() == pytest.approx([0.005, 0.001, 0.00001])
    assert frame["share"].sum() == pytest.approx(1)


def test_how_long_calls_took_is_the_difference_of_histograms_and_waiting_on_purpose_is_left_out():
    first = {"get": {8: 10, 16: 20}, "blpop": {1_000_000: 1}}
    last = {"get": {8: 10, 16: 119, 1056: 120}, "blpop": {1_000_000: 5}}
    known = {"get": (20, 1), "blpop": (1, 1)}
    found = between([sample(0, times=first, commands=known), sample(1, times=last, commands=known)], COUNTERS)
    histogram = took(found)
    assert histogram == {16: 99, 1056: 100}
    assert quantile(histogram, 0.5) == 16e-6
    assert quantile(histogram, 0.999) == 1056e-6
    assert quantile({}, 0.5) is None


def test_a_command_that_was_not_kept_before_tells_nothing_about_new_calls():
    known = {"get": (20, 1)}
    found = between([sample(0, commands=known), sample(1, times={"get": {8: 500}}, commands=known)], COUNTERS)
    assert took(found) == {}


def test_a_flush_is_told_with_its_hit_ratio_before_and_after_and_when_it_was_filled_again():
    calls = {"flushall": (1, 50)}
    past = [
        hits(0, 0, 0), hits(1, 90, 10), hits(2, 180, 20),
        hits(3, 190, 100, keys=40, commands=calls),
        hits(4, 230, 160, keys=400, commands=calls),
        hits(5, 320, 165, keys=900, commands=calls),
    ]  # fmt: skip
    (one,) = emptied(between(past, COUNTERS))
    assert (one.kind, one.keys_before, one.keys_after) == ("flush", 1000, 40)
    assert one.share_before == pytest.approx(0.9)
    assert one.share_lowest == pytest.approx(10 / 90)
    assert one.refilled == NOON + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (hits(1, 10, keys=5, expired_keys=0, evicted_keys=0), "gone"),
        (hits(1, 10, keys=5, expired_keys=990, evicted_keys=0), None),
        (hits(1, 10, keys=5, expired_keys=0, evicted_keys=990), None),
        (hits(1, 10, keys=5, run="b"), "restart"),
        (hits(1, 10, keys=1000, run="b"), None),
        (hits(1, 10, keys=950, commands={"flushdb": (1, 1)}), "flush"),
    ],
)
def test_keys_that_came_to_their_end_are_no_flush_and_ones_that_were_loaded_again_are_not_lost(last, kind):
    found = emptied(between([hits(0, 5, expired_keys=0, evicted_keys=0), last], COUNTERS))
    assert [one.kind for one in found] == ([kind] if kind else [])


def test_a_restart_is_told_by_its_uptime_and_a_failover_as_another_server():
    found = between([hits(0, 1), hits(2, 1, run="b", uptime_in_seconds=30.0)], COUNTERS)
    (one,) = restarts(found)
    assert (one.moment, one.other) == (NOON + timedelta(seconds=90), False)
    (one,) = restarts(between([hits(0, 1), hits(2, 1, run="b", uptime_in_seconds=9000.0)], COUNTERS))
    assert (one.moment, one.other) == (NOON + timedelta(minutes=2), True)


# Keys


@pytest.mark.parametrize(("truth", "seen"), [(0.12, 400), (0.5, 100), (0.01, 1000), (0.0, 300), (1.0, 50)])
def test_the_interval_of_a_share_holds_the_truth_about_as_often_as_it_says(truth, seen):
    total_keys = 5000
    having = round(truth * total_keys)
    drawn = random.Random(7)
    held = 0
    for _ in range(400):
        found = sum(number < having for number in drawn.sample(range(total_keys), seen))
        one = share(found, seen, total_keys)
        held += one.low <= truth <= one.high
    assert held >= 0.93 * 400


def test_a_sample_of_everything_is_certain_and_one_of_nothing_says_nothing():
    one = share(12, 100, 100)
    assert (one.low, one.value, one.high) == (0.12, 0.12, 0.12)
    nothing = share(0, 0, 100)
    assert (nothing.low, nothing.high) == (0.0, 1.0)


def test_keys_are_told_by_prefix_with_what_has_no_end():
    keys = [
        Seen(f"memory:semantic:{number}", "string", -1.0 if number % 8 == 0 else 3000.0, 200) for number in range(80)
    ]
    keys += [Seen(f"session:{number}", "string", 100.0, 100) for number in range(20)]
    memory, session = prefixes(keys, 1000)
    assert (memory.name, memory.seen, session.name) == ("memory:*", 80, "session:*")
    assert memory.keys.low < 800 < memory.keys.high
    assert memory.size.value == pytest.approx(160_000)
    assert memory.forever.value == pytest.approx(0.125)
    (told,) = without_end([memory, session])
    assert told.text.startswith("12 % of memory:* have no time to live (between ")
    assert told.key == "cache-no-ttl"


def test_a_kind_of_which_no_key_has_an_end_is_meant_so():
    keys = [Seen(f"config:{number}", "hash", -1.0, 100) for number in range(50)]
    assert without_end(prefixes(keys, 50)) == []


def test_many_prefixes_become_one_and_no_key_is_lost():
    keys = [Seen(f"p{number:03}x:{number}", "string", 1.0, number) for number in range(100)]
    found = prefixes(keys, 100)
    assert len(found) == cache_keys.MOST_PREFIXES
    assert sum(one.seen for one in found) == 100
    assert prefixes([], 0) == []


@pytest.mark.parametrize(
    "name",
    ["session:abcdef", "user:session:abcdef", "auth_token:abcdef", "Session-abcdef", "x:sess:abcdef", "jwt:abcdef"],
)
def test_what_lets_somebody_in_is_hidden_from_everybody(name):
    for identifiers in (True, False):
        assert "abcdef" not in shown(name, identifiers)


def test_names_are_whole_for_those_who_may_see_identifiers_alone():
    assert shown("memory:user:ada", True) == "memory:user:ada"
    assert shown("memory:user:ada", False) == "memory:…"
    assert shown("ada1985", False) == "ada…"
    assert shown("sessions", True) == "sessions"


# Diagnoses


def found(**given):
    return {one.key: one for one in diagnoses(State(**given), 0.8, 0.5, format.value)}


MIB = 2**20


def test_evictions_are_told_with_cause_effect_and_mend():
    one = found(
        used=8 * MIB, limit=8 * MIB, limit_before=64 * MIB, policy="allkeys-lru", evicted_now=34.0,
        evicting_since="12:10:00 UTC", hits=6.0, misses=4.0, share_before=0.94,
    )["cache-evicting"]  # fmt: skip
    assert one.text == (
        "It evicts 34 keys/s since 12:10:00 UTC, because maxmemory was lowered from 64 MiB to 8 MiB; "
        "the hit ratio fell from 94 % to 60 %."
    )
    assert one.mend == "CONFIG SET maxmemory 64mb"
    assert one.status == "risk"


def test_without_a_change_of_the_limit_twice_as_much_is_the_mend():
    one = found(used=8 * MIB, limit=8 * MIB, policy="allkeys-lru", evicted_now=34.0)["cache-evicting"]
    assert "because memory is at maxmemory 8 MiB (allkeys-lru)" in one.text
    assert one.mend == "CONFIG SET maxmemory 16mb"


def test_after_the_limit_was_raised_again_memory_is_not_said_to_be_at_it():
    one = found(used=3 * MIB, limit=64 * MIB, policy="allkeys-lru", evicted_now=1.9)["cache-evicting"]
    assert one.text == (
        "It evicted 1.9 keys/s until a moment ago; now it has room: 3 MiB of maxmemory 64 MiB are used."
    )
    assert one.mend == ""


@pytest.mark.parametrize(
    ("given", "key", "status", "words"),
    [
        ({"used": 64 * MIB, "limit": 64 * MIB, "policy": "noeviction"}, "cache-full", "broken", "writes are refused"),
        ({"used": 60 * MIB, "limit": 64 * MIB, "policy": "noeviction"}, "cache-full", "risk", "will be refused"),
        ({"used": 64 * MIB, "limit": 64 * MIB, "policy": "volatile-lru", "expires": 0}, "cache-full", "broken",
         "evicts only keys with a time to live"),
        ({"used": 900 * MIB, "limit": 0, "machine": 1024 * MIB}, "cache-limit", "risk", "There is no maxmemory"),
        ({"used": 200 * MIB, "resident": 400 * MIB, "fragmentation": 2.0}, "cache-fragmentation", "risk", "fragmented"),
        ({"used": 400 * MIB, "resident": 100 * MIB, "fragmentation": 0.25}, "cache-fragmentation", "risk", "swapped"),
        ({"rejected": 3.0, "most_clients": 100, "clients": 100}, "cache-clients", "broken", "3 connections were"),
        ({"most_clients": 100, "clients": 85}, "cache-clients", "risk", "85 of at most 100"),
        ({"save_failed": True}, "cache-save", "broken", "every write is refused"),
        ({"append_failed": True}, "cache-save", "broken", "append-only"),
        ({"loading": 12.0}, "cache-loading", "broken", "for about 12 s more"),
        ({"link_down": 40, "primary": "redis-0:6379"}, "cache-replica-link", "broken", "redis-0:6379 40 s ago"),
        ({"replicas_lost": ("10.0.0.7:6379",)}, "cache-replica-link", "risk", "10.0.0.7:6379"),
        ({"hits": 4.0, "misses": 6.0}, "cache-hits", "broken", "only 40 % of 10 look-ups/s"),
        ({"hits": 7.0, "misses": 3.0}, "cache-hits", "risk", "only 70 %"),
        ({"slow": 0.02}, "cache-slow", "risk", "20 ms"),
        ({"keys_calls": 3.0}, "cache-keys-command", "risk", "KEYS was sent 3 times"),
    ],
)  # fmt: skip
def test_each_trouble_is_told_with_its_figures(given, key, status, words):
    one = found(**given)[key]
    assert one.status == status
    assert words in one.text


@pytest.mark.parametrize(
    "given",
    [
        {},
        {
            "used": 64 * MIB,
            "limit": 64 * MIB,
            "policy": "allkeys-lru",
            "hits": 90.0,
            "misses": 10.0,
            "evicted_now": 0.0,
        },
        {"hits": 0.1, "misses": 0.3},
        {"used": 2 * MIB, "resident": 12 * MIB, "fragmentation": 6.0},
        {"used": 5 * MIB, "limit": 0, "machine": 1024 * MIB},
        {"used": 64 * MIB, "limit": 64 * MIB, "policy": "volatile-lru", "expires": 10},
    ],
)
def test_what_is_well_or_unknown_is_not_called_wrong(given):
    assert found(**given) == {}


def test_a_flush_costs_the_hits_until_the_keys_are_back():
    cost = flush_cost(90.0, 10.0, 1000, 45.0)
    assert cost.reads_then == 135.0
    assert cost.times == 3.0
    assert cost.half == pytest.approx(6.93, abs=0.01)
    assert cost.most == pytest.approx(23.03, abs=0.01)
    assert flush_cost(90.0, 10.0, 1000, None).times is None
    assert flush_cost(0.0, 10.0, 1000, 45.0) is None
    assert flush_cost(None, None, 1000, 45.0) is None
    assert flush_cost(9.0, 1.0, 0, 45.0) is None


def test_the_time_to_refill_is_that_of_look_ups_that_are_spread_evenly():
    drawn = random.Random(3)
    keys, cached, looked = 2000, set(), 0
    halfway = None
    recent = []
    while halfway is None:
        key = drawn.randrange(keys)
        recent.append(key in cached)
        cached.add(key)
        looked += 1
        if len(recent) > 400 and sum(recent[-400:]) >= 200:
            halfway = looked - 200
    assert halfway == pytest.approx(math.log(2) * keys, rel=0.15)

"""Tables, indexes, partitions, sequences and transaction ids: what is concluded from what the catalogue tells."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from views.database.rules import growth, indexes, partitions, sequences, vacuum_due, xids
from views.database.rules.bloat import btree, heap
from views.database.rules.relations import (
    Figures,
    Frozen,
    Holder,
    Index,
    Partition,
    Sequence,
    Statistics,
    Table,
    whole_tables,
)

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)

FIGURES = Figures(
    bytes=2**30, next_xid=10**9, xid_age=10**6, mxid_age=0, oldest_database="synaptic", oldest_xid_age=10**6,
    stats_reset=NOW - 30 * DAY, started_at=NOW - 60 * DAY, standby=False, block_size=8192, autovacuum=True, workers=3,
    vacuum_threshold=50, vacuum_scale=0.2, vacuum_max_threshold=100_000_000, insert_threshold=1000, insert_scale=0.2,
    analyze_threshold=50, analyze_scale=0.1, freeze_max_age=200_000_000, multixact_freeze_max_age=400_000_000,
    failsafe_age=1_600_000_000, as_of=NOW,
)  # fmt: skip
TABLE = Table(
    oid=1, name="public.t", kind="r", parent="", heap_bytes=2**20, toast_bytes=0, index_bytes=2**19, locked=False,
    live_rows=100_000, dead_rows=0, modified=0, inserted=0, last_vacuum=None, last_autovacuum=NOW - timedelta(hours=3),
    last_analyze=None, last_autoanalyze=NOW, seq_scans=1, seq_rows=10, index_scans=1, writes=5, blocks_hit=9,
    blocks_read=1, options=[], planner_rows=100_000.0, pages=1000, frozen_pages=None, xid_age=1000, mxid_age=0,
    vacuuming=False, total=1,
)  # fmt: skip
INDEX = Index(
    oid=1, name="public.i", short_name="i", table="public.t", short_table="t", partitioned=False, parent="",
    bytes=2**21, scans=5, last_scan=None, is_unique=False, is_primary=False, is_constraint=False, is_identity=False,
    is_valid=True, is_ready=True, building=False, method="btree", definition="CREATE INDEX i ON t USING btree (a)",
    keys=["1/1978/0/0"], included=[], expressions="", predicate="", planner_rows=1.0, total=1,
)  # fmt: skip
SEQUENCE = Sequence(
    name="public.s", last_value=1, readable=True, schema="public", start_value=1, least=1, most=2**63 - 1, increment=1,
    cycles=False, type="bigint", table="public.t", column="id", column_type="integer", identity=False, total=1,
)  # fmt: skip
HOLDER = Holder(
    "session", "4711", "app", "idle in transaction", 10**7, NOW - timedelta(hours=5), "synaptic", False, True
)


def table(**keys):
    return msgspec.structs.replace(TABLE, **keys)


def index(**keys):
    return msgspec.structs.replace(INDEX, **keys)


def figures(**keys):
    return msgspec.structs.replace(FIGURES, **keys)


def partition(name, start, end, type_="timestamp with time zone", **keys):
    bounds = f"FOR VALUES FROM ({start}) TO ({end})"
    found = Partition(f"public.{name}", name, "public.p", "public", "p", "range", "at", type_, False, bounds, 0, 3)
    return msgspec.structs.replace(found, **keys)


def years(*found):
    return [partition(f"p_{one}", f"'{one}-01-01 00:00:00+00'", f"'{one + 1}-01-01 00:00:00+00'") for one in found]


@pytest.mark.parametrize(
    ("keys", "settings", "vacuum", "insert", "analyze"),
    [
        ({}, {}, 20_050, 21_000, 10_050),
        (
            {"options": ["autovacuum_vacuum_scale_factor=0.01", "autovacuum_vacuum_threshold=10"]},
            {},
            1010,
            21_000,
            10_050,
        ),
        ({"planner_rows": None}, {}, 50, 1000, 50),
        ({"planner_rows": 1e9}, {}, 100_000_000, 200_001_000, 100_000_050),
        ({"planner_rows": 1e9}, {"vacuum_max_threshold": -1}, 200_000_050, 200_001_000, 100_000_050),
        ({"frozen_pages": 900}, {}, 20_050, 3000, 10_050),
        ({"options": ["autovacuum_vacuum_insert_threshold=-1"]}, {}, 20_050, None, 10_050),
    ],
)
def test_autovacuum_comes_at_the_threshold_of_the_manual_with_the_own_options_of_a_table(
    keys, settings, vacuum, insert, analyze
):
    due = vacuum_due.due(table(**keys), figures(**settings))
    assert due.vacuum == pytest.approx(vacuum)
    assert due.insert == (pytest.approx(insert) if insert is not None else None)
    assert due.analyze == pytest.approx(analyze)
    assert due.enabled


@pytest.mark.parametrize(
    ("keys", "settings", "holders", "words", "mend"),
    [
        ({"vacuuming": True}, {}, [], "a vacuum is at it now", ""),
        ({}, {"autovacuum": False}, [], "autovacuum is off for the whole server", "ALTER SYSTEM SET autovacuum = on;"),
        ({"options": ["autovacuum_enabled=off"]}, {}, [], "switched off for it", "RESET (autovacuum_enabled)"),
        ({}, {}, [HOLDER], "vacuum cannot remove what session 4711 (app, idle in transaction, for 5 h) may still see",
         "SELECT pg_terminate_backend(4711);"),
        ({}, {}, [], "over autovacuum's threshold of 20.1 k, and it was vacuumed last 3 h ago", "VACUUM"),
        ({"planner_rows": 10**6, "live_rows": 100_000}, {}, [], "autovacuum comes only at 200 k dead rows",
         "SET (autovacuum_vacuum_scale_factor = 0.05)"),
    ],
)  # fmt: skip
def test_the_cause_of_dead_rows_is_named(keys, settings, holders, words, mend):
    found = vacuum_due.diagnose([table(dead_rows=80_000, **keys)], figures(**settings), holders, lambda _: [])
    (one,) = [each for each in found if each.key == "dead-rows"]
    assert "44 % dead rows (80 k of 180 k)" in one.text
    assert words in one.text
    assert mend in one.mend


def test_a_vacuum_a_moment_ago_is_a_comfort_only_where_autovacuum_comes_after_it():
    lately = {"dead_rows": 80_000, "last_vacuum": NOW - timedelta(minutes=1)}
    told = [
        vacuum_due.diagnose([table(**lately, **more)], FIGURES, [], lambda _: [])[0].status
        for more in ({}, {"options": ["autovacuum_enabled=off"]})
    ]
    assert told == ["risk", "broken"]


def test_how_long_a_table_was_over_its_threshold_is_told_from_the_records():
    past = [
        (NOW - timedelta(hours=hours), rows) for hours, rows in ((6, 90_000.0), (5, 10.0), (4, 30_000.0), (2, 40_000.0))
    ]
    found = vacuum_due.diagnose([table(dead_rows=80_000)], FIGURES, [], lambda _: past)
    assert "over autovacuum's threshold of 20.1 k for 4 h" in found[0].text
    assert vacuum_due.over_since(past, 50_000) is None


def test_a_few_dead_rows_and_a_table_without_any_are_no_finding():
    calm = [table(), table(dead_rows=900, live_rows=100), table(dead_rows=None), table(live_rows=0, dead_rows=0)]
    assert vacuum_due.diagnose(calm, FIGURES, None, lambda _: []) == []


def test_a_table_that_changed_much_and_was_not_analyzed_is_named():
    stale = table(modified=50_000, last_autoanalyze=NOW - timedelta(hours=8))
    (one,) = vacuum_due.diagnose([stale], FIGURES, None, lambda _: [])
    assert (one.key, one.mend) == ("analyze-due", "ANALYZE public.t;")
    assert vacuum_due.diagnose([table(modified=50_000)], FIGURES, None, lambda _: []) == []


def test_a_partitioned_table_has_the_sums_of_its_partitions_and_unknown_stays_unknown():
    whole = table(
        oid=9, name="public.p", kind="p", heap_bytes=0, index_bytes=0, live_rows=0, xid_age=None, blocks_hit=None
    )
    parts = [table(oid=2, name="a", parent="public.p"), table(oid=3, name="b", parent="public.p", xid_age=5000)]
    (found, *_) = whole_tables([whole, *parts])
    assert (found.live_rows, found.bytes, found.xid_age, found.hit_ratio) == (200_000, 3 * 2**20, 5000, 0.9)
    (empty,) = whole_tables([whole])
    assert (empty.bytes, empty.live_rows, empty.hit_ratio) == (0, None, None)


def test_the_rate_of_transaction_ids_begins_anew_where_the_counter_went_back():
    assert xids.rate([(NOW - timedelta(seconds=100), 1000), (NOW, 6000)]) == 50
    assert xids.rate([(NOW - DAY, 10**9), (NOW - timedelta(seconds=10), 100), (NOW, 200)]) == 10
    assert xids.rate([(NOW, 5)]) is None


@pytest.mark.parametrize(
    ("age", "used", "status", "words"),
    [
        (1_700_000_000, None, "broken", "1.7 G transactions behind in freezing of 2.14 G"),
        (1_000_000_000, 5000.0, "broken", "at 5,000 transactions/s the server stops writing in 2.6 d"),
        (1_000_000_000, 10.0, None, ""),
        (5_800_000, 9700.0, None, ""),  # 2.5 days left, and autovacuum has not been asked to freeze
    ],
)
def test_the_server_is_named_while_there_is_still_time_or_when_there_is_little(age, used, status, words):
    found = xids.diagnose(figures(oldest_xid_age=age), [], [], used)
    assert [one.status for one in found] == ([status] if status else [])
    assert all(words in one.text for one in found)


def test_tables_past_their_own_limit_are_one_finding_that_names_the_services_own_first():
    old = [
        Frozen("pg_catalog.pg_class", False, 250_000_000, 0, [], 8192),
        Frozen("public.memories_2026", False, 2_000_000, 0, ["autovacuum_freeze_max_age=1000000"], 8192),
        Frozen("public.calm", False, 3_000_000, 0, [], 8192),
    ]
    (one,) = xids.diagnose(FIGURES, old, [], 100.0)
    assert one.text.startswith(
        "public.memories_2026 is 2 M transactions old, past its autovacuum_freeze_max_age of 1 M, as 1 more table is: "
        "autovacuum has not come to freeze it yet."
    )


@pytest.mark.parametrize(
    ("kind", "mend"),
    [
        ("prepared", "ROLLBACK PREPARED 'it''s';"),
        ("slot", "SELECT pg_drop_replication_slot('it''s');"),
        ("standby", "hot_standby_feedback = off;"),
    ],
)
def test_who_holds_back_the_horizon_for_long_is_named_with_what_ends_it(kind, mend):
    holder = msgspec.structs.replace(HOLDER, kind=kind, name="it's")
    (one,) = xids.diagnose(FIGURES, [], [holder], None)
    assert (one.key, one.status) == ("xid-horizon", "risk")
    assert mend in one.mend
    brief = msgspec.structs.replace(holder, since=NOW - timedelta(minutes=1))
    elsewhere = msgspec.structs.replace(holder, here=False)
    young = msgspec.structs.replace(holder, age=100)
    assert xids.diagnose(FIGURES, [], [brief, elsewhere, young] if kind != "slot" else [elsewhere, young], None) == []


def test_of_two_equal_indexes_the_one_that_is_needed_or_used_stays():
    twins = indexes.twins([index(oid=1, name="a", scans=1), index(oid=2, name="b", scans=9)])
    assert [(one.index.name, one.other.name, one.same) for one in twins] == [("a", "b", True)]
    twins = indexes.twins([index(oid=1, name="a", scans=9), index(oid=2, name="b", is_unique=True)])
    assert [(one.index.name, one.other.name) for one in twins] == [("a", "b")]
    both = [index(oid=1, name="a", is_primary=True), index(oid=2, name="b", is_unique=True)]
    assert indexes.twins(both) == []


def test_a_shorter_index_is_superfluous_only_where_the_longer_one_answers_the_same():
    wide = index(oid=2, name="wide", keys=["1/1978/0/0", "2/1978/0/0"])
    assert [one.index.name for one in indexes.twins([index(), wide])] == ["public.i"]
    for other in (
        {"keys": ["1/1978/0/3", "2/1978/0/0"]},
        {"predicate": "x"},
        {"method": "gin"},
        {"table": "public.other"},
        {"is_valid": False},
    ):
        assert indexes.twins([index(), msgspec.structs.replace(wide, **other)]) == []
    assert indexes.twins([index(included=[7]), wide]) == []
    assert indexes.twins([index(is_unique=True), wide]) == []


def test_parts_of_a_partitioned_index_count_together_and_are_never_dropped_alone():
    whole = index(oid=1, name="w", partitioned=True, bytes=0, scans=None)
    parts = [index(oid=2, name="x", parent="w", scans=3), index(oid=3, name="y", parent="w", scans=4, last_scan=NOW)]
    group = [whole, *parts]
    assert indexes.scans_of(group)["w"] == 7
    assert indexes.bytes_of(group)["w"] == 2**22
    assert indexes.last_scans_of(group)["w"] == NOW
    quiet = {one.name: indexes.Use(0, NOW - 30 * DAY) for one in group}
    (unused,) = indexes.diagnose(group, quiet, [], NOW)
    assert (unused.subject, unused.mend) == ("w", "SET lock_timeout = '2s';\nDROP INDEX w;")


def test_an_index_is_unused_since_the_reset_or_since_it_stopped_in_the_records():
    reset = NOW - 30 * DAY
    assert indexes.Use(0, reset).unused_since() == reset
    assert indexes.Use(0, reset, silent_since=NOW - 60 * DAY).unused_since() == NOW - 60 * DAY
    assert indexes.Use(5, reset, last=NOW - DAY).unused_since() == NOW - DAY
    assert indexes.Use(5, reset, silent_since=NOW - 9 * DAY).unused_since() == NOW - 9 * DAY
    assert indexes.Use(None, reset).unused_since() is None
    assert indexes.Use(5, reset).unused_since() is None


def test_what_a_failed_reindex_left_behind_is_dropped_and_what_is_being_built_is_left_alone():
    (left,) = indexes.diagnose([index(name="public.i_ccnew", short_name="i_ccnew", is_valid=False)], {}, [], NOW)
    assert left.mend == "DROP INDEX CONCURRENTLY public.i_ccnew;"
    assert indexes.diagnose([index(is_valid=False, building=True)], {}, [], NOW) == []


@pytest.mark.parametrize(
    ("bounds", "type_", "words", "statement"),
    [
        ([("p_2025_11", "'2025-11-01 00:00:00+00'", "'2025-12-01 00:00:00+00'"),
          ("p_2026_11", "'2026-11-01 00:00:00+00'", "'2026-12-01 00:00:00+00'")], "timestamp with time zone", "monthly",
         "CREATE TABLE public.p_2026_12 PARTITION OF public.p\n"
         "    FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00');"),
        ([("p20261126", "'2026-11-26'", "'2026-11-27'")], "date", "daily",
         "CREATE TABLE public.p20261127 PARTITION OF public.p\n    FOR VALUES FROM ('2026-11-27') TO ('2026-11-28');"),
        ([("w", "'2026-11-23 00:00:00'", "'2026-11-30 00:00:00'")], "timestamp without time zone", "weekly",
         "CREATE TABLE public.p_20261130 PARTITION OF public.p\n"
         "    FOR VALUES FROM ('2026-11-30 00:00:00') TO ('2026-12-07 00:00:00');"),
        ([("p_2026", "'2025-12-31 23:00:00+00'", "'2026-12-31 23:00:00+00'")], "timestamp with time zone", "yearly",
         "CREATE TABLE public.p_2027 PARTITION OF public.p\n"
         "    FOR VALUES FROM ('2026-12-31 23:00:00+00') TO ('2027-12-31 23:00:00+00');"),
    ],
)  # fmt: skip
def test_the_width_of_partitions_is_inferred_and_the_next_one_is_named_like_them(bounds, type_, words, statement):
    (found,) = partitions.coverages([partition(*one, type_) for one in bounds], NOW)
    assert found.width.words == words
    assert found.statement == statement


def test_the_next_partition_is_missing_only_when_its_time_comes_near():
    assert partitions.diagnose(partitions.coverages(years(2025, 2026, 2027), NOW), NOW) == []
    (near,) = partitions.diagnose(partitions.coverages(years(2025, 2026), NOW), NOW)
    assert "missing: in 36 d, from 2027-01-01 00:00:00 UTC on, new rows are refused" in near.text
    summer = datetime(2026, 6, 1, tzinfo=UTC)
    assert partitions.diagnose(partitions.coverages(years(2025, 2026), summer), summer) == []


def test_without_a_partition_for_now_rows_are_refused_or_fall_into_the_default_one():
    (gone,) = partitions.diagnose(partitions.coverages(years(2023, 2024), NOW), NOW)
    assert (gone.status, "are refused" in gone.text) == ("broken", True)
    assert "FROM ('2026-01-01 00:00:00+00')" in gone.mend
    default = partition("rest", "", "", is_default=True, bounds="DEFAULT", live_rows=12)
    told = partitions.diagnose(partitions.coverages([*years(2024), default], NOW), NOW)
    assert [(one.key, one.status) for one in told] == [
        ("partition-missing", "risk"),
        ("partition-default-rows", "risk"),
    ]
    assert "public.rest holds 12 rows" in told[1].text


def test_partitions_of_another_kind_and_without_an_end_are_no_finding():
    other = [partition("l", "", "", strategy="list", bounds="FOR VALUES IN (1)")]
    assert partitions.coverages(other, NOW) == []
    (endless,) = partitions.coverages([partition("all", "'2020-01-01 00:00:00+00'", "MAXVALUE")], NOW)
    assert endless.endless
    assert partitions.diagnose([endless], NOW) == []
    (unequal,) = partitions.coverages(
        [partition("a", "'2026-01-01 00:00:00+00'", "'2026-11-20 00:00:00+00'"),
         partition("b", "'2026-11-20 00:00:00+00'", "'2026-11-28 00:00:00+00'")], NOW)  # fmt: skip
    assert (unequal.width, unequal.statement) == (None, "")


@pytest.mark.parametrize(
    ("keys", "used", "status"),
    [
        ({"last_value": 1_900_000_000}, 0.885, "risk"),
        ({"last_value": 2_000_000_000}, 0.931, "broken"),
        ({"last_value": 2_000_000_000, "column_type": "bigint"}, 0.0, None),
        ({"last_value": 2_000_000_000, "cycles": True}, 0.931, None),
        ({"last_value": None, "readable": False}, None, None),
        ({"last_value": None}, 0.0, None),
        ({"last_value": -30_000, "start_value": -1, "least": -(2**63), "most": -1, "increment": -1,
          "column_type": "smallint"}, 0.9155, "broken"),
    ],
)  # fmt: skip
def test_a_sequence_ends_with_its_own_limit_or_its_columns(keys, used, status):
    (one,) = sequences.fills([msgspec.structs.replace(SEQUENCE, **keys)], {})
    assert one.used == (pytest.approx(used, abs=0.001) if used is not None else None)
    assert [each.status for each in sequences.diagnose([one])] == ([status] if status else [])


def test_a_sequence_that_runs_out_within_a_month_is_named_whatever_its_share():
    (one,) = sequences.fills([msgspec.structs.replace(SEQUENCE, last_value=10**9)], {"public.s": 1000.0})
    (told,) = sequences.diagnose([one])
    assert "13 d left at the present rate" in told.text
    assert "ALTER TABLE public.t ALTER COLUMN id TYPE bigint;" in told.mend


def test_growth_is_the_slope_of_all_samples_since_the_last_fall():
    samples = [(NOW + hour * timedelta(hours=1), 1000.0 + 10 * hour) for hour in range(24)]
    assert growth.per_day(samples) == pytest.approx(240)
    assert growth.per_day([(NOW - DAY, 10**9), *samples]) == pytest.approx(240)
    assert growth.per_day(samples[:2]) is None
    # On the first day nothing has grown, and what was filled at once has not grown by it.
    assert growth.per_day(samples[:20]) is None
    assert growth.per_day([(NOW - timedelta(hours=1), 8.0), *samples]) == pytest.approx(240)
    assert growth.per_day([(NOW, 1.0), (NOW + timedelta(minutes=1), 2.0), (NOW + timedelta(minutes=2), 3.0)]) is None
    assert growth.full_in(50, 100, 10) == 5 * 86400
    assert growth.full_in(50, 100, -1) is None
    assert growth.full_in(50, None, 1) is None


def test_since_when_a_counter_stands_still_and_how_much_it_moved():
    counted = [(NOW + hour * timedelta(hours=1), value) for hour, value in enumerate((1.0, 5.0, 5.0, 5.0))]
    assert growth.still_since(counted) == NOW + timedelta(hours=1)
    assert growth.still_since([(NOW, 1.0), (NOW + DAY, 2.0)]) is None
    assert growth.still_since([(NOW, 7.0)]) is None
    minute = timedelta(minutes=1)
    assert growth.rates([(NOW, 7.0), (NOW + minute, 127.0), (NOW + 3 * minute, 60.0)]) == [2.0, 0.5]


def test_bloat_is_not_estimated_where_a_width_or_the_rows_are_unknown():
    known = Statistics(1, 2**23, 10_000.0, 100, 3, 3, 40.0, False)
    assert heap(known, 8192).wasted > 0
    for lacking in ({"known": 2}, {"row_count": None}, {"bytes": 0}, {"columns": 0, "known": 0}):
        assert heap(msgspec.structs.replace(known, **lacking), 8192) is None
        assert btree(msgspec.structs.replace(known, **lacking), 8192) is None


def test_sizes_are_drawn_at_even_times_and_a_long_pause_stays_a_gap():
    quarter = timedelta(minutes=15)
    # Looks are never taken to the second.
    late = timedelta(microseconds=123_457)
    looks = {NOW + number * quarter + late: float(number) for number in (*range(8), 8.3, 20)}
    frame = growth.even({"a": looks, "b": {NOW + late: 5.0}})
    assert set(frame.index.to_series().diff().dropna()) == {quarter}
    assert frame["a"].iloc[-1] == 20
    assert 7 <= frame["a"].isna().sum() <= 10
    assert frame["b"].notna().sum() == 3
    assert len(growth.even({})) == 0

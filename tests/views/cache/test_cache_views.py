"""What Cache says of a real Redis 7 and a real Valkey: gains, evictions, flushes, keys and costs as they happened."""

import random
import signal
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import pytest
import redis
from pydantic import SecretStr

from collectors import registry
from collectors.errors import Denied, Unreachable
from collectors.redis.info import info
from collectors.span import Span
from records.cache import CacheSample, read_cache_samples, save_cache_sample
from records.database import open_database
from records.leases import take_lease
from settings import Limits, Settings
from tests.support import redis_servers
from tests.support.looping import until
from ui import format
from ui.window import Window
from views.cache import tables as cache_panels
from views.cache.flush import load_flush
from views.cache.history import Memory, load_history
from views.cache.panels import sentence
from views.cache.rules.samples import total
from views.cache.sampler import note, remembered, sample_of
from views.cache.series import KINDS, load_samples
from views.cache.tables import load_clients, load_commands, load_keys, load_safety, load_slow, masked
from views.cache.view import load_verdict
from worker import Worker

pytestmark = pytest.mark.integration

ENVIRONMENT = "test"
KEEP = timedelta(days=30)
clock = partial(format.timestamp, zone=UTC)


@pytest.fixture(scope="module", params=redis_servers.PRODUCTS)
def server(request):
    with redis_servers.running(request.param) as running:
        yield running


@pytest.fixture
def fresh(server):
    """The server, empty and with its counters at zero; what a test sets is set back."""
    with server.client() as client:
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("slowlog-log-slower-than", 10_000)
        client.execute_command("REPLICAOF", "NO", "ONE")
        client.flushall()
        client.slowlog_reset()
        client.config_resetstat()
    return server


@pytest.fixture
def database(tmp_path):
    database = open_database(SecretStr(f"sqlite:///{tmp_path}/records.sqlite3"))
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def sources(fresh, build):
    return build(settings(fresh))


def settings(server, **more):
    one = {"host": "127.0.0.1", "port": server.port, "deadline": 30, **more}
    limits = Limits(deadline=30, answer_ttl=0.001, keep_stale=0)
    return Settings(environments={ENVIRONMENT: {"redis": one}}, limits=limits)


@pytest.fixture
def memory(database):
    return Memory(database, 60.0)


def span():
    return Window("15m").span(datetime.now(UTC), Limits())


class Past:
    """Samples of a real server, moved into the past so that a minute of them needs no minute."""

    def __init__(self, sources, database, minutes):
        self.sources, self.database = sources, database
        self.lease = take_lease(database, "cache samples/test", "a test", 600)
        self.at = datetime.now(UTC) - timedelta(minutes=minutes)

    def note(self, minutes=1):
        """Take a sample as the worker does, ``minutes`` after the one before."""
        note(self.sources, self.database, self.lease, KEEP)
        newest = read_cache_samples(self.database, ENVIRONMENT, datetime.now(UTC) - KEEP, datetime.now(UTC))[-1]
        moved = CacheSample(self.at, newest.run_id, newest.flushes, newest.figures)
        save_cache_sample(self.database, self.lease, ENVIRONMENT, moved, KEEP)
        self.at += timedelta(minutes=minutes)


@pytest.fixture
def past(sources, database):
    return partial(Past, sources, database)


def looked_up(server, hits, misses):
    with server.client() as client:
        client.set("there", "x")
        pipe = client.pipeline(transaction=False)
        for _ in range(hits):
            pipe.get("there")
        for number in range(misses):
            pipe.get(f"not there {number}")
        pipe.execute()


def verdict(sources, memory):
    return load_verdict(sources, memory, span(), format.value, clock).value


def test_figures_of_a_window_are_what_the_server_gained_in_it_no_more_and_no_less(fresh, sources, memory, past):
    looked_up(fresh, 500, 500)
    history = past(5)
    history.note()
    before = fresh.info()
    looked_up(fresh, 180, 20)
    history.note(minutes=3)
    after = fresh.info()
    found = verdict(sources, memory)
    gained = {name: after[name] - before[name] for name in ("keyspace_hits", "keyspace_misses")}
    assert gained == {"keyspace_hits": 180, "keyspace_misses": 20}
    figures = {one.title: one for one in found.figures}
    assert figures["Hit ratio"].value == pytest.approx(0.9)
    assert found.product.lower().startswith(fresh.product)
    assert found.covered
    frame = load_commands(sources, memory, span()).value.set_index("command")
    # A window ends on the grid of its step, some seconds ago.
    assert frame.loc["get", "rate"] * 300 == pytest.approx(200, rel=0.1)
    history = load_history(sources, memory, span()).value
    for name, gain in (("hits", 180), ("keyspace_misses", 20)):
        window = (history.samples[0].moment, history.samples[-1].moment)
        assert total(history.found, name, *window).gain == gain
    assert 0 < frame.loc["get", "p50"] <= frame.loc["get", "p99"]
    assert "info" not in frame.index


def test_a_look_at_the_keys_does_not_make_the_hit_ratio_better(fresh, sources, memory, past):
    with fresh.client() as client:
        client.mset({f"memory:a:{number}": "x" for number in range(1000)})
    history = past(3)
    history.note()
    looked_up(fresh, 50, 50)
    load_keys(sources, True)
    assert fresh.info()["keyspace_hits"] > 2000
    history.note()
    share = next(one for one in verdict(sources, memory).figures if one.title == "Hit ratio").value
    assert share == pytest.approx(0.5)


def test_without_a_sample_nothing_is_claimed_about_the_window(fresh, sources, memory):
    looked_up(fresh, 10, 0)
    found = verdict(sources, memory)
    assert not found.covered
    assert [one.value for one in found.figures[:4]] == [None] * 4
    for kind, one in KINDS.items():
        assert load_samples(sources, memory, kind, span()).value.empty is one.counted


def test_a_cache_that_was_made_too_small_is_told_with_cause_and_mend(fresh, sources, memory, past):
    """The game day cache-eviction."""
    with fresh.client() as client:
        client.config_set("maxmemory", 64 * 2**20)
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.mset({f"memory:a:{number}": "x" * 2000 for number in range(3000)})
        history = past(6)
        history.note()
        for _ in range(3):
            looked_up(fresh, 900, 60)
            history.note()
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) - 2**20)
        for _ in range(3):
            for number in range(400):
                client.set(f"memory:b:{number}:{random.random()}", "x" * 2000)
            looked_up(fresh, 300, 300)
            history.note()
        evicted = client.info("stats")["evicted_keys"]
    assert evicted > 1000
    found = verdict(sources, memory)
    (one,) = [one for one in found.diagnoses if one.key == "cache-evicting"]
    assert "maxmemory was lowered from 64 MiB to" in one.text
    assert "since " in one.text
    assert "the hit ratio fell from 93" in one.text.replace("93.8", "93") or "from 94 %" in one.text
    assert one.mend == "CONFIG SET maxmemory 64mb"
    removed = load_samples(sources, memory, "removed", span()).value.frame
    assert removed["evicted"].max() > 0


def test_with_noeviction_it_is_told_that_writes_are_refused_and_they_are(fresh, sources, memory):
    with fresh.client() as client:
        for number in range(3000):
            client.set(f"memory:a:{number}", "x" * 300)
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) - 200_000)
        with pytest.raises(redis.OutOfMemoryError):
            client.set("b", "x")
    (one,) = [one for one in verdict(sources, memory).diagnoses if one.key == "cache-full"]
    assert one.status == "broken"
    assert "writes are refused" in one.text


def test_expirations_are_counted(fresh, sources, memory, past):
    history = past(3)
    history.note()
    with fresh.client() as client:
        for number in range(50):
            client.set(f"short {number}", "x", px=1)
        until(lambda: client.dbsize() == 0 or None, "the keys coming to their end")
        assert client.info("stats")["expired_keys"] == 50
    history.note()
    frame = load_samples(sources, memory, "removed", span()).value.frame
    assert frame["expired"].max() > 0
    assert frame["evicted"].max() == 0


def test_a_flush_is_told_with_what_it_did_and_what_the_next_one_would_cost(fresh, sources, memory, past):
    with fresh.client() as client:
        client.mset({f"memory:a:{number}": "x" for number in range(2000)})
        history = past(8)
        history.note()
        looked_up(fresh, 900, 100)
        history.note()
        client.flushall()
        looked_up(fresh, 10, 90)
        history.note()
        client.mset({f"memory:a:{number}": "x" for number in range(2000)})
        looked_up(fresh, 950, 50)
        history.note()
    found = verdict(sources, memory)
    (one,) = [one for one in found.diagnoses if one.key == "cache-flushed"]
    assert "It was flushed between" in one.text
    assert "2,001 keys became 1" in one.text
    assert "was back after" in one.text
    cost = load_flush(sources, memory, span(), KEEP).value
    assert [event.emptied.kind for event in cost.past] == ["flush"]
    assert cost.cost.keys == 2001
    assert cost.cost.hits > 0
    assert cost.cost.reads_now is None
    assert {error.source for error in cost.failures} == {"prometheus"}


def test_restart_and_reset_leave_a_gap_and_no_wrong_sum(fresh, sources, memory, past):
    looked_up(fresh, 100, 0)
    history = past(8)
    history.note()
    looked_up(fresh, 100, 0)
    history.note()
    fresh.run("CONFIG", "RESETSTAT")
    looked_up(fresh, 500, 0)
    history.note()
    fresh.stop(signal.SIGTERM)
    fresh.start()
    looked_up(fresh, 700, 0)
    history.note()
    kept = load_samples(sources, memory, "hits", span()).value
    known = kept.frame["hit"].dropna()
    assert (known < 2).all()  # neither 500 nor 700 within a minute
    assert any("counters were reset" in remark for remark in kept.remarks)
    found = verdict(sources, memory)
    assert len(found.restarts) == 1
    assert not found.restarts[0].other


def test_a_server_that_is_gone_costs_the_present_and_not_the_past(fresh, build, sources, memory, past):
    history = past(5)
    history.note()
    looked_up(fresh, 90, 10)
    history.note()
    fresh.stop()
    try:
        kept = load_samples(sources, memory, "hits", span())
        assert type(kept.error) is Unreachable
        assert kept.value.frame["hit"].max() > 0
        status, words = sentence(verdict(sources, memory))
        assert status == "unknown"  # 90 % of look-ups were hits, and that is no reason for a green mark
        assert words.startswith("The cache cannot be reached")
        anew = build(settings(fresh))  # without an answer from just before
        with pytest.raises(Unreachable):
            load_samples(anew, Memory(None, 60.0), "hits", span())
        with pytest.raises(Unreachable):
            load_keys(anew, True)
    finally:
        fresh.start()


# Keys


def test_what_a_sample_says_about_keys_holds_within_what_it_says(fresh, build):
    with fresh.client() as client:
        pipe = client.pipeline(transaction=False)
        for number in range(12_000):
            pipe.set(f"memory:semantic:{number}", "x" * 200, ex=None if number % 8 == 0 else 3600)
        for number in range(3000):
            pipe.set(f"session:{number}", "x", ex=600)
        for number in range(500):
            pipe.hset(f"profile:{number}", mapping={"a": "x" * 500, "b": "y" * 500})
        pipe.execute()
        client.set("memory:semantic:big", "x" * 300_000)
        truth = {"memory:*": 12_001, "session:*": 3000, "profile:*": 500}
        sizes = {"memory:*": 0, "session:*": 0, "profile:*": 0}
        names = list(client.scan_iter(count=1000))
        for name in names:
            pipe.memory_usage(name, samples=0)
        for name, size in zip(names, pipe.execute(), strict=True):
            sizes[f"{name.decode().split(':')[0]}:*"] += size
        client.config_resetstat()
    found = load_keys(build(settings(fresh, sample_keys=3000)), True).value
    assert (found.total, found.whole) == (15_501, False)
    assert 2900 <= found.seen <= 3000
    assert found.forever == 12_000 // 8 + 1 + 500
    by_name = {one.name: one for one in found.prefixes}
    assert set(by_name) == set(truth)
    for name, number in truth.items():
        one = by_name[name]
        # Bounds of 95 % each: wide enough for three of them to hold in all but rare runs.
        slack = (one.keys.high - one.keys.low) / 2
        assert one.keys.low - slack <= number <= one.keys.high + slack
        assert one.size.value == pytest.approx(sizes[name], rel=0.5)
    forever = by_name["memory:*"].forever
    assert forever.low - 0.02 <= 0.125 <= forever.high + 0.02
    assert by_name["profile:*"].kinds == ("hash",)
    (told,) = found.diagnoses
    assert "of memory:* have no time to live (between" in told.text
    sent = fresh.info("commandstats")
    assert "cmdstat_keys" not in sent
    assert sent["cmdstat_scan"]["calls"] <= 31
    assert sent["cmdstat_type"]["calls"] == found.seen


def test_all_keys_are_told_for_certain_and_the_largest_first(fresh, sources):
    with fresh.client() as client:
        client.mset({f"memory:a:{number}": "x" for number in range(100)})
        client.set("memory:a:big", "x" * 200_000)
        client.expire("memory:a:big", 1000)
    found = load_keys(sources, True).value
    assert (found.seen, found.whole) == (101, True)
    (one,) = found.prefixes
    assert one.keys.low == one.keys.value == one.keys.high == 101
    largest = found.biggest.iloc[0]
    assert (largest["key"], largest["kind"]) == ("memory:a:big", "string")
    assert largest["size"] > 200_000
    assert 900 < largest["ttl"] <= 1000
    assert len(found.biggest) == cache_panels.BIGGEST


def test_hostile_names_cost_nothing_and_are_cut(fresh, sources):
    with fresh.client() as client:
        client.set(b"\x00\xff\x1b[31m<b>**x**</b>\r\n$5\r\n", "x")
        client.set(b"k" * 1_000_000, "x")
        client.set("", "x")
    found = load_keys(sources, True).value
    assert found.seen == 3
    assert max(found.biggest["key"].map(len)) <= 1200
    assert any("were not asked for" in remark for remark in found.remarks)
    assert found.biggest["length"].max() == 1_000_000


def test_a_large_instance_is_looked_at_when_somebody_asks_only(fresh, build):
    with fresh.client() as client:
        client.mset({f"memory:a:{number}": "x" for number in range(100)})
        client.config_resetstat()
    sources = build(settings(fresh, sample_limit=50))
    found = load_keys(sources, True).value
    assert (found.why_not, found.total, found.seen) == ("large", 100, 0)
    assert "cmdstat_scan" not in fresh.info("commandstats")
    assert load_keys(sources, True, "1795000000").value.seen == 100
    assert load_keys(sources, True, "1795000000").value.seen == 100
    assert fresh.info("commandstats")["cmdstat_scan"]["calls"] <= 2  # one look, however often it is shown
    assert load_keys(build(settings(fresh, sample_keys=0)), True, "1").value.why_not == "off"


def test_who_may_see_no_identifiers_sees_prefixes_alone(fresh, sources):
    with fresh.client() as client:
        client.set("memory:user:ada", "x" * 100)
        client.set("session:token-of-ada", "x" * 100)
    open_, hidden = (set(load_keys(sources, may).value.biggest["key"]) for may in (True, False))
    assert open_ == {"memory:user:ada", "session:…"}
    assert hidden == {"memory:…", "session:…"}


# Slow commands, clients, safety


def test_slow_commands_show_no_value_and_no_key_to_those_who_may_not_see_it(fresh, sources):
    with fresh.client() as client:
        client.config_set("slowlog-log-slower-than", 0)
        client.set("memory:user:ada", "her secret")
        client.config_set("slowlog-log-slower-than", 10_000)
    for may, shown in ((True, "SET memory:user:ada …"), (False, "SET memory:… …")):
        found = load_slow(sources, may).value
        assert found.threshold == 0.01
        rows = found.rows[found.rows["command"] == shown]
        assert len(rows) == 1
        assert "secret" not in found.rows.to_string()
        assert rows["client"].iloc[0].startswith("127.0.0.1" if may else "…")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ((), ""),
        (("FLUSHALL",), "FLUSHALL"),
        (("KEYS", "session:*"), "KEYS …"),
        (("EVAL", "return 'secret'", "1", "a"), "EVAL …"),
        (("HSET", "user:ada", "mail", "ada@example.org"), "HSET user:… …"),
        (("OBJECT", "ENCODING", "user:ada"), "OBJECT ENCODING user:…"),
    ],
)
def test_a_slow_command_is_masked(words, shown):
    assert masked(words, False) == shown


def test_clients_are_told_by_name_and_place_without_the_console(fresh, sources):
    with fresh.client(client_name="service") as one, fresh.client(client_name="service") as two:
        one.ping(), two.ping()
        found = load_clients(sources, False).value.set_index("name")
        assert found.loc["service", "connections"] == 2
        assert found.loc["service", "host"] == "…"
        assert "synaptic-console" not in found.index


def test_a_replica_that_lost_its_primary_is_told_and_so_is_a_primary_without_its_replica(fresh, sources, memory):
    with redis_servers.running(fresh.product) as replica:
        replica.run("REPLICAOF", "127.0.0.1", str(fresh.port))
        until(lambda: replica.info("replication")["master_link_status"] == "up" or None, "the replica following")
        rows = {row.subject: row for row in until(lambda: _online(sources), "the primary knowing its replica")}
        assert next(row for name, row in rows.items() if name.startswith("Replica ")).status == "ok"
        replica.run("CONFIG", "SET", "repl-timeout", "2")
        replica.run("REPLICAOF", "127.0.0.1", "1")
        until(lambda: replica.info("replication")["master_link_status"] == "down" or None, "the link being down")
        lost = registry.build(settings(replica), ENVIRONMENT)
        (row,) = [row for row in load_safety(lost, format.value).value if row.subject == "Replication"]
        assert row.status == "broken"
        assert "lost its primary 127.0.0.1:1" in row.text
        found = load_verdict(lost, Memory(None, 60.0), span(), format.value, clock).value
        assert any(one.key == "cache-replica-link" and one.status == "broken" for one in found.diagnoses)
        lost.redis.close()


def _online(sources):
    rows = load_safety(sources, format.value).value
    return rows if any(row.subject.startswith("Replica ") and row.status == "ok" for row in rows) else None


def test_a_snapshot_that_fails_is_told(fresh, sources, memory):
    in_its_place = fresh.folder / "dump.rdb"
    in_its_place.mkdir()  # a folder cannot be replaced by a file
    with fresh.client() as client:
        try:
            client.bgsave()
            until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err" or None, "the snapshot failing")
            rows = {row.subject: row for row in load_safety(sources, format.value).value}
            assert rows["Last snapshot"].status == "broken"
            assert any(one.key == "cache-save" for one in verdict(sources, memory).diagnoses)
        finally:
            in_its_place.rmdir()
            client.save()
            in_its_place.unlink()


def test_a_user_without_a_right_loses_one_panel_and_is_told_the_rule(fresh, build, memory):
    fresh.run("ACL", "SETUSER", "some", "reset", "on", ">x", "+info")
    sources = build(settings(fresh, user="some", password="x"))
    assert verdict(sources, memory).figures[4].value > 0
    with pytest.raises(Denied, match="SLOWLOG GET") as caught:
        load_slow(sources, True)
    assert caught.value.hint == "ACL SETUSER some +slowlog|get"
    rows = load_safety(sources, format.value).value
    assert rows[-1].text.endswith("ACL SETUSER some +config|get")


# The worker


def test_the_worker_keeps_one_sample_a_turn_and_a_cache_that_is_gone_is_a_gap(fresh, database, build):
    configured = settings(fresh)
    sources = build(configured)
    worker = Worker(configured, database, lambda *_: sources)
    worker.turn()
    looked_up(fresh, 3, 1)
    worker.turn()
    now = datetime.now(UTC)
    first, second = remembered(database, ENVIRONMENT, now - timedelta(hours=1), now)
    assert second.figures["hits"] - first.figures["hits"] == 3
    assert second.figures["keyspace_misses"] - first.figures["keyspace_misses"] == 1
    assert second.times["get"]
    fresh.stop()
    worker.turn()
    fresh.start()
    sources.redis.close()
    worker.turn()
    samples = remembered(database, ENVIRONMENT, now - timedelta(hours=1), datetime.now(UTC))
    assert len(samples) == 3
    assert samples[-1].run_id != samples[0].run_id
    worker.stop()


def test_a_sample_of_a_form_that_is_not_known_any_more_is_left_out(database):
    lease = take_lease(database, "x", "a test", 600)
    now = datetime.now(UTC)
    save_cache_sample(database, lease, ENVIRONMENT, CacheSample(now, "a", 0, '{"v": 2}'), KEEP)
    assert remembered(database, ENVIRONMENT, now - timedelta(hours=1), now) == []
    assert msgspec.json.decode(b"{}") == {}


def test_a_window_of_last_week_is_drawn_in_steps_of_the_samples_that_are_left(sources, memory):
    end = datetime.now(UTC) - timedelta(days=7)
    found = load_samples(sources, memory, "hits", Span.of(end - timedelta(hours=1), end, 721)).value
    assert found.empty


@pytest.mark.parametrize("ratio", ["-nan", "nan", "inf", "1e999", ""])
def test_a_figure_without_a_value_is_left_out_of_a_sample_and_the_rest_of_it_is_kept(database, ratio):
    told = f"# Keyspace\r\nrun_id:a\r\nused_memory:{2**70}\r\nkeyspace_hits:7\r\nmem_fragmentation_ratio:{ratio}\r\n"
    now = datetime.now(UTC)
    sample = sample_of(info(told.encode()), {}, now, 0)
    assert sample.figures == {"keyspace_hits": 7.0, "hits": 7.0, "keys": 0.0, "expires": 0.0}


def test_a_sample_that_an_older_console_noted_with_a_null_is_read_without_it(database):
    lease = take_lease(database, "x", "a test", 600)
    now = datetime.now(UTC)
    written = '{"f":{"used_memory":5.0,"mem_fragmentation_ratio":null},"c":{},"t":{}}'
    save_cache_sample(database, lease, ENVIRONMENT, CacheSample(now, "a", 0, written), KEEP)
    (found,) = remembered(database, ENVIRONMENT, now - timedelta(hours=1), now)
    assert found.figures == {"used_memory": 5.0}

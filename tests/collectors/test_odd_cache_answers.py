"""Odd answers of a cache: each figure that is none is unknown, the rest lives, and the source is not to blame."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from collectors.cache import AnswerCache
from collectors.errors import BadAnswer, Denied, SourceError, Unreachable
from collectors.redis.client import NotACache, Redis
from collectors.redis.info import COUNTERS, Stats, clients, histograms, info, slow
from collectors.redis.parser import MOST_OCTETS
from settings import Redis as RedisSettings
from tests.support.looping import LoopThread

INFO = b"""# Server\r
redis_version:7.0.15\r
redis_mode:standalone\r
run_id:abc\r
uptime_in_seconds:100\r
# Memory\r
used_memory:1000\r
mem_fragmentation_ratio:1.5\r
# Stats\r
keyspace_hits:10\r
# Keyspace\r
db0:keys=3,expires=1,avg_ttl=0\r
"""


def told(**figures: str) -> bytes:
    lines = INFO.decode().split("\r\n")
    kept = [line for line in lines if line.partition(":")[0] not in figures]
    return "\r\n".join([*kept, *(f"{name}:{value}" for name, value in figures.items())]).encode()


NUMBERS = [name for name, kind in Stats.__annotations__.items() if "str" not in str(kind)]
NONE = ["-nan", "nan", "inf", "-inf", "1e999", "", "n/a", "18446744073597767720", "9" * 5000, "1_000", "²", "\x00"]


@pytest.mark.parametrize("value", NONE, ids=[ascii(value)[:20] for value in NONE])
def test_a_figure_that_is_none_is_unknown_and_all_others_are_there(value):
    for name in NUMBERS:
        found = info(told(**{name: value}))
        known = getattr(found.stats, name)
        assert known is None or (known == float(value) and "float" in str(Stats.__annotations__[name]))
        assert (found.databases[0].keys, found.stats.run_id) == (3, "abc")


def test_times_that_no_clock_can_tell_are_unknown():
    for name in (
        "uptime_in_seconds",
        "rdb_last_save_time",
        "master_link_down_since_seconds",
        "master_last_io_seconds_ago",
    ):
        assert getattr(info(told(**{name: str(2**62)})).stats, name) is None
    for name in set(COUNTERS) & set(NUMBERS):
        assert getattr(info(told(**{name: str(2**62)})).stats, name) == 2**62


@pytest.mark.parametrize(
    ("lines", "keys"),
    [
        ("db0:keys=-nan,expires=1", {}),
        ("db0:", {}),
        ("db²:keys=1,expires=0", {}),
        ("db0:keys=5", {0: 5}),
        ("db0:keys=5,expires=x", {0: 5}),
        ("db0:keys=5,expires=1,avg_ttl=0\r\ndb15:keys=1,expires=0", {0: 5, 15: 1}),
    ],
)
def test_a_database_is_counted_where_its_number_and_its_keys_can_be_read(lines, keys):
    found = info(f"# Keyspace\r\n{lines}\r\n".encode())
    assert {number: one.keys for number, one in found.databases.items()} == keys
    assert found.counts_keys
    assert not info(b"# Server\r\nredis_version:7.0.15\r\n").counts_keys


@pytest.mark.parametrize(
    ("text", "product", "major"),
    [
        ("redis_version:7.0.15", "Redis 7.0.15", 7),
        ("redis_version:7.2.4\r\nvalkey_version:8.1.1", "Valkey 8.1.1", 7),
        ("redis_version:7.4.0\r\ndragonfly_version:df-v1.23.1", "Dragonfly v1.23.1", 7),
        ("redis_version:6.3.4-keydb", "Redis 6.3.4-keydb", 6),
        ("redis_version:unstable", "Redis unstable", None),
        ("redis_version:²", "Redis ²", None),
        ("", "a server of unknown version", None),
    ],
)
def test_the_product_is_told_by_what_it_calls_itself(text, product, major):
    found = info(text.encode())
    assert (found.product, found.major) == (product, major)


def test_entries_of_the_slow_log_that_cannot_be_read_cost_no_other():
    good = [1, 1_700_000_000, 20_000, [b"SET", b"caf\xe9", 7], b"127.0.0.1:1", b"svc\xff"]
    odd = [None, [], [2], [3, 4, 5, None], [4, b"x", None, []], [b"x", 1, 1, [b"GET"]], [5, 1, -1, [b"GET"]]]
    first, late, short = slow([good, *odd, [6, 2**62, 5, [b"GET"]], [7, 1_700_000_000, 5, [b"GET"], None, None]])
    assert first.words == ("SET", "caf\\xe9", "7")
    assert first.name == "svc\\xff"
    assert (late.id, late.time) == (6, None)
    assert (short.client, short.name) == ("", "")


def test_clients_with_odd_names_and_ages_are_each_one_client():
    text = "id=1 addr=10.0.0.1:5 name=a\u2028b age=5 idle=inf tot-mem=-nan cmd=get\n\nid=2 age=99999999999999999999\n"
    first, second = clients(text.encode() + b"id=3 name=\xff\xfe\n")[:2]
    assert (first.name, first.age, first.idle, first.memory) == ("a\u2028b", 5, None, None)
    assert second.age is None


@pytest.mark.parametrize(
    "answer",
    [
        [b"get", [b"calls", 2, b"histogram_usec", [1, 1, 2, 2]]],
        {b"get": {b"calls": 2, b"histogram_usec": {1: 1, 2: 2}}},
        [b"get", [b"calls", 2, b"histogram_usec", [1, 1, 2, 2]], b"odd", [b"histogram_usec", [b"x", 1]], b"none"],
    ],
)
def test_histograms_are_read_in_both_protocols(answer):
    assert histograms(answer) == {"get": {1: 1, 2: 2}}


# Over the wire.

Told = bytes | Callable[[asyncio.StreamWriter], Iterator[bytes]]
Serve = Callable[[dict[str, Told]], Redis]


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


@pytest.fixture
def serve(servers: LoopThread) -> Iterator[Serve]:
    """Builds the cache over a server that answers each command as told, and with an error otherwise."""
    with ExitStack() as running:

        def make(answers: dict[str, Told], **options: object) -> Redis:
            async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    while head := await reader.readline():
                        words = []
                        for _ in range(int(head[1:])):
                            length = int((await reader.readline())[1:])
                            words.append((await reader.readexactly(length + 2))[:-2])
                        named = b" ".join(words[:2]).decode().upper()
                        first = named.split(" ")[0]
                        usual = b"+OK\r\n" if first in ("CLIENT", "SELECT") else b"-ERR unknown command\r\n"
                        answer = answers.get(named, answers.get(first, usual))
                        for part in [answer] if isinstance(answer, bytes) else answer(writer):
                            writer.write(part)
                            await writer.drain()
                except (OSError, asyncio.IncompleteReadError):
                    pass
                finally:
                    writer.transport.abort()

            async def listen() -> asyncio.Server:
                return await asyncio.start_server(speak, "127.0.0.1", 0)

            async def end(listener: asyncio.Server) -> None:
                listener.close()

            listener = servers.run(listen())
            port = listener.sockets[0].getsockname()[1]
            settings = RedisSettings.model_validate({"host": "127.0.0.1", "port": port, "deadline": 30, **options})
            cache = Redis("test", settings, AnswerCache(10**6, 0.001, 0, lambda _: 100))
            running.callback(lambda: servers.run(end(listener)))
            running.callback(cache.close)
            return cache

        yield make


def test_a_sentinel_is_called_one_with_the_address_of_its_primary(serve):
    watched = b"master0:name=mymaster,status=ok,address=10.0.0.5:6379,slaves=1,sentinels=3\r\n"
    cache = serve({"INFO": bulk(INFO.replace(b"standalone", b"sentinel") + watched)})
    for ask in (cache.info, cache.sample, cache.latest):
        with pytest.raises(NotACache) as raised:
            ask()
        assert raised.value.what == "is a Sentinel, which holds no keys: it watches mymaster at 10.0.0.5:6379"
        assert raised.value.hint == "Set host and port of this source to 10.0.0.5:6379."
        assert not raised.value.trips


@pytest.mark.parametrize("mode", [b"server_mode:sentinel\r\n", b"redis_mode:sentinel\r\n"])
def test_a_sentinel_that_watches_nothing_is_one_too(serve, mode):
    with pytest.raises(NotACache, match="is a Sentinel"):
        serve({"INFO": bulk(mode)}).info()


DEEP = b"*1\r\n" * 5000 + b":1\r\n"


@pytest.mark.parametrize(
    ("answers", "read", "kind", "words", "trips"),
    [
        ({"INFO": b"-LOADING Redis is loading the dataset in memory\r\n"}, "info", Unreachable, "loading", True),
        ({"INFO": b"-MASTERDOWN Link with MASTER is down\r\n"}, "info", Unreachable, "lost its primary", False),
        ({"INFO": b"-MOVED 866 10.0.0.1:6381\r\n"}, "info", BadAnswer, "one node of a cluster", False),
        ({"INFO": b"-CLUSTERDOWN The cluster is down\r\n"}, "info", Unreachable, "cluster that is down", True),
        ({"INFO": b"-NOPERM this user has no permissions\r\n"}, "info", Denied, "does not let the user", False),
        ({"INFO": b"-WEIRD caf\xe9\r\n"}, "info", BadAnswer, "answered with an error", False),
        ({"INFO": b":17\r\n"}, "info", BadAnswer, "form that the console does not know", False),
        ({"INFO": b"*-1\r\n"}, "info", BadAnswer, "form that the console does not know", False),
        ({"INFO": DEEP}, "info", BadAnswer, "not Redis' protocol|form that the console does not know", False),
        ({"INFO": b":abc\r\n"}, "info", BadAnswer, "not Redis' protocol", False),
        ({"INFO": b"$x\r\n"}, "info", BadAnswer, "not Redis' protocol", False),
        ({"INFO": b"$-5\r\n"}, "info", BadAnswer, "not Redis' protocol: a length of -5", False),
        ({"INFO": b"*-7\r\n"}, "info", BadAnswer, "not Redis' protocol: a length of -7", False),
        ({"INFO": b"$0\r\n\r\n"}, "info", BadAnswer, "answered INFO without a single figure", False),
        ({"INFO": b"+QUEUED\r\n"}, "info", BadAnswer, "answered INFO without a single figure", False),
        ({"INFO": b"+QUEUED\r\n"}, "sample", BadAnswer, "answered INFO without a single figure", False),
        ({"SLOWLOG": b"+QUEUED\r\n"}, "slow", BadAnswer, "form that the console does not know", False),
        ({"CONFIG": b"+QUEUED\r\n"}, "config", BadAnswer, "form that the console does not know", False),
        ({"CLIENT LIST": b"+QUEUED\r\n"}, "clients", BadAnswer, "form that the console does not know", False),
        ({"DBSIZE": b"+QUEUED\r\n"}, "look", BadAnswer, "form that the console does not know", False),
        ({"DBSIZE": b"+many\r\n"}, "look", BadAnswer, "form that the console does not know", False),
        ({"DBSIZE": b":3\r\n", "SCAN": b":3\r\n"}, "look", BadAnswer, "form that the console does not know", False),
        ({"SLOWLOG": b":3\r\n"}, "slow", BadAnswer, "form that the console does not know", False),
        ({"CLIENT LIST": b":3\r\n"}, "clients", BadAnswer, "form that the console does not know", False),
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_used_is_told_and_the_breaker_opens_for_the_server_only(
    serve, answers, read, kind, words, trips
):
    cache = serve(answers)
    for _ in range(4):
        with pytest.raises(SourceError, match=words) as raised:
            getattr(cache, read)()
    assert isinstance(raised.value, kind)
    assert raised.value.trips is trips
    assert cache.source.guard.health().breaker == ("open" if trips else "closed")


BLOCK = 2**16


@pytest.mark.parametrize(
    ("first", "more", "words"),
    [
        (b"$3221225472\r\n", b"x" * BLOCK, "more than 32 MiB"),
        (b"+", b"x" * BLOCK, "a line of more than 64 KiB"),
        (b"-ERR ", b"x" * BLOCK, "a line of more than 64 KiB"),
        (b"*1000\r\n", b"$%d\r\n%b\r\n" % (BLOCK, b"x" * BLOCK), "more than 32 MiB"),
        (b"*2000000000\r\n", b":1\r\n" * 10_000, "more than 200,000 parts"),
        (b"*1000\r\n", b"*1000\r\n" + b"*0\r\n" * 1000, "more than 200,000 parts"),
    ],
)
def test_an_answer_without_an_end_is_cut_at_a_bound_and_not_at_the_deadline(serve, first, more, words):
    sent: list[int] = []

    def flood(_writer: asyncio.StreamWriter) -> Iterator[bytes]:
        yield first
        while True:
            sent.append(len(more))
            yield more

    cache = serve({"INFO": flood})
    with pytest.raises(BadAnswer, match=f"answered with {words}") as raised:
        cache.info()
    assert not raised.value.trips
    assert cache.source.guard.health().breaker == "closed"
    assert sum(sent) < 3 * MOST_OCTETS


def test_large_answers_below_the_bound_are_read_and_each_exchange_has_the_bound_for_itself(serve):
    name = b"n" * 2**20
    entry = b"*6\r\n:%d\r\n:1700000000\r\n:5\r\n*1\r\n$3\r\nGET\r\n$1\r\na\r\n" + bulk(name)
    cache = serve({"SLOWLOG": b"*20\r\n" + b"".join(entry % number for number in range(20))})
    for _ in range(3):
        assert len(cache.source.ask("SLOWLOG", "GET", 128)) == 20
    assert len(cache.slow().value) == 20


def test_a_server_that_refuses_all_but_info_is_known_by_that(serve):
    cache = serve({"INFO": bulk(INFO)})
    found, times = cache.sample()
    assert (found.stats.keyspace_hits, times) == (10, {})
    assert cache.info().value.product == "Redis 7.0.15"


def test_settings_in_an_odd_list_are_those_that_can_be_read(serve):
    cache = serve({"CONFIG": b"*3\r\n$4\r\nsave\r\n$1\r\n\xe9\r\n$7\r\ntimeout\r\n"})
    assert cache.config().value == {"save": "�"}


def test_a_node_of_a_cluster_has_one_database(serve):
    cache = serve({"INFO": bulk(INFO), "SELECT": b"-ERR SELECT is not allowed in cluster mode\r\n"}, database=1)
    with pytest.raises(BadAnswer) as raised:
        cache.info()
    assert "database 0 only" in raised.value.what
    assert "database = 0" in raised.value.hint

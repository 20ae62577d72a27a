"""Who may open a session, and what a session may send: WebSockets against the real server."""

import os
import socket
from contextlib import ExitStack, suppress

import pytest
from starlette.types import Scope
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from web.frames import BURST, KINDS, QUERY_LENGTH
from web.sessions import Limits, Sessions, sessions_for

Headers = list[tuple[str, str]]


def handshake_status(server, headers: Headers, path: str = "/_stcore/stream") -> int:
    """Status that the server answers to a handshake with exactly these headers."""
    fixed = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", "streamlit"),
    ]
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in [*headers, *fixed]), "", ""]
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sock:
        sock.sendall("\r\n".join(lines).encode())
        answer = sock.recv(4096)
    return int(answer.split(b" ", 2)[1])


def test_the_console_s_own_page_may_open_a_session(server):
    assert handshake_status(server, [("Host", server.address), ("Origin", server.url)]) == 101


@pytest.mark.parametrize(
    ("reason", "headers"),
    [
        ("origin", [("Host", "{own}")]),
        ("origin", [("Host", "{own}"), ("Origin", "http://evil.example")]),
        ("origin", [("Host", "{own}"), ("Origin", "http://localhost:9999")]),
        ("origin", [("Host", "{own}"), ("Origin", "http://localhost:{port}")]),
        ("origin", [("Host", "{own}"), ("Origin", "https://{own}")]),
        ("origin", [("Host", "{own}"), ("Origin", "http://{own}.evil.example")]),
        ("origin", [("Host", "{own}"), ("Origin", "http://{own}/")]),
        ("origin", [("Host", "{own}"), ("Origin", "null")]),
        ("origin", [("Host", "{own}"), ("Origin", "")]),
        ("host", [("Host", "evil.example"), ("Origin", "http://evil.example")]),
        ("host", [("Host", "evil.example:{port}"), ("Origin", "http://{own}")]),
        ("host", [("Host", "127.0.0.1"), ("Origin", "http://{own}")]),
        ("host", [("Host", "localhost:{port}"), ("Origin", "http://{own}")]),
        ("host", [("Host", ""), ("Origin", "http://{own}")]),
    ],
)
def test_a_handshake_that_is_not_from_the_console_s_own_page_is_refused_and_counted(server, reason, headers):
    before = server.metric(f'console_refused_total{{reason="{reason}"}}')
    filled = [(name, value.format(own=server.address, port=server.port)) for name, value in headers]
    assert handshake_status(server, filled) == 403
    assert server.metric(f'console_refused_total{{reason="{reason}"}}') == before + 1


@pytest.mark.parametrize("name", ["Host", "Origin"])
@pytest.mark.parametrize("second", ["{own}", "evil.example"])
def test_a_handshake_with_a_doubled_header_is_refused(server, name, second):
    own = {"Host": server.address, "Origin": server.url}
    doubled = own[name].replace(server.address, second.format(own=server.address))
    assert handshake_status(server, [*own.items(), (name, doubled)]) in {400, 403}


@pytest.mark.parametrize("path", ["/", "/stream", "/_stcore/stream/", "/_stcore/agent/mcp", "/charts/_stcore/stream"])
def test_a_websocket_on_any_other_path_is_refused(server, path):
    assert handshake_status(server, [("Host", server.address), ("Origin", server.url)], path) == 403


def test_a_further_address_from_the_settings_may_open_sessions_and_no_third_one(other_server):
    assert handshake_status(other_server, [("Host", other_server.address), ("Origin", other_server.url)]) == 101
    assert handshake_status(other_server, [("Host", "localhost"), ("Origin", "https://localhost")]) == 101
    assert handshake_status(other_server, [("Host", "localhost"), ("Origin", "http://localhost")]) == 403


def session(server, headers: dict[str, str] | None = None):
    return connect(
        f"ws://{server.address}/_stcore/stream",
        origin=server.url,
        subprotocols=["streamlit"],
        compression=None,
        open_timeout=60,
        close_timeout=60,
        max_size=None,
        proxy=None,
        additional_headers=headers or {},
    )


@pytest.mark.parametrize(
    ("frame", "codes"),
    [
        ("text is not Streamlit's protocol", {1003}),
        (b"\xff" * 64, {1002}),
        (os.urandom(4096) + b"\xff", {1002}),
        (b"\x0a\xff\xff\xff\x0f", {1002}),  # states a length that the frame does not have
        (bytes(4 * 1024 * 1024 + 1), {1009}),
        (bytes(26 * 1024 * 1024), {1009}),
        # Cut off below us while it is still on its way, so the client may not see why.
        (bytes(33 * 1024 * 1024), {1009, 1006}),
    ],
    ids=["text", "ones", "random", "truncated", "just too big", "26 MiB", "33 MiB"],
)
def test_a_malformed_frame_ends_its_session_and_tells_nothing_of_the_server(server, frame, codes):
    received: list[str | bytes] = []
    with session(server) as browser:
        # The server may end it while a large frame is still on its way.
        with suppress(ConnectionClosed):
            browser.send(frame)
        with suppress(ConnectionClosed):
            received.extend(browser)
    assert browser.close_code in codes
    told = str(received).encode() + (browser.close_reason or "").encode()
    assert b"Traceback" not in told
    assert b"site-packages" not in told
    assert b".py" not in told


def rerun(page: str = "") -> bytes:
    message = BackMsg()
    message.rerun_script.page_name = page
    return message.SerializeToString()


FOREIGN = sorted(set(BackMsg.DESCRIPTOR.fields_by_name) - KINDS)


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_kind_of_message_that_no_page_sends_ends_its_session(server, kind):
    field = BackMsg.DESCRIPTOR.fields_by_name[kind]
    message = BackMsg()
    if field.message_type is None:
        setattr(message, kind, True)
    else:
        getattr(message, kind).SetInParent()
    before = server.metric('console_refused_total{reason="frame kind"}')
    with session(server) as browser:
        with suppress(ConnectionClosed):
            for _ in range(500):
                browser.send(message.SerializeToString())
        with suppress(ConnectionClosed):
            list(browser)
    assert browser.close_code == 1008
    assert server.metric('console_refused_total{reason="frame kind"}') == before + 1


@pytest.mark.parametrize("message", [b"", rerun() + BackMsg(clear_cache=True).SerializeToString()])
def test_a_message_without_a_kind_or_with_a_second_one_ends_its_session(server, message):
    with session(server) as browser:
        browser.send(message)
        with suppress(ConnectionClosed):
            list(browser)
    assert browser.close_code == 1008


def test_an_address_longer_than_any_browser_s_ends_its_session(server):
    message = BackMsg()
    message.rerun_script.query_string = "a=" + "b" * QUERY_LENGTH
    with session(server) as browser:
        browser.send(message.SerializeToString())
        with suppress(ConnectionClosed):
            list(browser)
    assert browser.close_code == 1008


def test_too_many_messages_wait_and_none_is_lost(server):
    before = server.metric("console_frames_delayed_total ")
    with session(server) as browser:
        for _ in range(BURST + 5):
            browser.send(BackMsg(app_heartbeat=True).SerializeToString())
        answered = 0
        while answered < BURST + 5:
            answer = ForwardMsg.FromString(browser.recv())
            answered += answer.WhichOneof("type") == "heartbeat_ack"
    assert server.metric("console_frames_delayed_total ") > before


def test_the_first_message_tells_neither_paths_nor_what_the_server_runs_on(server):
    with session(server) as browser:
        browser.send(rerun())
        while (answer := ForwardMsg.FromString(browser.recv())).WhichOneof("type") != "new_session":
            pass
    started = answer.new_session
    assert "/" not in started.main_script_path
    assert started.initialize.environment_info.python_version == ""
    assert started.initialize.environment_info.server_os == ""
    assert started.initialize.session_id


def test_sessions_beyond_what_is_allowed_are_refused_and_a_person_is_told_so(small_server):
    def client(number: int) -> dict[str, str]:
        return {"X-Forwarded-For": f"10.0.0.{number}"}

    own = [("Host", small_server.address), ("Origin", small_server.url)]
    with ExitStack() as held:
        for number in range(10):
            held.enter_context(session(small_server, client(number)))
        assert handshake_status(small_server, [*own, *client(11).items()]) == 503
        page = small_server.get("/charts", client(11))
        assert page.status_code == 503
        assert "The console is full" in page.text
        assert "content-security-policy" in page.headers
        assert int(page.headers["retry-after"]) > 0
        assert small_server.get("/healthz").status_code == 200
    while small_server.get("/charts").status_code != 200:  # the server notices the end a moment later
        pass
    with session(small_server):
        pass


def test_one_address_gets_its_share_and_no_more(small_server):
    def client(address: str) -> list[tuple[str, str]]:
        return [("Host", small_server.address), ("Origin", small_server.url), ("X-Forwarded-For", address)]

    with ExitStack() as held:
        for _ in range(4):
            held.enter_context(session(small_server, {"X-Forwarded-For": "10.0.0.1"}))
        assert handshake_status(small_server, client("10.0.0.1")) == 503
        assert handshake_status(small_server, client("10.9.9.9, 10.0.0.1")) == 503
        assert handshake_status(small_server, client("10.0.0.2")) == 101


def counted(client: str, forwarded: str = "") -> Scope:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    return {"type": "websocket", "client": (client, 1), "headers": headers}


def test_a_team_behind_a_proxy_that_nobody_named_is_not_taken_for_one_client():
    sessions = Sessions(Limits(sessions=10, per_address=2))
    for _ in range(8):
        assert not sessions.full(counted("10.0.0.1", "10.1.1.1"))
        sessions.enter(counted("10.0.0.1", "10.1.1.1"))
    # Room is left for those who come directly, so that a header that anybody can write locks nobody out.
    assert sessions.full(counted("10.0.0.1", "10.1.1.2"))
    assert not sessions.full(counted("10.0.0.2"))


def test_with_few_file_descriptors_fewer_sessions_are_let_in():
    assert sessions_for(65_536, 300) == 300
    assert sessions_for(1024, 300) == 96
    assert sessions_for(256, 300) == 10


def test_half_of_a_request_does_not_hold_a_connection_for_ever(small_server):
    with socket.create_connection(("127.0.0.1", small_server.port), timeout=120) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert sock.recv(100) == b""


def test_open_sessions_are_counted_and_a_closed_one_is_not(server):
    before = server.metric("console_sessions ")
    with session(server), session(server):
        assert server.metric("console_sessions ") == before + 2
    while server.metric("console_sessions ") > before:  # the server notices the end a moment later
        pass
    assert server.metric("console_sessions ") == before


def test_a_refusal_is_logged_with_what_tells_an_attack_from_a_mistake(small_server):
    # A server that has refused few: of one kind of refusal only the first five of a minute are written.
    handshake_status(small_server, [("Host", small_server.address), ("Origin", "http://evil.example/<b>")])
    refused = [
        line for line in small_server.log() if line["event"] == "request refused" and line["reason"] == "origin"
    ][-1]
    assert refused["origin"] == ["http://evil.example/<b>"]
    assert refused["client"] == "127.0.0.1"
    assert refused["path"] == "/_stcore/stream"
    assert refused["level"] == "warning"

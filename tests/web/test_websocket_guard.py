"""Who may open a session, and what a session may send: WebSockets against the real server."""

import os
import socket
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

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


def session(server):
    return connect(
        f"ws://{server.address}/_stcore/stream",
        origin=server.url,
        subprotocols=["streamlit"],
        compression=None,
        open_timeout=60,
        close_timeout=60,
        max_size=None,
        proxy=None,
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


def test_open_sessions_are_counted_and_a_closed_one_is_not(server):
    before = server.metric("console_sessions ")
    with session(server), session(server):
        assert server.metric("console_sessions ") == before + 2
    while server.metric("console_sessions ") > before:  # the server notices the end a moment later
        pass
    assert server.metric("console_sessions ") == before


def test_a_refusal_is_logged_with_what_tells_an_attack_from_a_mistake(server):
    handshake_status(server, [("Host", server.address), ("Origin", "http://evil.example/<b>")])
    refused = [line for line in server.log() if line["event"] == "request refused" and line["reason"] == "origin"][-1]
    assert refused["origin"] == ["http://evil.example/<b>"]
    assert refused["client"] == "127.0.0.1"
    assert refused["path"] == "/_stcore/stream"
    assert refused["level"] == "warning"

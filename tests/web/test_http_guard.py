"""What the server answers over HTTP: which paths, under which name, with which headers."""

import socket

import pytest

OPEN = [
    "/",
    "/charts",
    "/favicon.png",
    "/manifest.json",
    "/_stcore/health",
    "/_stcore/host-config",
    "/healthz",
    "/readyz",
]
CLOSED = [
    "/docs",
    "/openapi.json",
    "/redoc",
    "/no-such-page",
    "/charts/deeper",
    "/charts/",
    "/_stcore/metrics",
    "/_stcore/agent/interact",
    "/_stcore/agent/mcp",
    "/_stcore/agent/openapi.json",
    "/_stcore/upload_file/session/file",
    "/_stcore/script-health-check",
    "/_stcore/bidi-components/x",
    "/_stcore/stream",
    "/component/x/index.html",
    "/app/static/x",
    "/auth/login",
    "/auth/logout",
    "/oauth2callback",
    "/static/../index.html",
    "/static/js/%2e%2e/%2e%2e/index.html",
    "/static/js/..%2f..%2findex.html",
    "//evil.example/",
    "/media/0123456789abcdef0123456789abcdef.bin",
    "/media/0123456789abcdef0123456789abcdef.html",
]


def raw_status(server, request: bytes) -> int:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sock:
        sock.sendall(request)
        return int(sock.recv(4096).split(b" ", 2)[1])


@pytest.mark.parametrize("path", OPEN)
def test_what_the_pages_need_is_open(server, path):
    assert server.get(path).status_code == 200


@pytest.mark.parametrize("path", CLOSED)
def test_everything_else_is_closed(server, path):
    # By hand: a client would tidy the path up before it asks.
    request = f"GET {path} HTTP/1.1\r\nHost: {server.address}\r\nConnection: close\r\n\r\n".encode()
    assert raw_status(server, request) == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/charts", "/_stcore/health", "/healthz", "/metrics"])
def test_nothing_can_be_sent_to_the_server(server, path, method):
    answer = server.get(path, method=method)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", [*OPEN, "/metrics", "/docs", "/media/0123456789abcdef0123456789abcdef.png"])
def test_every_answer_carries_the_protective_headers(server, path):
    headers = server.get(path).headers
    policy = {part.split(" ")[0]: part.split(" ")[1:] for part in headers["content-security-policy"].split("; ")}
    assert policy["default-src"] == ["'none'"]
    assert policy["frame-ancestors"] == ["'none'"]
    assert "'unsafe-inline'" not in policy.get("script-src", [])
    assert "'unsafe-eval'" not in policy.get("script-src", [])
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "server" not in headers
    assert not [name for name in headers if name.startswith("access-control-")]
    assert len(headers.get_list("content-security-policy")) == 1


def test_https_is_demanded_where_the_console_is_reached_by_it_and_only_there(server, other_server):
    assert "strict-transport-security" not in server.get("/").headers
    assert other_server.get("/").headers["strict-transport-security"].startswith("max-age=")


def test_a_page_of_another_port_of_localhost_may_not_read_answers(server):
    headers = server.get("/_stcore/host-config", {"Origin": "http://localhost:9999"}).headers
    assert not [name for name in headers if name.startswith("access-control-")]


def test_nobody_may_steer_the_console_by_messages(server):
    assert server.get("/_stcore/host-config").json()["allowedOrigins"] == []


@pytest.mark.parametrize("host", ["evil.example", "localhost:{port}", "127.0.0.1", "127.0.0.1:1", "{own}.evil.example"])
@pytest.mark.parametrize("path", ["/", "/charts", "/_stcore/health"])
def test_pages_are_answered_under_their_own_name_only(server, path, host):
    answer = server.get(path, {"Host": host.format(own=server.address, port=server.port)})
    assert answer.status_code == 421
    assert "streamlit" not in answer.text.lower()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_come_by_any_name(server, path):
    assert server.get(path, {"Host": "10.1.2.3:8501"}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 70000\r\n\r\n",
        b"Content-Length: 99999999999999\r\n\r\n",
    ],
)
def test_a_large_body_is_refused_by_its_length_before_it_is_read(server, body):
    assert raw_status(server, f"GET / HTTP/1.1\r\nHost: {server.address}\r\n".encode() + body) == 413


def test_healthz_says_only_that_it_is_well(server):
    assert server.get("/healthz").text == "ok\n"


def test_readyz_names_the_checks_and_no_addresses(server):
    answer = server.get("/readyz")
    assert answer.json() == {"status": "ready", "checks": {"settings": "ok", "serving": "ok", "records": "ok"}}
    assert answer.headers["cache-control"] == "no-store"


def test_readyz_fails_while_the_records_cannot_be_reached_and_the_cause_is_in_the_log_only(other_server):
    answer = other_server.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not ready",
        "checks": {"settings": "ok", "serving": "ok", "records": "failed"},
    }
    assert other_server.get("/healthz").status_code == 200
    cause = [line for line in other_server.log() if line["event"] == "not ready"][-1]
    assert cause["check"] == "records"
    assert "cannot be opened" in cause["cause"]


def test_metrics_are_for_this_machine_where_no_token_is_set(server):
    answer = server.get("/metrics")
    assert answer.status_code == 200
    assert "console_build_info" in answer.text
    assert "process_resident_memory_bytes" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},  # a browser on this machine, by a rebound name
        {"X-Forwarded-For": "203.0.113.9"},  # a proxy on this machine, for somebody elsewhere
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=203.0.113.9"},
        {"Via": "1.1 proxy"},
    ],
)
def test_metrics_are_closed_to_whom_this_machine_only_passes_on(server, headers):
    answer = server.get("/metrics", headers)
    assert answer.status_code == 403
    assert "console_" not in answer.text


@pytest.mark.parametrize(
    "given", [None, "Bearer wrong", "Bearer", "Basic a-token-of-the-tests", "a-token-of-the-tests"]
)
def test_metrics_want_their_token_where_one_is_set(other_server, given):
    answer = other_server.get("/metrics", {"Authorization": given} if given else None)
    assert answer.status_code == 401
    assert "console_" not in answer.text


def test_metrics_are_shown_for_their_token_under_any_name(other_server):
    headers = {"Authorization": "Bearer a-token-of-the-tests", "Host": "10.1.2.3:8501"}
    assert "console_build_info" in other_server.get("/metrics", headers).text


def test_what_browsers_ask_for_by_themselves_is_not_counted_as_an_attack(server):
    before = server.metric('console_refused_total{reason="path"}')
    assert server.get("/favicon.ico").status_code == 404
    assert server.get("/charts/_stcore/health").status_code == 404
    assert server.metric('console_refused_total{reason="path"}') == before
    assert server.get("/wp-login.php").status_code == 404
    assert server.metric('console_refused_total{reason="path"}') == before + 1


def test_all_that_the_server_writes_is_json_and_its_error_output_is_empty(server):
    server.get("/")
    for line in server.log():
        assert {"time", "level", "event", "logger"} <= line.keys()
    assert server.errors() == ""

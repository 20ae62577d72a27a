"""What the policy derives from the settings, and what the guard does where a real client cannot go."""

import asyncio

import pytest
from starlette.requests import Request

from settings import Server, Settings
from web import policy
from web.asked import by_own_page
from web.middleware import Guard

HTML = "<script>window.x = 1</script><script type='module' src='./a.js'></script>"


def built(**server: object) -> policy.Policy:
    return policy.build(Settings(server=Server(**server)), ["/sources"], HTML)


@pytest.mark.parametrize(
    ("url", "origin", "host"),
    [
        ("http://127.0.0.1:8501", "http://127.0.0.1:8501", "127.0.0.1:8501"),
        ("https://Console.Example", "https://console.example", "console.example"),
        ("https://console.example:443", "https://console.example", "console.example"),
        ("http://console.example:80", "http://console.example", "console.example"),
        ("https://console.example:80", "https://console.example:80", "console.example:80"),
        ("http://[::1]:8501", "http://[::1]:8501", "[::1]:8501"),
    ],
)
def test_origin_and_host_are_what_a_browser_sends(url, origin, host):
    assert policy.origin_of(url) == origin
    assert policy.host_of(url) == host


def test_only_the_front_end_s_own_inline_script_is_allowed():
    content = dict(built().headers)[b"content-security-policy"].decode()
    script = next(part for part in content.split("; ") if part.startswith("script-src"))
    assert script.count("'sha256-") == 1


def test_websockets_are_named_for_every_address():
    headers = dict(built(public_url="https://localhost", allowed_origins=("http://127.0.0.1:8501",)).headers)
    assert b"connect-src 'self' wss://localhost ws://127.0.0.1:8501;" in headers[b"content-security-policy"]


def test_a_picture_cannot_run_scripts_when_it_is_opened_by_itself():
    assert b"; sandbox;" in dict(built().picture_headers)[b"content-security-policy"]


def scope(kind: str, **changed: object) -> dict[str, object]:
    return {
        "type": kind,
        "path": "/_stcore/stream" if kind == "websocket" else "/",
        "method": "GET",
        "headers": [(b"host", b"127.0.0.1:8501"), (b"origin", b"http://127.0.0.1:8501")],
        "server": ("127.0.0.1", 8501),
        "client": ("127.0.0.1", 50000),
        **changed,
    }


def answers(request: dict[str, object], received: list[dict[str, object]] | None = None) -> list[dict[str, object]]:
    """What the guard sends for a request whose messages are ``received``, around an app that reads all of it."""
    sent: list[dict[str, object]] = []
    waiting = list(received or [{"type": "http.request", "body": b""}])

    async def app(_scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"server", b"app")]})
        await send({"type": "http.response.body", "body": b"in"})

    async def receive():
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(Guard(app, built())(request, receive, send))
    return sent


def test_a_connection_from_outside_is_refused_whatever_the_launcher_bound():
    outside = ("10.1.2.3", 8501)
    assert answers(scope("http", server=outside))[0]["status"] == 403
    assert answers(scope("websocket", server=outside)) == [{"type": "websocket.close", "code": 1008}]
    assert answers(scope("http", server=None))[0]["status"] == 403


def test_a_probe_may_come_from_outside():
    assert answers(scope("http", path="/healthz", server=("10.1.2.3", 8501)))[0]["status"] == 200


def test_a_body_that_grows_beyond_the_limit_without_a_stated_length_is_refused():
    chunks = [{"type": "http.request", "body": bytes(30_000), "more_body": True}] * 3
    sent = answers(scope("http"), chunks)
    assert sent[0]["status"] == 413


def test_what_is_let_in_is_answered_with_our_headers_and_without_the_server_s_name():
    start = answers(scope("http"))[0]
    assert start["status"] == 200
    assert b"server" not in dict(start["headers"])
    assert b"content-security-policy" in dict(start["headers"])


@pytest.mark.parametrize("path", ["/sources", "/", "/static/js/index.Abc-1_2.js", "/media/" + "a" * 56 + ".png"])
def test_open_paths(path):
    assert built().is_open(path)


@pytest.mark.parametrize("path", ["", "/Sources", "/sources/", "/static/js/../x", "/static/js/.env", "/media/a.png"])
def test_closed_paths(path):
    assert not built().is_open(path)


def test_cookies_go_over_tls_only_where_the_public_address_is_https():
    cookie = (b"set-cookie", b"_streamlit_xsrf=a; Path=/; SameSite=Strict")

    async def app(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [cookie]})
        await send({"type": "http.response.body", "body": b""})

    def sent(**server: object) -> bytes:
        messages: list[dict[str, object]] = []

        async def send(message):
            messages.append(message)

        host = b"localhost" if server else b"127.0.0.1:8501"
        asyncio.run(Guard(app, built(**server))(scope("http", headers=[(b"host", host)]), asyncio.Event().wait, send))
        return dict(messages[0]["headers"])[b"set-cookie"]

    assert sent(public_url="https://localhost") == cookie[1] + b"; Secure"
    assert sent() == cookie[1]


@pytest.mark.parametrize(
    ("host", "headers", "ours"),
    [
        ("127.0.0.1:8501", {}, True),
        ("127.0.0.1:8501", {"sec-fetch-site": "cross-site"}, False),
        ("127.0.0.1:8501", {"sec-fetch-site": "same-origin"}, True),
        ("console.example", {}, False),  # plain http elsewhere: browsers do not say who asks
        ("console.example", {"referer": "http://console.example/logs"}, True),
        ("console.example", {"referer": "http://evil.example/"}, False),
        ("console.example", {"referer": "http://[evil"}, False),
        ("secure.example", {}, True),
    ],
)
def test_only_the_console_s_own_pages_and_no_page_at_all_may_ask_for_files(host, headers, ours):
    settings = Settings(server=Server(allowed_origins=("http://console.example", "https://secure.example")))
    given = [(name.encode(), value.encode()) for name, value in {"host": host, **headers}.items()]
    assert by_own_page(Request({"type": "http", "headers": given}), settings) is ours

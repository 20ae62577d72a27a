"""When the server refuses to start: status 2, one sentence for each mistake, no traceback."""

import sys

import pytest

from tests.web.serving import ROOT, command, free_port, run_to_its_end, serving

SAFE = '[server]\npublic_url = "http://127.0.0.1:8501"\n'

UNSAFE_CONFIG = """
[global]
developmentMode = false
[server]
address = "0.0.0.0"
enableCORS = false
corsAllowedOrigins = ["*"]
allowedHosts = ["*"]
enableXsrfProtection = false
xsrfCookieSameSite = "none"
enableAgentApi = true
unsafeMetricsUserAttributes = ["email"]
enableStaticServing = true
trustedUserHeaders = { X-User = "name" }
scriptHealthCheckEnabled = true
baseUrlPath = "console"
[client]
showErrorDetails = "full"
allowedOrigins = ["https://evil.example"]
[browser]
gatherUsageStats = true
[logger]
enableRich = true
"""
UNSAFE_OPTIONS = [
    "server.address",
    "server.enableCORS",
    "server.corsAllowedOrigins",
    "server.allowedHosts",
    "server.enableXsrfProtection",
    "server.xsrfCookieSameSite",
    "server.enableAgentApi",
    "server.unsafeMetricsUserAttributes",
    "server.enableStaticServing",
    "server.trustedUserHeaders",
    "server.scriptHealthCheckEnabled",
    "server.baseUrlPath",
    "client.showErrorDetails",
    "client.allowedOrigins",
    "browser.gatherUsageStats",
    "logger.enableRich",
]


def port() -> list[str]:
    return ["--server.port", str(free_port())]


def test_each_mistake_in_the_settings_is_one_sentence(tmp_path):
    ended = run_to_its_end(command(*port()), tmp_path, '[server]\nproduction = "perhaps"\n[view]\nwindow = "9h"\n')
    assert ended.returncode == 2
    mistakes = ended.stderr.strip().splitlines()
    assert len(mistakes) == 2
    assert "server.production" in mistakes[0]
    assert "view.window" in mistakes[1]
    assert "Traceback" not in ended.stdout


def test_a_settings_file_that_is_named_and_not_there_ends_the_process(tmp_path):
    missing = tmp_path / "missing.toml"
    ended = run_to_its_end(command(*port()), tmp_path, "", SYNAPTIC_CONSOLE_CONFIG=str(missing))
    assert ended.returncode == 2
    assert str(missing) in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_records_that_can_never_be_used_end_the_process(tmp_path):
    ended = run_to_its_end(command(*port()), tmp_path, SAFE + '[records]\nurl = "mysql://console@127.0.0.1/console"\n')
    assert ended.returncode == 2
    assert ended.stderr == "records.url names mysql; records can be in sqlite or postgresql.\n"


@pytest.fixture(scope="module")
def refusal(tmp_path_factory):
    """One start with everything unsafe at once: a start takes seconds, and each option is told on a line of its own."""
    folder = tmp_path_factory.mktemp("unsafe")
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "config.toml").write_text(UNSAFE_CONFIG)
    return run_to_its_end(command(*port()), folder, SAFE, cwd=folder)


@pytest.mark.parametrize("option", UNSAFE_OPTIONS)
def test_an_unsafe_option_refuses_the_start_by_its_name(refusal, option):
    assert refusal.returncode == 2
    assert [line for line in refusal.stderr.splitlines() if line.startswith(f"{option} = ")]


def test_a_refusal_is_sentences_and_no_traceback(refusal):
    # Streamlit has words of its own about some of these options before.
    sentences = [line for line in refusal.stderr.splitlines() if ": must be " in line and ", because " in line]
    assert len(sentences) == len(UNSAFE_OPTIONS)
    assert "Traceback" not in refusal.stdout + refusal.stderr


def test_variables_that_uvicorn_ignores_do_not_count_as_hardening(tmp_path):
    ended = run_to_its_end(
        [sys.executable, "-m", "uvicorn", "app:app", "--app-dir", str(ROOT), "--port", str(free_port())],
        tmp_path,
        SAFE,
        cwd=tmp_path,
        STREAMLIT_CLIENT_SHOW_ERROR_DETAILS="none",
        STREAMLIT_SERVER_ADDRESS="127.0.0.1",
    )
    assert ended.returncode == 2
    assert "client.showErrorDetails = 'full'" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("production", ["true", "false"])
def test_without_sign_in_it_serves_on_loopback_only_even_while_developing(tmp_path, production):
    settings = f'[server]\nproduction = {production}\npublic_url = "https://console.example"\n'
    ended = run_to_its_end(command("--server.address", "0.0.0.0", *port()), tmp_path, settings)
    assert ended.returncode == 2
    assert "server.address = '0.0.0.0'" in ended.stderr
    assert "server.public_url = 'https://console.example'" in ended.stderr


def test_the_console_itself_starts_serves_each_of_its_pages_and_stops_cleanly(tmp_path):
    settings = f"""
        [server]
        public_url = "http://127.0.0.1:{{port}}"
        [records]
        url = "sqlite:///{tmp_path}/records.sqlite3"
    """
    with serving(tmp_path, settings, app=ROOT / "app.py") as server:
        assert server.get("/readyz").status_code == 200
        for page in (ROOT / "pages").glob("[a-z]*.py"):
            assert server.get(f"/{page.stem}").status_code == 200
        assert server.get("/charts").status_code == 404
    events = [line["event"] for line in server.log()]
    assert events.index("started") < events.index("stopped")
    assert server.errors() == ""
    assert not [
        line for line in server.log() if line["level"] in {"warning", "error"} and line.get("path") != "/charts"
    ]


def test_a_secret_of_the_settings_is_written_nowhere(tmp_path):
    settings = """
        [server]
        public_url = "http://127.0.0.1:{port}"
        metrics_token = "a-very-secret-token"
        [records]
        url = "postgresql://console:another-secret@127.0.0.1:1/console"
    """
    with serving(tmp_path, settings) as server:
        assert server.get("/readyz").status_code == 503
        server.get("/a-very-secret-token")
        server.get("/YS12ZXJ5LXNlY3JldC10b2tlbg==")
        server.get("/", {"Host": "a-very-secret-token"})
    written = (tmp_path / "out").read_text() + server.errors()
    assert "request refused" in written
    for form in ("a-very-secret-token", "another-secret", "YS12ZXJ5LXNlY3JldC10b2tlbg"):
        assert form not in written

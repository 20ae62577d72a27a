"""The settings file: what is filled in, how mistakes are told, that secrets stay secret, that all is documented."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import settings
from scripts import settings_reference
from settings import Settings, SettingsError, load, parse_duration

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "console.example.toml"
SECRET = "s3cr3t-of-the-tests"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "console.toml"


def mistakes_of(file: Path, text: str, **environ: str) -> list[str]:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        load(file, environ)
    assert str(raised.value) == "\n".join(raised.value.mistakes)
    return raised.value.mistakes


def loaded(file: Path, text: str, **environ: str) -> Settings:
    file.write_text(text, encoding="utf-8")
    return load(file, environ)


PROMETHEUS = '[environments.production.prometheus]\nurl = "http://prometheus:9090"\n'
ELASTICSEARCH = '[environments.production.elasticsearch]\nurl = "http://elasticsearch:9200"\n'

MISTAKES = [
    # text, key, value that is shown ("" where none is), what is allowed
    ("[server]\nmode = 'oidc'", "server.mode", "'oidc'", "'none'"),
    ("[server]\npublic_url = 'console'", "server.public_url", "'console'", "an address such as"),
    ("[server]\nproduction = 'perhaps'", "server.production", "'perhaps'", "boolean"),
    ("[server]\nallowed_origins = ['ftp://x']", "server.allowed_origins.0", "'ftp://x'", "an address such as"),
    ("[limits]\ndeadline = 'soon'", "limits.deadline", "'soon'", '"30s", "5m" or "1h30m"'),
    ("[limits]\ndeadline = true", "limits.deadline", "True", '"30s", "5m" or "1h30m"'),
    ("[limits]\ndeadline = []", "limits.deadline", "[]", '"30s", "5m" or "1h30m"'),
    ("[limits]\ndeadline = 0", "limits.deadline", "0.0", "greater than 0"),
    ("[limits]\ndeadline = '3m'", "limits.deadline", "180.0", "less than or equal to 120"),
    ("[limits]\npoints = 1501", "limits.points", "1501", "less than or equal to 1500"),
    ("[limits]\nseries = 1.5", "limits.series", "1.5", "integer"),
    ("[limits]\ncache_bytes = 1", "limits.cache_bytes", "1", "greater than or equal to 1048576"),
    ("[view]\nwindow = '5m'", "view.window", "'5m'", "15m, 1h, 3h, 6h, 12h, 24h, 2d, 7d or 30d"),
    ("[view]\ntime_zone = 'Berlin'", "view.time_zone", "'Berlin'", '"UTC" or "Europe/Berlin"'),
    ("[view]\ntime_zone = '../etc'", "view.time_zone", "'../etc'", '"UTC" or "Europe/Berlin"'),
    ("[environments.Production]", "environments.Production", "'Production'", 'lower case, such as "production"'),
    ("[environments.a.prometheus]", "environments.a.prometheus.url", "", "is missing"),
    (
        "[environments.a.prometheus]\nurl = 'http://h:65536'",
        "environments.a.prometheus.url", "'http://h:65536'", "a number from 1 to 65535",
    ),
    ("[environments.a.prometheus]\nurl = 'http://h:0x'", "environments.a.prometheus.url", "'http://h:0x'", "port"),
    ("[environments.a.prometheus]\nurl = 'http://[::1'", "environments.a.prometheus.url", "'http://[::1'", "IPv6"),
    ("[environments.a.prometheus]\nurl = 'http://h/#a'", "environments.a.prometheus.url", "'http://h/#a'", "fragment"),
    ("[environments.a.prometheus]\nurl = 9090", "environments.a.prometheus.url", "9090", "string"),
    (PROMETHEUS + "replica_label = 'a-b'", "environments.production.prometheus.replica_label", "'a-b'", "`instance`"),
    (ELASTICSEARCH + "index = '*,-secret'", "environments.production.elasticsearch.index", "'*,-secret'", "one star"),
    ("environments = 5", "environments", "", "should be a table"),
    ("[environments]\nproduction = 'x'", "environments.production", "", "should be a table"),
    ("[limitz]", "limitz", "", "is not a setting; known here: environments, limits, records, server, view"),
    ("[limits]\npoint = 1", "limits.point", "", "is not a setting; known here: answer_ttl, cache_bytes, deadline"),
    ("[environments.a.promethues]", "environments.a.promethues", "", "alertmanager, elasticsearch, postgres, prom"),
    (PROMETHEUS + "jobs = 1", "environments.production.prometheus.jobs", "", "job, link, max_bytes"),
    (
        "[environments.a.synaptic]\nurl = 'http://s'\nreplicas = [{name = '', url = 'http://s'}]",
        "environments.a.synaptic.replicas.0.name", "''", "at least 1 character",
    ),
    (
        "[environments.a.synaptic]\nurl = 'http://s'\nreplicas = [{name = 'a', url = 'http://s', x = 1}]",
        "environments.a.synaptic.replicas.0.x", "", "known here: name, url",
    ),
    (
        "[environments.a.synaptic]\nurl = 'http://s'\nreplicas = ["
        "{name = 'a', url = 'http://s'}, {name = 'a', url = 'http://t'}]",
        "environments.a.synaptic", "", "names a replica twice: a",
    ),
    (
        PROMETHEUS + "bearer_token = 'x'\nusername = 'u'\npassword = 'p'",
        "environments.production.prometheus", "", "has both bearer_token and username/password: keep one of them",
    ),
    (PROMETHEUS + "username = 'u'", "environments.production.prometheus", "", "needs username and password together"),
    (PROMETHEUS + "password = 'u'", "environments.production.prometheus", "", "needs username and password together"),
    (
        ELASTICSEARCH + "api_key = 'k'\nbearer_token = 't'",
        "environments.production.elasticsearch", "", "has api_key and another kind of sign-in: keep one of them",
    ),
    ("[server]\nmetrics_token = ''", "server.metrics_token", "***", "at least 16 characters"),
    ("[server]\nmetrics_token = 'short'", "server.metrics_token", "***", "at least 16 characters"),
    ("[server]\ntrusted_proxies = ['all']", "server.trusted_proxies.0", "'all'", "an address or a network"),
    ("[server]\nsessions = 0", "server.sessions", "0", "greater than or equal to 10"),
    ("[environments.a.postgres]\nuser = 'u'\nhost = 'a b'", "environments.a.postgres.host", "'a b'", "a host name"),
    (
        '[environments.production.postgres]\nhost = "db.example.org"\nuser = "console"',
        "environments.production.postgres.tls", "", '"prefer": to another machine that protects nothing',
    ),
    (
        '[environments.production.postgres]\nhost = "db"\nuser = "u"\ntls = "disable"\nrequire_auth = ["password"]',
        "environments.production.postgres", "", "would send its password in clear",
    ),
    (
        '[environments.production.postgres]\nhost = "localhost"\nuser = "u"\nplan_user = "u"',
        "environments.production.postgres", "", "plans need a role without the rights of pg_monitor",
    ),
    (
        PROMETHEUS + "verify_tls = false",
        "environments.production.prometheus.verify_tls", "", "set server.production = false while developing",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "value", "allowed"), MISTAKES, ids=[text for text, *_ in MISTAKES])
def test_a_mistake_is_one_sentence_with_file_key_value_and_what_is_allowed(
    file: Path, text: str, key: str, value: str, allowed: str
):
    (sentence,) = mistakes_of(file, text)
    assert sentence.startswith(f"{file}: {key}")
    assert allowed in sentence
    assert f" = {value}: " in sentence if value else " = " not in sentence.replace("server.production = false", "")


def test_all_mistakes_are_told_at_once(file: Path):
    sentences = mistakes_of(
        file,
        '[limits]\npoints = 1\nseriez = 3\n[view]\nwindow = "1y"\n' + PROMETHEUS + 'bearer_token = "${MISSING}"\n'
        'ca_file = "${ALSO_MISSING}"\npassword = "file:/no/such/file"',
    )
    keys = sorted(re.sub(r".*console\.toml: (\S+).*", r"\1", sentence) for sentence in sentences)
    below = "environments.production.prometheus"
    of_prometheus = [below, f"{below}.bearer_token", f"{below}.ca_file", f"{below}.password"]
    assert keys == [*of_prometheus, "limits.points", "limits.seriez", "view.window"]


def test_a_variable_that_is_missing_is_named_once(file: Path):
    (sentence,) = mistakes_of(file, '[environments.a.prometheus]\nurl = "${HOST}"')
    assert sentence.endswith("environments.a.prometheus.url uses ${HOST}, but there is no such environment variable")


def test_variables_are_filled_in_everywhere(file: Path):
    text = """
        [server]
        allowed_origins = ["https://${HOST}", "http://${HOST}:${PORT}"]
        [environments.a.prometheus]
        url = "http://${HOST}:${PORT}/"
        bearer_token = "${TOKEN}"
    """
    found = loaded(file, text, HOST="example.org", PORT="9090", TOKEN=SECRET)
    assert found.server.allowed_origins == ("https://example.org", "http://example.org:9090")
    prometheus = found.environments["a"].prometheus
    assert prometheus is not None
    assert prometheus.url == "http://example.org:9090"
    assert prometheus.bearer_token is not None
    assert prometheus.bearer_token.get_secret_value() == SECRET


def test_what_a_variable_holds_is_not_filled_in_again(file: Path):
    text = PROMETHEUS + 'bearer_token = "${A}"'
    prometheus = loaded(file, text, A="${B}", B="x").environments["production"].prometheus
    assert prometheus is not None
    assert prometheus.bearer_token is not None
    assert prometheus.bearer_token.get_secret_value() == "${B}"


def test_secrets_may_be_files_and_other_texts_are_not(file: Path, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text(f"  {SECRET}\n")
    found = loaded(
        file, f'[records]\nurl = "file:{secret}"\n{PROMETHEUS}bearer_token = "file:{secret}"\njob = "file:x"'
    )
    prometheus = found.environments["production"].prometheus
    assert prometheus is not None
    assert prometheus.bearer_token is not None
    assert prometheus.bearer_token.get_secret_value() == SECRET
    assert prometheus.job == "file:x"
    assert found.records.url.get_secret_value() == SECRET


def test_a_secret_file_that_cannot_be_read_is_named_with_the_reason(file: Path, tmp_path: Path):
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\xff")
    for path, reason in ((tmp_path / "missing", "No such file"), (tmp_path, "directory"), (binary, "not UTF-8")):
        (sentence,) = mistakes_of(file, f'{PROMETHEUS}bearer_token = "file:{path}"')
        assert f"environments.production.prometheus.bearer_token names the file {path}" in sentence
        assert reason in sentence


LEAKS = [
    f'[server]\nmetrics_token = ["{SECRET}"]',
    f'[records]\nurl = ["{SECRET}"]',
    f'[environments.a.prometheus]\nurl = "http://user:{SECRET}@host"',
    f'[environments.a.prometheus]\nurl = "http://user:{SECRET}/{SECRET}@host"',
    f'[environments.a.prometheus]\nurl = "http://host/?token={SECRET}"',
    f'[environments.a.prometheus]\nurl = "http://host"\nlink = "http://{SECRET}@host"',
    f'[environments.a]\nprometheus = "http://user:{SECRET}@host"',
    f'[environments.a.prometheus]\nurl = "http://h"\npassword = "{SECRET}"',
    f'[environments.a.prometheus]\nurl = "http://h"\nbearer_token = 5\npasswort = "{SECRET}"',
    f'[environments.a.prometheus]\nurl = "http://h"\nbearer_token = "{SECRET}"\nusername = "u"\npassword = "p"',
    f'[environments.a.elasticsearch]\nurl = "http://h"\napi_key = {{ value = "{SECRET}" }}',
    f'[environments.a.elasticsearch]\nurl = "http://h"\napi_key = "{SECRET}"\nbearer_token = "{SECRET}"',
    f'[environments.a.synaptic]\nurl = "http://h"\nadmin_token = ["{SECRET}"]',
    f'[environments.a.synaptic]\nurl = "http://h"\nadmin_token = "{SECRET}',
    f'[environments.a]\npostgres = "host=h user=u password={SECRET} dbname=x"',
    f'[environments.a]\nredis = "redis://u:{SECRET}@h"',
    f'[environments]\na = "{SECRET}"',
    f'[environments.a.postgres]\nuser = "u"\nhost = "u:{SECRET}@h"',
    f'[environments.a.postgres]\nuser = "u"\nhost = "host=h password={SECRET}"',
    f'[environments.a.postgres]\nuser = "u"\nhost = "postgresql://u:{SECRET}/x@h"',
    f'[environments.a.redis]\nhost = "u:{SECRET}@h"',
    f'[environments.a.redis]\nhost = ["u", "{SECRET}"]',
    '[environments.a.synaptic]\nurl = "http://u:${TOKEN}@h"\nadmin_token = "${TOKEN}"',
]


@pytest.mark.parametrize("text", LEAKS)
def test_no_mistake_shows_a_secret(file: Path, text: str):
    assert SECRET not in " ".join(mistakes_of(file, text, TOKEN=SECRET))


def test_settings_that_are_shown_hide_their_secrets_and_know_them_all(file: Path):
    keys = {
        "prometheus": {"bearer_token": "one-secret"},
        "elasticsearch": {"api_key": "two-secret"},
        "alertmanager": {"username": "u", "password": "three-secret"},
        "synaptic": {"admin_token": "four-secret"},
    }
    text = '[server]\nmetrics_token = "five-secret-of-16"\n[records]\nurl = "postgresql://u:six-secret@h/d"\n'
    for source, values in keys.items():
        text += f'[environments.a.{source}]\nurl = "http://h"\n'
        text += "".join(f'{key} = "{value}"\n' for key, value in values.items())
    found = loaded(file, text)
    assert "-secret" not in f"{found!r} {found} {found.model_dump()}"
    assert sorted(found.secrets()) == sorted(
        [
            "one-secret",
            "two-secret",
            "three-secret",
            "four-secret",
            "five-secret-of-16",
            "postgresql://u:six-secret@h/d",
        ]
    )


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Settings().limits.points = 5  # type: ignore[misc]


def test_no_file_gives_the_defaults_where_nobody_named_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert load(environ={}) == Settings()
    (tmp_path / "console.toml").write_text("[limits]\npoints = 100")
    assert load(environ={}).limits.points == 100


def test_a_file_that_somebody_named_must_be_there(tmp_path: Path):
    for path, environ in ((tmp_path / "a.toml", {}), (None, {settings.CONFIG_VARIABLE: str(tmp_path / "a.toml")})):
        with pytest.raises(SettingsError, match=r"a\.toml: the file does not exist; copy console\.example\.toml there"):
            load(path, environ)


def test_a_file_that_cannot_be_read_is_told(file: Path, tmp_path: Path):
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load(tmp_path, {})
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        load(file, {})
    assert "is not valid TOML" in mistakes_of(file, "[server")[0]


def test_the_settings_of_the_process_are_read_once(file: Path, monkeypatch: pytest.MonkeyPatch):
    file.write_text("[limits]\npoints = 100")
    monkeypatch.setenv(settings.CONFIG_VARIABLE, str(file))
    settings.current.cache_clear()
    first = settings.current()
    file.write_text("[limits]\npoints = 200")
    assert settings.current() is first
    settings.current.cache_clear()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30), ("5m", 300), ("1h30m", 5400), ("250ms", 0.25), ("1d", 86400), ("1.5s", 1.5), (" 5s ", 5),
        ("1m500ms", 60.5), ("1d2h3m4s5ms", 93784.005), (7, 7), (0.5, 0.5),
    ],
)  # fmt: skip
def test_durations_are_read_as_people_write_them(text: object, seconds: float):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "5", "s", "5 s", "5x", "-5s", "1s1m", "5S", None, True, [], "1e3s", "½s"])
def test_other_texts_are_no_durations(text: object):
    with pytest.raises(ValueError, match="duration such as"):
        parse_duration(text)


@given(st.text())
def test_any_text_is_a_duration_or_is_refused_as_one(text: str):
    with contextlib.suppress(ValueError):  # nothing else is raised
        assert parse_duration(text) >= 0


def test_an_address_is_kept_without_its_last_slash(file: Path):
    found = loaded(file, '[environments.a.prometheus]\nurl = "https://h:9/prometheus/"').environments["a"].prometheus
    assert found is not None
    assert found.url == "https://h:9/prometheus"


def test_certificates_may_go_unchecked_while_developing(file: Path):
    found = loaded(file, f"{PROMETHEUS}verify_tls = false\n[server]\nproduction = false")
    assert found.environments["production"].prometheus is not None


def fields() -> Iterator[tuple[str, str, str]]:
    """Path of the table, key and description of every field, without those of base classes twice."""

    def walk(model: type[BaseModel], path: str) -> Iterator[tuple[str, str, str]]:
        for name, field in model.model_fields.items():
            yield path, name, field.description or ""
            inner = settings._inner_model(field.annotation)
            if inner is not None:
                yield from walk(inner, f"{path}.{name}".strip("."))

    return walk(Settings, "")


FIELDS = list(fields())


@pytest.mark.parametrize(("path", "key", "description"), FIELDS, ids=[f"{path}.{key}" for path, key, _ in FIELDS])
def test_every_setting_is_described_documented_and_in_the_example(path: str, key: str, description: str):
    assert description.endswith(".")
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert f"| `{key}` |" in page or re.search(rf"^## `\[+([A-Za-z.]+\.)?{key}[.\]]", page, re.MULTILINE)
    assert description in page
    assert re.search(
        rf"^(# )?{key} = |^#? ?\[+([a-z.]+\.)?{key}[.\]]", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE
    )


def test_the_reference_of_the_settings_is_current():
    written = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert written == settings_reference.text(), "run: python -m scripts.settings_reference"


def test_the_example_is_valid_and_its_defaults_are_the_defaults():
    example = load(EXAMPLE, {})
    environment = example.environments["production"]
    assert all(getattr(environment, name) is not None for name in settings.SOURCE_NAMES)
    assert example.model_copy(update={"environments": {}}) == Settings()


def test_everything_that_is_commented_out_in_the_example_is_valid_too(tmp_path: Path):
    text = EXAMPLE.read_text(encoding="utf-8")
    text = re.sub(r"^# (?=[a-z_]+ = |\[\[)", "", text, flags=re.MULTILINE)
    # One kind of sign-in at a time, and secrets that are here.
    text = re.sub(r"^bearer_token = .*\n", "", text, flags=re.MULTILINE)
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    path = tmp_path / "console.toml"
    path.write_text(re.sub(r"file:/run/secrets/[a-z-]+", f"file:{secret}", text))
    found = load(path, {"SYNAPTIC_ADMIN_TOKEN": SECRET})
    assert (found.limits, found.view) == (Settings().limits, Settings().view)
    assert found.records == Settings().records
    synaptic = found.environments["production"].synaptic
    assert synaptic is not None
    assert [replica.name for replica in synaptic.replicas] == ["synaptic-0"]

"""``console.toml`` and the environment, read once into one frozen, validated object.

A person writes the file, so every mistake comes back as one sentence that names the file, the key,
the value and what is allowed; unknown keys are mistakes. Any string may hold ``${NAME}`` (replaced
by an environment variable) and any secret may be ``file:/path`` (the content of that file, for
mounted secrets). Secrets are :class:`pydantic.SecretStr` and are never part of a message.

Each key is described here and nowhere else: ``docs/settings.md`` is checked against these fields.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

CONFIG_VARIABLE = "SYNAPTIC_CONSOLE_CONFIG"
"""Environment variable that names the settings file; ``console.toml`` where it is not set."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,200})\}")
_DURATION = re.compile(
    r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,12})ms)?", re.ASCII
)
# What may hold a secret in an address: all before the last @ (a password may hold a slash), and the query.
_USERINFO = re.compile(r"//\S{0,300}@")
_QUERY = re.compile(r"\?[^\s'\"]{1,1000}")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?")
_NAME = r"^[a-z][a-z0-9-]{0,30}$"


class SettingsError(Exception):
    """The settings cannot be used; ``mistakes`` holds one sentence for each mistake."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(mistakes))


def parse_duration(value: object) -> float:
    """Seconds of ``"1h30m"``, ``"5s"``, ``"250ms"`` or of a plain number of seconds.

    Raises:
        ValueError: The text is not a duration.
    """
    if isinstance(value, bool):
        raise ValueError('should be a duration such as "30s", "5m" or "1h30m"')
    if isinstance(value, int | float):
        return float(value)
    match = _DURATION.fullmatch(str(value).strip()) if isinstance(value, str) and value.strip() else None
    if match is None:
        raise ValueError('should be a duration such as "30s", "5m" or "1h30m"')
    days, hours, minutes, seconds, millis = (float(part) if part else 0.0 for part in match.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds + millis / 1000


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError('should be an address such as "http://prometheus:9090"')
    if parts.username or parts.password:
        raise ValueError("should not hold credentials: use username/password or bearer_token beside it")
    if parts.query or parts.fragment:
        raise ValueError("should not hold a query or a fragment")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("has a port that is not a number from 1 to 65535") from None
    return value.rstrip("/")


def _host(value: str) -> str:
    if _HOST.fullmatch(value) or value.startswith("/"):
        return value
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise ValueError("should be a host name, an address or the path of a socket, and nothing more") from None
    return value


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError('should be an address or a network such as "10.0.0.0/24"') from None


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address can only be reached from this machine."""
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


BROWSER_ZONE = "browser"
"""Instead of a time zone: that of each viewer's browser."""


def _time_zone(value: str) -> str:
    if value == BROWSER_ZONE:
        return value
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError('should be "browser" or a time zone such as "UTC" or "Europe/Berlin"') from None
    return value


Seconds = Annotated[float, BeforeValidator(parse_duration)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Host = Annotated[str, AfterValidator(_host)]
ProxyNetwork = Annotated[str, AfterValidator(_network)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=False)


class HttpEndpoint(_Model):
    """How to reach one source over HTTP; the keys that all HTTP sources share."""

    url: HttpUrl = Field(description="Address of the source, without credentials.")
    username: str | None = Field(default=None, description="User name for basic authentication.")
    password: SecretStr | None = Field(default=None, description="Password for basic authentication.")
    bearer_token: SecretStr | None = Field(default=None, description="Token for `Authorization: Bearer`.")
    ca_file: Path | None = Field(
        default=None, description="PEM file of the certificate authority to trust instead of the system's."
    )
    verify_tls: bool = Field(
        default=True, description="Check the server's certificate. `false` is refused in production mode."
    )
    deadline: Seconds = Field(
        default=5.0, gt=0, le=120, description="Longest time for one answer, from the first byte sent to the last read."
    )
    connections: int = Field(
        default=8, ge=1, le=64, description="Most requests under way at once; more wait within their deadline."
    )
    max_bytes: int = Field(
        default=32 * 1024 * 1024, ge=1024, description="Largest answer that is read, in bytes after decompression."
    )
    link: HttpUrl | None = Field(
        default=None, description='Address that people open in a browser ("open in …"); the url where it is not set.'
    )

    @model_validator(mode="after")
    def _one_kind_of_sign_in(self) -> HttpEndpoint:
        if self.bearer_token is not None and (self.username is not None or self.password is not None):
            raise ValueError("has both bearer_token and username/password: keep one of them")
        if (self.username is None) != (self.password is None):
            raise ValueError("needs username and password together")
        return self


class Replica(_Model):
    """One replica of Synaptic that can be asked directly."""

    name: str = Field(min_length=1, max_length=253, description="The name it has in metrics and logs (its pod).")
    url: HttpUrl = Field(description="Address of this replica's HTTP port.")


class Synaptic(HttpEndpoint):
    """The service itself, through its balancer and replica by replica."""

    replicas: tuple[Replica, ...] = Field(
        default=(), description="Replicas that are asked one by one for health, readiness and version."
    )
    admin_token: SecretStr | None = Field(
        default=None, description="Token for the admin endpoints; not needed for health, readiness and version."
    )

    @model_validator(mode="after")
    def _names_once(self) -> Synaptic:
        names = [replica.name for replica in self.replicas]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"names a replica twice: {', '.join(twice)}")
        return self


class Prometheus(HttpEndpoint):
    """The metrics, from Prometheus or anything that speaks its query API."""

    job: str = Field(default="synaptic", description="Value of the `job` label of Synaptic's own scrape.")
    replica_label: str = Field(
        default="pod",
        pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$",
        description="Label that tells one replica from another (`pod`, `instance`, `task`).",
    )
    scrape_interval: Seconds = Field(
        default=15.0, gt=0, le=3600, description="How often Synaptic is scraped; rates look back at least four of it."
    )
    rate_floor: Seconds = Field(
        default=60.0, gt=0, le=3600, description="Shortest look-back of a rate, however short the step."
    )


class Alertmanager(HttpEndpoint):
    """Who is told what, and what is silenced."""

    labels: dict[str, str] = Field(
        default_factory=dict,
        description="Only alerts with all of these labels are of this environment, such as `{ namespace = "
        '"synaptic" }`: an Alertmanager is often shared. Without any all alerts are.',
    )


class Elasticsearch(HttpEndpoint):
    """The logs, from Elasticsearch 8 or 9 or a store that speaks its search API."""

    index: str = Field(
        default="synaptic-logs-*",
        pattern=r"^[a-z0-9][a-z0-9_.\-]*\*?$",
        description="Index, data stream or pattern that holds Synaptic's lines; one star, at the end.",
    )
    daily: bool = Field(
        default=False,
        description="The star of `index` stands for the day of a line in UTC, as in `synaptic-logs-2026.11.23`: only "
        "the days of a window are asked.",
    )
    api_key: SecretStr | None = Field(default=None, description="Elasticsearch API key, instead of other sign-in.")

    @model_validator(mode="after")
    def _one_key(self) -> Elasticsearch:
        if self.api_key is not None and (self.bearer_token is not None or self.username is not None):
            raise ValueError("has api_key and another kind of sign-in: keep one of them")
        return self


class Postgres(_Model):
    """The database of the service, as the console reads its statistics."""

    host: Host = Field(min_length=1, max_length=253, description="Host name or address, or the folder of its socket.")
    port: int = Field(default=5432, ge=1, le=65535, description="Port.")
    database: str = Field(default="synaptic", min_length=1, max_length=63, description="Database of the service.")
    user: str = Field(
        min_length=1, max_length=63, description="Role of the console: a member of `pg_monitor`, and nothing more."
    )
    password: SecretStr | None = Field(default=None, description="Its password.")
    require_auth: tuple[Literal["scram-sha-256", "md5", "password", "gss", "sspi"], ...] = Field(
        default=("scram-sha-256",),
        description="The ways in which the server may ask for the password; it is not given away in another. "
        "`password` is the one in clear, as IAM sign-in of clouds wants it: with TLS only.",
    )
    plan_roles: tuple[Annotated[str, Field(min_length=1, max_length=63)], ...] = Field(
        default=(),
        max_length=20,
        description="Roles whose statements may be planned (`EXPLAIN`) when somebody asks for it, as a rule the "
        "service's own. Planning runs functions that a statement calls: name only roles whose functions are trusted.",
    )
    plan_user: str | None = Field(
        default=None,
        min_length=1,
        max_length=63,
        description="Role that plans are asked as: it may read the service's tables, and is not in `pg_monitor`.",
    )
    plan_password: SecretStr | None = Field(default=None, description="Its password.")
    tls: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = Field(
        default="prefer", description="How the connection is protected, in libpq's words (`sslmode`)."
    )
    ca_file: Path | None = Field(default=None, description="PEM file of the certificate authority to trust.")
    pgbouncer: bool = Field(
        default=False,
        description="The address is a PgBouncer that pools transactions: limits go with each question instead of "
        "with the session.",
    )
    deadline: Seconds = Field(default=5.0, gt=0, le=120, description="Longest time for one answer.")
    connections: int = Field(default=4, ge=1, le=16, description="Most connections at once; more questions wait.")
    cpus: int | None = Field(
        default=None, ge=1, le=4096, description="Processors of its machine, which its load is set against."
    )
    memory: int | None = Field(
        default=None, ge=2**26, description="Memory of its machine in bytes, which its settings are set against."
    )
    disk_bytes: int | None = Field(
        default=None,
        ge=1,
        description="Size in bytes of the volume that holds its data; with it the console tells when it is full.",
    )
    link: HttpUrl | None = Field(
        default=None, description="Address of another tool for this database, to open it there."
    )

    @property
    def near(self) -> bool:
        """Whether what is sent to it does not leave this machine: loopback, or a socket."""
        return is_loopback(self.host) or self.host.startswith(("/", "@"))

    @model_validator(mode="after")
    def _sign_in(self) -> Postgres:
        if not self.require_auth:
            raise ValueError("has an empty require_auth: name at least one way, scram-sha-256 as a rule")
        if "password" in self.require_auth and self.tls in ("disable", "prefer") and not self.near:
            raise ValueError('would send its password in clear: require_auth has "password" and tls is not required')
        if self.plan_user is not None and self.plan_user == self.user:
            raise ValueError("has the same plan_user as user: plans need a role without the rights of pg_monitor")
        return self


class Redis(_Model):
    """The cache of the service: Redis 7 or Valkey."""

    host: Host = Field(min_length=1, max_length=253, description="Host name or address, or the path of its socket.")
    port: int = Field(default=6379, ge=1, le=65535, description="Port.")
    database: int = Field(default=0, ge=0, le=1023, description="Number of the database that the service uses.")
    user: str = Field(default="", max_length=128, description="User of its access list; empty for the default one.")
    password: SecretStr | None = Field(default=None, description="Its password.")
    tls: bool = Field(default=False, description="Whether the connection is encrypted; its certificate is checked.")
    ca_file: Path | None = Field(default=None, description="PEM file of the certificate authority to trust.")
    deadline: Seconds = Field(default=5.0, gt=0, le=120, description="Longest time for one answer.")
    connections: int = Field(default=2, ge=1, le=16, description="Most connections at once; more questions wait.")
    sample_keys: int = Field(
        default=2000,
        ge=0,
        le=100_000,
        description="Most keys that one look at the key space reads, by SCAN; 0 switches it off.",
    )
    sample_limit: int = Field(
        default=5_000_000,
        ge=0,
        description="An instance with more keys than this is not looked at until somebody asks for it.",
    )


class Environment(_Model):
    """One installation of Synaptic with the sources that know it; a source that is left out is not configured."""

    title: str = Field(default="", max_length=60, description="How it is called on the pages; its key where empty.")
    synaptic: Synaptic | None = Field(default=None, description="The service itself.")
    prometheus: Prometheus | None = Field(default=None, description="Its metrics.")
    alertmanager: Alertmanager | None = Field(default=None, description="Its alerts and silences.")
    elasticsearch: Elasticsearch | None = Field(default=None, description="Its logs.")
    postgres: Postgres | None = Field(default=None, description="Its database.")
    redis: Redis | None = Field(default=None, description="Its cache.")
    slo: Path | None = Field(
        default=None, description="File with the objectives of this installation, instead of those that are shipped."
    )


HTTP_SOURCES: tuple[str, ...] = ("synaptic", "prometheus", "alertmanager", "elasticsearch")
"""The sources that are asked over HTTP."""

SOURCE_NAMES: tuple[str, ...] = (*HTTP_SOURCES, "postgres", "redis")
"""The sources that an environment can have, in the order in which pages list them."""

SOURCE_TITLES: dict[str, str] = {
    "synaptic": "Synaptic",
    "prometheus": "Prometheus",
    "alertmanager": "Alertmanager",
    "elasticsearch": "Elasticsearch",
    "postgres": "PostgreSQL",
    "redis": "Redis",
}
"""What a sentence calls each of them."""


class Server(_Model):
    """The console's own server."""

    mode: Literal["none"] = Field(
        default="none", description='Who may come in. "none": everybody who reaches it, so loopback only.'
    )
    public_url: HttpUrl = Field(
        default="http://127.0.0.1:8501", description="The address in the browser's address bar; others are refused."
    )
    allowed_origins: tuple[HttpUrl, ...] = Field(
        default=(), description="Further addresses under which browsers may open the console."
    )
    behind_sign_in: bool = Field(
        default=False,
        description="The proxy under `allowed_origins` signs everybody in before they reach the console. Needed where "
        "one of these addresses is not on loopback.",
    )
    trusted_proxies: tuple[ProxyNetwork, ...] = Field(
        default=(),
        max_length=50,
        description="Addresses or networks of proxies whose `X-Forwarded-For` says who a session belongs to.",
    )
    sessions: int = Field(
        default=300,
        ge=10,
        le=10_000,
        description="Most browser sessions (tabs) at once; with few file descriptors the console allows fewer.",
    )
    sessions_per_address: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Most of them from one address. Who comes through a proxy that `trusted_proxies` does not name is "
        "not told apart from others there.",
    )
    local_roles: tuple[Literal["viewer", "operator"], ...] = Field(
        default=("viewer",),
        min_length=1,
        description='What everybody is who comes in under mode "none"; an operator sees user ids, sessions and '
        "addresses and saves windows and searches, a viewer sees pseudonyms and saves nothing.",
    )
    pseudonym_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Secret that pseudonyms are made with, at least 16 characters; without one they change with each "
        "start of the console, and differ between replicas.",
    )
    production: bool = Field(
        default=True, description="Refuse to start with an unsafe option; `false` only while developing."
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Bearer token for /metrics, at least 16 characters; without one only loopback may read it.",
    )


class Records(_Model):
    """The console's own memory."""

    url: SecretStr = Field(
        default=SecretStr("sqlite:///console.sqlite3"),
        description="SQLAlchemy address of the database: a SQLite file, or PostgreSQL for several replicas.",
    )


class Limits(_Model):
    """What one view may ask of the sources."""

    deadline: Seconds = Field(
        default=5.0, gt=0, le=120, description="Longest time that a panel waits for everything it asks."
    )
    points: int = Field(
        default=721,
        ge=60,
        le=1500,
        description="Most points of one series, both ends counted; the step follows from it and the window.",
    )
    series: int = Field(default=12, ge=1, le=100, description="Most series of one chart; it says where it cut.")
    answer_ttl: Seconds = Field(default=10.0, gt=0, le=600, description="How long an answer counts as fresh.")
    keep_stale: Seconds = Field(
        default=3600.0, ge=0, le=86400, description="How long the last good answer may stand in for a failed one."
    )
    export_lines: int = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="Most lines of a log that one export holds; it says where it cut.",
    )
    cache_bytes: int = Field(
        default=256 * 1024 * 1024, ge=1024 * 1024, description="Memory for answers that are kept, in bytes."
    )


class Worker(_Model):
    """What the console does in the background."""

    enabled: bool = Field(
        default=True,
        description="Whether this process does background work; of several consoles on the same records one at a time "
        "does each piece.",
    )
    interval: Seconds = Field(
        default=60.0,
        ge=1,
        le=900,
        description="How often it looks at what is new: lines of the log are made into patterns, so that it is known "
        "when each was first seen; what each statement of the database gained is noted.",
    )
    activity_interval: Seconds = Field(
        default=1.0, ge=1, le=60, description="How often the sessions of the database are looked at."
    )
    verdict_interval: Seconds = Field(
        default=10.0,
        ge=5,
        le=300,
        description="How often Overview's verdict is reached while nobody looks, and kept: so exact is when a trouble "
        "began and was over.",
    )
    relations_interval: Seconds = Field(
        default=900.0, ge=60, le=86400, description="How often sizes and use of tables and indexes are noted."
    )
    keep_activity: Seconds = Field(
        default=8 * 86400.0,
        ge=3600,
        le=90 * 86400,
        description="How long samples of sessions, and when something was wrong, are kept.",
    )
    keep_statements: Seconds = Field(
        default=30 * 86400.0, ge=3600, le=400 * 86400, description="How long gains of statements are kept."
    )
    keep_relations: Seconds = Field(
        default=90 * 86400.0, ge=86400, le=400 * 86400, description="How long samples of tables and indexes are kept."
    )
    keep_cache: Seconds = Field(
        default=30 * 86400.0, ge=3600, le=400 * 86400, description="How long samples of the cache are kept."
    )


class View(_Model):
    """What a page shows before anybody chose anything."""

    window: str = Field(
        default="1h",
        pattern=r"^(15m|1h|3h|6h|12h|24h|2d|7d|30d)$",
        description="The window of a page without one in its address: 15m, 1h, 3h, 6h, 12h, 24h, 2d, 7d or 30d.",
    )
    time_zone: TimeZone = Field(
        default=BROWSER_ZONE,
        description="Zone of all times until a viewer chooses another; `browser` is that of each viewer's browser.",
    )
    refresh: Seconds = Field(
        default=15.0, ge=5, le=3600, description="How often the panels of a live window ask again."
    )


class Settings(_Model):
    """All settings of one console."""

    server: Server = Field(default_factory=Server, description="The console's own server.")
    records: Records = Field(default_factory=Records, description="The console's own memory.")
    limits: Limits = Field(default_factory=Limits, description="What one view may ask of the sources.")
    worker: Worker = Field(default_factory=Worker, description="What the console does in the background.")
    view: View = Field(default_factory=View, description="What a page shows before anybody chose anything.")
    environments: dict[Annotated[str, Field(pattern=_NAME)], Environment] = Field(
        default_factory=dict, description="The installations of Synaptic, by a short name that is part of every link."
    )

    @model_validator(mode="after")
    def _safe_in_production(self) -> Settings:
        if self.server.production:
            for key, environment in self.environments.items():
                for name in SOURCE_NAMES:
                    source = getattr(environment, name)
                    if source is not None and not getattr(source, "verify_tls", True):
                        raise ValueError(
                            f"environments.{key}.{name}.verify_tls is false: in production mode every certificate is "
                            "checked; give ca_file, or set server.production = false while developing"
                        )
                database = environment.postgres
                if database is not None and database.tls == "prefer" and not database.near:
                    raise ValueError(
                        f'environments.{key}.postgres.tls is "prefer": to another machine that protects nothing, since '
                        'whoever stands between can switch it off. Set "verify-full" with ca_file, or at least '
                        '"require"; "disable" where the network itself is trusted'
                    )
        return self

    def secrets(self) -> list[str]:
        """Every secret value in the settings, for the masks of logs and messages."""
        found: list[str] = []

        def walk(model: BaseModel) -> None:
            for value in dict(model).values():
                if isinstance(value, SecretStr):
                    found.append(value.get_secret_value())
                elif isinstance(value, BaseModel):
                    walk(value)
                elif isinstance(value, dict):
                    for item in value.values():
                        walk(item)

        walk(self)
        return [value for value in found if value]


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read, fill in and validate the settings file.

    Args:
        path: The file; by default what ``SYNAPTIC_CONSOLE_CONFIG`` names, else ``console.toml``.
        environ: Variables for ``${NAME}``; by default the process' own.

    Returns:
        The settings. A file that does not exist and that nobody named gives the defaults, in which
        no environment is configured; the pages then say how to write one.

    Raises:
        SettingsError: The file cannot be read, is not TOML, or has mistakes.
    """
    environ = os.environ if environ is None else environ
    named = path is not None or CONFIG_VARIABLE in environ
    path = path or Path(environ.get(CONFIG_VARIABLE, "console.toml"))
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            raise SettingsError(
                [f"{path}: the file does not exist; copy console.example.toml there, or correct {CONFIG_VARIABLE}"]
            ) from None
        raw = {}
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{path}: is not UTF-8 text"]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path}: is not valid TOML: {error}"]) from None
    unfilled: dict[tuple[str, ...], str] = {}
    filled = _fill(raw, (), environ, unfilled, str(path))
    mistakes = list(unfilled.values())
    try:
        settings = Settings.model_validate(filled)
    except ValidationError as error:
        # What could not be filled in is told already; that its empty text is not allowed would be noise.
        mistakes += [
            _sentence(str(path), item)
            for item in error.errors(include_url=False)
            if tuple(str(part) for part in item["loc"]) not in unfilled
        ]
    if mistakes:
        raise SettingsError(mistakes)
    return settings


@cache
def current() -> Settings:
    """The settings of this process, read once.

    Raises:
        SettingsError: As :func:`load`.
    """
    return load()


def _fill(
    value: Any, key: tuple[str, ...], environ: Mapping[str, str], mistakes: dict[tuple[str, ...], str], file: str
) -> Any:
    """Replace ``${NAME}`` in every string, and ``file:`` in the strings of secret keys."""
    if isinstance(value, dict):
        return {name: _fill(item, (*key, name), environ, mistakes, file) for name, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, (*key, str(i)), environ, mistakes, file) for i, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environ:
            mistakes[key] = f"{file}: {'.'.join(key)} uses ${{{name}}}, but there is no such environment variable"
            return ""
        return environ[name]

    text = _VARIABLE.sub(variable, value)
    if _is_secret(key) and text.startswith("file:"):
        secret = Path(text.removeprefix("file:"))
        try:
            return secret.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            mistakes[key] = f"{file}: {'.'.join(key)} names the file {secret}, which cannot be read: {reason}"
            return ""
    return text


def _secret_keys(model: type[BaseModel]) -> set[str]:
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        if "SecretStr" in str(field.annotation):
            keys.add(name)
    return keys.union(*(_secret_keys(child) for child in model.__subclasses__()))


_SECRET_KEYS = _secret_keys(_Model) - {"url"}


def _is_secret(key: Sequence[str]) -> bool:
    return bool(key) and (key[-1] in _SECRET_KEYS or tuple(key[-2:]) == ("records", "url"))


def _sentence(file: str, error: ErrorDetails) -> str:
    """One mistake as a sentence: file, key, value (never a secret one), what is allowed."""
    location = [str(part) for part in error["loc"] if part != "[key]"]
    key = ".".join(location)
    if error["type"] == "extra_forbidden":
        return f"{file}: {key} is not a setting{_suggestion(location)}"
    if error["type"] == "missing":
        return f"{file}: {key} is missing"
    message = error["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    value = error.get("input")
    if error["type"] == "too_short" and _is_secret(location):
        message = f"should have at least {error['ctx']['min_length']} characters"
    if error["type"] in _NO_TABLE:
        # What stands where a table belongs may be a whole connection string, with its password.
        return f"{file}: {key} should be a table with keys of its own, [{key}]"
    if not location or isinstance(value, dict | BaseModel):
        return f"{file}: {key} {message}" if key else f"{file}: {message}"
    shown = "***" if _is_secret(location) else _shown(value)
    if error["type"] == "string_pattern_mismatch":
        message = _allowed(location)
    return f"{file}: {key} = {shown}: {message}"


_NO_TABLE = frozenset({"model_type", "model_attributes_type", "dict_type", "dataclass_type"})


def _shown(value: object) -> str:
    """A value without what may be secret in it: texts with an @ outside of an address, or with assignments."""
    if isinstance(value, list):
        return "[…]" if value else "[]"
    text = _QUERY.sub("?***", _USERINFO.sub("//***@", repr(value)[:2000]))[:120]
    return "***" if "@" in text.replace("//***@", "") or "=" in text else text


def _model_at(location: list[str]) -> type[BaseModel]:
    """The model that holds the key at ``location``; names of environments and list positions are steps in place."""
    model: type[BaseModel] = Settings
    for part in location[:-1]:
        field = model.model_fields.get(part)
        if field is not None:
            model = _inner_model(field.annotation) or model
    return model


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _inner_model(part))), None)


def _suggestion(location: list[str]) -> str:
    return f"; known here: {', '.join(sorted(_model_at(location).model_fields))}"


def _allowed(location: list[str]) -> str:
    if location[0] == "environments" and len(location) == 2:
        return 'should be a short name in lower case, such as "production" or "eu-west"'
    field = _model_at(location).model_fields.get(location[-1])
    return f"is not allowed. {field.description}" if field and field.description else "is not allowed"

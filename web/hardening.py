"""Which options of the server would undo its protection, found before anything is served.

Streamlit takes its options from several files, from flags and (not under every launcher) from the
environment. So the values that the process really has are read, whatever the files say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from settings import Settings
from settings import is_loopback as is_loopback

Effect = Literal["unsafe", "open", "slow"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One option with a value that it should not have.

    Attributes:
        option: Its name, as in ``config.toml`` or ``console.toml``.
        found: The value it has.
        required: The value it must have, in words.
        why: What the found value would allow or cost.
        effect: ``unsafe`` refuses the start in production mode, ``open`` (a door without sign-in) refuses it always,
            ``slow`` is only worth a warning.
    """

    option: str
    found: object
    required: str
    why: str
    effect: Effect = "unsafe"

    def __str__(self) -> str:
        return f"{self.option} = {self.found!r}: must be {self.required}, because {self.why}"


@dataclass(frozen=True, slots=True)
class _Rule:
    option: str
    safe: Callable[[Any], bool]
    required: str
    why: str
    effect: Effect = "unsafe"


def _off(value: Any) -> bool:
    return value is False


def _on(value: Any) -> bool:
    return value is True


def _empty(value: Any) -> bool:
    return not value


def _no_star(value: Any) -> bool:
    return "*" not in (value or ())


_RULES = (
    _Rule("server.enableCORS", _on, "true", "without it any website's script may read answers and open sessions"),
    _Rule("server.corsAllowedOrigins", _no_star, "a list without '*'", "'*' lets any website's script read answers"),
    _Rule("server.allowedHosts", _no_star, "a list without '*'", "'*' accepts any host name, also a rebound one"),
    _Rule("server.enableXsrfProtection", _on, "true", "without it another website may send requests for a viewer"),
    _Rule(
        "server.xsrfCookieSameSite",
        lambda value: str(value).lower() in {"strict", "lax"},
        "'strict' or 'lax'",
        "'none' sends the cookie along with requests that other websites make",
    ),
    _Rule(
        "client.showErrorDetails",
        lambda value: value == "none",
        "'none'",
        "anything else shows paths, code and values of the server in the browser",
    ),
    _Rule("server.enableAgentApi", _off, "false", "it lets programs without a browser or a name use every page"),
    _Rule(
        "server.unsafeMetricsUserAttributes", _empty, "empty", "it publishes viewers' names on a page without sign-in"
    ),
    _Rule("server.enableStaticServing", _off, "false", "it publishes a folder beside the pages"),
    _Rule(
        "server.trustedUserHeaders",
        lambda value: not value or value == "{}",
        "empty",
        "it believes whatever name a request's header states",
    ),
    _Rule("server.headless", _on, "true", "without it a browser's message may write files into the installation"),
    _Rule("server.enableWebsocketCompression", _off, "false", "a small message could unpack to one that fills memory"),
    _Rule("server.runOnSave", _off, "false", "it watches files and runs pages again without being asked"),
    _Rule("global.e2eTest", _off, "false", "it opens debug messages that can stop the server"),
    _Rule("server.scriptHealthCheckEnabled", _off, "false", "each request to it runs a whole page"),
    _Rule("server.baseUrlPath", _empty, "empty", "the list of open paths starts at the root"),
    _Rule("global.developmentMode", _off, "false", "it opens debug messages that can stop the server"),
    _Rule("browser.gatherUsageStats", _off, "false", "it makes viewers' browsers report to a server on the internet"),
    _Rule("logger.enableRich", _off, "false", "errors of pages would be written past the masks that hide secrets"),
    _Rule("client.allowedOrigins", _empty, "empty", "pages of these origins may steer the console by messages"),
    _Rule(
        "server.fileWatcherType",
        lambda value: value == "none",
        "'none'",
        "the file watcher is most of the cost of opening a session",
        "slow",
    ),
    _Rule("runner.magicEnabled", _off, "false", "every page is rewritten before each run", "slow"),
)


def findings(get_option: Callable[[str], Any], settings: Settings) -> list[Finding]:
    """All options whose values would undo the protection of the server, or slow it down.

    Args:
        get_option: Returns the value that an option of Streamlit has in this process.
        settings: The console's own settings.
    """
    found = [
        Finding(rule.option, value, rule.required, rule.why, rule.effect)
        for rule in _RULES
        if not rule.safe(value := get_option(rule.option))
    ]
    public = urlsplit(settings.server.public_url)
    if public.path not in {"", "/"}:
        found.append(
            Finding(
                "server.public_url", settings.server.public_url, "without a path", "the list of open paths is absolute"
            )
        )
    if settings.server.mode == "none":
        why = 'with server.mode = "none" everybody who reaches the console may come in'
        if not is_loopback(public.hostname):
            url = settings.server.public_url
            found.append(Finding("server.public_url", url, "an address on loopback", why, "open"))
        elsewhere = [url for url in settings.server.allowed_origins if not is_loopback(urlsplit(url).hostname)]
        if elsewhere and not settings.server.behind_sign_in:
            required = "addresses on loopback, or server.behind_sign_in = true"
            found.append(
                Finding("server.allowed_origins", ", ".join(elsewhere), required, f"{why} from there too", "open")
            )
        address = get_option("server.address")
        if not is_loopback(address):
            found.append(Finding("server.address", address, "an address on loopback", why, "open"))
    return found


def refusals(found: list[Finding], settings: Settings) -> list[Finding]:
    """The findings for which the console does not start.

    In production mode these are all but the slow ones. While developing only one kind is left: an open door,
    no sign-in on an address that others reach, is never only a matter of developing.
    """
    refused = {"unsafe", "open"} if settings.server.production else {"open"}
    return [finding for finding in found if finding.effect in refused]

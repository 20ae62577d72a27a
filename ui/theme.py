"""Colours, status words and chart looks, once for light and once for dark.

Series colours follow Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), which is safe for colour-blind
readers, with its two warm colours kept aside: vermilion is only ever "broken" and orange only ever "at risk". A
name has the same colour on every page. The page's own colours are in ``.streamlit/config.toml`` (``[theme.light]``,
``[theme.dark]``) and agree with this module; a test holds them together. Colours are sRGB, ``#rrggbb``.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Literal

Theme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Look:
    """What a chart needs to know about the page around it."""

    background: str
    surface: str
    text: str
    muted: str
    grid: str
    line: str


LOOKS: dict[Theme, Look] = {
    "light": Look("#ffffff", "#f4f6f8", "#1b2430", "#586474", "#e6eaef", "#c3cad3"),
    "dark": Look("#10161e", "#1a222d", "#e4e9ef", "#9aa7b6", "#232d39", "#3d4a5a"),
}


@dataclass(frozen=True, slots=True)
class Status:
    """One of the verdicts about anything, told by word, mark and colour together.

    Attributes:
        word: What is written.
        icon: The Streamlit material icon.
        mark: A character for places that have no icons: table cells, charts, terminals.
        markdown: Streamlit's name of the colour, for ``:red[...]`` and badges.
        light: The colour of text and lines on the light page, at least 4.5:1.
        dark: The same on the dark page.
    """

    word: str
    icon: str
    mark: str
    markdown: Literal["green", "orange", "red", "gray"]
    light: str
    dark: str

    def colour(self, theme: Theme) -> str:
        """The colour of this status on a page of that theme."""
        return self.light if theme == "light" else self.dark

    @property
    def text(self) -> str:
        """Mark and word, for places without icons."""
        return f"{self.mark} {self.word}"


_STATUS: dict[str, Status] = {
    "ok": Status("ok", ":material/check_circle:", "✓", "green", "#1a7045", "#5fd08f"),
    "risk": Status("at risk", ":material/warning:", "▲", "orange", "#8f5600", "#f0b035"),
    "broken": Status("broken", ":material/error:", "✕", "red", "#b3261e", "#ff8f85"),
    "unknown": Status("unknown", ":material/help:", "?", "gray", "#586474", "#9aa7b6"),
    "note": Status("differs", ":material/info:", "•", "gray", "#586474", "#9aa7b6"),
}
_outdated: ContextVar[bool] = ContextVar("outdated", default=False)


@contextmanager
def outdated() -> Iterator[None]:
    """What is drawn inside comes from an answer that is not of now: every status is drawn as unknown."""
    token = _outdated.set(True)
    try:
        yield
    finally:
        _outdated.reset(token)


def is_outdated() -> bool:
    """Whether what is being drawn comes from an answer that is not of now."""
    return _outdated.get()


class _Statuses(Mapping[str, Status]):
    """The statuses as they may be drawn now: what an outdated answer said is unknown, with its word in the past.

    The one place through which all drawing gets its status, so that no panel can show an old answer in green.
    """

    def __getitem__(self, key: str) -> Status:
        status = _STATUS[key]
        if key in ("unknown", "note") or not _outdated.get():  # neither says that something is well or wrong
            return status
        return replace(_STATUS["unknown"], word=f"was {status.word}")

    def __iter__(self) -> Iterator[str]:
        return iter(_STATUS)

    def __len__(self) -> int:
        return len(_STATUS)


STATUS: Mapping[str, Status] = _Statuses()
"""The states by key; whatever is not known is ``unknown`` and never ``ok``, nor is what was ``ok``. ``note`` is what is
not as advised and harms nothing now, so that a page which says that nothing is wrong shows no amber."""

LEVELS: Mapping[str, Status] = _STATUS
"""The same for what no age changes: the level of a log line, a threshold on a chart, an event of the past."""

_SERIES: dict[str, tuple[str, str]] = {
    "blue": ("#0072b2", "#4aa3e0"),
    "green": ("#009e73", "#2fc79b"),
    "purple": ("#b8588f", "#e09bc6"),
    "sky": ("#3b9bd1", "#9ad9ff"),
    "olive": ("#8a8516", "#d6cf5a"),
    "indigo": ("#4b3fa7", "#a9a0f5"),
    "brown": ("#84563c", "#cfa184"),
    "slate": ("#5a6675", "#a9b5c3"),
    "amber": ("#b87a00", "#f0b035"),
    "red": ("#c4351c", "#ff8f85"),
}
DEALT = ("blue", "green", "purple", "sky", "indigo", "olive", "brown", "slate")
"""The colours that any name may get, in order; amber and red are not among them, as they mean something."""

_WELL_KNOWN: dict[str, str] = {
    **dict.fromkeys(("p50", "median", "0.5"), "green"),
    **dict.fromkeys(("p90", "0.9"), "olive"),
    **dict.fromkeys(("p95", "0.95", "search", "select"), "blue"),
    **dict.fromkeys(("p99", "0.99"), "purple"),
    **dict.fromkeys(("p99.9", "0.999", "max"), "indigo"),
    **dict.fromkeys(("mean", "average", "avg", "total", "all"), "slate"),
    **dict.fromkeys(("read", "get", "retrieve", "hit", "idle"), "green"),
    **dict.fromkeys(("write", "store", "create", "insert", "in_use", "in use", "used", "active"), "purple"),
    **dict.fromkeys(("update", "waiting"), "olive"),
    **dict.fromkeys(("delete", "miss"), "brown"),
    **dict.fromkeys(("consolidate", "consolidation", "gc"), "indigo"),
    **dict.fromkeys(("ok", "success", "2xx", "ready"), "green"),
    **dict.fromkeys(("3xx", "info"), "blue"),
    **dict.fromkeys(("debug",), "sky"),
    **dict.fromkeys(("trace", "unknown", "other", "others", "rest"), "slate"),
    **dict.fromkeys(("warn", "warning", "4xx", "denied", "medium"), "amber"),
    **dict.fromkeys(("error", "errors", "fatal", "critical", "failure", "failed", "5xx", "high"), "red"),
    **dict.fromkeys(("synaptic-1", "replica-1", "r1"), "blue"),
    **dict.fromkeys(("synaptic-0", "replica-0"), "indigo"),
    **dict.fromkeys(("synaptic-2", "replica-2", "r2"), "green"),
    **dict.fromkeys(("synaptic-3", "replica-3", "r3"), "purple"),
}


def _key_of(name: str) -> str:
    known = _WELL_KNOWN.get(name.strip().lower())
    # A checksum and not hash(): that one differs between processes, and so would the colours of two replicas.
    return known or DEALT[zlib.crc32(name.encode("utf-8", "replace")) % len(DEALT)]


def colour_of(name: str, theme: Theme = "light") -> str:
    """The colour of a series by its name: the same on every page and in every process.

    Quantiles, operations, log levels, outcomes and replicas have fixed colours; any other name gets one by its
    checksum.

    >>> colour_of("p95"), colour_of("P95") == colour_of("p95")
    ('#0072b2', True)
    """
    return _SERIES[_key_of(name)][theme == "dark"]


def series(key: str, theme: Theme) -> str:
    """A colour of the palette by its own name, such as ``blue``."""
    return _SERIES[key][theme == "dark"]


def colours_of(names: Iterable[str], theme: Theme = "light") -> dict[str, str]:
    """Colours for the series of one chart: :func:`colour_of`, but no two alike as long as the palette lasts.

    Where two names share a colour the later one in alphabetical order gets the next free one, so that the answer
    does not depend on which series is the largest today.

    >>> len(set(colours_of(["a", "b", "c", "d", "e"]).values()))
    5
    """
    chosen: dict[str, str] = {}
    # Names with a meaning keep theirs; they are served first.
    for name in sorted(set(names), key=lambda name: (name.strip().lower() not in _WELL_KNOWN, name)):
        key = _key_of(name)
        if key in chosen.values() and name.strip().lower() not in _WELL_KNOWN:
            start = DEALT.index(key)
            turns = (DEALT[(start + turn) % len(DEALT)] for turn in range(len(DEALT)))
            key = next((turn for turn in turns if turn not in chosen.values()), key)
        chosen[name] = key
    return {name: _SERIES[key][theme == "dark"] for name, key in chosen.items()}


FONT = '"Source Sans", "Source Sans Pro", sans-serif'

HEAT: dict[Theme, list[tuple[float, str]]] = {
    "light": [(0.0, "#eaf3fa"), (0.25, "#b4d5ec"), (0.5, "#6aaede"), (0.75, "#0072b2"), (1.0, "#003a5d")],
    "dark": [(0.0, "#16283a"), (0.25, "#1f4d73"), (0.5, "#2b7bb5"), (0.75, "#6bb8ee"), (1.0, "#d9f0ff")],
}
"""One hue from little to much; nothing at all is left blank."""


def axis_look(theme: Theme) -> dict[str, Any]:
    """The parts of a Plotly axis that are alike on every chart."""
    look = LOOKS[theme]
    return {
        "gridcolor": look.grid,
        "linecolor": look.line,
        "tickcolor": look.line,
        "tickfont": {"color": look.muted, "size": 12},
        "zeroline": False,
        "showline": False,
        "ticks": "",
        "automargin": True,
    }


def layout(theme: Theme) -> dict[str, Any]:
    """The parts of a Plotly layout that are alike on every chart, axes aside.

    The template is given and empty: otherwise Plotly adds its own default one, several kilobytes to each chart.
    """
    look = LOOKS[theme]
    return {
        "template": {},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13, "color": look.text},
        "hoverlabel": {
            "bgcolor": look.surface,
            "bordercolor": look.line,
            "font": {"family": FONT, "size": 13, "color": look.text},
            "namelength": -1,
            "align": "left",
        },
        "modebar": {"bgcolor": look.background, "color": look.muted, "activecolor": look.text, "orientation": "h"},
        "separators": ".,",
    }


CHOSEN: dict[Theme, str] = {"light": "#0b5c8e", "dark": "#7cc4f5"}
"""Words of what is chosen of several, at least 4.5:1; those of the configuration are too dark on the dark page."""

ICONS_ONLY = (
    *(f"bar-{name}" for name in ("earlier", "later", "wider", "undo", "hold", "live")),
    *(f"logs-{name}" for name in ("help", "remove-", "close", "field-", "column-", "by-", "minus-")),
    *("about-", "bar-delete-", "logs-delete-"),
)
"""Beginnings of the keys of buttons whose words are for screen readers: on the page their icon stands for them."""

CSS = """
.st-key-zone, .st-key-charts { display: none; }
[data-testid="stMetricValue"], [data-testid="stMetricDelta"], [data-testid="stTable"] td, time, .js-plotly-plot text {
  font-variant-numeric: tabular-nums;
}
[data-testid="stMainBlockContainer"] { max-width: none; padding: 0 2rem 2rem 2rem; }
[data-testid="stHeader"] { background: transparent; pointer-events: none; }
[data-testid="stHeader"] *:not(button, a, button *, a *) { pointer-events: none; }
[data-testid="stHeader"] :is(button, a), [data-testid="stHeader"] :is(button, a) * { pointer-events: auto; }
[data-testid="stSidebarCollapseButton"] { visibility: visible; }
[data-testid="stStatusWidget"] { animation: console-late 0.3s 5s both; }
@keyframes console-late { from { visibility: hidden; opacity: 0; } to { visibility: visible; opacity: 1; } }
[data-testid="stLayoutWrapper"]:has(> .st-key-bar) {
  position: sticky; top: 0; z-index: 100; box-sizing: border-box; padding: 0.5rem 2rem 0.5rem 0;
}
[data-testid="stLayoutWrapper"]:has(> .st-key-bar)::before {
  content: ""; position: absolute; inset: 0 -2rem; z-index: -1; background: var(--console-background);
}
[data-testid="stApp"]:has([data-testid="stExpandSidebarButton"]) [data-testid="stLayoutWrapper"]:has(> .st-key-bar) {
  padding-left: 2.25rem;
}
[data-testid="stCaptionContainer"] { color: var(--console-muted); opacity: 1; }
[data-testid="stMarkdownContainer"] :is(p, li) a { text-decoration: underline 1px; text-underline-offset: 0.15em; }
[data-testid="stButtonGroup"] [data-selected="true"] p { color: var(--console-chosen); }
[data-testid="stLayoutWrapper"]:has(> .st-key-unseen) { position: absolute; left: 0; width: 1px; overflow: hidden; }
[data-testid="stMetricValue"] { line-height: 1.25; }
[data-testid="stMetricLabel"] p { white-space: normal; }
[class*="st-key-outdated-"] { filter: saturate(0.3); opacity: 0.9; }
[class*="st-key-logs-values-"] button, [class*="st-key-logs-of-"] button {
  min-height: 1.6rem; padding-top: 0; padding-bottom: 0;
}
[class*="st-key-logs-values-"] [data-testid="stHorizontalBlock"],
[class*="st-key-logs-values-"] .stHorizontalBlock { flex-wrap: nowrap; }
[class*="st-key-logs-plus-"] button, [class*="st-key-logs-plus-"] button > * { justify-content: flex-start; }
[class*="st-key-logs-plus-"] button p { white-space: nowrap; }
[data-testid="stVerticalBlock"]:has(> [data-testid="stLayoutWrapper"] > [class*="st-key-cover-"]) {
  position: relative;
}
[data-testid="stLayoutWrapper"]:has(> [class*="st-key-cover-"]) { position: absolute; inset: 0; z-index: 1; }
[class*="st-key-cover-"], [class*="st-key-cover-"] * { height: 100%; width: 100%; }
[class*="st-key-cover-"] a { opacity: 0; }
.st-key-findings [data-testid="stPageLink"] :is(a, a *) { white-space: normal; }
.st-key-findings [data-testid="stPageLink"] p { font-size: 1rem; }
.st-key-happened { padding-top: 0.375rem; }
.st-key-badges [data-testid="stPageLink"] a, .st-key-findings [data-testid="stPageLink"] a {
  padding: 0; min-height: 0;
}
[class*="st-key-cover-"] a:focus-visible { opacity: 0.85; }
[data-testid="stMetric"] [data-testid="stTooltipIcon"] { position: relative; z-index: 2; }
[data-testid="stDataFrame"] .dvn-scroller { overscroll-behavior: auto; }
@media (max-width: 1280px) {
  [data-testid="stMainBlockContainer"] { padding-left: 1rem; padding-right: 1rem; }
}
@media (max-width: 1100px) {
  .st-key-bar { flex-wrap: nowrap; overflow-x: auto; scrollbar-width: none; overscroll-behavior-x: contain; }
  .st-key-bar > * { flex-shrink: 0; }
}
@media (hover: none) {
  [data-testid="stDataFrame"] [data-testid="stElementToolbar"], .modebar-container { display: none; }
}
@media (max-width: 767px) {
  .st-key-bar > [class*="st-key-bar-environment-"] { flex: 0 0 8rem; width: 8rem; min-width: 0; }
}
@media print {
  [data-testid="stSidebarCollapseButton"] { visibility: visible; }
[data-testid="stStatusWidget"] { animation: console-late 0.3s 5s both; }
@keyframes console-late { from { visibility: hidden; opacity: 0; } to { visibility: visible; opacity: 1; } }
[data-testid="stLayoutWrapper"]:has(> .st-key-bar) { position: static; }
  [data-testid="stSidebar"], [data-testid="stHeader"], [data-testid="stToolbar"], .modebar { display: none !important; }
  [data-testid="stMainBlockContainer"] { padding: 0; }
  [data-testid="stPlotlyChart"], [data-testid="stMetric"], [data-testid="stDataFrame"] { break-inside: avoid; }
}
"""
"""What the configuration cannot say: tabular figures, the page's full width, and a printed page without controls."""


def css(theme: Theme) -> str:
    """The style sheet of every page; the bar lies over what is scrolled beneath it, so it needs the page's colour."""
    words = ", ".join(f'[class*="st-key-{key}"] button [data-testid="stMarkdownContainer"]' for key in ICONS_ONLY)
    hidden = f"{words} {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }}"
    look = LOOKS[theme]
    colours = (
        f":root {{ --console-background: {look.background}; --console-muted: {look.muted}; "
        f"--console-chosen: {CHOSEN[theme]}; }}"
    )
    return f"{colours}\n{hidden}\n{CSS}"

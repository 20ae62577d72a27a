"""Chromium as a stranger: a new profile for each visit, in which all that goes wrong is written down."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Locator, Page

PATIENCE = 60_000
"""Milliseconds until a browser on a busy machine is given up."""

WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation',
    e => window.violations.push(`${e.violatedDirective} ${e.blockedURI}`));
"""

SETTLED = """() => {
    const app = document.querySelector('[data-testid="stApp"]');
    return app && app.getAttribute('data-test-script-state') === 'notRunning'
        && document.querySelector('.st-key-heading')
        && !document.querySelector('[data-testid="stSkeleton"]');
}"""
"""The page's script has ended and no panel is loading."""

HAS_PARAM = """([name, value]) => {
    const found = new URL(location).searchParams.get(name);
    return found !== null && (!value || found === value);
}"""


DRAWN = """() => [...document.querySelectorAll('[data-testid="stPlotlyChart"]')]
    .every(chart => chart.querySelector('.js-plotly-plot .main-svg'))"""
"""Every chart that the page has is drawn."""

TOLD = """() => {
    const text = element => element ? element.innerText : '';
    const panels = {};
    for (const element of document.querySelectorAll('[class*="st-key-panel-"]')) {
        const key = [...element.classList].find(name => name.startsWith('st-key-panel-')).split('-').slice(4).join('-');
        panels[key] = {
            text: text(element),
            lines: element.querySelectorAll('.js-plotly-plot .scatterlayer .trace').length,
            tables: element.querySelectorAll('[data-testid="stDataFrame"], [data-testid="stTable"]').length,
        };
    }
    const bar = document.querySelector('.st-key-bar');
    return {
        text: text(document.querySelector('[data-testid="stMain"]')),
        figures: document.querySelectorAll('[data-testid="stMetric"]').length,
        links: [...document.querySelectorAll('[data-testid="stSidebar"] [data-testid="stPageLink"] a')]
            .map(link => link.href),
        sidebar: text(document.querySelector('[data-testid="stSidebar"]')),
        bar: text(bar),
        choices: bar ? [...bar.querySelectorAll('input')].map(input => input.value) : [],
        panels,
    };
}"""
"""What a viewer reads, for the tests that read the same page."""


@dataclass(frozen=True)
class Panel:
    """What is in the frame of one panel: its words, and how many lines of charts and how many tables."""

    text: str
    lines: int
    tables: int


@dataclass(frozen=True)
class Told:
    """What a page showed when all of it was there.

    Attributes:
        text: All words of the page, without the menu.
        figures: How many figures with a value.
        links: Addresses in the menu.
        sidebar: Words of the menu.
        bar: Words of the bar.
        choices: What is chosen in the bar.
        panels: The panels by key.
        params: What the address held behind the question mark.
        wrong: What must not have happened.
    """

    text: str
    figures: int
    links: list[str]
    sidebar: str
    bar: str
    choices: list[str]
    panels: dict[str, Panel]
    params: dict[str, str]
    wrong: list[str]


@dataclass
class Visit:
    """One visit.

    Attributes:
        page: The browser's page.
        home: Address of the console.
        asked: Every address that the page asked for.
        complaints: Errors of scripts and of the browser's console.
        dialogs: Texts of dialogs that opened.
    """

    page: Page
    home: str
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.home}{path}")
        return self.settled()

    def settled(self) -> Page:
        self.page.wait_for_function(SETTLED)
        return self.page

    def told(self, path: str) -> Told:
        """Open an address and take down what it shows."""
        self.open(path)
        self.page.wait_for_function(DRAWN)
        found = self.page.evaluate(TOLD)
        panels = {key: Panel(**panel) for key, panel in found.pop("panels").items()}
        return Told(**found, panels=panels, params=self.params(), wrong=self.clean())

    def params(self) -> dict[str, str]:
        """What the address holds behind the question mark."""
        return {key: values[0] for key, values in parse_qs(urlsplit(self.page.url).query).items()}

    def wait_for_params(self, **wanted: str | None) -> dict[str, str]:
        """Wait until the address has these parameters: ``None`` is one that must be gone, ``""`` any value."""
        for name, value in wanted.items():
            if value is None:
                self.page.wait_for_function("name => !new URL(location).searchParams.has(name)", arg=name)
            else:
                self.page.wait_for_function(HAS_PARAM, arg=[name, value])
        self.settled()
        return self.params()

    def panel(self, key: str, page: str = "overview") -> Locator:
        """The frame of a panel, without more of one of Overview."""
        return self.page.locator(f".st-key-panel-{page}-{key}")

    def clean(self) -> list[str]:
        """What must not have happened on any visit; an empty list where nothing did."""
        address = urlsplit(self.home).netloc
        own = (self.home, f"ws://{address}", "data:", "blob:")
        found = [f"asked {url[:200]}" for url in self.asked if not url.startswith(own)]
        found += [f"dialog {text}" for text in self.dialogs]
        found += [f"policy {text}" for text in self.page.evaluate("window.violations")]
        found += self.complaints
        for words in ("Traceback (most recent", "by a mistake of the console", "This page failed"):
            if words in self.page.inner_text("body"):
                found.append(f"the page shows {words!r}")
        if self.page.locator('[data-testid="stException"]').count():
            found.append("the page shows an exception")
        return found


@contextmanager
def visiting(browser: Browser, home: str, **options: object) -> Iterator[Visit]:
    """A visit of somebody who was never here; ``options`` are those of a new browser profile."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 1000}, **options})
    context.set_default_timeout(PATIENCE)
    try:
        page = context.new_page()
        visit = Visit(page, home)
        page.add_init_script(WATCH)
        context.on("request", lambda request: visit.asked.append(request.url))
        page.on("pageerror", lambda error: visit.complaints.append(f"script error {error}"))
        page.on("console", lambda message: _note(visit, message.type, message.text, message.location.get("url", "")))
        page.on("dialog", lambda dialog: (visit.dialogs.append(dialog.message), dialog.dismiss()))
        yield visit
    finally:
        context.close()


def _note(visit: Visit, kind: str, text: str, url: str) -> None:
    # The front end looks for its server below the page's own path first; those answers are meant to be 404.
    expected = "status of 404" in text and ("/_stcore/health" in url or "/_stcore/host-config" in url)
    if kind == "error" and not expected:
        visit.complaints.append(f"console error {text[:300]} {url}")

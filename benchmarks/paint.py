"""``paint``: how long a viewer waits for Overview, against a Streamlit page with one line of text."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.measured import Benchmark, Figure
from benchmarks.parts import HOST, Installation, free_port, installation, running

DAYS = 8
ROUNDS = 5
ROOT = Path(__file__).resolve().parent.parent
EMPTY_PAGE = 'import streamlit as st\n\nst.markdown("empty")\n'
PATIENCE = 120_000
ARGUMENTS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

# Milliseconds after the start of the navigation, noted by the page itself at every frame that it draws: when the
# first panel had its content, and since when all of it has been there.
WATCH = """
window.painted = {first: null, all: null};
const look = () => {
    const app = document.querySelector('[data-testid="stApp"]');
    const ended = app && app.getAttribute('data-test-script-state') === 'notRunning';
    const waiting = document.querySelector('[data-testid="stSkeleton"]');
    const charts = [...document.querySelectorAll('[data-testid="stPlotlyChart"]')];
    const drawn = charts.filter(chart => chart.querySelector('.js-plotly-plot .scatterlayer .trace'));
    const contents = document.querySelector(
        '[data-testid="stMetricValue"], [data-testid="stMain"] h3, .js-plotly-plot .scatterlayer .trace');
    if (contents && window.painted.first === null) window.painted.first = performance.now();
    const all = ended && !waiting && drawn.length === charts.length
        && document.querySelector('[data-testid="stMain"] [data-testid="stMarkdown"]')
        && charts.length >= (window.expected || 0);
    if (!all) window.painted.all = null;
    else if (window.painted.all === null) window.painted.all = performance.now();
    requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""


def measure() -> Mapping[str, float]:
    """Both pages in one browser whose cache is warm, by turns."""
    with installation(DAYS) as parts, tempfile.TemporaryDirectory(prefix="synaptic-benchmark-") as name:
        folder = Path(name)
        with (
            _console(parts, folder) as console,
            _empty_page(folder) as empty,
            sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=list(ARGUMENTS), chromium_sandbox=os.geteuid() != 0
            )
            times = _by_turns(browser, f"{console}/overview?w=1h", empty)
            browser.close()
    first, last, least = (statistics.median(column) for column in zip(*times, strict=True))
    return {
        "times_empty_page": last / least,
        "first_times_empty_page": first / least,
        "milliseconds": last,
        "empty_page_milliseconds": least,
    }


def _by_turns(browser: Browser, overview: str, empty: str) -> list[tuple[float, float, float]]:
    """First panel and last panel of Overview, and the empty page, in milliseconds, for each round."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, bypass_csp=True)
    context.set_default_timeout(PATIENCE)
    context.add_init_script(WATCH)
    page = context.new_page()
    times = []
    for number in range(ROUNDS + 1):
        least = _painted(page, empty, charts=0)["all"]
        found = _painted(page, overview, charts=9)
        if number:  # the first round fills the browser's cache and the server's
            times.append((found["first"], found["all"], least))
    context.close()
    return times


def _painted(page: Page, address: str, charts: int) -> dict[str, float]:
    page.goto(address)
    page.evaluate("charts => { window.expected = charts; }", charts)
    # It must stay so for a second: a chart that is on its way would have shown by then.
    page.wait_for_function("window.painted.all !== null && performance.now() - window.painted.all > 1000")
    found: dict[str, float] = page.evaluate("window.painted")
    return found


@contextmanager
def _console(parts: Installation, folder: Path) -> Iterator[str]:
    settings = parts.settings(counted=False).environments["benchmark"]
    port = free_port()
    lines = [
        f'server.public_url = "http://{HOST}:{port}"',
        f'records.url = "sqlite:///{folder}/records.sqlite3"',
        "limits.deadline = 60",
        "view.refresh = 3600",
    ]
    for name in ("synaptic", "prometheus", "alertmanager", "elasticsearch"):
        source = getattr(settings, name)
        lines += [f'environments.benchmark.{name}.url = "{source.url}"', f"environments.benchmark.{name}.deadline = 60"]
    replicas = settings.synaptic.replicas if settings.synaptic is not None else ()
    listed = ", ".join(f'{{ name = "{replica.name}", url = "{replica.url}" }}' for replica in replicas)
    lines.append(f"environments.benchmark.synaptic.replicas = [{listed}]")
    configuration = folder / "console.toml"
    configuration.write_text("\n".join(lines) + "\n")
    with _streamlit(ROOT / "app.py", port, folder, "/healthz", {"SYNAPTIC_CONSOLE_CONFIG": str(configuration)}):
        yield f"http://{HOST}:{port}"


@contextmanager
def _empty_page(folder: Path) -> Iterator[str]:
    script = folder / "empty.py"
    script.write_text(EMPTY_PAGE)
    port = free_port()
    with _streamlit(script, port, folder, "/_stcore/health", {}):
        yield f"http://{HOST}:{port}"


@contextmanager
def _streamlit(script: Path, port: int, folder: Path, ready: str, variables: Mapping[str, str]) -> Iterator[None]:
    """Streamlit in the repository's folder, so that both pages are served with the console's own configuration."""
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("STREAMLIT_", "SYNAPTIC_"))
    }
    environment |= {"PYTHONPATH": str(ROOT), **variables}
    log = folder / f"{script.stem}.log"
    with running(command, f"http://{HOST}:{port}{ready}", log, environment, ROOT):
        yield


BENCHMARK = Benchmark(
    "paint",
    "Chromium with a warm cache opens Overview (nine charts, seven figures) and a Streamlit page that holds one line "
    "of text, both served with the console's configuration.",
    {
        "times_empty_page": Figure(
            "Time from the start of the navigation until the last panel of Overview is drawn, by the time until the "
            "empty page is there.",
            "<= 2.5",
        ),
        "first_times_empty_page": Figure("The same until the first panel of Overview is drawn."),
        "milliseconds": Figure("Time until the last panel is drawn, on this machine."),
        "empty_page_milliseconds": Figure("Time until the empty page is there, on this machine."),
    },
    measure,
)

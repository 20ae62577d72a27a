"""The pages work under the content security policy: Chromium draws them and reports no violation."""

import pytest
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

PATIENCE = 120_000
"""Milliseconds until a browser on a busy machine is given up."""

WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation',
    e => window.violations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
"""


@pytest.fixture
def page(browser: Browser):
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    opened.set_default_timeout(PATIENCE)
    opened.add_init_script(WATCH)
    yield opened
    opened.close()


def drawn(page: Page, server) -> Page:
    page.goto(f"{server.url}/charts")
    page.get_by_text("All is drawn").wait_for()
    page.locator(".js-plotly-plot .scatterlayer .trace").first.wait_for(state="attached")
    page.locator('[data-testid="stMetricChart"] canvas, [data-testid="stMetricChart"] svg').first.wait_for(
        state="attached"
    )
    return page


def test_charts_tables_and_pictures_are_drawn_without_a_violation(server, page):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    drawn(page, server)
    picture = page.locator('[data-testid="stImage"] img')
    picture.wait_for()
    picture.evaluate("image => image.decode()")  # fails for a picture that was blocked
    page.locator(".js-plotly-plot").first.hover()
    assert page.evaluate("window.violations") == []
    elsewhere = [url for url in asked if not url.startswith((server.url, f"ws://{server.address}", "data:", "blob:"))]
    assert elsewhere == []


def test_a_chart_can_be_saved_as_a_picture(server, page):
    drawn(page, server)
    chart = page.locator(".js-plotly-plot").first
    chart.hover()
    with page.expect_download() as download:
        chart.locator('[data-title^="Download"]').first.click(force=True)
    assert download.value.suggested_filename.endswith(".png")
    assert page.evaluate("window.violations") == []


def test_a_script_that_gets_into_a_page_does_not_run(server, page):
    drawn(page, server)
    page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'window.ran = true';
            document.body.append(script);
            const image = document.createElement('img');
            image.setAttribute('onerror', 'window.ran = true');
            image.src = 'https://evil.example/x.png';
            document.body.append(image);
        }"""
    )
    page.evaluate(
        """() => new Promise(resolve => {
            const look = () => window.violations.length >= 2 ? resolve() : requestAnimationFrame(look);
            look();
        })"""
    )
    assert page.evaluate("window.ran") is None
    assert any(text.startswith("img-src https://evil.example") for text in page.evaluate("window.violations"))


def test_the_console_cannot_be_framed(server, page):
    page.goto(f"{server.url}/healthz")
    refused = page.evaluate(
        """url => new Promise(resolve => {
            const frame = document.createElement('iframe');
            frame.onload = () => resolve(frame.contentDocument === null);
            frame.src = url;
            document.body.append(frame);
        })""",
        f"{server.url}/",
    )
    assert refused


def test_bytes_for_download_cannot_be_fetched_by_their_address(server, page):
    """Streamlit would give them to anybody who knows it; the console has routes of its own for that."""
    with page.expect_response(lambda answer: answer.url.endswith(".bin")) as answer:
        drawn(page, server)
    assert "/media/" in answer.value.url
    assert answer.value.status == 404


def test_a_page_that_fails_shows_a_reference_and_not_its_cause(server, page):
    page.goto(f"{server.url}/fails")
    page.get_by_text("This page failed").wait_for()
    shown = page.inner_text("body")
    assert "a value that nobody should see" not in shown
    assert "Traceback" not in shown
    reference = shown.split("under the reference ")[1][:8]
    logged = [line for line in server.log() if line.get("reference") == reference]
    assert "a value that nobody should see" in logged[0]["exception"]

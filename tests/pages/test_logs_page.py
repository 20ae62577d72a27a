"""Logs in a browser: search, filters, one line with what it said before, pages to the end, and hostile lines."""

import json
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from tests.journey.test_journey import zoom as drag
from tests.support import log_lines
from tests.support.log_lines import document, every
from tests.support_pages.browsing import DRAWN, visiting
from tests.ui.hostile_text import hostile_texts
from tests.web.serving import ROOT, serving

pytestmark = [pytest.mark.integration, pytest.mark.browser, pytest.mark.timeout(300)]

LINES = 450
PORT = 9
"""Nobody listens there; a browser that asked it would be noticed."""


def lines(now: datetime):
    for number, moment in enumerate(every(now - timedelta(minutes=50), now - timedelta(minutes=5), LINES)):
        yield document(
            moment,
            f"read {number} ended for user-{number % 7:03d}",
            "ERROR" if number % 10 == 0 else "INFO",
            "storage" if number % 3 == 0 else "memory",
            user_id=f"user-{number % 7:03d}",
            request_id=f"request-{number // 5}",
        )


def hostile(now: datetime):
    texts = hostile_texts(PORT)
    for number, (name, text) in enumerate(texts.items()):
        moment = now - timedelta(minutes=30, seconds=number)
        fields = {"error": text, "resource": text[:3000], "operation": text[:3000], text[:200].replace(".", " "): name}
        yield document(moment, text, "WARN", text[:2000], **fields) | {"message": json.dumps({"inner": text[:3000]})}


@pytest.fixture(scope="module")
def store(real_elasticsearch):
    """Two indices: ordinary lines and hostile ones."""
    now = datetime.now(UTC)
    plain, bad = log_lines.new_index(real_elasticsearch), log_lines.new_index(real_elasticsearch)
    log_lines.write(real_elasticsearch, plain, lines(now))
    log_lines.write(real_elasticsearch, bad, hostile(now))
    return real_elasticsearch, plain, bad


def settings(folder, role, url, index):
    return f"""
[server]
public_url = "http://127.0.0.1:{{port}}"
local_roles = ["{role}"]
[records]
url = "sqlite:///{folder}/records.sqlite3"
[limits]
deadline = 60
[view]
refresh = 5
[environments.logs.elasticsearch]
url = "{url}"
index = "{index}"
deadline = 60
"""


@pytest.fixture(scope="module")
def console(store, tmp_path_factory):
    """Ordinary lines, for a viewer who may not see who."""
    url, plain, _ = store
    folder = tmp_path_factory.mktemp("logs")
    with serving(folder, settings(folder, "viewer", url, plain), ROOT / "app.py") as server:
        yield server


@pytest.fixture(scope="module")
def hostile_console(store, tmp_path_factory):
    """Hostile lines, for somebody who sees them as they are."""
    url, _, bad = store
    folder = tmp_path_factory.mktemp("hostile")
    with serving(folder, settings(folder, "operator", url, bad), ROOT / "app.py") as server:
        yield server


@pytest.fixture
def visit(console, browser):
    with visiting(browser, console.url) as opened:
        yield opened
        assert opened.clean() == []


@pytest.fixture
def hostile_visit(hostile_console, browser):
    with visiting(browser, hostile_console.url) as opened:
        yield opened
        assert opened.clean() == []


def panel(visit, key):
    return visit.page.locator(f".st-key-panel-logs-{key}")


def held(**params):
    """An address with a window that stands still, so that no refresh disturbs what the test does."""
    now = datetime.now(UTC).replace(microsecond=0)
    window = {"from": (now - timedelta(hours=1)).isoformat(), "to": now.isoformat()}
    return f"/logs?{urlencode({'env': 'logs', **window, **params}, doseq=True)}"


def open_row(visit, row):
    """Click a row of the list, counted from 0."""
    before = visit.params().get("line", "")
    visit.page.wait_for_function(DRAWN)
    box = panel(visit, "lines").locator('[data-testid="stDataFrame"]').first.bounding_box()
    place = box["x"] + box["width"] * 0.8, box["y"] + 35 + 28 * row + 14
    # As a hand does: the grid overlooks a click of a pointer that came from nowhere.
    visit.page.mouse.move(place[0] - 5, place[1] - 5)
    visit.page.mouse.move(*place, steps=4)
    visit.page.mouse.click(*place)
    visit.page.wait_for_function(
        "before => ![null, before].includes(new URL(location).searchParams.get('line'))", arg=before
    )
    visit.settled()


def filters(visit):
    return visit.page.evaluate("new URL(location).searchParams.getAll('f')")


def test_a_row_opens_its_line_with_what_it_said_before_and_the_address_leads_back_to_it(visit):
    page = visit.open(held())
    open_row(visit, 2)
    panel(visit, "line").get_by_text("read 447 ended").first.wait_for()
    panel(visit, "around").get_by_text("read 446 ended").first.wait_for()
    flow = panel(visit, "around").inner_text()
    assert flow.index("read 446") < flow.index("read 447") < flow.index("read 448")
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    visit.settled()
    panel(visit, "line").get_by_text("read 447 ended").first.wait_for()
    page.locator(".st-key-logs-close button").first.click()
    visit.wait_for_params(line=None)
    panel(visit, "fields").wait_for()


def test_a_viewer_reads_pseudonyms_and_never_who_it_was(visit):
    page = visit.open(held(cols="user_id", line=""))
    open_row(visit, 0)
    panel(visit, "line").get_by_text("user_id~").first.wait_for()
    page.get_by_role("tab", name="JSON").click()
    page.get_by_role("tab", name="Copy").click()
    panel(visit, "around").get_by_text("user_id~").first.wait_for()
    assert "user-00" not in page.content()
    visit.open(held(q="user_id:user-001"))
    page.get_by_text("needs the role operator").first.wait_for()


def test_values_become_filters_that_can_be_turned_around_and_removed_and_outlive_a_zoom(visit):
    page = visit.open(held())
    page.locator(".st-key-logs-plus-level-ERROR button").first.click()
    visit.wait_for_params(f="level:ERROR")
    # The address moves with the panel's own run; the page's run, which draws the chip, comes after it.
    page.get_by_role("button", name="level:ERROR").wait_for()
    visit.settled()
    page.locator(".st-key-logs-minus-component-storage button").first.click()
    page.wait_for_function("() => new URL(location).searchParams.getAll('f').length === 2")
    visit.settled()
    assert filters(visit) == ["level:ERROR", "-component:storage"]
    panel(visit, "histogram").get_by_text("30 lines").wait_for()
    drag(_Histogram(visit), "histogram", 0.3, 0.7)
    page.wait_for_function("from => new URL(location).searchParams.get('from') !== from", arg=visit.params()["from"])
    visit.settled()
    assert filters(visit) == ["level:ERROR", "-component:storage"]
    page.get_by_role("button", name="-component:storage").click()
    page.wait_for_function("() => new URL(location).searchParams.getAll('f')[1] === 'component:storage'")
    visit.settled()
    page.get_by_role("button", name="Remove all").click()
    visit.wait_for_params(f=None)


class _Histogram:
    """A visit whose panels are those of Logs, for the drag that the journey does on Overview."""

    def __init__(self, visit):
        self.page = visit.page
        self.panel = lambda key: panel(visit, key)


def test_enter_searches_and_a_mistake_is_pointed_at_with_a_suggestion_that_mends_it(visit):
    page = visit.open(held())
    field = page.locator(".st-key-logs-search input")
    field.fill("compnent:storage")
    field.press("Enter")
    visit.wait_for_params(q="compnent:storage")
    panel(visit, "lines").get_by_text("^^^^^^^^").wait_for()
    assert "compnent:storage\n^^^^^^^^" in panel(visit, "lines").inner_text()
    page.get_by_role("button", name="Search for component:storage").click()
    visit.wait_for_params(q="component:storage")
    panel(visit, "histogram").get_by_text("150 lines").wait_for()
    assert field.input_value() == "component:storage"
    field.fill("level:(")
    field.press("Enter")
    page.get_by_text("The search is not asked.").wait_for()


def test_what_may_come_next_is_offered_while_typing_and_taken_by_tab_arrow_and_mouse(visit):
    page = visit.open(held())
    field = page.get_by_role("combobox", name="Search", exact=True)
    offered = page.get_by_role("option")
    field.press_sequentially("lev")
    offered.get_by_text("level", exact=True).wait_for()
    field.press("Tab")
    offered.get_by_text("ERROR", exact=True).wait_for()
    assert field.input_value() == "level:"
    field.press("ArrowDown")
    field.press("ArrowDown")
    field.press("Enter")
    assert field.input_value() == "level:ERROR "
    field.press_sequentially("component:")
    offered.get_by_text("storage", exact=True).click()
    assert field.input_value() == "level:ERROR component:storage "
    field.press("Escape")
    assert "q" not in visit.params()
    field.press("Enter")
    visit.wait_for_params(q="level:ERROR component:storage")
    panel(visit, "histogram").get_by_text("15 lines").wait_for()


def test_the_live_tail_stands_still_as_soon_as_somebody_scrolls_and_follows_again_when_asked(visit):
    page = visit.open("/logs?env=logs&w=1h&order=tail")
    foot = panel(visit, "lines")
    foot.get_by_text("following").wait_for()
    page.wait_for_function(DRAWN)
    box = foot.locator('[data-testid="stDataFrame"]').first.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 100)
    page.mouse.wheel(0, 200)
    foot.get_by_text("Held since you scrolled.").wait_for()
    foot.get_by_role("button", name="Follow again").click()
    foot.get_by_text("following").wait_for()


def test_the_list_is_turned_page_by_page_to_its_very_last_line_and_back(visit):
    page = visit.open(held())
    foot = panel(visit, "lines")
    foot.get_by_text("Lines 1 to 200.").wait_for()
    page.get_by_role("button", name="Older").click()
    foot.get_by_text("Lines 201 to 400.").wait_for()
    page.get_by_role("button", name="Older").click()
    foot.get_by_text("Lines 401 to 450, the last ones.").wait_for()
    page.get_by_role("button", name="Newer").click()
    foot.get_by_text("Lines 201 to 400.").wait_for()


def test_a_list_of_a_live_window_holds_still_and_says_what_arrived(visit, store):
    url, plain, _ = store
    page = visit.open("/logs?env=logs&w=1h")
    panel(visit, "lines").get_by_text("Lines 1 to 200.").wait_for()
    soon = datetime.now(UTC) + timedelta(seconds=1)
    log_lines.write(url, plain, [document(soon, "just now", "DEBUG", "arrival")])
    page.get_by_role("button", name="1 new line").click()
    page.get_by_role("button", name="1 new line").wait_for(state="detached")
    open_row(visit, 0)
    panel(visit, "line").get_by_text("just now").first.wait_for()


def test_who_may_only_look_saves_no_search(visit):
    page = visit.open(held(q="ended"))
    page.locator(".st-key-logs-saved button").first.click()
    page.get_by_text("Saving a search needs the role operator.").wait_for()
    assert page.get_by_label("Save this search as").count() == 0


def test_a_search_is_saved_under_a_label_and_opened_again_and_deleted_after_a_question(hostile_visit):
    visit = hostile_visit
    page = visit.open(held(q="ended", f=["level:ERROR", "-component:memory"], cols="request_id"))
    page.locator(".st-key-logs-saved button").first.click()
    label = f"search of {time.time():.0f}"
    page.get_by_label("Save this search as").fill(label)
    page.get_by_role("button", name="Save", exact=False).last.click()
    page.get_by_role("button", name=label, exact=True).wait_for()
    visit.open(held())
    page.locator(".st-key-logs-saved button").first.click()
    page.get_by_role("button", name=label, exact=True).click()
    visit.wait_for_params(q="ended", cols="request_id")
    assert filters(visit) == ["level:ERROR", "-component:memory"]
    page.locator(".st-key-logs-saved button").first.click()
    page.get_by_role("button", name=f"Delete {label}").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_text("Nobody has saved a search here yet.").wait_for()


HEADINGS = """key => [...document.querySelectorAll(`.st-key-panel-logs-${key} [data-testid="stDataFrame"] th`)]
    .map(heading => heading.innerText)"""


def test_on_a_phone_the_list_shows_what_the_lines_say(console, browser):
    size = {"width": 390, "height": 844}
    with visiting(browser, console.url, viewport=size, has_touch=True, is_mobile=True) as visit:
        page = visit.open(held())
        page.wait_for_function(f"() => ({HEADINGS})('lines').length === 3")
        assert [title.split(" (")[0] for title in page.evaluate(HEADINGS, "lines")] == ["Time", "Level", "Message"]
        page.wait_for_function(f"() => ({HEADINGS})('patterns')[1] === 'Pattern'")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert visit.clean() == []


def test_the_lines_of_the_list_can_be_had_as_a_file(visit):
    page = visit.open(held(f="level:ERROR"))
    page.locator(".st-key-logs-export button").first.click()
    link = page.get_by_role("link", name="NDJSON")
    address = f"{visit.home}{link.get_attribute('href')}"
    with page.context.expect_event("response", lambda answer: "/export/logs" in answer.url) as answer:
        link.click()
    assert answer.value.status == 200
    assert answer.value.url == address
    assert len(page.context.request.get(address).text().splitlines()) == 45


def test_hostile_lines_do_nothing_wherever_they_are_shown(hostile_visit):
    visit = hostile_visit
    visit.page.set_viewport_size({"width": 1440, "height": 1400})
    page = visit.open(held(cols="component,resource,operation", by="component"))
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot .main-svg').length > 0")
    for row in range(len(hostile_texts(PORT))):
        open_row(visit, row)
        page.get_by_role("tab", name="JSON").click()
        page.get_by_role("tab", name="Copy").click()
    assert page.evaluate("window.hostile") is None
    main = page.locator('[data-testid="stMain"]')
    assert main.locator("script, img[src*='127.0.0.1:9'], a[href^='javascript']").count() == 0

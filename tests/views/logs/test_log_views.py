"""The Logs view on a real store: what is asked, every line once, what a line leads to, what a file of them holds."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.events import Event, EventKind
from collectors.errors import SourceError
from collectors.log_query import parse
from collectors.logs import Question
from collectors.span import Span
from settings import Environment, Limits, Settings
from tests.support import log_lines
from tests.support.fault_proxy import FaultProxy
from tests.support.log_lines import document, every
from views.logs import export as log_export
from views.logs.complete import completions
from views.logs.counts import load_counts, load_values
from views.logs.export import InvalidExport
from views.logs.masks import Visibility
from views.logs.view import (
    Row,
    interleaved,
    inverted,
    load_around,
    load_line,
    load_page,
    newer,
    understood,
)

END = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=2)
START = END - timedelta(hours=1)
SPAN = Span.of(START, END, 721)
ALL_SEEING, BLIND = Visibility(identifiers=True), Visibility(identifiers=False, key=b"a key of the tests")
ANYTHING = understood("", (), ALL_SEEING)
LINES = 530
NEWLINE_FORMULA = '=1+1\n"quoted", <script>alert(1)</script> \u202ebidi'


def documents():
    for number, moment in enumerate(every(START, END, LINES)):
        level = "ERROR" if number % 10 == 0 else "INFO"
        yield document(
            moment,
            f"read of user-{number % 7:03d} ended" if number else NEWLINE_FORMULA,
            level,
            "storage" if number % 3 == 0 else "memory",
            user_id=f"user-{number % 7:03d}",
            request_id=f"request {number // 5}",
            duration_ms=number * 1.5,
            **({"error": "pool timed out"} if level == "ERROR" else {}),
        )


@pytest.fixture(scope="module")
def index(real_elasticsearch):
    name = log_lines.new_index(real_elasticsearch)
    log_lines.write(real_elasticsearch, name, documents())
    return name


@pytest.fixture
def settings_of(index):
    def make(url: str) -> Settings:
        store = {"url": url, "index": index, "deadline": 60}
        return Settings(
            environments={"test": Environment.model_validate({"elasticsearch": store})},
            limits=Limits(deadline=60, answer_ttl=0.001, keep_stale=0),
        )

    return make


@pytest.fixture
def sources(real_elasticsearch, settings_of, build):
    return build(settings_of(real_elasticsearch))


def pages(sources, asked, order="newest", size=100, **more):
    after = None
    while True:
        page = load_page(sources, asked, SPAN, order=order, after=after, visibility=ALL_SEEING, size=size, **more)
        yield page
        after = page.after
        if after is None:
            return


# What is asked.


def test_a_search_and_its_filters_are_asked_together(sources):
    asked = understood("level:error", ("component:storage", "-user_id:user-001"), ALL_SEEING)
    assert asked.usable
    lines = [
        line for page in sources.logs.scan(Question(START, END, asked.expression), most=1000) for line in page.lines
    ]
    assert lines
    assert {(line.level, line.fields["component"]) for line in lines} == {("ERROR", "storage")}
    assert "user-001" not in {line.fields["user_id"] for line in lines}


@pytest.mark.parametrize(("text", "filters", "in_filter"), [("level:(", (), False), ("", ("a", "level:("), True)])
def test_a_mistake_is_told_with_its_place_whether_it_is_in_the_search_or_in_a_filter(text, filters, in_filter):
    (mistake,) = understood(text, filters, ALL_SEEING).mistakes
    assert mistake.text == "level:("
    assert mistake.position is not None
    assert mistake.filter is in_filter


def test_a_field_that_no_line_has_is_told_with_the_one_that_may_be_meant(sources):
    page = load_page(sources, understood("compnent:storage", (), ALL_SEEING), SPAN, visibility=ALL_SEEING)
    assert page.rows == ()
    assert page.mistake is not None
    assert page.mistake.suggestion == "component:storage"


@pytest.mark.parametrize("text", ["user_id:user-001", "-(a OR fields.user_id:u*)", "session_id:*", "ip_address>1"])
def test_searching_by_who_somebody_is_needs_the_right_to_see_it(text):
    assert understood(text, (), ALL_SEEING).usable
    for asked in (understood(text, (), BLIND), understood("level:error", (text,), BLIND)):
        (mistake,) = asked.mistakes
        assert "needs the role operator" in mistake.message
        assert text[mistake.position : mistake.position + mistake.length] in text


@given(st.text(max_size=60), st.lists(st.text(max_size=30), max_size=3))
def test_no_text_makes_the_view_fail(text, filters):
    understood(text, filters, BLIND)


@pytest.mark.parametrize("text", ["level:error", "-component:storage", "a OR b", "not (a"])
def test_a_filter_that_is_turned_around_twice_is_the_same_one(text):
    try:
        expression = parse(text)
    except ValueError:
        assert inverted(text) == text
        return
    assert parse(inverted(inverted(text))) == expression
    assert parse(inverted(text)) != expression


# The list.


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_the_pages_of_the_list_hold_every_line_once_and_in_order(sources, order):
    found = [row for page in pages(sources, ANYTHING, order) for row in page.rows if isinstance(row, Row)]
    assert len({row.id for row in found}) == len(found) == LINES
    times = [row.time for row in found]
    assert times == sorted(times, reverse=order == "newest")


def test_lines_that_arrive_meanwhile_are_counted_and_change_no_page(real_elasticsearch, build):
    index = log_lines.new_index(real_elasticsearch)
    log_lines.write(real_elasticsearch, index, documents())
    store = {"url": real_elasticsearch, "index": index, "deadline": 60}
    settings = Settings(environments={"test": Environment.model_validate({"elasticsearch": store})})
    sources = build(settings)
    found = []
    for number, page in enumerate(pages(sources, ANYTHING)):
        found += page.rows
        # Into the window itself, as a slow shipper would, and behind its end.
        late = [document(START + timedelta(minutes=number), "late"), document(END + timedelta(seconds=30), "new")]
        log_lines.write(real_elasticsearch, index, late)
    old = [row for row in found if row.message != "late"]
    assert len({row.id for row in old}) == len(old) == LINES
    assert "new" not in {row.message for row in found}
    assert newer(sources, ANYTHING, END, END + timedelta(minutes=1)) == number + 1
    assert newer(sources, ANYTHING, END, END) == 0


def test_a_row_has_the_columns_that_were_chosen_and_the_error_behind_the_message(sources):
    page = load_page(
        sources, understood("level:error", (), ALL_SEEING), SPAN,
        columns=("component", "fields.duration_ms", "no.such.field"), visibility=ALL_SEEING,
    )  # fmt: skip
    row = page.rows[0]
    assert row.cells[0] in ("storage", "memory")
    assert float(row.cells[1]) > 0
    assert row.cells[2] == ""
    assert row.message.endswith("→ pool timed out")


def test_without_metrics_the_list_is_there_and_says_what_is_not_among_its_lines(sources):
    page = load_page(sources, ANYTHING, SPAN, visibility=ALL_SEEING)
    assert page.lines == len(page.rows) > 0
    assert "Deploys, restarts and alerts are not shown" in page.remarks[0]


def test_a_store_that_is_down_costs_an_error_that_says_so(servers, real_elasticsearch, settings_of, build):
    proxy = FaultProxy(servers, int(real_elasticsearch.rpartition(":")[2]))
    try:
        proxy.switch("refuse")
        sources = build(settings_of(proxy.url))
        with pytest.raises(SourceError):
            load_page(sources, ANYTHING, SPAN, visibility=ALL_SEEING)
        assert newer(sources, ANYTHING, START, END) is None
    finally:
        proxy.close()


MOMENTS = st.integers(0, 50).map(lambda number: START + timedelta(seconds=number))


@given(
    st.lists(MOMENTS, max_size=30),
    st.lists(MOMENTS, max_size=8),
    st.integers(1, 7),
    st.sampled_from(["newest", "oldest"]),
)
def test_every_event_stands_on_one_page_among_the_lines_of_its_time(times, happened, size, order):
    down = order == "newest"
    rows = [Row(str(number), time, "INFO", "", ()) for number, time in enumerate(sorted(times, reverse=down))]
    events = [Event(time, EventKind.DEPLOY, str(number)) for number, time in enumerate(happened)]
    parts = [rows[start : start + size] for start in range(0, len(rows), size)] or [[]]
    found = []
    before = None
    for number, part in enumerate(parts):
        page = interleaved(part, events, order, before=before, last=number == len(parts) - 1)
        before = part[-1].time if part else None
        moments = [one.time for one in page]
        assert moments == sorted(moments, reverse=down)
        found += page
    assert sorted(one.title for one in found if isinstance(one, Event)) == sorted(event.title for event in events)
    assert [one for one in found if isinstance(one, Row)] == rows


# One line.


def one_line(sources, text="level:error"):
    asked = understood(text, (), ALL_SEEING)
    return sources.logs.page(Question(START, END, asked.expression), size=1).lines[0]


def test_every_filter_that_a_line_offers_finds_the_line_itself(sources):
    line = one_line(sources)
    opened = load_line(sources, line.id, ALL_SEEING).value
    assert {"level", "component", "user_id", "request_id"} <= opened.filters.keys()
    assert {"request_id", "user_id"} <= opened.related.keys()
    for text in (*opened.filters.values(), opened.same_pattern):
        asked = understood(text, (), ALL_SEEING)
        found = {row.id for page in pages(sources, asked, size=200) for row in page.rows}
        assert line.id in found, text
    assert len({row.id for row in load_page(sources, understood(opened.related["request_id"], (), ALL_SEEING), SPAN,
                                            visibility=ALL_SEEING).rows}) == 5  # fmt: skip


def test_a_viewer_without_the_right_gets_no_filter_and_no_text_that_tells_who(sources):
    line = one_line(sources)
    user = line.fields["user_id"]
    opened = load_line(sources, line.id, BLIND).value
    around = load_around(sources, line.id, "all", BLIND).value
    page = load_page(sources, ANYTHING, SPAN, columns=("user_id", "fields.user_id"), visibility=BLIND)
    assert "user_id" not in {*opened.filters, *opened.related}
    for shown in (opened, around, page.rows):
        assert user not in repr(shown)
    assert BLIND.pseudonym("user_id", user) in {cell for row in page.rows for cell in row.cells}


def test_a_line_that_is_gone_is_none(sources, index):
    assert load_line(sources, f"{index}/no-such-line", ALL_SEEING).value is None
    assert load_line(sources, "elsewhere", ALL_SEEING).value is None
    assert load_around(sources, "elsewhere", "pod", ALL_SEEING).value is None


# Counts.


def test_the_bars_add_up_to_the_lines(sources):
    counts = load_counts(sources, ANYTHING, SPAN, "component", ALL_SEEING).value
    assert counts.histogram.frame.to_numpy().sum() == counts.histogram.total == LINES
    assert set(counts.histogram.frame.columns) == {"storage", "memory"}


def test_counting_by_who_somebody_is_needs_the_right_to_see_it(sources):
    assert load_counts(sources, ANYTHING, SPAN, "user_id", ALL_SEEING).value.by == "user_id"
    counts = load_counts(sources, ANYTHING, SPAN, "user_id", BLIND).value
    assert counts.by == "level"
    assert "needs the role operator" in counts.remarks[0]
    values = load_values(sources, ANYTHING, SPAN, ("user_id", "fields.user_id"), BLIND).value
    assert "user" not in repr([top for top in values.top if "user" in top.field])
    assert "User" in values.hidden
    seen = load_values(sources, ANYTHING, SPAN, ("user_id",), ALL_SEEING).value
    assert seen.top[0].field == "user_id"
    assert sum(count for _, count in seen.top[0].values) + seen.top[0].other == LINES


def test_with_a_search_that_cannot_be_asked_nothing_is_counted(sources):
    asked = understood("duration_ms:abc", (), ALL_SEEING)
    assert load_counts(sources, asked, SPAN, "level", ALL_SEEING).value is None
    assert load_values(sources, asked, SPAN, (), ALL_SEEING).value is None


# Files.


def exported(sources, visibility=ALL_SEEING, most=10_000, **params):
    window = {"from": [START.isoformat()], "to": [END.isoformat()]}
    made = log_export.prepare(sources, window | {name: [value] for name, value in params.items()}, visibility, most)
    return made, b"".join(made.chunks).decode()


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_a_file_holds_every_line_once_with_its_whole_document(sources, order):
    made, text = exported(sources, order=order)
    found = [json.loads(line) for line in text.splitlines()]
    assert made.total == made.lines == len({one["_id"] for one in found}) == len(found) == LINES
    written = list(documents())
    assert [one["fields"] for one in found] == [
        one["fields"] for one in (written[::-1] if order == "newest" else written)
    ]


def test_a_spreadsheet_gets_no_formula_and_every_line_in_one_row(sources):
    _, text = exported(sources, format="csv", order="oldest", cols="component,fields.duration_ms,fields")
    assert text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    assert rows[0] == ["time", "level", "component", "fields.duration_ms", "fields", "message", "id"]
    assert len(rows) == LINES + 1
    assert rows[1][5].startswith("'=1+1\n")
    assert json.loads(rows[2][4])["component"] == rows[2][2]
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "@")]


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_a_file_that_is_cut_says_so_beforehand_and_in_its_last_line(sources, form):
    made, text = exported(sources, most=100, format=form)
    assert (made.total, made.lines) == (LINES, 100)
    assert "Cut after 100 of 530 lines." in text.splitlines()[-1]
    assert sum("_id" in line or "index" not in line for line in text.splitlines()) >= 100


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_a_file_is_masked_like_the_page(sources, form):
    _, text = exported(sources, BLIND, format=form, cols="user_id")
    assert "user-00" not in text
    assert "user_id~" in text
    with pytest.raises(InvalidExport, match="needs the role operator"):
        exported(sources, BLIND, q="user_id:user-001")


def test_a_source_that_fails_midway_ends_the_file_with_a_line_that_tells_it(
    servers, real_elasticsearch, settings_of, build
):
    proxy = FaultProxy(servers, int(real_elasticsearch.rpartition(":")[2]))
    try:
        sources = build(settings_of(proxy.url))
        window = {"from": [START.isoformat()], "to": [END.isoformat()]}
        chunks = log_export.prepare(sources, window, ALL_SEEING, 10_000, size=200).chunks
        first = next(chunks)
        proxy.switch("refuse")
        rest = b"".join(chunks).decode().splitlines()
    finally:
        proxy.close()
    assert json.loads(first.splitlines()[0])["_id"]
    assert json.loads(rest[-1])["_incomplete"].startswith("Not all lines are here: elasticsearch")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"from": "yesterday"}, "from must be a time"),
        ({"from": "2026-11-24T12:00:00"}, "with its zone"),
        ({"to": START.isoformat()}, "to must be after from"),
        ({"format": "xlsx"}, "format must be"),
        ({"order": "random"}, "order must be"),
        ({"q": "level:("}, "The search cannot be asked"),
        ({"q": "compnent:x"}, "There is no field compnent"),
    ],
)
def test_an_export_that_cannot_be_made_is_refused_with_a_sentence(sources, params, said):
    with pytest.raises(InvalidExport, match=said):
        exported(sources, **params)


def test_a_viewer_is_not_told_who_by_a_field_of_another_name(real_elasticsearch, build):
    name = log_lines.new_index(real_elasticsearch)
    made = [
        {**document(moment, "x"), "copy_user": f"user-{398 + number % 2}", "nested": {"who": "sess-abc123"}}
        for number, moment in enumerate(every(START, END, 6))
    ]
    log_lines.write(real_elasticsearch, name, made)
    store = {"url": real_elasticsearch, "index": name, "deadline": 60}
    own = build(Settings(environments={"test": Environment.model_validate({"elasticsearch": store})}))
    for field in ("copy_user", "copy_user.keyword", "nested.who"):
        seen = load_counts(own, ANYTHING, SPAN, field, ALL_SEEING).value.histogram.frame
        assert any(column.startswith(("user-", "sess-")) for column in seen)
        frame = load_counts(own, ANYTHING, SPAN, field, BLIND).value.histogram.frame.drop(columns="", errors="ignore")
        assert all(column.startswith(("user_id~", "session_id~")) for column in frame)
        assert int(frame.to_numpy().sum()) == 6
        values = load_values(own, ANYTHING, SPAN, (field,), BLIND).value
        told = {(one.field, value) for one in values.top for value, _ in one.values if one.field == field}
        assert all("398" not in value and "abc123" not in value for _, value in told)
        assert values.masked == told
        text = f"{field}:"
        assert completions(own, START, END, BLIND, text, len(text)) == ()
    assert completions(own, START, END, ALL_SEEING, "copy_user.keyword:", 18)
    for field in ("fields.user_id", "user_id.keyword", "copy.user_id"):
        assert load_counts(own, ANYTHING, SPAN, field, BLIND).value.by == "level"

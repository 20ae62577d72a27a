"""The panel: the one way to show data, with its five states always told apart.

* *loading*: a skeleton in the final size, so that nothing jumps;
* *data*: with "as of", and the questions behind the info button;
* *empty*: says why: nothing in this window, the metric is absent, the source is not configured;
* *stale*: the last good answer, dimmed, with its age and the cause; nothing in it is called well or wrong any more;
* *failed*: which source, what happened, what to do, and a retry.

A panel is a parallel fragment: the page's script ends in milliseconds, all panels load side by side,
and one failing panel is one failing panel.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, Literal, TypeVar

import streamlit as st

import telemetry.metrics as telemetry
from collectors.cache import Answer
from collectors.deadline import deadline
from collectors.errors import NotConfigured, SourceError
from collectors.span import Span
from settings import SOURCE_TITLES
from telemetry import logs
from ui import context, format, panel_memory, tab
from ui.clean import clean, inert
from ui.of_now import mark_of_now
from ui.panel_memory import Last, PanelMemory
from ui.source_banner import again_button
from ui.theme import STATUS, outdated

T = TypeVar("T")
log = logs.get_logger(__name__)

LEAST_FAILED = 132
"""Pixels that the words of a failure need, where they are told in full."""

LEAST_TOLD = 48
"""The same where one line tells it."""

State = Literal["data", "empty", "stale", "failed"]


@dataclass(frozen=True)
class About:
    """What the info button of a panel tells.

    Attributes:
        help: What the panel shows, in a sentence.
        queries: The questions behind it, in the source's language.
        remarks: What the reader must know: cuts, warnings; their number is shown beside the title.
        links: Other tools that show the same: label → address.
    """

    help: str = ""
    queries: Sequence[str] = ()
    remarks: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict)


DRAWN_AT_ONCE = 4
"""Panels that are drawn at the same time, of all viewers together. Drawing is work for the processor and waits for
nobody: more of it at once ends no sooner, and each runnable thread takes its turn from the loop that answers probes."""

_drawing = threading.BoundedSemaphore(DRAWN_AT_ONCE)


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """How loading a panel ended.

    Attributes:
        state: Which of the states.
        value: The answer, for *data* and *stale*.
        as_of: When it was asked for.
        error: The cause, for *stale* and *failed*.
        reason: Why there is nothing to show, for *empty*; what happened, for a failure that is no source's.
        hint: What to do about it.
    """

    state: State
    value: T | None = None
    as_of: datetime | None = None
    error: SourceError | None = None
    reason: str = ""
    hint: str = ""


def outcome(load: Callable[[], Answer[T]], empty: Callable[[T], str], seconds: float) -> Outcome[T]:
    """Load what a panel shows, within ``seconds``, and tell how that ended. Never raises."""
    try:
        with deadline(seconds):
            kept = load()
        reason = empty(kept.value)
    except NotConfigured as error:
        return Outcome("empty", reason=f"{error.source} is not configured for this environment.", hint=error.hint)
    except SourceError as error:
        return Outcome("failed", error=error)
    except Exception as error:
        log.error("panel failed", exc_info=error)
        return Outcome("failed", reason="This panel failed by a mistake of the console; its log has the cause.")
    if reason and kept.error is None:
        return Outcome("empty", as_of=kept.as_of, reason=reason)
    if kept.error is not None:
        return Outcome("stale", kept.value, kept.as_of, kept.error)
    return Outcome("data", kept.value, kept.as_of)


def recalled(result: Outcome[T], memory: PanelMemory, name: str, question: Hashable) -> Outcome[T]:
    """The outcome with the last good answer of this session to the same question, where loading gave none."""
    if result.value is not None and result.as_of is not None:
        memory.answers[name] = Last(question, result.value, result.as_of)
    if result.error is None:
        memory.answered(name)
        return result
    memory.failed(name, result.error)
    last = memory.last(name, question) if result.state == "failed" else None
    return Outcome("stale", last.value, last.as_of, result.error) if last is not None else result


def panel(
    key: str,
    load: Callable[[Span], Answer[T]],
    draw: Callable[[T, Span], None],
    *,
    title: str = "",
    height: int = 260,
    empty: Callable[[T], str] = lambda _: "",
    about: Callable[[T, Span], About] = lambda _, __: About(),
    border: bool = True,
    tile: str = "",
    every: float | None = None,
    leads: bool = False,
    asks: Hashable = None,
    of_now: bool | Callable[[T], bool] = False,
) -> None:
    """Show one thing that has to be asked for.

    Args:
        key: Name of the panel on its page; part of metrics.
        load: Asks for the answer over a span, through collectors; may raise ``SourceError``.
        draw: Draws the answer.
        title: Heading; nothing is drawn around a panel without one.
        height: Height of the drawn answer in pixels, kept while loading.
        empty: Says why there is nothing to show in an answer; an empty text where there is something.
        about: What the info button tells.
        border: Whether the panel has a frame.
        tile: Name of a small panel without a heading, for the states in which it shows no data.
        every: Seconds between two refreshes of a live window, where not the settings' ones.
        leads: Whether this panel tells in full that a source as a whole failed; the others of its page then need a
            line only, and have the rest on hover.
        asks: What it asks for beside environment and window, where that is less than the page's whole address. Its
            last good answer stands in for a later one to the same question only.
        of_now: Whether the answer is one of this moment, whatever the window is: its source has no history. It is
            marked as such under a window that does not reach now.
    """
    visit = context.current()
    question = (tuple(visit.params().items()), asks if asks is not None else context.address())
    again = (every or visit.settings.view.refresh) if visit.window.live else None

    @st.fragment(parallel=True, key=f"{visit.page}/{key}", run_every=again)
    def body() -> None:
        context.follow()
        visit = context.current()
        span = visit.span()
        started = time.monotonic()
        with st.container(border=border, key=f"panel-{visit.page}-{key}"):
            head = st.container(horizontal=True, vertical_alignment="center", gap="small") if title else None
            if head is not None:
                head.markdown(f"**{inert(title)}**", width="stretch")
            # The first time a skeleton keeps the place. After that the last drawing stays until the next
            # one is there, in the same slot, so that a refresh neither jumps nor flickers.
            slot = st.skeleton(height) if context.first_drawing(f"{visit.page}/{key}") else None
            loaded = outcome(lambda: load(span), empty, visit.settings.limits.deadline)
            result = recalled(loaded, panel_memory.current(), key, question)
            if leads and result.error is not None and result.value is None:
                tab.mark("unknown")
            look = f"{'outdated' if result.state == 'stale' else 'current'}-{visit.page}-{key}"
            with slot.container(key=look) if slot is not None else st.container(key=look):
                if tile and result.value is None:
                    _tile(tile, result, height)
                else:
                    if _is_of_now(result, of_now):
                        mark_of_now(span)
                    _draw(result, draw, span, height, key, leads=leads)
            if head is not None:
                with head:
                    _head(result, about, span, visit, title, key)
        telemetry.observe_panel(visit.page, key, result.state, time.monotonic() - started)

    body()


def _is_of_now(result: Outcome[T], of_now: bool | Callable[[T], bool]) -> bool:
    """Whether what is shown is of this moment; a failure is of no time."""
    if callable(of_now):
        return result.value is not None and of_now(result.value)
    return of_now and result.state != "failed"


def _draw(
    result: Outcome[T], draw: Callable[[T, Span], None], span: Span, height: int, key: str, *, leads: bool
) -> None:
    if result.state == "failed":
        # Of a source that is silent as a whole the page's first lines tell all there is to tell.
        if result.error is not None and result.error.trips and (result.error.silent_since or not leads):
            _failed_in_a_line(result.error, height, key)
        else:
            _failed(result, height, key)
    elif result.state == "empty":
        with st.container(height=height, border=False, vertical_alignment="center", horizontal_alignment="center"):
            st.caption(inert(format.localised(result.reason, context.current().tz), 400), width="content")
            if result.hint:
                st.caption(inert(result.hint, 400), width="content")
    elif result.value is not None:
        if result.error is not None and result.as_of is not None:
            _age(result.as_of, result.error)
        with outdated() if result.state == "stale" else nullcontext(), _drawing:
            draw(result.value, span)


def _age(as_of: datetime, error: SourceError) -> None:
    """From when what is drawn below it is, and why it is not newer."""
    unknown = STATUS["unknown"]
    tz = context.current().tz
    age = f"{format.ago(as_of, datetime.now(UTC))}, as of {format.timestamp(as_of, tz)}"
    mark = f":{unknown.markdown}[{unknown.icon} Last good answer"
    if error.silent_since is not None:  # the page's first lines say so; here it is on hover
        title = inert(SOURCE_TITLES.get(error.source, error.source))
        since = format.timestamp(error.silent_since, tz)
        st.caption(f"{mark} of {title}, {age}]", help=f"{title} has not answered since {since}.")
        return
    st.caption(f"{mark}, {age}:] {inert(f'{error.source} {error.what}', 300)}")


def _tile(name: str, result: Outcome[T], height: int) -> None:
    """A small panel without data: its name, the state in two words, and all the rest on hover."""
    error = result.error
    if error is not None:
        told = f"{error.source} {error.what}. {error.hint}"
        short, status = f"{error.source} {error.kind}", STATUS["broken"]
    else:
        told = f"{result.reason} {result.hint}"
        short, status = ("no data" if result.state == "empty" else "failed"), STATUS["unknown"]
    with st.container(border=True, height=height, gap="small"):
        st.caption(inert(name), help=inert(told, 500))
        st.markdown(f":{status.markdown}[{status.icon} {inert(short)}]")


def _failed(result: Outcome[T], height: int, key: str) -> None:
    """Which source, what happened, what to do, and a retry; in the height that the data would have, if it suffices."""
    with st.container(height=max(height, LEAST_FAILED), border=False, vertical_alignment="center", gap="small"):
        error = result.error
        if error is None:
            broken = STATUS["broken"]
            st.markdown(f":{broken.markdown}[{broken.icon}] {inert(result.reason, 400)}")
            return
        st.markdown(_cause(error))
        st.caption(inert(_what_to_do(error), 500))
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            again_button(key)
            if error.address:
                st.caption(inert(error.address), width="content")


def _failed_in_a_line(error: SourceError, height: int, key: str) -> None:
    """Which source and what happened, with a retry; what to do on hover: the page's first panel tells it already."""
    place = f" {error.address}" if error.address else ""
    with (
        st.container(height=max(height, LEAST_TOLD), border=False, vertical_alignment="center"),
        st.container(horizontal=True, vertical_alignment="center", gap="small"),
    ):
        st.markdown(_cause(error), width="content", help=inert(f"{_what_to_do(error)}{place}", 600))
        again_button(key)


def _cause(error: SourceError) -> str:
    broken = STATUS["broken"]
    return f":{broken.markdown}[{broken.icon} **{inert(error.source)}**] {inert(error.what, 300)}"


def _what_to_do(error: SourceError) -> str:
    if error.resting_until is None:
        return error.hint
    moment = format.timestamp(error.resting_until, context.current().tz)
    return f"{error.hint} It is asked again at {moment}.".lstrip()


def _head(
    result: Outcome[T], about: Callable[[T, Span], About], span: Span, visit: context.Context, title: str, key: str
) -> None:
    """Beside the title: the time of the answer and the info button."""
    if result.as_of is not None:
        moment = format.timestamp(result.as_of, visit.tz)
        st.caption(f"as of {moment}", width="content")
    if result.value is None:
        return
    told = about(result.value, span)
    if not (told.help or told.queries or told.remarks):
        return
    if told.remarks:
        count = len(told.remarks)
        st.caption(f":material/info: {count} {'remark' if count == 1 else 'remarks'}", width="content")
    with st.popover(
        f"About {inert(title)}", icon=":material/help:", type="tertiary", help="What is this?", key=f"about-{key}"
    ):
        if told.help:
            st.markdown(inert(told.help, 1000))
        for remark in told.remarks:
            st.markdown(f":material/info: {inert(format.localised(remark, visit.tz), 500)}")
        for query in told.queries:
            st.code(clean(query, 4000), language=None, wrap_lines=True)
        for label, address in told.links.items():
            st.link_button(label, address, icon=":material/open_in_new:", type="tertiary")

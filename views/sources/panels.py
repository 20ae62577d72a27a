"""The parts of Sources: a row for each source, and below it what each lacks and how to mend it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from records.clock import clock
from records.errors import RecordsError
from ui import context, format, tables
from ui.clean import inert
from ui.tables import Column
from ui.theme import STATUS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.guard import Health, Outage
    from collectors.span import Span
    from records.database import Database
    from views.shared.reports import SourceReport


def clock_warning(records: Database | None) -> None:
    """That this console's own clock is off, where it is."""
    try:
        told = clock(records) if records is not None else None
        if told is not None:
            told.now()
    except RecordsError:
        return  # the bar says that the records cannot be used
    if told is not None and told.off:
        st.warning(told.off, icon=STATUS["risk"].icon)


def reports(found: list[SourceReport], _span: Span) -> None:
    """All sources of the environment."""
    tz = context.current().tz
    rows = [_row(report) for report in found]
    tables.table(
        pd.DataFrame(rows),
        columns=[
            Column("status", "", "status", width=95),
            Column("name", "Source", width=120),
            Column("summary", "State", width="medium"),
            Column("since", "Since", "time", width=130, help="Since when it answers, or since when it does not."),
            Column("address", "Address", width="medium"),
            Column("version", "Version", width=90),
            Column("latency", "Latency", "number", unit="s", width=80, help="Of the last good answer."),
            Column("last_success", "Last success", "time", width=130),
            Column("last_failure", "Last failure", "time", width=130),
            Column("breaker", "Breaker", width=90, help="Open: left alone for ten seconds after three failures."),
        ],
        key="sources",
        tz=tz,
        alt="Sources",
    )
    for report in found:
        _details(report)


def _row(report: SourceReport) -> dict[str, object]:
    health = report.health
    return {
        "status": report.status,
        "name": report.name,
        "summary": report.summary,
        "since": pd.Timestamp(since) if (since := _since(health)) is not None else pd.NaT,
        "address": report.address or "–",
        "version": report.version or "–",
        "latency": health.last_latency if health is not None else None,
        "last_success": pd.Timestamp(health.last_success) if health is not None and health.last_success else pd.NaT,
        "last_failure": pd.Timestamp(health.last_failure) if health is not None and health.last_failure else pd.NaT,
        "breaker": health.breaker.replace("_", "-") if health is not None else "–",
    }


def _since(health: Health | None) -> datetime | None:
    """Since when a source is as it is now: silent, or answering."""
    if health is None:
        return None
    return health.silent.since if health.silent is not None else health.well_since


def _details(report: SourceReport) -> None:
    """What is wrong with a source and how to mend it; nothing where nothing is."""
    outages = report.health.outages if report.health is not None else ()
    if not report.lacks and not report.hint and not outages:
        return
    status = STATUS[report.status]
    with st.container(border=True, gap="small"):
        st.markdown(f":{status.markdown}[{status.icon}] **{inert(report.name)}** {inert(report.summary, 300)}")
        st.caption(f"The console has it for: {inert(report.purpose)}.")
        error = report.health.last_error if report.health is not None else None
        if report.status == "broken" and error is not None and report.health is not None:
            moment = format.timestamp(report.health.last_failure, context.current().tz)
            cause = f": {inert(error.what, 300)}" if error.what != report.summary else ""
            silent = report.health.silent
            since = f"It has not answered since {_moment(silent.since)}. " if silent is not None else ""
            st.markdown(f"{since}Last failure at {moment}{cause}.")
        if report.hint:
            st.markdown(f":material/build: {inert(report.hint, 400)}")
        for lack in report.lacks:
            st.markdown(f":material/warning: {inert(lack.text, 500)}  \n:material/build: {inert(lack.mend, 500)}")
        if outages:
            _outages(outages)


def _outages(outages: Sequence[Outage]) -> None:
    """When it did not answer since the console started, the newest first."""
    many = f"{len(outages)} stretches" if len(outages) > 1 else "1 stretch"
    with st.expander(f"{many} without an answer since this console started"):
        for one in reversed(outages):
            until = _moment(one.until) if one.until is not None else "now"
            length = format.duration(((one.until or datetime.now(UTC)) - one.since).total_seconds())
            st.markdown(f"{_moment(one.since)} to {until}, {length}: it {inert(one.error.what, 300)}.")


def _moment(when: datetime) -> str:
    return format.timestamp(when, context.current().tz)

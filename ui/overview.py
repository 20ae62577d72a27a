"""The parts of Overview: the verdict in words, the tile of one figure, replicas, alerts, what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from analysis.events import Event, EventKind, Severity
from analysis.verdict import Reading
from ui import charts, context, format, menu, tables
from ui.clean import inert
from ui.panel import About
from ui.tables import Column
from ui.theme import STATUS

if TYPE_CHECKING:
    from collectors.alertmanager import FiringAlert
    from collectors.span import Span
    from collectors.synaptic import ReplicaState, ServiceState
    from views.events import Happened
    from views.overview import Figure, Verdict

_EVENT_ICONS = {
    EventKind.DEPLOY: ":material/rocket_launch:",
    EventKind.RESTART: ":material/restart_alt:",
    EventKind.ALERT: ":material/notifications_active:",
    EventKind.SCALING: ":material/expand:",
    EventKind.RUNBOOK: ":material/play_circle:",
    EventKind.KUBERNETES: ":material/deployed_code:",
    EventKind.ANNOTATION: ":material/edit_note:",
}

_REPLICA_STATUS = {"ready": "ok", "not ready": "risk", "unhealthy": "broken", "unreachable": "broken"}

_OF_DATABASE = {
    "database": ("now", "Who waits for whom"),
    "database-tables": ("tables", "What it runs out of"),
    "database-upkeep": ("upkeep", "What keeps its WAL"),
}
"""Subject of a finding → the part of Database that has the rest, and what a link to it says."""

TILE_HEIGHT = 150
"""Pixels of the tile of one figure: name, value, distance from usual, and a trend that can be read."""

EVENTS_HEIGHT = 320
"""Pixels of the list of events: as high as the chart beside it; a longer list scrolls."""

MOST_EVENTS = 40
"""How many events the list shows; the ribbon of each chart has them all."""


def verdict(found: Verdict, _span: Span) -> None:
    """The state in words: the worst finding large, the others below it, and a line of counts."""
    status = STATUS[found.status]
    if found.status == "ok" and found.findings:
        headline = "Synaptic looks healthy, as far as is known."
    elif found.status == "ok":
        headline = "Synaptic is healthy: every figure is within its limits and near its usual."
    elif found.status == "unknown":
        headline = "Nothing is known about Synaptic: no source tells how it is."
    else:
        headline = found.findings[0].text[:1].upper() + found.findings[0].text[1:] + "."
    st.markdown(f"### :{status.markdown}[{status.icon}] {inert(headline, 500)}", anchors=False)
    rest = found.findings if found.status in ("ok", "unknown") else found.findings[1:]
    for finding in rest[:6]:
        mark = STATUS[finding.status]
        text = finding.text[:1].upper() + finding.text[1:]
        st.markdown(f":{mark.markdown}[{mark.icon}] {inert(text, 500)}.")
    if len(rest) > 6:
        st.caption(f"and {len(rest) - 6} more, further down this page")
    with st.container(horizontal=True, gap="small"):
        _badges(found)


def _badges(found: Verdict) -> None:
    service = found.service
    if service is not None:
        ready = sum(replica.state == "ready" for replica in service.replicas)
        total = len(service.replicas)
        if total:
            status = STATUS["ok" if ready == total else "broken" if ready * 2 < total else "risk"]
            st.badge(f"replicas {ready}/{total} ready", icon=status.icon, color=status.markdown)
        status = STATUS["ok" if service.balancer.state == "ready" else "broken"]
        st.badge(f"balancer {service.balancer.state}", icon=status.icon, color=status.markdown)
        shown = sorted({replica.version for replica in service.replicas if replica.version})
        if shown:
            status = STATUS["ok" if len(shown) == 1 else "risk"]
            st.badge(f"version {inert(', '.join(shown), 60)}", icon=":material/deployed_code:", color=status.markdown)
    if found.alerts is not None:
        count = len(found.alerts)
        status = STATUS["risk" if count else "ok"]
        st.badge(f"{count or 'no'} alert{'' if count == 1 else 's'} firing", icon=status.icon, color=status.markdown)
    if found.database is not None:
        waiting = found.database.now.waiting
        parts = [
            part for subject, part in _OF_DATABASE.items() if any(one.subject == subject for one in found.findings)
        ]
        status = STATUS["risk" if parts else "ok"]
        told = f"{waiting} session{' waits' if waiting == 1 else 's wait'} for a lock" if waiting else "no lock waits"
        st.badge(f"database: {told}", icon=status.icon, color=status.markdown)
        for part, label in parts:
            params = {**context.current().params(), "part": part}
            menu.link("database", label, icon=":material/arrow_forward:", params=params)
    if found.cache is not None:
        share = found.cache.state.share
        wrong = any(one.subject == "cache" for one in found.findings)
        status = STATUS["risk" if wrong else "ok"]
        told = f"{format.value(share, 'ratio')} hits" if share is not None else "answers"
        st.badge(f"cache: {told}", icon=status.icon, color=status.markdown)
        if wrong:
            menu.link("cache", "What is wrong with it", icon=":material/arrow_forward:")
    for error in found.failures:
        status = STATUS["unknown"]
        st.badge(f"{error.source} {error.kind}", icon=status.icon, color=status.markdown)
    if found.failures:
        menu.link("sources", "What is wrong with them", icon=":material/arrow_forward:")


def about_verdict(found: Verdict, _span: Span) -> About:
    """How the verdict comes about."""
    return About(
        "Made of the figures below against their thresholds and against what is usual at this time of day "
        "(median of the last seven days), the replicas' own answers, firing alerts and the log volume. "
        f"{found.known} signals have a value."
    )


def figure(found: Figure, _span: Span) -> None:
    """One figure: now, against its usual, its trend, and its status where it is not fine."""
    reading = found.reading
    status = STATUS[reading.status]
    fine = reading.status in ("ok", "unknown")
    st.metric(
        found.signal.title,
        format.value(reading.now, reading.unit),
        _beside_usual(reading),
        delta_color="off" if fine else {"risk": "orange", "broken": "red"}[reading.status],  # type: ignore[arg-type]
        delta_arrow="off",
        icon=None if fine else status.icon,
        help=_figure_help(found),
        chart_data=charts.sparkline(found.trend) or None,
        chart_type="line",
        border=True,
        height=TILE_HEIGHT,
    )


def _beside_usual(reading: Reading) -> str | None:
    """How far a figure is from its usual, in two words; ``None`` where that says nothing."""
    if not reading.usual or reading.compare == "none":
        return None  # from a usual of zero every distance is endless
    change = format.change(reading.now, reading.usual)
    if change in ("", format.UNKNOWN):
        return None
    return "as usual" if change == "=" else f"{change} usual" if change.endswith("×") else f"{change} to usual"


def _figure_help(found: Figure) -> str:
    reading = found.reading
    parts = [inert(found.signal.help, 500)]
    if reading.usual is not None and reading.compare != "none":
        parts.append(f"Usual at this time of day: {format.value(reading.usual, reading.unit)}.")
    threshold = found.signal.threshold
    if threshold is not None:
        side = "below" if threshold.below else "from"
        limits = [
            f"{STATUS[name].word} {side} {format.value(limit, reading.unit)}"
            for name, limit in (("risk", threshold.risk), ("broken", threshold.broken))
            if limit is not None
        ]
        parts.append(f"{'; '.join(limits).capitalize()}.")
    if reading.since is not None:
        parts.append(f"Beyond it since {format.timestamp(reading.since, context.current().tz)}.")
    return "\n\n".join(parts)


def why_no_figure(found: Figure) -> str:
    """Why a figure has no value; an empty text where it has one."""
    if found.absent:
        return f"{found.signal.title}: no metric {' or '.join(found.absent)}"
    return "" if found.reading.now is not None or found.trend.notna().any() else f"{found.signal.title}: no samples"


def events(found: Happened, span: Span) -> None:
    """What happened within the window, newest first."""
    tz = context.current().tz
    latest = found.events[::-1][:MOST_EVENTS]
    with st.container(height=EVENTS_HEIGHT, border=False, gap="xsmall"):
        for event in latest:
            moment = format.timestamp(event.time, tz)
            day = f"{event.time.astimezone(tz):%-d %b} " if span.seconds > 86400 else ""
            st.markdown(_event(event, f"{day}{moment}"))
        if len(found.events) > len(latest):
            st.caption(f"and {len(found.events) - len(latest)} earlier")


def _event(event: Event, moment: str) -> str:
    word = {"critical": STATUS["broken"], "warning": STATUS["risk"]}.get(event.severity)
    icon = _EVENT_ICONS[event.kind]
    shown = f":{word.markdown}[{icon}]" if word is not None and event.severity is not Severity.INFO else icon
    return f"{shown} :gray[{moment}] {inert(event.title, 80)}"


def replicas(found: ServiceState, _span: Span) -> None:
    """Every replica with version and readiness, and the balancer."""
    rows = [_replica(one) for one in found.replicas]
    rows.append({**_replica(found.balancer), "name": "through the balancer"})
    tables.table(
        pd.DataFrame(rows),
        columns=[
            Column("status", "", "status", width=90),
            Column("name", "Replica"),
            Column("state", "State", width=100),
            Column("version", "Version", width=80),
            Column("detail", "In its own words"),
        ],
        key="replicas",
        alt="Replicas with version and readiness",
    )


def _replica(one: ReplicaState) -> dict[str, str]:
    return {
        "status": _REPLICA_STATUS[one.state],
        "name": one.name,
        "state": one.state,
        "version": one.version or "not reported",
        "detail": one.detail,
    }


def alerts(found: list[FiringAlert], _span: Span) -> None:
    """Every alert that Alertmanager holds, silenced ones too."""
    frame = pd.DataFrame(
        [
            {
                "status": _alert_status(alert),
                "name": alert.labels.get("alertname", ""),
                "since": pd.Timestamp(alert.starts_at),
                "state": "firing" if alert.status.state == "active" else _silence(alert),
                "summary": alert.annotations.get("summary", "") or alert.annotations.get("description", ""),
            }
            for alert in found
        ]
    )
    tables.table(
        frame,
        columns=[
            Column("status", "", "status", width=90),
            Column("name", "Alert", width=220),
            Column("summary", "What it says", width="large"),
            Column("since", "Since", "time", width=150),
            Column("state", "State", width=80),
        ],
        key="alerts",
        tz=context.current().tz,
        alt="Alerts",
    )


def _alert_status(alert: FiringAlert) -> str:
    if alert.status.state != "active":
        return "unknown"
    return "broken" if alert.labels.get("severity") in {"critical", "page"} else "risk"


def _silence(alert: FiringAlert) -> str:
    return "silenced" if alert.status.silenced_by else "inhibited" if alert.status.inhibited_by else alert.status.state

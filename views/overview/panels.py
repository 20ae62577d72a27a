"""The parts of Overview: the verdict in words, the tile of one figure, replicas, alerts, what happened."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from analysis.events import Event, EventKind, Severity
from analysis.verdict import FAR, Finding, Reading
from ui import charts, context, evidence, format, menu, tab, tables
from ui.clean import inert
from ui.panel import About
from ui.tables import Column
from ui.theme import STATUS
from views.overview.alerts import Fired
from views.overview.rules.alerts import status_of

if TYPE_CHECKING:
    from collectors.alertmanager.client import FiringAlert
    from collectors.span import Span
    from collectors.synaptic.client import ReplicaState, ServiceState
    from views.overview.alerts import Alerts
    from views.overview.recovery import Recovery
    from views.overview.view import Figure, Verdict
    from views.shared.events import Happened

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

TILE_HEIGHT = 168
"""Pixels of the tile of one figure: name, value, distance from usual, and a trend that can be read."""

EVENTS_HEIGHT = 320
"""Pixels of the list of events: as high as the chart beside it; a longer list scrolls."""

MOST_FINDINGS = 6
"""How many findings are read at a glance; the rest is behind a fold."""

MOST_EVENTS = 40
"""How many events the list shows; the ribbon of each chart has them all."""


def verdict(found: Verdict, _span: Span) -> None:
    """The state in words: the cause large, the rest below it, and a line of badges."""
    status = STATUS[found.status]
    tab.mark(found.status)
    leading = _leading(found)
    headline = _sentence(found.headline)
    with st.container(key="headline"):
        st.markdown(f"### :{status.markdown}[{status.icon}] {headline}.", anchors=False)
        if leading is not None:
            _cover(leading)
    rest = below(found)
    if found.recovered is not None:
        _recovered(found.recovered)
    with st.container(key="findings", gap="xsmall"):
        _findings(rest)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="badges"):
        _badges(found)


def below(found: Verdict) -> list[Finding]:
    """The findings that the headline does not say already: a sentence stands once on a screen."""
    headline = found.headline.casefold()
    return [one for one in found.findings if one is not _leading(found) and one.text.casefold() not in headline]


def _leading(found: Verdict) -> Finding | None:
    """The finding that the headline is made of; ``None`` where it is about all together."""
    first = found.findings[0] if found.findings else None
    if first is not None and (found.status not in ("ok", "unknown") or first.key.startswith("silent:")):
        return first
    return None


def _findings(rest: Sequence[Finding]) -> None:
    for finding in rest[:MOST_FINDINGS]:
        _finding(finding)
    more = rest[MOST_FINDINGS:]
    if more:
        with st.expander(f"and {len(more)} more"):
            for finding in more:
                _finding(finding)


def _finding(finding: Finding) -> None:
    mark = STATUS[finding.status]
    line = f":{mark.markdown}[{mark.icon}] {_sentence(finding.text[:1].upper() + finding.text[1:])}."
    shown = evidence.place(finding.subject)
    if shown is None:
        st.markdown(line)
    else:
        menu.text_link(shown.page, line, evidence.params(shown, finding.since, finding.until))


def _sentence(text: str) -> str:
    """A sentence with foreign text in it, such as SQL or a service's own words: on one line, on the viewer's clock."""
    return inert(format.localised(" ".join(text.split()), context.current().tz), 500)


def _cover(finding: Finding) -> None:
    """Make the headline lead to the evidence of what it says."""
    shown = evidence.place(finding.subject)
    if shown is not None:
        title = menu.PAGES[shown.page][0]
        menu.cover(shown.page, f"Open {title}", evidence.params(shown, finding.since, finding.until))


def _recovered(recovered: Recovery) -> None:
    tz = context.current().tz
    at, began = (format.timestamp(moment, tz) for moment in (recovered.at, recovered.began))
    was = _sentence(recovered.was)
    st.markdown(f":material/history: Recovered at {at}, after it had begun at {began}. It was: {was}.")


def _badges(found: Verdict) -> None:
    if found.past:
        st.caption("Of that time:", width="content")
    for badge in found.badges:
        status = STATUS[badge.status]
        icon = ":material/deployed_code:" if badge.key == "version" else status.icon
        label = f":{status.markdown}-badge[{icon} {inert(badge.text, 80)}]"
        shown = evidence.place(badge.subject)
        if shown is None:
            st.markdown(label, width="content")
        else:
            menu.text_link(shown.page, label, evidence.params(shown))
    if found.failures or found.silent:
        menu.link("sources", "What is wrong with them", icon=":material/arrow_forward:")


def about_verdict(found: Verdict, _span: Span) -> About:
    """How the verdict comes about."""
    return About(
        "Made of the figures below against their thresholds and against what is usual at this time of day "
        "(median of the last seven days), the replicas' own answers, firing alerts and the log volume. A figure is "
        "judged over the last two to three minutes: a single bad sample or request says nothing. "
        f"{found.known} signals have a value."
    )


def figure(found: Figure, _span: Span) -> None:
    """One figure: now, against its usual, its trend, and its status where it is not fine."""
    reading = found.reading
    status = STATUS[reading.judged]
    fine = not reading.troubled
    shown = evidence.place(found.signal.key)
    if shown is not None:
        title = menu.PAGES[shown.page][0]
        menu.cover(shown.page, f"{found.signal.title}: open {title}", evidence.params(shown, reading.since))
    st.metric(
        found.signal.title,
        f"{'≥ ' if reading.at_least else ''}{format.value(reading.now, reading.unit)}",
        _beside_usual(reading),
        delta_color="off" if fine else status.markdown,
        delta_arrow="off",
        icon=None if fine else status.icon,
        help=_figure_help(found),
        chart_data=charts.sparkline(found.trend) or None,
        chart_type="line",
        border=True,
        height=TILE_HEIGHT,
    )


def _beside_usual(reading: Reading) -> str | None:
    """How far a figure is from its usual, in two words; ``None`` where that says nothing.

    What is far from it and not worth a word, because it is short or little, is set beside its usual without a multiple.
    """
    if reading.past and reading.until is not None:
        tz = context.current().tz
        return f"at its worst, {format.timestamp(reading.since or reading.until, tz)}"
    if not reading.usual or reading.compare == "none":
        return None  # from a usual of zero every distance is endless
    change = format.change(reading.now, reading.usual)
    if change in ("", format.UNKNOWN):
        return None
    times = reading.times_usual or 1.0
    if not reading.troubled and (times >= FAR or times <= 1 / FAR):
        return f"usually {format.value(reading.usual, reading.unit)}"
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
    with st.container(height=EVENTS_HEIGHT, border=False, gap="xsmall", key="happened"):
        for event in latest:
            # To the picture around it, on this very page.
            menu.text_link(
                context.current().page, _event(event, format.timestamp(event.time, tz)), evidence.around(event.time)
            )
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
    row = tables.table(
        pd.DataFrame(rows),
        columns=[
            Column("status", "", "status", width=90),
            Column("name", "Replica"),
            Column("state", "State", width=100),
            Column("version", "Version", width=80),
            Column("detail", "In its own words"),
        ],
        key="replicas",
        on_select="rerun",
        alt="Replicas with version and readiness; a click opens the lines of one",
    )
    if row is not None:
        shown = evidence.lines_of(found.replicas[row].name if row < len(found.replicas) else "")
        menu.go(shown.page, evidence.params(shown))


def _replica(one: ReplicaState) -> dict[str, str]:
    return {
        "status": _REPLICA_STATUS[one.state],
        "name": one.name,
        "state": one.state,
        "version": one.version or "not reported",
        "detail": one.detail,
    }


def alerts_of(found: Alerts | Fired, span: Span, objectives: Callable[[], Collection[str]]) -> None:
    """The alerts that are held, or those that fired within a window of the past; see :func:`alerts`."""
    if isinstance(found, Fired):
        fired(found, span)
    else:
        alerts(found, span, objectives)


def alerts_are_of_now(found: Alerts | Fired) -> bool:
    """Whether these are the alerts of this moment."""
    return not isinstance(found, Fired)


def why_no_alerts(found: Alerts | Fired) -> str:
    """Why no alert is listed; an empty text where one is."""
    if isinstance(found, Fired):
        return "" if found.events else "No alert fired in this window, as far as Prometheus knows."
    return "" if found.held else "No alert is firing now."


def fired(found: Fired, _span: Span) -> None:
    """Every alert that fired within a window of the past, the first one first."""
    frame = pd.DataFrame(
        [
            {
                "status": "broken" if event.severity is Severity.CRITICAL else "risk",
                "name": event.title,
                "since": pd.Timestamp(event.time),
                "detail": event.detail,
            }
            for event in found.events
        ]
    )
    row = tables.table(
        frame,
        columns=[
            Column("status", "", "status", width=90),
            Column("name", "Alert", width=260),
            Column("since", "Fired from", "time", width=170),
            Column("detail", "How", width="large"),
        ],
        key="alerts-fired",
        on_select="rerun",
        tz=context.current().tz,
        alt="Alerts that fired in this window; a click opens the lines of that time",
    )
    if row is not None:
        menu.go(evidence.LINES.page, evidence.params(evidence.LINES, found.events[row].time))


def alerts(found: Alerts, _span: Span, objectives: Callable[[], Collection[str]]) -> None:
    """Every alert that Alertmanager holds, silenced ones too.

    Args:
        found: The alerts.
        objectives: Gives the keys of the objectives, to which alerts about one lead.
    """
    frame = pd.DataFrame(
        [
            {
                "status": _alert_status(alert),
                "name": alert.labels.get("alertname", ""),
                "since": pd.Timestamp(alert.starts_at),
                "state": "firing" if alert.status.state == "active" else _silence(alert),
                "summary": alert.annotations.get("summary", "") or alert.annotations.get("description", ""),
            }
            for alert in found.held
        ]
    )
    row = tables.table(
        frame,
        columns=[
            Column("status", "", "status", width=90),
            Column("name", "Alert", width=220),
            Column("summary", "What it says", width="large"),
            Column("since", "Since", "time", width=150),
            Column("state", "State", width=80),
        ],
        key="alerts",
        on_select="rerun",
        tz=context.current().tz,
        alt="Alerts; a click opens what one is about",
    )
    if row is not None:
        _open(found.held[row], objectives)


def _open(alert: FiringAlert, objectives: Callable[[], Collection[str]]) -> None:
    """Go to the evidence of an alert."""
    shown = evidence.of_alert(alert.labels, objectives)
    menu.go(shown.page, evidence.params(shown, alert.starts_at))


def _alert_status(alert: FiringAlert) -> str:
    """How bad it is; empty where it is known that nobody need care: silenced, inhibited, or no trouble at all."""
    status = status_of(alert.labels)
    return status if alert.status.state == "active" and status != "ok" else ""


def _silence(alert: FiringAlert) -> str:
    return "silenced" if alert.status.silenced_by else "inhibited" if alert.status.inhibited_by else alert.status.state

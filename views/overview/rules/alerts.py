"""Alerts as they count for the verdict: which of them mean trouble, and how bad each says it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from analysis.verdict import Status

BROKEN = frozenset(
    {"critical", "crit", "page", "paging", "p0", "p1", "sev0", "sev1", "s0", "s1", "emergency", "fatal", "disaster"}
)
"""Severities that somebody is woken for, in small letters; there is no standard, only habits."""

NO_TROUBLE = frozenset({"none", "info", "informational", "information", "notice", "debug", "ok"})
"""Severities of alerts that say nothing is wrong: Watchdog fires always, by design."""

NOBODY = frozenset({"null", "none", "blackhole", "devnull", "dev-null", "/dev/null", "noop", "drop"})
"""Names that receivers without anybody behind them usually have."""


def status_of(labels: Mapping[str, str]) -> Status:
    """What an alert that fires says by its severity: ``ok`` where it means no trouble."""
    severity = labels.get("severity", "").strip().lower()
    if severity in NO_TROUBLE:
        return "ok"
    return "broken" if severity in BROKEN else "risk"


def told_to_nobody(receivers: Collection[str]) -> bool:
    """Whether an alert is routed, and to nobody; one whose receivers are not known is told to somebody."""
    return bool(receivers) and all(name.strip().lower() in NOBODY for name in receivers)


def selected(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether an alert has all labels that are wanted, with these values."""
    return all(labels.get(name) == value for name, value in wanted.items())

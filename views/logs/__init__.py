"""Logs: which lines, how many, which patterns, and what is new among them?"""

from __future__ import annotations

from analysis.place import Place
from records.leases import Lease
from views.logs import sampler, source
from views.subject import GoOn, Page, Sampler, Sampling, Subject, Task


def _patterns(task: Task) -> Sampling:
    def turn(lease: Lease, go_on: GoOn) -> object:
        return sampler.learn(task.sources, task.database, lease, task.now(), go_on)

    return Sampling(turn)


def _lines(query: str, label: str = "Its lines") -> Place:
    return Place("logs", label, {"q": query})


_WARNINGS = _lines("level:(warn OR error)", "Warnings and errors")

SUBJECT = Subject(
    name="logs",
    page=Page("logs", "Logs", ":material/notes:", 30),
    places={
        "error_share": _lines("level:error"),
        "error_rate": _lines("level:error"),
        "active_sessions": _lines("operation:(login_success OR login_failure OR logout)"),
        "failed_logins": _lines("operation:login_failure"),
        "logins": _lines("operation:(login_success OR login_failure)"),
        "denied_checks": _lines("operation:permission_denied"),
        "security_violations": _lines("component:security level:(warn OR error)"),
        "memory_use": _WARNINGS,
        "replicas_up": _WARNINGS,
        "replicas": _WARNINGS,
        "logs": Place("logs", "Logs"),
    },
    reports=source.CHECKS,
    samplers=(
        Sampler("log patterns", lambda given: given.interval, lambda one: one.elasticsearch is not None, _patterns),
    ),
)

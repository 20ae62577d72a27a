"""Database: who waits for whom, what got slower, what will break next, and what would mend it?"""

from __future__ import annotations

from datetime import timedelta

from analysis.place import Place
from records.leases import Lease
from settings import Environment
from views.database import source
from views.database.events import load_events
from views.database.sessions.sampler import ActivityMemory
from views.database.statements import sampler as statements
from views.database.tables import sampler as relations
from views.subject import GoOn, Page, Sampler, Sampling, Subject, Task

ACTIVITY_AGAIN = 10.0
"""Seconds until the sessions are looked at again after a look that failed: as long as the source's breaker rests. A
database in trouble is what the samples are for: they go on as soon as it answers again."""


def _configured(environment: Environment) -> bool:
    return environment.postgres is not None


def _activity(task: Task) -> Sampling:
    memory = ActivityMemory(task.environment, timedelta(seconds=task.settings.worker.keep_activity))

    def turn(lease: Lease, go_on: GoOn) -> object:
        return memory.sample(task.sources, task.database, lease, task.now) if go_on() else None

    def end(lease: Lease) -> None:
        memory.write(task.database, lease, task.now(), everything=True)

    return Sampling(turn, end)


def _statements(task: Task) -> Sampling:
    memory = statements.Memory()
    keep = timedelta(seconds=task.settings.worker.keep_statements)

    def turn(lease: Lease, go_on: GoOn) -> object:
        return statements.note(task.sources, task.database, lease, memory, keep, go_on)

    return Sampling(turn)


def _relations(task: Task) -> Sampling:
    intervals = task.settings.worker

    def turn(lease: Lease, _: GoOn) -> object:
        return relations.note(
            task.sources,
            task.database,
            lease,
            interval=intervals.relations_interval,
            keep=intervals.keep_relations,
            now=task.now(),
        )

    return Sampling(turn)


def _part(part: str, label: str) -> Place:
    return Place("database", label, {"part": part})


SUBJECT = Subject(
    name="database",
    page=Page("database", "Database", ":material/database:", 40),
    places={
        "pool_use": _part("now", "Sessions"),
        "pool_connections": _part("now", "Sessions"),
        "pool_waiting": _part("now", "Sessions"),
        "database": _part("now", "Who waits for whom"),
        "database-load": _part("load", "Database load"),
        "database-queries": _part("queries", "Statements"),
        "database-tables": _part("tables", "What it runs out of"),
        "database-upkeep": _part("upkeep", "What keeps its WAL"),
    },
    reports=source.CHECKS,
    events=load_events,
    samplers=(
        Sampler(
            "database activity", lambda given: given.activity_interval, _configured, _activity, again=ACTIVITY_AGAIN
        ),
        Sampler("statements", lambda given: given.interval, _configured, _statements),
        Sampler("database relations", lambda given: given.relations_interval, _configured, _relations),
    ),
)

"""Cache: does it serve, what does it hold, and what would a flush cost?"""

from __future__ import annotations

from datetime import timedelta

from analysis.place import Place
from records.leases import Lease
from views.cache import sampler, source
from views.cache.events import load_events
from views.subject import GoOn, Page, Sampler, Sampling, Subject, Task


def _samples(task: Task) -> Sampling:
    keep = timedelta(seconds=task.settings.worker.keep_cache)

    def turn(lease: Lease, _: GoOn) -> None:
        sampler.note(task.sources, task.database, lease, keep, task.now())

    return Sampling(turn)


SUBJECT = Subject(
    name="cache",
    page=Page("cache", "Cache", ":material/memory:", 50),
    places={"cache": Place("cache", "Cache"), "cache_hit_share": Place("cache", "Cache")},
    reports=source.CHECKS,
    events=load_events,
    samplers=(Sampler("cache samples", lambda given: given.interval, lambda one: one.redis is not None, _samples),),
)

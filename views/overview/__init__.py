"""Overview: is Synaptic healthy, and if not, where and since when?"""

from __future__ import annotations

from datetime import timedelta

from analysis.place import Place
from records.leases import Lease
from views.overview import sampler, source
from views.overview.events import load_events
from views.subject import GoOn, Page, Sampler, Sampling, Subject, Task


def _verdict(task: Task) -> Sampling:
    intervals, words = task.settings.worker, task.words
    assert words is not None  # noqa: S101 - the sampler says that it needs them

    def turn(lease: Lease, _: GoOn) -> object:
        return sampler.note(
            task.sources,
            task.database,
            lease,
            words,
            interval=intervals.interval,
            keep=timedelta(seconds=intervals.keep_activity),
            keep_relations=intervals.keep_relations,
            now=task.now(),
        )

    return Sampling(turn)


SUBJECT = Subject(
    name="overview",
    page=Page("overview", "Overview", ":material/monitor_heart:", 10),
    places={"sources": Place("sources", "Sources")},
    reports=source.CHECKS,
    events=load_events,
    samplers=(Sampler("verdict", lambda given: given.verdict_interval, lambda _: True, _verdict, needs_words=True),),
)

"""Cache: does the cache carry its share, what does it throw away, and what would a flush cost?"""

from datetime import timedelta
from functools import partial

import streamlit as st

import access
from collectors import advice, registry
from ui import context, format
from ui.panel import panel
from ui.parts import heading, nothing_configured
from ui.source_banner import source_banner
from views.cache import panels as parts
from views.cache import tables as cache_panels
from views.cache.flush import load_flush
from views.cache.history import Memory
from views.cache.series import load_samples
from views.cache.view import load_verdict
from views.shared.silence import load_silences


def show(visit: context.Context) -> None:
    """The page for a configured environment."""
    sources = registry.sources(visit.settings, visit.environment)
    worker = visit.settings.worker
    memory = Memory(visit.records, worker.interval, worker.enabled)
    keep = timedelta(seconds=worker.keep_cache)
    identifiers = access.may(visit.viewer, access.Right.IDENTIFIERS)
    known = advice.catalogue()
    asked = parts.asked_look()
    clock = partial(format.timestamp, zone=visit.tz)
    samples = partial(partial, load_samples, sources, memory)

    source_banner(partial(load_silences, sources, ("redis", "prometheus")))
    panel(
        "verdict",
        lambda span: load_verdict(sources, memory, span, format.value, clock),
        parts.verdict(known),
        height=260,
        border=False,
        about=parts.about_verdict,
        leads=True,
    )
    wide, side = st.columns([3, 2])
    with wide:
        parts.samples_panel("hits", samples("hits"), title="Hits and misses", height=320, stacked=True)
    with side:
        panel(
            "flush",
            lambda span: load_flush(sources, memory, span, keep),
            parts.flush,
            title="What a flush would cost",
            height=320,
            about=parts.about_flush,
        )
    left, right = st.columns(2)
    with left:
        parts.samples_panel("memory", samples("memory"), title="Memory against maxmemory")
        parts.samples_panel("commands", samples("commands"), title="Time by command", stacked=True)
    with right:
        parts.samples_panel("removed", samples("removed"), title="Keys evicted and expired")
        parts.samples_panel("latency", samples("latency"), title="Time of commands")
    panel(
        "table",
        lambda span: cache_panels.load_commands(sources, memory, span),
        parts.commands,
        title="Commands of this window",
        height=280,
        empty=parts.why_no_commands,
    )
    panel(
        "keys",
        lambda span: cache_panels.load_keys(sources, identifiers, asked),
        parts.keys(known),
        title="Keys",
        height=380,
        empty=parts.why_no_keys,
        about=parts.about_keys,
        of_now=True,
    )
    left, right = st.columns([3, 2])
    with left:
        panel(
            "slow",
            lambda span: cache_panels.load_slow(sources, identifiers),
            parts.slow_log,
            title="Slow commands",
            height=280,
            empty=parts.why_no_slow,
            about=parts.about_slow,
            of_now=True,
        )
    with right:
        panel(
            "safety",
            lambda span: cache_panels.load_safety(sources, format.value),
            parts.safety,
            title="Replication and persistence",
            height=140,
            of_now=True,
        )
        parts.samples_panel("clients", samples("clients"), title="Connections", height=180)
    panel(
        "connected",
        lambda span: cache_panels.load_clients(sources, identifiers),
        parts.clients,
        title="Clients",
        height=200,
        empty=lambda frame: "" if len(frame) else "Nobody is connected but this console.",
        of_now=True,
    )


heading("Cache", "Does the cache carry its share, what does it throw away, and what would a flush cost?")
visit = context.current()
if visit.configured is None:
    nothing_configured()
else:
    show(visit)

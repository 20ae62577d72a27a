"""Objectives as Prometheus rules: what is recorded for each, and multi-window, multi-burn-rate alerts.

A group for each objective. It records, each with the label ``slo``:

* ``slo:events:rate<window>`` and ``slo:bad_events:rate<window>``, sums over all replicas a second;
* ``slo:burn:rate<window>``, the ratio of both by the share that may be bad;
* ``slo:budget_left:ratio``, the share of the period's budget that is left, of what has been recorded.

Windows up to six hours are asked of the counters themselves. Longer ones add up the recorded sums: three days of raw
samples of every series would be read again each minute. Both are ratios of sums; a mean of ratios is never taken.
The recorded sums begin when the rules are loaded, so a longer window has no burn rate before half of it was recorded.

Source of windows and factors: :func:`collectors.slos.burn_rules`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from collectors.prometheus.promql import duration, matcher, render
from collectors.signals import Signal
from collectors.slos import (
    LONGEST_DIRECT,
    BurnRule,
    Objective,
    all_events,
    counter,
    least_recorded,
    told_events,
)

BASE = 300.0
"""Seconds of the rates that longer windows add up."""

INTERVAL = 60
"""Seconds between two recordings."""

ENOUGH_BAD = 5
"""Bad events within the short window below which no alert fires: one failure in a quiet night is no outage."""

UNMEASURED = "15m"
"""How long an objective may be without any sample before somebody is told."""

HEADER = """\
# Recording and alerting rules of the objectives. Printed by: python -m cli rules
# Change the objectives (slo.toml) and print the rules anew instead of changing this file; docs/slo.md explains them.
"""


def rules(
    objectives: Iterable[Objective], *, job: str = "synaptic", signals: Mapping[str, Signal] | None = None
) -> str:
    """The text of a rule file for Prometheus.

    Args:
        objectives: What is promised, in the order of the groups.
        job: Value of the ``job`` label of Synaptic's own metrics.
        signals: The signals that the objectives count; the shipped ones by default.
    """
    groups = [_group(one, counter(one, signals), job) for one in objectives]
    return HEADER + "\ngroups:" + ("\n" + "\n".join(groups) if groups else " []\n")


def _group(one: Objective, events: Signal, job: str) -> str:
    windows = sorted({seconds for rule in one.rules for seconds in (rule.long, rule.short)})
    entries: list[str] = []
    for window in sorted({BASE, *(window for window in windows if window <= LONGEST_DIRECT)}):
        entries.append(_record(f"slo:events:rate{window_name(window)}", one, _all(one, events, job, window)))
        entries.append(_record(f"slo:bad_events:rate{window_name(window)}", one, _bad(one, events, job, window)))
    entries += [_record(f"slo:burn:rate{window_name(window)}", one, _burn(one, window)) for window in windows]
    entries.append(_record("slo:budget_left:ratio", one, f"1 - {_recorded_ratio(one, one.seconds)}"))
    for severity, name, words in (
        ("critical", "SynapticBudgetBurnsFast", "the error budget burns fast"),
        ("warning", "SynapticBudgetBurnsSlowly", "the error budget will not last"),
    ):
        chosen = [rule for rule in one.rules if rule.severity == severity]
        if chosen:
            entries.append(_alert(one, name, chosen, words))
    entries.append(_unmeasured(one))
    remarks = "".join(f"  # {remark}.\n" for remark in one.remarks)
    return f"{remarks}  - name: slo-{one.key}\n    interval: {window_name(INTERVAL)}\n    rules:\n" + "\n".join(entries)


def _record(name: str, one: Objective, expression: str) -> str:
    return f"      - record: {name}\n        labels: {{slo: {one.key}}}\n        expr: |\n{_indented(expression, 10)}"


def _alert(one: Objective, name: str, burns: Sequence[BurnRule], words: str) -> str:
    expression = "\nor\n".join(_too_high(one, rule) for rule in burns)
    promise = f"{one.objective * 100:g} % in {one.period[:-1]} days"
    left = (
        f"{{{{ with query \"slo:budget_left:ratio{{slo='{one.key}'}}\" }}}}"
        "{{ $left := . | first | value }}As far as it is recorded, "
        "{{ if gt $left 0.0 }}{{ $left | humanizePercentage }}{{ else }}nothing{{ end }} of the budget is left. "
        "{{ end }}"
    )
    spent = "; ".join(
        f"{rule.factor:g} times as fast spends {rule.share * 100:g} % of the budget in {_in_words(rule.long)}"
        for rule in burns
    )
    description = (
        f"Bad events come {{{{ $value | humanize }}}} times as fast as a promise of {promise} allows ({spent}). {left}"
        f"{_literal(one.why)} Look at Latency & SLO in the console."
        + (f" Ask: {_literal(one.owner)}." if one.owner else "")
    )
    return (
        f"      - alert: {name}\n"
        f"        expr: |\n{_indented(expression, 10)}\n"
        f"        labels: {{severity: {burns[0].severity}, service: synaptic, signal: {one.signal}, slo: {one.key}}}\n"
        f"{_annotations(one, f'{_literal(one.title)}: {words}', description)}"
    )


def _unmeasured(one: Objective) -> str:
    description = (
        "No event of this objective has been recorded for a quarter of an hour. Whether the promise is kept is not "
        "known; look at whether Prometheus reaches the replicas, and whether this build reports the metric."
    )
    return (
        "      - alert: SynapticObjectiveUnmeasured\n"
        f"        expr: absent({_recorded('events', one)})\n"
        f"        for: {UNMEASURED}\n"
        f"        labels: {{severity: warning, service: synaptic, signal: {one.signal}, slo: {one.key}}}\n"
        f"{_annotations(one, f'{_literal(one.title)}: nothing is measured', description)}"
    )


def _annotations(one: Objective, summary: str, description: str) -> str:
    lines = [
        "        annotations:",
        f"          summary: {_yaml(summary)}",
        f"          description: {_yaml(description)}",
    ]
    if one.runbook:
        lines.append(f"          runbook: {_yaml(_literal(one.runbook))}")
    return "\n".join(lines)


def _too_high(one: Objective, rule: BurnRule) -> str:
    long, short = _recorded("burn", one, rule.long), _recorded("burn", one, rule.short)
    bad = _recorded("bad_events", one, rule.short)
    return (
        f"(\n  {long} > {rule.factor:g}\n    and {short} > {rule.factor:g}\n"
        f"    and {bad} * {round(rule.short)} >= {ENOUGH_BAD}\n)"
    )


def _burn(one: Objective, window: float) -> str:
    if window > LONGEST_DIRECT:
        # Before that "a day" would be the 45 minutes since the rules were loaded.
        recorded = f"count_over_time({_recorded('events', one)}[{duration(window)}])"
        return f"{_recorded_ratio(one, window)}\n  and {recorded} >= {least_recorded(window) / INTERVAL:g}"
    bad, everything = _recorded("bad_events", one, window), _recorded("events", one, window)
    return f"{bad}\n  / ({everything} > 0)\n  / {_share(one)}"


def _recorded_ratio(one: Objective, window: float) -> str:
    over = duration(window)
    return (
        f"sum_over_time({_recorded('bad_events', one)}[{over}])\n"
        f"  / (sum_over_time({_recorded('events', one)}[{over}]) > 0)\n"
        f"  / {_share(one)}"
    )


def _recorded(what: str, one: Objective, window: float = BASE) -> str:
    return f"slo:{what}:rate{window_name(window)}{{{matcher('slo', [one.key])}}}"


def _share(one: Objective) -> str:
    """The share that may be bad, without the rounding of ``1 - 0.999``."""
    return f"{one.allowed:.10g}"


def _all(one: Objective, events: Signal, job: str, window: float) -> str:
    return _rendered(events, job, window, all_events(one))


def _bad(one: Objective, events: Signal, job: str, window: float) -> str:
    everything = f"sum by () ({_recorded('events', one, window)})"
    told = _rendered(events, job, window, told_events(one))
    if one.kind == "availability":
        # A counter of failures appears with the first failure; until then none was bad.
        return f"{told}\n  or 0 * {everything}"
    return f"clamp_min(\n  {everything}\n    - {told},\n  0\n)"


def _rendered(events: Signal, job: str, window: float, filters: Mapping[str, Sequence[str]]) -> str:
    """The rate of some events, under every name that the metric may have."""
    names = {slot: metric.names for slot, metric in events.metrics.items()}
    return render(events, names, job=job, replica="pod", rate=window, filters=filters)


def window_name(seconds: float) -> str:
    """A window as it stands in the names of recorded series.

    >>> window_name(300), window_name(3600), window_name(5040), window_name(259200)
    ('5m', '1h', '1h24m', '3d')
    """
    left = max(round(seconds), 1)
    text = ""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        amount, left = divmod(left, size)
        text += f"{amount}{unit}" if amount else ""
    return text


def _in_words(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.3g} h" if hours >= 1 else f"{seconds / 60:.3g} min"


def _literal(text: str) -> str:
    """Text in an annotation that Prometheus' templates leave as it is."""
    return text.replace("{{", '{{ "{{" }}')


def _yaml(text: str) -> str:
    """Any text as a YAML scalar: JSON's strings are YAML's."""
    return json.dumps(text, ensure_ascii=False)


def _indented(text: str, spaces: int) -> str:
    return "\n".join(" " * spaces + line for line in text.splitlines())

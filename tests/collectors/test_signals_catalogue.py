"""The catalogue of signals: it covers CONTRACT.md's metrics, it is documented, and its mistakes are named."""

from pathlib import Path

import pytest

from collectors.signals import CATALOG, SignalsError, Threshold, catalogue, load
from scripts import signals_reference

ROOT = Path(__file__).resolve().parents[2]

CONTRACT_METRICS = [
    "synaptic_memory_operations_total",
    "synaptic_memory_operation_duration_seconds",
    "synaptic_memory_size_bytes",
    "synaptic_memory_nodes_total",
    "synaptic_query_duration_seconds",
    "synaptic_query_operations_total",
    "synaptic_cache_operations_total",
    "synaptic_cache_hit_ratio",
    "synaptic_system_memory_usage_bytes",
    "synaptic_system_cpu_usage_percent",
    "synaptic_active_connections",
    "synaptic_error_rate",
    "synaptic_storage_operations_total",
    "synaptic_storage_operation_duration_seconds",
    "synaptic_storage_size_bytes",
    "synaptic_vector_search_duration_seconds",
    "synaptic_authentication_attempts_total",
    "synaptic_authorization_checks_total",
    "synaptic_security_violations_total",
    "synaptic_active_sessions",
    "synaptic_db_pool_connections",
    "synaptic_gc_runs_total",
    "synaptic_gc_freed_bytes_total",
    "synaptic_consolidation_last_success_timestamp_seconds",
    "synaptic_backup_last_success_timestamp_seconds",
]
"""The metrics that Synaptic is known to have, and those that the guide asks for beside them."""


@pytest.mark.parametrize("name", CONTRACT_METRICS)
def test_every_metric_of_synaptic_has_a_signal_under_its_plain_and_its_doubled_name(name: str):
    candidates = [metric.names for signal in catalogue().values() for metric in signal.metrics.values()]
    ours = [names for names in candidates if name in names]
    assert ours, f"no signal uses {name}"
    for names in ours:
        assert names[0] == name
        assert any(other.endswith(f"_{name}") for other in names[1:])


def test_every_signal_says_what_it_means():
    for signal in catalogue().values():
        assert signal.title, signal.key
        assert signal.help.endswith("."), signal.key


def test_the_reference_of_the_signals_is_current():
    written = (ROOT / "docs/signals.md").read_text(encoding="utf-8")
    assert written == signals_reference.text(), "run: python -m scripts.signals_reference"


@pytest.mark.parametrize("key", catalogue())
def test_every_signal_is_documented(key: str):
    assert f"`{key}`" in (ROOT / "docs/signals.md").read_text(encoding="utf-8")


SIGNAL = """
[a]
title = "A"
unit = "count"
help = "Help."
query = 'sum($b)'
metrics.b = { names = ["b"] }
"""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[a", "signals.toml: "),
        ("a = 1", "signals.toml: a is not a table; write [a]"),
        (SIGNAL.replace('"count"', '"apples"'), "signals.toml: a.unit: Input should be"),
        (SIGNAL.replace("$b", "$c"), "signals.toml: a: query uses c, which metrics does not name"),
        (SIGNAL.replace("$b", "up"), "signals.toml: a: metrics names b, which query does not use"),
        (SIGNAL.replace('["b"]', "[]"), "signals.toml: a.metrics.b.names: Tuple should have at least 1 item"),
        (SIGNAL.replace("title", "titel"), "signals.toml: a.titel: Extra inputs are not permitted"),
    ],
)
def test_a_mistake_is_named_with_file_signal_and_key(text: str, sentence: str, tmp_path: Path):
    path = tmp_path / "signals.toml"
    path.write_text(text)
    with pytest.raises(SignalsError) as raised:
        load(path)
    assert sentence in str(raised.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path):
    path = tmp_path / "signals.toml"
    path.write_text("z = 1\n" + SIGNAL.replace("count", "apples") + SIGNAL.replace("[a]", "[b]").replace("$b", "up"))
    with pytest.raises(SignalsError) as raised:
        load(path)
    assert len(str(raised.value).splitlines()) == 3


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path: Path):
    with pytest.raises(SignalsError, match=r"missing\.toml"):
        load(tmp_path / "missing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SignalsError, match=r"binary\.toml"):
        load(tmp_path / "binary.toml")


def test_the_catalogue_keeps_the_order_of_its_file():
    assert next(iter(catalogue())) == "memory_operations"
    assert list(catalogue()) == list(load(CATALOG))


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (0.1, "ok"),
        (0.25, "risk"),
        (0.4, "risk"),
        (0.5, "broken"),
        (9.0, "broken"),
        (None, "unknown"),
        (float("nan"), "unknown"),
    ],
)
def test_a_threshold_tells_what_a_value_means(value: float | None, status: str):
    assert Threshold(risk=0.25, broken=0.5).status(value) == status


def test_a_threshold_below_which_things_are_bad_counts_the_other_way_round():
    threshold = Threshold(risk=0.6, broken=0.3, below=True)
    assert [threshold.status(value) for value in (0.9, 0.6, 0.3)] == ["ok", "risk", "broken"]
    assert Threshold(broken=1).status(0.9) == "ok"

"""Which alerts mean trouble: by their severity however it is written, by who is told, and by whose they are."""

import pytest

from views.overview.rules.alerts import selected, status_of, told_to_nobody


@pytest.mark.parametrize(
    ("severity", "status"),
    [
        ("critical", "broken"), ("Critical", "broken"), ("P1", "broken"), ("p0", "broken"), ("page", "broken"),
        ("emergency", "broken"), (" SEV1 ", "broken"), ("warning", "risk"), ("P3", "risk"), ("", "risk"),
        ("none", "ok"), ("None", "ok"), ("info", "ok"), ("Informational", "ok"),
    ],
)  # fmt: skip
def test_severities_are_known_however_they_are_written(severity, status):
    assert status_of({"alertname": "X", "severity": severity}) == status


def test_an_alert_without_severity_is_a_risk():
    assert status_of({"alertname": "X"}) == "risk"


def test_an_alert_is_told_to_nobody_where_all_its_receivers_are_nobody():
    assert told_to_nobody(["null"])
    assert told_to_nobody(["Null", "blackhole"])
    assert not told_to_nobody(["null", "team"])
    assert not told_to_nobody([])


def test_alerts_of_others_are_told_apart_by_all_labels_that_are_wanted():
    labels = {"alertname": "X", "namespace": "synaptic", "cluster": "a"}
    assert selected(labels, {})
    assert selected(labels, {"namespace": "synaptic", "cluster": "a"})
    assert not selected(labels, {"namespace": "synaptic", "cluster": "b"})
    assert not selected(labels, {"team": ""})

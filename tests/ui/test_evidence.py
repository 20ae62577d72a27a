"""Where the evidence of what a page says lies: each place is one that its page can show."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from access import Viewer
from collectors.log_fields import known_field
from collectors.log_query import Term, fields_of, parse
from collectors.signals import catalogue
from collectors.slos import shipped
from settings import Settings
from ui import context, evidence
from ui.menu import PAGES
from ui.window import Window
from views import registry
from views.latency.view import KINDS
from views.slo.panels.budgets import CHOSEN
from views.slo.view import keys_of

NOW = datetime.now(UTC).replace(microsecond=0)
PARTS = ("now", "load", "queries", "tables", "upkeep")
SUBJECTS = {
    "replicas",
    "logs",
    "cache",
    "sources",
    *(f"database-{part}" for part in PARTS if part != "now"),
    "database",
}


@pytest.fixture(autouse=True)
def visit(monkeypatch: pytest.MonkeyPatch) -> context.Context:
    made = context.Context(
        Settings(), "test", Window("1h", zone="Asia/Kolkata"), "overview", "light", Viewer("ada", frozenset(), "test")
    )
    monkeypatch.setattr(context, "current", lambda: made)
    return made


@pytest.mark.parametrize("subject", sorted(registry.places()))
def test_every_place_is_a_page_with_something_to_show(subject: str) -> None:
    place = registry.places()[subject]
    assert subject in catalogue() or subject in SUBJECTS
    assert place.page in PAGES
    if place.page == "latency":
        assert place.params["of"] in KINDS
    if place.page == "database":
        assert place.params["part"] in PARTS
    for field in fields_of(parse(place.params.get("q", ""))):
        assert known_field(field) is not None


def test_the_evidence_of_a_trouble_begins_before_it_and_ends_after_it_or_now() -> None:
    began = NOW - timedelta(hours=3)
    place = registry.places()["search_latency"]
    over = evidence.params(place, began, began + timedelta(minutes=5))
    assert over["from"] == f"{began - evidence.BEFORE:%Y-%m-%dT%H:%M:%SZ}"
    assert over["to"] == f"{began + timedelta(minutes=5) + evidence.AFTER:%Y-%m-%dT%H:%M:%SZ}"
    assert (over["of"], over["env"]) == ("search", "test")
    lasts = evidence.params(place, began)
    assert NOW <= datetime.fromisoformat(str(lasts["to"])) <= datetime.now(UTC)
    assert evidence.params(place)["w"] == "1h"


def test_an_alert_about_an_objective_leads_to_that_one_and_never_to_another() -> None:
    known = ("searches_answered", "searches_quick")
    labels = {"alertname": "SynapticBudgetBurnsSlowly", "signal": "search_latency", "slo": "searches_quick"}
    found = evidence.of_alert(labels, lambda: known)
    assert (found.page, dict(found.params)) == ("latency", {"of": "search", "slo": "searches_quick"})
    elsewhere = evidence.of_alert({**labels, "signal": "search_operations"}, lambda: known)
    assert (elsewhere.page, dict(elsewhere.params)) == ("latency", {"slo": "searches_quick"})
    gone = evidence.of_alert({**labels, "slo": "an_old_one"}, lambda: known)
    assert (gone.page, dict(gone.params)) == ("latency", {"of": "search"})
    assert evidence.of_alert({"alertname": "X"}, lambda: known) == evidence.LINES


def test_the_objective_of_every_shipped_alert_about_one_is_opened_by_it() -> None:
    for key, objective in shipped().items():
        found = evidence.of_alert({"signal": objective.signal, "slo": key}, lambda: keys_of(None))
        assert (found.page, found.params[CHOSEN]) == ("latency", key)


def test_objectives_of_a_file_with_mistakes_are_none_that_a_link_could_name(tmp_path: Path) -> None:
    file = tmp_path / "slo.toml"
    file.write_text("[x")
    assert list(keys_of(file)) == []


def test_the_lines_of_a_replica_are_found_whatever_its_name_is() -> None:
    for name in ("synaptic-7f9c", 'a"b (c) OR d:*', "-x"):
        found = parse(evidence.lines_of(name).params["q"])
        assert isinstance(found, Term)
        assert (found.field, found.value, found.prefix) == ("pod", name, False)
    assert evidence.lines_of("").params == {}

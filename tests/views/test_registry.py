"""A new subject joins the house by its folder and a line in the registry; all that asks for subjects then knows it."""

import sys
import textwrap
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

import cli
from collectors import registry as sources_registry
from collectors.span import Span
from records.database import open_database
from settings import Settings
from ui import evidence, menu
from views import registry
from views.shared.events import load_events
from views.sources.view import load_reports
from worker import Worker

TINY = """
    from datetime import UTC, datetime

    from analysis.events import Event, EventKind
    from analysis.place import Place
    from collectors.cache import Answer
    from views.shared.reports import Lack, SourceCheck
    from views.subject import Command, Happenings, Page, Sampler, Sampling, Subject

    TURNS = []


    class Tape:
        class source:
            address = "tape:1"

            class settings:
                deadline = 5.0

            class guard:
                @staticmethod
                def health():
                    from collectors.guard import Guard

                    return Guard("tape", "test").health()


    def check(tape):
        return "1.0", [Lack("It has no second reel.", "Mount one.")]


    def events(sources, span):
        event = Event(span.start, EventKind.DEPLOY, "tape changed", "")
        return Happenings((event,), (), (Answer(None, datetime.now(UTC)),))


    def begin(task):
        return Sampling(lambda lease, go_on: TURNS.append(task.environment))


    SUBJECT = Subject(
        name="tape",
        page=Page("tape", "Tape", ":material/album:", 45),
        places={"tape_speed": Place("tape", "The tape")},
        reports={"tape": SourceCheck("what is kept for ever", lambda sources: Tape(), check)},
        events=events,
        samplers=(Sampler("tape", lambda given: given.interval, lambda environment: True, begin),),
        commands=(
            Command("rewind", "wind it back", lambda parser: None, lambda settings, chosen: 7, needs_settings=False),
        ),
    )
"""


@pytest.fixture
def tape(tmp_path, monkeypatch):
    """A subject in a folder of its own, and its line."""
    package = tmp_path / "tape_subject"
    package.mkdir()
    (package / "__init__.py").write_text(textwrap.dedent(TINY))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "MODULES", ["tape_subject"])
    yield sys.modules.get("tape_subject") or __import__("tape_subject")
    sys.modules.pop("tape_subject", None)


def test_a_new_subject_is_known_everywhere_by_its_line_alone(tape, tmp_path, monkeypatch, capsys):
    settings = Settings.model_validate({"environments": {"test": {"prometheus": {"url": "http://127.0.0.1:9"}}}})
    now = datetime.now(UTC)
    span = Span.of(now - timedelta(hours=1), now, 100)
    sources = sources_registry.sources(settings, "test")

    # Its page in the menu, its place for evidence.
    monkeypatch.setattr(menu, "PAGES", {})
    monkeypatch.setattr(evidence, "_PLACES", {})
    menu.register({name: (page.title, page.icon) for name, page in registry.pages().items()})
    evidence.register(registry.places())
    assert menu.PAGES == {"tape": ("Tape", ":material/album:")}
    assert evidence.place("tape_speed").page == "tape"

    # Its source on Sources and for the doctor, its event on every chart.
    (report,) = load_reports(sources).value
    assert (report.name, report.status, report.version) == ("tape", "risk", "1.0")
    assert report.lacks[0].text == "It has no second reel."
    assert [event.title for event in load_events(sources, span).value.events] == ["tape changed"]

    # Its background work, its command.
    database = open_database(SecretStr(f"sqlite:///{tmp_path}/records.sqlite3"))
    try:
        Worker(settings, database).turn()
    finally:
        database.close()
    assert tape.TURNS == ["test"]
    assert cli.main(["rewind"]) == 7
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "wind it back" in capsys.readouterr().out


def test_pages_have_a_script_and_an_order_of_their_own():
    pages = registry.pages()
    orders = [page.order for page in pages.values()]
    assert orders == sorted(set(orders))
    from ui.menu import ROOT

    assert {file.stem for file in (ROOT / "pages").glob("[a-z]*.py")} == set(pages)


def test_no_two_subjects_tell_of_the_same():
    subjects = registry.subjects()
    for told in (
        [key for one in subjects for key in one.places],
        [name for one in subjects for name in one.reports],
        [sampler.name for one in subjects for sampler in one.samplers],
        [command.name for one in subjects for command in one.commands],
    ):
        assert len(told) == len(set(told))

"""What the verdict says first, situation by situation; made of what sources said, without asking any."""

from datetime import UTC, datetime, timedelta

import pytest

from analysis.diagnosis import Diagnosis
from analysis.events import Event, EventKind
from analysis.verdict import Cause, Finding, Reading, overall
from collectors.alertmanager.client import AlertStatus, FiringAlert, Receiver
from collectors.errors import Denied
from collectors.postgres.sessions import Sessions
from collectors.synaptic.client import ReplicaState, ServiceState
from records.troubles import Trouble
from ui import format
from views.database.sessions.locks import LockLoad
from views.database.sessions.verdict import Told
from views.database.sessions.view import Now
from views.overview.alerts import Alerts, counts
from views.overview.findings import Facts, LogVolume, findings
from views.overview.recovery import beginnings, recovery_of
from views.overview.silences import Silence
from views.overview.words import headline

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def clock(moment):
    return f"{moment:%H:%M:%S}"


def reading(key="search_latency", title="Search p95", unit="s", now=0.06, usual=0.06, **more):
    return Reading(key, title, unit, now, usual, **more)


CALM = (reading(), reading("error_share", "Errors", "ratio", 0.001, 0.001))
SLOW = reading(now=2.1, status="broken", limit=0.5, since=NOON - 3 * MINUTE)
FAILING = reading("error_share", "Errors", "ratio", 0.4, 0.001, status="broken", limit=0.05, since=NOON - 4 * MINUTE)
FULL = reading("pool_use", "Pool use", "ratio", 1.0, 0.1, status="broken", limit=0.95, cause=Cause.EXHAUSTED)
DEPLOY = Event(NOON - 4 * MINUTE, EventKind.DEPLOY, "deploy 1.9.0")


def service(*states):
    replicas = tuple(
        ReplicaState(f"synaptic-{number}", state, "1.8.1", "database unavailable" if state == "not ready" else "")
        for number, state in enumerate(states)
    )
    balancer = next((state for state in ("ready", "not ready") if state in states), "unreachable")
    return ServiceState(ReplicaState("", balancer), replicas)


def told(*diagnoses):
    return Told(Now(Sessions(NOON, ()), (), 2), diagnoses, "")


SILENT = "has not answered since 11:55:00; below is what was before"
HEALTHY = "Synaptic is healthy: every figure is within its limits and near its usual"
LOCKS = Diagnosis("blocking", "broken", "pid 17583", "52 sessions wait for pid 17583 (memory-import)")
CROWD = Diagnosis(
    "idle-in-transaction", "risk", "monthly-report", "36 sessions of monthly-report are idle in transaction"
)
FORGOTTEN = Diagnosis("idle-in-transaction", "risk", "pid 4711", "pid 4711 (psql) is idle in transaction for 20 min")
ONE_WAITS = Diagnosis("blocking", "risk", "pid 6330", "2 sessions wait for pid 6330 (quarterly-report)")
PULSES = LockLoad(120.0, 4.2, 0.79, 0.7, True, "Lock:relation", "quarterly-report, active: LOCK TABLE", NOON - MINUTE)
QUIET = LockLoad(120.0, 0.01, 0.0, 0.01, False, "", "", None)


def alert(name, severity="warning", state="active", receiver="team", **labels):
    given = {"alertname": name, **labels, **({"severity": severity} if severity is not None else {})}
    return FiringAlert(
        name, given, NOON - MINUTE, NOON, AlertStatus(state), receivers=[Receiver(receiver)] if receiver else []
    )


def alerts(*held):
    return Alerts(held, tuple(one for one in held if counts(one)))


FOUR = alerts(*(alert(name, "critical") for name in ("SynapticQueryErrors", "SynapticSearchSlow", "A", "A")))


def silent(source, what="did not answer within 5 s"):
    return Silence(source, NOON - 5 * MINUTE, what)


GATEWAY = Silence("synaptic", NOON, "answered with 502", mute=False)


def said(facts, troubles=()):
    found = findings(facts, format.value, clock)
    status = overall(found, facts.known + (facts.service is not None))
    recovered = recovery_of(troubles, found)
    return status, headline(status, found, facts, recovered, clock), [one.text for one in found]


@pytest.mark.parametrize(
    ("facts", "status", "sentence"),
    [
        (Facts(CALM), "ok", HEALTHY),
        (
            Facts((*CALM, reading("failed_logins", "Failed sign-ins", "1/h", 360.0, 120.0))),
            "ok", "Synaptic is healthy: every figure is within its limits",
        ),
        (Facts(), "unknown", "Nothing is known about Synaptic: no source tells how it is"),
        # What does not answer is named before all that follows from it, and nothing is green beside it.
        (
            Facts((SLOW, FAILING), silent=[silent("postgres")], service=service("not ready", "not ready"), alerts=FOUR),
            "broken", f"PostgreSQL {SILENT}",
        ),
        (
            Facts((SLOW, FAILING), silent=[silent("redis")], alerts=FOUR, volume=LogVolume(900.0, 20.0)),
            "broken", f"Redis {SILENT}",
        ),
        (Facts(CALM, silent=[silent("postgres")]), "unknown", f"PostgreSQL {SILENT}"),
        (Facts(CALM, silent=[silent("elasticsearch")]), "unknown", f"Elasticsearch {SILENT}"),
        (
            Facts(CALM, silent=[Silence("prometheus", NOON, "answered with something that is not JSON", mute=False)]),
            "unknown", "Prometheus has given no usable answer since 12:00:00; below is what was before",
        ),
        (
            Facts(silent=[silent("postgres"), silent("redis"), silent("prometheus")]),
            "unknown", "Nothing is known about Synaptic: PostgreSQL, Redis and Prometheus do not answer",
        ),
        # Logs that cannot be read do not hide what stops the service.
        (
            Facts((SLOW,), database=told(LOCKS), silent=[silent("elasticsearch")]),
            "broken", "Database: 52 sessions wait for pid 17583 (memory-import)",
        ),
        (
            Facts(CALM, late={"postgres": 1.5}),
            "unknown", "Not all is known yet: PostgreSQL has not answered within 1.5 s",
        ),
        (
            Facts((SLOW, FAILING, FULL), database=told(LOCKS), service=service("not ready", "not ready"), alerts=FOUR),
            "broken", "Database: 52 sessions wait for pid 17583 (memory-import)",
        ),
        (
            Facts((SLOW, FAILING, FULL), service=service("not ready", "not ready"), alerts=FOUR),
            "broken", "Pool use is 100 %, 10× usual, limit 95 %",
        ),
        # Many forgotten transactions of one client are worth a word; one of them is no trouble of the service.
        (
            Facts(CALM, database=told(CROWD)),
            "risk", "Database: 36 sessions of monthly-report are idle in transaction",
        ),
        (Facts(CALM, database=told(FORGOTTEN)), "ok", HEALTHY),
        # A balancer that answers with errors says that the service fails; what it ran out of says why.
        (
            Facts((SLOW, FAILING, FULL), silent=[GATEWAY], service=service("not ready", "not ready"), alerts=FOUR),
            "broken", "Pool use is 100 %, 10× usual, limit 95 %",
        ),
        (
            Facts(CALM, silent=[GATEWAY]),
            "unknown", "Synaptic has given no usable answer since 12:00:00; below is what was before",
        ),
        (
            Facts((SLOW,), deploys=[DEPLOY], alerts=FOUR),
            "broken", "Search p95 is 2.1 s, 35× usual, limit 500 ms, since 11:57:00, right after deploy 1.9.0",
        ),
        (
            Facts((SLOW, FAILING), service=service("unreachable", "unreachable", "ready")),
            "broken", "1 of 3 replicas are ready; synaptic-0 is unreachable",
        ),
        (
            Facts((SLOW, FAILING), silent=[silent("postgres")], service=service("unreachable", "unreachable")),
            "broken", f"PostgreSQL {SILENT}",
        ),
        (Facts(CALM, alerts=FOUR), "broken", "4 alerts fire: SynapticQueryErrors, SynapticSearchSlow, A"),
        # Locks that come and go: a moment at which nobody waits hides them as little as one at which two do.
        (
            Facts((SLOW,), database=told(), locks=PULSES),
            "broken",
            "Database: sessions wait for Lock:relation again and again, 4.2 at a time over the last 2 min, 79 % of the "
            "load, in front quarterly-report, active: LOCK TABLE",
        ),
        (
            Facts((SLOW,), database=told(ONE_WAITS), locks=PULSES),
            "broken", "Database: 2 sessions wait for pid 6330 (quarterly-report)",
        ),
        (Facts(CALM, database=told(ONE_WAITS), locks=QUIET), "ok", HEALTHY),
        (
            Facts(CALM, failures={"postgres": Denied("postgres", "", "does not let the role see this", trips=False)}),
            "ok", "Synaptic looks healthy, as far as is known",
        ),
    ],
)  # fmt: skip
def test_the_first_sentence_is_the_cause(facts, status, sentence):
    assert said(facts)[:2] == (status, sentence)


@pytest.mark.parametrize(
    ("beside", "near"),
    [
        (reading("error_share", "Errors", "ratio", 0.0027, 0.001), False),
        (reading("failed_logins", "Failed sign-ins", "1/h", 0.0, 120.0), False),
        (reading("failed_logins", "Failed sign-ins", "1/h", 0.0, 0.0), True),
        (reading("memory_use", "Memory", "ratio", 0.6, None), False),
        (reading("memory_use", "Memory", "ratio", 0.6, 0.4, compare="none"), True),
        (reading("memory_use", "Memory", "ratio", None, 0.4), True),
        (reading("memory_use", "Memory", "ratio", 0.44, 0.4), True),
        # Without a tile nobody sees a distance beside the words.
        (reading("storage_latency", "Storage p95", "s", 0.02, 0.01), True),
    ],
)
def test_figures_are_called_near_their_usual_only_where_every_tile_is(beside, near):
    assert said(Facts((*CALM, beside)))[1] == (HEALTHY if near else HEALTHY.removesuffix(" and near its usual"))


@pytest.mark.parametrize(
    "held",
    [
        [alert("Watchdog", "none")],
        [alert("InfoInhibitor", "none"), alert("CPUThrottlingHigh", "info")],
        [alert("Quiet", "critical", receiver="null")],
        [alert("Silenced", "critical", state="suppressed")],
    ],
)
def test_alerts_that_mean_no_trouble_or_are_told_to_nobody_colour_nothing(held):
    status, sentence, texts = said(Facts(CALM, alerts=alerts(*held)))
    assert (status, texts) == ("ok", [])
    assert sentence.startswith("Synaptic is healthy")


@pytest.mark.parametrize("severity", ["critical", "Critical", "P1", "page", "emergency"])
def test_alerts_that_wake_somebody_are_broken_however_they_are_written(severity):
    assert said(Facts(CALM, alerts=alerts(alert("DBDown", severity), alert("Watchdog", "none"))))[:2] == (
        "broken", "1 alert fires: DBDown",
    )  # fmt: skip


def trouble(key, text, began, ended, cause=Cause.SYMPTOM, status="broken"):
    seen = ended if ended is not None else NOON
    return Trouble(key, key.partition(":")[2], int(cause), status, 2.0, text, began, seen, ended)


OVER = [
    trouble("alerts", "4 alerts fire", NOON - 12 * MINUTE, None, Cause.ALERT),
    trouble("signal:search_latency", "Search p95 is 961 ms", NOON - 15 * MINUTE, NOON - 9 * MINUTE),
    trouble("database:locks", "52 sessions wait", NOON - 16 * MINUTE, NOON - 10 * MINUTE, Cause.LOCK),
]


def test_what_is_over_is_told_with_its_cause_and_when_it_was_over():
    status, sentence, _ = said(Facts(CALM), OVER)
    assert (status, sentence) == ("ok", "Synaptic is well again since 11:51:00")
    recovered = recovery_of(OVER, [])
    assert (recovered.at, recovered.began) == (NOON - 9 * MINUTE, NOON - 16 * MINUTE)
    assert (recovered.was, recovered.status) == ("52 sessions wait", "broken")


def test_alerts_that_go_on_after_the_end_are_told_with_it():
    status, sentence, _ = said(Facts(CALM, alerts=FOUR), OVER)
    assert status == "broken"
    assert sentence == "Well again since 11:51:00; 4 alerts fire: SynapticQueryErrors, SynapticSearchSlow, A"


def test_nothing_is_well_again_while_something_else_is_wrong_or_for_a_blink():
    assert recovery_of(OVER, [Finding("risk", "x", "memory_use", key="signal:memory_use")]) is None
    blink = trouble("replicas", "2 of 3", NOON - 2 * MINUTE, NOON - 2 * MINUTE + 5 * SECOND)
    assert recovery_of([blink], []) is None
    assert recovery_of([trouble("alerts", "x", NOON - 9 * MINUTE, NOON - MINUTE, Cause.ALERT)], []) is None


def test_a_beginning_that_only_the_records_know_is_told():
    facts = Facts(
        CALM,
        service=service("ready", "ready", "not ready"),
        silent=[Silence("redis", None, "refused the connection")],
        began=beginnings(
            [trouble("replicas", "x", NOON - 7 * MINUTE, None), trouble("silent:redis", "x", NOON - 8 * MINUTE, None)]
        ),
    )
    assert said(facts)[2] == [
        "Redis has not answered since 11:52:00: it refused the connection",
        "2 of 3 replicas are ready; synaptic-2 is not ready (database unavailable), since 11:53:00",
    ]


def test_a_source_that_only_tells_answers_again_and_the_service_was_well_all_the_time():
    blind = trouble("silent:elasticsearch", "x", NOON - 9 * MINUTE, NOON - 5 * MINUTE, Cause.BLIND, "unknown")
    assert said(Facts(CALM), [blind])[:2] == ("ok", HEALTHY)
    assert recovery_of([blind], []).at == NOON - 5 * MINUTE


def test_the_newest_incident_alone_is_told():
    early = trouble("signal:error_share", "Errors are 10 %", NOON - 19 * MINUTE, NOON - 18 * MINUTE)
    late = trouble("signal:search_latency", "Search p95 is 1 s", NOON - 5 * MINUTE, NOON - 3 * MINUTE)
    assert recovery_of([early, late], []).was == "Search p95 is 1 s"

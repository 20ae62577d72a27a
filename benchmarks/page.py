"""``page``: all data of a page through the collectors against the same requests, sent bare."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from benchmarks import postgres_requests, redis_requests, visits
from benchmarks.measured import Benchmark, Figure, seconds
from benchmarks.parts import HOST, Installation, Request, installation
from benchmarks.postgres_requests import Question
from benchmarks.redis_requests import Batch
from settings import Postgres, Redis, Settings
from tests.support import postgresql, redis_servers
from ui.window import Window

DAYS = 8
ROUNDS = 7


PAGES = ("overview", "latency", "logs", "cache", "database-now", "database-tables", "database-upkeep")
"""Pages, and parts of Database that ask the server; the other two are read from the console's own records."""


@dataclass(frozen=True)
class Stores:
    """Ports of what is not asked over HTTP."""

    valkey: int
    postgres: int


def measure() -> Mapping[str, float]:
    """Each page in turn; the figure is the worst of them."""
    with (
        installation(DAYS) as parts,
        redis_servers.running("valkey", maxmemory="64mb") as valkey,
        postgresql.running(18) as database,
    ):
        stores = Stores(valkey.port, database.port)
        redis_requests.fill(stores.valkey)
        postgres_requests.fill(stores.postgres)
        found = {page: _page(parts, page, stores) for page in PAGES}
    worst = max(found.values(), key=lambda one: one["times_bare"])
    each = {f"times_bare_{page.replace('-', '_')}": one["times_bare"] for page, one in found.items()}
    return {**worst, **each, "requests": sum(one["requests"] for one in found.values())}


def _page(parts: Installation, name: str, stores: Stores) -> Mapping[str, float]:
    """Note what one cold load sends, then let both ways take turns, directly at the sources."""
    page, _, part = name.partition("-")
    counted = visits.visit(_with_store(parts.settings(counted=True), page, stores), Window("1h"), page=page, part=part)
    parts.requests()
    with redis_requests.noted(stores.valkey) as batches, postgres_requests.noted() as questions:
        counted.load()
    counted.close()
    requests = parts.requests()
    settings = _with_store(parts.settings(counted=False), page, stores)

    ours, theirs = [], []
    for number in range(ROUNDS + 1):
        visit = visits.visit(settings, Window("1h"), page=page, part=part)
        through_collectors = seconds(visit.load)
        visit.close()
        bare = seconds(lambda: _bare(requests, batches, questions, parts, settings, stores))
        if number:  # the first round warms the sources
            ours.append(through_collectors)
            theirs.append(bare)
    took, least = statistics.median(ours), statistics.median(theirs)
    sent = len(requests) + len(questions) + sum(len(batch) for one in batches for batch in one)
    return {"times_bare": took / least, "requests": sent, "milliseconds": took * 1000}


def _with_store(settings: Settings, page: str, stores: Stores) -> Settings:
    """The settings with the cache or the database, for the page that is about it."""
    one = settings.environments["benchmark"]
    if page == "cache":
        one = one.model_copy(update={"redis": Redis(host=HOST, port=stores.valkey, deadline=60)})
    elif page == "database":
        one = one.model_copy(
            update={"postgres": Postgres(host=HOST, port=stores.postgres, user="console", deadline=60)}
        )
    return settings.model_copy(update={"environments": {"benchmark": one}})


def _bare(
    requests: Sequence[Request],
    batches: Sequence[Sequence[Batch]],
    questions: Sequence[Question],
    parts: Installation,
    settings: Settings,
    stores: Stores,
) -> None:
    """Send all that a page sends, at once: over HTTP, to the cache and to the database, over as many connections."""
    database = settings.environments["benchmark"].postgres
    with ThreadPoolExecutor(max_workers=len(batches) + 1) as threads:
        answered = [threads.submit(redis_requests.send, one, stores.valkey) for one in batches]
        if questions and database is not None:
            answered.append(threads.submit(postgres_requests.send, questions, stores.postgres, database.connections))
        if requests:
            asyncio.run(send(requests, parts, settings))
        for one in answered:
            one.result()


async def send(requests: Sequence[Request], parts: Installation, settings: Settings) -> list[bytes]:
    """Send the requests at once, over as many connections as the collectors may have, and read the answers.

    Raises:
        httpx.HTTPStatusError: A request was refused, so that it is not the same as the collectors'.
    """
    environment = settings.environments["benchmark"]
    clients = {
        name: httpx.AsyncClient(
            base_url=f"http://{HOST}:{port}",
            limits=httpx.Limits(max_connections=getattr(environment, name).connections),
            timeout=60,
            trust_env=False,
            verify=False,  # no TLS here, and loading certificates would be most of a small page's time
        )
        for name, port in parts.direct.items()
        if any(request.source == name for request in requests)
    }

    async def one(request: Request) -> bytes:
        headers = {"Accept": request.accept, "Accept-Encoding": "gzip"}
        if request.content_type:
            headers["Content-Type"] = request.content_type
        content = request.body.encode() if request.body else None
        answer = await clients[request.source].request(request.method, request.path, content=content, headers=headers)
        return answer.raise_for_status().content

    try:
        return await asyncio.gather(*(one(request) for request in requests))
    finally:
        for client in clients.values():
            await client.aclose()


BENCHMARK = Benchmark(
    "page",
    "All data of Overview, of Latency & SLO, of Logs, of Cache and of three parts of Database over the last hour, "
    "asked with nothing kept: real Prometheus, Alertmanager and log store, a real Valkey with 5,000 keys, a real "
    "PostgreSQL 18 with 40 tables; "
    "Synaptic's replicas are answered by NGINX.",
    {
        "times_bare": Figure(
            "Time until the last panel has its data, by the time that the same HTTP requests take when httpx sends "
            "all of them at once over as many connections, redis-py the same commands in the same groups and psycopg "
            "the same statements, and nobody looks at the answers. Both start without connections. The worst of the "
            "pages.",
            "<= 1.25",
        ),
        **{f"times_bare_{page.replace('-', '_')}": Figure(f"The same of {page} alone.") for page in PAGES},
        "requests": Figure("Requests and commands that one cold load of each page sends, together."),
        "milliseconds": Figure("Time until the last panel of the worst page has its data, on this machine."),
    },
    measure,
)

"""``page``: all data of Overview through the collectors against the same requests, sent bare."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping, Sequence

import httpx

from benchmarks import overview
from benchmarks.measured import Benchmark, Figure, seconds
from benchmarks.parts import HOST, Installation, Request, installation
from settings import Settings
from ui.window import Window

DAYS = 8
ROUNDS = 7


def measure() -> Mapping[str, float]:
    """Note what one cold load sends, then let both ways take turns, directly at the sources."""
    with installation(DAYS) as parts:
        counted = overview.visit(parts.settings(counted=True), Window("1h"))
        counted.load()
        counted.close()
        requests = parts.requests()
        settings = parts.settings(counted=False)

        ours, theirs = [], []
        for number in range(ROUNDS + 1):
            visit = overview.visit(settings, Window("1h"))
            through_collectors = seconds(visit.load)
            visit.close()
            bare = seconds(lambda: asyncio.run(send(requests, parts, settings)))
            if number:  # the first round warms the sources
                ours.append(through_collectors)
                theirs.append(bare)
        took, least = statistics.median(ours), statistics.median(theirs)
        return {"times_bare": took / least, "requests": len(requests), "milliseconds": took * 1000}


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
        )
        for name, port in parts.direct.items()
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
    "All data of Overview over the last hour, asked with nothing kept: real Prometheus, Alertmanager and log store; "
    "Synaptic's replicas are answered by NGINX.",
    {
        "times_bare": Figure(
            "Time until the last panel has its data, by the time that the same HTTP requests take when httpx sends "
            "all of them at once over as many connections, and nobody looks at the answers. Both start without "
            "connections.",
            "<= 1.25",
        ),
        "requests": Figure("Requests that one cold load sends."),
        "milliseconds": Figure("Time until the last panel has its data, on this machine."),
    },
    measure,
)

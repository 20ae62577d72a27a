"""Runs one replica: ``python -m demo.synaptic --replica 0 [--version 1.8.1]``."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

from demo.plan import HOST, LISTEN, Plan
from demo.synaptic.app import metrics_app, public_app
from demo.synaptic.config import Settings
from demo.synaptic.control import Control
from demo.synaptic.logs import route_library_logs
from demo.synaptic.service import Service
from demo.synaptic.upkeep import Upkeep


class _Server(uvicorn.Server):
    """A server that leaves signals to the process, which runs three of them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: Starlette, host: str, port: int) -> _Server:
    # No access log: the service logs its requests itself. Open requests get 5 s at the end.
    return _Server(
        uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=5)
    )


async def serve(settings: Settings) -> None:
    """Serve on the replica's three ports until SIGTERM, SIGINT or ``POST /exit`` on the control port."""
    service = Service.build(settings)
    upkeep = Upkeep(service)
    replica = settings.replica
    public = _server(public_app(service, upkeep), LISTEN, replica.http_port)
    metrics = _server(metrics_app(service, upkeep), LISTEN, replica.metrics_port)
    service.connections = lambda: len(public.server_state.connections)

    def end() -> None:
        for server in servers:
            server.should_exit = True

    control = Control(service, end)
    control_server = _server(control.app(), HOST, replica.control_port)
    servers = (public, metrics, control_server)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)

    async def until_exit(server: _Server) -> None:
        await server.serve()
        # One that ended, or never came up, takes the others along.
        await control.close()
        end()

    await asyncio.gather(*(until_exit(server) for server in servers))


def main() -> None:
    """Read the arguments and serve."""
    plan = Plan.from_environment()
    parser = argparse.ArgumentParser(prog="python -m demo.synaptic", description=__doc__)
    parser.add_argument("--replica", type=int, required=True, choices=range(plan.replicas_count))
    parser.add_argument("--version", default=plan.version)
    arguments = parser.parse_args()
    route_library_logs()
    asyncio.run(serve(Settings.from_environment(plan, arguments.replica, arguments.version)))


if __name__ == "__main__":
    main()

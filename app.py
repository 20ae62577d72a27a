"""The server: ``streamlit run app.py`` serves the pages, and this file says what goes around them.

A wrong settings file or an unsafe option ends the process with status 2 and one sentence for each
mistake on standard error. That is decided while this file is imported and not in the lifespan: an
error in there is reported by the server as a traceback, and with another status.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import stat
import sys
import tomllib
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import streamlit as st
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from starlette.middleware import Middleware
from streamlit import config, file_util, runtime
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

import access
import house
import settings as settings_file
from collectors import registry
from collectors.errors import SourceError
from records.database import open_database
from records.errors import RecordsError
from telemetry import logs, metrics
from ui import format
from views.logs import complete as log_complete
from views.logs import export as log_export
from views.logs.masks import Visibility
from web import complete, export, hardening, policy, routes
from web.frames import Frame
from web.middleware import Guard
from web.sessions import FEWEST_DESCRIPTORS, raise_descriptors
from worker import Worker

ROOT = Path(__file__).resolve().parent
SHELL = ROOT / "ui" / "shell.py"
_ROOT_PATH = str(ROOT).encode()

EXIT_MISTAKE = 2
"""Status with which the process ends over its settings or options, as a command does over its arguments."""

# What the first viewer's page would otherwise import while they wait: seconds, and some 100 MB.
_HEAVY = ("numpy", "pandas", "pyarrow", "plotly.graph_objects", "plotly.io", "streamlit.elements.plotly_chart")

log = logs.get_logger(__name__)


def _end(mistakes: list[str]) -> NoReturn:
    for mistake in mistakes:
        print(mistake, file=sys.stderr)  # noqa: T201 - for a person at a terminal, before there is a log to read
    raise SystemExit(EXIT_MISTAKE)


def read_settings() -> settings_file.Settings:
    """The settings, with every secret in them registered with the masks; mistakes end the process."""
    try:
        loaded = settings_file.current()
    except settings_file.SettingsError as error:
        _end(error.mistakes)
    for secret in loaded.secrets():
        logs.register_secret(secret)
    return loaded


def refuse_unsafe(loaded: settings_file.Settings) -> None:
    """End the process when an option would undo its protection; warn of what only costs time."""
    found = hardening.findings(config.get_option, loaded)
    refused = hardening.refusals(found, loaded)
    if refused:
        _end([str(finding) for finding in refused])
    for finding in found:
        log.warning("option", option=finding.option, effect=finding.effect, advice=str(finding))


def page_paths() -> list[str]:
    """The paths of the pages: one file in ``pages/`` is one page, under the file's name."""
    return [f"/{file.stem}" for file in sorted((ROOT / "pages").glob("[a-z]*.py"))]


def middleware(loaded: settings_file.Settings, pages: list[str]) -> list[Middleware]:
    """The guard, with the policy that follows from the settings."""
    index_html = (Path(file_util.get_static_dir()) / "index.html").read_text(encoding="utf-8")
    descriptors = raise_descriptors()
    if descriptors < FEWEST_DESCRIPTORS:
        log.warning(
            "few file descriptors",
            limit=descriptors,
            advice=f"raise the hard limit of open files (ulimit -Hn, LimitNOFILE=) to {FEWEST_DESCRIPTORS} or more",
        )
    let_in = policy.build(loaded, pages, index_html, descriptors)
    return [Middleware(Guard, policy=let_in, read_frame=read_frame, private=without_environment)]


def read_frame(data: bytes) -> Frame:
    """What is in a browser's message.

    Raises:
        ValueError: It is none of Streamlit's.
    """
    message = BackMsg()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise ValueError("not a message of Streamlit's") from None
    return Frame(message.WhichOneof("type") or "", message.rerun_script.query_string)


def without_environment(data: bytes) -> bytes:
    """A message to a browser without what Streamlit tells of this machine: its system, its files' paths."""
    if _ROOT_PATH not in data:
        return data
    message = ForwardMsg()
    message.ParseFromString(data)
    if message.WhichOneof("type") != "new_session":
        return data
    session = message.new_session
    session.main_script_path = Path(session.main_script_path).name
    told = session.initialize.environment_info
    # The version of Streamlit stays: its front end, which carries it as well, compares the two.
    told.python_version = told.server_os = ""
    return bytes(message.SerializeToString())


def checks(loaded: settings_file.Settings) -> dict[str, routes.Check]:
    """What has to hold for the console to be ready; records that can never be used end the process."""
    try:
        database = open_database(loaded.records.url)
    except RecordsError as error:
        _end([str(error)])
    current = False

    def records() -> None:
        # Until it has worked once: the schema is brought up to date here, or a replica that gets
        # visitors only once it is ready would wait for its first visitor to do so.
        nonlocal current
        if current:
            database.check()
        else:
            database.migrate()
            current = True

    def serving() -> None:
        state = runtime.get_instance().state
        if state in {runtime.RuntimeState.INITIAL, runtime.RuntimeState.STOPPING, runtime.RuntimeState.STOPPED}:
            raise RuntimeError(f"the runtime of the pages is {state.value}")

    # The settings were read, or this process would not be here; the name stays, for who reads the answer.
    return {"settings": lambda: None, "serving": serving, "records": records}


def report_script_error(error: Exception) -> bool:
    """Log what a page did not catch, and show the viewer a reference to it instead of its text."""
    reference = uuid.uuid4().hex[:8]
    metrics.observe_script_error()
    log.error("page failed", reference=reference, exc_info=error)
    st.error(f"This page failed. The server's log has the cause under the reference {reference}.")
    return True


def complete_logs(viewer: access.Viewer, params: Mapping[str, str]) -> list[dict[str, object]]:
    """What may come next in a search of the logs; nothing where the environment has none."""
    environment = params.get("env", "")
    if environment not in loaded_settings.environments:
        return []
    visibility = Visibility.of(loaded_settings, access.may(viewer, access.Right.IDENTIFIERS))
    return log_complete.answer(registry.sources(loaded_settings, environment), params, visibility)


def export_logs(viewer: access.Viewer, params: Mapping[str, Sequence[str]]) -> export.Download:
    """The file of log lines that a viewer asked for.

    Raises:
        Refusal: It cannot be made; it says why.
    """
    environment = next(iter(params.get("env", ())), "")
    if environment not in loaded_settings.environments:
        raise export.Refusal(400, "env must name an environment of this console.")
    visibility = Visibility.of(loaded_settings, access.may(viewer, access.Right.IDENTIFIERS))
    most = loaded_settings.limits.export_lines
    try:
        made = log_export.prepare(registry.sources(loaded_settings, environment), params, visibility, most)
    except log_export.InvalidExport as error:
        raise export.Refusal(400, str(error)) from error
    except SourceError as error:
        raise export.Refusal(503, f"{error}. {error.hint}") from error
    told = {"x-total-lines": str(made.total), "x-truncated": "true" if made.lines < made.total else "false"}
    return export.Download(made.name, made.media_type, made.chunks, told)


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """What happens once around serving: heavy imports before the first viewer, closed connections after the last.

    The background work begins and ends with it.
    """
    for name in _HEAVY:
        await asyncio.to_thread(importlib.import_module, name)
    # After each run of a page, and so after each refresh of a panel, Streamlit collects all garbage while every
    # viewer waits. The modules are 170,000 objects that never become any: looking at them each time took 90 ms.
    gc.collect()
    gc.freeze()
    metrics.set_build(version(), st.__version__)
    log.info("started", version=version(), public_url=loaded_settings.server.public_url)
    worker = Worker(loaded_settings, open_database(loaded_settings.records.url), words=format.value)
    worker.start()
    try:
        yield
    finally:
        await asyncio.to_thread(worker.stop)
        await asyncio.to_thread(registry.close_all)
        log.info("stopped")


def warn_of_open_files(loaded: settings_file.Settings) -> None:
    """Say which files with secrets or records other users of this machine may read or write."""
    named = Path(os.environ.get(settings_file.CONFIG_VARIABLE, "console.toml"))
    url = loaded.records.url.get_secret_value()
    records = Path(url.partition(":///")[2]) if url.startswith("sqlite") else None
    for file, open_bits, needed in ((named, 0o004, loaded.secrets()), (records, 0o066, True)):
        if file is None or not needed or not file.is_file():
            continue
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & open_bits:
            log.warning("open file", file=file.name, mode=f"{mode:o}", advice="chmod 600, as others may read it")


def version() -> str:
    """The console's version, as ``pyproject.toml`` has it."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


logs.configure()
house.assemble()
# Streamlit writes what a page did not catch, and then calls report_script_error, which does so with a reference.
logging.getLogger("streamlit.error_util").addFilter(lambda record: record.msg != "Uncaught app execution")
loaded_settings = read_settings()
warn_of_open_files(loaded_settings)

app = st.App(
    SHELL,
    routes=[
        *routes.routes(loaded_settings, checks(loaded_settings)),
        export.route(loaded_settings, export_logs),
        complete.route(loaded_settings, complete_logs),
    ],
    middleware=middleware(loaded_settings, page_paths()),
    lifespan=lifespan,
    on_script_error=report_script_error,
)

# After the app exists: it settles which configuration files count where no command line did.
refuse_unsafe(loaded_settings)

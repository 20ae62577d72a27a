"""The console's server around a little page of the tests' own: everything but the pages is the real thing."""

from pathlib import Path

import streamlit as st

import app as console

PAGES = ["/charts", "/fails"]

app = st.App(
    Path(__file__).with_name("little_shell.py"),
    routes=console.routes.routes(console.loaded_settings, console.checks(console.loaded_settings)),
    middleware=console.middleware(console.loaded_settings, PAGES),
    lifespan=console.lifespan,
    on_script_error=console.report_script_error,
)

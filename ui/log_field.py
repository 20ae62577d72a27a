"""The search field with its completions: a small component whose script is served from the console itself.

Streamlit runs the script of an inline component from an address of its own making (``blob:``), which the content
security policy forbids. So the component is declared as Streamlit reads it from a package's metadata: with a folder of
assets, which are served by name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from streamlit.components.v2 import component
from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest

from collectors.span import Span

NAME = "synaptic-console.log_field"
_FOLDER = Path(__file__).resolve().parent
_HTML = (
    '<div class="field"><input type="text" role="combobox" aria-label="Search" aria-autocomplete="list" '
    'aria-expanded="false" aria-controls="log-field-list" autocomplete="off" autocapitalize="off" spellcheck="false">'
    '<ul id="log-field-list" role="listbox" aria-label="Completions" hidden></ul></div>'
)
_KEY = "logs-search"
PATH = "/complete/logs"
"""The route that says what may come next."""


@cache
def _field() -> Callable[..., Any]:
    package, _, name = NAME.partition(".")
    manifest = ComponentManifest(package, "1", [ComponentConfig(name, f"assets/{name}")])
    get_bidi_component_manager().register_from_manifest(manifest, _FOLDER)
    return component(NAME, html=_HTML, css=f"{name}.css", js=f"{name}.js")


def log_field(text: str, placeholder: str, environment: str, span: Span, search: Callable[[str], None]) -> None:
    """The field.

    Args:
        text: What the address says.
        placeholder: An example, shown while it is empty.
        environment: Key of the environment whose logs are searched.
        span: The window whose values are offered.
        search: Called with the text when Enter is pressed or the field is left.
    """
    asked = {"env": environment, "from": f"{span.start.timestamp():.0f}", "to": f"{span.end.timestamp():.0f}"}
    _field()(
        key=_KEY,
        data={
            "text": text,
            "placeholder": placeholder,
            "complete": f"{PATH}?{urlencode(asked)}",
        },
        on_searched_change=lambda: search(str(st.session_state[_KEY].searched or "")),
    )

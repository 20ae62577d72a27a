"""The search field with its completions (``ui/assets/log_field/``), which come by a route of their own."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import streamlit as st

from collectors.span import Span
from ui.components import own

_HTML = (
    '<div class="field"><input type="text" role="combobox" aria-label="Search" aria-autocomplete="list" '
    'aria-expanded="false" aria-controls="log-field-list" autocomplete="off" autocapitalize="off" spellcheck="false">'
    '<ul id="log-field-list" role="listbox" aria-label="Completions" hidden></ul></div>'
)
_KEY = "logs-search"
PATH = "/complete/logs"
"""The route that says what may come next."""


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
    own("log_field", _HTML)(
        key=_KEY,
        data={
            "text": text,
            "placeholder": placeholder,
            "complete": f"{PATH}?{urlencode(asked)}",
        },
        on_searched_change=lambda: search(str(st.session_state[_KEY].searched or "")),
    )

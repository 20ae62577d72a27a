"""Small parts that several pages share."""

from __future__ import annotations

import streamlit as st

from settings import CONFIG_VARIABLE
from ui.clean import inert
from ui.theme import STATUS, is_outdated

_EXAMPLE = """\
[environments.production]
title = "Production"

[environments.production.synaptic]
url = "http://synaptic.example.com"

[environments.production.prometheus]
url = "http://prometheus:9090"
"""


def heading(title: str, question: str) -> None:
    """The page's title and the one question that it answers."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="heading"):
        st.markdown(f"## {title}", anchors=False, width="content")
        st.caption(question, width="content")


def all_well(sentence: str) -> None:
    """That nothing is wrong, with the mark of it; of an answer that is not of now nobody knows."""
    ok = STATUS["ok"]
    if is_outdated():
        sentence = "Whether anything is wrong now is not known."
    st.markdown(f":{ok.markdown}[{ok.icon}] {inert(sentence)}")


def nothing_configured() -> None:
    """What a page says where no environment is configured: how to write one."""
    st.info("No installation of Synaptic is configured yet.", icon=":material/settings:")
    st.markdown(
        "Copy `console.example.toml` to `console.toml` (or name another file in the environment variable "
        f"`{CONFIG_VARIABLE}`), describe where your sources are, and start the console again. The least that shows "
        "something:"
    )
    st.code(_EXAMPLE, language="toml")
    st.caption("Every key is described in docs/settings.md. `python -m cli doctor` checks a file from a terminal.")

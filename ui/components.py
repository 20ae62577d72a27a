"""Components of our own: small scripts in ``ui/assets/<name>/``, served from the console itself.

Streamlit runs the script of an inline component from an address of its own making (``blob:``), which the content
security policy forbids. So a component is declared as Streamlit reads it from a package's metadata: with a folder of
assets, which are served by name, and ``web/policy.py`` opens those names.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest

PACKAGE = "synaptic-console"
_FOLDER = Path(__file__).resolve().parent


def own(name: str, html: str) -> Callable[..., Any]:
    """The component ``name``, to be called as Streamlit's components are.

    Args:
        name: Name of its folder and of the files in it: a script, and a style sheet where it shows anything.
        html: What it begins as.
    """
    return _declared(get_bidi_component_manager(), name, html)


@cache
def _declared(manager: BidiComponentManager, name: str, html: str) -> Callable[..., Any]:
    """Declared once for each manager: a process has one, and another one before its server runs."""
    manifest = ComponentManifest(PACKAGE, "1", [ComponentConfig(name, f"assets/{name}")])
    manager.register_from_manifest(manifest, _FOLDER)
    styled = (_FOLDER / "assets" / name / f"{name}.css").exists()
    return component(f"{PACKAGE}.{name}", html=html, css=f"{name}.css" if styled else None, js=f"{name}.js")

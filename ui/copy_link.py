"""The button that copies the page's address (``ui/assets/copy_link/``)."""

from __future__ import annotations

from ui.components import own

_HTML = (
    '<button type="button" aria-label="Copy the link of this page" title="Copy the link of this page">'
    '<svg class="link" viewBox="0 0 24 24" aria-hidden="true"><path d="M10 14a5 5 0 0 0 7 0l3-3a5 5 0 0 0-7-7l-1 1"/>'
    '<path d="M14 10a5 5 0 0 0-7 0l-3 3a5 5 0 0 0 7 7l1-1"/></svg>'
    '<svg class="done" viewBox="0 0 24 24" aria-hidden="true"><path d="M4 12l6 6L20 6"/></svg></button>'
    '<span role="status"></span>'
)


def copy_link() -> None:
    """Draw the button; a live window stays live in the link, and one that is held stays held."""
    own("copy_link", _HTML)(key="bar-copy-link", height="content", width="content")

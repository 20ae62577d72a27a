r"""The one place where foreign text is cleaned before it is shown.

Foreign is everything that a source answered: log lines, label values, pod names, queries, error texts, user
names. Three destinations, three functions:

* **Places that show text literally** take :func:`clean`: ``st.text``, ``st.code``, ``st.json``, the text cells of
  ``st.dataframe``, ``st.selectbox`` options, input placeholders. Characters that cannot be seen, that reorder the
  line or that drive a terminal are made visible; nothing else is changed.
* **Places that parse Markdown** take :func:`inert`: ``st.markdown``, ``st.write``, ``st.caption``, ``st.info`` and
  its siblings, ``st.table``, ``st.metric`` (label, value *and* delta), titles and headers, ``st.toast``, every widget
  label, every ``help=``, ``st.expander``, ``st.tabs``, ``st.page_link``, ``st.badge``, ``st.status``. The text stays
  readable and does nothing.
* **Plotly** parses a small HTML of its own in names, titles, annotations and hovered texts: :func:`for_plotly`. Never
  put foreign text into a ``hovertemplate``, where ``%{...}`` is looked up; give it as ``customdata`` or ``text``.

``st.html`` and ``unsafe_allow_html=True`` never get foreign text. A file for a spreadsheet takes
:func:`analysis.cells.csv_cell`.
"""

import re

from telemetry.visible import visible

LIMIT = 300
"""How many characters of one foreign text are shown unless the caller says otherwise."""


def clean(text: object, limit: int = LIMIT, *, lines: bool = False) -> str:
    r"""Foreign text with nothing hidden in it, cut in the middle if it is longer than ``limit`` characters.

    Control characters become their pictures (the escape of an ANSI sequence shows as ``␛``), characters that
    reorder or hide text show as ``<U+202E>``, odd spaces become plain ones, broken surrogates show their number.
    Secrets of the settings show as ``***``, whichever way they came into the text.

    Args:
        text: The text; bytes are read as UTF-8, anything else is turned into text first.
        limit: The longest text that is shown whole, in characters.
        lines: Keep line breaks and tabs, for ``st.code`` and ``st.text``; otherwise they are made visible too.

    >>> clean("\x1b[31mred\x1b[0m a\u202eb line\nline")
    '␛[31mred␛[0m a<U+202E>b line␊line'
    """
    return visible(text, limit, lines=lines)


_MARK = re.compile(r"(?P<www>www)\.|--|[!-/:-@\[-`{-~]", re.IGNORECASE)
_ALONE = frozenset(":@<>=")


def inert(text: object, limit: int = LIMIT) -> str:
    r"""Foreign text for a place where Streamlit parses Markdown: shown literally, on one line, doing nothing.

    Every ASCII punctuation mark is escaped, which disarms all of Markdown, HTML, entities and formulas. It does not
    disarm what Streamlit and GitHub's dialect look for *after* parsing, in the text that is left: ``:material/x:``,
    ``:streamlit:``, emoji names, bare addresses (``https://``, ``www.``, ``a@b.c``) and arrows (``->`` is drawn as
    one). Those are searched within one run of text; so the character that each of them needs stands in a span of its
    own, which Streamlit writes as ``:color[x]`` and which, without attributes, has no look of its own.

    The result may follow any text but a colon: two colons in a row are no directive.

    >>> inert("*x*")
    '\\*x\\*'
    >>> inert(":tada:")
    ':color[\\:]tada:color[\\:]'
    """
    return _MARK.sub(_escape, clean(text, limit).strip())


def _escape(mark: re.Match[str]) -> str:
    found = mark.group()
    if mark["www"]:
        return f"{mark['www']}:color[\\.]"
    if found == "--":
        return r"\-:color[\-]"
    return f":color[\\{found}]" if found in _ALONE else f"\\{found}"


_PLOTLY = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"})


def for_plotly(text: object, limit: int = 80) -> str:
    r"""Foreign text for a name, title, annotation or hovered text of a Plotly chart, shown literally.

    Plotly reads ``<b>``, ``<a href>`` and entities in such texts, and formulas between dollar signs where MathJax is
    loaded.

    >>> for_plotly("<a href='javascript:1'>x</a> $5")
    "&lt;a href='javascript:1'&gt;x&lt;/a&gt; &#36;5"
    """
    return clean(text, limit).translate(_PLOTLY)

"""A page that shows foreign text in every kind of place, for ``test_hostile_text.py``."""

import os
from datetime import UTC, datetime, timedelta

import pandas as pd
import streamlit as st

from analysis.events import Event, EventKind
from tests.ui.hostile_text import hostile_texts
from ui import charts, tables
from ui.clean import clean, inert
from ui.tables import Column

END = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
START = END - timedelta(hours=1)

texts = hostile_texts(int(os.environ["LISTENER_PORT"]))
st.set_page_config(layout="wide")

for place, (name, text) in enumerate(texts.items()):
    with st.container(key=f"markdown-{name}"):
        st.markdown(f"Said: {inert(text)}")
    with st.container(key=f"colour-{name}"):
        st.markdown(f":red[{inert(text)}] and **{inert(text)}**")
    with st.container(key=f"caption-{name}"):
        st.caption(inert(text))
    with st.container(key=f"metric-{name}"):
        st.metric(inert(text), inert(text), inert(text), help=inert(text))
    with st.container(key=f"table-{name}"):
        st.table(pd.DataFrame({"text": [inert(text)]}), hide_index=True)
    with st.container(key=f"button-{name}"):
        st.button(inert(text), key=f"button{place}")
    with st.container(key=f"expander-{name}"), st.expander(inert(text)):
        st.info(inert(text))
    with st.container(key=f"text-{name}"):
        st.text(clean(text))
    with st.container(key=f"code-{name}"):
        st.code(clean(text, lines=True), language=None)

with st.container(key="chart"):
    index = pd.date_range(START, END, freq="1min")
    frame = pd.DataFrame({text: float(place + 1) for place, text in enumerate(list(texts.values())[:5])}, index=index)
    events = [Event(START + timedelta(minutes=30), EventKind.ALERT, text, text) for text in list(texts.values())[:5]]
    figure = charts.timeseries(frame, unit="count", window=(START, END), events=events, height=360)
    st.plotly_chart(figure, theme=None, config=charts.config())
with st.container(key="chart-rest"):
    rest = {text: float(place + 1) for place, text in enumerate(texts.values())}
    st.plotly_chart(charts.bars(pd.Series(rest), unit="count", limit=30), theme=None, config=charts.config())
with st.container(key="grid"):
    rows = pd.DataFrame({"text": list(texts.values()), "address": list(texts.values())})
    tables.table(rows, columns=[Column("text", "Text"), Column("address", "Link", "link")], key="rows", height=900)
st.text("the page has ended")

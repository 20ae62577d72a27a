"""A page with what the console's pages are made of: widgets, tables, a picture, Plotly charts; and one that fails."""

import base64

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


def _figure() -> go.Figure:
    figure = go.Figure()
    for kind in ("lines", "markers", "lines+markers"):
        figure.add_trace(go.Scatter(x=[1, 2, 3], y=[3, 1, 2], mode=kind, name=f"{kind} <b>bold</b>", fill="tozeroy"))
    figure.add_trace(go.Heatmap(z=[[1, 2], [3, 4]]))
    figure.add_hline(y=2, line_dash="dash", annotation_text="threshold")
    return figure.update_layout(title="A title", dragmode="select", selectdirection="h")


def charts() -> None:
    st.title("Charts")
    for index in range(3):
        st.plotly_chart(_figure(), key=f"chart-{index}", on_select="rerun", selection_mode="box")
    st.dataframe(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))
    st.table(pd.DataFrame({"a": [1, 2]}))
    st.metric("A metric", 1.5, delta=0.5, chart_data=[1, 3, 2])
    st.image(_PIXEL)
    st.markdown(":material/check: words with a `code` and $x^2$")
    st.code("SELECT 1", language="sql")
    st.selectbox("Choose", ["a", "b"])
    st.segmented_control("Window", ["1h", "3h"])
    st.download_button("Download", b"what nobody may fetch", "report.bin")
    st.success("All is drawn")


def fails() -> None:
    raise RuntimeError("a value that nobody should see")


pages = [
    st.Page(charts, title="Charts", url_path="charts"),
    st.Page(fails, title="Fails", url_path="fails"),
]
page = st.navigation([st.Page(lambda: st.title("Home"), title="Home", url_path="home", default=True), *pages])
page.run()

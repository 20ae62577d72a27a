"""Pure functions over frames and records: no input, no output, no Streamlit."""

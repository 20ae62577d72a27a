"""Prometheus, or what answers as it does: range queries in chunks that are kept."""

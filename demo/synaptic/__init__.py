"""Synaptic as a small reference service: its endpoints, metrics, logs, spans and tables, with real effects."""

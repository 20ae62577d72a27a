"""Alertmanager: which alerts fire, and since when."""

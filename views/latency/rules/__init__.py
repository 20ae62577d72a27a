"""How latency is judged, without asking anything."""

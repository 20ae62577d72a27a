"""How the cache is judged, without asking anything."""

"""How sessions, statements, relations and their maintenance are judged, without asking anything."""

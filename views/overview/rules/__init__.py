"""How Overview judges, without asking anything."""

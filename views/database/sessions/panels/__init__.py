"""The figures of the sessions, their table and the tree of blockers."""

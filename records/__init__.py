"""The console's own memory: what has to outlive a restart, in SQLite or PostgreSQL."""

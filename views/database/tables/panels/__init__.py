"""All tables and indexes, and one table."""

"""PostgreSQL: its own statistics, asked with the rights of a monitor."""

"""The ranking of the statements, one statement, and its plan."""

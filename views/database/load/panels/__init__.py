"""The chart of the load, its verdict, and single moments of it."""

"""How lines become patterns and when a pattern has changed."""

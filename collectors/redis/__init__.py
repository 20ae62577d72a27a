"""Redis or Valkey: what it says of itself, and a look at some of its keys."""

"""What is at work now, and the facts beside it."""

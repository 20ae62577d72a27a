"""What several subjects ask in the same way: series of signals, figures with their usual, events, who is silent."""

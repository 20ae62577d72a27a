"""What the console tells about itself: metrics and logs. Imports nothing of ours, so every room may use it."""

"""What each view asks and what it concludes, without a browser: used by pages, the terminal and benchmarks."""

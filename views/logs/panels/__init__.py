"""The search box, the chart, the lines, one line, and the patterns."""

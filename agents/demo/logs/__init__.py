"""Rules that read logs: events, patterns, trends, causes."""

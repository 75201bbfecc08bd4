"""What a running server tells: log lines, one access line a request, metrics. Knows no bucket and no door."""

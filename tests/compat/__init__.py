"""Real clients, unmodified and with their default settings, against a running server: what people do with each."""

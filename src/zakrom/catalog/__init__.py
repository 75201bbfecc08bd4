"""The facts: read them, apply a `Change` atomically. Decides nothing: it calls `rules` inside the transaction."""

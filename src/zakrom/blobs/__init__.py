"""Immutable bytes: staged, committed, opened, dropped. Knows no key and no user."""

"""Encryption: how bytes lie sealed, whose key opens them, and the ring that keeps the keys. Knows no bucket and no header."""

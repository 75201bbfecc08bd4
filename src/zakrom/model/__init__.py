"""Nouns: frozen, slotted values. No I/O, clock, randomness, SQL or HTTP."""

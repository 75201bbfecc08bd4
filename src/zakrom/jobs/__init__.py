"""The store's chores: reap, sweep, scrub, room, lifecycle.

Driven by what is due, never by walking everything to see whether there is work.
"""

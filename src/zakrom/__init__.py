"""Zakrom: S3 storage that one person can run and trust."""

__version__ = "0.1.0"

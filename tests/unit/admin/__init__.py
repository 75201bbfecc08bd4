"""Tests of the admin API, its client and its commands."""

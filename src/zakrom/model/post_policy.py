"""What the signer of a form allows its bearer to upload."""

from __future__ import annotations

from typing import NamedTuple


class Condition(NamedTuple):
    """Something that must hold of one field of the form."""

    field: str | None
    """In lower case; None: of no field, so it never holds."""
    value: str
    prefix: bool
    """Whether the field need only begin with the value."""
    shown: str
    """As a refusal quotes it."""


class Range(NamedTuple):
    """How long the file may be."""

    bytes_min: int
    bytes_max: int


class PostPolicy(NamedTuple):
    """A policy: until when, what must hold, and how long the file may be (bytes; None: no bound)."""

    expires_ms: int
    conditions: tuple[Condition, ...]
    bytes_min: int | None = None
    bytes_max: int | None = None

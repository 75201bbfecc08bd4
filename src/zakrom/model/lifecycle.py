"""A bucket's lifecycle configuration: which objects its rules mean, and what becomes of them when."""

from __future__ import annotations

from zakrom.model.facts import Fact

DOCUMENT = "lifecycle"
"""The kind of a bucket's configuration document."""

DAY_MS = 86_400_000

ALL_128K, BY_CLASS = MINIMUMS = ("all_storage_classes_128K", "varies_by_storage_class")
"""Which small objects are not moved, where a rule names no size itself."""

WARMTH = ("STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE")
"""Storage classes from warm to cold. Objects move down only: S3 User Guide, "Transitioning objects using S3 Lifecycle"."""


class Scope(Fact, frozen=True):
    """Which objects a rule means: all that is given must hold."""

    prefix: bytes = b""
    tags: tuple[tuple[str, str], ...] = ()
    larger: int | None = None  # size > this
    smaller: int | None = None  # size < this


class Move(Fact, frozen=True):
    """A transition: after days, or from a date on. ``newer``: how many noncurrent versions stay as they are."""

    storage_class: str
    days: int | None = None
    date_ms: int | None = None
    newer: int = 0


class Rule(Fact, frozen=True):
    """One rule. What it does not say is None or empty."""

    id: str
    enabled: bool
    scope: Scope
    expire_days: int | None = None
    expire_date_ms: int | None = None
    expire_markers: bool = False
    moves: tuple[Move, ...] = ()
    noncurrent_days: int | None = None
    noncurrent_newer: int = 0
    noncurrent_moves: tuple[Move, ...] = ()
    abort_days: int | None = None


class Lifecycle(Fact, frozen=True):
    """The body of the document. ``xml``: the rules as they came, with an id each: what a GET shows."""

    rules: tuple[Rule, ...]
    minimum: str
    xml: str

"""Lifecycle: what is due of a version, or of an open upload, and when.

Source: Amazon S3 User Guide, "Lifecycle configuration elements", "Expiring objects", "Examples of S3 Lifecycle configurations"
(conflicting rules). A time in days is counted from the creation of a version, or from when it became noncurrent, and rounded up
to the next midnight (UTC); where a "day" is not 24 hours, which is for tests, nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import msgspec

from zakrom.model.facts import Version
from zakrom.model.lifecycle import BY_CLASS, DAY_MS, WARMTH, Lifecycle, Move, Rule, Scope
from zakrom.rules import lock

SMALL_BYTES = 128 * 1024
"""S3 does not move objects smaller than this, unless the rule names a size itself."""

_SMALL_TOO = frozenset({"GLACIER", "DEEP_ARCHIVE"})  # where the minimum varies by class
_COLDNESS = {name: number for number, name in enumerate(WARMTH)}

encode = msgspec.msgpack.Encoder().encode
decode = lru_cache(1024)(msgspec.msgpack.Decoder(Lifecycle).decode)


class Action(IntEnum):
    """What is done; of several that are due the first: S3 deletes rather than moves, and moves rather than marks."""

    REMOVE = 0  # a noncurrent version, or a delete marker that hides nothing, for good
    MOVE = 1  # to another storage class
    EXPIRE = 2  # a current object: what a plain DELETE does


class Due(NamedTuple):
    """Something to be done at a time."""

    at_ms: int
    action: Action
    storage_class: str = ""


class Subject(NamedTuple):
    """A version as rules look at it. ``newer``: of its noncurrent successors, counted as far as `depth`."""

    version: Version
    newer: int = 0
    alone: bool = False  # no other version of the key is left


def depth(lifecycle: Lifecycle) -> int:
    """How many noncurrent versions at most any rule keeps: so far newer ones have to be counted."""
    return max(
        (max((rule.noncurrent_newer, *(move.newer for move in rule.noncurrent_moves))) for rule in lifecycle.rules), default=0
    )


def dues(lifecycle: Lifecycle, subject: Subject, day_ms: int = DAY_MS) -> Iterator[Due]:
    """All that will become of a version as it is now."""
    version = subject.version
    for rule in lifecycle.rules:
        if rule.enabled and _means(rule.scope, version.key, version.size, version.details.tags):
            if version.noncurrent_ms is not None:
                yield from _noncurrent(rule, lifecycle.minimum, subject, version.noncurrent_ms, day_ms)
            elif version.marker:
                yield from _marker(rule, subject, day_ms)
            else:
                yield from _current(rule, lifecycle.minimum, version, day_ms)


def choose(found: Iterable[Due], now_ms: int = 0) -> Due | None:
    """What to do now; if nothing is due yet, what will be first."""
    listed = list(found)
    ripe = [due for due in listed if due.at_ms <= now_ms]
    if ripe:
        return min(ripe, key=lambda due: (due.action, -_COLDNESS.get(due.storage_class, 0)))
    return min(listed, default=None)


def expiry(lifecycle: Lifecycle, version: Version) -> tuple[int, str] | None:
    """When a current object expires, and by which rule: in calendar days, as ``x-amz-expiration`` says it."""
    found = [
        (due.at_ms, rule.id)
        for rule in lifecycle.rules
        if rule.enabled and _means(rule.scope, version.key, version.size, version.details.tags)
        for due in _expiry(rule, version, DAY_MS)
    ]
    return min(found, key=lambda one: one[0], default=None)


def abort(lifecycle: Lifecycle, key: bytes, created_ms: int, day_ms: int = DAY_MS) -> tuple[int, str] | None:
    """When an upload that is still open is aborted, and by which rule."""
    found = [
        (_after(created_ms, rule.abort_days, day_ms), rule.id)
        for rule in lifecycle.rules
        if rule.enabled and rule.abort_days is not None and key.startswith(rule.scope.prefix)
    ]
    return min(found, key=lambda one: one[0], default=None)


# ---------------------------------------------------------------------------------------------------------------- details


def _means(scope: Scope, key: bytes, size: int, tags: tuple[tuple[str, str], ...]) -> bool:
    return (
        key.startswith(scope.prefix)
        and (scope.larger is None or size > scope.larger)
        and (scope.smaller is None or size < scope.smaller)
        and (not scope.tags or set(scope.tags) <= set(tags))
    )


def _after(start_ms: int, days: int, day_ms: int) -> int:
    at_ms = start_ms + days * day_ms
    return -(-at_ms // DAY_MS) * DAY_MS if day_ms == DAY_MS else at_ms


def _expiry(rule: Rule, version: Version, day_ms: int) -> Iterator[Due]:
    if rule.expire_days is not None:
        yield Due(_after(version.modified_ms, rule.expire_days, day_ms), Action.EXPIRE)
    if rule.expire_date_ms is not None:
        yield Due(rule.expire_date_ms, Action.EXPIRE)


def _current(rule: Rule, minimum: str, version: Version, day_ms: int) -> Iterator[Due]:
    yield from _expiry(rule, version, day_ms)
    yield from _moves(rule.moves, rule.scope, minimum, version, version.modified_ms, day_ms)


def _marker(rule: Rule, subject: Subject, day_ms: int) -> Iterator[Due]:
    """A marker that hides nothing goes at once, or with the age that expires objects."""
    if subject.alone:
        if rule.expire_markers:
            yield Due(subject.version.modified_ms, Action.REMOVE)
        for due in _expiry(rule, subject.version, day_ms):
            yield Due(due.at_ms, Action.REMOVE)


def _noncurrent(rule: Rule, minimum: str, subject: Subject, since_ms: int, day_ms: int) -> Iterator[Due]:
    version = subject.version
    free_ms = lock.free_ms(version.details.extra)
    if rule.noncurrent_days is not None and subject.newer >= rule.noncurrent_newer and free_ms is not None:
        yield Due(max(_after(since_ms, rule.noncurrent_days, day_ms), free_ms), Action.REMOVE)
    if not version.marker:
        moves = (move for move in rule.noncurrent_moves if subject.newer >= move.newer)
        yield from _moves(moves, rule.scope, minimum, version, since_ms, day_ms)


def _moves(moves: Iterable[Move], scope: Scope, minimum: str, version: Version, since_ms: int, day_ms: int) -> Iterator[Due]:
    names_size = scope.larger is not None or scope.smaller is not None
    for move in moves:
        small = version.size < SMALL_BYTES and not names_size and not (minimum == BY_CLASS and move.storage_class in _SMALL_TOO)
        if small or _COLDNESS.get(version.storage_class, 0) >= _COLDNESS[move.storage_class]:
            continue
        at_ms = move.date_ms if move.days is None else _after(since_ms, move.days, day_ms)
        yield Due(at_ms or 0, Action.MOVE, move.storage_class)

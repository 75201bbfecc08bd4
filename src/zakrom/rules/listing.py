"""How keys become a page: prefixes, delimiters, markers, limits.

Keys come in byte order. A key that has the delimiter beyond the prefix is rolled up into a *common prefix*, which counts as one
entry; the catalog is then asked to go on from the end of that prefix, so that what is hidden is never walked. A page knows that
it is truncated when it has seen one entry more than it may hold.

Source: AWS API reference, ListObjectsV2, ListObjectVersions, ListMultipartUploads.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, Protocol, TypeVar

BATCH_MIN = 8  # rows asked for just after a common prefix: most of a large batch would be hidden below it again
BATCH_GROWTH = 4


class Keyed(Protocol):
    """What can be listed."""

    @property
    def key(self) -> bytes:
        """The key that orders it."""
        ...


Row = TypeVar("Row", bound=Keyed)


class Seek(NamedTuple):
    """Where to read on: from ``key`` (``inclusive``) or beyond it, at most ``limit`` rows."""

    key: bytes
    inclusive: bool
    limit: int


def end_of(prefix: bytes) -> bytes:
    """The least byte string above all that begin with ``prefix``. UTF-8 has no byte 0xFF, so the last byte can always grow."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def common_prefix(key: bytes, prefix: bytes, delimiter: bytes) -> bytes | None:
    """The common prefix into which the key is rolled up, or None."""
    if not delimiter:
        return None
    at = key.find(delimiter, len(prefix))
    return None if at < 0 else key[: at + len(delimiter)]


def start(prefix: bytes, delimiter: bytes, marker: bytes, limit: int) -> Seek:
    """Where a page begins whose predecessor ended with ``marker``: a key, or a common prefix that was shown already."""
    if marker and marker.startswith(prefix):
        rolled = common_prefix(marker, prefix, delimiter)
        if rolled is not None:
            return Seek(end_of(rolled), True, limit + 1)
    return Seek(marker, False, limit + 1) if marker else Seek(prefix, True, limit + 1)


class Page(Generic[Row]):
    """A page being filled. ``entries`` holds rows, and common prefixes as bytes, in order."""

    def __init__(self, prefix: bytes, delimiter: bytes, limit: int) -> None:
        self.entries: list[Row | bytes] = []
        self.truncated = False
        self._prefix = prefix
        self._delimiter = delimiter
        self._limit = limit
        self._batch = limit + 1

    def feed(self, rows: list[Row], asked: int) -> Seek | None:
        """Takes the rows that a `Seek` of limit ``asked`` gave; returns the next one, or None when the page is done."""
        if not self._delimiter:
            self._take(rows)
        elif not self._fold(rows):
            return None
        if self.truncated or len(rows) < asked:
            return None
        last = rows[-1].key
        entry = self.entries[-1]
        if isinstance(entry, bytes) and last.startswith(entry):
            self._batch = BATCH_MIN
            return Seek(end_of(entry), True, self._batch)
        self._batch = min(self._batch * BATCH_GROWTH, self._limit + 1)
        return Seek(last, False, self._batch)

    def _take(self, rows: list[Row]) -> None:
        room = self._limit - len(self.entries)
        self.entries.extend(rows[:room])
        self.truncated = len(rows) > room

    def _fold(self, rows: list[Row]) -> bool:
        """Whether the page may still grow."""
        entries, prefix, delimiter = self.entries, self._prefix, self._delimiter
        hidden = entries[-1] if entries and isinstance(entries[-1], bytes) else None
        for row in rows:
            key = row.key
            if hidden is not None and key.startswith(hidden):
                continue
            if len(entries) >= self._limit:
                self.truncated = True
                return False
            hidden = common_prefix(key, prefix, delimiter)
            entries.append(row if hidden is None else hidden)
        return True

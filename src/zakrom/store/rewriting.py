"""Stored bytes on their way in again: what a copy does whose target is to be encrypted otherwise than its source.

Where both lie under the same key a copy shares the bytes and moves none (`objects.put_copy`, `uploads.copy_part`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple, Protocol, TypeVar

from zakrom import errors
from zakrom.catalog.interface import Found
from zakrom.rules.ranges import Span
from zakrom.store.core import Store
from zakrom.store.reading import Gone, Reading, open_bytes
from zakrom.store.receive import Digest, Payload, Piece

T = TypeVar("T")


class Hashes(Protocol):
    """Digests of bytes that are copied, not received."""

    def update(self, data: bytes | memoryview) -> None: ...

    def finish(self) -> Digest: ...


class Source(NamedTuple):
    """Bytes of a version, and the key that opens them if it is the customer's own."""

    found: Found
    span: Span
    customer: bytes | None = None


async def rewritten(store: Store, source: Source, hashes: Hashes, take: Callable[[Payload], Awaitable[T]]) -> T:
    """What ``take`` makes of a source as a payload. Raises `Stale` if the source has gone; look again."""
    try:
        data = await open_bytes(store, source.found, source.span, source.customer)
        if not isinstance(data, Reading):
            return await take(_Stored(source.span.length, _one(data), hashes))
        try:
            return await take(_Stored(source.span.length, data.pieces(), hashes))
        finally:
            data.close()
    except Gone:
        raise errors.Stale from None


async def _one(data: bytes) -> AsyncIterator[bytes | memoryview]:
    yield data


class _Stored:
    """A `Payload` of stored bytes: nobody has promised anything about them."""

    def __init__(self, length: int, pieces: AsyncIterator[bytes | memoryview], hashes: Hashes) -> None:
        self.length: int | None = length
        self._pieces = pieces
        self._hashes = hashes

    async def read(self) -> list[Piece]:
        """The next piece, none at the end."""
        piece = await anext(self._pieces, None)
        return [] if piece is None else [piece]

    def update(self, data: Piece) -> None:
        """Takes the bytes into the digests."""
        self._hashes.update(data)

    def finish(self) -> Digest:
        """What they are called."""
        return self._hashes.finish()

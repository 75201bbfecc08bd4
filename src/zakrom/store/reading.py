"""Bytes go out: every block verified against the checksum beside its pointer before a byte of it is sent.

The files of an object are open before the first byte leaves (up to `OPEN_FILES_MAX`), so that a delete in between does not hurt
a reader. While one piece is being sent, a thread reads and verifies the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

from zakrom import errors
from zakrom.blobs.blocks import blocks
from zakrom.blobs.interface import Reader
from zakrom.catalog.interface import Found
from zakrom.crypt.sealed import Opener
from zakrom.model.facts import BLOCK_BYTES, SEALED_BLOCK_BYTES, BlobFacts, Manifest, Slice, Version, VersionId
from zakrom.rules import ranges
from zakrom.rules.ranges import Span
from zakrom.store import sealing
from zakrom.store.core import Store
from zakrom.store.sealing import opener_of

OPEN_FILES_MAX = 64
"""Files that one answer opens before it begins; of an object of more slices the others are opened as it gets there."""


class Gone(Exception):
    """A blob was dropped between the look-up and the opening: the version is not current any more; look again."""


class _Piece(NamedTuple):
    """Bytes of a slice that are read in one go."""

    slice: Slice
    offset: int
    length: int


async def open_bytes(store: Store, found: Found, span: Span, customer: bytes | None = None) -> bytes | Reading:
    """The bytes of ``span``: at once where they ride in the catalog, else as a `Reading` with its files open.

    ``customer``: the key of what is sealed under its customer's own. Raises `DataCorrupt`, `Gone`, and as `sealing.opener_of`.
    """
    blob = found.blob
    if span.length == 0:
        return b""
    try:
        if blob is None or blob.data is None:
            return await _open_reading(store, found, span, customer)
        return _inline(blob, span) if blob.seal is None else _opened(blob, await opener_of(store, blob, customer), span)
    except errors.DataCorrupt as damage:
        store.on_damage(damage)
        raise


async def _open_reading(store: Store, found: Found, span: Span, customer: bytes | None) -> Reading:
    version, blob = found
    slices = await _slices(store, version, blob)
    reading = Reading(store, version, ranges.cut(slices, span), span, blob, customer)
    await reading.open()
    if not (store.options.sendfile and reading.whole_file()):
        await reading.begin()
    return reading


async def _slices(store: Store, version: Version, blob: BlobFacts | None) -> tuple[Slice, ...]:
    if blob is not None:
        return (Slice(blob.id, 0, blob.size),)
    manifest = await manifest_of(store, version)
    if manifest is None:
        raise Gone
    return manifest.slices


async def manifest_of(store: Store, version: Version) -> Manifest | None:
    """The manifest of an object of several slices, or None."""
    return None if version.manifest is None else await store.catalog.manifest(version.manifest)


def _inline(blob: BlobFacts, span: Span) -> bytes:
    data = _sound(blob)
    return data if span.length == len(data) else data[span.start : span.end]


def _sound(blob: BlobFacts) -> bytes:
    """The bytes that ride in the catalog. Raises `DataCorrupt` if they are not what was written."""
    data = blob.data
    assert data is not None
    if blocks(data) != blob.blocks:  # small enough to ride there is small enough for one block
        raise errors.DataCorrupt(blob=blob.id, block=0)
    return data


def _opened(blob: BlobFacts, opener: Opener | None, span: Span) -> bytes:
    """Bytes that ride in the catalog, sealed or not."""
    return _inline(blob, span) if opener is None else sealing.inline(blob, opener, _sound(blob), span)


class Reading:
    """The verified bytes of some slices, as an asynchronous iterator of pieces. `close` must follow, read to the end or not."""

    def __init__(
        self,
        store: Store,
        version: Version,
        slices: tuple[Slice, ...],
        span: Span,
        blob: BlobFacts | None,
        customer: bytes | None = None,
    ) -> None:
        self.span = span
        self._customer = customer
        self._openers: dict[int, Opener | None] = {}
        self._store = store
        self._version = version
        self._slices = slices
        self._facts: dict[int, BlobFacts] = {} if blob is None else {blob.id: blob}
        self._readers: dict[int, Reader] = {}
        self._steps = self._plan()
        self._first: bytes | memoryview | None = None
        self._ahead: asyncio.Task[bytes | memoryview] | None = None
        self._closed = False
        store.transfers += 1

    async def open(self) -> None:
        """Opens the files. Raises `Gone`, `DataCorrupt`."""
        try:
            for one in self._slices[:OPEN_FILES_MAX]:
                await self._reader(one)
        except BaseException:
            self.close()
            raise

    def whole_file(self) -> tuple[int, int, int] | None:
        """(file descriptor, offset, length) if all bytes lie in one open file: what sendfile needs."""
        if len(self._slices) != 1 or self._slices[0].blob not in self._readers:
            return None
        one = self._slices[0]
        if self._facts[one.blob].seal is not None:
            return None
        return self._readers[one.blob].fileno(), one.offset, one.length

    async def begin(self) -> None:
        """Reads the first piece: damage there is an error in time, before the status line. Raises `Gone`, `DataCorrupt`."""
        try:
            piece = next(self._steps, None)
            self._first = None if piece is None else await self._read(piece)
        except BaseException:
            self.close()
            raise

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        """The bytes in order. Raises `DataCorrupt` before a wrong byte is given."""
        data, self._first = self._first, None
        for piece in self._steps:
            crowded = self._store.is_crowded()
            if crowded and data is not None:  # nothing is read ahead of so many
                yield data
            self._ahead = asyncio.ensure_future(self._read(piece))
            if not crowded and data is not None:
                yield data
            data, self._ahead = await self._ahead, None
        if data is not None:
            yield data

    def close(self) -> None:
        """Closes the files, after the read that may be under way."""
        if self._closed:
            return
        self._closed = True
        self._store.transfers -= 1
        if self._ahead is None:
            self._close_files()
        else:  # a thread may be reading from the file this very moment
            self._ahead.add_done_callback(self._forget)

    def _forget(self, ahead: asyncio.Task[bytes | memoryview]) -> None:
        if not ahead.cancelled():
            ahead.exception()  # taken note of: nobody waits for it any more
        self._close_files()

    def _close_files(self) -> None:
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    async def _reader(self, one: Slice) -> Reader | None:
        """The open file of a slice; None if its blob rides in the catalog (its facts then hold the bytes)."""
        reader = self._readers.get(one.blob)
        if reader is not None:
            return reader
        facts = self._facts.get(one.blob) or await self._store.catalog.blob(one.blob)
        if facts is None:
            raise Gone
        if one.blob not in self._openers:
            self._openers[one.blob] = await opener_of(self._store, facts, self._customer)
        self._facts[one.blob] = facts
        if facts.data is not None:
            return None
        while len(self._readers) >= OPEN_FILES_MAX:  # the first opened is the one furthest behind
            self._readers.pop(next(iter(self._readers))).close()
        try:
            reader = self._readers[one.blob] = self._store.blobs.open(one.blob, facts.length)
        except FileNotFoundError:
            if not await self._still_named():
                raise Gone from None
            raise errors.DataCorrupt(blob=one.blob, reason="the file is missing") from None
        return reader

    async def _still_named(self) -> bool:
        """Whether the version that is read is still there: then a file that is gone is damage, not a delete."""
        version = self._version
        found = await self._store.catalog.find(version.bucket, version.key, VersionId(version.seq, version.nonce))
        return found is not None and found.version.seq == version.seq

    def _plan(self) -> Iterator[_Piece]:
        """The slices in pieces that end on block boundaries, each as large as is right when its turn comes."""
        sealed = self._openers.get(self._slices[0].blob) is not None  # then all are
        block_bytes = SEALED_BLOCK_BYTES if sealed else BLOCK_BYTES
        for one in self._slices:
            position, end = one.offset, one.offset + one.length
            while position < end:
                step = self._store.step_bytes() // BLOCK_BYTES * block_bytes
                stop = min(end, (position // step + 1) * step)
                yield _Piece(one, position, stop - position)
                position = stop

    async def _read(self, piece: _Piece) -> bytes | memoryview:
        try:
            return await self._read_verified(piece)
        except errors.DataCorrupt as damage:
            self._store.on_damage(damage)
            raise

    async def _read_verified(self, piece: _Piece) -> bytes | memoryview:
        one = piece.slice
        reader = await self._reader(one)
        facts = self._facts[one.blob]
        opener = self._openers[one.blob]
        if reader is None:
            return _opened(facts, opener, Span(piece.offset, piece.offset + piece.length))
        if opener is not None:
            span = Span(piece.offset, piece.offset + piece.length)
            return await self._store.in_thread(sealing.read, reader, facts, opener, span)
        first = piece.offset // BLOCK_BYTES
        last = (piece.offset + piece.length - 1) // BLOCK_BYTES
        covered = facts.blocks[first * 4 : (last + 1) * 4]
        return await self._store.in_thread(reader.read, piece.offset, piece.length, covered, first)

"""Bytes come in: small ones stay in memory and ride in the change, larger ones are staged as a blob.

Network, hashing and writing overlap: while a batch is hashed and written by two threads, the next one is received. Memory is
bounded by three batches an upload.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from zakrom import errors
from zakrom.blobs.blocks import blocks
from zakrom.blobs.interface import Stage
from zakrom.catalog.changes import Content, Inline, Nothing, Staged
from zakrom.crypt import seals
from zakrom.crypt.sealed import Sealer
from zakrom.crypt.seals import Cover
from zakrom.model.facts import Checksum, sealed_bytes
from zakrom.store import space
from zakrom.store.core import INLINE_BYTES_MAX, STEP_BYTES, Store
from zakrom.store.sealing import SealedStage, keys_of

Piece = bytes | memoryview
"""Bytes as they came: they are hashed and written where they lie, never copied together."""


T = TypeVar("T")


class Digest(NamedTuple):
    """What the bytes are called: the ETag (without quotes) and the checksum to show."""

    etag: str
    checksum: Checksum | None


class Payload(Protocol):
    """Bytes on their way in, with the promises their sender made about them."""

    length: int | None
    """How many bytes will come, if the sender said so."""

    async def read(self) -> list[Piece]:
        """The next pieces, none at the end. Raises what is wrong with the framing."""
        ...

    def update(self, data: Piece) -> None:
        """Takes the bytes into all digests; called in order, from one thread at a time."""
        ...

    def finish(self) -> Digest:
        """Compares all promises with the bytes, once all are taken. Raises `BadDigest` and its kin."""
        ...


class Received(NamedTuple):
    """What came in."""

    content: Content
    size: int
    digest: Digest


async def receive(store: Store, payload: Payload, now_ms: int, cover: Cover | None = None) -> Received:
    """All bytes of a payload, durable (or in memory, to become durable with the change), sealed if there is a ``cover``.

    On any error nothing stays. Raises `InsufficientStorage`, which is noted, and what the payload and `seals.begin` raise.
    """
    if cover is not None:
        return await _receive_sealed(store, payload, now_ms, cover)
    head = _Batch()
    if payload.length is None or payload.length < STEP_BYTES:
        await _gather(payload, INLINE_BYTES_MAX + 1, head)
        if head.size <= INLINE_BYTES_MAX:
            return _inline(payload, head)
    try:
        # Where much is to come, the room is set aside before the first read, which is when the sender is told to go on.
        stage = await store.in_thread(store.blobs.stage, payload.length)
        return await _staged(store, payload, stage, head)
    except errors.InsufficientStorage:
        await space.enter_full(store, now_ms)
        raise


def _inline(payload: Payload, batch: _Batch) -> Received:
    data = batch.pieces[0] if len(batch.pieces) == 1 else b"".join(batch.pieces)
    payload.update(data)
    content = Inline(bytes(data), blocks(data)) if data else Nothing()
    return Received(content, batch.size, payload.finish())


async def _receive_sealed(store: Store, payload: Payload, now_ms: int, cover: Cover) -> Received:
    """As `receive`."""
    sealer, seal = await seals.begin(keys_of(store), cover)
    head = _Batch()
    if payload.length is None or payload.length < STEP_BYTES:
        await _gather(payload, INLINE_BYTES_MAX + 1, head)
        if head.size <= INLINE_BYTES_MAX:
            return _inline_sealed(payload, b"".join(head.pieces), sealer, seal)
    try:
        hint = None if payload.length is None else sealed_bytes(payload.length)
        stage = SealedStage(await store.in_thread(store.blobs.stage, hint), sealer)
        received = await _staged(store, payload, stage, head)
    except errors.InsufficientStorage:
        await space.enter_full(store, now_ms)
        raise
    assert isinstance(received.content, Staged)
    return received._replace(content=msgspec.structs.replace(received.content, seal=seal))


def _inline_sealed(payload: Payload, data: bytes, sealer: Sealer, seal: bytes) -> Received:
    payload.update(data)
    sealed = b"".join(sealer.update(data)) + sealer.finish()
    content = Inline(sealed, blocks(sealed), seal) if data else Nothing()
    return Received(content, len(data), payload.finish())


async def settle(store: Store, content: Content, now_ms: int, applying: Awaitable[T]) -> T:
    """The result of a change that brings received content in.

    If it is refused, a staged blob is discarded; one whose change may have been written stays for the sweep. The writer
    has died meanwhile if it calls content `Stale` that nobody else can know; another try will do: `ServiceUnavailable`.
    That the disk was full is noted.
    """
    try:
        return await applying
    except errors.Error as refusal:
        if isinstance(content, Staged) and not isinstance(refusal, errors.Unavailable):
            await store.in_thread(store.blobs.drop, [content.blob])
        if isinstance(refusal, errors.InsufficientStorage):
            await space.enter_full(store, now_ms)
        if isinstance(refusal, errors.Stale):
            raise errors.ServiceUnavailable from refusal
        raise


class _Batch:
    """Pieces that are hashed and written in one go."""

    __slots__ = ("pieces", "size")

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.size = 0


async def _gather(payload: Payload, size: int, batch: _Batch) -> _Batch:
    """The batch with what follows, until it has ``size`` bytes or the end has come."""
    while batch.size < size:
        pieces = await payload.read()
        if not pieces:
            break
        batch.pieces += pieces
        batch.size += sum(map(len, pieces))
    return batch


async def _staged(store: Store, payload: Payload, stage: Stage, batch: _Batch) -> Received:
    size = 0
    running: asyncio.Future[tuple[None, None]] | None = None
    store.transfers += 1
    try:
        step = store.step_bytes()
        await _gather(payload, step, batch)
        if batch.size < step:
            return await store.in_thread(_at_once, payload, stage, batch)
        while batch.size:
            size += batch.size
            if running is not None:
                await running
            running = asyncio.gather(store.in_thread(_hash, payload, batch), store.in_thread(_write, stage, batch))
            batch = await _gather(payload, store.step_bytes(), _Batch())
        if running is not None:
            await running
        digest = payload.finish()
        facts = await store.in_thread(stage.commit)
    except BaseException:
        if running is not None:  # never discard under a thread that still writes
            await asyncio.wait([running])
        await store.in_thread(stage.discard)
        raise
    finally:
        store.transfers -= 1
    return Received(Staged(facts.id, facts.length, facts.blocks), size, digest)


def _hash(payload: Payload, batch: _Batch) -> None:
    for piece in batch.pieces:
        payload.update(piece)


def _write(stage: Stage, batch: _Batch) -> None:
    for piece in batch.pieces:
        stage.write(piece)


def _at_once(payload: Payload, stage: Stage, batch: _Batch) -> Received:
    _hash(payload, batch)
    digest = payload.finish()
    _write(stage, batch)
    facts = stage.commit()
    return Received(Staged(facts.id, facts.length, facts.blocks), batch.size, digest)

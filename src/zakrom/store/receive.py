"""Bytes come in: small ones stay in memory and ride in the change, larger ones are staged as a blob.

Network, hashing and writing overlap: while a batch is hashed and written by two threads, the next one is received. Memory is
bounded by three batches an upload.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol

from zakrom import errors
from zakrom.blobs.blocks import blocks
from zakrom.blobs.interface import Stage
from zakrom.catalog.changes import Content, Inline, Nothing, Staged
from zakrom.model.facts import Checksum
from zakrom.store.core import INLINE_BYTES_MAX, Store

BATCH_BYTES = 1024 * 1024
"""Handed to the threads at once: a hop to a thread costs about 50 µs, hashing 1 MiB about 1.3 ms."""


class Digest(NamedTuple):
    """What the bytes are called: the ETag (without quotes) and the checksum to show."""

    etag: str
    checksum: Checksum | None


class Payload(Protocol):
    """Bytes on their way in, with the promises their sender made about them."""

    length: int | None
    """How many bytes will come, if the sender said so."""

    async def read(self) -> bytes:
        """The next piece, b"" at the end. Raises what is wrong with the framing."""
        ...

    def update(self, data: bytes) -> None:
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


async def receive(store: Store, payload: Payload) -> Received:
    """All bytes of a payload, durable (or in memory, to become durable with the change). On any error nothing stays.

    Raises `InsufficientStorage` and whatever the payload raises.
    """
    if payload.length is not None and payload.length >= BATCH_BYTES:
        # The room is set aside before the first read, which is when the sender is told to go on.
        stage = await store.in_thread(store.blobs.stage, payload.length)
        return await _staged(store, payload, stage, b"")
    head = await _gather(payload, INLINE_BYTES_MAX + 1)
    if len(head) <= INLINE_BYTES_MAX:
        payload.update(head)
        content = Inline(head, blocks(head)) if head else Nothing()
        return Received(content, len(head), payload.finish())
    stage = await store.in_thread(store.blobs.stage, payload.length)
    return await _staged(store, payload, stage, head)


async def forsake(store: Store, content: Content, reason: BaseException) -> None:
    """Discards a staged blob whose change was refused; one whose change may have been written stays (the sweep knows)."""
    if isinstance(content, Staged) and isinstance(reason, errors.Error) and not isinstance(reason, errors.Unavailable):
        await store.in_thread(store.blobs.drop, [content.blob])


async def _gather(payload: Payload, size: int, head: bytes = b"") -> bytes:
    """``head`` and what follows, until there are ``size`` bytes or the end."""
    have = len(head)
    pieces = [head] if head else []
    while have < size:
        piece = await payload.read()
        if not piece:
            break
        pieces.append(piece)
        have += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _staged(store: Store, payload: Payload, stage: Stage, head: bytes) -> Received:
    size = 0
    running: asyncio.Future[tuple[None, None]] | None = None
    try:
        batch = await _gather(payload, BATCH_BYTES, head)
        if len(batch) < BATCH_BYTES:
            return await store.in_thread(_at_once, payload, stage, batch)
        while batch:
            size += len(batch)
            if running is not None:
                await running
            running = asyncio.gather(store.in_thread(payload.update, batch), store.in_thread(stage.write, batch))
            batch = await _gather(payload, BATCH_BYTES)
        if running is not None:
            await running
        digest = payload.finish()
        facts = await store.in_thread(stage.commit)
    except BaseException:
        if running is not None:  # never discard under a thread that still writes
            await asyncio.wait([running])
        await store.in_thread(stage.discard)
        raise
    return Received(Staged(facts.id, facts.length, facts.blocks), size, digest)


def _at_once(payload: Payload, stage: Stage, batch: bytes) -> Received:
    payload.update(batch)
    digest = payload.finish()
    stage.write(batch)
    facts = stage.commit()
    return Received(Staged(facts.id, facts.length, facts.blocks), len(batch), digest)

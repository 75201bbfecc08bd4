"""Content is sealed on its way in and opened on its way out: the one place where stored bytes and keys meet.

A sealed blob holds the same content as a plain one: sizes, slices and ranges count the content's bytes; only here and in the
catalog's row of the blob is it known that a file is a little longer.
"""

from __future__ import annotations

from zakrom import errors
from zakrom.blobs.interface import Reader, Stage
from zakrom.catalog.interface import Catalog
from zakrom.crypt import seals
from zakrom.crypt.interface import Keys
from zakrom.crypt.sealed import Broken, Opener, Sealer
from zakrom.model.facts import BLOCK_BYTES, SEALED_BLOCK_BYTES, BlobFacts
from zakrom.rules.ranges import Span
from zakrom.store.core import Store

SEALS_PAGE = 500
"""Seals read at once: some 60 KB."""


class SealedStage:
    """A `Stage` that seals what is written into another."""

    def __init__(self, stage: Stage, sealer: Sealer) -> None:
        self.id = stage.id
        self._stage = stage
        self._sealer = sealer

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See `Stage`."""
        for block in self._sealer.update(data):
            self._stage.write(block)

    def commit(self) -> BlobFacts:
        """See `Stage`. The facts are of the sealed bytes."""
        last = self._sealer.finish()
        if last:
            self._stage.write(last)
        return self._stage.commit()

    def discard(self) -> None:
        """See `Stage`."""
        self._stage.discard()


def keys_of(store: Store) -> Keys:
    """Who keeps the keys. Raises `NotServed` where nobody does."""
    if store.keys is None:
        raise errors.NotServed("This server keeps no keys.")
    return store.keys


async def opener_of(store: Store, facts: BlobFacts, customer: bytes | None) -> Opener | None:
    """What opens a blob; None if it lies plain. Raises as `crypt.seals.opener`."""
    if facts.seal is None:
        return None
    return await seals.opener(keys_of(store), facts.seal, facts.length, customer)


def inline(facts: BlobFacts, opener: Opener, data: bytes, span: Span) -> bytes:
    """The bytes of ``span`` of a blob that rides in the catalog. Raises `DataCorrupt`."""
    try:
        return bytes(memoryview(opener.open(data, 0))[span.start : span.end])
    except Broken as broken:
        raise _damage(facts, broken) from None


def read(reader: Reader, facts: BlobFacts, opener: Opener, span: Span) -> memoryview:
    """The bytes of ``span`` of a blob's content: the blocks around them verified and opened. Blocking. Raises `DataCorrupt`.

    A block at a time, so that it is verified and opened while it is in the processor's cache, and little memory is taken: with
    1 MiB at once the allocator gave it back and took it again each time, at 0.5 GiB/s in place of 2.
    """
    first, last = span.start // SEALED_BLOCK_BYTES, (span.end - 1) // SEALED_BLOCK_BYTES
    start = first * SEALED_BLOCK_BYTES
    room = memoryview(bytearray(min(facts.size, (last + 1) * SEALED_BLOCK_BYTES) - start))
    for index in range(first, last + 1):
        offset = index * BLOCK_BYTES
        length = min(BLOCK_BYTES, facts.length - offset)
        block = reader.read(offset, length, facts.blocks[index * 4 : index * 4 + 4], index)
        at = index * SEALED_BLOCK_BYTES - start
        try:
            opener.open_into(room[at : at + SEALED_BLOCK_BYTES], block, index)
        except Broken as broken:
            raise _damage(facts, broken) from None
    return room[span.start - start : span.end - start]


def _damage(facts: BlobFacts, broken: Broken) -> errors.DataCorrupt:
    return errors.DataCorrupt(blob=facts.id, block=broken.block, reason="the sealed bytes do not open")


async def is_in_use(catalog: Catalog) -> bool:
    """Whether anything is sealed with a key of a ring: a look at all, if all are sealed with customers' keys."""
    after = 0
    while page := await catalog.sealed(after, SEALS_PAGE):
        if any(seals.parse(packed).key for _, packed in page):
            return True
        after = page[-1][0]
    return False

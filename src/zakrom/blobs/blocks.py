"""The checksum of bytes at rest: one CRC32C for each block of `BLOCK_BYTES`.

The checksums stand with the pointer, in the catalog, and never beside the bytes: a file that is rotten, swapped with another
or cut short cannot vouch for itself. A block is the unit of verification: who reads one byte reads and checks the block
around it.

awscrt's CRC32C was measured at 7.5 GB/s beside other work (`tests/facts/blob_figures.py`), and it lets other threads have the
interpreter meanwhile.
"""

from __future__ import annotations

from awscrt.checksums import crc32c

from zakrom.model.facts import BLOCK_BYTES

CHECKSUM_BYTES = 4
"""A CRC32C, big-endian, as S3 writes checksums. On-disk format."""


def block_count(length: int) -> int:
    """How many blocks ``length`` bytes fill; the last may be short."""
    return -(-length // BLOCK_BYTES)


def blocks(data: bytes | bytearray | memoryview) -> bytes:
    """The checksums of all blocks of ``data``, in order."""
    if 0 < len(data) <= BLOCK_BYTES:
        only: bytes = crc32c(data).to_bytes(CHECKSUM_BYTES, "big")
        return only
    hasher = BlockHasher()
    hasher.update(data)
    return hasher.finish()


def first_damage(data: memoryview, checksums: bytes) -> int | None:
    """The index of the first block of ``data`` that does not have its checksum, None if all have.

    ``data`` starts at a block's start, ``checksums`` at the same block; there must be one for each block.
    """
    for index, offset in enumerate(range(0, len(data), BLOCK_BYTES)):
        expected = checksums[index * CHECKSUM_BYTES : (index + 1) * CHECKSUM_BYTES]
        if crc32c(data[offset : offset + BLOCK_BYTES]).to_bytes(CHECKSUM_BYTES, "big") != expected:
            return index
    return None


class BlockHasher:
    """Checksums of a stream, however it is cut into pieces. Nothing is copied."""

    __slots__ = ("_crc", "_done", "_filled")

    def __init__(self) -> None:
        self._done = bytearray()
        self._crc = 0
        self._filled = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Takes the next bytes."""
        view = memoryview(data).cast("B")
        offset = 0
        while offset < len(view):
            piece = view[offset : offset + BLOCK_BYTES - self._filled]
            self._crc = crc32c(piece, self._crc)
            self._filled += len(piece)
            offset += len(piece)
            if self._filled == BLOCK_BYTES:
                self._close_block()

    def finish(self) -> bytes:
        """The checksums of all that was given; only once."""
        if self._filled:
            self._close_block()
        return bytes(self._done)

    def _close_block(self) -> None:
        self._done += self._crc.to_bytes(CHECKSUM_BYTES, "big")
        self._crc = 0
        self._filled = 0

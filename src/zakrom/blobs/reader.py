"""An open blob: no byte leaves it unverified, unless by its descriptor."""

from __future__ import annotations

import errno
from typing import Final

from zakrom import errors
from zakrom.blobs.blocks import CHECKSUM_BYTES, block_count, first_damage
from zakrom.blobs.disk import Disk
from zakrom.model.facts import BLOCK_BYTES

UNREADABLE: Final = frozenset({errno.EIO, errno.EILSEQ, getattr(errno, "EUCLEAN", errno.EIO)})
"""What a file system answers when the medium, or its own checksum, says that the bytes are lost."""


class LocalReader:
    """A `Reader`: an open file."""

    __slots__ = ("_blob", "_disk", "_handle", "_length")

    def __init__(self, disk: Disk, blob: int, length: int, handle: int) -> None:
        self._disk = disk
        self._blob = blob
        self._length = length
        self._handle: int | None = handle

    def read(self, offset: int, length: int, blocks: bytes, first_block: int) -> bytes | memoryview:
        """Verified bytes. A range outside the blob, or checksums that do not cover it, are ValueError."""
        if offset < 0 or length < 0 or offset + length > self._length:
            raise ValueError(f"range {offset}+{length} of a blob of {self._length} bytes")
        if length == 0:
            return b""
        first = offset // BLOCK_BYTES
        start = first * BLOCK_BYTES
        end = min(self._length, block_count(offset + length) * BLOCK_BYTES)
        checksums = _checksums_of(blocks, first - first_block, block_count(end - start))
        data = self._pread(start, end - start)
        damaged = first_damage(memoryview(data), checksums)
        if damaged is not None:
            raise errors.DataCorrupt(blob=self._blob, block=first + damaged)
        return data if len(data) == length else memoryview(data)[offset - start : offset - start + length]

    def fileno(self) -> int:
        """For sendfile, unverified; valid until `close`."""
        return self._disk.fileno(self._open_handle())

    def close(self) -> None:
        """May be called again."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            self._disk.close(handle)

    def _open_handle(self) -> int:
        if self._handle is None:
            raise ValueError("the reader is closed")
        return self._handle

    def _pread(self, offset: int, length: int) -> bytes:
        handle = self._open_handle()
        try:
            data = self._disk.pread(handle, length, offset)
            while len(data) < length:
                more = self._disk.pread(handle, length - len(data), offset + len(data))
                if not more:
                    raise errors.DataCorrupt(blob=self._blob, block=(offset + len(data)) // BLOCK_BYTES)
                data += more
        except OSError as error:
            if error.errno in UNREADABLE:
                raise errors.DataCorrupt(blob=self._blob, block=offset // BLOCK_BYTES, errno=error.errno) from error
            raise
        return data


def _checksums_of(blocks: bytes, index: int, count: int) -> bytes:
    checksums = blocks[index * CHECKSUM_BYTES : (index + count) * CHECKSUM_BYTES] if index >= 0 else b""
    if len(checksums) != count * CHECKSUM_BYTES:
        raise ValueError("the checksums do not cover the range")
    return checksums

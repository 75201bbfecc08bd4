"""The seam to the bytes: immutable blobs, nothing of keys or users.

A blob's id is ``generation << 32 | serial``: the generation belongs to the process that staged it (the catalog hands them out),
so that after a crash only the files of dead generations need a look. A file is written at its final path from the start:
it becomes visible when the catalog names it, never before ("bytes before facts").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from zakrom.model.facts import BlobFacts


class Room(NamedTuple):
    """Bytes of the file system below: in all, and free for us (what root may keep for itself is not)."""

    total: int
    free: int


class Stage(Protocol):
    """A blob being written. Exactly one of `commit` and `discard` ends it. Blocking: call from a thread when large."""

    id: int

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Appends. Raises `InsufficientStorage` (ENOSPC, EDQUOT) or OSError; only `discard` may follow."""
        ...

    def commit(self) -> BlobFacts:
        """Returns when the bytes, the file and its directory entry survive a power cut. A failed fsync is never retried."""
        ...

    def discard(self) -> None:
        """Removes what was written. Never raises."""
        ...


class Reader(Protocol):
    """An open blob: its bytes stay readable until `close`, also if the blob is dropped meanwhile. Blocking."""

    def read(self, offset: int, length: int, blocks: bytes, first_block: int) -> bytes | memoryview:
        """``length`` bytes from ``offset``, verified against the CRC32Cs ``blocks`` which start at ``first_block``.

        Raises `DataCorrupt` (blob, block) rather than give a wrong byte.
        """
        ...

    def fileno(self) -> int:
        """For sendfile, unverified."""
        ...

    def close(self) -> None: ...


class Blobs(Protocol):
    """Immutable bytes of one store."""

    def stage(self, length_hint: int | None) -> Stage:
        """A new blob. With a hint the room is set aside at once: raises `InsufficientStorage` before a byte is sent."""
        ...

    def open(self, blob: int, length: int) -> Reader:
        """Raises `DataCorrupt` if the file has another length, FileNotFoundError if it is gone."""
        ...

    def drop(self, blobs: list[int]) -> None:
        """Unlinks; what is gone already is no error."""
        ...

    def room(self) -> Room:
        """Live figures of the file system."""
        ...

    def sweep(self, generation: int) -> Iterator[list[int]]:
        """Batches of ids of all files that a generation left on disk."""
        ...

    def all(self) -> Iterator[tuple[int, int]]:
        """(id, length) of every blob file on disk, for fsck."""
        ...

    def adopt(self, generation: int) -> None:
        """From now on `stage` gives ids of this generation."""
        ...

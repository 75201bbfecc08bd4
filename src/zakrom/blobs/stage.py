"""A blob being written: a file under its final name that nobody knows yet."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import Final, NoReturn

from zakrom import errors
from zakrom.blobs.blocks import BlockHasher
from zakrom.blobs.disk import Disk
from zakrom.model.facts import BlobFacts

FLUSH_BYTES: Final = 8 * 1024 * 1024
"""How much a stage writes before it asks the system to start writing to the device, so that the sync finds little left.

256 MiB staged and committed (best of 4, beside other work): 0.171 s when all is left to the sync, 0.135 s with 64 MiB, 0.111 s
with 16, 0.109 s with 8, 0.104 s with 2. `tests/facts/blob_figures.py` measures it again.
"""

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What a file system answers when there is no room, or none for this user: write(2), fallocate(2), fsync(2)."""


class LocalStage:
    """A `Stage`: a file under its final name that nobody knows yet."""

    __slots__ = ("_directory", "_disk", "_flushed", "_handle", "_hasher", "_length", "_path", "_reserved", "id")

    def __init__(self, disk: Disk, blob: int, path: str, directory: int, handle: int) -> None:
        self.id = blob
        self._disk = disk
        self._path = path
        self._directory: int | None = directory
        self._handle: int | None = handle
        self._hasher = BlockHasher()
        self._length = 0
        self._reserved = 0
        self._flushed = 0

    def reserve(self, length: int) -> None:
        """Sets room aside. Raises `InsufficientStorage`, OSError; then the stage has ended."""
        handle = self._open_handle()
        try:
            self._reserve(handle, length)
        except OSError as error:
            self._fail(error)

    def _reserve(self, handle: int, length: int) -> None:
        # Looked at first: ext4 takes all the room there is, from everybody, before it finds that a reservation is too large.
        if self._disk.room(self._path).free < length:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)
        if self._disk.reserve(handle, length):
            self._reserved = length

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Appends. Raises `InsufficientStorage`, OSError; then the stage has ended and the file is removed."""
        view = memoryview(data).cast("B")
        handle = self._open_handle()
        try:
            self._put(handle, view)
        except OSError as error:
            self._fail(error)
        self._hasher.update(view)

    def commit(self) -> BlobFacts:
        """Makes the blob durable. Raises `InsufficientStorage`, OSError; then the stage has ended and the file is removed."""
        handle = self._open_handle()
        try:
            if self._reserved > self._length:
                self._disk.truncate(handle, self._length)
            self._disk.fsync(handle)
            if self._directory is not None:
                self._disk.fsync(self._directory)
            self._close()
        except OSError as error:
            self._fail(error)
        return BlobFacts(id=self.id, length=self._length, blocks=self._hasher.finish())

    def discard(self) -> None:
        """Removes the file, committed or not. Never raises: what cannot be removed is left to the sweep."""
        with suppress(OSError):
            self._close()
        with suppress(OSError):
            self._disk.unlink(self._path)

    def _open_handle(self) -> int:
        if self._handle is None:
            raise ValueError("the stage has ended")
        return self._handle

    def _put(self, handle: int, view: memoryview) -> None:
        while view:
            written = self._disk.pwrite(handle, view, self._length)
            if written <= 0:
                raise OSError(errno.EIO, "nothing written", self._path)
            self._length += written
            view = view[written:]
        if self._length - self._flushed >= FLUSH_BYTES:
            self._disk.flush_soon(handle, self._flushed, self._length - self._flushed)
            self._flushed = self._length

    def _fail(self, error: OSError) -> NoReturn:
        self.discard()
        raise_if_full(error)
        raise error

    def _close(self) -> None:
        handles = [handle for handle in (self._handle, self._directory) if handle is not None]
        self._handle = self._directory = None
        _close_all(self._disk, handles)


def raise_if_full(error: OSError) -> None:
    """The foreign errors that mean "no room" become ours."""
    if error.errno in NO_ROOM:
        raise errors.InsufficientStorage(errno=error.errno) from error


def _close_all(disk: Disk, handles: list[int]) -> None:
    """Closes every one, also if one fails; then raises the first failure: over NFS a close may report lost bytes."""
    failures: list[OSError] = []
    for handle in handles:
        try:
            disk.close(handle)
        except OSError as error:
            failures.append(error)
    if failures:
        raise failures[0]

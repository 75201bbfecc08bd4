"""Room set aside, so that deletes go on when the disk is full.

What a delete needs on a full disk is three things. *Length in the WAL*: it is grown once when the catalog is made and never
cut, and a WAL whose pages are all in the main file is written again from its start. *Pages in the main file*: what deletes free
stays in the file and is used again. *A checkpoint that can end*: pages that were added while they were in the WAL only must
still fit into the main file. No page is reserved for that inside SQLite, so a file beside it, the reserve, holds the room; it
is given up when a checkpoint or a commit meets a full disk, and taken again when there is room.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import NamedTuple

from zakrom.catalog import schema

MIB = 1024 * 1024


class Sizes(NamedTuple):
    """How much is set aside and when the WAL is emptied, in bytes; less on a small file system."""

    wal_soft: int  # from here on the WAL is copied into the main file, beside the work
    wal_hard: int  # from here on the work waits for that
    wal_least: int  # the WAL's length from the beginning: a delete touches about ten pages
    reserve: int  # more than a WAL may hold, so a checkpoint always fits into it


def sizes(file_system_bytes: int) -> Sizes:
    """The sizes for a file system of this total size.

    8 MiB: a checkpoint then costs 7 µs a PUT of 4 KiB (1 MiB: 28 µs, 16 MiB: 5 µs), and recovery reads a WAL in 50 ms.
    """
    soft = min(max(file_system_bytes // 64, 2 * MIB), 8 * MIB)
    return Sizes(wal_soft=soft, wal_hard=3 * soft, wal_least=soft // 2, reserve=5 * soft)


ROOM_BYTES_MIN = 8 * MIB
"""With less than this free on the file system, changes that grow the catalog are refused unless pages inside it are free."""

SPARE_PAGES_MIN = 64
"""Free pages inside the catalog that are left to deletes: their markers and index entries."""

_FILE_NAME = "reserve"


class Room:
    """The room of one catalog.

    Looked at before each batch (1.5 µs), so that a full disk is met rarely and never by a delete.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._path = os.path.join(directory, _FILE_NAME)
        self._wal = os.path.join(directory, schema.FILE_NAME + "-wal")
        self._held = False
        self._short = False
        facts = os.statvfs(directory)
        self.sizes = sizes(facts.f_blocks * facts.f_frsize)
        self.take()

    def short(self) -> bool:
        """Whether growing changes must look for pages inside the catalog. Takes the reserve again as soon as it fits."""
        free = self.free_bytes()
        if not self._short:
            self._short = free < ROOM_BYTES_MIN
        elif free >= 2 * ROOM_BYTES_MIN + (0 if self._held else self.sizes.reserve):  # not to and fro at the limit
            self._short = False
            if not self._held:
                self.take()
        return self._short

    def free_bytes(self) -> int:
        """What an unprivileged process may still write to the file system."""
        facts = os.statvfs(self._directory)
        return facts.f_bavail * facts.f_frsize

    def wal_bytes(self) -> int:
        """The length of the WAL's file; asks for its facts and opens nothing."""
        try:
            return os.stat(self._wal).st_size
        except FileNotFoundError:
            return 0

    def take(self) -> None:
        """Sets the reserve aside, with real blocks; does without if the disk is full."""
        try:
            with open(self._path, "ab", opener=_private) as file:
                _allocate(file.fileno(), self.sizes.reserve)
                os.fsync(file.fileno())
        except OSError:
            self.give()
        else:
            self._held = True

    def give(self) -> None:
        """Gives the reserve to the catalog, because the disk is full."""
        self._held, self._short = False, True
        with contextlib.suppress(OSError):
            os.unlink(self._path)


def grow_wal(connection: sqlite3.Connection, length: int) -> None:
    """Gives the WAL its least length, and the main file as many free pages. For a new catalog, or one whose WAL was removed.

    Raises sqlite3.Error when there is no room; the catalog works without.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS filler (zeros BLOB)")
    connection.execute("INSERT INTO filler (zeros) VALUES (zeroblob(?))", (length,))
    connection.execute("DROP TABLE filler")
    connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()


def spare_pages(connection: sqlite3.Connection) -> int:
    """Free pages inside the catalog's main file."""
    (pages,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(pages)


def _allocate(descriptor: int, length: int) -> None:
    """Real blocks for the whole length; where no call does that, zeros are written."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, length)
        return
    missing = length - os.fstat(descriptor).st_size
    while missing > 0:
        missing -= os.write(descriptor, bytes(min(MIB, missing)))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

"""A small store, to be recorded: blobs on disk and SQLite in WAL mode, each promise printed, and waited for until it is noted.

``python program.py DIRECTORY MODE``: MODE is ``sound``, or the name of a mistake that the check must find.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import sys

from zakrom.blobs.disk import Disk, RealDisk
from zakrom.blobs.local import LocalBlobs
from zakrom.testing.contracts.blobs import pattern

ROUNDS = 24
WAL_PAGES = 12  # few, so that checkpoints happen on the way


class NoFileSync(RealDisk):
    """Forgets the bytes."""

    def fsync(self, handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            super().fsync(handle)


class NoDirectorySync(RealDisk):
    """Forgets the names."""

    def fsync(self, handle: int) -> None:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            super().fsync(handle)


DISKS: dict[str, type[Disk]] = {"no-file-sync": NoFileSync, "no-directory-sync": NoDirectorySync}


def promise(text: str) -> None:
    """From here on it must hold, whatever happens."""
    print(text, flush=True)  # noqa: T201 - the recorder reads it
    sys.stdin.readline()


def main(directory: str, mode: str) -> None:
    """Puts, and now and then replaces, with a fact in the catalog for each."""
    catalog = sqlite3.connect(f"{directory}/catalog.db", isolation_level=None)
    catalog.execute("PRAGMA journal_mode = WAL")
    catalog.execute(f"PRAGMA synchronous = {'OFF' if mode == 'synchronous-off' else 'FULL'}")
    catalog.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    catalog.execute("CREATE TABLE blob (number INTEGER PRIMARY KEY, id INTEGER, length INTEGER, blocks BLOB, filler BLOB)")
    blobs = LocalBlobs(f"{directory}/blobs", DISKS.get(mode, RealDisk)())
    blobs.adopt(1)
    for number in range(1, ROUNDS + 1):
        data = pattern(number * 700, number)
        stage = blobs.stage(len(data) if number % 2 else None)
        stage.write(data)
        if mode == "fact-before-bytes":
            catalog.execute("INSERT INTO blob VALUES (?, ?, ?, ?, ?)", (number, stage.id, len(data), b"", bytes(900)))
        facts = stage.commit()
        catalog.execute(
            "INSERT OR REPLACE INTO blob VALUES (?, ?, ?, ?, ?)", (number, facts.id, facts.length, facts.blocks, bytes(900))
        )
        promise(f"put {number}")
        if number % 4 == 0:
            old = number // 2
            (blob,) = catalog.execute("SELECT id FROM blob WHERE number = ?", (old,)).fetchone()
            catalog.execute("DELETE FROM blob WHERE number = ?", (old,))
            blobs.drop([blob])
            promise(f"drop {old}")
    if mode == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    catalog.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""``zakrom`` with one mistake in it: ``python planted.py MISTAKE serve …``. What the proof must find, or it proves nothing."""

from __future__ import annotations

import os
import stat
import sys

from zakrom.blobs.disk import RealDisk
from zakrom.catalog import schema
from zakrom.cli.main import main


def synchronous_off() -> None:
    """The catalog never syncs."""
    _synchronous("OFF")


def synchronous_normal() -> None:
    """The catalog syncs at checkpoints only: SQLite's usual advice for the WAL, and a lost acknowledgement for a store."""
    _synchronous("NORMAL")


def _synchronous(level: str) -> None:
    """Both connections of the writer say it last."""
    schema._WRITER = (*schema._WRITER, f"synchronous = {level}")
    schema._DURABLE = (*schema._DURABLE, f"synchronous = {level}")


def no_file_sync() -> None:
    """Blobs are written, not synced."""
    real = RealDisk.fsync

    def fsync(self: RealDisk, handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            real(self, handle)

    RealDisk.fsync = fsync  # type: ignore[method-assign]


def no_directory_sync() -> None:
    """The names of blobs are not synced."""
    real = RealDisk.fsync

    def fsync(self: RealDisk, handle: int) -> None:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            real(self, handle)

    RealDisk.fsync = fsync  # type: ignore[method-assign]


MISTAKES = {
    "synchronous-off": synchronous_off,
    "synchronous-normal": synchronous_normal,
    "no-file-sync": no_file_sync,
    "no-directory-sync": no_directory_sync,
}

if __name__ == "__main__":
    MISTAKES[sys.argv.pop(1)]()
    main()

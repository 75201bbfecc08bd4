"""Copies the WAL into the main file while the writer goes on.

A checkpoint of some thousand pages takes tens of milliseconds on a good disk and seconds on a slow one: too long for those who
wait for a PUT. So a thread with a connection of its own does the most of it; the writer then copies what was written meanwhile,
which is little, and the WAL can start again. The thread runs no Python while it works, so it does not take the GIL from the
writer.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from typing import NamedTuple

from zakrom.catalog import schema


class Copied(NamedTuple):
    """What a checkpoint came to: pages in the WAL, those of them in the main file, and what went wrong."""

    pages: int
    copied: int
    error: sqlite3.Error | None

    @property
    def whole(self) -> bool:
        """Whether the WAL can start again with the next commit."""
        return self.error is None and self.copied >= self.pages


def checkpoint(connection: sqlite3.Connection, *, restart: bool = False) -> Copied:
    """One checkpoint.

    Of what can be copied now, or, to ``restart`` the WAL, waiting for readers as long as ``busy_timeout``.
    """
    mode = "RESTART" if restart else "PASSIVE"
    try:
        busy, pages, copied = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    except sqlite3.Error as error:
        return Copied(0, 0, error)
    return Copied(pages, copied - busy, None)


class Checkpointer:
    """The thread. One checkpoint at a time: `begin`, then `collect` until it gives something."""

    def __init__(self, directory: str) -> None:
        self._connection = schema.open_to_checkpoint(directory)
        self._orders: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Copied] = queue.SimpleQueue()
        self.busy = False
        self._thread = threading.Thread(target=self._run, name="checkpointer", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Starts a checkpoint."""
        if self.busy:
            raise AssertionError("a checkpoint is under way")
        self.busy = True
        self._orders.put(True)

    def collect(self, *, wait: bool = False) -> Copied | None:
        """The result of the checkpoint under way, once; None while there is none."""
        if not self.busy:
            return None
        try:
            result = self._results.get(block=wait)
        except queue.Empty:
            return None
        self.busy = False
        return result

    def close(self) -> None:
        """Finishes what is under way, and lets go of the file."""
        self.collect(wait=True)
        self._orders.put(False)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while self._orders.get():
            self._results.put(checkpoint(self._connection))

"""Batches of changes become transactions here, and every way in which that can fail gets its own answer.

A commit has three outcomes. *Done.* *Not done*: a statement failed, or COMMIT met a full disk; the batch is rolled back and its
changes are applied again one by one, so that one bad change does not take others with it. *Unknown*: COMMIT failed on I/O. The
rows are invisible now and may be there after a crash; the batch is answered `OutcomeUnknown`, and the connection is opened anew
and its WAL restarted before anything else is written, because pages whose sync failed are lost to a second sync.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from zakrom import errors
from zakrom.catalog import changes, engine, frames, room, schema
from zakrom.catalog.changes import Change, Inline
from zakrom.catalog.engine import CloseGeneration
from zakrom.catalog.ledger import Ledger

log = logging.getLogger(__name__)

WAL_BYTES_SOFT = 4 * 1024 * 1024
"""From this estimate on the WAL is copied into the main file, as far as readers let it be."""

WAL_BYTES_HARD = 12 * 1024 * 1024
"""From this length on the writer waits for readers, so that the WAL starts again."""

RESTART_WAIT_MS = 250
"""How long it waits: no read of ours lasts longer than a page of keys; a foreign tool must not stop the store."""

_PAGES_A_CHANGE = 3  # what a change dirties beside its inline bytes, as measured over random keys in batches

Answer = tuple[int, Any]
"""(kind, body) as `frames` sends it."""

_ERROR_OF_CODE: dict[int, type[errors.Error]] = {
    sqlite3.SQLITE_FULL: errors.InsufficientStorage,
    sqlite3.SQLITE_BUSY: errors.ServiceUnavailable,
    sqlite3.SQLITE_LOCKED: errors.ServiceUnavailable,
    sqlite3.SQLITE_IOERR: errors.ServiceUnavailable,
    sqlite3.SQLITE_CANTOPEN: errors.ServiceUnavailable,
    sqlite3.SQLITE_READONLY: errors.ServiceUnavailable,
    sqlite3.SQLITE_CORRUPT: errors.DataCorrupt,
    sqlite3.SQLITE_NOTADB: errors.DataCorrupt,
}

_GROWING = (
    changes.CreateBucket,
    changes.SetDocument,
    changes.PutVersion,
    changes.SetDetails,
    changes.CreateUpload,
    changes.PutPart,
    changes.PutUser,
    changes.PutAccessKey,
)
"""Changes that are refused on a full disk. All others free room, or need little and the store cannot do without them."""


class _NotDone(Exception):
    """The transaction was rolled back."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.code = code_of(cause)


class _Unknown(Exception):
    """Nobody knows whether the transaction will be there after a crash."""


def code_of(error: BaseException) -> int:
    """SQLite's primary error code; 0 for what is no error of SQLite's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


class Committer:
    """The catalog's one writing connection."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._connection = schema.open_to_write(directory)
        self._room = room.Room(directory)
        self._ledger = Ledger(self._connection)
        self._wal_pages = 0
        self.full = self._room.short()
        self.batches = self.changes = self.refused = self.checkpoints = 0
        self.commit_seconds = self.checkpoint_seconds = 0.0
        self.sizes = [0] * 16
        self._grow_wal()
        self._close_generations()

    def apply(self, batch: Sequence[Change | CloseGeneration]) -> list[Answer]:
        """Makes the changes true and durable, in their order, and gives the answer of each. Never raises for a change's sake."""
        self._look_at_room()
        self.batches += 1
        self.changes += len(batch)
        self.sizes[min(len(batch).bit_length(), len(self.sizes) - 1)] += 1
        try:
            try:
                answers = self._transact(batch)
            except _NotDone as error:
                log.warning("a batch of %d changes was rolled back: %s", len(batch), error)
                if error.code == sqlite3.SQLITE_FULL:
                    self._make_room()
                answers = [self._alone(change) for change in batch]
        except _Unknown as error:
            log.critical("a commit failed and its outcome is unknown: %s", error)
            answers = [(frames.ERROR, errors.OutcomeUnknown().packed())] * len(batch)
            self._reopen()
        self.refused += sum(kind == frames.ERROR for kind, _ in answers)
        return answers

    def tidy(self) -> None:
        """Copies the WAL into the main file when it has grown enough: to be called when nobody waits, and between batches."""
        if self._wal_pages * schema.PAGE_BYTES >= WAL_BYTES_SOFT:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Copies what it can of the WAL into the main file; waits for readers only when the WAL is long."""
        began = time.monotonic()
        self._wal_pages = 0
        try:
            _, pages, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages * schema.PAGE_BYTES >= WAL_BYTES_HARD:
                self._restart_wal()
        except sqlite3.Error as error:
            # The WAL holds everything still: nothing is lost, and the next checkpoint writes these pages again.
            log.warning("a checkpoint failed: %s", error)
            if code_of(error) == sqlite3.SQLITE_FULL:
                self._make_room()
        self.checkpoints += 1
        self.checkpoint_seconds += time.monotonic() - began

    # ------------------------------------------------------------------------------------------------ transactions

    def _transact(self, batch: Sequence[Change | CloseGeneration]) -> list[Answer]:
        """One transaction. Raises `_NotDone` or `_Unknown`."""
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            answers = [self._one(change) for change in batch]
            self._ledger.flush()
        except Exception as error:  # whatever it was, the answer is to roll back and to look at each change alone
            self._roll_back()
            raise _NotDone(error) from error
        began = time.monotonic()
        try:
            execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            known = code_of(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY)
            raise (_NotDone(error) if known else _Unknown(str(error))) from error
        self.commit_seconds += time.monotonic() - began
        return answers

    def _one(self, change: Change | CloseGeneration) -> Answer:
        """A change inside the transaction under way. An error of ours has changed nothing; that is checked, not believed."""
        content = getattr(change, "content", None)
        inline_bytes = len(content.data) if type(content) is Inline else 0
        if self.full and isinstance(change, _GROWING) and not self._fits(inline_bytes):
            return frames.ERROR, errors.InsufficientStorage().packed()
        self._wal_pages += _PAGES_A_CHANGE + inline_bytes // 3_500
        written = self._connection.total_changes
        try:
            return frames.RESULT, engine.apply(self._ledger, change)
        except errors.Error as error:
            if self._connection.total_changes != written:
                raise AssertionError(f"{type(change).__name__} was refused after it had written") from error
            return frames.ERROR, error.packed()

    def _alone(self, change: Change | CloseGeneration) -> Answer:
        """A change in a transaction of its own; tried twice on a full disk."""
        for last in (False, True):
            try:
                return self._transact([change])[0]
            except _NotDone as error:
                if error.code == sqlite3.SQLITE_FULL and not last:
                    self._make_room()
                    continue
                log.exception("%s could not be applied", type(change).__name__)
                return frames.ERROR, _ERROR_OF_CODE.get(error.code, errors.Error)().packed()
        raise AssertionError

    def _roll_back(self) -> None:
        """Ends the transaction, if SQLite has not done so, and forgets what memory has of it."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._ledger.reset()
        except sqlite3.Error as error:
            raise _Unknown(str(error)) from error

    def _reopen(self) -> None:
        """After a failed sync: a new connection, and a WAL that starts again, so that nothing is appended to lost pages.

        Raises sqlite3.Error when even that fails; then the process must end, and another one try.
        """
        self._connection.close()
        self._connection = schema.open_to_write(self._directory)
        (busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        if busy:
            raise sqlite3.OperationalError("the write-ahead log could not be restarted after a failed sync")
        self._ledger = Ledger(self._connection)

    def _close_generations(self) -> None:
        """Whoever opened one spoke to a writer before this one: none of them is connected."""
        open_ones = [CloseGeneration(generation) for generation in self._ledger.generations]
        if open_ones:
            self.apply(open_ones)

    # -------------------------------------------------------------------------------------------------------- room

    def _look_at_room(self) -> None:
        was, self.full = self.full, self._room.short()
        if was != self.full:
            log.warning("the disk is full" if self.full else "there is room on the disk again")

    def _fits(self, inline_bytes: int) -> bool:
        """Whether pages inside the catalog suffice, with some left for deletes."""
        needed = room.SPARE_PAGES_MIN + 4 + inline_bytes // 3_000
        return room.spare_pages(self._connection) >= needed

    def _make_room(self) -> None:
        """A full disk was met: the WAL starts again; if that does not fit, the reserve is given up for it."""
        self.full = True
        try:
            self._restart_wal()
        except sqlite3.Error:
            self._room.give()
            try:
                self._restart_wal()
            except sqlite3.Error as error:
                log.error("there is no room for a checkpoint even without the reserve: %s", error)

    def _restart_wal(self) -> None:
        self._connection.execute(f"PRAGMA busy_timeout = {RESTART_WAIT_MS}").fetchall()
        try:
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {schema.BUSY_TIMEOUT_MS}").fetchall()

    def _grow_wal(self) -> None:
        """A new catalog, or one whose WAL was removed by a foreign tool or a restore, gets its WAL's length."""
        if self._room.wal_bytes() >= room.WAL_RESERVE_BYTES:
            return
        try:
            room.grow_wal(self._connection)
        except sqlite3.Error as error:
            log.warning("no room could be set aside for deletes on a full disk: %s", error)

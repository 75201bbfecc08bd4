"""Batches of changes become transactions here, and every way in which that can fail gets its own answer.

A commit has three outcomes. *Done.* *Not done*: a statement failed, or COMMIT met a full disk; the batch is rolled back and its
changes are applied again one by one, so that one bad change does not take others with it. *Unknown*: COMMIT failed on I/O. The
rows are invisible now and may be there after a crash; the batch is answered `OutcomeUnknown`, and the connection is opened anew
and its WAL restarted before anything else is written, because pages whose sync failed are lost to a second sync.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from zakrom import errors
from zakrom.catalog import changes, engine, frames, room, schema
from zakrom.catalog.changes import Change, Inline
from zakrom.catalog.checkpointer import Checkpointer, Copied, checkpoint
from zakrom.catalog.engine import CloseGeneration
from zakrom.catalog.ledger import Ledger

log = logging.getLogger(__name__)

RESTART_WAIT_MS = 250
"""How long it waits: no read of ours lasts longer than a page of keys; a foreign tool must not stop the store."""

_INLINE_BYTES_A_PAGE = 3_500  # and a page for each row changed: what was measured over random keys, rounded up

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
    changes.Survey,
    changes.NoteUses,
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
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self._room = room.Room(directory)
        self.full = self._room.short()
        self.batches = self.changes = self.refused = self.checkpoints = 0
        self.commit_seconds = self.checkpoint_seconds = 0.0
        self.sizes = [0] * 16
        self._open()
        self._grow_wal()
        self._close_generations()

    def _open(self) -> None:
        """Opens the catalog, and starts its WAL again: who wrote before may have failed to sync it.

        Where a reader stands in the way of that, the WAL's index is alive and knows nothing of commits that failed: what they
        left is overwritten. Raises `FormatTooNew`, sqlite3.Error.
        """
        self._connection = schema.open_to_write(self._directory)
        started = checkpoint(self._connection, restart=True)
        if started.error is not None and code_of(started.error) != sqlite3.SQLITE_FULL:
            raise started.error
        self._checkpointer = Checkpointer(self._directory)
        self._ledger = Ledger(self._connection)
        self._wal_pages = 0  # an estimate: SQLite tells the true number only at a checkpoint
        self._wal_due = self._room.sizes.wal_soft // schema.PAGE_BYTES

    def apply(self, batch: Sequence[Change | CloseGeneration]) -> list[Answer]:
        """Makes the changes true and durable, in their order, and gives the answer of each.

        Never raises for a change's sake.
        """
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
        """Keeps the WAL short; called between batches. Waits for the disk only when the WAL has become long."""
        hard = self._room.sizes.wal_hard // schema.PAGE_BYTES
        began = time.monotonic()
        if self._checkpointer.busy:
            copied = self._checkpointer.collect(wait=self._wal_pages >= max(hard, self._wal_due))
            if copied is None:
                return
            self._finish(copied, restart=self._wal_pages >= hard)
        elif self._wal_pages >= self._wal_due:
            self._checkpointer.begin()
        else:
            return
        self.checkpoint_seconds += time.monotonic() - began

    def _finish(self, copied: Copied, *, restart: bool) -> None:
        """Copies what was written while the thread was copying: little. Then the WAL starts again with the next commit."""
        self.checkpoints += 1
        if copied.error is None:
            copied = self._restart_wal() if restart else checkpoint(self._connection)
        if copied.error is not None:
            # The WAL still holds everything: nothing is lost, and the next checkpoint writes these pages again.
            log.warning("a checkpoint failed: %s", copied.error)
            if code_of(copied.error) == sqlite3.SQLITE_FULL:
                self._make_room()
        soft = self._room.sizes.wal_soft // schema.PAGE_BYTES
        self._wal_pages = 0 if copied.whole else copied.pages or self._wal_pages
        self._wal_due = self._wal_pages + soft

    def close(self) -> None:
        """Leaves the main file as complete as it can be. The connection stays open: closing it would remove the WAL."""
        self._checkpointer.close()
        checkpoint(self._connection)

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
        written = self._connection.total_changes
        try:
            result = engine.apply(self._ledger, change)
        except errors.Error as error:
            if self._connection.total_changes != written:
                raise AssertionError(f"{type(change).__name__} was refused after it had written") from error
            return frames.ERROR, error.packed()
        self._wal_pages += self._connection.total_changes - written + inline_bytes // _INLINE_BYTES_A_PAGE
        return frames.RESULT, result

    def _alone(self, change: Change | CloseGeneration) -> Answer:
        """A change in a transaction of its own; tried twice on a full disk."""
        for last in (False, True):
            try:
                return self._transact([change])[0]
            except _NotDone as error:
                if error.code == sqlite3.SQLITE_FULL and not last:
                    self._make_room()
                    continue
                if error.code != sqlite3.SQLITE_FULL:
                    log.error("%s could not be applied", type(change).__name__, exc_info=error.__cause__)  # noqa: TRY400
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
        """After a failed sync: new connections, and a WAL that starts again, so that nothing is appended to lost pages.

        Raises sqlite3.Error when even that fails; then the process must end, and another one try.
        """
        self._checkpointer.close()
        self._connection.close()
        self._open()

    def _close_generations(self) -> None:
        """Whoever opened one spoke to a writer before this one: none of them is connected."""
        open_ones = [CloseGeneration(generation) for generation in self._ledger.generations]
        if open_ones:
            self.apply(open_ones)

    # -------------------------------------------------------------------------------------------------------- room

    def _look_at_room(self) -> None:
        was, self.full = self.full, self._room.short()
        if was != self.full:
            # Debug: the room job tells operators once, for the catalog and the blobs together.
            log.debug("growing changes are refused" if self.full else "growing changes are taken again")

    def _fits(self, inline_bytes: int) -> bool:
        """Whether pages inside the catalog suffice, with some left for deletes."""
        needed = room.SPARE_PAGES_MIN + 4 + inline_bytes // 3_000
        return room.spare_pages(self._connection) >= needed

    def _make_room(self) -> None:
        """A full disk was met: the WAL starts again; if it cannot, the reserve is given up for it."""
        self.full = True
        self._checkpointer.collect(wait=True)  # two checkpoints at once stand in each other's way
        restarted = self._restart_wal()
        if not restarted.whole:
            self._room.give()
            restarted = self._restart_wal()
        if restarted.whole:
            self._wal_pages = 0
        else:
            log.error("the write-ahead log could not start again, even without the reserve: %s", restarted.error or "readers")

    def _restart_wal(self) -> Copied:
        """Waits a little for readers, so that the next commit writes the WAL from its start."""
        self._connection.execute(f"PRAGMA busy_timeout = {RESTART_WAIT_MS}").fetchall()
        try:
            return checkpoint(self._connection, restart=True)
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {schema.BUSY_TIMEOUT_MS}").fetchall()

    def _grow_wal(self) -> None:
        """A new catalog, or one whose WAL was removed by a foreign tool or a restore, gets its WAL's length."""
        least = self._room.sizes.wal_least
        if self._room.wal_bytes() >= least:
            return
        try:
            room.grow_wal(self._connection, least)
        except sqlite3.Error as error:
            log.warning("no room could be set aside for deletes on a full disk: %s", error)

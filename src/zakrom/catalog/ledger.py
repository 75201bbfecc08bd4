"""What the writer remembers between changes: counts, counters, and who may bring in blobs.

A PUT needs its bucket's versioning, quota and usage each time; they live here and are written back once per transaction, so
that a batch of fifty PUTs into a bucket updates its usage row once. The writer is the only one who writes the file, so memory
is never stale; after a rollback it is wrong and `reset` forgets it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from zakrom import errors
from zakrom.model.facts import Versioning

STORE = 0
"""The bucket number under which the counts of the whole store are kept."""

INLINE_FIRST = 1 << 62
"""Ids of blobs whose bytes ride in the catalog start here: far above those of files, so that their rows are always appended."""

GENERATION_BITS = 32
"""A file's blob id is ``generation << 32 | serial``."""

SEQ_RESERVE = 1 << 16
"""Sequence numbers are reserved by so many: after a crash some are skipped, and a PUT saves the update of a row."""

ACCOUNTS_MAX = 10_000
"""Buckets remembered at most (about 200 bytes each); beyond, those not just touched are forgotten."""


class Account:
    """A bucket's rules and counts, or the whole store's."""

    __slots__ = (
        "bucket",
        "bytes",
        "freed",
        "markers",
        "objects",
        "owner",
        "quota_bytes",
        "upload_bytes",
        "uploads",
        "versioning",
        "versions",
    )

    def __init__(self, bucket: int, owner: str, versioning: Versioning, quota_bytes: int | None, counts: Sequence[int]) -> None:
        self.bucket = bucket
        self.owner = owner
        self.versioning = versioning
        self.quota_bytes = quota_bytes
        self.objects, self.versions, self.markers, self.bytes, self.uploads, self.upload_bytes, self.freed = counts

    @property
    def total_bytes(self) -> int:
        """What a quota limits."""
        return self.bytes + self.upload_bytes

    def count(self, objects: int, versions: int, markers: int, size: int, uploads: int, upload_bytes: int) -> None:
        """Adds to the counts; fewer bytes in all move the cursor of freed space."""
        self.objects += objects
        self.versions += versions
        self.markers += markers
        self.bytes += size
        self.uploads += uploads
        self.upload_bytes += upload_bytes
        if size + upload_bytes < 0:
            self.freed += 1


class Ledger:
    """The writer's connection and memory, as the functions of ``engine`` see them.

    Every function decides before it writes: what raises an `errors.Error` has changed neither rows nor memory.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.execute = connection.cursor().execute  # one cursor for all: a new one for each statement costs 0.4 µs
        self.seq = 0
        self.reset()

    def reset(self) -> None:
        """Forgets everything and reads it anew: after opening, and after each rollback."""
        self.accounts: dict[int, Account] = {}
        self.touched: dict[int, Account] = {}
        self.generations = {id for (id,) in self.rows("SELECT id FROM generation WHERE closed = 0")}
        facts: dict[str, int] = dict(self.rows("SELECT name, value FROM meta"))
        self.seq_limit = facts["seq"]
        self.seq = max(self.seq, self.seq_limit)  # what was given out before a rollback is not given again
        counts = self.rows("SELECT objects, versions, markers, bytes, uploads, upload_bytes, freed FROM usage WHERE bucket = 0")
        self.store = Account(STORE, "", Versioning.NEVER, facts.get("quota_bytes"), counts[0])

    # ---------------------------------------------------------------------------------------------------- reading

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query: no statement is left unfinished."""
        return self.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first row, or None."""
        found = self.execute(sql, parameters).fetchall()
        return found[0] if found else None

    def account(self, bucket: int) -> Account:
        """The bucket's account. Raises `NoSuchBucket`."""
        known = self.accounts.get(bucket)
        if known is not None:
            return known
        row = self.row(
            "SELECT b.owner, b.versioning, b.quota_bytes, "
            "u.objects, u.versions, u.markers, u.bytes, u.uploads, u.upload_bytes, u.freed "
            "FROM bucket b JOIN usage u ON u.bucket = b.id WHERE b.id = ?",
            (bucket,),
        )
        if row is None:
            raise errors.NoSuchBucket
        account = Account(bucket, row[0], Versioning(row[1]), row[2], row[3:])
        self.accounts[bucket] = account
        return account

    # ---------------------------------------------------------------------------------------------------- writing

    def next_seq(self) -> int:
        """A number greater than any before it.

        Over restarts too: orders versions, names manifests, uploads and inline blobs.
        """
        if self.seq >= self.seq_limit:
            self.seq_limit = self.seq + SEQ_RESERVE
            self.execute("UPDATE meta SET value = ? WHERE name = 'seq'", (self.seq_limit,))
        self.seq += 1
        return self.seq

    def next_number(self, counter: str) -> int:
        """The next of a rare series: ``bucket``, ``generation``."""
        value: int = self.row("UPDATE meta SET value = value + 1 WHERE name = ? RETURNING value", (counter,))[0]
        return value

    def count(
        self,
        account: Account,
        *,
        objects: int = 0,
        versions: int = 0,
        markers: int = 0,
        size: int = 0,
        uploads: int = 0,
        upload_bytes: int = 0,
    ) -> None:
        """Adds to the counts of a bucket and of the store, to be written by `flush`."""
        account.count(objects, versions, markers, size, uploads, upload_bytes)
        self.store.count(objects, versions, markers, size, uploads, upload_bytes)
        self.touched[account.bucket] = account
        self.touched[STORE] = self.store

    def freed(self, account: Account) -> None:
        """Room was made that no count shows: the cursor of who waits for it moves."""
        account.freed += 1
        self.touched[account.bucket] = account

    def forget(self, account: Account) -> None:
        """The bucket is gone."""
        self.accounts.pop(account.bucket, None)
        self.touched.pop(account.bucket, None)

    def flush(self) -> None:
        """Writes the counts that changed; called before each COMMIT."""
        for one in self.touched.values():
            self.execute(
                "UPDATE usage SET objects = ?, versions = ?, markers = ?, bytes = ?, uploads = ?, upload_bytes = ?, freed = ? "
                "WHERE bucket = ?",
                (one.objects, one.versions, one.markers, one.bytes, one.uploads, one.upload_bytes, one.freed, one.bucket),
            )
        if len(self.accounts) > ACCOUNTS_MAX:
            self.accounts = {bucket: one for bucket, one in self.touched.items() if bucket != STORE}
        self.touched.clear()

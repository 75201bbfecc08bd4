"""Reads of the catalog: one connection that cannot write, and every question of the seam as one or two statements.

Plain blocking calls: a point read takes some ten microseconds, less than handing it to a thread. No statement outlives its
`fetchall`: an unfinished one would hold the WAL, let it grow without bound, and see no newer commits.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from zakrom import errors
from zakrom.catalog import rows, schema
from zakrom.catalog.interface import Found, Space
from zakrom.catalog.ledger import INLINE_FIRST
from zakrom.model.facts import (
    NULL_NONCE,
    AccessKey,
    BlobFacts,
    Bucket,
    Damage,
    KeyUse,
    Listed,
    Manifest,
    Part,
    Upload,
    Usage,
    User,
    Version,
    VersionId,
)
from zakrom.model.iam import Realm

RANK_MIN = -(1 << 63)
"""Before every rank: (key, RANK_MIN) is before all versions of the key."""

KEY_END = b"\xff"
"""After every key: UTF-8 has no such byte."""

SQL_INTEGER_MAX = (1 << 63) - 1
"""SQL integers are signed 64-bit: what is larger names nothing."""

_BLOB = "id, length, blocks, data, seal"


def _joined(columns: str, table: str) -> str:
    """The columns of a version with the blob's behind them, from an alias ``v``."""
    listed = ", ".join(_of_alias(one.strip()) for one in columns.split(","))
    return f"SELECT {listed}, b.id, b.length, b.blocks, b.data, b.seal FROM {table} v LEFT JOIN blob b ON b.id = v.blob"


def _of_alias(column: str) -> str:
    head = column.split(maxsplit=1)[0]
    if head == "-seq":
        return "-v.seq AS rank"
    return column if head in ("0", "NULL") else f"v.{column}"


_FIND_OBJECT = f"{_joined(rows.OBJECT, 'object')} WHERE v.bucket = ? AND v.key = ?"

_OBJECT = _joined(rows.VERSION_OF_OBJECT, "object")
_HISTORY = _joined(rows.HISTORY, "history")

# The second arm runs only when the first finds nothing: LIMIT stops before it.
_FIND_CURRENT = (
    f"{_OBJECT} WHERE v.bucket = ?1 AND v.key = ?2 UNION ALL "
    f"{_HISTORY} WHERE v.bucket = ?1 AND v.key = ?2 AND v.noncurrent_ms IS NULL LIMIT 1"
)
_FIND_NULL = (
    f"{_OBJECT} WHERE v.bucket = ?1 AND v.key = ?2 AND v.nonce = 0 UNION ALL "
    f"{_HISTORY} WHERE v.bucket = ?1 AND v.key = ?2 AND v.nonce = 0 LIMIT 1"
)
_FIND_ONE = (
    f"{_OBJECT} WHERE v.bucket = ?1 AND v.key = ?2 AND v.seq = ?3 AND v.nonce = ?4 UNION ALL "
    f"{_HISTORY} WHERE v.bucket = ?1 AND v.key = ?2 AND v.rank = -?3 AND v.nonce = ?4 LIMIT 1"
)

_OBJECTS = f"SELECT {rows.LISTED} FROM object WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?"

# Each arm is walked by its primary key and the two are merged: EXPLAIN shows no sorting (a test does so).
_VERSIONS = (
    f"SELECT {rows.VERSION_OF_OBJECT} FROM object "
    "WHERE bucket = ?1 AND key >= ?2 AND key < ?4 AND (key > ?2 OR -seq > ?3) UNION ALL "
    f"SELECT {rows.HISTORY} FROM history WHERE bucket = ?1 AND (key, rank) > (?2, ?3) AND key < ?4 "
    "ORDER BY 2, 3 LIMIT ?5"
)

_UPLOADS = f"SELECT {rows.UPLOAD} FROM upload WHERE bucket = ? AND (key, id) > (?, ?) AND key < ? ORDER BY key, id LIMIT ?"


class Reads:
    """The questions of `interface.Catalog`, answered at once.

    Raises `DataCorrupt` or `ServiceUnavailable` for SQLite's errors.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._connection = schema.open_to_read(directory)
        self._execute = self._connection.execute

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()

    # ------------------------------------------------------------------------------------------------- buckets

    def bucket(self, name: str) -> Bucket:
        """As `Catalog.bucket`, from disk."""
        row = self._row(f"SELECT {rows.BUCKET} FROM bucket WHERE name = ?", (name,))
        if row is None:
            raise errors.NoSuchBucket(bucket=name)
        return rows.bucket(row)

    def buckets(self, owner: str | None, prefix: str, after: str, limit: int) -> list[Bucket]:
        """As `Catalog.buckets`."""
        low, high = max(prefix, after + "\0" if after else ""), prefix + "\U0010ffff"
        mine = "" if owner is None else "owner = ? AND "
        return self._all(
            rows.bucket,
            f"SELECT {rows.BUCKET} FROM bucket WHERE {mine}name >= ? AND name < ? ORDER BY name LIMIT ?",
            (low, high, limit) if owner is None else (owner, low, high, limit),
        )

    def document(self, bucket: int, kind: str) -> bytes | None:
        """As `Catalog.document`, from disk."""
        row = self._row("SELECT body FROM document WHERE bucket = ? AND kind = ?", (bucket, kind))
        return None if row is None else row[0]

    def documents(self, bucket: int) -> dict[str, bytes]:
        """As `Catalog.documents`, from disk."""
        return dict(self._rows("SELECT kind, body FROM document WHERE bucket = ?", (bucket,)))

    def usage(self, bucket: int | None) -> Usage:
        """As `Catalog.usage`."""
        row = self._row(f"SELECT {rows.USAGE} FROM usage WHERE bucket = ?", (bucket or 0,))
        if row is None:
            raise errors.NoSuchBucket
        return rows.usage(row)

    def space(self, bucket: int | None) -> Space:
        """As `Catalog.space`."""
        quota = (
            "SELECT quota_bytes FROM bucket WHERE id = u.bucket"
            if bucket
            else "SELECT value FROM meta WHERE name = 'quota_bytes'"
        )
        row = self._row(
            f"SELECT {rows.USAGE}, freed, (SELECT value FROM meta WHERE name = 'full'), ({quota}) "
            "FROM usage u WHERE bucket = ?",
            (bucket or 0,),
        )
        if row is None:
            raise errors.NoSuchBucket
        return Space(cursor=row[6], full=row[7] == 1, usage=rows.usage(row[:6]), quota_bytes=row[8])

    def spare_bytes(self) -> int:
        """Bytes inside the catalog's file that inline objects can take even when the disk is full."""
        return int(self._row("PRAGMA freelist_count")[0]) * schema.PAGE_BYTES

    # ------------------------------------------------------------------------------------------------- objects

    def find(self, bucket: int, key: bytes, version: VersionId | None = None) -> Found | None:
        """As `Catalog.find`: one statement, so one moment."""
        if version is None:
            row = self._row(_FIND_OBJECT, (bucket, key))
            if row is not None:
                return Found(rows.version_of_object(row[:13]), None if row[13] is None else BlobFacts(*row[13:]))
            row = self._row(_FIND_CURRENT, (bucket, key))  # a marker, nothing, or an object that has just come
        elif version.nonce == NULL_NONCE:
            row = self._row(_FIND_NULL, (bucket, key))
        elif version.nonce > SQL_INTEGER_MAX or version.seq > SQL_INTEGER_MAX:
            return None
        else:
            row = self._row(_FIND_ONE, (bucket, key, version.seq, version.nonce))
        if row is None:
            return None
        return Found(rows.version(row[:15]), None if row[15] is None else BlobFacts(*row[15:]))

    def objects(self, bucket: int, prefix: bytes, after: bytes, inclusive: bool, limit: int) -> list[Listed]:
        """As `Catalog.objects`."""
        low = max(prefix, after if inclusive or not after else after + b"\0")
        return self._all(rows.listed, _OBJECTS, (bucket, low, _end(prefix), limit))

    def versions(
        self,
        bucket: int,
        prefix: bytes,
        after: bytes,
        after_seq: int | None,
        inclusive: bool,
        limit: int,
    ) -> list[Version]:
        """As `Catalog.versions`."""
        low, rank = after, RANK_MIN
        if after_seq is not None:
            rank = -after_seq
        elif after and not inclusive:
            low = after + b"\0"
        if low < prefix:
            low, rank = prefix, RANK_MIN
        return self._all(rows.version, _VERSIONS, (bucket, low, rank, _end(prefix), limit))

    def manifest(self, manifest: int) -> Manifest | None:
        """As `Catalog.manifest`."""
        row = self._row("SELECT slices, parts FROM manifest WHERE id = ?", (manifest,))
        return None if row is None else rows.manifest(row)

    def blob(self, blob: int, first_block: int = 0, blocks: int | None = None) -> BlobFacts | None:
        """As `Catalog.blob`."""
        if first_block == 0 and blocks is None:
            row = self._row(f"SELECT {_BLOB} FROM blob WHERE id = ?", (blob,))
        else:
            row = self._row(
                "SELECT id, length, substr(blocks, ?, ?), data, seal FROM blob WHERE id = ?",
                (first_block * 4 + 1, _BLOCKS_BYTES_MAX if blocks is None else blocks * 4, blob),
            )
        return None if row is None else rows.blob(row)

    # ------------------------------------------------------------------------------------------------- uploads

    def upload(self, bucket: int, key: bytes, upload: str) -> Upload:
        """As `Catalog.upload`."""
        row = self._row(f"SELECT {rows.UPLOAD} FROM upload WHERE bucket = ? AND key = ? AND id = ?", (bucket, key, upload))
        if row is None:
            raise errors.NoSuchUpload(upload_id=upload)
        return rows.upload(row)

    def uploads(
        self,
        bucket: int,
        prefix: bytes,
        after: bytes,
        after_id: str | None,
        inclusive: bool,
        limit: int,
    ) -> list[Upload]:
        """As `Catalog.uploads`."""
        low, id = after, after_id or ""
        if after_id is None and after and not inclusive:
            low = after + b"\0"
        if low < prefix:
            low, id = prefix, ""
        return self._all(rows.upload, _UPLOADS, (bucket, low, id, _end(prefix), limit))

    def parts(self, bucket: int, key: bytes, upload: str, after: int, limit: int) -> tuple[Upload, list[Part]]:
        """As `Catalog.parts`: two statements in one read transaction."""
        where = (bucket, key, upload)
        self._rows("BEGIN", ())
        try:
            row = self._row(f"SELECT serial, {rows.UPLOAD} FROM upload WHERE bucket = ? AND key = ? AND id = ?", where)
            if row is None:
                raise errors.NoSuchUpload(upload_id=upload)
            parts = self._all(
                rows.part,
                f"SELECT {rows.PART} FROM part WHERE upload = ? AND number > ? ORDER BY number LIMIT ?",
                (row[0], after, limit),
            )
        finally:
            self._rows("COMMIT", ())
        return rows.upload(row[1:]), parts

    # ------------------------------------------------------------------------------------------------- identity

    def access_key(self, key: str) -> tuple[AccessKey, User] | None:
        """As `Catalog.access_key`, from disk."""
        row = self._row(
            "SELECT k.id, k.secret, k.account, k.created_ms, k.disabled, "
            "a.name, a.canonical_id, a.display_name, a.email, a.created_ms, a.disabled, a.root, a.owner "
            "FROM access_key k JOIN account a ON a.name = k.account WHERE k.id = ?",
            (key,),
        )
        return None if row is None else (rows.access_key(row[:5]), rows.user(row[5:]))

    def user(self, name: str) -> User:
        """As `Catalog.user`."""
        row = self._row(f"SELECT {rows.USER} FROM account WHERE name = ?", (name,))
        if row is None:
            raise errors.NoSuchUser(user=name)
        return rows.user(row)

    def user_by_canonical_id(self, canonical_id: str) -> User | None:
        """As `Catalog.user_by_canonical_id`, from disk."""
        row = self._row(f"SELECT {rows.USER} FROM account WHERE canonical_id = ?", (canonical_id,))
        return None if row is None else rows.user(row)

    def users(self) -> list[User]:
        """As `Catalog.users`."""
        return self._all(rows.user, f"SELECT {rows.USER} FROM account ORDER BY name", ())

    def access_keys(self, user: str | None) -> list[AccessKey]:
        """As `Catalog.access_keys`."""
        where = "" if user is None else "WHERE account = ? "
        return self._all(
            rows.access_key,
            f"SELECT {rows.ACCESS_KEY} FROM access_key {where}ORDER BY account, id",
            () if user is None else (user,),
        )

    def realm(self, account: str) -> Realm:
        """As `Catalog.realm`, from disk: some statements in one read transaction."""
        self._rows("BEGIN", ())
        try:
            row = self._row(f"SELECT revision, {rows.USER} FROM account WHERE canonical_id = ? AND owner = ''", (account,))
            if row is None:
                raise errors.NoSuchUser(user=account)
            users = self._rows(f"SELECT iam, {rows.USER} FROM account WHERE owner = ? AND iam IS NOT NULL", (account,))
            bodies = self._rows("SELECT body FROM entity WHERE owner = ?", (account,))
            keys = self._all(
                rows.access_key,
                f"SELECT {rows.ACCESS_KEY} FROM access_key WHERE account = ?1 "
                f"UNION ALL SELECT {rows.ACCESS_KEY} FROM access_key "
                "WHERE account IN (SELECT name FROM account WHERE owner = ?2) ORDER BY created_ms, id",
                (row[1], account),
            )
        finally:
            self._rows("COMMIT", ())
        entities = [rows.entity(packed[0]) for packed in (*users, *bodies)]
        return Realm(rows.user(row[1:]), row[0], entities, keys, [rows.user(user[1:]) for user in users])

    def key_use(self, key: str) -> KeyUse | None:
        """As `Catalog.key_use`."""
        row = self._row("SELECT id, used_ms, region, service FROM key_use WHERE id = ?", (key,))
        return None if row is None else KeyUse(*row)

    # ------------------------------------------------------------------------------------------------- chores

    def retired(self, before_ms: int, limit: int) -> list[tuple[int, int]]:
        """As `Catalog.retired`. A hold ends for a reader when ``before_ms`` has passed it: there is no clock here."""
        return self._rows(
            "SELECT id, length FROM blob WHERE retired_ms <= ?1 AND NOT EXISTS (SELECT 1 FROM hold WHERE until_ms > ?1) "
            "ORDER BY retired_ms, id LIMIT ?2",
            (before_ms, limit),
        )

    def blobs(self, after: int, limit: int, *, inline: bool = False) -> list[BlobFacts]:
        """As `Catalog.blobs`. Retired ones are left out: nobody will ever read them again."""
        return self._all(
            rows.blob,
            f"SELECT {_BLOB} FROM blob WHERE id > ? AND id < ? AND refs > 0 ORDER BY id LIMIT ?",
            (after, SQL_INTEGER_MAX if inline else INLINE_FIRST, limit),
        )

    def blob_totals(self) -> tuple[int, int]:
        """How many blobs have files, and how many bytes they hold."""
        count, size = self._row(
            "SELECT count(*), coalesce(sum(length), 0) FROM blob WHERE id < ? AND refs > 0", (INLINE_FIRST,)
        )
        return count, size

    def sealed(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """As `Catalog.sealed`."""
        return self._rows(
            "SELECT id, seal FROM blob WHERE seal IS NOT NULL AND refs > 0 AND id > ? ORDER BY id LIMIT ?", (after, limit)
        )

    def known_blobs(self, ids: list[int]) -> set[int]:
        """As `Catalog.known_blobs`."""
        found: set[int] = set()
        for start in range(0, len(ids), _IDS_MAX):
            some = ids[start : start + _IDS_MAX]
            marks = ", ".join("?" * len(some))
            found.update(id for (id,) in self._rows(f"SELECT id FROM blob WHERE id IN ({marks})", some))
        return found

    def namers(self, blob: int, limit: int) -> list[tuple[str, Version]]:
        """As `Catalog.namers`."""
        manifests = [
            id for (id,) in self._rows("SELECT id FROM manifest WHERE refs > 0 ORDER BY id", ()) if self._is_sliced(id, blob)
        ]
        found: list[tuple[str, Version]] = []
        for table, columns in (("object", rows.VERSION_OF_OBJECT), ("history", rows.HISTORY)):
            for column, ids in (("blob", [blob]), ("manifest", manifests)):
                for id in ids:
                    found += self._namers(table, columns, column, id, limit - len(found))
        return found

    def generations(self) -> list[tuple[int, bool]]:
        """As `Catalog.generations`."""
        return [(id, closed == 1) for id, closed in self._rows("SELECT id, closed FROM generation ORDER BY id", ())]

    def damages(self) -> list[Damage]:
        """As `Catalog.damages`."""
        return self._all(
            rows.damage,
            "SELECT blob, block, found_ms, reason FROM damage WHERE blob IN (SELECT id FROM blob WHERE refs > 0) ORDER BY blob",
            (),
        )

    def job(self, name: str) -> bytes | None:
        """As `Catalog.job`."""
        row = self._row("SELECT state FROM job WHERE name = ?", (name,))
        return None if row is None else row[0]

    def due(self, before_ms: int, limit: int) -> list[tuple[int, bytes, int]]:
        """As `Catalog.due`."""
        return self._rows("SELECT bucket, key, rank FROM due WHERE at_ms <= ? ORDER BY at_ms LIMIT ?", (before_ms, limit))

    def surveys(self) -> int:
        """As `Catalog.surveys`."""
        return int(self._row("SELECT count(*) FROM survey")[0])

    # ------------------------------------------------------------------------------------------------- details

    def _namers(self, table: str, columns: str, column: str, id: int, limit: int) -> list[tuple[str, Version]]:
        if limit <= 0:
            return []
        found = self._all(rows.version, f"SELECT {columns} FROM {table} WHERE {column} = ? LIMIT ?", (id, limit))
        names = dict(self._rows("SELECT id, name FROM bucket", ()))
        return [(names.get(version.bucket, ""), version) for version in found]

    def _is_sliced(self, manifest: int, blob: int) -> bool:
        found = self.manifest(manifest)
        return found is not None and any(one.blob == blob for one in found.slices)

    def _rows(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        try:
            return self._execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise _translated(error) from error

    def _row(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        try:
            found = self._execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise _translated(error) from error
        return found[0] if found else None

    def _all(self, build: Callable[[Any], Any], sql: str, parameters: Sequence[Any]) -> list[Any]:
        return [build(row) for row in self._rows(sql, parameters)]


_BLOCKS_BYTES_MAX = 1 << 30
"""More than the checksums of any blob: 32 TiB."""

_IDS_MAX = 500
"""Ids in one statement: SQLite's older limit of variables is 999."""


def backup(directory: str, target: str) -> None:
    """Copies the catalog in ``directory`` into the directory ``target``, as of one moment, and syncs it. Takes a second a GB.

    In one step: a copy by pages starts again with each commit and beside a busy writer never ends. It holds back only the WAL's
    restart. Raises OSError, sqlite3.Error, and FileExistsError if a catalog lies there already.
    """
    os.makedirs(target, mode=0o700, exist_ok=True)
    path = os.path.join(target, schema.FILE_NAME)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    source, copy = schema.open_to_read(directory), sqlite3.connect(path, isolation_level=None)
    try:
        source.backup(copy, pages=-1)
    finally:
        copy.close()
        source.close()
    for one in (path, target):
        descriptor = os.open(one, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _end(prefix: bytes) -> bytes:
    """The first byte string after all that begin with the prefix."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else KEY_END


def _translated(error: sqlite3.Error) -> errors.Error:
    """SQLite's errors in our words: a damaged file is not a busy one."""
    damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return (errors.DataCorrupt if damaged else errors.ServiceUnavailable)(str(error))

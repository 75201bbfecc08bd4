"""Audit: does the catalog agree with itself? Every count is counted again, every name is looked up.

For `zakrom check` and for tests that crash the server: whatever happened, the facts must add up. Reads one snapshot; beside a
running server it sees one moment of it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from zakrom.catalog import rows, schema
from zakrom.model.facts import BLOCK_BYTES, SEAL_TAG_BYTES, Usage

FINDINGS_MAX = 1000
"""More is no news: the catalog is broken."""


class Finding(NamedTuple):
    """Something that does not add up."""

    what: str
    where: str
    detail: str


def audit(directory: str) -> Iterator[Finding]:
    """All that is wrong with the catalog in a directory; nothing is the good answer."""
    connection = schema.open_to_read(directory)
    try:
        connection.execute("BEGIN")  # one snapshot for all that follows
        yield from _integrity(connection)
        yield from _shape(connection)
        yield from _usage(connection)
        yield from _names(connection)
    finally:
        connection.close()


def _integrity(connection: sqlite3.Connection) -> Iterator[Finding]:
    for (text,) in connection.execute(f"PRAGMA integrity_check({FINDINGS_MAX})"):
        if text != "ok":
            yield Finding("the database is damaged", "catalog", text)


_SHAPES = (
    (
        "a current object is not the newest version of its key",
        "SELECT o.bucket, o.key FROM object o JOIN history h ON h.bucket = o.bucket AND h.key = o.key WHERE -h.rank >= o.seq",
    ),
    (
        "a version says that it is the newest of its key, and is not",
        """SELECT h.bucket, h.key FROM history h WHERE h.noncurrent_ms IS NULL AND (h.marker = 0
            OR EXISTS (SELECT 1 FROM object o WHERE o.bucket = h.bucket AND o.key = h.key)
            OR EXISTS (SELECT 1 FROM history n WHERE n.bucket = h.bucket AND n.key = h.key AND n.rank < h.rank))""",
    ),
    (
        "a noncurrent version has no current object and no delete marker above it",
        """SELECT h.bucket, h.key FROM history h
            WHERE NOT EXISTS (SELECT 1 FROM object o WHERE o.bucket = h.bucket AND o.key = h.key)
            AND NOT EXISTS (SELECT 1 FROM history n WHERE n.bucket = h.bucket AND n.key = h.key AND n.noncurrent_ms IS NULL)""",
    ),
    (
        "a key has two null versions",
        """SELECT h.bucket, h.key FROM history h JOIN object o ON o.bucket = h.bucket AND o.key = h.key
            WHERE h.nonce = 0 AND o.nonce = 0""",
    ),
    (
        "an object belongs to no bucket",
        "SELECT bucket, key FROM object WHERE bucket NOT IN (SELECT id FROM bucket)",
    ),
    (
        "a version belongs to no bucket",
        "SELECT bucket, key FROM history WHERE bucket NOT IN (SELECT id FROM bucket)",
    ),
    (
        "an upload belongs to no bucket",
        """SELECT bucket, key FROM upload
            WHERE bucket NOT IN (SELECT id FROM bucket UNION SELECT bucket FROM retired_bucket)""",
    ),
    (
        "a part belongs to no upload",
        "SELECT 0, CAST(upload || '/' || number AS BLOB) FROM part WHERE upload NOT IN (SELECT serial FROM upload)",
    ),
    (
        "a document belongs to no bucket",
        "SELECT bucket, CAST(kind AS BLOB) FROM document WHERE bucket NOT IN (SELECT id FROM bucket)",
    ),
    (
        "a bucket is not counted",
        "SELECT id, CAST(name AS BLOB) FROM bucket WHERE id NOT IN (SELECT bucket FROM usage)",
    ),
    (
        "an object has bytes and no content, or two contents",
        """SELECT bucket, key FROM object WHERE (size > 0 AND blob IS NULL AND manifest IS NULL)
            OR (blob IS NOT NULL AND manifest IS NOT NULL)""",
    ),
    (
        "a blob's length is not its object's size",
        f"""SELECT o.bucket, o.key FROM object o JOIN blob b ON b.id = o.blob WHERE o.size <>
            b.length - (b.seal IS NOT NULL) * {SEAL_TAG_BYTES} * ((b.length + {BLOCK_BYTES - 1}) / {BLOCK_BYTES})""",
    ),
    (
        "a blob without a name is not retired, or one with a name is",
        "SELECT 0, CAST(printf('blob %x', id) AS BLOB) FROM blob WHERE (refs = 0) <> (retired_ms IS NOT NULL)",
    ),
    (
        "a manifest without a name is not retired, or one with a name is",
        "SELECT 0, CAST(printf('manifest %x', id) AS BLOB) FROM manifest WHERE (refs = 0) <> (retired_ms IS NOT NULL)",
    ),
)
"""What must never be found, and the query that would find it."""


def _shape(connection: sqlite3.Connection) -> Iterator[Finding]:
    for what, sql in _SHAPES:
        for bucket, key in connection.execute(f"{sql} LIMIT {FINDINGS_MAX}"):
            yield Finding(what, f"bucket {bucket}, key {key!r}", "")


def _usage(connection: sqlite3.Connection) -> Iterator[Finding]:
    counted: dict[int, list[int]] = defaultdict(lambda: [0] * 6)
    sums = (
        ("SELECT bucket, count(*), count(*), 0, sum(size), 0, 0 FROM object GROUP BY bucket"),
        ("SELECT bucket, 0, sum(marker = 0), sum(marker), sum(size), 0, 0 FROM history GROUP BY bucket"),
        ("SELECT bucket, 0, 0, 0, 0, count(*), 0 FROM upload GROUP BY bucket"),
        ("SELECT u.bucket, 0, 0, 0, 0, 0, sum(p.size) FROM part p JOIN upload u ON u.serial = p.upload GROUP BY u.bucket"),
    )
    living = {bucket for (bucket,) in connection.execute("SELECT id FROM bucket")}
    for sql in sums:
        for bucket, *counts in connection.execute(sql):
            for target in (bucket, 0) if bucket in living else ():
                counted[target] = [have + more for have, more in zip(counted[target], counts, strict=True)]
    kept = connection.execute("SELECT bucket, objects, versions, markers, bytes, uploads, upload_bytes FROM usage")
    for bucket, *counts in kept:
        if list(counts) != counted[bucket]:
            where = f"bucket {bucket}" if bucket else "store"
            yield Finding("usage is not what is there", where, f"kept {Usage(*counts)}, counted {Usage(*counted[bucket])}")


def _names(connection: sqlite3.Connection) -> Iterator[Finding]:
    """References of blobs and manifests against their counts."""
    blobs: Counter[int] = Counter()
    manifests: Counter[int] = Counter()
    for table in ("object", "history"):
        blobs.update(
            dict(connection.execute(f"SELECT blob, count(*) FROM {table} WHERE blob IS NOT NULL GROUP BY blob").fetchall())
        )
        manifests.update(
            dict(
                connection.execute(
                    f"SELECT manifest, count(*) FROM {table} WHERE manifest IS NOT NULL GROUP BY manifest"
                ).fetchall()
            )
        )
    for id, packed, done in connection.execute("SELECT id, slices, unravelled FROM manifest"):
        blobs.update(one.blob for one in rows.slices(packed)[done:])
        manifests.setdefault(id, 0)
    for (packed,) in connection.execute("SELECT slices FROM part"):
        blobs.update(one.blob for one in rows.slices(packed))
    yield from _compare("blob", blobs, dict(connection.execute("SELECT id, refs FROM blob").fetchall()))
    yield from _compare("manifest", manifests, dict(connection.execute("SELECT id, refs FROM manifest").fetchall()))


def _compare(what: str, counted: Counter[int], kept: dict[int, int]) -> Iterator[Finding]:
    for id, refs in kept.items():
        if counted[id] != refs:
            yield Finding(f"a {what} is not named as often as it says", f"{what} {id:x}", f"kept {refs}, counted {counted[id]}")
    for id in counted.keys() - kept.keys():
        yield Finding(f"a {what} is named and not there", f"{what} {id:x}", f"named {counted[id]} times")

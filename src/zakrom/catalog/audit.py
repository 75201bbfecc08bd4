"""Do the facts agree with each other? Counts and names are kept up to date change by change; here they are computed from nothing.

For ``check`` (fsck) and for tests: a full scan, in a read transaction of its own, of some seconds a million versions. It only
reads, and says what is wrong in words for an operator; it knows nothing of files.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Any

from zakrom.catalog import rows, schema
from zakrom.catalog.ledger import STORE

_COUNTS = ("objects", "versions", "markers", "bytes", "uploads", "upload_bytes")

_ORPHANS = {
    "a part of no upload": "SELECT upload, number FROM part WHERE upload NOT IN (SELECT serial FROM upload)",
    "an upload of no bucket": (
        "SELECT bucket, id FROM upload WHERE bucket NOT IN (SELECT id FROM bucket UNION SELECT bucket FROM retired_bucket)"
    ),
    "an object of no bucket": "SELECT bucket, hex(key) FROM object WHERE bucket NOT IN (SELECT id FROM bucket)",
    "a version of no bucket": "SELECT bucket, hex(key) FROM history WHERE bucket NOT IN (SELECT id FROM bucket)",
    "a document of no bucket": "SELECT bucket, kind FROM document WHERE bucket NOT IN (SELECT id FROM bucket)",
    "a bucket without counts": "SELECT id FROM bucket WHERE id NOT IN (SELECT bucket FROM usage)",
    "counts of no bucket": "SELECT bucket FROM usage WHERE bucket <> 0 AND bucket NOT IN (SELECT id FROM bucket)",
    "an access key of no user": "SELECT id FROM access_key WHERE account NOT IN (SELECT name FROM account)",
    "a noncurrent version newer than the current one": (
        "SELECT h.bucket, hex(h.key) FROM history h JOIN object o ON o.bucket = h.bucket AND o.key = h.key WHERE -h.rank >= o.seq"
    ),
    "a version that says it is the newest and is not": (
        "SELECT h.bucket, hex(h.key) FROM history h WHERE h.noncurrent_ms IS NULL AND (h.marker = 0 "
        "OR EXISTS (SELECT 1 FROM object o WHERE o.bucket = h.bucket AND o.key = h.key) "
        "OR EXISTS (SELECT 1 FROM history n WHERE n.bucket = h.bucket AND n.key = h.key AND n.rank < h.rank))"
    ),
    "a key without a newest version": (
        "SELECT DISTINCT h.bucket, hex(h.key) FROM history h "
        "WHERE NOT EXISTS (SELECT 1 FROM object o WHERE o.bucket = h.bucket AND o.key = h.key) "
        "AND NOT EXISTS (SELECT 1 FROM history n WHERE n.bucket = h.bucket AND n.key = h.key AND n.noncurrent_ms IS NULL)"
    ),
    "two null versions of a key": (
        "SELECT h.bucket, hex(h.key) FROM history h JOIN object o ON o.bucket = h.bucket AND o.key = h.key "
        "WHERE h.nonce = 0 AND o.nonce = 0"
    ),
}


def contradictions(directory: str) -> list[str]:
    """What in the catalog contradicts itself, one line each; empty is sound. Raises sqlite3.Error."""
    connection = schema.open_to_read(directory)
    with contextlib.closing(connection):
        connection.execute("BEGIN").fetchall()
        return list(_all(connection))


def _all(connection: sqlite3.Connection) -> Iterator[str]:
    for (line,) in connection.execute("PRAGMA quick_check").fetchall():
        if line != "ok":
            yield f"SQLite: {line}"
    for what, sql in _ORPHANS.items():
        for row in connection.execute(sql).fetchall():
            yield f"{what}: {row}"
    yield from _counts(connection)
    yield from _names(connection)


def _counts(connection: sqlite3.Connection) -> Iterator[str]:
    """Usage, kept and computed."""
    computed: dict[int, Counter[str]] = {bucket: Counter() for (bucket,) in _rows(connection, "SELECT id FROM bucket")}
    store = computed[STORE] = Counter()
    for sql in (
        "SELECT bucket, count(*) AS objects, count(*) AS versions, 0 AS markers, sum(size), 0, 0 FROM object GROUP BY bucket",
        "SELECT bucket, 0, sum(1 - marker), sum(marker), sum(size), 0, 0 FROM history GROUP BY bucket",
        "SELECT bucket, 0, 0, 0, 0, count(*), 0 FROM upload GROUP BY bucket",
        "SELECT u.bucket, 0, 0, 0, 0, 0, sum(p.size) FROM part p JOIN upload u ON u.serial = p.upload GROUP BY u.bucket",
    ):
        for bucket, *counts in _rows(connection, sql):
            for name, count in zip(_COUNTS, counts, strict=True):
                if bucket in computed:
                    computed[bucket][name] += count
                    store[name] += count
    for bucket, *counts in _rows(connection, f"SELECT bucket, {rows.USAGE} FROM usage"):
        for name, count in zip(_COUNTS, counts, strict=True):
            if bucket in computed and computed[bucket][name] != count:
                yield f"bucket {bucket} counts {count} {name}, and there are {computed[bucket][name]}"


def _names(connection: sqlite3.Connection) -> Iterator[str]:
    """Names of manifests and blobs, kept and computed."""
    manifests: Counter[int] = Counter()
    blobs: Counter[int] = Counter()
    for table in ("object", "history"):
        for blob, manifest in _rows(connection, f"SELECT blob, manifest FROM {table}"):
            blobs.update(() if blob is None else (blob,))
            manifests.update(() if manifest is None else (manifest,))
    for unravelled, packed in _rows(connection, "SELECT unravelled, slices FROM manifest"):
        blobs.update(one.blob for one in rows.slices(packed)[unravelled:])
    for (packed,) in _rows(connection, "SELECT slices FROM part"):
        blobs.update(one.blob for one in rows.slices(packed))
    for table, names in (("manifest", manifests), ("blob", blobs)):
        kept = {id: (refs, retired_ms) for id, refs, retired_ms in _rows(connection, f"SELECT id, refs, retired_ms FROM {table}")}
        for id in sorted(names.keys() - kept.keys()):
            yield f"{table} {id} is named and missing"
        for id, (refs, retired_ms) in kept.items():
            if refs != names[id]:
                yield f"{table} {id} has {names[id]} names and counts {refs}"
            if (refs == 0) != (retired_ms is not None):
                yield f"{table} {id} has {refs} names, and its time of retirement is {retired_ms}"


def _rows(connection: sqlite3.Connection, sql: str) -> list[Any]:
    return connection.execute(sql).fetchall()

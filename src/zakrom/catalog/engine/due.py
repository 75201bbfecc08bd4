"""Keeps the reminders of lifecycle (table `due`) in step with the versions: in the transaction that changes them.

Only buckets with a lifecycle document come here. A write touches the top of its key: the version that came or returned, those
that it pushed down, and the first one below as many as a rule keeps: nothing else of the key can be due sooner than before.
"""

from __future__ import annotations

from zakrom.catalog import rows
from zakrom.catalog.ledger import Account, Ledger
from zakrom.model.facts import Upload, Version
from zakrom.model.lifecycle import Lifecycle
from zakrom.rules import lifecycle as rules
from zakrom.rules.lifecycle import Subject

_OBJECT = f"SELECT {rows.VERSION_OF_OBJECT} FROM object WHERE bucket = ? AND key = ?"
_HISTORY = f"SELECT {rows.HISTORY} FROM history WHERE bucket = ? AND key = ?"
_SET = (
    "INSERT INTO due (bucket, key, rank, at_ms) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (bucket, key, rank) DO UPDATE SET at_ms = excluded.at_ms WHERE at_ms <> excluded.at_ms"
)
_DROP = "DELETE FROM due WHERE bucket = ? AND key = ? AND rank = ?"
_NEWER = (
    "SELECT count(*) FROM (SELECT 1 FROM history WHERE bucket = ? AND key = ? AND rank < ? "
    "AND noncurrent_ms IS NOT NULL LIMIT ?)"
)


def touch(ledger: Ledger, account: Account, key: bytes, gone_seq: int | None = None) -> None:
    """After a write to a key. ``gone_seq``: a version that it removed for good."""
    lifecycle = account.lifecycle
    if lifecycle is None:
        return
    if gone_seq is not None:
        ledger.execute(_DROP, (account.bucket, key, -gone_seq))
    for subject in _top(ledger, account.bucket, key, rules.depth(lifecycle)):
        remind(ledger, lifecycle, subject)


def remind(ledger: Ledger, lifecycle: Lifecycle, subject: Subject) -> None:
    """Notes when the next thing is due of a version, or that nothing is."""
    version = subject.version
    due = rules.choose(rules.dues(lifecycle, subject, ledger.day_ms))
    set_at(ledger, version.bucket, version.key, -version.seq, due.at_ms if due else None)


def remind_of_upload(ledger: Ledger, lifecycle: Lifecycle, serial: int, upload: Upload) -> None:
    """The same for an open upload."""
    end = rules.abort(lifecycle, upload.key, upload.created_ms, ledger.day_ms)
    set_at(ledger, upload.bucket, upload.key, serial, end[0] if end else None)


def begin_survey(ledger: Ledger, bucket: int) -> None:
    """The rules of a bucket have changed, or the bucket is gone: its reminders will be made anew, or removed."""
    ledger.execute("INSERT OR REPLACE INTO survey (bucket) VALUES (?)", (bucket,))


def set_at(ledger: Ledger, bucket: int, key: bytes, rank: int, at_ms: int | None) -> None:
    """Sets one reminder, or removes it."""
    if at_ms is None:
        ledger.execute(_DROP, (bucket, key, rank))
    else:
        ledger.execute(_SET, (bucket, key, rank, at_ms))


def version_at(ledger: Ledger, bucket: int, key: bytes, rank: int) -> Version | None:
    """The version of that rank."""
    row = ledger.row(f"{_OBJECT} AND seq = ?", (bucket, key, -rank)) or ledger.row(
        f"{_HISTORY} AND rank = ?", (bucket, key, rank)
    )
    return None if row is None else rows.version(row)


def subject(ledger: Ledger, lifecycle: Lifecycle, version: Version) -> Subject:
    """A version with what rules ask of its neighbours."""
    where = (version.bucket, version.key, -version.seq)
    depth = rules.depth(lifecycle)
    newer = ledger.row(_NEWER, (*where, depth))[0] if depth and version.noncurrent_ms is not None else 0
    alone = version.marker and ledger.row(f"{_HISTORY} AND rank <> ? LIMIT 1", where) is None
    return Subject(version, newer, alone)


def _top(ledger: Ledger, bucket: int, key: bytes, depth: int) -> list[Subject]:
    """The newest version of a key, and noncurrent ones to the first that has ``depth`` newer ones above it."""
    found = ledger.rows(_OBJECT, (bucket, key))
    found += ledger.rows(f"{_HISTORY} ORDER BY rank LIMIT ?", (bucket, key, depth + (1 if found else 2)))
    alone, newer = len(found) == 1, 0
    subjects = []
    for version in map(rows.version, found):
        subjects.append(Subject(version, newer, alone))
        newer += version.noncurrent_ms is not None
    return subjects

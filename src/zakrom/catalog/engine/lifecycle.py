"""Does what lifecycle rules say when it is due, and looks through buckets whose rules have changed.

A reminder names a version; what becomes of it is decided here and now, by `rules.lifecycle`, from the facts in this
transaction. So nothing that is stale, locked or not meant any more is touched, and a reminder is worked off or moved to a later
time: none is met twice at the same time.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from zakrom.catalog import rows
from zakrom.catalog.changes import AbortUpload, DeleteVersion, Expire, SetLifecycleDay, Survey
from zakrom.catalog.engine import due, uploads, versions
from zakrom.catalog.ledger import Account, Ledger
from zakrom.model.facts import NULL_NONCE, Version, VersionId, Versioning
from zakrom.model.lifecycle import DOCUMENT, Lifecycle
from zakrom.rules import lifecycle as rules
from zakrom.rules.lifecycle import Action

_MOVE_CURRENT = "UPDATE object SET storage_class = ? WHERE bucket = ? AND key = ? AND seq = ?"
_MOVE_NONCURRENT = "UPDATE history SET storage_class = ? WHERE bucket = ? AND key = ? AND rank = -?"
_UPLOAD = f"SELECT serial, {rows.UPLOAD} FROM upload WHERE bucket = ?"

# Each arm is walked by its primary key from where the survey stands.
_VERSIONS = (
    f"SELECT {rows.VERSION_OF_OBJECT} FROM object "
    "WHERE bucket = ?1 AND key >= ?2 AND (key > ?2 OR -seq > ?3) UNION ALL "
    f"SELECT {rows.HISTORY} FROM history WHERE bucket = ?1 AND (key, rank) > (?2, ?3) ORDER BY 2, 3 LIMIT ?4"
)


class Place(NamedTuple):
    """How far a survey has come."""

    bucket: int
    uploads: int
    key: bytes
    rank: int
    upload: str


def set_lifecycle_day(ledger: Ledger, change: SetLifecycleDay) -> None:
    """See `SetLifecycleDay`."""
    if ledger.day_ms == change.day_ms:
        return
    ledger.execute(
        "INSERT INTO meta (name, value) VALUES ('lifecycle_day_ms', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (change.day_ms,),
    )
    ledger.day_ms = change.day_ms
    for (bucket,) in ledger.rows("SELECT bucket FROM document WHERE kind = ?", (DOCUMENT,)):
        due.begin_survey(ledger, bucket)


# ----------------------------------------------------------------------------------------------------------- what is due


def expire(ledger: Ledger, change: Expire) -> dict[str, int]:
    """See `Expire`."""
    done: Counter[str] = Counter()
    for number, (bucket, key, rank) in enumerate(change.reminders):
        account = ledger.known_account(bucket)
        if account is None or account.lifecycle is None:
            due.set_at(ledger, bucket, key, rank, None)
        elif rank > 0:
            done["aborted"] += _expire_upload(ledger, account, account.lifecycle, key, rank, change.now_ms)
        else:
            done[_expire_version(ledger, account, account.lifecycle, key, rank, change, number)] += 1
    return {what: count for what, count in done.items() if what and count}


def _expire_version(
    ledger: Ledger, account: Account, lifecycle: Lifecycle, key: bytes, rank: int, change: Expire, number: int
) -> str:
    """Does what is due of a version; what that was, empty for nothing."""
    version = due.version_at(ledger, account.bucket, key, rank)
    if version is None:
        due.set_at(ledger, account.bucket, key, rank, None)
        return ""
    subject = due.subject(ledger, lifecycle, version)
    todo = rules.choose(rules.dues(lifecycle, subject, ledger.day_ms), change.now_ms)
    if todo is None or todo.at_ms > change.now_ms:
        due.set_at(ledger, account.bucket, key, rank, todo.at_ms if todo else None)
        return ""
    if todo.action is Action.MOVE:
        _move(ledger, lifecycle, version, todo.storage_class)
        return "moved"
    named = VersionId(0 if version.nonce == NULL_NONCE else version.seq, version.nonce)
    target = named if todo.action is Action.REMOVE else None
    versions.delete_version(
        ledger, DeleteVersion(account.bucket, key, change.now_ms, change.nonce + number, account.owner, target)
    )
    return "removed" if target or account.versioning is Versioning.NEVER else "marked"


def _move(ledger: Ledger, lifecycle: Lifecycle, version: Version, storage_class: str) -> None:
    """Another storage class, of the same bytes in the same place."""
    ledger.execute(
        _MOVE_CURRENT if version.latest else _MOVE_NONCURRENT, (storage_class, version.bucket, version.key, version.seq)
    )
    moved = due.version_at(ledger, version.bucket, version.key, -version.seq) or version
    due.remind(ledger, lifecycle, due.subject(ledger, lifecycle, moved))


def _expire_upload(ledger: Ledger, account: Account, lifecycle: Lifecycle, key: bytes, serial: int, now_ms: int) -> int:
    """Aborts an upload that is due; 1 if it did."""
    row = ledger.row(f"{_UPLOAD} AND key = ? AND serial = ?", (account.bucket, key, serial))
    end = None if row is None else rules.abort(lifecycle, key, rows.upload(row[1:]).created_ms, ledger.day_ms)
    if row is None or end is None or end[0] > now_ms:
        due.set_at(ledger, account.bucket, key, serial, end[0] if end else None)
        return 0
    uploads.abort_upload(ledger, AbortUpload(account.bucket, key, rows.upload(row[1:]).id, now_ms))
    return 1


# ---------------------------------------------------------------------------------------------------------------- surveys


def survey(ledger: Ledger, change: Survey) -> bool:
    """See `Survey`."""
    row = ledger.row("SELECT bucket, uploads, key, rank, upload FROM survey ORDER BY bucket LIMIT 1")
    if row is None:
        return False
    place = Place._make(row)
    account = ledger.known_account(place.bucket)
    if account is None or account.lifecycle is None:
        following = _forget(ledger, place, change.limit)
    elif place.uploads:
        following = _look_at_uploads(ledger, account.lifecycle, place, change.limit)
    else:
        following = _look_at_versions(ledger, account.lifecycle, place, change.limit)
    if following is None:
        ledger.execute("DELETE FROM survey WHERE bucket = ?", (place.bucket,))
    else:
        ledger.execute(
            "UPDATE survey SET uploads = ?, key = ?, rank = ?, upload = ? WHERE bucket = ?", (*following[1:], place.bucket)
        )
    return ledger.row("SELECT 1 FROM survey LIMIT 1") is not None


def _forget(ledger: Ledger, place: Place, limit: int) -> Place | None:
    found = ledger.rows("SELECT key, rank FROM due WHERE bucket = ? LIMIT ?", (place.bucket, limit))
    for key, rank in found:
        due.set_at(ledger, place.bucket, key, rank, None)
    return place if len(found) == limit else None


def _look_at_versions(ledger: Ledger, lifecycle: Lifecycle, place: Place, limit: int) -> Place:
    found = [rows.version(row) for row in ledger.rows(_VERSIONS, (place.bucket, place.key, place.rank, limit))]
    for version in found:
        due.remind(ledger, lifecycle, due.subject(ledger, lifecycle, version))
    if len(found) < limit:
        return place._replace(uploads=1, key=b"", rank=0)
    return place._replace(key=found[-1].key, rank=-found[-1].seq)


def _look_at_uploads(ledger: Ledger, lifecycle: Lifecycle, place: Place, limit: int) -> Place | None:
    found = ledger.rows(
        f"{_UPLOAD} AND (key, id) > (?, ?) ORDER BY key, id LIMIT ?", (place.bucket, place.key, place.upload, limit)
    )
    uploads_found = [(serial, rows.upload(tuple(row))) for serial, *row in found]
    for serial, upload in uploads_found:
        due.remind_of_upload(ledger, lifecycle, serial, upload)
    if len(found) < limit:
        return None
    last = uploads_found[-1][1]
    return place._replace(key=last.key, upload=last.id)

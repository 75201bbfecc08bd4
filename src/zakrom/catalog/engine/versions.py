"""Changes of versions: put, delete, restore, and the tags of one.

The shape of the tables (see the schema): `object` has the current version of a key that is no marker; `history` has all others.
Three moves keep it so: the newest *retreats* when something comes on top of it, the one below *returns* when the newest is
removed, and the null version is *replaced*. What to do is `rules.versioning`'s word; how it is done is here.
"""

from __future__ import annotations

from typing import NamedTuple

from zakrom import errors
from zakrom.catalog import names, rows
from zakrom.catalog.changes import Condition, Deleted, DeleteVersion, PutVersion, SetDetails, Written
from zakrom.catalog.engine import due
from zakrom.catalog.engine.buckets import check_quotas
from zakrom.catalog.ledger import Account, Ledger
from zakrom.model.facts import NULL_NONCE, Details, Version, VersionId, Versioning
from zakrom.rules import conditions, lock, versioning
from zakrom.rules.versioning import Delete

NONCE_MASK = (1 << 63) - 1  # SQL integers are signed: 63 bits of the caller's randomness are kept

_KEY_OBJECT = "SELECT seq, nonce, 0, size, blob, manifest FROM object WHERE bucket = ? AND key = ?"
_KEY_HISTORY = "SELECT -rank, nonce, marker, size, blob, manifest FROM history WHERE bucket = ? AND key = ?"
_TOP_OF_HISTORY = _KEY_HISTORY + " ORDER BY rank LIMIT 1"
_NULL_OF_HISTORY = _KEY_HISTORY + " AND nonce = 0"
_ONE_OF_HISTORY = _KEY_HISTORY + " AND rank = ? AND nonce = ?"

_PUT_OBJECT = f"""
INSERT INTO object ({rows.OBJECT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (bucket, key) DO UPDATE SET seq = excluded.seq, nonce = excluded.nonce, size = excluded.size,
    modified_ms = excluded.modified_ms, etag = excluded.etag, storage_class = excluded.storage_class, owner = excluded.owner,
    blob = excluded.blob, manifest = excluded.manifest, parts = excluded.parts, details = excluded.details
"""
_OBJECT_TO_HISTORY = f"""
INSERT INTO history ({rows.HISTORY})
SELECT bucket, key, -seq, nonce, 0, size, modified_ms, etag, storage_class, owner, blob, manifest, parts, details, ?
FROM object WHERE bucket = ? AND key = ?
"""
_HISTORY_TO_OBJECT = f"""
INSERT INTO object ({rows.OBJECT})
SELECT bucket, key, -rank, nonce, size, modified_ms, etag, storage_class, owner, blob, manifest, parts, details
FROM history WHERE bucket = ? AND key = ? AND rank = ?
"""
_PUT_MARKER = f"""
INSERT INTO history ({rows.HISTORY}) VALUES (?, ?, ?, ?, 1, 0, ?, '', '', ?, NULL, NULL, 0, NULL, NULL)
"""


class Held(NamedTuple):
    """What the functions here need of a version that exists."""

    seq: int
    nonce: int
    marker: int
    size: int
    blob: int | None
    manifest: int | None


class Scene(NamedTuple):
    """A key before a change. ``newest`` is the current object, or the delete marker that hides all below."""

    current: Held | None
    marker: Held | None
    null: Held | None  # the null version that a write under the bucket's versioning replaces for good

    @property
    def newest_seq(self) -> int:
        """0 if the key has no version at all."""
        newest = self.current or self.marker
        return newest.seq if newest else 0


# ------------------------------------------------------------------------------------------------------------ the changes


def put_version(ledger: Ledger, change: PutVersion) -> Written:
    """See `PutVersion`."""
    account = ledger.account(change.bucket)
    scene = look(ledger, account, change.key)
    if change.condition is not None:
        check_condition(ledger, change.bucket, change.key, change.condition, scene)
    check_quotas(ledger, account, change.size - (scene.null.size if scene.null else 0))
    names.check(ledger, change.content, change.size)

    blob, manifest = names.take(ledger, change.content)
    return place(
        ledger,
        account,
        scene,
        key=change.key,
        nonce=change.nonce,
        size=change.size,
        now_ms=change.now_ms,
        etag=change.etag,
        storage_class=change.storage_class,
        owner=change.owner,
        blob=blob,
        manifest=manifest,
        parts=change.parts,
        details=change.details,
    )


def delete_version(ledger: Ledger, change: DeleteVersion) -> Deleted:
    """See `DeleteVersion`."""
    account = ledger.account(change.bucket)
    if change.condition is not None:
        scene = look(ledger, account, change.key)
        check_condition(ledger, change.bucket, change.key, change.condition, scene)
    if change.version is not None:
        return _remove_one(ledger, account, change, change.version)
    match versioning.plain_delete(account.versioning):
        case Delete.REMOVE:
            return _remove_current(ledger, account, change)
        case Delete.MARK:
            return _mark(ledger, account, change, _nonce(change.nonce))
        case Delete.MARK_NULL:
            return _mark(ledger, account, change, NULL_NONCE)


def set_details(ledger: Ledger, change: SetDetails) -> Version:
    """See `SetDetails`."""
    account = ledger.account(change.bucket)
    version = find(ledger, change.bucket, change.key, change.version)
    if version is None:
        raise errors.NoSuchKey if change.version is None else errors.NoSuchVersion
    if version.marker:
        raise errors.NoSuchKey if change.version is None else errors.MethodNotAllowed
    old = version.details
    lock.check_change(old.extra, change.extra, change.now_ms, bypass=change.bypass)
    tags = old.tags if change.tags is None else change.tags
    merged = {**old.extra, **change.extra}
    extra = {name: value for name, value in merged.items() if value is not None}
    details = Details(old.headers, old.metadata, tags, old.checksum, extra)
    where = (rows.pack_details(details), change.bucket, change.key)
    if version.latest:
        ledger.execute("UPDATE object SET details = ? WHERE bucket = ? AND key = ?", where)
    else:
        ledger.execute("UPDATE history SET details = ? WHERE bucket = ? AND key = ? AND rank = ?", (*where, -version.seq))
    changed = find(ledger, change.bucket, change.key, change.version) or version
    if account.lifecycle is not None:
        due.remind(ledger, account.lifecycle, due.subject(ledger, account.lifecycle, changed))
    return changed


# ------------------------------------------------------------------------------------------- what CompleteUpload needs too


def look(ledger: Ledger, account: Account, key: bytes) -> Scene:
    """The key as it is, before a write."""
    where = (account.bucket, key)
    current = _held(ledger, _KEY_OBJECT, where)
    if account.versioning is Versioning.NEVER:
        return Scene(current, None, current)
    marker = None if current else _held(ledger, _TOP_OF_HISTORY, where)
    if not versioning.replaces_null(account.versioning):
        return Scene(current, marker, None)
    null = current if current and current.nonce == NULL_NONCE else _held(ledger, _NULL_OF_HISTORY, where)
    return Scene(current, marker, null)


def newest_seq(ledger: Ledger, bucket: int, key: bytes) -> int:
    """The greatest seq of the key's versions and markers; 0 if it has none."""
    newest = _held(ledger, _KEY_OBJECT, (bucket, key)) or _held(ledger, _TOP_OF_HISTORY, (bucket, key))
    return newest.seq if newest else 0


def check_condition(ledger: Ledger, bucket: int, key: bytes, condition: Condition, scene: Scene) -> None:
    """Raises what `rules.conditions.check_write` does."""
    conditions.check_write(
        if_match=condition.if_match,
        if_none_match=condition.if_none_match,
        since_seq=condition.since_seq,
        current=find(ledger, bucket, key, None) if scene.current else None,
        newest_seq=scene.newest_seq,
    )


def find(ledger: Ledger, bucket: int, key: bytes, version: VersionId | None) -> Version | None:
    """The current version (a marker too) or the named one, whole."""
    where = (bucket, key)
    row = ledger.row(f"SELECT {rows.OBJECT} FROM object WHERE bucket = ? AND key = ?", where)
    if row is not None and (version is None or _named(version, row[2], row[3])):
        return rows.version_of_object(row)
    history = f"SELECT {rows.HISTORY} FROM history WHERE bucket = ? AND key = ?"
    if version is None:
        row = ledger.row(history + " ORDER BY rank LIMIT 1", where) if row is None else None
    elif version.nonce == NULL_NONCE:
        row = ledger.row(history + " AND nonce = 0", where)
    elif version.nonce > NONCE_MASK:
        row = None
    else:
        row = ledger.row(history + " AND rank = ? AND nonce = ?", (*where, -version.seq, version.nonce))
    return None if row is None else rows.version(row)


def place(
    ledger: Ledger,
    account: Account,
    scene: Scene,
    *,
    key: bytes,
    nonce: int,
    size: int,
    now_ms: int,
    etag: str,
    storage_class: str,
    owner: str,
    blob: int | None,
    manifest: int | None,
    parts: int,
    details: Details,
    upload_bytes: int = 0,
) -> Written:
    """Puts a new version on top, whose content has its names already, and counts it.

    ``upload_bytes``: of the parts that it was made of, which are counted no more.
    """
    seq, nonce = ledger.next_seq(), versioning.nonce(account.versioning, _nonce(nonce))
    _retreat(ledger, account, key, scene, now_ms)
    ledger.execute(
        _PUT_OBJECT,
        (
            account.bucket,
            key,
            seq,
            nonce,
            size,
            now_ms,
            etag,
            storage_class,
            owner,
            blob,
            manifest,
            parts,
            rows.pack_details(details),
        ),
    )
    gone = scene.null
    if gone is not None:
        names.release(ledger, gone.blob, gone.manifest, now_ms)
    ledger.count(
        account,
        objects=0 if scene.current else 1,
        versions=1 - (gone is not None and not gone.marker),
        markers=-1 if gone is not None and gone.marker else 0,
        size=size - (gone.size if gone else 0),
        upload_bytes=-upload_bytes,
    )
    if account.lifecycle is not None:
        due.touch(ledger, account, key, gone.seq if gone else None)
    return Written(seq, nonce, now_ms, gone is not None)


# -------------------------------------------------------------------------------------------------------------- the moves


def _retreat(ledger: Ledger, account: Account, key: bytes, scene: Scene, now_ms: int) -> None:
    """Makes way on top: the newest becomes noncurrent, unless it is the null version that is replaced; that one goes.

    The row of a replaced current object is left for its successor to overwrite.
    """
    where = (account.bucket, key)
    if scene.current is not None and scene.current is not scene.null:
        ledger.execute(_OBJECT_TO_HISTORY, (now_ms, *where))
    elif scene.marker is not None and (scene.null is None or scene.marker.seq != scene.null.seq):
        ledger.execute(
            "UPDATE history SET noncurrent_ms = ? WHERE bucket = ? AND key = ? AND rank = ?",
            (now_ms, *where, -scene.marker.seq),
        )
    if scene.null is not None and scene.null is not scene.current:
        ledger.execute("DELETE FROM history WHERE bucket = ? AND key = ? AND rank = ?", (*where, -scene.null.seq))


def _return(ledger: Ledger, account: Account, key: bytes) -> int:
    """The newest of the history takes the place of the newest that was removed. The number of objects this adds."""
    top = _held(ledger, _TOP_OF_HISTORY, (account.bucket, key))
    if top is None:
        return 0
    where = (account.bucket, key, -top.seq)
    if top.marker:
        ledger.execute("UPDATE history SET noncurrent_ms = NULL WHERE bucket = ? AND key = ? AND rank = ?", where)
        return 0
    ledger.execute(_HISTORY_TO_OBJECT, where)
    ledger.execute("DELETE FROM history WHERE bucket = ? AND key = ? AND rank = ?", where)
    return 1


def _remove_current(ledger: Ledger, account: Account, change: DeleteVersion) -> Deleted:
    """A plain delete where there never was versioning."""
    current = _held(ledger, _KEY_OBJECT, (change.bucket, change.key))
    if current is None:
        return Deleted(existed=False)
    ledger.execute("DELETE FROM object WHERE bucket = ? AND key = ?", (change.bucket, change.key))
    names.release(ledger, current.blob, current.manifest, change.now_ms)
    ledger.count(account, objects=-1, versions=-1, size=-current.size)
    due.touch(ledger, account, change.key, current.seq)
    return Deleted(existed=True)


def _mark(ledger: Ledger, account: Account, change: DeleteVersion, nonce: int) -> Deleted:
    """A delete marker comes on top, for a key that never existed too."""
    scene = look(ledger, account, change.key)
    seq = ledger.next_seq()
    _retreat(ledger, account, change.key, scene, change.now_ms)
    if scene.current is not None:
        ledger.execute("DELETE FROM object WHERE bucket = ? AND key = ?", (change.bucket, change.key))
    ledger.execute(_PUT_MARKER, (change.bucket, change.key, -seq, nonce, change.now_ms, change.owner))
    gone = scene.null
    if gone is not None:
        names.release(ledger, gone.blob, gone.manifest, change.now_ms)
    ledger.count(
        account,
        objects=-1 if scene.current else 0,
        versions=-1 if gone is not None and not gone.marker else 0,
        markers=0 if gone is not None and gone.marker else 1,
        size=-gone.size if gone else 0,
    )
    due.touch(ledger, account, change.key, gone.seq if gone else None)
    return Deleted(existed=scene.current is not None, marker=True, version_id=Written(seq, nonce, change.now_ms).version_id)


def _remove_one(ledger: Ledger, account: Account, change: DeleteVersion, version: VersionId) -> Deleted:
    """A version goes for good, by its id."""
    where = (change.bucket, change.key)
    version_id = Written(version.seq, version.nonce, 0).version_id
    current = _held(ledger, _KEY_OBJECT, where)
    gone = current if current is not None and _named(version, current.seq, current.nonce) else _old(ledger, where, version)
    if gone is None:
        return Deleted(existed=False, version_id=version_id)
    if account.locked and (found := due.version_at(ledger, *where, -gone.seq)) is not None:
        lock.check_removal(found.details.extra, change.now_ms, bypass=change.bypass)
    returned = 0
    if gone is current:
        ledger.execute("DELETE FROM object WHERE bucket = ? AND key = ?", where)
    else:
        ledger.execute("DELETE FROM history WHERE bucket = ? AND key = ? AND rank = ?", (*where, -gone.seq))
    if gone is current or (gone.marker and current is None):
        # It may have been the newest of its key (of `history`, only a marker can be); then what it hid comes back.
        returned = 0 if account.versioning is Versioning.NEVER else _return(ledger, account, change.key)
    if not gone.marker:
        names.release(ledger, gone.blob, gone.manifest, change.now_ms)
    ledger.count(
        account,
        objects=returned - (gone is current),
        versions=0 if gone.marker else -1,
        markers=-1 if gone.marker else 0,
        size=-gone.size,
    )
    due.touch(ledger, account, change.key, gone.seq)
    return Deleted(existed=True, marker=bool(gone.marker), version_id=version_id)


# ---------------------------------------------------------------------------------------------------------------- details


def _old(ledger: Ledger, where: tuple[int, bytes], version: VersionId) -> Held | None:
    if version.nonce == NULL_NONCE:
        return _held(ledger, _NULL_OF_HISTORY, where)
    if version.nonce > NONCE_MASK:
        return None
    return _held(ledger, _ONE_OF_HISTORY, (*where, -version.seq, version.nonce))


def _held(ledger: Ledger, sql: str, parameters: tuple[object, ...]) -> Held | None:
    row = ledger.row(sql, parameters)
    return None if row is None else Held._make(row)


def _named(version: VersionId, seq: int, nonce: int) -> bool:
    """Whether an id means this version: ``null`` names none by its seq."""
    return version.nonce == nonce and (nonce == NULL_NONCE or version.seq == seq)


def _nonce(proposed: int) -> int:
    return proposed & NONCE_MASK or 1

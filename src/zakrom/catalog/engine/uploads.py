"""Changes of multipart uploads: open, put a part, complete, abort.

The slices of a part name their blobs. Completing moves the names from the parts to a manifest, which for parts that are all
used touches no blob row: ten thousand parts are one row written and two ranges deleted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from zakrom import errors
from zakrom.catalog import names, rows
from zakrom.catalog.changes import AbortUpload, CompleteUpload, CreateUpload, PutPart, Written
from zakrom.catalog.engine import due, versions
from zakrom.catalog.engine.buckets import check_quotas
from zakrom.catalog.ledger import Account, Ledger
from zakrom.model.facts import Part, Slice, Upload


def create_upload(ledger: Ledger, change: CreateUpload) -> Upload:
    """See `CreateUpload`."""
    asked = change.upload
    account = ledger.account(asked.bucket)
    base_seq = versions.newest_seq(ledger, asked.bucket, asked.key)
    upload = msgspec.structs.replace(asked, base_seq=base_seq, revision=0)
    serial = ledger.next_seq()
    ledger.execute(
        f"INSERT INTO upload (serial, {rows.UPLOAD}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            serial,
            upload.bucket,
            upload.key,
            upload.id,
            upload.created_ms,
            upload.owner,
            upload.storage_class,
            rows.pack_details(upload.details),
            upload.checksum_algorithm,
            upload.checksum_full_object,
            base_seq,
            0,
        ),
    )
    if account.lifecycle is not None:
        due.remind_of_upload(ledger, account.lifecycle, serial, upload)
    ledger.count(account, uploads=1)
    return upload


def put_part(ledger: Ledger, change: PutPart) -> Part:
    """See `PutPart`."""
    account = ledger.account(change.bucket)
    serial, _ = _open(ledger, change)
    old = ledger.row("SELECT size, slices FROM part WHERE upload = ? AND number = ?", (serial, change.number))
    delta_bytes = change.size - (old[0] if old else 0)
    check_quotas(ledger, account, delta_bytes)
    names.check(ledger, change.content, change.size)

    slices = names.take_slices(ledger, change.content)
    ledger.execute(
        f"INSERT INTO part (upload, {rows.PART}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (upload, number) DO UPDATE SET "
        "size = excluded.size, etag = excluded.etag, modified_ms = excluded.modified_ms, slices = excluded.slices, "
        "checksum = excluded.checksum",
        (
            serial,
            change.number,
            change.size,
            change.etag,
            change.now_ms,
            rows.pack(slices),
            None if change.checksum is None else rows.pack(change.checksum),
        ),
    )
    ledger.execute("UPDATE upload SET revision = revision + 1 WHERE bucket = ? AND key = ? AND id = ?", _where(change))
    if old is not None:
        names.release_slices(ledger, rows.slices(old[1]), change.now_ms)
    ledger.count(account, upload_bytes=delta_bytes)
    return Part(change.number, change.size, change.etag, change.now_ms, slices, change.checksum)


def complete_upload(ledger: Ledger, change: CompleteUpload) -> Written:
    """See `CompleteUpload`."""
    account = ledger.account(change.bucket)
    serial, upload = _open(ledger, change)
    if upload.revision != change.revision:
        raise errors.Stale
    scene = versions.look(ledger, account, change.key)
    if change.condition is not None:
        versions.check_condition(ledger, change.bucket, change.key, change.condition, scene)
    held, upload_bytes = _names_of_parts(ledger, serial)
    wanted = _count_names(change.manifest.slices)
    if any(wanted[blob] > held[blob] for blob in wanted):
        raise errors.Stale("The manifest names bytes that are not among the upload's parts.")

    dropped = held - wanted
    names.release_slices(ledger, tuple(Slice(blob, 0, 0) for blob in dropped.elements()), change.now_ms)
    _close(ledger, account, change, serial)  # before the manifest, which so finds free pages on a full disk
    manifest = names.add_manifest(ledger, change.manifest) if change.manifest.slices or change.manifest.parts else None
    ledger.count(account, uploads=-1)
    return versions.place(
        ledger,
        account,
        scene,
        key=change.key,
        nonce=change.nonce,
        size=change.size,
        now_ms=change.now_ms,
        etag=change.etag,
        storage_class=upload.storage_class,
        owner=upload.owner,
        blob=None,
        manifest=manifest,
        parts=len(change.manifest.parts),
        details=change.details,
        upload_bytes=upload_bytes,
    )


def abort_upload(ledger: Ledger, change: AbortUpload) -> None:
    """See `AbortUpload`."""
    account = ledger.account(change.bucket)
    serial, _ = _open(ledger, change)
    upload_bytes = release_parts(ledger, serial, change.now_ms)
    _close(ledger, account, change, serial)
    ledger.count(account, uploads=-1, upload_bytes=-upload_bytes)


def release_parts(ledger: Ledger, serial: int, now_ms: int) -> int:
    """The parts of an upload give up their bytes: how many that were, as S3 counts them."""
    parts = ledger.rows("SELECT size, slices FROM part WHERE upload = ?", (serial,))
    slices = tuple(one for _, packed in parts for one in rows.slices(packed))
    names.release_slices(ledger, slices, now_ms)
    ledger.execute("DELETE FROM part WHERE upload = ?", (serial,))
    return sum(size for size, _ in parts)


def _open(ledger: Ledger, change: PutPart | CompleteUpload | AbortUpload) -> tuple[int, Upload]:
    """The upload a change speaks of. Raises `NoSuchUpload`."""
    row = ledger.row(f"SELECT serial, {rows.UPLOAD} FROM upload WHERE bucket = ? AND key = ? AND id = ?", _where(change))
    if row is None:
        raise errors.NoSuchUpload(upload_id=change.upload)
    return row[0], rows.upload(row[1:])


def _close(ledger: Ledger, account: Account, change: CompleteUpload | AbortUpload, serial: int) -> None:
    ledger.execute("DELETE FROM part WHERE upload = ?", (serial,))
    ledger.execute("DELETE FROM upload WHERE bucket = ? AND key = ? AND id = ?", _where(change))
    if account.lifecycle is not None:
        due.set_at(ledger, change.bucket, change.key, serial, None)


def _where(change: PutPart | CompleteUpload | AbortUpload) -> tuple[Any, ...]:
    return change.bucket, change.key, change.upload


def _names_of_parts(ledger: Ledger, serial: int) -> tuple[Counter[int], int]:
    """How many names each blob has from the parts, and the bytes of the parts."""
    parts = ledger.rows("SELECT size, slices FROM part WHERE upload = ?", (serial,))
    return _count_names(one for _, packed in parts for one in rows.slices(packed)), sum(size for size, _ in parts)


def _count_names(slices: Iterable[Slice]) -> Counter[int]:
    return Counter(one.blob for one in slices)

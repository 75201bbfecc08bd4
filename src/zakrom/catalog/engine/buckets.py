"""Changes of buckets: their life, versioning, documents, quotas."""

from __future__ import annotations

from zakrom import errors
from zakrom.catalog.changes import CreateBucket, DeleteBucket, SetDocument, SetQuota, SetVersioning
from zakrom.catalog.engine import due
from zakrom.catalog.ledger import STORE, Account, Ledger
from zakrom.model import lifecycle, lock
from zakrom.model.facts import Bucket, Versioning
from zakrom.rules import quota


def create_bucket(ledger: Ledger, change: CreateBucket) -> Bucket:
    """See `CreateBucket`."""
    taken = ledger.row("SELECT owner FROM bucket WHERE name = ?", (change.name,))
    if taken is not None:
        mine = taken[0] == change.owner
        raise (errors.BucketAlreadyOwnedByYou if mine else errors.BucketAlreadyExists)(bucket=change.name)
    (owned,) = ledger.row("SELECT count(*) FROM bucket WHERE owner = ?", (change.owner,))
    if owned >= change.owner_buckets_max:
        raise errors.TooManyBuckets(owned=owned, allowed=change.owner_buckets_max)
    versioning = Versioning.ENABLED if lock.DOCUMENT in change.documents else Versioning.NEVER
    bucket = Bucket(ledger.next_number("bucket"), change.name, change.owner, change.region, change.now_ms, versioning)
    ledger.execute(
        "INSERT INTO bucket (id, name, owner, region, created_ms, versioning) VALUES (?, ?, ?, ?, ?, ?)",
        (bucket.id, bucket.name, bucket.owner, bucket.region, bucket.created_ms, int(versioning)),
    )
    ledger.execute("INSERT INTO usage (bucket) VALUES (?)", (bucket.id,))
    for kind, body in change.documents.items():
        ledger.execute("INSERT INTO document (bucket, kind, body) VALUES (?, ?, ?)", (bucket.id, kind, body))
    return bucket


def delete_bucket(ledger: Ledger, change: DeleteBucket) -> None:
    """See `DeleteBucket`. Open uploads are taken apart later, by `Unravel`: this takes the same time whatever was in it."""
    account = ledger.account(change.bucket)
    if account.versions or account.markers:
        raise errors.BucketNotEmpty
    for table in ("bucket", "usage", "document"):
        column = "id" if table == "bucket" else "bucket"
        ledger.execute(f"DELETE FROM {table} WHERE {column} = ?", (change.bucket,))
    if account.uploads:
        ledger.execute("INSERT INTO retired_bucket (bucket, retired_ms) VALUES (?, ?)", (change.bucket, change.now_ms))
        ledger.count(account, uploads=-account.uploads, upload_bytes=-account.upload_bytes)
    if account.lifecycle is not None:
        due.begin_survey(ledger, change.bucket)
    ledger.forget(account)


def set_versioning(ledger: Ledger, change: SetVersioning) -> None:
    """See `SetVersioning`. A bucket that has known versioning never becomes one that has not: its history would be hidden."""
    account = ledger.account(change.bucket)
    if change.versioning is Versioning.NEVER and account.versioning is not Versioning.NEVER:
        raise errors.InvalidBucketState
    if account.locked and change.versioning is not Versioning.ENABLED:
        raise errors.InvalidBucketState(
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
        )
    ledger.execute("UPDATE bucket SET versioning = ? WHERE id = ?", (int(change.versioning), change.bucket))
    account.versioning = change.versioning


def set_document(ledger: Ledger, change: SetDocument) -> None:
    """See `SetDocument`."""
    account = ledger.account(change.bucket)
    if change.kind == lock.DOCUMENT:
        _check_lock(account, change.body)
    account.take(change.kind, change.body)
    if change.kind == lifecycle.DOCUMENT:
        due.begin_survey(ledger, change.bucket)
    if change.body is None:
        ledger.execute("DELETE FROM document WHERE bucket = ? AND kind = ?", (change.bucket, change.kind))
        return
    ledger.execute(
        "INSERT INTO document (bucket, kind, body) VALUES (?, ?, ?) "
        "ON CONFLICT (bucket, kind) DO UPDATE SET body = excluded.body",
        (change.bucket, change.kind, change.body),
    )


def _check_lock(account: Account, body: bytes | None) -> None:
    """Versions are protected by their ids, so object lock needs versioning. Raises `InvalidBucketState`."""
    if account.versioning is not Versioning.ENABLED:
        raise errors.InvalidBucketState("Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
    if body is None:
        raise errors.InvalidBucketState("Object Lock cannot be disabled once it is enabled.")


def set_quota(ledger: Ledger, change: SetQuota) -> None:
    """See `SetQuota`. A wider quota is room that was made."""
    account = ledger.store if change.bucket is None else ledger.account(change.bucket)
    _write_quota(ledger, account.bucket, change.quota_bytes)
    wider = account.quota_bytes is not None and (change.quota_bytes is None or change.quota_bytes > account.quota_bytes)
    account.quota_bytes = change.quota_bytes
    if wider:
        ledger.freed(account)


def _write_quota(ledger: Ledger, bucket: int, quota_bytes: int | None) -> None:
    if bucket != STORE:
        ledger.execute("UPDATE bucket SET quota_bytes = ? WHERE id = ?", (quota_bytes, bucket))
    elif quota_bytes is None:
        ledger.execute("DELETE FROM meta WHERE name = 'quota_bytes'")
    else:
        ledger.execute(
            "INSERT INTO meta (name, value) VALUES ('quota_bytes', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (quota_bytes,),
        )


def check_quotas(ledger: Ledger, account: Account, delta_bytes: int) -> None:
    """Whether so many bytes more fit into the bucket and the store. Raises `QuotaExceeded`."""
    if account.quota_bytes is not None:
        quota.check(used_bytes=account.total_bytes, delta_bytes=delta_bytes, quota_bytes=account.quota_bytes, scope="bucket")
    store = ledger.store
    if store.quota_bytes is not None:
        quota.check(used_bytes=store.total_bytes, delta_bytes=delta_bytes, quota_bytes=store.quota_bytes, scope="store")

"""Room: who may still write, and how room comes back.

A full disk is a normal state. Uploads are refused while the file system has less free space than the reserve; deletes always go
on, and what they free can be used at once: the grace of retired blobs yields to need.
"""

from __future__ import annotations

from zakrom import errors
from zakrom.catalog.changes import Reaped, SetFull, Unravel
from zakrom.model.facts import Bucket
from zakrom.rules import quota
from zakrom.store.core import INLINE_BYTES_MAX, Store

REAP_BATCH = 500
"""Blobs unlinked before the catalog is told: bounds what a crash makes us unlink again."""

UNRAVEL_BATCH = 16
"""Retired manifests taken apart in one change: each may name 10,000 blobs, and the writer does nothing else meanwhile."""


async def check(store: Store, bucket: Bucket, key: bytes | None, size: int, now_ms: int) -> None:
    """Returns if ``size`` more bytes may come in; an early word, the change itself is checked again.

    ``key``: whose object is being replaced, if that frees its bytes (PutObject); None for parts.
    Raises `QuotaExceeded`, `InsufficientStorage`.
    """
    await _check_quota(store, bucket, key, size)
    await check_disk(store, size, now_ms)


async def check_disk(store: Store, size: int, now_ms: int) -> None:
    """Returns if the disk has room for ``size`` bytes beside the reserve. Raises `InsufficientStorage`.

    Small content also fits where deletes have left holes in the catalog's own file.
    """
    if _fits(store, size):
        if store.seen_full:
            await leave_full(store, now_ms)
        return
    if size <= INLINE_BYTES_MAX and await store.catalog.spare_bytes() >= size:
        return
    await reap(store, now_ms)
    if _fits(store, size):
        return
    store.seen_full = True
    if not (await store.catalog.space(None)).full:
        await store.catalog.apply(SetFull(True, now_ms))
    raise errors.InsufficientStorage(
        free_bytes=store.blobs.room().free, reserve_bytes=store.options.reserve_bytes, requested_bytes=size
    )


async def leave_full(store: Store, now_ms: int) -> bool:
    """Notes that there is room again, if there is; whether that is news."""
    if not _fits(store, 0):
        return False
    store.seen_full = False
    return bool(await store.catalog.apply(SetFull(False, now_ms)))


async def reap(store: Store, before_ms: int) -> int:
    """Unlinks all blobs that nobody has named since before ``before_ms``; returns how many bytes that freed."""
    async with store.reaping:
        while await store.catalog.apply(Unravel(before_ms, UNRAVEL_BATCH)):
            pass
        freed = 0
        while retired := await store.catalog.retired(before_ms, REAP_BATCH):
            ids = [blob for blob, _ in retired]
            await store.in_thread(store.blobs.drop, ids)
            await store.catalog.apply(Reaped(tuple(ids), before_ms))
            freed += sum(length for _, length in retired)
        return freed


def _fits(store: Store, size: int) -> bool:
    return store.blobs.room().free - size >= store.options.reserve_bytes


async def _check_quota(store: Store, bucket: Bucket, key: bytes | None, size: int) -> None:
    for scope, number in (("bucket", bucket.id), ("store", None)):
        space = await store.catalog.space(number)
        if space.quota_bytes is None:
            continue
        used = space.usage.total_bytes
        if used + size > space.quota_bytes and key is not None and not bucket.versioning:
            found = await store.catalog.find(bucket.id, key)
            used -= found.version.size if found else 0
        quota.check(used_bytes=used, delta_bytes=size, quota_bytes=space.quota_bytes, scope=scope)

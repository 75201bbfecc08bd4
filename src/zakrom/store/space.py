"""Room: who may still write, and how room comes back.

A full disk is a normal state. Uploads are refused while the file system has less free space than the reserve; deletes always go
on, and what they free can be used at once: the grace of retired blobs yields to need.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from zakrom import errors
from zakrom.catalog.changes import Reaped, SetFull, Unravel
from zakrom.model.facts import Bucket
from zakrom.rules import quota
from zakrom.store.core import INLINE_BYTES_MAX, Store

SHORT_SHARE = 16

SHORT_BYTES_MAX = 64 * 1024 * 1024
"""With less room than this, or than this share of a small disk, a store that had to refuse something counts as full: a few
uploads of the usual size (parts of 5 to 16 MiB) must fit before clients are told that there is room again."""

REAP_BATCH = 500
"""Blobs unlinked before the catalog is told: bounds what a crash makes us unlink again."""

UNRAVEL_BATCH = 16
"""Retired manifests taken apart in one change: each may name 10,000 blobs, and the writer does nothing else meanwhile."""


async def nothing() -> int:
    """What is replaced by something new."""
    return 0


async def check(store: Store, bucket: Bucket, size: int, now_ms: int, replaced: Callable[[], Awaitable[int]] = nothing) -> None:
    """Returns if ``size`` more bytes may come in; an early word, the change itself is checked again.

    ``replaced`` says how many bytes go when they come; it is asked only if that decides. Raises `QuotaExceeded`,
    `InsufficientStorage`.
    """
    await check_quota(store, bucket, size, replaced)
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
    await enter_full(store, now_ms)
    raise errors.InsufficientStorage(
        free_bytes=store.blobs.room().free, reserve_bytes=store.options.reserve_bytes, requested_bytes=size
    )


async def enter_full(store: Store, now_ms: int) -> None:
    """Notes, after a refusal, that the disk is full, if it is: one upload that is larger than all the room fills no disk."""
    if not _is_short(store):
        return
    store.seen_full = True
    if not (await store.catalog.space(None)).full:
        await store.catalog.apply(SetFull(True, now_ms))


async def leave_full(store: Store, now_ms: int) -> bool:
    """Notes that there is room again, if there is; whether that is news."""
    if _is_short(store):
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


def _is_short(store: Store) -> bool:
    """The same bound for both ways: refusals beside small writes that still fit would enter and leave with each request."""
    room = store.blobs.room()
    return room.free - store.options.reserve_bytes < min(SHORT_BYTES_MAX, room.total // SHORT_SHARE)


def _fits(store: Store, size: int) -> bool:
    return store.blobs.room().free - size >= store.options.reserve_bytes


async def check_quota(store: Store, bucket: Bucket, size: int, replaced: Callable[[], Awaitable[int]] = nothing) -> None:
    """The half of `check` that counts. Raises `QuotaExceeded`."""
    if bucket.quota_bytes is not None:
        await _check_quota(store, bucket.id, size, replaced)
    if await store.catalog.quota(None) is not None:
        await _check_quota(store, None, size, replaced)


async def _check_quota(store: Store, number: int | None, size: int, replaced: Callable[[], Awaitable[int]]) -> None:
    """Of one bucket, or of the store (None)."""
    space = await store.catalog.space(number)
    if space.quota_bytes is None or space.usage.total_bytes + size <= space.quota_bytes:
        return
    scope = "store" if number is None else "bucket"
    used, delta = space.usage.total_bytes, size - await replaced()
    quota.check(used_bytes=used, delta_bytes=delta, quota_bytes=space.quota_bytes, scope=scope)

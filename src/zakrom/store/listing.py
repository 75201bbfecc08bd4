"""Pages of keys, versions and uploads: `rules.listing` says where to look, the catalog looks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from zakrom.model.facts import Bucket, Listed, Upload, Version
from zakrom.rules.listing import Keyed, Page, Seek, start
from zakrom.store.core import Store

Row = TypeVar("Row", bound=Keyed)


async def objects(store: Store, bucket: Bucket, prefix: bytes, delimiter: bytes, marker: bytes, limit: int) -> Page[Listed]:
    """Up to ``limit`` current objects and common prefixes from beyond ``marker`` (a key, or a prefix already shown)."""

    def look(seek: Seek) -> Awaitable[list[Listed]]:
        return store.catalog.objects(bucket.id, prefix, seek.key, seek.inclusive, seek.limit)

    return await _fill(look, prefix, delimiter, start(prefix, delimiter, marker, limit), limit)


async def versions(
    store: Store, bucket: Bucket, prefix: bytes, delimiter: bytes, marker: bytes, marker_seq: int | None, limit: int
) -> Page[Version]:
    """Up to ``limit`` versions, markers and common prefixes from beyond version ``marker_seq`` of key ``marker``."""
    beyond = marker_seq  # of the versions of the key that a look begins with; None: of all of them

    async def look(seek: Seek) -> list[Version]:
        nonlocal beyond
        after = None if seek.inclusive else beyond
        rows = await store.catalog.versions(bucket.id, prefix, seek.key, after, seek.inclusive, seek.limit)
        beyond = rows[-1].seq if rows else None
        return rows

    return await _fill(look, prefix, delimiter, start(prefix, delimiter, marker, limit), limit)


async def uploads(
    store: Store, bucket: Bucket, prefix: bytes, delimiter: bytes, marker: bytes, marker_id: str | None, limit: int
) -> Page[Upload]:
    """Up to ``limit`` open uploads and common prefixes from beyond upload ``marker_id`` of key ``marker``."""
    beyond = marker_id

    async def look(seek: Seek) -> list[Upload]:
        nonlocal beyond
        after = None if seek.inclusive else beyond
        rows = await store.catalog.uploads(bucket.id, prefix, seek.key, after, seek.inclusive, seek.limit)
        beyond = rows[-1].id if rows else None
        return rows

    return await _fill(look, prefix, delimiter, start(prefix, delimiter, marker, limit), limit)


async def _fill(
    look: Callable[[Seek], Awaitable[list[Row]]], prefix: bytes, delimiter: bytes, first: Seek, limit: int
) -> Page[Row]:
    page: Page[Row] = Page(prefix, delimiter, limit)
    seek: Seek | None = first if limit else None
    while seek is not None:
        seek = page.feed(await look(seek), seek.limit)
    return page

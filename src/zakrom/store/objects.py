"""Objects: find, read, put, copy, delete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from zakrom import errors
from zakrom.catalog.changes import (
    Condition,
    Content,
    Deleted,
    DeleteVersion,
    Nothing,
    PutVersion,
    SetDetails,
    SharedBlob,
    SharedManifest,
    Written,
)
from zakrom.catalog.interface import Found
from zakrom.crypt.seals import Cover
from zakrom.model.facts import NULL_NONCE, Bucket, Checksum, Details, Version, VersionId, Versioning
from zakrom.rules.ranges import Span
from zakrom.store import space
from zakrom.store.core import Store
from zakrom.store.reading import Gone, Reading, open_bytes
from zakrom.store.receive import Payload, receive, settle
from zakrom.store.rewriting import Hashes, Source, rewritten

ATTEMPTS_MAX = 5
"""How often a read or copy looks again when what it found was replaced before it was opened."""


class Draft(NamedTuple):
    """What a new version will be, but for its bytes and who came before."""

    bucket: Bucket
    key: bytes
    now_ms: int
    nonce: int
    storage_class: str
    owner: str
    details: Details
    condition: Condition | None = None


class Put(NamedTuple):
    """A version that was written."""

    written: Written
    etag: str
    size: int
    checksum: Checksum | None


async def find(store: Store, bucket: Bucket, key: bytes, version: VersionId | None) -> Found:
    """The object that a GET means. Raises `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed` (a delete marker, asked by id)."""
    found = await store.catalog.find(bucket.id, key, version)
    if found is None:
        if version is None:
            raise errors.NoSuchKey(key=key.decode())
        raise errors.NoSuchVersion(key=key.decode(), version_id=_text(version))
    if found.version.marker:
        if version is None:
            raise errors.NoSuchKey(key=key.decode(), delete_marker=found.version.version_id)
        raise errors.MethodNotAllowed(
            method="GET",
            resource_type="DeleteMarker",
            delete_marker=found.version.version_id,
            last_modified_ms=found.version.modified_ms,
        )
    return found


async def open_object(
    store: Store,
    bucket: Bucket,
    key: bytes,
    version: VersionId | None,
    choose: Callable[[Version], Awaitable[Span]],
    customer: bytes | None = None,
) -> tuple[Found, bytes | Reading]:
    """The object and the bytes that ``choose`` wants of it, opened. Raises as `find`, ``choose`` and `open_bytes` do."""
    for _ in range(ATTEMPTS_MAX):
        found = await find(store, bucket, key, version)
        try:
            return found, await open_bytes(store, found, await choose(found.version), customer)
        except Gone:
            continue
    raise errors.ServiceUnavailable("The object is being replaced faster than it can be read. Please try again.")


async def put(store: Store, draft: Draft, payload: Payload, cover: Cover | None = None) -> Put:
    """Receives the bytes, makes them durable, then makes them the key's newest version. On error nothing is there.

    ``cover``: how they are to be sealed; None: not at all.
    """
    await space.check(store, draft.bucket, payload.length or 0, draft.now_ms, partial(_replaced, store, draft))
    content, size, digest = await receive(store, payload, draft.now_ms, cover)
    details = draft.details if digest.checksum is None else _with_checksum(draft.details, digest.checksum)
    change = _change(draft, details, content, size, digest.etag)
    written: Written = await settle(store, content, draft.now_ms, store.catalog.apply(change))
    return Put(written, digest.etag, size, digest.checksum)


async def put_copy(store: Store, draft: Draft, source: Version) -> Put:
    """A new version with the content of another: no byte is moved. Raises `Stale` if the source has gone; look again."""
    await space.check_quota(store, draft.bucket, source.size, partial(_replaced, store, draft))
    await space.check_disk(store, 0, draft.now_ms)
    change = _change(draft, draft.details, content_of(source), source.size, source.etag, source.parts)
    written: Written = await store.catalog.apply(change)
    return Put(written, source.etag, source.size, draft.details.checksum)


async def put_rewritten(store: Store, draft: Draft, source: Source, hashes: Hashes, cover: Cover | None) -> Put:
    """A new version with the content of another, opened and sealed anew. Raises as `put`, and `Stale` as `put_copy`."""
    return await rewritten(store, source, hashes, lambda payload: put(store, draft, payload, cover))


async def delete(
    store: Store,
    bucket: Bucket,
    key: bytes,
    version: VersionId | None,
    owner: str,
    nonce: int,
    now_ms: int,
    condition: Condition | None = None,
    *,
    bypass: bool = False,
) -> Deleted:
    """What a DELETE means under the bucket's versioning.

    Raises `PreconditionFailed`, `NoSuchKey` (a condition on an absent key), `AccessDenied` (object lock; ``bypass``: the caller
    may bypass governance).
    """
    change = DeleteVersion(bucket.id, key, now_ms, nonce, owner, version, condition, bypass)
    deleted: Deleted = await store.catalog.apply(change)
    return deleted


async def set_tags(
    store: Store, bucket: Bucket, key: bytes, version: VersionId | None, tags: tuple[tuple[str, str], ...]
) -> Version:
    """Replaces the tags of a version. Raises `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed`."""
    changed: Version = await store.catalog.apply(SetDetails(bucket.id, key, version, tags))
    return changed


async def set_extra(
    store: Store,
    bucket: Bucket,
    key: bytes,
    version: VersionId | None,
    entries: dict[str, str | None],
    now_ms: int = 0,
    *,
    bypass: bool = False,
) -> Version:
    """Sets entries of a version's ``extra``; None removes one. Raises as `set_tags`, and `AccessDenied` (object lock)."""
    changed: Version = await store.catalog.apply(SetDetails(bucket.id, key, version, None, entries, now_ms, bypass))
    return changed


def content_of(version: Version) -> Content:
    """The content of a version, to be shared by another."""
    if version.manifest is not None:
        return SharedManifest(version.manifest)
    return Nothing() if version.blob is None else SharedBlob(version.blob)


async def _replaced(store: Store, draft: Draft) -> int:
    """The bytes that go when the draft's key is written: those of its null version, unless versioning keeps it."""
    if draft.bucket.versioning is Versioning.ENABLED:
        return 0
    found = await store.catalog.find(draft.bucket.id, draft.key, VersionId(0, NULL_NONCE))
    return found.version.size if found else 0


def _change(draft: Draft, details: Details, content: Content, size: int, etag: str, parts: int = 0) -> PutVersion:
    return PutVersion(
        draft.bucket.id,
        draft.key,
        draft.now_ms,
        draft.nonce,
        size,
        etag,
        draft.storage_class,
        draft.owner,
        details,
        content,
        parts,
        draft.condition,
    )


def _with_checksum(details: Details, checksum: Checksum) -> Details:
    return Details(details.headers, details.metadata, details.tags, checksum, details.extra)


def _text(version: VersionId) -> str:
    return "null" if version.nonce == 0 else f"{version.seq:016x}{version.nonce:016x}"

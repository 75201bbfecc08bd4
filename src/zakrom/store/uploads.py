"""Multipart uploads: create, part, part by copy, complete, abort."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from zakrom import errors
from zakrom.catalog.changes import AbortUpload, CompleteUpload, Condition, CreateUpload, PutPart, SharedSlices, Written
from zakrom.catalog.interface import Found
from zakrom.crypt.seals import Cover
from zakrom.model.facts import Bucket, Checksum, Details, Part, Slice, Upload, VersionId
from zakrom.rules import multipart, ranges
from zakrom.store import objects, space
from zakrom.store.core import Store
from zakrom.store.objects import ATTEMPTS_MAX
from zakrom.store.reading import Gone, Reading, manifest_of, open_bytes
from zakrom.store.receive import Digest, Payload, receive, settle
from zakrom.store.rewriting import Hashes, Source, rewritten
from zakrom.wire import etags


class Assembled(NamedTuple):
    """What an object of parts is called."""

    etag: str
    checksum: Checksum | None
    details: Details | None = None  # of the object, once it is there


Assemble = Callable[[Upload, Sequence[Part]], Assembled]
"""The ETag and checksum of these parts; raises if the request promised others."""


async def create(store: Store, bucket: Bucket, upload: Upload) -> Upload:
    """Opens an upload. Raises `NoSuchBucket`, and `QuotaExceeded` or `InsufficientStorage` if not one byte would fit."""
    await space.check(store, bucket, 0, upload.created_ms)
    made: Upload = await store.catalog.apply(CreateUpload(upload))
    return made


async def put_part(
    store: Store, bucket: Bucket, upload: Upload, number: int, payload: Payload, now_ms: int, cover: Cover | None = None
) -> Part:
    """Receives a part, in place of the one that had its number. Raises `NoSuchUpload` and as `objects.put` does."""
    await space.check(store, bucket, payload.length or 0, now_ms, partial(_replaced, store, upload, number))
    content, size, digest = await receive(store, payload, now_ms, cover)
    change = PutPart(bucket.id, upload.key, upload.id, number, size, digest.etag, now_ms, content, digest.checksum)
    part: Part = await settle(store, content, now_ms, store.catalog.apply(change))
    return part


async def _replaced(store: Store, upload: Upload, number: int) -> int:
    """The bytes that go when this part is uploaded again."""
    _, parts = await store.catalog.parts(upload.bucket, upload.key, upload.id, number - 1, 1)
    return sum(part.size for part in parts if part.number == number)


async def copy_part(
    store: Store,
    bucket: Bucket,
    upload: Upload,
    number: int,
    source: Source,
    known: Digest | None,
    hashes: Hashes,
    now_ms: int,
) -> Part:
    """A part from bytes that are stored already: none is written.

    They are read into ``hashes`` unless their digest is ``known``.

    Raises `Stale` if the source has gone; look again.

    """
    (version, blob), span = source.found, source.span
    await space.check_quota(store, bucket, span.length, partial(_replaced, store, upload, number))
    await space.check_disk(store, 0, now_ms)
    named = known or await digest(store, source, hashes)
    manifest = await manifest_of(store, version)
    whole = manifest.slices if manifest else (Slice(blob.id, 0, blob.size),) if blob else ()
    content = SharedSlices(ranges.cut(whole, span))
    part: Part = await store.catalog.apply(
        PutPart(bucket.id, upload.key, upload.id, number, span.length, named.etag, now_ms, content, named.checksum)
    )
    return part


async def rewrite_part(
    store: Store, bucket: Bucket, upload: Upload, number: int, source: Source, hashes: Hashes, cover: Cover | None, now_ms: int
) -> Part:
    """As `copy_part`, for bytes that are to be sealed otherwise than they are: opened and sealed anew."""
    return await rewritten(
        store, source, hashes, lambda payload: put_part(store, bucket, upload, number, payload, now_ms, cover)
    )


async def complete(
    store: Store,
    bucket: Bucket,
    key: bytes,
    upload_id: str,
    asked: Sequence[multipart.Asked],
    assemble: Assemble,
    size: int | None,
    condition: Condition | None,
    nonce: int,
    now_ms: int,
) -> tuple[Written, Assembled]:
    """The upload becomes the key's newest version; no byte is moved. The answer is the same when it is asked again.

    ``size``: what the request says the object must have. Raises as `rules.multipart.choose` and
    `catalog.changes.CompleteUpload`.
    """
    for _ in range(ATTEMPTS_MAX):
        try:
            upload, parts = await store.catalog.parts(bucket.id, key, upload_id, 0, multipart.PARTS_MAX)
        except errors.NoSuchUpload:
            return await _completed_before(store, bucket, key, upload_id, asked)
        chosen = multipart.choose(upload, parts, asked)
        total = sum(part.size for part in chosen)
        if size is not None and size != total:
            raise errors.InvalidRequest(
                f"The provided 'x-amz-mp-object-size' header value {size} does not match what was computed: {total}"
            )
        named = assemble(upload, chosen)
        details = _details(upload, named.checksum)
        guarded = None if condition is None else Condition(condition.if_match, condition.if_none_match, upload.base_seq)
        change = CompleteUpload(
            bucket.id,
            key,
            upload_id,
            upload.revision,
            now_ms,
            nonce,
            total,
            named.etag,
            multipart.manifest(chosen),
            details,
            guarded,
        )
        try:
            written: Written = await store.catalog.apply(change)
        except (errors.Stale, errors.NoSuchUpload):  # a part came in between, or who completed it too: look again
            continue
        return written, named._replace(details=details)
    raise errors.OperationAborted(bucket=bucket.name)


COMPLETED_UPLOAD = "upload"
"""Where a version's details keep the id of the upload that made it."""


INITIATOR = "initiator"
"""Where an upload's details keep the canonical id of who created it, if that is not its owner. No version has it."""


def _details(upload: Upload, checksum: Checksum | None) -> Details:
    kept = upload.details
    extra = {**kept.extra, COMPLETED_UPLOAD: upload.id}
    extra.pop(INITIATOR, None)
    return Details(kept.headers, kept.metadata, kept.tags, checksum, extra)


async def _completed_before(
    store: Store, bucket: Bucket, key: bytes, upload_id: str, asked: Sequence[multipart.Asked]
) -> tuple[Written, Assembled]:
    """The answer of a completion that was done already: a client whose first answer was lost asks again.

    Raises `NoSuchUpload` unless the current version came from this upload and these parts.
    """
    found = await store.catalog.find(bucket.id, key)
    version = found.version if found else None
    if version is None or version.marker or version.details.extra.get(COMPLETED_UPLOAD) != upload_id:
        raise errors.NoSuchUpload(upload_id=upload_id)
    try:
        etag = etags.multipart(part.etag for part in asked)
    except ValueError:  # no hexadecimal digests
        etag = ""
    if etag != version.etag:
        raise errors.NoSuchUpload(upload_id=upload_id)
    return Written(version.seq, version.nonce, version.modified_ms), Assembled(etag, version.details.checksum, version.details)


async def abort(store: Store, bucket: Bucket, key: bytes, upload: str, now_ms: int) -> None:
    """The upload and its parts go. Raises `NoSuchUpload`."""
    await store.catalog.apply(AbortUpload(bucket.id, key, upload, now_ms))


async def source(store: Store, bucket: Bucket, key: bytes, version: VersionId | None) -> Found:
    """What a copy reads. Raises `NoSuchKey`, `NoSuchVersion`, `InvalidRequest` (a delete marker, named by its id)."""
    try:
        return await objects.find(store, bucket, key, version)
    except errors.MethodNotAllowed:
        raise errors.InvalidRequest(
            "The source of a copy request may not specifically refer to a delete marker by version id."
        ) from None


async def digest(store: Store, source: Source, hashes: Hashes) -> Digest:
    """Reads bytes that are stored already into ``hashes``. Raises `Stale` if they have gone meanwhile, `DataCorrupt`."""
    try:
        data = await open_bytes(store, source.found, source.span, source.customer)
    except Gone:
        raise errors.Stale from None
    if not isinstance(data, Reading):
        hashes.update(data)
        return hashes.finish()
    try:
        async for piece in data.pieces():
            await store.in_thread(hashes.update, piece)
    finally:
        data.close()
    return hashes.finish()

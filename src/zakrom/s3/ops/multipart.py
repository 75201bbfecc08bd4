"""Multipart uploads: create, part, part by copy, complete, abort, and the two listings."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial

import msgspec

from zakrom import errors
from zakrom.model.acl import ANONYMOUS_ID
from zakrom.model.facts import Checksum, Part, Upload
from zakrom.rules import multipart, ranges
from zakrom.rules.ranges import Span
from zakrom.s3 import conditions, drafts, encryption, extras
from zakrom.s3.acls import owner_of_write
from zakrom.s3.call import Call
from zakrom.s3.operation import BUCKET, OBJECT, operation
from zakrom.s3.ops.copy_object import Source
from zakrom.s3.ops.lifecycle import headers_of_upload
from zakrom.s3.ops.list_objects import Asked
from zakrom.s3.payload import Payload, Sums
from zakrom.s3.render import (
    checksum_headers,
    checksum_type,
    empty,
    owner_xml,
    refuse_unserved_headers,
    shown_owner,
    storage_class,
    written_headers,
    xml_response,
)
from zakrom.store import listing, uploads
from zakrom.store.objects import ATTEMPTS_MAX
from zakrom.store.receive import Digest, Piece
from zakrom.store.uploads import Assembled
from zakrom.web.message import Response
from zakrom.wire import checksums, etags
from zakrom.wire.dates import iso8601
from zakrom.wire.documents import parse_complete_multipart_upload
from zakrom.wire.xml import element

UPLOADS_PAGE_MAX = 1000  # AWS: more is asked for in vain
PARTS_PAGE_MAX = 1000  # the same
BODY_BYTES_MAX = 8 * 1024 * 1024  # 10,000 parts with ETag and checksum are about 3 MiB

UPLOAD_ID_BYTES = 24
"""Of randomness; the time stands before it, because uploads of one key are listed in the order of their creation."""


@operation("CreateMultipartUpload", "POST", OBJECT, "uploads", action="s3:PutObject")
async def create_multipart_upload(call: Call) -> Response:
    """Opens an upload. Its checksum algorithm and type are settled here."""
    refuse_unserved_headers(call)
    named = call.header("x-amz-checksum-algorithm")
    algorithm = None if named is None else checksums.parse_algorithm(named)
    full_object = checksums.multipart_full_object(algorithm, call.header("x-amz-checksum-type"))
    owner, initiator = owner_of_write(call), call.caller.canonical_id or ANONYMOUS_ID
    details = await extras.begin(call, drafts.details(call))
    if initiator != owner:
        details = msgspec.structs.replace(details, extra={**details.extra, uploads.INITIATOR: initiator})
    upload = Upload(
        call.bucket.id,
        call.key,
        f"{call.now_ms:012x}{secrets.token_urlsafe(UPLOAD_ID_BYTES)}",
        call.now_ms,
        owner,
        storage_class(call),
        details,
        algorithm,
        full_object,
    )
    upload = await uploads.create(call.store, call.bucket, upload)
    fields = headers_of_upload(call, upload)
    if algorithm is not None:
        fields += [("x-amz-checksum-algorithm", algorithm), ("x-amz-checksum-type", _type(upload) or "")]
    fields += encryption.headers(call, upload.details, context=True)
    return xml_response(
        "InitiateMultipartUploadResult",
        f"{element('Bucket', call.bucket.name)}{element('Key', call.key.decode())}{element('UploadId', upload.id)}",
        *fields,
    )


@operation("UploadPart", "PUT", OBJECT, "uploadId", query=("partNumber",), action="s3:PutObject")
async def upload_part(call: Call) -> Response:
    """Receives a part; one of the same number is replaced."""
    number = _part_number(call)
    upload = await _upload(call)
    cover = encryption.cover_of_part(call, upload.details)
    payload = Payload.of_part(call, upload)
    payload.opaque = encryption.is_opaque(cover)
    part = await uploads.put_part(call.store, call.bucket, upload, number, payload, call.now_ms, cover)
    shown = payload.declared_checksum() or part.checksum
    fields = checksum_headers(shown)[:1]  # the type belongs to the object, not to a part
    return empty(200, ("ETag", f'"{part.etag}"'), *fields, *encryption.headers(call, upload.details))


@operation(
    "UploadPartCopy", "PUT", OBJECT, "uploadId", query=("partNumber",), headers=("x-amz-copy-source",), action="s3:PutObject"
)
async def upload_part_copy(call: Call) -> Response:
    """A part from bytes that are stored already. None is written; they are read where their MD5 or checksum is not known."""
    number = _part_number(call)
    upload = await _upload(call)
    source = await Source.of(call)
    cover = encryption.cover_of_part(call, upload.details)
    algorithm = upload.checksum_algorithm or checksums.DEFAULT
    hashes = partial(Sums, algorithm, opaque=encryption.is_opaque(cover))
    for _ in range(ATTEMPTS_MAX):
        found = await source.find()
        version = found.version
        text = call.header("x-amz-copy-source-range")
        span = Span(0, version.size) if text is None else ranges.parse_copy(text, version.size)
        if span.length > multipart.PART_BYTES_MAX:
            raise errors.EntityTooLarge(proposed_size=span.length, max_size_allowed=multipart.PART_BYTES_MAX)
        known: Digest | None = None
        stored = version.details.checksum
        if (
            span.length == version.size
            and not version.parts
            and stored
            and stored.full_object
            and stored.algorithm == algorithm
        ):
            known = Digest(version.etag, stored)
        content = await source.part(found, span)
        try:
            if encryption.shares_bytes(version.details, upload.details, source.customer, cover):
                part = await uploads.copy_part(call.store, call.bucket, upload, number, content, known, hashes(), call.now_ms)
            else:
                part = await uploads.rewrite_part(
                    call.store, call.bucket, upload, number, content, hashes(), cover, call.now_ms
                )
        except errors.Stale:
            continue
        summed = (
            element(f"Checksum{part.checksum.algorithm}", part.checksum.value)
            if part.checksum and upload.checksum_algorithm
            else ""
        )
        body = f"{element('LastModified', iso8601(part.modified_ms))}<ETag>&quot;{part.etag}&quot;</ETag>{summed}"
        return xml_response("CopyPartResult", body, *source.fields(found), *encryption.headers(call, upload.details))
    raise errors.OperationAborted(bucket=call.bucket.name)


@operation("CompleteMultipartUpload", "POST", OBJECT, "uploadId", action="s3:PutObject")
async def complete_multipart_upload(call: Call) -> Response:
    """The parts become the object, in one transaction that moves no byte."""
    condition = conditions.of_write(call)
    body = await read_body_of_complete(call)
    if not body:  # AWS tells of an unknown upload before it tells of a missing list
        await _upload(call)
    asked = [multipart.Asked(part.number, part.etag, part.checksums) for part in parse_complete_multipart_upload(body)]
    declared = checksums.requested(call.request.headers, composite_allowed=True)

    def assemble(upload: Upload, parts: Sequence[Part]) -> Assembled:
        encryption.check_complete(call, upload)
        named = _assemble(upload, parts)
        _check_promise(upload, named, declared, call.header("x-amz-checksum-type"))
        return named

    size = call.header("x-amz-mp-object-size")
    if size is not None and not (size.isascii() and size.isdigit()):
        raise errors.InvalidRequest("Value for x-amz-mp-object-size header is invalid.")
    written, named = await uploads.complete(
        call.store, call.bucket, call.key, _upload_id(call), asked, assemble, None if size is None else int(size), condition,
        drafts.new_nonce(), call.now_ms,
    )  # fmt: skip
    scheme = "https" if call.request.secure else "http"
    location = f"{scheme}://{call.header('host') or 'localhost'}{call.request.path.decode('latin-1')}"
    content = (
        f"{element('Location', location)}{element('Bucket', call.bucket.name)}{element('Key', call.key.decode())}"
        f"<ETag>&quot;{named.etag}&quot;</ETag>{_object_checksum_xml(named.checksum, len(asked))}"
    )
    fields = encryption.headers(call, named.details) + written_headers(call, written.version_id)
    if call.documents and (found := await call.store.catalog.find(call.bucket.id, call.key)) is not None:
        fields += extras.announce(call, found.version)
    return xml_response("CompleteMultipartUploadResult", content, *fields)


async def read_body_of_complete(call: Call) -> bytes:
    """The list of parts. The checksum headers of this request speak of the object, not of the body."""
    payload = Payload(call, BODY_BYTES_MAX, None, checksums.ChecksumRequest())
    pieces: list[Piece] = []
    while more := await payload.read():
        pieces += more
    body = b"".join(pieces)
    payload.update(body)
    payload.finish()
    return body


@operation("AbortMultipartUpload", "DELETE", OBJECT, "uploadId")
async def abort_multipart_upload(call: Call) -> Response:
    """The upload and its parts go."""
    await uploads.abort(call.store, call.bucket, call.key, _upload_id(call), call.now_ms)
    return empty(204)


@operation("ListParts", "GET", OBJECT, "uploadId", action="s3:ListMultipartUploadParts")
async def list_parts(call: Call) -> Response:
    """The parts that have arrived."""
    limit = call.integer("max-parts", PARTS_PAGE_MAX, PARTS_PAGE_MAX)
    after = call.integer("part-number-marker", 0)
    upload, parts = await call.store.catalog.parts(call.bucket.id, call.key, _upload_id(call), after, limit + 1)
    shown = parts[:limit]
    rows = "".join(_part_row(upload, part) for part in shown)
    summed = ""
    if upload.checksum_algorithm is not None:
        summed = element("ChecksumAlgorithm", upload.checksum_algorithm) + element("ChecksumType", _type(upload))
    initiator, owner = await _people(call, upload)
    content = (
        f"{element('Bucket', call.bucket.name)}{element('Key', call.key.decode())}{element('UploadId', upload.id)}"
        f"{initiator}{owner}{element('StorageClass', upload.storage_class)}"
        f"{element('PartNumberMarker', after)}{element('NextPartNumberMarker', shown[-1].number if shown else 0)}"
        f"{element('MaxParts', limit)}{element('IsTruncated', len(parts) > limit)}{summed}{rows}"
    )
    return xml_response("ListPartsResult", content, *headers_of_upload(call, upload))


@operation("ListMultipartUploads", "GET", BUCKET, "uploads", action="s3:ListBucketMultipartUploads")
async def list_multipart_uploads(call: Call) -> Response:
    """The open uploads, by key and then by id."""
    asked = Asked(call, "max-uploads", UPLOADS_PAGE_MAX)
    names = asked.names
    key_marker, id_marker = call.param("key-marker") or "", call.param("upload-id-marker") or ""
    beyond = id_marker if key_marker and id_marker else None  # without a key it means nothing, as AWS says
    page = await listing.uploads(
        call.store, call.bucket, asked.prefix, asked.delimiter, key_marker.encode(), beyond, asked.limit
    )
    last = page.entries[-1] if page.entries else None
    next_key, next_id = (last, "") if isinstance(last, bytes) else (last.key, last.id) if last else (b"", "")
    rows = "".join(
        [
            f"<Upload>{names.element('Key', entry.key)}{element('UploadId', entry.id)}"
            f"{''.join(await _people(call, entry))}{element('StorageClass', entry.storage_class)}"
            f"{element('Initiated', iso8601(entry.created_ms))}{element('ChecksumAlgorithm', entry.checksum_algorithm)}"
            f"{element('ChecksumType', _type(entry))}</Upload>"
            for entry in page.entries
            if not isinstance(entry, bytes)
        ]
    )
    prefixes = "".join(
        f"<CommonPrefixes>{names.element('Prefix', entry)}</CommonPrefixes>"
        for entry in page.entries
        if isinstance(entry, bytes)
    )
    content = (
        f"{element('Bucket', call.bucket.name)}{names.element('KeyMarker', key_marker.encode())}"
        f"{element('UploadIdMarker', id_marker if key_marker else '')}{names.element('NextKeyMarker', next_key)}"
        f"{element('NextUploadIdMarker', next_id)}{names.element('Prefix', asked.prefix or None)}"
        f"{names.element('Delimiter', asked.delimiter or None)}{element('EncodingType', names.encoding)}"
        f"{element('MaxUploads', asked.limit)}{element('IsTruncated', page.truncated)}{rows}{prefixes}"
    )
    return xml_response("ListMultipartUploadsResult", content)


# --------------------------------------------------------------------------------------------------------------- details


async def _people(call: Call, upload: Upload) -> tuple[str, str]:
    """Initiator and owner of an upload."""
    owner = shown_owner(call, upload.owner)
    initiator = upload.details.extra.get(uploads.INITIATOR, owner)
    return await owner_xml(call, initiator, "Initiator"), await owner_xml(call, owner)


def _part_number(call: Call) -> int:
    return multipart.check_number(call.param("partNumber") or "")


def _upload_id(call: Call) -> str:
    return call.param("uploadId") or ""


async def _upload(call: Call) -> Upload:
    return await call.store.catalog.upload(call.bucket.id, call.key, _upload_id(call))


def _type(upload: Upload) -> str | None:
    if upload.checksum_full_object is None:
        return None
    return "FULL_OBJECT" if upload.checksum_full_object else "COMPOSITE"


def _assemble(upload: Upload, parts: Sequence[Part]) -> Assembled:
    """The ETag of the parts, and their common checksum: combined, or composed of theirs."""
    etag = etags.multipart(part.etag for part in parts)
    algorithm = upload.checksum_algorithm or checksums.DEFAULT
    sums = [checksums.decode(algorithm, part.checksum.value) for part in parts if part.checksum]
    if len(sums) < len(parts):
        return Assembled(etag, None)
    if upload.checksum_full_object is False:
        return Assembled(etag, Checksum(algorithm, checksums.encode(checksums.composite(algorithm, sums)), full_object=False))
    total = checksums.combine(algorithm, zip(sums, (part.size for part in parts), strict=True))
    return Assembled(etag, Checksum(algorithm, checksums.encode(total)))


def _check_promise(upload: Upload, named: Assembled, declared: checksums.ChecksumRequest, type_asked: str | None) -> None:
    """Raises `InvalidRequest` or `BadDigest` if the request expects another checksum of the object."""
    if type_asked is not None and type_asked != _type(upload):
        raise errors.InvalidRequest(
            f"The upload was created using the {_type(upload) or 'null'} checksum mode. The complete request must use the same "
            "checksum mode."
        )
    if declared.value is None or named.checksum is None:
        return
    algorithm = named.checksum.algorithm
    if declared.algorithm != algorithm and upload.checksum_algorithm is None:
        return  # AWS ignores a checksum in an algorithm that was not agreed on (recorded)
    parts = int(named.etag.rpartition("-")[2])
    if (
        declared.algorithm != algorithm
        or declared.value != checksums.decode(algorithm, named.checksum.value)
        or (declared.parts is not None and (named.checksum.full_object or declared.parts != parts))
    ):
        raise errors.BadDigest(f"The {algorithm.lower()} you specified did not match the calculated checksum.")


def _object_checksum_xml(checksum: Checksum | None, parts: int) -> str:
    if checksum is None:
        return ""
    value = checksum.value if checksum.full_object else f"{checksum.value}-{parts}"
    return element(f"Checksum{checksum.algorithm}", value) + element("ChecksumType", checksum_type(checksum))


def _part_row(upload: Upload, part: Part) -> str:
    summed = (
        element(f"Checksum{part.checksum.algorithm}", part.checksum.value)
        if part.checksum and upload.checksum_algorithm
        else ""
    )
    return (
        f"<Part>{element('PartNumber', part.number)}{element('LastModified', iso8601(part.modified_ms))}"
        f"<ETag>&quot;{part.etag}&quot;</ETag>{element('Size', part.size)}{summed}</Part>"
    )

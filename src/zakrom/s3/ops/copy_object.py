"""CopyObject: a new version that shares the bytes of another."""

from __future__ import annotations

from zakrom import errors
from zakrom.catalog.interface import Found
from zakrom.model.facts import Details, VersionId, Versioning
from zakrom.model.names import check_key, parse_version_id
from zakrom.rules import access, multipart, payment
from zakrom.rules.ranges import Span
from zakrom.s3 import authority, conditions, drafts, encryption, extras
from zakrom.s3.authority import Place
from zakrom.s3.call import Call
from zakrom.s3.context import request_tags
from zakrom.s3.operation import OBJECT, operation
from zakrom.s3.payload import Sums
from zakrom.s3.render import (
    Header,
    checksum_type,
    refuse_unserved_headers,
    written_headers,
    xml_response,
)
from zakrom.store import objects, uploads
from zakrom.store.objects import ATTEMPTS_MAX, Draft, Put
from zakrom.store.rewriting import Source as Content
from zakrom.web.message import Response
from zakrom.wire import checksums, headers
from zakrom.wire.dates import iso8601
from zakrom.wire.xml import element


class Source:
    """What ``x-amz-copy-source`` names, resolved and permitted."""

    def __init__(self, call: Call, place: Place, key: bytes, version: VersionId | None) -> None:
        self.call = call
        self.place = place
        self.bucket = place.bucket
        self.key = key
        self.version = version
        self.customer = encryption.source_customer(call)

    @classmethod
    async def of(cls, call: Call) -> Source:
        """Raises `InvalidArgument`, `NoSuchBucket`, `AccessDenied`: who may write here need not be one who may read there."""
        named = headers.parse_copy_source(call.header("x-amz-copy-source") or "")
        bucket = await call.store.catalog.bucket(named.bucket)
        key = check_key(named.key)
        place = Place(bucket, await call.store.catalog.documents(bucket.id), key, named.version_id)
        await authority.require(call, "s3:GetObject", place, reads=True)
        access.check_owner(call.header("x-amz-source-expected-bucket-owner"), bucket)
        payer = (await call.store.catalog.documents(bucket.id)).get(payment.KIND)
        if payer is not None:
            payment.charged(payer, bucket, call.caller, call.header("x-amz-request-payer"))
        version = None if named.version_id is None else parse_version_id(named.version_id)
        return cls(call, place, key, version)

    async def find(self) -> Found:
        """The version as it is now, if ``x-amz-copy-source-if-*`` allow.

        Raises as `store.uploads.source`, and `AccessDenied` for who may not know that it is missing.
        """
        try:
            found = await uploads.source(self.call.store, self.bucket, self.key, self.version)
        except (errors.NoSuchKey, errors.NoSuchVersion) as error:
            raise await authority.veil(self.call, self.place, error) from None
        encryption.check_key_of(found.version.details, self.customer)
        conditions.check_source(self.call, found.version)
        return found

    async def authorise_tags(self, found: Found) -> None:
        """Returns if the caller may have the source's tags come along, where there are any. Raises `AccessDenied`."""
        if found.version.details.tags and drafts.directive(self.call, "x-amz-tagging-directive") == "COPY":
            await authority.require(self.call, "s3:GetObjectTagging", self.place)
            await authority.require_of_write(self.call, "s3:PutObjectTagging", request_tags(found.version.details.tags))

    async def whole(self, found: Found) -> Content:
        """All its bytes, with the key that opens them. Raises `KMSDisabled`."""
        return await self.part(found, Span(0, found.version.size))

    async def part(self, found: Found, span: Span) -> Content:
        """Some of its bytes."""
        await encryption.check_opens(self.call, found.version.details)
        return Content(found, span, self.customer)

    def fields(self, found: Found) -> list[Header]:
        """The source's version id, where its bucket shows any."""
        if self.bucket.versioning is Versioning.NEVER:
            return []
        return [("x-amz-copy-source-version-id", found.version.version_id)]


@operation("CopyObject", "PUT", OBJECT, headers=("x-amz-copy-source",), action="s3:PutObject")
async def copy_object(call: Call) -> Response:
    """A copy, or the same object with other metadata.

    No byte is moved unless source and copy are encrypted otherwise; bytes are read only for a checksum not stored yet.
    """
    refuse_unserved_headers(call)
    condition = conditions.of_write(call)
    source = await Source.of(call)
    for _ in range(ATTEMPTS_MAX):
        found = await source.find()
        await source.authorise_tags(found)
        _check(call, source, found)
        made = await extras.begin(call, drafts.copied_details(call, found.version.details))
        draft = drafts.draft(call, encryption.of_copy(made, found.version.details), condition)
        try:
            put = await _put(call, draft, await source.whole(found))
        except errors.Stale:  # the source was replaced in between
            continue
        content = f"{element('LastModified', iso8601(put.written.modified_ms))}<ETag>&quot;{put.etag}&quot;</ETag>"
        if put.checksum is not None:
            content += element(f"Checksum{put.checksum.algorithm}", put.checksum.value)
            content += element("ChecksumType", checksum_type(put.checksum))
        fields = source.fields(found) + encryption.headers(call, draft.details, context=True)
        fields += written_headers(call, put.written.version_id)
        return xml_response("CopyObjectResult", content, *fields, *extras.headers_of_write(call, draft, put))
    raise errors.OperationAborted(bucket=call.bucket.name)


async def _put(call: Call, draft: Draft, source: Content) -> Put:
    """Shares the bytes of the source if they lie as the copy is to lie, else seals them anew."""
    kept, cover = source.found.version.details, encryption.cover(call, draft.details)
    if encryption.shares_bytes(kept, draft.details, source.customer, cover):
        made = await _with_checksum(call, source, draft.details)
        return await objects.put_copy(call.store, draft._replace(details=made), source.found.version)
    stored = kept.checksum.algorithm if kept.checksum and kept.checksum.full_object else checksums.DEFAULT
    asked = call.header("x-amz-checksum-algorithm")
    hashes = Sums(checksums.parse_algorithm(asked) if asked else stored, opaque=encryption.is_opaque(cover))
    return await objects.put_rewritten(call.store, draft, source, hashes, cover)


def _check(call: Call, source: Source, found: Found) -> None:
    """Raises `InvalidRequest` for a copy that AWS refuses: too large, or onto itself without a change."""
    if found.version.size > multipart.PART_BYTES_MAX:
        raise errors.InvalidRequest(
            f"The specified copy source is larger than the maximum allowable size for a copy source: {multipart.PART_BYTES_MAX}"
        )
    same = source.bucket.id == call.bucket.id and source.key == call.key and source.version is None
    changed = (  # AWS takes any storage class and redirect for a change, also those that the object has (recorded)
        drafts.directive(call, "x-amz-metadata-directive") == "REPLACE"
        or call.header("x-amz-storage-class") is not None
        or call.header("x-amz-website-redirect-location") is not None
        or encryption.asks_for_change(call)
    )
    if same and not changed:
        raise errors.InvalidRequest(
            "This copy request is illegal because it is trying to copy an object to itself without changing the "
            "object's metadata, storage class, website redirect location or encryption attributes."
        )


async def _with_checksum(call: Call, source: Content, details: Details) -> Details:
    """The details with the checksum that the copy is to have: the source's, unless another algorithm is asked for."""
    algorithm = call.header("x-amz-checksum-algorithm")
    stored = details.checksum
    if algorithm is None or (stored is not None and stored.full_object and stored.algorithm == algorithm.upper()):
        return details
    hashes = Sums(checksums.parse_algorithm(algorithm))
    digest = await uploads.digest(call.store, source, hashes)
    return Details(details.headers, details.metadata, details.tags, digest.checksum, details.extra)

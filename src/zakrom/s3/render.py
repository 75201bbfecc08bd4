"""Values of the store as S3 shows them: headers and XML that several operations share."""

from __future__ import annotations

from collections.abc import Iterable

from zakrom import errors
from zakrom.model.acl import ENFORCED, Grant, ownership_of
from zakrom.model.facts import Checksum, Version, Versioning
from zakrom.s3.call import Call
from zakrom.web.message import Response
from zakrom.wire import checksums, dates, headers
from zakrom.wire.xml import document, element, escape

Header = tuple[str, str]

DEFAULT_TYPE = "binary/octet-stream"
"""The Content-Type of an object that was put without one, as AWS has it."""

STORAGE_CLASSES = frozenset(
    {
        "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER",
        "DEEP_ARCHIVE", "GLACIER_IR",
    }
)  # fmt: skip

_XML = ("Content-Type", "application/xml")

_UNSERVED_HEADERS = ("x-amz-write-offset-bytes",)
"""Headers that ask for what is not there yet. To ignore them would be a lie (encrypted?)."""

_OBJECT_LOCK = "x-amz-bucket-object-lock-enabled"
_MAY_BE_REFUSED = frozenset((*_UNSERVED_HEADERS, _OBJECT_LOCK))


def empty(status: int, *fields: Header) -> Response:
    """An answer without a body."""
    return Response(status, list(fields))


def xml_response(root: str, content: str, *fields: Header, status: int = 200) -> Response:
    """An answer with an XML document."""
    return Response(status, [_XML, *fields], document(root, content))


def refuse_unserved_headers(call: Call) -> None:
    """Raises `NotServed` for headers whose wish would be ignored."""
    if _MAY_BE_REFUSED.isdisjoint(call.request.texts):
        return
    for name in _UNSERVED_HEADERS:
        if call.header(name) is not None:
            raise errors.NotServed(header=name)


def storage_class(call: Call, default: str = "STANDARD") -> str:
    """The storage class that a write asks for. Raises `InvalidStorageClass`."""
    asked = call.header("x-amz-storage-class") or default
    if asked not in STORAGE_CLASSES:
        raise errors.InvalidStorageClass(storage_class_requested=asked)
    return asked


def region_header(call: Call) -> Header:
    """Where the bucket is: SDKs learn it from listings."""
    return ("x-amz-bucket-region", call.bucket.region)


def version_headers(call: Call, version_id: str) -> list[Header]:
    """The version id, which a bucket that never had versioning does not show."""
    return [] if call.bucket.versioning is Versioning.NEVER else [("x-amz-version-id", version_id)]


def written_headers(call: Call, version_id: str) -> list[Header]:
    """The id of a version just written. AWS tells it only while versioning is enabled: where it is suspended it is ``null``."""
    return [("x-amz-version-id", version_id)] if call.bucket.versioning is Versioning.ENABLED else []


def checksum_headers(checksum: Checksum | None, parts: int = 0) -> list[Header]:
    """A checksum and its type; a composite one ends with the number of parts."""
    if checksum is None:
        return []
    value = checksum.value if checksum.full_object or not parts else f"{checksum.value}-{parts}"
    return [(checksums.header_name(checksum.algorithm), value), ("x-amz-checksum-type", checksum_type(checksum))]


def checksum_type(checksum: Checksum) -> str:
    """As S3 names it."""
    return "FULL_OBJECT" if checksum.full_object else "COMPOSITE"


def object_headers(call: Call, version: Version) -> list[Header]:
    """What GET and HEAD say of an object whichever bytes they send."""
    details = version.details
    fields = [
        ("ETag", f'"{version.etag}"'),
        ("Last-Modified", dates.http_date(version.modified_ms)),
        ("Accept-Ranges", "bytes"),
    ]
    kept = details.headers
    if call.target.query.raw:
        overrides = headers.response_overrides(call.target.query)
        if overrides:
            if call.caller.user is None:
                raise errors.InvalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
            kept = {**kept, **overrides}
    fields += [(_TITLES[name], value) for name, value in kept.items()]
    if "content-type" not in kept:
        fields.append(("Content-Type", DEFAULT_TYPE))
    if call.bucket.versioning is not Versioning.NEVER:
        fields.append(("x-amz-version-id", version.version_id))
    if details.metadata:
        fields += headers.metadata_headers(details.metadata)
    if version.storage_class != "STANDARD":
        fields.append(("x-amz-storage-class", version.storage_class))
    if details.tags:
        fields.append(("x-amz-tagging-count", str(len(details.tags))))
    return fields


_TITLES = {name.decode(): name.decode().title() for name in headers.KEPT}


def tagging_xml(tags: Iterable[tuple[str, str]]) -> str:
    """A TagSet."""
    rows = "".join(f"<Tag>{element('Key', key)}{element('Value', value)}</Tag>" for key, value in tags)
    return f"<TagSet>{rows}</TagSet>"


async def person_xml(call: Call, canonical_id: str) -> str:
    """Somebody by canonical id, with the display name if the user is still there."""
    user = await call.store.catalog.user_by_canonical_id(canonical_id)
    return f"<ID>{escape(canonical_id)}</ID>{element('DisplayName', user.display_name) if user else ''}"


async def owner_xml(call: Call, canonical_id: str, tag: str = "Owner") -> str:
    """The same as an owner."""
    return f"<{tag}>{await person_xml(call, canonical_id)}</{tag}>"


async def people_xml(call: Call, grants: Iterable[Grant], *others: str) -> dict[str, str]:
    """`person_xml` of all whom these grants name, and of others, by canonical id."""
    named = {grant.grantee for grant in grants if grant.grantee_type == "CanonicalUser"}
    return {one: await person_xml(call, one) for one in named.union(others)}


def shown_owner(call: Call, stored: str) -> str:
    """Who owns a version or an upload whose record says ``stored``: while ACLs are disabled, the bucket's owner owns all."""
    return call.bucket.owner if ownership_of(call.documents) == ENFORCED else stored


async def owners_xml(call: Call, stored: Iterable[str]) -> dict[str, str]:
    """The owners that a listing shows, by what the records say."""
    return {one: await owner_xml(call, shown_owner(call, one)) for one in set(stored)}

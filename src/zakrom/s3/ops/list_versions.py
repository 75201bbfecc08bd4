"""ListObjectVersions: every version and delete marker, by key, newest first."""

from __future__ import annotations

from zakrom import errors
from zakrom.model.facts import Version
from zakrom.model.names import parse_version_id
from zakrom.s3.call import Call
from zakrom.s3.operation import BUCKET, operation
from zakrom.s3.ops.list_objects import Asked, Names
from zakrom.s3.render import checksum_type, owners_xml, xml_response
from zakrom.store import listing
from zakrom.web.message import Response
from zakrom.wire.dates import iso8601
from zakrom.wire.xml import element


@operation("ListObjectVersions", "GET", BUCKET, "versions", action="s3:ListBucketVersions")
async def list_object_versions(call: Call) -> Response:
    """A page of versions. The markers are a pair: a key, and a version of it."""
    asked = Asked(call)
    key_marker, version_marker = call.param("key-marker"), call.param("version-id-marker")
    marker = (key_marker or "").encode()
    if version_marker is not None and not marker:
        raise errors.InvalidArgument(
            "A version-id marker cannot be specified without a key marker.",
            argument_name="version-id-marker",
            argument_value=version_marker,
        )
    seq = await _seq(call, marker, version_marker) if version_marker else None
    page = await listing.versions(call.store, call.bucket, asked.prefix, asked.delimiter, marker, seq, asked.limit)
    names = asked.names
    last = page.entries[-1] if page.truncated and page.entries else None
    next_key, next_version = (last, None) if isinstance(last, bytes) else (last.key, last.version_id) if last else (None, None)
    owners = await owners_xml(call, (entry.owner for entry in page.entries if not isinstance(entry, bytes)))
    rows = "".join(_row(names, entry, owners[entry.owner]) for entry in page.entries if not isinstance(entry, bytes))
    return xml_response(
        "ListVersionsResult",
        f"{asked.head(call)}{names.element('Prefix', asked.prefix)}{names.element('KeyMarker', marker)}"
        f"{element('VersionIdMarker', version_marker or '')}"
        f"{names.element('NextKeyMarker', next_key)}{element('NextVersionIdMarker', next_version)}"
        f"{element('MaxKeys', asked.limit)}{element('IsTruncated', page.truncated)}{rows}{asked.common_prefixes(page)}",
    )


async def _seq(call: Call, key: bytes, text: str) -> int | None:
    """The place of the marker's version among the versions of its key."""
    version = parse_version_id(text)
    if version.seq:
        return version.seq
    found = await call.store.catalog.find(call.bucket.id, key, version)  # "null" says nothing about its age
    return found.version.seq if found else None


def _row(names: Names, row: Version, owner: str) -> str:
    head = (
        f"<Key>{names(row.key)}</Key><VersionId>{row.version_id}</VersionId>{element('IsLatest', row.latest)}"
        f"<LastModified>{iso8601(row.modified_ms)}</LastModified>"
    )
    if row.marker:
        return f"<DeleteMarker>{head}{owner}</DeleteMarker>"
    checksum = row.details.checksum
    summed = (
        f"{element('ChecksumAlgorithm', checksum.algorithm)}{element('ChecksumType', checksum_type(checksum))}"
        if checksum
        else ""
    )
    return (
        f"<Version>{head}<ETag>&quot;{row.etag}&quot;</ETag>{summed}<Size>{row.size}</Size>{owner}"
        f"<StorageClass>{row.storage_class}</StorageClass></Version>"
    )

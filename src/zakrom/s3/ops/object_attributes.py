"""GetObjectAttributes: facts of an object without its bytes."""

from __future__ import annotations

from zakrom import errors
from zakrom.model.facts import Manifest, Version
from zakrom.s3 import encryption
from zakrom.s3.call import Call
from zakrom.s3.operation import OBJECT, operation
from zakrom.s3.render import checksum_type, version_headers, xml_response
from zakrom.store import objects
from zakrom.store.reading import manifest_of
from zakrom.web.message import Response
from zakrom.wire.dates import http_date
from zakrom.wire.xml import element

PARTS_PAGE_MAX = 1000  # AWS: more is asked for in vain

_ATTRIBUTES = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")


@operation("GetObjectAttributes", "GET", OBJECT, "attributes")
async def get_object_attributes(call: Call) -> Response:
    """Those attributes that ``x-amz-object-attributes`` names. The ETag is not quoted here."""
    wanted = _wanted(call)
    version = (await objects.find(call.store, call.bucket, call.key, call.version_id())).version
    encryption.check_read(call, version.details, encryption.customer(call))
    content = ""
    if "ETag" in wanted:
        content += element("ETag", version.etag)
    checksum = version.details.checksum
    if "Checksum" in wanted and checksum is not None:
        value = element(f"Checksum{checksum.algorithm}", checksum.value) + element("ChecksumType", checksum_type(checksum))
        content += f"<Checksum>{value}</Checksum>"
    if "ObjectParts" in wanted and version.parts:
        manifest = await manifest_of(call.store, version)
        if manifest is not None:
            content += _parts(call, version, manifest)
    if "StorageClass" in wanted:
        content += element("StorageClass", version.storage_class)
    if "ObjectSize" in wanted:
        content += element("ObjectSize", version.size)
    return xml_response(
        "GetObjectAttributesResponse",
        content,
        ("Last-Modified", http_date(version.modified_ms)),
        *version_headers(call, version.version_id),
    )


def _wanted(call: Call) -> set[str]:
    lines = [value.decode("latin-1") for name, value in call.request.headers if name == b"x-amz-object-attributes"]
    wanted = {name.strip() for line in lines for name in line.split(",") if name.strip()}
    unknown = sorted(wanted.difference(_ATTRIBUTES))
    if not wanted or unknown:
        raise errors.InvalidArgument(
            "Invalid attribute name specified."
            if unknown
            else "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty",
            argument_name="x-amz-object-attributes",
            argument_value=unknown[0] if unknown else None,
        )
    return wanted


def _parts(call: Call, version: Version, manifest: Manifest) -> str:
    """Their number always, and themselves where each has a checksum.

    AWS lists them under a composite checksum only (recorded); who verifies an object part by part wants them under any.
    """
    checksum = version.details.checksum
    total = element("PartsCount", len(manifest.parts))
    if checksum is None or manifest.parts[0].checksum is None:
        return f"<ObjectParts>{total}</ObjectParts>"
    marker, limit = _number(call, "x-amz-part-number-marker", 0), _number(call, "x-amz-max-parts", PARTS_PAGE_MAX)
    limit = min(limit, PARTS_PAGE_MAX)
    rest = [part for part in manifest.parts if part.number > marker]
    shown = rest[:limit]
    rows = "".join(
        f"<Part>{element('PartNumber', part.number)}{element('Size', part.size)}"
        f"{element(f'Checksum{checksum.algorithm}', part.checksum)}</Part>"
        for part in shown
    )
    return (
        f"<ObjectParts>{total}{element('PartNumberMarker', marker)}"
        f"{element('NextPartNumberMarker', shown[-1].number if shown else 0)}{element('MaxParts', limit)}"
        f"{element('IsTruncated', len(rest) > limit)}{rows}</ObjectParts>"
    )


def _number(call: Call, name: str, default: int) -> int:
    text = call.header(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise errors.InvalidArgument(
            f"Provided {name} not an integer or within integer range", argument_name=name, argument_value=text
        )
    return int(text)

"""ListObjects (V1 and V2): current objects of a bucket, a page at a time."""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from urllib.parse import quote

from zakrom import errors
from zakrom.model.facts import Listed, Version
from zakrom.rules.listing import Page
from zakrom.s3.call import Call
from zakrom.s3.operation import BUCKET, operation
from zakrom.s3.render import owner_xml, region_header, xml_response
from zakrom.store import listing
from zakrom.web.message import Response
from zakrom.wire.dates import iso8601
from zakrom.wire.xml import element, escape

KEYS_PAGE_MAX = 1000  # AWS: more is asked for in vain

_PLAIN = re.compile(rb"[A-Za-z0-9/_.~-]*")
_BETWEEN = b"\xff"  # in no key: UTF-8 does not have it
_ALL_PLAIN = re.compile(rb"[A-Za-z0-9/_.~\xff-]*")


class Names:
    """Keys and prefixes as the request wants to see them: escaped for XML, or percent-encoded."""

    def __init__(self, call: Call) -> None:
        encoding = call.param("encoding-type")
        if encoding is not None and encoding != "url":
            raise errors.InvalidArgument(
                "Invalid Encoding Method specified in Request", argument_name="encoding-type", argument_value=encoding
            )
        self.encoding = encoding

    def __call__(self, name: bytes) -> str:
        """The name, ready to stand in XML."""
        if _PLAIN.fullmatch(name):
            return name.decode("ascii")
        return quote(name, safe="/-_.~") if self.encoding else escape(name.decode())

    def each(self, names: list[bytes]) -> list[str]:
        """Each as the call above gives it. Where none needs escaping, as on most pages, all are looked at together."""
        joined = _BETWEEN.join(names)
        if names and _ALL_PLAIN.fullmatch(joined):
            return joined.decode("latin-1").split("\xff")
        return [self(name) for name in names]

    def element(self, tag: str, name: bytes | None) -> str:
        """An element with the name; nothing for None."""
        return "" if name is None else f"<{tag}>{self(name)}</{tag}>"


class Asked:
    """What every listing asks: prefix, delimiter, how many."""

    def __init__(self, call: Call, limit_name: str = "max-keys", maximum: int = KEYS_PAGE_MAX) -> None:
        self.names = Names(call)
        self.prefix = (call.param("prefix") or "").encode()
        self.delimiter = (call.param("delimiter") or "").encode()
        self.limit = call.integer(limit_name, maximum, maximum)

    def head(self, call: Call) -> str:
        """The elements that repeat the question, but for the prefix, which ListObjects repeats as it came."""
        names = self.names
        return (
            f"{element('Name', call.bucket.name)}"
            f"{names.element('Delimiter', self.delimiter or None)}{element('EncodingType', names.encoding)}"
        )

    def common_prefixes(self, page: Page[Listed] | Page[Version]) -> str:
        """The rolled-up keys of a page."""
        return "".join(
            f"<CommonPrefixes>{self.names.element('Prefix', entry)}</CommonPrefixes>"
            for entry in page.entries
            if isinstance(entry, bytes)
        )


@operation("ListObjects", "GET", BUCKET, action="s3:ListBucket")
async def list_objects(call: Call) -> Response:
    """The first version of the listing, with markers. NextMarker comes only with a delimiter."""
    asked = Asked(call)
    marker = (call.param("marker") or "").encode()
    page = await listing.objects(call.store, call.bucket, asked.prefix, asked.delimiter, marker, asked.limit)
    last = _last(page) if page.truncated and asked.delimiter else None
    content = (
        f"{asked.head(call)}{element('Prefix', asked.prefix.decode())}{asked.names.element('Marker', marker)}"
        f"{asked.names.element('NextMarker', last)}"
        f"{element('MaxKeys', asked.limit)}{element('IsTruncated', page.truncated)}"
        f"{await _contents(call, asked.names, page, owners=True)}{asked.common_prefixes(page)}"
    )
    return xml_response("ListBucketResult", content, region_header(call))


@operation("ListObjectsV2", "GET", BUCKET, query=("list-type",), action="s3:ListBucket")
async def list_objects_v2(call: Call) -> Response:
    """The second version of the listing, with opaque continuation tokens."""
    if call.param("list-type") != "2":
        return await list_objects(call)
    asked = Asked(call)
    token, start_after = call.param("continuation-token"), call.param("start-after")
    marker = _unwrap(token) if token else (start_after or "").encode()
    page = await listing.objects(call.store, call.bucket, asked.prefix, asked.delimiter, marker, asked.limit)
    owners = (call.param("fetch-owner") or "").lower() == "true"
    content = (
        f"{asked.head(call)}{asked.names.element('Prefix', asked.prefix)}{element('MaxKeys', asked.limit)}"
        f"{element('KeyCount', len(page.entries))}"
        f"{element('IsTruncated', page.truncated)}{element('ContinuationToken', token)}"
        f"{element('NextContinuationToken', _wrap(_last(page)) if page.truncated else None)}"
        f"{asked.names.element('StartAfter', start_after.encode() if start_after else None)}"
        f"{await _contents(call, asked.names, page, owners)}{asked.common_prefixes(page)}"
    )
    return xml_response("ListBucketResult", content, region_header(call))


async def _contents(call: Call, names: Names, page: Page[Listed], owners: bool) -> str:
    """The rows of a page. One expression and no call that could be avoided: a page has a thousand of them."""
    rows = [entry for entry in page.entries if not isinstance(entry, bytes)]
    owner = {name: await owner_xml(call, name) for name in {row.owner for row in rows}} if owners else {}
    return "".join(
        [
            f"<Contents><Key>{key}</Key>"
            f"<LastModified>{iso8601(row.modified_ms)}</LastModified><ETag>&quot;{row.etag}&quot;</ETag>"
            f"{_summed(checksum.algorithm, checksum.full_object) if (checksum := row.checksum) else ''}"
            f"<Size>{row.size}</Size>{owner[row.owner] if owners else ''}"
            f"<StorageClass>{row.storage_class}</StorageClass></Contents>"
            for row, key in zip(rows, names.each([row.key for row in rows]), strict=True)
        ]
    )


@lru_cache(16)  # 6 algorithms, two types
def _summed(algorithm: str, full_object: bool) -> str:
    kind = "FULL_OBJECT" if full_object else "COMPOSITE"
    return f"<ChecksumAlgorithm>{algorithm}</ChecksumAlgorithm><ChecksumType>{kind}</ChecksumType>"


def _last(page: Page[Listed]) -> bytes | None:
    if not page.entries:
        return None
    entry = page.entries[-1]
    return entry if isinstance(entry, bytes) else entry.key


TOKEN_VERSION = b"\x01"


def _wrap(marker: bytes | None) -> str | None:
    return None if marker is None else base64.urlsafe_b64encode(TOKEN_VERSION + marker).decode()


def _unwrap(token: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(token)
        raw[1:].decode()
    except (binascii.Error, ValueError):
        raw = b""
    if raw[:1] != TOKEN_VERSION:
        raise errors.InvalidArgument("The continuation token provided is incorrect", argument_name="continuation-token")
    return raw[1:]

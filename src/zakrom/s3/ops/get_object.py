"""GetObject and HeadObject."""

from __future__ import annotations

from zakrom import errors
from zakrom.model.facts import Checksum, Manifest, Version
from zakrom.rules import ranges
from zakrom.rules.ranges import Span
from zakrom.s3 import conditions, encryption, extras
from zakrom.s3.call import Call
from zakrom.s3.operation import OBJECT, operation
from zakrom.s3.render import Header, checksum_headers, object_headers, version_headers
from zakrom.store import objects
from zakrom.store.reading import Reading, manifest_of
from zakrom.web.message import FileRange, Response, Stream
from zakrom.wire import dates


class _Wanted:
    """Which bytes of an object a request wants: all, a range or a part. ``span`` is known once the version is."""

    def __init__(self, call: Call, *, opens: bool = True) -> None:
        """``opens``: whether the bytes themselves are wanted."""
        self.call = call
        number = call.param("partNumber")
        self.part = None if number is None else _part_number(number)
        self.opens = opens
        self.range = call.header("range")
        self.speaks_of_encryption = encryption.is_mentioned(call)
        self.key = encryption.customer(call) if self.speaks_of_encryption else None
        if self.part is not None and self.range is not None:
            raise errors.InvalidRequest("Cannot specify both Range header and partNumber query parameter")
        self.manifest: Manifest | None = None
        self.partial = False
        self.span = Span(0, 0)

    @property
    def status(self) -> int:
        """200 for the whole object, 206 for a part of it."""
        return 206 if self.partial else 200

    async def choose(self, version: Version) -> Span:
        """The bytes, if the request's conditions hold of this version; also kept as ``span``."""
        if version.details.extra or self.speaks_of_encryption:
            encryption.check_read(self.call, version.details, self.key)
        conditions.check_read(self.call, version)
        if version.details.extra and self.opens:
            await encryption.check_opens(self.call, version.details)
        span = None
        if self.part is not None:
            self.manifest = await manifest_of(self.call.store, version)
            span = ranges.of_part(self.part, version, self.manifest)
        elif self.range is not None and self._range_applies(version):
            span = ranges.parse(self.range, version.size)
        self.partial = span is not None
        self.span = Span(0, version.size) if span is None else span
        return self.span

    def _range_applies(self, version: Version) -> bool:
        """Whether If-Range holds (RFC 9110, 13.1.5); without it a range always applies."""
        condition = self.call.header("if-range")
        if condition is None:
            return True
        date = dates.parse_http_date(condition)
        if date is not None:
            return date // 1000 == version.modified_ms // 1000
        return condition.strip('"') == version.etag

    def fields(self, version: Version, span: Span) -> list[Header]:
        """The headers that tell of the bytes."""
        fields: list[Header] = []
        if self.partial and version.size:
            fields.append(("Content-Range", f"bytes {span.start}-{span.end - 1}/{version.size}"))
        if self.part is not None and version.parts:
            fields.append(("x-amz-mp-parts-count", str(version.parts)))
        if (self.call.header("x-amz-checksum-mode") or "").upper() == "ENABLED":
            fields += self._checksum(version, span)
        return fields

    def _checksum(self, version: Version, span: Span) -> list[Header]:
        whole = version.details.checksum
        if whole is None:
            return []
        if self.part is not None and self.manifest is not None:  # AWS does this for composite ones only (recorded)
            value = self.manifest.parts[self.part - 1].checksum
            return checksum_headers(Checksum(whole.algorithm, value, whole.full_object)) if value else []
        # A client checks what it received against the header, so a range must not carry the checksum of the whole.
        return checksum_headers(whole, version.parts) if span.length == version.size else []


def _part_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= 10_000):
        raise errors.InvalidArgument(
            "Part number must be an integer between 1 and 10000, inclusive",
            argument_name="partNumber",
            argument_value=text,
        )
    return int(text)


@operation("GetObject", "GET", OBJECT)
async def get_object(call: Call) -> Response:
    """An object's bytes: all, a range or a part, each block verified before it is sent."""
    wanted = _Wanted(call)
    try:
        found, data = await objects.open_object(call.store, call.bucket, call.key, call.version_id(), wanted.choose, wanted.key)
    except errors.NotModified as unchanged:
        return _not_modified(call, unchanged)
    version = found.version
    try:
        fields = object_headers(call, version)
        if version.details.extra or call.documents:
            fields += await extras.headers(call, version)
        if isinstance(data, bytes):
            return Response(wanted.status, fields + wanted.fields(version, wanted.span), data)
        fields += wanted.fields(version, wanted.span)
    except BaseException:
        if isinstance(data, Reading):
            data.close()
        raise
    return Response(wanted.status, fields, _body(call, data, version))


def _body(call: Call, data: Reading, version: Version) -> Stream | FileRange:
    # Only whole objects go unverified: who reads ranges of a large file reads them one by one, and each costs a few blocks.
    whole = data.whole_file() if call.store.options.sendfile and data.span.length == version.size else None
    if whole is not None:
        return FileRange(*whole, data.close)
    return Stream(data.span.length, data.pieces(), data.close)


@operation("HeadObject", "HEAD", OBJECT, action="s3:GetObject")
async def head_object(call: Call) -> Response:
    """What GetObject would say, without the bytes."""
    wanted = _Wanted(call, opens=False)
    version = (await objects.find(call.store, call.bucket, call.key, call.version_id())).version
    try:
        span = await wanted.choose(version)
    except errors.NotModified as unchanged:
        return _not_modified(call, unchanged)
    fields = object_headers(call, version) + wanted.fields(version, span)
    if version.details.extra or call.documents:
        fields += await extras.headers(call, version)
    return Response(wanted.status, fields, content_length=span.length)


def _not_modified(call: Call, unchanged: errors.NotModified) -> Response:
    """304 carries what a cache needs to keep its copy (RFC 9110, 15.4.5)."""
    fields = unchanged.fields
    answer = [("ETag", f'"{fields["etag"]}"'), ("Last-Modified", dates.http_date(int(fields["modified_ms"] or 0)))]
    return Response(304, answer + version_headers(call, str(fields["version_id"])))

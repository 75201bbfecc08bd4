"""Configurations of which a bucket may have several, told apart by ``id``: metrics, tiering, storage class analysis.

They are kept and listed, and change nothing: metrics of all buckets are at the server's own metrics page; objects never leave
for an archive tier, so all can always be read; an analysis that exports reports is refused by name, because nobody would write
them. Each is a document of its own, so two that are put at the same time are both there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from zakrom import errors
from zakrom.catalog.changes import SetDocument
from zakrom.s3.call import Call
from zakrom.s3.operation import BUCKET, operation
from zakrom.s3.payload import read_body
from zakrom.s3.render import empty, xml_response
from zakrom.web.message import Response
from zakrom.wire import shapes
from zakrom.wire.shapes import Shape
from zakrom.wire.xml import element, parse

BODY_BYTES_MAX = 64 * 1024  # some 10 tags of 128 + 256 characters, escaped
CONFIGURATIONS_MAX = 1000  # of one kind in a bucket: AWS's limit for each of the three
PAGE_MAX = 100  # API reference: "returns a maximum of 100 configurations"
ID_CHARACTERS_MAX = 64  # API reference: "The ID has a 64 character limit"


class Kind(NamedTuple):
    """A kind of configuration."""

    subject: str
    keyword: str
    shape: Shape
    listing: str

    @property
    def root(self) -> str:
        """The element that holds one."""
        return f"{self.subject}Configuration"

    def place(self, name: str) -> str:
        """The kind of the document that holds the one of that id."""
        return f"{self.keyword}/{name}"


_KINDS = (
    Kind("Analytics", "analytics", shapes.ANALYTICS, "ListBucketAnalyticsConfigurationResult"),
    Kind(
        "IntelligentTiering",
        "intelligent-tiering",
        shapes.INTELLIGENT_TIERING,
        "ListBucketIntelligentTieringConfigurationsOutput",
    ),
    Kind("Metrics", "metrics", shapes.METRICS, "ListMetricsConfigurationsResult"),
)


def _get(kind: Kind) -> Callable[[Call], Awaitable[Response]]:
    async def answer(call: Call) -> Response:
        """One configuration. Raises `NoSuchConfiguration`."""
        return xml_response(kind.root, _found(call, kind).decode())

    return answer


def _put(kind: Kind) -> Callable[[Call], Awaitable[Response]]:
    async def answer(call: Call) -> Response:
        """Adds a configuration, or replaces the one of that id. Raises `MalformedXML`, also if the body names another id."""
        name = _id(call)
        root = parse(await read_body(call, BODY_BYTES_MAX), kind.root)
        analysis = root.child("StorageClassAnalysis")
        if analysis is not None and analysis.child("DataExport") is not None:
            raise errors.NotServed("Reports of storage class analysis are not implemented.", header="DataExport")
        content = shapes.content(root, kind.shape)
        if root.text_of("Id") != name:
            raise errors.MalformedXML
        others = sum(place.startswith(kind.place("")) and place != kind.place(name) for place in call.documents)
        if others >= CONFIGURATIONS_MAX:
            raise errors.TooManyConfigurations
        await call.store.catalog.apply(SetDocument(call.bucket.id, kind.place(name), content.encode()))
        return empty(204)

    return answer


def _delete(kind: Kind) -> Callable[[Call], Awaitable[Response]]:
    async def answer(call: Call) -> Response:
        """Removes a configuration. Raises `NoSuchConfiguration`."""
        _found(call, kind)
        await call.store.catalog.apply(SetDocument(call.bucket.id, kind.place(_id(call)), None))
        return empty(204)

    return answer


def _list(kind: Kind) -> Callable[[Call], Awaitable[Response]]:
    async def answer(call: Call) -> Response:
        """A page of configurations by id. The token is the last id of the page before."""
        token = call.param("continuation-token") or ""
        places = sorted(place for place in call.documents if place.startswith(kind.place("")) and place > kind.place(token))
        page = places[:PAGE_MAX]
        more = len(places) > PAGE_MAX
        rows = "".join(f"<{kind.root}>{call.documents[place].decode()}</{kind.root}>" for place in page)
        last = page[-1].partition("/")[2] if more else None
        return xml_response(
            kind.listing,
            f"{rows}{element('IsTruncated', more)}{element('ContinuationToken', token or None)}"
            f"{element('NextContinuationToken', last)}",
        )

    return answer


def _id(call: Call) -> str:
    name = call.param("id") or ""
    if not 0 < len(name) <= ID_CHARACTERS_MAX:
        raise errors.InvalidArgument("Invalid configuration ID.", argument_name="id", argument_value=name)
    return name


def _found(call: Call, kind: Kind) -> bytes:
    body = call.documents.get(kind.place(_id(call)))
    if body is None:
        raise errors.NoSuchConfiguration
    return body


for _kind in _KINDS:
    _one, _reads, _writes = f"Bucket{_kind.root}", f"s3:Get{_kind.root}", f"s3:Put{_kind.root}"
    operation(f"ListBucket{_kind.root}s", "GET", BUCKET, _kind.keyword, action=_reads)(_list(_kind))
    operation(f"Get{_one}", "GET", BUCKET, _kind.keyword, query=("id",), action=_reads)(_get(_kind))
    operation(f"Put{_one}", "PUT", BUCKET, _kind.keyword, query=("id",), action=_writes)(_put(_kind))
    operation(f"Delete{_one}", "DELETE", BUCKET, _kind.keyword, query=("id",), action=_writes)(_delete(_kind))

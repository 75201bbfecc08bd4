"""Configurations of a bucket that are one document each, and change nothing else or only who is let in.

Transfer acceleration is kept because AWS would accept it: it promises another way to the same bytes, and every way to this
server is the same. Request payment is honoured by the door (`rules.payment`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from zakrom import errors
from zakrom.catalog.changes import SetDocument
from zakrom.rules import payment
from zakrom.s3.call import Call
from zakrom.s3.operation import BUCKET, operation
from zakrom.s3.payload import read_body
from zakrom.s3.render import empty, xml_response
from zakrom.web.message import Response
from zakrom.wire import shapes
from zakrom.wire.shapes import Shape

BODY_BYTES_MAX = 64 * 1024  # some 300 bytes, with room for comments and namespaces


class Kind(NamedTuple):
    """A kind of document. ``default``: the content of a bucket that has none; ``check`` raises what refuses a PUT."""

    subject: str
    keyword: str
    root: str
    shape: Shape
    kind: str
    default: str
    action: str
    check: Callable[[Call], None] = lambda _: None


def _check_accelerate(call: Call) -> None:
    if "." in call.bucket.name:
        raise errors.InvalidRequest("S3 Transfer Acceleration is not supported for buckets with periods (.) in their names")


_KINDS = (
    Kind(
        "BucketAccelerateConfiguration", "accelerate", "AccelerateConfiguration", shapes.ACCELERATE, "accelerate", "",
        "AccelerateConfiguration", _check_accelerate,
    ),
    Kind(
        "BucketRequestPayment", "requestPayment", "RequestPaymentConfiguration", shapes.REQUEST_PAYMENT, payment.KIND,
        "<Payer>BucketOwner</Payer>", "BucketRequestPayment",
    ),
)  # fmt: skip


def _get(kind: Kind) -> Callable[[Call], Awaitable[Response]]:
    async def answer(call: Call) -> Response:
        """The document, or what a bucket without one has."""
        body = call.documents.get(kind.kind)
        return xml_response(kind.root, kind.default if body is None else body.decode())

    return answer


def _put(kind: Kind) -> Callable[[Call], Awaitable[Response]]:
    async def answer(call: Call) -> Response:
        """Replaces the document."""
        body = await read_body(call, BODY_BYTES_MAX)
        kind.check(call)
        content = shapes.read(body, kind.root, kind.shape)
        stored = None if content == kind.default else content.encode()
        await call.store.catalog.apply(SetDocument(call.bucket.id, kind.kind, stored))
        return empty(200)

    return answer


for _kind in _KINDS:
    operation(f"Get{_kind.subject}", "GET", BUCKET, _kind.keyword, action=f"s3:Get{_kind.action}")(_get(_kind))
    operation(f"Put{_kind.subject}", "PUT", BUCKET, _kind.keyword, action=f"s3:Put{_kind.action}")(_put(_kind))

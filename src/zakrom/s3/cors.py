"""Requests from pages of other origins: the headers by which a browser learns that it may show the answer.

They stand on every answer that the bucket's rules allow, also on refusals, since a page that may not read why it was refused
cannot act on it.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from zakrom.catalog.interface import Catalog
from zakrom.errors import Error
from zakrom.model.cors import CorsRule
from zakrom.rules.cors import match
from zakrom.web.message import Request
from zakrom.wire.cors import answer_headers, requested_headers

KIND = "cors"
"""The document's name in the catalog."""

RULES_CACHED = 256  # documents of buckets that browsers talk to at the moment; up to 64 KiB each

_decode = msgspec.msgpack.Decoder(tuple[CorsRule, ...]).decode

Header = tuple[str, str]


@lru_cache(RULES_CACHED)
def rules_of(document: bytes) -> tuple[CorsRule, ...]:
    """The rules that a document holds."""
    return _decode(document)


async def headers(catalog: Catalog, request: Request, bucket: str | None) -> list[Header]:
    """The headers for the answer to a request that has an Origin; none where the bucket does not allow it."""
    if bucket is None:
        return []
    try:
        document = (await catalog.documents((await catalog.bucket(bucket)).id)).get(KIND)
        return [] if document is None else allowed_headers(rules_of(document), request)
    except Error:  # no such bucket, or no catalog: the answer itself says so
        return []


def allowed_headers(rules: tuple[CorsRule, ...], request: Request) -> list[Header]:
    """The headers if a rule allows the request, else none.

    As AWS does, an actual request that carries the headers of a preflight is judged by them. Raises `BadRequest`.
    """
    origin = request.text("origin") or ""
    asked = requested_headers(request.text("access-control-request-headers"))
    method = request.text("access-control-request-method") or request.method
    allowed = match(rules, origin, method, asked)
    return [] if allowed is None else answer_headers(allowed, origin, asked)

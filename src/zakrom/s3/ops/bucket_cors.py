"""What a bucket says about requests from other origins, and what it answers to a browser that asks before it sends one."""

from __future__ import annotations

import msgspec

from zakrom import errors
from zakrom.catalog.changes import SetDocument
from zakrom.model.cors import METHODS
from zakrom.s3.call import Call
from zakrom.s3.cors import KIND, allowed_headers, rules_of
from zakrom.s3.operation import BUCKET, OBJECT, operation
from zakrom.s3.payload import read_body
from zakrom.s3.render import empty, xml_response
from zakrom.web.message import Response
from zakrom.wire import cors


@operation("GetBucketCors", "GET", BUCKET, KIND, action="s3:GetBucketCORS")
async def get_bucket_cors(call: Call) -> Response:
    """The bucket's rules. Raises `NoSuchCORSConfiguration`."""
    document = call.documents.get(KIND)
    if document is None:
        raise errors.NoSuchCORSConfiguration(bucket=call.bucket.name)
    return xml_response("CORSConfiguration", cors.content(rules_of(document)))


@operation("PutBucketCors", "PUT", BUCKET, KIND, action="s3:PutBucketCORS")
async def put_bucket_cors(call: Call) -> Response:
    """Replaces the bucket's rules."""
    rules = cors.parse(await read_body(call, cors.BODY_BYTES_MAX))
    await call.store.catalog.apply(SetDocument(call.bucket.id, KIND, msgspec.msgpack.encode(rules)))
    return empty(200)


@operation("DeleteBucketCors", "DELETE", BUCKET, KIND, action="s3:PutBucketCORS")
async def delete_bucket_cors(call: Call) -> Response:
    """Removes the bucket's rules."""
    await call.store.catalog.apply(SetDocument(call.bucket.id, KIND, None))
    return empty(204)


@operation("PreflightBucket", "OPTIONS", BUCKET, early=True)
async def preflight_bucket(call: Call) -> Response:
    """May a page of this origin send such a request to the bucket?"""
    return await _preflight(call, "BUCKET")


@operation("PreflightObject", "OPTIONS", OBJECT, early=True)
async def preflight_object(call: Call) -> Response:
    """May a page of this origin send such a request to the key? Whether there is such a key does not matter."""
    return await _preflight(call, "OBJECT")


async def _preflight(call: Call, resource: str) -> Response:
    """200, to which the door adds the headers of CORS as to every answer. Never signed: browsers send no credentials.

    Raises `BadRequest` for a preflight that is none, `AccessForbidden` where no rule allows it.
    """
    if call.header("origin") is None:
        raise errors.BadRequest("Insufficient information. Origin request header needed.")
    method = call.header("access-control-request-method")
    asked = method or call.request.method
    catalog = call.store.catalog
    try:
        bucket = await catalog.bucket(call.target.bucket or "")
    except errors.NoSuchBucket:
        raise errors.AccessForbidden("CORSResponse: Bucket not found", method=asked, resource_type="BUCKET") from None
    document = (await catalog.documents(bucket.id)).get(KIND)
    if document is None:
        raise errors.AccessForbidden("CORSResponse: CORS is not enabled for this bucket.", method=asked, resource_type="BUCKET")
    if method not in METHODS:
        raise errors.BadRequest(f"Invalid Access-Control-Request-Method: {'null' if method is None else method}")
    if not allowed_headers(rules_of(document), call.request):
        raise errors.AccessForbidden(method=method, resource_type=resource)
    return empty(200)

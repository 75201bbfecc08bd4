"""What S3 says about a bucket's tags."""

from __future__ import annotations

import msgspec

from zakrom import errors
from zakrom.catalog.changes import SetDocument
from zakrom.s3.call import Call
from zakrom.s3.operation import BUCKET, operation
from zakrom.s3.payload import read_body
from zakrom.s3.render import empty, tagging_xml, xml_response
from zakrom.web.message import Response
from zakrom.wire.documents import parse_tagging
from zakrom.wire.tags import check_bucket_tags

BODY_BYTES_MAX = 128 * 1024  # 50 tags of at most 128 + 256 characters, escaped
KIND = "tagging"

_decode = msgspec.msgpack.Decoder(tuple[tuple[str, str], ...]).decode


@operation("GetBucketTagging", "GET", BUCKET, KIND)
async def get_bucket_tagging(call: Call) -> Response:
    """The bucket's tags. Raises `NoSuchTagSet`."""
    body = await call.store.catalog.document(call.bucket.id, KIND)
    if body is None:
        raise errors.NoSuchTagSet(bucket=call.bucket.name)
    return xml_response("Tagging", tagging_xml(_decode(body)))


@operation("PutBucketTagging", "PUT", BUCKET, KIND)
async def put_bucket_tagging(call: Call) -> Response:
    """Replaces the bucket's tags; an empty set removes them."""
    tags = check_bucket_tags(parse_tagging(await read_body(call, BODY_BYTES_MAX)))
    await call.store.catalog.apply(SetDocument(call.bucket.id, KIND, msgspec.msgpack.encode(tags) if tags else None))
    return empty(204)


@operation("DeleteBucketTagging", "DELETE", BUCKET, KIND, action="s3:PutBucketTagging")
async def delete_bucket_tagging(call: Call) -> Response:
    """Removes the bucket's tags."""
    await call.store.catalog.apply(SetDocument(call.bucket.id, KIND, None))
    return empty(204)

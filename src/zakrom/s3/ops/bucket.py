"""Buckets themselves: create, look, delete, where."""

from __future__ import annotations

import msgspec

from zakrom import errors
from zakrom.catalog.changes import CreateBucket, DeleteBucket, SetDocument
from zakrom.model.acl import ACL_KIND
from zakrom.model.names import check_bucket_name
from zakrom.s3 import authority
from zakrom.s3.call import Call, arn
from zakrom.s3.operation import BUCKET, REGISTRY, operation
from zakrom.s3.ops import object_lock, ownership
from zakrom.s3.payload import read_body
from zakrom.s3.render import empty, refuse_unserved_headers, xml_response
from zakrom.web.message import Response
from zakrom.wire.documents import parse_create_bucket
from zakrom.wire.tags import check_new_bucket_tags
from zakrom.wire.xml import escape

CLASSIC_REGION = "us-east-1"
"""S3's first region: it has no location constraint, and creating one's own bucket again succeeds there."""

BODY_BYTES_MAX = 64 * 1024  # a location and at most 50 tags

_NOT_EMPTY = "The bucket you tried to delete is not empty. You must delete all versions in the bucket."


@operation("CreateBucket", "PUT", BUCKET, open=True)
async def create_bucket(call: Call) -> Response:
    """A new bucket in one of the configured regions. Policies may ask in which, so that is read first."""
    if call.caller.user is None:
        raise errors.AccessDenied
    name = check_bucket_name(call.target.bucket or "")
    if name in call.options.reserved_buckets:
        raise errors.InvalidBucketName("This bucket name is reserved by the server.", bucket=name)
    refuse_unserved_headers(call)
    asked = parse_create_bucket(await read_body(call, BODY_BYTES_MAX))
    region = _region(call, asked.location)
    await authority.authorise(call, REGISTRY["CreateBucket"], {"s3:locationconstraint": (region,)})
    documents = await ownership.documents_of_new_bucket(call) | object_lock.documents_of_new_bucket(call)
    if asked.tags:
        documents["tagging"] = msgspec.msgpack.encode(check_new_bucket_tags(asked.tags))
    change = CreateBucket(name, call.caller.canonical_id, region, call.now_ms, call.options.buckets_per_owner_max, documents)
    try:
        await call.store.catalog.apply(change)
    except errors.BucketAlreadyOwnedByYou:
        if region != CLASSIC_REGION or asked.tags:
            raise
        mine = await call.store.catalog.bucket(name)
        await call.store.catalog.apply(SetDocument(mine.id, ACL_KIND, documents.get(ACL_KIND)))  # API reference: "resets" it
    return empty(200, ("Location", f"/{name}"), ("x-amz-bucket-arn", arn(name)))


@operation("HeadBucket", "HEAD", BUCKET, action="s3:ListBucket")
async def head_bucket(call: Call) -> Response:
    """Whether the bucket is there, and in which region."""
    return empty(
        200,
        ("x-amz-bucket-region", call.bucket.region),
        ("x-amz-bucket-arn", call.arn),
        ("x-amz-access-point-alias", "false"),
        ("Content-Type", "application/xml"),
    )


@operation("DeleteBucket", "DELETE", BUCKET)
async def delete_bucket(call: Call) -> Response:
    """The bucket goes, if it is empty of versions and delete markers."""
    try:
        await call.store.catalog.apply(DeleteBucket(call.bucket.id, call.now_ms))
    except errors.BucketNotEmpty:
        raise errors.BucketNotEmpty(_NOT_EMPTY if call.bucket.versioning else None, bucket=call.bucket.name) from None
    return empty(204)


@operation("GetBucketLocation", "GET", BUCKET, "location")
async def get_bucket_location(call: Call) -> Response:
    """The bucket's region; nothing for S3's first one."""
    region = call.bucket.region
    return xml_response("LocationConstraint", "" if region == CLASSIC_REGION else escape(region))


def _region(call: Call, asked: str | None) -> str:
    """The region of a new bucket. Raises `InvalidLocationConstraint`, `IllegalLocationConstraintException`."""
    regions = call.options.regions
    if asked is None:
        return regions[0]
    if asked == "EU":  # S3's old name of its first region in Europe
        asked = "eu-west-1"
    if asked not in regions:
        raise errors.InvalidLocationConstraint(location_constraint=asked)
    return asked

"""Which bucket's requests are logged, and where. How they get there: `s3.bucket_logs`."""

from __future__ import annotations

from zakrom import errors
from zakrom.catalog.changes import SetDocument
from zakrom.model.acl import ENFORCED, ownership_of
from zakrom.model.bucket_log import KIND, BucketLog
from zakrom.model.facts import Bucket
from zakrom.s3 import acls
from zakrom.s3.call import Call
from zakrom.s3.operation import BUCKET, operation
from zakrom.s3.ops.bucket import CLASSIC_REGION
from zakrom.s3.payload import read_body
from zakrom.s3.render import empty, people_xml, xml_response
from zakrom.web.message import Response
from zakrom.wire import bucket_log as wire
from zakrom.wire.acl import IN_XML

BODY_BYTES_MAX = 64 * 1024  # 100 grants, as an ACL


@operation("GetBucketLogging", "GET", BUCKET, KIND)
async def get_bucket_logging(call: Call) -> Response:
    """Where the bucket's requests are logged; nothing where they are not."""
    body = call.documents.get(KIND)
    if body is None:
        return xml_response("BucketLoggingStatus", "")
    log = BucketLog.loads(body)
    return xml_response("BucketLoggingStatus", wire.content(log, await people_xml(call, log.grants)))


@operation("PutBucketLogging", "PUT", BUCKET, KIND)
async def put_bucket_logging(call: Call) -> Response:
    """Begins, changes or ends the logging of a bucket.

    Raises `InvalidTargetBucketForLogging`, `CrossLocationLoggingProhibitted`, `AccessControlListNotSupported` (grants, where
    the target's ACLs are disabled).
    """
    asked = wire.parse(await read_body(call, BODY_BYTES_MAX))
    if asked is not None:
        target = await _target(call, asked.target)
        asked = asked._replace(grants=await acls.resolve(call, asked.grants, IN_XML))
        if asked.grants and ownership_of(await call.store.catalog.documents(target.id)) == ENFORCED:
            raise errors.AccessControlListNotSupported
    await call.store.catalog.apply(SetDocument(call.bucket.id, KIND, None if asked is None else asked.dumps()))
    return empty(200)


async def _target(call: Call, name: str) -> Bucket:
    """The bucket that shall get the log: of the same owner and region, as AWS has it."""
    try:
        target = await call.store.catalog.bucket(name)
    except errors.NoSuchBucket:
        raise errors.InvalidTargetBucketForLogging(target_bucket=name) from None
    if target.owner != call.bucket.owner:
        raise errors.InvalidTargetBucketForLogging(
            "The owner for the bucket to be logged and the target bucket must be the same.", target_bucket=name
        )
    region = call.bucket.region
    if target.region != region:
        error = errors.CrossLocationLoggingProhibitted("Cross S3 location logging not allowed. ")  # so it ends (recorded)
        if region != CLASSIC_REGION:
            error.with_fields(source_bucket_location=region)
        error.fields["target_bucket_location"] = target.region
        raise error
    return target

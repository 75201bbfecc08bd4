"""What S3 says about a bucket's versioning."""

from __future__ import annotations

from zakrom import errors
from zakrom.catalog.changes import SetVersioning
from zakrom.model.facts import Versioning
from zakrom.s3.call import Call
from zakrom.s3.operation import BUCKET, operation
from zakrom.s3.payload import read_body
from zakrom.s3.render import empty, xml_response
from zakrom.web.message import Response
from zakrom.wire.documents import parse_versioning
from zakrom.wire.xml import element

BODY_BYTES_MAX = 16 * 1024  # two short elements, and room for what clients put around them

_STATES = {"Enabled": Versioning.ENABLED, "Suspended": Versioning.SUSPENDED}
_NAMES = {state: name for name, state in _STATES.items()}


@operation("GetBucketVersioning", "GET", BUCKET, "versioning")
async def get_bucket_versioning(call: Call) -> Response:
    """The state; an empty document for a bucket that never had versioning."""
    return xml_response("VersioningConfiguration", element("Status", _NAMES.get(call.bucket.versioning)))


@operation("PutBucketVersioning", "PUT", BUCKET, "versioning")
async def put_bucket_versioning(call: Call) -> Response:
    """Enables or suspends versioning."""
    asked = parse_versioning(await read_body(call, BODY_BYTES_MAX))
    if asked.mfa_delete == "Enabled":
        raise errors.NotServed("MFA Delete is not implemented.", header="x-amz-mfa")
    await call.store.catalog.apply(SetVersioning(call.bucket.id, _STATES[asked.status]))
    return empty(200)

"""A bucket's lifecycle configuration, and the headers that tell when an object will expire or an upload be aborted."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from zakrom import errors
from zakrom.catalog.changes import SetDocument
from zakrom.model import lifecycle
from zakrom.model.facts import Upload, Version
from zakrom.model.lifecycle import Lifecycle
from zakrom.rules import lifecycle as rules
from zakrom.s3 import extras
from zakrom.s3.call import Call
from zakrom.s3.operation import BUCKET, operation
from zakrom.s3.payload import read_body
from zakrom.s3.render import Header, empty, xml_response
from zakrom.web.message import Response
from zakrom.wire import dates
from zakrom.wire import lifecycle as wire

BODY_BYTES_MAX = 4 * 1024 * 1024  # 1,000 rules of 4 KiB: prefixes and tags, each byte escaped
_ACTION = "s3:PutLifecycleConfiguration"


@operation("GetBucketLifecycleConfiguration", "GET", BUCKET, "lifecycle", action="s3:GetLifecycleConfiguration")
async def get_bucket_lifecycle(call: Call) -> Response:
    """The rules as they were put, each with its id. Raises `NoSuchLifecycleConfiguration`."""
    found = _of(call)
    if found is None:
        raise errors.NoSuchLifecycleConfiguration(bucket=call.bucket.name)
    return xml_response("LifecycleConfiguration", found.xml, (wire.MINIMUM, found.minimum))


@operation("PutBucketLifecycleConfiguration", "PUT", BUCKET, "lifecycle", action=_ACTION)
async def put_bucket_lifecycle(call: Call) -> Response:
    """Replaces the rules; what is stored already is looked through for them in the background."""
    body = await read_body(call, BODY_BYTES_MAX, must_have_digest=True)
    made = wire.parse(body, call.header(wire.MINIMUM), lambda: str(uuid.uuid4()))
    await call.store.catalog.apply(SetDocument(call.bucket.id, lifecycle.DOCUMENT, rules.encode(made)))
    return empty(200, (wire.MINIMUM, made.minimum))


@operation("DeleteBucketLifecycle", "DELETE", BUCKET, "lifecycle", action=_ACTION)
async def delete_bucket_lifecycle(call: Call) -> Response:
    """Removes the rules, if there are any."""
    if _of(call) is not None:
        await call.store.catalog.apply(SetDocument(call.bucket.id, lifecycle.DOCUMENT, None))
    return empty(204)


@extras.shown
async def headers_of_read(call: Call, version: Version) -> Iterable[Header]:
    """When the current object expires: not told of a version that is asked for by its id, as AWS has it (recorded)."""
    found = _of(call)
    return [] if found is None or call.param("versionId") is not None else _expiration(found, version)


@extras.announced
def headers_of_write(call: Call, version: Version) -> Iterable[Header]:
    """When the object just written will expire."""
    found = _of(call)
    return [] if found is None else _expiration(found, version)


def headers_of_upload(call: Call, upload: Upload) -> list[Header]:
    """When an upload will be aborted if it is still open then."""
    found = _of(call)
    end = rules.abort(found, upload.key, upload.created_ms) if found else None
    return [("x-amz-abort-date", dates.http_date(end[0])), ("x-amz-abort-rule-id", end[1])] if end else []


def _of(call: Call) -> Lifecycle | None:
    body = call.documents.get(lifecycle.DOCUMENT)
    return None if body is None else rules.decode(body)


def _expiration(found: Lifecycle, version: Version) -> list[Header]:
    end = rules.expiry(found, version)
    return [("x-amz-expiration", wire.expiration_header(*end))] if end else []

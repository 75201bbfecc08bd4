"""What S3 says about an object's tags."""

from __future__ import annotations

from zakrom import errors
from zakrom.model.facts import Version
from zakrom.s3 import authority
from zakrom.s3.call import Call
from zakrom.s3.context import request_tags
from zakrom.s3.operation import OBJECT, REGISTRY, operation
from zakrom.s3.payload import read_body
from zakrom.s3.render import empty, tagging_xml, version_headers, xml_response
from zakrom.store import objects
from zakrom.web.message import Response
from zakrom.wire.documents import parse_tagging
from zakrom.wire.tags import check_object_tags

BODY_BYTES_MAX = 64 * 1024  # 10 tags of at most 128 + 256 characters, escaped


@operation("GetObjectTagging", "GET", OBJECT, "tagging")
async def get_object_tagging(call: Call) -> Response:
    """The tags of a version; none is an empty set."""
    version = await version_meant(call)
    return xml_response("Tagging", tagging_xml(version.details.tags), *version_headers(call, version.version_id))


@operation("PutObjectTagging", "PUT", OBJECT, "tagging", open=True)
async def put_object_tagging(call: Call) -> Response:
    """Replaces the tags of a version. Policies may ask which tags they are, so they are read first."""
    authority.refuse_strangers(call)
    tags = check_object_tags(parse_tagging(await read_body(call, BODY_BYTES_MAX)))
    await authority.authorise(call, REGISTRY["PutObjectTagging"], request_tags(tags))
    await version_meant(call)
    version = await objects.set_tags(call.store, call.bucket, call.key, call.version_id(), tags)
    return empty(200, *version_headers(call, version.version_id))


@operation("DeleteObjectTagging", "DELETE", OBJECT, "tagging")
async def delete_object_tagging(call: Call) -> Response:
    """Removes the tags of a version."""
    await version_meant(call)
    version = await objects.set_tags(call.store, call.bucket, call.key, call.version_id(), ())
    return empty(204, *version_headers(call, version.version_id))


async def version_meant(call: Call) -> Version:
    """The version whose tags (retention, legal hold) are meant.

    Raises `MethodNotAllowed` for a delete marker, also for one that is current: so does AWS, where a GET of the object
    says `NoSuchKey`.
    """
    found = await call.store.catalog.find(call.bucket.id, call.key, call.version_id())
    if found is not None and found.version.marker:
        raise errors.MethodNotAllowed(
            method=call.request.method, resource_type="DeleteMarker", delete_marker=found.version.version_id
        )
    return found.version if found else (await objects.find(call.store, call.bucket, call.key, call.version_id())).version

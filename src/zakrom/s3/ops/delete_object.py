"""DeleteObject and DeleteObjects."""

from __future__ import annotations

import asyncio

from zakrom import errors
from zakrom.catalog.changes import Condition, Deleted
from zakrom.errors import Error
from zakrom.model import lock
from zakrom.model.facts import VersionId
from zakrom.model.names import check_key, parse_version_id
from zakrom.s3 import authority, conditions
from zakrom.s3.acls import owner_of_write
from zakrom.s3.authority import Place
from zakrom.s3.call import Call
from zakrom.s3.drafts import new_nonce
from zakrom.s3.operation import BUCKET, OBJECT, REGISTRY, operation
from zakrom.s3.ops.object_lock import bypasses_governance
from zakrom.s3.payload import read_body
from zakrom.s3.render import Header, empty, xml_response
from zakrom.store import objects
from zakrom.web.message import Response
from zakrom.wire.documents import Doomed, parse_delete
from zakrom.wire.errors import code_of
from zakrom.wire.xml import element, escape

BODY_BYTES_MAX = 8 * 1024 * 1024  # 1,000 keys of 1,024 bytes, each byte escaped


@operation("DeleteObject", "DELETE", OBJECT)
async def delete_object(call: Call) -> Response:
    """Removes an object or a version, or puts a delete marker on top: what versioning says."""
    deleted = await _delete(call, call.key, call.version_id(), conditions.of_delete(call), bypasses_governance(call))
    fields: list[Header] = []
    if deleted.marker:
        fields.append(("x-amz-delete-marker", "true"))
    if deleted.version_id is not None:
        fields.append(("x-amz-version-id", deleted.version_id))
    return empty(204, *fields)


@operation("DeleteObjects", "POST", BUCKET, "delete", action="s3:DeleteObject", open=True)
async def delete_objects(call: Call) -> Response:
    """Up to 1,000 deletes at once, each allowed and answered by itself. All go into the same group commits."""
    authority.refuse_strangers(call)
    asked = parse_delete(await read_body(call, BODY_BYTES_MAX, must_have_digest=True))
    # AWS refuses the header where there is no object lock, here too (recorded). But it asks for nothing then that would not be
    # done anyhow, and clean-ups of whole servers, that of ceph/s3-tests among them, send it with every request.
    bypass = lock.DOCUMENT in call.documents and bypasses_governance(call)
    answers = await asyncio.gather(*(_one(call, one, bypass, quiet=asked.quiet) for one in asked.objects))
    return xml_response("DeleteResult", "".join(answers))


async def _one(call: Call, one: Doomed, bypass: bool, *, quiet: bool) -> str:
    named = f"<Key>{escape(one.key.decode())}</Key>{element('VersionId', one.version_id)}"
    try:
        if one.modified_ms is not None or one.size is not None:
            raise errors.NotServed(header="LastModifiedTime" if one.modified_ms is not None else "Size")
        await authority.authorise_at(
            call, REGISTRY["DeleteObjects"], Place(call.bucket, call.documents, check_key(one.key), one.version_id)
        )
        version = None if one.version_id is None else _version(one.version_id)
        condition = None if one.etag is None else Condition(one.etag)
        deleted = await _delete(call, one.key, version, condition, bypass)
    except Error as error:
        return f"<Error>{named}{element('Code', code_of(error))}{element('Message', error.message)}</Error>"
    if quiet:
        return ""
    marker = element("DeleteMarker", True) + element("DeleteMarkerVersionId", deleted.version_id) if deleted.marker else ""
    return f"<Deleted>{named}{marker}</Deleted>"


def _version(text: str) -> VersionId:
    """The version named. One that none of ours can be does not exist, as AWS says here (and only here)."""
    try:
        return parse_version_id(text)
    except errors.InvalidArgument:
        raise errors.NoSuchVersion from None


async def _delete(call: Call, key: bytes, version: VersionId | None, condition: Condition | None, bypass: bool) -> Deleted:
    owner = owner_of_write(call)
    return await objects.delete(
        call.store, call.bucket, key, version, owner, new_nonce(), call.now_ms, condition, bypass=bypass
    )

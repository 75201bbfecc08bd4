"""ACLs of buckets and objects."""

from __future__ import annotations

from collections.abc import Mapping

from zakrom import errors
from zakrom.catalog.changes import SetDocument
from zakrom.model.acl import ACL_KIND, Acl, acl_of
from zakrom.model.facts import Version, VersionId
from zakrom.s3 import acls, extras
from zakrom.s3.acls import Asked
from zakrom.s3.call import Call
from zakrom.s3.operation import BUCKET, OBJECT, operation
from zakrom.s3.payload import read_body
from zakrom.s3.render import Header, empty, people_xml, shown_owner, version_headers, xml_response
from zakrom.store import objects
from zakrom.web.message import Response
from zakrom.wire import acl as wire

BODY_BYTES_MAX = 64 * 1024  # 100 grants, each with the longest group, a display name and namespaces


@extras.source
async def acl_of_write(call: Call) -> Mapping[str, str]:
    """The ACL of a new version; one that is private is not written down."""
    if not acls.is_asked(call):  # nearly always
        return _NONE
    owner = acls.owner_of_write(call)
    asked = await acls.in_headers(call, owner, call.bucket.owner)
    if asked is None:
        return _NONE
    acls.check(call, asked)
    return _NONE if asked.acl == Acl.private(owner) else {ACL_KIND: asked.acl.dumps()}


_NONE: Mapping[str, str] = {}


@operation("GetBucketAcl", "GET", BUCKET, ACL_KIND)
async def get_bucket_acl(call: Call) -> Response:
    """The bucket's ACL; full control for its owner while ACLs are disabled."""
    owner = call.bucket.owner
    return await _show(call, Acl.private(owner) if acls.enforced(call) else acl_of(call.documents, owner))


@operation("PutBucketAcl", "PUT", BUCKET, ACL_KIND)
async def put_bucket_acl(call: Call) -> Response:
    """Replaces the bucket's ACL."""
    owner = call.bucket.owner
    asked = await _asked(call, owner)
    acls.check(call, asked)
    body = None if asked.acl == Acl.private(owner) else asked.acl.dumps().encode()
    await call.store.catalog.apply(SetDocument(call.bucket.id, ACL_KIND, body))
    return empty(200)


@operation("GetObjectAcl", "GET", OBJECT, ACL_KIND)
async def get_object_acl(call: Call) -> Response:
    """The ACL of a version; full control for the bucket's owner while ACLs are disabled."""
    version = (await objects.find(call.store, call.bucket, call.key, call.version_id())).version
    text = None if acls.enforced(call) else version.details.extra.get(ACL_KIND)
    owner = shown_owner(call, version.owner)
    acl = Acl.private(owner) if text is None else Acl(owner, Acl.loads(text).grants)
    return await _show(call, acl, *version_headers(call, version.version_id))


@operation("PutObjectAcl", "PUT", OBJECT, ACL_KIND)
async def put_object_acl(call: Call) -> Response:
    """Replaces the ACL of a version. Its time and ETag stay."""
    version = await _version(call)
    owner = shown_owner(call, version.owner)
    asked = await _asked(call, owner)
    acls.check(call, asked)
    if not acls.enforced(call):  # what was taken then says what is so: the ACL from before is kept, and comes back with ACLs
        text = None if asked.acl == Acl.private(owner) else asked.acl.dumps()
        named = VersionId(version.seq if version.nonce else 0, version.nonce)  # the one whose owner was looked at
        await objects.set_extra(call.store, call.bucket, call.key, named, {ACL_KIND: text})
    return empty(200, *version_headers(call, version.version_id))


async def _version(call: Call) -> Version:
    """The version whose ACL is to change. Raises `MethodNotAllowed` for a delete marker, also for one that is current."""
    found = await call.store.catalog.find(call.bucket.id, call.key, call.version_id())
    if found is not None and found.version.marker:
        raise errors.MethodNotAllowed(
            method=call.request.method, resource_type="DeleteMarker", delete_marker=found.version.version_id
        )
    return found.version if found else (await objects.find(call.store, call.bucket, call.key, call.version_id())).version


async def _asked(call: Call, owner: str) -> Asked:
    """The ACL that a request sets: by headers or by its body.

    Raises `MissingSecurityHeader` for none, `UnexpectedContent` for both, `AccessDenied` for one that names another owner.
    """
    asked = await acls.in_headers(call, owner, call.bucket.owner)
    body = await read_body(call, BODY_BYTES_MAX)
    if asked is not None:
        if body.strip():
            raise errors.UnexpectedContent
        return asked
    if not body.strip():
        raise errors.MissingSecurityHeader(missing_header_name="x-amz-acl")
    written = wire.parse_policy(body)
    await acls.check_user(call, written.owner, wire.IN_XML.user)
    if written.owner != owner:
        raise errors.AccessDenied
    return Asked(Acl(owner, await acls.resolve(call, written.grants, wire.IN_XML)), None)


async def _show(call: Call, acl: Acl, *fields: Header) -> Response:
    people = await people_xml(call, acl.grants, acl.owner)
    return xml_response("AccessControlPolicy", wire.policy_xml(acl, people.__getitem__), *fields)

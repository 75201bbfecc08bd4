"""Who owns what lies in a bucket, what of it can be public, and what of both a new bucket begins with.

Ownership that was set on purpose is always written down, also where it is what is so by default: `rules.acl.check_write` asks.
"""

from __future__ import annotations

from zakrom import errors
from zakrom.catalog.changes import SetDocument
from zakrom.model.acl import (
    ACL_KIND,
    ALL_BLOCKED,
    ENFORCED,
    OWNERSHIP_KIND,
    OWNERSHIPS,
    PUBLIC_ACCESS_KIND,
    REMOVED,
    WRITER,
    Acl,
    Ownership,
    PublicAccess,
    acl_of,
    ownership_of,
    public_access_of,
)
from zakrom.rules import acl as rules
from zakrom.s3 import acls
from zakrom.s3.call import Call
from zakrom.s3.operation import BUCKET, operation
from zakrom.s3.payload import read_body
from zakrom.s3.render import empty, xml_response
from zakrom.web.message import Response
from zakrom.wire.documents import parse_ownership_controls, parse_public_access_block, public_access_block_xml
from zakrom.wire.xml import element

BODY_BYTES_MAX = 64 * 1024  # some 500 bytes, with room for comments and namespaces

_HEADER = "x-amz-object-ownership"

_DEFAULTS: dict[str, tuple[Ownership, PublicAccess]] = {"aws": (ENFORCED, ALL_BLOCKED), "classic": (WRITER, PublicAccess())}
"""What a new bucket gets, by the setting ``bucket-defaults``."""


async def documents_of_new_bucket(call: Call) -> dict[str, bytes]:
    """What a new bucket's headers and the server's defaults come to; what is by default as with AWS is not written down.

    Raises `InvalidArgument`, `InvalidBucketAclWithObjectOwnership`, `InvalidBucketAclWithBlockPublicAccessError` and as
    `acls.in_headers`.
    """
    ownership, public_access = _DEFAULTS[call.options.bucket_defaults]
    text = call.header(_HEADER)
    if text is not None:
        ownership = _ownership(text)
    owner = call.caller.canonical_id
    asked = await acls.in_headers(call, owner, owner)
    acl = asked.acl if asked else Acl.private(owner)
    rules.check_new_bucket(acl, ownership, public_access)
    documents: dict[str, bytes] = {}
    if ownership != ENFORCED or text is not None:
        documents[OWNERSHIP_KIND] = ownership.encode()
    if public_access != ALL_BLOCKED:
        documents[PUBLIC_ACCESS_KIND] = public_access.dumps()
    if acl != Acl.private(owner):
        documents[ACL_KIND] = acl.dumps().encode()
    return documents


def _ownership(text: str) -> Ownership:
    found = next((one for one in OWNERSHIPS if one == text), None)
    if found is None:
        raise errors.InvalidArgument(f"Invalid {_HEADER} header: {text}", argument_name=_HEADER)
    return found


@operation("GetBucketOwnershipControls", "GET", BUCKET, "ownershipControls")
async def get_bucket_ownership_controls(call: Call) -> Response:
    """The bucket's object ownership. Raises `OwnershipControlsNotFoundError` where it was deleted."""
    if call.documents.get(OWNERSHIP_KIND) == REMOVED:
        raise errors.OwnershipControlsNotFoundError(bucket=call.bucket.name)
    rule = element("ObjectOwnership", ownership_of(call.documents))
    return xml_response("OwnershipControls", f"<Rule>{rule}</Rule>")


@operation("PutBucketOwnershipControls", "PUT", BUCKET, "ownershipControls")
async def put_bucket_ownership_controls(call: Call) -> Response:
    """Sets the bucket's object ownership. Raises `InvalidBucketAclWithObjectOwnership`."""
    ownership = parse_ownership_controls(await read_body(call, BODY_BYTES_MAX))
    rules.check_ownership(acl_of(call.documents, call.bucket.owner), ownership)
    return await _set(call, OWNERSHIP_KIND, ownership.encode(), 200)


@operation("DeleteBucketOwnershipControls", "DELETE", BUCKET, "ownershipControls", action="s3:PutBucketOwnershipControls")
async def delete_bucket_ownership_controls(call: Call) -> Response:
    """Removes them: as a bucket from before there were any, which means ObjectWriter."""
    return await _set(call, OWNERSHIP_KIND, REMOVED, 204)


@operation("GetPublicAccessBlock", "GET", BUCKET, "publicAccessBlock", action="s3:GetBucketPublicAccessBlock")
async def get_public_access_block(call: Call) -> Response:
    """What of the bucket cannot be public. Raises `NoSuchPublicAccessBlockConfiguration` where that was deleted."""
    if call.documents.get(PUBLIC_ACCESS_KIND) == REMOVED:
        raise errors.NoSuchPublicAccessBlockConfiguration(bucket=call.bucket.name)
    return xml_response("PublicAccessBlockConfiguration", public_access_block_xml(public_access_of(call.documents)))


@operation("PutPublicAccessBlock", "PUT", BUCKET, "publicAccessBlock", action="s3:PutBucketPublicAccessBlock")
async def put_public_access_block(call: Call) -> Response:
    """Sets what of the bucket cannot be public."""
    blocked = parse_public_access_block(await read_body(call, BODY_BYTES_MAX))
    return await _set(call, PUBLIC_ACCESS_KIND, None if blocked == ALL_BLOCKED else blocked.dumps(), 200)


@operation("DeletePublicAccessBlock", "DELETE", BUCKET, "publicAccessBlock", action="s3:PutBucketPublicAccessBlock")
async def delete_public_access_block(call: Call) -> Response:
    """Removes it: nothing is blocked then."""
    return await _set(call, PUBLIC_ACCESS_KIND, REMOVED, 204)


async def _set(call: Call, kind: str, body: bytes | None, status: int) -> Response:
    await call.store.catalog.apply(SetDocument(call.bucket.id, kind, body))
    return empty(status)

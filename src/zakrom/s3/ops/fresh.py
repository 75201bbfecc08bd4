"""What clients ask of every bucket, answered as a fresh bucket of AWS would: nothing is configured yet.

Each of these goes when its subject gets a file of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from zakrom import errors
from zakrom.errors import Error
from zakrom.s3.call import Call
from zakrom.s3.operation import BUCKET, OBJECT, operation
from zakrom.s3.payload import read_body
from zakrom.s3.render import empty, owner_xml, refuse_acl, xml_response
from zakrom.store import objects
from zakrom.web.message import Response
from zakrom.wire.xml import parse

_ABSENT: tuple[tuple[str, str, type[Error], str], ...] = (
    ("GetBucketPolicy", "policy", errors.NoSuchBucketPolicy, "s3:GetBucketPolicy"),
    ("GetBucketPolicyStatus", "policyStatus", errors.NoSuchBucketPolicy, "s3:GetBucketPolicyStatus"),
    ("GetBucketCors", "cors", errors.NoSuchCORSConfiguration, "s3:GetBucketCORS"),
    ("GetBucketLifecycleConfiguration", "lifecycle", errors.NoSuchLifecycleConfiguration, "s3:GetLifecycleConfiguration"),
    ("GetBucketWebsite", "website", errors.NoSuchWebsiteConfiguration, "s3:GetBucketWebsite"),
    ("GetBucketReplication", "replication", errors.ReplicationConfigurationNotFoundError, "s3:GetReplicationConfiguration"),
    (
        "GetObjectLockConfiguration",
        "object-lock",
        errors.ObjectLockConfigurationNotFoundError,
        "s3:GetBucketObjectLockConfiguration",
    ),
)
"""Operation, keyword, the error that says "none", action."""

ACL_BYTES_MAX = 64 * 1024  # S3: at most 100 grants

_PAYER = "<Payer>BucketOwner</Payer>"
_OWNERSHIP = "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>"
_BLOCK = (
    "<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>"
    "<BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>"
)

_EMPTY: tuple[tuple[str, str, str, str, str], ...] = (
    ("GetBucketLogging", "logging", "BucketLoggingStatus", "", "s3:GetBucketLogging"),
    ("GetBucketNotificationConfiguration", "notification", "NotificationConfiguration", "", "s3:GetBucketNotification"),
    ("GetBucketAccelerateConfiguration", "accelerate", "AccelerateConfiguration", "", "s3:GetAccelerateConfiguration"),
    ("GetBucketRequestPayment", "requestPayment", "RequestPaymentConfiguration", _PAYER, "s3:GetBucketRequestPayment"),
    ("GetBucketOwnershipControls", "ownershipControls", "OwnershipControls", _OWNERSHIP, "s3:GetBucketOwnershipControls"),
    ("GetPublicAccessBlock", "publicAccessBlock", "PublicAccessBlockConfiguration", _BLOCK, "s3:GetBucketPublicAccessBlock"),
)
"""Operation, keyword, root element, content, action."""


def _absent(error: type[Error]) -> Callable[[Call], Awaitable[Response]]:
    async def answer(call: Call) -> Response:
        """That there is none, as of a fresh bucket."""
        raise error(bucket=call.bucket.name)

    return answer


def _constant(root: str, content: str) -> Callable[[Call], Awaitable[Response]]:
    async def answer(_call: Call) -> Response:
        """What a fresh bucket has."""
        return xml_response(root, content)

    return answer


for _name, _keyword, _error, _action in _ABSENT:
    operation(_name, "GET", BUCKET, _keyword, action=_action)(_absent(_error))
for _name, _keyword, _root, _content, _action in _EMPTY:
    operation(_name, "GET", BUCKET, _keyword, action=_action)(_constant(_root, _content))


@operation("GetBucketAcl", "GET", BUCKET, "acl")
async def get_bucket_acl(call: Call) -> Response:
    """Full control for the owner, as every bucket has whose ACLs are disabled."""
    return xml_response("AccessControlPolicy", await _full_control(call, call.bucket.owner))


@operation("GetObjectAcl", "GET", OBJECT, "acl")
async def get_object_acl(call: Call) -> Response:
    """Full control for the bucket's owner."""
    await objects.find(call.store, call.bucket, call.key, call.version_id())
    return xml_response("AccessControlPolicy", await _full_control(call, call.bucket.owner))


@operation("PutBucketAcl", "PUT", BUCKET, "acl")
async def put_bucket_acl(call: Call) -> Response:
    """Only an ACL that changes nothing is accepted: what a bucket answers whose ACLs are disabled."""
    return await _put_acl(call)


@operation("PutObjectAcl", "PUT", OBJECT, "acl")
async def put_object_acl(call: Call) -> Response:
    """As `put_bucket_acl`."""
    await objects.find(call.store, call.bucket, call.key, call.version_id())
    return await _put_acl(call)


async def _put_acl(call: Call) -> Response:
    refuse_acl(call)
    if call.header("x-amz-acl") is None and not _is_owners_full_control(call, await read_body(call, ACL_BYTES_MAX)):
        raise errors.AccessControlListNotSupported
    return empty(200)


def _is_owners_full_control(call: Call, body: bytes) -> bool:
    """Whether an ACL says only what is so anyhow: s3cmd sets the source's ACL on each copy. Raises `MalformedXML`."""
    grants = parse(body, "AccessControlPolicy").child("AccessControlList")
    return grants is not None and all(
        grant.text_of("Permission") == "FULL_CONTROL"
        and (grantee := grant.child("Grantee")) is not None
        and grantee.text_of("ID") == call.bucket.owner
        for grant in grants.all("Grant")
    )


async def _full_control(call: Call, owner: str) -> str:
    who = (await owner_xml(call, owner)).removeprefix("<Owner>").removesuffix("</Owner>")
    return (
        f"<Owner>{who}</Owner><AccessControlList><Grant>"
        f'<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">{who}</Grantee>'
        "<Permission>FULL_CONTROL</Permission></Grant></AccessControlList>"
    )

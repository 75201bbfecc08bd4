"""What S3 says about a bucket's policy. It is kept as it was sent, so that it comes back byte for byte."""

from __future__ import annotations

from zakrom import errors
from zakrom.catalog.changes import SetDocument
from zakrom.rules import access
from zakrom.rules.access import Ask, Reason
from zakrom.rules.policy import POLICY_BYTES_MAX, Policy, check_bucket_policy, is_public
from zakrom.s3.authority import place_of
from zakrom.s3.call import Call
from zakrom.s3.context import Context
from zakrom.s3.operation import BUCKET, operation
from zakrom.s3.payload import read_body
from zakrom.s3.render import empty, xml_response
from zakrom.web.message import Response
from zakrom.wire.xml import element

KIND = access.POLICY

BODY_BYTES_MAX = 2 * POLICY_BYTES_MAX  # what is a little too large gets the error that says so


@operation("GetBucketPolicy", "GET", BUCKET, KIND)
async def get_bucket_policy(call: Call) -> Response:
    """The policy, as it was sent. Raises `NoSuchBucketPolicy`."""
    _check_account(call)
    return Response(200, [("Content-Type", "application/json")], _policy(call))


@operation("PutBucketPolicy", "PUT", BUCKET, KIND)
async def put_bucket_policy(call: Call) -> Response:
    """Replaces the policy, unless it is public and the bucket's public access block forbids that."""
    _check_account(call)
    body = await read_body(call, BODY_BYTES_MAX)
    policy = check_bucket_policy(body, call.bucket.name)
    if access.scene_of(call.bucket, call.documents).block.block_public_policy and is_public(policy):
        raise errors.AccessDenied
    if (call.header("x-amz-confirm-remove-self-bucket-access") or "").lower() != "true":
        _check_caller_stays(call, policy)
    await call.store.catalog.apply(SetDocument(call.bucket.id, KIND, body))
    return empty(204)


@operation("DeleteBucketPolicy", "DELETE", BUCKET, KIND)
async def delete_bucket_policy(call: Call) -> Response:
    """Removes the policy; there need not be one."""
    _check_account(call)
    await call.store.catalog.apply(SetDocument(call.bucket.id, KIND, None))
    return empty(204)


@operation("GetBucketPolicyStatus", "GET", BUCKET, "policyStatus")
async def get_bucket_policy_status(call: Call) -> Response:
    """Whether the policy lets in whoever comes. Raises `NoSuchBucketPolicy`."""
    _policy(call)
    policy = access.scene_of(call.bucket, call.documents).policy
    return xml_response("PolicyStatus", element("IsPublic", policy is not None and is_public(policy)))


def _policy(call: Call) -> bytes:
    body = call.documents.get(KIND)
    if body is None:
        raise errors.NoSuchBucketPolicy(bucket=call.bucket.name)
    return body


def _check_account(call: Call) -> None:
    """Raises `MethodNotAllowed` for who has the permission and belongs to another account than the bucket.

    Source: Amazon S3 API Reference, PutBucketPolicy, GetBucketPolicy, DeleteBucketPolicy.
    """
    caller = call.caller
    if caller.user is not None and (caller.user.root or caller.canonical_id == call.bucket.owner):
        return
    raise errors.MethodNotAllowed(method=call.request.method, resource_type="BUCKETPOLICY")


def _check_caller_stays(call: Call, policy: Policy) -> None:
    """Raises `MalformedPolicy` for a policy that its own author could not change again; root always can."""
    scene = access.scene_of(call.bucket, call.documents)._replace(policy=policy)
    ask = Ask(call.caller, "s3:PutBucketPolicy", place_of(call).resource, Context(call, call.bucket))
    if access.decide(ask, scene).reason is Reason.DENIED:
        raise errors.MalformedPolicy("The new policy would not allow you to change the bucket policy in the future.")

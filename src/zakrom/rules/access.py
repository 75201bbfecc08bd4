"""May this caller do that? For now: root may do all, a user all on their own buckets, nobody else anything.

The signature is the one that policies, ACLs and public access blocks will need, so that they come as new files behind it.
"""

from __future__ import annotations

from zakrom import errors
from zakrom.model.caller import Caller
from zakrom.model.facts import Bucket

_FOR_EVERY_USER = frozenset({"s3:ListAllMyBuckets", "s3:CreateBucket"})


def check(caller: Caller, action: str, bucket: Bucket | None) -> None:
    """Returns if the caller may do ``action`` (an IAM action name) on the bucket. Raises `AccessDenied`."""
    user = caller.user
    if user is None:
        raise errors.AccessDenied
    if user.root or action in _FOR_EVERY_USER or (bucket is not None and bucket.owner == user.canonical_id):
        return
    raise errors.AccessDenied


def check_owner(expected: str | None, bucket: Bucket) -> None:
    """Returns if the bucket has the owner (canonical id) that the caller expects, or none is expected. Raises `AccessDenied`.

    Source: Amazon S3 User Guide, "Verifying bucket ownership with bucket owner condition".
    """
    if expected is not None and expected != bucket.owner:
        raise errors.AccessDenied

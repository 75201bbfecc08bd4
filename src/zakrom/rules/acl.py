"""Which ACL a request means, who owns what it writes, and what ownership and public access blocks forbid about both.

Who may do what under an ACL is not decided here but in `rules.access`.
"""

from __future__ import annotations

from collections.abc import Sequence

from zakrom import errors
from zakrom.model.acl import (
    ALL_USERS,
    ANONYMOUS_ID,
    AUTHENTICATED_USERS,
    ENFORCED,
    LOG_DELIVERY,
    PREFERRED,
    Acl,
    Grant,
    GranteeType,
    Ownership,
    Permission,
    PublicAccess,
)

GRANTS_MAX = 100  # Amazon S3 User Guide: "An ACL can have up to 100 grants."

BUCKET_OWNER_FULL_CONTROL = "bucket-owner-full-control"

_SAYS_WHAT_IS_SO = {False: frozenset({BUCKET_OWNER_FULL_CONTROL}), True: frozenset({BUCKET_OWNER_FULL_CONTROL, "private"})}
"""Canned ACLs that are taken while ACLs are disabled; True: by default. AWS takes the first only, but rclone 1.60 and others
send ``private`` with every write to a server that they know nothing about."""

_OWNER = "bucket owner"

CANNED: dict[str, tuple[tuple[str, Permission], ...]] = {
    "private": (),
    "public-read": ((ALL_USERS, "READ"),),
    "public-read-write": ((ALL_USERS, "READ"), (ALL_USERS, "WRITE")),
    "authenticated-read": ((AUTHENTICATED_USERS, "READ"),),
    "aws-exec-read": (),  # AWS lets EC2 read machine images; there is no EC2 here
    "bucket-owner-read": ((_OWNER, "READ"),),
    BUCKET_OWNER_FULL_CONTROL: ((_OWNER, "FULL_CONTROL"),),
    "log-delivery-write": ((LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP")),
}
"""What each canned ACL grants beside full control for the owner: to a group, or to the bucket's owner.

Source: Amazon S3 User Guide, "Canned ACL".
"""


def canned(name: str, owner: str, bucket_owner: str) -> Acl:
    """The ACL of that name for what ``owner`` owns (canonical ids). Raises `InvalidArgument`."""
    beside = CANNED.get(name)
    if beside is None:
        raise errors.InvalidArgument("", argument_name="x-amz-acl", argument_value=name)  # AWS says no more (recorded)
    grants = tuple(
        Grant(*_grantee(who, bucket_owner), permission)
        for who, permission in beside
        if who != _OWNER or bucket_owner != owner  # who owns all has full control already
    )
    return Acl(owner, Acl.private(owner).grants + grants)


def _grantee(who: str, bucket_owner: str) -> tuple[GranteeType, str]:
    return ("CanonicalUser", bucket_owner) if who == _OWNER else ("Group", who)


def owner_of_new(ownership: Ownership, bucket_owner: str, writer: str, canned_name: str | None) -> str:
    """The canonical id of who owns a new object (or upload, or delete marker).

    ``writer`` is empty for an anonymous one; ``canned_name``: the canned ACL that the write asks for. Source: Amazon S3 User
    Guide, "Controlling ownership of objects and disabling ACLs for your bucket".
    """
    if ownership == ENFORCED or (ownership == PREFERRED and canned_name == BUCKET_OWNER_FULL_CONTROL):
        return bucket_owner
    return writer or ANONYMOUS_ID


def check_count(grants: Sequence[Grant]) -> None:
    """Returns if an ACL may have so many grants. Raises `MalformedACLError`."""
    if len(grants) > GRANTS_MAX:
        raise errors.MalformedACLError


def check_write(
    acl: Acl,
    canned_name: str | None,
    ownership: Ownership,
    public_access: PublicAccess,
    bucket_owner: str,
    *,
    by_default: bool = False,
) -> None:
    """Returns if a bucket with these settings takes this ACL, for itself or for an object.

    Raises `AccessControlListNotSupported` while ACLs are disabled, unless it says what is so anyhow: full control for the
    bucket's owner, and nothing else. ``by_default``: nobody disabled them on purpose; then ``private`` is taken too. Raises
    `AccessDenied` for a public one where those are blocked.
    """
    if ownership == ENFORCED:
        full_control = canned_name is None and {*acl.grants} == {*Acl.private(bucket_owner).grants}
        if not full_control and canned_name not in _SAYS_WHAT_IS_SO[by_default]:
            raise errors.AccessControlListNotSupported
    elif acl.public and public_access.block_public_acls:
        raise errors.AccessDenied


def check_new_bucket(acl: Acl, ownership: Ownership, public_access: PublicAccess) -> None:
    """Returns if a bucket can begin with this ACL.

    Raises `InvalidBucketAclWithObjectOwnership`, `InvalidBucketAclWithBlockPublicAccessError`.
    """
    check_ownership(acl, ownership)
    if acl.public and public_access.block_public_acls:
        raise errors.InvalidBucketAclWithBlockPublicAccessError


def check_ownership(acl: Acl, ownership: Ownership) -> None:
    """Returns if a bucket with this ACL may have that ownership: ACLs can be disabled only where they grant nothing to others.

    Raises `InvalidBucketAclWithObjectOwnership`.
    """
    if ownership == ENFORCED and acl != Acl.private(acl.owner):
        raise errors.InvalidBucketAclWithObjectOwnership

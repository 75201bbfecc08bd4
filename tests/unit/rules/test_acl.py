"""Which ACL is meant, who owns what is written, and what is not taken."""

from __future__ import annotations

import pytest

from zakrom import errors
from zakrom.model.acl import (
    ALL_BLOCKED,
    ALL_USERS,
    ANONYMOUS_ID,
    ENFORCED,
    PREFERRED,
    WRITER,
    Acl,
    Grant,
    Ownership,
    PublicAccess,
)
from zakrom.rules import acl as rules

NOTHING = PublicAccess()


def test_canned_acls_of_a_guest() -> None:
    """What speaks of the bucket's owner means somebody else than the object's owner."""
    full = Grant("CanonicalUser", "guest", "FULL_CONTROL")

    assert rules.canned("bucket-owner-read", "guest", "host").grants == (full, Grant("CanonicalUser", "host", "READ"))
    assert rules.canned("bucket-owner-full-control", "guest", "host").grants == (
        full,
        Grant("CanonicalUser", "host", "FULL_CONTROL"),
    )
    assert rules.canned("public-read", "guest", "host") == Acl("guest", (full, Grant("Group", ALL_USERS, "READ")))
    assert {rules.canned(name, "host", "host").owner for name in rules.CANNED} == {"host"}


@pytest.mark.parametrize("name", ["", "Private", "public", "bucket-owner"])
def test_names_that_are_none(name: str) -> None:
    """InvalidArgument, without a word more, as AWS."""
    with pytest.raises(errors.InvalidArgument) as caught:
        rules.canned(name, "me", "me")

    assert (caught.value.message, caught.value.fields) == ("", {"argument_name": "x-amz-acl", "argument_value": name})


FULL = "bucket-owner-full-control"


@pytest.mark.parametrize(
    ("ownership", "writer", "canned", "owner"),
    [
        (ENFORCED, "guest", None, "host"),
        (ENFORCED, "", FULL, "host"),
        (PREFERRED, "guest", None, "guest"),
        (PREFERRED, "guest", "private", "guest"),
        (PREFERRED, "guest", FULL, "host"),
        (PREFERRED, "", FULL, "host"),
        (PREFERRED, "", None, ANONYMOUS_ID),
        (WRITER, "guest", FULL, "guest"),
        (WRITER, "", None, ANONYMOUS_ID),
    ],
)
def test_who_owns_what_is_written(ownership: Ownership, writer: str, canned: str | None, owner: str) -> None:
    """The user guide's table; nobody is somebody too."""
    assert rules.owner_of_new(ownership, "host", writer, canned) == owner


PUBLIC = Acl("me", (Grant("Group", ALL_USERS, "READ"),))
GUEST = Acl("me", (Grant("CanonicalUser", "guest", "READ"),))
MINE = Acl.private("me")


@pytest.mark.parametrize(
    ("acl", "canned", "ownership", "blocked", "error"),
    [
        (MINE, None, ENFORCED, ALL_BLOCKED, None),
        (MINE, FULL, ENFORCED, ALL_BLOCKED, None),
        (MINE, "private", ENFORCED, NOTHING, errors.AccessControlListNotSupported),
        (GUEST, None, ENFORCED, NOTHING, errors.AccessControlListNotSupported),
        (PUBLIC, None, ENFORCED, ALL_BLOCKED, errors.AccessControlListNotSupported),
        (Acl("me", ()), None, ENFORCED, NOTHING, errors.AccessControlListNotSupported),
        (PUBLIC, None, WRITER, NOTHING, None),
        (PUBLIC, None, WRITER, PublicAccess(ignore_public_acls=True), None),
        (PUBLIC, "public-read", PREFERRED, PublicAccess(block_public_acls=True), errors.AccessDenied),
        (GUEST, None, WRITER, ALL_BLOCKED, None),
        (MINE, "private", WRITER, ALL_BLOCKED, None),
    ],
)
def test_which_acls_a_bucket_takes(
    acl: Acl, canned: str | None, ownership: Ownership, blocked: PublicAccess, error: type[errors.Error] | None
) -> None:
    """Where ACLs are disabled only what is so; where public ones are blocked none of these."""
    if error is None:
        rules.check_write(acl, canned, ownership, blocked, "me")
        return
    with pytest.raises(error):
        rules.check_write(acl, canned, ownership, blocked, "me")


def test_private_says_what_is_so_by_default() -> None:
    """Who disabled ACLs on purpose gets AWS's rigour; others are spared it, but for what would be a lie."""
    rules.check_write(MINE, "private", ENFORCED, ALL_BLOCKED, "me", by_default=True)
    rules.check_write(MINE, FULL, ENFORCED, ALL_BLOCKED, "me", by_default=True)
    for acl, canned in [(PUBLIC, "public-read"), (GUEST, None), (Acl("me", ()), None), (MINE, "aws-exec-read")]:
        with pytest.raises(errors.AccessControlListNotSupported):
            rules.check_write(acl, canned, ENFORCED, ALL_BLOCKED, "me", by_default=True)


def test_new_buckets() -> None:
    """Ownership is asked before public access, as AWS does."""
    rules.check_new_bucket(MINE, ENFORCED, ALL_BLOCKED)
    rules.check_new_bucket(GUEST, WRITER, ALL_BLOCKED)
    rules.check_new_bucket(PUBLIC, WRITER, NOTHING)
    with pytest.raises(errors.InvalidBucketAclWithObjectOwnership):
        rules.check_new_bucket(PUBLIC, ENFORCED, ALL_BLOCKED)
    with pytest.raises(errors.InvalidBucketAclWithBlockPublicAccessError):
        rules.check_new_bucket(PUBLIC, PREFERRED, ALL_BLOCKED)

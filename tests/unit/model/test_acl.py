"""ACLs, ownership and public access blocks as they are stored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zakrom.model.acl import (
    ALL_BLOCKED,
    ALL_USERS,
    AUTHENTICATED_USERS,
    LOG_DELIVERY,
    OWNERSHIPS,
    PERMISSIONS,
    REMOVED,
    Acl,
    Grant,
    PublicAccess,
    acl_of,
    ownership_of,
    public_access_of,
)

GRANTS = st.builds(Grant, st.sampled_from(["CanonicalUser", "Group"]), st.text(), st.sampled_from(PERMISSIONS))


@given(st.text(), st.lists(GRANTS))
def test_an_acl_comes_back(owner: str, grants: list[Grant]) -> None:
    """As it was stored, from text or bytes."""
    acl = Acl(owner, tuple(grants))

    assert Acl.loads(acl.dumps()) == Acl.loads(acl.dumps().encode()) == acl


def test_the_stored_form() -> None:
    """Others read it, and old stores keep it: it does not change."""
    assert Acl.private("me").dumps() == '["me",[["CanonicalUser","me","FULL_CONTROL"]]]'
    assert ALL_BLOCKED.dumps() == b"[true,true,true,true]"


@given(st.builds(PublicAccess, *[st.booleans()] * 4))
def test_a_public_access_block_comes_back(blocked: PublicAccess) -> None:
    """As it was stored."""
    assert PublicAccess.loads(blocked.dumps()) == blocked == public_access_of({"public-access-block": blocked.dumps()})


def test_what_absent_means() -> None:
    """What AWS gives a new bucket; and the opposite where it was removed."""
    assert (ownership_of({}), public_access_of({}), acl_of({}, "me")) == ("BucketOwnerEnforced", ALL_BLOCKED, Acl.private("me"))
    removed = {"ownership": REMOVED, "public-access-block": REMOVED}
    assert (ownership_of(removed), public_access_of(removed)) == ("ObjectWriter", PublicAccess())
    assert [ownership_of({"ownership": one.encode()}) for one in OWNERSHIPS] == [*OWNERSHIPS]


def test_public_is_who_grants_to_anybody() -> None:
    """Everybody, or everybody with an account; log delivery is nobody."""
    for group, public in [(ALL_USERS, True), (AUTHENTICATED_USERS, True), (LOG_DELIVERY, False)]:
        for permission in PERMISSIONS:
            assert Acl("me", (Grant("Group", group, permission),)).public is public
    assert not Acl.private("me").public

"""ACLs in headers and in XML."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakrom import errors
from zakrom.model.acl import ALL_USERS, GROUPS, PERMISSIONS, Acl, Grant
from zakrom.wire import acl as wire
from zakrom.wire.xml import document, escape

READ = "x-amz-grant-read"

IDS = st.text(st.characters(categories=["L", "N", "P", "Zs"], exclude_characters='"'), min_size=1).filter(
    lambda text: text == text.strip()
)
GRANTS = st.one_of(
    st.builds(Grant, st.just("CanonicalUser"), IDS, st.sampled_from(PERMISSIONS)),
    st.builds(Grant, st.just("Group"), st.sampled_from(sorted(GROUPS)), st.sampled_from(PERMISSIONS)),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('id="a"', [("CanonicalUser", "a")]),
        ("id=a", [("CanonicalUser", "a")]),
        (' ID = "a" ,id=b', [("CanonicalUser", "a"), ("CanonicalUser", "b")]),
        (
            f'uri="{ALL_USERS}", emailAddress="x@example.org"',
            [("Group", ALL_USERS), ("AmazonCustomerByEmail", "x@example.org")],
        ),
        ('id="a,b=c"', [("CanonicalUser", "a,b=c")]),
        ('id=""', [("CanonicalUser", "")]),
    ],
)
def test_grant_headers(text: str, expected: list[tuple[str, str]]) -> None:
    """Pairs with commas between; quotes where a value needs them."""
    assert [(one.grantee_type, one.grantee) for one in wire.parse_grant_header(READ, text)] == expected


@pytest.mark.parametrize(
    "text", ["", "id", "a", "=a", 'id="a" id="b"', 'id="a', "id=a,", ",id=a", "name=a", "id=a;id=b,x", '"id"=a']
)
def test_grant_headers_that_are_none(text: str) -> None:
    """The header is named, with all that was sent."""
    with pytest.raises(errors.InvalidArgument) as caught:
        wire.parse_grant_header(READ, text)

    assert caught.value.fields == {"argument_name": READ, "argument_value": text}


@given(st.text())
def test_any_header_is_read_or_refused(text: str) -> None:
    """Nothing else happens, whatever comes."""
    with contextlib.suppress(errors.InvalidArgument):
        assert wire.parse_grant_header(READ, text)


@given(IDS, st.lists(GRANTS))
def test_an_acl_that_is_shown_can_be_read(owner: str, grants: list[Grant]) -> None:
    """The same grants, groups first."""
    acl = Acl(owner, tuple(grants))
    body = document("AccessControlPolicy", wire.policy_xml(acl, lambda one: f"<ID>{escape(one)}</ID>"))

    read = wire.parse_policy(body)

    assert read.owner == owner
    assert sorted(read.grants) == sorted(grants)
    kinds = [grant.grantee_type for grant in read.grants]
    assert kinds == sorted(kinds, reverse=True)

"""ACLs as requests write them, in XML and in ``x-amz-grant-*`` headers, and as answers show them.

What is read here is not resolved yet: whether a canonical id or an e-mail address is somebody's, the catalog knows. Source:
Amazon S3 API Reference, PutBucketAcl, PutObjectAcl; codes and messages as recorded from AWS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from zakrom import errors
from zakrom.model.acl import GROUPS, PERMISSIONS, Acl, Grant, GranteeType, Permission
from zakrom.wire import xml
from zakrom.wire.xml import Node, element, escape

GRANT_HEADERS: dict[str, Permission] = {
    "x-amz-grant-read": "READ",
    "x-amz-grant-write": "WRITE",
    "x-amz-grant-read-acp": "READ_ACP",
    "x-amz-grant-write-acp": "WRITE_ACP",
    "x-amz-grant-full-control": "FULL_CONTROL",
}
"""In the order in which their grants come to stand in the ACL."""


class Names(NamedTuple):
    """What errors call a grantee of each kind."""

    user: str
    group: str
    email: str


IN_XML = Names("CanonicalUser/ID", "Group/URI", "AmazonCustomerByEmail/EmailAddress")
IN_HEADERS = Names("id", "uri", "emailAddress")

_TYPES: dict[str, tuple[GranteeType, str]] = {
    "CanonicalUser": ("CanonicalUser", "ID"),
    "Group": ("Group", "URI"),
    "AmazonCustomerByEmail": ("AmazonCustomerByEmail", "EmailAddress"),
}
"""``xsi:type``: the kind of a grantee, and the element that says who."""

_KEYS: dict[str, GranteeType] = {"id": "CanonicalUser", "uri": "Group", "emailaddress": "AmazonCustomerByEmail"}

_GRANTEE = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"([^"]*)"|([^",]*))\s*')


def parse_grant_header(name: str, text: str) -> list[Grant]:
    """The grants of one header: ``id="…", emailAddress="…", uri="…"``; quotes may be missing. Raises `InvalidArgument`."""
    grants = []
    at = 0
    while True:
        found = _GRANTEE.match(text, at)
        kind = _KEYS.get(found[1].lower()) if found else None
        if found is None or kind is None or text[found.end() : found.end() + 1] not in ("", ","):
            raise errors.InvalidArgument("Argument format not recognized", argument_name=name, argument_value=text)
        grantee = (found[2] or found[3] or "").strip()
        grants.append(_checked(Grant(kind, grantee, GRANT_HEADERS[name]), IN_HEADERS))
        at = found.end() + 1
        if at > len(text):
            return grants


def parse_policy(body: bytes) -> Acl:
    """An AccessControlPolicy. Raises `MalformedACLError`, `InvalidArgument` (a group that there is not)."""
    try:
        root = xml.parse(body, "AccessControlPolicy")
    except errors.MalformedXML:
        raise errors.MalformedACLError from None
    owner, grants = root.child("Owner"), root.child("AccessControlList")
    owner_id = owner.text_of("ID") if owner else None
    if not owner_id or grants is None:
        raise errors.MalformedACLError
    return Acl(owner_id.strip(), parse_grants(grants))


def parse_grants(grants: Node) -> tuple[Grant, ...]:
    """The grants below a node. Raises as `parse_policy`."""
    if any(child.name != "Grant" for child in grants.children):
        raise errors.MalformedACLError
    return tuple(_grant(node) for node in grants.children)


def _grant(node: Node) -> Grant:
    grantee = node.child("Grantee")
    permission = (node.text_of("Permission") or "").strip()
    kind, tag = _TYPES.get((grantee.attribute("type") or "") if grantee else "", (None, ""))
    who = ((grantee.text_of(tag) if grantee else None) or "").strip()
    if kind is None or not who or permission not in PERMISSIONS:
        raise errors.MalformedACLError
    return _checked(Grant(kind, who, permission), IN_XML)


def _checked(grant: Grant, names: Names) -> Grant:
    if grant.grantee_type == "Group" and grant.grantee not in GROUPS:
        raise errors.InvalidArgument("Invalid group uri", argument_name=names.group, argument_value=grant.grantee)
    return grant


def policy_xml(acl: Acl, person: Callable[[str], str]) -> str:
    """The content of an AccessControlPolicy; ``person``: the elements ID and DisplayName of a canonical id."""
    return f"<Owner>{person(acl.owner)}</Owner><AccessControlList>{grants_xml(acl.grants, person)}</AccessControlList>"


def grants_xml(grants: tuple[Grant, ...], person: Callable[[str], str]) -> str:
    """Grants, groups before users.

    An ACL is a set, and AWS documents no order; ceph/s3-tests (which says "in any order") can compare no other one.
    """
    return "".join(
        f'<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="{grant.grantee_type}">'
        f"{f'<URI>{escape(grant.grantee)}</URI>' if grant.grantee_type == 'Group' else person(grant.grantee)}</Grantee>"
        f"{element('Permission', grant.permission)}</Grant>"
        for grant in sorted(grants, key=lambda grant: grant.grantee_type != "Group")
    )

"""Access control lists, object ownership and public access blocks, as values and as the bytes in which they are stored.

They are a bucket's documents ``acl``, ``ownership`` and ``public-access-block``, and a version's entry ``acl``. Absent means
what AWS gives a new bucket: private, ACLs disabled (BucketOwnerEnforced), everything public blocked. What was removed on
purpose is a document of its own (`REMOVED`), because it means the opposite: a bucket of AWS as it was before April 2023.

Source: Amazon S3 User Guide, "Access control list (ACL) overview", "Controlling ownership of objects and disabling ACLs",
"Blocking public access to your Amazon S3 storage".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

GranteeType = Literal["CanonicalUser", "Group", "AmazonCustomerByEmail"]
Permission = Literal["READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"]
Ownership = Literal["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"]

PERMISSIONS: tuple[Permission, ...] = ("READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL")

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
GROUPS = frozenset({ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY})

PUBLIC_GROUPS = frozenset({ALL_USERS, AUTHENTICATED_USERS})
"""A grant to one of these makes an ACL public: "authenticated" is anybody with any account."""

ANONYMOUS_ID = "65a011a29cdf8ec533ec3d1ccaae921c"
"""The canonical id of nobody: what an unsigned write owns itself as. It is AWS's, known from its ACL overview."""

ACL_KIND = "acl"  # document of a bucket, entry of a version
OWNERSHIP_KIND = "ownership"
PUBLIC_ACCESS_KIND = "public-access-block"

ENFORCED: Ownership = "BucketOwnerEnforced"
PREFERRED: Ownership = "BucketOwnerPreferred"
WRITER: Ownership = "ObjectWriter"
OWNERSHIPS: tuple[Ownership, ...] = (ENFORCED, PREFERRED, WRITER)

REMOVED = b"[]"
"""The document of ownership controls or of a public access block that was deleted: ObjectWriter, or nothing blocked."""


class Grant(NamedTuple):
    """Somebody and what they may. ``grantee``: a canonical id, or the URI of a group. E-mail addresses are resolved before."""

    grantee_type: GranteeType
    grantee: str
    permission: Permission


class Acl(NamedTuple):
    """Who owns a bucket or a version (canonical id), and to whom they grant what."""

    owner: str
    grants: tuple[Grant, ...]

    @classmethod
    def private(cls, owner: str) -> Acl:
        """Full control for the owner, nothing for others: what is so without an ACL."""
        return cls(owner, (Grant("CanonicalUser", owner, "FULL_CONTROL"),))

    @property
    def public(self) -> bool:
        """Whether it grants anything to everybody, or to everybody with an account."""
        return any(grant.grantee in PUBLIC_GROUPS for grant in self.grants)

    def dumps(self) -> str:
        """As it is stored: ``[owner, [[type, grantee, permission], …]]``."""
        return json.dumps(self, separators=(",", ":"))

    @staticmethod
    @lru_cache(4096)
    def loads(text: str | bytes) -> Acl:
        """What `dumps` wrote."""
        owner, grants = json.loads(text)
        return Acl(owner, tuple(Grant(*grant) for grant in grants))


class PublicAccess(NamedTuple):
    """What a public access block blocks. All False: nothing, as without one."""

    block_public_acls: bool = False
    ignore_public_acls: bool = False
    block_public_policy: bool = False
    restrict_public_buckets: bool = False

    def dumps(self) -> bytes:
        """As it is stored: ``[true,true,true,true]``."""
        return json.dumps(self, separators=(",", ":")).encode()

    @staticmethod
    @lru_cache(32)
    def loads(body: bytes) -> PublicAccess:
        """What `dumps` wrote; nothing is blocked by one that is `REMOVED`."""
        return PublicAccess(*json.loads(body))


ALL_BLOCKED = PublicAccess(True, True, True, True)


def ownership_of(documents: Mapping[str, bytes]) -> Ownership:
    """The object ownership of a bucket with these documents."""
    body = documents.get(OWNERSHIP_KIND)
    if body is None:
        return ENFORCED
    return next((one for one in OWNERSHIPS if one.encode() == body), WRITER)


def public_access_of(documents: Mapping[str, bytes]) -> PublicAccess:
    """What is blocked in a bucket with these documents."""
    body = documents.get(PUBLIC_ACCESS_KIND)
    return ALL_BLOCKED if body is None else PublicAccess.loads(body)


def acl_of(documents: Mapping[str, bytes], owner: str) -> Acl:
    """The ACL of a bucket with these documents, as stored. It counts for nothing while ownership is `ENFORCED`."""
    body = documents.get(ACL_KIND)
    return Acl.private(owner) if body is None else Acl.loads(body)

"""Access control lists: who was granted what on a bucket or on a version of an object.

Stored as JSON ``[owner, [[type, grantee, permission], ...]]``: a bucket's as its document ``acl``, a version's as its extra
entry ``acl``. Where there is none, all is the owner's and nobody else's. Source: Amazon S3 User Guide, "Access control list
(ACL) overview".
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import NamedTuple

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"


class Grant(NamedTuple):
    """One permission for one grantee."""

    grantee_type: str  # CanonicalUser | Group | AmazonCustomerByEmail
    grantee: str  # a canonical id, or the URI of a group
    permission: str  # READ | WRITE | READ_ACP | WRITE_ACP | FULL_CONTROL


class Acl(NamedTuple):
    """An owner, and what was granted."""

    owner: str
    grants: tuple[Grant, ...]

    @classmethod
    def private(cls, owner: str) -> Acl:
        """Full control for the owner, nothing for anybody else."""
        return cls(owner, (Grant("CanonicalUser", owner, "FULL_CONTROL"),))

    def dumps(self) -> str:
        """The form that is stored."""
        return json.dumps([self.owner, self.grants], separators=(",", ":"))

    @staticmethod
    def loads(text: str | bytes) -> Acl:
        """The way back from `dumps`. What it reads was written by us."""
        return _loads(text)


@lru_cache(4096)
def _loads(text: str | bytes) -> Acl:
    owner, grants = json.loads(text)
    return Acl(owner, tuple(Grant(*grant) for grant in grants))

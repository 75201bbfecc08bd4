"""Who asks."""

from __future__ import annotations

import msgspec

from zakrom.model.facts import User
from zakrom.model.names import account_number


class Caller(msgspec.Struct, frozen=True):
    """The sender of a request. ``user`` None: anonymous. With the defaults a user is the root of an account of its own.

    ``account``: the canonical id of the account that owns what the caller creates. ``arn``, ``user_id``: as IAM writes them.
    ``session_policies`` None: not a session; empty: a session that was not narrowed. Policies are JSON documents.
    """

    user: User | None
    access_key: str | None = None
    presigned: bool = False
    account: str = ""
    arn: str = ""
    user_id: str = ""
    identity_policies: tuple[bytes, ...] = ()
    boundary: bytes | None = None
    session_policies: tuple[bytes, ...] | None = None
    principal_tags: tuple[tuple[str, str], ...] = ()  # `aws:PrincipalTag/...`: of the user, or of the role and its session
    role_arn: str = ""  # of a role's session: the role, which policies may name instead of the session

    @property
    def canonical_id(self) -> str:
        """The owner of what this caller creates; empty for an anonymous one."""
        return self.account or (self.user.canonical_id if self.user else "")

    @property
    def is_account_root(self) -> bool:
        """Whether this is an account itself, which may do all in it, and no user or session of it."""
        return self.user is not None and (not self.arn or (self.arn.endswith(":root") and not self.session_policies))

    @property
    def principal_arn(self) -> str:
        """The ARN of the user, session or account root; empty for an anonymous caller."""
        if self.user is None:
            return ""
        return self.arn or f"arn:aws:iam::{account_number(self.canonical_id)}:root"


ANONYMOUS = Caller(None)

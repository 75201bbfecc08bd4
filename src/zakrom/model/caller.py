"""Who asks."""

from __future__ import annotations

import msgspec

from zakrom.model.facts import User


class Caller(msgspec.Struct, frozen=True):
    """The sender of a request. ``user`` None: anonymous. ``signed``: how they proved it, for rules that ask."""

    user: User | None
    access_key: str | None = None
    presigned: bool = False

    @property
    def canonical_id(self) -> str:
        """The owner of what this caller creates; empty for an anonymous one."""
        return self.user.canonical_id if self.user else ""


ANONYMOUS = Caller(None)

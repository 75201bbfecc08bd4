"""What a write or a delete does to the versions of a key.

The three states of a bucket differ in two answers only: does the new version get an id of its own, and which old version does
it replace? Source: Amazon S3 User Guide, "How S3 Versioning works", "Working with objects in a versioning-suspended bucket".
"""

from __future__ import annotations

from enum import Enum

from zakrom.model.facts import NULL_NONCE, Versioning


class Delete(Enum):
    """What a plain DELETE means."""

    REMOVE = "the object goes for good"
    MARK = "a delete marker with an id of its own goes on top"
    MARK_NULL = "a delete marker with the id null replaces the null version"


def nonce(versioning: Versioning, proposed: int) -> int:
    """The nonce of a new version: its own where versioning is enabled, that of ``null`` elsewhere."""
    return proposed if versioning is Versioning.ENABLED else NULL_NONCE


def replaces_null(versioning: Versioning) -> bool:
    """Whether a write removes the key's null version for good."""
    return versioning is not Versioning.ENABLED


def plain_delete(versioning: Versioning) -> Delete:
    """What a DELETE without a version id means."""
    return {
        Versioning.NEVER: Delete.REMOVE,
        Versioning.ENABLED: Delete.MARK,
        Versioning.SUSPENDED: Delete.MARK_NULL,
    }[versioning]

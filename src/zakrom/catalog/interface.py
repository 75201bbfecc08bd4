"""The seam to the facts: what any catalog promises. SQLite today, PostgreSQL later; one contract suite for all.

Reads see every change that was acknowledged before the read began, from whichever process. No read holds a transaction after
it returns. ``apply`` has three outcomes: it returns (done and durable), it raises an `Error` other than `Unavailable`
(nothing was changed), or it raises `OutcomeUnknown` (a crash in between: the change may or may not be there). Who staged a
blob for a change may discard it in the second case only.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from zakrom.catalog.changes import Change
from zakrom.model.facts import (
    AccessKey,
    BlobFacts,
    Bucket,
    Damage,
    KeyUse,
    Listed,
    Manifest,
    Part,
    Upload,
    Usage,
    User,
    Version,
    VersionId,
)
from zakrom.model.iam import Realm


class Found(NamedTuple):
    """A version, and its blob where the content is one whole blob (with its bytes where they ride in the catalog)."""

    version: Version
    blob: BlobFacts | None


class Space(NamedTuple):
    """Where a client stands that waits for room.

    ``cursor`` grows whenever bytes were freed in the scope (a bucket or the store), durably. ``full``: the disk had no room
    when last looked at.
    """

    cursor: int
    full: bool
    usage: Usage
    quota_bytes: int | None


class Catalog(Protocol):
    """All facts of one store."""

    # ------------------------------------------------------------------------------------------------- buckets
    async def bucket(self, name: str) -> Bucket:
        """Raises `NoSuchBucket`. Served from memory; a change of a bucket is acknowledged after all memories forgot it."""
        ...

    async def buckets(self, owner: str | None, prefix: str, after: str, limit: int) -> list[Bucket]:
        """Up to ``limit`` buckets by name from beyond ``after``; of one owner (canonical id), or of all."""
        ...

    async def document(self, bucket: int, kind: str) -> bytes | None:
        """A bucket's configuration document, or None."""
        ...

    async def documents(self, bucket: int) -> dict[str, bytes]:
        """All of a bucket's configuration documents by kind, from memory as `bucket`; not to be changed."""
        ...

    async def usage(self, bucket: int | None) -> Usage:
        """Exact counts of a bucket, or of the whole store (None)."""
        ...

    async def space(self, bucket: int | None) -> Space:
        """The durable signal of freed space."""
        ...

    async def quota(self, bucket: int | None) -> int | None:
        """The quota of a bucket or of the store in bytes, from memory as `bucket`; None: no limit. Raises `NoSuchBucket`."""
        ...

    async def spare_bytes(self) -> int:
        """How many bytes of small content fit into space that the catalog has taken already.

        A full disk does not matter to them.
        """
        ...

    # ------------------------------------------------------------------------------------------------- objects
    async def find(self, bucket: int, key: bytes, version: VersionId | None = None) -> Found | None:
        """The current version of a key (a delete marker too), or the named one; None if there is none."""
        ...

    async def objects(self, bucket: int, prefix: bytes, after: bytes, inclusive: bool, limit: int) -> list[Listed]:
        """Current objects (no markers) with the prefix, by key, from beyond ``after`` (or from it, if ``inclusive``)."""
        ...

    async def versions(
        self, bucket: int, prefix: bytes, after: bytes, after_seq: int | None, inclusive: bool, limit: int
    ) -> list[Version]:
        """All versions and markers with the prefix: by key, then newest first.

        From beyond the version ``after_seq`` of key ``after``; with ``after_seq`` None from beyond all versions of that key,
        or, if ``inclusive``, from its newest.
        """
        ...

    async def manifest(self, manifest: int) -> Manifest | None:
        """The slices and parts; None if it is gone. Manifests are immutable and may be remembered."""
        ...

    async def blob(self, blob: int, first_block: int = 0, blocks: int | None = None) -> BlobFacts | None:
        """A blob with the checksums of ``blocks`` blocks from ``first_block`` (all by default)."""
        ...

    # ------------------------------------------------------------------------------------------------- uploads
    async def upload(self, bucket: int, key: bytes, upload: str) -> Upload:
        """Raises `NoSuchUpload`."""
        ...

    async def uploads(
        self, bucket: int, prefix: bytes, after: bytes, after_id: str | None, inclusive: bool, limit: int
    ) -> list[Upload]:
        """Open uploads by key, then by id; the bounds work as those of ``versions``."""
        ...

    async def parts(self, bucket: int, key: bytes, upload: str, after: int, limit: int) -> tuple[Upload, list[Part]]:
        """The upload and up to ``limit`` of its parts with numbers above ``after``, read together. Raises `NoSuchUpload`."""
        ...

    # ------------------------------------------------------------------------------------------------- identity
    async def access_key(self, key: str) -> tuple[AccessKey, User] | None:
        """A key and its user, from memory as `bucket`."""
        ...

    async def user(self, name: str) -> User:
        """Raises `NoSuchUser`."""
        ...

    async def user_by_canonical_id(self, canonical_id: str) -> User | None:
        """For display names in listings."""
        ...

    async def users(self) -> list[User]:
        """All users by name."""
        ...

    async def access_keys(self, user: str | None) -> list[AccessKey]:
        """The keys of a user, or of all."""
        ...

    async def realm(self, account: str) -> Realm:
        """All identities of an account (canonical id), from memory as `bucket`. Raises `NoSuchUser`."""
        ...

    async def account_of(self, number: str) -> str | None:
        """The canonical id of the account with that number, from memory as `bucket`."""
        ...

    async def key_use(self, key: str) -> KeyUse | None:
        """The last use of an access key, if any was noted."""
        ...

    # ------------------------------------------------------------------------------------------------- chores
    async def retired(self, before_ms: int, limit: int) -> list[tuple[int, int]]:
        """(id, length) of blobs with files that no version names since before ``before_ms``, oldest first.

        Empty during a `Hold`.
        """
        ...

    async def blobs(self, after: int, limit: int, *, inline: bool = False) -> list[BlobFacts]:
        """Blobs that have files and, if ``inline``, those whose bytes ride in the catalog, with the bytes: they come last.

        By id from beyond ``after``, with all their block checksums: for scrub and check.
        """
        ...

    async def sealed(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """(id, seal) of encrypted blobs that something names, by id from beyond ``after``."""
        ...

    async def known_blobs(self, ids: list[int]) -> set[int]:
        """Which of these ids the catalog names (retired ones too)."""
        ...

    async def namers(self, blob: int, limit: int) -> list[tuple[str, Version]]:
        """(bucket name, version) of versions whose content needs the blob. A full scan: for reports of damage only."""
        ...

    async def generations(self) -> list[tuple[int, bool]]:
        """(generation, closed): the processes that may have staged blobs; a closed one is to be swept."""
        ...

    async def damages(self) -> list[Damage]:
        """What scrub found rotten and something still needs: who rewrites or deletes it ends the report."""
        ...

    async def job(self, name: str) -> bytes | None:
        """The durable state of a job."""
        ...

    async def due(self, before_ms: int, limit: int) -> list[tuple[int, bytes, int]]:
        """Reminders (bucket, key, rank) of what lifecycle rules would do by ``before_ms``, oldest first: for `Expire`."""
        ...

    async def surveys(self) -> int:
        """How many buckets' rules have changed and are still to be looked through, by `Survey`."""
        ...

    # ------------------------------------------------------------------------------------------------- changes
    async def apply(self, change: Change) -> Any:
        """Makes the change true and durable, and returns what its class says.

        Shielded from cancellation by its caller's leaving.
        """
        ...

    async def ready(self) -> None:
        """Returns if changes can be written now. Raises `Unavailable`."""
        ...

    async def backup(self, directory: str) -> None:
        """Writes a consistent copy of all facts into the directory."""
        ...

    async def close(self) -> None:
        """Lets go of files and sockets."""
        ...

"""Decided writes, as values: what a caller asks the catalog to make true, in one transaction each.

A change carries everything that needs the clock, randomness or the caller (`rules` and the catalog have none of them). What
depends on the state of the moment (may the condition pass, which version does it replace, does the quota allow it) is decided
by the pure functions of `rules`, called by the catalog *inside* the transaction with the facts read there: so a
conditional write or a quota can never be overtaken, and nobody retries a lost race.

Every change is a MessagePack array tagged with its class name; the workers send them to the writer process in batches.
"""

from __future__ import annotations

import msgspec

from zakrom.model.facts import (
    AccessKey,
    Checksum,
    Damage,
    Details,
    Fact,
    KeyUse,
    Manifest,
    Slice,
    Upload,
    User,
    VersionId,
    Versioning,
)
from zakrom.model.iam import AnyEntity


class Tagged(Fact, tag=True, frozen=True):
    """Base of the values that are told apart by their class name when they cross a socket."""


# ------------------------------------------------------------------------------------------------------------- contents


class Nothing(Tagged, frozen=True):
    """No bytes: an empty object."""


class Inline(Tagged, frozen=True):
    """A small blob whose bytes ride in the change itself and live in the catalog."""

    data: bytes
    blocks: bytes
    seal: bytes | None = None  # as `BlobFacts.seal`


class Staged(Tagged, frozen=True):
    """A blob that this change brings in: durable on disk already, unknown to the catalog until now."""

    blob: int
    length: int
    blocks: bytes
    seal: bytes | None = None  # as `BlobFacts.seal`


class SharedBlob(Tagged, frozen=True):
    """A whole blob that another version names. `Stale` if nobody names it any more."""

    blob: int


class SharedManifest(Tagged, frozen=True):
    """A manifest that another version names. `Stale` if nobody names it any more."""

    manifest: int


class SharedSlices(Tagged, frozen=True):
    """Slices of blobs that other versions name. `Stale` if one of the blobs has lost its last name."""

    slices: tuple[Slice, ...]


Content = Nothing | Inline | Staged | SharedBlob | SharedManifest | SharedSlices


class Condition(Fact, frozen=True):
    """What must hold of the key's current version when the change is applied. ETags without quotes; ``*`` is any.

    ``since_seq``: not None for CompleteMultipartUpload: the key's newest seq at the creation of the upload; when it differs now
    and the condition holds, the answer is `ConditionalRequestConflict`.
    """

    if_match: str | None = None
    if_none_match: str | None = None
    since_seq: int | None = None


# -------------------------------------------------------------------------------------------------------------- changes


class CreateBucket(Tagged, frozen=True):
    """-> Bucket. Raises `BucketAlreadyOwnedByYou` or `BucketAlreadyExists`, `TooManyBuckets`.

    With a document of object lock the bucket begins with versioning enabled.
    """

    name: str
    owner: str
    region: str
    now_ms: int
    owner_buckets_max: int
    documents: dict[str, bytes] = msgspec.field(default_factory=dict)


class DeleteBucket(Tagged, frozen=True):
    """-> None. Raises `NoSuchBucket`, `BucketNotEmpty` (versions, markers count; open uploads do not: they go with it)."""

    bucket: int
    now_ms: int


class SetVersioning(Tagged, frozen=True):
    """-> None. Raises `NoSuchBucket`, `InvalidBucketState` where versioning must stay: under object lock."""

    bucket: int
    versioning: Versioning


class SetDocument(Tagged, frozen=True):
    """-> None. A bucket's configuration document; ``body`` None removes it.

    Raises `NoSuchBucket`, and `InvalidBucketState` for object lock without versioning, and for the end of object lock.
    """

    bucket: int
    kind: str
    body: bytes | None


class SetQuota(Tagged, frozen=True):
    """-> None. ``bucket`` None: the whole store; ``quota_bytes`` None: no limit. Raises `NoSuchBucket`."""

    bucket: int | None
    quota_bytes: int | None


class PutVersion(Tagged, frozen=True):
    """-> Written. A new version of a key: PutObject and CopyObject.

    Raises `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey`, `ConditionalRequestConflict`, `QuotaExceeded`,
    `InsufficientStorage`, `Stale`.
    """

    bucket: int
    key: bytes
    now_ms: int
    nonce: int  # random, not 0; used where the bucket's versioning is enabled
    size: int
    etag: str
    storage_class: str
    owner: str
    details: Details
    content: Content
    parts: int = 0
    condition: Condition | None = None


class DeleteVersion(Tagged, frozen=True):
    """-> Deleted. ``version`` None: what a plain DELETE means under the bucket's versioning; else that version for good.

    Deleting what is not there succeeds (`Deleted.existed` is false). Raises `NoSuchBucket`, `PreconditionFailed`,
    and with a condition on an absent key `NoSuchKey`; `AccessDenied` for a version that object lock protects (``bypass``: the
    caller may bypass governance).
    """

    bucket: int
    key: bytes
    now_ms: int
    nonce: int
    owner: str
    version: VersionId | None = None
    condition: Condition | None = None
    bypass: bool = False


class SetDetails(Tagged, frozen=True):
    """-> Version. Changes details of an existing version: its tags (None: as they are), and entries of its ``extra``.

    ``extra``: by name, None removes it; others stay. Raises `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed` on a marker,
    `AccessDenied` for a retention that must not be shortened (``bypass``: the caller may bypass governance).
    """

    bucket: int
    key: bytes
    version: VersionId | None
    tags: tuple[tuple[str, str], ...] | None
    extra: dict[str, str | None] = msgspec.field(default_factory=dict)
    now_ms: int = 0
    bypass: bool = False


class CreateUpload(Tagged, frozen=True):
    """-> Upload, with its base_seq. Raises `NoSuchBucket`."""

    upload: Upload


class PutPart(Tagged, frozen=True):
    """-> Part. A part, in place of the one that had its number.

    Raises `NoSuchUpload`, `QuotaExceeded`, `InsufficientStorage`, `Stale`.
    """

    bucket: int
    key: bytes
    upload: str
    number: int
    size: int
    etag: str
    now_ms: int
    content: Content
    checksum: Checksum | None = None


class CompleteUpload(Tagged, frozen=True):
    """-> Written. The upload becomes a version; its parts that the manifest does not name are retired.

    ``revision``: of the upload when the manifest was decided; another one now is `Stale`. The manifest's slices are those of
    the upload's parts. Raises `NoSuchUpload`, `PreconditionFailed`, `NoSuchKey`, `ConditionalRequestConflict`, `Stale`,
    `QuotaExceeded` never: the parts are counted already.
    """

    bucket: int
    key: bytes
    upload: str
    revision: int
    now_ms: int
    nonce: int
    size: int
    etag: str
    manifest: Manifest
    details: Details
    condition: Condition | None = None


class AbortUpload(Tagged, frozen=True):
    """-> None. Raises `NoSuchUpload`."""

    bucket: int
    key: bytes
    upload: str
    now_ms: int


class PutUser(Tagged, frozen=True):
    """-> None. Adds a user, or replaces the one of that name if ``replace``. Raises `UserAlreadyExists`."""

    user: User
    replace: bool = False


class RemoveUser(Tagged, frozen=True):
    """-> None. The user and their keys; with an account all its identities.

    Raises `NoSuchUser`, `InvalidRequest` while they own buckets.
    """

    name: str


class PutAccessKey(Tagged, frozen=True):
    """-> None. Raises `NoSuchUser`, `AccessKeyAlreadyExists` (unless ``replace``)."""

    key: AccessKey
    replace: bool = False


class RemoveAccessKey(Tagged, frozen=True):
    """-> None. Raises `NoSuchAccessKey`."""

    id: str


class ChangeRealm(Tagged, frozen=True):
    """-> None. Changes identities of an account: entities and access keys put, entities (by id) and keys gone, all or none.

    It was decided on the realm of ``revision``; another one now is `Stale`. Raises `NoSuchUser` if there is no such account,
    `AccessKeyAlreadyExists`.
    """

    account: str  # canonical id
    revision: int
    put: tuple[AnyEntity, ...] = ()
    gone: tuple[str, ...] = ()
    keys: tuple[AccessKey, ...] = ()
    keys_gone: tuple[str, ...] = ()


class NoteUses(Tagged, frozen=True):
    """-> None. Access keys were used; later uses win. Those of keys that are gone are not kept."""

    uses: tuple[KeyUse, ...]


class OpenGeneration(Tagged, frozen=True):
    """-> int. A number that no process has had before: blobs that this process stages carry it in their ids.

    The catalog closes it by itself when the connection that opened it is gone, after it has applied what was in flight.
    """

    now_ms: int


class ForgetGeneration(Tagged, frozen=True):
    """-> None. A closed generation was swept: nothing unknown to the catalog is left of it."""

    generation: int


class Reaped(Tagged, frozen=True):
    """-> None. The files of these retired blobs are gone from disk."""

    blobs: tuple[int, ...]
    now_ms: int


class Unravel(Tagged, frozen=True):
    """-> int: how many are left. Takes up to ``limit`` retired manifests apart: their blobs lose a name each."""

    now_ms: int
    limit: int


class Reseal(Tagged, frozen=True):
    """-> int: how many were changed. Puts a new seal in the place of an old one, of blobs (id, old, new) that still have it."""

    seals: tuple[tuple[int, bytes, bytes], ...]


class SetDamage(Tagged, frozen=True):
    """-> None. Notes blobs found rotten, forgets those found sound or gone."""

    found: tuple[Damage, ...]
    healed: tuple[int, ...] = ()


class SetJob(Tagged, frozen=True):
    """-> None. The durable state of a background job (its cursor and report), as JSON bytes."""

    name: str
    state: bytes


class Hold(Tagged, frozen=True):
    """-> None. Until ``until_ms`` retired blobs are not reaped (a backup copies them); 0 lifts it."""

    name: str
    until_ms: int


class SetFull(Tagged, frozen=True):
    """-> bool: whether that is news. The store has, or no longer has, room: noted durably, see `Catalog.space`."""

    full: bool
    now_ms: int


class Expire(Tagged, frozen=True):
    """-> dict[str, int]: how often what was done: ``removed``, ``marked``, ``moved``, ``aborted``.

    Does what lifecycle rules say now of these reminders (bucket, key, rank), as `Catalog.due` gives them; each is worked off,
    or moved to a time after ``now_ms``. ``nonce``: as in `DeleteVersion`, counted on for each.
    """

    reminders: tuple[tuple[int, bytes, int], ...]
    now_ms: int
    nonce: int


class Survey(Tagged, frozen=True):
    """-> bool: whether there is more to do. Looks at up to ``limit`` versions or uploads where rules have changed."""

    limit: int


class SetLifecycleDay(Tagged, frozen=True):
    """-> None. How long a day of lifecycle rules is, from now on: 24 hours, but in tests. Another one renews all reminders."""

    day_ms: int


Change = (
    CreateBucket
    | DeleteBucket
    | SetVersioning
    | SetDocument
    | SetQuota
    | PutVersion
    | DeleteVersion
    | SetDetails
    | CreateUpload
    | PutPart
    | CompleteUpload
    | AbortUpload
    | PutUser
    | RemoveUser
    | PutAccessKey
    | RemoveAccessKey
    | ChangeRealm
    | NoteUses
    | OpenGeneration
    | ForgetGeneration
    | Reaped
    | Unravel
    | Reseal
    | SetDamage
    | SetJob
    | Hold
    | SetFull
    | Expire
    | Survey
    | SetLifecycleDay
)


# -------------------------------------------------------------------------------------------------------------- results


class Written(Fact, frozen=True):
    """A version was written. ``replaced``: a version of that key was overwritten for good."""

    seq: int
    nonce: int
    modified_ms: int
    replaced: bool = False

    @property
    def version_id(self) -> str:
        """As `model.facts.Version.version_id`."""
        return "null" if self.nonce == 0 else f"{self.seq:016x}{self.nonce:016x}"


class Deleted(Fact, frozen=True):
    """What a DeleteVersion did.

    ``marker``: a delete marker was added (plain delete) or removed (delete by id); its or the version's id is ``version_id``,
    None where the bucket never had versioning.
    """

    existed: bool
    marker: bool = False
    version_id: str | None = None

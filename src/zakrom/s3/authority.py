"""May this call be made? From an operation to the questions that `rules.access` answers.

An operation may need several rights, on one resource or on two: the tables below say which. What the store knows of the object
is looked up only where the answer depends on it. Source: Amazon S3 User Guide, "Required permissions for Amazon S3 API
operations".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import NamedTuple

from zakrom import errors
from zakrom.model.acl import Acl
from zakrom.model.facts import Bucket
from zakrom.model.names import parse_version_id
from zakrom.rules import access
from zakrom.rules.access import Ask, Decision, ObjectFacts, Reason, Scene
from zakrom.s3.call import Call, arn
from zakrom.s3.context import Context, Values
from zakrom.s3.operation import OBJECT, Operation

OF_VERSION: Mapping[str, str] = {
    "s3:DeleteObject": "s3:DeleteObjectVersion",
    "s3:DeleteObjectTagging": "s3:DeleteObjectVersionTagging",
    "s3:GetObject": "s3:GetObjectVersion",
    "s3:GetObjectAcl": "s3:GetObjectVersionAcl",
    "s3:GetObjectAttributes": "s3:GetObjectVersionAttributes",
    "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
    "s3:GetObjectTorrent": "s3:GetObjectVersionTorrent",
    "s3:PutObjectAcl": "s3:PutObjectVersionAcl",
    "s3:PutObjectTagging": "s3:PutObjectVersionTagging",
}
"""What an action is called where the request names a version."""

_WRITES = frozenset({"PutObject", "CopyObject", "CreateMultipartUpload"})
_ACL_HEADERS = (
    "x-amz-acl", "x-amz-grant-full-control", "x-amz-grant-read", "x-amz-grant-read-acp", "x-amz-grant-write",
    "x-amz-grant-write-acp",
)  # fmt: skip


class Of(Enum):
    """Whose right it is to allow something."""

    OWNER = "the owner of what is there"
    NEW_OWNER = "the owner of what will be there: the writer, where ACLs count"
    WRITER = "the writer, who may put an object and so decides what its ACL says; policies may only deny it"


class Also(NamedTuple):
    """A further right that operations need if one of these headers is there (none named: always)."""

    operations: frozenset[str]
    headers: tuple[str, ...]
    action: str
    of: Of = Of.OWNER


ALSO: tuple[Also, ...] = (
    Also(_WRITES, _ACL_HEADERS, "s3:PutObjectAcl", Of.WRITER),
    Also(_WRITES, ("x-amz-tagging",), "s3:PutObjectTagging", Of.NEW_OWNER),
    Also(_WRITES, ("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"), "s3:PutObjectRetention"),
    Also(_WRITES, ("x-amz-object-lock-legal-hold",), "s3:PutObjectLegalHold"),
    Also(
        frozenset({"DeleteObject", "DeleteObjects", "PutObjectRetention"}),
        ("x-amz-bypass-governance-retention",),
        "s3:BypassGovernanceRetention",
    ),
    Also(frozenset({"GetObjectAttributes"}), (), "s3:GetObject"),
    Also(frozenset({"CreateBucket"}), _ACL_HEADERS, "s3:PutBucketAcl"),
    Also(frozenset({"CreateBucket"}), ("x-amz-object-ownership",), "s3:PutBucketOwnershipControls"),
    Also(frozenset({"CreateBucket"}), ("x-amz-bucket-object-lock-enabled",), "s3:PutBucketObjectLockConfiguration"),
    Also(frozenset({"CreateBucket"}), ("x-amz-bucket-object-lock-enabled",), "s3:PutBucketVersioning"),
)
"""What an operation needs beside its own action."""

_ALSO_OF: Mapping[str, tuple[Also, ...]] = {
    name: tuple(also for also in ALSO if name in also.operations) for also in ALSO for name in also.operations
}

_LIST = "s3:ListBucket"


class Place(NamedTuple):
    """What a question is about: a bucket, or a key in it, or one version (its id as the request writes it)."""

    bucket: Bucket
    documents: Mapping[str, bytes]
    key: bytes | None = None
    version_id: str | None = None

    @property
    def resource(self) -> str:
        """As policies name it."""
        return arn(self.bucket.name) if self.key is None else f"{arn(self.bucket.name)}/{self.key.decode()}"


def place_of(call: Call) -> Place:
    """What the call itself is about."""
    key = None if call.target.key is None else call.key
    return Place(call.bucket, call.documents, key, call.param("versionId") if key is not None else None)


async def authorise(call: Call, operation: Operation, more: Mapping[str, Values] | None = None) -> None:
    """Returns if the caller may do this. Raises `AccessDenied`.

    ``more``: condition keys that stand in the body. `rules.access.is_plainly_allowed` is the door's way around all this.
    """
    if call.bucket_or_none is None:
        _authorise_without_bucket(call, operation, more)
        return
    await authorise_at(call, operation, place_of(call), more)


async def authorise_at(call: Call, operation: Operation, place: Place, more: Mapping[str, Values] | None = None) -> None:
    """The same for a place that the call's own target does not name: one of many keys to be deleted. Raises `AccessDenied`."""
    await require(call, operation.action, place, more, reads=operation.level is OBJECT and operation.method in _READING)
    for also in _ALSO_OF.get(operation.name, ()):
        if _is_asked(call, also):
            await _require_also(call, also, place, more)


async def require(
    call: Call,
    action: str,
    place: Place,
    more: Mapping[str, Values] | None = None,
    *,
    reads: bool = False,
    change: Callable[[Scene], Scene] | None = None,
) -> None:
    """Returns if the caller has a right on a place. Raises `AccessDenied`.

    ``reads``: who may list the bucket may also be told that what they want to read is not there, so they pass if it is not.
    """
    if access.is_plainly_allowed(call.caller, place.bucket, place.documents):
        return
    decision, scene = await ask(call, action, place, more, change)
    if decision.allowed or (reads and decision.reason is Reason.NOTHING_ALLOWS and await _may_miss(call, place, scene)):
        return
    raise errors.AccessDenied


async def may(call: Call, action: str) -> bool:
    """Whether the caller has a right on what the call is about."""
    try:
        await require(call, action, place_of(call))
    except errors.AccessDenied:
        return False
    return True


async def require_of_write(call: Call, action: str, more: Mapping[str, Values] | None = None) -> None:
    """Returns if the caller may have this right on the object that the call writes. Raises `AccessDenied`."""
    await _require_also(call, Also(_WRITES, (), action, Of.NEW_OWNER), place_of(call), more)


async def ask(
    call: Call,
    action: str,
    place: Place,
    more: Mapping[str, Values] | None = None,
    change: Callable[[Scene], Scene] | None = None,
) -> tuple[Decision, Scene]:
    """The decision about a right on a place, and the scene that it was made in."""
    named = OF_VERSION.get(action, action) if place.version_id is not None else action
    context = Context(call, place.bucket, place.version_id, more)
    question = Ask(call.caller, named, place.resource, context)
    scene = access.scene_of(place.bucket, place.documents)
    if change is not None:
        scene = change(scene)
    if scene.object is None and place.key is not None and access.wants_object(question, scene):
        context.object = await _object(call, place)
        scene = scene._replace(object=context.object)
    return access.decide(question, scene), scene


def refuse_strangers(call: Call) -> None:
    """Returns unless it is clear at a glance that nothing here is for this caller. Raises `AccessDenied`.

    For operations that must read a body before they can ask.
    """
    inside = call.caller.user is not None and (call.caller.user.root or call.caller.canonical_id == call.bucket.owner)
    if not (inside or access.lets_others_in(call.documents)):
        raise errors.AccessDenied


async def veil(call: Call, place: Place, error: errors.NotFound) -> errors.Error:
    """What a caller is told who asked for a key that is not there: that, or `AccessDenied` if they may not list the bucket.

    Source: Amazon S3 API Reference, GetObject: "If the object you request doesn't exist".
    """
    if access.is_plainly_allowed(call.caller, place.bucket, place.documents) or await _may_list(call, place):
        return error
    return errors.AccessDenied()


# ------------------------------------------------------------------------------------------------------------------- details

_READING = frozenset({"GET", "HEAD"})


def _authorise_without_bucket(call: Call, operation: Operation, more: Mapping[str, Values] | None) -> None:
    """About the caller's own account: its list of buckets, a bucket that it does not have yet. Raises `AccessDenied`."""
    name = call.target.bucket
    resource = "*" if name is None else arn(name)
    scene = Scene(call.caller.canonical_id)
    for action in _actions(call, operation):
        if not access.decide(Ask(call.caller, action, resource, Context(call, None, None, more)), scene).allowed:
            raise errors.AccessDenied


def _actions(call: Call, operation: Operation) -> Iterator[str]:
    yield operation.action
    for also in _ALSO_OF.get(operation.name, ()):
        if _is_asked(call, also):
            yield also.action


def _is_asked(call: Call, also: Also) -> bool:
    return not also.headers or any((call.header(name) or "").lower() not in {"", "false"} for name in also.headers)


async def _require_also(call: Call, also: Also, place: Place, more: Mapping[str, Values] | None) -> None:
    if also.of is Of.OWNER:
        await require(call, also.action, place, more)
        return
    writer = call.caller.canonical_id
    if not writer:
        await _require_of_nobody(call, also, place, more)
        return

    def as_it_will_be(scene: Scene) -> Scene:
        if not (scene.acls or also.of is Of.WRITER):
            return scene
        return scene._replace(acls=True, object=ObjectFacts(writer, Acl.private(writer)))

    await require(call, also.action, place._replace(version_id=None), more, change=as_it_will_be)


async def _require_of_nobody(call: Call, also: Also, place: Place, more: Mapping[str, Values] | None) -> None:
    """The same where nobody signed: who may write owns what they write, where ACLs count, and only a deny stands against it."""
    decision, scene = await ask(call, also.action, place._replace(version_id=None), more)
    if decision.reason is Reason.DENIED or not (decision.allowed or scene.acls):
        raise errors.AccessDenied


async def _object(call: Call, place: Place) -> ObjectFacts | None:
    """What is known of the version; None for none, and for a delete marker."""
    assert place.key is not None
    version_id = None if place.version_id is None else parse_version_id(place.version_id)
    found = await call.store.catalog.find(place.bucket.id, place.key, version_id)
    return None if found is None or found.version.marker else access.object_facts(found.version)


async def _may_miss(call: Call, place: Place, scene: Scene) -> bool:
    return scene.object is None and await _object(call, place) is None and await _may_list(call, place)


async def _may_list(call: Call, place: Place) -> bool:
    """Whether the caller may list keys that begin as this one. A policy that lets list a prefix lets know what is under it."""
    more = {} if place.key is None else {"s3:prefix": (place.key.decode(),)}
    decision, _ = await ask(call, _LIST, place._replace(key=None, version_id=None), more)
    return decision.allowed

"""May this caller do that? One evaluator for everything that grants or denies.

The order, as AWS has it: an explicit deny of any policy ends it; then the account that owns the thing must agree (it is the
caller's own, or its bucket policy or an ACL lets the caller in), and then the caller's own account must (root may all there; a
user needs a policy that allows, within boundary and session). Source: IAM User Guide, "Policy evaluation logic"; Amazon S3 User
Guide, "How Amazon S3 authorizes a request" and "Mapping of ACL permissions and access policy permissions".

Pure: who, what, where and the conditions come as an `Ask`, what stands about it in the store as a `Scene`, and a `Decision`
with its reason comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, IntEnum
from functools import lru_cache
from typing import NamedTuple

from zakrom import errors
from zakrom.model.acl import (
    ACL_KIND,
    ALL_BLOCKED,
    ALL_USERS,
    AUTHENTICATED_USERS,
    ENFORCED,
    Acl,
    PublicAccess,
    acl_of,
    ownership_of,
    public_access_of,
)
from zakrom.model.caller import Caller
from zakrom.model.facts import Bucket, Version
from zakrom.model.names import account_number
from zakrom.rules.policy import Kind, Lookup, Policy, Statement, canonical_arn, is_public, parse

POLICY = "policy"
"""The kind of the bucket document that holds its policy."""

BUCKET_POLICY = "bucket policy"
"""What a `Decision` calls it."""

ACCOUNT_LENGTHS = (12, 64)  # of an account number, and of a canonical id


class ObjectFacts(NamedTuple):
    """What decides about an object, beside its bucket. ``owner``: canonical id."""

    owner: str
    acl: Acl
    tags: tuple[tuple[str, str], ...] = ()


class Ask(NamedTuple):
    """A question. ``lookup`` gives the values of a condition key (in lower case), None where there is none."""

    caller: Caller
    action: str
    resource: str
    lookup: Lookup


class Scene(NamedTuple):
    """What the store says. ``owner``: of the bucket, or of whatever account the question is about.

    ``acls``: whether ACLs count. ``object``: None where there is none, or where nothing depends on it (see `wants_object`).
    """

    owner: str
    policy: Policy | None = None
    block: PublicAccess = ALL_BLOCKED
    acls: bool = False
    acl: Acl | None = None
    object: ObjectFacts | None = None


class Reason(Enum):
    """Why."""

    DENIED = "a statement denies it"
    NOTHING_ALLOWS = "no statement allows it"
    OWN_ACCOUNT = "the caller is the root of the account that owns it"
    SERVER_ROOT = "the caller is the root of the server"
    KEEPS_THE_KEYS = "the bucket owner's root may always read, set and delete the bucket's policy"
    STATEMENT = "a statement allows it"
    GRANT = "an ACL grants it"


class Decision(NamedTuple):
    """The answer. ``document``: whose statement or grant it was; ``statement``: counted from 0."""

    allowed: bool
    reason: Reason
    document: str = ""
    statement: int | None = None
    sid: str | None = None

    @classmethod
    def by(cls, statement: Statement, document: str) -> Decision:
        """What a statement that applies decides."""
        reason = Reason.DENIED if statement.deny else Reason.STATEMENT
        return cls(not statement.deny, reason, document, statement.index, statement.sid)


NO = Decision(False, Reason.NOTHING_ALLOWS)


# ------------------------------------------------------------------------------------------------------------------- tables

_ALWAYS_THE_OWNERS = frozenset({"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"})
"""What the root of the bucket owner's account may do whatever the policy says.

Source: Amazon S3 API Reference, PutBucketPolicy.
"""

_BUCKET_GRANTS: Mapping[str, str] = {
    "s3:ListBucket": "READ",
    "s3:ListBucketVersions": "READ",
    "s3:ListBucketMultipartUploads": "READ",
    "s3:PutObject": "WRITE",
    "s3:DeleteObject": "WRITE",
    "s3:AbortMultipartUpload": "WRITE",
    "s3:ListMultipartUploadParts": "WRITE",
    "s3:GetBucketAcl": "READ_ACP",
    "s3:PutBucketAcl": "WRITE_ACP",
}
"""Which permission of a bucket's ACL an action needs."""

_OBJECT_GRANTS: Mapping[str, str] = {
    "s3:GetObject": "READ",
    "s3:GetObjectVersion": "READ",
    "s3:GetObjectTorrent": "READ",
    "s3:GetObjectAcl": "READ_ACP",
    "s3:GetObjectVersionAcl": "READ_ACP",
    "s3:PutObjectAcl": "WRITE_ACP",
    "s3:PutObjectVersionAcl": "WRITE_ACP",
}
"""Which permission of an object's ACL an action needs."""

_OF_OBJECT_OWNER = frozenset(
    {
        *_OBJECT_GRANTS,
        "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes", "s3:GetObjectTagging", "s3:GetObjectVersionTagging",
        "s3:PutObjectTagging", "s3:PutObjectVersionTagging", "s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging",
        "s3:RestoreObject",
    }
)  # fmt: skip
"""What the owner of an object decides where ACLs count; the bucket's policy may then only deny it."""


# --------------------------------------------------------------------------------------------------------------- the caller


class _Who(NamedTuple):
    """Whom statements may mean by this caller. ``names``: of its account first, then its own and that of its role."""

    names: tuple[str, ...]
    account: str  # canonical id


_ANONYMOUS = _Who((), "")


@lru_cache(4096)
def _who(account: str, arn: str, role_arn: str) -> _Who:
    own = (canonical_arn(name) for name in (role_arn, arn) if name)
    return _Who(tuple(dict.fromkeys((f"arn:aws:iam::{account_number(account)}:root", *own))), account)


class _Named(IntEnum):
    """How a statement names a caller."""

    NOT = 0
    ACCOUNT = 1  # it names the account, which then decides which of its users may
    ROLE = 2  # it names the role of a session, or everyone: a boundary or session policy still narrows it
    ITSELF = 3


def _named(statement: Statement, who: _Who) -> _Named:
    principals = statement.principals
    if principals is None:
        return _Named.ITSELF
    if not who.names:
        return _Named.ITSELF if principals.everyone is not statement.not_principals else _Named.NOT
    account = who.names[0] in principals.arns or who.account in principals.canonical_ids
    if statement.not_principals:  # excepted is only whose every name is there: the account, the role, the user
        excepted = principals.everyone or (account and principals.arns.issuperset(who.names[1:]))
        return _Named.NOT if excepted else _Named.ITSELF
    if who.names[-1] in principals.arns:
        return _Named.ITSELF
    if principals.everyone or not principals.arns.isdisjoint(who.names[1:]):
        return _Named.ROLE
    return _Named.ACCOUNT if account else _Named.NOT


_Candidate = tuple[tuple[str, ...], Statement, _Named]
"""What resources begin with that a statement is about; the statement; how it names the caller."""


class _Relevant(NamedTuple):
    """The statements of a policy that are about an action and mean a caller.

    Of a hundred few are about one resource: comparing how it begins finds them soonest.
    """

    deny: tuple[_Candidate, ...]
    allow: tuple[_Candidate, ...]


@lru_cache(8192)  # policies x actions x callers that come again
def _relevant(policy: Policy, action: str, who: _Who) -> _Relevant:
    named = [(one.prefixes, one, how) for one in policy.statements if one.is_about(action) and (how := _named(one, who))]
    return _Relevant(tuple(one for one in named if one[1].deny), tuple(one for one in named if not one[1].deny))


def _applies(statement: Statement, ask: Ask) -> bool:
    """Whether a statement whose prefix fits is about the resource, and its conditions hold."""
    lookup = ask.lookup
    if not statement.prefixes_settle:
        about = any(pattern.matches(ask.resource, lookup) for pattern in statement.resources)
        if about is statement.not_resources:
            return False
    for clause in statement.clauses:  # noqa: SIM110 - a generator costs more than what it would do here
        if not clause.holds(lookup):
            return False
    return True


# ---------------------------------------------------------------------------------------------------------------- deciding


def decide(ask: Ask, scene: Scene) -> Decision:
    """The answer, with its reason."""
    caller = ask.caller
    who = _who(caller.canonical_id, caller.arn, caller.role_arn) if caller.user else _ANONYMOUS
    rules_here = caller.is_account_root and (who.account == scene.owner or _is_server_root(caller))
    if rules_here and ask.action in _ALWAYS_THE_OWNERS:
        return Decision(True, Reason.KEEPS_THE_KEYS)
    denied = _denied(ask, scene, who)
    if denied is not None:
        return denied
    if _is_server_root(caller):
        return Decision(True, Reason.SERVER_ROOT)
    authority = _authority(ask, scene)
    if caller.is_account_root and who.account == authority:
        return Decision(True, Reason.OWN_ACCOUNT)
    granted, how = _granted(ask, scene, who, authority)
    if caller.user is None:
        return granted
    own = _by_own_account(ask, who)
    if who.account != authority:
        return granted if own.allowed or not granted.allowed else own
    if how is _Named.ITSELF or (how is _Named.ROLE and _is_within_limits(ask, who)):
        return granted
    return own


def wants_object(ask: Ask, scene: Scene) -> bool:
    """Whether `decide` needs `Scene.object`: what the object's owner decides, or what a policy says of its tags."""
    if scene.acls and ask.action in _OF_OBJECT_OWNER:
        return True
    documents = (*ask.caller.identity_policies, *(ask.caller.session_policies or ()), *filter(None, (ask.caller.boundary,)))
    return (scene.policy is not None and scene.policy.wants_tags) or any(
        parse(document, Kind.IDENTITY).wants_tags for document in documents
    )


def _is_server_root(caller: Caller) -> bool:
    return caller.user is not None and caller.user.root and caller.is_account_root


def _authority(ask: Ask, scene: Scene) -> str:
    """The account (canonical id) that decides: of the object's owner, where ACLs count and it is about the object itself."""
    if scene.acls and scene.object is not None and ask.action in _OF_OBJECT_OWNER:
        return scene.object.owner
    return scene.owner


def _denied(ask: Ask, scene: Scene, who: _Who) -> Decision | None:
    for name, policy in _documents(ask.caller, scene):
        for prefixes, statement, _ in _relevant(policy, ask.action, who).deny:
            if ask.resource.startswith(prefixes) and _applies(statement, ask):
                return Decision.by(statement, name)
    return None


def _documents(caller: Caller, scene: Scene) -> Iterable[tuple[str, Policy]]:
    """All policies that may deny, with their names."""
    if scene.policy is not None:
        yield BUCKET_POLICY, scene.policy
    for number, body in enumerate(caller.identity_policies, 1):
        yield f"identity policy {number}", parse(body, Kind.IDENTITY)
    if caller.boundary is not None:
        yield "permissions boundary", parse(caller.boundary, Kind.IDENTITY)
    for number, body in enumerate(caller.session_policies or (), 1):
        yield f"session policy {number}", parse(body, Kind.IDENTITY)


def _granted(ask: Ask, scene: Scene, who: _Who, authority: str) -> tuple[Decision, _Named]:
    """What the account that owns the thing grants to others, or to one of its own by name."""
    best = NO, _Named.NOT
    if scene.policy is not None and authority == scene.owner and not _is_shut_out(who, scene):
        for prefixes, statement, how in _relevant(scene.policy, ask.action, who).allow:
            if ask.resource.startswith(prefixes) and how > best[1] and _applies(statement, ask):
                best = Decision.by(statement, BUCKET_POLICY), how
                if how is _Named.ITSELF:
                    return best
    if best[1] is _Named.NOT and scene.acls:
        return _granted_by_acl(ask, scene, who)
    return best


def _is_shut_out(who: _Who, scene: Scene) -> bool:
    """Whether the bucket's policy is public and must then let in nobody from outside the owner's account."""
    return scene.block.restrict_public_buckets and who.account != scene.owner and _is_public(scene.policy)


@lru_cache(2048)  # as many as `policy.parse` remembers
def _is_public(policy: Policy | None) -> bool:
    return policy is not None and is_public(policy)


def _granted_by_acl(ask: Ask, scene: Scene, who: _Who) -> tuple[Decision, _Named]:
    if ask.action in _BUCKET_GRANTS:
        acl, wanted, name = scene.acl, _BUCKET_GRANTS[ask.action], "bucket ACL"
    elif ask.action in _OBJECT_GRANTS and scene.object is not None:
        acl, wanted, name = scene.object.acl, _OBJECT_GRANTS[ask.action], "object ACL"
    else:
        return NO, _Named.NOT
    grantees = _grantees(who, ignore_public=scene.block.ignore_public_acls)
    for number, (_, grantee, permission) in enumerate(acl.grants if acl is not None else ()):
        if grantee in grantees and permission in (wanted, "FULL_CONTROL"):
            return Decision(True, Reason.GRANT, name, number), _Named.ACCOUNT
    return NO, _Named.NOT


def _grantees(who: _Who, *, ignore_public: bool) -> tuple[str, ...]:
    """Whom grants may mean by a caller: the account, and the groups unless public ACLs are ignored."""
    own = (who.account,) if who.account else ()
    if ignore_public:
        return own
    return (*own, ALL_USERS, AUTHENTICATED_USERS) if own else (ALL_USERS,)


def _by_own_account(ask: Ask, who: _Who) -> Decision:
    """Whether the caller's own account lets them: root always, others by a policy, within boundary and session."""
    caller = ask.caller
    if caller.is_account_root:
        return Decision(True, Reason.OWN_ACCOUNT)
    if not _is_within_limits(ask, who):
        return NO
    if caller.arn.endswith(":root"):
        return Decision(True, Reason.OWN_ACCOUNT)
    return _allowed(ask, who, caller.identity_policies, "identity policy")


def _is_within_limits(ask: Ask, who: _Who) -> bool:
    """Whether boundary and session policies, where there are any, allow it too."""
    caller = ask.caller
    return (caller.boundary is None or _allowed(ask, who, (caller.boundary,), "permissions boundary").allowed) and (
        not caller.session_policies or _allowed(ask, who, caller.session_policies, "session policy").allowed
    )


def _allowed(ask: Ask, who: _Who, documents: tuple[bytes, ...], name: str) -> Decision:
    for number, body in enumerate(documents, 1):
        for prefixes, statement, _ in _relevant(parse(body, Kind.IDENTITY), ask.action, who).allow:
            if ask.resource.startswith(prefixes) and _applies(statement, ask):
                return Decision.by(statement, f"{name} {number}")
    return NO


# ------------------------------------------------------------------------------------------------------------- from the store


def scene_of(bucket: Bucket, documents: Mapping[str, bytes]) -> Scene:
    """A bucket's part of the scene. Parsed once for each document: what it costs is finding it again."""
    body = documents.get(POLICY)
    return Scene(
        bucket.owner,
        parse(body, Kind.BUCKET) if body is not None else None,
        public_access_of(documents),
        ownership_of(documents) != ENFORCED,
        acl_of(documents, bucket.owner),
    )


def object_facts(version: Version) -> ObjectFacts:
    """What decides about a version."""
    details = version.details
    acl = details.extra.get(ACL_KIND)
    return ObjectFacts(version.owner, Acl.loads(acl) if acl else Acl.private(version.owner), details.tags)


def is_plainly_allowed(caller: Caller, bucket: Bucket | None, documents: Mapping[str, bytes]) -> bool:
    """Whether it is clear at a glance: the bucket owner's root, or the server's, where nothing could deny them."""
    user = caller.user
    if user is None or bucket is None or not (user.root or bucket.owner == user.canonical_id):
        return False
    return not (documents and lets_others_in(documents)) and (not caller.arn or caller.is_account_root)


def lets_others_in(documents: Mapping[str, bytes]) -> bool:
    """Whether anybody from outside the owner's account could be allowed anything in this bucket."""
    return POLICY in documents or ownership_of(documents) != ENFORCED


# ---------------------------------------------------------------------------------------------------------------- admin API


def check(caller: Caller, action: str, bucket: Bucket | None) -> None:
    """Returns if the caller may do ``action`` of the admin API: root all, others what is about their own buckets.

    Raises `AccessDenied`.
    """
    user = caller.user
    if user is None or not caller.is_account_root:
        raise errors.AccessDenied
    if not (user.root or (bucket is not None and bucket.owner == user.canonical_id)):
        raise errors.AccessDenied(action=action)


def check_owner(expected: str | None, bucket: Bucket) -> None:
    """Returns if the bucket has the owner (account number or canonical id) that the caller expects, or none is expected.

    Raises `AccessDenied`, `InvalidBucketOwnerAWSAccountID`. Source: Amazon S3 User Guide, "Verifying bucket ownership with
    bucket owner condition". AWS takes account numbers only; the canonical id is ours, and older.
    """
    if expected is None or expected == bucket.owner:
        return
    if len(expected) not in ACCOUNT_LENGTHS or not expected.isalnum():
        raise errors.InvalidBucketOwnerAWSAccountID(
            f"The value of the expected bucket owner parameter must be an AWS Account ID... [{expected}]"
        )
    if expected != account_number(bucket.owner):
        raise errors.AccessDenied

"""Managed policies: the account's own, with versions, and those of AWS's that are here."""

from __future__ import annotations

from typing import Any

import msgspec

from zakrom import errors
from zakrom.iam.action import Ask, Done, action, all_of, moment, on_arn, on_entity, tags_xml
from zakrom.iam.documents import DOCUMENT_MAX, MANAGED_MAX, checked, shown
from zakrom.iam.ops import holders
from zakrom.model import managed
from zakrom.model.iam import Group, Holder, IamUser, Policy, PolicyVersion, Realm, Role
from zakrom.rules.policy import Kind

POLICIES_MAX, VERSIONS_MAX = 1_500, 5  # IAM User Guide, "IAM and AWS STS quotas"

_arn = on_arn("PolicyArn")


def policy_xml(realm: Realm, arn: str, *, whole: bool = True) -> dict[str, Any]:
    """A managed policy as answers show it; lists leave description and tags out. Raises `NoSuchEntity`."""
    policy = policy_of(realm, arn)
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": arn,
        "Path": policy.path,
        "DefaultVersionId": f"v{policy.default}",
        "AttachmentCount": len(realm.holders_of(arn)),
        "PermissionsBoundaryUsageCount": len(realm.bounded_by(arn)),
        "IsAttachable": True,
        "Description": (policy.description or None) if whole else None,
        "CreateDate": moment(policy.created_ms),
        "UpdateDate": moment(policy.updated_ms),
        "Tags": tags_xml(policy.tags) if whole and policy.tags else None,
    }


def policy_of(realm: Realm, arn: str) -> Policy:
    """A managed policy, those of AWS in the same shape. Raises `NoSuchEntity`."""
    one = managed.POLICIES.get(arn)
    if one is not None:
        version = PolicyVersion(1, one.document, managed.CREATED_MS)
        return Policy(one.id, one.name, "/", managed.CREATED_MS, one.description, managed.CREATED_MS, (version,), 1, 1)
    found = realm.by_arn(Policy, arn)
    if found is None:
        raise errors.NoSuchEntity(f"Policy {arn} was not found.")
    return found


def version_xml(policy: Policy, version: PolicyVersion, *, document: bool = False) -> dict[str, Any]:
    """A version as answers show it."""
    return {
        "Document": shown(version.document) if document else None,
        "VersionId": f"v{version.number}",
        "IsDefaultVersion": version.number == policy.default,
        "CreateDate": moment(version.created_ms),
    }


def _own(ask: Ask) -> Policy:
    """The policy of the account that the call names. Raises `NoSuchEntity`, `AccessDenied` for one of AWS's."""
    arn = ask.need("PolicyArn", 2_048)
    if arn in managed.POLICIES:
        raise errors.AccessDenied("Policies of AWS cannot be changed.")
    return policy_of(ask.realm, arn)


def _version(ask: Ask, policy: Policy) -> PolicyVersion:
    wanted = ask.need("VersionId", 64)
    for one in policy.versions:
        if f"v{one.number}" == wanted:
            return one
    raise errors.NoSuchEntity(f"Policy {ask.need('PolicyArn', 2_048)} version {wanted} does not exist or is not attachable.")


@action("CreatePolicy", on_entity(Policy, "PolicyName"))
def create_policy(ask: Ask) -> Done:
    """A new managed policy."""
    name, path = ask.name("PolicyName"), ask.path()
    ask.check_free(Policy, name, POLICIES_MAX)
    document = checked(ask.need("PolicyDocument", DOCUMENT_MAX), Kind.IDENTITY, MANAGED_MAX)
    description, tags = ask.text("Description") or "", ask.tags()
    version, now_ms = PolicyVersion(1, document, ask.now_ms), ask.now_ms
    made = Policy(ask.new_id("ANPA"), name, path, now_ms, description, now_ms, (version,), 1, 1, tags)
    shape = {
        "PolicyName": name,
        "PolicyId": made.id,
        "Arn": ask.realm.arn(made),
        "Path": path,
        "DefaultVersionId": "v1",
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": moment(now_ms),
        "UpdateDate": moment(now_ms),
        "Tags": tags_xml(tags) or None,
    }
    return Done({"Policy": shape}, put=(made,))


@action("GetPolicy", _arn)
def get_policy(ask: Ask) -> Done:
    """A managed policy."""
    return Done({"Policy": policy_xml(ask.realm, ask.need("PolicyArn", 2_048))})


@action("ListPolicies", all_of("policy"))
def list_policies(ask: Ask) -> Done:
    """Managed policies by name: of the account (``Scope`` Local), of AWS, or all."""
    scope, prefix = ask.text("Scope") or "All", ask.text("PathPrefix", 512) or "/"
    arns: list[str] = []
    if scope != "AWS":
        arns += [ask.realm.arn(one) for one in ask.realm.all(Policy) if one.path.startswith(prefix)]
    if scope != "Local" and prefix == "/":
        arns += managed.POLICIES
    if ask.truth("OnlyAttached"):
        arns = [arn for arn in arns if ask.realm.holders_of(arn)]
    arns.sort(key=lambda arn: _sorting(arn).lower())
    return Done(ask.page("Policies", arns, _sorting, lambda arn: policy_xml(ask.realm, arn, whole=False)))


def _sorting(arn: str) -> str:
    """By name; two of one name (AWS's and the account's) by ARN."""
    return f"{arn.rpartition('/')[2]} {arn}"


@action("DeletePolicy", _arn)
def delete_policy(ask: Ask) -> Done:
    """Removes a policy that nobody has and that has one version. Raises `DeleteConflict`."""
    policy = _own(ask)
    arn = ask.realm.arn(policy)
    if ask.realm.holders_of(arn) or ask.realm.bounded_by(arn):
        raise errors.DeleteConflict("Cannot delete a policy attached to entities.")
    if len(policy.versions) > 1:
        raise errors.DeleteConflict(
            "This policy has more than one version. Before you delete a policy, you must delete the others."
        )
    return Done(gone=(policy.id,))


@action("CreatePolicyVersion", _arn)
def create_policy_version(ask: Ask) -> Done:
    """Another document; in force if ``SetAsDefault``."""
    policy = _own(ask)
    document = checked(ask.need("PolicyDocument", DOCUMENT_MAX), Kind.IDENTITY, MANAGED_MAX)
    if len(policy.versions) >= VERSIONS_MAX:
        raise errors.LimitExceeded(
            f"A managed policy can have up to {VERSIONS_MAX} versions. "
            "Before you create a new version, you must delete an existing one."
        )
    version = PolicyVersion(policy.last + 1, document, ask.now_ms)
    changed = msgspec.structs.replace(
        policy,
        versions=(*policy.versions, version),
        last=version.number,
        default=version.number if ask.truth("SetAsDefault") else policy.default,
        updated_ms=ask.now_ms,
    )
    return Done({"PolicyVersion": version_xml(changed, version)}, put=(changed,))


@action("GetPolicyVersion", _arn)
def get_policy_version(ask: Ask) -> Done:
    """One version with its document."""
    policy = policy_of(ask.realm, ask.need("PolicyArn", 2_048))
    return Done({"PolicyVersion": version_xml(policy, _version(ask, policy), document=True)})


@action("ListPolicyVersions", _arn)
def list_policy_versions(ask: Ask) -> Done:
    """The versions, newest first."""
    policy = policy_of(ask.realm, ask.need("PolicyArn", 2_048))
    newest = policy.versions[::-1]
    return Done(ask.page("Versions", newest, lambda one: f"{10**9 - one.number}", lambda one: version_xml(policy, one)))


@action("SetDefaultPolicyVersion", _arn)
def set_default_policy_version(ask: Ask) -> Done:
    """Which version is in force."""
    policy = _own(ask)
    return Done(put=(msgspec.structs.replace(policy, default=_version(ask, policy).number, updated_ms=ask.now_ms),))


@action("DeletePolicyVersion", _arn)
def delete_policy_version(ask: Ask) -> Done:
    """Removes a version that is not in force. Raises `DeleteConflict`."""
    policy = _own(ask)
    doomed = _version(ask, policy)
    if doomed.number == policy.default:
        raise errors.DeleteConflict("Cannot delete the default version of a policy.")
    return Done(put=(msgspec.structs.replace(policy, versions=tuple(one for one in policy.versions if one != doomed)),))


@action("ListEntitiesForPolicy", _arn)
def list_entities_for_policy(ask: Ask) -> Done:
    """Who has a policy attached, or as boundary."""
    arn = holders.policy_arn(ask)
    usage, kind = ask.text("PolicyUsageFilter") or "PermissionsPolicy", ask.text("EntityFilter")
    found = ask.realm.bounded_by(arn) if usage == "PermissionsBoundary" else ask.realm.holders_of(arn)
    shown_ones = {word: [_named(one, word) for one in found if type(one) is cls] for word, cls in _WORDS.items()}
    wanted = {word for word in _WORDS if kind in {None, word}}
    return Done({f"Policy{word}s": shown_ones[word] if word in wanted else [] for word in _WORDS} | {"IsTruncated": False})


_WORDS: dict[str, type[Holder]] = {"Group": Group, "User": IamUser, "Role": Role}


def _named(one: Holder, word: str) -> dict[str, str]:
    return {f"{word}Name": one.name, f"{word}Id": one.id}


@action("TagPolicy", _arn)
def tag_policy(ask: Ask) -> Done:
    """Adds tags."""
    return holders.tag(ask, _own(ask))


@action("UntagPolicy", _arn)
def untag_policy(ask: Ask) -> Done:
    """Takes tags away."""
    return holders.untag(ask, _own(ask))


@action("ListPolicyTags", _arn)
def list_policy_tags(ask: Ask) -> Done:
    """The tags."""
    return holders.list_tags(ask, policy_of(ask.realm, ask.need("PolicyArn", 2_048)))

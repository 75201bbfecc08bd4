"""The account as a whole: counts, everything at once, what a policy would allow, and what is always empty here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zakrom import errors
from zakrom.iam.action import Ask, Done, action, anything, declare_action, invalid, on_arn
from zakrom.iam.documents import DOCUMENT_MAX, INLINE_MAX, MANAGED_MAX, TRUST_MAX, checked, shown
from zakrom.iam.judge import verdict
from zakrom.iam.ops import groups, holders, keys, policies, roles, users
from zakrom.model import managed
from zakrom.model.caller import Caller
from zakrom.model.iam import Group, Holder, IamUser, Policy, Provider, Role
from zakrom.rules.access import Reason
from zakrom.rules.policy import Kind
from zakrom.wire.query import Entries

SIMULATED_MAX = 1_000
"""Actions times resources of one simulation."""


@action("GetAccountSummary")
def get_account_summary(ask: Ask) -> Done:
    """How many of each, and the quotas."""

    def count(kind: type) -> int:
        return len(ask.realm.all(kind))

    own = ask.realm.all(Policy)
    return Done(
        {
            "SummaryMap": Entries(
                {
                    "AccessKeysPerUserQuota": keys.KEYS_MAX,
                    "AccountAccessKeysPresent": int(bool(ask.realm.keys(ask.realm.account.name))),
                    "AccountMFAEnabled": 0,
                    "AssumeRolePolicySizeQuota": TRUST_MAX,
                    "AttachedPoliciesPerGroupQuota": holders.ATTACHED_MAX,
                    "AttachedPoliciesPerRoleQuota": holders.ATTACHED_MAX,
                    "AttachedPoliciesPerUserQuota": holders.ATTACHED_MAX,
                    "GroupPolicySizeQuota": INLINE_MAX["Group"],
                    "Groups": count(Group),
                    "GroupsPerUserQuota": groups.GROUPS_OF_USER_MAX,
                    "GroupsQuota": groups.GROUPS_MAX,
                    "Policies": len(own),
                    "PoliciesQuota": policies.POLICIES_MAX,
                    "PolicySizeQuota": MANAGED_MAX,
                    "PolicyVersionsInUse": sum(len(one.versions) for one in own),
                    "Providers": count(Provider),
                    "RolePolicySizeQuota": INLINE_MAX["Role"],
                    "Roles": count(Role),
                    "RolesQuota": roles.ROLES_MAX,
                    "UserPolicySizeQuota": INLINE_MAX["User"],
                    "Users": count(IamUser),
                    "UsersQuota": users.USERS_MAX,
                    "VersionsPerPolicyQuota": policies.VERSIONS_MAX,
                }
            )
        }
    )


# ------------------------------------------------------------------------------------------------------- everything at once


@action("GetAccountAuthorizationDetails")
def get_account_authorization_details(ask: Ask) -> Done:
    """All users, groups, roles and managed policies with all their policies, page by page."""
    wanted = set(ask.form.texts("Filter")) or set(_LISTS)
    entries = [(word, one) for word, (_, find, _) in _LISTS.items() if word in wanted for one in find(ask)]
    order = list(_LISTS)
    page = ask.page("all", entries, lambda one: f"{order.index(one[0])} {_label(one[1])}", lambda one: one)
    found: list[tuple[str, Any]] = page.pop("all")
    for word, (name, _, show) in _LISTS.items():
        page.setdefault(name, []).extend(show(ask, one) for kind, one in found if kind == word)
    return Done(page)


def _label(one: Any) -> str:  # noqa: ANN401 - an entity or an ARN
    return one if isinstance(one, str) else one.name.lower()


def _detail(ask: Ask, word: str, holder: Holder, shape: Mapping[str, Any]) -> dict[str, Any]:
    inline = [{"PolicyName": name, "PolicyDocument": shown(text)} for name, text in sorted(holder.inline.items())]
    attached = [holders.attached_xml(ask.realm, arn) for arn in holder.attached]
    return {**shape, f"{word}PolicyList": inline, "AttachedManagedPolicies": attached}


def _user(ask: Ask, user: IamUser) -> dict[str, Any]:
    names = [one.name for one in users.groups_of(ask.realm, user)]
    return {**_detail(ask, "User", user, users.user_xml(ask.realm, user, tags=True)), "GroupList": names}


def _role(ask: Ask, role: Role) -> dict[str, Any]:
    return {**_detail(ask, "Role", role, roles.role_xml(ask.realm, role)), "InstanceProfileList": []}


def _policy(ask: Ask, arn: str) -> dict[str, Any]:
    policy = policies.policy_of(ask.realm, arn)
    versions = [policies.version_xml(policy, one, document=True) for one in policy.versions]
    return {**policies.policy_xml(ask.realm, arn), "PolicyVersionList": versions}


_LISTS: dict[str, tuple[str, Callable[[Ask], list[Any]], Callable[[Ask, Any], dict[str, Any]]]] = {
    "User": ("UserDetailList", lambda ask: ask.realm.all(IamUser), _user),
    "Group": (
        "GroupDetailList",
        lambda ask: ask.realm.all(Group),
        lambda ask, one: _detail(ask, "Group", one, groups.group_xml(ask.realm, one)),
    ),
    "Role": ("RoleDetailList", lambda ask: ask.realm.all(Role), _role),
    "LocalManagedPolicy": ("Policies", lambda ask: [ask.realm.arn(one) for one in ask.realm.all(Policy)], _policy),
    "AWSManagedPolicy": (
        "Policies",
        lambda ask: sorted(arn for arn in managed.POLICIES if ask.realm.holders_of(arn)),
        _policy,
    ),
}
"""By the word of ``Filter``: the list in the answer, what is in it, how it is shown. Of AWS's own policies those in use."""


# --------------------------------------------------------------------------------------------------------------- simulation


@action("SimulatePrincipalPolicy", on_arn("PolicySourceArn"))
def simulate_principal_policy(ask: Ask) -> Done:
    """What the policies of a user, a group or a role, and others given along, say of some actions; nothing is done."""
    arn = ask.need("PolicySourceArn", 2_048)
    holder: Holder | None = None
    for kind in (IamUser, Group, Role):
        holder = holder or ask.realm.by_arn(kind, arn)
    if holder is None:
        raise errors.NoSuchEntity(f"No such entity {arn}.")
    return _simulate(ask, ask.realm.documents(holder), ask.realm.boundary(holder), arn)


@action("SimulateCustomPolicy")
def simulate_custom_policy(ask: Ask) -> Done:
    """The same for policies that need not be anybody's."""
    if not ask.form.texts("PolicyInputList"):
        raise invalid("PolicyInputList", "Member must not be null")
    return _simulate(ask, (), None, f"arn:aws:iam::{ask.realm.number}:user/simulated")


def _simulate(ask: Ask, documents: tuple[bytes, ...], boundary: bytes | None, arn: str) -> Done:
    if ask.form.get("ResourcePolicy") is not None:
        raise errors.InvalidInput("ResourcePolicy is not served: resource policies are not simulated.")
    documents += tuple(_input(text) for text in ask.form.texts("PolicyInputList"))
    limits = tuple(_input(text) for text in ask.form.texts("PermissionsBoundaryPolicyInputList"))
    actions, resources = ask.form.texts("ActionNames"), ask.form.texts("ResourceArns") or ["*"]
    if not actions:
        raise invalid("ActionNames", "Member must not be null")
    if len(actions) * len(resources) > SIMULATED_MAX:
        raise errors.InvalidInput("Too many actions and resources for one simulation.")
    given = {
        one.get("ContextKeyName", "").lower(): tuple(
            value for name, value in sorted(one.items()) if name.startswith("ContextKeyValues.")
        )
        for one in ask.form.structs("ContextEntries")
    }
    account = ask.realm.account
    caller = Caller(
        account, account=account.canonical_id, arn=arn, identity_policies=documents, boundary=limits[0] if limits else boundary
    )
    results = []
    for name in actions:
        for resource in resources:
            said = verdict(caller, name, resource, given.get)
            decision = "explicitDeny" if said.reason is Reason.DENIED else "allowed" if said.allowed else "implicitDeny"
            results.append(
                {
                    "EvalActionName": name,
                    "EvalResourceName": resource,
                    "EvalDecision": decision,
                    "MatchedStatements": [],
                    "MissingContextValues": [],
                }
            )
    return Done({"EvaluationResults": results, "IsTruncated": False})


def _input(text: str) -> bytes:
    if len(text) > DOCUMENT_MAX:
        raise invalid("PolicyInputList", f"Member must have length less than or equal to {DOCUMENT_MAX}")
    return checked(text, Kind.IDENTITY, DOCUMENT_MAX).encode()


# -------------------------------------------------------------------------------------------------------- always empty here

_EMPTY: tuple[tuple[str, str, type[Holder] | None], ...] = (
    ("ListAccountAliases", "AccountAliases", None),
    ("ListInstanceProfiles", "InstanceProfiles", None),
    ("ListInstanceProfilesForRole", "InstanceProfiles", Role),
    ("ListMFADevices", "MFADevices", IamUser),
    ("ListSAMLProviders", "SAMLProviderList", None),
    ("ListSSHPublicKeys", "SSHPublicKeys", IamUser),
    ("ListServerCertificates", "ServerCertificateMetadataList", None),
    ("ListServiceSpecificCredentials", "ServiceSpecificCredentials", IamUser),
    ("ListSigningCertificates", "Certificates", IamUser),
    ("ListVirtualMFADevices", "VirtualMFADevices", None),
)
"""What tools ask before they delete a user or a role. There are none, because none can be made: the truth."""


def _nothing(name: str, kind: type[Holder] | None) -> Callable[[Ask], Done]:
    parameter = {IamUser: "UserName", Role: "RoleName"}.get(kind) if kind else None

    def run(ask: Ask) -> Done:
        if kind is not None and parameter is not None and ask.form.get(parameter):
            ask.find(kind, ask.name(parameter))
        return Done({name: [], "IsTruncated": False})

    return run


for _name, _list, _kind in _EMPTY:
    declare_action(_name, _nothing(_list, _kind), anything)


@action("GetLoginProfile")
def get_login_profile(ask: Ask) -> Done:
    """None: there is no console to log in to."""
    ask.find(IamUser, ask.name("UserName"))
    raise errors.NoSuchEntity(f"Login Profile for User {ask.name('UserName')} cannot be found.")

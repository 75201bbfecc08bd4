"""May this caller do that to identities, and may they take on this role? Pure: documents and facts in, a verdict out.

What a caller's own policies say is `rules.access`; what is added here is the other side of a role, its trust policy. Source:
IAM User Guide, "Policy evaluation logic", "Cross-account policy evaluation logic".
"""

from __future__ import annotations

from collections.abc import Iterator

from zakrom.model.caller import Caller
from zakrom.rules import access, policy
from zakrom.rules.access import Decision, Reason, Scene
from zakrom.rules.policy import Kind, Lookup, Statement, canonical_arn


def verdict(caller: Caller, action: str, resource: str, lookup: Lookup) -> Decision:
    """What a caller's own account says: identity policies within boundary and session; its root user may all."""
    return access.decide(access.Ask(caller, action, resource, lookup), Scene(caller.canonical_id))


def trusts(trust: str, caller: Caller, action: str, role_arn: str, lookup: Lookup, *, same_account: bool) -> bool:
    """Whether a caller may take on a role: its trust policy says so, and their own policies do.

    Their own need not where the trust policy names them and not only their account, and the account is the role's.
    """
    itself = canonical_arn(caller.principal_arn)
    names = {itself, canonical_arn(caller.role_arn)} if caller.role_arn else {itself}
    account = {canonical_arn(itself.split(":")[4])}
    allowed = direct = False
    for one in _about(trust, action, lookup):
        by_name, by_account = _names(one, names), _names(one, account)
        if one.deny and (by_name if one.not_principals else by_name or by_account):
            return False
        if not one.deny:
            allowed |= by_name or by_account
            direct |= by_name
    own = verdict(caller, action, role_arn, lookup)
    if own.reason is Reason.DENIED or not allowed:
        return False
    return own.allowed or (direct and same_account)


def trusts_provider(trust: str, provider_arn: str, action: str, lookup: Lookup) -> bool:
    """Whether a role may be taken on by who a provider vouches for."""
    allowed = False
    for one in _about(trust, action, lookup):
        who = one.principals
        named = who is not None and (who.everyone or provider_arn in who.federated)
        if named != one.not_principals:
            if one.deny:
                return False
            allowed = True
    return allowed


def _about(trust: str, action: str, lookup: Lookup) -> Iterator[Statement]:
    """The statements of a trust policy that are about an action and whose conditions hold."""
    for one in policy.parse(trust.encode(), Kind.TRUST).statements:
        if one.is_about(action) and all(clause.holds(lookup) for clause in one.clauses):
            yield one


def _names(one: Statement, arns: set[str]) -> bool:
    who = one.principals
    assert who is not None, "a trust policy has principals"
    return (who.everyone or not arns.isdisjoint(who.arns)) != one.not_principals

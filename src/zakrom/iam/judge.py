"""May this caller do that to identities, and may they take on this role? Pure: documents and facts in, a verdict out.

Source: IAM User Guide, "Policy evaluation logic", "Evaluating policies within a single account", "Cross-account policy evaluation
logic".
"""

from __future__ import annotations

from collections.abc import Iterable

from zakrom import errors
from zakrom.model.caller import Caller
from zakrom.rules import policy
from zakrom.rules.policy import Kind, Lookup, Statement, canonical_arn


class Verdict:
    """What some documents say together. A document that cannot be read allows nothing and, for safety, denies all."""

    __slots__ = ("allowed", "denied")

    def __init__(self, documents: Iterable[bytes], action: str, resource: str, lookup: Lookup) -> None:
        self.allowed = self.denied = False
        for body in documents:
            try:
                statements = policy.parse(body, Kind.IDENTITY).statements
            except errors.MalformedPolicy:
                statements, self.denied = (), True
            for one in statements:
                if _applies(one, action, resource, lookup):
                    self.denied |= one.deny
                    self.allowed |= not one.deny


def _applies(one: Statement, action: str, resource: str, lookup: Lookup) -> bool:
    about = any(pattern.matches(resource, lookup) for pattern in one.resources) != one.not_resources
    return about and one.is_about(action) and all(test.holds(lookup) for test in one.tests)


def verdict(caller: Caller, action: str, resource: str, lookup: Lookup) -> Verdict:
    """What all policies that come with a caller say: identity policies within boundary and session."""
    found = Verdict(caller.identity_policies, action, resource, lookup)
    found.allowed |= caller.is_account_root
    for limit in (None if caller.boundary is None else (caller.boundary,), caller.session_policies or None):
        if limit is not None:
            within = Verdict(limit, action, resource, lookup)
            found.allowed &= within.allowed
            found.denied |= within.denied
    return found


def may(caller: Caller, action: str, resource: str, lookup: Lookup) -> bool:
    """Whether a caller may do that in their own account."""
    found = verdict(caller, action, resource, lookup)
    return found.allowed and not found.denied


def trusts(trust: str, caller: Caller, action: str, role_arn: str, lookup: Lookup, *, same_account: bool) -> bool:
    """Whether a caller may take on a role: its trust policy says so, and their own policies do.

    Their own need not where the trust policy names them and not only their account, and the account is the role's.
    """
    named = {canonical_arn(caller.principal_arn), canonical_arn(caller.role_arn or caller.principal_arn)}
    account = canonical_arn(caller.principal_arn.split(":")[4])
    direct = through_account = False
    for one in policy.parse(trust.encode(), Kind.TRUST).statements:
        names = _names(one, named)
        names_account = names or _names(one, {account})
        if not names_account or not one.is_about(action) or not all(test.holds(lookup) for test in one.tests):
            continue
        if one.deny:
            return False
        direct |= names
        through_account = True
    own = verdict(caller, action, role_arn, lookup)
    if own.denied or not through_account:
        return False
    return own.allowed or (direct and same_account)


def trusts_provider(trust: str, provider_arn: str, action: str, lookup: Lookup) -> bool:
    """Whether a role may be taken on by who a provider vouches for."""
    allowed = False
    for one in policy.parse(trust.encode(), Kind.TRUST).statements:
        who = one.principals
        named = who is not None and (who.everyone or provider_arn in who.federated)
        if named == one.not_principals or not one.is_about(action) or not all(test.holds(lookup) for test in one.tests):
            continue
        if one.deny:
            return False
        allowed = True
    return allowed


def _names(one: Statement, arns: set[str]) -> bool:
    who = one.principals
    assert who is not None, "a trust policy has principals"
    return (who.everyone or not arns.isdisjoint(who.arns)) != one.not_principals

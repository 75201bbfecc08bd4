"""What users, groups and roles have alike: inline and attached policies, permissions boundaries, tags."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from zakrom import errors
from zakrom.iam.action import Ask, Done, check_tags, declare_action, invalid, on_entity, tags_xml
from zakrom.iam.documents import DOCUMENT_MAX, INLINE_MAX, checked, shown, size
from zakrom.model import managed
from zakrom.model.iam import Group, Holder, IamUser, Policy, Provider, Realm, Role, tags_after
from zakrom.rules.policy import Kind

ATTACHED_MAX = 10  # managed policies of one user, group or role: IAM User Guide, "IAM and AWS STS quotas"

AnyHolder = IamUser | Group | Role

_KINDS: dict[str, type[AnyHolder]] = {"User": IamUser, "Group": Group, "Role": Role}

Op = Callable[[Ask, str], Done]


def _holder(ask: Ask, word: str) -> AnyHolder:
    return ask.find(_KINDS[word], ask.name(f"{word}Name"))


def rename(ask: Ask, word: str, limit: int) -> Done:
    """Another name or path; what is attached stays. ``limit``: how many of the kind an account may have."""
    holder = _holder(ask, word)
    name = holder.name
    if ask.form.get(f"New{word}Name") is not None:
        name = ask.name(f"New{word}Name", kind=f"{word}Name")
        if name.lower() != holder.name.lower():
            ask.check_free(type(holder), name, limit + 1)
    path = ask.path("NewPath") if ask.form.get("NewPath") else holder.path
    return Done(put=(msgspec.structs.replace(holder, name=name, path=path),))


# ---------------------------------------------------------------------------------------------------------- inline policies


def put_policy(ask: Ask, word: str) -> Done:
    """Writes an inline policy, or another document for one."""
    holder, name = _holder(ask, word), ask.name("PolicyName")
    document = ask.need("PolicyDocument", DOCUMENT_MAX)
    others = sum(size(text) for other, text in holder.inline.items() if other != name)
    checked(document, Kind.IDENTITY, INLINE_MAX[word] - others)
    return Done(put=(msgspec.structs.replace(holder, inline={**holder.inline, name: document}),))


def get_policy(ask: Ask, word: str) -> Done:
    """An inline policy."""
    holder, name = _holder(ask, word), ask.name("PolicyName")
    document = _inline(holder, name, word)
    return Done({f"{word}Name": holder.name, "PolicyName": name, "PolicyDocument": shown(document)})


def delete_policy(ask: Ask, word: str) -> Done:
    """Removes an inline policy."""
    holder, name = _holder(ask, word), ask.name("PolicyName")
    _inline(holder, name, word)
    left = {other: text for other, text in holder.inline.items() if other != name}
    return Done(put=(msgspec.structs.replace(holder, inline=left),))


def list_policies(ask: Ask, word: str) -> Done:
    """The names of inline policies."""
    return Done(ask.page("PolicyNames", sorted(_holder(ask, word).inline, key=str.lower), str, str))


def _inline(holder: Holder, name: str, word: str) -> str:
    document = holder.inline.get(name)
    if document is None:
        raise errors.NoSuchEntity(f"The {word.lower()} policy with name {name} cannot be found.")
    return document


# --------------------------------------------------------------------------------------------------------- attached policies


def policy_name(realm: Realm, arn: str) -> str:
    """The name of a managed policy. Raises `NoSuchEntity`."""
    if arn in managed.POLICIES:
        return managed.POLICIES[arn].name
    found = realm.by_arn(Policy, arn)
    if found is None:
        raise errors.NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
    return found.name


def policy_arn(ask: Ask, parameter: str = "PolicyArn") -> str:
    """The ARN of a managed policy that is there, as it is written. Raises `ValidationError`, `NoSuchEntity`."""
    arn = ask.need(parameter, 2_048)
    if len(arn) < 20 or not arn.startswith("arn:aws:iam::"):
        raise errors.ValidationError(f"ARN {arn[:256]} is not valid.")
    policy_name(ask.realm, arn)
    found = ask.realm.by_arn(Policy, arn)
    return arn if found is None else ask.realm.arn(found)


def attach(ask: Ask, word: str) -> Done:
    """Attaches a managed policy; attaching twice is no error."""
    holder, arn = _holder(ask, word), policy_arn(ask)
    if arn in holder.attached:
        return Done()
    if len(holder.attached) >= ATTACHED_MAX:
        raise errors.LimitExceeded(f"Cannot exceed quota for PoliciesPer{word}: {ATTACHED_MAX}")
    return Done(put=(msgspec.structs.replace(holder, attached=(*holder.attached, arn)),))


def detach(ask: Ask, word: str) -> Done:
    """Takes a managed policy away."""
    holder, arn = _holder(ask, word), ask.need("PolicyArn", 2_048)
    if arn not in holder.attached:
        raise errors.NoSuchEntity(f"Policy {arn} was not found.")
    return Done(put=(msgspec.structs.replace(holder, attached=tuple(one for one in holder.attached if one != arn)),))


def attached_xml(realm: Realm, arn: str) -> dict[str, str]:
    """An attached policy as answers show it."""
    return {"PolicyName": policy_name(realm, arn), "PolicyArn": arn}


def list_attached(ask: Ask, word: str) -> Done:
    """The managed policies that are attached, by name, below a path."""
    holder, prefix = _holder(ask, word), ask.text("PathPrefix", 512) or "/"
    below = [arn for arn in holder.attached if ("/" + arn.partition("/")[2]).startswith(prefix)]
    below.sort(key=lambda arn: policy_name(ask.realm, arn).lower())
    return Done(
        ask.page("AttachedPolicies", below, lambda arn: policy_name(ask.realm, arn), lambda arn: attached_xml(ask.realm, arn))
    )


# ---------------------------------------------------------------------------------------------------------------- boundaries


def boundary_asked(ask: Ask) -> str | None:
    """The boundary that a new user or role is to have."""
    return policy_arn(ask, "PermissionsBoundary") if ask.form.get("PermissionsBoundary") else None


def boundary_xml(holder: Holder) -> dict[str, str] | None:
    """A boundary as answers show it."""
    if holder.boundary is None:
        return None
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": holder.boundary}


def put_boundary(ask: Ask, word: str) -> Done:
    """Sets the permissions boundary: what the user or role may do at most."""
    return Done(put=(msgspec.structs.replace(_holder(ask, word), boundary=policy_arn(ask, "PermissionsBoundary")),))


def delete_boundary(ask: Ask, word: str) -> Done:
    """Removes the permissions boundary."""
    holder = _holder(ask, word)
    if holder.boundary is None:
        raise errors.NoSuchEntity(f"{word} {holder.name} does not have a permissions boundary attached.")
    return Done(put=(msgspec.structs.replace(holder, boundary=None),))


# ---------------------------------------------------------------------------------------------------------------------- tags

Tagged = IamUser | Role | Policy | Provider


def tag(ask: Ask, entity: Tagged) -> Done:
    """Adds tags, or replaces their values."""
    new = ask.tags()
    if not new:
        raise invalid("Tags", "Member must not be null")
    check_tags(new, entity.tags)
    return Done(put=(msgspec.structs.replace(entity, tags=tags_after(entity.tags, new)),))


def untag(ask: Ask, entity: Tagged) -> Done:
    """Takes tags away; those that are not there are no error."""
    keys = ask.form.texts("TagKeys")
    if not keys:
        raise invalid("TagKeys", "Member must not be null")
    return Done(put=(msgspec.structs.replace(entity, tags=tags_after(entity.tags, (), keys)),))


def list_tags(ask: Ask, entity: Tagged) -> Done:
    """The tags, by key."""
    found = sorted(entity.tags, key=lambda pair: pair[0].lower())
    return Done(ask.page("Tags", found, lambda pair: pair[0], lambda pair: tags_xml((pair,))[0]))


# ----------------------------------------------------------------------------------------------------------------- the table

_OPS: tuple[tuple[str, Op, frozenset[str]], ...] = (
    ("Put{}Policy", put_policy, frozenset(_KINDS)),
    ("Get{}Policy", get_policy, frozenset(_KINDS)),
    ("Delete{}Policy", delete_policy, frozenset(_KINDS)),
    ("List{}Policies", list_policies, frozenset(_KINDS)),
    ("Attach{}Policy", attach, frozenset(_KINDS)),
    ("Detach{}Policy", detach, frozenset(_KINDS)),
    ("ListAttached{}Policies", list_attached, frozenset(_KINDS)),
    ("Put{}PermissionsBoundary", put_boundary, frozenset({"User", "Role"})),
    ("Delete{}PermissionsBoundary", delete_boundary, frozenset({"User", "Role"})),
    ("Tag{}", lambda ask, word: tag(ask, _tagged(ask, word)), frozenset({"User", "Role"})),
    ("Untag{}", lambda ask, word: untag(ask, _tagged(ask, word)), frozenset({"User", "Role"})),
    ("List{}Tags", lambda ask, word: list_tags(ask, _tagged(ask, word)), frozenset({"User", "Role"})),
)
"""Name, function, for which kinds."""


def _tagged(ask: Ask, word: str) -> Tagged:
    holder = _holder(ask, word)
    assert isinstance(holder, IamUser | Role), "see _OPS"
    return holder


def _declare(name: str, op: Op, word: str) -> None:
    declare_action(name.format(word), lambda ask: op(ask, word), on_entity(_KINDS[word], f"{word}Name"))


for _name, _op, _words in _OPS:
    for _word in sorted(_words):
        _declare(_name, _op, _word)

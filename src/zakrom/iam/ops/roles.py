"""Roles: what users, other accounts and identity providers may become for a while."""

from __future__ import annotations

from typing import Any

import msgspec

from zakrom import errors
from zakrom.iam.action import Ask, Done, action, all_of, moment, on_entity, tags_xml
from zakrom.iam.documents import DOCUMENT_MAX, TRUST_MAX, checked, shown
from zakrom.iam.ops.holders import boundary_asked, boundary_xml
from zakrom.model.iam import Realm, Role
from zakrom.rules.policy import Kind

ROLES_MAX = 1_000  # IAM User Guide, "IAM and AWS STS quotas"
SESSION_SECONDS_MIN, SESSION_SECONDS_MAX = 3_600, 43_200  # CreateRole, MaxSessionDuration
DESCRIPTION_MAX = 1_000  # CreateRole, Description

_role = on_entity(Role, "RoleName")


def role_xml(realm: Realm, role: Role, *, whole: bool = True) -> dict[str, Any]:
    """A role as answers show it; lists leave tags and boundary out."""
    return {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": realm.arn(role),
        "CreateDate": moment(role.created_ms),
        "AssumeRolePolicyDocument": shown(role.trust),
        "Description": role.description or None,
        "MaxSessionDuration": role.session_seconds_max,
        "PermissionsBoundary": boundary_xml(role) if whole else None,
        "Tags": tags_xml(role.tags) if whole and role.tags else None,
        "RoleLastUsed": {} if whole else None,
    }


def _trust(ask: Ask, parameter: str) -> str:
    return checked(ask.need(parameter, DOCUMENT_MAX), Kind.TRUST, TRUST_MAX)


def _seconds(ask: Ask, default: int) -> int:
    return ask.number("MaxSessionDuration", default, SESSION_SECONDS_MIN, SESSION_SECONDS_MAX)


@action("CreateRole", _role)
def create_role(ask: Ask) -> Done:
    """A new role that those may take on whom its trust policy names; it has no permission yet."""
    name, path = ask.name("RoleName"), ask.path()
    ask.check_free(Role, name, ROLES_MAX)
    role = Role(
        ask.new_id("AROA"),
        name,
        path,
        ask.now_ms,
        tags=ask.tags(),
        boundary=boundary_asked(ask),
        trust=_trust(ask, "AssumeRolePolicyDocument"),
        description=ask.text("Description", DESCRIPTION_MAX) or "",
        session_seconds_max=_seconds(ask, SESSION_SECONDS_MIN),
    )
    return Done({"Role": role_xml(ask.realm, role)}, put=(role,))


@action("GetRole", _role)
def get_role(ask: Ask) -> Done:
    """A role."""
    return Done({"Role": role_xml(ask.realm, ask.find(Role, ask.name("RoleName")))})


@action("ListRoles", all_of("role"))
def list_roles(ask: Ask) -> Done:
    """The roles below a path."""
    return Done(ask.page("Roles", ask.below(Role), lambda one: one.name, lambda one: role_xml(ask.realm, one, whole=False)))


@action("UpdateRole", _role)
def update_role(ask: Ask) -> Done:
    """Another description, another longest session."""
    role = ask.find(Role, ask.name("RoleName"))
    description = (ask.text("Description", DESCRIPTION_MAX) or "") if ask.form.has("Description") else role.description
    return Done(
        {},
        put=(
            msgspec.structs.replace(role, description=description, session_seconds_max=_seconds(ask, role.session_seconds_max)),
        ),
    )


@action("UpdateRoleDescription", _role)
def update_role_description(ask: Ask) -> Done:
    """Another description."""
    role = ask.find(Role, ask.name("RoleName"))
    changed = msgspec.structs.replace(role, description=ask.text("Description", DESCRIPTION_MAX) or "")
    return Done({"Role": role_xml(ask.realm, changed)}, put=(changed,))


@action("UpdateAssumeRolePolicy", _role)
def update_assume_role_policy(ask: Ask) -> Done:
    """Another trust policy; sessions that are there go on."""
    role = ask.find(Role, ask.name("RoleName"))
    return Done(put=(msgspec.structs.replace(role, trust=_trust(ask, "PolicyDocument")),))


@action("DeleteRole", _role)
def delete_role(ask: Ask) -> Done:
    """Removes a role without policies; its sessions end at once. Raises `DeleteConflict`."""
    role = ask.find(Role, ask.name("RoleName"))
    for left, what in ((role.attached, "detach all policies first"), (role.inline, "delete policies first")):
        if left:
            raise errors.DeleteConflict(f"Cannot delete entity, must {what}.")
    return Done(gone=(role.id,))

"""IAM users."""

from __future__ import annotations

from typing import Any

from zakrom import errors
from zakrom.iam.action import Ask, Done, action, all_of, moment, on_entity, tags_xml
from zakrom.iam.ops.holders import boundary_asked, boundary_xml, rename
from zakrom.model.iam import Group, IamUser, Realm

USERS_MAX = 5_000  # IAM User Guide, "IAM and AWS STS quotas"

_user = on_entity(IamUser, "UserName")
_own = on_entity(IamUser, "UserName", own=True)


def user_xml(realm: Realm, user: IamUser, *, tags: bool = False) -> dict[str, Any]:
    """A user as answers show it."""
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": realm.arn(user),
        "CreateDate": moment(user.created_ms),
        "PermissionsBoundary": boundary_xml(user),
        "Tags": tags_xml(user.tags) if tags and user.tags else None,
    }


def the_user(ask: Ask) -> IamUser:
    """The user that the call names; without a name the caller. Raises `ValidationError` where that is no IAM user."""
    if ask.form.get("UserName") is not None:
        return ask.find(IamUser, ask.name("UserName"))
    found = ask.realm.by_id.get(ask.caller.user_id)
    if not isinstance(found, IamUser):
        raise errors.ValidationError("Must specify userName when calling with non-User credentials")
    return found


@action("CreateUser", _user)
def create_user(ask: Ask) -> Done:
    """A new user, without keys and without any permission."""
    name, path = ask.name("UserName"), ask.path()
    ask.check_free(IamUser, name, USERS_MAX)
    user = IamUser(ask.new_id("AIDA"), name, path, ask.now_ms, tags=ask.tags(), boundary=boundary_asked(ask))
    return Done({"User": user_xml(ask.realm, user, tags=True)}, put=(user,))


@action("GetUser", _own)
def get_user(ask: Ask) -> Done:
    """A user; without a name the caller, who may be the account's root user."""
    if ask.form.get("UserName") is None and ask.caller.is_account_root:
        account = ask.realm.account
        root = {"UserId": ask.realm.number, "Arn": ask.realm.root_arn, "CreateDate": moment(account.created_ms)}
        return Done({"User": {"Path": "/", "UserName": account.name, **root}})
    return Done({"User": user_xml(ask.realm, the_user(ask), tags=True)})


@action("ListUsers", all_of("user"))
def list_users(ask: Ask) -> Done:
    """The users below a path."""
    return Done(ask.page("Users", ask.below(IamUser), lambda one: one.name, lambda one: user_xml(ask.realm, one)))


@action("UpdateUser", _user)
def update_user(ask: Ask) -> Done:
    """Another name or path. Keys, groups and policies stay."""
    return rename(ask, "User", USERS_MAX)


@action("DeleteUser", _user)
def delete_user(ask: Ask) -> Done:
    """Removes a user that has nothing left. Raises `DeleteConflict`."""
    user = ask.find(IamUser, ask.name("UserName"))
    for left, what in (
        (user.attached, "detach all policies first"),
        (user.inline, "delete policies first"),
        (ask.realm.keys(user.id), "delete access keys first"),
        (user.groups, "remove users from group first"),
    ):
        if left:
            raise errors.DeleteConflict(f"Cannot delete entity, must {what}.")
    return Done(gone=(user.id,))


# -------------------------------------------------------------------------------------------------------------------- groups


def groups_of(realm: Realm, user: IamUser) -> list[Group]:
    """The groups of a user, by name."""
    return sorted(
        (one for id in user.groups if isinstance(one := realm.by_id.get(id), Group)), key=lambda one: one.name.lower()
    )


@action("ListGroupsForUser", _user)
def list_groups_for_user(ask: Ask) -> Done:
    """The groups that a user is in."""
    from zakrom.iam.ops.groups import group_xml

    groups = groups_of(ask.realm, ask.find(IamUser, ask.name("UserName")))
    return Done(ask.page("Groups", groups, lambda one: one.name, lambda one: group_xml(ask.realm, one)))

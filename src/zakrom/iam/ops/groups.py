"""Groups: users that share policies."""

from __future__ import annotations

from typing import Any

import msgspec

from zakrom import errors
from zakrom.iam.action import Ask, Done, action, all_of, moment, on_entity
from zakrom.iam.ops.holders import rename
from zakrom.iam.ops.users import groups_of, user_xml
from zakrom.model.iam import Group, IamUser, Realm

GROUPS_MAX, GROUPS_OF_USER_MAX = 300, 10  # IAM User Guide, "IAM and AWS STS quotas"

_group = on_entity(Group, "GroupName")


def group_xml(realm: Realm, group: Group) -> dict[str, Any]:
    """A group as answers show it."""
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": realm.arn(group),
        "CreateDate": moment(group.created_ms),
    }


def members(realm: Realm, group: Group) -> list[IamUser]:
    """The users in a group, by name."""
    return [user for user in realm.all(IamUser) if group.id in user.groups]


@action("CreateGroup", _group)
def create_group(ask: Ask) -> Done:
    """A new group, empty."""
    name, path = ask.name("GroupName"), ask.path()
    ask.check_free(Group, name, GROUPS_MAX)
    group = Group(ask.new_id("AGPA"), name, path, ask.now_ms)
    return Done({"Group": group_xml(ask.realm, group)}, put=(group,))


@action("GetGroup", _group)
def get_group(ask: Ask) -> Done:
    """A group and its users."""
    group = ask.find(Group, ask.name("GroupName"))
    page = ask.page("Users", members(ask.realm, group), lambda one: one.name, lambda one: user_xml(ask.realm, one))
    return Done({"Group": group_xml(ask.realm, group), **page})


@action("ListGroups", all_of("group"))
def list_groups(ask: Ask) -> Done:
    """The groups below a path."""
    return Done(ask.page("Groups", ask.below(Group), lambda one: one.name, lambda one: group_xml(ask.realm, one)))


@action("UpdateGroup", _group)
def update_group(ask: Ask) -> Done:
    """Another name or path; members and policies stay."""
    return rename(ask, "Group", GROUPS_MAX)


@action("DeleteGroup", _group)
def delete_group(ask: Ask) -> Done:
    """Removes an empty group. Raises `DeleteConflict`."""
    group = ask.find(Group, ask.name("GroupName"))
    for left, what in (
        (members(ask.realm, group), "remove users from group first"),
        (group.attached, "detach all policies first"),
        (group.inline, "delete policies first"),
    ):
        if left:
            raise errors.DeleteConflict(f"Cannot delete entity, must {what}.")
    return Done(gone=(group.id,))


@action("AddUserToGroup", _group)
def add_user_to_group(ask: Ask) -> Done:
    """A user joins a group; joining twice is no error."""
    group, user = ask.find(Group, ask.name("GroupName")), ask.find(IamUser, ask.name("UserName"))
    if group.id in user.groups:
        return Done()
    if len(groups_of(ask.realm, user)) >= GROUPS_OF_USER_MAX:
        raise errors.LimitExceeded(f"Cannot exceed quota for GroupsPerUser: {GROUPS_OF_USER_MAX}")
    return Done(put=(msgspec.structs.replace(user, groups=(*user.groups, group.id)),))


@action("RemoveUserFromGroup", _group)
def remove_user_from_group(ask: Ask) -> Done:
    """A user leaves a group; who was not in it leaves it too."""
    group, user = ask.find(Group, ask.name("GroupName")), ask.find(IamUser, ask.name("UserName"))
    left = tuple(id for id in user.groups if id != group.id)
    return Done(put=(msgspec.structs.replace(user, groups=left),)) if left != user.groups else Done()

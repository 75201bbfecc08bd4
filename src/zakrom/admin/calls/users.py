"""Users: list, add, look at, change (disable, enable, rename), remove."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from zakrom import errors
from zakrom.admin import names
from zakrom.admin.actions import Action
from zakrom.admin.calls import keys
from zakrom.admin.desk import Desk, TheDesk, may
from zakrom.admin_client import values
from zakrom.catalog.changes import PutUser, RemoveUser
from zakrom.model import facts
from zakrom.model.names import account_number

router = APIRouter(prefix="/users", tags=["users"])


class UserBody(BaseModel):
    """A user to add, with a first key: the given pair, a generated one, or none if ``with_key`` is false."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(description="1 to 64 letters, digits and +=,.@_-", examples=["ada"])
    display_name: str | None = Field(None, description="What listings show; the name by default.")
    email: str = ""
    with_key: bool = True
    access_key: str | None = None
    secret_key: str | None = Field(None, repr=False)


class UserChanges(BaseModel):
    """What to change of a user; what is left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    disabled: bool | None = Field(None, description="The keys of a disabled user are refused; nothing else of theirs changes.")
    display_name: str | None = None
    email: str | None = None


@router.get("", dependencies=may(Action.LIST_USERS))
async def list_users(desk: TheDesk) -> list[values.User]:
    """All accounts by name, root among them, and the IAM users of all accounts."""
    users = await desk.catalog.users()
    accounts = {user.canonical_id: user for user in users if not user.account}
    arns: dict[str, str] = {}
    for account in {user.account for user in users if user.account} & set(accounts):
        realm = await desk.catalog.realm(account)
        arns |= {id: realm.arn(entity) for id, entity in realm.by_id.items()}
    return [shown(user, arns.get(user.name)) for user in users]


@router.post("", status_code=201, dependencies=may(Action.ADD_USER))
async def add_user(body: UserBody, desk: TheDesk) -> values.NewUser:
    """Adds a user and, unless ``with_key`` is false, a first access key. Its secret is in this answer and never shown again."""
    if not body.with_key and (body.access_key or body.secret_key):
        raise errors.InvalidArgument("with_key: there is a key, but none is wanted", argument_name="with_key")
    user = facts.User(
        name=names.check_user_name(body.name),
        canonical_id=names.new_canonical_id(desk.random),
        display_name=names.check_display_name(body.name if body.display_name is None else body.display_name),
        email=names.check_email(body.email),
        created_ms=desk.clock_ms(),
    )
    if user.name == names.ROOT:
        raise errors.UserAlreadyExists(user=user.name)
    async with desk.identities:
        if not body.with_key:
            await desk.catalog.apply(PutUser(user))
            return values.NewUser(user=shown(user), key=None)
        pair = names.key_pair(body.access_key, body.secret_key, desk.random)
        await keys.check_free(desk, pair[0])  # first: so that what is refused has left no user behind
        await desk.catalog.apply(PutUser(user))
        return values.NewUser(user=shown(user), key=await keys.put_new(desk, user.name, pair))


@router.get("/{name}", dependencies=may(Action.GET_USER))
async def get_user(name: str, desk: TheDesk) -> values.User:
    """One user."""
    return shown(await desk.catalog.user(name))


@router.patch("/{name}", dependencies=may(Action.CHANGE_USER))
async def change_user(name: str, body: UserChanges, desk: TheDesk) -> values.User:
    """Disables, enables or renames a user. In force for every worker when this is answered."""
    async with desk.identities:
        user = await desk.catalog.user(name)
        if user.root and body.disabled:
            raise _root_stays()
        if user.account and not (body.display_name is None and body.email is None):
            raise errors.InvalidRequest("An IAM user is renamed by IAM.", user=name, hint="aws iam update-user")
        changed = msgspec.structs.replace(
            user,
            display_name=user.display_name if body.display_name is None else names.check_display_name(body.display_name),
            email=user.email if body.email is None else names.check_email(body.email),
            disabled=user.disabled if body.disabled is None else body.disabled,
        )
        await desk.catalog.apply(PutUser(changed, replace=True))
        return shown(changed)


@router.delete("/{name}", status_code=204, dependencies=may(Action.REMOVE_USER))
async def remove_user(name: str, desk: TheDesk) -> None:
    """Removes a user and their keys; with an account also its IAM users, groups, roles and policies.

    Refused while they own buckets: remove those first.
    """
    async with desk.identities:
        await _check_not_root(desk, name)
        await desk.catalog.apply(RemoveUser(name))


def shown(user: facts.User, arn: str | None = None) -> values.User:
    """A user as the API shows it; ``arn``: of an IAM user, if it is known."""
    return values.User(
        name=user.name,
        canonical_id=user.canonical_id,
        display_name=user.display_name,
        email=user.email,
        created_ms=user.created_ms,
        disabled=user.disabled,
        root=user.root,
        account=user.account,
        arn=arn or ("" if user.account else f"arn:aws:iam::{account_number(user.canonical_id)}:root"),
    )


async def _check_not_root(desk: Desk, name: str) -> None:
    if (await desk.catalog.user(name)).root:
        raise _root_stays()


def _root_stays() -> errors.Error:
    return errors.InvalidRequest("Root can be neither disabled nor removed.", user=names.ROOT)

"""Access keys: list, add, disable, enable, remove. A user may have several: one is replaced while the other works."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from zakrom import errors
from zakrom.admin import names
from zakrom.admin.actions import Action
from zakrom.admin.desk import Desk, TheCaller, TheDesk, may
from zakrom.admin_client import values
from zakrom.catalog.changes import PutAccessKey, RemoveAccessKey
from zakrom.model import facts
from zakrom.model.caller import Caller

router = APIRouter(prefix="/keys", tags=["keys"])


class KeyBody(BaseModel):
    """A key to add for a user: the given pair, or a generated one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user: str
    access_key: str | None = None
    secret_key: str | None = Field(None, repr=False)


class KeyChanges(BaseModel):
    """What to change of a key."""

    model_config = ConfigDict(extra="forbid", strict=True)

    disabled: bool


@router.get("", dependencies=may(Action.LIST_KEYS))
async def list_keys(desk: TheDesk, user: str | None = None) -> list[values.AccessKey]:
    """The keys of a user, or of all, without their secrets."""
    if user is not None:
        await desk.catalog.user(user)
    return [shown(key) for key in await desk.catalog.access_keys(user)]


@router.post("", status_code=201, dependencies=may(Action.ADD_KEY))
async def add_key(body: KeyBody, desk: TheDesk) -> values.NewKey:
    """Adds a key. Its secret is in this answer and never shown again."""
    pair = names.key_pair(body.access_key, body.secret_key, desk.random)
    async with desk.identities:
        return await put_new(desk, body.user, pair)


@router.patch("/{access_key:path}", dependencies=may(Action.CHANGE_KEY))
async def change_key(access_key: str, body: KeyChanges, desk: TheDesk, caller: TheCaller) -> values.AccessKey:
    """Disables or enables a key. In force for every worker when this is answered."""
    async with desk.identities:
        key = await _find(desk, access_key)
        if body.disabled:
            _check_not_own(caller, access_key)
        changed = facts.AccessKey(key.id, key.secret, key.user, key.created_ms, body.disabled)
        await desk.catalog.apply(PutAccessKey(changed, replace=True))
        return shown(changed)


@router.delete("/{access_key:path}", status_code=204, dependencies=may(Action.REMOVE_KEY))
async def remove_key(access_key: str, desk: TheDesk, caller: TheCaller) -> None:
    """Removes a key for good."""
    async with desk.identities:
        _check_not_own(caller, access_key)
        await desk.catalog.apply(RemoveAccessKey(access_key))


async def check_free(desk: Desk, access_key: str) -> None:
    """Raises `AccessKeyAlreadyExists`."""
    if await desk.catalog.access_key(access_key) is not None:
        raise errors.AccessKeyAlreadyExists(access_key=access_key)


async def put_new(desk: Desk, user: str, pair: tuple[str, str]) -> values.NewKey:
    """Adds the pair for the user. Raises `NoSuchUser`, `AccessKeyAlreadyExists`."""
    key = facts.AccessKey(*pair, user, desk.clock_ms())
    await desk.catalog.apply(PutAccessKey(key))
    return values.NewKey(access_key=key.id, secret_key=key.secret, user=user, created_ms=key.created_ms)


def shown(key: facts.AccessKey) -> values.AccessKey:
    """A key as the API shows it: without its secret."""
    return values.AccessKey(access_key=key.id, user=key.user, created_ms=key.created_ms, disabled=key.disabled)


async def _find(desk: Desk, access_key: str) -> facts.AccessKey:
    found = await desk.catalog.access_key(access_key)
    if found is None:
        raise errors.NoSuchAccessKey(access_key=access_key)
    return found[0]


def _check_not_own(caller: Caller, access_key: str) -> None:
    """Nobody saws off the branch they sit on: the last key of root would be gone with it."""
    if access_key == caller.access_key:
        raise errors.InvalidRequest(
            "The key that signs this call can be neither disabled nor removed by it.",
            access_key=access_key,
            hint="sign with another key of root, or replace it in the settings of the server",
        )

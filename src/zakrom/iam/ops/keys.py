"""Access keys of users and of the account itself. A secret is shown once, when its key is made."""

from __future__ import annotations

from base64 import b32encode, b64encode
from typing import Any

import msgspec

from zakrom import errors
from zakrom.iam.action import Ask, Done, action, anything, invalid, moment, on_entity
from zakrom.iam.ops.users import the_user
from zakrom.model.facts import AccessKey
from zakrom.model.iam import IamUser

KEYS_MAX = 2  # of one user: IAM User Guide, "IAM and AWS STS quotas"

_own = on_entity(IamUser, "UserName", own=True)


def _holder(ask: Ask) -> tuple[str, str]:
    """`facts.User.name` of whose keys the call is about, and the name to show."""
    if ask.form.get("UserName") is None and ask.caller.is_account_root:
        return ask.realm.account.name, ask.realm.account.name
    user = the_user(ask)
    return user.id, user.name


def _key(ask: Ask, holder: str) -> AccessKey:
    id = ask.need("AccessKeyId", 128)
    for key in ask.realm.keys(holder):
        if key.id == id:
            return key
    raise errors.NoSuchEntity(f"The Access Key with id {id} cannot be found.")


def _status(*, disabled: bool) -> str:
    return "Inactive" if disabled else "Active"


def key_xml(key: AccessKey, name: str) -> dict[str, Any]:
    """A key as answers show it: without its secret."""
    return {
        "UserName": name,
        "AccessKeyId": key.id,
        "Status": _status(disabled=key.disabled),
        "CreateDate": moment(key.created_ms),
    }


@action("CreateAccessKey", _own)
def create_access_key(ask: Ask) -> Done:
    """A new key. Its secret is in this answer and nowhere else, ever."""
    holder, name = _holder(ask)
    if len(ask.realm.keys(holder)) >= KEYS_MAX:
        raise errors.LimitExceeded(f"Cannot exceed quota for AccessKeysPerUser: {KEYS_MAX}")
    id = "AKIA" + b32encode(ask.tools.random(10)).decode("ascii")
    key = AccessKey(id, b64encode(ask.tools.random(30)).decode("ascii"), holder, ask.now_ms)
    return Done({"AccessKey": {**key_xml(key, name), "SecretAccessKey": key.secret}}, keys=(key,))


@action("ListAccessKeys", _own)
def list_access_keys(ask: Ask) -> Done:
    """The keys of a user, without their secrets."""
    holder, name = _holder(ask)
    keys = sorted(ask.realm.keys(holder), key=lambda one: one.id.lower())
    return Done({"UserName": name, **ask.page("AccessKeyMetadata", keys, lambda one: one.id, lambda one: key_xml(one, name))})


@action("UpdateAccessKey", _own)
def update_access_key(ask: Ask) -> Done:
    """Active or Inactive, in force for every worker when this is answered."""
    holder, _ = _holder(ask)
    status = ask.need("Status", 64)
    if status not in {"Active", "Inactive"}:
        raise invalid("Status", "Member must satisfy enum value set: [Active, Inactive]", status)
    return Done(keys=(msgspec.structs.replace(_key(ask, holder), disabled=status == "Inactive"),))


@action("DeleteAccessKey", _own)
def delete_access_key(ask: Ask) -> Done:
    """Removes a key for good."""
    return Done(keys_gone=(_key(ask, _holder(ask)[0]).id,))


@action("GetAccessKeyLastUsed", anything)
async def get_access_key_last_used(ask: Ask) -> Done:
    """When a key was last used, to about a minute. Raises `AccessDenied` for what is no key of the account."""
    id = ask.need("AccessKeyId", 128)
    holder = next((key.user for key in ask.realm.all_keys() if key.id == id), None)
    if holder is None:
        raise errors.AccessDenied(f"There is no access key {id} in this account.")
    user = ask.realm.by_id.get(holder)
    use = await ask.tools.catalog.key_use(id)
    last: dict[str, Any] = {"ServiceName": "N/A", "Region": "N/A"}
    if use is not None:
        last = {"LastUsedDate": moment(use.used_ms), "ServiceName": use.service, "Region": use.region}
    return Done({"UserName": ask.realm.account.name if user is None else user.name, "AccessKeyLastUsed": last})

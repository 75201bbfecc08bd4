"""From a key or a session, and what its account knows, to a `Caller`: who it is and which policies come with it. Pure."""

from __future__ import annotations

import msgspec

from zakrom import errors
from zakrom.identity.sessions import Session
from zakrom.model import managed
from zakrom.model.caller import Caller
from zakrom.model.facts import User
from zakrom.model.iam import IamUser, Realm, Role

_EVERYTHING = managed.POLICIES[managed.PREFIX + "AdministratorAccess"].document.encode()


def of_user(realm: Realm, user: User, access_key: str, *, presigned: bool = False) -> Caller | None:
    """An IAM user, or the account's root user; None if they are gone or disabled, or their account is."""
    if realm.account.disabled or user.disabled:
        return None
    if not user.account:
        return Caller(user, access_key, presigned, realm.account.canonical_id, realm.root_arn, realm.number)
    entity = realm.by_id.get(user.name)
    if not isinstance(entity, IamUser):
        return None
    return Caller(
        user,
        access_key,
        presigned,
        realm.account.canonical_id,
        realm.arn(entity),
        entity.id,
        realm.documents(entity),
        realm.boundary(entity),
        principal_tags=entity.tags,
    )


def of_session(realm: Realm, session: Session, *, presigned: bool = False) -> Caller | None:
    """Who a session is; None if what it comes from is gone or disabled."""
    if session.kind == "role":
        return _of_role(realm, session, presigned)
    user = realm.account if session.principal == realm.account.name else realm.users.get(session.principal)
    caller = None if user is None else of_user(realm, user, session.access_key, presigned=presigned)
    if caller is None or session.kind == "user":
        return None if caller is None else msgspec.structs.replace(caller, session_policies=())
    return msgspec.structs.replace(
        caller,
        user=_guest(realm, session.name, caller.user_id),
        arn=f"arn:aws:sts::{realm.number}:federated-user/{session.name}",
        user_id=f"{realm.number}:{session.name}",
        identity_policies=(_EVERYTHING,) if caller.is_account_root else caller.identity_policies,
        session_policies=_narrowed(realm, session) or (managed.NOTHING.encode(),),
        principal_tags=session.tags,
    )


def _of_role(realm: Realm, session: Session, presigned: bool) -> Caller | None:
    role = realm.by_id.get(session.principal)
    if not isinstance(role, Role) or realm.account.disabled:
        return None
    return Caller(
        _guest(realm, session.name, role.id),
        session.access_key,
        presigned,
        realm.account.canonical_id,
        f"arn:aws:sts::{realm.number}:assumed-role/{role.name}/{session.name}",
        f"{role.id}:{session.name}",
        realm.documents(role),
        realm.boundary(role),
        _narrowed(realm, session),
        principal_tags=(*role.tags, *session.tags),
        role_arn=realm.arn(role),
    )


def _narrowed(realm: Realm, session: Session) -> tuple[bytes, ...]:
    """The documents of a session. A managed one that is gone allows nothing."""
    attached = tuple((realm.document(arn) or managed.NOTHING).encode() for arn in session.policy_arns)
    return (*(text.encode() for text in session.policies), *attached)


def _guest(realm: Realm, name: str, id: str) -> User:
    """A session as a user: never the account itself, whatever asks for ``root``."""
    return User(id, realm.account.canonical_id, name, "", realm.account.created_ms, account=realm.account.canonical_id)


def check_current(session: Session, now_ms: int) -> None:
    """Raises `ExpiredToken`."""
    if now_ms >= session.expires_ms:
        raise errors.ExpiredToken

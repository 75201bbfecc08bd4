"""Changes of users, their access keys, and the identities of accounts."""

from __future__ import annotations

from zakrom import errors
from zakrom.catalog import rows
from zakrom.catalog.changes import ChangeRealm, NoteUses, PutAccessKey, PutUser, RemoveAccessKey, RemoveUser
from zakrom.catalog.ledger import Ledger
from zakrom.model.facts import AccessKey
from zakrom.model.iam import AnyEntity, IamUser
from zakrom.model.names import account_number


def put_user(ledger: Ledger, change: PutUser) -> None:
    """See `PutUser`. A canonical id belongs to one user for ever: buckets and versions are owned by it."""
    user = change.user
    same_name = ledger.row("SELECT 1 FROM account WHERE name = ?", (user.name,))
    same_id = ledger.row("SELECT 1 FROM account WHERE canonical_id = ? AND name <> ?", (user.canonical_id, user.name))
    if same_id is not None or (same_name is not None and not change.replace):
        raise errors.UserAlreadyExists(user=user.name)
    if same_name is None and not user.account:
        _check_number(ledger, user.canonical_id)
    ledger.execute(
        f"INSERT INTO account ({rows.USER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
        "canonical_id = excluded.canonical_id, display_name = excluded.display_name, email = excluded.email, "
        "created_ms = excluded.created_ms, disabled = excluded.disabled, root = excluded.root, owner = excluded.owner",
        (
            user.name,
            user.canonical_id,
            user.display_name,
            user.email,
            user.created_ms,
            user.disabled,
            user.root,
            user.account,
        ),
    )


def _check_number(ledger: Ledger, canonical_id: str) -> None:
    """Two accounts with one number would trust each other's principals: as good as impossible, and checked."""
    number = account_number(canonical_id)
    if any(account_number(other) == number for (other,) in ledger.rows("SELECT canonical_id FROM account WHERE owner = ''")):
        raise errors.UserAlreadyExists(account=number)


def remove_user(ledger: Ledger, change: RemoveUser) -> None:
    """See `RemoveUser`."""
    row = ledger.row("SELECT canonical_id, owner FROM account WHERE name = ?", (change.name,))
    if row is None:
        raise errors.NoSuchUser(user=change.name)
    canonical_id, owner = row
    (owned,) = ledger.row("SELECT count(*) FROM bucket WHERE owner = ?", (canonical_id,))
    if owned:
        raise errors.InvalidRequest("The user still owns buckets.", user=change.name, buckets=owned)
    for (name,) in ledger.rows("SELECT name FROM account WHERE owner = ?", (canonical_id,)):
        _forget_user(ledger, name)
    ledger.execute("DELETE FROM entity WHERE owner = ?", (canonical_id,))
    _forget_user(ledger, change.name)
    ledger.execute("UPDATE account SET revision = revision + 1 WHERE canonical_id = ?", (owner,))


def _forget_user(ledger: Ledger, name: str) -> None:
    ledger.execute("DELETE FROM key_use WHERE id IN (SELECT id FROM access_key WHERE account = ?)", (name,))
    ledger.execute("DELETE FROM access_key WHERE account = ?", (name,))
    ledger.execute("DELETE FROM account WHERE name = ?", (name,))


def put_access_key(ledger: Ledger, change: PutAccessKey) -> None:
    """See `PutAccessKey`."""
    key = change.key
    if ledger.row("SELECT 1 FROM account WHERE name = ?", (key.user,)) is None:
        raise errors.NoSuchUser(user=key.user)
    if not change.replace and ledger.row("SELECT 1 FROM access_key WHERE id = ?", (key.id,)) is not None:
        raise errors.AccessKeyAlreadyExists(access_key=key.id)
    _write_key(ledger, key)


def _write_key(ledger: Ledger, key: AccessKey) -> None:
    ledger.execute(
        f"INSERT INTO access_key ({rows.ACCESS_KEY}) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "secret = excluded.secret, account = excluded.account, created_ms = excluded.created_ms, disabled = excluded.disabled",
        (key.id, key.secret, key.user, key.created_ms, key.disabled),
    )


def remove_access_key(ledger: Ledger, change: RemoveAccessKey) -> None:
    """See `RemoveAccessKey`."""
    if ledger.row("SELECT 1 FROM access_key WHERE id = ?", (change.id,)) is None:
        raise errors.NoSuchAccessKey(access_key=change.id)
    _forget_key(ledger, change.id)


def _forget_key(ledger: Ledger, id: str) -> None:
    ledger.execute("DELETE FROM access_key WHERE id = ?", (id,))
    ledger.execute("DELETE FROM key_use WHERE id = ?", (id,))


def change_realm(ledger: Ledger, change: ChangeRealm) -> None:
    """See `ChangeRealm`. What may be changed was decided by whoever sent it, on a revision that is still the last."""
    found = ledger.row("SELECT revision FROM account WHERE canonical_id = ? AND owner = ''", (change.account,))
    if found is None:
        raise errors.NoSuchUser(user=change.account)
    if found[0] != change.revision:
        raise errors.Stale
    for key in change.keys:
        holder = ledger.row("SELECT account FROM access_key WHERE id = ?", (key.id,))
        if holder is not None and holder[0] != key.user:
            raise errors.AccessKeyAlreadyExists(access_key=key.id)
    ledger.execute("UPDATE account SET revision = revision + 1 WHERE canonical_id = ?", (change.account,))
    for id in change.gone:
        ledger.execute("DELETE FROM entity WHERE owner = ? AND id = ?", (change.account, id))
        if ledger.row("SELECT 1 FROM account WHERE name = ? AND owner = ?", (id, change.account)) is not None:
            _forget_user(ledger, id)
    for entity in change.put:
        _write_entity(ledger, change.account, entity)
    for id in change.keys_gone:
        _forget_key(ledger, id)
    for key in change.keys:
        _write_key(ledger, key)


def _write_entity(ledger: Ledger, owner: str, entity: AnyEntity) -> None:
    body = rows.pack(entity)
    if isinstance(entity, IamUser):
        ledger.execute(
            "INSERT INTO account (name, canonical_id, display_name, email, created_ms, disabled, root, owner, iam) "
            "VALUES (?1, ?1, ?2, '', ?3, 0, 0, ?4, ?5) "
            "ON CONFLICT (name) DO UPDATE SET display_name = excluded.display_name, iam = excluded.iam",
            (entity.id, entity.name, entity.created_ms, owner, body),
        )
    else:
        ledger.execute("INSERT OR REPLACE INTO entity (owner, id, body) VALUES (?, ?, ?)", (owner, entity.id, body))


def note_uses(ledger: Ledger, change: NoteUses) -> None:
    """See `NoteUses`."""
    for use in change.uses:
        ledger.execute(
            "INSERT INTO key_use (id, used_ms, region, service) SELECT ?1, ?2, ?3, ?4 "
            "WHERE EXISTS (SELECT 1 FROM access_key WHERE id = ?1) ON CONFLICT (id) DO UPDATE SET "
            "used_ms = excluded.used_ms, region = excluded.region, service = excluded.service "
            "WHERE excluded.used_ms >= key_use.used_ms",
            (use.id, use.used_ms, use.region, use.service),
        )

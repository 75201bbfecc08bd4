"""Changes of users and their access keys."""

from __future__ import annotations

from zakrom import errors
from zakrom.catalog import rows
from zakrom.catalog.changes import PutAccessKey, PutUser, RemoveAccessKey, RemoveUser
from zakrom.catalog.ledger import Ledger


def put_user(ledger: Ledger, change: PutUser) -> None:
    """See `PutUser`. A canonical id belongs to one user for ever: buckets and versions are owned by it."""
    user = change.user
    same_name = ledger.row("SELECT 1 FROM account WHERE name = ?", (user.name,))
    same_id = ledger.row("SELECT 1 FROM account WHERE canonical_id = ? AND name <> ?", (user.canonical_id, user.name))
    if same_id is not None or (same_name is not None and not change.replace):
        raise errors.UserAlreadyExists(user=user.name)
    ledger.execute(
        f"INSERT INTO account ({rows.USER}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
        "canonical_id = excluded.canonical_id, display_name = excluded.display_name, email = excluded.email, "
        "created_ms = excluded.created_ms, disabled = excluded.disabled, root = excluded.root",
        (user.name, user.canonical_id, user.display_name, user.email, user.created_ms, user.disabled, user.root),
    )


def remove_user(ledger: Ledger, change: RemoveUser) -> None:
    """See `RemoveUser`."""
    row = ledger.row("SELECT canonical_id FROM account WHERE name = ?", (change.name,))
    if row is None:
        raise errors.NoSuchUser(user=change.name)
    (owned,) = ledger.row("SELECT count(*) FROM bucket WHERE owner = ?", row)
    if owned:
        raise errors.InvalidRequest("The user still owns buckets.", user=change.name, buckets=owned)
    ledger.execute("DELETE FROM access_key WHERE account = ?", (change.name,))
    ledger.execute("DELETE FROM account WHERE name = ?", (change.name,))


def put_access_key(ledger: Ledger, change: PutAccessKey) -> None:
    """See `PutAccessKey`."""
    key = change.key
    if ledger.row("SELECT 1 FROM account WHERE name = ?", (key.user,)) is None:
        raise errors.NoSuchUser(user=key.user)
    if not change.replace and ledger.row("SELECT 1 FROM access_key WHERE id = ?", (key.id,)) is not None:
        raise errors.AccessKeyAlreadyExists(access_key=key.id)
    ledger.execute(
        f"INSERT INTO access_key ({rows.ACCESS_KEY}) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "secret = excluded.secret, account = excluded.account, created_ms = excluded.created_ms, disabled = excluded.disabled",
        (key.id, key.secret, key.user, key.created_ms, key.disabled),
    )


def remove_access_key(ledger: Ledger, change: RemoveAccessKey) -> None:
    """See `RemoveAccessKey`."""
    if ledger.row("SELECT 1 FROM access_key WHERE id = ?", (change.id,)) is None:
        raise errors.NoSuchAccessKey(access_key=change.id)
    ledger.execute("DELETE FROM access_key WHERE id = ?", (change.id,))

"""`zakrom admin key`: access keys; a user may have several, so that one can be replaced while the other still works."""

from __future__ import annotations

import click

from zakrom.admin_client.values import AccessKey
from zakrom.cli.admin.session import Session, connected, examples, moment, pairs, secret, table


@click.group("key", short_help="Access keys: add, list, disable, enable, remove.")
@examples(
    "zakrom admin key add ada",
    "zakrom admin key disable ZKOLDKEY",
    "zakrom admin key rm ZKOLDKEY",
)
def key() -> None:
    """Access keys: add, list, disable, enable, remove."""


@key.command("add", short_help="Add an access key for a user.")
@click.argument("user")
@click.option("--access-key", metavar="K", help="Generated unless given.")
@click.option("--secret-key", metavar="S", help="Its secret; - reads a line from standard input.")
@connected
@examples(
    "zakrom admin key add ada",
    "zakrom admin key add ada --access-key ADA2 --secret-key - < secret.txt",
)
def add(session: Session, user: str, access_key: str | None, secret_key: str | None) -> None:
    """Add an access key for a user. Its secret is printed now and never again."""
    made = session.client.add_key(user, access_key=access_key, secret_key=secret(secret_key))
    session.show(
        made,
        lambda: pairs(
            ("user", made.user), ("access key", made.access_key), ("secret key", f"{made.secret_key}   (shown this once)")
        ),
    )


@key.command("ls", short_help="List the keys of a user, or all.")
@click.argument("user", required=False)
@connected
@examples(
    "zakrom admin key ls",
    "zakrom admin key ls ada",
)
def ls(session: Session, user: str | None) -> None:
    """List the keys of a user, or all. Secrets are never shown."""
    keys = session.client.keys(user)
    session.show(
        keys,
        lambda: table(
            ("access key", "user", "state", "added"),
            ((one.access_key, one.user, _state(one), moment(one.created_ms)) for one in keys),
        ),
    )


@key.command("disable", short_help="Refuse a key from now on.")
@click.argument("access_key")
@connected
@examples(
    "zakrom admin key disable ZKOLDKEY",
)
def disable(session: Session, access_key: str) -> None:
    """Refuse a key from now on."""
    _show_state(session, session.client.disable_key(access_key))


@key.command("enable", short_help="Accept a key again.")
@click.argument("access_key")
@connected
@examples(
    "zakrom admin key enable ZKOLDKEY",
)
def enable(session: Session, access_key: str) -> None:
    """Accept a key again."""
    _show_state(session, session.client.enable_key(access_key))


@key.command("rm", short_help="Remove a key for good.")
@click.argument("access_key")
@connected
@examples(
    "zakrom admin key rm ZKOLDKEY",
)
def rm(session: Session, access_key: str) -> None:
    """Remove a key for good."""
    session.client.remove_key(access_key)
    session.show({"removed": access_key}, lambda: click.echo(f"key {access_key} is removed"))


def _show_state(session: Session, one: AccessKey) -> None:
    session.show(one, lambda: click.echo(f"key {one.access_key} is {_state(one)}"))


def _state(one: AccessKey) -> str:
    return "disabled" if one.disabled else "enabled"

"""`zakrom admin user`: who may use the store."""

from __future__ import annotations

import click

from zakrom.admin_client.values import NewUser, User
from zakrom.cli.admin.session import Session, connected, examples, moment, pairs, secret, table


@click.group("user", short_help="Users: add, list, disable, enable, remove.")
@examples(
    'zakrom admin user add ada --display-name "Ada L." --email ada@example.org',
    "zakrom admin user ls --json",
    "zakrom admin user disable ada",
)
def user() -> None:
    """Users: add, list, disable, enable, remove."""


@user.command("add", short_help="Add a user and a first access key.")
@click.argument("name")
@click.option("--access-key", metavar="K", help="Of the first key; generated unless given.")
@click.option("--secret-key", metavar="S", help="Its secret; - reads a line from standard input.")
@click.option("--display-name", metavar="TEXT", help="What listings show; the name unless given.")
@click.option("--email", metavar="ADDRESS", default="", help="For people to find people.")
@click.option("--no-key", is_flag=True, help="Add no key now.")
@connected
@examples(
    "zakrom admin user add ada",
    "zakrom admin user add backup --access-key BACKUP --secret-key - < secret.txt",
)
def add(
    session: Session,
    name: str,
    access_key: str | None,
    secret_key: str | None,
    display_name: str | None,
    email: str,
    no_key: bool,
) -> None:
    """Add a user and a first access key. Its secret is printed now and never again."""
    made = session.client.add_user(
        name,
        display_name=display_name,
        email=email,
        with_key=not no_key,
        access_key=access_key,
        secret_key=secret(secret_key),
    )
    session.show(made, lambda: _print_new(made))


@user.command("ls", short_help="List all accounts and IAM users.")
@connected
@examples(
    "zakrom admin user ls",
    "zakrom admin user ls --json",
)
def ls(session: Session) -> None:
    """List all accounts, and apart from them the IAM users of each."""
    users = session.client.users()
    session.show(users, lambda: _print_all(users))


@user.command("disable", short_help="Refuse a user's keys from now on.")
@click.argument("name")
@connected
@examples(
    "zakrom admin user disable ada",
)
def disable(session: Session, name: str) -> None:
    """Refuse a user's keys from now on. Buckets and objects stay."""
    _show_state(session, session.client.disable_user(name))


@user.command("enable", short_help="Accept a user's keys again.")
@click.argument("name")
@connected
@examples(
    "zakrom admin user enable ada",
)
def enable(session: Session, name: str) -> None:
    """Accept a user's keys again."""
    _show_state(session, session.client.enable_user(name))


@user.command("rm", short_help="Remove a user and their keys.")
@click.argument("name")
@connected
@examples(
    "zakrom admin user rm ada",
)
def rm(session: Session, name: str) -> None:
    """Remove a user and their keys. Refused while they own buckets."""
    session.client.remove_user(name)
    session.show({"removed": name}, lambda: click.echo(f"user {name} is removed"))


def _print_all(users: list[User]) -> None:
    accounts = {one.canonical_id: one for one in users if not one.account}
    table(
        ("user", "display name", "e-mail", "state", "added", "account", "canonical id"),
        (
            (one.name, one.display_name, one.email, _state(one), moment(one.created_ms), one.arn.split(":")[4], id)
            for id, one in accounts.items()
        ),
    )
    members = [one for one in users if one.account]
    if members:
        click.echo()
        table(
            ("IAM user", "of", "state", "added", "id", "arn"),
            (
                (one.display_name, accounts[one.account].name, _state(one), moment(one.created_ms), one.name, one.arn)
                for one in members
                if one.account in accounts
            ),
        )


def _print_new(made: NewUser) -> None:
    if made.key is None:
        pairs(("user", made.user.name), ("access key", "none yet: zakrom admin key add"))
        return
    pairs(
        ("user", made.user.name),
        ("access key", made.key.access_key),
        ("secret key", f"{made.key.secret_key}   (shown this once)"),
    )


def _show_state(session: Session, one: User) -> None:
    session.show(one, lambda: click.echo(f"user {one.name} is {_state(one)}"))


def _state(one: User) -> str:
    return "root" if one.root else "disabled" if one.disabled else "enabled"

"""`zakrom admin quota`: how much a bucket, or the whole store, may hold."""

from __future__ import annotations

import click

from zakrom import settings
from zakrom.admin_client.values import Quota
from zakrom.cli.admin.session import Session, connected, examples, pairs, size

_STORE = click.option("--store", is_flag=True, help="The quota of the whole store, instead of a bucket's.")


@click.group("quota", short_help="Quotas of buckets and of the whole store: set, get, clear.")
@examples(
    "zakrom admin quota set photos 200GB",
    "zakrom admin quota set --store 1.5TiB",
    "zakrom admin quota get photos",
)
def quota() -> None:
    """Quotas of buckets and of the whole store: set, get, clear.

    All versions count, and the parts of open uploads. Uploads beyond a quota are refused with 507 QuotaExceeded.
    """


@quota.command("set", short_help="Limit a bucket, or the store.")
@click.argument("words", nargs=-1, required=True, metavar="BUCKET|--store SIZE")
@_STORE
@connected
@examples(
    "zakrom admin quota set photos 200GB",
    "zakrom admin quota set --store 1.5TiB",
)
def set_(session: Session, words: tuple[str, ...], store: bool) -> None:
    """Limit a bucket, or the store.

    SIZE is decimal (200MB), binary (200MiB) or plain bytes. What is there already stays, also beyond the limit.
    """
    *scope, text = words
    bucket = _bucket(tuple(scope), store)
    try:
        quota_bytes = settings.parse_size(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not {settings.SIZE.allowed}", param_hint="SIZE") from None
    _show(session, session.client.set_quota(quota_bytes, bucket=bucket))


@quota.command("get", short_help="Show a quota and what is used of it.")
@click.argument("bucket", nargs=-1, metavar="BUCKET|--store")
@_STORE
@connected
@examples(
    "zakrom admin quota get photos",
    "zakrom admin quota get --store --json",
)
def get(session: Session, bucket: tuple[str, ...], store: bool) -> None:
    """Show a quota and what is used of it."""
    _show(session, session.client.quota(_bucket(bucket, store)))


@quota.command("clear", short_help="Lift a quota.")
@click.argument("bucket", nargs=-1, metavar="BUCKET|--store")
@_STORE
@connected
@examples(
    "zakrom admin quota clear photos",
    "zakrom admin quota clear --store",
)
def clear(session: Session, bucket: tuple[str, ...], store: bool) -> None:
    """Lift a quota."""
    scope = _bucket(bucket, store)
    session.client.clear_quota(bucket=scope)
    session.show({"cleared": scope}, lambda: click.echo(f"{_name(scope)} has no quota"))


def _bucket(words: tuple[str, ...], store: bool) -> str | None:
    """The scope that was meant; None is the store."""
    if len(words) != (0 if store else 1):
        raise click.UsageError("Name one bucket, or give --store.")
    return None if store else words[0]


def _show(session: Session, one: Quota) -> None:
    session.show(one, lambda: _print(one))


def _print(one: Quota) -> None:
    share = f"   ({one.used_bytes / one.quota_bytes:.1%})" if one.quota_bytes else ""
    pairs(
        ("scope", _name(one.bucket)),
        ("quota", "none" if one.quota_bytes is None else f"{one.quota_bytes} bytes   ({size(one.quota_bytes)})"),
        ("used", f"{one.used_bytes} bytes{share}"),
    )


def _name(bucket: str | None) -> str:
    return "the store" if bucket is None else f"bucket {bucket}"

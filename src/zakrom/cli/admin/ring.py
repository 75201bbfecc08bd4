"""`zakrom admin key-ring`: the keys that the server encrypts with. They never leave it, so nothing here shows one."""

from __future__ import annotations

import time

import click

from zakrom.admin_client.values import RingKey
from zakrom.cli.admin.info import facts
from zakrom.cli.admin.session import Session, connected, examples, moment, pairs, table

HELP = "The keys that the server encrypts with: add, list, rotate, disable, enable, rewrap."
JOB = "rewrap"
LOOK_SECONDS = 0.2  # a round over a million blobs takes minutes; nobody notices a fifth of a second


@click.group("key-ring", short_help=HELP)
@examples(
    "zakrom admin key-ring add photos",
    "zakrom admin key-ring rotate photos",
    "zakrom admin key-ring rewrap --wait",
)
def ring() -> None:
    """The keys that the server encrypts with: add, list, rotate, disable, enable, rewrap."""


@ring.command("add", short_help="Add a key for SSE-KMS.")
@click.argument("name")
@connected
@examples("zakrom admin key-ring add photos")
def add(session: Session, name: str) -> None:
    """Add a key for SSE-KMS. Make a backup then: what is encrypted with it is lost with the ring."""
    _show(session, session.client.add_ring_key(name))


@ring.command("ls", short_help="List the keys.")
@connected
@examples("zakrom admin key-ring ls")
def ls(session: Session) -> None:
    """List the keys. `sse-s3` encrypts for SSE-S3, `aws-s3` for SSE-KMS without a key's name; both make themselves."""
    keys = session.client.ring_keys()
    session.show(
        keys,
        lambda: table(
            ("name", ">versions", "state", "added", "rotated"),
            ((one.name, str(one.versions), _state(one), moment(one.created_ms), moment(one.rotated_ms)) for one in keys),
        ),
    )


@ring.command("rotate", short_help="Make a new version of a key.")
@click.argument("name")
@connected
@examples("zakrom admin key-ring rotate photos")
def rotate(session: Session, name: str) -> None:
    """Make a new version of a key, for all that is written from now on. Old versions still open what they encrypted."""
    _show(session, session.client.rotate_ring_key(name))


@ring.command("disable", short_help="Neither write nor read with a key.")
@click.argument("name")
@connected
@examples("zakrom admin key-ring disable photos")
def disable(session: Session, name: str) -> None:
    """Neither write nor read with a key from now on."""
    _show(session, session.client.disable_ring_key(name))


@ring.command("enable", short_help="Write and read with a key again.")
@click.argument("name")
@connected
@examples("zakrom admin key-ring enable photos")
def enable(session: Session, name: str) -> None:
    """Write and read with a key again."""
    _show(session, session.client.enable_ring_key(name))


@ring.command("rewrap", short_help="Wrap all data keys with the newest versions.")
@click.option("--wait", is_flag=True, help="Return when the round has ended.")
@connected
@examples("zakrom admin key-ring rewrap --wait")
def rewrap(session: Session, wait: bool) -> None:
    """Wrap all data keys with the newest versions of their keys. The data itself is neither read nor written."""
    job = session.client.start_job(JOB)
    while wait and (job.facts.get("running") or job.facts.get("asked")):
        time.sleep(LOOK_SECONDS)
        job = session.client.job(JOB)
    session.show(job, lambda: pairs((JOB, facts(job))))


def _show(session: Session, one: RingKey) -> None:
    session.show(one, lambda: click.echo(f"key {one.name}: {one.versions} version(s), {_state(one)}"))


def _state(one: RingKey) -> str:
    return "disabled" if one.disabled else "enabled"

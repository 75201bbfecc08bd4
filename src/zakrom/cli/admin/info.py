"""`zakrom admin info` and `me`: the server, and who asks."""

from __future__ import annotations

import click

from zakrom.admin_client.values import Info, Job, Me
from zakrom.cli.admin.session import Session, connected, examples, moment, pairs, size


@click.command("info", short_help="What runs where, and how much room there is.")
@connected
@examples(
    "zakrom admin info",
    "zakrom admin info --json",
)
def info(session: Session) -> None:
    """What runs where, and how much room there is."""
    found = session.client.info()
    session.show(found, lambda: _print_info(found))


@click.command("me", short_help="Who these keys belong to.")
@connected
@examples(
    "zakrom admin me",
    "zakrom admin me --profile ada",
)
def me(session: Session) -> None:
    """Who these keys belong to, and which other keys they have. For every user."""
    found = session.client.me()
    session.show(found, lambda: _print_me(found))


def _print_info(found: Info) -> None:
    disk = found.disk
    pairs(
        ("version", found.version),
        ("data directory", f"{found.data_directory}   (format {found.format})"),
        ("regions", ", ".join(found.regions)),
        ("workers", str(found.workers)),
        ("started", moment(found.started_ms)),
        ("disk", f"{size(disk.free_bytes)} free of {size(disk.total_bytes)}, {size(disk.reserve_bytes)} kept in reserve"),
        ("full", "yes: writes are refused" if found.full else "no"),
        ("users", str(found.users)),
        ("damages", f"{found.damages}   (zakrom admin scrub --report)" if found.damages else "none known"),
        ("generations", f"{found.generations_open} open, {found.generations_closed} to be swept"),
        *((f"job {job.name}", facts(job)) for job in found.jobs),
    )


def _print_me(found: Me) -> None:
    pairs(
        ("user", found.user.name),
        ("display name", found.user.display_name),
        ("e-mail", found.user.email or "-"),
        ("canonical id", found.user.canonical_id),
        ("access key", found.access_key),
        ("all keys", ", ".join(key.access_key + (" (disabled)" if key.disabled else "") for key in found.keys)),
    )


def facts(job: Job) -> str:
    """What a job says of itself, in a line; nothing where there is nothing to say."""
    return ", ".join(_fact(name, value) for name, value in job.facts.items() if value is not None) or "-"


def _fact(name: str, value: object) -> str:
    """A fact with its unit, which in JSON stands in its name."""
    if isinstance(value, bool):
        return f"{name} {'yes' if value else 'no'}"
    if isinstance(value, int) and name.endswith("_ms"):
        return f"{name.removesuffix('_ms')} {moment(value)}"
    if isinstance(value, int) and name.endswith("bytes"):
        return f"{name.removesuffix('_bytes')} {size(value)}"
    return f"{name} {value}"

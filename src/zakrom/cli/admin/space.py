"""`zakrom admin space`: wait until there is room."""

from __future__ import annotations

import click

from zakrom.cli.admin.session import Session, connected, examples, pairs, size

NO_ROOM = 6  # `cli.failure`: no room, or a quota is used up


@click.group("space", short_help="The signal of freed space.")
@examples(
    "zakrom admin space wait --bucket photos && rclone sync …",
)
def space() -> None:
    """The signal of freed space."""


@space.command("wait", short_help="Return when bytes were freed.")
@click.option("--bucket", metavar="NAME", help="In this bucket; in the whole store without it.")
@click.option(
    "--after", metavar="CURSOR", type=click.IntRange(min=0), help="Since that cursor of an earlier call; since now without it."
)
@click.option("--seconds", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Wait no longer than that.")
@connected
@examples(
    "zakrom admin space wait --bucket photos --seconds 600",
    "zakrom admin space wait --after 17",
    "zakrom admin space wait --seconds 0          the cursor of now",
)
def wait(session: Session, bucket: str | None, after: int | None, seconds: float) -> int:
    """Return when bytes were freed, with the cursor to ask with the next time. Exit code 6 if none were."""
    found = session.client.wait_for_space(bucket, after=after, seconds=seconds)
    session.show(
        found,
        lambda: pairs(
            ("freed", "yes" if found.freed else "no"),
            ("cursor", str(found.cursor)),
            ("disk full", "yes" if found.full else "no"),
            ("used", size(found.used_bytes)),
            ("quota", size(found.quota_bytes)),
        ),
    )
    return 0 if found.freed or not seconds else NO_ROOM

"""`zakrom backup`: a consistent copy of the store, while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from zakrom.cli.progress import bar, human

if TYPE_CHECKING:
    from zakrom.jobs.backup import Copied


@click.command(
    short_help="Copy the store, while it runs.",
    help="""Copy the whole store into a directory, consistently, while the server runs or without one.

The copy is itself a data directory: to restore, copy it back and start a server on it. Blobs never change, so the next backup
into the same directory copies only what is new. Every byte is verified on its way.

\b
Examples:
  zakrom backup /mnt/backup/s3
  zakrom backup --data /srv/s3 /mnt/backup/s3
  zakrom serve --data /mnt/backup/s3          look at a backup
""",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("./data"),
    envvar="ZAKROM_DATA",
    show_default=True,
    help="The data directory.",
)
@click.option("--json", "as_json", is_flag=True, help="What was done, as one JSON object.")
@click.argument("target", type=click.Path(path_type=Path))
def backup(data: Path, target: Path, as_json: bool) -> None:
    """Runs the backup."""
    from zakrom.compose import offline

    with bar("copied", quiet=as_json) as show:

        def on_progress(done: Copied) -> None:
            show(done.bytes, done.total_bytes, f"{done.blobs} of {done.total_blobs} blobs")

        done = offline.back_up(data, target, on_progress)
    if as_json:
        click.echo(msgspec.json.encode(done._asdict()))
        return
    fresh = done.blobs - done.kept_blobs
    click.echo(f"{target}: {done.blobs} blobs, {human(done.bytes)}; {fresh} of them new.")
    if offline.has_key_ring(target):
        click.echo("The key ring is among them: who has this copy can read what is encrypted, and without it nobody can.")

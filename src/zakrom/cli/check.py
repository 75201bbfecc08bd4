"""`zakrom check` and `zakrom scrub`: is everything there, and is it what was written?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from zakrom.cli.progress import bar

EXIT_DAMAGED = 8  # as every command that meets stored data that is damaged

_DATA = click.Option(
    ["--data"],
    type=click.Path(path_type=Path),
    default=Path("./data"),
    envvar="ZAKROM_DATA",
    show_default=True,
    help="The data directory.",
)
_JSON = click.Option(["--json", "as_json"], is_flag=True, help="One JSON object a finding, and one at the end.")


def _run(data: Path, *, deep: bool, as_json: bool) -> int:
    from zakrom.compose import offline

    found = 0
    with _progress("verified" if deep else "looked at", as_json=as_json) as on_progress:
        for finding in offline.check(data, deep=deep, on_progress=on_progress):
            found += 1
            if as_json:
                click.echo(msgspec.json.encode(finding._asdict()))
            else:
                click.echo(f"{finding.what}: {finding.where}{f' ({finding.detail})' if finding.detail else ''}")
    if as_json:
        click.echo(msgspec.json.encode({"findings": found, "deep": deep}))
    else:
        click.echo(f"{found} findings" if found else "Everything is there and adds up.")
    return EXIT_DAMAGED if found else 0


@contextmanager
def _progress(verb: str, *, as_json: bool) -> Iterator[Callable[[Any], None]]:
    with bar(verb, quiet=as_json) as show:
        yield lambda seen: show(seen.bytes, None, f"{seen.blobs} blobs")


check = click.Command(
    "check",
    callback=lambda data, deep, as_json: _run(data, deep=deep, as_json=as_json),
    params=[_DATA, click.Option(["--deep"], is_flag=True, help="Read and verify every byte too."), _JSON],
    short_help="Check the store: catalog against blobs, both ways.",
    help="""Check a store: the catalog against itself, and against the files on disk, both ways.

Reads only, and works beside a running server. Exit code 8 if anything was found.

\b
Examples:
  zakrom check
  zakrom check --data /srv/s3 --deep
  zakrom check --json | jq .what
""",
)

scrub = click.Command(
    "scrub",
    callback=lambda data, as_json: _run(data, deep=True, as_json=as_json),
    params=[_DATA, _JSON],
    short_help="Read and verify every stored byte now.",
    help="""Read every stored byte now, at full speed, and verify it; damage is named by bucket and key.

A running server does the same by itself, slowly (--scrub-interval); `zakrom admin scrub` shows what it found.
The command reads only, and works beside a running server. Exit code 8 if anything was found.

\b
Examples:
  zakrom scrub --data /srv/s3
  zakrom scrub --json
""",
)

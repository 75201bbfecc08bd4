"""A progress bar on stderr, for people: nothing where stderr is no terminal, or where the output is JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Show = Callable[[int, int | None, str], None]
"""(bytes done, bytes in all if known, a word more)."""


UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def human(size: int) -> str:
    """A size to be read, not computed with: ``760.4 MiB``."""
    power = min(max(size.bit_length() - 1, 0) // 10, len(UNITS) - 1)
    return f"{size} {UNITS[0]}" if power == 0 else f"{size / 1024**power:.1f} {UNITS[power]}"


@contextmanager
def bar(verb: str, *, quiet: bool = False) -> Iterator[Show]:
    """Shows bytes, rate and, where the total is known, the time left."""
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _total, _note: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(verb, total=None, note="")
        yield lambda done, total, note: progress.update(task, completed=done, total=total, note=note)

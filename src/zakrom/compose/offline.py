"""What commands do with a data directory themselves: check, scrub and back up, beside a running server or without one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from zakrom import errors
from zakrom.blobs.local import LocalBlobs
from zakrom.catalog.audit import Finding
from zakrom.catalog.changes import Hold
from zakrom.catalog.client import connect
from zakrom.catalog.schema import FILE_NAME
from zakrom.compose.context import clock_ms
from zakrom.crypt import ring as key_ring
from zakrom.jobs import backup as backup_job
from zakrom.jobs import check as check_job
from zakrom.jobs.backup import Copied
from zakrom.jobs.check import Progress
from zakrom.work import directory
from zakrom.work.directory import Opened

HOLD_MS = 5 * 60 * 1000
"""How long nothing is reaped after a backup was last heard of: a killed one must not fill the disk for ever."""

RENEW_SECONDS = 60.0

HOLD = "backup"


def check(data: Path, *, deep: bool, on_progress: Callable[[Progress], None] = lambda _: None) -> Iterator[Finding]:
    """All that is wrong with the store in a directory. Raises `InvalidSetting` if there is none."""
    _must_be_store(data)
    return check_job.check(str(data / "catalog"), LocalBlobs(data / "blobs"), deep=deep, on_progress=on_progress)


def back_up(data: Path, target: Path, on_progress: Callable[[Copied], None] = lambda _: None) -> Copied:
    """Copies the store into ``target`` while its server runs, or without one. See `jobs.backup`."""
    _must_be_store(data)
    if target.absolute().is_relative_to(data.absolute()):
        raise errors.InvalidSetting("The backup lies inside the data directory.", hint="choose a directory outside of it")
    try:
        opened = directory.open_directory(data)
    except errors.DataDirectoryInUse:
        return asyncio.run(_beside_server(data, target, on_progress))
    with _released(opened):
        return backup_job.back_up(data, LocalBlobs(data / "blobs"), target, on_progress)


def has_key_ring(data: Path) -> bool:
    """Whether keys lie in a store's directory."""
    return (data / key_ring.FILE_NAME).exists()


async def _beside_server(data: Path, target: Path, on_progress: Callable[[Copied], None]) -> Copied:
    catalog = await connect(str(data / "catalog"), directory.running_socket(data))
    try:
        await catalog.apply(Hold(HOLD, clock_ms() + HOLD_MS))
        copying = asyncio.create_task(
            asyncio.to_thread(backup_job.back_up, data, LocalBlobs(data / "blobs"), target, on_progress)
        )
        while not copying.done():
            await asyncio.wait([copying], timeout=RENEW_SECONDS)
            await catalog.apply(Hold(HOLD, clock_ms() + HOLD_MS if not copying.done() else 0))
        return await copying
    finally:
        await catalog.close()


@contextlib.contextmanager
def _released(opened: Opened) -> Iterator[None]:
    try:
        yield
    finally:
        directory.close_directory(opened)


def _must_be_store(data: Path) -> None:
    if not (data / "catalog" / FILE_NAME).exists():
        raise errors.InvalidSetting(
            f"There is no store in {data}.", hint="name the directory that the server was started with: --data DIR"
        )

"""Hard facts about SQLite behind the design of the catalog, each shown on this machine: when one ceases to hold, look again.

The numbers in the names of the sections are those of the list of facts the design started from.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zakrom import errors
from zakrom.catalog import reads, room, schema
from zakrom.catalog.audit import audit
from zakrom.catalog.changes import Inline, OpenGeneration, Written
from zakrom.catalog.client import SqliteCatalog
from zakrom.catalog.interface import Catalog
from zakrom.model.facts import Bucket
from zakrom.testing.catalog_site import SqliteSite
from zakrom.testing.contracts.catalog import back, complete, delete, inline, listed, new_bucket, new_upload, part, put, staged

MIB = 1024 * 1024
TMPFS_BYTES = 200 * MIB
"""A disk that a test can fill in a moment."""

FAILING_SYNC = Path(__file__).with_name("failing_sync.c")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SqliteSite]:
    """A fresh store with a writer process, whose facts agree with each other in the end."""
    site = SqliteSite(tmp_path)
    yield site
    site.close()
    assert list(audit(site.directory)) == []


async def put_for(catalog: Catalog, bucket: Bucket, seconds: float, lanes: int, size: int = 4096) -> int:
    """Puts from so many tasks at once for a time; how many were acknowledged."""
    deadline = time.monotonic() + seconds
    done = 0

    async def lane(number: int) -> None:
        nonlocal done
        turn = 0
        while time.monotonic() < deadline:
            turn += 1
            await catalog.apply(put(bucket, b"%d/%d" % (number, turn), inline(bytes(size))))
            done += 1

    await asyncio.gather(*(lane(number) for number in range(lanes)))
    return done


# ------------------------------------------------------------------------------------- 1: a process, not a thread, writes


@pytest.mark.alone
async def test_puts_go_on_beside_a_busy_loop(site: SqliteSite) -> None:
    """Beside tasks that compute for 2 ms at a time a good part of the rate is left: a writing thread kept 0.6 % of it."""
    catalog = await site.open()
    bucket = await new_bucket(catalog)
    stop = False

    async def compute() -> None:
        while not stop:
            deadline = time.perf_counter() + 0.002
            while time.perf_counter() < deadline:
                pass
            await asyncio.sleep(0)

    calm = await put_for(catalog, bucket, 1.0, 32)
    tasks = [asyncio.ensure_future(compute()) for _ in range(4)]
    busy = await put_for(catalog, bucket, 1.0, 32)
    stop = True
    await asyncio.gather(*tasks)
    await catalog.close()

    assert busy > 0.03 * calm  # 0.12 where nothing else runs


# ------------------------------------------------------------------------------------------- 2: one process writes for all


async def test_the_changes_of_all_processes_share_transactions(site: SqliteSite) -> None:
    """What waits is taken together, whoever sent it: far fewer commits than changes."""
    views = [await site.open() for _ in range(3)]
    bucket = await new_bucket(views[0])
    before = await views[0].stats()
    await asyncio.gather(*(view.apply(put(bucket, b"%d" % number)) for number in range(200) for view in views))
    after = await views[0].stats()
    for view in views:
        await view.close()

    assert after.changes - before.changes == 600
    assert after.batches - before.batches <= 60


async def test_clients_cannot_write(site: SqliteSite) -> None:
    """A client's connection refuses every write, so that there never are two writers."""
    catalog = await site.open()
    with contextlib.closing(schema.open_to_read(site.directory)) as connection:
        for statement in ("DELETE FROM object", "CREATE TABLE t (a)", "BEGIN IMMEDIATE", "PRAGMA user_version = 9"):
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                connection.execute(statement)
    await catalog.close()


# ----------------------------------------------------------------------------- 3: a commit is done, refused, or nobody knows


class FailingSite(SqliteSite):
    """A store on a disk whose syncs can be made to fail."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.trigger = directory / "fail"
        self.library = directory / "failing_sync.so"
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(self.library), str(FAILING_SYNC), "-ldl"]
        subprocess.run(command, check=True, timeout=60)

    def replace(self) -> int:
        """Another writer for one that has ended by itself; its exit code."""
        code = self._wait()
        self.start()
        return code

    def _launch(self, lifeline: int, others: int) -> int:
        program = (
            "import socket, sys; from zakrom.catalog.writer import run_writer; "
            "run_writer(sys.argv[1], socket.socket(fileno=int(sys.argv[2])), int(sys.argv[3]))"
        )
        os.set_inheritable(lifeline, True)
        os.set_inheritable(self.listener.fileno(), True)
        arguments = [sys.executable, "-c", program, self.directory, str(self.listener.fileno()), str(lifeline)]
        environment = {**os.environ, "LD_PRELOAD": str(self.library), "FAIL_SYNC": str(self.trigger)}
        return os.posix_spawn(sys.executable, arguments, environment)


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[FailingSite]:
    """Such a store."""
    if not sys.platform.startswith("linux"):
        pytest.skip("syncs are made to fail by LD_PRELOAD and /proc, which Linux has")
    if shutil.which("cc") is None:
        pytest.fail("no C compiler: install gcc, as `make test` does")
    site = FailingSite(tmp_path)
    yield site
    site.close()
    assert list(audit(site.directory)) == []


@pytest.mark.parametrize("once", [True, False], ids=["once", "for a while"])
async def test_a_failed_sync_is_never_called_done_or_refused(failing: FailingSite, once: bool) -> None:
    """The commit's outcome is unknown and said to be so; all that was acknowledged, before and after, survives a kill.

    A writer whose disk goes on failing ends, and another takes its place.
    """
    catalog = await failing.open()
    bucket = await new_bucket(catalog)
    acknowledged = []
    for number in range(20):
        await catalog.apply(put(bucket, b"before/%d" % number, inline(b"x" * 3000)))
        acknowledged.append(b"before/%d" % number)

    failing.trigger.write_text("once" if once else "")
    unknown = await asyncio.gather(
        *(catalog.apply(put(bucket, b"during/%d" % number, inline(b"x" * 3000))) for number in range(10)),
        return_exceptions=True,
    )
    failing.trigger.unlink(missing_ok=True)
    assert {type(one) for one in unknown} == {errors.OutcomeUnknown}
    if not once:
        assert failing.replace() == 1

    await back(catalog)
    for number in range(20):
        await catalog.apply(put(bucket, b"after/%d" % number, inline(b"x" * 3000)))
        acknowledged.append(b"after/%d" % number)
    await failing.crash()
    await back(catalog)
    keys = await listed(catalog, bucket)
    await catalog.close()

    assert set(acknowledged) <= set(keys)


async def test_a_crash_in_between_is_unknown_too(site: SqliteSite) -> None:
    """What was sent when the writer died is `OutcomeUnknown`; what comes while there is none is refused and was not written."""
    catalog = await site.open()
    bucket = await new_bucket(catalog)
    sent = asyncio.ensure_future(catalog.apply(put(bucket, b"sent", inline(b"x"))))
    assert site.pid is not None
    os.kill(site.pid, 19)  # SIGSTOP: it is received, and not answered
    await asyncio.sleep(0.05)
    site.kill()
    with contextlib.suppress(errors.OutcomeUnknown):
        await sent
    refused = await asyncio.gather(catalog.apply(put(bucket, b"refused")), return_exceptions=True)
    site.start()
    await back(catalog)
    keys = await listed(catalog, bucket)
    await catalog.close()

    assert isinstance(refused[0], errors.ServiceUnavailable)
    assert b"refused" not in keys


# ------------------------------------------------------------------------------------ 4: nobody opens the files beside SQLite

_opened: list[str] = []
_listening = threading.Event()


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _listening.is_set() and "catalog.sqlite3" in str(arguments[0]):
        _opened.append(str(arguments[0]))
        os.write(2, f"opened {arguments[0]}\n".encode())


async def test_nobody_opens_the_catalog_beside_sqlite(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither the writer nor a client: closing any descriptor of the file drops the process's POSIX locks on it."""
    sys.addaudithook(_hear)  # for good; a forked writer has it too
    _listening.set()
    try:
        site = SqliteSite(tmp_path)
        catalog = await site.open()
        bucket = await new_bucket(catalog)
        await catalog.apply(put(bucket, b"k", inline(b"x")))
        await catalog.find(bucket.id, b"k")
        await site.crash()
        await back(catalog)
        await catalog.apply(put(bucket, b"k", inline(b"y")))
        await catalog.ready()
        await catalog.close()
        site.close()
    finally:
        _listening.clear()

    assert _opened == []
    assert "opened" not in capfd.readouterr().err


async def test_clients_that_come_and_go_leave_the_wal_alone(site: SqliteSite) -> None:
    """The WAL of a writer that was killed outlives every other connection: what it acknowledged is there afterwards."""
    catalog = await site.open()
    bucket = await new_bucket(catalog)
    for number in range(5):
        await catalog.apply(put(bucket, b"%d" % number, inline(b"x")))
        other = await site.open()
        assert len(await listed(other, bucket)) == number + 1
        await other.close()
    site.kill()
    await catalog.close()
    assert os.stat(os.path.join(site.directory, "catalog.sqlite3-wal")).st_size > 0

    catalog = await site.open()
    assert len(await listed(catalog, bucket)) == 5
    await catalog.close()


# -------------------------------------------------------------------------------------------- 5: a full disk is a normal state


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 MB, which only root may make."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root on Linux")
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if mounted.returncode != 0:
        pytest.skip(f"this machine does not let root mount a tmpfs: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True, timeout=30)


async def fill(catalog: Catalog, bucket: Bucket) -> list[bytes]:
    """Puts until none is taken any more; the keys that were."""
    keys: list[bytes] = []
    while True:
        names = [b"%d" % (len(keys) + number) for number in range(64)]
        outcomes = await asyncio.gather(
            *(catalog.apply(put(bucket, name, inline(bytes(30_000)))) for name in names), return_exceptions=True
        )
        taken = [name for name, outcome in zip(names, outcomes, strict=True) if isinstance(outcome, Written)]
        assert all(isinstance(one, Written | errors.InsufficientStorage) for one in outcomes)
        keys += taken
        if not taken:
            return keys


def fill_disk(directory: Path) -> None:
    """Takes every byte that is left, as a neighbour on the same disk may."""
    with (directory / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


@pytest.mark.parametrize("neighbour", [False, True], ids=["filled by puts", "filled by a neighbour"])
async def test_deletes_go_on_when_the_disk_is_full(small_disk: Path, neighbour: bool) -> None:
    """Every one of them; what they free is used by puts again; with room on the disk all is as before, and nothing is lost."""
    site = SqliteSite(small_disk)
    catalog = await site.open()
    bucket = await new_bucket(catalog)
    keys = [b"early/%d" % number for number in range(500)]
    await asyncio.gather(*(catalog.apply(put(bucket, key, inline(bytes(10_000)))) for key in keys))
    if neighbour:
        fill_disk(small_disk)
    keys += await fill(catalog, bucket)
    fill_disk(small_disk)
    assert len(await listed(catalog, bucket)) == min(len(keys), 1_000)
    assert (await catalog.stats()).full

    for key in keys[::2]:
        assert (await catalog.apply(delete(bucket, key))).existed
    assert (await catalog.usage(bucket.id)).objects == len(keys) - len(keys[::2])
    for key in keys[0:100:2]:  # pages that deletes freed inside the file
        await catalog.apply(put(bucket, key, inline(bytes(10_000))))
    for key in keys:
        await catalog.apply(delete(bucket, key))
    assert (await catalog.usage(bucket.id)).objects == 0

    (small_disk / "ballast").unlink()
    await catalog.apply(put(bucket, b"again", inline(bytes(30_000))))
    assert (await catalog.stats()).full != neighbour  # puts have made the file itself as large as the disk
    await catalog.close()
    site.close()
    assert list(audit(site.directory)) == []


# ----------------------------------------------------------------------------------------------------------------- 6: readers


async def test_no_read_holds_the_wal(site: SqliteSite) -> None:
    """Beside clients that read without pause the WAL keeps its length, over many times its length of puts."""
    catalog = await site.open()
    bucket = await new_bucket(catalog)
    readers = [await site.open() for _ in range(2)]
    stop = False

    async def read(view: SqliteCatalog) -> None:
        while not stop:
            await view.objects(bucket.id, b"", b"", False, 1_000)
            await view.versions(bucket.id, b"", b"", None, False, 100)
            await view.find(bucket.id, b"0/1")
            await asyncio.sleep(0)

    reading = [asyncio.ensure_future(read(view)) for view in readers]
    for _ in range(12):
        await asyncio.gather(*(catalog.apply(put(bucket, b"%d" % number, inline(bytes(30_000)))) for number in range(200)))
    stop = True
    await asyncio.gather(*reading)
    stats = await catalog.stats()
    for view in (catalog, *readers):
        await view.close()
    sizes = room.Room(site.directory).sizes

    assert stats.checkpoints > 2
    assert os.stat(os.path.join(site.directory, "catalog.sqlite3-wal")).st_size < sizes.wal_hard + 8 * MIB


async def test_the_wal_never_shrinks_below_its_reserve(site: SqliteSite) -> None:
    """From the first start, over a stop and a crash: its length is what deletes need on a full disk."""
    wal = Path(site.directory) / "catalog.sqlite3-wal"
    catalog = await site.open()
    least = room.Room(site.directory).sizes.wal_least
    assert wal.stat().st_size >= least
    await catalog.close()
    await site.restart()
    catalog = await site.open()
    assert wal.stat().st_size >= least
    await site.crash()
    await back(catalog)
    await catalog.close()
    site.stop()
    assert wal.stat().st_size >= least


async def test_a_backup_ends_beside_a_busy_writer(site: SqliteSite, tmp_path: Path) -> None:
    """In one step: a copy by pages began anew with each commit, and never ended."""
    catalog = await site.open()
    bucket = await new_bucket(catalog)
    load = asyncio.ensure_future(put_for(catalog, bucket, 2.0, 16))
    await asyncio.sleep(0.3)
    await asyncio.wait_for(catalog.backup(str(tmp_path / "copy")), 30)
    await load
    await catalog.close()

    copied = reads.Reads(str(tmp_path / "copy"))
    count = copied.usage(bucket.id).objects
    copied.close()
    assert count > 0
    assert list(audit(str(tmp_path / "copy"))) == []


async def test_no_read_is_stale_over_processes(site: SqliteSite) -> None:
    """Whoever was told of a write finds it through any other connection at once."""
    catalog, other = await site.open(), await site.open()
    bucket = await new_bucket(catalog)
    for number in range(300):
        written = await catalog.apply(put(bucket, b"k"))
        found = await other.find(bucket.id, b"k")
        assert found is not None
        assert found.version.seq == written.seq
        assert (await other.usage(bucket.id)).versions == 1, number
    await catalog.close()
    await other.close()


# ----------------------------------------------------------------------------------------- 7: bodies beside facts, not in them


@pytest.mark.alone
async def test_a_listing_does_not_walk_over_bodies(site: SqliteSite) -> None:
    """A page of 1,000 keys takes as long whether the objects are empty or have 30 KB each in the catalog."""
    catalog = await site.open()
    buckets = [await new_bucket(catalog) for _ in range(2)]
    for bucket, content in zip(buckets, (Inline(b"", b""), inline(bytes(30_000))), strict=True):
        for first in range(0, 1_000, 100):
            await asyncio.gather(*(catalog.apply(put(bucket, b"%06d" % (first + n), content)) for n in range(100)))
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(25):
        for bucket, seconds in zip(buckets, times, strict=True):
            began = time.perf_counter()
            assert len(await catalog.objects(bucket.id, b"", b"", False, 1_000)) == 1_000
            seconds.append(time.perf_counter() - began)
    await catalog.close()
    empty, full = map(min, times)

    assert full < 1.6 * empty


@pytest.mark.alone
async def test_completing_ten_thousand_parts_is_one_short_transaction(site: SqliteSite) -> None:
    """Others wait a fraction of a second: nothing is copied, and no blob row is touched."""
    catalog = await site.open()
    bucket = await new_bucket(catalog)
    generation = await catalog.apply(OpenGeneration(1))
    times = []
    for _ in range(3):
        upload = await catalog.apply(new_upload(bucket, b"k"))
        parts = []
        for first in range(1, 10_001, 500):
            parts += await asyncio.gather(
                *(catalog.apply(part(upload, number, staged(generation, 5 * MIB))) for number in range(first, first + 500))
            )
        change = complete(upload, parts, 10_000)
        began = time.perf_counter()
        await catalog.apply(change)
        times.append(time.perf_counter() - began)
    found = await catalog.find(bucket.id, b"k")
    await catalog.close()

    assert found is not None
    assert found.version.size == 10_000 * 5 * MIB
    assert statistics.median(times) < 0.6  # 0.08 s on an idle machine of 2026, of which half is spent on the socket

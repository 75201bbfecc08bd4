"""The figures that stand beside the constants of `zakrom.catalog`: ``python tests/facts/catalog_figures.py [directory]``.

Not a test: what it prints depends on the machine, and on the disk below the directory. Times of the writer are its CPU time,
which other work on the machine disturbs less.
"""

# ruff: noqa: T201 - it prints its results

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from zakrom.blobs.blocks import blocks
from zakrom.blobs.local import LocalBlobs
from zakrom.catalog.changes import AbortUpload, Change, DeleteBucket, Inline, OpenGeneration, Staged
from zakrom.catalog.client import SqliteCatalog
from zakrom.model.facts import Bucket, Part, Upload
from zakrom.testing.catalog_site import SqliteSite
from zakrom.testing.contracts.catalog import complete, new_bucket, new_upload, part, put, staged

KIB = 1024
SIZES = (4 * KIB, 16 * KIB, 32 * KIB, 64 * KIB)
LANES = 16
ROUNDS = 5


def cpu_seconds(pid: int) -> float:
    """What a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def in_lanes(count: int, act: Callable[[int], Awaitable[object]], lanes: int = LANES) -> list[float]:
    """Does it for each number, so many at once; how long each took."""
    numbers, times = iter(range(count)), []

    async def lane() -> None:
        for number in numbers:
            began = time.perf_counter()
            await act(number)
            times.append(time.perf_counter() - began)

    await asyncio.gather(*(lane() for _ in range(lanes)))
    return times


async def inline_or_file(catalog: SqliteCatalog, directory: Path, pid: int) -> None:
    """PUTs by size: the bytes in the catalog, or in files of their own."""
    blobs = LocalBlobs(directory / "blobs")
    blobs.adopt(await catalog.apply(OpenGeneration(1)))
    bucket = await new_bucket(catalog)
    print(f"{'put, ' + str(LANES) + ' at once':24}{'inline/s':>10}{'file/s':>10}{'p99 ms':>9}{'writer us':>11}")
    for size in SIZES:
        data = os.urandom(size)
        sums = blocks(data)

        async def put_inline(number: int, data: bytes = data, sums: bytes = sums) -> None:
            await catalog.apply(put(bucket, b"%d/%d" % (len(data), number), Inline(data, sums)))

        def stage(data: bytes = data) -> Staged:
            stage = blobs.stage(len(data))
            stage.write(data)
            facts = stage.commit()
            return Staged(facts.id, facts.length, facts.blocks)

        async def put_file(number: int, size: int = size, stage: Callable[[], Staged] = stage) -> None:
            content = await asyncio.to_thread(stage)
            await catalog.apply(put(bucket, b"file/%d/%d" % (size, number), content))

        count = min(8_000, 128 * 1024 * KIB // size)
        rates, used, slow = [], 0.0, 0.0
        for act in (put_inline, put_file):
            before, began = cpu_seconds(pid), time.perf_counter()
            times = await in_lanes(count, act)
            rates.append(count / (time.perf_counter() - began))
            if act is put_inline:
                used, slow = (cpu_seconds(pid) - before) / count, sorted(times)[int(len(times) * 0.99)]
        print(f"{size // KIB:>20} KiB{rates[0]:10,.0f}{rates[1]:10,.0f}{slow * 1e3:9.1f}{used * 1e6:11.0f}")


async def uploads(catalog: SqliteCatalog) -> None:
    """Ten thousand parts, from request to answer."""
    generation = await catalog.apply(OpenGeneration(1))
    for name in ("complete", "abort", "delete the bucket"):
        times = []
        for _ in range(3):
            bucket = await new_bucket(catalog)
            upload: Upload = await catalog.apply(new_upload(bucket, b"k"))
            parts = await ten_thousand(catalog, upload, generation)
            changes: dict[str, Change] = {
                "complete": complete(upload, parts, len(parts)),
                "abort": AbortUpload(bucket.id, b"k", upload.id, 1),
                "delete the bucket": DeleteBucket(bucket.id, 1),
            }
            began = time.perf_counter()
            await catalog.apply(changes[name])
            times.append(time.perf_counter() - began)
        print(f"{name + ', 10,000 parts':36}{min(times) * 1e3:8.1f} ms")


async def ten_thousand(catalog: SqliteCatalog, upload: Upload, generation: int) -> list[Part]:
    """So many parts of 5 MiB, whose files only the catalog believes in."""
    parts: dict[int, Part] = {}

    async def put_part(number: int) -> None:
        parts[number] = await catalog.apply(part(upload, number + 1, staged(generation, 5 << 20)))

    await in_lanes(10_000, put_part, 200)
    return [parts[number] for number in sorted(parts)]


async def reads(catalog: SqliteCatalog) -> None:
    """A point read and a page, from memory of the system."""
    bucket = await new_bucket(catalog)
    data = os.urandom(4 * KIB)

    async def put_one(number: int) -> None:
        await catalog.apply(put(bucket, b"%06d" % number, Inline(data, blocks(data))))

    await in_lanes(5_000, put_one, 100)
    figures = {
        "find, 4 KiB inline": (_finds(catalog, bucket), 1e6, "us"),
        "page of 1,000 objects": (_page(catalog, bucket), 1e3, "ms"),
    }
    for name, (ask, scale, unit) in figures.items():
        times = []
        for _ in range(ROUNDS):
            began = time.process_time()
            count = await ask()
            times.append((time.process_time() - began) / count)
        print(f"{name:36}{min(times) * scale:8.2f} {unit} of CPU")


def _finds(catalog: SqliteCatalog, bucket: Bucket) -> Callable[[], Awaitable[int]]:
    async def ask() -> int:
        for number in range(0, 5_000, 5):
            await catalog.find(bucket.id, b"%06d" % number)
        return 1_000

    return ask


def _page(catalog: SqliteCatalog, bucket: Bucket) -> Callable[[], Awaitable[int]]:
    async def ask() -> int:
        for _ in range(10):
            await catalog.objects(bucket.id, b"", b"", False, 1_000)
        return 10

    return ask


async def measure(directory: Path) -> None:
    """All figures."""
    site = SqliteSite(directory)
    catalog = await site.open()
    assert site.pid is not None
    await inline_or_file(catalog, directory, site.pid)
    await reads(catalog)
    await uploads(catalog)
    print(await catalog.stats())
    await catalog.close()
    site.close()


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(prefix="figures-", dir=sys.argv[1] if len(sys.argv) > 1 else None))
    try:
        uvloop.run(measure(place))
    finally:
        shutil.rmtree(place)

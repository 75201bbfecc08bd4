"""One million keys in a bucket: what a page of a listing, a HEAD and a PUT cost then, and with one thousand.

    python benchmarks/million.py [--keys 1000000] [--directory DIR]

The catalog alone, with a real writer process over its socket: an S3 server adds the same to each figure on either side. A
bucket of a thousand keys and one of a million lie in the same store and are asked in turn, so that whatever else the machine
does falls on both; of the rounds the median counts. Keys are asked and put at random, which is the worst for a B-tree.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from zakrom.catalog.changes import CreateBucket, Inline, Nothing, PutVersion
from zakrom.catalog.client import SqliteCatalog
from zakrom.model.facts import Bucket, Checksum, Details
from zakrom.testing.catalog_site import SqliteSite

OWNER = "0123456789abcdef" * 4
LANES = 256
ROUNDS = 15
BODY = bytes(4096)
BLOCKS = bytes(4)


def key(number: int) -> bytes:
    """Keys as people have them: folders, and a name that sorts at random."""
    return b"data/%03d/%016x.bin" % (number % 1000, (number * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)


def put(bucket: Bucket, name: bytes, *, body: bool) -> PutVersion:
    """A PUT of 4 KiB, or of nothing to fill a bucket quickly."""
    content = Inline(BODY, BLOCKS) if body else Nothing()
    return PutVersion(
        bucket=bucket.id,
        key=name,
        now_ms=time.time_ns() // 1_000_000,
        nonce=1,
        size=len(BODY) if body else 0,
        etag=f"{random.getrandbits(128):032x}",
        storage_class="STANDARD",
        owner=OWNER,
        details=Details({"content-type": "application/octet-stream"}, checksum=Checksum("CRC32", "AAAAAA==")),
        content=content,
    )


async def in_lanes(count: int, act: Callable[[int], Awaitable[object]], lanes: int = LANES) -> None:
    """Does it for each number, so many at once."""
    numbers = iter(range(count))

    async def lane() -> None:
        for number in numbers:
            await act(number)

    await asyncio.gather(*(lane() for _ in range(lanes)))


async def fill(catalog: SqliteCatalog, name: str, count: int) -> Bucket:
    """A bucket with so many keys."""
    bucket: Bucket = await catalog.apply(CreateBucket(name, OWNER, "us-east-1", 1, 100))
    began = time.perf_counter()
    await in_lanes(count, lambda number: catalog.apply(put(bucket, key(number), body=False)))
    print(f"filled {name}: {count:,} keys in {time.perf_counter() - began:.1f} s")
    return bucket


async def page(catalog: SqliteCatalog, bucket: Bucket, count: int) -> float:
    """Seconds for a page of 1,000 keys, from anywhere."""
    started = [key(random.randrange(count)) if count > 2000 else b"" for _ in range(10)]
    began = time.perf_counter()
    for after in started:
        await catalog.objects(bucket.id, b"", after, False, 1000)
    return (time.perf_counter() - began) / len(started)


async def head(catalog: SqliteCatalog, bucket: Bucket, count: int) -> float:
    """Seconds for finding a key."""
    names = [key(random.randrange(count)) for _ in range(1000)]
    began = time.perf_counter()
    for name in names:
        await catalog.find(bucket.id, name)
    return (time.perf_counter() - began) / len(names)


async def put_4k(catalog: SqliteCatalog, bucket: Bucket, count: int) -> float:
    """Seconds for a PUT of 4 KiB over an existing key, with 64 at once."""
    names = [key(random.randrange(count)) for _ in range(2000)]
    began = time.perf_counter()
    await in_lanes(len(names), lambda number: catalog.apply(put(bucket, names[number], body=True)), 64)
    return (time.perf_counter() - began) / len(names)


def bytes_below(directory: Path) -> int:
    """How much lies there."""
    return sum(path.stat().st_size for path in directory.iterdir())


async def measure(directory: Path, keys: int) -> None:
    """Fills both buckets and prints the figures."""
    site = SqliteSite(directory)
    catalog = await site.open()
    buckets = [(await fill(catalog, f"keys-{count}", count), count) for count in (1000, keys)]
    size = bytes_below(Path(site.directory))
    print(f"catalog: {size / 1e6:,.0f} MB")
    print(f"{'':10}{'1,000':>12}{f'{keys:,}':>12}{'ratio':>8}")
    for name, ask, unit, scale in (("page", page, "ms", 1e3), ("find", head, "us", 1e6), ("put", put_4k, "us", 1e6)):
        for bucket, count in buckets:
            await ask(catalog, bucket, count)  # warm
        times: list[list[float]] = [[], []]
        for _ in range(ROUNDS):
            for (bucket, count), seconds in zip(buckets, times, strict=True):
                seconds.append(await ask(catalog, bucket, count))
        small, large = (statistics.median(one) * scale for one in times)
        print(f"{name:6}{unit:>4}{small:12.2f}{large:12.2f}{large / small:8.2f}")
    await catalog.close()
    site.close()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--directory", type=Path, help="where to make the store; removed in the end")
    asked = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="million-", dir=asked.directory))
    try:
        uvloop.run(measure(directory, asked.keys))
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()

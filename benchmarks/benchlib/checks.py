"""The measurements: each prepares untimed, measures, and verifies untimed.

Every figure is a rate (or a ratio of rates), so that more is better throughout.
"""

from __future__ import annotations

import hashlib
import itertools
import mmap
import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import boto3
from botocore.config import Config

from .clients import BODY, Load, Wrk, curl
from .endpoint import (
    BenchError,
    Client,
    Endpoint,
    Presigner,
    exchange,
    in_threads,
    populate,
)

MIB = 1 << 20
PAGE = 1000
PARTS = 8
PUT_RATE = 10_000  # distinct keys are made for so many PUTs a second


@dataclass(frozen=True)
class Options:
    """What the command line chose."""

    seconds: int
    objects: int
    list_keys: int
    big: int
    part: int
    transfer: int
    work: Path


@dataclass
class Sample:
    """One figure of one round, with the operations it took and side figures.

    ``verify`` looks afterwards, untimed, whether the server holds what it took.
    """

    value: float
    operations: int
    notes: dict[str, float] = field(default_factory=dict)
    verify: Callable[[], None] = lambda: None


class Files:
    """Random files to upload, shared by all endpoints.

    ``stamp`` changes eight bytes of every 32 KiB between rounds: no server can
    recognise blocks that it has stored before.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        self._stamped: dict[Path, tuple[str, str]] = {}

    def get(self, size: int) -> Path:
        """Return a file of this size."""
        path = self._work / f"random-{size}"
        if not path.exists():
            with path.open("wb") as file:
                for offset in range(0, size, 8 * MIB):
                    file.write(os.urandom(min(8 * MIB, size - offset)))
        return path

    def stamp(self, path: Path, tag: str) -> str:
        """Make every block of the file new; return the SHA-256 of the file.

        The same tag gives the same bytes, and costs nothing while it is current.
        """
        current, digest = self._stamped.get(path, ("", ""))
        if current != tag:
            mark = hashlib.sha256(tag.encode()).digest()[:8]
            with path.open("r+b") as file:
                for offset in range(0, path.stat().st_size, 32 * 1024):
                    os.pwrite(file.fileno(), mark, offset)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._stamped[path] = tag, digest
        return digest


class Target:
    """One endpoint and what has been prepared on it."""

    def __init__(self, endpoint: Endpoint, options: Options, files: Files, run: str) -> None:
        self.endpoint = endpoint
        self.options = options
        self.files = files
        self.run = run
        self.client = Client(endpoint)
        self.boto: Any = boto3.client(
            "s3",
            endpoint_url=endpoint.url,
            region_name=endpoint.region,
            aws_access_key_id=endpoint.key,
            aws_secret_access_key=endpoint.secret,
            config=Config(
                s3={"addressing_style": "path"},
                max_pool_connections=16,
                retries={"total_max_attempts": 1, "mode": "standard"},
            ),
        )
        self._buckets: set[str] = set()
        self._done: set[str] = set()

    def bucket(self, role: str) -> str:
        """Return the bucket for this role, made at first use."""
        name = f"bench-{self.run}-{role}"
        if name not in self._buckets:
            self.client("PUT", f"/{name}")
            self._buckets.add(name)
        return name

    def once(self, what: str) -> bool:
        """Whether this is the first call with this name."""
        first = what not in self._done
        self._done.add(what)
        return first

    def remove(self) -> None:
        """Delete all that the run has stored."""
        for bucket in sorted(self._buckets):
            pages = self.boto.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            for page in pages:
                keys = [{"Key": item["Key"]} for item in page.get("Contents", ())]
                if keys:
                    self.boto.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            self.client("DELETE", f"/{bucket}")


@dataclass(frozen=True)
class Check:
    """A measurement: its name, title and unit, and what to do."""

    name: str
    title: str
    unit: str
    measure: Callable[[Target, str], Sample]
    prepare: Callable[[Target], None] = lambda _: None


def _load(target: Target, method: str, paths: list[str], connections: int) -> Load:
    return Wrk(
        target.endpoint,
        method,
        paths,
        connections=connections,
        seconds=target.options.seconds,
    ).result()


def _sample(load: Load) -> Sample:
    return Sample(load.rate, load.requests, {"p50 ms": load.p50, "p99 ms": load.p99})


# --- small objects over wrk ----------------------------------------------------


def _small_keys(target: Target) -> list[str]:
    count = target.options.objects
    keys = [f"small/{number % 16:02d}/{number:06d}" for number in range(count)]
    random.Random(1).shuffle(keys)
    return keys


def _prepare_get(target: Target) -> None:
    bucket = target.bucket("get")
    if target.once("get objects"):
        bodies = ((key, os.urandom(BODY)) for key in _small_keys(target))
        populate(target.endpoint, bucket, bodies)
    key = _small_keys(target)[0]
    answer = target.client("GET", f"/{bucket}/{key}")
    if answer.status != 200 or len(answer.body) != BODY:
        raise BenchError(f"GET gives {answer.status}, {len(answer.body)} bytes")


def _measure_get(target: Target, _: str) -> Sample:
    presign, bucket = Presigner(target.endpoint), target.bucket("get")
    paths = [presign("GET", f"/{bucket}/{key}") for key in _small_keys(target)]
    load = _load(target, "GET", paths, 32)
    if load.received < load.requests * BODY:
        raise BenchError("GET answers are shorter than the objects")
    return _sample(load)


def _prepare_head(target: Target) -> None:
    bucket = target.bucket("head")
    if target.once("head objects"):
        populate(target.endpoint, bucket, ((key, b"") for key in _small_keys(target)))
    answer = target.client("HEAD", f"/{bucket}/{_small_keys(target)[0]}")
    if answer.status != 200 or answer.headers["Content-Length"] != "0":
        raise BenchError(f"HEAD gives {answer.status} {answer.headers.items()}")


def _measure_head(target: Target, _: str) -> Sample:
    presign, bucket = Presigner(target.endpoint), target.bucket("head")
    paths = [presign("HEAD", f"/{bucket}/{key}") for key in _small_keys(target)]
    return _sample(_load(target, "HEAD", paths, 32))


class _Puts:
    """4 KiB PUTs to new keys, and a look at some of them afterwards."""

    def __init__(self, target: Target, bucket: str, tag: str) -> None:
        options = target.options
        self._target, self._bucket, self._tag = target, bucket, tag
        self._pad = target.files.get(BODY)
        self._answered = 0
        count = PUT_RATE * options.seconds
        self._keys = [f"puts/{tag}/{number % 16:02d}/{number:06d}" for number in range(count)]

    def run(self) -> Load:
        endpoint = self._target.endpoint
        presign = Presigner(endpoint)
        load = Wrk(
            endpoint,
            "PUT",
            [presign("PUT", f"/{self._bucket}/{key}") for key in self._keys],
            connections=32,
            seconds=self._target.options.seconds,
            pad=self._pad,
            stamp=self._tag,
        ).result()
        self._answered = min(load.requests, len(self._keys))
        return load

    def verify(self) -> None:
        """Count the keys that the server lists now, and read a few of them."""
        prefix = f"puts/{self._tag}/"
        pages = self._target.boto.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        stored = [item["Key"] for page in pages for item in page.get("Contents", ())]
        # Not more than: the requests that were cut off may have been stored too.
        if len(set(stored)) < self._answered:
            raise BenchError(f"{len(stored)} keys of {self._answered} that were PUT")
        pad = self._pad.read_bytes()[: BODY - 16 - len(self._tag)]
        for key in random.Random(self._tag).sample(stored, min(8, len(stored))):
            body = self._target.client("GET", f"/{self._bucket}/{key}").body
            if len(body) != BODY or body[16:] != self._tag.encode() + pad:
                raise BenchError(f"{key} does not hold what was PUT")


def _prepare_put(target: Target) -> None:
    target.bucket("put")


def _measure_put(target: Target, tag: str) -> Sample:
    puts = _Puts(target, target.bucket("put"), tag)
    sample = _sample(puts.run())
    sample.verify = puts.verify
    return sample


# --- listing -------------------------------------------------------------------


def _list_key(number: int) -> str:
    return f"logs/{number // PAGE:03d}/{number:07d}.log"


def _list_paths(target: Target, bucket: str) -> list[str]:
    presign = Presigner(target.endpoint)
    starts = random.Random(2).choices(range(target.options.list_keys - PAGE), k=64)
    return [
        presign(
            "GET",
            f"/{bucket}",
            (
                ("list-type", "2"),
                ("max-keys", str(PAGE)),
                ("start-after", _list_key(start)),
            ),
        )
        for start in starts
    ]


def _prepare_list(target: Target) -> None:
    bucket = target.bucket("list")
    if target.once("list objects"):
        keys = [_list_key(number) for number in range(target.options.list_keys)]
        random.Random(3).shuffle(keys)
        populate(target.endpoint, bucket, ((key, key.encode()) for key in keys))
    with closing(target.endpoint.connect()) as connection:
        page = exchange(connection, "GET", _list_paths(target, bucket)[0])
    found = sum(element.tag.endswith("}Key") or element.tag == "Key" for element in ET.fromstring(page.body).iter())
    if page.status != 200 or found != PAGE:
        raise BenchError(f"a page of the listing has {found} keys, not {PAGE}")


def _measure_list(target: Target, _: str) -> Sample:
    load = _load(target, "GET", _list_paths(target, target.bucket("list")), 8)
    return _sample(load)


def _measure_put_beside_list(target: Target, tag: str) -> Sample:
    bucket = target.bucket("list")
    alone = _Puts(target, bucket, f"{tag}-alone")
    beside = _Puts(target, bucket, f"{tag}-beside")
    before = alone.run()
    lister = Wrk(
        target.endpoint,
        "GET",
        _list_paths(target, bucket),
        connections=1,
        # It outlives the PUTs: their URLs are signed while it already runs.
        seconds=target.options.seconds + 3,
    )
    try:
        during = beside.run()
    finally:
        pages = lister.result()

    def verify() -> None:
        alone.verify()
        beside.verify()

    return Sample(
        during.rate / before.rate,
        before.requests + during.requests,
        {
            "alone/s": before.rate,
            "beside/s": during.rate,
            "pages/s": pages.rate,
            "p99 ms": during.p99,
        },
        verify,
    )


# --- large objects over curl and plain sockets ---------------------------------


def _throughput(size: int, seconds: float) -> Sample:
    return Sample(size / MIB / seconds, 1, {"seconds": seconds})


def _expect_whole(target: Target, path: str, digest: str) -> None:
    if target.client.digest(path) != digest:
        raise BenchError(f"{path} does not hold what was uploaded")


def _put_big(target: Target, path: str, tag: str) -> Sample:
    size = target.options.big
    file = target.files.get(size)
    digest = target.files.stamp(file, tag)
    url = Presigner(target.endpoint)("PUT", path)
    sample = _throughput(size, curl(target.endpoint, url, upload=file))
    sample.verify = lambda: _expect_whole(target, path, digest)
    return sample


def _prepare_big(target: Target) -> None:
    target.bucket("big")


def _measure_put_big(target: Target, tag: str) -> Sample:
    return _put_big(target, f"/{target.bucket('big')}/put", tag)


def _prepare_get_big(target: Target) -> None:
    path = f"/{target.bucket('big')}/get"
    if target.once("big object"):
        _put_big(target, path, "get").verify()


def _measure_get_big(target: Target, _: str) -> Sample:
    url = Presigner(target.endpoint)("GET", f"/{target.bucket('big')}/get")
    return _throughput(target.options.big, curl(target.endpoint, url))


def _measure_parts(target: Target, tag: str) -> Sample:
    part = target.options.part
    file = target.files.get(part * PARTS)
    digest = target.files.stamp(file, tag)
    endpoint, presign = target.endpoint, Presigner(target.endpoint)
    path = f"/{target.bucket('big')}/parts"
    started = ET.fromstring(target.client("POST", path, (("uploads", ""),)).body)
    upload = next(e.text or "" for e in started.iter() if e.tag.endswith("UploadId"))
    urls = [presign("PUT", path, (("partNumber", str(n + 1)), ("uploadId", upload))) for n in range(PARTS)]
    etags = [""] * PARTS

    with file.open("rb") as source:
        data = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        view = memoryview(data)

        def send(number: int) -> None:
            piece = view[number * part : (number + 1) * part]
            with closing(endpoint.connect()) as connection:
                answer = exchange(connection, "PUT", urls[number], piece)
            etags[number] = answer.headers["ETag"]
            piece.release()

        begin = time.monotonic()
        in_threads(PARTS, send)
        sent = time.monotonic() - begin
        listed = "".join(f"<Part><PartNumber>{n + 1}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in enumerate(etags))
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"
        answer = target.client("POST", path, (("uploadId", upload),), body.encode())
        seconds = time.monotonic() - begin
        view.release()
        data.close()
    if b"CompleteMultipartUploadResult" not in answer.body:
        raise BenchError(f"complete: {answer.body[:300]!r}")
    sample = _throughput(part * PARTS, seconds)
    sample.verify = lambda: _expect_whole(target, path, digest)
    sample.notes["parts only MiB/s"] = part * PARTS / MIB / sent
    return sample


# --- boto3 ---------------------------------------------------------------------


def _boto_threads(target: Target, call: Callable[[int], None]) -> Sample:
    """Call from eight threads for the time chosen; ``call`` gets a serial number."""
    serial, lock = itertools.count(), threading.Lock()
    times: list[float] = []
    end = time.monotonic() + target.options.seconds

    def work(_: int) -> None:
        own: list[float] = []
        while (begin := time.monotonic()) < end:
            call(next(serial))
            own.append(time.monotonic() - begin)
        with lock:
            times.extend(own)

    begin = time.monotonic()
    in_threads(8, work)
    elapsed = time.monotonic() - begin
    times.sort()
    return Sample(
        len(times) / elapsed,
        len(times),
        {
            "p50 ms": times[len(times) // 2] * 1000,
            "p99 ms": times[len(times) * 99 // 100] * 1000,
        },
    )


def _measure_boto_put(target: Target, tag: str) -> Sample:
    bucket, pad = target.bucket("put"), target.files.get(BODY).read_bytes()

    def put(number: int) -> None:
        body = f"{number:016d}{tag}".encode() + pad
        key = f"boto/{tag}/{number % 16:02d}/{number:06d}"
        target.boto.put_object(Bucket=bucket, Key=key, Body=body[:BODY])

    return _boto_threads(target, put)


def _measure_boto_get(target: Target, _: str) -> Sample:
    bucket, keys = target.bucket("get"), _small_keys(target)

    def get(number: int) -> None:
        answer = target.boto.get_object(Bucket=bucket, Key=keys[number % len(keys)])
        if len(answer["Body"].read()) != BODY:
            raise BenchError("a short body")

    return _boto_threads(target, get)


def _measure_boto_upload(target: Target, tag: str) -> Sample:
    size = target.options.transfer
    file = target.files.get(size)
    digest = target.files.stamp(file, tag)
    bucket = target.bucket("big")
    begin = time.monotonic()
    target.boto.upload_file(str(file), bucket, "transfer")
    sample = _throughput(size, time.monotonic() - begin)
    sample.verify = lambda: _expect_whole(target, f"/{bucket}/transfer", digest)
    return sample


def _prepare_boto_download(target: Target) -> None:
    size, bucket = target.options.transfer, target.bucket("big")
    file = target.files.get(size)
    if target.once("transfer object"):
        digest = target.files.stamp(file, "download")
        target.boto.upload_file(str(file), bucket, "download")
        _expect_whole(target, f"/{bucket}/download", digest)


def _measure_boto_download(target: Target, _: str) -> Sample:
    into = target.options.work / "downloaded"
    begin = time.monotonic()
    target.boto.download_file(target.bucket("big"), "download", str(into))
    sample = _throughput(target.options.transfer, time.monotonic() - begin)
    if into.stat().st_size != target.options.transfer:
        raise BenchError("a short download")
    into.unlink()
    return sample


def catalogue(options: Options) -> list[Check]:
    """All checks, in the order in which they run."""
    big, part, transfer = (f"{size // MIB} MiB" for size in (options.big, options.part, options.transfer))
    return [
        Check("get4k", "GET 4 KiB", "/s", _measure_get, _prepare_get),
        Check("put4k", "PUT 4 KiB", "/s", _measure_put, _prepare_put),
        Check("head", "HEAD", "/s", _measure_head, _prepare_head),
        Check("list1000", "List 1,000 keys", "pages/s", _measure_list, _prepare_list),
        Check(
            "put4k_listing",
            "PUT 4 KiB beside a lister, to alone",
            "ratio",
            _measure_put_beside_list,
            _prepare_list,
        ),
        Check("put1g", f"PUT {big}", "MiB/s", _measure_put_big, _prepare_big),
        Check("get1g", f"GET {big}", "MiB/s", _measure_get_big, _prepare_get_big),
        Check(
            "parts",
            f"{PARTS} parts of {part} at once",
            "MiB/s",
            _measure_parts,
            _prepare_big,
        ),
        Check(
            "boto_put4k",
            "boto3 put 4 KiB, 8 threads",
            "/s",
            _measure_boto_put,
            _prepare_put,
        ),
        Check(
            "boto_get4k",
            "boto3 get 4 KiB, 8 threads",
            "/s",
            _measure_boto_get,
            _prepare_get,
        ),
        Check(
            "boto_upload",
            f"boto3 upload_file {transfer}",
            "MiB/s",
            _measure_boto_upload,
            _prepare_big,
        ),
        Check(
            "boto_download",
            f"boto3 download_file {transfer}",
            "MiB/s",
            _measure_boto_download,
            _prepare_boto_download,
        ),
    ]

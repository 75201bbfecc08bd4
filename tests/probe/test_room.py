"""Room that runs out on a running server: limits that many cannot pass together, and the signals around fullness.

What unmodified clients see of a full store is in tests/compat/test_full_disk.py.
"""

# ruff: noqa: ANN401 - boto3's clients have no types

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from zakrom.admin_client import AdminClient
from zakrom.admin_client.values import Space
from zakrom.testing.server import Server

from .disks import small_disk
from .processes import wait_until

MIB = 1024 * 1024
THREADS = 32
DISK_BYTES = 160 * 10**6
SECONDS_MAX = 15.0


def admin_of(server: Server) -> AdminClient:
    """The admin API, as root."""
    return AdminClient(server.admin_endpoint, server.access_key, server.secret_key)


def code_of(call: Callable[[], Any]) -> str | None:
    """The error code of a call, None if it succeeded. A reset connection is no answer, and raises."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Two workers, so that races are between processes too."""
    with Server(workers=2) as server:
        yield server


@pytest.fixture
def s3(server: Server) -> Any:
    """A client for many threads that never tries again."""
    return server.client(config=Config(max_pool_connections=THREADS, retries={"total_max_attempts": 1}))


@pytest.fixture
def bucket(server: Server, request: pytest.FixtureRequest) -> str:
    """A new one."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))[:40].strip("-")
    server.client().create_bucket(Bucket=name)
    return name


def together(work: Callable[[int], None]) -> None:
    """All threads begin at once."""
    start = threading.Barrier(THREADS)

    def run(number: int) -> None:
        start.wait(SECONDS_MAX)
        work(number)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.parametrize("size", [10_000, 50_000], ids=["inline", "file"])
def test_many_puts_at_once_never_pass_a_quota(server: Server, s3: Any, bucket: str, size: int) -> None:
    """Thirty-two threads put until they are refused: as many objects as fit are there, to the byte, and no more."""
    fit = 40
    admin_of(server).set_quota(fit * size + size - 1, bucket=bucket)
    codes: set[str | None] = set()

    def put(number: int) -> None:
        for turn in range(fit):
            code = code_of(lambda: s3.put_object(Bucket=bucket, Key=f"{number}/{turn}", Body=bytes(size)))  # noqa: B023
            codes.add(code)
            if code is not None:
                return

    together(put)
    usage = admin_of(server).usage(bucket)
    assert codes == {None, "QuotaExceeded"}
    assert (usage.objects, usage.total_bytes) == (fit, fit * size)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == fit


def test_many_parts_and_copies_at_once_never_pass_a_quota(server: Server, s3: Any, bucket: str) -> None:
    """Parts of open uploads count as they come, and a copy, which moves no byte, counts in full."""
    size, fit = 60_000, 30
    s3.put_object(Bucket=bucket, Key="source", Body=bytes(size))
    id = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    admin_of(server).set_quota(fit * size, bucket=bucket)
    where = {"Bucket": bucket, "Key": "parts", "UploadId": id}
    source = {"Bucket": bucket, "Key": "source"}

    def add(number: int) -> None:
        for turn in range(3):
            part = number * 3 + turn + 1
            acts: tuple[Callable[[], Any], ...] = (
                lambda: s3.upload_part(**where, PartNumber=part, Body=bytes(size)),  # noqa: B023
                lambda: s3.upload_part_copy(**where, PartNumber=part, CopySource=source),  # noqa: B023
                lambda: s3.copy_object(Bucket=bucket, Key=f"copy{part}", CopySource=source),  # noqa: B023
            )
            assert code_of(acts[number % 3]) in {None, "QuotaExceeded"}

    together(add)
    usage = admin_of(server).usage(bucket)
    assert usage.total_bytes == fit * size
    assert usage.upload_bytes == size * len(s3.list_parts(**where).get("Parts", []))
    s3.abort_multipart_upload(**where)
    assert admin_of(server).usage(bucket).upload_bytes == 0


def test_a_quota_of_the_store_is_one_for_all_buckets(s3: Any, server: Server, bucket: str) -> None:
    """Two buckets, one limit."""
    size, fit = 20_000, 25
    s3.create_bucket(Bucket=f"{bucket}-2")
    used = admin_of(server).usage().total_bytes
    admin_of(server).set_quota(used + fit * size)

    def put_two(number: int) -> None:
        name = f"{bucket}-2" if number % 2 else bucket
        for turn in range(2):
            code_of(lambda: s3.put_object(Bucket=name, Key=f"{number}/{turn}", Body=bytes(size)))  # noqa: B023

    try:
        together(put_two)
        assert admin_of(server).usage().total_bytes == used + fit * size
    finally:
        admin_of(server).clear_quota()


@pytest.mark.parametrize("versioning", [None, "Suspended"])
def test_what_makes_less_of_it_passes(server: Server, s3: Any, bucket: str, versioning: str | None) -> None:
    """Beyond a quota that was lowered, a smaller object or part in place of a larger one is taken; a larger one is not."""
    if versioning:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": versioning})
    s3.put_object(Bucket=bucket, Key="k", Body=bytes(90_000))
    s3.put_object(Bucket=bucket, Key="small", Body=bytes(10))
    where = {"Bucket": bucket, "Key": "u"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    s3.upload_part(**where, PartNumber=1, Body=bytes(90_000))
    admin_of(server).set_quota(1_000, bucket=bucket)

    assert code_of(lambda: s3.put_object(Bucket=bucket, Key="k", Body=bytes(90_001))) == "QuotaExceeded"
    assert code_of(lambda: s3.put_object(Bucket=bucket, Key="new", Body=b"1")) == "QuotaExceeded"
    assert code_of(lambda: s3.upload_part(**where, PartNumber=2, Body=b"1")) == "QuotaExceeded"
    assert (
        code_of(lambda: s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "small"}))
        == "QuotaExceeded"
    )
    assert code_of(lambda: s3.upload_part(**where, PartNumber=1, Body=bytes(80_000))) is None
    assert code_of(lambda: s3.put_object(Bucket=bucket, Key="k", Body=bytes(90_000))) is None
    assert code_of(lambda: s3.put_object(Bucket=bucket, Key="k", Body=bytes(40_000))) is None
    assert code_of(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"")) is None
    assert (
        code_of(lambda: s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "small"}))
        == "QuotaExceeded"
    )
    assert admin_of(server).usage(bucket).total_bytes == 80_010


def head_answered(server: Server, bucket: str, key: str, length: int) -> bytes:
    """What comes back to the head of a PUT that waits for ``100 Continue`` and sends no body."""
    url = urlsplit(server.client().generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key}))
    head = (
        f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    )
    with closing(socket.create_connection((url.hostname or "", url.port or 0), timeout=SECONDS_MAX)) as connection:
        connection.sendall(head.encode())
        return connection.recv(64 * 1024)


def test_a_refusal_comes_before_the_body_is_asked_for(server: Server, bucket: str) -> None:
    """Who asks with Expect is told 507, and not first to go on; who fits is told to go on."""
    admin_of(server).set_quota(500_000, bucket=bucket)

    refused = head_answered(server, bucket, "k", 500_001)
    assert refused.startswith(b"HTTP/1.1 507 ")
    assert b"<Code>QuotaExceeded</Code>" in refused
    assert head_answered(server, bucket, "k", 500_000).startswith(b"HTTP/1.1 100 ")
    disk = head_answered(server, bucket, "k", 1 << 42)
    assert disk.startswith((b"HTTP/1.1 507 ", b"HTTP/1.1 400 "))
    assert b"100 Continue" not in disk


# ----------------------------------------------------------------------------------------------------------- a full disk


def events(server: Server, text: str) -> int:
    """How many lines of the log tell that."""
    return sum(
        text in str(json.loads(line).get("event")) for line in server.log_path.read_text().splitlines() if line[:1] == "{"
    )


def metric(server: Server, name: str) -> float:
    """A metric without labels, as any worker tells it."""
    with closing(server.access.connect()) as connection:
        connection.request("GET", "/-/metrics")
        text = connection.getresponse().read().decode()
    (value,) = re.findall(rf"^{name} (\S+)$", text, re.MULTILINE)
    return float(value)


def waiting(server: Server, bucket: str | None, told: dict[str | None, Space]) -> threading.Thread:
    """A thread that waits for room in a bucket, or in the store."""

    def wait() -> None:
        told[bucket] = admin_of(server).wait_for_space(bucket, seconds=SECONDS_MAX)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("reserve", ["30MB", "0"], ids=["reserve", "to-the-last-byte"])
def test_fullness_is_told_once_and_its_end_too(tmp_path: Path, reserve: str) -> None:
    """One log line and a metric when the disk is full and when it is not any more; who waits for room is woken by a delete."""
    with (
        small_disk(tmp_path / "disk", DISK_BYTES) as disk,
        Server(disk / "data", workers=2, args=["--reserve", reserve]) as server,
    ):
        s3 = server.client()
        for name in ("full", "other"):
            s3.create_bucket(Bucket=name)
        s3.put_object(Bucket="full", Key="kept", Body=bytes(3 * MIB))
        number = 0
        while (code := code_of(lambda: s3.put_object(Bucket="full", Key=f"k{number}", Body=bytes(4 * MIB)))) is None:  # noqa: B023
            number += 1
        assert code == "InsufficientStorage"
        for _ in range(5):
            assert code_of(lambda: s3.put_object(Bucket="other", Key="k", Body=bytes(4 * MIB))) == code
        assert head_answered(server, "full", "more", 4 * MIB).startswith(b"HTTP/1.1 507 ")
        wait_until(lambda: events(server, "the store is full") == 1, SECONDS_MAX, lambda: server.log)
        assert metric(server, "zakrom_full") == 1
        assert admin_of(server).info().full
        assert len(s3.get_object(Bucket="full", Key="kept")["Body"].read()) == 3 * MIB

        told: dict[str | None, Space] = {}
        threads = [waiting(server, scope, told) for scope in ("full", None)]
        line = [sys.executable, "-m", "zakrom", "admin", "space", "wait", "--bucket", "full", "--seconds", "15"]
        command = subprocess.Popen(line, env=server.env(), stdout=subprocess.DEVNULL)
        time.sleep(1.5)  # until they wait
        assert told == {}
        began = time.monotonic()
        for gone in range(3):
            s3.delete_object(Bucket="full", Key=f"k{gone}")
        for thread in threads:
            thread.join(SECONDS_MAX)
        assert command.wait(SECONDS_MAX) == 0
        assert {scope: space.freed for scope, space in told.items()} == {"full": True, None: True}
        assert time.monotonic() - began < SECONDS_MAX / 2
        wait_until(lambda: events(server, "the store has room again") == 1, SECONDS_MAX, lambda: server.log)
        assert metric(server, "zakrom_full") == 0
        assert code_of(lambda: s3.put_object(Bucket="other", Key="k", Body=bytes(4 * MIB))) is None
        assert (events(server, "the store is full"), events(server, "the store has room again")) == (1, 1)

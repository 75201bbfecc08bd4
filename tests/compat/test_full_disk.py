"""A full store as unmodified clients meet it: a clear 507, nothing half-written, reads and deletes go on, freed room is room.

Three ways to be full: a bucket's quota, a file system without a free byte, and the reserve of free space. Four ways to
send: boto3 with ``Expect: 100-continue`` (what it does with a file), boto3 without (what it does with bytes), minio-py,
each with single objects and with multipart uploads. None may see a reset connection, a timeout or an IncompleteBody.
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from botocore.exceptions import ClientError
from minio import Minio
from minio.error import S3Error

from zakrom.testing import empty
from zakrom.testing.server import Server

from .kit import KIB, MIB, SERVER_ARGUMENTS, WORKERS, run, sample

DISK_BYTES = 200 * 10**6
QUOTA_BYTES = 20 * 10**6

ROOM_BYTES = 48 * MIB
"""What is left for the server on a disk, after its own files, the reserve and the ballast: some ten objects fill it."""

OBJECT_BYTES = 4 * MIB
"""Large enough that a full store is reached in some fifty objects, small enough that every kind of full store takes a few."""

PART_BYTES = 5 * MIB
OBJECTS_MAX = 60
"""No store of these tests holds more: a loop that goes on has lost the limit."""


class Refused(Exception):
    """The server said no, in S3's words."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.answer = (status, code)


class Sender(Protocol):
    """A client as this file uses it. A refusal by the server is `Refused`; anything else comes as the client raises it."""

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Send an object in one request."""
        ...

    def put_parts(self, bucket: str, key: str, body: bytes) -> None:
        """Send an object in parts; on a refusal the upload is aborted."""
        ...


class Boto:
    """boto3. It sends ``Expect: 100-continue`` with what it reads from a file, and never with bytes."""

    def __init__(self, server: Server, *, expect: bool) -> None:
        self._s3: Any = server.client()
        self._wrap: Callable[[bytes], Any] = io.BytesIO if expect else bytes

    def put(self, bucket: str, key: str, body: bytes) -> None:
        with self._translated():
            self._s3.put_object(Bucket=bucket, Key=key, Body=self._wrap(body))

    def put_parts(self, bucket: str, key: str, body: bytes) -> None:
        where = {"Bucket": bucket, "Key": key}
        with self._translated():
            upload = self._s3.create_multipart_upload(**where)["UploadId"]
            try:
                parts = []
                for number, start in enumerate(range(0, len(body), PART_BYTES), 1):
                    piece = self._wrap(body[start : start + PART_BYTES])
                    sent = self._s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=piece)
                    parts.append({"PartNumber": number, "ETag": sent["ETag"]})
                self._s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
            except ClientError:
                self._s3.abort_multipart_upload(**where, UploadId=upload)
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise Refused(error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]) from error


class MinioPy:
    """minio-py, which never waits for a ``100 Continue``, and aborts a refused upload by itself."""

    def __init__(self, server: Server) -> None:
        address = server.endpoint.partition("://")[2]
        self._client = Minio(address, access_key=server.access_key, secret_key=server.secret_key, secure=False)

    def put(self, bucket: str, key: str, body: bytes) -> None:
        with self._translated():
            self._client.put_object(bucket, key, io.BytesIO(body), len(body))

    def put_parts(self, bucket: str, key: str, body: bytes) -> None:
        with self._translated():
            self._client.put_object(bucket, key, io.BytesIO(body), len(body), part_size=PART_BYTES)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except S3Error as error:
            raise Refused(error.response.status, str(error.code)) from error


SENDERS: dict[str, Callable[[Server], Sender]] = {
    "boto3-expect": lambda server: Boto(server, expect=True),
    "boto3": lambda server: Boto(server, expect=False),
    "minio-py": MinioPy,
}


@dataclass(frozen=True, slots=True)
class Narrow:
    """A server with little room, and the code by which it says so."""

    server: Server
    code: str
    quota_bytes: int | None = None

    def bucket(self, name: str) -> str:
        """A new bucket, with the quota if that is what makes the room narrow."""
        self.server.client().create_bucket(Bucket=name)
        if self.quota_bytes:
            set_quota(self.server, name, str(self.quota_bytes))
        return name


def set_quota(server: Server, *arguments: str) -> None:
    """Set a quota as an operator does."""
    run([sys.executable, "-m", "zakrom", "admin", "quota", "set", *arguments], server.env())


@contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """A file system of `DISK_BYTES` that nobody else writes to."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small tmpfs")
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(directory)]
    done = subprocess.run(mount, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        pytest.skip(f"this root may not mount: {done.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True, timeout=30)


@pytest.fixture(scope="module", params=["quota", "disk", "reserve"])
def narrow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Narrow]:
    """One server for each way of being full; its tests empty it again."""
    if request.param == "quota":
        with Server(workers=WORKERS, args=SERVER_ARGUMENTS) as server:
            yield Narrow(server, "QuotaExceeded", QUOTA_BYTES)
        return
    reserve = {"disk": 0, "reserve": 50 * 10**6}[request.param]
    with (
        small_disk(tmp_path_factory.mktemp("small") / "disk") as disk,
        Server(disk / "data", workers=WORKERS, args=[*SERVER_ARGUMENTS, "--reserve", str(reserve)]) as server,
    ):
        with (disk / "ballast").open("wb") as ballast:  # what others keep on the same disk
            os.posix_fallocate(ballast.fileno(), 0, shutil.disk_usage(disk).free - reserve - ROOM_BYTES)
        yield Narrow(server, "InsufficientStorage")


@pytest.fixture(params=SENDERS)
def sender(request: pytest.FixtureRequest, narrow: Narrow) -> Sender:
    """One way to send."""
    return SENDERS[request.param](narrow.server)


@pytest.fixture
def bucket(narrow: Narrow) -> Iterator[str]:
    """A bucket of the narrow server; that it can be emptied and removed while the store is full is part of the promise."""
    name = narrow.bucket(f"full-{secrets.token_hex(8)}")
    yield name
    empty.remove(narrow.server.access, name)


def fill(sender: Sender, bucket: str) -> tuple[dict[str, bytes], tuple[int, str]]:
    """Put objects until the store refuses one: what it acknowledged, and what it said in the end."""
    stored: dict[str, bytes] = {}
    for number in range(OBJECTS_MAX):
        body = sample(OBJECT_BYTES, number)
        try:
            sender.put(bucket, f"o{number:02}", body)
        except Refused as refusal:
            return stored, refusal.answer
        stored[f"o{number:02}"] = body
    raise AssertionError(f"{OBJECTS_MAX} objects of {OBJECT_BYTES} bytes went into a store that has no room for them")


def refusal_of(call: Callable[[], None]) -> tuple[int, str]:
    """What the server says to a call that must be refused."""
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.answer


def listed(s3: Any, bucket: str) -> list[str]:
    """The keys of a bucket of less than a page."""
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_single_objects(narrow: Narrow, sender: Sender, bucket: str) -> None:
    """Object after object until one is refused; what was acknowledged is whole, what was refused is not there at all."""
    stored, answer = fill(sender, bucket)
    again = [refusal_of(lambda: sender.put(bucket, "more", sample(OBJECT_BYTES))) for _ in range(5)]
    s3 = narrow.server.client()

    assert answer == (507, narrow.code)
    assert set(again) == {(507, narrow.code)}
    assert len(stored) >= 2
    assert listed(s3, bucket) == sorted(stored)
    for key, body in stored.items():
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body


def test_multipart(narrow: Narrow, sender: Sender, bucket: str) -> None:
    """A large upload that does not fit is refused at the part that finds no room, and leaves nothing behind."""
    body = sample(5 * PART_BYTES if narrow.quota_bytes else 2 * ROOM_BYTES)
    answer = refusal_of(lambda: sender.put_parts(bucket, "large", body))
    s3 = narrow.server.client()
    left = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    sender.put_parts(bucket, "fits", body[: 3 * PART_BYTES])

    assert answer == (507, narrow.code)
    assert left == []
    assert listed(s3, bucket) == ["fits"]
    assert s3.get_object(Bucket=bucket, Key="fits")["Body"].read() == body[: 3 * PART_BYTES]


def test_freed_room_is_room_at_once(narrow: Narrow, sender: Sender, bucket: str) -> None:
    """In a full store a delete succeeds, and what it frees takes the next object immediately, again and again."""
    stored, _ = fill(sender, bucket)
    s3 = narrow.server.client()
    for round_number, key in enumerate(sorted(stored)[:4]):
        s3.delete_object(Bucket=bucket, Key=key)
        stored.pop(key)
        body = sample(OBJECT_BYTES, 100 + round_number)
        sender.put(bucket, f"new{round_number}", body)
        stored[f"new{round_number}"] = body

    assert listed(s3, bucket) == sorted(stored)
    for key, body in stored.items():
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body


def test_everything_can_be_deleted(narrow: Narrow, sender: Sender, bucket: str) -> None:
    """A full store is emptied by one DeleteObjects, and then holds as much as before."""
    stored, _ = fill(sender, bucket)
    s3 = narrow.server.client()
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in stored]})
    again, _ = fill(sender, bucket)

    assert len(answer["Deleted"]) == len(stored)
    assert abs(len(again) - len(stored)) <= 1


def test_small_objects_are_refused_too(narrow: Narrow, sender: Sender, bucket: str) -> None:
    """Objects so small that they ride in the catalog meet the same limit with the same answer, and can be deleted."""
    fill(sender, bucket)
    body = sample(30 * KIB)
    small: list[str] = []
    answer = (0, "")
    for number in range(4 * OBJECT_BYTES // len(body)):
        try:
            sender.put(bucket, f"s{number:04}", body)
        except Refused as refusal:
            answer = refusal.answer
            break
        small.append(f"s{number:04}")
    s3 = narrow.server.client()
    for key in small:
        s3.delete_object(Bucket=bucket, Key=key)

    assert answer == (507, narrow.code)
    assert not [key for key in listed(s3, bucket) if key.startswith("s")]


def test_a_reserve_larger_than_the_disk(tmp_path: Path) -> None:
    """A server whose reserve is not there refuses every write, and still reads, lists and deletes what it has."""
    with Server(tmp_path / "data", args=SERVER_ARGUMENTS) as server:
        s3 = server.client()
        s3.create_bucket(Bucket="full")
        for key in ("kept", "goes"):
            s3.put_object(Bucket="full", Key=key, Body=sample(100 * KIB))
    with Server(tmp_path / "data", args=[*SERVER_ARGUMENTS, "--reserve", "1000TB"]) as server:
        s3 = server.client()
        refusals = [
            refusal_of(lambda make=make, body=body: make(server).put("full", "new", body))  # type: ignore[misc]
            for make in SENDERS.values()
            for body in (sample(100 * KIB), sample(20 * MIB))
        ]
        s3.delete_object(Bucket="full", Key="goes")

        assert set(refusals) == {(507, "InsufficientStorage")}
        assert listed(s3, "full") == ["kept"]
        assert s3.get_object(Bucket="full", Key="kept")["Body"].read() == sample(100 * KIB)


def test_a_quota_of_the_whole_store(tmp_path: Path) -> None:
    """A quota of the store counts all buckets together; raising it makes room at once."""
    with Server(tmp_path / "data", args=SERVER_ARGUMENTS) as server:
        s3 = server.client()
        for name in ("one", "two"):
            s3.create_bucket(Bucket=name)
        set_quota(server, "--store", "10MB")
        s3.put_object(Bucket="one", Key="k", Body=sample(6_000_000))
        for make in SENDERS.values():
            sender = make(server)

            assert refusal_of(lambda sender=sender: sender.put("two", "k", sample(6_000_000))) == (507, "QuotaExceeded")  # type: ignore[misc]
        set_quota(server, "--store", "20MB")
        s3.put_object(Bucket="two", Key="k", Body=sample(6_000_000))

        assert listed(s3, "two") == ["k"]

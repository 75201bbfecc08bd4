"""What an operator lives through with `zakrom admin` and `AdminClient`, against a running `zakrom serve` and boto3."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zakrom import errors
from zakrom.admin_client import AdminClient
from zakrom.testing.access import Access
from zakrom.testing.server import Server

LARGE = 100_000  # bytes: more than what rides in the catalog, so that there is a file
SOON = 10.0  # seconds in which a thing happens that takes milliseconds on a machine with time


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers: what one hears from the admin API, both must obey."""
    with Server(tmp_path_factory.mktemp("admin") / "data", workers=2, args=["--scrub-interval", "off"]) as server:
        client_of(server)
        yield server


@pytest.fixture
def root(server: Server) -> AdminClient:
    """Root's client."""
    return client_of(server)


def client_of(server: Server) -> AdminClient:
    """Root's client, as soon as it is answered: S3 is ready first, the admin API a moment later."""
    client = AdminClient(server.admin_endpoint, server.access_key, server.secret_key, ca=server.authority)
    until(lambda: answers(client))
    return client


def answers(client: AdminClient) -> bool:
    """Whether the admin API is there."""
    try:
        return client.health().ready
    except errors.Unavailable:
        return False


def zakrom(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `zakrom admin` as a process, with the environment that any S3 client is given."""
    line = [sys.executable, "-m", "zakrom", "admin", *arguments]
    return subprocess.run(line, env=server.env(), capture_output=True, text=True, timeout=60, check=False)


def access(server: Server, access_key: str, secret_key: str) -> Access:
    """S3 with another key."""
    return Access(server.endpoint, access_key, secret_key, server.region)


def code_of(call: Callable[[], object]) -> str:
    """The S3 code that a boto3 call fails with; empty if it does not."""
    from botocore.exceptions import ClientError

    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def until(condition: Callable[[], bool]) -> None:
    """Returns when it holds; fails if it does not soon."""
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_user_comes_works_and_goes(server: Server) -> None:
    """Added on the command line, ada works on buckets of her own with boto3; disabled, she is refused everywhere at once."""
    added = zakrom(server, "user", "add", "ada", "--display-name", "Ada", "--email", "ada@example.org", "--json")
    key = json.loads(added.stdout)["key"]
    hers = access(server, key["access_key"], key["secret_key"])
    s3, roots = hers.client(), server.client()
    roots.create_bucket(Bucket="roots-bucket")

    s3.create_bucket(Bucket="adas-bucket")
    s3.put_object(Bucket="adas-bucket", Key="k", Body=b"hers")
    assert s3.list_buckets()["Owner"]["DisplayName"] == "Ada"
    assert code_of(lambda: s3.get_object(Bucket="roots-bucket", Key="k")) == "AccessDenied"
    assert roots.get_object(Bucket="adas-bucket", Key="k")["Body"].read() == b"hers"
    assert zakrom(server, "user", "rm", "ada").returncode == 2  # she owns a bucket

    assert zakrom(server, "user", "disable", "ada").stdout == "user ada is disabled\n"
    refused = {hers.request("GET", "/adas-bucket/k").status for _ in range(20)}  # a connection each: both workers
    assert refused == {403}
    assert zakrom(server, "user", "enable", "ada").returncode == 0
    assert {hers.request("GET", "/adas-bucket/k").status for _ in range(20)} == {200}

    s3.delete_object(Bucket="adas-bucket", Key="k")
    s3.delete_bucket(Bucket="adas-bucket")
    assert zakrom(server, "user", "rm", "ada").returncode == 0
    assert {hers.request("GET", "/").status for _ in range(20)} == {403}
    assert zakrom(server, "user", "disable", "ada").returncode == 3


def test_keys_rotate_without_a_break(server: Server, root: AdminClient) -> None:
    """A program with the old key works until the one with the new key does; then the old one is gone for every worker."""
    first = root.add_user("rotator").key
    assert first is not None
    old = access(server, first.access_key, first.secret_key)
    second = root.add_key("rotator")
    new = access(server, second.access_key, second.secret_key)

    assert {old.request("GET", "/").status, new.request("GET", "/").status} == {200}
    AdminClient(server.admin_endpoint, second.access_key, second.secret_key).me()
    root.remove_key(first.access_key)

    assert {old.request("GET", "/").status for _ in range(20)} == {403}
    assert {new.request("GET", "/").status for _ in range(20)} == {200}


def test_a_quota_refuses_and_a_delete_wakes_who_waits(server: Server, root: AdminClient) -> None:
    """Beyond the quota an upload is refused with 507; who waits is woken by a delete through S3, and then it succeeds."""
    key = root.add_user("uploader").key
    assert key is not None
    user = access(server, key.access_key, key.secret_key)
    s3 = user.client()
    s3.create_bucket(Bucket="small")
    assert zakrom(server, "quota", "set", "small", "150KB").returncode == 0
    s3.put_object(Bucket="small", Key="first", Body=bytes(LARGE))
    waiter = AdminClient(server.admin_endpoint, key.access_key, key.secret_key)
    before = waiter.space("small")

    answer = user.request("PUT", "/small/second", body=bytes(LARGE))
    assert answer.status == 507
    assert b"<Code>QuotaExceeded</Code>" in answer.body
    assert (LARGE, 150_000) == (before.used_bytes, before.quota_bytes)

    deleting = threading.Timer(0.3, lambda: s3.delete_object(Bucket="small", Key="first"))
    deleting.start()
    found = waiter.wait_for_space("small", after=before.cursor, seconds=30)
    deleting.join()

    assert (True, 0) == (found.freed, found.used_bytes)
    assert user.request("PUT", "/small/second", body=bytes(LARGE)).status == 200
    usage = root.usage("small")
    assert (1, LARGE, 150_000) == (usage.objects, usage.total_bytes, usage.quota_bytes)


def test_the_parts_of_an_upload_count(server: Server, root: AdminClient) -> None:
    """Usage tells open uploads apart, and aborting one is freed space."""
    s3 = server.client()
    s3.create_bucket(Bucket="parts")
    upload = s3.create_multipart_upload(Bucket="parts", Key="k")["UploadId"]
    s3.upload_part(Bucket="parts", Key="k", UploadId=upload, PartNumber=1, Body=bytes(LARGE))

    usage = root.usage("parts")
    cursor = root.space("parts").cursor
    s3.abort_multipart_upload(Bucket="parts", Key="k", UploadId=upload)

    assert (0, 0, 1, LARGE, LARGE) == (usage.objects, usage.bytes, usage.uploads, usage.upload_bytes, usage.total_bytes)
    assert root.wait_for_space("parts", after=cursor, seconds=SOON).used_bytes == 0


def test_scrub_names_what_the_disk_has_lost(server: Server, root: AdminClient) -> None:
    """A byte flipped on disk is found by `scrub --now --wait --report`, with bucket and key; the others are sound."""
    s3 = server.client()
    s3.create_bucket(Bucket="rotting")
    for name in ("sound", "rotten"):
        s3.put_object(Bucket="rotting", Key=name, Body=name.encode() * LARGE)
    rotten = next(path for path in blob_files(server.data) if path.read_bytes().startswith(b"rotten"))
    with rotten.open("r+b") as file:
        file.seek(LARGE)
        file.write(b"!")

    done = zakrom(server, "scrub", "--now", "--wait", "--report", "--json")

    report = json.loads(done.stdout)
    named = {(one["bucket"], one["key"]) for damage in report["damages"] for one in damage["versions"]}
    assert (8, {("rotting", "rotten")}) == (done.returncode, named)
    assert report["scrub"]["facts"]["damaged"] == 1
    assert root.info().damages == 1

    s3.put_object(Bucket="rotting", Key="rotten", Body=b"again")  # an operator restores it from elsewhere
    until(lambda: all(not damage.versions for damage in root.damages()))


def blob_files(data: Path) -> Iterator[Path]:
    """The files of blobs."""
    return (path for path in (data / "blobs").rglob("*") if path.is_file())


def test_info_is_that_of_the_running_server(server: Server, root: AdminClient) -> None:
    """Workers, regions, data directory, jobs; the figures of the disk."""
    info = root.info()

    assert (2, server.region, str(server.data)) == (info.workers, info.region, info.data_directory)
    assert {"reap", "sweep", "scrub"} <= {job.name for job in info.jobs}
    assert info.disk.free_bytes > info.disk.reserve_bytes > 0
    assert zakrom(server, "info").returncode == 0


def test_what_was_set_survives_a_restart(tmp_path: Path) -> None:
    """Users, keys, quotas and cursors are facts like any other: also over `kill -9`."""
    with Server(tmp_path / "data") as server:
        root = client_of(server)
        key = root.add_user("stays", email="s@example.org").key
        s3 = server.client()
        s3.create_bucket(Bucket="kept")
        s3.put_object(Bucket="kept", Key="k", Body=b"12345")
        root.set_quota(10**9, bucket="kept")
        root.set_quota(10**12)
        before = root.space("kept").cursor
        s3.delete_object(Bucket="kept", Key="k")

        server.kill()
        server.start()
        until(lambda: answers(root))

        assert key is not None
        assert access(server, key.access_key, key.secret_key).request("GET", "/").status == 200
        assert root.user("stays").email == "s@example.org"
        assert (10**9, 10**12) == (root.quota("kept").quota_bytes, root.quota().quota_bytes)
        assert root.wait_for_space("kept", after=before, seconds=SOON).freed


def test_who_waits_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    """SIGTERM while somebody waits: the server ends soon, the client waits on, and misses nothing that the next one frees."""
    with Server(tmp_path / "data") as server, ThreadPoolExecutor(1) as pool:
        root, s3 = client_of(server), server.client()
        s3.create_bucket(Bucket="awaited")
        s3.put_object(Bucket="awaited", Key="k", Body=b"12345")
        waiting = pool.submit(root.wait_for_space, "awaited", seconds=60)
        time.sleep(0.5)
        started = time.monotonic()

        server.stop()
        stopped = time.monotonic() - started
        server.start()
        s3.delete_object(Bucket="awaited", Key="k")

        assert waiting.result(SOON).freed
        assert stopped < 5


def test_the_admin_api_speaks_tls_too(tmp_path: Path) -> None:
    """With the server's certificate; the command line trusts what the SDKs trust."""
    with Server(tmp_path / "data", tls=True) as server:
        assert server.admin_endpoint.startswith("https://")
        client_of(server)
        assert zakrom(server, "me", "--json").returncode == 0
        assert zakrom(server, "me", "--insecure").returncode == 0
        with pytest.raises(errors.InvalidSetting, match="not trusted"):
            AdminClient(server.admin_endpoint, server.access_key, server.secret_key).me()

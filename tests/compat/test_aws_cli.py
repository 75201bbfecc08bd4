"""aws-cli, version 1 (from PyPI) and version 2 (the system's): the commands of its S3 guide."""

from __future__ import annotations

import io
import json
import ssl
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zakrom.testing.access import Access

from .kit import KIB, MIB, TREE, read_tree, run, sample, write_tree

Aws = Callable[..., str]

CLIENT_PATIENCE_SECONDS = 60.0
"""How long botocore waits for an answer before it tries again: a command that takes so long has waited in vain once."""

pytestmark = pytest.mark.parametrize("aws_cli", ["1", "2"], indirect=True, ids=["v1", "v2"])


@pytest.fixture
def aws(aws_cli: str, access: Access, home: Path) -> Aws:
    """Runs one command and gives its stdout. Version 2 opens a pager on a terminal only, and there is none here."""
    env = access.environment(home)

    def call(*arguments: str | Path, expect: int = 0) -> str:
        return run([aws_cli, "--endpoint-url", access.endpoint, *arguments], env, expect=expect)

    return call


@pytest.fixture
def s3(access: Access) -> Any:
    """boto3, to prepare what a command finds and to look at what it left: each start of aws-cli costs a second."""
    return access.client()


def api(aws: Aws, command: str, *arguments: str | Path) -> Any:
    """What an ``s3api`` command answers, as values."""
    out = aws("s3api", command, *arguments, "--output", "json")
    return json.loads(out) if out.strip() else None


def test_files_go_up_and_down(aws: Aws, bucket: str, tmp_path: Path) -> None:
    """``cp`` takes a small and a large file there and back, byte for byte."""
    url = f"s3://{bucket}/granary/"
    for name, body in (("small.txt", b"one line\n"), ("large.bin", sample(20 * MIB))):
        there, back = tmp_path / name, tmp_path / f"{name}.back"
        there.write_bytes(body)
        aws("s3", "cp", there, url)
        aws("s3", "cp", url + name, back)

        assert back.read_bytes() == body


@pytest.mark.parametrize("access", ["https"], indirect=True)
def test_over_https(aws: Aws, access: Access, bucket: str, tmp_path: Path) -> None:
    """The same over https, where the checksum travels behind the body; and a link that reads without keys."""
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(sample(9 * MIB))
    aws("s3", "cp", there, f"s3://{bucket}/k e y")
    aws("s3", "cp", f"s3://{bucket}/k e y", back)
    link = aws("s3", "presign", f"s3://{bucket}/k e y", "--expires-in", "60").strip()
    trust = ssl.create_default_context(cafile=access.authority)
    with urllib.request.urlopen(link, timeout=30, context=trust) as answer:
        linked = answer.read()

    assert back.read_bytes() == there.read_bytes()
    assert linked == there.read_bytes()


def test_a_presigned_link(aws: Aws, s3: Any, bucket: str) -> None:
    """``presign`` gives a link that works without keys."""
    s3.put_object(Bucket=bucket, Key="k e y", Body=b"grain", ContentType="text/x-rye")
    with urllib.request.urlopen(aws("s3", "presign", f"s3://{bucket}/k e y").strip(), timeout=30) as answer:
        assert (answer.read(), answer.headers["content-type"]) == (b"grain", "text/x-rye")


def test_buckets(aws: Aws, s3: Any) -> None:
    """``mb``, ``ls`` and ``rb``; a bucket that is not empty stays, and goes with --force."""
    name = "compat-aws-cli"
    aws("s3", "mb", f"s3://{name}")
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    listed = aws("s3", "ls")
    aws("s3", "rb", f"s3://{name}", expect=1)
    aws("s3", "rb", "--force", f"s3://{name}")

    assert name in listed.split()
    assert name not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


def test_sync_moves_what_differs(aws: Aws, bucket: str, tmp_path: Path) -> None:
    """``sync`` brings a tree up and down again, sends nothing twice, and deletes when told."""
    files = {name: body for name, body in TREE.items() if name != "large.bin"}
    there = write_tree(tmp_path / "there", files)
    aws("s3", "sync", there, f"s3://{bucket}/tree")
    again = aws("s3", "sync", there, f"s3://{bucket}/tree")
    (there / "small.txt").unlink()
    aws("s3", "sync", "--delete", there, f"s3://{bucket}/tree")
    aws("s3", "sync", f"s3://{bucket}/tree", tmp_path / "back")

    assert again == ""
    assert read_tree(tmp_path / "back") == {name: body for name, body in files.items() if name != "small.txt"}


def test_an_empty_file_before_others(aws: Aws, bucket: str, home: Path, tmp_path: Path) -> None:
    """A file without bytes is answered so that the next one on its connection is understood.

    The botocore of aws-cli 2.9 keeps a status line that comes instead of ``100 Continue`` for the connection's next
    answer, cannot read that, and hangs for a minute. Either a 100 comes first, or the connection ends.
    """
    (home / "aws-config").write_text("[default]\ns3 =\n  max_concurrent_requests = 1\n")
    files = {"1": b"x", "2-empty": b"", "3": b"y", "4-empty": b"", "5": b"z"}
    began = time.monotonic()
    aws("s3", "sync", write_tree(tmp_path / "there", files), f"s3://{bucket}")
    took = time.monotonic() - began
    aws("s3", "sync", f"s3://{bucket}", tmp_path / "back")

    assert read_tree(tmp_path / "back") == files
    assert took < CLIENT_PATIENCE_SECONDS / 2


def test_listing(aws: Aws, s3: Any, bucket: str) -> None:
    """``ls`` shows folders, --recursive every key, also when the pages are small."""
    names = [f"{folder}/{number}" for folder in "abc" for number in range(4)]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=b"x")
    folders = aws("s3", "ls", f"s3://{bucket}/")
    every = aws("s3", "ls", "--recursive", "--page-size", "5", f"s3://{bucket}")
    some = api(aws, "list-objects-v2", "--bucket", bucket, "--delimiter", "/", "--prefix", "a/", "--query", "Contents[].Key")

    assert folders.split() == ["PRE", "a/", "PRE", "b/", "PRE", "c/"]
    assert [line.split()[3] for line in every.splitlines()] == names
    assert some == names[:4]


def test_copy_and_move_within_the_store(aws: Aws, s3: Any, bucket: str) -> None:
    """``cp`` and ``mv`` between keys happen on the server, also for an object of many parts."""
    body = sample(20 * MIB)
    s3.upload_fileobj(io.BytesIO(body), bucket, "large")
    aws("s3", "cp", f"s3://{bucket}/large", f"s3://{bucket}/copy")
    aws("s3", "mv", f"s3://{bucket}/copy", f"s3://{bucket}/moved")

    assert s3.get_object(Bucket=bucket, Key="moved")["Body"].read() == body
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["large", "moved"]


def test_versions_are_kept_and_restored(aws: Aws, s3: Any, bucket: str, tmp_path: Path) -> None:
    """A deleted object comes back by removing its marker, an old version by its id."""
    place = ("--bucket", bucket, "--key", "k")
    api(aws, "put-bucket-versioning", "--bucket", bucket, "--versioning-configuration", "Status=Enabled")
    (tmp_path / "body").write_bytes(b"one")
    first = api(aws, "put-object", *place, "--body", tmp_path / "body")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"two")["VersionId"]
    aws("s3", "rm", f"s3://{bucket}/k")
    listed = api(aws, "list-object-versions", "--bucket", bucket)
    api(aws, "delete-object", *place, "--version-id", listed["DeleteMarkers"][0]["VersionId"])
    api(aws, "get-object", *place, "--version-id", first, tmp_path / "old")

    assert [entry["VersionId"] for entry in listed["Versions"]] == [second, first]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"two"
    assert (tmp_path / "old").read_bytes() == b"one"


def test_tags_and_metadata(aws: Aws, bucket: str, tmp_path: Path) -> None:
    """Tags and metadata that were put are what is read."""
    place = ("--bucket", bucket, "--key", "k")
    body = tmp_path / "body"
    body.write_bytes(sample(3 * KIB))
    aws("s3", "cp", "--metadata", "field=north", "--content-type", "application/x-grain", body, f"s3://{bucket}/k")
    api(aws, "put-object-tagging", *place, "--tagging", "TagSet=[{Key=kind,Value=rye}]")
    tags = api(aws, "get-object-tagging", *place)["TagSet"]
    head = api(aws, "head-object", *place)

    assert tags == [{"Key": "kind", "Value": "rye"}]
    assert (head["ContentLength"], head["Metadata"]) == (3 * KIB, {"field": "north"})
    assert head["ContentType"] == "application/x-grain"


def test_deletions(aws: Aws, s3: Any, bucket: str) -> None:
    """``rm`` deletes one key or a prefix, delete-objects a list."""
    for name in ("a/1", "a/2", "b", "c", "d"):
        s3.put_object(Bucket=bucket, Key=name, Body=b"x")
    aws("s3", "rm", f"s3://{bucket}/b")
    aws("s3", "rm", "--recursive", f"s3://{bucket}/a")
    api(aws, "delete-objects", "--bucket", bucket, "--delete", "Objects=[{Key=c},{Key=never}]")

    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["d"]


def test_streams_through_stdin_and_stdout(aws_cli: str, access: Access, home: Path, bucket: str) -> None:
    """``cp -`` writes what it reads from a pipe, and reads into one."""
    env = access.environment(home)
    line = [aws_cli, "--endpoint-url", access.endpoint, "s3", "cp"]
    run([*line, "-", f"s3://{bucket}/piped"], env, stdin=("зерно\n" * 1_000_000).encode())

    assert run([*line, f"s3://{bucket}/piped", "-"], env) == "зерно\n" * 1_000_000


def test_bucket_policies(aws: Aws, bucket: str, s3: Any, tmp_path: Path) -> None:
    """A policy goes up, comes back as it was, is in force for its author too, and goes."""
    s3.put_object(Bucket=bucket, Key="shut/barn", Body=b"hay")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/shut/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]}, indent=2)
    (tmp_path / "policy.json").write_text(document)

    aws("s3api", "put-bucket-policy", "--bucket", bucket, "--policy", f"file://{tmp_path}/policy.json")
    assert aws("s3api", "get-bucket-policy", "--bucket", bucket, "--query", "Policy", "--output", "text").strip() == document
    assert api(aws, "get-bucket-policy-status", "--bucket", bucket) == {"PolicyStatus": {"IsPublic": False}}
    aws("s3", "cp", f"s3://{bucket}/shut/barn", tmp_path / "barn", expect=1)
    aws("s3api", "delete-bucket-policy", "--bucket", bucket)
    aws("s3", "cp", f"s3://{bucket}/shut/barn", tmp_path / "barn")

    assert (tmp_path / "barn").read_bytes() == b"hay"

"""aws-cli, version 1 (from PyPI) and version 2 (the system's): the commands of its S3 guide, over http and https."""

from __future__ import annotations

import json
import ssl
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zakrom.testing.access import Access

from .kit import KIB, MIB, TREE, over_both, read_tree, run, sample, write_tree

Aws = Callable[..., str]

pytestmark = pytest.mark.parametrize("aws_cli", ["1", "2"], indirect=True, ids=["v1", "v2"])


@pytest.fixture
def aws(aws_cli: str, access: Access, home: Path) -> Aws:
    """Runs one command and gives its stdout. Version 2 opens a pager on a terminal only, and there is none here."""
    env = access.environment(home)

    def call(*arguments: str | Path, expect: int = 0) -> str:
        return run([aws_cli, "--endpoint-url", access.endpoint, *arguments], env, expect=expect)

    return call


def api(aws: Aws, command: str, *arguments: str | Path) -> Any:
    """What an ``s3api`` command answers, as values."""
    out = aws("s3api", command, *arguments, "--output", "json")
    return json.loads(out) if out.strip() else None


@over_both
def test_files_go_up_and_down(aws: Aws, bucket: str, tmp_path: Path) -> None:
    """``cp`` takes a small and a large file there and back, byte for byte."""
    url = f"s3://{bucket}/granary/"
    for name, body in (("small.txt", b"one line\n"), ("large.bin", sample(20 * MIB))):
        there, back = tmp_path / name, tmp_path / f"{name}.back"
        there.write_bytes(body)
        aws("s3", "cp", there, url)
        aws("s3", "cp", url + name, back)

        assert back.read_bytes() == body


def test_buckets(aws: Aws) -> None:
    """``mb``, ``ls`` and ``rb``; a bucket that is not empty stays, and goes with --force."""
    name = "compat-aws-cli"
    aws("s3", "mb", f"s3://{name}")
    listed = aws("s3", "ls")
    api(aws, "put-object", "--bucket", name, "--key", "k")
    aws("s3", "rb", f"s3://{name}", expect=1)
    aws("s3", "rb", "--force", f"s3://{name}")

    assert name in listed.split()
    assert name not in aws("s3", "ls").split()


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


def test_listing(aws: Aws, bucket: str, tmp_path: Path) -> None:
    """``ls`` shows folders, --recursive every key, also when the pages are small."""
    files = {f"{folder}/{number}": b"x" for folder in "abc" for number in range(4)}
    aws("s3", "cp", "--recursive", "--quiet", write_tree(tmp_path / "t", files), f"s3://{bucket}/")
    folders = aws("s3", "ls", f"s3://{bucket}/")
    every = aws("s3", "ls", "--recursive", "--page-size", "5", f"s3://{bucket}")
    some = api(aws, "list-objects-v2", "--bucket", bucket, "--delimiter", "/", "--prefix", "a/", "--query", "Contents[].Key")

    assert folders.split() == ["PRE", "a/", "PRE", "b/", "PRE", "c/"]
    assert [line.split()[3] for line in every.splitlines()] == sorted(files)
    assert some == ["a/0", "a/1", "a/2", "a/3"]


def test_copy_and_move_within_the_store(aws: Aws, bucket: str, tmp_path: Path) -> None:
    """``cp`` and ``mv`` between keys happen on the server, for a small object and for one of many parts."""
    large = tmp_path / "large"
    large.write_bytes(sample(20 * MIB))
    aws("s3", "cp", large, f"s3://{bucket}/large")
    aws("s3", "cp", f"s3://{bucket}/large", f"s3://{bucket}/copy")
    aws("s3", "mv", f"s3://{bucket}/copy", f"s3://{bucket}/moved")
    aws("s3", "cp", f"s3://{bucket}/moved", tmp_path / "back")
    keys = api(aws, "list-objects-v2", "--bucket", bucket, "--query", "Contents[].Key")

    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    assert keys == ["large", "moved"]


def test_versions_are_kept_and_restored(aws: Aws, bucket: str, tmp_path: Path) -> None:
    """A deleted object comes back by removing its marker, an old version by its id."""
    place = ("--bucket", bucket, "--key", "k")
    api(aws, "put-bucket-versioning", "--bucket", bucket, "--versioning-configuration", "Status=Enabled")
    versions = []
    for body in (b"one", b"two"):
        (tmp_path / "body").write_bytes(body)
        versions.append(api(aws, "put-object", *place, "--body", tmp_path / "body")["VersionId"])
    aws("s3", "rm", f"s3://{bucket}/k")
    listed = api(aws, "list-object-versions", "--bucket", bucket)
    api(aws, "delete-object", *place, "--version-id", listed["DeleteMarkers"][0]["VersionId"])
    aws("s3", "cp", f"s3://{bucket}/k", tmp_path / "current")
    api(aws, "get-object", *place, "--version-id", versions[0], tmp_path / "old")

    assert [entry["VersionId"] for entry in listed["Versions"]] == versions[::-1]
    assert (tmp_path / "current").read_bytes() == b"two"
    assert (tmp_path / "old").read_bytes() == b"one"


def test_tags_and_metadata(aws: Aws, bucket: str, tmp_path: Path) -> None:
    """Tags and metadata that were put are what is read."""
    place = ("--bucket", bucket, "--key", "k")
    body = tmp_path / "body"
    body.write_bytes(sample(3 * KIB))
    aws("s3", "cp", "--metadata", "field=north", "--content-type", "application/x-grain", body, f"s3://{bucket}/k")
    api(aws, "put-object-tagging", *place, "--tagging", "TagSet=[{Key=kind,Value=rye}]")
    head = api(aws, "head-object", *place)

    assert api(aws, "get-object-tagging", *place)["TagSet"] == [{"Key": "kind", "Value": "rye"}]
    assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (
        3 * KIB,
        "application/x-grain",
        {"field": "north"},
    )


@over_both
def test_a_presigned_link(aws: Aws, access: Access, bucket: str) -> None:
    """``presign`` gives a link that works without keys."""
    api(aws, "put-object", "--bucket", bucket, "--key", "k e y", "--content-type", "text/x-rye")
    link = aws("s3", "presign", f"s3://{bucket}/k e y", "--expires-in", "60").strip()
    trust = ssl.create_default_context(cafile=access.authority) if access.authority else None
    with urllib.request.urlopen(link, timeout=30, context=trust) as answer:
        assert (answer.status, answer.headers["content-type"]) == (200, "text/x-rye")


def test_deletions(aws: Aws, bucket: str, tmp_path: Path) -> None:
    """``rm`` deletes one key or a prefix, delete-objects a list."""
    files = dict.fromkeys(("a/1", "a/2", "b", "c", "d"), b"x")
    aws("s3", "cp", "--recursive", "--quiet", write_tree(tmp_path / "t", files), f"s3://{bucket}/")
    aws("s3", "rm", f"s3://{bucket}/b")
    aws("s3", "rm", "--recursive", f"s3://{bucket}/a")
    api(aws, "delete-objects", "--bucket", bucket, "--delete", "Objects=[{Key=c},{Key=never}]")

    assert api(aws, "list-objects-v2", "--bucket", bucket, "--query", "Contents[].Key") == ["d"]


def test_streams_through_stdin_and_stdout(aws_cli: str, access: Access, home: Path, bucket: str) -> None:
    """``cp -`` writes what it reads from a pipe, and reads into one."""
    env = access.environment(home)
    line = [aws_cli, "--endpoint-url", access.endpoint, "s3", "cp"]
    run([*line, "-", f"s3://{bucket}/piped"], env, stdin=("зерно\n" * 2_000_000).encode())

    assert run([*line, f"s3://{bucket}/piped", "-"], env) == "зерно\n" * 2_000_000

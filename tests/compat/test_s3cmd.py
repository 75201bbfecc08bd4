"""s3cmd: put, get, sync, info and the rest of what its manual shows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from zakrom.testing.access import Access

from .kit import MIB, TREE, read_tree, run, sample, write_tree

S3cmd = Callable[..., str]


@pytest.fixture
def s3cmd(program: Callable[[str], str], access: Access, home: Path) -> S3cmd:
    """Runs one command; the configuration names the endpoint and the key, and nothing else."""
    address = access.endpoint.partition("://")[2]
    configuration = home / ".s3cfg"
    configuration.write_text(
        f"[default]\naccess_key = {access.access_key}\nsecret_key = {access.secret_key}\n"
        f"host_base = {address}\nhost_bucket = {address}\nuse_https = False\n"
    )
    path = program("s3cmd")

    def call(*arguments: str | Path) -> str:
        return run([path, "--config", configuration, "--no-progress", *arguments], os.environ)

    return call


def test_files_go_up_and_down(s3cmd: S3cmd, bucket: str, tmp_path: Path) -> None:
    """A small file and one of several parts come back byte for byte, and s3cmd finds their MD5 right."""
    for name, body in (("small ячмень", b"one line\n"), ("large", sample(20 * MIB))):
        (tmp_path / name).write_bytes(body)
        s3cmd("put", tmp_path / name, f"s3://{bucket}/{name}")
        s3cmd("get", f"s3://{bucket}/{name}", tmp_path / "back")

        assert (tmp_path / "back").read_bytes() == body
        (tmp_path / "back").unlink()


def test_info_tells_what_is_known(s3cmd: S3cmd, bucket: str, tmp_path: Path) -> None:
    """``info`` reads size, type, MD5, ACL and the attributes that s3cmd stored; and of a bucket what a fresh one answers."""
    (tmp_path / "f").write_bytes(b"grain")
    s3cmd("put", "--mime-type=application/x-grain", tmp_path / "f", f"s3://{bucket}/f")
    of_object = s3cmd("info", f"s3://{bucket}/f")
    of_bucket = s3cmd("info", f"s3://{bucket}")

    assert "File size: 5" in of_object
    assert "application/x-grain" in of_object
    assert "FULL_CONTROL" in of_object
    assert "Policy:    none" in of_bucket


def test_sync_both_ways(s3cmd: S3cmd, bucket: str, tmp_path: Path) -> None:
    """``sync`` sends a tree once, follows a deletion when told, and brings the tree back."""
    files = {name: body for name, body in TREE.items() if name != "large.bin"}
    there = write_tree(tmp_path / "there", files)
    s3cmd("sync", f"{there}/", f"s3://{bucket}/tree/")
    again = s3cmd("sync", f"{there}/", f"s3://{bucket}/tree/")
    (there / "small.txt").unlink()
    s3cmd("sync", "--delete-removed", f"{there}/", f"s3://{bucket}/tree/")
    back = tmp_path / "back"
    back.mkdir()
    s3cmd("sync", f"s3://{bucket}/tree/", f"{back}/")

    assert "upload:" not in again
    assert read_tree(back) == {name: body for name, body in files.items() if name != "small.txt"}


def test_listing_copying_and_deleting(s3cmd: S3cmd, bucket: str, tmp_path: Path) -> None:
    """``ls``, ``du``, ``cp``, ``mv``, ``modify`` and ``del`` do what they say."""
    s3cmd("put", "--recursive", f"{write_tree(tmp_path / 't', {'a/1': b'x', 'a/2': b'y', 'b': b'z'})}/", f"s3://{bucket}/")
    folders = s3cmd("ls", f"s3://{bucket}/")
    s3cmd("cp", f"s3://{bucket}/a/1", f"s3://{bucket}/copy")
    s3cmd("mv", f"s3://{bucket}/a/2", f"s3://{bucket}/moved")
    s3cmd("modify", "--add-header=Cache-Control: max-age=60", f"s3://{bucket}/b")
    every = [line.split()[-1] for line in s3cmd("ls", "--recursive", f"s3://{bucket}").splitlines()]
    used = s3cmd("du", f"s3://{bucket}").split()
    s3cmd("del", "--recursive", "--force", f"s3://{bucket}/a")

    assert [line.split()[-1] for line in folders.splitlines()] == [f"s3://{bucket}/a/", f"s3://{bucket}/b"]
    assert every == [f"s3://{bucket}/{key}" for key in ("a/1", "b", "copy", "moved")]
    assert used[:2] == ["4", "4"]
    assert "s3://" not in s3cmd("ls", "--recursive", f"s3://{bucket}/a")


def test_buckets(s3cmd: S3cmd) -> None:
    """``mb``, ``ls`` and ``rb`` agree with each other."""
    s3cmd("mb", "s3://compat-s3cmd")
    listed = s3cmd("ls")
    s3cmd("rb", "s3://compat-s3cmd")

    assert "s3://compat-s3cmd" in listed
    assert "s3://compat-s3cmd" not in s3cmd("ls")


def test_a_signed_link(s3cmd: S3cmd, bucket: str, tmp_path: Path) -> None:
    """``signurl`` gives a link that reads without keys."""
    import urllib.request

    (tmp_path / "f").write_bytes(b"grain")
    s3cmd("put", tmp_path / "f", f"s3://{bucket}/f")
    with urllib.request.urlopen(s3cmd("signurl", f"s3://{bucket}/f", "+60").strip(), timeout=30) as answer:
        assert answer.read() == b"grain"

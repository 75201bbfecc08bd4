"""rclone: trees kept in step with a bucket, over http and https."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from zakrom.testing.access import Access

from .kit import MIB, TREE, over_both, read_tree, run, sample, write_tree

Rclone = Callable[..., str]

LONG_AGO = 1_234_567_890.123456789
"""A time that no upload has by accident, with the nanoseconds that rclone keeps."""


@pytest.fixture
def rclone(program: Callable[[str], str], access: Access, home: Path) -> Rclone:
    """Runs one command; the remote is ``z:``, configured with nothing but endpoint and key."""
    remote = {
        "RCLONE_CONFIG_Z_TYPE": "s3",
        "RCLONE_CONFIG_Z_PROVIDER": "Other",
        "RCLONE_CONFIG_Z_ENDPOINT": access.endpoint,
        "RCLONE_CONFIG_Z_ACCESS_KEY_ID": access.access_key,
        "RCLONE_CONFIG_Z_SECRET_ACCESS_KEY": access.secret_key,
        "RCLONE_CONFIG": str(home / "rclone.conf"),
    }
    if access.authority:
        remote["RCLONE_CA_CERT"] = str(access.authority)
    (home / "rclone.conf").touch()
    env = dict(os.environ) | remote
    path = program("rclone")

    def call(*arguments: str | Path, stdin: bytes = b"", expect: int = 0) -> str:
        return run([path, *arguments], env, stdin=stdin, expect=expect)

    return call


@over_both
def test_a_tree_is_synced_checked_and_fetched(rclone: Rclone, bucket: str, tmp_path: Path) -> None:
    """``sync`` sends a tree, check and check --download find it whole, and it comes back with its bytes and times."""
    there = write_tree(tmp_path / "there", TREE)
    os.utime(there / "small.txt", (LONG_AGO, LONG_AGO))
    rclone("sync", there, f"z:{bucket}/tree")
    rclone("check", there, f"z:{bucket}/tree")
    rclone("check", "--download", there, f"z:{bucket}/tree")
    rclone("copy", f"z:{bucket}/tree", tmp_path / "back")

    assert read_tree(tmp_path / "back") == TREE
    assert (tmp_path / "back/small.txt").stat().st_mtime == pytest.approx(LONG_AGO, abs=1e-6)


@over_both
def test_sync_follows_changes(rclone: Rclone, bucket: str, tmp_path: Path) -> None:
    """A second sync finds nothing to do; a changed, a touched and a removed file are followed."""
    there = write_tree(tmp_path / "there", {"a": b"1", "b": b"2", "c/d": b"3"})
    rclone("sync", there, f"z:{bucket}")
    rclone("sync", "--max-transfer", "1", "--cutoff-mode", "hard", there, f"z:{bucket}")  # one byte more would be an error
    (there / "a").write_bytes(b"new")
    (there / "b").unlink()
    os.utime(there / "c/d", (LONG_AGO, LONG_AGO))
    rclone("sync", there, f"z:{bucket}")
    listed = {entry["Path"]: entry for entry in json.loads(rclone("lsjson", "-R", "--files-only", f"z:{bucket}"))}

    assert sorted(listed) == ["a", "c/d"]
    assert listed["c/d"]["ModTime"].startswith("2009-02-13T23:31:30.123456")
    assert rclone("cat", f"z:{bucket}/a") == "new"


def test_a_corrupted_copy_is_found(rclone: Rclone, bucket: str, tmp_path: Path) -> None:
    """``check`` compares contents: a file of the same length but other bytes is reported."""
    there = write_tree(tmp_path / "there", {"a": b"1234", "b": b"5678"})
    rclone("sync", there, f"z:{bucket}")
    rclone("rcat", f"z:{bucket}/b", stdin=b"5679")
    rclone("check", there, f"z:{bucket}", expect=1)


@over_both
def test_copies_and_moves_on_the_server(rclone: Rclone, bucket: str, new_bucket: Callable[[], str], tmp_path: Path) -> None:
    """A copy from bucket to bucket and a move within one bring the same bytes, and the times with them."""
    other = new_bucket()
    there = write_tree(tmp_path / "there", {"x/small ячмень": b"grain", "x/large": sample(6 * MIB)})
    os.utime(there / "x/large", (LONG_AGO, LONG_AGO))
    rclone("copy", there, f"z:{bucket}")
    rclone("copy", f"z:{bucket}", f"z:{other}")
    rclone("check", f"z:{bucket}", f"z:{other}")
    rclone("moveto", f"z:{other}/x/large", f"z:{other}/moved")
    rclone("copy", f"z:{other}", tmp_path / "back")

    assert read_tree(tmp_path / "back") == {"x/small ячмень": b"grain", "moved": sample(6 * MIB)}
    assert (tmp_path / "back/moved").stat().st_mtime == pytest.approx(LONG_AGO, abs=1e-6)


def test_a_file_above_the_cutoff_goes_in_parts(rclone: Rclone, bucket: str, tmp_path: Path) -> None:
    """A file above rclone's own threshold for multipart (200 MiB) arrives whole."""
    large = tmp_path / "large"
    with large.open("wb") as file:
        for number in range(201):
            file.write(sample(MIB, number % 7))
    rclone("copyto", large, f"z:{bucket}/large")
    rclone("copyto", f"z:{bucket}/large", tmp_path / "back")

    assert (tmp_path / "back").stat().st_size == 201 * MIB
    assert (tmp_path / "back").read_bytes() == large.read_bytes()


@over_both
def test_a_stream_of_unknown_length(rclone: Rclone, bucket: str) -> None:
    """``rcat`` sends what comes through a pipe in parts, and cat gives it back."""
    text = "зерно\n" * 1_000_000
    rclone("rcat", f"z:{bucket}/piped", stdin=text.encode())

    assert rclone("cat", f"z:{bucket}/piped") == text
    assert rclone("cat", "--offset", "11", "--count", "11", f"z:{bucket}/piped") == "зерно\n"


@over_both
def test_buckets_and_deletions(rclone: Rclone, access: Access) -> None:
    """mkdir, lsd, delete, purge: a bucket is made, filled, emptied and removed."""
    name = f"compat-rclone-{access.endpoint.partition(':')[0]}"
    rclone("mkdir", f"z:{name}")
    rclone("rcat", f"z:{name}/a/b", stdin=b"x")
    rclone("rcat", f"z:{name}/c", stdin=b"y")
    folders = rclone("lsd", f"z:{name}")
    size = json.loads(rclone("size", "--json", f"z:{name}"))
    rclone("deletefile", f"z:{name}/c")
    left = rclone("lsf", "-R", f"z:{name}")
    rclone("purge", f"z:{name}")

    assert folders.split()[-1] == "a"
    assert (size["count"], size["bytes"]) == (2, 2)
    assert sorted(left.split()) == ["a/", "a/b"]
    assert name not in rclone("lsd", "z:")

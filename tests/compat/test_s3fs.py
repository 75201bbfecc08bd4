"""s3fs: a bucket as a file system, as pandas, dask and many others use it through fsspec."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import s3fs

from zakrom.testing.access import Access

from .kit import MIB, TREE, read_tree, sample, write_tree


@pytest.fixture
def fs(access: Access) -> Iterator[Any]:
    """A file system with its own defaults and a cache of its own."""
    system = s3fs.S3FileSystem(
        key=access.access_key, secret=access.secret_key, endpoint_url=access.endpoint, skip_instance_cache=True
    )
    yield system
    system.clear_instance_cache()


def test_files_are_written_and_read(fs: Any, bucket: str) -> None:
    """``open`` writes and reads, text and bytes, small and larger than one block (50 MiB), and seeks."""
    large = sample(60 * MIB)
    with fs.open(f"{bucket}/text", "w", encoding="utf-8") as file:
        file.write("зерно\n")
    with fs.open(f"{bucket}/large", "wb") as file:
        file.write(large)
    with fs.open(f"{bucket}/large", "rb") as file:
        file.seek(30 * MIB)
        piece = file.read(1000)

    assert fs.cat(f"{bucket}/text") == "зерно\n".encode()
    assert piece == large[30 * MIB : 30 * MIB + 1000]
    assert fs.cat(f"{bucket}/large") == large
    assert fs.cat_file(f"{bucket}/large", start=-10) == large[-10:]


def test_appending(fs: Any, bucket: str) -> None:
    """Mode ``a`` goes on where a small and a large file end."""
    for start in (b"one ", sample(6 * MIB)):
        fs.pipe(f"{bucket}/k", start)
        with fs.open(f"{bucket}/k", "ab") as file:
            file.write(b"two")

        assert fs.cat(f"{bucket}/k") == start + b"two"


def test_trees(fs: Any, bucket: str, tmp_path: Path) -> None:
    """``put`` and ``get`` of a whole tree, ls, find, walk, glob, du, info, exists see it as it is."""
    files = {name: body for name, body in TREE.items() if name != "large.bin"}
    fs.put(str(write_tree(tmp_path / "there", files)), f"{bucket}/tree", recursive=True)
    fs.get(f"{bucket}/tree", str(tmp_path / "back"), recursive=True)
    root = f"{bucket}/tree"

    assert read_tree(tmp_path / "back") == files
    assert sorted(fs.ls(root)) == [f"{root}/{name}" for name in sorted({path.split("/")[0] for path in files})]
    assert fs.find(root) == sorted(f"{root}/{name}" for name in files)
    assert sorted(name for _, _, names in fs.walk(root) for name in names) == sorted(path.split("/")[-1] for path in files)
    assert fs.glob(f"{root}/deep/**/*.bin") == [f"{root}/deep/er/and/deeper/still.bin", f"{root}/deep/er/other.bin"]
    assert fs.du(root) == sum(map(len, files.values()))
    assert fs.info(f"{root}/deep")["type"] == "directory"
    assert fs.info(f"{root}/small.txt")["size"] == len(files["small.txt"])
    assert fs.exists(f"{root}/small.txt")
    assert not fs.exists(f"{root}/never")


def test_copy_move_and_remove(fs: Any, bucket: str) -> None:
    """``cp`` and ``mv`` happen on the server; rm takes a file or a tree; touch makes an empty file."""
    fs.pipe({f"{bucket}/d/{number}": str(number).encode() for number in range(5)})
    fs.cp(f"{bucket}/d/0", f"{bucket}/copy")
    fs.mv(f"{bucket}/d/1", f"{bucket}/moved")
    fs.cp(f"{bucket}/d", f"{bucket}/e", recursive=True)
    fs.touch(f"{bucket}/empty")
    fs.rm(f"{bucket}/d", recursive=True)

    assert fs.cat(f"{bucket}/copy") == b"0"
    assert fs.cat(f"{bucket}/moved") == b"1"
    assert sorted(fs.find(bucket)) == sorted(
        f"{bucket}/{key}" for key in ("copy", "e/0", "e/2", "e/3", "e/4", "empty", "moved")
    )


def test_buckets_metadata_tags_and_links(fs: Any, bucket: str) -> None:
    """A bucket is made and removed; metadata and tags are set; a link reads without keys."""
    import urllib.request

    fs.mkdir("compat-s3fs-bucket")
    there = fs.exists("compat-s3fs-bucket")
    fs.rmdir("compat-s3fs-bucket")
    fs.pipe(f"{bucket}/k", b"grain")
    fs.setxattr(f"{bucket}/k", field="north")
    fs.put_tags(f"{bucket}/k", {"kind": "rye"})
    with urllib.request.urlopen(fs.sign(f"{bucket}/k"), timeout=30) as answer:
        body = answer.read()

    assert there
    assert not fs.exists("compat-s3fs-bucket")
    assert fs.metadata(f"{bucket}/k")["field"] == "north"
    assert fs.get_tags(f"{bucket}/k") == {"kind": "rye"}
    assert body == b"grain"


def test_versions(access: Access, bucket: str) -> None:
    """With ``version_aware`` an open file keeps reading the version it opened."""
    fs = s3fs.S3FileSystem(
        key=access.access_key, secret=access.secret_key, endpoint_url=access.endpoint,
        version_aware=True, skip_instance_cache=True,
    )  # fmt: skip
    fs.make_bucket_versioned(bucket)
    fs.pipe(f"{bucket}/k", b"one")
    with fs.open(f"{bucket}/k") as file:
        fs.pipe(f"{bucket}/k", b"two")
        assert file.read() == b"one"
    versions = fs.object_version_info(f"{bucket}/k")

    assert fs.is_bucket_versioned(bucket)
    assert len(versions) == 2
    assert fs.cat_file(f"{bucket}/k", version_id=versions[-1]["VersionId"]) == b"one"

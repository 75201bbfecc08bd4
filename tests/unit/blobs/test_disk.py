"""The real disk: what its calls promise beyond those of the system."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from zakrom.blobs.disk import RealDisk, sync_directory


@pytest.fixture
def disk() -> RealDisk:
    """The file system below."""
    return RealDisk()


@pytest.fixture
def handle(disk: RealDisk, tmp_path: Path) -> Iterator[int]:
    """A new file called ``file``."""
    directory = disk.open_directory(str(tmp_path))
    handle = disk.create(directory, "file")
    disk.close(directory)
    yield handle
    disk.close(handle)


def test_files_and_directories_are_ours_alone(disk: RealDisk, handle: int, tmp_path: Path) -> None:
    """Other users of the machine read nothing."""
    disk.mkdir(str(tmp_path / "directory"))

    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "directory").stat().st_mode) == 0o700


def test_create_never_takes_an_existing_file(disk: RealDisk, handle: int, tmp_path: Path) -> None:
    """A name that is taken is refused."""
    directory = disk.open_directory(str(tmp_path))
    with pytest.raises(FileExistsError):
        disk.create(directory, "file")
    disk.close(directory)


def test_create_in_a_removed_directory_fails(disk: RealDisk, tmp_path: Path) -> None:
    """A handle is of the directory, not of its path: in one that is gone no file can be lost."""
    path = str(tmp_path / "directory")
    disk.mkdir(path)
    directory = disk.open_directory(path)
    disk.rmdir(path)
    disk.mkdir(path)

    with pytest.raises(FileNotFoundError):
        disk.create(directory, "file")
    disk.close(directory)
    assert disk.listdir(path) == []


def test_reserving_leaves_the_size_and_truncating_gives_back(disk: RealDisk, handle: int, tmp_path: Path) -> None:
    """Room is set aside beyond the end, without a byte written; what is not used is given back."""
    if not disk.reserve(handle, 1 << 20):
        pytest.skip("this file system cannot reserve")
    assert (disk.size(handle), os.fstat(handle).st_blocks >= 2048) == (0, True)

    disk.pwrite(handle, memoryview(b"x"), 0)
    disk.truncate(handle, 1)
    assert (disk.size(handle), os.fstat(handle).st_blocks < 2048) == (1, True)


def test_where_nothing_can_be_reserved_we_are_told(disk: RealDisk) -> None:
    """What is no file of a file system with fallocate says no, and nothing is written instead."""
    device = os.open("/dev/null", os.O_RDWR)
    try:
        assert not disk.reserve(device, 1 << 20)
    finally:
        os.close(device)


def test_every_kind_of_handle_syncs(disk: RealDisk, handle: int, tmp_path: Path) -> None:
    """Files and directories alike; a bad handle is told."""
    disk.pwrite(handle, memoryview(b"x"), 0)
    disk.flush_soon(handle, 0, 1)
    disk.fsync(handle)
    sync_directory(disk, str(tmp_path))

    with pytest.raises(OSError, match="Bad file descriptor"):
        disk.fsync(999_999)


def test_flushing_soon_never_fails(disk: RealDisk) -> None:
    """It is a hint: what it could not do shows in the fsync."""
    disk.flush_soon(999_999, 0, 1)


def test_length_is_of_regular_files(disk: RealDisk, handle: int, tmp_path: Path) -> None:
    """Directories and symbolic links have none."""
    disk.pwrite(handle, memoryview(b"four"), 0)
    (tmp_path / "link").symlink_to("file")

    assert [4, None, None] == [disk.length(str(path)) for path in (tmp_path / "file", tmp_path / "link", tmp_path)]


def test_open_is_for_reading_unless_told(disk: RealDisk, handle: int, tmp_path: Path) -> None:
    """A reader cannot write by mistake."""
    reading = disk.open(str(tmp_path / "file"))
    writing = disk.open(str(tmp_path / "file"), write=True)

    with pytest.raises(OSError, match="Bad file descriptor"):
        disk.pwrite(reading, memoryview(b"x"), 0)
    assert disk.pwrite(writing, memoryview(b"x"), 0) == 1
    disk.close(reading)
    disk.close(writing)


def test_room_leaves_out_what_root_keeps(disk: RealDisk, tmp_path: Path) -> None:
    """Free is what an ordinary user may take: f_bavail, not f_bfree (statvfs(3))."""
    room = disk.room(str(tmp_path))
    figures = os.statvfs(tmp_path)

    assert room.total == figures.f_blocks * figures.f_frsize
    assert room.free <= figures.f_bfree * figures.f_frsize


def test_handles_are_not_inherited(disk: RealDisk, handle: int, tmp_path: Path) -> None:
    """A program that we start gets none of our files."""
    directory = disk.open_directory(str(tmp_path))
    reading = disk.open(str(tmp_path / "file"))

    assert [False] * 3 == [os.get_inheritable(one) for one in (handle, directory, reading)]
    disk.close(directory)
    disk.close(reading)

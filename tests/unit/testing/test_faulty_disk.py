"""The faulty disk itself: it keeps what was synced, and can lose all else in every way it says."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import pytest

from zakrom.testing.faulty_disk import FaultyDisk, PowerCut
from zakrom.testing.platter import SECTOR_BYTES

MANY_SEEDS = range(200)


def new_file(disk: FaultyDisk, name: str = "file", *, entry_synced: bool = True) -> int:
    """A file in ``/``."""
    root = disk.open_directory("/")
    handle = disk.create(root, name)
    if entry_synced:
        disk.fsync(root)
    disk.close(root)
    return handle


def contents(disk: FaultyDisk, path: str = "/file") -> bytes | None:
    """What the path holds, None if it is not there."""
    try:
        handle = disk.open(path)
    except FileNotFoundError:
        return None
    return disk.pread(handle, 1 << 30, 0)


def outcomes(prepare: Callable[[FaultyDisk], object], path: str = "/file") -> set[bytes | None]:
    """All that a path may hold after a power cut."""
    found = set()
    for seed in MANY_SEEDS:
        disk = FaultyDisk()
        prepare(disk)
        found.add(contents(disk.crash(seed), path))
    return found


def write(disk: FaultyDisk, data: bytes, *, sync: bool, entry_synced: bool = True) -> int:
    """A file with these bytes."""
    handle = new_file(disk, entry_synced=entry_synced)
    disk.pwrite(handle, memoryview(data), 0)
    if sync:
        disk.fsync(handle)
    return handle


def test_what_was_synced_stays() -> None:
    """Bytes and name synced: no cut takes them."""
    assert {b"data"} == outcomes(lambda disk: write(disk, b"data", sync=True))


def test_unsynced_bytes_are_lost_kept_or_zeros() -> None:
    """The file may be empty, right, or long enough and empty of sense."""
    assert {b"", b"data", bytes(4)} == outcomes(lambda disk: write(disk, b"data", sync=False))


def test_a_write_is_torn_at_sectors_in_any_order() -> None:
    """Each sector arrives on its own: the second without the first too."""
    first, second = b"1" * SECTOR_BYTES, b"2" * SECTOR_BYTES
    found = outcomes(lambda disk: write(disk, first + second, sync=False))

    assert {
        b"",
        first,
        first + second,
        bytes(SECTOR_BYTES) + second,
        first + bytes(SECTOR_BYTES),
        bytes(2 * SECTOR_BYTES),
    } == found


def test_writes_across_a_sector_tear_at_its_edge() -> None:
    """Sectors are counted from the start of the file, not of the write."""

    def prepare(disk: FaultyDisk) -> None:
        handle = write(disk, b"a" * 1024, sync=True)
        disk.pwrite(handle, memoryview(b"bb"), SECTOR_BYTES - 1)

    old = b"a" * 1024
    left, right = old[:511] + b"b" + old[512:], old[:512] + b"b" + old[513:]
    assert {old, left, right, old[:511] + b"bb" + old[513:]} == outcomes(prepare)


def test_an_unsynced_name_is_lost_or_kept() -> None:
    """The fsync of a file saves its bytes, not its name."""
    assert {None, b"data"} == outcomes(lambda disk: write(disk, b"data", sync=True, entry_synced=False))


def test_an_unsynced_removal_is_undone_or_kept() -> None:
    """A file may come back, with what was synced of it."""

    def prepare(disk: FaultyDisk) -> None:
        write(disk, b"data", sync=True)
        disk.unlink("/file")

    assert {None, b"data"} == outcomes(prepare)


def test_a_synced_removal_stays() -> None:
    """The fsync of the directory takes the name for good."""

    def prepare(disk: FaultyDisk) -> None:
        write(disk, b"data", sync=True)
        disk.unlink("/file")
        disk.fsync(disk.open_directory("/"))

    assert {None} == outcomes(prepare)


def test_a_directory_needs_its_own_name_too() -> None:
    """All is synced but the name of the directory above: the file is there or not."""

    def prepare(disk: FaultyDisk) -> None:
        disk.mkdir("/directory")
        directory = disk.open_directory("/directory")
        handle = disk.create(directory, "file")
        disk.fsync(handle)
        disk.fsync(directory)

    assert {None, b""} == outcomes(prepare, "/directory/file")


def test_a_failed_fsync_is_never_made_good() -> None:
    """The next fsync says yes and saves nothing of what the failed one should have saved."""

    def prepare(disk: FaultyDisk) -> None:
        handle = write(disk, b"data", sync=False)
        disk.fail("fsync", errno.EIO)
        with pytest.raises(OSError, match="Input/output"):
            disk.fsync(handle)
        disk.fsync(handle)
        assert contents(disk) == b"data"

    assert {b"", b"data", bytes(4)} == outcomes(prepare)


def test_what_follows_a_failed_fsync_can_be_saved() -> None:
    """Only the bytes of the failed one are doubtful."""

    def prepare(disk: FaultyDisk) -> None:
        handle = write(disk, b"a" * SECTOR_BYTES, sync=False)
        disk.fail("fsync", errno.EIO)
        with pytest.raises(OSError, match="Input/output"):
            disk.fsync(handle)
        disk.pwrite(handle, memoryview(b"b"), SECTOR_BYTES)
        disk.fsync(handle)

    assert {b"a" * SECTOR_BYTES + b"b", bytes(SECTOR_BYTES) + b"b"} == outcomes(prepare)


def test_truncation_is_lost_or_kept_until_synced() -> None:
    """The size is a fact of its own."""

    def prepare(disk: FaultyDisk) -> None:
        handle = write(disk, b"data", sync=True)
        disk.truncate(handle, 2)

    assert {b"data", b"da"} == outcomes(prepare)


def test_the_extremes() -> None:
    """Nothing but the synced, and all as a killed process leaves it."""
    disk = FaultyDisk()
    handle = write(disk, b"data", sync=True)
    disk.pwrite(handle, memoryview(b"!!!!more"), 0)
    disk.truncate(handle, 6)
    assert contents(disk.crash_losing_nothing()) == b"!!!!mo"
    assert contents(disk.crash_losing_all()) == b"data"


def test_the_same_seed_gives_the_same_disk() -> None:
    """A failure can be seen again."""

    def survivor() -> bytes | None:
        disk = FaultyDisk()
        write(disk, os.urandom(0) + bytes(range(256)) * 40, sync=False)
        return contents(disk.crash(4711))

    assert survivor() == survivor()


def test_after_a_cut_the_disk_is_dead() -> None:
    """The call is not made, no later one either, and no handler of OSError or Exception sees it."""
    disk = FaultyDisk()
    handle = write(disk, b"data", sync=True)
    disk.cut_power_at(len(disk.steps))

    for _ in range(2):
        with pytest.raises(PowerCut):
            disk.pwrite(handle, memoryview(b"more"), 4)
    assert not issubclass(PowerCut, Exception)
    assert contents(disk.crash_losing_nothing()) == b"data"


def test_a_scripted_failure_hits_the_call_it_names() -> None:
    """Which call, where, after how many, how often."""
    disk = FaultyDisk()
    one, other = new_file(disk, "one"), new_file(disk, "other")
    disk.fail("fsync", errno.EDQUOT, path="/other", after=1, times=2)
    results = []
    for handle in (one, other, one, other, other, other):
        try:
            disk.fsync(handle)
        except OSError as error:
            results.append(error.errno)
        else:
            results.append(0)

    assert [0, 0, 0, errno.EDQUOT, errno.EDQUOT, 0] == results


def test_a_full_disk_refuses_and_recovers() -> None:
    """Capacity counts bytes written and set aside; what is open counts although it has no name."""
    disk = FaultyDisk(1000)
    handle = write(disk, bytes(600), sync=True)
    other = new_file(disk, "other")
    assert disk.reserve(other, 400)
    with pytest.raises(OSError, match="No space"):
        disk.pwrite(handle, memoryview(b"x"), 600)
    disk.pwrite(other, memoryview(bytes(400)), 0)
    disk.unlink("/file")
    assert disk.room("/").free == 0
    disk.close(handle)

    assert disk.room("/").free == 600


def test_a_descriptor_of_the_system() -> None:
    """For what must have one: a copy, closed with the handle."""
    disk = FaultyDisk()
    handle = write(disk, b"data", sync=True)
    descriptor = disk.fileno(handle)
    assert os.pread(descriptor, 10, 0) == b"data"
    disk.close(handle)

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pread(descriptor, 10, 0)


@pytest.mark.parametrize(
    ("attempt", "code"),
    [
        (lambda disk: disk.mkdir("/directory"), errno.EEXIST),
        (lambda disk: disk.mkdir("/absent/directory"), errno.ENOENT),
        (lambda disk: disk.rmdir("/directory"), errno.ENOTEMPTY),
        (lambda disk: disk.open("/absent"), errno.ENOENT),
        (lambda disk: disk.open("/directory"), errno.EISDIR),
        (lambda disk: disk.open_directory("/directory/file"), errno.ENOTDIR),
        (lambda disk: disk.open("/directory/file/deeper"), errno.ENOTDIR),
        (lambda disk: disk.unlink("/absent"), errno.ENOENT),
        (lambda disk: disk.unlink("/directory"), errno.EISDIR),
        (lambda disk: disk.pread(999, 1, 0), errno.EBADF),
        (lambda disk: disk.create(disk.open_directory("/directory"), "file"), errno.EEXIST),
        (lambda disk: disk.create(disk.open("/directory/file"), "file"), errno.ENOTDIR),
        (lambda disk: disk.pread(disk.open_directory("/"), 1, 0), errno.EISDIR),
    ],
)
def test_it_refuses_what_a_real_one_refuses(attempt: Callable[[FaultyDisk], object], code: int) -> None:
    """With the same errno, so that the store meets no surprise on either."""
    disk = FaultyDisk()
    disk.mkdir("/directory")
    disk.create(disk.open_directory("/directory"), "file")

    with pytest.raises(OSError) as raised:  # noqa: PT011 - the errno is compared
        attempt(disk)
    assert code == raised.value.errno

"""Local blobs: the layout, and what happens when a call of the disk does not go well."""

from __future__ import annotations

import errno
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zakrom import errors
from zakrom.blobs import layout
from zakrom.blobs import stage as stages
from zakrom.blobs.disk import RealDisk
from zakrom.blobs.local import LocalBlobs
from zakrom.model.facts import BLOCK_BYTES
from zakrom.testing.contracts.blobs import get, ids_of, pattern, put
from zakrom.testing.faulty_disk import FaultyDisk, Step

ROOM = 1 << 24


@pytest.fixture
def disk() -> FaultyDisk:
    """Sixteen MiB."""
    return FaultyDisk(ROOM)


@pytest.fixture
def blobs(disk: FaultyDisk) -> LocalBlobs:
    """On the faulty disk, as generation 10, with the first directory made."""
    blobs = LocalBlobs("/blobs", disk)
    blobs.adopt(10)
    put(blobs, b"first")
    return blobs


def calls(disk: FaultyDisk, since: int = 0) -> list[tuple[str, str]]:
    """What the disk was asked."""
    return [(step.call, step.path) for step in disk.steps[since:]]


# ---------------------------------------------------------------------------------------------------------------- layout


def test_the_path_follows_from_the_id(tmp_path: Path) -> None:
    """Generation, serial without its lower ten bits, serial: all in hexadecimal."""
    blobs = LocalBlobs(tmp_path / "blobs")
    blobs.adopt(0x1F)
    blobs._next_serial = 0x2ABC
    facts = put(blobs, b"here")

    assert facts.id == 0x1F_0000_2ABC
    assert (tmp_path / "blobs/1f/a/2abc").read_bytes() == b"here"


def test_a_directory_holds_1024_files(disk: FaultyDisk, blobs: LocalBlobs) -> None:
    """Then the next one is made, and synced, once."""
    blobs._next_serial = 1022
    for number in range(4):
        put(blobs, pattern(5, number))

    assert [["0", "3fe", "3ff"], ["400", "401"]] == [sorted(disk.listdir(f"/blobs/a/{shard}")) for shard in "01"]
    assert calls(disk).count(("mkdir", "/blobs/a/1")) == 1


def test_the_sync_order_of_a_put(disk: FaultyDisk, blobs: LocalBlobs) -> None:
    """Bytes first, then the name; a directory that is there is synced for its new entry only."""
    began = len(disk.steps)
    put(blobs, b"x", hint=1)

    path = "/blobs/a/0/1"
    assert calls(disk, began) == [
        ("open_directory", "/blobs/a/0"),
        ("create", path),
        ("room", path),
        ("reserve", path),
        ("pwrite", path),
        ("fsync", path),
        ("fsync", "/blobs/a/0"),
        ("close", path),
        ("close", "/blobs/a/0"),
    ]


def test_a_generation_without_serials_takes_nothing_more(blobs: LocalBlobs) -> None:
    """The last serial is used, then staging is refused: an id is never given twice."""
    blobs._next_serial = layout.SERIALS - 1
    last = put(blobs, b"x")

    assert last.id == (11 << 32) - 1
    with pytest.raises(errors.Unavailable):
        blobs.stage(None)


def test_a_store_without_a_generation_takes_nothing(disk: FaultyDisk) -> None:
    """Who only reads needs none; who stages must have adopted one."""
    with pytest.raises(ValueError, match="generation"):
        LocalBlobs("/blobs", disk).stage(None)


def test_strangers_are_passed_over(tmp_path: Path) -> None:
    """What is not ours by name or kind is neither listed nor swept."""
    blobs = LocalBlobs(tmp_path / "blobs")
    blobs.adopt(1)
    facts = put(blobs, b"ours")
    for name in ("lost+found", "0F", "01", "1/notes.txt", "1/0/00", "1/0/a.tmp", "1/0/400", "1/7"):
        (tmp_path / "blobs" / name).write_bytes(b"not ours")
    (tmp_path / "blobs/1/0/5").mkdir()
    (tmp_path / "blobs/2").mkdir()

    assert [(facts.id, 4)] == list(blobs.all())


# ---------------------------------------------------------------------------------------------------------------- format


def test_the_format_has_a_version(tmp_path: Path) -> None:
    """A line that a person can read, there from the first moment, and enough for the next start."""
    LocalBlobs(tmp_path / "blobs")
    LocalBlobs(tmp_path / "blobs")

    assert (tmp_path / "blobs/format").read_bytes() == b"zakrom blobs 1\n"


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """A newer Zakrom's directory is left as it is."""
    (tmp_path / "format").write_bytes(b"zakrom blobs 2\n")

    with pytest.raises(errors.FormatTooNew) as raised:
        LocalBlobs(tmp_path)
    assert raised.value.fields == {"path": str(tmp_path), "found": 2, "supported": 1}
    assert (tmp_path / "format").read_bytes() == b"zakrom blobs 2\n"


@pytest.mark.parametrize(
    "line", [b"zakrom blobs one\n", b"something else", b"zakrom blobs 1\nand more", b"zakrom blobs 1" + b"0" * 60]
)
def test_a_directory_of_something_else_is_refused(tmp_path: Path, line: bytes) -> None:
    """A line that we never wrote is not overwritten."""
    (tmp_path / "format").write_bytes(line)

    with pytest.raises(errors.Corrupt):
        LocalBlobs(tmp_path)
    assert (tmp_path / "format").read_bytes() == line


@pytest.mark.parametrize("line", [b"", b"zakrom", b"zakrom blobs 1", bytes(15), b"zak" + bytes(40)])
def test_a_line_never_finished_is_finished(tmp_path: Path, line: bytes) -> None:
    """A power cut in the first moment leaves no store that cannot start."""
    (tmp_path / "format").write_bytes(line)
    LocalBlobs(tmp_path)

    assert (tmp_path / "format").read_bytes() == b"zakrom blobs 1\n"


def test_many_processes_may_start_at_once(tmp_path: Path) -> None:
    """All find or make the same directory."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: LocalBlobs(tmp_path / "blobs"), range(16)))

    assert (tmp_path / "blobs/format").read_bytes() == b"zakrom blobs 1\n"


# --------------------------------------------------------------------------------------------------------------- no room


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["create", "reserve", "pwrite", "truncate", "fsync"])
def test_no_room_is_an_error_of_ours(disk: FaultyDisk, blobs: LocalBlobs, call: str, code: int) -> None:
    """Whichever call finds that there is no room: the file goes, all handles too, and the next blob goes well."""
    disk.fail(call, code)

    with pytest.raises(errors.InsufficientStorage):
        put(blobs, pattern(1000), hint=2000)
    assert [10 << 32] == ids_of(blobs)
    assert not disk._handles
    assert pattern(1000) == get(blobs, put(blobs, pattern(1000), hint=2000))


@pytest.mark.parametrize("call", ["mkdir", "fsync"])
def test_no_room_for_a_directory(disk: FaultyDisk, blobs: LocalBlobs, call: str) -> None:
    """A directory needs a block too."""
    blobs._next_serial = 1024
    disk.fail(call, errno.ENOSPC)

    with pytest.raises(errors.InsufficientStorage):
        put(blobs, b"x")
    assert not disk._handles


def test_a_full_disk_takes_what_fits_after_a_drop(disk: FaultyDisk, blobs: LocalBlobs) -> None:
    """Full is a normal state: what is freed can be used at once."""
    big = put(blobs, bytes(ROOM * 3 // 4))
    for hint in (ROOM // 2, None):
        with pytest.raises(errors.InsufficientStorage):
            put(blobs, bytes(ROOM // 2), hint=hint)
    blobs.drop([big.id])

    assert put(blobs, bytes(ROOM // 2), hint=ROOM // 2).length == ROOM // 2


def test_room_set_aside_cannot_be_taken_by_another(blobs: LocalBlobs) -> None:
    """Who was promised room has it, however many come later."""
    stage = blobs.stage(ROOM * 3 // 4)
    with pytest.raises(errors.InsufficientStorage):
        blobs.stage(ROOM // 2)
    stage.write(bytes(ROOM * 3 // 4))

    assert stage.commit().length == ROOM * 3 // 4


def test_without_reservation_the_room_is_looked_at(disk: FaultyDisk, blobs: LocalBlobs) -> None:
    """Where the file system cannot set room aside, a hint is refused if there is none now."""
    disk.can_reserve = False
    with pytest.raises(errors.InsufficientStorage):
        blobs.stage(2 * ROOM)

    assert put(blobs, b"x", hint=ROOM // 2).length == 1


# ---------------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("call", "path"),
    [("fsync", "/blobs/a/0/1"), ("fsync", "/blobs/a/0"), ("pwrite", "/blobs/a/0/1"), ("create", "/blobs/a/0/1")],
)
def test_an_error_of_the_disk_ends_the_stage(disk: FaultyDisk, blobs: LocalBlobs, call: str, path: str) -> None:
    """EIO is told as it is; the file goes, the handles too, and other blobs are staged as before."""
    began = len(disk.steps)
    disk.fail(call, errno.EIO, path=path)

    with pytest.raises(OSError, match="Input/output"):
        put(blobs, b"lost")
    assert [10 << 32] == ids_of(blobs)
    assert not disk._handles
    assert calls(disk, began).count((call, path)) == 1
    assert get(blobs, put(blobs, b"next")) == b"next"


def test_a_stage_that_failed_stays_ended(disk: FaultyDisk, blobs: LocalBlobs) -> None:
    """After a failed fsync there is no second try: the kernel might say yes to what it has lost."""
    stage = blobs.stage(None)
    stage.write(b"x")
    disk.fail("fsync", errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        stage.commit()

    with pytest.raises(ValueError, match="ended"):
        stage.commit()
    stage.discard()


def test_directories_whose_sync_failed_are_never_trusted(disk: FaultyDisk, blobs: LocalBlobs) -> None:
    """Which names are on the disk is unknown: this generation makes no more directories. Another one goes well."""
    blobs._next_serial = 1024
    disk.fail("fsync", errno.EIO, path="/blobs/a")
    for _ in range(2):
        with pytest.raises(OSError, match=r"Input/output|could not be synced"):
            put(blobs, b"x")
    assert not disk._handles

    blobs.adopt(11)
    facts = put(blobs, b"x")
    assert get(LocalBlobs("/blobs", disk.crash_losing_all()), facts) == b"x"


def test_a_short_write_is_finished(disk: FaultyDisk, blobs: LocalBlobs) -> None:
    """The system may take less than it is given."""
    data = pattern(100_000)
    disk.write_short(5)

    assert data == get(blobs, put(blobs, data))


def test_discard_never_raises(disk: FaultyDisk, blobs: LocalBlobs) -> None:
    """What cannot be removed is left to the sweep."""
    stage = blobs.stage(None)
    disk.fail_at_random(0, 1.0)
    stage.discard()
    disk.before = None

    later = LocalBlobs("/blobs", disk)
    assert [[10 << 32, stage.id]] == list(later.sweep(10))


def test_an_unreadable_sector_is_damage(disk: FaultyDisk, blobs: LocalBlobs) -> None:
    """EIO of a read is the medium's word that the bytes are lost; other errors are the machine's and pass as they are."""
    facts = put(blobs, pattern(3 * BLOCK_BYTES))
    disk.fail("pread", errno.EIO)
    with pytest.raises(errors.DataCorrupt) as raised:
        get(blobs, facts, 2 * BLOCK_BYTES + 1, 5)
    assert (raised.value.fields["blob"], raised.value.fields["block"]) == (facts.id, 2)

    disk.fail("pread", errno.ENOMEM)
    with pytest.raises(OSError, match="memory"):
        get(blobs, facts)


def test_short_reads_are_joined(tmp_path: Path) -> None:
    """The system may give less than it is asked for."""

    class Stuttering(RealDisk):
        def pread(self, handle: int, length: int, offset: int) -> bytes:  # type: ignore[override]
            return RealDisk.pread(handle, min(length, 50_000), offset)

    blobs = LocalBlobs(tmp_path / "blobs", Stuttering())
    blobs.adopt(1)
    data = pattern(2 * BLOCK_BYTES + 1)

    assert data == get(blobs, put(blobs, data))


def test_drop_goes_on_after_an_error(disk: FaultyDisk, blobs: LocalBlobs) -> None:
    """One file that cannot be removed keeps no other; the error is told."""
    facts = [put(blobs, b"x") for _ in range(3)]
    disk.fail("unlink", errno.EIO)

    with pytest.raises(OSError, match="Input/output"):
        blobs.drop([fact.id for fact in facts])
    assert [10 << 32, facts[0].id] == ids_of(blobs)


def test_a_drop_waits_for_another(tmp_path: Path) -> None:
    """Who finds a file gone that another process is just unlinking may not yet count on its room."""
    unlinked, freed = threading.Event(), threading.Event()

    class Slow(RealDisk):
        def unlink(self, path: str) -> None:  # type: ignore[override]
            os.unlink(path)
            unlinked.set()
            time.sleep(0.1)  # as long as the kernel may take to free the room
            freed.set()

    first, second = LocalBlobs(tmp_path / "blobs", Slow()), LocalBlobs(tmp_path / "blobs")
    first.adopt(1)
    blob = put(first, b"room").id
    other = threading.Thread(target=first.drop, args=([blob],))
    other.start()
    assert unlinked.wait(10)
    second.drop([blob])
    was_freed = freed.is_set()
    other.join()

    assert was_freed


def test_a_failed_open_leaves_no_handle(disk: FaultyDisk, blobs: LocalBlobs) -> None:
    """A wrong length is told, and the file closed."""
    facts = put(blobs, b"four")
    with pytest.raises(errors.DataCorrupt) as raised:
        blobs.open(facts.id, 5)

    assert raised.value.fields == {"blob": facts.id, "block": 0, "length": 5, "found_length": 4}
    assert not disk._handles


# ----------------------------------------------------------------------------------------------------- empty directories


def test_empty_directories_of_the_dead_go(disk: FaultyDisk, blobs: LocalBlobs) -> None:
    """With its last blob a dead generation leaves no trace; our own directories stay, for the next blob."""
    dead = put(blobs, b"x")
    blobs.adopt(11)
    put(blobs, b"y")
    blobs.drop([10 << 32])
    assert disk.listdir("/blobs/a/0") == ["1"]
    blobs.drop([dead.id, 11 << 32])

    assert sorted(disk.listdir("/blobs")) == ["b", "format"]
    assert disk.listdir("/blobs/b") == ["0"]


def test_sweep_removes_directories_that_were_never_filled(disk: FaultyDisk) -> None:
    """A crash between mkdir and the first file leaves an empty one."""
    blobs = LocalBlobs("/blobs", disk)
    disk.mkdir("/blobs/3")
    disk.mkdir("/blobs/3/0")
    disk.mkdir("/blobs/3/1")

    assert list(blobs.sweep(3)) == []
    assert disk.listdir("/blobs") == ["format"]


def test_a_directory_removed_under_a_stage_is_made_again(disk: FaultyDisk, blobs: LocalBlobs) -> None:
    """Another process drops the last blob between our opening of the directory and our file in it."""
    other = LocalBlobs("/blobs", disk)
    other.adopt(12)

    def interfere(step: Step) -> None:
        if step.call == "create":
            disk.before = None
            other.drop([10 << 32])

    disk.before = interfere
    facts = put(blobs, b"safe")

    assert calls(disk).count(("rmdir", "/blobs/a/0")) == 1
    assert get(LocalBlobs("/blobs", disk.crash_losing_all()), facts) == b"safe"


def test_a_directory_that_vanishes_again_and_again_is_told(disk: FaultyDisk, blobs: LocalBlobs) -> None:
    """The tries have a limit, and leave nothing open."""
    blobs.drop([10 << 32])
    other = LocalBlobs("/blobs", disk)

    def interfere(step: Step) -> None:
        if step.call == "create":
            other._remove_if_empty(10 << 22)

    disk.before = interfere
    with pytest.raises(FileNotFoundError, match="vanishes"):
        put(blobs, b"x")
    assert not disk._handles


def test_nobody_uses_a_directory_before_it_is_durable(tmp_path: Path) -> None:
    """While one thread syncs a directory that it has just made, others wait, though the directory is there."""
    path = str(tmp_path / "blobs")
    syncing, go_on = threading.Event(), threading.Event()

    class Slow(RealDisk):
        slow: int | None = None

        def open_directory(self, path: str) -> int:
            handle = super().open_directory(path)
            if path.endswith("/blobs/1"):
                self.slow = handle
            return handle

        def fsync(self, handle: int) -> None:
            if handle == self.slow:
                syncing.set()
                assert go_on.wait(30)
            super().fsync(handle)

    blobs = LocalBlobs(path, Slow())
    blobs.adopt(1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(put, blobs, b"1")
        assert syncing.wait(30)
        second = pool.submit(put, blobs, b"2")
        with pytest.raises(TimeoutError):
            second.result(0.2)
        go_on.set()

        assert first.result(30).id != second.result(30).id


# -------------------------------------------------------------------------------------------------------------- the rest


def test_what_is_written_long_is_flushed_on_the_way(disk: FaultyDisk, blobs: LocalBlobs) -> None:
    """Every `FLUSH_BYTES` the system is asked to begin, each range once."""
    piece = bytes(stages.FLUSH_BYTES // 2)
    stage = blobs.stage(None)
    for _ in range(3):
        stage.write(piece)

    assert [step.call for step in disk.steps].count("flush_soon") == 1
    stage.discard()

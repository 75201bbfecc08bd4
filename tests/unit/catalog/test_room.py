"""Room set aside for a full disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from zakrom.catalog import room
from zakrom.catalog.room import MIB, ROOM_BYTES_MIN, Room


@pytest.mark.parametrize("total", [100 * MIB, 200 * MIB, 1 << 30, 1 << 40])
def test_what_is_set_aside_fits_the_disk(total: int) -> None:
    """A tenth of a small disk at most; and always more than a WAL at its hard limit can need."""
    sizes = room.sizes(total)

    assert sizes.wal_least <= sizes.wal_soft < sizes.wal_hard < sizes.reserve
    assert sizes.reserve + sizes.wal_hard <= max(total // 6, 16 * MIB)


def test_the_reserve_is_of_real_blocks(tmp_path: Path) -> None:
    """Not a sparse file, which a full disk would not keep a promise for."""
    kept = Room(str(tmp_path))
    facts = (tmp_path / "reserve").stat()

    assert facts.st_size == kept.sizes.reserve
    assert facts.st_blocks * 512 >= kept.sizes.reserve
    assert facts.st_mode & 0o777 == 0o600


class Measured(Room):
    """A file system with as much room as the test says."""

    free = 1 << 40

    def free_bytes(self) -> int:
        return self.free


def test_fullness_begins_and_ends_at_different_marks(tmp_path: Path) -> None:
    """So that a disk at the limit does not enter and leave it with every change."""
    kept = Measured(str(tmp_path))
    assert not kept.short()
    kept.free = ROOM_BYTES_MIN - 1
    assert kept.short()
    kept.free = ROOM_BYTES_MIN + 1
    assert kept.short()
    kept.free = 2 * ROOM_BYTES_MIN
    assert not kept.short()


def test_the_reserve_is_given_and_taken_again(tmp_path: Path) -> None:
    """Given when the disk is full; taken as soon as it fits beside what is needed."""
    kept = Measured(str(tmp_path))
    kept.free = 0
    kept.give()
    assert not (tmp_path / "reserve").exists()
    assert kept.short()
    kept.free = kept.sizes.reserve + 2 * ROOM_BYTES_MIN - 1
    assert kept.short()
    assert not (tmp_path / "reserve").exists()
    kept.free += 1
    assert not kept.short()
    assert (tmp_path / "reserve").stat().st_size == kept.sizes.reserve

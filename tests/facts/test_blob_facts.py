"""Hard facts behind the design of the blobs, shown on this machine: when one ceases to hold, the design is looked at again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from awscrt.checksums import crc32c

from zakrom import errors
from zakrom.blobs.disk import RealDisk
from zakrom.blobs.local import LocalBlobs
from zakrom.model.facts import BLOCK_BYTES
from zakrom.testing.contracts.blobs import get, ids_of, pattern, put

MIB = 1024 * 1024
TMPFS_BYTES = 200 * MIB
"""A disk that a test can fill in a moment."""


class Counting(RealDisk):
    """A real disk that counts what is read."""

    def __init__(self) -> None:
        self.bytes_read = 0

    def pread(self, handle: int, length: int, offset: int) -> bytes:  # type: ignore[override]
        data = RealDisk.pread(handle, length, offset)
        self.bytes_read += len(data)
        return data


# ------------------------------------------------------------------------------------------------------------- checksums


def test_a_range_costs_its_own_blocks_only(tmp_path: Path) -> None:
    """One checksum per blob could not verify a range without reading all; one per block reads the blocks it touches."""
    disk = Counting()
    blobs = LocalBlobs(tmp_path / "blobs", disk)
    blobs.adopt(1)
    facts = put(blobs, bytes(64 * BLOCK_BYTES))
    disk.bytes_read = 0
    get(blobs, facts, 10 * BLOCK_BYTES - 1, 2)

    assert 2 * BLOCK_BYTES == disk.bytes_read


def test_checksums_do_not_hold_the_interpreter() -> None:
    """While a large buffer is checked other threads run: the checksum itself lets the interpreter go."""
    data = bytes(256 * MIB)
    ticks: list[float] = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    ticker = threading.Thread(target=tick)
    switch_interval = sys.getswitchinterval()
    sys.setswitchinterval(60)  # nobody takes the interpreter away from who does not give it
    try:
        ticker.start()
        began = time.perf_counter()
        crc32c(data)
        ended = time.perf_counter()
    finally:
        stop.set()
        sys.setswitchinterval(switch_interval)
        ticker.join()

    assert [tick for tick in ticks if began < tick < ended]


def test_reading_copies_nothing_but_from_the_system(tmp_path: Path) -> None:
    """A verified range needs the memory of the blocks it touches, once."""
    blobs = LocalBlobs(tmp_path / "blobs")
    blobs.adopt(1)
    facts = put(blobs, bytes(16 * MIB))
    reader = blobs.open(facts.id, facts.length)
    tracemalloc.start()
    reader.read(1, 16 * MIB - 2, facts.blocks, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    reader.close()

    assert peak < 16 * MIB + 64 * 1024


def test_staging_keeps_nothing_but_checksums(tmp_path: Path) -> None:
    """Memory is flat, however long the blob: four bytes for each 128 KiB."""
    blobs = LocalBlobs(tmp_path / "blobs")
    blobs.adopt(1)
    chunk = memoryview(bytes(256 * 1024))
    stage = blobs.stage(64 * MIB)
    tracemalloc.start()
    for _ in range(256):
        stage.write(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    stage.discard()

    assert peak < 64 * 1024


# ------------------------------------------------------------------------------------------------------------- processes


def test_processes_stage_side_by_side(tmp_path: Path) -> None:
    """Names belong to a generation, and a generation to one process: nothing is shared, nothing is locked."""
    program = (
        "import sys\n"
        "from zakrom.blobs.local import LocalBlobs\n"
        "from zakrom.testing.contracts.blobs import pattern, put\n"
        "blobs = LocalBlobs(sys.argv[1])\n"
        "blobs.adopt(int(sys.argv[2]))\n"
        "for number in range(100):\n"
        "    facts = put(blobs, pattern(100, number))\n"
        "    print(facts.id)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "blobs")]
    processes = [subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True) for number in range(1, 4)]
    told = [int(line) for process in processes for line in process.communicate(timeout=60)[0].split()]

    assert [0, 0, 0] == [process.returncode for process in processes]
    assert 300 == len(set(told))
    assert sorted(told) == ids_of(LocalBlobs(tmp_path / "blobs"))


# ------------------------------------------------------------------------------------------------------------ a full disk


class Sink(Protocol):
    """What bytes can be written to."""

    def write(self, data: bytes, /) -> object:
        """Appends."""
        ...


def write_for_ever(sink: Sink) -> None:
    """Writes until it is refused."""
    while True:
        sink.write(bytes(4096))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 200 MB, in memory."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root on Linux")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"this machine does not let root mount a tmpfs: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def blobs(small_disk: Path) -> LocalBlobs:
    """On the small disk."""
    blobs = LocalBlobs(small_disk / "blobs")
    blobs.adopt(1)
    return blobs


def fill(blobs: LocalBlobs) -> list[int]:
    """Blobs of 8 MiB, and then of 64 KiB, until nothing goes any more."""
    made: list[int] = []
    for size in (8 * MIB, 64 * 1024):
        while True:
            try:
                made.append(put(blobs, bytes(size), hint=size).id)
            except errors.InsufficientStorage:
                break
    return made


def test_a_hint_finds_out_before_a_byte_is_sent(blobs: LocalBlobs) -> None:
    """More than there is room for is refused at once and takes nothing; what fits is taken."""
    free = blobs.room().free
    for hint in (free + 1, TMPFS_BYTES, 5 * 1024 * 1024 * MIB):
        with pytest.raises(errors.InsufficientStorage):
            blobs.stage(hint)

    assert free == blobs.room().free
    assert put(blobs, bytes(free // 2), hint=free // 2).length == free // 2


def test_hints_that_were_granted_are_kept(blobs: LocalBlobs) -> None:
    """The room of a stage is its own: another one cannot take it, and it need not be written to be held."""
    stage = blobs.stage(150 * MIB)
    assert blobs.room().free < 50 * MIB
    with pytest.raises(errors.InsufficientStorage):
        put(blobs, bytes(60 * MIB))
    chunk = bytes(MIB)
    for _ in range(150):
        stage.write(chunk)

    assert stage.commit().length == 150 * MIB


def test_a_disk_that_fills_while_we_write(blobs: LocalBlobs) -> None:
    """Without a hint the write finds out; the file goes at once, and its room is there for the next."""
    free = blobs.room().free
    stage = blobs.stage(None)
    with pytest.raises(errors.InsufficientStorage):
        write_for_ever(stage)

    assert [] == ids_of(blobs)
    assert free == blobs.room().free


def test_on_a_full_disk_reads_and_deletes_go_on(blobs: LocalBlobs) -> None:
    """Full is a normal state: what is there is read, what is dropped makes room for the next at once."""
    kept = put(blobs, pattern(MIB))
    made = fill(blobs)
    with pytest.raises(errors.InsufficientStorage):
        put(blobs, bytes(MIB))
    assert pattern(MIB) == get(blobs, kept)

    for _ in range(5):
        blobs.drop([made.pop(0)])
        made.append(put(blobs, bytes(8 * MIB), hint=8 * MIB).id)
    assert pattern(MIB) == get(blobs, kept)


def test_a_full_disk_starts(blobs: LocalBlobs, small_disk: Path) -> None:
    """A server starts on a disk that has no room left, and sweeps."""
    made = fill(blobs)
    with (small_disk / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError, match="No space"):
        write_for_ever(ballast)
    later = LocalBlobs(small_disk / "blobs")
    later.adopt(2)
    with pytest.raises(errors.InsufficientStorage):
        put(later, bytes(64 * 1024))
    for batch in later.sweep(1):
        later.drop(batch)

    assert made
    assert put(later, bytes(100 * MIB), hint=100 * MIB).length == 100 * MIB

"""Running a program under the recorder, and reading what it recorded.

The recorder is recorder.c beside this file, compiled when it is first used and loaded into the program by LD_PRELOAD. See its
head for what it sees and what it does not; `Recording.verify` replays the whole log and compares with the real files, so that a
call which it missed is an error and not a false proof.
"""

from __future__ import annotations

import copy
import ctypes
import hashlib
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final

from zakrom.testing.platter import Directory, File
from zakrom.testing.syscalls.replay import Kind, Loss, Record, Replay, State, differences, load, store

SOURCE: Final = Path(__file__).with_name("recorder.c")

LOG_BYTES_MAX: Final = 4 << 30
"""Of one recording; the file is sparse, only what is recorded takes room."""

LOG_START: Final = 4096
USED: Final = struct.Struct("<16xQ")
RECORD: Final = struct.Struct("<QIIQqqQQ")
"""As ``struct control`` and ``struct record`` in recorder.c."""

COMPILE_SECONDS_MAX: Final = 60

LOSSES: Final = (Loss.ALL, Loss.NONE, Loss.LATEST, Loss.ANY, Loss.ANY)
"""How often each is chosen: `Loss.ANY` has the most to say."""

SEEDED: Final = (Loss.LATEST, Loss.ANY)


class RecorderUnavailable(Exception):
    """This machine cannot record; the message says what is missing."""


class Recorder:
    """Records what programs do below a directory, from its making to `finish`.

    ``directory`` exists; what is in it counts as durable. ``scratch`` is a directory outside. Raises `RecorderUnavailable`.
    """

    def __init__(self, directory: Path, scratch: Path) -> None:
        self._directory = directory.resolve()
        self._log = scratch.resolve() / f"syscalls-{os.urandom(4).hex()}.log"
        self._library_path = _compiled(scratch)
        self._library = ctypes.CDLL(str(self._library_path))
        code = self._library.recorder_make(os.fsencode(self._log), ctypes.c_uint64(LOG_BYTES_MAX))
        if code:
            raise OSError(code, os.strerror(code), str(self._log))
        self._root, self._inodes = load(self._directory)

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the program and all that it starts."""
        return {
            "LD_PRELOAD": str(self._library_path),
            "SYSCALL_RECORDER_LOG": str(self._log),
            "SYSCALL_RECORDER_DIRECTORY": str(self._directory),
        }

    def mark(self, text: str) -> None:
        """Notes, at this moment of the log, that something was promised: all of it must hold in every state after this."""
        data = text.encode()
        self._library.recorder_mark(data, ctypes.c_uint64(len(data)))

    def finish(self) -> Recording:
        """Reads the log. The programs should have ended; what they do later is not seen."""
        records = _read(self._log)
        self._log.unlink()
        return Recording(self._directory, records, self._root, self._inodes)


class Recording:
    """A log, and the directory that it began with."""

    def __init__(self, directory: Path, records: list[Record], root: Directory, inodes: dict[int, File | Directory]) -> None:
        self.directory = directory
        self.records = records
        self._root = root
        self._inodes = inodes

    @property
    def marks(self) -> list[str]:
        """All promises, in order."""
        return [record.data.decode() for record in self.records if record.kind is Kind.MARK]

    def verify(self) -> None:
        """The log accounts for every byte and name that the directory has. Raises AssertionError with the paths that differ."""
        replay = self._replay()
        for record in self.records:
            replay.apply(record)
        missed = differences(replay.root, self.directory)
        if missed:
            raise AssertionError(f"calls that changed these were not recorded: {missed}")

    def states(self, seed: int, limit: int, scratch: Path | None = None) -> Iterator[State]:
        """Up to ``limit`` disks that a power cut may have left, in the order of the cuts.

        Half of them at most are cuts right after a mark with all losses, where a missing sync shows; the others come anywhere,
        with any loss, as the seed chooses. Each is a directory in ``scratch`` (by default where temporary files go), which the
        caller may change, and which is removed when the next is asked for.
        """
        above = Path(tempfile.mkdtemp(dir=scratch, prefix="power-cut-"))
        try:
            replay = self._replay()
            done = 0
            for index, loss, variant in self._cuts(seed, limit):
                for record in self.records[done:index]:
                    replay.apply(record)
                done = index
                path = above / f"{index}-{loss.name.lower()}-{variant}"
                store(replay.after_crash(loss, Random(variant)), path)  # noqa: S311 - a seed must give the same again
                yield State(path, list(replay.marks), index, loss, variant)
                shutil.rmtree(path)
        finally:
            shutil.rmtree(above)

    def _replay(self) -> Replay:
        root, inodes = copy.deepcopy((self._root, self._inodes))
        return Replay(str(self.directory), inodes, root)

    def _cuts(self, seed: int, limit: int) -> list[tuple[int, Loss, int]]:
        """(before which record, loss, seed), in the order of the records."""
        random = Random(seed)  # noqa: S311 - a seed must give the same again
        marked = [(index + 1, Loss.ALL, 0) for index, record in enumerate(self.records) if record.kind is Kind.MARK]
        random.shuffle(marked)
        chosen = dict.fromkeys([*marked[: limit // 2], *self._anywhere(random)])  # each cut once
        return sorted(list(chosen)[:limit], key=lambda cut: cut[0])

    def _anywhere(self, random: Random) -> list[tuple[int, Loss, int]]:
        """All cuts, one from each stretch between two marks in turn: a start with many writes is no more than one stretch."""
        ranked: list[tuple[int, float, tuple[int, Loss, int]]] = []
        for stretch in self._stretches():
            cuts = [(index, loss) for loss in LOSSES for index in stretch]
            random.shuffle(cuts)
            for rank, (index, loss) in enumerate(cuts):
                ranked.append((rank, random.random(), (index, loss, random.getrandbits(32) if loss in SEEDED else 0)))
        return [cut for _, _, cut in sorted(ranked, key=lambda entry: entry[:2])]

    def _stretches(self) -> list[range]:
        """The records between marks, as ranges of the log."""
        edges = [index + 1 for index, record in enumerate(self.records) if record.kind is Kind.MARK]
        return [range(start, end) for start, end in pairwise([0, *edges, len(self.records) + 1])]


def record(
    command: Sequence[str],
    directory: Path,
    scratch: Path,
    *,
    environment: Mapping[str, str],
    seconds: float,
    returncode: int = 0,
) -> Recording:
    """Runs a program to its end under the recorder; each line that it prints is a mark.

    After a line the program reads one from its standard input: that comes when the mark stands in the log, so that nothing the
    program does later can come before it. Raises `RecorderUnavailable`; subprocess.CalledProcessError if it does not end with
    ``returncode``. After ``seconds`` it is killed.
    """
    recorder = Recorder(directory, scratch)
    process = subprocess.Popen(
        list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**environment, **recorder.environment}, text=True
    )
    clock = threading.Timer(seconds, process.kill)
    clock.start()
    try:
        with process:
            _take_marks(process, recorder)
    finally:
        clock.cancel()
    if process.returncode != returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command))
    return recorder.finish()


def _take_marks(process: subprocess.Popen[str], recorder: Recorder) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    for line in process.stdout:
        recorder.mark(line.rstrip("\n"))
        process.stdin.write("\n")
        process.stdin.flush()


def _compiled(scratch: Path) -> Path:
    """The recorder as a library for this machine, made once in ``scratch``."""
    if sys.platform != "linux" or struct.calcsize("P") != 8:
        raise RecorderUnavailable("system calls are recorded on 64-bit Linux only")
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RecorderUnavailable("no C compiler: install gcc (Debian: apt-get install gcc libc6-dev)")
    library = scratch.resolve() / f"recorder-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}.so"
    if not library.exists():
        made = library.with_suffix(f".{os.getpid()}")
        command = [
            compiler,
            "-std=gnu11",
            "-Wall",
            "-Wextra",
            "-O2",
            "-fPIC",
            "-shared",
            "-pthread",
            "-o",
            str(made),
            str(SOURCE),
        ]
        result = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_SECONDS_MAX, check=False)
        if result.returncode != 0:
            raise RecorderUnavailable(f"{compiler} cannot compile {SOURCE}:\n{result.stderr}")
        made.replace(library)
    return library


def _read(log: Path) -> list[Record]:
    """All whole records of a log."""
    records = []
    with log.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        (used,) = USED.unpack_from(memory)
        place = LOG_START
        while place < LOG_START + used:
            total, kind, pid, inode, a, b, path_length, data_length = RECORD.unpack_from(memory, place)
            path = place + RECORD.size
            data = path + path_length
            records.append(
                Record(Kind(kind), pid, inode, a, b, os.fsdecode(memory[path:data]), memory[data : data + data_length])
            )
            place += total
    return records

"""The recorder sees all that a program writes, its disks are those a power cut may leave, and a check on them finds mistakes.

The program here is small (program.py); the server itself is put to the same test elsewhere.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from zakrom import errors
from zakrom.blobs.local import LocalBlobs
from zakrom.testing.contracts.blobs import pattern
from zakrom.testing.syscalls import Recorder, Recording, State, record
from zakrom.testing.syscalls.replay import Kind, Loss, differences, load, store

PROGRAM = Path(__file__).with_name("program.py")
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
SECONDS = 60
LIMIT = 250  # states of one run: there are about 2,000


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the recorder's library and logs lie; compiled once."""
    if sys.platform != "linux":
        pytest.skip("system calls are recorded by LD_PRELOAD: Linux only")
    return tmp_path_factory.mktemp("recorder")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """What is recorded."""
    path = tmp_path / "data"
    path.mkdir()
    return path


def recorded(directory: Path, scratch: Path, mode: str) -> Recording:
    """The program's run."""
    command = [sys.executable, str(PROGRAM), str(directory), mode]
    returncode = -signal.SIGKILL if mode == "killed" else 0
    return record(command, directory, scratch, environment=ENVIRONMENT, seconds=SECONDS, returncode=returncode)


# ------------------------------------------------------------------------------------------------------------- the check


def check(state: State) -> None:
    """What the program promised holds: rows are there, and every row's blob is, to the byte; what it dropped is gone."""
    put = {int(mark.removeprefix("put ")) for mark in state.marks if mark.startswith("put ")}
    dropped = {int(mark.removeprefix("drop ")) for mark in state.marks if mark.startswith("drop ")}
    dropping = {number // 2 for number in put if number % 4 == 0}  # a drop may have begun that was never promised
    rows = rows_of(state.path / "catalog.db") if put else {}
    assert put - dropping <= rows.keys()
    assert not dropped & rows.keys()

    if not (state.path / "blobs").exists():
        assert not put
        return
    blobs = LocalBlobs(state.path / "blobs")
    for number, (blob, length, checksums) in rows.items():
        reader = blobs.open(blob, length)
        assert pattern(number * 700, number) == bytes(reader.read(0, length, checksums, 0))
        reader.close()


def rows_of(path: Path) -> dict[int, tuple[int, int, bytes]]:
    """The catalog after its own recovery."""
    catalog = sqlite3.connect(path)
    try:
        assert catalog.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found = catalog.execute("SELECT number, id, length, blocks FROM blob").fetchall()
    finally:
        catalog.close()
    return {number: (blob, length, checksums) for number, blob, length, checksums in found}


def failures(recording: Recording, scratch: Path, enough: int = LIMIT) -> list[str]:
    """The states in which a promise does not hold, no more than ``enough``."""
    found: list[str] = []
    for state in recording.states(seed=1, limit=LIMIT, scratch=scratch):
        try:
            check(state)
        except (AssertionError, OSError, sqlite3.Error, errors.Corrupt, ValueError) as error:
            found.append(f"{state}: {error!r}")
            if len(found) == enough:
                break
    return found


# ------------------------------------------------------------------------------------------------------------- the proof


@pytest.mark.parametrize("mode", ["sound", "killed"])
def test_a_sound_program_keeps_its_promises(directory: Path, scratch: Path, mode: str) -> None:
    """Blobs and SQLite: after a cut at any call, with any loss, all that was promised is there."""
    recording = recorded(directory, scratch, mode)
    recording.verify()

    assert {Kind.CREATE, Kind.WRITE, Kind.SYNC_BEGIN, Kind.SYNC_END, Kind.MKDIR, Kind.UNLINK} <= {
        event.kind for event in recording.records
    }
    assert len(recording.marks) == 30
    assert failures(recording, scratch) == []


@pytest.mark.parametrize("mode", ["synchronous-off", "no-file-sync", "no-directory-sync", "fact-before-bytes"])
def test_a_mistake_is_found(directory: Path, scratch: Path, mode: str) -> None:
    """The check has teeth: a sync that is missing, or an order that is wrong, shows in several of the states."""
    recording = recorded(directory, scratch, mode)
    recording.verify()

    assert len(failures(recording, scratch, enough=3)) == 3


# ---------------------------------------------------------------------------------------------------------- the recorder


def run(directory: Path, scratch: Path, program: str) -> Recording:
    """A few lines of Python in the directory, recorded and verified."""
    recording = record(
        [sys.executable, "-c", f"import os\nos.chdir({str(directory)!r})\n{program}"],
        directory,
        scratch,
        environment=ENVIRONMENT,
        seconds=SECONDS,
    )
    recording.verify()
    return recording


@pytest.mark.parametrize(
    "program",
    [
        "open('a', 'wb').write(b'x' * 100_000)",
        "file = open('a', 'ab'); file.write(b'1'); file.flush(); file.write(b'2'); file.close(); open('a', 'ab').write(b'3')",
        "open('old', 'r+b').write(b'new'); open('old', 'wb').write(b'newer')",
        "f = os.open('a', os.O_CREAT | os.O_RDWR); os.writev(f, [b'1', b'2']); os.pwritev(f, [b'3'], 2); os.pwrite(f, b'!', 9)",
        "f = os.open('old', os.O_RDWR); os.ftruncate(f, 2); os.truncate('old', 7); os.posix_fallocate(f, 0, 5000)",
        "os.mkdir('d'); d = os.open('d', os.O_RDONLY); os.mkdir('e', dir_fd=d); os.close(os.open('e/x', os.O_CREAT, dir_fd=d))",
        "os.makedirs('d/../d/./e'); os.rmdir('d/e'); os.rmdir('d')",
        "os.rename('old', 'new'); os.replace('new', 'old'); os.link('old', 'other'); open('other', 'ab').write(b'both')",
        "os.unlink('old'); os.remove('.//sub/below')",
        "import shutil; shutil.copyfile('old', 'copy'); shutil.copytree('sub', 'sub2'); shutil.rmtree('sub')",
        "a = os.open('old', os.O_RDONLY); b = os.open('c', os.O_CREAT | os.O_WRONLY); os.copy_file_range(a, b, 3)",
        "f = os.open('old', os.O_RDWR); g = os.dup(f); os.close(f); os.write(g, b'dup'); os.sync(); os.fdatasync(g)",
        "f = os.open('old', os.O_RDWR); os.unlink('old'); os.write(f, b'unseen'); os.fsync(f); open('old', 'w').write('again')",
        'import subprocess, sys; subprocess.run([sys.executable, \'-c\', \'open("a", "w").write("child")\'], check=True)',
        "os.closerange(3, 1000); open('a', 'w').write('on')",
        "p = os.fork()\nif not p: open('a', 'w').write('child'); os._exit(0)\nos.waitpid(p, 0); open('b', 'w').write('x')",
        "import socket; s = socket.socket(socket.AF_UNIX); s.bind('socket'); os.unlink('socket')",
    ],
)
def test_every_way_to_change_a_file_is_seen(directory: Path, scratch: Path, program: str) -> None:
    """What the log says and what the directory holds is the same."""
    (directory / "old").write_bytes(b"old content")
    (directory / "sub").mkdir()
    (directory / "sub/below").write_bytes(b"below")

    assert run(directory, scratch, program).records


def test_what_lies_elsewhere_is_not_recorded(directory: Path, scratch: Path, tmp_path: Path) -> None:
    """Files beside the directory, also those whose path begins alike, are none of its business."""
    recording = run(directory, scratch, f"open({str(tmp_path / 'data2')!r}, 'w').write('x')")

    assert recording.records == []


def test_a_call_that_was_missed_is_an_error(directory: Path, scratch: Path) -> None:
    """Verify finds what another program did behind the recorder's back."""
    recording = run(directory, scratch, "open('a', 'w').write('x')")
    (directory / "a").write_text("y")
    (directory / "b").write_text("z")

    with pytest.raises(AssertionError, match=r"\['a', 'b'\]"):
        recording.verify()


def test_many_processes_share_one_log(directory: Path, scratch: Path) -> None:
    """Records are whole, and in an order that gives what is there."""
    program = (
        "import os, sys\n"
        "for number in range(200):\n"
        "    handle = os.open(f'{sys.argv[1]}/{number % 7}', os.O_CREAT | os.O_WRONLY | os.O_APPEND)\n"
        "    os.write(handle, f'{os.getpid()} {number}\\n'.encode())\n"
        "    os.close(handle)\n"
        "    if number % 50 == 49:\n"
        "        os.unlink(f'{sys.argv[1]}/{number % 7}') if os.path.exists(f'{sys.argv[1]}/{number % 7}') else None\n"
    )
    recorder = Recorder(directory, scratch)
    command = [sys.executable, "-c", program, str(directory)]
    processes = [subprocess.Popen(command, env={**ENVIRONMENT, **recorder.environment}) for _ in range(4)]
    recorder.mark("meanwhile")
    for process in processes:
        process.wait(SECONDS)
    recording = recorder.finish()
    recording.verify()

    assert ["meanwhile"] == recording.marks
    assert len({event.pid for event in recording.records if event.kind is Kind.WRITE}) == 4


def test_a_program_that_prints_nothing_is_recorded(directory: Path, scratch: Path) -> None:
    """Marks are optional, and what goes wrong in the program is told."""
    with pytest.raises(subprocess.CalledProcessError):
        run(directory, scratch, "raise SystemExit(3)")


# ------------------------------------------------------------------------------------------------------------ the states

SYNCED = """
f = os.open('f', os.O_CREAT | os.O_WRONLY)
os.write(f, b'1' * 512 + b'2' * 512)
os.fsync(f)
os.fsync(os.open('.', os.O_RDONLY))
print('synced', flush=True); input()
os.write(f, b'3' * 512 + b'4' * 512)
"""


def test_states_keep_what_was_synced_and_lose_what_was_not(directory: Path, scratch: Path) -> None:
    """After the promise the synced half is in every state; the rest is there, gone, torn, or zeros."""
    recording = run(directory, scratch, SYNCED)
    whole = b"".join(bytes([digit]) * 512 for digit in b"1234")
    found = {loss: set() for loss in Loss}
    for state in recording.states(seed=3, limit=1000):
        content = (state.path / "f").read_bytes() if (state.path / "f").exists() else None
        if state.marks:
            assert ["synced"] == state.marks
            assert content is not None
            assert content.startswith(whole[:1024])
        found[state.loss].add(content)

    assert {None, whole[:1024]} == found[Loss.ALL]
    assert {None, b"", whole[:1024], whole} == found[Loss.NONE]
    assert {whole[:1024] + bytes(512) + b"4" * 512, whole[:1536], whole[:1024]} & found[Loss.ANY]


def test_states_come_again_with_their_seed(directory: Path, scratch: Path) -> None:
    """The same seed gives the same disks, in the order of the cuts; never more than asked for; none is left behind."""
    recording = run(directory, scratch, SYNCED)
    above = scratch / "states"
    above.mkdir()

    def disks(seed: int) -> list[tuple[str, bytes | None]]:
        return [
            (str(state), (state.path / "f").read_bytes() if (state.path / "f").exists() else None)
            for state in recording.states(seed=seed, limit=12, scratch=above)
        ]

    first = disks(5)
    assert first == disks(5) != disks(6)
    assert len(first) == 12
    assert list(above.iterdir()) == []


def test_a_failed_sync_settles_nothing(directory: Path, scratch: Path) -> None:
    """A sync that never ended, or failed, is no promise of the disk."""
    recording = run(directory, scratch, SYNCED)
    ends = [index for index, event in enumerate(recording.records) if event.kind is Kind.SYNC_END]
    recording.records[ends[0]] = recording.records[ends[0]]._replace(b=5)
    contents = {(state.path / "f").read_bytes() for state in recording.states(seed=1, limit=200) if state.marks}

    assert b"" in contents


def test_a_directory_comes_back_as_it_was(directory: Path, tmp_path: Path) -> None:
    """Loading and storing lose nothing."""
    (directory / "sub/deep").mkdir(parents=True)
    (directory / "sub/file").write_bytes(os.urandom(5000))
    (directory / "empty").touch()
    root, inodes = load(directory)
    store(root, tmp_path / "copy")

    assert differences(root, tmp_path / "copy") == []
    assert (directory / "sub/file").stat().st_ino in inodes

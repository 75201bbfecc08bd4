"""A real server under the recorder: whatever it had acknowledged is on every disk that a power cut may have left.

The server lives with two workers through every kind of step, a restart and a crash; cuts are made at any recorded call of any
of its processes, those of its start, its recovery and its cleaning up included.
"""

# ruff: noqa: T201 - seeds are printed

from __future__ import annotations

import os
import random
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from zakrom import errors
from zakrom.testing.server import Server
from zakrom.testing.syscalls import Recorder, Recording, State
from zakrom.testing.syscalls.replay import Kind

from .life import Client, Picture, anything, every_kind, versions
from .reopened import reopen, served, unordered

STATES = int(os.environ.get("ZAKROM_POWERCUT_STATES", "150"))
"""`make powercut` opens thousands; some seconds' worth in CI."""

SERVED_STATES = 3
"""Started as whole servers."""

STATES_WITH_MISTAKE = 60
"""In which a planted mistake must show."""

ANYTHING_STEPS = 12


class PlantedServer(Server):
    """A server with a mistake of `planted.py`."""

    mistake = ""

    def command(self) -> list[str]:
        """The same command line, for the other program."""
        python, _, _, *rest = super().command()
        return [python, str(Path(__file__).with_name("planted.py")), self.mistake, *rest]


class Recorded:
    """A recording, who did what in it, and the keys of its server."""

    def __init__(self, recording: Recording, clients: list[Client], secret: str) -> None:
        self.recording = recording
        self.clients = clients
        self.secret = secret

    def wrong(self, state: State, picture: Picture) -> list[str]:
        """The clients whose buckets are not as they may be in this state."""
        done = {name: int(number) for name, number in (mark.split() for mark in state.marks)}
        return [
            f"{client.name}, after {done.get(client.name, 0)} steps, sees {mine}"
            for client in self.clients
            if (mine := {name: seen for name, seen in picture.items() if name.startswith(client.name)})
            not in client.allowed(done.get(client.name, 0))
        ]


@contextmanager
def recorded_server(path: Path, make: type[Server] = Server) -> Iterator[tuple[Server, Recorder]]:
    """A server whose calls are recorded from its very first start."""
    data = path / "data"
    data.mkdir()
    recorder = Recorder(data, path)
    with make(data, workers=2, env=recorder.environment, args=["--reap-grace", "0s"]) as server:
        yield server, recorder


def side_by_side(*works: Callable[[], None]) -> None:
    """All at once; fails if one fails."""
    failures: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The life of a server: each kind of step beside others, stopped and started, killed in mid-upload and started."""
    if sys.platform != "linux":
        pytest.skip("system calls are recorded by LD_PRELOAD: Linux only")
    with recorded_server(tmp_path_factory.mktemp("recorded")) as (server, recorder):
        clients = [Client(server, name, recorder.mark, seed) for seed, name in enumerate(("kinds", "versions", "any"))]
        kinds, versioned, others = clients
        side_by_side(
            lambda: every_kind(kinds),
            lambda: (versioned.create_bucket(), versions(versioned)),  # type: ignore[func-returns-value]
            lambda: (others.create_bucket(), anything(others, ANYTHING_STEPS)),  # type: ignore[func-returns-value]
        )
        assert server.stop() == 0
        server.start()
        anything(kinds, ANYTHING_STEPS // 2)
        half = others.cut_short("half", 2_500_000, 2_000_000)
        side_by_side(lambda: anything(kinds, ANYTHING_STEPS // 2), lambda: anything(versioned, ANYTHING_STEPS // 2))
        server.kill()
        half.close()
        server.start()
        anything(others, 3)
        assert server.stop() == 0
        return Recorded(recorder.finish(), clients, server.secret_key)


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """Where states lie: each is written, synced and looked at once, for which no disk need turn."""
    memory = Path("/dev/shm")
    above = memory if os.access(memory, os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=above, prefix="zakrom-states-") as path:
        yield Path(path)


def test_nothing_is_missed(recorded: Recorded) -> None:
    """The recording accounts for every byte on the disk, and has every kind of call that a server makes."""
    recorded.recording.verify()

    kinds = {event.kind for event in recorded.recording.records}
    assert {Kind.CREATE, Kind.WRITE, Kind.TRUNCATE, Kind.SYNC_BEGIN, Kind.SYNC_END, Kind.MKDIR, Kind.UNLINK} <= kinds
    assert len({event.pid for event in recorded.recording.records if event.kind is Kind.WRITE}) > 6  # three lives of several


@pytest.mark.timeout(600 + STATES)
def test_what_was_acknowledged_survives_a_power_cut(recorded: Recorded, in_memory: Path) -> None:
    """At any call, with any loss: all is as after the last acknowledged step, or as after the one under way; it all adds up."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}, {len(recorded.recording.records)} calls, {len(recorded.recording.marks)} acknowledgements")
    opened = 0
    for state in recorded.recording.states(seed, STATES, in_memory):
        picture, findings = reopen(state.path)
        opened += 1

        assert findings == [], f"seed {seed}: {state}"
        assert recorded.wrong(state, picture) == [], f"seed {seed}: {state}"
    assert opened == STATES


@pytest.mark.timeout(300)
def test_a_server_starts_after_a_power_cut(recorded: Recorded, in_memory: Path) -> None:
    """The same by a whole server, over HTTP; then it takes new writes, and cleans up by itself."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    for state in recorded.recording.states(seed, SERVED_STATES, in_memory):
        with Server(state.path, workers=2, secret_key=recorded.secret) as server:
            picture = served(server)
            server.client().create_bucket(Bucket="after")
            server.client().put_object(Bucket="after", Key="k", Body=bytes(100_000))

            assert server.client().get_object(Bucket="after", Key="k")["Body"].read() == bytes(100_000)
        for client in recorded.clients:
            client.pictures = [[unordered(picture) for picture in step] for step in client.pictures]
        assert recorded.wrong(state, unordered(picture)) == [], f"seed {seed}: {state}"


@pytest.mark.parametrize("mistake", ["synchronous-off", "synchronous-normal", "no-file-sync", "no-directory-sync"])
def test_a_mistake_is_found(tmp_path: Path, in_memory: Path, mistake: str) -> None:
    """The proof has teeth: a server that forgets one kind of sync loses what it had acknowledged, and that is seen."""
    make = type("Mistaken", (PlantedServer,), {"mistake": mistake})
    with recorded_server(tmp_path, make) as (server, recorder):
        client = Client(server, "one", recorder.mark, 1)
        client.create_bucket()
        for number in range(4):
            client.put(f"file{number}", 40_000)
            client.put(f"inline{number}", 400)
        client.delete("file1")
        assert server.stop() == 0
    recorded = Recorded(recorder.finish(), [client], server.secret_key)

    with closing(recorded.recording.states(1, STATES_WITH_MISTAKE, in_memory)) as states:
        assert any(is_wrong(recorded, state) for state in states)


def is_wrong(recorded: Recorded, state: State) -> bool:
    """Whether the state shows that something is lost."""
    try:
        picture, findings = reopen(state.path)
    except (errors.Error, sqlite3.Error, OSError):
        return True
    return bool(findings or recorded.wrong(state, picture))

"""`work.processes`: each test runs a supervisor in a process of its own, with children of a few lines, and listens to it.

What a process does, it says: "name pid word" on its standard output.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

PREAMBLE = """
import logging, os, select, signal, sys, time
from zakrom import errors
from zakrom.work import processes
from zakrom.work.processes import Child, Supervisor

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)

def say(name, word):
    os.write(1, f"{name} {os.getpid()} {word}\\n".encode())

def serve(place):
    # Until SIGTERM, as a worker does.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    say(place.name, "up")
    place.ready()
    signal.sigwait({signal.SIGTERM})
    say(place.name, "stops")

def stubborn(place):
    # Never stops.
    signal.signal(signal.SIGTERM, lambda *_: say(place.name, "refuses"))
    say(place.name, "up")
    place.ready()
    while True:
        time.sleep(1)

def run(*children, **hooks):
    say("supervisor", "begins")
    code = Supervisor(children, on_ready=lambda: say("supervisor", "ready"), **hooks).run()
    say("supervisor", "ends")
    sys.exit(code)
"""


class Supervised:
    """A running supervisor."""

    def __init__(self, script: str) -> None:
        command = [sys.executable, "-c", PREAMBLE + textwrap.dedent(script)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.pids: set[int] = set()
        self.seen: list[str] = []
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.strip())

    def until(self, *wanted: str, seconds: float = 10.0) -> list[int]:
        """The processes that have said ``name word`` for each wanted, in whatever order they do."""
        missing = list(wanted)
        found: dict[str, int] = {}
        deadline = time.monotonic() + seconds
        while missing:
            try:
                name, pid, word = self._lines.get(timeout=max(0.0, deadline - time.monotonic())).split(" ", 2)
            except Empty:
                raise AssertionError(f"never said: {missing}; said: {self.seen}") from None
            self.pids.add(int(pid))
            self.seen.append(f"{name} {word}")
            if f"{name} {word}" in missing:
                missing.remove(f"{name} {word}")
                found[f"{name} {word}"] = int(pid)
        return [found[each] for each in wanted]

    def signal(self, number: signal.Signals) -> None:
        """To the supervisor."""
        self.process.send_signal(number)

    def end(self, seconds: float = 10.0) -> tuple[int, str]:
        """(exit code, what was logged), when it has ended by itself."""
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        while not self._lines.empty():
            name, pid, word = self._lines.get().split(" ", 2)
            self.pids.add(int(pid))
            self.seen.append(f"{name} {word}")
        assert self.process.stderr is not None
        return code, self.process.stderr.read()

    def close(self) -> None:
        """Ends everything it started, by process id."""
        for pid in {self.process.pid, *self.pids}:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        self._reader.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def is_alive(pid: int) -> bool:
    """Whether the process exists and has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return not Path("/proc").exists()


def wait_for_death(pid: int, seconds: float = 5.0) -> None:
    """Until the process has ended."""
    deadline = time.monotonic() + seconds
    while is_alive(pid):
        assert time.monotonic() < deadline, f"{pid} lives on"
        time.sleep(0.01)


@pytest.fixture
def supervised() -> Iterator[Callable[[str], Supervised]]:
    """Starts supervisors and ends what they leave."""
    made: list[Supervised] = []

    def make(script: str) -> Supervised:
        made.append(Supervised(script))
        return made[-1]

    yield make
    for each in made:
        each.close()


Make = Callable[[str], Supervised]


def test_children_start_by_stage_and_stop_in_the_opposite_order(supervised: Make) -> None:
    """The writer is ready before a worker starts, and stops after the last worker has."""
    server = supervised("""
        def write(place):
            time.sleep(0.3)
            serve(place)
        def work(place):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            say(place.name, "up")
            place.ready()
            signal.sigwait({signal.SIGTERM})
            time.sleep(0.3)
            say(place.name, "stops")
        run(Child("w1", work, stage=1), Child("writer", write), Child("w2", work, stage=1))
    """)
    server.until("supervisor ready")
    server.signal(signal.SIGTERM)
    code, _ = server.end()

    assert code == 0
    assert server.seen[:2] == ["supervisor begins", "writer up"]
    assert sorted(server.seen[2:4]) == ["w1 up", "w2 up"]
    assert server.seen[4] == "supervisor ready"
    assert sorted(server.seen[5:7]) == ["w1 stops", "w2 stops"]
    assert server.seen[7:] == ["writer stops", "supervisor ends"]


def test_ready_is_told_once_and_only_when_all_are(supervised: Make) -> None:
    """Also when a child died before and was replaced."""
    server = supervised("""
        def work(place):
            if not os.path.exists(PATH):
                open(PATH, "w").close()
                sys.exit(3)
            serve(place)
        import tempfile
        PATH = os.path.join(tempfile.mkdtemp(), "tried")
        run(Child("a", serve), Child("b", work))
    """)
    server.until("supervisor ready", "b up", "a up")
    server.signal(signal.SIGTERM)
    code, log = server.end()

    assert code == 0
    assert server.seen.count("supervisor ready") == 1
    assert "b ended with exit code 3" in log


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_child_is_replaced(supervised: Make, number: signal.Signals) -> None:
    """However it ended."""
    server = supervised('run(Child("a", serve), Child("b", serve))')
    first, other, _ = server.until("a up", "b up", "supervisor ready")
    os.kill(first, number)
    (second,) = server.until("a up")

    assert second != first
    assert is_alive(other)
    server.signal(signal.SIGTERM)
    assert server.end()[0] == 0


def test_a_child_that_always_dies_ends_the_server(supervised: Make) -> None:
    """Five times at once, with growing pauses: then exit code 1, a clear line, and the others are stopped in order."""
    server = supervised("""
        def die(place):
            say(place.name, "up")
            raise RuntimeError("no luck")
        run(Child("good", serve), Child("bad", die, stage=1))
    """)
    code, log = server.end(20)

    assert code == 1
    assert server.seen.count("bad up") == 5
    assert server.seen[-2:] == ["good stops", "supervisor ends"]
    assert "the server ends: bad died 5 times in a row as soon as it was started" in log
    assert "RuntimeError: no luck" in log


def test_a_child_that_refuses_to_start_is_not_tried_again(supervised: Make) -> None:
    """A bad setting does not become good by trying."""
    server = supervised("""
        def refuse(place):
            say(place.name, "up")
            raise errors.InvalidSetting("--tls-cert: no such file")
        run(Child("good", serve), Child("bad", refuse, stage=1))
    """)
    code, log = server.end()

    assert code == 1
    assert server.seen.count("bad up") == 1
    assert "bad cannot start: --tls-cert: no such file" in log
    assert "the server ends: bad refuses to start" in log


def test_a_child_that_does_not_stop_is_killed(supervised: Make) -> None:
    """After its time, and the next stage is stopped only then."""
    server = supervised('run(Child("a", serve), Child("b", stubborn, stage=1, stop_seconds=0.5))')
    server.until("supervisor ready")
    server.signal(signal.SIGTERM)
    code, log = server.end()

    assert code == 0
    assert server.seen[-3:] == ["b refuses", "a stops", "supervisor ends"]
    assert "b did not stop in time and is killed" in log


def test_a_second_signal_cuts_the_stop_short(supervised: Make) -> None:
    """Who presses Ctrl-C twice means it."""
    server = supervised('run(Child("a", stubborn, stop_seconds=60))')
    server.until("supervisor ready")
    server.signal(signal.SIGINT)
    server.until("a refuses")
    server.signal(signal.SIGINT)

    assert server.end()[0] == 0


def test_children_leave_the_terminals_signals_to_the_supervisor(supervised: Make) -> None:
    """Ctrl-C reaches the whole process group: the order of the stop is the supervisor's all the same."""
    server = supervised('run(Child("a", serve), Child("b", serve, stage=1))')
    first, second, _ = server.until("a up", "b up", "supervisor ready")
    for pid in (first, second):
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGHUP)
    server.signal(signal.SIGINT)
    code, _ = server.end()

    assert code == 0
    assert server.seen[-3:] == ["b stops", "a stops", "supervisor ends"]


def test_hangup_calls_the_hook(supervised: Make) -> None:
    """And nothing stops."""
    server = supervised('run(Child("a", serve), on_hangup=lambda: say("supervisor", "reloads"))')
    (child, _) = server.until("a up", "supervisor ready")
    server.signal(signal.SIGHUP)
    server.until("supervisor reloads")

    assert is_alive(child)
    server.signal(signal.SIGTERM)
    assert server.end()[0] == 0


def test_children_do_not_outlive_a_killed_supervisor(supervised: Make) -> None:
    """Not even those that ignore every signal that can be ignored."""
    server = supervised('run(Child("a", serve), Child("b", stubborn))')
    first, second, _ = server.until("a up", "b up", "supervisor ready")
    server.signal(signal.SIGKILL)

    wait_for_death(first)
    wait_for_death(second)


def test_the_lifeline_reads_as_closed_when_the_supervisor_is_gone(supervised: Make) -> None:
    """For children that want to end in their own way, where the system does not kill them first."""
    server = supervised("""
        processes._die_with = lambda supervisor, lifeline: None   # as on a system without it
        def watch(place):
            place.ready()
            say(place.name, "up")
            assert os.read(place.lifeline, 1) == b""
            say(place.name, "alone")
        run(Child("a", watch), Child("b", watch))
    """)
    server.until("a up", "b up", "supervisor ready")
    server.signal(signal.SIGKILL)

    server.until("a alone", "b alone")


def test_without_the_systems_help_a_thread_watches_the_lifeline(supervised: Make) -> None:
    """As on macOS."""
    server = supervised("""
        processes.sys = type("sys", (), {"platform": "darwin", "stdout": sys.stdout, "stderr": sys.stderr})
        run(Child("a", stubborn))
    """)
    child, _ = server.until("a up", "supervisor ready")
    server.signal(signal.SIGKILL)

    wait_for_death(child)


def test_a_signal_during_the_start_is_not_lost(supervised: Make) -> None:
    """SIGTERM before the children are ready stops those that are there, and no other stage begins."""
    server = supervised("""
        def slow(place):
            say(place.name, "up")
            time.sleep(0.5)
            serve(place)
        run(Child("a", slow), Child("b", serve, stage=1))
    """)
    server.until("a up")
    server.signal(signal.SIGTERM)
    code, _ = server.end()

    assert code == 0
    assert "b up" not in server.seen
    assert "supervisor ready" not in server.seen


def test_children_inherit_no_pipe_of_the_supervisor(supervised: Make) -> None:
    """But the lifeline's reading end: a forgotten copy of the other end would keep it open for ever."""
    server = supervised("""
        import stat
        def count(place):
            place.ready()
            pipes = 0
            for fd in range(3, 64):
                try:
                    pipes += stat.S_ISFIFO(os.fstat(fd).st_mode)
                except OSError:
                    pass
            say(place.name, f"holds {pipes}")
            serve(place)
        run(Child("a", count), Child("b", count, stage=1), Child("c", count, stage=2))
    """)

    server.until("a holds 1", "b holds 1", "c holds 1")


def test_children_may_open_as_many_files_as_the_system_allows(supervised: Make) -> None:
    """The soft limit of a shell is for programs that cannot take more."""
    server = supervised("""
        import resource
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        wanted = processes.FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, processes.FILES_MAX)
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
        def count(place):
            place.ready()
            say(place.name, "has all" if resource.getrlimit(resource.RLIMIT_NOFILE)[0] == wanted else "has few")
            serve(place)
        run(Child("a", count))
    """)

    server.until("a has all")


def test_the_supervisor_is_idle_when_nothing_happens(supervised: Make) -> None:
    """No polling: no CPU time in a second."""
    server = supervised('run(Child("a", serve), Child("b", serve))')
    server.until("supervisor ready")
    clock = f"/proc/{server.process.pid}/stat"
    if not Path(clock).exists():
        pytest.skip("CPU time of another process is read from /proc")
    time.sleep(0.2)
    before = Path(clock).read_text().split()[13:15]
    switches = context_switches(server.process.pid)
    time.sleep(1.0)

    assert Path(clock).read_text().split()[13:15] == before
    assert context_switches(server.process.pid) == switches


def context_switches(pid: int) -> str:
    """How often the process went to sleep: a number that only a process that woke changes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line for line in lines if line.startswith("voluntary_ctxt_switches"))

"""The supervisor: forks the processes of a server, replaces those that die, and ends them in the right order.

It is a process of one thread which does nothing but wait for signals, pipes and the next deadline. It opens nothing itself:
sockets and locks are made before `Supervisor.run` and inherited. Nothing that starts a thread or an event loop may have run
before, since only fork's calling thread survives it (on macOS the frameworks abort a child that finds otherwise).

- **Stages.** Children start stage by stage, each stage when all of the one before are ready, and stop in the opposite order:
  the writer (stage 0) is there before the first worker asks it and after the last one has.
- **Signals.** SIGTERM and SIGINT begin the stop; a second one cuts it short. Children get SIGTERM from the supervisor alone:
  they ignore SIGINT, which a terminal sends to everybody, and a service manager should signal the supervisor only
  (systemd: ``KillMode=mixed``). SIGHUP calls a hook.
- **Deaths.** A dead child is replaced after a pause that grows. One that dies at once `QUICK_DEATHS_MAX` times in a row, or
  refuses to start for a reason that will not go away (it exits with `EXIT_REFUSED`), ends the server with exit code 1.
- **No orphans.** When the supervisor dies, however it does, its children get SIGKILL from Linux, or see the end of the lifeline
  pipe elsewhere. Being killed is safe for every process of a server; going on without a supervisor is not.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from zakrom import errors

QUICK_SECONDS = 5.0
"""A child that lived shorter died at once: whatever it needs is missing."""

QUICK_DEATHS_MAX = 5
"""So often in a row, and it will not get better by itself."""

PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.1, 5.0
"""Before a child is replaced: doubled with each death in a row."""

FILES_MAX = 65_536
"""Open files of one process, where the hard limit allows it."""

EXIT_REFUSED = 78
"""A child's exit code for "do not try again" (EX_CONFIG of sysexits.h)."""

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15  # linux/prctl.h
_WATCHED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_log = logging.getLogger("zakrom.work.processes")


@dataclass(frozen=True, slots=True)
class Place:
    """What a child knows of its supervisor."""

    name: str
    lifeline: int
    """A pipe's end that reads as closed when the supervisor is gone."""
    ready: Callable[[], None]
    """To be called once when the child can do its work."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process to be kept running. ``run`` is called in it; when it returns, the process ends with exit code 0."""

    name: str
    run: Callable[[Place], None]
    stage: int = 0
    stop_signal: signal.Signals = signal.SIGTERM
    """What asks it to end. Another one for who must go on when somebody sends SIGTERM to the whole process group."""
    stop_seconds: float = 35.0
    """From that signal to SIGKILL: longer than the child's own patience with its clients."""


class _Kept:
    """A child and its current process, if it has one."""

    __slots__ = ("asked", "child", "deaths", "kill_at", "pid", "ready", "ready_pipe", "start_at", "started")

    def __init__(self, child: Child) -> None:
        self.child = child
        self.pid: int | None = None
        self.ready = False
        self.ready_pipe: int | None = None
        self.deaths = 0  # quick ones, in a row
        self.started = 0.0
        self.start_at: float | None = None  # when to fork it
        self.asked = False  # to stop
        self.kill_at: float | None = None  # when to kill it


class Supervisor:
    """Keeps the children of one server running."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        on_ready: Callable[[], None] = lambda: None,
        on_hangup: Callable[[], None] = lambda: None,
        on_death: Callable[[str], None] = lambda _name: None,
        ready_stage: int | None = None,
    ) -> None:
        """``on_ready`` is called once, when every child up to ``ready_stage`` (by default each) has said that it is ready.

        ``on_hangup`` is called at each SIGHUP, ``on_death`` with the name of each child that died and will be replaced.
        """
        self._ready_stage = max(child.stage for child in children) if ready_stage is None else ready_stage
        self._kept = [_Kept(child) for child in children]
        self._on_ready = on_ready
        self._on_hangup = on_hangup
        self._on_death = on_death
        self._told_ready = False
        self._stopping = False
        self._failed = False
        self._lifeline = (-1, -1)
        self._alarm = (-1, -1)
        self._poll = select.poll()

    # -------------------------------------------------------------------------------------------------------- the only loop

    def run(self) -> int:
        """Run until a signal or a hopeless child ends it. Gives the exit code: 0 after a stop that was asked for, else 1.

        To be called in the main thread of a process that has no other. Its signal handlers are put back in the end.
        """
        assert threading.active_count() == 1, "fork needs a process of one thread"
        _raise_file_limit()
        gc.collect()
        gc.freeze()  # what exists now is shared with all children for ever: a collection must not touch (and copy) it
        with self._watching():
            self._begin_stage(min(kept.child.stage for kept in self._kept))
            while any(kept.pid or kept.start_at is not None for kept in self._kept):
                self._turn()
        return 1 if self._failed else 0

    def _turn(self) -> None:
        for descriptor, _ in self._poll.poll(self._patience_ms()):
            if descriptor == self._alarm[0]:
                self._hear()
            else:
                self._note_ready(descriptor)
        self._bury()
        now = time.monotonic()
        for kept in self._kept:
            if kept.start_at is not None and now >= kept.start_at:
                self._fork(kept)
            if kept.kill_at is not None and now >= kept.kill_at and kept.pid:
                _log.warning("%s did not stop in time and is killed", kept.child.name)
                kept.kill_at = None
                os.kill(kept.pid, signal.SIGKILL)

    def _patience_ms(self) -> int | None:
        """Until the next deadline; None, which is for ever, if there is none."""
        deadlines = [at for kept in self._kept for at in (kept.start_at, kept.kill_at) if at is not None]
        if not deadlines:
            return None
        return max(0, int((min(deadlines) - time.monotonic()) * 1000) + 1)

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        """Signals become bytes in a pipe, and the lifeline is there."""
        self._lifeline = os.pipe()
        self._alarm = os.pipe()
        for descriptor in self._alarm:
            os.set_blocking(descriptor, False)
        self._poll.register(self._alarm[0], select.POLLIN)
        handlers = {number: signal.signal(number, lambda *_: None) for number in _WATCHED}
        wakeup = signal.set_wakeup_fd(self._alarm[1], warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            for descriptor in (*self._alarm, *self._lifeline):
                os.close(descriptor)

    def _hear(self) -> None:
        """Act on the signals that have come."""
        with contextlib.suppress(BlockingIOError):
            for number in set(os.read(self._alarm[0], 4096)):
                if number in (signal.SIGTERM, signal.SIGINT):
                    self._stop()
                elif number == signal.SIGHUP:
                    self._on_hangup()

    # -------------------------------------------------------------------------------------------------------------- starting

    def _begin_stage(self, stage: int) -> None:
        now = time.monotonic()
        for kept in self._kept:
            if kept.child.stage == stage:
                kept.start_at = now

    def _note_ready(self, descriptor: int) -> None:
        """A child has written to its pipe, or closed it by dying."""
        kept = next(kept for kept in self._kept if kept.ready_pipe == descriptor)
        kept.ready = bool(os.read(descriptor, 1))
        self._drop_pipe(kept)
        stage = kept.child.stage
        if self._stopping or not kept.ready or not all(one.ready for one in self._kept if one.child.stage <= stage):
            return
        if stage >= self._ready_stage and not self._told_ready:
            self._told_ready = True
            self._on_ready()
        later = [other.child.stage for other in self._kept if other.child.stage > stage]
        if later and all(
            other.pid is None and other.start_at is None and not other.started
            for other in self._kept
            if other.child.stage == min(later)
        ):
            self._begin_stage(min(later))

    def _drop_pipe(self, kept: _Kept) -> None:
        if kept.ready_pipe is not None:
            self._poll.unregister(kept.ready_pipe)
            os.close(kept.ready_pipe)
            kept.ready_pipe = None

    def _fork(self, kept: _Kept) -> None:
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal between fork and the child's own handlers would be written into *our* pipe.
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        supervisor = os.getpid()
        try:
            pid = os.fork()
            if pid == 0:
                os.close(reading)
                self._become_child(kept.child, writing, supervisor)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        os.close(writing)
        kept.pid, kept.ready, kept.ready_pipe = pid, False, reading
        kept.started, kept.start_at = time.monotonic(), None
        self._poll.register(reading, select.POLLIN)

    def _become_child(self, child: Child, ready_pipe: int, supervisor: int) -> NoReturn:
        """The rest of the child's life."""
        code = 1
        try:
            self._forget_supervising()
            _die_with(supervisor, self._lifeline[0])
            _call_oneself(child.name)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
            child.run(Place(child.name, self._lifeline[0], _Ready(ready_pipe)))
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except (errors.InvalidSetting, errors.FormatTooNew, errors.DataDirectoryInUse) as error:
            _log.error("%s cannot start: %s", child.name, error)
            code = EXIT_REFUSED
        except BaseException:  # noqa: BLE001 - the end of the process, whatever it was
            _log.exception("%s ended with an error", child.name)
        finally:
            with contextlib.suppress(Exception):
                logging.shutdown()
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _forget_supervising(self) -> None:
        """In the child: signals as they are by default (but the terminal's), and no pipe that is the supervisor's."""
        signal.set_wakeup_fd(-1)
        for number in _WATCHED:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        theirs = [kept.ready_pipe for kept in self._kept if kept.ready_pipe is not None]
        for descriptor in (*self._alarm, self._lifeline[1], *theirs):
            os.close(descriptor)

    # ---------------------------------------------------------------------------------------------------------- deaths, the end

    def _bury(self) -> None:
        """Take note of every child that has died."""
        for kept in self._kept:
            if not kept.pid:
                continue
            pid, status = os.waitpid(kept.pid, os.WNOHANG)
            if not pid:
                continue
            kept.pid = kept.kill_at = None
            kept.ready = False
            self._drop_pipe(kept)
            self._react(kept, os.waitstatus_to_exitcode(status))
        if self._stopping:
            self._stop_next_stage()

    def _react(self, kept: _Kept, code: int) -> None:
        name = kept.child.name
        if self._stopping:
            if code:
                _log.warning("%s ended with %s", name, _spoken(code))
            return
        if code == EXIT_REFUSED:
            self._give_up(f"{name} refuses to start")
            return
        lived = time.monotonic() - kept.started
        kept.deaths = kept.deaths + 1 if lived < QUICK_SECONDS else 1
        if kept.deaths >= QUICK_DEATHS_MAX and lived < QUICK_SECONDS:
            self._give_up(f"{name} died {kept.deaths} times in a row as soon as it was started")
            return
        pause = min(PAUSE_SECONDS_MIN * 2.0 ** (kept.deaths - 1), PAUSE_SECONDS_MAX)
        _log.error("%s ended with %s; it is replaced in %.1f s", name, _spoken(code), pause)
        kept.start_at = time.monotonic() + pause
        self._on_death(name)

    def _give_up(self, reason: str) -> None:
        _log.critical("the server ends: %s", reason)
        self._failed = True
        self._stop()

    def _stop(self) -> None:
        """Begin the stop; the second time, cut it short."""
        if self._stopping:
            now = time.monotonic()
            for kept in self._kept:
                if kept.kill_at is not None:
                    kept.kill_at = now
            return
        self._stopping = True
        for kept in self._kept:
            kept.start_at = None
        self._stop_next_stage()

    def _stop_next_stage(self) -> None:
        """Ask the latest stage that still lives to end, if it was not asked yet."""
        living = [kept for kept in self._kept if kept.pid]
        last = max((kept.child.stage for kept in living), default=None)
        for kept in living:
            if kept.child.stage == last and not kept.asked and kept.pid:
                kept.asked = True
                kept.kill_at = time.monotonic() + kept.child.stop_seconds
                os.kill(kept.pid, kept.child.stop_signal)


class _Ready:
    """Says once, through a pipe, that a child is ready."""

    __slots__ = ("_pipe",)

    def __init__(self, pipe: int) -> None:
        self._pipe: int | None = pipe

    def __call__(self) -> None:
        if self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            with contextlib.suppress(BrokenPipeError):
                os.write(pipe, b"1")
            os.close(pipe)


def _raise_file_limit() -> None:
    """Shells hand down a soft limit of 1,024 files or less (macOS: 256) for the sake of `select`, which nobody here uses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _die_with(supervisor: int, lifeline: int) -> None:
    """Arrange that this process ends when the supervisor does."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != supervisor:  # it died before the call above
            os._exit(1)
        return

    def watch() -> None:
        os.read(lifeline, 1)  # nobody ever writes: this returns when the other end is closed
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def _call_oneself(name: str) -> None:
    """The name that `ps -o comm` and `top` show, where the system has such a thing (Linux: 15 bytes)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, f"zk-{name}".encode()[:15], 0, 0, 0)


def _spoken(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

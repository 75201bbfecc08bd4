"""A catalog with a real writer process, for tests and benchmarks: started, ended and killed as a supervisor would."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile
import time
import traceback
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path

from zakrom.catalog import client, writer
from zakrom.catalog.client import SqliteCatalog

STOP_SECONDS_MAX = 10.0
"""A writer that has not ended by then is killed, and the test told."""


class SqliteSite:
    """A directory, a socket, and at most one writer."""

    def __init__(self, directory: Path) -> None:
        self.directory = str(directory / "catalog")
        # A socket's path has at most 107 bytes, and the folders of tests are deep.
        self._sockets = tempfile.mkdtemp(prefix="zakrom-")
        self.socket_path = os.path.join(self._sockets, "writer")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket_path)
        self.listener.listen(64)
        self._lifeline: int | None = None
        self.pid: int | None = None

    def start(self) -> None:
        """Starts a writer."""
        watched, held = os.pipe()
        self.pid = self._launch(watched, held)
        self._lifeline = held
        os.close(watched)

    def _launch(self, lifeline: int, others: int) -> int:
        """A new process that writes; its id. A subclass may start one in another way."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of threads; the child uses none of ours
            pid = os.fork()
        if pid == 0:
            self._be_writer(lifeline, others)
        return pid

    def _be_writer(self, lifeline: int, others: int) -> None:
        try:
            os.close(others)
            writer.run_writer(self.directory, self.listener, lifeline)
        except BaseException:  # noqa: BLE001 -- nothing may return into the test from a forked child
            traceback.print_exc()
        finally:
            os._exit(1)

    async def open(self, on_reconnect: Callable[[SqliteCatalog], Awaitable[None]] | None = None) -> SqliteCatalog:
        """Another client, as another process of the same server would be."""
        if self.pid is None:
            self.start()
        return await client.connect(self.directory, self.socket_path, on_reconnect)

    def stop(self) -> int:
        """Sends SIGTERM, and waits; the exit code."""
        self._signal(signal.SIGTERM)
        return self._wait()

    def abandon(self) -> int:
        """Lets go of the lifeline, as a supervisor that was killed, and waits; the exit code."""
        self._let_go()
        return self._wait()

    async def restart(self) -> None:
        """Another writer in place of this one, which finishes first."""
        self.stop()
        self.start()

    async def crash(self) -> None:
        """As `kill -9`, and a new writer in its place."""
        self.kill()
        self.start()

    def kill(self) -> None:
        """As `kill -9`."""
        self._signal(signal.SIGKILL)
        self._wait()

    def close(self) -> None:
        """Ends everything."""
        if self.pid is not None:
            self.stop()
        self.listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket_path)
        os.rmdir(self._sockets)

    def _let_go(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    def _signal(self, number: int) -> None:
        if self.pid is None:
            raise AssertionError("there is no writer")
        os.kill(self.pid, number)

    def _wait(self) -> int:
        if self.pid is None:
            raise AssertionError("there is no writer")
        pid, self.pid = self.pid, None
        self._let_go()
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while time.monotonic() < deadline:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise AssertionError("the writer did not end")

"""A fresh Zakrom for the time of the run."""

from __future__ import annotations

import http.client
import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from .endpoint import BenchError, Endpoint
from .machine import tree

START_WITHIN = 30.0
STOP_WITHIN = 20.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Zakrom:
    """Runs ``zakrom serve`` on a directory; stops exactly the process it started."""

    def __init__(self, work: Path) -> None:
        address = f"127.0.0.1:{_free_port()}"
        key, secret = "bench", secrets.token_hex(20)
        self.endpoint = Endpoint("zakrom", f"http://{address}", key, secret)
        self._log = work / "zakrom.log"
        self._command = [sys.executable, "-m", "zakrom", "serve"]
        self._command += ["--data", str(work / "zakrom"), "--address", address]
        self._command += ["--admin-address", f"127.0.0.1:{_free_port()}"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise BenchError("zakrom was not started")
        return self._process.pid

    def __enter__(self) -> Self:
        environment = {
            **os.environ,  # noqa: TID251 - passed on to the server
            "ZAKROM_ROOT_USER": self.endpoint.key,
            "ZAKROM_ROOT_PASSWORD": self.endpoint.secret,
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, env=environment, stdout=log, stderr=log)
        try:
            self._await_answer()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _await_answer(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_WITHIN
        while self._process.poll() is None and time.monotonic() < deadline:
            connection = self.endpoint.connect()
            try:
                connection.request("GET", "/")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
            else:
                return
            finally:
                connection.close()
        tail = self._log.read_text(errors="replace")[-2000:]
        raise BenchError(f"zakrom did not start: {' '.join(self._command)}\n{tail}")

    def _stop(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        family = tree(process.pid)[1:]
        process.terminate()
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            print(f"zakrom ignored SIGTERM for {STOP_WITHIN:g} s", file=sys.stderr)
            process.kill()
            process.wait()
            for pid in family:
                # Only workers that outlived their parent, and only ours.
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    continue

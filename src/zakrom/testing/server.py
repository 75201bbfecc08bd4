"""A real server for tests: ``zakrom serve`` as a process of its own, ready in under a second, ended when the test ends.

Nothing is imitated: the signatures, the durability and the process tree are those of production, with the default
settings unless a test says otherwise. The server listens on free ports of the loopback address, has a key of its own,
and keeps its log, so that a failed test can show what the server said.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from zakrom.testing.access import Access
from zakrom.testing.certificates import Certificates, make_certificates

START_SECONDS = 15.0
"""Ready is expected in under one second; a loaded machine of a CI may need more, and a hang must end."""

STOP_SECONDS = 20.0
"""What a server may take to drain after SIGTERM before it is killed."""

POLL_SECONDS = 0.01
"""How often a starting server is asked whether it is ready: small beside its start, large beside one question."""

ASK_SECONDS = 2.0
"""How long one such question may wait."""

START_TRIES = 3
"""A free port may be taken by another process between the moment it is found and the moment the server binds it."""

LOG_BYTES_SHOWN = 32 * 1024
"""The end of a log that is shown, some 150 requests: a failed test needs the last of them, not the whole night."""

_GUARD = 'read _ && exit; kill -s TERM -- "-$1"'
"""What the guard does: it waits for a line that says all is well; when the pipe ends without one, the process that started
the server died, and the guard ends the server's group. No server outlives a test run that was killed."""

READY_PATH = "/-/health/ready"
ADDRESS = "127.0.0.1"


running_servers: weakref.WeakSet[Server] = weakref.WeakSet()
"""Every server that was started and not closed; the plugin asks them for their logs when a test fails."""


class ServerFailed(Exception):
    """The server did not become ready, or ended by itself; the text has the end of its log."""


class Server:
    """One server and its data directory.

    Use it as a context manager, or call `start` and `stop`. What ``data`` names is kept; without it the data is in a
    temporary directory, which `close` (the end of the ``with`` block) removes. The endpoint and the keys stay the same
    over `restart`, and after `kill` and `start`.

    Args:
        data: the data directory; made when absent.
        workers: how many processes answer S3; one is the quickest to start and enough for most tests.
        region: the server's region.
        tls: serve https with a certificate of an authority made for this server (`Access.authority`).
        args: further arguments of ``zakrom serve``, as on a command line.
        env: further environment variables of the server; its own ``ZAKROM_*`` and ``MINIO_*`` are not inherited.
        access_key: the root key; the secret is random unless given.
        secret_key: the root secret.
        start_seconds: how long a start may take.
    """

    def __init__(
        self,
        data: Path | str | None = None,
        *,
        workers: int = 1,
        region: str = "us-east-1",
        tls: bool = False,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        access_key: str = "zakrom-test",
        secret_key: str | None = None,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="zakrom-test-"))
        self.data = Path(data) if data is not None else self._home / "data"
        self.log_path = self._home / "server.log"
        self.workers = workers
        self.args = tuple(args)
        self._env = dict(env or {})
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._admin_listens = False
        self._log_start = self._log_seen = 0  # where this start's part of the log begins; what `new_log` has given
        self._certificates: Certificates | None = make_certificates(self._home) if tls else None
        self._identity = (access_key, secret_key or secrets.token_hex(20), region)
        self._choose_ports()
        atexit.register(self.close)

    def _choose_ports(self) -> None:
        scheme, authority = ("https", self._certificates.authority) if self._certificates else ("http", None)
        access_key, secret_key, region = self._identity
        self._ports = free_ports(2)
        self.access = Access(f"{scheme}://{ADDRESS}:{self._ports[0]}", access_key, secret_key, region, authority)
        self._admin_endpoint = f"{scheme}://{ADDRESS}:{self._ports[1]}"

    # ------------------------------------------------------------------------------------------------ what clients need

    @property
    def endpoint(self) -> str:
        """The URL of S3, ``http://127.0.0.1:PORT``; https with ``tls``."""
        return self.access.endpoint

    @property
    def admin_endpoint(self) -> str:
        """The URL of the admin API. It begins to answer after S3 does: while the server runs, this waits until it listens."""
        if self.running and not self._admin_listens:
            self._await(self._admin_answers, "the admin API did not listen")
            self._admin_listens = True
        return self._admin_endpoint

    @property
    def access_key(self) -> str:
        """The access key of root."""
        return self.access.access_key

    @property
    def secret_key(self) -> str:
        """The secret of root."""
        return self.access.secret_key

    @property
    def region(self) -> str:
        """The region that signatures must name."""
        return self.access.region

    @property
    def authority(self) -> Path | None:
        """With ``tls``: the PEM file that a client must trust."""
        return self.access.authority

    def client(self, service: str = "s3", **options: Any) -> Any:
        """A boto3 client of this server with boto3's own defaults; ``options`` are those of ``boto3.client``.

        Raises:
            ModuleNotFoundError: boto3 is not installed.
        """
        return self.access.client(service, **options)

    def variables(self) -> dict[str, str]:
        """The variables that lead SDKs and tools to this server (``AWS_*``, ``ZAKROM_ADMIN_ENDPOINT``), and nothing else."""
        return self.access.variables(self._home) | {"ZAKROM_ADMIN_ENDPOINT": self.admin_endpoint}

    def env(self) -> dict[str, str]:
        """A whole environment for a client process: this one's, without its ``AWS_*`` and ``ZAKROM_*``, and `variables`."""
        kept = {k: v for k, v in self.access.environment(self._home).items() if not k.startswith("ZAKROM_")}
        return kept | self.variables()

    # -------------------------------------------------------------------------------------------------------- its life

    @property
    def pid(self) -> int:
        """The process id of the supervisor, which leads the process group of the whole server.

        Raises:
            ServerFailed: the server was not started.
        """
        if self._process is None:
            raise ServerFailed("the server is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """The end of what the server wrote (both streams, all starts), at most `LOG_BYTES_SHOWN`."""
        return self._log_from(0)

    def new_log(self) -> str:
        """The same, but only what was written since the last call of this method."""
        start, self._log_seen = self._log_seen, self.log_path.stat().st_size if self.log_path.exists() else 0
        return self._log_from(start)

    def _log_from(self, offset: int) -> str:
        if not self.log_path.exists():
            return ""
        with self.log_path.open("rb") as file:
            file.seek(max(offset, file.seek(0, os.SEEK_END) - LOG_BYTES_SHOWN))
            return file.read().decode(errors="replace")

    def start(self) -> Self:
        """Start the server and wait until it is ready to write.

        Raises:
            ServerFailed: it ended, or was not ready in time.
        """
        if self.running:
            return self
        for tries_left in reversed(range(START_TRIES)):
            try:
                self._launch()
                self._await(self._ready, "the server was not ready")
            except _PortTaken:
                if not tries_left:
                    raise
                self._choose_ports()
            else:
                break
        running_servers.add(self)
        return self

    def stop(self) -> int:
        """End the server as an operator does (SIGTERM), and say its exit code; kill it when it does not end in time.

        A server that is not running answers with the code it ended with, or 0 when it never ran.
        """
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        self._dismiss_guard()
        return self._process.wait()

    def kill(self) -> None:
        """End the server as a power cut does for processes: SIGKILL to the whole group, and nobody says good-bye."""
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # the leader is not reaped yet, so the id is still its own
        self._process.wait()
        self._dismiss_guard()

    def restart(self) -> Self:
        """Stop and start again on the same data, address and keys."""
        self.stop()
        return self.start()

    def close(self) -> None:
        """Stop, and remove the log, the certificates and temporary data. A data directory of the caller's is kept."""
        try:
            self.stop()
        finally:
            running_servers.discard(self)
            shutil.rmtree(self._home, ignore_errors=True)
            atexit.unregister(self.close)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # -------------------------------------------------------------------------------------------------------- starting

    def command(self) -> list[str]:
        """The command line of the server."""
        s3, admin = (f"{ADDRESS}:{port}" for port in self._ports)
        line = [sys.executable, "-m", "zakrom", "serve", "--data", str(self.data), "--address", s3, "--admin-address", admin]
        line += ["--workers", str(self.workers), "--region", self.region]
        if self._certificates:
            line += ["--tls-cert", str(self._certificates.certificate), "--tls-key", str(self._certificates.key)]
        return [*line, *self.args]

    def _launch(self) -> None:
        self._admin_listens = False
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ZAKROM_", "MINIO_"))}
        root = {"ZAKROM_ROOT_USER": self.access_key, "ZAKROM_ROOT_PASSWORD": self.secret_key}
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                self.command(),
                env=inherited | root | self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a group of its own, for `kill`; a Ctrl-C in pytest is not the server's
            )

        self._dismiss_guard()
        line = ["/bin/sh", "-c", _GUARD, "guard", str(self._process.pid)]
        self._guard = subprocess.Popen(line, stdin=subprocess.PIPE, start_new_session=True)

    def _dismiss_guard(self) -> None:
        if self._guard is not None:
            self._guard.communicate(b"\n")
            self._guard = None

    def _await(self, arrived: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + self._start_seconds
        while not arrived():
            if not self.running:
                raise self._ended()
            if time.monotonic() > deadline:
                self.kill()
                said = self._log_from(self._log_start)
                raise ServerFailed(f"{otherwise} within {self._start_seconds:g} s:\n{said}")
            time.sleep(POLL_SECONDS)

    def _ready(self) -> bool:
        connection = self.access.connect(ASK_SECONDS)
        try:
            connection.request("GET", READY_PATH)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _admin_answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, self._ports[1]), ASK_SECONDS):
            return True
        return False

    def _ended(self) -> ServerFailed:
        said = self._log_from(self._log_start)
        kind = _PortTaken if "in use" in said.lower() and "address" in said.lower() else ServerFailed
        code = self._process.returncode if self._process else None
        return kind(f"the server ended with code {code}: {' '.join(self.command())}\n{said}")


class _PortTaken(ServerFailed):
    """Somebody else bound the port first."""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind((ADDRESS, 0))
        return [probe.getsockname()[1] for probe in sockets]

"""A handler behind a real HTTP server in a thread of this process, for tests that speak to it through sockets.

Either adapter serves it, so one test can hold both to the same promise. Loopback only; everything it starts ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import uvloop

from zakrom.web import asgi, http1
from zakrom.web.limits import Limits, Record
from zakrom.web.message import Handler
from zakrom.web.tls import Tls

Adapter = Literal["http1", "uvicorn"]

START_SECONDS_MAX = 10.0
"""A server that is not there by then will not come."""


@dataclass(slots=True)
class WebSite:
    """A running server."""

    adapter: Adapter
    port: int
    records: list[Record] = field(default_factory=list)
    """What ``on_complete`` was told."""

    def connect(self, timeout: float = 10.0) -> socket.socket:
        """A new connection; every wait on it is bounded."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def ask(self, data: bytes, timeout: float = 10.0) -> bytes:
        """Send ``data`` on a new connection; everything that comes back until the server closes it or ``timeout`` passes."""
        with self.connect(timeout) as connection:
            connection.sendall(data)
            return receive_all(connection)

    def wait_for_records(self, count: int, seconds: float = 10.0) -> list[Record]:
        """The records, once there are ``count``. Raises `AssertionError` if there are not that many in time."""
        deadline = time.monotonic() + seconds
        while len(self.records) < count:
            assert time.monotonic() < deadline, f"{len(self.records)} of {count} requests ended"
            time.sleep(0.005)
        return self.records


def receive_all(connection: socket.socket) -> bytes:
    """What comes until the other side closes, resets, or is silent for the connection's timeout."""
    pieces = []
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


@contextlib.contextmanager
def web_site(adapter: Adapter, handler: Handler, *, limits: Limits | None = None, tls: Tls | None = None) -> Iterator[WebSite]:
    """Serves ``handler`` while the block runs. Raises what the server raised, if it failed."""
    listening = socket.create_server(("127.0.0.1", 0))
    site = WebSite(adapter, listening.getsockname()[1])
    server = _Server(site, handler, limits or Limits(), tls, listening)
    server.start()
    try:
        yield site
    finally:
        server.end()
        listening.close()


class _Server:
    """The thread and its event loop."""

    def __init__(self, site: WebSite, handler: Handler, limits: Limits, tls: Tls | None, listening: socket.socket) -> None:
        self._site = site
        self._handler = handler
        self._limits = limits
        self._tls = tls
        self._listening = listening
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"{site.adapter}-site", daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(START_SECONDS_MAX)

    def end(self) -> None:
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it ended by itself meanwhile
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(self._limits.drain_seconds + START_SECONDS_MAX)
        if self._failure is not None:
            raise self._failure
        assert not self._thread.is_alive(), "the server did not end"

    def _run(self) -> None:
        try:
            uvloop.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to the test's thread
            self._failure = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        # The socket listens already: who connects before the server is there waits in the kernel.
        self._ready.set()
        serve = http1.serve if self._site.adapter == "http1" else asgi.serve
        await serve(
            self._handler,
            [self._listening],
            limits=self._limits,
            tls=self._tls,
            on_complete=self._site.records.append,
            stop=self._stop,
        )

"""HTTP/1.1 for an S3 door: a protocol of our own on uvloop, with llhttp for the heads.

What an S3 door must control, and why this is not left to a general server:

- *When the body is asked for.* ``100 Continue`` is written at the handler's first ``read``; an answer given before the body was
  read closes the connection, and what the client still sends is thrown away for a while (bounded), since closing at once would
  make the kernel reset the connection and lose the answer (RFC 9112, 9.6).
- *What a client may cost.* Heads, bodies, answers, pipelined requests and silence are limited (`web.limits`).
- *Exact bytes* of path, query and header values, for signatures and keys.
- *Speed*: a small answer is one ``write``, without a task (`web.drive`); a `FileRange` goes by ``sendfile`` (`web.outlet`).

A handler is never cancelled because its client went away: a write that is decided must not be torn. It learns of it by
`Disconnected` from ``body.read()``. Handlers that outlive the drain at shutdown are cancelled.

`Response.headers` hold what the handler knows; Date, Content-Length, Transfer-Encoding and Connection are written here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import sys
import time
from collections.abc import Iterable
from socket import socket

from zakrom.web.connection import Connection
from zakrom.web.head import HeadReader
from zakrom.web.limits import (
    Limits,
    OnComplete,
    OnConnections,
    ProtocolErrorRenderer,
    ignore_connections,
    plain_protocol_error,
)
from zakrom.web.message import Handler
from zakrom.web.tls import Tls

SWEEP_SECONDS_MAX = 1.0
"""How late a deadline may be noticed."""

ABORT_SECONDS = 5.0
"""At shutdown: for cancelled handlers to end."""

_log = logging.getLogger("zakrom.web")


FILES_PER_CONNECTION = 3
"""Descriptors that one may need: its socket, a copy of it for sendfile, and a blob. Who runs out of them cannot even log."""


def _file_limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


class Server:
    """What all connections of a process share (`connection.Host`), and the sweep over their deadlines."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        on_complete: OnComplete,
        *,
        on_connections: OnConnections = ignore_connections,
        render_protocol_error: ProtocolErrorRenderer = plain_protocol_error,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.handler = handler
        self.limits = limits
        self.on_complete = on_complete
        self.render_protocol_error = render_protocol_error
        self.heads = HeadReader()
        self.draining = False
        self._on_connections = on_connections
        self._connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._sweeping: asyncio.TimerHandle | None = None
        self._connections_max = min(limits.connections_max, _file_limit() // FILES_PER_CONNECTION)
        self._sweep_seconds = min(SWEEP_SECONDS_MAX, limits.shortest_seconds / 4)

    def joined(self, connection: Connection) -> bool:
        """Watch over ``connection``; false if it is one too many."""
        self._connections.add(connection)
        self._empty.clear()
        self._on_connections(1)
        if self._sweeping is None:
            self._sweeping = self.loop.call_later(self._sweep_seconds, self._sweep)
        return len(self._connections) <= self._connections_max

    def left(self, connection: Connection) -> None:
        """``connection`` is gone."""
        self._connections.discard(connection)
        self._on_connections(-1)
        if not self._connections:
            self._empty.set()

    def _sweep(self) -> None:
        """Look at all deadlines. There is no timer while there is no connection."""
        self._sweeping = self.loop.call_later(self._sweep_seconds, self._sweep) if self._connections else None
        now = time.monotonic()
        for connection in list(self._connections):
            connection.expire(now)

    async def drain(self) -> None:
        """Let running requests end, for `Limits.drain_seconds` at most, then cut what is left and cancel its handlers."""
        self.draining = True
        for connection in list(self._connections):
            connection.finish()
        await self._emptied(self.limits.drain_seconds)
        if self._connections:
            _log.warning("%d connections were cut at shutdown", len(self._connections))
            tasks = [task for task in [connection.abort() for connection in list(self._connections)] if task is not None]
            if tasks:
                await asyncio.wait(tasks, timeout=ABORT_SECONDS)
            await self._emptied(ABORT_SECONDS)
        if self._sweeping is not None:
            self._sweeping.cancel()

    async def _emptied(self, seconds: float) -> None:
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)


async def serve(
    handler: Handler,
    sockets: Iterable[socket],
    *,
    limits: Limits,
    tls: Tls | None,
    on_complete: OnComplete,
    stop: asyncio.Event,
    on_connections: OnConnections = ignore_connections,
    render_protocol_error: ProtocolErrorRenderer = plain_protocol_error,
) -> None:
    """Serve ``handler`` on bound ``sockets`` until ``stop`` is set; then drain and return.

    Raises `OSError` or `ssl.SSLError` if the certificate cannot be used or a socket cannot listen.
    """
    server = Server(handler, limits, on_complete, on_connections=on_connections, render_protocol_error=render_protocol_error)
    context = None if tls is None else tls.context()
    listeners: list[asyncio.Server] = []
    try:
        for listening in sockets:
            listener = await server.loop.create_server(
                lambda: Connection(server),
                sock=listening,
                backlog=limits.backlog,
                ssl=context,
                ssl_handshake_timeout=None if context is None else limits.head_seconds,
            )
            listeners.append(listener)
        await stop.wait()
    finally:
        for listener in listeners:
            listener.close()
        await server.drain()

"""The limits that uvicorn lacks.

It bounds neither the size of a head, of chunk extensions or of trailers, and waits for a head for ever (it was fed 300 MiB of
header before it noticed anything). This protocol counts what it is fed, keeps a clock, and applies our own rules of framing
(`web.head.framing_of`). It overrides the callbacks of the event loop and of httptools, and `send_400_response`; nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from socket import socket
from typing import Any, ClassVar, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from zakrom.web.answer import http_date, render_head
from zakrom.web.head import bad_request, framing_of, head_too_large, uri_too_long
from zakrom.web.limits import (
    CHUNK_LINE_BYTES_MAX,
    HEAD_BYTES_MAX,
    HEADERS_MAX,
    REQUEST_LINE_BYTES_MAX,
    TRAILER_BYTES_MAX,
    Limits,
    OnConnections,
    ProtocolError,
    ProtocolErrorRenderer,
    ignore_connections,
    plain_protocol_error,
)
from zakrom.web.message import Response
from zakrom.web.outlet import reset
from zakrom.web.tls import Tls

ABORT_EXTENSION = "zakrom.abort"
"""In a scope's extensions: a function that resets the connection, so that a cut answer is never taken for whole."""

_SILENT_BYTES_MAX = CHUNK_LINE_BYTES_MAX + TRAILER_BYTES_MAX + 256 * 1024
"""Bytes of a chunked body without any of its data: a chunk's line or all trailers, and the read in which they begin."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `guarded` makes the class for given limits."""

    limits: ClassVar[Limits]
    render: ClassVar[ProtocolErrorRenderer]
    on_connections: ClassVar[OnConnections]

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's, handed on
        super().__init__(*args, **kwargs)
        self._in_head = False
        self._fed = 0  # bytes of the current head, or since the body's last data
        self._error: ProtocolError | None = None
        self._refused = False
        self._clock: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------------------------------- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come: its first head is awaited."""
        super().connection_made(cast("asyncio.Transport", transport))
        type(self).on_connections(1)
        self._set_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_clock()
        type(self).on_connections(-1)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count, then parse."""
        if self._refused:
            return
        self._fed += len(data)
        super().data_received(data)
        if self._refused:
            return
        if self._in_head and self._fed > HEAD_BYTES_MAX:
            self._refuse(uri_too_long() if len(self.url) > REQUEST_LINE_BYTES_MAX else head_too_large())
        elif not self._in_head and self._fed > _SILENT_BYTES_MAX and self._body_under_way():
            self._refuse(bad_request("The chunked body is malformed."))

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's contract; uvicorn narrows it to None
        """A client that has sent its whole request may still wait for the answer."""
        cycle: RequestResponseCycle | None = self.cycle
        if self.scheme == "https" or cycle is None or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False
        return True

    # --------------------------------------------------------------------------------------------------- called by llhttp

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self.scope["extensions"] = {ABORT_EXTENSION: {"abort": functools.partial(reset, self.transport)}}
        self._in_head = True
        self._fed = 0
        self._set_clock()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; a trailer is none, and uvicorn would add it to those of the request."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head has ended: hold it against our rules before the application sees it."""
        self._in_head = False
        self._fed = 0
        self._stop_clock()
        version = b"HTTP/" + self.parser.get_http_version().encode("ascii")
        try:
            if len(self.url) > REQUEST_LINE_BYTES_MAX:
                raise uri_too_long()
            size = sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)
            if len(self.headers) > HEADERS_MAX or size > HEAD_BYTES_MAX:
                raise head_too_large()
            if not self.url.startswith((b"/", b"http://", b"https://", b"*")):
                raise bad_request("The request target is malformed.")
            framing_of(self.headers, version)
        except ProtocolError as error:
            self._error = error
            raise
        self.server_state.default_headers = [(b"date", http_date().encode("ascii"))]
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Data of a body."""
        self._fed = 0
        super().on_body(body)

    # -------------------------------------------------------------------------------------------------------------- refusals

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn when llhttp refuses, with or without our saying so."""
        self._refuse(self._error or bad_request("The request is malformed."))

    def _refuse(self, error: ProtocolError) -> None:
        """Answer, stop listening, and close when the client has had time to read."""
        self._refused = True
        self._stop_clock()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            # The application is at work on a body that broke: it learns that the client is gone.
            self.transport.abort()
            return
        body = type(self).render(error.status, error.code, error.message)
        response = Response(error.status, [("Content-Type", "application/xml")], body)
        head = render_head("", response, len(body), keep=False, http11=True)
        self.transport.write(head + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._clock = self.loop.call_later(self.limits.linger_idle_seconds, self.transport.close)

    def _body_under_way(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and cycle.more_body

    def _set_clock(self) -> None:
        if self._clock is None:
            self._clock = self.loop.call_later(self.limits.head_seconds, self._too_late)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _too_late(self) -> None:
        self._clock = None
        if self._in_head:
            self._refuse(ProtocolError(408, "RequestTimeout", "The request's head did not come in time."))
        else:
            self.transport.close()


def guarded(limits: Limits, render: ProtocolErrorRenderer, on_connections: OnConnections) -> type[GuardedProtocol]:
    """The protocol for these limits."""
    functions = {"render": staticmethod(render), "on_connections": staticmethod(on_connections)}
    return type("Guarded", (GuardedProtocol,), {"limits": limits, **functions})


def uvicorn_config(
    app: Callable[..., Any],
    *,
    limits: Limits,
    tls: Tls | None = None,
    lifespan: bool = False,
    render_protocol_error: ProtocolErrorRenderer = plain_protocol_error,
    on_connections: OnConnections = ignore_connections,
) -> uvicorn.Config:
    """What an S3 door or an admin API wants of uvicorn: no proxy headers believed, no server header, no log of its own."""
    return uvicorn.Config(
        app,
        loop="none",
        http=guarded(limits, render_protocol_error, on_connections),
        ws="none",
        interface="asgi3",
        lifespan="on" if lifespan else "off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,  # the protocol sets it: uvicorn's would need a timer
        limit_concurrency=limits.connections_max,
        backlog=limits.backlog,
        timeout_keep_alive=max(1, int(limits.idle_seconds)),
        timeout_graceful_shutdown=max(1, int(limits.drain_seconds)),
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,  # should somebody choose h11 by hand
        ssl_context_factory=None if tls is None else lambda _config, _default: tls.context(),
    )


class _Server(uvicorn.Server):
    """A server which leaves signals to us and does not look ten times a second whether it should stop."""

    def __init__(self, config: uvicorn.Config, stop: asyncio.Event) -> None:
        super().__init__(config)
        self._stop = stop

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self._stop.wait()


async def serve_app(config: uvicorn.Config, sockets: Sequence[socket], stop: asyncio.Event) -> None:
    """Serve what ``config`` says on bound ``sockets`` until ``stop`` is set; then drain and return."""
    await _Server(config, stop).serve(list(sockets))

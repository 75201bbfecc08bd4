"""The same handler as an ASGI application: under uvicorn, or wherever somebody embeds it.

What ASGI leaves to the application is done here: lengths, ``Connection: close`` and the bounded throwing away of a body that
was not read, patience with stalled clients, and looking for a disconnect while an answer is sent (after one, ``send`` neither
raises nor waits). What ASGI cannot do, compared with `web.http1`: a `FileRange` is read and written, not sent by the
kernel; a cut answer resets the connection only under `web.guard` (elsewhere the server closes it, so that an HTTP/1.0 client
of a stream without a length may take it for whole); the server decides when a piece of an answer has left.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from socket import socket
from typing import Any

from zakrom import errors
from zakrom.web.answer import announced_length, has_no_body
from zakrom.web.guard import ABORT_EXTENSION, serve_app, uvicorn_config
from zakrom.web.limits import (
    Limits,
    OnComplete,
    OnConnections,
    ProtocolErrorRenderer,
    Record,
    ignore_connections,
    plain_protocol_error,
)
from zakrom.web.message import Disconnected, FileRange, Handler, Request, Response, Stream
from zakrom.web.outlet import Cut, close_body
from zakrom.web.tls import Tls

FILE_PIECE_BYTES = 256 * 1024
"""A file is read in such pieces; a stalled reader holds one."""

ABORT_WAIT_SECONDS = 1.0
"""After a connection was reset: for the server to notice."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Hook = Callable[[], Awaitable[None]]

_log = logging.getLogger("zakrom.web")


async def _nothing() -> None:
    """The hook of who has none."""


def _forget(_record: Record) -> None:
    """Who wants no record."""


def asgi_app(
    handler: Handler,
    *,
    limits: Limits | None = None,
    on_complete: OnComplete = _forget,
    render_protocol_error: ProtocolErrorRenderer = plain_protocol_error,
    on_startup: Hook = _nothing,
    on_shutdown: Hook = _nothing,
) -> Application:
    """``handler`` as an ASGI 3 application. The hooks run in the server's lifespan; one that raises refuses the start."""
    shared = _Shared(handler, limits or Limits(), on_complete, render_protocol_error)

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _Exchange(shared, scope, receive, send).run()
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send, on_startup, on_shutdown)
        else:
            raise NotImplementedError(f"{scope['type']} is not spoken here")

    return app


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
    """As `web.http1.serve`, under uvicorn."""
    app = asgi_app(handler, limits=limits, on_complete=on_complete, render_protocol_error=render_protocol_error)
    config = uvicorn_config(
        app, limits=limits, tls=tls, render_protocol_error=render_protocol_error, on_connections=on_connections
    )
    await serve_app(config, list(sockets), stop)


async def _lifespan(receive: Receive, send: Send, on_startup: Hook, on_shutdown: Hook) -> None:
    for hook in (on_startup, on_shutdown):
        kind = (await receive())["type"]
        try:
            await hook()
        except Exception as error:  # noqa: BLE001 - the server is told, and ends
            _log.exception("%s failed", kind)
            await send({"type": f"{kind}.failed", "message": str(error)})
            return
        await send({"type": f"{kind}.complete"})


class _Stalled(Cut):
    """The client is to blame for the cut."""


class _Shared:
    """What all requests share."""

    __slots__ = ("handler", "limits", "on_complete", "render_protocol_error")

    def __init__(self, handler: Handler, limits: Limits, on_complete: OnComplete, render: ProtocolErrorRenderer) -> None:
        self.handler = handler
        self.limits = limits
        self.on_complete = on_complete
        self.render_protocol_error = render


class _AsgiBody:
    """A request's body, by ``receive``."""

    __slots__ = ("_limits", "_mark", "_receive", "_waited_seconds", "failure", "length", "received", "whole")

    def __init__(self, length: int | None, receive: Receive, limits: Limits) -> None:
        self.length = length
        self.received = 0
        self.whole = length == 0
        self.failure: Exception | None = None
        self._receive = receive
        self._limits = limits
        self._waited_seconds = 0.0  # since the client last made progress ...
        self._mark = 0  # ... which was when so many bytes had come

    async def read(self) -> bytes:
        """See `message.Body`."""
        while not self.whole:
            if self.failure is not None:
                raise self.failure
            message = await self._patiently()
            piece = self._take(message)
            if piece:
                return piece
        return b""

    async def _patiently(self) -> Message:
        """The server's next message. Raises `errors.RequestTimeout` when the client stalls."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._limits.body_stall_seconds - self._waited_seconds):
                return await self._receive()
        except TimeoutError:
            self.failure = errors.RequestTimeout()
            raise self.failure from None
        finally:
            self._waited_seconds += time.monotonic() - began

    def _take(self, message: Message) -> bytes:
        if message["type"] == "http.disconnect":
            self.failure = Disconnected()
            raise self.failure
        piece: bytes = message.get("body", b"")
        self.received += len(piece)
        self.whole = not message.get("more_body", False)
        if self.received - self._mark >= self._limits.progress_bytes_min:
            self._mark, self._waited_seconds = self.received, 0.0
        return piece

    async def throw_away(self) -> None:
        """Take the rest until it ends, the client goes away or its time is up. Never raises but cancellation."""
        limits = self._limits
        thrown = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.linger_seconds):
                while not self.whole and thrown <= limits.linger_bytes_max:
                    async with asyncio.timeout(limits.linger_idle_seconds):
                        message = await self._receive()
                    if message["type"] == "http.disconnect":
                        return
                    thrown += len(message.get("body", b""))
                    self.whole = not message.get("more_body", False)


class _Exchange:
    """One request and its answer."""

    def __init__(self, shared: _Shared, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self._shared = shared
        self._scope = scope
        self._receive = receive
        self._send_message = send
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])  # a copy: uvicorn appends trailers to its own
        self._body = _AsgiBody(_length(headers), receive, shared.limits)
        client = scope.get("client")
        self._request = Request(
            scope["method"],
            scope.get("raw_path") or scope["path"].encode(),
            scope.get("query_string", b""),
            headers,
            self._body,
            client[0] if client else "",
            scope.get("scheme") == "https",
        )
        self._bytes_out = 0
        self._started = False
        self._gone = asyncio.Event()

    async def run(self) -> None:
        """From the head to the end of the answer. Raises `Cut` to make the server close the connection."""
        began = time.perf_counter()
        response: Response | None = None
        status, whole = 0, False
        request, shared = self._request, self._shared
        try:
            response = await shared.handler(request)
            status = response.status
            if request.text("content-length") == "0" and request.text("expect") is not None:
                await self._receive()  # the server says 100 Continue now: see `http1`'s `Connection._handle` for who needs it
            whole = await self._answer(response)
        except Disconnected:
            pass
        except _Stalled:
            await self._cut()
        except Cut as cut:
            _log.error("the answer to %s %r was cut: %s", request.method, request.path, cut)
            await self._cut()
        except Exception:  # noqa: BLE001 - whatever it was, the client gets an answer
            _log.exception("a bug: no answer to %s %r", request.method, request.path)
            response, status = None, 0
            if self._started:
                await self._cut()
            else:
                status = 500
                await self._answer(self._bare_error())
        finally:
            received = self._body.received
            shared.on_complete(
                Record(request, response, status, received, self._bytes_out, whole, time.perf_counter() - began, request.peer)
            )

    def _bare_error(self) -> Response:
        message = "We encountered an internal error. Please try again."
        body = self._shared.render_protocol_error(500, "InternalError", message)
        return Response(500, [("Content-Type", "application/xml")], body)

    async def _answer(self, response: Response) -> bool:
        """Send ``response``; whether all of it was handed to the server. Its body is closed once, whatever happens."""
        body = response.body
        unread = not self._body.whole
        try:
            await self._start(response, close=unread)
            if has_no_body(self._request.method, response.status):
                pass
            elif isinstance(body, bytes):
                if not unread:
                    await self._send({"type": "http.response.body", "body": body})
                    self._bytes_out = len(body)
                    return True
                await self._piece(body)
            else:
                await self._send_pieces(body)
            if unread and not self._gone.is_set():
                await self._body.throw_away()
            await self._send({"type": "http.response.body", "body": b""})
            return not self._gone.is_set()
        finally:
            if not isinstance(body, bytes):
                await close_body(body)

    async def _start(self, response: Response, *, close: bool) -> None:
        body = response.body
        length = announced_length(self._request.method, response, len(body) if isinstance(body, bytes) else body.length)
        headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.headers]
        if length is not None:
            headers.append((b"content-length", b"%d" % length))
        if close:
            headers.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": response.status, "headers": headers})
        self._started = True

    async def _send_pieces(self, body: Stream | FileRange) -> None:
        """All pieces, while a watcher looks whether the client is still there."""
        watcher = asyncio.create_task(self._watch())
        try:
            async for piece in _pieces(body):
                if body.length is not None and self._bytes_out + len(piece) > body.length:
                    raise Cut(f"the body has more than its {body.length} bytes")
                await self._piece(bytes(piece))
                if self._gone.is_set():
                    raise Disconnected
                await asyncio.sleep(0)  # lets the watcher see a disconnect: a server's send may never wait
            if body.length is not None and self._bytes_out != body.length:
                raise Cut(f"the body ended after {self._bytes_out} of {body.length} bytes")
        finally:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher

    async def _watch(self) -> None:
        """Notes a disconnect. Until then, what the client still sends of its body is thrown away."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone.set()
                return
            if not message.get("more_body", False):
                self._body.whole = True

    async def _piece(self, piece: bytes) -> None:
        if piece:
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            self._bytes_out += len(piece)

    async def _send(self, message: Message) -> None:
        """Raises `_Stalled` if the client does not take bytes. What is waited for is the piece before: the server holds one."""
        try:
            async with asyncio.timeout(self._shared.limits.send_stall_seconds):
                await self._send_message(message)
        except TimeoutError:
            raise _Stalled("the client takes no bytes") from None
        except OSError as error:  # ASGI 2.4: a server may say so
            raise Disconnected from error

    async def _cut(self) -> None:
        """Reset the connection if the server lets us, else have the server close it, which takes an exception."""
        abort = self._scope.get("extensions", {}).get(ABORT_EXTENSION, {}).get("abort")
        if abort is None:
            raise Cut("the answer was cut")
        abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ABORT_WAIT_SECONDS):
                while (await self._receive())["type"] != "http.disconnect":
                    pass


async def _pieces(body: Stream | FileRange) -> AsyncIterator[bytes | memoryview]:
    if isinstance(body, Stream):
        try:
            async for piece in body.pieces:
                yield piece
        except errors.Error as error:
            raise Cut(str(error)) from error
        return
    sent = 0
    while left := body.length - sent:
        piece = await asyncio.to_thread(os.pread, body.fd, min(left, FILE_PIECE_BYTES), body.offset + sent)
        if not piece:
            raise Cut(f"the file ended after {sent} of {body.length} bytes")
        sent += len(piece)
        yield piece


def _length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """What `message.Body.length` says."""
    names = dict(headers)
    if b"transfer-encoding" in names:
        return None
    text = names.get(b"content-length", b"0")
    return int(text) if text.isdigit() else 0

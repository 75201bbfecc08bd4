"""HTTP/1.1 for an S3 door: a protocol on uvloop, with llhttp for the heads.

What an S3 door must control, and why this is not left to a general server:

- *When the body is asked for.* ``100 Continue`` is written at the handler's first ``read``; an answer given before the body was
  read closes the connection, and what the client still sends is thrown away for a while (bounded), since closing at once would
  make the kernel reset the connection and lose the answer (RFC 9112, 9.6).
- *What a client may cost.* Heads, bodies, answers, pipelined requests and silence are limited (`web.limits`).
- *Exact bytes*: of path, query and header values, for signatures and keys.
- *Speed*: a small answer is one ``write``, without a task; a `FileRange` goes by ``sendfile``.

One connection handles one request at a time. Its life is a table of phases, each with a deadline that one sweep a second looks
at (no timer a request): see `Phase` and `Connection.expire`. While a request is handled reading goes on, so that a
client that goes away is noticed, until the client is too far ahead.

A handler is never cancelled because its client went away: a write that is decided must not be torn. It learns of it by
`Disconnected` from ``body.read()``. Handlers that outlive the drain at shutdown are cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import os
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

from zakrom import errors
from zakrom.web.chunks import ChunkDecoder
from zakrom.web.drive import start
from zakrom.web.head import PLAIN, Framing, HeadReader, head_too_large, uri_too_long
from zakrom.web.limits import (
    BODY_BUFFER_BYTES,
    HEAD_BYTES_MAX,
    PIPELINE_BYTES_MAX,
    REQUEST_LINE_BYTES_MAX,
    Limits,
    OnComplete,
    ProtocolError,
    ProtocolErrorRenderer,
    Record,
    plain_protocol_error,
)
from zakrom.web.message import Disconnected, FileRange, Handler, Request, Response, Stream
from zakrom.web.tls import Tls

JOINED_BODY_BYTES_MAX = 64 * 1024  # a body up to this is joined with its head: one copy is cheaper than a second buffer
SENDFILE_BYTES_MAX = 1024 * 1024  # one call; then the other connections have their turn. 4 MiB was no faster
TLS_PIECE_BYTES = 256 * 1024  # a file under TLS is read in such pieces; a stalled reader holds one
SWEEP_SECONDS_MAX = 1.0  # how late a deadline may be noticed
ABORT_SECONDS = 5.0  # at shutdown: for cancelled handlers to end
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER, no seconds: close sends RST, so that a cut body is never taken for a whole one

_log = logging.getLogger("zakrom.web")
_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Phase(enum.IntEnum):
    """What a connection waits for."""

    IDLE = 0  # the first byte of a head; expires: closed
    HEAD = 1  # the end of a head; expires: 408
    RUNNING = 2  # the handler; has no deadline
    BODY = 3  # the handler waits for the client's bytes; expires: RequestTimeout to the handler
    SENDING = 4  # the client takes bytes; expires: cut
    LINGERING = 5  # the client's end after an early answer; expires: closed
    CLOSING = 6  # the kernel takes the last bytes; expires: cut
    CLOSED = 7


class _Cut(Exception):
    """The answer's body cannot be finished."""


class _Body:
    """A request's body while it arrives: fed by the connection, read by the handler."""

    __slots__ = ("_buffered", "_connection", "_decoder", "_failure", "_missing", "_pieces", "expects_continue", "length", "received", "whole")

    def __init__(self, connection: Connection, framing: Framing) -> None:
        self.length = framing.length
        self.expects_continue = framing.expects_continue
        self.received = 0  # bytes of the body, decoded
        self.whole = False  # its last byte has arrived
        self._connection = connection
        self._missing = framing.length or 0
        self._decoder = ChunkDecoder() if framing.length is None else None
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._failure: Exception | None = None

    async def read(self) -> bytes:
        """See `message.Body`. A body whose framing is broken raises `errors.BadRequest`."""
        while not self._pieces:
            if self._failure is not None:
                raise self._failure
            if self.whole:
                return b""
            await self._connection.body_arrives(self)
        taken = self._pieces.popleft() if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._buffered = 0
        self._connection.body_taken()
        return taken

    @property
    def ready(self) -> bool:
        """Whether `read` would not wait."""
        return bool(self._pieces) or self.whole or self._failure is not None

    @property
    def full(self) -> bool:
        """Whether the client should wait."""
        return self._buffered > BODY_BUFFER_BYTES

    def feed(self, data: bytes) -> bytes:
        """Take what of ``data`` belongs to the body; gives the rest. Raises `ProtocolError`."""
        if self._decoder is None:
            return self._feed_counted(data)
        pieces = self._decoder.feed(data)
        self._pieces.extend(pieces)
        size = sum(map(len, pieces))
        self._buffered += size
        self.received += size
        if not self._decoder.done:
            return b""
        self.whole = True
        return self._decoder.rest

    def _feed_counted(self, data: bytes) -> bytes:
        rest = b""
        if len(data) > self._missing:
            data, rest = data[: self._missing], data[self._missing :]
        self._pieces.append(data)
        self._buffered += len(data)
        self.received += len(data)
        self._missing -= len(data)
        self.whole = not self._missing
        return rest

    def fail(self, failure: Exception) -> None:
        """``read`` raises this once it has given what has arrived; the first failure stays."""
        if self._failure is None and not self.whole:
            self._failure = failure

    def forget(self) -> None:
        """Nobody will read it."""
        self._pieces.clear()
        self._buffered = 0
        if self._failure is None:
            self._failure = Disconnected("the request has been answered")


class Connection(asyncio.Protocol):
    """One client's connection."""

    __slots__ = (
        "_at", "_body", "_body_waiter", "_buffer", "_bytes_out", "_deadline", "_drain_waiter", "_eof", "_loop", "_mark", "_peer",
        "_reading", "_scanned", "_secure", "_server", "_task", "_transport", "_write_paused", "phase",
    )  # fmt: skip

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = server.loop
        self._buffer = b""  # received and not yet understood: heads of this and following requests
        self._at = 0  # where in it the next head begins
        self._scanned = 0  # up to where its end was searched
        self._body: _Body | None = None
        self._body_waiter: asyncio.Future[None] | None = None
        self._drain_waiter: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._bytes_out = 0
        self._mark = 0  # progress seen at the beginning of the current window
        self._deadline = 0.0
        self._eof = False
        self._reading = True
        self._write_paused = False
        self.phase = Phase.IDLE

    # ------------------------------------------------------------------------------------------ called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport: Any = transport
        peer = transport.get_extra_info("peername")
        self._peer: str = peer[0] if isinstance(peer, tuple) else ""
        self._secure = transport.get_extra_info("sslcontext") is not None
        # "Paused" then means "not all is with the kernel": what sendfile and reused buffers of a stream need to know.
        self._transport.set_write_buffer_limits(high=0)
        self._deadline = time.monotonic() + self._server.limits.head_seconds
        if not self._server.joined(self):
            self._refuse(ProtocolError(503, "SlowDown", "Please reduce your request rate."))

    def connection_lost(self, exc: Exception | None) -> None:
        self.phase = Phase.CLOSED
        self._write_paused = False
        if self._body is not None:
            self._body.fail(Disconnected())
        _wake(self._body_waiter)
        _wake(self._drain_waiter)
        self._buffer = b""
        self._server.left(self)

    def data_received(self, data: bytes) -> None:
        phase = self.phase
        if phase is Phase.IDLE and not self._buffer:
            self._buffer = data
            self._advance()
        elif phase is Phase.LINGERING:
            self._throw_away(len(data))
        elif phase < Phase.LINGERING:
            body = self._body
            if body is not None and not body.whole:
                data = self._feed(body, data)
            if data:
                self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
                self._scanned -= self._at
                self._at = 0
                if phase <= Phase.HEAD:
                    self._advance()
                elif len(self._buffer) > PIPELINE_BYTES_MAX:
                    self._pause_reading()

    def eof_received(self) -> bool:
        """The client has sent its last byte, and may still wait for its answer: then the connection stays open for writing."""
        self._eof = True
        if self.phase not in (Phase.RUNNING, Phase.BODY, Phase.SENDING):
            return False
        if self._body is not None:
            self._body.fail(Disconnected())
        _wake(self._body_waiter)
        return not self._secure

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        _wake(self._drain_waiter)

    # --------------------------------------------------------------------------------------------------- heads, requests

    def _advance(self) -> None:
        """Handle the requests whose heads have arrived, as long as none has to wait."""
        while self.phase <= Phase.HEAD:
            head = self._next_head()
            if not head:
                return
            try:
                request, framing = self._server.heads.read(head, self._peer, self._secure)
            except ProtocolError as error:
                self._refuse(error)
                return
            self._begin(request, framing)

    def _next_head(self) -> bytes:
        """The next whole head, b"" if there is none yet (or never will be)."""
        buffer, at = self._buffer, self._at
        while buffer.startswith(b"\r\n", at):  # RFC 9112, 2.2: empty lines before a request are ignored
            at = self._at = self._scanned = at + 2
        end = buffer.find(b"\r\n\r\n", max(at, self._scanned - 3))
        if end < 0 or end - at > HEAD_BYTES_MAX:
            self._await_head(len(buffer) - at)
            return b""
        end += 4
        if end == len(buffer):
            self._buffer = b""
            self._at = self._scanned = 0
            return buffer[at:] if at else buffer
        self._at = self._scanned = end
        return buffer[at:end]

    def _await_head(self, pending: int) -> None:
        """A head has not ended: give it time, or refuse it for its length."""
        self._scanned = len(self._buffer)
        if not pending:
            self._buffer = b""
            self._at = self._scanned = 0
        elif pending > REQUEST_LINE_BYTES_MAX and self._buffer.find(b"\r\n", self._at, self._at + REQUEST_LINE_BYTES_MAX + 2) < 0:
            self._refuse(uri_too_long())
        elif pending > HEAD_BYTES_MAX:
            self._refuse(head_too_large())
        elif self.phase is Phase.IDLE:
            self.phase = Phase.HEAD
            self._deadline = time.monotonic() + self._server.limits.head_seconds
        if self.phase <= Phase.HEAD:
            self._resume_reading()
            if self._eof:
                self._close()

    def _begin(self, request: Request, framing: Framing) -> None:
        self.phase = Phase.RUNNING
        self._bytes_out = 0
        if framing.length == 0:
            self._body = None
        else:
            request.body = self._body = _Body(self, framing)
            if self._at < len(self._buffer):
                data = self._buffer[self._at :]
                self._buffer = self._feed(self._body, data)
                self._at = self._scanned = 0
            if self._eof:
                self._body.fail(Disconnected())
        self._task = start(self._loop, self._handle(request, framing))

    async def _handle(self, request: Request, framing: Framing) -> None:
        """One request from its head to the end of its answer. Raises nothing but cancellation."""
        began = time.perf_counter()
        response: Response | None = None
        status, whole, keep = 0, False, False
        try:
            response = await self._server.handler(request)
            status = response.status
            keep = self._keeps(framing)
            if self._write_paused:
                await self._drained()
            if type(response.body) is bytes:
                self._send_bytes(request, framing, response, response.body, keep)
                whole = self.phase is not Phase.CLOSED
            else:
                whole = await self._send_long(request, framing, response, keep)
        except Disconnected:
            status = self._answer_broken_body() if response is None else status
        except (asyncio.CancelledError, Exception) as error:
            status, response = self._answer_bug(error, status, response, request)
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            received = 0 if self._body is None else self._body.received
            self._end(keep and whole)
            self._server.on_complete(
                Record(request, response, status, received, self._bytes_out, whole, time.perf_counter() - began, self._peer)
            )

    def _keeps(self, framing: Framing) -> bool:
        """Whether the connection lives on after this answer."""
        body = self._body
        return framing.keep_alive and not self._eof and not self._server.draining and (body is None or body.whole)

    def _end(self, keep: bool) -> None:
        """The answer is with the transport; or there will be none."""
        body, self._body, self._task = self._body, None, None
        if body is not None:
            body.forget()
        if self.phase >= Phase.LINGERING:
            return
        if keep:
            self.phase = Phase.IDLE
            self._deadline = time.monotonic() + self._server.limits.idle_seconds
            if self._buffer:
                self._loop.call_soon(self._advance)
            elif not self._reading:
                self._resume_reading()
        elif self._eof or (not self._buffer and (body is None or body.whole)):
            self._close()
        else:
            self._linger()

    # ---------------------------------------------------------------------------------------------------------- the body

    def _feed(self, body: _Body, data: bytes) -> bytes:
        """Give the body its bytes and whom they keep waiting a sign; gives the bytes behind the body."""
        try:
            rest = body.feed(data)
        except ProtocolError as error:
            body.fail(errors.BadRequest(error.message))
            self._pause_reading()
            rest = b""
        if self._body_waiter is not None:
            self._note_progress(body.received)
            _wake(self._body_waiter)
        elif body.full:
            self._pause_reading()
        return rest

    async def body_arrives(self, body: _Body) -> None:
        """Wait until ``body`` can be read without waiting."""
        if body.expects_continue:
            body.expects_continue = False
            if not body.received and self.phase is not Phase.CLOSED:
                self._transport.write(_CONTINUE)
        self._open_window(Phase.BODY, self._server.limits.body_stall_seconds, body.received)
        while not body.ready:
            self._body_waiter = self._loop.create_future()
            try:
                await self._body_waiter
            finally:
                self._body_waiter = None
        self._leave_phase()

    def body_taken(self) -> None:
        """The handler has read: the client may go on."""
        if not self._reading:
            self._resume_reading()

    # --------------------------------------------------------------------------------------------------------- the answer

    def _send_bytes(self, request: Request, framing: Framing, response: Response, body: bytes, keep: bool) -> None:
        if self.phase is Phase.CLOSED:
            return
        head = self._head(request, framing, response, len(body), keep)
        if not body or _is_bodiless(request, response):
            self._transport.write(head)
            return
        self._bytes_out = len(body)
        if len(body) <= JOINED_BODY_BYTES_MAX:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))

    async def _send_long(self, request: Request, framing: Framing, response: Response, keep: bool) -> bool:
        """Send a `Stream` or a `FileRange`; whether all was sent. Whatever happens, its ``close`` is called once."""
        body = response.body
        assert isinstance(body, (Stream, FileRange))
        try:
            if self.phase is Phase.CLOSED:
                return False
            chunked = body.length is None and framing.http11
            if body.length is None and not framing.http11:
                keep = False
            self._transport.write(self._head(request, framing, response, body.length, keep))
            if _is_bodiless(request, response):
                return True
            if isinstance(body, Stream):
                await self._send_stream(body, chunked)
            elif self._secure:
                await self._send_read(body)
            else:
                await self._send_file(body)
            return keep or not self._close_at_end()
        except _Cut as error:
            _log.error("an answer was cut: %s", error)
            self._cut()
            return False
        finally:
            if isinstance(body, Stream):
                await _close_iterator(body)
            body.close()

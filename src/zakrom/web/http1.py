"""HTTP/1.1 for an S3 door: a protocol on uvloop, with llhttp for the heads.

What an S3 door must control, and why this is not left to a general server:

- *When the body is asked for.* ``100 Continue`` is written at the handler's first ``read``; an answer given before the body was
  read closes the connection, and what the client still sends is thrown away for a while (bounded), since closing at once would
  make the kernel reset the connection and lose the answer (RFC 9112, 9.6).
- *What a client may cost.* Heads, bodies, answers, pipelined requests and silence are limited (`web.limits`).
- *Exact bytes* of path, query and header values, for signatures and keys.
- *Speed*: a small answer is one ``write``, without a task; a `FileRange` goes by ``sendfile``.

One connection handles one request at a time. It is always in one `Phase`; most phases have a deadline, and one sweep a second
looks at all of them (no timer a request). While a request is handled reading goes on, so that a client that goes away is
noticed, until the client is too far ahead.

A handler is never cancelled because its client went away: a write that is decided must not be torn. It learns of it by
`Disconnected` from ``body.read()``. Handlers that outlive the drain at shutdown are cancelled.

A piece that a `Stream` yields may be reused by its maker once the next is asked for: by then the kernel has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import os
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

from zakrom import errors
from zakrom.web.answer import has_no_body, render_head
from zakrom.web.body import ArrivingBody
from zakrom.web.drive import start
from zakrom.web.head import Framing, HeadReader, head_too_large, uri_too_long
from zakrom.web.limits import (
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
SENDFILE_BYTES_MAX = 1024 * 1024  # one call; then the other connections have their turn
TLS_PIECE_BYTES = 256 * 1024  # a file under TLS is read in such pieces; a stalled reader holds one
SWEEP_SECONDS_MAX = 1.0  # how late a deadline may be noticed
ABORT_SECONDS = 5.0  # at shutdown: for cancelled handlers to end

_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER without seconds: close sends RST, and a cut body is never taken for whole
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_log = logging.getLogger("zakrom.web")


class Phase(enum.IntEnum):
    """What a connection waits for. The order matters: up to HEAD no request is handled, from LINGERING on none will be."""

    IDLE = 0  # the first byte of a head; expires: closed
    HEAD = 1  # the end of a head; expires: 408
    RUNNING = 2  # the handler; has no deadline
    BODY = 3  # the handler waits for the client's bytes; expires: RequestTimeout to the handler
    SENDING = 4  # the client must take bytes; expires: cut
    LINGERING = 5  # the client's end, after an answer it did not wait for; expires: closed
    CLOSING = 6  # the kernel must take the last bytes; expires: cut
    CLOSED = 7


class Cut(Exception):
    """The answer's body cannot be finished as its head has promised."""


class Connection(asyncio.Protocol):
    """One client's connection."""

    __slots__ = (
        "_answering",
        "_at",
        "_body",
        "_body_waiter",
        "_buffer",
        "_bytes_out",
        "_deadline",
        "_drain_waiter",
        "_eof",
        "_linger_left",
        "_linger_until",
        "_loop",
        "_mark",
        "_peer",
        "_reading",
        "_scanned",
        "_secure",
        "_server",
        "_task",
        "_transport",
        "_write_paused",
        "phase",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = server.loop
        self._transport: Any = None
        self._peer = ""
        self._secure = False
        self._buffer = b""  # received and not yet understood: heads of this and of following requests
        self._at = 0  # where in it the next head begins
        self._scanned = 0  # up to where its end was searched
        self._body: ArrivingBody | None = None
        self._task: asyncio.Task[None] | None = None
        self._body_waiter: asyncio.Future[None] | None = None
        self._drain_waiter: asyncio.Future[None] | None = None
        self._answering = False  # the head of the answer has been written
        self._bytes_out = 0
        self._mark = 0  # bytes that had moved when the current window began
        self._deadline = 0.0
        self._linger_left: int | None = None
        self._linger_until = 0.0
        self._eof = False
        self._reading = True
        self._write_paused = False
        self.phase = Phase.IDLE

    # ------------------------------------------------------------------------------------------- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        self._secure = transport.get_extra_info("sslcontext") is not None
        # "Paused" then means "not all is with the kernel": what sendfile and makers of streams need to know.
        self._transport.set_write_buffer_limits(high=0)
        self._deadline = time.monotonic() + self._server.limits.head_seconds
        if not self._server.joined(self):
            self._refuse(ProtocolError(503, "SlowDown", "Please reduce your request rate."))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        self.phase = Phase.CLOSED
        self._write_paused = False
        self._buffer = b""
        if self._body is not None:
            self._body.fail(Disconnected())
        _wake(self._body_waiter)
        _wake(self._drain_waiter)
        self._server.left(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of heads, of a body, of requests sent ahead, or of a body that nobody wants."""
        phase = self.phase
        if phase is Phase.IDLE and not self._buffer:
            self._buffer = data
            self._advance()
            return
        if phase >= Phase.LINGERING:
            self._throw_away(len(data))
            return
        body = self._body
        if body is not None and not body.whole:
            data = self._feed(body, data)
            if not data:
                return
        self._buffer = self._buffer[self._at :] + data
        self._scanned -= self._at
        self._at = 0
        if phase <= Phase.HEAD:
            self._advance()
        elif len(self._buffer) > PIPELINE_BYTES_MAX:
            self._pause_reading()

    def eof_received(self) -> bool:
        """The client has sent its last byte and may still wait for an answer: then the connection stays open for writing."""
        self._eof = True
        if self.phase not in (Phase.RUNNING, Phase.BODY, Phase.SENDING):
            return False
        if self._body is not None:
            self._body.fail(Disconnected())
        _wake(self._body_waiter)
        return not self._secure  # TLS has no half-closed connections

    def pause_writing(self) -> None:
        """The kernel has not taken all."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """The kernel has taken all."""
        self._write_paused = False
        _wake(self._drain_waiter)

    # ---------------------------------------------------------------------------------------------------- heads, requests

    def _advance(self) -> None:
        """Begin the next request if its head has arrived and none is being handled."""
        if self.phase > Phase.HEAD:
            return
        head = self._next_head()
        if not head:
            return
        try:
            request, framing = self._server.heads.read(head, self._peer, self._secure)
        except ProtocolError as error:
            self._refuse(error)
            return
        self.phase = Phase.RUNNING
        self._bytes_out = 0
        self._answering = False
        if framing.length != 0:
            self._begin_body(request, framing)
        self._task = start(self._loop, self._handle(request, framing))

    def _next_head(self) -> bytes:
        """The next whole head, b"" if there is none yet (or will never be)."""
        buffer, at = self._buffer, self._at
        while buffer.startswith(b"\r\n", at):  # RFC 9112, 2.2: empty lines before a request are ignored
            at = self._at = self._scanned = at + 2
        end = buffer.find(b"\r\n\r\n", max(at, self._scanned - 3)) + 4
        if end < 4 or end - at > HEAD_BYTES_MAX:
            self._await_head(len(buffer) - at)
            return b""
        if end == len(buffer):
            self._buffer = b""
            self._at = self._scanned = 0
            return buffer[at:] if at else buffer
        self._at = self._scanned = end
        return buffer[at:end]

    def _await_head(self, pending: int) -> None:
        """The next head has not ended: give it time, or refuse it for its length."""
        self._scanned = len(self._buffer)
        line_end = self._buffer.find(b"\r\n", self._at, self._at + REQUEST_LINE_BYTES_MAX + 2)
        if pending > REQUEST_LINE_BYTES_MAX and line_end < 0:
            self._refuse(uri_too_long())
        elif pending > HEAD_BYTES_MAX:
            self._refuse(head_too_large())
        elif self._eof:
            self._close()
        else:
            self._resume_reading()
            if pending and self.phase is Phase.IDLE:
                self.phase = Phase.HEAD
                self._deadline = time.monotonic() + self._server.limits.head_seconds

    def _begin_body(self, request: Request, framing: Framing) -> None:
        body = request.body = self._body = ArrivingBody(self, framing)
        if self._at < len(self._buffer):
            self._buffer = self._feed(body, self._buffer[self._at :])
            self._at = self._scanned = 0
        if self._eof:
            body.fail(Disconnected())

    async def _handle(self, request: Request, framing: Framing) -> None:
        """One request, from its head to the end of its answer."""
        began = time.perf_counter()
        response: Response | None = None
        status, whole, keep = 0, False, False
        try:
            response = await self._server.handler(request)
            status, keep = response.status, self._keeps(framing, response)
            whole = await self._answer(request, response, keep=keep, http11=framing.http11)
        except Disconnected:
            status = status or self._answer_broken_body()
        except Cut as cut:
            _log.error("the answer to %s %r was cut: %s", request.method, request.path, cut)
            self._cut()
        except asyncio.CancelledError:
            self._cut()
            raise
        except Exception:
            _log.exception("a bug: no answer to %s %r", request.method, request.path)
            status, response = self._answer_bug(), None
        finally:
            received = 0 if self._body is None else self._body.received
            self._end(keep=keep and whole)
            self._server.on_complete(
                Record(request, response, status, received, self._bytes_out, whole, time.perf_counter() - began, self._peer)
            )

    def _keeps(self, framing: Framing, response: Response) -> bool:
        """Whether the connection lives on after this answer."""
        if self._body is not None and not self._body.whole:
            return False
        unending = not framing.http11 and isinstance(response.body, Stream) and response.body.length is None
        return framing.keep_alive and not self._server.draining and not unending

    def _end(self, *, keep: bool) -> None:
        """The request is over: its answer is with the transport, or there is none."""
        body, self._body, self._task = self._body, None, None
        missing: int | None = 0
        if body is not None:
            missing = 0 if body.whole else body.missing
            body.forget()
        if self.phase >= Phase.LINGERING:
            return
        if keep and not (self._eof and not self._buffer):
            self.phase = Phase.IDLE
            self._deadline = time.monotonic() + self._server.limits.idle_seconds
            if self._buffer:
                self._loop.call_soon(self._advance)
            elif not self._reading:
                self._resume_reading()
        elif self._eof or (missing == 0 and not self._buffer):
            self._close()
        else:
            self._linger(missing)

    # ----------------------------------------------------------------------------------------------------------- the body

    def _feed(self, body: ArrivingBody, data: bytes) -> bytes:
        """Give ``body`` its bytes; gives the bytes behind it."""
        try:
            rest = body.feed(data)
        except ProtocolError as error:
            body.fail(errors.BadRequest(error.message))
            rest = b""
        if self._body_waiter is not None:
            _wake(self._body_waiter)
        elif body.full:
            self._pause_reading()
        return rest

    async def body_arrives(self, body: ArrivingBody) -> None:
        """Wait until ``body`` is ready; the first time, tell the client to send it."""
        if body.expects_continue:
            body.expects_continue = False
            if not body.received and self.phase is not Phase.CLOSED:
                self._transport.write(_CONTINUE)
        limits = self._server.limits
        began = time.monotonic()
        self._wait(Phase.BODY, began + limits.body_stall_seconds - body.waited_seconds)
        while not body.ready:
            self._body_waiter = self._loop.create_future()
            try:
                await self._body_waiter
            finally:
                self._body_waiter = None
        self._run()
        body.waited_seconds += time.monotonic() - began
        if body.received - body.mark >= limits.progress_bytes_min:
            body.mark, body.waited_seconds = body.received, 0.0

    def body_taken(self) -> None:
        """The handler has read: the client may go on."""
        if not self._reading:
            self._resume_reading()

    # ---------------------------------------------------------------------------------------------------------- the answer

    async def _answer(self, request: Request, response: Response, *, keep: bool, http11: bool) -> bool:
        """Send ``response``; whether all of it is with the transport. Its body is closed once, whatever happens."""
        body = response.body
        try:
            if self._write_paused:
                await self._drained()
            if self.phase is Phase.CLOSED:
                return False
            length = len(body) if isinstance(body, bytes) else body.length
            head = render_head(request.method, response, length, keep=keep, http11=http11)
            self._answering = True
            if has_no_body(request.method, response.status):
                self._transport.write(head)
            elif isinstance(body, bytes):
                self._send_bytes(head, body)
            elif isinstance(body, Stream):
                self._transport.write(head)
                await self._send_stream(body, chunked=http11 and length is None)
            else:
                self._transport.write(head)
                await (self._send_read(body) if self._secure else self._send_file(body))
            return True
        finally:
            if not isinstance(body, bytes):
                await _close(body)

    def _send_bytes(self, head: bytes, body: bytes) -> None:
        self._bytes_out = len(body)
        if len(body) <= JOINED_BODY_BYTES_MAX:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))

    async def _send_stream(self, stream: Stream, *, chunked: bool) -> None:
        """Piece by piece, none before the kernel has taken the one before."""
        async for piece in _checked(stream):
            size = len(piece)
            if stream.length is not None and self._bytes_out + size > stream.length:
                raise Cut(f"the stream has more than its {stream.length} bytes")
            if chunked and size:
                self._transport.writelines((b"%x\r\n" % size, piece, b"\r\n"))
            elif size:
                self._transport.write(piece)
            self._bytes_out += size
            if self._write_paused:
                await self._drained()
            if self.phase is Phase.CLOSED:
                raise Disconnected
        if stream.length is not None and self._bytes_out != stream.length:
            raise Cut(f"the stream ended after {self._bytes_out} of {stream.length} bytes")
        if chunked:
            self._transport.write(b"0\r\n\r\n")

    async def _send_file(self, file: FileRange) -> None:
        """By sendfile on a descriptor of our own: uvloop lets nobody else wait on a transport's."""
        if self._write_paused:
            await self._drained()
        out: socket.socket = self._transport.get_extra_info("socket").dup()
        try:
            if not self._send_some(out, file):
                await self._writable(out, lambda: self._send_some(out, file))
        except OSError as error:
            raise Disconnected(str(error)) from error
        finally:
            out.close()

    def _send_some(self, out: socket.socket, file: FileRange) -> bool:
        """One call of sendfile; whether the file is through. Raises `OSError` if the client or the disk is gone."""
        left = file.length - self._bytes_out
        if left:
            try:
                sent = os.sendfile(out.fileno(), file.fd, file.offset + self._bytes_out, min(left, SENDFILE_BYTES_MAX))
            except (BlockingIOError, InterruptedError):
                return False
            if not sent:
                raise Cut(f"the file ended after {self._bytes_out} of {file.length} bytes")
            self._bytes_out += sent
        return self._bytes_out == file.length

    async def _writable(self, out: socket.socket, step: Callable[[], bool]) -> None:
        """Call ``step`` whenever ``out`` takes bytes until it says it is done. Raises what it raises, and `Disconnected`."""
        waiter = self._drain_waiter = self._loop.create_future()

        def on_writable() -> None:
            try:
                if step() and not waiter.done():
                    waiter.set_result(None)
            except (OSError, Cut) as error:
                if not waiter.done():
                    waiter.set_exception(error)

        self._wait(Phase.SENDING, time.monotonic() + self._server.limits.send_stall_seconds)
        self._loop.add_writer(out, on_writable)
        try:
            await waiter
        finally:
            self._loop.remove_writer(out)
            self._drain_waiter = None
        self._run()
        if self.phase is Phase.CLOSED:
            raise Disconnected

    async def _send_read(self, file: FileRange) -> None:
        """Under TLS: read and write."""
        while left := file.length - self._bytes_out:
            offset = file.offset + self._bytes_out
            piece = await asyncio.to_thread(os.pread, file.fd, min(left, TLS_PIECE_BYTES), offset)
            if not piece:
                raise Cut(f"the file ended after {self._bytes_out} of {file.length} bytes")
            if self.phase is Phase.CLOSED:
                raise Disconnected
            self._transport.write(piece)
            self._bytes_out += len(piece)
            if self._write_paused:
                await self._drained()

    async def _drained(self) -> None:
        """Wait until the kernel has taken all that was written. Raises `Disconnected` if it never will."""
        self._wait(Phase.SENDING, time.monotonic() + self._server.limits.send_stall_seconds)
        while self._write_paused:
            self._drain_waiter = self._loop.create_future()
            try:
                await self._drain_waiter
            finally:
                self._drain_waiter = None
        self._run()
        if self.phase is Phase.CLOSED:
            raise Disconnected

    # ----------------------------------------------------------------------------------------------- answers of our own

    def _refuse(self, error: ProtocolError) -> None:
        """Answer a head that cannot be served, and end the connection."""
        self._buffer = b""
        self._at = self._scanned = 0
        self._write_error(error)
        self._linger(None)
        self._server.on_complete(Record(None, None, error.status, 0, self._bytes_out, True, 0.0, self._peer))

    def _answer_broken_body(self) -> int:
        """The handler gave up since the body will not come: a client that only half-closed is told so. The status, or 0."""
        if self.phase is Phase.CLOSED:
            return 0
        return self._write_error(ProtocolError(400, "IncompleteBody", "The request body terminated unexpectedly"))

    def _answer_bug(self) -> int:
        """The handler raised. The status, or 0 if the answer had begun and can only be cut."""
        if self.phase is Phase.CLOSED:
            return 0
        if self._answering:
            self._cut()
            return 0
        return self._write_error(ProtocolError(500, "InternalError", "We encountered an internal error. Please try again."))

    def _write_error(self, error: ProtocolError) -> int:
        body = self._server.render_protocol_error(error.status, error.code, error.message)
        response = Response(error.status, [("Content-Type", "application/xml")], body)
        self._answering = True
        self._send_bytes(render_head("", response, len(body), keep=False, http11=True), body)
        return error.status

    # ------------------------------------------------------------------------------------------------------ phases, the end

    def _wait(self, phase: Phase, deadline: float) -> None:
        """Enter a phase in which the client must move bytes before ``deadline``."""
        if self.phase is not Phase.CLOSED:
            self.phase = phase
            self._deadline = deadline
            self._mark = self._moved()

    def _run(self) -> None:
        """Leave it."""
        if self.phase < Phase.LINGERING:
            self.phase = Phase.RUNNING

    def _moved(self) -> int:
        """Bytes of the answer that the kernel has taken, as far as only differences matter."""
        return self._bytes_out - int(self._transport.get_write_buffer_size())

    def expire(self, now: float) -> None:
        """Called by the sweep: do what the phase says if its deadline has passed."""
        if now < self._deadline or self.phase in (Phase.RUNNING, Phase.CLOSED):
            return
        _EXPIRE[self.phase](self, now)

    def _expire_head(self, now: float) -> None:
        self._refuse(ProtocolError(408, "RequestTimeout", errors.RequestTimeout().message))

    def _expire_body(self, now: float) -> None:
        body = self._body
        assert body is not None
        limits = self._server.limits
        if body.received - body.mark >= limits.progress_bytes_min:
            body.mark, body.waited_seconds = body.received, 0.0
            self._deadline = now + limits.body_stall_seconds
            return
        body.fail(errors.RequestTimeout())
        self._deadline = float("inf")
        _wake(self._body_waiter)

    def _expire_sending(self, now: float) -> None:
        moved = self._moved()
        if moved - self._mark < self._server.limits.progress_bytes_min:
            self._cut()
            return
        self._mark = moved
        self._deadline = now + self._server.limits.send_stall_seconds

    def _linger(self, left: int | None) -> None:
        """The answer is written and the client may still be sending: take its bytes for a while, so that it can read.

        ``left``: bytes until its request ends, None if nobody knows.
        """
        limits = self._server.limits
        now = time.monotonic()
        self.phase = Phase.LINGERING
        self._linger_left = left
        self._linger_until = now + limits.linger_seconds
        self._deadline = min(self._linger_until, now + limits.linger_idle_seconds)
        self._mark = 0
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._resume_reading()

    def _throw_away(self, size: int) -> None:
        if self.phase is not Phase.LINGERING:
            return
        self._mark += size
        self._deadline = min(self._linger_until, time.monotonic() + self._server.limits.linger_idle_seconds)
        if self._linger_left is not None and self._mark >= self._linger_left:
            self._close()
        elif self._mark > self._server.limits.linger_bytes_max:
            self._cut()

    def finish(self) -> None:
        """The server shuts down: end now if nothing is under way; otherwise the answer will say ``Connection: close``."""
        if self.phase is Phase.IDLE and not self._buffer:
            self._close()

    def abort(self) -> asyncio.Task[None] | None:
        """The server cannot wait longer; gives the handler's task, cancelled, if there is one."""
        if self._task is not None:
            self._task.cancel()
        self._cut()
        return self._task

    def _close(self, _now: float = 0.0) -> None:
        """Close when the kernel has taken what was written."""
        self.phase = Phase.CLOSING
        self._deadline = time.monotonic() + self._server.limits.send_stall_seconds
        self._transport.close()

    def _cut(self, _now: float = 0.0) -> None:
        """Reset the connection: the client must not take what it has for whole."""
        if self.phase is Phase.CLOSED:
            return
        self.phase = Phase.CLOSING
        self._deadline = float("inf")
        with contextlib.suppress(OSError):
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def _pause_reading(self) -> None:
        if self._reading and self.phase < Phase.CLOSING:
            self._reading = False
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._reading and self.phase < Phase.CLOSING and not self._eof:
            self._reading = True
            self._transport.resume_reading()


_EXPIRE: Final[dict[Phase, Callable[[Connection, float], None]]] = {
    Phase.IDLE: Connection._close,
    Phase.HEAD: Connection._expire_head,
    Phase.BODY: Connection._expire_body,
    Phase.SENDING: Connection._expire_sending,
    Phase.LINGERING: Connection._close,
    Phase.CLOSING: Connection._cut,
}


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


async def _checked(stream: Stream) -> AsyncIterator[bytes | memoryview]:
    """The stream's pieces; a foreseen error of their maker (a damaged block) becomes a `Cut`."""
    try:
        async for piece in stream.pieces:
            yield piece
    except errors.Error as error:
        raise Cut(str(error)) from error


async def _close(body: Stream | FileRange) -> None:
    """End a body's iterator, if it has one, and the body."""
    try:
        if isinstance(body, Stream):
            aclose = getattr(body.pieces, "aclose", None)
            if aclose is not None:
                await aclose()
    finally:
        body.close()


# ------------------------------------------------------------------------------------------------------------- the server


class Server:
    """What all connections of a process share."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        on_complete: OnComplete,
        *,
        on_connections: Callable[[int], None] = lambda change: None,
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
        shortest = min(limits.head_seconds, limits.idle_seconds, limits.body_stall_seconds, limits.send_stall_seconds)
        self._sweep_seconds = min(SWEEP_SECONDS_MAX, shortest / 4, limits.linger_idle_seconds / 4)

    def joined(self, connection: Connection) -> bool:
        """Watch over ``connection``; false if it is one too many."""
        self._connections.add(connection)
        self._empty.clear()
        self._on_connections(1)
        if self._sweeping is None:
            self._sweeping = self.loop.call_later(self._sweep_seconds, self._sweep)
        return len(self._connections) <= self.limits.connections_max

    def left(self, connection: Connection) -> None:
        """``connection`` is gone."""
        self._connections.discard(connection)
        self._on_connections(-1)
        if not self._connections:
            self._empty.set()

    def _sweep(self) -> None:
        """Look at all deadlines. There is no timer while there is no connection."""
        now = time.monotonic()
        for connection in list(self._connections):
            connection.expire(now)
        self._sweeping = self.loop.call_later(self._sweep_seconds, self._sweep) if self._connections else None

    async def drain(self) -> None:
        """Let running requests end, for `Limits.drain_seconds` at most, then cut what is left and cancel its handlers."""
        self.draining = True
        for connection in list(self._connections):
            connection.finish()
        await self._emptied(self.limits.drain_seconds)
        if self._connections:
            _log.warning("%d connections were cut at shutdown", len(self._connections))
            tasks = [task for task in (connection.abort() for connection in list(self._connections)) if task is not None]
            if tasks:
                await asyncio.wait(tasks, timeout=ABORT_SECONDS)
            await self._emptied(ABORT_SECONDS)

    async def _emptied(self, seconds: float) -> None:
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)


async def serve(
    handler: Handler,
    sockets: Iterable[socket.socket],
    *,
    limits: Limits,
    tls: Tls | None,
    on_complete: OnComplete,
    stop: asyncio.Event,
    on_connections: Callable[[int], None] = lambda change: None,
    render_protocol_error: ProtocolErrorRenderer = plain_protocol_error,
) -> None:
    """Serve ``handler`` on bound ``sockets`` until ``stop`` is set; then drain and return.

    ``on_connections`` is told of each connection that came (1) or went (-1). Raises `OSError` or `ssl.SSLError` if
    the certificate cannot be used or a socket cannot listen.
    """
    server = Server(
        handler, limits, on_complete, on_connections=on_connections, render_protocol_error=render_protocol_error
    )
    context = None if tls is None else tls.context()
    listeners: list[asyncio.AbstractServer] = []
    try:
        for listening in sockets:
            listeners.append(
                await server.loop.create_server(
                    lambda: Connection(server),
                    sock=listening,
                    backlog=limits.backlog,
                    ssl=context,
                    ssl_handshake_timeout=None if context is None else limits.head_seconds,
                )
            )
        await stop.wait()
    finally:
        for listener in listeners:
            listener.close()
        await server.drain()

"""One client's connection: heads in, one handler call at a time, answers out.

It is always in one `Phase`; most phases have a deadline, and one sweep a second looks at all of them (no timer a request).
While a request is handled reading goes on, so that a client that goes away is noticed, until the client is too far ahead.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from collections.abc import Callable
from typing import Any, ClassVar, Final, Protocol

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
)
from zakrom.web.message import Disconnected, Handler, Request, Response, Stream
from zakrom.web.outlet import Cut, Outlet, close_body, reset

BODY_WAKE_SECONDS = 0.002
"""How long a piece may wait for more, so that a fast upload wakes the handler for large pieces, not for each packet."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_NEVER: Final = float("inf")
_log = logging.getLogger("zakrom.web")


class Phase(enum.IntEnum):
    """What a connection waits for. The order matters: up to HEAD no request is handled, from LINGERING on none will be."""

    IDLE = 0  # the first byte of a head; expires: closed
    HEAD = 1  # the end of a head; expires: 408
    RUNNING = 2  # the handler, or the client that takes the answer (`Outlet` watches that)
    BODY = 3  # the handler waits for the client's bytes; expires: RequestTimeout to the handler
    LINGERING = 4  # the client's end, after an answer it did not wait for; expires: closed
    CLOSING = 5  # the kernel must take the last bytes; expires: reset
    CLOSED = 6


IDLE, HEAD, RUNNING, BODY, LINGERING, CLOSING, CLOSED = Phase  # looked up several times a request


class Host(Protocol):
    """What the connections of a process share: the server, as they see it."""

    loop: asyncio.AbstractEventLoop
    handler: Handler
    limits: Limits
    on_complete: OnComplete
    render_protocol_error: ProtocolErrorRenderer
    heads: HeadReader
    draining: bool

    def joined(self, connection: Connection) -> bool:
        """Watch over ``connection``; false if it is one too many."""
        ...

    def left(self, connection: Connection) -> None:
        """``connection`` is gone."""
        ...


class Connection(asyncio.Protocol):
    """See the module. Public: what the event loop, the server's sweep and the request's body call."""

    __slots__ = (
        "_answering",
        "_at",
        "_body",
        "_body_timer",
        "_body_waiter",
        "_buffer",
        "_deadline",
        "_eof",
        "_host",
        "_linger_left",
        "_linger_until",
        "_loop",
        "_out",
        "_peer",
        "_reading",
        "_scanned",
        "_secure",
        "_task",
        "_transport",
        "phase",
    )

    def __init__(self, host: Host) -> None:
        self._host = host
        self._loop = host.loop
        self._transport: Any = None
        self._out: Outlet
        self._peer = ""
        self._secure = False
        self._buffer = b""  # received and not yet understood: heads of this and of following requests
        self._at = 0  # where in it the next head begins
        self._scanned = 0  # up to where its end was searched
        self._body: ArrivingBody | None = None
        self._body_waiter: asyncio.Future[None] | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._answering = False  # the head of the answer has been written
        self._deadline = _NEVER
        self._linger_left: int = 0  # bytes that may still be thrown away
        self._linger_until = 0.0
        self._eof = False
        self._reading = True
        self.phase = IDLE

    # ------------------------------------------------------------------------------------------- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        self._secure = transport.get_extra_info("sslcontext") is not None
        self._out = Outlet(self._loop, transport, self._host.limits, secure=self._secure)
        self._deadline = time.monotonic() + self._host.limits.head_seconds
        if not self._host.joined(self):
            self._refuse(ProtocolError(503, "SlowDown", errors.SlowDown().message))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        self.phase = CLOSED
        self._buffer = b""
        if self._body is not None:
            self._body.fail(Disconnected())
        self._wake_handler()
        self._out.lose()
        self._host.left(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of heads, of a body, of requests sent ahead, or of a body that nobody wants."""
        phase = self.phase
        if phase is IDLE and not self._buffer:
            self._buffer = data
            self._advance()
            return
        if phase >= LINGERING:
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
        if phase <= HEAD:
            self._advance()
        elif len(self._buffer) > PIPELINE_BYTES_MAX:
            self._pause_reading()

    def eof_received(self) -> bool:
        """The client has sent its last byte and may still wait for an answer: then the connection stays open for writing."""
        self._eof = True
        if self.phase not in {RUNNING, BODY}:
            return False
        if self._body is not None:
            self._body.fail(Disconnected())
        self._wake_handler()
        return not self._secure  # TLS has no half-closed connections

    def pause_writing(self) -> None:
        """The kernel has not taken all."""
        out = getattr(self, "_out", None)  # under TLS the handshake's bytes may wait while the outlet is only being made
        if out is not None:
            out.paused = True

    def resume_writing(self) -> None:
        """The kernel has taken all."""
        out = getattr(self, "_out", None)
        if out is not None:
            out.resume()

    # ---------------------------------------------------------------------------------------------------- heads, requests

    def _advance(self) -> None:
        """Begin the next request if its head has arrived and none is being handled."""
        if self.phase > HEAD:
            return
        head = self._next_head()
        if not head:
            return
        try:
            request, framing = self._host.heads.read(head, self._peer, self._secure)
        except ProtocolError as error:
            self._refuse(error)
            return
        self.phase = RUNNING
        self._answering = False
        self._out.sent = 0
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
        if not pending:  # but empty lines, which buy no time: the deadline stays
            self._buffer = b""
            self._at = self._scanned = 0
            self.phase = IDLE
        elif pending > REQUEST_LINE_BYTES_MAX and line_end < 0:
            self._refuse(uri_too_long())
        elif pending > HEAD_BYTES_MAX:
            self._refuse(head_too_large())
        elif self.phase is IDLE:
            self.phase = HEAD
            self._deadline = time.monotonic() + self._host.limits.head_seconds
        if self.phase > HEAD:
            return
        if self._eof:
            self._close()
        else:
            self._resume_reading()

    def _begin_body(self, request: Request, framing: Framing) -> None:
        body = request.body = self._body = ArrivingBody(self, framing)
        if self._at < len(self._buffer):
            self._buffer = self._feed(body, self._buffer[self._at :])
            self._at = self._scanned = 0
        if self._eof:
            body.fail(Disconnected())

    async def _handle(self, request: Request, framing: Framing) -> None:
        """One request, from its head to the end of its answer."""
        began = time.monotonic()
        response: Response | None = None
        status, whole, keep = 0, False, False
        try:
            response = await self._host.handler(request)
            status, keep = response.status, self._keeps(framing, response)
            if framing.expects_continue and framing.length == 0 and self.phase is RUNNING:
                # Nothing is to come, so RFC 9110 lets us do without. But botocore takes a final answer without it for one that
                # ends the connection, and misreads the next answer on it (seen: aws-cli 2.9 hangs after an empty object).
                self._transport.write(_CONTINUE)
            if self._body is not None:
                self._body.forget()  # a client that sends all before it reads must be able to get there
                self._resume_reading()
            if type(response.body) is bytes and not self._out.paused and self.phase is RUNNING:
                self._answer_at_once(request, response, response.body, keep=keep, http11=framing.http11)
                whole = True
            else:
                whole = await self._answer(request, response, keep=keep, http11=framing.http11)
        except Disconnected:
            status = status or self._answer_broken_body()
        except Cut as cut:
            _log.error("the answer to %s %r was cut: %s", request.method, request.path, cut)
            self._reset()
        except asyncio.CancelledError:
            self._reset()
            raise
        except Exception:  # noqa: BLE001 - whatever it was, the client gets an answer
            _log.exception("a bug: no answer to %s %r", request.method, request.path)
            status, response = self._answer_bug(), None
        finally:
            received = 0 if self._body is None else self._body.received
            sent = self._out.sent
            now = time.monotonic()
            self._end(now, keep=keep and whole)
            self._host.on_complete(Record(request, response, status, received, sent, whole, now - began, self._peer))

    def _keeps(self, framing: Framing, response: Response) -> bool:
        """Whether the connection lives on after this answer."""
        if self._body is not None and not self._body.whole:
            return False
        unending = not framing.http11 and isinstance(response.body, Stream) and response.body.length is None
        return framing.keep_alive and not self._host.draining and not unending

    def _answer_at_once(self, request: Request, response: Response, body: bytes, *, keep: bool, http11: bool) -> None:
        """What most answers are: bytes, to a client that has taken those before."""
        head = render_head(request.method, response, len(body), keep=keep, http11=http11)
        self._answering = True
        if has_no_body(request.method, response.status):
            body = b""
        self._out.write(head, body)

    async def _answer(self, request: Request, response: Response, *, keep: bool, http11: bool) -> bool:
        """Send ``response``; whether all of it is with the transport. Its body is closed once, whatever happens."""
        body, out = response.body, self._out
        try:
            if out.paused:
                await out.drained()
            if self.phase >= LINGERING:
                return False
            if isinstance(body, bytes):
                self._answer_at_once(request, response, body, keep=keep, http11=http11)
                return True
            out.write(render_head(request.method, response, body.length, keep=keep, http11=http11))
            self._answering = True
            if has_no_body(request.method, response.status):
                return True
            if isinstance(body, Stream):
                await out.send_stream(body, chunked=http11 and body.length is None)
            else:
                await (out.send_read(body) if self._secure else out.send_file(body))
            return True
        finally:
            if not isinstance(body, bytes):
                await close_body(body)

    def _end(self, now: float, *, keep: bool) -> None:
        """The request is over: its answer is with the transport, or there is none."""
        body, self._body, self._task = self._body, None, None
        missing: int | None = 0
        if body is not None:
            body.forget()
            missing = 0 if body.whole else body.missing
        if self.phase >= LINGERING:
            return
        if keep and not (self._eof and not self._buffer):
            self.phase = IDLE
            self._deadline = now + self._host.limits.idle_seconds
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
        if self._body_waiter is None:
            if body.full:
                self._pause_reading()
        elif body.plenty:
            self._wake_handler()
        elif self._body_timer is None:
            self._body_timer = self._loop.call_later(BODY_WAKE_SECONDS, self._wake_handler)
        return rest

    def _wake_handler(self) -> None:
        """There is something to read, or nothing to wait for."""
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        _wake(self._body_waiter)

    async def body_arrives(self, body: ArrivingBody) -> None:
        """Wait until ``body`` is ready; the first time, tell the client to send it."""
        if body.expects_continue:
            body.expects_continue = False
            if not body.received and not self._answering and self.phase < LINGERING:
                self._transport.write(_CONTINUE)
        began = time.monotonic()
        if self.phase is RUNNING:
            self.phase = BODY
            self._deadline = began + self._host.limits.body_stall_seconds - body.waited_seconds
        while not body.ready:
            self._body_waiter = self._loop.create_future()
            try:
                await self._body_waiter
            finally:
                self._body_waiter = None
        if self.phase is BODY:
            self.phase = RUNNING
        body.waited(time.monotonic() - began, self._host.limits.progress_bytes_min)

    def body_taken(self) -> None:
        """The handler has read: the client may go on."""
        if not self._reading:
            self._resume_reading()

    # ----------------------------------------------------------------------------------------------- answers of our own

    def _refuse(self, error: ProtocolError) -> None:
        """Answer a head that cannot be served, and end the connection."""
        self._buffer = b""
        self._at = self._scanned = 0
        self._write_error(error)
        self._linger(None)
        self._host.on_complete(Record(None, None, error.status, 0, self._out.sent, True, 0.0, self._peer))

    def _answer_broken_body(self) -> int:
        """The handler gave up since the body will not come: a client that only half-closed is told so. The status, or 0."""
        if self.phase >= LINGERING:
            return 0
        return self._write_error(ProtocolError(400, "IncompleteBody", errors.IncompleteBody().message))

    def _answer_bug(self) -> int:
        """The handler raised. The status, or 0 if the answer had begun and can only be cut."""
        if self.phase >= LINGERING:
            return 0
        if self._answering:
            self._reset()
            return 0
        return self._write_error(ProtocolError(500, "InternalError", errors.Error().message))

    def _write_error(self, error: ProtocolError) -> int:
        body = self._host.render_protocol_error(error.status, error.code, error.message)
        response = Response(error.status, [("Content-Type", "application/xml")], body)
        self._answering = True
        self._out.write(render_head("", response, len(body), keep=False, http11=True), body)
        return error.status

    # -------------------------------------------------------------------------------------------------- deadlines, the end

    def expire(self, now: float) -> None:
        """Called by the server's sweep: act if the client has let a deadline pass."""
        if self._out.stalled(now):
            self._reset()
        elif now >= self._deadline and self.phase in self._EXPIRIES:
            self._EXPIRIES[self.phase](self)

    def _expire_head(self) -> None:
        self._refuse(ProtocolError(408, "RequestTimeout", errors.RequestTimeout().message))

    def _expire_body(self) -> None:
        body = self._body
        assert body is not None
        if body.progressed(self._host.limits.progress_bytes_min):
            self._deadline = time.monotonic() + self._host.limits.body_stall_seconds
            return
        body.fail(errors.RequestTimeout())
        self._deadline = _NEVER
        self._wake_handler()

    def _linger(self, left: int | None) -> None:
        """The answer is written and the client may still be sending: take its bytes for a while, so that it can read.

        ``left``: bytes until its request ends, None if nobody knows.
        """
        limits = self._host.limits
        now = time.monotonic()
        self.phase = LINGERING
        self._linger_left = limits.linger_bytes_max if left is None else min(left, limits.linger_bytes_max)
        self._linger_until = now + limits.linger_seconds
        self._deadline = min(self._linger_until, now + limits.linger_idle_seconds)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._resume_reading()

    def _throw_away(self, size: int) -> None:
        if self.phase is not LINGERING:
            return
        self._linger_left -= size
        self._deadline = min(self._linger_until, time.monotonic() + self._host.limits.linger_idle_seconds)
        if self._linger_left <= 0:
            self._close()

    def finish(self) -> None:
        """The server shuts down: end now if nothing is under way; otherwise the answer will say ``Connection: close``."""
        if self.phase is IDLE and not self._buffer:
            self._close()

    def abort(self) -> asyncio.Task[None] | None:
        """The server cannot wait longer; gives the handler's task, cancelled, if there is one."""
        if self._task is not None:
            self._task.cancel()
        self._reset()
        return self._task

    def _close(self) -> None:
        """Close when the kernel has taken what was written."""
        self.phase = CLOSING
        self._deadline = time.monotonic() + self._host.limits.send_stall_seconds
        self._transport.close()

    def _reset(self) -> None:
        """End the connection at once, and not as if all were well."""
        if self.phase is CLOSED:
            return
        self.phase = CLOSING
        self._deadline = _NEVER
        reset(self._transport)

    def _pause_reading(self) -> None:
        if self._reading and self.phase < CLOSING:
            self._reading = False
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._reading and self.phase < CLOSING and not self._eof:
            self._reading = True
            self._transport.resume_reading()

    _EXPIRIES: ClassVar[dict[Phase, Callable[[Connection], None]]] = {
        IDLE: _close,
        HEAD: _expire_head,
        BODY: _expire_body,
        LINGERING: _close,
        CLOSING: _reset,
    }


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)

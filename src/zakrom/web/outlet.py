"""The sending half of a connection: what is written waits for the client, is counted, and has a deadline.

The transport's high-water mark is zero, so "paused" means "not all that was written is with the kernel". Hence a maker of a
stream may reuse a piece once it is asked for the next, a stalled client costs one piece, and a file can go past the transport
by ``sendfile``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from zakrom import errors
from zakrom.web.limits import Limits
from zakrom.web.message import Disconnected, FileRange, Stream

JOINED_BODY_BYTES_MAX = 64 * 1024  # a body up to this is joined with its head: one copy is cheaper than a second buffer
TURN_BYTES = 1024 * 1024  # sent at one go, to a client that takes them as they come; then other connections have their turn
TLS_PIECE_BYTES = 256 * 1024  # a file under TLS is read in such pieces; a stalled reader holds one

_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER without seconds: close sends RST


class Cut(Exception):
    """The answer's body cannot be finished as its head has promised."""


def reset(transport: Any) -> None:  # noqa: ANN401 - uvloop's is no asyncio.Transport
    """End a connection so that the client cannot take what it has for whole: not even one that waits for the end."""
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


class Outlet:
    """Where a connection's answers go."""

    __slots__ = ("_deadline", "_limits", "_loop", "_mark", "_transport", "_waiter", "lost", "paused", "sent")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: Any,  # noqa: ANN401 - uvloop's is no asyncio.Transport
        limits: Limits,
        *,
        secure: bool,
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._limits = limits
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._mark = 0  # bytes that the client had taken when the current window began
        self.paused = False  # the kernel has not taken all
        self.lost = False  # it never will
        self.sent = 0  # bytes of the current answer's body
        # TCP pauses beyond the mark, TLS at it: zero would pause it for ever.
        transport.set_write_buffer_limits(high=1 if secure else 0, low=0)

    # ---------------------------------------------------------------------------------------------------------- the transport

    def resume(self) -> None:
        """The kernel has taken all."""
        self.paused = False
        _wake(self._waiter)

    def lose(self) -> None:
        """The connection is gone."""
        self.lost = True
        self.paused = False
        _wake(self._waiter)

    def stalled(self, now: float) -> bool:
        """Whether an answer waits for a client that does not take enough bytes."""
        if self._waiter is None or now < self._deadline:
            return False
        taken = self._taken()
        if taken - self._mark < self._limits.progress_bytes_min:
            return True
        self._mark = taken
        self._deadline = now + self._limits.send_stall_seconds
        return False

    def _taken(self) -> int:
        """Bytes that the kernel has taken, as far as only differences matter."""
        return self.sent - int(self._transport.get_write_buffer_size())

    # ------------------------------------------------------------------------------------------------------------- the answer

    def write(self, head: bytes, body: bytes = b"") -> None:
        """A whole answer, or the head of a longer one."""
        self.sent = len(body)
        if len(body) <= JOINED_BODY_BYTES_MAX:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))

    async def drained(self) -> None:
        """Wait until the kernel has taken all. Raises `Disconnected` if it never will."""
        while self.paused:
            await self._wait(self._loop.create_future())
        if self._is_gone():
            raise Disconnected

    def _is_gone(self) -> bool:
        """Whether what is written is dropped: a failed write ends the transport before `lose` is called."""
        return self.lost or bool(self._transport.is_closing())

    async def _wait(self, waiter: asyncio.Future[None]) -> None:
        """Wait for ``waiter``, which `resume` and `lose` wake, while `stalled` watches."""
        self._mark = self._taken()
        self._deadline = time.monotonic() + self._limits.send_stall_seconds
        self._waiter = waiter
        try:
            await waiter
        finally:
            self._waiter = None

    async def send_stream(self, stream: Stream, *, chunked: bool) -> None:
        """Piece by piece, none before the kernel has taken the one before. Raises `Cut` and `Disconnected`."""
        turn = 0  # bytes since others had their turn
        async for piece in _checked(stream):
            if self._is_gone():  # while the piece was made; uvloop raises RuntimeError for a write then
                raise Disconnected
            size = len(piece)
            if stream.length is not None and self.sent + size > stream.length:
                raise Cut(f"the stream has more than its {stream.length} bytes")
            if chunked and size:
                self._transport.writelines((b"%x\r\n" % size, piece, b"\r\n"))
            elif size:
                self._transport.write(piece)
            self.sent += size
            turn += size
            if self.paused or self._is_gone():
                await self.drained()
                turn = 0
            elif turn >= TURN_BYTES:
                await asyncio.sleep(0)
                turn = 0
        if stream.length is not None and self.sent != stream.length:
            raise Cut(f"the stream ended after {self.sent} of {stream.length} bytes")
        if chunked:
            self._transport.write(b"0\r\n\r\n")

    async def send_read(self, file: FileRange) -> None:
        """A file by read and write, as TLS needs it. Raises `Cut` and `Disconnected`."""
        while left := file.length - self.sent:
            piece = await asyncio.to_thread(os.pread, file.fd, min(left, TLS_PIECE_BYTES), file.offset + self.sent)
            if not piece:
                raise _short(file, self.sent)
            if not self._is_gone():
                self._transport.write(piece)
            self.sent += len(piece)
            await self.drained()

    async def send_file(self, file: FileRange) -> None:
        """A file by sendfile. Raises `Cut` and `Disconnected`.

        It needs a descriptor of its own: uvloop lets nobody else wait on a transport's.
        """
        await self.drained()
        out: socket.socket = self._transport.get_extra_info("socket").dup()
        try:
            if not self._send_some(out, file):
                await self._send_when_writable(out, file)
        except OSError as error:
            raise Disconnected(str(error)) from error
        finally:
            out.close()

    def _send_some(self, out: socket.socket, file: FileRange) -> bool:
        """One call of sendfile; whether the file is through. Raises `OSError` if the client is gone or the disk fails."""
        left = file.length - self.sent
        if left:
            try:
                sent = os.sendfile(out.fileno(), file.fd, file.offset + self.sent, min(left, TURN_BYTES))
            except (BlockingIOError, InterruptedError):
                return False
            if not sent:
                raise _short(file, self.sent)
            self.sent += sent
        return self.sent == file.length

    async def _send_when_writable(self, out: socket.socket, file: FileRange) -> None:
        waiter: asyncio.Future[None] = self._loop.create_future()

        def on_writable() -> None:
            try:
                if self._send_some(out, file):
                    _wake(waiter)
            except (OSError, Cut) as error:
                if not waiter.done():
                    waiter.set_exception(error)

        self._loop.add_writer(out, on_writable)
        try:
            await self._wait(waiter)
        finally:
            self._loop.remove_writer(out)
        if self.lost:
            raise Disconnected


async def _checked(stream: Stream) -> AsyncIterator[bytes | memoryview]:
    """The stream's pieces; a foreseen error of their maker (a damaged block) becomes a `Cut`."""
    try:
        async for piece in stream.pieces:
            yield piece
    except errors.Error as error:
        raise Cut(str(error)) from error


async def close_body(body: Stream | FileRange) -> None:
    """End a body's iterator, if it has one, and the body."""
    try:
        if isinstance(body, Stream):
            aclose = getattr(body.pieces, "aclose", None)
            if aclose is not None:
                await aclose()
    finally:
        body.close()


def _short(file: FileRange, sent: int) -> Cut:
    return Cut(f"the file ended after {sent} of {file.length} bytes")


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)

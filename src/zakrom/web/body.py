"""A request's body while it arrives: the connection feeds it, the handler reads it. No I/O of its own."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from zakrom.web.chunks import ChunkDecoder
from zakrom.web.head import Framing
from zakrom.web.limits import BODY_BUFFER_BYTES, BODY_WAKE_BYTES
from zakrom.web.message import Disconnected


class Source(Protocol):
    """Where a body's bytes come from: the connection, as the body sees it."""

    async def body_arrives(self, body: ArrivingBody) -> None:
        """Wait until ``body.ready``."""
        ...

    def body_taken(self) -> None:
        """The handler has taken what was there."""
        ...


LARGE_BYTES = 32 * 1024
"""Pieces of at least this size are handed on one by one: copying them together costs more than another call."""


class ArrivingBody:
    """One request's body."""

    __slots__ = (
        "_broken",
        "_buffered",
        "_decoder",
        "_failure",
        "_mark",
        "_missing",
        "_pieces",
        "_source",
        "expects_continue",
        "length",
        "received",
        "waited_seconds",
        "whole",
    )

    def __init__(self, source: Source, framing: Framing) -> None:
        self.length = framing.length
        self.expects_continue = framing.expects_continue
        self.received = 0  # bytes of the body, decoded
        self.whole = False  # its last byte has arrived
        self.waited_seconds = 0.0  # how long the handler has waited since the client last made progress ...
        self._mark = 0  # ... which was when so many bytes had arrived
        self._source = source
        self._missing = framing.length or 0
        self._decoder = ChunkDecoder() if framing.length is None else None
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._failure: Exception | None = None
        self._broken = False  # the chunks cannot be read any further

    async def read(self) -> bytes:
        """See `message.Body`. Raises `errors.BadRequest` where the chunked coding is broken."""
        while not self._pieces:
            if self._failure is not None:
                raise self._failure
            if self.whole:
                return b""
            await self._source.body_arrives(self)
        if len(self._pieces) == 1 or len(self._pieces[0]) >= LARGE_BYTES:
            taken = self._pieces.popleft()
        else:
            taken = b"".join(self._pieces)
            self._pieces.clear()
        self._buffered -= len(taken)
        self._source.body_taken()
        return taken

    @property
    def ready(self) -> bool:
        """Whether `read` would not wait."""
        return bool(self._pieces) or self.whole or self._failure is not None

    @property
    def plenty(self) -> bool:
        """Whether the handler should be woken at once rather than in a moment."""
        return self._buffered >= BODY_WAKE_BYTES or self.whole or self._failure is not None

    @property
    def full(self) -> bool:
        """Whether the client should wait until the handler has read."""
        return self._buffered > BODY_BUFFER_BYTES

    @property
    def missing(self) -> int | None:
        """Bytes that the client has still to send; None if only it knows."""
        return self._missing if self._decoder is None else None

    def feed(self, data: bytes) -> bytes:
        """Take what of ``data`` belongs to the body and give the rest. Raises `ProtocolError` for broken chunks."""
        if self._decoder is None:
            return self._feed_counted(data)
        if self._broken:
            return b""
        self._broken = True  # unless it goes well
        pieces = self._decoder.feed(data)
        self._broken = False
        for piece in pieces:
            self._take(piece)
        if not self._decoder.done:
            return b""
        self.whole = True
        return self._decoder.rest

    def _feed_counted(self, data: bytes) -> bytes:
        rest = b""
        if len(data) > self._missing:
            data, rest = data[: self._missing], data[self._missing :]
        self._take(data)
        self._missing -= len(data)
        self.whole = not self._missing
        return rest

    def _take(self, piece: bytes) -> None:
        """Count it, and keep it if somebody may read it."""
        self.received += len(piece)
        if self._failure is None:
            self._pieces.append(piece)
            self._buffered += len(piece)

    def waited(self, seconds: float, progress_bytes_min: int) -> None:
        """The handler has waited so long. Patience begins anew once ``progress_bytes_min`` have come, not with every byte."""
        self.waited_seconds += seconds
        self.progressed(progress_bytes_min)

    def progressed(self, bytes_min: int) -> bool:
        """Whether so much has come since the last progress; if so, a new window begins."""
        if self.received - self._mark < bytes_min:
            return False
        self._mark, self.waited_seconds = self.received, 0.0
        return True

    def fail(self, failure: Exception) -> None:
        """``read`` raises this once it has given what has arrived; the first failure stays."""
        if self._failure is None and not self.whole:
            self._failure = failure

    def forget(self) -> None:
        """The request has been answered: what has come and what comes is only counted, and nobody may read on."""
        self._pieces.clear()
        self._buffered = 0
        if self._failure is None:
            self._failure = Disconnected("the request has been answered")

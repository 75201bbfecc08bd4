"""What a server allows a client, and what it tells of each request: values shared by both adapters.

Every limit has a reason beside it. Bytes are counted as they stand on the wire; seconds are floats, so that tests can
use small ones. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from zakrom.web.message import Request, Response

HEAD_BYTES_MAX = 64 * 1024
"""A whole head. AWS allows 8 KiB of headers beside the request line; proxies add theirs. nginx 32 KiB, node 16 KiB."""

REQUEST_LINE_BYTES_MAX = 16 * 1024
"""A key of 1,024 bytes is at most 3 KiB encoded; a presigned query with a session token and signed headers is 4-6 KiB."""

HEADERS_MAX = 256
"""2 KiB of user metadata in one-letter names make about 130 headers; no client was seen to send more than 40."""

PIPELINE_BYTES_MAX = 64 * 1024
"""What a client may send ahead of the answer it waits for, before we stop reading from it."""

BODY_BUFFER_BYTES = 256 * 1024
"""Body received and not yet read by the handler: beyond it reading pauses. One read (256 KB in uvloop) may come on top."""

BODY_WAKE_BYTES = 256 * 1024
"""Body received for which a waiting handler is woken at once; for less it waits a moment (`web.connection`)."""

CHUNK_LINE_BYTES_MAX = 4 * 1024
"""A chunk's size and extensions. Nobody uses extensions; llhttp and Go have met attacks with endless ones."""

TRAILER_BYTES_MAX = 8 * 1024
"""All trailer fields of one body: as much as AWS allows a request's headers."""

CHUNK_OVERHEAD_BYTES_MAX = 64 * 1024
"""Framing bytes of a chunked body beyond 16 a chunk and twice its data (net/http in Go refuses at 16 KiB)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may cost. The defaults suit the open Internet; seconds of zero or less are refused."""

    head_seconds: float = 20.0  # a head, from its first byte (or the connection's start) to its end; Apache 20
    idle_seconds: float = 75.0  # between requests of one connection; above the 60 s of usual load balancers, which close first
    body_stall_seconds: float = (
        30.0  # a window in which an uploader must send `progress_bytes_min`; AWS gives up after about 20
    )
    send_stall_seconds: float = 60.0  # a window in which a reader must take `progress_bytes_min`; nginx 60
    progress_bytes_min: int = 4096  # one packet or three a window: who is slower holds a slot and gives nothing
    linger_seconds: float = 30.0  # after an answer given before the body was read: how long the rest is thrown away; nginx 30
    linger_idle_seconds: float = 5.0  # the same without a byte received; nginx 5
    linger_bytes_max: int = 256 * 1024 * 1024  # the same in bytes: clients send parts of up to 200 MB whole before they look
    drain_seconds: float = 30.0  # at shutdown: how long running requests may take to end
    connections_max: int = 8192  # open connections of one process; beyond it a bare 503
    backlog: int = 2048  # connections the kernel holds until we accept them; Linux cuts it to net.core.somaxconn

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")

    @property
    def shortest_seconds(self) -> float:
        """The shortest patience: what decides how often deadlines are looked at."""
        return min(
            self.head_seconds, self.idle_seconds, self.body_stall_seconds, self.send_stall_seconds, self.linger_idle_seconds
        )


class Record(msgspec.Struct, frozen=True):
    """One request that ended, for the access log and the metrics.

    ``request`` is None if its head could not be read; ``response`` is None if the answer was the server's own (a protocol
    error, a bare 500) or there was none. ``status`` is 0 if nothing could be answered. ``bytes_in`` and ``bytes_out`` count
    body bytes taken from and handed to the transport; ``whole`` says whether the answer was sent to its end. ``seconds`` run
    from the end of the head to the end of the answer.
    """

    request: Request | None
    response: Response | None
    status: int
    bytes_in: int
    bytes_out: int
    whole: bool
    seconds: float
    peer: str


OnComplete = Callable[[Record], None]
"""Called once for each request, in the event loop: it must be quick and must not raise."""

OnConnections = Callable[[int], None]
"""Called with 1 for each connection that comes and with -1 for each that goes; quick, and must not raise."""

ProtocolErrorRenderer = Callable[[int, str, str], bytes]
"""(status, code, message) to the XML of an error that the server itself answers."""


def ignore_connections(_change: int) -> None:
    """The `OnConnections` of who does not count them."""


def plain_protocol_error(_status: int, code: str, message: str) -> bytes:
    """The smallest XML that S3 clients read as an error. ``code`` and ``message`` are our own words: nothing to escape."""
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>').encode(
        "ascii"
    )


class ProtocolError(Exception):
    """The client broke HTTP: what the server answers by itself before it closes the connection."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message

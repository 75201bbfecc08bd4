"""What a client may send and how it may behave, against both adapters with a handler of a few lines.

Where uvicorn cannot keep the promise, the table in `DIFFERENCES` says what it does instead, and the test holds it to that.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import re
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import get_args

import pytest

from zakrom import errors
from zakrom.testing.web_site import Adapter, WebSite, receive_all, web_site
from zakrom.web.limits import HEAD_BYTES_MAX, HEADERS_MAX, REQUEST_LINE_BYTES_MAX, Limits
from zakrom.web.message import Disconnected, FileRange, Request, Response, Stream

MIB = 1024 * 1024
PIECE = bytes(range(256)) * 256  # 64 KiB

DIFFERENCES = {
    # uvicorn's parser joins what we refuse; nothing is smuggled by it, since it reads the request as we would
    "two spaces in the request line": ("uvicorn", b"200"),
}
"""Where an adapter differs from `BAD_HEADS`: what it answers instead."""

QUICK = Limits(
    head_seconds=0.6,
    idle_seconds=1.0,
    body_stall_seconds=0.6,
    send_stall_seconds=0.6,
    linger_seconds=3.0,
    linger_idle_seconds=0.6,
    drain_seconds=5.0,
)
"""Short patience, so that tests of it are short."""


class Door:
    """The handler: a few paths that behave like the operations of an S3 door."""

    def __init__(self) -> None:
        self.disconnects = 0
        self.timeouts = 0
        self.closed = 0
        self.streaming = 0

    async def __call__(self, request: Request) -> Response:
        name = request.path.strip(b"/").split(b"/")[0].decode() or "echo"
        return await getattr(self, f"on_{name}", self.on_echo)(request)

    async def on_echo(self, request: Request) -> Response:
        """Tells what it was asked."""
        told = [request.method.encode(), request.path, request.query, (request.text("host") or "-").encode("latin-1")]
        return Response(200, [("x-echo", "yes")], b" ".join(told))

    async def on_put(self, request: Request) -> Response:
        """Reads the body, and tells how long it was."""
        count = 0
        try:
            while piece := await request.body.read():
                count += len(piece)
        except Disconnected:
            self.disconnects += 1
            raise
        except errors.RequestTimeout as error:
            self.timeouts += 1
            return Response(400, [], type(error).__name__.encode())
        except errors.BadRequest as error:
            return Response(400, [], str(error).encode())
        return Response(200, [], b"%d bytes" % count)

    async def on_refuse(self, request: Request) -> Response:
        """Answers without reading the body."""
        return Response(507, [("Content-Type", "application/xml")], b"<Error><Code>InsufficientStorage</Code></Error>")

    async def on_one(self, request: Request) -> Response:
        """Reads one piece of the body, then answers."""
        await request.body.read()
        return Response(409, [], b"enough")

    async def on_stream(self, request: Request) -> Response:
        """Sends as many MiB as the query says."""
        size = int(request.query) * MIB

        async def pieces() -> AsyncIterator[bytes]:
            self.streaming += 1
            try:
                for _ in range(size // len(PIECE)):
                    yield PIECE
            finally:
                self.streaming -= 1

        return Response(200, [], Stream(size, pieces(), self._note_closed))

    async def on_endless(self, request: Request) -> Response:
        """Sends a stream without a length of as many pieces as the query says."""
        return Response(200, [], Stream(None, self._pieces(int(request.query)), self._note_closed))

    async def on_short(self, request: Request) -> Response:
        """Promises more than it has."""
        return Response(200, [], Stream(10 * len(PIECE), self._pieces(3), self._note_closed))

    async def on_rotten(self, request: Request) -> Response:
        """Finds a damaged block after some good ones."""

        async def pieces() -> AsyncIterator[bytes]:
            yield PIECE
            raise errors.DataCorrupt

        length = None if request.query == b"endless" else 10 * len(PIECE)
        return Response(200, [], Stream(length, pieces(), self._note_closed))

    async def on_bug(self, request: Request) -> Response:
        """Has one."""
        raise ZeroDivisionError

    async def on_empty(self, request: Request) -> Response:
        """Answers with the status in the query, which may have no body."""
        return Response(int(request.query), [], b"a body that must not be sent")

    async def _pieces(self, count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield PIECE

    def _note_closed(self) -> None:
        self.closed += 1


@pytest.fixture
def door() -> Door:
    """A fresh handler."""
    return Door()


@pytest.fixture(params=get_args(Adapter))
def adapter(request: pytest.FixtureRequest) -> Adapter:
    """Each in turn."""
    chosen: Adapter = request.param
    return chosen


@pytest.fixture
def site(adapter: Adapter, door: Door) -> Iterator[WebSite]:
    """The handler behind each adapter, with short patience."""
    with web_site(adapter, door, limits=QUICK) as running:
        yield running


def statuses(answer: bytes) -> list[bytes]:
    """The final statuses in what came back, in order."""
    return [status for status in re.findall(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n", answer) if status != b"100"]


def wait_until(condition: object, seconds: float = 5.0) -> None:
    """Until the callable is true."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


# ------------------------------------------------------------------------------------------------- heads that must be refused

BAD_HEADS = {
    "two lengths": b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "the same length twice": b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "a list of lengths": b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\nabcd",
    "length with chunked": b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked with length": b"PUT /put HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "signed length": b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd",
    "negative length": b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: -4\r\n\r\nabcd",
    "hexadecimal length": b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: 0x4\r\n\r\nabcd",
    "length beyond 64 bits": b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "empty length": b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
    "unknown coding": b"PUT /put HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "coding before chunked": b"PUT /put HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"PUT /put HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in two headers": b"PUT /put HTTP/1.1\r\nHost: a\r\n" + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "almost chunked": b"PUT /put HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked with a parameter": b"PUT /put HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n",
    "vertical tab before chunked": b"PUT /put HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"PUT /put HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n",
    "folded from the start": b"GET / HTTP/1.1\r\nHost: a\r\nA:\r\n\tc\r\n\r\n",
    "folded first header": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "bare LF after a header": b"GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n",
    "bare LF as the empty line": b"GET / HTTP/1.1\r\nHost: a\r\n\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    "bare CR in a header": b"GET / HTTP/1.1\r\nHost: a\rB: c\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n",
    "NUL in a name": b"GET / HTTP/1.1\r\nHost: a\r\nA\0: b\r\n\r\n",
    "control character in a value": b"GET / HTTP/1.1\r\nHost: a\r\nA: b\x01c\r\n\r\n",
    "space before the colon": b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length : 4\r\n\r\nabcd",
    "no colon": b"GET / HTTP/1.1\r\nHost: a\r\nNonsense\r\n\r\n",
    "empty name": b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two spaces in the request line": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "tab in the request line": b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "raw UTF-8 in the target": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
    "relative target": b"GET a/b HTTP/1.1\r\nHost: a\r\n\r\n",
    "foreign scheme": b"GET ftp://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "unknown method": b"FROBNICATE / HTTP/1.1\r\nHost: a\r\n\r\n",
    "lower-case method": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "tunnel": b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    "not HTTP": b"EHLO example.com\r\n\r\n",
    "too long a request line": b"GET /" + b"a" * REQUEST_LINE_BYTES_MAX + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "too many headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * HEADERS_MAX + b"\r\n",
    "too large a head": b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * HEAD_BYTES_MAX + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_HEADS)
def test_a_head_that_two_readers_could_read_differently_is_refused(site: WebSite, name: str) -> None:
    """One answer of the 4xx or 505 kind as S3's XML, then the end: what follows such a head is never read as a request."""
    answer = site.ask(BAD_HEADS[name] + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")

    if DIFFERENCES.get(name, ("", b""))[0] == site.adapter:
        assert statuses(answer)[0] == DIFFERENCES[name][1]
        return
    assert len(statuses(answer)) == 1, answer[:400]
    assert statuses(answer)[0] in {b"400", b"405", b"414", b"431", b"505"}
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"</Error>")
    assert b"smuggled" not in answer


@pytest.mark.parametrize("name", sorted(set(BAD_HEADS) - {"too large a head", "too long a request line", "too many headers"}))
def test_a_bad_head_is_refused_also_when_it_comes_byte_by_byte(door: Door, name: str) -> None:
    """Our reader's verdict does not depend on how the bytes are cut into packets."""
    with web_site("http1", door, limits=QUICK) as site, site.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for byte in BAD_HEADS[name]:
                connection.sendall(bytes([byte]))
        answer = receive_all(connection)

    assert len(statuses(answer)) == 1
    assert statuses(answer)[0] in {b"400", b"405", b"408", b"505"}


def test_an_endless_head_ends(site: WebSite) -> None:
    """A client that never stops sending headers is answered and cut after 64 KiB, not after 300 MiB."""
    sent = 0
    with site.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while sent < 64 * MIB:
                connection.sendall(b"X-Filler: " + b"a" * 1000 + b"\r\n")
                sent += 1012
        answer = receive_all(connection)

    assert statuses(answer) in ([b"431"], [])
    assert sent < 64 * MIB or QUICK.linger_bytes_max >= 64 * MIB
    assert site.wait_for_records(1)[0].status == 431 if site.adapter == "http1" else True


def test_one_endless_header_line_ends(site: WebSite) -> None:
    """The same without any line's end."""
    answer = site.ask(b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"a" * (16 * HEAD_BYTES_MAX))

    assert statuses(answer) == [b"431"]


# --------------------------------------------------------------------------------------------------------------------- chunks

CHUNKED = b"PUT /put HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

BAD_CHUNKS = {
    "no size": b"\r\nabcd\r\n0\r\n\r\n",
    "size with a prefix": b"0x4\r\nabcd\r\n0\r\n\r\n",
    "signed size": b"+4\r\nabcd\r\n0\r\n\r\n",
    "negative size": b"-4\r\nabcd\r\n0\r\n\r\n",
    "size beyond 64 bits": b"10000000000000004\r\nabcd\r\n0\r\n\r\n",
    "space before the size": b" 4\r\nabcd\r\n0\r\n\r\n",
    "bare LF after the size": b"4\nabcd\r\n0\r\n\r\n",
    "bare LF after the data": b"4\r\nabcd\n0\r\n\r\n",
    "data longer than its size": b"4\r\nabcde\r\n0\r\n\r\n",
    "endless extension": b"4;" + b"a" * (512 * 1024) + b"\r\nabcd\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_bad_chunks_are_refused(site: WebSite, name: str) -> None:
    """The handler learns it, one answer at most goes out, and nothing behind the chunks is read as a request."""
    answer = site.ask(CHUNKED + BAD_CHUNKS[name] + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")

    assert b"smuggled" not in answer
    # uvicorn has handed the request to the application when it finds the fault: it can only end the connection.
    assert statuses(answer) in ([[b"400"]] if site.adapter == "http1" else [[b"400"], []])


def test_good_chunks_are_read(site: WebSite) -> None:
    """Sizes in both cases, leading zeros, extensions and trailers; the next request is read where it begins."""
    body = b"5\r\nabcde\r\n00A;ext=1\r\n0123456789\r\n0\r\nX-Trailer: t\r\n\r\n"
    answer = site.ask(CHUNKED + body + b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert statuses(answer) == [b"200", b"200"]
    assert b"15 bytes" in answer
    assert b"GET /next" in answer


def test_a_trailer_is_no_header(site: WebSite, door: Door) -> None:
    """What comes after the body cannot change what the request said."""
    seen: list[list[tuple[bytes, bytes]]] = []

    async def handler(request: Request) -> Response:
        while await request.body.read():
            pass
        seen.append(request.headers)
        return Response(200, [])

    door.on_put = handler  # type: ignore[method-assign]
    answer = site.ask(CHUNKED + b"0\r\nAuthorization: stolen\r\n\r\n", timeout=1.0)

    assert statuses(answer) == [b"200"]
    assert [name for name, _ in seen[0]] == [b"host", b"transfer-encoding"]


@pytest.mark.parametrize("trailer", [b"X: " + b"a" * 600_000, b"X: a\r\n" * 100_000])
def test_endless_trailers_end(site: WebSite, trailer: bytes) -> None:
    """Trailers are skipped, but not for ever."""
    answer = site.ask(CHUNKED + b"4\r\nabcd\r\n0\r\n" + trailer)

    assert statuses(answer) in ([b"400"], [])


def test_a_million_tiny_chunks_are_read_in_linear_time(site: WebSite) -> None:
    """A byte a chunk costs a microsecond or two a byte and nothing more."""
    began = time.monotonic()
    answer = site.ask(CHUNKED + b"1\r\na\r\n" * 300_000 + b"0\r\n\r\n", timeout=30.0)

    assert b"300000 bytes" in answer
    assert time.monotonic() - began < 20.0


# ------------------------------------------------------------------------------------------------------------ slow and silent


def test_slowloris_is_told_to_go(site: WebSite) -> None:
    """A head that trickles in is answered with 408 when its time is up, however steadily it trickles."""
    began = time.monotonic()
    with site.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - began < 1.5:
                connection.sendall(b"X: y\r\n")
                time.sleep(0.05)
        answer = receive_all(connection)

    assert statuses(answer) == [b"408"]


def test_a_connection_without_a_request_is_closed(site: WebSite) -> None:
    """Who connects and says nothing is let go, without an answer."""
    with site.connect(timeout=5.0) as connection:
        assert connection.recv(1) == b""


def test_an_idle_connection_is_closed(site: WebSite) -> None:
    """Between requests patience has an end as well."""
    with site.connect(timeout=5.0) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = receive_all(connection)

    assert statuses(answer) == [b"200"]
    assert b"connection: close" not in answer.lower()


@pytest.mark.parametrize("trickle", [False, True])
def test_a_stalled_upload_is_a_request_timeout(site: WebSite, door: Door, trickle: bool) -> None:
    """An uploader that stops, or sends a byte now and then, is S3's RequestTimeout to the handler, which can answer."""
    with site.connect() as connection:
        connection.sendall(b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabcd")
        began = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while trickle and time.monotonic() - began < 2.0:
                connection.sendall(b"x")
                time.sleep(0.05)
        answer = receive_all(connection)

    assert door.timeouts == 1
    assert b"RequestTimeout" in answer
    assert b"connection: close" in answer.lower()


def test_a_slow_but_steady_upload_goes_on(site: WebSite, door: Door) -> None:
    """Patience is for a client without progress: one that takes longer than the window but moves is served."""
    with site.connect() as connection:
        connection.sendall(b"PUT /put HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (20 * 8192))
        for _ in range(20):
            time.sleep(0.1)
            connection.sendall(bytes(8192))
        answer = receive_all(connection)

    assert b"163840 bytes" in answer
    assert door.timeouts == 0


@pytest.mark.parametrize("path", [b"/stream?64", b"/endless?1000"])
def test_a_stalled_reader_is_cut(site: WebSite, door: Door, path: bytes) -> None:
    """Who asks for much and reads nothing loses the connection, and the body is closed."""
    with site.connect() as connection:
        connection.sendall(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path)

        record = site.wait_for_records(1)[0]

    assert not record.whole
    assert door.closed == 1
    assert door.streaming == 0


# ------------------------------------------------------------------------------------------------------------------ pipelining


def test_pipelined_requests_are_answered_in_order(site: WebSite) -> None:
    """With and without bodies, in one packet."""
    first = b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd"
    rest = b"".join(b"GET /n%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(20))
    answer = site.ask(first + rest + b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert statuses(answer) == [b"200"] * 22
    assert re.findall(rb"/(n\d+|last)", answer) == [b"n%d" % number for number in range(20)] + [b"last"]


def test_requests_sent_far_ahead_are_bounded(door: Door) -> None:
    """While one request is handled, a client that goes on sending is stopped by TCP, not kept in memory."""
    gate = threading.Event()

    async def slow(request: Request) -> Response:
        await asyncio.to_thread(gate.wait, 10.0)
        return Response(200, [], b"done")

    with web_site("http1", slow) as site, site.connect(timeout=1.0) as connection:
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64 * MIB:
                sent += connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 1000)
        gate.set()

    assert sent < 32 * MIB  # kernel buffers of both sides; ours is 64 KiB and a read


def test_clients_that_read_no_answers_get_no_further_ones(door: Door) -> None:
    """Pipelining without reading stops at what the kernel holds."""
    with web_site("http1", door, limits=QUICK) as site, site.connect(timeout=1.0) as connection:
        with contextlib.suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
            for _ in range(200):
                connection.sendall(b"GET /stream?1 HTTP/1.1\r\nHost: a\r\n\r\n" * 10)
        time.sleep(0.2)
        handled = len(site.records)

    assert handled < 100


# ---------------------------------------------------------------------------------------------------------- ends in mid-body


def test_a_reset_in_mid_body_is_a_disconnect(site: WebSite, door: Door) -> None:
    """The handler's read raises Disconnected; nobody is answered."""
    connection = site.connect()
    connection.sendall(b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabcd")
    time.sleep(0.1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()

    record = site.wait_for_records(1)[0]
    assert door.disconnects == 1
    assert record.status == 0
    assert not record.whole


def test_a_close_in_mid_body_is_a_disconnect(site: WebSite, door: Door) -> None:
    """As a reset, for a client that closes politely."""
    with site.connect() as connection:
        connection.sendall(CHUNKED + b"4\r\nabcd\r\n4\r\nab")
        time.sleep(0.1)

    site.wait_for_records(1)
    assert door.disconnects == 1


def test_a_half_closed_upload_is_incomplete(site: WebSite, door: Door) -> None:
    """A client that has shut its sending side in mid-body still reads: it gets IncompleteBody from our own protocol."""
    with site.connect() as connection:
        connection.sendall(b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabcd")
        time.sleep(0.1)
        connection.shutdown(socket.SHUT_WR)
        answer = receive_all(connection)

    site.wait_for_records(1)
    assert door.disconnects == 1
    if site.adapter == "http1":
        assert statuses(answer) == [b"400"]
        assert b"IncompleteBody" in answer
    else:
        assert answer == b""  # to uvicorn a half-closed connection is gone


def test_a_half_closed_client_gets_its_answers(site: WebSite) -> None:
    """Who sends whole requests and then shuts its sending side is answered."""
    with site.connect() as connection:
        connection.sendall(b"GET /stream?2 HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        answer = receive_all(connection)

    assert statuses(answer) == [b"200"]
    assert len(answer.partition(b"\r\n\r\n")[2]) == 2 * MIB


def test_aborted_downloads_are_noticed(site: WebSite, door: Door) -> None:
    """Clients that go away while they read cost nothing further: every iterator ends soon, and each body is closed once."""
    for _ in range(30):
        connection = site.connect()
        connection.sendall(b"GET /stream?512 HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.recv(1000)
        connection.close()

    records = site.wait_for_records(30)
    assert [] == [record.bytes_out for record in records if record.whole]
    assert all(record.bytes_out < 64 * MIB for record in records)
    wait_until(lambda: door.closed == 30 and door.streaming == 0)


# ----------------------------------------------------------------------------------------------------- expectations and answers


def test_continue_is_sent_when_the_body_is_read(site: WebSite) -> None:
    """100 Continue, then the final answer after the body."""
    with site.connect() as connection:
        connection.sendall(b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abcd")

        assert b"4 bytes" in connection.recv(1000)


def test_continue_is_not_sent_by_an_early_answer(site: WebSite) -> None:
    """A refused upload is never asked for: the answer comes without 100 Continue, and the connection ends."""
    answer = site.ask(b"PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")

    assert b" 100 " not in answer
    assert statuses(answer) == [b"507"]
    assert b"connection: close" in answer.lower()


def test_continue_is_not_sent_when_the_body_came_unasked(site: WebSite) -> None:
    """boto3 sends the body after a second of silence: then 100 Continue would be late."""
    answer = site.ask(
        b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\nabcd"
    )

    assert statuses(answer) == [b"200"]
    assert (b" 100 " in answer) is (site.adapter == "uvicorn")  # uvicorn says it all the same: harmless, clients skip it


def test_an_empty_body_is_asked_for_all_the_same(site: WebSite) -> None:
    """For botocore misreads the answer after one that came without 100 Continue: aws-cli hung after each empty object."""
    answer = site.ask(b"PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")

    assert statuses(answer) == [b"200"]
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


def test_an_expectation_without_a_body_is_none(site: WebSite) -> None:
    """Nothing is to be waited for."""
    answer = site.ask(b"GET /put HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")

    assert statuses(answer) == [b"200"]


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
@pytest.mark.parametrize("path", [b"/refuse", b"/one"])
def test_an_early_answer_reaches_a_client_that_sends_all_first(site: WebSite, path: bytes, expect: bytes) -> None:
    """20 MB are on their way: the client that looks at the answer only after sending them sees it, not a reset."""
    size = 20_000_000
    with site.connect() as connection:
        head = b"PUT %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%b\r\n" % (path, size, expect)
        connection.sendall(head)
        connection.sendall(bytes(size))
        answer = receive_all(connection)

    assert statuses(answer) == [b"507" if path == b"/refuse" else b"409"]
    assert b"connection: close" in answer.lower()


def test_a_long_early_answer_reaches_a_client_that_sends_all_first(site: WebSite) -> None:
    """Neither waits for the other: the body is thrown away while the answer waits to be read."""
    with site.connect() as connection:
        connection.sendall(b"PUT /stream?32 HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n")
        connection.sendall(bytes(50_000_000))
        answer = receive_all(connection)

    assert statuses(answer) == [b"200"]
    assert len(answer.partition(b"\r\n\r\n")[2]) == 32 * MIB


def test_an_early_answer_reaches_http_client(site: WebSite) -> None:
    """Python's own client (under boto3) gets the answer in mid-body, and its next request on a new connection works."""
    for _ in range(3):
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
        connection.request("PUT", "/refuse", body=bytes(20_000_000))
        answer = connection.getresponse()
        assert answer.status == 507
        assert b"InsufficientStorage" in answer.read()
        connection.request("GET", "/next")
        assert b"/next" in connection.getresponse().read()
        connection.close()


def test_an_early_answer_to_a_body_that_is_there_keeps_the_connection(door: Door) -> None:
    """A small body that came with its head is skipped, and the connection lives on."""
    with web_site("http1", door, limits=QUICK) as site:
        request = b"PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd"
        answer = site.ask(request + request + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert statuses(answer) == [b"507", b"507", b"200"]


def test_a_body_that_is_thrown_away_has_a_limit(adapter: Adapter, door: Door) -> None:
    """After an early answer a client cannot keep us busy for ever."""
    limits = Limits(linger_seconds=1.0, linger_idle_seconds=0.5, linger_bytes_max=8 * MIB)
    with web_site(adapter, door, limits=limits) as site, site.connect() as connection:
        connection.sendall(b"PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            connection.sendall(bytes(64 * MIB))


def test_a_running_request_is_finished_at_shutdown(adapter: Adapter) -> None:
    """An upload that is under way when the server is told to stop is taken to its end and answered."""
    entered = threading.Event()
    answers: list[bytes] = []

    async def handler(request: Request) -> Response:
        entered.set()
        count = 0
        while piece := await request.body.read():
            count += len(piece)
        return Response(200, [], b"%d bytes" % count)

    def upload(connection: socket.socket) -> None:
        for _ in range(10):
            time.sleep(0.05)
            connection.sendall(bytes(1000))
        answers.append(receive_all(connection))

    with web_site(adapter, handler) as site:
        connection = site.connect()
        connection.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n")
        uploading = threading.Thread(target=upload, args=(connection,))
        uploading.start()
        assert entered.wait(5.0)
    # The end of the block has told the server to stop, and has waited for it.
    uploading.join(10.0)
    connection.close()

    assert statuses(answers[0]) == [b"200"]
    assert answers[0].endswith(b"10000 bytes")


def test_the_connection_lives_on_after_an_error(site: WebSite) -> None:
    """An error of the handler's is an answer like any other."""
    answer = site.ask(
        b"GET /empty?404 HTTP/1.1\r\nHost: a\r\n\r\n"
        b"GET /bug HTTP/1.1\r\nHost: a\r\n\r\n"
        b"GET /unreached HTTP/1.1\r\nHost: a\r\n\r\n"
    )

    # A bug is a bare 500 that ends the connection under our own protocol: who knows what it left behind.
    assert statuses(answer)[:2] == [b"404", b"500"]
    assert b"InternalError" in answer


# --------------------------------------------------------------------------------------------------- forms of requests, answers


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (b"/a%2Fb%20c+d%C3%A9/../..//.", b"GET /a%2Fb%20c+d%C3%A9/../..//.  a"),
        (b"/?x=%2B&y=+", b"GET / x=%2B&y=+ a"),
        (b"/b?a?b=c", b"GET /b a?b=c a"),
        (b"/%ff%fe", b"GET /%ff%fe  a"),
    ],
)
def test_paths_and_queries_are_exact(site: WebSite, target: bytes, told: bytes) -> None:
    """Not a byte is decoded, normalised or lost: signatures and keys depend on it."""
    answer = site.ask(b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % target)

    assert answer.endswith(b"\r\n\r\n" + told)


def test_an_absolute_target_replaces_the_host(site: WebSite) -> None:
    """RFC 9112, 3.2.2. uvicorn passes the path and keeps the Host header: proxies send the same in both."""
    answer = site.ask(b"GET http://other:9000/b/k?q HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    host = b"other:9000" if site.adapter == "http1" else b"a"
    assert answer.endswith(b"GET /b/k q " + host)


def test_an_absolute_target_without_a_path_is_the_root(site: WebSite) -> None:
    """`GET http://host` asks for `/`."""
    answer = site.ask(b"GET http://a?q HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert statuses(answer) in ([b"200"], [b"400"])


def test_head_has_a_length_and_no_body(site: WebSite) -> None:
    """For bytes, streams and streams without a length; the connection lives on."""
    asked = [b"/x", b"/stream?1", b"/endless?1"]
    requests = [b"HEAD %b HTTP/1.1\r\nHost: a\r\n\r\n" % path for path in asked]
    answer = site.ask(b"".join(requests) + b"GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert statuses(answer) == [b"200"] * 4
    assert re.findall(rb"(?i)content-length: (\d+)", answer)[:2] == [b"%d" % len("HEAD /x  a"), b"%d" % MIB]
    assert answer.count(b"\r\n\r\n") == 4
    assert PIECE[:16] not in answer


@pytest.mark.parametrize("status", [b"204", b"304"])
def test_answers_without_a_body_have_none(site: WebSite, status: bytes) -> None:
    """204 and 304 end with their head, whatever the handler gave."""
    answer = site.ask(
        b"GET /empty?%b HTTP/1.1\r\nHost: a\r\n\r\nGET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % status
    )

    assert statuses(answer) == [status, b"200"]
    assert b"must not be sent" not in answer
    assert b"content-length" not in answer.lower().partition(b"\r\n\r\n")[0]


def test_http_1_0_is_answered_and_closed(site: WebSite) -> None:
    """No chunks, no keep-alive unless asked for."""
    answer = site.ask(b"GET /x HTTP/1.0\r\n\r\n")

    assert statuses(answer) == [b"200"]
    assert b"connection: close" in answer.lower()


def test_http_1_0_gets_a_stream_to_its_end(door: Door) -> None:
    """A stream without a length ends with the connection."""
    with web_site("http1", door) as site:
        answer = site.ask(b"GET /endless?5 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")

    assert b"chunked" not in answer
    assert len(answer.partition(b"\r\n\r\n")[2]) == 5 * len(PIECE)


def test_http_1_0_may_keep_the_connection(door: Door) -> None:
    """If it says so."""
    with web_site("http1", door, limits=QUICK) as site:
        request = b"GET /x HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"
        answer = site.ask(request + request)

    assert statuses(answer) == [b"200", b"200"]
    assert answer.count(b"Connection: keep-alive") == 2


def test_an_offer_to_upgrade_is_not_taken(site: WebSite) -> None:
    """h2c and websocket: the request is an ordinary one, and so is the next."""
    offer = (
        b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    )
    answer = site.ask(offer)

    assert statuses(answer) == [b"200"]
    assert b"101" not in answer[:20]


def test_an_upgrade_with_a_body_keeps_its_framing(door: Door) -> None:
    """The body is a body, not the first bytes of another protocol."""
    offer = b"PUT /put HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\nabcd"
    with web_site("http1", door, limits=QUICK) as site:
        answer = site.ask(offer + b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert statuses(answer) == [b"200", b"200"]
    assert b"4 bytes" in answer


# --------------------------------------------------------------------------------------------------------- answers that break


@pytest.mark.parametrize("path", [b"/short", b"/rotten", b"/rotten?endless"])
def test_a_broken_answer_is_never_taken_for_whole(site: WebSite, door: Door, path: bytes) -> None:
    """A body that ends early or meets a damaged block ends the connection: short of its length, or of its last chunk."""
    answer = site.ask(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path)

    assert statuses(answer) in ([b"200"], [])
    assert not answer.endswith(b"\r\n0\r\n\r\n")
    assert len(answer.partition(b"\r\n\r\n")[2]) < 10 * len(PIECE)
    assert not site.wait_for_records(1)[0].whole
    assert door.closed == 1


def test_a_broken_answer_is_a_reset_to_who_waits_for_the_end(site: WebSite) -> None:
    """In HTTP/1.0 only the end of the connection ends a stream: it must not look like one."""
    with site.connect() as connection:
        connection.sendall(b"GET /rotten?endless HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.makefile("rb").read()


def test_a_file_that_is_too_short_is_cut(adapter: Adapter, tmp_path: Path) -> None:
    """A file that has lost its end after the status line never ends as if all were well."""
    path = tmp_path / "blob"
    path.write_bytes(bytes(MIB))
    closed: list[int] = []

    async def handler(request: Request) -> Response:
        descriptor = os.open(path, os.O_RDONLY)

        def close() -> None:
            closed.append(descriptor)
            os.close(descriptor)

        return Response(200, [], FileRange(descriptor, 0, 2 * MIB, close))

    with web_site(adapter, handler, limits=QUICK) as site:
        answer = site.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        record = site.wait_for_records(1)[0]

    assert len(answer.partition(b"\r\n\r\n")[2]) <= MIB
    assert not record.whole
    assert len(closed) == 1

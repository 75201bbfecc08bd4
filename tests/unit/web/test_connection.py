"""`web.connection` without sockets: whatever bytes come, cut however, the outcome is the same and nothing breaks.

What it does with real clients stands in tests/wire/test_hostile_http.py.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from zakrom import errors
from zakrom.web.connection import Connection, Phase
from zakrom.web.http1 import Server
from zakrom.web.limits import Limits, Record
from zakrom.web.message import Request, Response

TURNS_MAX = 200
"""Turns of the event loop within which a connection must have dealt with what it was given."""


class Wire:
    """A transport that keeps what is written and takes everything at once."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self.reading = True

    def write(self, data: bytes) -> None:
        """Keeps it; nothing may be written after the end."""
        assert not self.closed
        self.written += data

    def writelines(self, pieces: tuple[bytes, ...]) -> None:
        """As `write`."""
        self.write(b"".join(pieces))

    def close(self) -> None:
        """Notes it."""
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closed

    def pause_reading(self) -> None:
        """Must not be paused twice."""
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        """Must not be resumed twice."""
        assert not self.reading
        self.reading = True

    def can_write_eof(self) -> bool:
        """As TLS, so that a half-closed state needs no modelling."""
        return False

    def get_extra_info(self, name: str) -> None:
        """Nothing is known."""

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def set_write_buffer_limits(self, *, high: int, low: int) -> None:
        """Nothing waits."""


async def handler(request: Request) -> Response:
    """Tells what came, after reading all of it."""
    body = b""
    try:
        while piece := await request.body.read():
            body += piece
    except errors.BadRequest as error:
        return Response(400, [], str(error).encode())
    if request.method == "DELETE":
        await asyncio.sleep(0)
    told = [request.method.encode(), request.path, request.query, b"%d" % len(body), body[:20]]
    return Response(200, [("x-headers", str(len(request.headers)))], b"|".join(told))


async def converse(pieces: list[bytes]) -> tuple[bytes, Phase, list[Record]]:
    """What a connection answers to these packets, and how it is then."""
    loop = asyncio.get_running_loop()
    failures: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _loop, context: failures.append(context))
    records: list[Record] = []
    server = Server(handler, Limits(), records.append)
    connection = Connection(server)
    wire: Any = Wire()
    loop.call_soon(connection.connection_made, wire)
    for piece in pieces:
        loop.call_soon(connection.data_received, piece)
        for _ in range(4):
            await asyncio.sleep(0)
        if wire.closed:
            break
    for _ in range(TURNS_MAX):
        await asyncio.sleep(0)
    outcome = re.sub(rb"Date: [^\r]+\r\n", b"", wire.written), connection.phase, records
    loop.call_soon(connection.connection_lost, None)
    for _ in range(20):
        await asyncio.sleep(0)
    await server.drain()
    assert failures == []
    return outcome


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """``data`` in packets."""
    marks = sorted({mark % (len(data) + 1) for mark in at} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(marks)]


WELL_FORMED = [
    b"GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n",
    b"DELETE /d HTTP/1.1\r\nHost: h\r\nX: y  \r\n\r\n",
    b"PUT /p HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123\r\n\r\n89",
    b"PUT /p HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
    b"DELETE /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n3;x\r\nefg\r\n0\r\nT: u\r\n\r\n",
    b"HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /k HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"\r\n",
]
BROKEN = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"PUT /p HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nabcd",
    b"PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcdX\r\n0\r\n\r\n",
    b"GET /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    b"GET /c HTTP/1.0\r\n\r\n",
    b"nonsense\r\n\r\n",
]


@settings(max_examples=150, deadline=None)
@given(
    requests=st.lists(st.sampled_from(WELL_FORMED + BROKEN), min_size=1, max_size=6),
    at=st.lists(st.integers(0, 10_000), max_size=12),
)
@example(requests=WELL_FORMED, at=list(range(1000)))
@example(requests=[BROKEN[2], WELL_FORMED[0]], at=list(range(1000)))
def test_packets_do_not_matter(requests: list[bytes], at: list[int]) -> None:
    """The answers to a sequence of requests are the same whole, byte by byte, and in between."""
    data = b"".join(requests)

    whole, whole_phase, whole_records = asyncio.run(converse([data]))
    parts, parts_phase, parts_records = asyncio.run(converse(cut(data, at)))

    assert parts == whole
    assert (parts_phase <= Phase.HEAD) == (whole_phase <= Phase.HEAD)  # alive or at its end: how it ends may differ
    assert [record.status for record in parts_records] == [record.status for record in whole_records]


@settings(max_examples=150, deadline=None)
@given(
    requests=st.lists(st.sampled_from(WELL_FORMED), min_size=1, max_size=4),
    places=st.lists(st.integers(0, 10_000), min_size=1, max_size=4),
    noise=st.lists(st.binary(max_size=4), min_size=4, max_size=4),
    at=st.lists(st.integers(0, 10_000), max_size=6),
)
def test_damaged_requests_break_nothing(requests: list[bytes], places: list[int], noise: list[bytes], at: list[int]) -> None:
    """Every request that ends is answered 200 or refused; no exception escapes, and nothing is written after the end."""
    data = bytearray(b"".join(requests))
    for place, bytes_there in zip(places, noise, strict=False):
        start = place % len(data)
        data[start : start + len(bytes_there)] = bytes_there

    written, _, records = asyncio.run(converse(cut(bytes(data), at)))

    statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", written)
    assert {int(status) for status in statuses} <= {100, 200, 400, 405, 505}
    assert all(record.status in {0, 200, 400, 405, 505} for record in records)


async def test_every_answer_goes_out_before_the_next_request_is_begun() -> None:
    """One handler call at a time, in order, also when some have to wait."""
    written, phase, records = await converse([b"".join(WELL_FORMED[:-1])])

    assert re.findall(rb"(GET|PUT|DELETE|HEAD)\|", written) == [b"GET", b"DELETE", b"PUT", b"PUT", b"DELETE", b"GET"]
    assert [record.request.method for record in records if record.request] == [
        request.split(b" ")[0].decode() for request in WELL_FORMED[:-1]
    ]
    assert phase == Phase.IDLE

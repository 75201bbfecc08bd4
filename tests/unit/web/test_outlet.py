"""`web.outlet`: files by the kernel and streams by pieces, through real sockets."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import get_args

import pytest

from zakrom.testing.web_site import Adapter, receive_all, web_site
from zakrom.web.message import FileRange, Request, Response, Stream

MIB = 1024 * 1024
GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class Files:
    """Opens ranges of one file, and counts how often each is closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.opened = 0
        self.closed: list[int] = []

    def range(self, offset: int, length: int) -> FileRange:
        """One, open."""
        descriptor = os.open(self._path, os.O_RDONLY)
        number = self.opened
        self.opened += 1

        def close() -> None:
            self.closed.append(number)
            os.close(descriptor)

        return FileRange(descriptor, offset, length, close)


@pytest.fixture(params=get_args(Adapter))
def adapter(request: pytest.FixtureRequest) -> Adapter:
    """Each in turn."""
    chosen: Adapter = request.param
    return chosen


@pytest.fixture(scope="module")
def content() -> bytes:
    """What is in the file: 16 MiB, more than the kernel's socket buffers take at once."""
    return os.urandom(16 * MIB)


@pytest.fixture
def files(content: bytes, tmp_path: Path) -> Iterator[Files]:
    """A file of that content; every range of it must have been closed exactly once."""
    path = tmp_path / "blob"
    path.write_bytes(content)
    made = Files(path)
    yield made
    assert sorted(made.closed) == list(range(made.opened))


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 16 * MIB), (1, 16 * MIB - 1), (5 * MIB + 3, MIB), (16 * MIB - 1, 1), (7, 0), (16 * MIB, 0)]
)
def test_a_range_of_a_file_is_sent_exactly(adapter: Adapter, files: Files, content: bytes, offset: int, length: int) -> None:
    """From its first byte to its last, and none where it has none."""

    async def handler(request: Request) -> Response:
        return Response(200, [], files.range(offset, length))

    with web_site(adapter, handler) as site:
        answer = site.ask(GET)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-length: %d" % length in head.lower()
    assert body == content[offset : offset + length]


def test_files_and_bytes_alternate_on_one_connection(adapter: Adapter, files: Files, content: bytes) -> None:
    """What goes past the transport does not overtake what went through it."""

    async def handler(request: Request) -> Response:
        if request.path == b"/file":
            return Response(200, [], files.range(0, 3 * MIB))
        return Response(200, [], request.path)

    asked = [b"/a", b"/file", b"/b", b"/file", b"/c"]
    requests = [b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path for path in asked]
    with web_site(adapter, handler) as site:
        answer = site.ask(b"".join(requests[:-1]) + requests[-1].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    bodies = []
    while answer:
        head, _, rest = answer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        bodies.append(rest[:length])
        answer = rest[length:]
    assert bodies == [content[: 3 * MIB] if path == b"/file" else path for path in asked]


def test_a_reader_that_is_slow_but_steady_gets_all(adapter: Adapter, files: Files, content: bytes) -> None:
    """The file waits for the client, however often the kernel's buffer is full."""

    async def handler(request: Request) -> Response:
        return Response(200, [], files.range(0, len(content)))

    with web_site(adapter, handler) as site, site.connect() as connection:
        connection.sendall(GET)
        received = bytearray()
        while piece := connection.recv(512 * 1024):
            received += piece
            if len(received) < 8 * MIB:
                time.sleep(0.005)

    assert bytes(received).endswith(content)


def test_a_file_is_closed_when_its_reader_leaves(adapter: Adapter, files: Files) -> None:
    """Once, and the descriptor is free."""

    async def handler(request: Request) -> Response:
        return Response(200, [], files.range(0, 16 * MIB))

    with web_site(adapter, handler) as site:
        for _ in range(10):
            with site.connect() as connection:
                connection.sendall(GET)
                connection.recv(100)
        records = site.wait_for_records(10)

    assert not any(record.whole for record in records)


def test_a_file_for_head_is_closed_unsent(adapter: Adapter, files: Files) -> None:
    """Its length is told."""

    async def handler(request: Request) -> Response:
        return Response(200, [], files.range(0, MIB))

    with web_site(adapter, handler) as site:
        answer = site.ask(GET.replace(b"GET", b"HEAD"))

    assert b"content-length: %d" % MIB in answer.lower()
    assert answer.endswith(b"\r\n\r\n")


def test_a_piece_may_be_reused_by_its_maker(adapter: Adapter) -> None:
    """Once it asks to make the next one: what was sent is what was in it."""
    buffer = bytearray(MIB)

    async def pieces() -> AsyncIterator[memoryview]:
        for number in range(64):
            buffer[:] = bytes([number]) * MIB
            yield memoryview(buffer)

    async def handler(request: Request) -> Response:
        return Response(200, [], Stream(64 * MIB, pieces()))

    with web_site(adapter, handler) as site, site.connect() as connection:
        connection.sendall(GET)
        time.sleep(0.3)  # the kernel's buffers fill up, and pieces wait
        body = receive_all(connection).partition(b"\r\n\r\n")[2]

    assert len(body) == 64 * MIB
    assert all(body[number * MIB : (number + 1) * MIB] == bytes([number]) * MIB for number in range(64))


def test_empty_pieces_end_nothing(adapter: Adapter) -> None:
    """An empty chunk would be the last one."""

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"", b"ab", b"", b"cd", b""):
            yield piece

    async def handler(request: Request) -> Response:
        length = None if request.path == b"/chunked" else 4
        return Response(200, [], Stream(length, pieces()))

    with web_site(adapter, handler) as site:
        counted = site.ask(GET)
        chunked = site.ask(GET.replace(b"/ ", b"/chunked "))

    assert counted.endswith(b"\r\n\r\nabcd")
    assert chunked.endswith(b"\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n")


@pytest.mark.parametrize("made", [3, 5])
def test_a_stream_of_another_length_is_cut(adapter: Adapter, made: int) -> None:
    """Too little and too much: the client sees that it has not all, and never a byte of what was too much."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(made):
            yield b"abcd"

    async def handler(request: Request) -> Response:
        return Response(200, [], Stream(16, pieces()))

    with web_site(adapter, handler) as site, site.connect() as connection:
        connection.sendall(GET)
        answer = receive_all(connection)
        record = site.wait_for_records(1)[0]

    assert len(answer.partition(b"\r\n\r\n")[2]) <= 16
    assert not record.whole


def test_streams_share_the_loop() -> None:
    """A long answer to a fast reader, from a maker that never waits, does not make another client wait."""
    piece = bytes(64 * 1024)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(16_384):  # 1 GiB
            yield piece

    async def handler(request: Request) -> Response:
        return Response(200, [], b"quick" if request.path == b"/quick" else Stream(None, pieces()))

    with web_site("http1", handler) as site:
        reading = threading.Thread(target=drink, args=(site.port,))
        reading.start()
        waits = []
        for _ in range(10):
            began = time.monotonic()
            assert site.ask(GET.replace(b"/ ", b"/quick ")).endswith(b"quick")
            waits.append(time.monotonic() - began)
        reading.join(30)

    assert sorted(waits)[5] < 0.5


def drink(port: int) -> None:
    """Read an answer as fast as it comes, and throw it away."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(GET)
        buffer = bytearray(4 * MIB)
        while connection.recv_into(buffer):
            pass

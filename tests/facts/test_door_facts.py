"""Hard facts about HTTP servers and clients that shaped the door, shown with real clients or real processes on both adapters.

Their numbers are those of the list of facts: 9 100-continue, 10 early answers, 11 disconnects, 12 stalled clients, 13 heads
without end, 14 shutdown and orphans, 15 files that vanish.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from zakrom.testing.web_site import Adapter, WebSite, receive_all, web_site
from zakrom.web.limits import Limits
from zakrom.web.message import FileRange, Request, Response, Stream

MIB = 1024 * 1024
FULL = b"<Error><Code>InsufficientStorage</Code><Message>Full.</Message></Error>"


@pytest.fixture(params=get_args(Adapter))
def adapter(request: pytest.FixtureRequest) -> Adapter:
    """Each in turn."""
    chosen: Adapter = request.param
    return chosen


def s3_client(port: int) -> Any:  # noqa: ANN401 - boto3 has no types
    """An unmodified client but for its patience: it asks once and waits five seconds, so that a hang is a failure."""
    config = Config(retries={"total_max_attempts": 1}, read_timeout=5, connect_timeout=5, s3={"addressing_style": "path"})
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        region_name="us-east-1",
        config=config,
    )


async def refuse(request: Request) -> Response:
    """A full store: refuses every PUT before it reads a byte, and finds nothing."""
    if request.method == "PUT":
        return Response(507, [("Content-Type", "application/xml")], FULL)
    return Response(404, [("Content-Type", "application/xml")], b"<Error><Code>NoSuchKey</Code></Error>")


# -------------------------------------------------------------------------------------------------------------- 9: 100-continue


def test_continue_waits_for_the_decision(adapter: Adapter) -> None:
    """9: while the handler decides, nothing asks for the body: no server's watcher, no first look."""

    async def decide(request: Request) -> Response:
        await asyncio.sleep(0.5)
        count = 0
        while piece := await request.body.read():
            count += len(piece)
        return Response(200, [], b"%d" % count)

    with web_site(adapter, decide) as site, site.connect() as connection:
        connection.sendall(b"PUT /b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        connection.settimeout(5.0)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abcd")
        assert connection.recv(1000).endswith(b"\r\n\r\n4")


def test_boto3_sends_the_body_unasked_after_a_second(adapter: Adapter) -> None:
    """9: who decides longer than that gets the body without having asked; both a refusal and a success still work."""

    async def slow(request: Request) -> Response:
        await asyncio.sleep(1.3)
        if request.path.endswith(b"refused"):
            return await refuse(request)
        while await request.body.read():
            pass
        return Response(200, [("ETag", '"x"')])

    with web_site(adapter, slow) as site:
        client = s3_client(site.port)
        with pytest.raises(ClientError, match="InsufficientStorage"):
            client.put_object(Bucket="bucket", Key="refused", Body=bytes(5 * MIB))
        client.put_object(Bucket="bucket", Key="k", Body=bytes(5 * MIB))
        client.close()


# ------------------------------------------------------------------------------------------------------------ 10: early answers


@pytest.mark.parametrize("size", [1000, 100_000, 8 * MIB, 20_000_000])
def test_boto3_gets_the_early_answer_and_its_next_request_works(adapter: Adapter, size: int) -> None:
    """10: twenty refusals in a row on one client, each seen as what it is; the connection is not reused for what follows."""
    with web_site(adapter, refuse) as site:
        client = s3_client(site.port)
        for _ in range(20 if size < MIB else 5):
            with pytest.raises(ClientError, match="InsufficientStorage"):
                client.put_object(Bucket="bucket", Key="k", Body=bytes(size))
            with pytest.raises(ClientError, match="NoSuchKey"):
                client.get_object(Bucket="bucket", Key="k")
        client.close()


@pytest.mark.parametrize("expect", ["Expect:", "Expect: 100-continue"])
def test_curl_gets_the_early_answer(adapter: Adapter, expect: str, tmp_path: Path) -> None:
    """10: with and without the expectation, ten of ten."""
    path = tmp_path / "body"
    path.write_bytes(bytes(20_000_000))
    with web_site(adapter, refuse) as site:
        url = f"http://127.0.0.1:{site.port}/b/k"
        for _ in range(10):
            done = subprocess.run(
                ["curl", "-sS", "-T", path, "-H", expect, "-w", "%{http_code}", url],
                capture_output=True,
                timeout=20,
                check=False,
            )
            assert (done.stdout, done.stderr) == (FULL + b"507", b"")


# ------------------------------------------------------------------------------------------------------------- 11: disconnects


def test_aborted_reads_neither_run_on_nor_hold_up_the_shutdown(adapter: Adapter) -> None:
    """11: a hundred clients that leave in mid-answer: every iterator ends early, and the server stops at once."""
    ended = {"count": 0, "bytes": 0}
    piece = bytes(256 * 1024)

    async def pieces() -> AsyncIterator[bytes]:
        try:
            for _ in range(4096):  # 1 GiB
                ended["bytes"] += len(piece)
                yield piece
        finally:
            ended["count"] += 1

    async def handler(request: Request) -> Response:
        return Response(200, [], Stream(len(piece) * 4096, pieces()))

    with web_site(adapter, handler) as site:
        for _ in range(100):
            with site.connect() as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                connection.recv(1000)
        site.wait_for_records(100)
        began = time.monotonic()
    took = time.monotonic() - began

    assert ended["count"] == 100
    assert ended["bytes"] < 100 * 64 * MIB
    assert took < 5.0


# ------------------------------------------------------------------------------------------------------ 12, 13: memory and time

SERVER = """
import asyncio, socket, sys, uvloop
from zakrom.web import asgi, http1
from zakrom.web.limits import Limits
from zakrom.web.message import Request, Response, Stream

async def pieces(count):
    for _ in range(count):
        yield bytes(PIECE)

async def handler(request):
    if request.path == b"/wait":
        await request.body.read()
        await asyncio.sleep(60)
    if request.method == "PUT":
        while await request.body.read():
            pass
        return Response(200, [])
    count = int(request.query or b"1")
    return Response(200, [], Stream(count * PIECE, pieces(count)))

async def main():
    listening = socket.create_server(("127.0.0.1", 0))
    serve = {"http1": http1, "uvicorn": asgi}[sys.argv[1]].serve
    print(listening.getsockname()[1], flush=True)
    stop = asyncio.Event()
    await serve(handler, [listening], limits=Limits(), tls=None, on_complete=lambda record: None, stop=stop)

PIECE = int(sys.argv[2])
uvloop.run(main())
"""


class Measured:
    """A server in a process of its own, whose memory can be looked at."""

    def __init__(self, adapter: Adapter, piece_bytes: int) -> None:
        command = [sys.executable, "-c", SERVER, adapter, str(piece_bytes)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        with self.connect() as warm:  # what the first request of a process costs
            warm.sendall(b"GET /?4 HTTP/1.0\r\n\r\n")
            receive_all(warm)

    def connect(self) -> socket.socket:
        """A new connection."""
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def rss_bytes(self) -> int:
        """Resident memory now."""
        listed = subprocess.run(["ps", "-o", "rss=", "-p", str(self.process.pid)], capture_output=True, timeout=10, check=True)
        return int(listed.stdout) * 1024

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def measured(adapter: Adapter) -> Iterator[Callable[[int], Measured]]:
    """Makes servers of this adapter."""
    made: list[Measured] = []

    def make(piece_bytes: int) -> Measured:
        made.append(Measured(adapter, piece_bytes))
        return made[-1]

    yield make
    for each in made:
        each.close()


Make = Callable[[int], Measured]


def test_a_hundred_stalled_readers_cost_little(measured: Make) -> None:
    """12: each holds a piece or two and no more: less than 64 MiB together, with pieces of 256 KiB."""
    server = measured(256 * 1024)
    before = server.rss_bytes()
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            connection = stack.enter_context(server.connect())
            connection.sendall(b"GET /?4096 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(1.5)
        growth = server.rss_bytes() - before

    assert growth < 64 * MIB, f"{growth / MIB:.0f} MiB"


def test_a_hundred_uploads_that_nobody_reads_cost_little(measured: Make) -> None:
    """12, the other way: a handler that takes its time lets its client wait, not its memory grow."""
    server = measured(1)
    before = server.rss_bytes()
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            connection = stack.enter_context(server.connect())
            connection.settimeout(0.02)
            connection.sendall(b"PUT /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
            with contextlib.suppress(TimeoutError):
                connection.sendall(bytes(8 * MIB))
        time.sleep(0.5)
        growth = server.rss_bytes() - before

    assert growth < 64 * MIB, f"{growth / MIB:.0f} MiB"


def test_long_bodies_cost_no_memory(measured: Make) -> None:
    """A body of 256 MiB, up and down: memory stays where it was."""
    server = measured(256 * 1024)
    before = peak = server.rss_bytes()
    with server.connect() as connection:
        connection.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (256 * MIB))
        for _ in range(256):
            connection.sendall(bytes(MIB))
        peak = max(peak, server.rss_bytes())
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    with server.connect() as connection:
        connection.sendall(b"GET /?1024 HTTP/1.1\r\nHost: a\r\n\r\n")
        left = 256 * MIB
        while left > 0:
            left -= len(connection.recv(MIB))
        peak = max(peak, server.rss_bytes())

    assert peak - before < 16 * MIB, f"{(peak - before) / MIB:.0f} MiB"


def test_no_head_is_taken_without_end(measured: Make) -> None:
    """13: nothing like 300 MiB of header before anybody knows who asks."""
    server = measured(1)
    before = server.rss_bytes()
    sent = 0
    with server.connect() as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        while sent < 300 * MIB:
            connection.sendall(b"X: " + b"a" * 65000 + b"\r\n")
            sent += 65005

    assert server.rss_bytes() - before < 16 * MIB


def test_half_a_head_is_not_kept(adapter: Adapter) -> None:
    """13: neither half a head nor none holds a connection for longer than it may."""
    with web_site(adapter, refuse, limits=Limits(head_seconds=0.5, linger_idle_seconds=0.2)) as site:
        began = time.monotonic()
        half = site.ask(b"GET / HTTP/1.1\r\nHo")
        none = site.ask(b"")

    assert half.startswith(b"HTTP/1.1 408 ")
    assert none == b""
    assert time.monotonic() - began < 5.0


# ----------------------------------------------------------------------------------------------------- 14: shutdown and orphans

SUPERVISED = """
import asyncio, os, signal, socket, uvloop
from zakrom.web import http1
from zakrom.web.limits import Limits
from zakrom.web.message import Response
from zakrom.work.processes import Child, Supervisor

async def handler(request):
    if request.path == b"/slow":
        await asyncio.sleep(60)
    return Response(200, [], str(os.getpid()).encode())

async def serve(place):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    place.ready()
    limits = Limits(drain_seconds=1.0)
    await http1.serve(handler, [listening], limits=limits, tls=None, on_complete=lambda record: None, stop=stop)

listening = socket.create_server(("127.0.0.1", 0))
children = [Child(f"worker-{index}", lambda place: uvloop.run(serve(place)), stop_seconds=10.0) for index in range(2)]
Supervisor(children, on_ready=lambda: print(listening.getsockname()[1], flush=True)).run()
"""


@pytest.fixture
def supervised() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Two workers on one socket under a supervisor, and the socket's port."""
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(SUPERVISED)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process, int(process.stdout.readline())
    process.kill()
    process.wait(10)
    process.stdout.close()


def ask(port: int, path: bytes = b"/", timeout: float = 10.0) -> bytes:
    """One request on a connection of its own."""
    return WebSite("http1", port).ask(b"GET %b HTTP/1.0\r\n\r\n" % path, timeout)


def is_answered(port: int) -> bool:
    """Whether anybody listens."""
    try:
        ask(port)
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:  # accepted by the kernel, and dropped
        pass
    return True


def test_nobody_serves_after_the_supervisor_was_killed(supervised: tuple[subprocess.Popen[str], int]) -> None:
    """14: after kill -9 of the parent the port is free: no orphan answers, or writes."""
    process, port = supervised
    assert b"200 OK" in ask(port)
    process.send_signal(signal.SIGKILL)
    process.wait(10)

    deadline = time.monotonic() + 5.0
    while is_answered(port):
        assert time.monotonic() < deadline, "an orphan serves"
        time.sleep(0.02)


def test_a_shutdown_has_an_end(supervised: tuple[subprocess.Popen[str], int]) -> None:
    """14: a request that runs for a minute does not hold up SIGTERM for longer than the drain."""
    process, port = supervised
    with socket.create_connection(("127.0.0.1", port), 10) as running:
        running.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == 0
        assert time.monotonic() - began < 5.0


# ------------------------------------------------------------------------------------------------------- 15: files that vanish


def test_a_file_is_open_before_the_status_line(adapter: Adapter, tmp_path: Path) -> None:
    """15: a file that is unlinked after the handler has opened it is served whole.

    One that is not there is the handler's to tell.
    """
    path = tmp_path / "blob"
    content = os.urandom(MIB)
    path.write_bytes(content)

    async def handler(request: Request) -> Response:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return Response(500, [], b"the blob is missing")
        path.unlink()
        return Response(200, [], FileRange(descriptor, 0, MIB, lambda: os.close(descriptor)))

    with web_site(adapter, handler) as site:
        there = site.ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        gone = site.ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert there.startswith(b"HTTP/1.1 200 ")
    assert there.endswith(content)
    assert gone.startswith(b"HTTP/1.1 500 ")

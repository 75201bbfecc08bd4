"""`web.http1`: the server around the connections. How it takes bad clients stands in tests/wire/test_hostile_http.py."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
import uvloop

from zakrom.testing.certificates import Certificates, make_certificates
from zakrom.testing.web_site import Adapter, receive_all, web_site
from zakrom.web import asgi, http1, tls
from zakrom.web.limits import Limits, Record
from zakrom.web.message import FileRange, Request, Response, Stream
from zakrom.web.tls import Tls

MIB = 1024 * 1024


async def echo(request: Request) -> Response:
    """The body, whole."""
    pieces = []
    while piece := await request.body.read():
        pieces.append(piece)
    return Response(200, [("x-path", request.path.decode())], b"".join(pieces))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority and a certificate of this machine."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def trusting(certificates: Certificates) -> ssl.SSLContext:
    """A client's context."""
    context = ssl.create_default_context(cafile=str(certificates.authority))
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


# ------------------------------------------------------------------------------------------------------------------- records


def test_each_request_is_recorded_once() -> None:
    """Method, status, bytes both ways, time and peer: what an access line and the metrics need."""
    with web_site("http1", echo) as site:
        client = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
        client.request("PUT", "/a", body=bytes(100_000))
        client.getresponse().read()
        client.request("GET", "/b")
        client.getresponse().read()
        client.close()
        first, second = site.wait_for_records(2)

    assert first.request is not None
    assert first.response is not None
    assert (first.request.path, first.response.status, first.status) == (b"/a", 200, 200)
    assert (first.bytes_in, first.bytes_out, first.whole) == (100_000, 100_000, True)
    assert (second.bytes_in, second.bytes_out, second.whole) == (0, 0, True)
    assert first.peer == "127.0.0.1"
    assert 0.0 < first.seconds < 10.0


def test_a_refused_head_is_recorded_too() -> None:
    """Without a request, since there was none."""
    with web_site("http1", echo) as site:
        site.ask(b"nonsense\r\n\r\n", timeout=1.0)
        record = site.wait_for_records(1)[0]

    assert (record.request, record.status, record.peer) == (None, 400, "127.0.0.1")


@pytest.mark.parametrize("adapter", get_args(Adapter))
def test_connections_are_counted(adapter: Adapter) -> None:
    """Each comes once and goes once."""
    changes: list[int] = []
    serve = http1.serve if adapter == "http1" else asgi.serve

    async def main() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        stop = asyncio.Event()
        serving = asyncio.create_task(
            serve(
                echo,
                [listening],
                limits=Limits(),
                tls=None,
                on_complete=lambda _record: None,
                stop=stop,
                on_connections=changes.append,
            )
        )
        address = listening.getsockname()
        for _ in range(3):
            _, writer = await asyncio.open_connection(*address)
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(5.0):
            while changes.count(-1) < 3:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        stop.set()
        await serving

    uvloop.run(main())

    assert (changes.count(1), changes.count(-1)) == (3, 3)


def test_it_serves_on_every_socket() -> None:
    """IPv4 and IPv6, or several addresses."""

    async def main() -> list[bytes]:
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        stop = asyncio.Event()
        serving = asyncio.create_task(
            http1.serve(echo, sockets, limits=Limits(), tls=None, on_complete=lambda _record: None, stop=stop)
        )
        answers = []
        for listening in sockets:
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            answers.append(await reader.read())
            writer.close()
        stop.set()
        await serving
        return answers

    assert [answer[:15] for answer in uvloop.run(main())] == [b"HTTP/1.1 200 OK"] * 2


def test_one_connection_too_many_is_told() -> None:
    """A bare 503, at once; when another has gone, there is room again."""
    with web_site("http1", echo, limits=Limits(connections_max=2, linger_idle_seconds=0.3)) as site:
        held = [site.connect() for _ in range(2)]
        for connection in held:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            connection.recv(1000)
        refused = site.ask(b"")
        held.pop().close()
        time.sleep(0.2)
        served = site.ask(b"GET / HTTP/1.0\r\n\r\n")
        held.pop().close()

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"<Code>SlowDown</Code>" in refused
    assert served.startswith(b"HTTP/1.1 200 ")


# ------------------------------------------------------------------------------------------------------------------ shutdown


class Gate:
    """A handler that answers when it is told to."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.cancelled = threading.Event()

    async def __call__(self, request: Request) -> Response:
        """Waits for `opened`, without a thread of its own that could outlive the test."""
        self.entered.set()
        try:
            while not self.opened.is_set():  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Response(200, [], b"done")


class Draining:
    """A server in a thread that a test stops when it likes."""

    def __init__(self, handler: Gate, limits: Limits) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.records: list[Record] = []
        self._loop = uvloop.new_event_loop()
        self._stop = asyncio.Event()
        self.thread = threading.Thread(target=self._run, args=(handler, limits), daemon=True)
        self.thread.start()

    def _run(self, handler: Gate, limits: Limits) -> None:
        serving = http1.serve(
            handler, [self.listening], limits=limits, tls=None, on_complete=self.records.append, stop=self._stop
        )
        self._loop.run_until_complete(serving)
        self._loop.close()

    def stop(self) -> None:
        """As SIGTERM does."""
        self._loop.call_soon_threadsafe(self._stop.set)

    def close(self) -> None:
        """For the end of a test."""
        with contextlib.suppress(RuntimeError):
            self.stop()
        self.thread.join(10)
        self.listening.close()


@pytest.fixture
def draining() -> Iterator[Callable[[Gate, Limits], Draining]]:
    """Makes servers."""
    made: list[Draining] = []

    def make(handler: Gate, limits: Limits) -> Draining:
        made.append(Draining(handler, limits))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_running_request_is_finished_at_shutdown(draining: Callable[[Gate, Limits], Draining]) -> None:
    """It says that the connection ends; idle connections end at once; new ones are refused; then the server returns."""
    gate = Gate()
    server = draining(gate, Limits(drain_seconds=10.0))
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, 10) as running, socket.create_connection(address, 10) as idle:
        gate.opened.set()
        idle.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"done" in idle.recv(1000)
        gate.opened.clear()
        gate.entered.clear()
        running.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert gate.entered.wait(5)
        server.stop()
        assert idle.recv(1000) == b""
        server.listening.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, 10)
        gate.opened.set()
        answer = receive_all(running)
        server.thread.join(5)

    assert answer.endswith(b"done")
    assert b"\r\nConnection: close\r\n" in answer
    assert not server.thread.is_alive()


def test_a_request_that_does_not_end_is_cut_at_shutdown(draining: Callable[[Gate, Limits], Draining]) -> None:
    """After the drain's seconds its handler is cancelled, its client reset, and the server returns."""
    gate = Gate()
    server = draining(gate, Limits(drain_seconds=0.3))
    with socket.create_connection(("127.0.0.1", server.port), 10) as running:
        running.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert gate.entered.wait(5)
        began = time.monotonic()
        server.stop()
        server.thread.join(5)
        took = time.monotonic() - began
        with pytest.raises(ConnectionResetError):
            running.recv(1)

    assert gate.cancelled.is_set()
    assert 0.3 <= took < 3.0
    assert [record.status for record in server.records] == [0]


# ----------------------------------------------------------------------------------------------------------------------- TLS


def test_https(certificates: Certificates, tmp_path: Path) -> None:
    """Bodies both ways, a stream, and a file, which the kernel cannot send encrypted; HTTP/1.1 even to who offers h2."""
    content = os.urandom(3 * MIB)
    path = tmp_path / "file"
    path.write_bytes(content)

    async def handler(request: Request) -> Response:
        if request.path == b"/file":
            descriptor = os.open(path, os.O_RDONLY)
            return Response(200, [], FileRange(descriptor, 5, 2 * MIB, lambda: os.close(descriptor)))
        if request.path == b"/stream":
            return Response(200, [], Stream(None, cut(content)))
        response = await echo(request)
        return Response(response.status, [("x-secure", str(request.secure))], response.body)

    async def cut(data: bytes) -> AsyncIterator[memoryview]:
        for at in range(0, len(data), 100_000):
            yield memoryview(data)[at : at + 100_000]

    with web_site("http1", handler, tls=Tls(certificates.certificate, certificates.key)) as site:
        client = http.client.HTTPSConnection("localhost", site.port, context=trusting(certificates), timeout=10)
        client.request("PUT", "/", body=content)
        answer = client.getresponse()
        echoed, secure = answer.read(), answer.getheader("x-secure")
        client.request("GET", "/file")
        filed = client.getresponse().read()
        client.request("GET", "/stream")
        streamed = client.getresponse().read()
        assert isinstance(client.sock, ssl.SSLSocket)
        protocol = client.sock.selected_alpn_protocol()
        client.close()

    assert (echoed, secure) == (content, "True")
    assert filed == content[5 : 5 + 2 * MIB]
    assert streamed == content
    assert protocol == "http/1.1"


@pytest.mark.parametrize("adapter", get_args(Adapter))
def test_an_early_answer_arrives_over_https(adapter: Adapter, certificates: Certificates) -> None:
    """Also where a connection cannot be half closed: who sends 20 MB first sees the refusal, each time."""

    async def refuse(request: Request) -> Response:
        return Response(507, [], b"full")

    with web_site(adapter, refuse, tls=Tls(certificates.certificate, certificates.key)) as site:
        for _ in range(5):
            client = http.client.HTTPSConnection("localhost", site.port, context=trusting(certificates), timeout=10)
            client.request("PUT", "/", body=bytes(20_000_000))
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (507, b"full")
            client.close()


def test_a_stalled_reader_of_https_is_cut(certificates: Certificates) -> None:
    """Patience and memory are bounded there too."""
    closed: list[int] = []
    limits = Limits(send_stall_seconds=0.5)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(1024):
            yield bytes(MIB)

    async def handler(request: Request) -> Response:
        return Response(200, [], Stream(1024 * MIB, pieces(), lambda: closed.append(1)))

    with (
        web_site("http1", handler, limits=limits, tls=Tls(certificates.certificate, certificates.key)) as site,
        site.connect() as plain,
        trusting(certificates).wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        record = site.wait_for_records(1)[0]

    assert not record.whole
    assert record.bytes_out < 64 * MIB
    assert closed == [1]


def test_old_tls_is_refused(certificates: Certificates) -> None:
    """TLS 1.1 is not spoken."""
    with web_site("http1", echo, tls=Tls(certificates.certificate, certificates.key)) as site:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with site.connect() as plain, pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(plain)


def test_plain_http_to_a_tls_port_ends(certificates: Certificates) -> None:
    """And a client that says nothing during the handshake is let go."""
    limits = Limits(head_seconds=0.5)
    with web_site("http1", echo, limits=limits, tls=Tls(certificates.certificate, certificates.key)) as site:
        plain = site.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", timeout=5.0)
        silent = site.ask(b"", timeout=5.0)

    assert b"HTTP" not in plain
    assert silent == b""


@pytest.mark.parametrize("adapter", get_args(Adapter))
def test_a_renewed_certificate_is_used_without_a_restart(
    adapter: Adapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New connections see it; a pair that does not fit together is not used."""
    monkeypatch.setattr(tls, "CHECK_SECONDS", 0.0)
    old, new = make_certificates(_made(tmp_path / "old")), make_certificates(_made(tmp_path / "new"))
    pair = Tls(tmp_path / "cert.pem", tmp_path / "key.pem")
    pair.certificate.write_bytes(old.certificate.read_bytes())
    pair.key.write_bytes(old.key.read_bytes())

    def shown(port: int) -> bytes:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as secured:
            return secured.getpeercert(binary_form=True) or b""

    with web_site(adapter, echo, tls=pair) as site:
        first = shown(site.port)
        pair.certificate.write_bytes(new.certificate.read_bytes())  # half a renewal: the key is still the old one
        half = shown(site.port)
        pair.key.write_bytes(new.key.read_bytes())
        second = shown(site.port)

    assert ssl.DER_cert_to_PEM_cert(first).strip() in old.certificate.read_text()
    assert half == first
    assert ssl.DER_cert_to_PEM_cert(second).strip() in new.certificate.read_text()


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def test_a_certificate_that_cannot_be_used_refuses_the_start(tmp_path: Path) -> None:
    """A server that cannot speak TLS must not start and pretend."""
    (tmp_path / "cert.pem").write_text("nonsense")
    (tmp_path / "key.pem").write_text("nonsense")

    with pytest.raises(ssl.SSLError):
        Tls(tmp_path / "cert.pem", tmp_path / "key.pem").context()

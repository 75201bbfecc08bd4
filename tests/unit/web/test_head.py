"""`web.head`: what is read from a head. What is refused stands in tests/wire/test_hostile_http.py."""

from __future__ import annotations

import pytest

from zakrom.web.head import PLAIN, Framing, HeadReader, framing_of
from zakrom.web.limits import ProtocolError
from zakrom.web.message import Request


def read(head: bytes, reader: HeadReader | None = None) -> tuple[Request, Framing]:
    """One head by a fresh reader."""
    return (reader or HeadReader()).read(head, "192.0.2.1", secure=True)


def test_a_request_has_what_was_sent() -> None:
    """Method, path, query and values are exact; names are lower case; who sent it and how is told."""
    request, framing = read(b"PUT /b/%2F?a=%20&b HTTP/1.1\r\nHost: h:9000\r\nX-Amz-Meta-A: \xc3\xa9 b\r\n\r\n")

    assert (request.method, request.path, request.query) == ("PUT", b"/b/%2F", b"a=%20&b")
    assert request.headers == [(b"host", b"h:9000"), (b"x-amz-meta-a", b"\xc3\xa9 b")]
    assert (request.peer, request.secure) == ("192.0.2.1", True)
    assert framing == PLAIN


def test_values_lose_the_spaces_around_them() -> None:
    """RFC 9110, 5.5; inside they stay."""
    request, _ = read(b"GET / HTTP/1.1\r\nHost:\t h \r\nA: b  c\t \r\nD:\r\n\r\n")

    assert request.headers == [(b"host", b"h"), (b"a", b"b  c"), (b"d", b"")]


@pytest.mark.parametrize(
    ("headers", "version", "expected"),
    [
        ([], b"HTTP/1.0", Framing(0, keep_alive=False, expects_continue=False, http11=False)),
        ([(b"connection", b"Keep-Alive")], b"HTTP/1.0", Framing(0, keep_alive=True, expects_continue=False, http11=False)),
        ([(b"connection", b"close")], b"HTTP/1.1", Framing(0, keep_alive=False, expects_continue=False, http11=True)),
        ([(b"connection", b"x, CLOSE ,y")], b"HTTP/1.1", Framing(0, keep_alive=False, expects_continue=False, http11=True)),
        (
            [(b"connection", b"x"), (b"connection", b"close")],
            b"HTTP/1.1",
            Framing(0, keep_alive=False, expects_continue=False, http11=True),
        ),
        ([(b"content-length", b"007")], b"HTTP/1.1", Framing(7, keep_alive=True, expects_continue=False, http11=True)),
        (
            [(b"content-length", b"0"), (b"expect", b"100-continue")],
            b"HTTP/1.1",
            Framing(0, keep_alive=True, expects_continue=True, http11=True),
        ),
        ([(b"expect", b"100-continue")], b"HTTP/1.1", PLAIN),
        (
            [(b"content-length", b"5"), (b"expect", b"100-Continue")],
            b"HTTP/1.1",
            Framing(5, keep_alive=True, expects_continue=True, http11=True),
        ),
        (
            [(b"transfer-encoding", b"Chunked")],
            b"HTTP/1.1",
            Framing(None, keep_alive=True, expects_continue=False, http11=True),
        ),
        (
            [(b"content-length", b"5"), (b"expect", b"100-continue")],
            b"HTTP/1.0",
            Framing(5, keep_alive=False, expects_continue=False, http11=False),
        ),
    ],
)
def test_framing(headers: list[tuple[bytes, bytes]], version: bytes, expected: Framing) -> None:
    """How the body is read, and whether the connection lives on."""
    assert framing_of([(b"host", b"h"), *headers], version) == expected


def test_one_reader_serves_many_connections() -> None:
    """Nothing of one head remains in the next: neither of a body that is not fed to it, nor of an error, nor of a close."""
    reader = HeadReader()
    heads = [
        b"PUT /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n",
        b"GET /2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        b"PUT /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"broken\r\n\r\n",
        b"GET /4 HTTP/1.0\r\n\r\n",
        b"GET /5 HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"GET /6 HTTP/1.1\r\nHost: h\r\n\r\n",
    ]
    paths = []
    for head in heads:
        try:
            paths.append(read(head, reader)[0].path)
        except ProtocolError as error:
            paths.append(error.code.encode())

    assert paths == [b"/1", b"/2", b"/3", b"BadRequest", b"/4", b"/5", b"/6"]


def test_a_head_that_does_not_end_is_refused() -> None:
    """The connection gives whole heads; two readers that disagree about the end must not go on."""
    with pytest.raises(ProtocolError):
        read(b"GET / HTTP/1.1\r\nHost: h\r\n")


@pytest.mark.parametrize(
    ("target", "path", "query", "host"),
    [
        (b"http://o:1/b/k?q", b"/b/k", b"q", b"o:1"),
        (b"HTTPS://o/", b"/", b"", b"o"),
        (b"http://o", b"/", b"", b"o"),
        (b"http://o?q", b"/", b"q", b"o"),
        (b"http://o//b", b"//b", b"", b"o"),
    ],
)
def test_absolute_targets(target: bytes, path: bytes, query: bytes, host: bytes) -> None:
    """The path is theirs, and so is the host (RFC 9112, 3.2.2)."""
    request, _ = read(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % target)

    assert (request.path, request.query, request.header(b"host")) == (path, query, host)


def test_options_may_ask_for_the_server() -> None:
    """`OPTIONS *`."""
    assert read(b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")[0].path == b"*"


@pytest.mark.parametrize("target", [b"*", b"http:///x", b"http://u:p@h/", b"x://h/", b"//h"])
def test_other_targets_are_refused_or_paths(target: bytes) -> None:
    """What begins with a slash is a path, whatever follows; the rest is a form that S3 has no use for."""
    if target.startswith(b"/"):
        assert read(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % target)[0].path == target
    else:
        with pytest.raises(ProtocolError):
            read(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % target)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"FROB / HTTP/1.1", 405),
        (b"CONNECT h:1 HTTP/1.1", 405),
        (b"GET / HTTP/1.2", 400),
        (b"GET / HTTP/2.0", 505),
        (b"GET /", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"\x16\x03\x01 / HTTP/1.1", 400),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1", 414),
    ],
)
def test_request_lines_that_are_refused(line: bytes, status: int) -> None:
    """Each with the status that tells the client what is wrong."""
    with pytest.raises(ProtocolError) as refused:
        read(line + b"\r\nHost: h\r\n\r\n")

    assert refused.value.status == status


async def test_no_body_is_empty() -> None:
    """Reading it never waits."""
    request, _ = read(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")

    assert request.body.length == 0
    assert await request.body.read() == b""


@pytest.mark.parametrize(
    "refused",
    [b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"GET x HTTP/1.0\r\n\r\n"],
)
def test_a_refused_head_leaves_no_mark_on_the_next(refused: bytes) -> None:
    """One reader serves all connections of a process: what one client sends must not fail another."""
    reader = HeadReader()
    with pytest.raises(ProtocolError):
        reader.read(refused, "", secure=False)

    request, _ = reader.read(b"PUT /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n", "", secure=False)
    assert (request.method, request.path) == ("PUT", b"/b")

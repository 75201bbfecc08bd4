"""Heads of requests, from bytes to `Request`: llhttp reads them, and this module checks what it leaves open.

The connection cuts heads out of its buffer at the first empty line and gives each here whole. So one parser serves all
connections of a process, nothing is ever half-read, and two readers (the search for the empty line and llhttp) must agree on
where a head ends and whether a body follows: what they read differently is refused, since smuggling lives in such differences.

llhttp (strict, no leniencies) refuses bare CR and LF, folded lines, control characters, spaces before a colon, two
Content-Length and Content-Length beside Transfer-Encoding. Added here: exactly one space between the words of the request
line, HTTP/1.0 and 1.1 only, Transfer-Encoding is "chunked" or refused, one Host, target forms (RFC 9112, 3.2), counts.
"""

from __future__ import annotations

from typing import NamedTuple

import httptools

from zakrom.web.limits import HEADERS_MAX, REQUEST_LINE_BYTES_MAX, ProtocolError
from zakrom.web.message import Body, Request

LENGTH_DIGITS_MAX = 19  # 2**63 has 19 digits; no object comes near


class Framing(NamedTuple):
    """How the bytes after the head are to be read and whether the connection may live on."""

    length: int | None
    """Bytes of the body; None if it is chunked."""
    keep_alive: bool
    expects_continue: bool
    http11: bool


PLAIN = Framing(length=0, keep_alive=True, expects_continue=False, http11=True)
_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"expect", b"connection"))
_TELLING = _FRAMING | {b"host"}


class NoBody:
    """The body of a request that has none."""

    __slots__ = ()
    length: int | None = 0

    async def read(self) -> bytes:
        """Nothing, at once."""
        return b""


NO_BODY: Body = NoBody()


class _Sink:
    """Where llhttp puts what it reads."""

    __slots__ = ("complete", "headers")

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_message_complete(self) -> None:
        self.complete = True


class HeadReader:
    """Reads whole heads. One for all connections of a process."""

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        self._sink = _Sink()
        self._parser = httptools.HttpRequestParser(self._sink)

    def read(self, head: bytes, peer: str, secure: bool) -> tuple[Request, Framing]:
        """The request of ``head``, which ends with the empty line. Its body is `NO_BODY`: the connection puts in another.

        Raises `ProtocolError` for anything that is not one well-formed head.
        """
        try:
            return self._read(head, peer, secure)
        except ProtocolError:
            self._renew()  # what was refused has left its mark on the parser, and the next head is somebody else's
            raise

    def _read(self, head: bytes, peer: str, secure: bool) -> tuple[Request, Framing]:
        line_end = head.find(b"\r\n")
        if line_end > REQUEST_LINE_BYTES_MAX:
            raise uri_too_long()
        words = head[:line_end].split(b" ")
        headers = self._parse(head, words)
        if len(words) != 3:
            raise bad_request("The request line is malformed.")
        if len(headers) > HEADERS_MAX:
            raise head_too_large()
        path, _, query = words[1].partition(b"?")
        if not path.startswith(b"/"):
            path = _other_target(words[0], path, headers)
        framing = framing_of(headers, words[2])
        if self._sink.complete is not (framing.length == 0):
            self._renew()
            raise bad_request("The length of the request's body is ambiguous.")
        if framing.length != 0 or not framing.keep_alive:
            self._renew()  # llhttp now waits for a body, or for nothing after "close": we read bodies ourselves
        return Request(words[0].decode("ascii"), path, query, headers, NO_BODY, peer, secure), framing

    def _parse(self, head: bytes, words: list[bytes]) -> list[tuple[bytes, bytes]]:
        """The header fields by llhttp, names in lower case, values without the spaces around them."""
        sink = self._sink
        headers = sink.headers = []
        sink.complete = False
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            self._renew()  # an offer to upgrade (h2c, websocket) is not taken: the request is an ordinary one
            self._sink.complete = not _announces_body(headers)
        except httptools.HttpParserInvalidMethodError:
            self._renew()
            if len(words) == 3 and words[0].isalpha():
                raise method_not_allowed() from None
            raise bad_request("The request line is malformed.") from None
        except httptools.HttpParserError as error:
            self._renew()
            raise bad_request(f"The request is malformed: {_plain(str(error))}") from None
        if b" \r\n" in head or b"\t\r\n" in head:
            headers[:] = [(name, value.rstrip(b" \t")) for name, value in headers]  # RFC 9110, 5.5
        return headers


def framing_of(headers: list[tuple[bytes, bytes]], version: bytes) -> Framing:
    """How the body of a request is framed. Raises `ProtocolError` where two readers might disagree."""
    said = dict(headers)
    http11 = version == b"HTTP/1.1"
    if http11 and b"host" in said and said.keys().isdisjoint(_FRAMING) and len(said) == len(headers):
        return PLAIN
    telling = [header for header in headers if header[0] in _TELLING]
    said = dict(telling)
    if len(said) != len(telling):
        said = _without_doubles(telling)
    if not http11 and version != b"HTTP/1.0":
        raise ProtocolError(505, "HTTPVersionNotSupported", "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
    if http11 and b"host" not in said:
        raise bad_request("The request has no Host header.")
    length = _length(said.get(b"transfer-encoding"), said.get(b"content-length"), http11=http11)
    declared = length != 0 or b"content-length" in said  # an empty body is one, too: see `Connection._handle`
    expects = http11 and declared and said.get(b"expect", b"").lower() == b"100-continue"
    return Framing(length, _keeps_alive(said.get(b"connection"), http11=http11), expects, http11)


def _without_doubles(telling: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Only Connection may come twice: its lists are joined. Anything else is refused, even with the same value."""
    said: dict[bytes, bytes] = {}
    for name, value in telling:
        if name in said and name != b"connection":
            raise bad_request("A header that may come once came twice.")
        said[name] = said[name] + b"," + value if name in said else value
    return said


def _length(encoding: bytes | None, length: bytes | None, *, http11: bool) -> int | None:
    if encoding is not None:
        if encoding.lower() != b"chunked" or length is not None or not http11:
            raise bad_request("The Transfer-Encoding is not acceptable.")
        return None
    if length is None:
        return 0
    if not length.isdigit() or len(length) > LENGTH_DIGITS_MAX:
        raise bad_request("The Content-Length is malformed.")
    return int(length)


def _keeps_alive(connection: bytes | None, *, http11: bool) -> bool:
    if connection is None:
        return http11
    tokens = [token.strip(b" \t") for token in connection.lower().split(b",")]
    return b"close" not in tokens if http11 else b"keep-alive" in tokens and b"close" not in tokens


def _announces_body(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0")) for name, value in headers)


def _other_target(method: bytes, path: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The path of a target that is not in origin form; an absolute form's authority replaces Host (RFC 9112, 3.2.2)."""
    if path == b"*" and method == b"OPTIONS":
        return path
    if method == b"CONNECT":
        raise method_not_allowed()
    scheme, mark, rest = path.partition(b"://")
    if not mark or scheme.lower() not in (b"http", b"https"):
        raise bad_request("The request target is malformed.")
    authority, slash, tail = rest.partition(b"/")
    if not authority or b"@" in authority:
        raise bad_request("The request target is malformed.")
    headers[:] = [(name, authority if name == b"host" else value) for name, value in headers]
    return slash + tail or b"/"


def bad_request(message: str) -> ProtocolError:
    """A 400 that ends the connection."""
    return ProtocolError(400, "BadRequest", message)


def method_not_allowed() -> ProtocolError:
    """A method that S3 does not have."""
    return ProtocolError(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")


def head_too_large() -> ProtocolError:
    """RFC 6585, 5; the code is AWS's (which sends it with 400)."""
    return ProtocolError(
        431,
        "RequestHeaderSectionTooLarge",
        "Your request header section exceeds the maximum allowed request header section size.",
    )


def uri_too_long() -> ProtocolError:
    """RFC 9110, 15.5.15."""
    return ProtocolError(414, "URITooLong", "The request target is longer than this server reads.")


def _plain(text: str) -> str:
    """The reason that llhttp gives, safe in XML."""
    return "".join(letter for letter in text if letter.isalnum() or letter in " -_.,/")[:120]

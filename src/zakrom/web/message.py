"""A request and a response, as values that know no server. Two adapters speak them: `web.http1` and `web.asgi`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol


class Disconnected(Exception):
    """The client went away in mid-body."""


class Body(Protocol):
    """A request's body, read once, in order."""

    length: int | None
    """Content-Length; None with Transfer-Encoding: chunked, 0 without a body."""

    async def read(self) -> bytes:
        """The next piece, b"" at the end. The first call answers a waiting ``Expect: 100-continue``.

        Raises `Disconnected`; `errors.RequestTimeout` when the client stalls.
        """
        ...


class Request:
    """One HTTP request. Names of headers are lower-case bytes; values, path and query are the exact bytes received."""

    __slots__ = ("body", "headers", "method", "path", "peer", "query", "secure", "text", "texts")

    def __init__(
        self,
        method: str,
        path: bytes,
        query: bytes,
        headers: list[tuple[bytes, bytes]],
        body: Body,
        peer: str,
        secure: bool,
    ) -> None:
        self.method = method
        self.path = path  # as sent, before '?', still percent-encoded
        self.query = query  # as sent, after '?'
        self.headers = headers
        self.body = body
        self.peer = peer  # the address of the socket's other end
        self.secure = secure
        # The values of the first header of each name. Bytes beyond ASCII become latin-1, so that nothing is lost.
        self.texts = {title.decode("latin-1"): value.decode("latin-1") for title, value in reversed(headers)}
        self.text: Callable[[str], str | None] = self.texts.get  # asked a dozen times a request

    def with_headers(self, headers: list[tuple[bytes, bytes]]) -> Request:
        """The same request with other headers."""
        if headers is self.headers:
            return self
        return Request(self.method, self.path, self.query, headers, self.body, self.peer, self.secure)

    def header(self, name: bytes) -> bytes | None:
        """The same as bytes, exactly as received."""
        value = self.text(name.decode("latin-1"))
        return None if value is None else value.encode("latin-1")


class FileRange:
    """A body sent by the kernel: ``length`` bytes of an open file from ``offset``. `close` is called when it is sent or cut."""

    __slots__ = ("close", "fd", "length", "offset")

    def __init__(self, fd: int, offset: int, length: int, close: Callable[[], None]) -> None:
        self.fd = fd
        self.offset = offset
        self.length = length
        self.close = close


class Stream:
    """A body made piece by piece. If the iterator raises, the connection is cut: a client never takes it for whole.

    ``length`` is exact, or None where only the end tells (chunked). `close` is called in the end in any case.
    """

    __slots__ = ("close", "length", "pieces")

    def __init__(
        self,
        length: int | None,
        pieces: AsyncIterator[bytes | memoryview],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.length = length
        self.pieces = pieces
        self.close = close


class Response:
    """An answer. For HEAD, 204 and 304 the adapter sends no body, whatever ``body`` is.

    ``content_length``: what the header says for a HEAD, where the body is not at hand. ``note``: whatever the door wants to
    hear again when the answer has been sent (the adapters hand it to ``on_complete``).
    """

    __slots__ = ("body", "content_length", "headers", "note", "status")

    def __init__(
        self,
        status: int,
        headers: list[tuple[str, str]],
        body: bytes | Stream | FileRange = b"",
        content_length: int | None = None,
        note: object = None,
    ) -> None:
        self.note = note
        self.status = status
        self.headers = headers
        self.body = body
        self.content_length = content_length


Handler = Callable[[Request], Awaitable[Response]]
"""What a door is to a server. It answers every request; an exception out of it is a bug and becomes a bare 500."""

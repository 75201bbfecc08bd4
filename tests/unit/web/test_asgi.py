"""`web.asgi` under a server that is a list of messages: what it asks of any server, and what it does without our extension."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest

from zakrom import errors
from zakrom.web.asgi import asgi_app
from zakrom.web.limits import Limits, Record
from zakrom.web.message import Disconnected, Request, Response, Stream
from zakrom.web.outlet import Cut

Message = MutableMapping[str, Any]
DISCONNECT: Message = {"type": "http.disconnect"}


class Server:
    """Gives messages one by one, then waits for ever; keeps what is sent."""

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        """The next message."""
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)

    async def send(self, message: Message) -> None:
        """Keeps it."""
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        """What was sent of the body."""
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Of the answer."""
        return dict(self.sent[0]["headers"])


def scope(method: str = "GET", headers: list[tuple[bytes, bytes]] | None = None, **more: object) -> dict[str, Any]:
    """A request's scope as uvicorn makes it."""
    return {
        "type": "http",
        "method": method,
        "path": "/b/é",
        "raw_path": b"/b/%C3%A9",
        "query_string": b"a=%2F",
        "headers": [(b"host", b"h"), *(headers or [])],
        "client": ("192.0.2.1", 1234),
        "scheme": "https",
        **more,
    }


async def test_a_request_has_the_bytes_that_were_sent() -> None:
    """The raw path, not the decoded one."""
    seen: list[Request] = []

    async def handler(request: Request) -> Response:
        seen.append(request)
        return Response(200, [("x-a", "ü")], b"hello")

    server = Server()
    await asgi_app(handler)(scope(), server.receive, server.send)

    request = seen[0]
    assert (request.method, request.path, request.query) == ("GET", b"/b/%C3%A9", b"a=%2F")
    assert (request.peer, request.secure, request.body.length) == ("192.0.2.1", True, 0)
    assert [message["type"] for message in server.sent] == ["http.response.start", "http.response.body"]
    assert server.headers == {b"x-a": b"\xfc", b"content-length": b"5"}
    assert server.body == b"hello"


async def test_a_body_is_read_by_messages() -> None:
    """Empty ones are skipped, the last one ends it, and nothing is asked for before the handler reads."""
    server = Server(
        {"type": "http.request", "body": b"", "more_body": True},
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"c", "more_body": False},
    )
    pieces: list[bytes] = []

    async def handler(request: Request) -> Response:
        assert len(server.messages) == 3
        while piece := await request.body.read():
            pieces.append(piece)
        pieces.append(await request.body.read())
        return Response(200, [])

    records: list[Record] = []
    app = asgi_app(handler, on_complete=records.append)
    await app(scope("PUT", [(b"content-length", b"3")]), server.receive, server.send)

    assert pieces == [b"ab", b"c", b""]
    assert (records[0].bytes_in, records[0].whole) == (3, True)
    assert b"connection" not in server.headers


async def test_an_early_answer_closes_and_throws_the_rest_away() -> None:
    """The answer is with the client before the rest is taken; its end is told last."""
    server = Server(*[{"type": "http.request", "body": b"x" * 1000, "more_body": more} for more in (True, True, False)])

    async def handler(request: Request) -> Response:
        return Response(507, [], b"full")

    await asgi_app(handler)(scope("PUT", [(b"content-length", b"3000")]), server.receive, server.send)

    assert server.headers[b"connection"] == b"close"
    assert [message.get("more_body", False) for message in server.sent[1:]] == [True, False]
    assert server.body == b"full"
    assert server.messages == []


async def test_a_stalled_upload_is_a_request_timeout() -> None:
    """Byte by byte is stalled as well; the handler answers."""
    server = Server(*[{"type": "http.request", "body": b"x", "more_body": True} for _ in range(3)])
    limits = Limits(body_stall_seconds=0.05, linger_idle_seconds=0.05)

    async def handler(request: Request) -> Response:
        try:
            while await request.body.read():
                pass
        except errors.RequestTimeout:
            return Response(400, [], b"timeout")
        raise AssertionError

    await asgi_app(handler, limits=limits)(scope("PUT", [(b"content-length", b"30")]), server.receive, server.send)

    assert (server.sent[0]["status"], server.body) == (400, b"timeout")


async def test_a_disconnect_ends_a_stream() -> None:
    """Although this server's `send` never fails."""
    server = Server({"type": "http.request", "body": b"", "more_body": False}, DISCONNECT)
    made, closed = [0], [0]

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            made[0] += 1
            yield b"x"

    def close() -> None:
        closed[0] += 1

    async def handler(request: Request) -> Response:
        return Response(200, [], Stream(10_000, pieces(), close))

    records: list[Record] = []
    await asgi_app(handler, on_complete=records.append)(scope(), server.receive, server.send)

    assert made[0] < 10
    assert closed == [1]
    assert not records[0].whole


async def test_a_disconnect_in_mid_body_is_the_handlers() -> None:
    """Nothing is answered."""
    server = Server({"type": "http.request", "body": b"ab", "more_body": True}, DISCONNECT)
    seen: list[str] = []

    async def handler(request: Request) -> Response:
        try:
            while await request.body.read():
                pass
        except Disconnected:
            seen.append("gone")
            raise
        return Response(200, [])

    await asgi_app(handler)(scope("PUT", [(b"transfer-encoding", b"chunked")]), server.receive, server.send)

    assert (seen, server.sent) == (["gone"], [])


async def test_a_cut_answer_is_an_exception_to_a_server_without_our_extension() -> None:
    """Any server closes the connection then."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"ab"
        raise errors.DataCorrupt

    async def handler(request: Request) -> Response:
        return Response(200, [], Stream(10, pieces()))

    server = Server()
    with pytest.raises(Cut):
        await asgi_app(handler)(scope(), server.receive, server.send)

    assert server.body == b"ab"


async def test_a_bug_is_a_bare_500() -> None:
    """And recorded as one."""

    async def handler(request: Request) -> Response:
        raise KeyError

    server, records = Server(), list[Record]()
    await asgi_app(handler, on_complete=records.append)(scope(), server.receive, server.send)

    assert server.sent[0]["status"] == 500
    assert b"<Code>InternalError</Code>" in server.body
    assert (records[0].status, records[0].response) == (500, None)


async def test_lifespan_runs_the_hooks() -> None:
    """Start and end, each told."""
    seen: list[str] = []

    async def start() -> None:
        seen.append("start")

    async def end() -> None:
        seen.append("end")

    async def handler(request: Request) -> Response:
        raise AssertionError

    server = Server({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    app = asgi_app(handler, on_startup=start, on_shutdown=end)
    await app({"type": "lifespan"}, server.receive, server.send)

    assert seen == ["start", "end"]
    assert [message["type"] for message in server.sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_failed_start_is_told() -> None:
    """The server then does not serve."""

    async def fail() -> None:
        raise KeyError("why")

    async def handler(request: Request) -> Response:
        raise AssertionError

    server = Server({"type": "lifespan.startup"})
    await asgi_app(handler, on_startup=fail)({"type": "lifespan"}, server.receive, server.send)

    assert server.sent == [{"type": "lifespan.startup.failed", "message": "'why'"}]


async def test_other_protocols_are_refused() -> None:
    """A websocket is none of ours."""

    async def handler(request: Request) -> Response:
        raise AssertionError

    server = Server()
    with pytest.raises(NotImplementedError):
        await asgi_app(handler)({"type": "websocket"}, server.receive, server.send)

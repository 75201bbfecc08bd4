"""`web.body`: what arrives is what is read."""

from __future__ import annotations

import asyncio

import pytest

from zakrom import errors
from zakrom.web.body import ArrivingBody
from zakrom.web.head import Framing
from zakrom.web.limits import BODY_BUFFER_BYTES, ProtocolError
from zakrom.web.message import Disconnected


class Feeder:
    """A source that feeds what it was given whenever the body waits."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.taken = 0
        self.rest = b""

    async def body_arrives(self, body: ArrivingBody) -> None:
        """Feeds one piece, or says that the client has gone."""
        await asyncio.sleep(0)
        if self.pieces:
            self.rest += body.feed(self.pieces.pop(0))
        else:
            body.fail(Disconnected())

    def body_taken(self) -> None:
        """Counts."""
        self.taken += 1


def body_of(length: int | None, *pieces: bytes) -> tuple[ArrivingBody, Feeder]:
    """A body of that length, and its source."""
    source = Feeder(*pieces)
    return ArrivingBody(source, Framing(length, keep_alive=True, expects_continue=False, http11=True)), source


async def test_a_counted_body_ends_at_its_length() -> None:
    """Pieces come as they were received; what follows belongs to others; then there is nothing more, again and again."""
    body, source = body_of(7, b"abcd", b"efgNEXT")

    assert [await body.read() for _ in range(4)] == [b"abcd", b"efg", b"", b""]
    assert source.rest == b"NEXT"
    assert (body.received, body.whole, body.missing) == (7, True, 0)


async def test_pieces_that_wait_are_joined() -> None:
    """A handler that was busy gets what has come in the meantime at once."""
    body, source = body_of(9)
    for piece in (b"abc", b"def", b"ghi"):
        body.feed(piece)

    assert await body.read() == b"abcdefghi"
    assert source.taken == 1


async def test_a_chunked_body_ends_with_its_last_chunk() -> None:
    """The length is unknown before."""
    body, source = body_of(None, b"4\r\nab", b"cd\r\n", b"0\r\n\r\nNEXT")

    assert (body.length, body.missing) == (None, None)
    assert [await body.read() for _ in range(3)] == [b"ab", b"cd", b""]
    assert source.rest == b"NEXT"


async def test_a_failure_comes_after_what_had_arrived() -> None:
    """No byte that came is lost; then the failure, each time."""
    body, _ = body_of(100)
    body.feed(b"abcd")
    body.fail(errors.RequestTimeout())
    body.fail(Disconnected())

    assert await body.read() == b"abcd"
    for _ in range(2):
        with pytest.raises(errors.RequestTimeout):
            await body.read()


async def test_a_whole_body_cannot_fail() -> None:
    """Who goes away after the last byte has said all there was to say."""
    body, _ = body_of(4)
    body.feed(b"abcd")
    body.fail(Disconnected())

    assert [await body.read(), await body.read()] == [b"abcd", b""]


async def test_what_comes_after_a_failure_is_dropped() -> None:
    """A chunked body that broke is not read on."""
    body, _ = body_of(None)
    with pytest.raises(ProtocolError):
        body.feed(b"nonsense\r\n")
    body.fail(errors.BadRequest())

    assert body.feed(b"4\r\nabcd\r\n0\r\n\r\n") == b""
    assert (body.received, body.whole) == (0, False)
    with pytest.raises(errors.BadRequest):
        await body.read()


def test_a_body_is_full_beyond_the_buffer() -> None:
    """Then the connection stops reading."""
    body, _ = body_of(10 * BODY_BUFFER_BYTES)
    body.feed(bytes(BODY_BUFFER_BYTES))
    full_at_the_mark = body.full
    body.feed(b"x")

    assert (full_at_the_mark, body.full) == (False, True)


def test_patience_is_for_those_who_make_progress() -> None:
    """Waiting adds up until enough bytes have come; single bytes do not buy time."""
    body, _ = body_of(1000)
    for _ in range(5):
        body.feed(b"x")
        body.waited(1.0, 100)
    waited_with_trickle = body.waited_seconds
    body.feed(bytes(95))
    body.waited(1.0, 100)

    assert (waited_with_trickle, body.waited_seconds) == (5.0, 0.0)


async def test_a_forgotten_body_holds_nothing() -> None:
    """After the answer the memory is free, a handler that kept the body reads nothing, and its end is found all the same."""
    body, _ = body_of(10)
    body.feed(b"abcd")
    body.forget()

    with pytest.raises(Disconnected):
        await body.read()
    assert body.feed(b"efghijNEXT") == b"NEXT"
    assert (body.received, body.whole, body.full) == (10, True, False)

"""`web.chunks`: the same bytes, however they are cut."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zakrom.web.chunks import ChunkDecoder
from zakrom.web.limits import CHUNK_LINE_BYTES_MAX, TRAILER_BYTES_MAX, ProtocolError


def decode(wire: bytes, piece_bytes: int) -> tuple[bytes, bytes, bool]:
    """(body, what came after it, whether it ended) of ``wire`` fed in pieces."""
    decoder = ChunkDecoder()
    body = b""
    for at in range(0, len(wire), piece_bytes):
        if decoder.done:
            return body, decoder.rest + wire[at:], True
        body += b"".join(decoder.feed(wire[at : at + piece_bytes]))
    return body, decoder.rest, decoder.done


GOOD = {
    b"0\r\n\r\n": b"",
    b"4\r\nabcd\r\n0\r\n\r\n": b"abcd",
    b"4\r\nabcd\r\nA\r\n0123456789\r\n000\r\n\r\n": b"abcd0123456789",
    b"4;a=b\r\nabcd\r\n0;c\r\n\r\n": b"abcd",
    b"4 ;a=b\r\nabcd\r\n0\r\n\r\n": b"abcd",
    b"4\r\n\r\n\r\n\r\n0\r\nT: u\r\nV: w\r\n\r\n": b"\r\n\r\n",
    b"0000000000000001\r\na\r\n0\r\n\r\n": b"a",
}


@pytest.mark.parametrize("wire", GOOD)
@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7, 1000])
def test_good_chunks(wire: bytes, piece_bytes: int) -> None:
    """Whole, byte by byte and in between; what follows is left alone."""
    assert decode(wire, piece_bytes) == (GOOD[wire], b"", True)
    assert decode(wire + b"GET / ", piece_bytes) == (GOOD[wire], b"GET / ", True)


BAD = [
    b"\r\n",
    b"x\r\n",
    b"0x4\r\n",
    b"+4\r\n",
    b"-4\r\n",
    b" 4\r\n",
    b"4 \r\n",
    b"4\n",
    b"4_0\r\n",
    b"\xef\xbc\x94\r\n",
    b"10000000000000000\r\n",
    b"4\r\nabcde",
    b"4\r\nabcd\n",
    b"4\r\nabcd\r\r",
    b"4\r\nabcdX",
    b";\r\n",
    b"4;\r\r\n",
    b"4;\0\r\n",
    b"0\r\n X: folded\r\n",
    b"0\r\nno colon\r\n",
    b"0\r\n: no name\r\n",
    b"0\r\nA: b\n",
    b"4;" + b"a" * (CHUNK_LINE_BYTES_MAX + 1),
    b"0\r\nA: " + b"a" * (TRAILER_BYTES_MAX + 1),
    b"0\r\n" + b"A: b\r\n" * TRAILER_BYTES_MAX,
    (b"1;" + b"a" * 1000 + b"\r\na\r\n") * 100,
]


@pytest.mark.parametrize("wire", BAD)
@pytest.mark.parametrize("piece_bytes", [1, 5, 1_000_000])
def test_bad_chunks(wire: bytes, piece_bytes: int) -> None:
    """Refused at the latest when the next byte comes."""
    with pytest.raises(ProtocolError):
        decode(wire + b"\r\n" * TRAILER_BYTES_MAX, piece_bytes)


@pytest.mark.parametrize("wire", [wire[:end] for wire in GOOD for end in range(len(wire))])
def test_half_a_body_has_not_ended(wire: bytes) -> None:
    """No beginning of a chunked body is taken for a whole one."""
    assert not decode(wire, 1)[2]


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(st.binary(min_size=1, max_size=300), max_size=20),
    cuts=st.lists(st.integers(1, 500), min_size=1, max_size=10),
)
def test_what_is_chunked_comes_back(pieces: list[bytes], cuts: list[int]) -> None:
    """Any body in any chunks in any packets."""
    wire = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

    for cut in cuts:
        assert decode(wire, cut) == (b"".join(pieces), b"", True)


def test_tiny_chunks_cost_linear_time() -> None:
    """Ten times the chunks cost about ten times as much, and a chunk some microseconds."""

    def seconds(count: int) -> float:
        wire = b"1\r\na\r\n" * count + b"0\r\n\r\n"
        began = time.process_time()
        assert len(decode(wire, 65536)[0]) == count
        return time.process_time() - began

    assert seconds(100_000) < 20e-6 * 100_000

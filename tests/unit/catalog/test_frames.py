"""Frames between the writer and its clients, however the stream is cut."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakrom.catalog import changes, frames
from zakrom.catalog.changes import Change, Inline, PutVersion
from zakrom.catalog.engine import _TABLE
from zakrom.catalog.frames import FRAME_BYTES_MAX, AskStats, Forgotten, FrameTooLong, Splitter, frame
from zakrom.model.facts import Checksum, Details

PUT = PutVersion(
    1,
    b"k\xff",
    2,
    (1 << 64) - 1,
    5,
    "e" * 32,
    "STANDARD",
    "o",
    Details({"content-type": "é"}, {}, (("a", "b"),), Checksum("CRC32", "x")),
    Inline(b"12345", b"abcd"),
)


@given(st.lists(st.binary(max_size=300), max_size=6), st.lists(st.integers(1, 200), max_size=20))
def test_payloads_come_whole_however_they_arrive(payloads: list[bytes], cuts: list[int]) -> None:
    """Cut anywhere, byte by byte too, the same payloads come out in the same order."""
    stream = b"".join(len(one).to_bytes(4, "big") + one for one in payloads)
    splitter, seen, start = Splitter(), [], 0
    for cut in [*cuts, len(stream)]:
        seen += splitter.feed(stream[start : start + cut])
        start += cut

    assert payloads == seen


def test_byte_by_byte() -> None:
    """A frame is complete with its last byte and not before."""
    data = frame([(1, PUT)])
    splitter = Splitter()
    for byte in data[:-1]:
        assert [] == splitter.feed(bytes([byte]))

    assert [data[4:]] == splitter.feed(data[-1:])


def test_a_length_beyond_the_limit_is_refused_before_it_arrives() -> None:
    """By who reads it, whether the head comes at once or in pieces; and by who would send it."""
    head = (FRAME_BYTES_MAX + 1).to_bytes(4, "big")
    with pytest.raises(FrameTooLong):
        Splitter().feed(head)
    splitter = Splitter()
    splitter.feed(head[:2])
    with pytest.raises(FrameTooLong):
        splitter.feed(head[2:])
    with pytest.raises(FrameTooLong):
        frame([(1, bytes(FRAME_BYTES_MAX))])


def test_messages_come_back_as_they_were() -> None:
    """Changes are told apart by their class; every field survives, 64 bits of nonce too."""
    sent = [(1, PUT), (2, AskStats()), (0, Forgotten(7))]
    decoder = msgspec.msgpack.Decoder(list[tuple[int, frames.Message]])

    assert sent == decoder.decode(frame(sent)[4:])


def test_every_change_is_applied_by_someone() -> None:
    """The table of the engine has each change that the seam names, and each change of the seam has a class of its own."""
    named = set(Change.__args__)

    assert named <= set(_TABLE)
    assert len({one.__name__ for one in named}) == len(named)
    assert all(one.__module__ == changes.__name__ for one in named)

"""The form of sealed bytes: what was sealed comes back, and nothing else ever does."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zakrom.crypt.sealed import Broken, Opener, Sealer
from zakrom.model.facts import BLOCK_BYTES, SEALED_BLOCK_BYTES, content_bytes, sealed_bytes

KEY = bytes(range(32))
SIZES = [1, 15, 16, 17, SEALED_BLOCK_BYTES - 1, SEALED_BLOCK_BYTES, SEALED_BLOCK_BYTES + 1, BLOCK_BYTES, 2 * SEALED_BLOCK_BYTES]


def seal(content: bytes, *cuts: int, key: bytes = KEY) -> bytes:
    """Sealed, handed in as pieces that end at ``cuts``."""
    sealer = Sealer(key)
    edges = [0, *sorted(cuts), len(content)]
    blocks = [block for start, end in pairwise(edges) for block in sealer.update(content[start:end])]
    return b"".join(blocks) + sealer.finish()


def text(size: int) -> bytes:
    """Content in which no two blocks are alike."""
    return b"".join(index.to_bytes(8, "big") for index in range(size // 8 + 1))[:size]


@pytest.mark.parametrize("size", SIZES)
def test_lengths_follow_from_sizes(size: int) -> None:
    """The catalog computes one from the other."""
    sealed = seal(text(size))

    assert (sealed_bytes(size), size) == (len(sealed), content_bytes(len(sealed)))


def test_nothing_is_sealed_as_nothing() -> None:
    """An empty object has no blob."""
    assert seal(b"") == b""
    assert sealed_bytes(0) == content_bytes(0) == 0


@pytest.mark.parametrize("size", SIZES)
def test_a_whole_block_is_a_whole_block(size: int) -> None:
    """Each but the last fills the block under one CRC32C."""
    sealer = Sealer(KEY)
    blocks = [*sealer.update(text(size)), sealer.finish()]

    assert [BLOCK_BYTES] * (len(blocks) - 1) == [len(block) for block in blocks[:-1]]
    assert -(-size // SEALED_BLOCK_BYTES) == len(blocks)


@given(size=st.integers(1, 3 * SEALED_BLOCK_BYTES), cuts=st.lists(st.floats(0, 1), max_size=6))
@settings(max_examples=40, deadline=None)
def test_cuts_do_not_matter(size: int, cuts: list[float]) -> None:
    """However content arrives it is sealed alike, and opens."""
    content = text(size)
    sealed = seal(content, *(int(cut * size) for cut in cuts))

    assert sealed == seal(content)
    assert content == Opener(KEY, len(sealed)).open(sealed, 0)


@given(data=st.data(), size=st.integers(1, 4 * SEALED_BLOCK_BYTES))
@settings(max_examples=40, deadline=None)
def test_blocks_open_alone(data: st.DataObject, size: int) -> None:
    """A range needs the blocks around it and no others."""
    content, sealed = text(size), seal(text(size))
    count = -(-size // SEALED_BLOCK_BYTES)
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first, count - 1))

    opened = Opener(KEY, len(sealed)).open(sealed[first * BLOCK_BYTES : (last + 1) * BLOCK_BYTES], first)

    assert content[first * SEALED_BLOCK_BYTES : (last + 1) * SEALED_BLOCK_BYTES] == opened


@given(data=st.data(), size=st.sampled_from([1, 100, SEALED_BLOCK_BYTES + 5]))
@settings(max_examples=150, deadline=None)
def test_any_changed_bit_is_noticed(data: st.DataObject, size: int) -> None:
    """In content or tag: the block does not open, and its number is told."""
    sealed = bytearray(seal(text(size)))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(Broken) as caught:
        Opener(KEY, len(sealed)).open(bytes(sealed), 0)

    assert at // BLOCK_BYTES == caught.value.block


THREE = seal(text(3 * SEALED_BLOCK_BYTES))
A, B, C = (THREE[start : start + BLOCK_BYTES] for start in range(0, len(THREE), BLOCK_BYTES))
OTHER = seal(text(3 * SEALED_BLOCK_BYTES), key=bytes(32))


@pytest.mark.parametrize(
    "forged",
    [
        A + C + B,
        B + A + C,
        A + A + C,
        A + B,
        A,
        A + B + C + C,
        A + B + OTHER[2 * BLOCK_BYTES :],
        (A + B + C)[:-1],
        A + B + C[:15],
    ],
    ids=["swapped", "rotated", "repeated", "cut", "cut twice", "continued", "of another blob", "a byte short", "no tag"],
)
def test_blocks_cannot_be_moved(forged: bytes) -> None:
    """Order, number and end are part of what is sealed, and so is the blob."""
    with pytest.raises(Broken):
        Opener(KEY, len(forged)).open(forged, 0)


def test_a_block_is_the_last_one_or_not() -> None:
    """A first block that was sealed as the only one is no beginning of a longer blob."""
    whole = seal(text(SEALED_BLOCK_BYTES))

    with pytest.raises(Broken):
        Opener(KEY, len(whole) + 17).open(whole, 0)

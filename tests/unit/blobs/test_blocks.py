"""Block checksums: right, and the same however the bytes come."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakrom.blobs.blocks import BlockHasher, block_count, blocks, first_damage
from zakrom.model.facts import BLOCK_BYTES
from zakrom.testing.contracts.blobs import pattern


def crc32c_by_the_book(data: bytes) -> int:
    """CRC-32C bit by bit (RFC 3720, appendix B.4 and section 12.1): slow, and written from the definition."""
    crc = 0xFFFF_FFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F6_3B78 if crc & 1 else 0)
    return crc ^ 0xFFFF_FFFF


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"123456789", "e3069283"),
        (bytes(32), "8a9136aa"),
        (b"\xff" * 32, "62a8ab43"),
        (bytes(range(32)), "46dd794e"),
    ],
)
def test_vectors_of_rfc_3720(data: bytes, expected: str) -> None:
    """CRC32C, big-endian, as the RFC gives it."""
    assert blocks(data).hex() == expected


def test_every_block_has_its_own_checksum() -> None:
    """One checksum for each 128 KiB, the last block as short as it is."""
    data = pattern(2 * BLOCK_BYTES + 9)
    expected = b"".join(
        crc32c_by_the_book(data[start : start + BLOCK_BYTES]).to_bytes(4, "big") for start in range(0, len(data), BLOCK_BYTES)
    )

    assert expected == blocks(data)


def test_no_bytes_have_no_checksum() -> None:
    """An empty blob has no block."""
    assert blocks(b"") == b""


@pytest.mark.parametrize(
    ("length", "count"), [(0, 0), (1, 1), (BLOCK_BYTES, 1), (BLOCK_BYTES + 1, 2), (5 * 1024**4, 40 * 1024**2)]
)
def test_block_count(length: int, count: int) -> None:
    """Whole blocks and the one begun."""
    assert count == block_count(length)


@given(cuts=st.lists(st.integers(0, 3 * BLOCK_BYTES), max_size=6))
def test_cuts_leave_no_trace(cuts: list[int]) -> None:
    """A stream has the checksums of its bytes, not of its pieces."""
    data = memoryview(pattern(3 * BLOCK_BYTES))
    hasher = BlockHasher()
    edges = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(edges):
        hasher.update(data[start:end])

    assert blocks(data) == hasher.finish()


@given(offset=st.integers(0, 2 * BLOCK_BYTES + 99), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found_in_its_block(offset: int, bit: int) -> None:
    """CRC32C misses no single bit."""
    data = bytearray(pattern(2 * BLOCK_BYTES + 100))
    checksums = blocks(data)
    assert first_damage(memoryview(data), checksums) is None

    data[offset] ^= 1 << bit
    assert first_damage(memoryview(data), checksums) == offset // BLOCK_BYTES


def test_a_missing_checksum_is_damage() -> None:
    """Fewer checksums than blocks never pass as right."""
    data = memoryview(bytes(2 * BLOCK_BYTES))

    assert first_damage(data, blocks(data)[:4]) == 1

"""Checksums computed, declared and combined."""

from __future__ import annotations

import hashlib
import zlib

import pytest
from awscrt import checksums as crt
from hypothesis import given, settings
from hypothesis import strategies as st

from zakrom import errors
from zakrom.model.facts import BLOCK_BYTES
from zakrom.wire import checksums
from zakrom.wire.checksums import ChecksumRequest

CHECK = b"123456789"  # the check value of the catalogue of CRCs
KNOWN = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "MD5": "25f9e794323b453885f5181f1b624d0b",
    "SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "SHA256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
}
CRCS = ["CRC32", "CRC32C", "CRC64NVME"]


@pytest.mark.parametrize("algorithm", checksums.ALGORITHMS)
def test_known_values_whole_and_byte_by_byte(algorithm: str) -> None:
    """Published check values; pieces of any type and length make no difference."""
    hasher = checksums.new(algorithm)
    for number in range(len(CHECK)):
        hasher.update(memoryview(CHECK)[number : number + 1])

    assert KNOWN[algorithm] == checksums.digest(algorithm, CHECK).hex() == hasher.digest().hex()
    assert len(hasher.digest()) == checksums.ALGORITHMS[algorithm].digest_bytes


@pytest.mark.parametrize("algorithm", CRCS)
@given(parts=st.lists(st.binary(max_size=300), max_size=6))
def test_the_crc_of_parts_is_that_of_the_whole(algorithm: str, parts: list[bytes]) -> None:
    """FULL_OBJECT: no byte is read again."""
    of_parts = [(checksums.digest(algorithm, part), len(part)) for part in parts]

    assert checksums.digest(algorithm, b"".join(parts)) == checksums.combine(algorithm, of_parts)


def test_a_composite_checksum_is_that_of_the_parts_digests() -> None:
    """COMPOSITE: the checksum of checksums."""
    digests = [hashlib.sha256(part).digest() for part in (b"a", b"b")]

    assert hashlib.sha256(b"".join(digests)).digest() == checksums.composite("SHA256", digests)


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, 3 * BLOCK_BYTES + 7])
def test_every_block_has_its_crc(size: int) -> None:
    """Four bytes for each 128 KiB; the last block may be short; none for nothing."""
    data = hashlib.shake_128(b"x").digest(size)
    expected = b"".join(
        crt.crc32c(data[begin : begin + BLOCK_BYTES]).to_bytes(4, "big") for begin in range(0, size, BLOCK_BYTES)
    )

    assert expected == checksums.blocks(data)


@settings(deadline=None)  # up to 2 MiB an example
@given(st.lists(st.integers(0, 2 * BLOCK_BYTES + 3), max_size=8))
def test_blocks_do_not_depend_on_the_pieces(sizes: list[int]) -> None:
    """However the bytes come in."""
    data = hashlib.shake_128(b"x").digest(sum(sizes))
    hasher, begin = checksums.BlockHasher(), 0
    for size in sizes:
        hasher.update(memoryview(data)[begin : begin + size])
        begin += size

    assert checksums.blocks(data) == hasher.finish()


@pytest.mark.parametrize("algorithm", checksums.ALGORITHMS)
def test_a_digest_survives_the_wire(algorithm: str) -> None:
    """Base64 there and back; a wrong length or alphabet is refused by the header's name."""
    digest = checksums.digest(algorithm, CHECK)
    name = checksums.header_name(algorithm)

    assert digest == checksums.decode(algorithm, f" {checksums.encode(digest)} ")
    assert algorithm == checksums.algorithm_of_header(name) == checksums.algorithm_of_header(name.upper())
    for text in ("", "AA==", "*" * 8, checksums.encode(digest + b"x"), checksums.encode(digest)[:-1], "ф"):
        with pytest.raises(errors.InvalidRequest, match=f"Value for {name} header is invalid"):
            checksums.decode(algorithm, text)


@pytest.mark.parametrize("text", ["", "000", "__invalid__", "not base64 encoded checksum", "MTIz", "YWJyYWNhZGFicmE="])
def test_a_content_md5_that_is_none(text: str) -> None:
    """InvalidDigest shows what was sent."""
    with pytest.raises(errors.InvalidDigest) as caught:
        checksums.content_md5(text)

    assert caught.value.fields == {"content_md5": text}


def test_mismatches_are_told_as_aws_tells_them() -> None:
    """By algorithm; for Content-MD5 with both values."""
    md5 = checksums.content_md5("CY9rzUYh03PK3k6DJie09g==")

    checksums.check("CRC32", declared=b"1234", computed=b"1234")
    checksums.check_md5(declared=md5, computed=md5)
    with pytest.raises(errors.BadDigest, match="The CRC32 you specified did not match"):
        checksums.check("CRC32", declared=b"1234", computed=b"1235")
    with pytest.raises(errors.BadDigest) as caught:
        checksums.check_md5(declared=md5, computed=bytes(16))
    assert caught.value.fields == {
        "expected_digest": md5.hex(),  # AWS shows this one in hexadecimal
        "calculated_digest": "AAAAAAAAAAAAAAAAAAAAAA==",
    }


@pytest.mark.parametrize(
    ("algorithm", "asked", "full_object"),
    [
        (None, None, None),
        ("CRC32", None, False),
        ("CRC32", "COMPOSITE", False),
        ("CRC32C", "FULL_OBJECT", True),
        ("CRC64NVME", None, True),
        ("CRC64NVME", "FULL_OBJECT", True),
        ("SHA1", None, False),
        ("SHA256", "COMPOSITE", False),
        ("MD5", None, False),
    ],
)
def test_the_type_of_a_multipart_checksum(algorithm: str | None, asked: str | None, full_object: bool | None) -> None:
    """Each algorithm has its default."""
    assert full_object is checksums.multipart_full_object(algorithm, asked)


@pytest.mark.parametrize(
    ("algorithm", "asked", "message"),
    [
        ("CRC64NVME", "COMPOSITE", "The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm."),
        ("SHA1", "FULL_OBJECT", "The FULL_OBJECT checksum type cannot be used with the sha1 checksum algorithm."),
        ("SHA256", "FULL_OBJECT", "The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm."),
        (None, "COMPOSITE", "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."),
        ("CRC32", "full", "Value for x-amz-checksum-type header is invalid."),
    ],
)
def test_types_that_an_algorithm_cannot_have(algorithm: str | None, asked: str, message: str) -> None:
    """In AWS's words."""
    with pytest.raises(errors.InvalidRequest) as caught:
        checksums.multipart_full_object(algorithm, asked)

    assert message == caught.value.message


CRC32 = (b"x-amz-checksum-crc32", b"y/Q5Jg==")
SDK = b"x-amz-sdk-checksum-algorithm"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], ChecksumRequest()),
        ([(b"x-amz-checksum-mode", b"ENABLED"), (b"content-md5", b"x")], ChecksumRequest()),
        ([CRC32], ChecksumRequest("CRC32", zlib.crc32(CHECK).to_bytes(4, "big"))),
        ([CRC32, (SDK, b"crc32")], ChecksumRequest("CRC32", zlib.crc32(CHECK).to_bytes(4, "big"))),
        ([(b"x-amz-checksum-algorithm", b"SHA256")], ChecksumRequest("SHA256")),
        (
            [(b"x-amz-trailer", b"X-Amz-Checksum-CRC64NVME"), (SDK, b"CRC64NVME")],
            ChecksumRequest("CRC64NVME", trailer="x-amz-checksum-crc64nvme"),
        ),
    ],
)
def test_what_a_request_declares(headers: list[tuple[bytes, bytes]], expected: ChecksumRequest) -> None:
    """A value, a trailer to come, or only an algorithm."""
    assert expected == checksums.requested(headers)


SINGLE = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ([CRC32, (b"x-amz-checksum-sha1", b"x")], SINGLE),
        ([CRC32, CRC32], SINGLE),
        ([CRC32, (b"x-amz-trailer", b"x-amz-checksum-crc32")], SINGLE),
        ([(b"x-amz-trailer", b"x-amz-checksum-crc32, x-amz-checksum-sha1")], SINGLE),
        ([(b"x-amz-checksum-crc32", b"AAAA")], "Value for x-amz-checksum-crc32 header is invalid."),
        ([(b"x-amz-checksum-crc32", b"y/Q5Jg==-2")], "Value for x-amz-checksum-crc32 header is invalid."),
        ([CRC32, (SDK, b"SHA1")], "Value for x-amz-sdk-checksum-algorithm header is invalid."),
        ([CRC32, (b"x-amz-checksum-algorithm", b"SHA1")], "Value for x-amz-checksum-algorithm header is invalid."),
        (
            [(SDK, b"CRC32")],
            (
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers "
                "were found."
            ),
        ),
        ([(b"x-amz-trailer", b"x-amz-meta-a")], "The value specified in the x-amz-trailer header is not supported"),
        (
            [(b"x-amz-checksum-md4", b"x")],
            (
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
                "[CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256]"
            ),
        ),
    ],
)
def test_what_a_request_cannot_declare(headers: list[tuple[bytes, bytes]], message: str) -> None:
    """In AWS's words."""
    with pytest.raises(errors.InvalidRequest) as caught:
        checksums.requested(headers)

    assert message == caught.value.message


def test_a_composite_value_has_the_number_of_parts_behind_it() -> None:
    """Only where it may stand: CompleteMultipartUpload."""
    headers = [(b"x-amz-checksum-crc32", b"y/Q5Jg==-12")]

    assert checksums.requested(headers, composite_allowed=True) == ChecksumRequest(
        "CRC32", zlib.crc32(CHECK).to_bytes(4, "big"), None, 12
    )
    for bad in (b"y/Q5Jg==-", b"y/Q5Jg==-x", b"y/Q5Jg==-1-2", b"y/Q5Jg==-123456"):
        with pytest.raises(errors.InvalidRequest):
            checksums.requested([(b"x-amz-checksum-crc32", bad)], composite_allowed=True)

"""The aws-chunked body: what it may look like, and what must not pass."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable

import pytest

from zakrom import errors
from zakrom.wire import chunked
from zakrom.wire.chunked import Decoder, Signer
from zakrom.wire.sigv4 import Verified

CRC = frozenset({"x-amz-checksum-crc32"})
SIGNED, SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def seed(payload: str = SIGNED) -> Verified:
    """A request whose signature was found true."""
    return Verified("AKID", payload, "5eed" * 16, b"key", "20261121/us-east-1/s3/aws4_request", "20261121T100000Z")


def unsigned(chunks: Iterable[bytes], trailers: bytes = b"") -> bytes:
    """A body without signatures."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n" + trailers + b"\r\n"


def signed(chunks: Iterable[bytes], trailers: dict[str, str] | None = None) -> bytes:
    """A body with signatures, and with signed trailers if there are some."""
    signer, body = Signer(seed()), []
    for chunk in (*chunks, b""):
        signature = signer.chunk(hashlib.sha256(chunk).hexdigest())
        body.append(b"%x;chunk-signature=%b\r\n%b" % (len(chunk), signature.encode(), chunk + b"\r\n" if chunk else b""))
    if trailers is not None:
        signature = signer.trailers("".join(f"{name}:{value}\n" for name, value in trailers.items()))
        lines = [*trailers.items(), ("x-amz-trailer-signature", signature)]
        body += [f"{name}:{value}\r\n".encode() for name, value in lines]
    return b"".join(body) + b"\r\n"


def decode(decoder: Decoder, body: bytes, piece_bytes: int = 1 << 20) -> bytes:
    """All content, from a body that comes in pieces."""
    content = []
    for begin in range(0, len(body), piece_bytes):
        content += decoder.feed(body[begin : begin + piece_bytes])
    decoder.finish()
    return b"".join(content)


CHUNKS = [b"a" * 70_000, b"\r\n0\r\n\r\n", b"b", bytes(range(256))]
CONTENT = b"".join(CHUNKS)
TRAILERS = {"x-amz-checksum-crc32": "AAAAAA=="}
VARIANTS = [
    pytest.param(unsigned(CHUNKS), frozenset(), False, False, id="unsigned"),
    pytest.param(unsigned(CHUNKS, b"x-amz-checksum-crc32:AAAAAA==\r\n"), CRC, False, False, id="unsigned, trailer"),
    pytest.param(signed(CHUNKS), frozenset(), True, False, id="signed"),
    pytest.param(signed(CHUNKS, TRAILERS), CRC, True, True, id="signed, trailer"),
    pytest.param(signed(CHUNKS, {}), frozenset(), True, True, id="signed, no trailer but its signature"),
]


def decoder_of(announced: frozenset[str], signatures: bool, signed_trailers: bool, length: int = len(CONTENT)) -> Decoder:
    """A decoder for one of the variants."""
    return Decoder(length, announced, Signer(seed()) if signatures else None, signed_trailers=signed_trailers)


@pytest.mark.parametrize(("body", "announced", "signatures", "signed_trailers"), VARIANTS)
@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 87, 65_536, 1 << 20])
def test_the_content_does_not_depend_on_the_pieces(
    body: bytes, announced: frozenset[str], signatures: bool, signed_trailers: bool, piece_bytes: int
) -> None:
    """Whole, in network pieces, byte by byte."""
    decoder = decoder_of(announced, signatures, signed_trailers)

    assert decode(decoder, body, piece_bytes) == CONTENT
    assert decoder.trailers == (TRAILERS if announced else {})


@pytest.mark.parametrize(("body", "announced", "signatures", "signed_trailers"), VARIANTS)
def test_a_body_that_is_cut_is_never_taken_for_whole(
    body: bytes, announced: frozenset[str], signatures: bool, signed_trailers: bool
) -> None:
    """Wherever the cut is; the very last, empty line may be missing."""
    for cut in [*range(1, 200), *range(70_000, len(body) - 2)]:
        decoder = decoder_of(announced, signatures, signed_trailers)
        with pytest.raises((errors.IncompleteBody, errors.MalformedTrailerError)):
            decode(decoder, body[:cut])


@pytest.mark.parametrize(("body", "announced", "signatures", "signed_trailers"), VARIANTS)
def test_nothing_may_follow_the_end(body: bytes, announced: frozenset[str], signatures: bool, signed_trailers: bool) -> None:
    """In the same piece or in another."""
    for piece_bytes in (1, 1 << 20):
        with pytest.raises(errors.IncompleteBody):
            decode(decoder_of(announced, signatures, signed_trailers), body + b"x", piece_bytes)


def test_an_empty_body() -> None:
    """No chunk but the last."""
    assert decode(Decoder(0), b"0\r\n\r\n") == b""
    assert decode(decoder_of(frozenset(), signatures=True, signed_trailers=False, length=0), signed([])) == b""


def test_large_pieces_are_not_copied() -> None:
    """A piece that is all content is handed on as it is; parts of one are views of it."""
    decoder = Decoder(200)
    piece = b"x" * 100

    first = decoder.feed(b"c8\r\n" + piece)
    second = decoder.feed(piece)

    assert isinstance(first[0], memoryview)
    assert second[0] is piece


# ----------------------------------------------------------------------------------------------------------- falsified


@pytest.mark.parametrize("at", [0, 5, 50, 80, 90, 300, 70_089, 70_091, 70_150, 70_280])
def test_a_changed_byte_is_found_out(at: int) -> None:
    """In content, sizes, signatures or framing."""
    body = bytearray(signed(CHUNKS, TRAILERS))
    body[at] ^= 1

    with pytest.raises((errors.SignatureDoesNotMatch, errors.IncompleteBody)):
        decode(decoder_of(CRC, signatures=True, signed_trailers=True), bytes(body))


def test_chunks_cannot_be_swapped_dropped_or_repeated() -> None:
    """Each signature covers the one before it."""
    chunk = [b"a" * 10, b"b" * 10]
    body = signed(chunk)
    size = len(b"a;chunk-signature=") + 64 + 2 + 10 + 2  # a chunk with its framing
    first, rest = body[:size], body[size:]
    second, last = rest[:size], rest[size:]

    for other, length in ((second + first + last, 20), (second + last, 10), (first + last, 10), (first + body, 30)):
        with pytest.raises(errors.SignatureDoesNotMatch) as caught:
            decode(decoder_of(frozenset(), signatures=True, signed_trailers=False, length=length), other)
        assert caught.value.fields["aws_access_key_id"] == "AKID"
        assert str(caught.value.fields["string_to_sign"]).startswith("AWS4-HMAC-SHA256-PAYLOAD\n20261121T100000Z\n")


def test_a_changed_trailer_is_found_out() -> None:
    """The signature of the trailers covers names and values."""
    body = signed(CHUNKS, TRAILERS).replace(b"AAAAAA==", b"AAAAAQ==")

    with pytest.raises(errors.SignatureDoesNotMatch) as caught:
        decode(decoder_of(CRC, signatures=True, signed_trailers=True), body)
    assert str(caught.value.fields["string_to_sign"]).startswith("AWS4-HMAC-SHA256-TRAILER\n")


def test_signatures_must_be_there_where_they_are_announced() -> None:
    """And must not be where they are not."""
    with pytest.raises(errors.IncompleteBody):
        decode(decoder_of(frozenset(), signatures=True, signed_trailers=False), unsigned(CHUNKS))
    with pytest.raises(errors.IncompleteBody):
        decode(Decoder(len(CONTENT)), signed(CHUNKS))
    with pytest.raises(errors.MalformedTrailerError):
        decode(decoder_of(frozenset(), signatures=True, signed_trailers=True), signed(CHUNKS))
    with pytest.raises(errors.MalformedTrailerError):
        decode(decoder_of(CRC, signatures=True, signed_trailers=False), signed(CHUNKS, TRAILERS))


# ------------------------------------------------------------------------------------------------------------ malformed


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n",
        b"x\r\na\r\n0\r\n\r\n",
        b"-1\r\n",
        b"0x1\r\na\r\n0\r\n\r\n",
        b" 1\r\na\r\n0\r\n\r\n",
        b"1;a=b\r\na\r\n0\r\n\r\n",
        b"1\na\n0\n\n",
        b"1\r\nab\r\n0\r\n\r\n",
        b"1\r\na0\r\n\r\n",
        b"11111111111111111\r\n",
        b"2\r\nab\r\n0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"0\r\n\r\n",
        b"1" * 200,
    ],
)
def test_broken_framing_is_an_incomplete_body(body: bytes) -> None:
    """One byte of content was announced; sizes are bare hexadecimal, lines end with CR LF."""
    for piece_bytes in (1, 1 << 20):
        with pytest.raises(errors.IncompleteBody):
            decode(Decoder(1), body, piece_bytes)


@pytest.mark.parametrize(
    "trailers",
    [
        b"",
        b"x-amz-checksum-crc32:AAAAAA==\r\nx-amz-checksum-crc32:AAAAAA==\r\n",
        b"x-amz-checksum-crc32:AAAAAA==\r\nx-amz-meta-a:1\r\n",
        b"x-amz-checksum-sha1:AAAAAA==\r\n",
        b"x-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:aa\r\n",
        b"x-amz-checksum-crc32 AAAAAA==\r\n",
        b":AAAAAA==\r\n",
        b"x-amz-checksum-crc32:\xff\r\n",
        b"x-amz-checksum-crc32:" + b"a" * 5000 + b"\r\n",
        b"a" * 5000,
    ],
)
def test_trailers_are_those_announced(trailers: bytes) -> None:
    """None missing, none twice, none else, and not without end."""
    for piece_bytes in (1, 1 << 20):
        with pytest.raises(errors.MalformedTrailerError):
            decode(Decoder(1, CRC), unsigned([b"a"], trailers), piece_bytes)


@pytest.mark.parametrize("trailer", [b"X-Amz-Checksum-CRC32: AAAAAA== \r\n", b"x-amz-checksum-crc32:AAAAAA==\n\r\n"])
def test_trailers_as_some_clients_write_them(trailer: bytes) -> None:
    """Any case, spaces, a line feed too many."""
    decoder = Decoder(1, CRC)

    assert decode(decoder, unsigned([b"a"], trailer)) == b"a"
    assert decoder.trailers == TRAILERS


def test_the_last_empty_line_may_be_missing() -> None:
    """The last chunk has said that it is the last."""
    decoder = Decoder(1, CRC)

    assert decode(decoder, unsigned([b"a"], b"x-amz-checksum-crc32:AAAAAA==\r\n")[:-2]) == b"a"
    assert decoder.trailers == TRAILERS


# --------------------------------------------------------------------------------------------------------------- headers


def headers(**more: str) -> list[tuple[bytes, bytes]]:
    """Those of a streaming request."""
    found = {"x-amz-decoded-content-length": "1"} | {name.replace("_", "-"): value for name, value in more.items()}
    return [(name.encode(), value.encode()) for name, value in found.items() if value]


def test_the_headers_say_how_to_decode() -> None:
    """Payload kind, decoded length, trailers announced."""
    plain = chunked.decoder(seed(), headers())
    trailing = chunked.decoder(seed(SIGNED_TRAILER), headers(x_amz_trailer="X-Amz-Checksum-CRC32"))
    free = chunked.decoder(seed(UNSIGNED_TRAILER), headers(x_amz_trailer=" x-amz-checksum-crc32 ,"))
    anonymous = chunked.decoder(None, headers(x_amz_content_sha256=UNSIGNED_TRAILER))

    assert plain.length == 1
    assert decode(plain, signed([b"a"])) == b"a"
    assert decode(trailing, signed([b"a"], TRAILERS)) == b"a"
    assert decode(free, unsigned([b"a"], b"x-amz-checksum-crc32:AAAAAA==\r\n")) == b"a"
    assert decode(anonymous, unsigned([b"a"])) == b"a"


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "9" * 20, "٣"])
def test_a_decoded_length_must_be_one(value: str) -> None:
    """Absent it is MissingContentLength, else InvalidRequest."""
    with pytest.raises(errors.InvalidRequest):
        chunked.decoder(seed(), headers(x_amz_decoded_content_length=value))
    with pytest.raises(errors.MissingContentLength):
        chunked.decoder(seed(), headers(x_amz_decoded_content_length=""))


def test_who_is_anonymous_cannot_sign_chunks() -> None:
    """There is no key to check them with."""
    with pytest.raises(errors.InvalidRequest, match="Anonymous requests don't support"):
        chunked.decoder(None, headers(x_amz_content_sha256=SIGNED))


# ----------------------------------------------------------------------------------------------------------------- cost


def test_ever_more_tiny_chunks_are_refused() -> None:
    """Some thousands are taken; then the work for each byte must stay in proportion."""
    body = b"1\r\na\r\n" * (chunked.SMALL_CHUNKS_MAX + 1)

    with pytest.raises(errors.InvalidChunkSizeError) as caught:
        decode(Decoder(1 << 30), body)
    assert caught.value.fields == {"chunk": chunked.SMALL_CHUNKS_MAX + 1, "bad_chunk_size": 1}


def test_many_chunks_of_a_fair_size_are_taken() -> None:
    """A large upload has many chunks."""
    count = chunked.SMALL_CHUNKS_MAX + 2000
    chunk = b"x" * chunked.CHUNK_BYTES_MEAN_MIN

    assert len(decode(Decoder(count * len(chunk)), unsigned([chunk] * count), 65_536)) == count * len(chunk)


@pytest.mark.alone
@pytest.mark.parametrize("chunk_bytes", [8 * 1024, 64 * 1024, 1024 * 1024])
def test_taking_the_framing_off_costs_little(chunk_bytes: int) -> None:
    """At least 1 GB/s, whatever the chunks, in pieces of 64 KiB (measured: 3.3, 21 and 88 GB/s)."""
    body = unsigned([b"x" * chunk_bytes] * (64 * 1024 * 1024 // chunk_bytes))
    pieces = [body[begin : begin + 65_536] for begin in range(0, len(body), 65_536)]

    def seconds() -> float:
        decoder = Decoder(64 * 1024 * 1024)
        begin = time.process_time()
        for piece in pieces:
            decoder.feed(piece)
        decoder.finish()
        return time.process_time() - begin

    assert len(body) / min(seconds() for _ in range(5)) > 1e9

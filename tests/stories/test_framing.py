"""Bodies as clients frame them: plain, in chunks, signed or not, with trailers; and bodies that are not what they say."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from zakrom.rules.multipart import PART_BYTES_MAX
from zakrom.web.message import Disconnected
from zakrom.wire import checksums
from zakrom.wire.sigv4 import signing_key

from .harness import MIB, ROOT, S3, Answer, chunked

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
EMPTY = hashlib.sha256().hexdigest()
BODY = b"0123456789" * 10_000


class Framer:
    """Frames and signs a body by its own code: what the server checks and what tests sign must not share a mistake."""

    def __init__(self, authorization: str, amz_date: str) -> None:
        self.previous = authorization.rpartition("Signature=")[2]
        self.scope = f"{amz_date[:8]}/{ROOT.region}/s3/aws4_request"
        self.date = amz_date
        self.key = signing_key(ROOT.secret, amz_date[:8], ROOT.region)

    def sign(self, kind: str, *hashes: str) -> str:
        """The next signature of the chain."""
        text = "\n".join([f"AWS4-HMAC-SHA256-{kind}", self.date, self.scope, self.previous, *hashes])
        self.previous = hmac.new(self.key, text.encode(), "sha256").hexdigest()
        return self.previous

    def chunk(self, data: bytes) -> bytes:
        """One chunk; an empty one ends the content."""
        signature = self.sign("PAYLOAD", EMPTY, hashlib.sha256(data).hexdigest())
        head = f"{len(data):x};chunk-signature={signature}\r\n".encode()
        return head + data + b"\r\n" if data else head

    def trailer(self, name: str, value: str) -> bytes:
        """A trailer and its signature."""
        signature = self.sign("TRAILER", hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest())
        return f"{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()


def put_signed(
    s3: S3,
    path: str,
    body: bytes,
    chunk: int,
    *,
    trailer: str | None = None,
    spoil: tuple[bytes, bytes] = (b"", b""),
    step: int = 0,
) -> Answer:
    """A PUT in signed chunks. ``spoil``: bytes of the framed body replaced by others; ``step``: how it arrives."""
    headers = {"x-amz-decoded-content-length": str(len(body)), "content-encoding": "aws-chunked"}
    if trailer:
        headers["x-amz-trailer"] = trailer
    request = s3.request("PUT", path, "", headers, b"", payload=SIGNED_TRAILER if trailer else SIGNED)
    framer = Framer(request.text("authorization") or "", request.text("x-amz-date") or "")
    framed = b"".join(framer.chunk(body[at : at + chunk]) for at in range(0, len(body), chunk)) + framer.chunk(b"")
    if trailer:
        algorithm = checksums.algorithm_of_header(trailer) or ""
        framed += framer.trailer(trailer, checksums.encode(checksums.digest(algorithm, body)))
    else:
        framed += b"\r\n"
    framed = framed.replace(*spoil) if spoil[0] else framed
    pieces = [framed[at : at + step] for at in range(0, len(framed), step)] if step else [framed]
    request.body._pieces[:] = pieces  # type: ignore[attr-defined]
    request.body.length = len(framed)
    return s3.ask_all([request])[0]


@pytest.mark.parametrize("chunk", [8192, 65_536, 200_000])
@pytest.mark.parametrize("trailer", [None, "x-amz-checksum-crc32", "x-amz-checksum-sha256"])
@pytest.mark.parametrize("step", [0, 1000])
def test_signed_chunks(s3: S3, bucket: str, chunk: int, trailer: str | None, step: int) -> None:
    """However they arrive; the framing is not stored, nor the word for it."""
    answer = put_signed(s3, bucket + "/key", BODY, chunk, trailer=trailer, step=step)

    assert answer.status == 200
    got = s3.ask("GET", bucket + "/key")
    assert got.body == BODY
    assert "content-encoding" not in got.headers
    if trailer:
        assert trailer in answer.headers


def test_a_chunk_that_was_changed(s3: S3, bucket: str) -> None:
    """403 with what was signed; nothing is stored."""
    answer = put_signed(s3, bucket + "/key", BODY, 8192, spoil=(b"0123", b"0124"))

    assert answer.error == (403, "SignatureDoesNotMatch")
    assert {"StringToSign", "SignatureProvided", "AWSAccessKeyId"} <= set(answer.fields)
    assert s3.keys(bucket) == []


def test_a_trailer_that_was_changed(s3: S3, bucket: str) -> None:
    """Its signature covers it."""
    answer = put_signed(
        s3,
        bucket + "/key",
        BODY,
        65_536,
        trailer="x-amz-checksum-crc32",
        spoil=(b"x-amz-checksum-crc32:", b"x-amz-checksum-crc32: A"),
    )

    assert answer.error == (403, "SignatureDoesNotMatch")
    assert s3.keys(bucket) == []


def put_unsigned(s3: S3, bucket: str, framed: bytes, decoded: str | None, **more: str) -> Answer:
    """A PUT in chunks that are not signed."""
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    if decoded is not None:
        headers["x-amz-decoded-content-length"] = decoded
    return s3.ask("PUT", bucket + "/key", "", headers, framed, payload=UNSIGNED_TRAILER)


CRC32 = "x-amz-checksum-crc32"
CRC32_OF_HELLO = "NhCmhg=="
HELLO = chunked(b"hel", b"lo", trailers=f"{CRC32}:{CRC32_OF_HELLO}\r\n")
BROKEN = [
    ("a trailer that was not announced", HELLO, "5", {}, (400, "MalformedTrailerError")),
    (
        "an announced trailer that does not come",
        chunked(b"hello"),
        "5",
        {"x_amz_trailer": CRC32},
        (400, "MalformedTrailerError"),
    ),
    (
        "another trailer than announced",
        chunked(b"hello", trailers="x-amz-checksum-sha1:AAAA\r\n"),
        "5",
        {"x_amz_trailer": CRC32},
        (400, "MalformedTrailerError"),
    ),
    (
        "no line of a trailer",
        chunked(b"hello", trailers="nonsense\r\n"),
        "5",
        {"x_amz_trailer": CRC32},
        (400, "MalformedTrailerError"),
    ),
    ("no decoded length", HELLO, None, {"x_amz_trailer": CRC32}, (411, "MissingContentLength")),
    ("a decoded length that is none", HELLO, "five", {"x_amz_trailer": CRC32}, (400, "InvalidRequest")),
    ("less content than announced", HELLO, "6", {"x_amz_trailer": CRC32}, (400, "IncompleteBody")),
    ("more content than announced", HELLO, "4", {"x_amz_trailer": CRC32}, (400, "IncompleteBody")),
    ("no end", b"5\r\nhello\r\n", "5", {}, (400, "IncompleteBody")),
    ("a size that is none", b"z\r\nhello\r\n0\r\n\r\n", "5", {}, (400, "IncompleteBody")),
    ("no line end behind a chunk", b"5\r\nhelloX0\r\n\r\n", "5", {}, (400, "IncompleteBody")),
    ("a huge size", b"ffffffffffffffff\r\nhello\r\n", "5", {}, (400, "IncompleteBody")),
    ("bytes behind the end", chunked(b"hello") + b"more", "5", {}, (400, "IncompleteBody")),
    ("an endless line", b"5" * 1000, "5", {}, (400, "IncompleteBody")),
    ("nothing", b"", "5", {}, (400, "IncompleteBody")),
]


@pytest.mark.parametrize(
    ("framed", "decoded", "headers", "error"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN]
)
def test_broken_framing(
    s3: S3, bucket: str, framed: bytes, decoded: str | None, headers: dict[str, str], error: tuple[int, str]
) -> None:
    """Told as what it is, and nothing is stored."""
    assert put_unsigned(s3, bucket, framed, decoded, **headers).error == error
    assert s3.keys(bucket) == []


@pytest.mark.parametrize("length", [-1, None])
def test_a_trailer_with_any_transfer(s3: S3, bucket: str, length: int | None) -> None:
    """With Content-Length, or by chunked transfer, where only the decoded length is known."""
    headers = {"x-amz-decoded-content-length": "5", "x-amz-trailer": CRC32, "content-encoding": "gzip,aws-chunked"}

    answer = s3.ask("PUT", bucket + "/key", "", headers, HELLO, payload=UNSIGNED_TRAILER, length=length)

    assert (answer.status, answer.headers[CRC32]) == (200, CRC32_OF_HELLO)
    got = s3.ask("GET", bucket + "/key")
    assert (got.body, got.headers["content-encoding"]) == (b"hello", "gzip")


@pytest.mark.parametrize(
    ("sent", "stored"),
    [("aws-chunked", None), ("gzip", "gzip"), ("aws-chunked,gzip", "gzip"), ("deflate, aws-chunked, gzip", "deflate,gzip")],
)
def test_codings_that_are_kept(s3: S3, bucket: str, sent: str, stored: str | None) -> None:
    """``aws-chunked`` is a framing of the transfer and no coding of the object."""
    s3.put(bucket + "/key", b"x", content_encoding=sent)

    assert s3.ask("GET", bucket + "/key").headers.get("content-encoding") == stored


def test_a_body_of_unknown_length(s3: S3, bucket: str) -> None:
    """Chunked transfer without any length is taken as it comes."""
    answer = s3.ask("PUT", bucket + "/key", body=BODY, pieces=[BODY[:50_000], BODY[50_000:]], length=None)

    assert answer.status == 200
    assert s3.ask("GET", bucket + "/key").body == BODY


def test_an_empty_body(s3: S3, bucket: str) -> None:
    """``Content-Length: 0`` is an object without bytes."""
    assert s3.put(bucket + "/key").etag == f'"{hashlib.md5(b"").hexdigest()}"'
    assert s3.ask("GET", bucket + "/key").body == b""


@pytest.mark.parametrize("size", [PART_BYTES_MAX + 1, 2**63 - 1])
def test_too_large_an_object(s3: S3, bucket: str, size: int) -> None:
    """5 GiB at once; more is refused before a byte is asked for, with both figures."""
    request = s3.request("PUT", bucket + "/key", payload="UNSIGNED-PAYLOAD", length=size)

    answer = s3.ask_all([request])[0]

    assert answer.error == (400, "EntityTooLarge")
    assert answer.fields == {"ProposedSize": str(size), "MaxSizeAllowed": str(PART_BYTES_MAX)}
    assert request.body.waiting  # type: ignore[attr-defined]


REFUSED: list[tuple[str, dict[str, str], tuple[int, str]]] = [
    ("/no-such-bucket/key", {}, (404, "NoSuchBucket")),
    ("{bucket}/key", {"if-match": '"none"'}, (404, "NoSuchKey")),
    ("{bucket}/key", {"x-amz-storage-class": "FAST"}, (400, "InvalidStorageClass")),
    ("{bucket}/key", {"content-md5": "bad"}, (400, "InvalidDigest")),
    ("{bucket}/key", {"x-amz-tagging": "a=1&a=2"}, (400, "InvalidArgument")),
    ("{bucket}/key", {"x-amz-meta-a": "x" * 3000}, (400, "MetadataTooLarge")),
    ("{bucket}/" + "k" * 1025, {}, (400, "KeyTooLongError")),
]


@pytest.mark.parametrize(("path", "headers", "error"), REFUSED)
def test_what_is_refused_before_100_continue(
    s3: S3, bucket: str, path: str, headers: dict[str, str], error: tuple[int, str]
) -> None:
    """The first read of a body is what answers ``Expect: 100-continue``: who is refused sends nothing."""
    request = s3.request("PUT", path.format(bucket=bucket), "", {"expect": "100-continue", **headers}, BODY)

    assert s3.ask_all([request])[0].error == error
    assert request.body.waiting  # type: ignore[attr-defined]


def test_a_stranger_is_refused_before_100_continue(s3: S3, bucket: str) -> None:
    """And so is a signature that is wrong."""
    anonymous = s3.request("PUT", bucket + "/key", "", {"expect": "100-continue"}, BODY, None)
    forged = s3.request("PUT", bucket + "/key", "", {"expect": "100-continue"}, BODY, ROOT._replace(secret="guess"))

    answers = s3.ask_all([anonymous, forged])

    assert [answer.error for answer in answers] == [(403, "AccessDenied"), (403, "SignatureDoesNotMatch")]
    assert anonymous.body.waiting  # type: ignore[attr-defined]
    assert forged.body.waiting  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", [10, 100_000, 3 * MIB])
def test_a_client_that_leaves(s3: S3, bucket: str, size: int) -> None:
    """In mid-body: no object, and no file is left."""
    before = s3.blob_files()
    request = s3.request("PUT", bucket + "/key", body=b"x" * size, pieces=[b"x" * (size // 2)], length=size, cut=True)

    with pytest.raises(Disconnected):
        s3.ask_all([request])
    assert s3.keys(bucket) == []
    assert s3.blob_files() == before

"""The law of every parser here: any input gives a value or one of our errors that is the caller's fault; and it ends."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from zakrom.errors import Denied, Invalid
from zakrom.wire import checksums, chunked, dates, documents, etags, headers, sigv4, tags
from zakrom.wire.chunked import Decoder, Signer
from zakrom.wire.sigv4 import RequestParts, Verified
from zakrom.wire.target import Query, parse_target

FEW = settings(max_examples=200, deadline=None)
VALUE = st.binary(max_size=60)
NAMES = st.sampled_from(
    [
        b"authorization",
        b"content-encoding",
        b"content-md5",
        b"content-type",
        b"date",
        b"host",
        b"x-amz-checksum-algorithm",
        b"x-amz-checksum-crc32",
        b"x-amz-checksum-type",
        b"x-amz-content-sha256",
        b"x-amz-date",
        b"x-amz-decoded-content-length",
        b"x-amz-meta-a",
        b"x-amz-sdk-checksum-algorithm",
        b"x-amz-security-token",
        b"x-amz-trailer",
    ]
)
AUTHORIZATION = st.builds(
    "AWS4-HMAC-SHA256 Credential={}/20261121/us-east-1/s3/aws4_request, SignedHeaders={}, Signature={}".format,
    st.text(max_size=8),
    st.sampled_from(["host", "host;x-amz-date", "", ";;", "host;x-amz-content-sha256;x-amz-date", "ф"]),
    st.text(max_size=8),
).map(str.encode)
LIKELY = st.sampled_from([b"20261121T100000Z", b"UNSIGNED-PAYLOAD", b"CRC32", b"x-amz-checksum-crc32", b"10", b"0" * 64])
HEADERS = st.lists(st.tuples(NAMES, VALUE | LIKELY | AUTHORIZATION), max_size=8)
PRESIGNED = st.lists(
    st.tuples(
        st.sampled_from(
            [
                b"X-Amz-Algorithm",
                b"X-Amz-Credential",
                b"X-Amz-Date",
                b"X-Amz-Expires",
                b"X-Amz-SignedHeaders",
                b"X-Amz-Signature",
                b"AWSAccessKeyId",
                b"Signature",
                b"Expires",
                b"response-content-type",
            ]
        ),
        VALUE
        | st.sampled_from([b"AWS4-HMAC-SHA256", b"a%2F20261121%2Fus-east-1%2Fs3%2Faws4_request", b"20261121T100000Z", b"host"]),
    ),
    max_size=9,
).map(lambda pairs: b"&".join(name + b"=" + value for name, value in pairs))
NOW_MS = 1_795_255_200_000


@FEW
@given(st.binary(max_size=80), PRESIGNED | st.binary(max_size=80), st.text(max_size=30) | st.none())
def test_targets(path: bytes, query: bytes, host: str | None) -> None:
    """Any request line, any host; what was parsed has a key that is UTF-8."""
    with contextlib.suppress(Invalid):
        target = parse_target(path, query, host, ("example.com", "com"))
        (target.key or b"").decode("utf-8")
        headers.response_overrides(target.query)
        headers.with_hoisted([], target.query)


@FEW
@given(st.sampled_from(["GET", "PUT"]), st.binary(max_size=40), PRESIGNED, HEADERS)
def test_claims(method: str, path: bytes, query: bytes, received: list[tuple[bytes, bytes]]) -> None:
    """Nobody is let in by chance."""
    with contextlib.suppress(Invalid, Denied):
        parsed = Query(query)
        claim = sigv4.classify(received, parsed)
        if claim is not None:
            sigv4.verify(claim, "secret", RequestParts(method, path, parsed, received), NOW_MS, "us-east-1")
            raise AssertionError("a signature was guessed")


@FEW
@given(HEADERS)
def test_headers_of_a_write(received: list[tuple[bytes, bytes]]) -> None:
    """What would be stored can be given back in headers."""
    with contextlib.suppress(Invalid):
        for name, value in headers.metadata_headers(headers.user_metadata(received)):
            assert (name + value).isascii()
            assert "\n" not in value
    for value in headers.kept(received).values():
        value.encode("latin-1")
    with contextlib.suppress(Invalid):
        checksums.requested(received, composite_allowed=True)
    with contextlib.suppress(Invalid):
        chunked.decoder(None, received)


@FEW
@given(st.text(max_size=60))
def test_values(text: str) -> None:
    """Any text in any header that is parsed."""
    dates.parse_amz_date(text)
    dates.parse_http_date(text)
    dates.parse_iso8601(text)
    etags.unquote(text)
    headers.decode_words(text)
    for parse in (headers.parse_copy_source, tags.parse_header, checksums.content_md5, checksums.parse_algorithm):
        with contextlib.suppress(Invalid):
            parse(text)


ELEMENTS = st.recursive(
    st.text("abc1 ", max_size=6),
    lambda inner: st.lists(
        st.tuples(
            st.sampled_from(["Object", "Key", "VersionId", "Quiet", "Part", "PartNumber", "ETag", "TagSet", "Tag", "Value"]),
            inner,
        ).map(lambda pair: f"<{pair[0]}>{pair[1]}</{pair[0]}>"),
        max_size=4,
    ).map("".join),
    max_leaves=12,
)
PARSERS = {
    "Delete": documents.parse_delete,
    "CompleteMultipartUpload": documents.parse_complete_multipart_upload,
    "Tagging": documents.parse_tagging,
    "VersioningConfiguration": documents.parse_versioning,
    "CreateBucketConfiguration": documents.parse_create_bucket,
}


@FEW
@given(st.sampled_from(sorted(PARSERS)), ELEMENTS)
def test_documents(root: str, content: str) -> None:
    """Any elements in any order."""
    with contextlib.suppress(Invalid):
        PARSERS[root](f"<{root}>{content}</{root}>".encode())


FRAGMENTS = st.sampled_from(
    [
        b"0",
        b"1",
        b"a",
        b"ff",
        b"\r\n",
        b"\n",
        b"\r",
        b";chunk-signature=",
        b"0" * 64,
        b"x-amz-checksum-crc32:AAAAAA==",
        b"x" * 200,
    ]
)


@FEW
@given(st.lists(FRAGMENTS, max_size=30), st.integers(1, 50), st.booleans(), st.integers(0, 300))
def test_chunks(fragments: list[bytes], piece_bytes: int, signatures: bool, length: int) -> None:
    """Never more content than announced, and all of it if the decoder is content."""
    verified = Verified("a", "", "", b"key", "", "")
    decoder = Decoder(length, frozenset({"x-amz-checksum-crc32"}), Signer(verified) if signatures else None)
    body = b"".join(fragments)
    got = 0
    with contextlib.suppress(Invalid, Denied):
        for begin in range(0, len(body), piece_bytes):
            got += sum(len(piece) for piece in decoder.feed(body[begin : begin + piece_bytes]))
        decoder.finish()
        assert got == length
    assert got <= length

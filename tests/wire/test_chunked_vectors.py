"""aws-chunked as others write it: the examples of the Amazon S3 API Reference, and botocore."""

from __future__ import annotations

import io
import zlib
from base64 import b64encode

from botocore.awsrequest import AWSRequest
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum

from zakrom.wire import chunked, sigv4
from zakrom.wire.chunked import Decoder
from zakrom.wire.sigv4 import RequestParts
from zakrom.wire.target import Query

ACCESS_KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NOW_MS = 1_369_353_600_000
CONTENT = b"a" * 66_560
CHUNKS = [CONTENT[:65_536], CONTENT[65_536:], b""]


def example(headers: dict[str, str], seed: str) -> Decoder:
    """The decoder for an example's request, whose own signature is checked on the way."""
    sent = {
        "content-encoding": "aws-chunked",
        "host": "s3.amazonaws.com",
        "x-amz-date": "20130524T000000Z",
        "x-amz-decoded-content-length": "66560",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
    } | headers
    sent["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={';'.join(sorted(sent))},Signature={seed}"
    )
    received = [(name.encode(), value.encode()) for name, value in sent.items()]
    query = Query(b"")
    claim = sigv4.classify(received, query)
    assert claim is not None
    parts = RequestParts("PUT", b"/examplebucket/chunkObject.txt", query, received)
    return chunked.decoder(sigv4.verify(claim, SECRET, parts, NOW_MS, "us-east-1"), received)


def body(signatures: list[str], trailers: bytes = b"") -> bytes:
    """An example's body."""
    lines = [
        b"%x;chunk-signature=%b\r\n%b" % (len(chunk), signature.encode(), chunk + b"\r\n" if chunk else b"")
        for chunk, signature in zip(CHUNKS, signatures, strict=True)
    ]
    return b"".join(lines) + trailers + b"\r\n"


def test_the_example_of_signed_chunks() -> None:
    """API Reference, "Transferring Payload in Multiple Chunks (Chunked Upload)": 66,824 bytes in all."""
    decoder = example(
        {"content-length": "66824", "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    )
    encoded = body(
        [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ]
    )

    content = b"".join(decoder.feed(encoded))
    decoder.finish()

    assert len(encoded) == 66_824
    assert content == CONTENT


def test_the_example_of_signed_trailers() -> None:
    """API Reference, the same "Including Trailing Headers"."""
    decoder = example(
        {
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "x-amz-trailer": "x-amz-checksum-crc32c",
        },
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    )
    encoded = body(
        [
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ],
        b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
        b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n",
    )

    content = b"".join(decoder.feed(encoded))
    decoder.finish()

    assert content == CONTENT
    assert decoder.trailers == {"x-amz-checksum-crc32c": "sOO8/Q=="}


def test_what_botocore_writes_over_tls() -> None:
    """STREAMING-UNSIGNED-PAYLOAD-TRAILER with a checksum behind the content."""
    wrapper = AwsChunkedWrapper(
        io.BytesIO(CONTENT), checksum_cls=Crc32Checksum, checksum_name="x-amz-checksum-crc32", chunk_size=65_536
    )
    request = AWSRequest("PUT", "https://h/b/k", data=wrapper)
    decoder = Decoder(len(CONTENT), frozenset({"x-amz-checksum-crc32"}))

    content = b"".join(piece for data in iter(request.data.read, b"") for piece in decoder.feed(data))
    decoder.finish()

    assert content == CONTENT
    checksum = b64encode(zlib.crc32(CONTENT).to_bytes(4, "big")).decode()
    assert decoder.trailers == {"x-amz-checksum-crc32": checksum}

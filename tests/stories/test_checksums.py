"""Checksums and digests: what a sender promises of the bytes, and what is told of them."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest

from zakrom.wire import checksums

from .harness import MIB, S3, Answer, chunked, md5_of

BODY = b"the bytes"
ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]
EVERY = pytest.mark.parametrize("algorithm", ALGORITHMS)
ASKED = {"x-amz-checksum-mode": "ENABLED"}


def value_of(algorithm: str, body: bytes = BODY) -> str:
    """As headers carry it."""
    return checksums.encode(checksums.digest(algorithm, body))


def header(algorithm: str) -> str:
    """``x-amz-checksum-…``."""
    return checksums.header_name(algorithm)


@EVERY
@pytest.mark.parametrize("size", [0, 9, 100_000, 2 * MIB])
def test_a_checksum_in_a_header(s3: S3, bucket: str, algorithm: str, size: int) -> None:
    """Verified, kept, and told: in the answer, and by GET, HEAD, attributes and listings."""
    body = (BODY * (size // 9 + 1))[:size]
    expected = value_of(algorithm, body)

    put = s3.ask("PUT", bucket + "/key", headers={header(algorithm): expected}, body=body)

    assert (put.headers[header(algorithm)], put.headers["x-amz-checksum-type"]) == (expected, "FULL_OBJECT")
    for method in ("GET", "HEAD"):
        assert s3.ask(method, bucket + "/key", headers=ASKED).headers[header(algorithm)] == expected
    attributes = s3.ask("GET", bucket + "/key", "attributes", {"x-amz-object-attributes": "Checksum"})
    assert attributes.text(f"Checksum/Checksum{algorithm}") == expected
    listed = s3.ask("GET", bucket, "list-type=2")
    assert (listed.text("Contents/ChecksumAlgorithm"), listed.text("Contents/ChecksumType")) == (algorithm, "FULL_OBJECT")


@EVERY
def test_a_checksum_in_a_trailer(s3: S3, bucket: str, algorithm: str) -> None:
    """As SDKs send it: the same, behind the body."""
    expected = value_of(algorithm)
    headers = {"x-amz-trailer": header(algorithm), "x-amz-decoded-content-length": str(len(BODY))}
    payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    def put(value: str) -> Answer:
        framed = chunked(BODY, trailers=f"{header(algorithm)}:{value}\r\n")
        return s3.ask("PUT", bucket + "/key", "", headers, framed, payload=payload)

    wrong = put(value_of(algorithm, b"other"))
    assert wrong.error == (400, "BadDigest")
    assert s3.keys(bucket) == []
    assert put(expected).headers[header(algorithm)] == expected
    assert s3.ask("GET", bucket + "/key", headers=ASKED).headers[header(algorithm)] == expected


def test_no_checksum_declared(s3: S3, bucket: str) -> None:
    """The server computes CRC64NVME."""
    s3.put(bucket + "/key", BODY)

    assert s3.ask("HEAD", bucket + "/key", headers=ASKED).headers["x-amz-checksum-crc64nvme"] == value_of("CRC64NVME")


@EVERY
def test_wrong_checksums(s3: S3, bucket: str, algorithm: str) -> None:
    """Another value: BadDigest. No such value: InvalidRequest. Nothing is stored."""
    wrong = s3.ask("PUT", bucket + "/key", headers={header(algorithm): value_of(algorithm, b"other")}, body=BODY)
    assert wrong.error == (400, "BadDigest")
    assert wrong.text("Message") == f"The {algorithm} you specified did not match the calculated checksum."
    for text in ("bad", "AAAA", "=", b64encode(b"x" * 33).decode()):
        answer = s3.ask("PUT", bucket + "/key", headers={header(algorithm): text}, body=BODY)
        assert (answer.error, answer.text("Message")) == (
            (400, "InvalidRequest"),
            f"Value for {header(algorithm)} header is invalid.",
        )

    assert s3.keys(bucket) == []


CONTRADICTIONS = [
    {header("CRC32"): value_of("CRC32"), header("SHA1"): value_of("SHA1")},
    {header("CRC32"): value_of("CRC32"), "x-amz-sdk-checksum-algorithm": "SHA256"},
    {"x-amz-sdk-checksum-algorithm": "CRC32"},
    {"x-amz-checksum-crc16": "AAA="},
    {"x-amz-checksum-algorithm": "CRC16"},
]


@pytest.mark.parametrize("headers", CONTRADICTIONS)
def test_declarations_that_contradict_each_other(s3: S3, bucket: str, headers: dict[str, str]) -> None:
    """Two checksums, or an algorithm without one: 400."""
    assert s3.ask("PUT", bucket + "/key", headers=headers, body=BODY).error == (400, "InvalidRequest")


# ------------------------------------------------------------------------------------------------------------ multipart

TYPES = [
    ("CRC32", None, "COMPOSITE"), ("CRC32C", None, "COMPOSITE"), ("SHA1", None, "COMPOSITE"), ("SHA256", None, "COMPOSITE"),
    ("CRC64NVME", None, "FULL_OBJECT"), ("CRC32", "FULL_OBJECT", "FULL_OBJECT"), ("CRC32C", "FULL_OBJECT", "FULL_OBJECT"),
]  # fmt: skip


@pytest.mark.parametrize(("algorithm", "asked", "expected"), TYPES)
def test_checksums_of_multipart_objects(s3: S3, bucket: str, algorithm: str, asked: str | None, expected: str) -> None:
    """COMPOSITE by default but for CRC64NVME; composite ones are told with the number of parts, but not in attributes."""
    path = bucket + "/key"
    bodies = [b"a" * 5 * MIB, b"b" * 5 * MIB, b"c"]
    headers = {"x-amz-checksum-algorithm": algorithm} | ({"x-amz-checksum-type": asked} if asked else {})
    created = s3.ask("POST", path, "uploads", headers)
    assert created.headers["x-amz-checksum-algorithm"] == algorithm
    assert created.headers["x-amz-checksum-type"] == expected
    upload = created.text("UploadId") or ""
    rows = ""
    for number, body in enumerate(bodies, 1):
        answer = s3.part(path, upload, number, body, **{header(algorithm): value_of(algorithm, body)})
        assert answer.headers[header(algorithm)] == value_of(algorithm, body)
        rows += (
            f"<Part><PartNumber>{number}</PartNumber><ETag>{answer.etag}</ETag>"
            f"<Checksum{algorithm}>{value_of(algorithm, body)}</Checksum{algorithm}></Part>"
        )
    if expected == "FULL_OBJECT":
        bare = shown = value_of(algorithm, b"".join(bodies))
    else:
        bare = value_of(algorithm, b"".join(checksums.digest(algorithm, body) for body in bodies))
        shown = f"{bare}-3"
    listed = s3.ask("GET", path, {"uploadId": upload})
    assert (listed.text("ChecksumAlgorithm"), listed.text("ChecksumType")) == (algorithm, expected)
    assert listed.texts(f"Part/Checksum{algorithm}") == [value_of(algorithm, body) for body in bodies]
    shown_uploads = s3.ask("GET", bucket, "uploads")
    assert (shown_uploads.text("Upload/ChecksumAlgorithm"), shown_uploads.text("Upload/ChecksumType")) == (algorithm, expected)

    other = "COMPOSITE" if expected == "FULL_OBJECT" else "FULL_OBJECT"
    refused = s3.complete(path, upload, rows, x_amz_checksum_type=other)
    assert refused.text("Message") == (
        f"The upload was created using the {expected} checksum mode. The complete request must use the same checksum mode."
    )
    wrong = s3.complete(path, upload, rows, **{header(algorithm): value_of(algorithm, b"other")})
    message = f"The {algorithm.lower()} you specified did not match the calculated checksum."
    assert (wrong.error, wrong.text("Message")) == ((400, "BadDigest"), message)
    if expected == "COMPOSITE":
        assert s3.complete(path, upload, rows, **{header(algorithm): f"{bare}-2"}).error == (400, "BadDigest")
    done = s3.complete(path, upload, rows, **{header(algorithm): shown, "x_amz_checksum_type": expected})

    assert (done.text(f"Checksum{algorithm}"), done.text("ChecksumType")) == (shown, expected)
    for method in ("GET", "HEAD"):
        told = s3.ask(method, path, headers=ASKED).headers
        assert (told[header(algorithm)], told["x-amz-checksum-type"]) == (shown, expected)
    attributes = s3.ask("GET", path, "attributes", {"x-amz-object-attributes": "Checksum"})
    assert attributes.text(f"Checksum/Checksum{algorithm}") == bare


@pytest.mark.parametrize(
    ("algorithm", "type_", "message"),
    [
        ("CRC64NVME", "COMPOSITE", "The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm."),
        ("SHA256", "FULL_OBJECT", "The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm."),
        ("SHA1", "FULL_OBJECT", "The FULL_OBJECT checksum type cannot be used with the sha1 checksum algorithm."),
        (None, "COMPOSITE", "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."),
        ("CRC32", "PARTIAL", "Value for x-amz-checksum-type header is invalid."),
    ],
)
def test_types_that_cannot_be(s3: S3, bucket: str, algorithm: str | None, type_: str, message: str) -> None:
    """400 in AWS's words."""
    headers = {"x-amz-checksum-type": type_} | ({"x-amz-checksum-algorithm": algorithm} if algorithm else {})

    answer = s3.ask("POST", bucket + "/key", "uploads", headers)

    assert (answer.error, answer.text("Message")) == ((400, "InvalidRequest"), message)


def test_a_part_in_another_algorithm(s3: S3, bucket: str) -> None:
    """The upload's algorithm binds; without one, parts may declare any, and the object gets CRC64NVME."""
    path = bucket + "/key"
    bound = s3.upload(path, x_amz_checksum_algorithm="CRC32")
    refused = s3.part(path, bound, 1, BODY, **{header("SHA256"): value_of("SHA256")})
    assert (refused.error, refused.text("Message")) == (
        (400, "InvalidRequest"),
        "Checksum Type mismatch occurred, expected checksum Type: crc32, actual checksum Type: sha256",
    )
    free = s3.upload(path)
    part = s3.part(path, free, 1, BODY, **{header("CRC32C"): value_of("CRC32C")})
    assert part.headers[header("CRC32C")] == value_of("CRC32C")
    row = f"<Part><PartNumber>1</PartNumber><ETag>{part.etag}</ETag>{{}}</Part>"
    named = row.format(f"<ChecksumCRC32C>{value_of('CRC32C')}</ChecksumCRC32C>")
    assert s3.complete(path, free, named).error == (400, "InvalidPart")
    null = s3.complete(path, free, row.format(""), x_amz_checksum_type="FULL_OBJECT")
    assert (null.text("Message") or "").startswith("The upload was created using the null checksum mode.")
    done = s3.complete(path, free, row.format(""), **{header("CRC32C"): value_of("CRC32C", b"ignored")})
    assert (done.text("ChecksumCRC64NVME"), done.text("ChecksumType")) == (value_of("CRC64NVME"), "FULL_OBJECT")


def test_a_composite_upload_wants_the_checksum_of_each_part(s3: S3, bucket: str) -> None:
    """Missing, or of another algorithm: 400."""
    path = bucket + "/key"
    upload = s3.upload(path, x_amz_checksum_algorithm="SHA1")
    etag = s3.part(path, upload, 1, BODY).etag

    missing = s3.complete(path, upload, [(1, etag)])
    assert missing.error == (400, "InvalidRequest")
    assert missing.text("Message") == (
        "The upload was created using a sha1 checksum. The complete request must include the checksum for each part. "
        "It was missing for part 1 in the request."
    )
    other = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag><ChecksumSHA256>{value_of('SHA256')}</ChecksumSHA256></Part>"
    answer = s3.complete(path, upload, other)
    assert (answer.error, answer.text("Message")) == (
        (400, "BadDigest"),
        "The sha256 you specified for part 1 did not match what we received.",
    )


# -------------------------------------------------------------------------------------------------------------- digests


def test_content_md5(s3: S3, bucket: str) -> None:
    """The right one passes; another is BadDigest with both values, one that is none InvalidDigest."""
    path = bucket + "/key"
    assert s3.ask("PUT", path, headers={"content-md5": md5_of(BODY)}, body=BODY).status == 200

    wrong = s3.ask("PUT", path, headers={"content-md5": md5_of(b"other")}, body=BODY)
    assert wrong.error == (400, "BadDigest")
    assert wrong.fields == {"ExpectedDigest": hashlib.md5(b"other").hexdigest(), "CalculatedDigest": md5_of(BODY)}
    for text in ("not base64!", "AAAA", "", hashlib.md5(BODY).hexdigest()):
        bad = s3.ask("PUT", path, headers={"content-md5": text}, body=BODY)
        assert (bad.error, bad.fields) == ((400, "InvalidDigest"), {"Content-MD5": text})
    upload = s3.upload(path)
    assert s3.part(path, upload, 1, BODY, content_md5=md5_of(b"other")).error == (400, "BadDigest")


def test_the_hash_in_the_signature(s3: S3, bucket: str) -> None:
    """What was signed must have come: both values are told. A hash that is none is refused."""
    signed = hashlib.sha256(b"other").hexdigest()

    answer = s3.ask("PUT", bucket + "/key", body=BODY, payload=signed)

    assert answer.error == (400, "XAmzContentSHA256Mismatch")
    assert answer.fields == {
        "ClientComputedContentSHA256": signed,
        "S3ComputedContentSHA256": hashlib.sha256(BODY).hexdigest(),
    }
    assert s3.ask("PUT", bucket + "/key", body=BODY, payload="nonsense").error == (400, "InvalidArgument")
    assert s3.ask("PUT", bucket + "/key", body=BODY, payload="UNSIGNED-PAYLOAD").status == 200

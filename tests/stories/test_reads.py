"""Reads: ranges, parts, overrides of headers, and what a HEAD says."""

from __future__ import annotations

import hashlib

import pytest

from zakrom.wire import checksums

from .harness import MIB, S3

DIGITS = b"0123456789"


@pytest.fixture
def digits(s3: S3, bucket: str) -> str:
    """An object of ten bytes."""
    s3.put(bucket + "/digits", DIGITS)
    return bucket + "/digits"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("range_", "expected", "where"),
    [
        ("bytes=0-8", b"012345678", "bytes 0-8/10"),
        ("bytes=1-1", b"1", "bytes 1-1/10"),
        ("bytes=1-", b"123456789", "bytes 1-9/10"),
        ("bytes=5-100", b"56789", "bytes 5-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=-15", DIGITS, "bytes 0-9/10"),
        ("bytes=0-", DIGITS, "bytes 0-9/10"),
    ],
)
def test_ranges(s3: S3, digits: str, method: str, range_: str, expected: bytes, where: str) -> None:
    """206, the bytes, and where they lie; the length is that of the range."""
    answer = s3.ask(method, digits, headers={"range": range_})

    assert (answer.status, answer.headers["content-range"], answer.length) == (206, where, len(expected))
    assert answer.body == (expected if method == "GET" else b"")
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("range_", ["bytes=1-0", "bytes=-1-", "bytes=0-1,3-4", "bytes=a-b", "lines=0-1", "bytes=-", "0-1", ""])
def test_ranges_that_are_none(s3: S3, digits: str, range_: str) -> None:
    """Malformed, reversed, several, or of another unit: the whole object, as AWS does."""
    answer = s3.ask("GET", digits, headers={"range": range_})

    assert (answer.status, answer.body) == (200, DIGITS)
    assert "content-range" not in answer.headers


@pytest.mark.parametrize("range_", ["bytes=-0", "bytes=10-", "bytes=100-200"])
def test_ranges_beyond_the_end(s3: S3, digits: str, range_: str) -> None:
    """416 with the size and what was asked."""
    answer = s3.ask("GET", digits, headers={"range": range_})

    assert answer.error == (416, "InvalidRange")
    assert answer.fields == {"ActualObjectSize": "10", "RangeRequested": range_}
    assert answer.headers["content-range"] == "bytes */10"
    assert s3.ask("HEAD", digits, headers={"range": range_}).status == 416


def test_an_empty_object_has_no_range(s3: S3, bucket: str) -> None:
    """No byte of nothing can be had."""
    s3.put(bucket + "/empty")

    assert s3.ask("GET", bucket + "/empty", headers={"range": "bytes=0-"}).error == (416, "InvalidRange")
    assert s3.ask("GET", bucket + "/empty").body == b""


@pytest.mark.parametrize("size", [100_000, 3 * MIB + 17])
def test_ranges_of_objects_in_files(s3: S3, bucket: str, size: int) -> None:
    """Across blocks and pieces, the bytes are those that were put."""
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    s3.put(bucket + "/large", body)

    for first, last in [(0, 0), (1, 131_072), (size - 1, size - 1), (size // 2, size - 2), (0, size - 1)]:
        answer = s3.ask("GET", bucket + "/large", headers={"range": f"bytes={first}-{last}"})
        assert answer.body == body[first : last + 1]


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("etag", 206),
        ("bare etag", 206),
        ("date", 206),
        ('"00000000000000000000000000000000"', 200),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 200),
        ("nonsense", 200),
    ],
)
def test_if_range(s3: S3, digits: str, condition: str, status: int) -> None:
    """A range only of what the client has already; else the whole (RFC 9110, 13.1.5)."""
    head = s3.ask("HEAD", digits)
    known = {"etag": head.etag, "bare etag": head.etag.strip('"'), "date": head.headers["last-modified"]}

    answer = s3.ask("GET", digits, headers={"range": "bytes=0-1", "if-range": known.get(condition, condition)})

    assert (answer.status, answer.body) == (status, b"01" if status == 206 else DIGITS)


def test_the_checksum_comes_with_the_whole_only(s3: S3, digits: str) -> None:
    """A client checks what it received: a range must not carry the checksum of all. Without asking nothing is told."""
    asked = {"x-amz-checksum-mode": "ENABLED"}

    assert "x-amz-checksum-crc64nvme" in s3.ask("GET", digits, headers=asked).headers
    assert "x-amz-checksum-crc64nvme" in s3.ask("HEAD", digits, headers=asked).headers
    assert not any("checksum" in name for name in s3.ask("GET", digits, headers={**asked, "range": "bytes=0-1"}).headers)
    assert not any("checksum" in name for name in s3.ask("GET", digits).headers)


# ------------------------------------------------------------------------------------------------------------- one part


@pytest.fixture(scope="module")
def parts(s3: S3) -> str:
    """An object of two parts."""
    bucket = s3.bucket()
    s3.multipart(bucket + "/parts", b"a" * 5 * MIB, b"tail")
    return bucket + "/parts"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_one_part_of_an_object(s3: S3, parts: str, method: str) -> None:
    """``partNumber``: 206 with its place and the number of parts."""
    answer = s3.ask(method, parts, "partNumber=2", {"x-amz-checksum-mode": "ENABLED"})

    total = 5 * MIB + 4
    assert (answer.status, answer.length) == (206, 4)
    assert answer.headers["content-range"] == f"bytes {5 * MIB}-{total - 1}/{total}"
    assert answer.headers["x-amz-mp-parts-count"] == "2"
    assert answer.body == (b"tail" if method == "GET" else b"")
    assert answer.headers["x-amz-checksum-crc64nvme"] == checksums.encode(checksums.digest("CRC64NVME", b"tail"))


def test_parts_that_are_not_there(s3: S3, parts: str, digits: str) -> None:
    """416 with how many there are; an object put at once is its own part 1."""
    answer = s3.ask("GET", parts, "partNumber=10")
    assert (answer.error, answer.fields) == (
        (416, "InvalidPartNumber"),
        {"ActualPartCount": "2", "PartNumberRequested": "10"},
    )
    whole = s3.ask("GET", digits, "partNumber=1")
    assert (whole.status, whole.body, whole.headers["content-range"]) == (206, DIGITS, "bytes 0-9/10")
    assert "x-amz-mp-parts-count" not in whole.headers
    assert s3.ask("GET", digits, "partNumber=2").fields == {"ActualPartCount": "1", "PartNumberRequested": "2"}


@pytest.mark.parametrize("number", ["0", "-1", "10001", "one", ""])
def test_part_numbers_that_are_none(s3: S3, digits: str, number: str) -> None:
    """400 with the argument."""
    answer = s3.ask("GET", digits, {"partNumber": number})

    assert answer.error == (400, "InvalidArgument")
    assert answer.fields == {"ArgumentName": "partNumber", "ArgumentValue": number}


def test_a_range_of_a_part(s3: S3, parts: str) -> None:
    """Not both."""
    assert s3.ask("GET", parts, "partNumber=1", {"range": "bytes=0-1"}).error == (400, "InvalidRequest")


def test_part_numbers_are_counted_anew(s3: S3, bucket: str) -> None:
    """Uploaded as 3 and 7, read as 1 and 2."""
    path = bucket + "/gaps"
    upload = s3.upload(path)
    etags = [(number, s3.part(path, upload, number, body).etag) for number, body in [(3, b"a" * 5 * MIB), (7, b"b")]]
    assert s3.ask("GET", path, "partNumber=1").error == (404, "NoSuchKey")
    s3.complete(path, upload, etags)

    assert s3.ask("GET", path, "partNumber=2").body == b"b"


# ------------------------------------------------------------------------------------------------------------- headers


def test_etags_are_quoted(s3: S3, parts: str, digits: str) -> None:
    """In headers and listings; not in GetObjectAttributes. That of parts is the MD5 of their MD5s and their number."""
    md5s = hashlib.md5(b"a" * 5 * MIB).digest() + hashlib.md5(b"tail").digest()
    composed = f"{hashlib.md5(md5s).hexdigest()}-2"
    attributes = {"x-amz-object-attributes": "ETag"}

    assert s3.ask("HEAD", parts).etag == f'"{composed}"'
    assert s3.ask("GET", digits).etag == f'"{hashlib.md5(DIGITS).hexdigest()}"'
    assert s3.ask("GET", parts, "attributes", attributes).text("ETag") == composed
    assert s3.ask("GET", parts.rpartition("/")[0], "list-type=2").texts("Contents/ETag") == [f'"{composed}"']


OVERRIDES = {
    "response-cache-control": ("cache-control", "no-cache"),
    "response-content-disposition": ("content-disposition", 'attachment; filename="a b.txt"'),
    "response-content-encoding": ("content-encoding", "gzip"),
    "response-content-language": ("content-language", "tlh"),
    "response-content-type": ("content-type", "foo/bar"),
    "response-expires": ("expires", "Thu, 01 Dec 1994 16:00:00 GMT"),
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_response_overrides(s3: S3, digits: str, method: str) -> None:
    """``response-*`` change the answer's headers and nothing else."""
    answer = s3.ask(method, digits, {name: value for name, (_, value) in OVERRIDES.items()})

    assert answer.status == 200
    assert {name: answer.headers[name] for name, _ in OVERRIDES.values()} == dict(OVERRIDES.values())
    assert [name for name, _ in answer.all_headers].count("content-type") == 1
    assert s3.ask(method, digits).headers["content-type"] == "binary/octet-stream"


def test_overrides_that_no_header_can_carry(s3: S3, digits: str) -> None:
    """A line feed would split the answer; what is beyond ISO 8859-1 cannot be sent."""
    for value in ("a\r\nx-injected: 1", "\u4e00"):
        answer = s3.ask("GET", digits, {"response-content-disposition": value})
        assert answer.error == (400, "InvalidArgument")


def test_a_head_says_what_a_get_would(s3: S3, bucket: str) -> None:
    """The same headers, but for the body."""
    s3.put(bucket + "/key", b"x" * 100_000, content_type="text/plain", x_amz_meta_a="b", x_amz_tagging="a=1")
    get, head = s3.ask("GET", bucket + "/key"), s3.ask("HEAD", bucket + "/key")
    varying = {"x-amz-request-id"}

    assert {k: v for k, v in get.headers.items() if k not in varying} == {
        k: v for k, v in head.headers.items() if k not in varying
    }
    assert (get.length, head.length, head.body) == (100_000, 100_000, b"")
    assert get.headers["x-amz-tagging-count"] == "1"


@pytest.mark.parametrize("path", ["/absent", ""])
def test_head_errors_have_no_body(s3: S3, bucket: str, path: str) -> None:
    """404 and nothing else; the request id is in the header."""
    where = bucket + path if path else "/no-such-bucket-at-all"

    answer = s3.ask("HEAD", where)

    assert (answer.status, answer.body) == (404, b"")
    assert answer.headers["x-amz-request-id"]


def test_the_request_id_is_the_same_in_header_and_body(s3: S3, bucket: str) -> None:
    """Who reports an error can name it."""
    answer = s3.ask("GET", bucket + "/absent")

    assert answer.error == (404, "NoSuchKey")
    assert answer.text("RequestId") == answer.headers["x-amz-request-id"]
    assert answer.text("HostId") == answer.headers["x-amz-id-2"]
    assert answer.text("Message") == "The specified key does not exist."
    assert answer.fields == {"Key": "absent"}
    assert answer.headers["content-type"] == "application/xml"


@pytest.mark.parametrize("storage_class", ["STANDARD_IA", "REDUCED_REDUNDANCY", "GLACIER_IR"])
def test_storage_classes_are_kept_and_told(s3: S3, bucket: str, storage_class: str) -> None:
    """In HEAD, listings and attributes; STANDARD is not told in headers."""
    s3.put(bucket + "/key", b"x", x_amz_storage_class=storage_class)
    s3.put(bucket + "/plain", b"x")

    assert s3.ask("HEAD", bucket + "/key").headers["x-amz-storage-class"] == storage_class
    assert "x-amz-storage-class" not in s3.ask("HEAD", bucket + "/plain").headers
    assert s3.ask("GET", bucket, "list-type=2").texts("Contents/StorageClass") == [storage_class, "STANDARD"]
    attributes = s3.ask("GET", bucket + "/key", "attributes", {"x-amz-object-attributes": "StorageClass,ObjectSize"})
    assert (attributes.text("StorageClass"), attributes.text("ObjectSize")) == (storage_class, "1")
    wrong = s3.ask("PUT", bucket + "/key", headers={"x-amz-storage-class": "FAST"})
    assert wrong.error == (400, "InvalidStorageClass")


def test_attributes_are_named_or_refused(s3: S3, digits: str) -> None:
    """No attribute, or one that is none: 400. Several header lines count as one list."""
    assert s3.ask("GET", digits, "attributes").error == (400, "InvalidArgument")
    answer = s3.ask("GET", digits, "attributes", {"x-amz-object-attributes": "ETag,Colour"})
    assert (answer.error, answer.fields["ArgumentValue"]) == ((400, "InvalidArgument"), "Colour")
    request = s3.request("GET", digits, "attributes", {"x-amz-object-attributes": "ETag,ObjectSize"})
    name = b"x-amz-object-attributes"
    request.headers = [pair for pair in request.headers if pair[0] != name] + [(name, b"ETag"), (name, b"ObjectSize")]
    assert [node.tag for node in s3.ask_all([request])[0].xml] == ["ETag", "ObjectSize"]


def test_attributes_list_the_parts(s3: S3, bucket: str, parts: str) -> None:
    """Their number, and themselves in pages, with the checksums that they were uploaded with."""
    path = bucket + "/composite"
    upload = s3.upload(path, x_amz_checksum_algorithm="SHA256")
    rows = ""
    for number, body in [(1, b"a" * 5 * MIB), (2, b"b" * 5 * MIB), (3, b"c")]:
        answer = s3.part(path, upload, number, body)
        value = answer.headers["x-amz-checksum-sha256"]
        rows += (
            f"<Part><PartNumber>{number}</PartNumber><ETag>{answer.etag}</ETag><ChecksumSHA256>{value}</ChecksumSHA256></Part>"
        )
    assert s3.complete(path, upload, rows).status == 200
    asked = {"x-amz-object-attributes": "ObjectParts"}

    plain = s3.ask("GET", parts, "attributes", asked)
    assert plain.text("ObjectParts/PartsCount") == "2"
    assert plain.texts("ObjectParts/Part/Size") == [str(5 * MIB), "4"]
    whole = s3.ask("GET", bucket + "/composite", "attributes", {"x-amz-object-attributes": "Checksum"})
    assert "-" not in (whole.text("Checksum/ChecksumSHA256") or "-")
    assert whole.text("Checksum/ChecksumType") == "COMPOSITE"
    page = s3.ask("GET", path, "attributes", {**asked, "x-amz-max-parts": "1", "x-amz-part-number-marker": "1"})
    found = {node.tag: node.text for node in page.xml[0] if not len(node)}
    assert found == {
        "PartsCount": "3", "PartNumberMarker": "1", "NextPartNumberMarker": "2", "MaxParts": "1", "IsTruncated": "true",
    }  # fmt: skip
    assert page.texts("ObjectParts/Part/PartNumber") == ["2"]

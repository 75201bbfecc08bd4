"""CopyObject: the same bytes under another name, never written twice."""

from __future__ import annotations

import pytest

from zakrom.wire import checksums

from .harness import MIB, S3, key_path


@pytest.mark.parametrize("size", [0, 10, 100_000])
def test_a_copy_writes_no_bytes(s3: S3, bucket: str, size: int) -> None:
    """No blob more than before; the copy outlives its source."""
    s3.put(bucket + "/key", b"x" * size, content_type="text/plain", x_amz_meta_a="1", x_amz_tagging="t=1")
    before = s3.blob_files()

    answer = s3.ask("PUT", bucket + "/copy", headers={"x-amz-copy-source": bucket + "/key"})

    assert answer.status == 200
    assert s3.blob_files() == before
    assert [node.tag for node in answer.xml] == ["LastModified", "ETag", "ChecksumCRC64NVME", "ChecksumType"]
    s3.ask("DELETE", bucket + "/key")
    got = s3.ask("GET", bucket + "/copy")
    assert (got.body, got.headers["content-type"], got.headers["x-amz-meta-a"]) == (b"x" * size, "text/plain", "1")
    assert got.headers["x-amz-tagging-count"] == "1"
    assert got.etag == answer.text("ETag")


def test_a_copy_of_parts_writes_no_bytes(s3: S3, bucket: str) -> None:
    """Also of an object of many parts, and a part that is a copy."""
    made = s3.multipart(bucket + "/key", b"a" * 5 * MIB, b"b" * 100_000)
    before = s3.blob_files()

    answer = s3.ask("PUT", bucket + "/copy", headers={"x-amz-copy-source": bucket + "/key"})
    assert answer.text("ETag") == made.text("ETag")
    upload = s3.upload(bucket + "/parts")
    query = {"partNumber": "1", "uploadId": upload}
    etags = []
    for number, bounds in enumerate([f"0-{5 * MIB + 9}", f"{5 * MIB}-{5 * MIB + 99_999}"], 1):
        query["partNumber"] = str(number)
        part = s3.ask(
            "PUT",
            bucket + "/parts",
            query,
            {"x-amz-copy-source": bucket + "/key", "x-amz-copy-source-range": f"bytes={bounds}"},
        )
        etags.append((number, part.text("ETag") or ""))
    assert s3.complete(bucket + "/parts", upload, etags).status == 200

    assert s3.blob_files() == before
    assert s3.ask("GET", bucket + "/parts").body == b"a" * 5 * MIB + b"b" * 10 + b"b" * 100_000


LEGAL = [
    {"x-amz-metadata-directive": "REPLACE"},
    {"x-amz-metadata-directive": "REPLACE", "x-amz-meta-a": "2"},
    {"x-amz-storage-class": "STANDARD_IA"},
    {"x-amz-storage-class": "STANDARD"},
]


@pytest.mark.parametrize("headers", LEGAL)
def test_a_copy_onto_itself_with_a_change(s3: S3, bucket: str, headers: dict[str, str]) -> None:
    """A metadata directive or any storage class makes it legal."""
    s3.put(bucket + "/key", b"x", x_amz_meta_a="1")

    answer = s3.ask("PUT", bucket + "/key", headers={"x-amz-copy-source": bucket + "/key", **headers})

    assert answer.status == 200
    got = s3.ask("GET", bucket + "/key")
    expected = headers.get("x-amz-meta-a") if "x-amz-metadata-directive" in headers else "1"
    assert (got.body, got.headers.get("x-amz-meta-a")) == (b"x", expected)


@pytest.mark.parametrize("headers", [{}, {"x-amz-acl": "private"}, {"x-amz-meta-a": "2"}, {"x-amz-metadata-directive": "COPY"}])
def test_a_copy_onto_itself_without_a_change(s3: S3, bucket: str, headers: dict[str, str]) -> None:
    """400 in AWS's words; metadata without a directive is no change."""
    s3.put(bucket + "/key", b"x")

    answer = s3.ask("PUT", bucket + "/key", headers={"x-amz-copy-source": bucket + "/key", **headers})

    assert answer.error == (400, "InvalidRequest")
    assert (answer.text("Message") or "").startswith(
        "This copy request is illegal because it is trying to copy an object to itself"
    )


def test_directives(s3: S3, bucket: str) -> None:
    """COPY keeps metadata and tags, REPLACE takes the request's; anything else is 400."""
    s3.put(bucket + "/key", b"x", content_type="a/b", x_amz_meta_a="1", x_amz_tagging="t=1")
    source = {"x-amz-copy-source": bucket + "/key", "x-amz-meta-b": "2", "content-type": "c/d", "x-amz-tagging": "u=2"}

    s3.ask("PUT", bucket + "/kept", headers=source)
    s3.ask(
        "PUT",
        bucket + "/new",
        headers={**source, "x-amz-metadata-directive": "REPLACE", "x-amz-tagging-directive": "REPLACE"},
    )
    kept, new = s3.ask("HEAD", bucket + "/kept").headers, s3.ask("HEAD", bucket + "/new").headers

    assert (kept["content-type"], kept.get("x-amz-meta-a"), kept.get("x-amz-meta-b")) == ("a/b", "1", None)
    assert (new["content-type"], new.get("x-amz-meta-a"), new.get("x-amz-meta-b")) == ("c/d", None, "2")
    assert s3.ask("GET", bucket + "/kept", "tagging").texts("TagSet/Tag/Key") == ["t"]
    assert s3.ask("GET", bucket + "/new", "tagging").texts("TagSet/Tag/Key") == ["u"]
    for name in ("x-amz-metadata-directive", "x-amz-tagging-directive"):
        wrong = s3.ask("PUT", bucket + "/new", headers={**source, name: "KEEP"})
        assert (wrong.error, wrong.fields["ArgumentValue"]) == ((400, "InvalidArgument"), "KEEP")


def test_an_old_version_is_restored_by_a_copy(s3: S3) -> None:
    """``?versionId=`` behind the source; onto itself it is legal, and both ids are told."""
    bucket = s3.bucket(versioning="Enabled")
    first = s3.put(bucket + "/key", b"one").headers["x-amz-version-id"]
    s3.put(bucket + "/key", b"two")

    answer = s3.ask("PUT", bucket + "/key", headers={"x-amz-copy-source": f"{bucket}/key?versionId={first}"})

    assert answer.status == 200
    assert answer.headers["x-amz-copy-source-version-id"] == first
    assert answer.headers["x-amz-version-id"] not in {"", first}
    assert s3.ask("GET", bucket + "/key").body == b"one"


def test_a_delete_marker_is_no_source(s3: S3) -> None:
    """By id 400, by key 404."""
    bucket = s3.bucket(versioning="Enabled")
    marker = s3.ask("DELETE", bucket + "/key").headers["x-amz-version-id"]

    by_id = s3.ask("PUT", bucket + "/copy", headers={"x-amz-copy-source": f"{bucket}/key?versionId={marker}"})
    by_key = s3.ask("PUT", bucket + "/copy", headers={"x-amz-copy-source": f"{bucket}/key"})

    assert by_id.error == (400, "InvalidRequest")
    assert (by_key.error, by_key.fields) == ((404, "NoSuchKey"), {"Key": "key"})


SOURCES = [
    ("bucket-only", (400, "InvalidArgument")),
    ("/", (400, "InvalidArgument")),
    ("{bucket}/", (400, "InvalidArgument")),
    ("{bucket}/key?versionId=", (400, "InvalidArgument")),
    ("{bucket}/key?other=1", (400, "InvalidArgument")),
    ("{bucket}/%zz", (400, "InvalidArgument")),
    ("{bucket}/%ff", (400, "InvalidArgument")),
    ("{bucket}/absent", (404, "NoSuchKey")),
    ("no-such-bucket/key", (404, "NoSuchBucket")),
    ("{bucket}/key?versionId=abc", (400, "InvalidArgument")),
    ("{bucket}/" + "x" * 1025, (400, "KeyTooLongError")),
]


@pytest.mark.parametrize(("source", "error"), SOURCES)
def test_sources_that_are_none(s3: S3, bucket: str, source: str, error: tuple[int, str]) -> None:
    """Malformed: 400; not there: 404."""
    s3.put(bucket + "/key", b"x")
    where = source.format(bucket=bucket[1:])

    assert s3.ask("PUT", bucket + "/copy", headers={"x-amz-copy-source": where}).error == error


@pytest.mark.parametrize("key", ["a b", "a+b", "a%2Fb", "é", "a?b"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_source_is_decoded_once(s3: S3, bucket: str, key: str, slash: str) -> None:
    """Percent-encoded once, a plus is a plus, a slash before the bucket may be there."""
    path = key_path(bucket, key.encode())
    s3.ask("PUT", path, body=key.encode())

    answer = s3.ask("PUT", bucket + "/copy", headers={"x-amz-copy-source": slash + path.decode()[1:]})

    assert answer.status == 200
    assert s3.ask("GET", bucket + "/copy").body == key.encode()


PAST, FUTURE = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
CONDITIONS = [
    ({"if-match": "etag"}, None),
    ({"if-match": '"other"'}, "If-Match"),
    ({"if-none-match": '"other"'}, None),
    ({"if-none-match": "etag"}, "If-None-Match"),
    ({"if-unmodified-since": FUTURE}, None),
    ({"if-unmodified-since": PAST}, "If-Unmodified-Since"),
    ({"if-modified-since": PAST}, None),
    ({"if-modified-since": FUTURE}, None),
    ({"if-modified-since": "then"}, "If-Modified-Since"),
    ({"if-match": "etag", "if-unmodified-since": PAST}, None),
    ({"if-none-match": "etag", "if-modified-since": PAST}, "If-None-Match"),
]


@pytest.mark.parametrize(("conditions", "failed"), CONDITIONS)
@pytest.mark.parametrize("how", ["object", "part"])
def test_conditions_on_the_source(s3: S3, bucket: str, conditions: dict[str, str], failed: str | None, how: str) -> None:
    """412 with the condition that failed: a copy knows no 304."""
    etag = s3.put(bucket + "/key", b"x").etag
    then = s3.ask("HEAD", bucket + "/key").headers["last-modified"]
    known = {"etag": etag, "then": then}
    headers = {f"x-amz-copy-source-{name}": known.get(value, value) for name, value in conditions.items()}
    query = {} if how == "object" else {"partNumber": "1", "uploadId": s3.upload(bucket + "/copy")}

    answer = s3.ask("PUT", bucket + "/copy", query, {"x-amz-copy-source": bucket + "/key", **headers})

    if failed is None:
        assert answer.status == 200
    else:
        assert answer.error == (412, "PreconditionFailed")
        assert answer.fields == {"Condition": f"x-amz-copy-source-{failed}"}


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_a_copy_with_another_checksum(s3: S3, bucket: str, algorithm: str) -> None:
    """The algorithm asked for, computed from the stored bytes."""
    s3.put(bucket + "/key", b"x" * 100_000)
    expected = checksums.encode(checksums.digest(algorithm, b"x" * 100_000))

    answer = s3.ask(
        "PUT", bucket + "/copy", headers={"x-amz-copy-source": bucket + "/key", "x-amz-checksum-algorithm": algorithm}
    )

    assert (answer.text(f"Checksum{algorithm}"), answer.text("ChecksumType")) == (expected, "FULL_OBJECT")


# ------------------------------------------------------------------------------------------------------- UploadPartCopy

RANGES = [
    ("bytes=0-8", None, ""),
    ("bytes=9-9", None, ""),
    ("bytes=0-9", None, ""),
    *(
        (range_, (400, "InvalidArgument"), "The x-amz-copy-source-range value must be of the form bytes=first-last")
        for range_ in (
            "bytes=1-0",
            "bytes=-1-",
            "bytes=0--1",
            "bytes=0-1,3-4,6-9",
            "bytes=a-1",
            "bytes=1-",
            "bytes=-2",
            "0-1",
            "",
        )
    ),
    ("bytes=0-100", (400, "InvalidArgument"), "Range specified is not valid for source object of size: 10"),
    ("bytes=0-10", (400, "InvalidArgument"), "Range specified is not valid for source object of size: 10"),
    ("bytes=100-200", (400, "InvalidRequest"), "The specified copy range is invalid for the source object size"),
    ("bytes=10-10", (400, "InvalidRequest"), "The specified copy range is invalid for the source object size"),
]


@pytest.mark.parametrize(("range_", "error", "message"), RANGES)
def test_ranges_of_part_copies(s3: S3, bucket: str, range_: str, error: tuple[int, str] | None, message: str) -> None:
    """Exactly ``bytes=first-last``, inside the source."""
    s3.put(bucket + "/key", b"0123456789")
    query = {"partNumber": "1", "uploadId": s3.upload(bucket + "/copy")}
    headers = {"x-amz-copy-source": bucket + "/key", "x-amz-copy-source-range": range_}

    answer = s3.ask("PUT", bucket + "/copy", query, headers)

    if error is None:
        assert [node.tag for node in answer.xml] == ["LastModified", "ETag"]
        return
    assert answer.error == error
    assert (answer.text("Message") or "").startswith(message)
    if error[1] == "InvalidArgument":
        assert answer.fields == {"ArgumentName": "x-amz-copy-source-range", "ArgumentValue": range_}

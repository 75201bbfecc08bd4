"""What is kept beside the bytes: metadata, system headers, tags."""

from __future__ import annotations

import pytest

from .harness import S3

# ------------------------------------------------------------------------------------------------------------- metadata


def test_metadata_comes_back(s3: S3, bucket: str) -> None:
    """Names in lower case; values as they were, spaces at the ends aside."""
    s3.ask(
        "PUT", bucket + "/key", headers={"X-Amz-Meta-CamelCase": "Va Lue", "x-amz-meta-empty": "", "x-amz-meta-s": "  a  b  "}
    )

    headers = s3.ask("HEAD", bucket + "/key").headers
    assert {name: value for name, value in headers.items() if name.startswith("x-amz-meta-")} == {
        "x-amz-meta-camelcase": "Va Lue", "x-amz-meta-empty": "", "x-amz-meta-s": "a  b",
    }  # fmt: skip


ENCODED = [
    ("=?UTF-8?B?w4RNw4Ra?=", "=?UTF-8?B?w4RNw4Ra?=", "half of it beyond ASCII: Base64"),
    ("=?UTF-8?Q?=C3=A9_plain_text?=", "=?UTF-8?Q?=C3=A9_plain_text?=", "mostly ASCII: quoted"),
    ("=?UTF-8?B?YWJj?=", "abc", "ASCII after decoding: plain"),
    ("=?UTF-8?Q?actually-ascii?=", "actually-ascii", "the same, quoted"),
    ("=?utf-8?b?YWJj?= =?utf-8?b?ZGVm?=", "abcdef", "white space between two words does not count"),
    ("=?UTF-8?B?=GGG?=", "=?UTF-8?B?=GGG?=", "broken words stay"),
    ("=?KOI8-R?B?YWJj?=", "=?KOI8-R?B?YWJj?=", "other character sets stay"),
]


@pytest.mark.parametrize(("sent", "got", "_why"), ENCODED)
def test_metadata_beyond_ascii(s3: S3, bucket: str, sent: str, got: str, _why: str) -> None:
    """Encoded words of RFC 2047 are understood and made."""
    s3.put(bucket + "/key", x_amz_meta_a=sent)

    assert s3.ask("GET", bucket + "/key").headers["x-amz-meta-a"] == got


def test_metadata_as_raw_utf8(s3: S3, bucket: str) -> None:
    """Clients that send it raw get it encoded."""
    request = s3.presigned("PUT", bucket + "/key", {"x-amz-meta-a": "é"})

    assert request.status == 200
    assert s3.ask("GET", bucket + "/key").headers["x-amz-meta-a"] == "=?UTF-8?B?w6k=?="


@pytest.mark.parametrize(("size", "status"), [(2047, 200), (2048, 400)])
def test_how_much_metadata(s3: S3, bucket: str, size: int, status: int) -> None:
    """2 KiB of names and values together."""
    answer = s3.ask("PUT", bucket + "/key", headers={"x-amz-meta-a": "x" * size})

    assert answer.status == status
    if status == 400:
        assert (answer.code, answer.fields) == ("MetadataTooLarge", {"Size": str(size + 1), "MaxSizeAllowed": "2048"})


SYSTEM = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "max-age=60",
    "content-disposition": 'attachment; filename="a b.txt"',
    "content-encoding": "gzip",
    "content-language": "de, fr",
    "expires": "Thu, 01 Dec 1994 16:00:00 GMT",
}


def test_system_headers(s3: S3, bucket: str) -> None:
    """Byte for byte, also what is no date and no ASCII."""
    s3.ask("PUT", bucket + "/key", headers=SYSTEM)
    assert {name: s3.ask("GET", bucket + "/key").headers[name] for name in SYSTEM} == SYSTEM
    raw = s3.ask("PUT", bucket + "/raw", extra=[("content-disposition", "attachment; filename=\xe9"), ("expires", "soon")])
    assert raw.status == 200
    headers = s3.ask("GET", bucket + "/raw").headers
    assert (headers["content-disposition"], headers["expires"]) == ("attachment; filename=\xe9", "soon")
    assert headers["content-type"] == "binary/octet-stream"


# ----------------------------------------------------------------------------------------------------------------- tags


def tagging(*pairs: tuple[str, str]) -> bytes:
    """A Tagging document."""
    rows = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in pairs)
    return f"<Tagging><TagSet>{rows}</TagSet></Tagging>".encode()


def tags_of(s3: S3, path: str) -> list[tuple[str, str]]:
    """As GetObjectTagging or GetBucketTagging tells them."""
    answer = s3.ask("GET", path, "tagging")
    assert answer.status == 200
    return list(zip(answer.texts("TagSet/Tag/Key"), answer.texts("TagSet/Tag/Value"), strict=True))


def test_tags_of_objects(s3: S3, bucket: str) -> None:
    """Put, replaced, counted, removed; an object without tags has an empty set."""
    path = bucket + "/key"
    s3.put(path, x_amz_tagging="a=1&b=&c+d=%2B")
    assert tags_of(s3, path) == [("a", "1"), ("b", ""), ("c d", "+")]
    assert s3.ask("HEAD", path).headers["x-amz-tagging-count"] == "3"

    assert s3.ask("PUT", path, "tagging", body=tagging(("z", "9"), ("y", "8"))).status == 200
    assert sorted(tags_of(s3, path)) == [("y", "8"), ("z", "9")]
    assert s3.ask("DELETE", path, "tagging").status == 204
    assert tags_of(s3, path) == []
    assert "x-amz-tagging-count" not in s3.ask("HEAD", path).headers
    s3.ask("PUT", path, "tagging", body=tagging(("a", "1")))
    assert s3.ask("PUT", path, "tagging", body=b"<Tagging/>").status == 200
    assert tags_of(s3, path) == []
    s3.put(path, x_amz_tagging="a=1")
    s3.put(path)
    assert tags_of(s3, path) == []


HEADERS = [
    ("wrongquery&wrongagain", [("wrongagain", ""), ("wrongquery", "")]),
    ("key1&&&key2", [("key1", ""), ("key2", "")]),
    ("b=2&a=1", [("a", "1"), ("b", "2")]),
]


@pytest.mark.parametrize(("header", "expected"), HEADERS)
def test_tags_in_a_header(s3: S3, bucket: str, header: str, expected: list[tuple[str, str]]) -> None:
    """As AWS reads them (recorded): by key, a missing value is empty, an empty pair is none."""
    s3.put(bucket + "/key", x_amz_tagging=header)

    assert tags_of(s3, bucket + "/key") == expected


BAD_HEADERS = [
    ("a=1&a=2", (400, "InvalidArgument")),
    ("a=1=2", (400, "InvalidArgument")),
    ("a=%zz", (400, "InvalidArgument")),
    ("&".join(f"k{number}=v" for number in range(11)), (400, "InvalidTag")),
    ("aws:a=1", (400, "InvalidTag")),
    ("a%2Cb=1", (400, "InvalidTag")),
    ("=1", (400, "InvalidTag")),
    (f"{'k' * 129}=1", (400, "InvalidTag")),
    (f"k={'v' * 257}", (400, "InvalidTag")),
]


@pytest.mark.parametrize(("header", "error"), BAD_HEADERS)
def test_tags_in_a_header_that_are_none(s3: S3, bucket: str, header: str, error: tuple[int, str]) -> None:
    """Duplicates and bad escapes are a bad argument, the rest bad tags; nothing is written."""
    for method, query in (("PUT", ""), ("POST", "uploads")):
        assert s3.ask(method, bucket + "/key", query, {"x-amz-tagging": header}).error == error
    assert s3.keys(bucket) == []


BAD_TAGS = [
    ([("a", "1"), ("a", "2")], "InvalidTag", "Cannot provide multiple Tags with the same key"),
    ([("a,b", "1")], "InvalidTag", "The TagKey you have provided is invalid"),
    ([("a", "1,2")], "InvalidTag", "The TagValue you have provided is invalid"),
    ([("k" * 129, "1")], "InvalidTag", "The TagKey you have provided is invalid"),
    ([("", "1")], "MalformedXML", ""),
]


@pytest.mark.parametrize(("pairs", "code", "message"), BAD_TAGS)
@pytest.mark.parametrize("of", ["", "/key"])
def test_tags_that_are_none(s3: S3, bucket: str, of: str, pairs: list[tuple[str, str]], code: str, message: str) -> None:
    """400 with the key; for buckets and objects."""
    s3.put(bucket + "/key")

    answer = s3.ask("PUT", bucket + of, "tagging", body=tagging(*pairs))

    assert answer.error == (400, code)
    if message:
        assert (answer.text("Message"), answer.fields["TagKey"]) == (message, pairs[-1][0])


@pytest.mark.parametrize(
    ("of", "message"),
    [("", "System tags cannot be added/updated by requester"), ("/key", "Your TagKey cannot be prefixed with aws:")],
)
def test_tags_of_the_system(s3: S3, bucket: str, of: str, message: str) -> None:
    """``aws:`` is reserved; the words differ."""
    s3.put(bucket + "/key")

    answer = s3.ask("PUT", bucket + of, "tagging", body=tagging(("aws:test", "1")))

    assert (answer.error, answer.text("Message"), answer.fields) == ((400, "InvalidTag"), message, {"TagKey": "aws:test"})


@pytest.mark.parametrize(("of", "most"), [("", 50), ("/key", 10)])
def test_how_many_tags(s3: S3, bucket: str, of: str, most: int) -> None:
    """Ten of an object, fifty of a bucket."""
    s3.put(bucket + "/key")
    pairs = [(f"k{number}", "v") for number in range(most + 1)]

    assert s3.ask("PUT", bucket + of, "tagging", body=tagging(*pairs[:-1])).status in {200, 204}
    assert s3.ask("PUT", bucket + of, "tagging", body=tagging(*pairs)).error == (400, "InvalidTag")


@pytest.mark.parametrize("body", [b"", b"<", b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", b"<TagSet/>"])
def test_documents_that_are_no_tags(s3: S3, bucket: str, body: bytes) -> None:
    """400 MalformedXML."""
    assert s3.ask("PUT", bucket, "tagging", body=body).error == (400, "MalformedXML")


def test_tags_of_buckets(s3: S3, bucket: str) -> None:
    """None is a 404; an empty set is none."""
    assert s3.ask("GET", bucket, "tagging").error == (404, "NoSuchTagSet")
    assert s3.ask("PUT", bucket, "tagging", body=tagging(("a", "1"), ("b", ""))).status == 204
    assert tags_of(s3, bucket) == [("a", "1"), ("b", "")]
    for body in (b"<Tagging/>", tagging()):
        assert s3.ask("PUT", bucket, "tagging", body=body).status == 204
        assert s3.ask("GET", bucket, "tagging").error == (404, "NoSuchTagSet")
    assert s3.ask("DELETE", bucket, "tagging").status == 204


def test_tags_of_versions(s3: S3) -> None:
    """Each version has its own; a delete marker has none, also when it is current: 405 with the method."""
    bucket = s3.bucket(versioning="Enabled")
    path = bucket + "/key"
    first = s3.put(path, x_amz_tagging="a=1").headers["x-amz-version-id"]
    second = s3.put(path, x_amz_tagging="b=2").headers["x-amz-version-id"]
    put = s3.ask("PUT", path, {"tagging": "", "versionId": first}, body=tagging(("c", "3")))
    assert (put.status, put.headers["x-amz-version-id"]) == (200, first)
    assert s3.ask("GET", path, {"tagging": "", "versionId": first}).texts("TagSet/Tag/Key") == ["c"]
    assert s3.ask("GET", path, "tagging").headers["x-amz-version-id"] == second
    marker = s3.ask("DELETE", path).headers["x-amz-version-id"]

    for method in ("GET", "PUT", "DELETE"):
        for query in ({"tagging": ""}, {"tagging": "", "versionId": marker}):
            answer = s3.ask(method, path, query, body=tagging() if method == "PUT" else b"")
            assert answer.error == (405, "MethodNotAllowed")
            assert answer.fields == {"Method": method, "ResourceType": "DeleteMarker"}
        absent = s3.ask(method, bucket + "/absent", "tagging", body=tagging() if method == "PUT" else b"")
        assert (absent.error, absent.fields) == ((404, "NoSuchKey"), {"Key": "absent"})

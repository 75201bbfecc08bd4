"""ListObjects, V1 and V2: order, pages, delimiters, encodings."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from .harness import S3, Answer, canonical_id, key_path

V1, V2 = "list-type", "list-type=2"


def fill(s3: S3, bucket: str, *keys: str) -> str:
    """A bucket with these keys, each an empty object."""
    requests = [s3.request("PUT", key_path(bucket, key.encode())) for key in keys]
    assert {answer.status for answer in s3.ask_all(requests)} <= {200}
    return bucket


def page(s3: S3, bucket: str, version: int, **query: str) -> Answer:
    """A page; parameter names with underscores for hyphens."""
    asked = {name.replace("_", "-"): value for name, value in query.items()}
    return s3.ask("GET", bucket, {"list-type": "2", **asked} if version == 2 else asked)


def entries(answer: Answer) -> list[str]:
    """Keys and common prefixes."""
    return answer.texts("Contents/Key") + answer.texts("CommonPrefixes/Prefix")


BOTH = pytest.mark.parametrize("version", [1, 2])


@BOTH
def test_an_empty_listing(s3: S3, bucket: str, version: int) -> None:
    """The document of a bucket without objects, element by element."""
    answer = page(s3, bucket, version)
    found = [(node.tag, node.text or "") for node in answer.xml]

    assert answer.status == 200
    assert answer.xml.tag == "ListBucketResult"
    if version == 1:
        expected = [("Name", bucket[1:]), ("Prefix", ""), ("Marker", ""), ("MaxKeys", "1000"), ("IsTruncated", "false")]
    else:
        expected = [("Name", bucket[1:]), ("Prefix", ""), ("MaxKeys", "1000"), ("KeyCount", "0"), ("IsTruncated", "false")]
    assert sorted(found) == sorted(expected)
    assert answer.headers["x-amz-bucket-region"] == "us-east-1"


@BOTH
def test_order_is_by_bytes(s3: S3, bucket: str, version: int) -> None:
    """UTF-8 bytes of the full key: ``foo+1/`` before ``foo/``, upper before lower, é after z, and 😀 after ﬀ."""
    keys = ["foo/bar", "foo+1/bar", "foo", "Foo", "z", "é", "\ufb00", "\U0001f600", "a b", "a!b"]
    fill(s3, bucket, *keys)

    assert page(s3, bucket, version).texts("Contents/Key") == sorted(keys, key=str.encode)


DELIMITED = [
    ("", "/", ["b", "cq", "a/"]),
    ("a/", "/", ["a/1", "a/b/"]),
    ("a/b/", "/", ["a/b/2", "a/b/3"]),
    ("a", "/", ["a/"]),
    ("", "b", ["cq", "a/1", "a/b", "b"]),
    ("", "q", ["a/1", "a/b/2", "a/b/3", "b", "cq"]),
    ("x", "/", []),
    ("", "a/b/", ["a/1", "b", "cq", "a/b/"]),
    ("", "", ["a/1", "a/b/2", "a/b/3", "b", "cq"]),
]


@BOTH
@pytest.mark.parametrize(("prefix", "delimiter", "expected"), DELIMITED)
def test_prefixes_and_delimiters(s3: S3, bucket: str, version: int, prefix: str, delimiter: str, expected: list[str]) -> None:
    """A delimiter may be any string; an empty one is none, and is not repeated."""
    fill(s3, bucket, "a/1", "a/b/2", "a/b/3", "b", "cq")

    answer = page(s3, bucket, version, prefix=prefix, delimiter=delimiter)

    assert sorted(entries(answer)) == sorted(expected)
    assert answer.text("Prefix") == prefix
    assert answer.text("Delimiter") == (delimiter or None)
    if version == 2:
        assert answer.text("KeyCount") == str(len(expected))


@BOTH
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
@pytest.mark.parametrize("delimiter", ["", "/", "b", "%", " ", "."])
def test_pages_put_together_are_the_whole(s3: S3, version: int, limit: int, delimiter: str) -> None:
    """Whatever the size of a page, nothing is repeated, split or left out, and each entry counts as one."""
    keys = ["a/1", "a/2", "a/b/3", "a b", "a%b", "b.", "b..c", "c/", "c/d", "d", "e/x/y", "e/x/z", "ab1", "ab2"]
    bucket = fill(s3, s3.bucket(), *keys)
    whole = sorted(entries(page(s3, bucket, version, delimiter=delimiter)))

    found: list[str] = []
    query = {"delimiter": delimiter, "max_keys": str(limit)}
    for _ in range(len(keys) + 1):
        answer = page(s3, bucket, version, **query)
        assert len(entries(answer)) <= limit
        found += entries(answer)
        if answer.text("IsTruncated") == "false":
            break
        assert len(entries(answer)) == limit
        if version == 2:
            query["continuation_token"] = answer.text("NextContinuationToken") or ""
        else:
            query["marker"] = answer.text("NextMarker") or answer.texts("Contents/Key")[-1]
            assert (answer.text("NextMarker") is None) == (delimiter == "")

    assert sorted(found) == whole


@BOTH
def test_a_marker_may_be_a_prefix(s3: S3, bucket: str, version: int) -> None:
    """What lies below a prefix that was shown is not shown again, also if the marker is a key below it."""
    fill(s3, bucket, "a/1", "a/2", "b/1", "c")
    name = "start_after" if version == 2 else "marker"

    for marker in ("a/", "a/1", "a/2", "a/z"):
        assert entries(page(s3, bucket, version, delimiter="/", **{name: marker})) == ["c", "b/"]
    assert entries(page(s3, bucket, version, **{name: "a/1"})) == ["a/2", "b/1", "c"]
    assert entries(page(s3, bucket, version, **{name: "0"})) == ["a/1", "a/2", "b/1", "c"]
    assert entries(page(s3, bucket, version, **{name: "z"})) == []


@BOTH
@pytest.mark.parametrize(
    ("text", "limit"), [("0", 0), ("1", 1), ("999", 999), ("1000", 1000), ("1001", 1000), ("2147483647", 1000), ("", 1000)]
)
def test_max_keys(s3: S3, bucket: str, version: int, text: str, limit: int) -> None:
    """Above 1,000 is capped, and said so; 0 gives an empty page that is not truncated; empty is the default."""
    fill(s3, bucket, "a", "b")

    answer = page(s3, bucket, version, max_keys=text)

    assert answer.text("MaxKeys") == str(limit)
    assert len(entries(answer)) == min(limit, 2)
    assert answer.text("IsTruncated") == ("true" if limit == 1 else "false")


@BOTH
@pytest.mark.parametrize("text", ["-1", "a", "1.0", "2147483648", "9" * 30, "\u0661", "- 1"])
def test_max_keys_that_is_none(s3: S3, bucket: str, version: int, text: str) -> None:
    """400 with the argument."""
    answer = page(s3, bucket, version, max_keys=text)

    assert answer.error == (400, "InvalidArgument")
    assert answer.fields == {"ArgumentName": "max-keys", "ArgumentValue": text}


def test_tokens_of_v2(s3: S3, bucket: str) -> None:
    """A token is opaque, repeated, and goes before start-after; a foreign one is 400."""
    fill(s3, bucket, "a", "b", "c", "d")
    first = page(s3, bucket, 2, max_keys="2", start_after="a")
    token = first.text("NextContinuationToken") or ""

    assert (entries(first), first.text("StartAfter"), first.text("ContinuationToken")) == (["b", "c"], "a", None)
    second = page(s3, bucket, 2, continuation_token=token, start_after="z")
    assert (entries(second), second.text("ContinuationToken")) == (["d"], token)
    assert second.text("NextContinuationToken") is None
    foreign = page(s3, bucket, 2, continuation_token="foreign")
    assert (foreign.error, foreign.fields) == ((400, "InvalidArgument"), {"ArgumentName": "continuation-token"})


def test_owners(s3: S3, bucket: str) -> None:
    """V1 tells them always, V2 if asked."""
    fill(s3, bucket, "a")

    assert page(s3, bucket, 1).texts("Contents/Owner/ID") == [canonical_id("root")]
    assert page(s3, bucket, 2).texts("Contents/Owner/ID") == []
    assert page(s3, bucket, 2, fetch_owner="false").texts("Contents/Owner/ID") == []
    assert page(s3, bucket, 2, fetch_owner="true").texts("Contents/Owner/DisplayName") == ["Root"]


def test_what_an_entry_tells(s3: S3, bucket: str) -> None:
    """Key, time, ETag, checksum, size, class: the same as a HEAD."""
    s3.put(bucket + "/key", b"12345", x_amz_checksum_crc32="y/U6HA==")
    head = s3.ask("HEAD", bucket + "/key")

    entry = {node.tag: node.text for node in page(s3, bucket, 2).xml.find("Contents") or []}

    modified = entry.pop("LastModified") or ""
    assert entry == {
        "Key": "key", "ETag": head.etag, "Size": "5", "StorageClass": "STANDARD",
        "ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT",
    }  # fmt: skip
    assert re.fullmatch(r"[-0-9]{10}T[:0-9]{8}\.\d{3}Z", modified)
    assert modified[11:19] in head.headers["last-modified"]


# ----------------------------------------------------------------------------------------------------------- encoding

AWKWARD = ["a b", "a+b", "a%b", "a&b<c>\"'", "é/ü", "tab\there", "cr\rlf\n", "\x01\x02", "\x7f", "~.-_*"]


@pytest.mark.parametrize("query", ["", "list-type=2", "versions", "uploads"])
def test_encoding_type_url(s3: S3, bucket: str, query: str) -> None:
    """Keys are percent-encoded, ``/`` stays, a space is %20 and a plus %2B: any decoder gives them back."""
    fill(s3, bucket, *AWKWARD)
    if query == "uploads":
        for key in AWKWARD:
            assert s3.ask("POST", key_path(bucket, key.encode()), "uploads").status == 200

    answer = s3.ask("GET", bucket, f"{query}&encoding-type=url&delimiter=%2F" if query else "encoding-type=url&delimiter=%2F")
    keys = [node.text or "" for node in answer.xml.iter("Key")]

    assert answer.text("EncodingType") == "url"
    assert answer.text("Delimiter") == "/"
    assert [unquote(key) for key in keys] == sorted((key for key in AWKWARD if "/" not in key), key=str.encode)
    assert {"a%20b", "a%2Bb", "a%25b", "%01%02", "tab%09here"} <= set(keys)
    assert [unquote(prefix) for prefix in answer.texts("CommonPrefixes/Prefix")] == ["é/"]


@pytest.mark.parametrize("query", ["", "list-type=2", "versions", "uploads"])
@pytest.mark.parametrize("value", ["value", "", "URL"])
def test_encoding_types_that_are_none(s3: S3, bucket: str, query: str, value: str) -> None:
    """400 with the argument, also for an empty one."""
    answer = s3.ask("GET", bucket, f"{query}&encoding-type={value}" if query else f"encoding-type={value}")

    assert answer.error == (400, "InvalidArgument")
    assert answer.fields == {"ArgumentName": "encoding-type", "ArgumentValue": value}


@pytest.mark.parametrize("query", ["", "list-type=2", "versions", "uploads"])
def test_keys_that_xml_cannot_carry(s3: S3, bucket: str, query: str) -> None:
    """Without an encoding they are numeric references: no key is changed, dropped, or breaks the listing."""
    for key in (b"\x01\x02", b"cr\r", b"ok", b"<&>"):
        s3.ask("PUT", key_path(bucket, key))
        s3.ask("POST", key_path(bucket, key), "uploads")

    body = s3.ask("GET", bucket, query).body

    for written in (b"<Key>&#x1;&#x2;</Key>", b"<Key>cr&#xd;</Key>", b"<Key>ok</Key>", b"<Key>&lt;&amp;&gt;</Key>"):
        assert body.count(written) == 1


def test_what_url_encoding_covers(s3: S3, bucket: str) -> None:
    """Prefix, delimiter, markers and start-after are encoded as the keys are; tokens are not."""
    fill(s3, bucket, "a b/1", "a b/2", "a c/3")
    v2 = page(s3, bucket, 2, encoding_type="url", prefix="a ", start_after="a b", delimiter="/", max_keys="1")

    assert v2.text("StartAfter") == "a%20b"
    assert v2.text("Prefix") == "a%20"
    assert v2.texts("CommonPrefixes/Prefix") == ["a%20b/"]
    v1 = page(s3, bucket, 1, encoding_type="url", marker="a ", delimiter=" ", max_keys="1")
    assert v1.text("Delimiter") == "%20"
    assert v1.text("Marker") == "a%20"
    rest = page(s3, bucket, 2, delimiter="/", continuation_token=v2.text("NextContinuationToken") or "")
    assert entries(rest) == ["a c/"]


# ----------------------------------------------------------------------------------------------------------------- cost


def test_a_page_is_one_read(s3: S3, bucket: str) -> None:
    """Without a delimiter a page is one look at the catalog, whatever its size."""
    fill(s3, bucket, *(f"key-{number:04}" for number in range(50)))
    for query in ("list-type=2", "list-type=2&max-keys=7", "max-keys=7", "versions&max-keys=7"):
        s3.watched.seen.clear()
        s3.ask("GET", bucket, query)
        assert [name for name, _ in s3.watched.seen if name in {"objects", "versions"}] in [["objects"], ["versions"]]


def test_what_a_delimiter_hides_is_not_walked(s3: S3, bucket: str) -> None:
    """Two prefixes with hundreds of keys each: the catalog is asked for few of them."""
    fill(s3, bucket, *(f"{where}/{number:04}" for where in "ab" for number in range(600)), "c")
    s3.watched.seen.clear()

    answer = s3.ask("GET", bucket, "list-type=2&delimiter=%2F&max-keys=20")

    assert entries(answer) == ["c", "a/", "b/"]
    assert sum(rows for name, rows in s3.watched.seen if name == "objects") < 60

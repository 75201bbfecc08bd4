"""What a request is aimed at, from the bytes of its first line and its Host header."""

from __future__ import annotations

import pytest

from zakrom import errors
from zakrom.wire import target as targets
from zakrom.wire.target import KEPT_QUERY_BYTES_MAX, QUERY_PAIRS_MAX, Query, Target, Targets, bucket_of_host, parse_target

DOMAINS = ("s3.example.com", "example.com")


def aimed(path: bytes, host: str | None = "localhost:9000", query: bytes = b"") -> Target:
    """The target of a path-style or virtual-hosted request."""
    return parse_target(path, query, host, DOMAINS)


@pytest.mark.parametrize(
    ("path", "bucket", "key"),
    [
        (b"/", None, None),
        (b"/bucket", "bucket", None),
        (b"/bucket/", "bucket", None),
        (b"/bucket//", "bucket", b"/"),
        (b"/bucket/a", "bucket", b"a"),
        (b"/bucket/a/", "bucket", b"a/"),
        (b"/bucket//a//b", "bucket", b"/a//b"),
        (b"/bucket/./../a", "bucket", b"./../a"),
        (b"/bucket/%2e%2E/a", "bucket", b"../a"),
        (b"/bucket/a%2Fb", "bucket", b"a/b"),
        (b"/bucket/a%252Fb", "bucket", b"a%2Fb"),
        (b"/bucket/a+b%20c", "bucket", b"a+b c"),
        (b"/bucket/%00%01%1f%7f", "bucket", b"\x00\x01\x1f\x7f"),
        (b"/bucket/%D1%84", "bucket", "ф".encode()),
        ("/bucket/ф".encode(), "bucket", "ф".encode()),
        (b"/bucket/p=0/x", "bucket", b"p=0/x"),
    ],
)
def test_a_key_is_its_bytes_decoded_once(path: bytes, bucket: str | None, key: bytes | None) -> None:
    """Path style: the first segment is the bucket, all the rest is the key, whatever it looks like."""
    target = aimed(path)

    assert (bucket, key, False) == (target.bucket, target.key, target.virtual_host)


@pytest.mark.parametrize(
    ("path", "key"),
    [(b"/", None), (b"/a", b"a"), (b"//", b"/"), (b"//a", b"/a"), (b"/a%2Fb/", b"a/b/"), (b"/bucket/a", b"bucket/a")],
)
def test_the_host_may_name_the_bucket(path: bytes, key: bytes | None) -> None:
    """Virtual-hosted style: all of the path is the key."""
    target = aimed(path, "my.bucket.s3.example.com:9000")

    assert ("my.bucket", key, True) == (target.bucket, target.key, target.virtual_host)


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("s3.example.com", None),
        ("S3.Example.COM:443", None),
        ("a.s3.example.com", "a"),
        ("A.S3.example.com.", "a"),
        ("a.b.s3.example.com", "a.b"),
        ("a.example.com", "a"),
        ("example.com", None),
        ("notexample.com", None),
        (".example.com", None),
        ("127.0.0.1:9000", None),
        ("[::1]:9000", None),
        ("", None),
    ],
)
def test_a_bucket_is_what_stands_before_the_longest_domain(host: str, bucket: str | None) -> None:
    """Ports, case and a last dot do not count; a domain itself and unknown hosts mean path style."""
    assert bucket == bucket_of_host(host, DOMAINS)


def test_an_absolute_target_overrides_the_host() -> None:
    """RFC 9112, 3.2.2: a client may send what it would send to a proxy."""
    plain = aimed(b"http://localhost/bucket/a%2Fb", "elsewhere")
    hosted = aimed(b"HTTPS://user@b.example.com:9000/a", "elsewhere")
    bare = aimed(b"http://localhost", "elsewhere")

    assert ("bucket", b"a/b", False) == (plain.bucket, plain.key, plain.virtual_host)
    assert ("b", b"a", True) == (hosted.bucket, hosted.key, hosted.virtual_host)
    assert (None, None) == (bare.bucket, bare.key)


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"*",
        b"bucket/a",
        b"http:///a",
        b"ftp://host/a",
        b"//a",
        b"/b/%",
        b"/b/%2",
        b"/b/%zz",
        b"/b/%FF",
        b"/b/\xff",
        b"/%FF/a",
        b"/b/%ED%A0%80",
    ],
)
def test_what_is_no_uri_is_refused(path: bytes) -> None:
    """Other forms of target, broken escapes, what is no UTF-8, and a key without a bucket."""
    with pytest.raises(errors.InvalidURI):
        aimed(path)


def test_a_query_is_decoded_in_its_order() -> None:
    """``+`` is a space, ``?name`` and ``?name=`` are alike, the first of a name counts, the raw bytes stay."""
    raw = b"b=2&a=%D1%84+%2B&location&prefix=d/&x=a=b&%6B=&b=3&&e%3D=%2F"
    query = Query(raw)

    assert tuple(query.pairs) == (
        ("b", "2"),
        ("a", "ф +"),
        ("location", ""),
        ("prefix", "d/"),
        ("x", "a=b"),
        ("k", ""),
        ("b", "3"),
        ("e=", "/"),
    )
    assert raw == query.raw
    assert ("2", "", None) == (query.get("b"), query.get("location"), query.get("none"))
    assert (True, False) == (query.has("k"), query.has("none"))
    assert {"b", "a", "location", "prefix", "x", "k", "e="} == query.names()


def test_an_escaped_slash_beside_an_escaped_percent_sign() -> None:
    """``%252F`` is a percent sign, and ``%2F`` a slash, also where both stand together."""
    assert (("a", "%2F/%2F"),) == tuple(Query(b"a=%252F%2F%252F").pairs)


@pytest.mark.parametrize("raw", [b"a=%", b"a=%2x", b"a=%FF", b"%FF", b"a=\xff", b"&" * QUERY_PAIRS_MAX])
def test_a_query_that_is_none_is_refused(raw: bytes) -> None:
    """Broken escapes, what is no UTF-8, too many pairs."""
    with pytest.raises(errors.InvalidURI):
        Query(raw)


def test_a_kept_target_is_read_once() -> None:
    """What was kept is given back for the same bytes and the same host, and for no others."""
    kept = Targets(DOMAINS)
    target = kept.read(b"/b/k", b"a=1", "localhost")
    kept.keep(b"/b/k", b"a=1", "localhost", target)

    assert target is kept.read(b"/b/k", b"a=1", "localhost")
    assert kept.read(b"/b/k2", b"a=1", "localhost").key == b"k2"
    assert kept.read(b"/b/k", b"a=2", "localhost").query.get("a") == "2"
    assert kept.read(b"/b/k", b"a=1", "b2.example.com").bucket == "b2"


def test_targets_are_kept_within_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first; a long query is not kept, and neither is what was only read."""
    monkeypatch.setattr(targets, "TARGETS_KEPT", 2)
    kept = Targets(())
    asked = [(b"/b/%d" % number, b"", None) for number in range(3)]
    first = [kept.read(*one) for one in asked]
    for one, target in zip(asked, first, strict=True):
        kept.keep(*one, target)
    long = (b"/b/k", b"a" * (KEPT_QUERY_BYTES_MAX + 1), None)
    kept.keep(*long, kept.read(*long))

    assert [False, True, True] == [kept.read(*one) is target for one, target in zip(asked, first, strict=True)]
    assert kept.read(*long) is not kept.read(*long)
    assert kept.read(b"/c", b"", None) is not kept.read(b"/c", b"", None)

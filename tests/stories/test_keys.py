"""A key is a string of bytes, not a path: nothing about it is normalised, anywhere."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest

from zakrom.wire.xml import escape

from .harness import BOB, HOST, S3, delete_xml, key_path, md5_of

KEYS = [
    b"a", b"a/", b"a/b", b"/", b"//", b"/a", b"//a", b"a//b", b".", b"..", b"a/.", b"a/..", b"../a", b"./a", b"a/../b",
    b"%2F", b"a%2Fb", b"%", b"%25", b"+", b" ", b"a b", b"?", b"a?b=c", b"#", b"&", b";", b"=", b"p=0", b"\\", b"~", b"*",
    b"\x01", b"\x00", b"\x1f\x7f", b"\r\n", b"\t", b"'\"",
    b"<a>&amp;", b"$extremely$", b"@", b":", b",", b"[]", b"{}", b"|", b"^",
    "é".encode(), "e\u0301".encode(), "日本語".encode(), "\U0001f600".encode(), "\u202e".encode(), "\ufeff".encode(),
    b"x" * 1024, ("é" * 512).encode(), b"-/health/live", b"minio",
]  # fmt: skip


@pytest.fixture(scope="module")
def full(s3: S3) -> str:
    """A bucket with all of them, each holding its own name."""
    bucket = s3.bucket()
    for key in KEYS:
        assert s3.ask("PUT", key_path(bucket, key), body=key).status == 200
    return bucket


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_a_key_is_its_bytes(s3: S3, full: str, key: bytes) -> None:
    """What was put under a key is got under that key, by any way of asking."""
    path = key_path(full, key)

    assert s3.ask("GET", path).body == key
    assert s3.ask("HEAD", path).length == len(key)
    assert s3.presigned("GET", full + "/" + key.decode()).body == key
    assert s3.ask("GET", path, "tagging").status == 200


def test_all_keys_are_listed(s3: S3, full: str) -> None:
    """Each once, in order of bytes."""
    answer = s3.ask("GET", full, "list-type=2&encoding-type=url")

    assert [unquote_to_bytes(key) for key in answer.texts("Contents/Key")] == sorted(KEYS)


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_any_key_can_be_deleted_and_copied(s3: S3, bucket: str, key: bytes) -> None:
    """One by one, in a list (where XML can carry it), and as the source of a copy."""
    path = key_path(bucket, key)
    s3.ask("PUT", path, body=b"x")

    assert s3.ask("PUT", bucket + "/copy", headers={"x-amz-copy-source": path.decode()}).status == 200
    assert s3.ask("DELETE", path).status == 204
    assert s3.ask("GET", path).error == (404, "NoSuchKey")
    if all(byte >= 0x20 for byte in key):
        s3.ask("PUT", path, body=b"x")
        body = delete_xml(f"<Object><Key>{escape(key.decode())}</Key></Object>")
        assert s3.ask("POST", bucket, "delete", {"content-md5": md5_of(body)}, body).texts("Deleted/Key") == [key.decode()]
    assert s3.keys(bucket) == ["copy"]


def test_control_characters_in_a_list_of_deletes(s3: S3, bucket: str) -> None:
    """A key with a carriage return comes as a reference and goes back as one."""
    s3.ask("PUT", key_path(bucket, b"a\rb"))
    body = delete_xml("<Object><Key>a&#13;b</Key></Object>")

    answer = s3.ask("POST", bucket, "delete", {"content-md5": md5_of(body)}, body)

    assert b"<Key>a&#xd;b</Key>" in answer.body
    assert s3.keys(bucket) == []


def test_a_key_beside_its_own_prefix(s3: S3, bucket: str) -> None:
    """``a``, ``a/`` (with bytes in it) and ``a/b`` are three objects."""
    for key, body in {"a": b"1", "a/": b"22", "a/b": b"333"}.items():
        s3.put(f"{bucket}/{key}", body)

    assert s3.keys(bucket) == ["a", "a/", "a/b"]
    assert [s3.ask("GET", f"{bucket}/{key}").body for key in ("a", "a/", "a/b")] == [b"1", b"22", b"333"]


@pytest.mark.parametrize("size", [1025, 5000])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_keys_that_are_too_long(s3: S3, bucket: str, method: str, size: int) -> None:
    """1,024 bytes, not characters."""
    answer = s3.ask(method, key_path(bucket, b"x" * size))

    assert answer.status == 400
    if method != "HEAD":
        assert (answer.code, answer.fields) == ("KeyTooLongError", {"Size": str(size), "MaxSizeAllowed": "1024"})
    assert s3.ask("PUT", key_path(bucket, ("é" * 513).encode())).error == (400, "KeyTooLongError")


@pytest.mark.parametrize("path", [b"\xae\x8a-", b"%AE%8A-", b"%ff", b"%C3", b"%", b"%zz", b"a%2"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_keys_that_are_no_text(s3: S3, bucket: str, method: str, path: bytes) -> None:
    """No UTF-8, or a broken escape: the URI cannot be read."""
    request = s3.request(method, bucket + "/key", body=b"")
    request.path = f"{bucket}/".encode() + path

    answer = s3.ask_all([request])[0]

    assert (answer.error, answer.text("Message")) == ((400, "InvalidURI"), "Couldn't parse the specified URI.")


def test_slashes_behind_a_bucket(s3: S3, bucket: str) -> None:
    """``/bucket`` and ``/bucket/`` are the bucket; ``/bucket//`` is the key ``/``."""
    s3.put(bucket + "//", b"slash")

    assert s3.keys(bucket) == s3.keys(bucket + "/") == ["/"]
    assert s3.ask("GET", bucket + "//").body == b"slash"
    assert s3.ask("GET", "//" + bucket[1:]).error == (400, "InvalidURI")


ENCODINGS = [b"/a%2Fb", b"/a/b", b"/%61%2fb", b"/a%2F%62"]


def test_the_path_is_signed_as_it_was_sent(s3: S3, bucket: str) -> None:
    """However a client escapes, its signature covers what it sent: the same key by four spellings."""
    s3.put(bucket + "/a/b", b"x")

    for spelling in ENCODINGS:
        assert s3.ask("GET", bucket.encode() + spelling).body == b"x"


def test_virtual_hosts(s3: S3) -> None:
    """The bucket from the Host header, dots and a port included; unknown hosts mean path style."""
    domains = ("s3.example.org", "example.net")
    door = s3.make_door(domains)
    assert s3.run(s3.answer(s3.request("PUT", "/", host=f"some.dotted.bucket.{HOST}:9000"), door)).status == 200
    put = s3.request("PUT", "/a/b", body=b"x", host=f"some.dotted.bucket.{HOST}")
    assert s3.run(s3.answer(put, door)).status == 200

    assert s3.ask("GET", "/some.dotted.bucket/a/b").body == b"x"
    other = s3.request("GET", "/a/b", host="some.dotted.bucket.example.net")
    assert s3.run(s3.answer(other, door)).body == b"x"
    unknown = s3.request("GET", "/some.dotted.bucket/a/b", host="elsewhere.example.com")
    assert s3.run(s3.answer(unknown, door)).body == b"x"
    plain = s3.request("GET", "/some.dotted.bucket/a/b", host=HOST)
    assert s3.run(s3.answer(plain, door)).body == b"x"


def test_a_key_may_look_like_an_operation(s3: S3, bucket: str) -> None:
    """``?acl`` escaped is part of the key; as a query it is a question."""
    s3.ask("PUT", f"{bucket}/key%3Facl".encode(), body=b"x")

    assert s3.keys(bucket) == ["key?acl"]
    assert s3.ask("GET", bucket + "/key", "acl").error == (404, "NoSuchKey")


def test_nobody_sees_the_keys_of_others(s3: S3, full: str) -> None:
    """Whatever the key."""
    for key in KEYS[:10]:
        assert s3.ask("GET", key_path(full, key), who=BOB).error == (403, "AccessDenied")

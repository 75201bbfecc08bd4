"""The law of the whole server: whatever is sent, the answer is one of S3's, it comes, and it is never "a bug".

Most of it goes through the door without sockets, signed, so that it gets deep; a smaller sample goes as raw bytes to a running
server. ``ZAKROM_FUZZ_EXAMPLES`` says how many examples of each kind are tried: the default fits into a CI, a night takes 50000.
"""

# ruff: noqa: ANN401 - the harness is loaded by its path, so its types are not known here

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import socket
import sys
import xml.etree.ElementTree as ET
from base64 import b64encode
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zakrom.testing.server import Server

EXAMPLES = int(os.environ.get("ZAKROM_FUZZ_EXAMPLES", "300"))
"""Of each kind: ten seconds in all on an idle machine, a minute on a busy one."""

FUZZ = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ANSWER_SECONDS = 10.0
"""A server that is silent for longer hangs."""

NO_BUG = {501, 507}
"""Statuses from 500 on that are answers: not served, and no room."""


def _load_harness() -> Any:
    path = Path(__file__).resolve().parents[1] / "stories" / "harness.py"
    spec = importlib.util.spec_from_file_location("fuzz_harness", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_harness"] = module
    spec.loader.exec_module(module)
    return module


harness = _load_harness()


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The door over a real store."""
    s3 = harness.S3(tmp_path_factory.mktemp("fuzz"))
    yield s3
    s3.close()
    assert s3.reported == []


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    """A bucket with an object, a version and an upload to be hit."""
    bucket: str = s3.bucket(versioning="Enabled")
    s3.put(bucket + "/key", b"0123456789")
    return bucket


@pytest.fixture(scope="module")
def upload(s3: Any, bucket: str) -> str:
    """An open upload of ``key``."""
    upload: str = s3.upload(bucket + "/key")
    return upload


def lawful(answer: Any) -> Any:
    """The answer, if it is one that S3 may give."""
    assert answer.status < 500 or answer.status in NO_BUG, answer
    if answer.status >= 400 and answer.body:
        root = ET.fromstring(answer.body)
        assert root.tag == "Error", answer
        assert root.findtext("Code"), answer
    for name, value in answer.all_headers:
        assert not set(name + value) & {"\r", "\n", "\0"}, answer
    return answer


# ------------------------------------------------------------------------------------------------------------------ keys

KEYS = st.binary(min_size=1, max_size=40) | st.text(min_size=1, max_size=20).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)


@FUZZ
@given(KEYS, st.binary(max_size=20))
def test_any_key(s3: Any, bucket: str, key: bytes, body: bytes) -> None:
    """Stored and found again as it was, listed once, deleted; or refused as no text."""
    path = f"{bucket}/{quote_from_bytes(key, safe='')}".encode()
    put = lawful(s3.ask("PUT", path, body=body))
    got = lawful(s3.ask("GET", path))
    if put.status != 200:
        assert put.error == (400, "InvalidURI")
        assert got.status == 400
        return
    assert got.body == body
    lawful(s3.ask("HEAD", path))
    listed = lawful(s3.ask("GET", bucket, {"list-type": "2", "encoding-type": "url", "prefix": key.decode()}))
    assert key in [unquote_to_bytes(one) for one in listed.texts("Contents/Key")]
    assert lawful(s3.ask("DELETE", path)).status == 204


# --------------------------------------------------------------------------------------------------------------- headers

VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30) | st.sampled_from(
    [
        "",
        "0",
        "-1",
        "1",
        "5",
        "10",
        "99999999999999999999",
        "true",
        "*",
        '"*"',
        "bytes=0-1",
        "bytes=-",
        "bytes=5-1",
        "gzip,aws-chunked",
        "COPY",
        "REPLACE",
        "ENABLED",
        "CRC32",
        "SHA256",
        "COMPOSITE",
        "FULL_OBJECT",
        "AAAAAA==",
        "/",
        "a/b",
        "a=1&b=2",
        "a=%zz",
        "private",
        "Sat, 01 Jan 2000 00:00:00 GMT",
        "x-amz-checksum-crc32",
        "=?UTF-8?B?=?=",
        "=?UTF-8?Q?=ZZ?=",
        "=?UTF-8?Q?=0D=0A?=",
        "d41d8cd98f00b204e9800998ecf8427e",
        "ETag,Checksum,ObjectParts",
        "STANDARD_IA",
        "100-continue",
    ]
)
NAMES = st.sampled_from(
    [
        "range",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "if-range",
        "content-md5",
        "content-type",
        "content-encoding",
        "cache-control",
        "expires",
        "expect",
        "x-amz-acl",
        "x-amz-checksum-algorithm",
        "x-amz-checksum-crc32",
        "x-amz-checksum-sha256",
        "x-amz-checksum-mode",
        "x-amz-checksum-type",
        "x-amz-copy-source",
        "x-amz-copy-source-if-match",
        "x-amz-copy-source-if-modified-since",
        "x-amz-copy-source-range",
        "x-amz-decoded-content-length",
        "x-amz-expected-bucket-owner",
        "x-amz-max-parts",
        "x-amz-meta-a",
        "x-amz-meta-",
        "x-amz-metadata-directive",
        "x-amz-mp-object-size",
        "x-amz-object-attributes",
        "x-amz-object-ownership",
        "x-amz-part-number-marker",
        "x-amz-sdk-checksum-algorithm",
        "x-amz-storage-class",
        "x-amz-tagging",
        "x-amz-tagging-directive",
        "x-amz-trailer",
        "x-amz-website-redirect-location",
        "x-amz-if-match-size",
        "x-amz-security-token",
    ]
)
REQUESTS = st.sampled_from(
    [
        ("GET", "/key", ""),
        ("HEAD", "/key", ""),
        ("PUT", "/new", ""),
        ("DELETE", "/new", ""),
        ("POST", "/new", "uploads"),
        ("GET", "/key", "attributes"),
        ("GET", "/key", "tagging"),
        ("PUT", "/key", "tagging"),
        ("GET", "", ""),
        ("GET", "", "versions"),
        ("PUT", "/key", "partNumber=1&uploadId={upload}"),
        ("GET", "/key", "uploadId={upload}"),
        ("POST", "/key", "uploadId={upload}"),
        ("PUT", "/key", "acl"),
        ("GET", "/key", "partNumber=1"),
        ("PUT", "", "versioning"),
        ("POST", "", "delete"),
    ]
)


@FUZZ
@given(REQUESTS, st.dictionaries(NAMES, VALUES, max_size=5), st.binary(max_size=20))
def test_any_headers(
    s3: Any, bucket: str, upload: str, request_: tuple[str, str, str], headers: dict[str, str], body: bytes
) -> None:
    """Whatever a signed request asks for in its headers."""
    method, path, query = request_
    if headers.get("x-amz-copy-source") == "a/b":
        headers["x-amz-copy-source"] = bucket + "/key"
    lawful(s3.ask(method, bucket + path, query.format(upload=upload), headers, body))


RAW = st.binary(max_size=30).filter(lambda value: not set(value) & set(b"\r\n\0"))


@FUZZ
@given(REQUESTS, st.lists(st.tuples(NAMES, RAW), max_size=5))
def test_any_bytes_in_headers(s3: Any, bucket: str, upload: str, request_: tuple[str, str, str], headers: list[Any]) -> None:
    """Bytes beyond ASCII in headers of a presigned request: most are not signed, none is a bug."""
    method, path, query = request_
    extra = [(name, value.decode("latin-1")) for name, value in headers]
    lawful(s3.ask(method, bucket + path, query.format(upload=upload), extra=extra))
    lawful(s3.ask(method, bucket + path, query.format(upload=upload), extra=extra, who=None))


# ----------------------------------------------------------------------------------------------------------------- query

PARAMETERS = st.sampled_from(
    [
        "list-type",
        "prefix",
        "delimiter",
        "marker",
        "max-keys",
        "encoding-type",
        "continuation-token",
        "start-after",
        "fetch-owner",
        "key-marker",
        "version-id-marker",
        "versions",
        "uploads",
        "upload-id-marker",
        "max-uploads",
        "uploadId",
        "partNumber",
        "max-parts",
        "part-number-marker",
        "versionId",
        "acl",
        "tagging",
        "location",
        "delete",
        "attributes",
        "response-content-type",
        "response-expires",
        "response-cache-control",
        "max-buckets",
        "bucket-region",
        "x-id",
        "policy",
        "session",
        "If-Match",
        "X-Amz-Date",
    ]
)
TEXTS = (
    VALUES | st.text(max_size=15) | st.sampled_from(["url", "2", "null", "1000", "0", "AQ==", "AWs=", "Ak==", "\x00", "\uffff"])
)
METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"])
WHERE = st.sampled_from(["", "/", "/key", "/absent", "/key/"])


@FUZZ
@given(METHODS, WHERE, st.dictionaries(PARAMETERS, TEXTS, max_size=5), st.booleans())
def test_any_query(s3: Any, bucket: str, method: str, where: str, query: dict[str, str], of_service: bool) -> None:
    """Whatever a signed request asks for in its query; a listing that answers is well-formed where XML can carry it."""
    with contextlib.suppress(UnicodeEncodeError):  # a lone surrogate cannot be sent
        if method == "DELETE" and where in {"", "/"}:
            method = "GET"
        lawful(s3.ask(method, "/" if of_service else bucket + where, query))


FRAGMENTS = st.sampled_from(
    [
        b"/",
        b"//",
        b".",
        b"..",
        b"%",
        b"%2F",
        b"%00",
        b"%ff",
        b"%C3%A9",
        b"%zz",
        b"?",
        b"#",
        b"a",
        b"key",
        b"-",
        b"minio",
        b"*",
        b"\xff",
        b"http://",
        b"@",
        b":",
        b"+",
        b"%25",
        b"&",
        b"=",
        b";",
        b" ",
    ]
)


@FUZZ
@given(METHODS, st.lists(FRAGMENTS, max_size=8).map(b"".join), st.lists(FRAGMENTS | RAW, max_size=8).map(b"".join), VALUES)
def test_any_target(s3: Any, method: str, path: bytes, query: bytes, host: str) -> None:
    """Any bytes where the path and the query stand, any host; not signed."""
    request = s3.request(method, "/", who=None, host=host)
    request.path, request.query = path, query
    answer = s3.ask_all([request])[0]
    if not path.startswith((b"/-/", b"/minio/")):
        lawful(answer)


# ---------------------------------------------------------------------------------------------------------------- bodies

CHUNKS = st.lists(
    st.sampled_from(
        [
            b"0",
            b"1",
            b"5",
            b"a",
            b"ff",
            b"ffffffffffffffff",
            b"\r\n",
            b"\n",
            b"\r",
            b"hello",
            b";chunk-signature=",
            b"0" * 64,
            b";",
            b"x-amz-checksum-crc32:NhCmhg==",
            b"x-amz-checksum-crc32:",
            b"x-amz-trailer-signature:",
            b":",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
        ]
    )
    | st.binary(max_size=6),
    max_size=12,
)
PAYLOADS = st.sampled_from(
    [
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "UNSIGNED-PAYLOAD",
        "0" * 64,
    ]
)


@FUZZ
@given(CHUNKS, PAYLOADS, st.sampled_from(["0", "5", "10", "", "x", None]), st.booleans(), st.sampled_from([-1, None, 0, 3]))
def test_any_framing(
    s3: Any, bucket: str, pieces: list[bytes], payload: str, decoded: str | None, trailer: bool, length: int | None
) -> None:
    """Whatever a body looks like: it is stored as announced, or not at all."""
    headers = {} if decoded is None else {"x-amz-decoded-content-length": decoded}
    if trailer:
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"
    body = b"".join(pieces)
    answer = lawful(s3.ask("PUT", bucket + "/framed", "", headers, body, payload=payload, pieces=list(pieces), length=length))
    if answer.status == 200 and payload.startswith("STREAMING"):
        assert s3.ask("HEAD", bucket + "/framed").length == int(decoded or 0)


ELEMENTS = st.recursive(
    st.text("abc1 <&\u00e9\x01", max_size=6)
    | st.sampled_from(["1", "0", "true", "Enabled", "key", "null", '"e"', "&lt;", "&#1;", "&x;"]),
    lambda inner: st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "Object",
                    "Key",
                    "VersionId",
                    "Quiet",
                    "Part",
                    "PartNumber",
                    "ETag",
                    "TagSet",
                    "Tag",
                    "Value",
                    "Status",
                    "MfaDelete",
                    "LocationConstraint",
                    "Tags",
                    "ChecksumCRC32",
                    "Size",
                    "LastModifiedTime",
                    "Location",
                    "Bucket",
                ]
            ),
            inner,
        ).map(lambda pair: f"<{pair[0]}>{pair[1]}</{pair[0]}>"),
        max_size=4,
    ).map("".join),
    max_leaves=10,
)
DOCUMENTS = st.sampled_from(
    [
        ("POST", "", "delete", "Delete"),
        ("PUT", "/key", "tagging", "Tagging"),
        ("PUT", "", "tagging", "Tagging"),
        ("PUT", "", "versioning", "VersioningConfiguration"),
        ("POST", "/key", "uploadId={upload}", "CompleteMultipartUpload"),
        ("PUT", "-new", "", "CreateBucketConfiguration"),
        ("PUT", "", "acl", "AccessControlPolicy"),
        ("PUT", "", "cors", "CORSConfiguration"),
    ]
)
PROLOGUES = st.sampled_from(
    [
        "",
        '<?xml version="1.0"?>',
        "<!DOCTYPE a [<!ENTITY b 'c'>]>",
        '<?xml version="1.0" encoding="UTF-16"?>',
        "<!-- -->",
        "\ufeff",
    ]
)


@FUZZ
@given(DOCUMENTS, PROLOGUES, ELEMENTS, st.booleans())
def test_any_document(
    s3: Any, bucket: str, upload: str, document: tuple[str, str, str, str], prologue: str, content: str, spoil: bool
) -> None:
    """Any elements in any order, entities, document types, other encodings, unfinished."""
    method, path, query, root = document
    body = f"{prologue}<{root}>{content}</{root}>".encode()
    body = body[: len(body) // 2] if spoil else body
    headers = {"content-md5": b64encode(md5(body).digest()).decode()}
    lawful(s3.ask(method, bucket + path, query.format(upload=upload), headers, body))


# --------------------------------------------------------------------------------------------------------------- sockets


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A running server."""
    with Server() as server:
        yield server


HEADS = st.builds(
    lambda method, target, version, lines, body: (
        method + b" " + target + b" HTTP/" + version + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body
    ),
    st.sampled_from([b"GET", b"PUT", b"POST", b"HEAD", b"DELETE", b"get", b"", b"\xff", b"PRI"]),
    st.lists(FRAGMENTS, min_size=1, max_size=6).map(b"".join),
    st.sampled_from([b"1.1", b"1.0", b"2.0", b"9", b""]),
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    b"Host",
                    b"Content-Length",
                    b"Transfer-Encoding",
                    b"Expect",
                    b"Connection",
                    b"Authorization",
                    b"x-amz-date",
                    b"Range",
                    b"\xff",
                    b" ",
                ]
            ),
            RAW | st.sampled_from([b"0", b"5", b"-1", b"chunked", b"close", b"100-continue", b"localhost", b"9" * 30]),
        ).map(lambda pair: pair[0] + b": " + pair[1]),
        max_size=6,
    ),
    st.binary(max_size=20) | st.sampled_from([b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"]),
)


@settings(FUZZ, max_examples=max(20, EXAMPLES // 2))
@given(HEADS)
def test_any_bytes_on_a_socket(server: Server, head: bytes) -> None:
    """An answer that is no bug, or a closed connection, in time."""
    host, port = server.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS) as connection:
        received = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(head)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                received += piece
    for status in map(int, re.findall(rb"HTTP/1\.1 (\d{3}) ", received)):
        assert status < 500 or status in {501, 505}, (head, received)


def test_the_server_has_not_noticed(server: Server) -> None:
    """After all that it serves, and its log tells of no bug."""
    client = server.client()
    client.create_bucket(Bucket="after-the-storm")
    client.put_object(Bucket="after-the-storm", Key="key", Body=b"x")
    assert client.get_object(Bucket="after-the-storm", Key="key")["Body"].read() == b"x"
    assert "a bug" not in server.log

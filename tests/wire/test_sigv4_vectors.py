"""Signatures that others have computed: the examples in the Amazon S3 API Reference, and botocore as an oracle."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from zakrom.wire import dates, sigv4
from zakrom.wire.sigv4 import Header, Presigned, PresignedV2, RequestParts, Verified
from zakrom.wire.target import Query

ACCESS_KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
DOCS_DATE = "20130524T000000Z"
DOCS_MS = 1_369_353_600_000
EMPTY = hashlib.sha256().hexdigest()


def verified(method: str, url: str, headers: dict[str, str], *, now_ms: int, host_bucket: str | None = None) -> Verified:
    """What the server makes of a request, given its URL and headers as a client sends them."""
    split = urlsplit(url)
    received = [(name.lower().encode(), str(value).encode("latin-1")) for name, value in headers.items()]
    if "host" not in {name.lower() for name in headers}:
        received.insert(0, (b"host", split.netloc.encode()))
    query = Query(split.query.encode())
    claim = sigv4.classify(received, query)
    assert claim is not None
    assert claim.access_key == ACCESS_KEY
    parts = RequestParts(method, split.path.encode(), query, received, host_bucket)
    return sigv4.verify(claim, SECRET, parts, now_ms, "us-east-1", also=("eu-north-1",))


# ------------------------------------------------------------------------------------------- examples of the API Reference


@pytest.mark.parametrize(
    ("method", "target", "headers", "payload", "signature"),
    [
        ("GET", "/test.txt", {"range": "bytes=0-9"}, EMPTY, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        (
            "PUT",
            "/test%24file.text",
            {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            hashlib.sha256(b"Welcome to Amazon S3.").hexdigest(),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        ("GET", "/?lifecycle", {}, EMPTY, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("GET", "/?max-keys=2&prefix=J", {}, EMPTY, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_the_examples_of_header_signatures(
    method: str, target: str, headers: dict[str, str], payload: str, signature: str
) -> None:
    """API Reference, "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk"."""
    sent = {
        "host": "examplebucket.s3.amazonaws.com",
        "x-amz-content-sha256": payload,
        "x-amz-date": DOCS_DATE,
        "user-agent": "not signed",
    } | headers
    signed = ";".join(sorted(sent.keys() - {"user-agent"}))
    sent["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={signed},Signature={signature}"
    )

    found = verified(method, f"https://examplebucket.s3.amazonaws.com{target}", sent, now_ms=DOCS_MS)

    assert (payload, signature) == (found.payload, found.seed_signature)


def test_the_example_of_a_presigned_url() -> None:
    """API Reference, "Authenticating Requests: Using Query Parameters"; our own `presign` makes the same."""
    url = sigv4.presign(
        sigv4.Credentials(ACCESS_KEY, SECRET),
        "GET",
        "https://examplebucket.s3.amazonaws.com/test.txt",
        now_ms=DOCS_MS,
        expires_seconds=86400,
    )

    assert url.endswith("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
    assert verified("GET", url, {}, now_ms=DOCS_MS + 86_400_000).payload == "UNSIGNED-PAYLOAD"


# ------------------------------------------------------------------------------------------------------ botocore as oracle

URLS = [
    "http://127.0.0.1:9000/",
    "http://127.0.0.1:9000/bucket/a%20b/%D1%84%2B%21%27%28%29~",
    "http://127.0.0.1:9000/bucket//a/./../b//",
    "http://127.0.0.1:9000/bucket/a%252Fb",
    "http://bucket.s3.example.com/key",
    "http://127.0.0.1:9000/bucket?list-type=2&prefix=a%2Fb%20c&delimiter=%2F&encoding-type=url",
    "http://127.0.0.1:9000/bucket?uploads",
    "http://127.0.0.1:9000/bucket/key?partNumber=1&uploadId=a-b_c.d~e",
    "http://127.0.0.1:9000/bucket/key?part=1&part-number=2&partA=3&part=0",
    "http://127.0.0.1:9000/bucket/key?response-content-disposition=attachment%3B%20filename%3D%22%D1%84.txt%22",
]


def boto(auth: type[Any], request: AWSRequest, *more: object, **options: object) -> None:
    """Has botocore sign a request."""
    auth(BotoCredentials(ACCESS_KEY, SECRET), *more, **options).add_auth(request)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_botocore_signs_in_headers_is_true(method: str, url: str) -> None:
    """And our own signer finds the same signature for the same request."""
    request = AWSRequest(
        method,
        url,
        headers={"Content-Type": "a;  b", "x-amz-meta-a": " x  y ", "Content-MD5": "CY9rzUYh03PK3k6DJie09g=="},
        data=b"" if method == "GET" else b"hello",
    )
    boto(S3SigV4Auth, request, "s3", "eu-north-1")
    headers = dict(request.headers.items())
    now_ms = dates.parse_amz_date(headers["X-Amz-Date"])
    assert now_ms is not None

    found = verified(method, url, headers, now_ms=now_ms)
    split = urlsplit(url)
    ours = sigv4.sign_headers(
        sigv4.Credentials(ACCESS_KEY, SECRET, "eu-north-1"),
        method,
        split.path + ("?" + split.query if split.query else ""),
        {"host": split.netloc, "content-type": "a;  b", "x-amz-meta-a": " x  y ", "content-md5": headers["Content-MD5"]},
        now_ms=now_ms,
        payload=found.payload,
    )

    assert headers["Authorization"] == ours["authorization"]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_botocore_presigns_is_true(method: str, url: str) -> None:
    """SigV4 in the query, with a signed header beside Host."""
    request = AWSRequest(method, url, headers={"x-amz-meta-a": "1"})
    boto(S3SigV4QueryAuth, request, "s3", "us-east-1", expires=60)
    now_ms = dates.parse_amz_date(Query(urlsplit(request.url).query.encode()).get("X-Amz-Date") or "")
    assert now_ms is not None

    found = verified(method, request.url, {"x-amz-meta-a": "1", "x-forwarded-for": "1.2.3.4"}, now_ms=now_ms)

    assert found.payload == "UNSIGNED-PAYLOAD"


@pytest.mark.parametrize("url", URLS)
def test_what_botocore_presigns_by_the_second_version_is_true(url: str) -> None:
    """Headers that matter are carried in the query."""
    request = AWSRequest("PUT", url, headers={"x-amz-meta-b": "ф", "x-amz-acl": "private", "Content-Type": "text/plain"})
    bucket = "bucket" if "bucket.s3" in url else None
    request.auth_path = f"/{bucket}{urlsplit(url).path}" if bucket else None
    boto(HmacV1QueryAuth, request, expires=60)
    expires = int(Query(urlsplit(request.url).query.encode()).get("Expires") or 0)

    found = verified("PUT", request.url, {}, now_ms=expires * 1000, host_bucket=bucket)

    assert (ACCESS_KEY, "UNSIGNED-PAYLOAD") == (found.access_key, found.payload)


def test_claims_are_told_apart() -> None:
    """By header, by query, or none."""
    request = AWSRequest("GET", "http://h/b/k")
    boto(S3SigV4Auth, request, "s3", "us-east-1")
    headers = [(b"authorization", request.headers["Authorization"].encode())]
    presigned = sigv4.presign(sigv4.Credentials(ACCESS_KEY, SECRET), "GET", "http://h/b", now_ms=0).partition("?")[2]

    assert isinstance(sigv4.classify(headers, Query(b"")), Header)
    assert isinstance(sigv4.classify([], Query(presigned.encode())), Presigned)
    assert isinstance(sigv4.classify([], Query(b"AWSAccessKeyId=a&Signature=b&Expires=1")), PresignedV2)
    assert sigv4.classify([(b"authorization", b"")], Query(b"Expires=1")) is None

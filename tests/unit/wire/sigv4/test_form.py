"""Signatures of forms, against the example that AWS publishes to verify them with."""

from __future__ import annotations

from base64 import b64encode

import pytest

from zakrom import errors
from zakrom.rules import post_policy
from zakrom.wire.dates import parse_iso8601
from zakrom.wire.post_policy import parse
from zakrom.wire.sigv4 import Credentials, classify_form, sign_form, verify_form

EXAMPLE = """{ "expiration": "2015-12-30T12:00:00.000Z",
  "conditions": [
    {"bucket": "sigv4examplebucket"},
    ["starts-with", "$key", "user/user1/"],
    {"acl": "public-read"},
    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},
    ["starts-with", "$Content-Type", "image/"],
    {"x-amz-meta-uuid": "14365123651274"},
    {"x-amz-server-side-encryption": "AES256"},
    ["starts-with", "$x-amz-meta-tag", ""],

    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},
    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
    {"x-amz-date": "20151229T000000Z" }
  ]
}""".replace("\n", "\r\n")
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
POLICY = b64encode(EXAMPLE.encode()).decode()
FIELDS = {
    "key": "user/user1/${filename}",
    "acl": "public-read",
    "success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html",
    "content-type": "image/jpeg",
    "x-amz-meta-uuid": "14365123651274",
    "x-amz-server-side-encryption": "AES256",
    "x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
    "x-amz-algorithm": "AWS4-HMAC-SHA256",
    "x-amz-date": "20151229T000000Z",
    "x-amz-meta-tag": "",
    "policy": POLICY,
    "x-amz-signature": "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
}


def test_the_published_example() -> None:
    """Amazon S3 API Reference, "Example: Browser-Based Upload using HTTP POST": its signature, and its form by its policy."""
    claim = classify_form(FIELDS)
    assert claim is not None
    now_ms = parse_iso8601("2015-12-30T11:59:59Z")
    assert now_ms is not None

    verify_form(claim, SECRET, FIELDS, ("us-east-1",), "us-east-1")
    post_policy.check(parse(POLICY), FIELDS, "sigv4examplebucket", now_ms)
    with pytest.raises(errors.AccessDenied, match="expired"):
        post_policy.check(parse(POLICY), FIELDS, "sigv4examplebucket", now_ms + 1000)
    with pytest.raises(errors.SignatureDoesNotMatch):
        verify_form(claim, SECRET + "x", FIELDS, ("us-east-1",), "us-east-1")


def test_what_we_sign_is_the_same() -> None:
    """The client's half makes the fields of the example."""
    made_ms = parse_iso8601("2015-12-29T00:00:00Z")
    assert made_ms is not None
    made = sign_form(Credentials("AKIAIOSFODNN7EXAMPLE", SECRET), POLICY, now_ms=made_ms)

    assert made == {name: FIELDS[name] for name in made}

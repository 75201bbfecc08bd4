"""Claims that are not true, or cannot be read: each has the error that AWS would send."""

from __future__ import annotations

import hmac
from base64 import b64encode
from urllib.parse import quote

import pytest

from zakrom import errors
from zakrom.wire import dates, sigv4
from zakrom.wire.sigv4 import Credentials, RequestParts, Verified
from zakrom.wire.target import Query

KEYS = Credentials("AKID/with/slashes", "sécret", "eu-north-1")
NOW_MS = 1_795_255_200_000  # 2026-11-21T10:00:00Z
MINUTE_MS = 60_000
SHA256 = "0" * 64
Headers = dict[str, str]


def received(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Headers as the server sees them."""
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def check(
    headers: Headers,
    target: str = "/b/k?a=1",
    *,
    method: str = "PUT",
    now_ms: int = NOW_MS,
    secret: str = KEYS.secret,
    region: str = "eu-north-1",
    host_bucket: str | None = None,
) -> Verified:
    """What the server makes of a request."""
    path, _, raw = target.partition("?")
    query = Query(raw.encode())
    claim = sigv4.classify(received(headers), query)
    assert claim is not None
    parts = RequestParts(method, path.encode(), query, received(headers), host_bucket)
    return sigv4.verify(claim, secret, parts, now_ms, region)


def signed(target: str = "/b/k?a=1", *, now_ms: int = NOW_MS, payload: str = SHA256, **headers: str) -> Headers:
    """The headers of a signed PUT."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return sigv4.sign_headers(KEYS, "PUT", target, {"host": "h"} | more, now_ms=now_ms, payload=payload)


def presigned(*, now_ms: int = NOW_MS, expires_seconds: int = 60, headers: Headers | None = None) -> str:
    """The target of a presigned PUT."""
    url = sigv4.presign(KEYS, "PUT", "http://h/b/k?a=1", now_ms=now_ms, expires_seconds=expires_seconds, headers=headers)
    return url.removeprefix("http://h")


def test_a_true_claim_tells_what_the_body_must_be() -> None:
    """And what is needed to check signatures of chunks."""
    headers = signed(payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD")

    found = check(headers)

    assert found == Verified(
        KEYS.access_key,
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        headers["authorization"].rpartition("=")[2],
        sigv4.signing_key(KEYS.secret, "20261121", "eu-north-1"),
        "20261121/eu-north-1/s3/aws4_request",
        "20261121T100000Z",
    )


# ------------------------------------------------------------------------------------------------------------- falsified


@pytest.mark.parametrize(
    ("change", "changed_headers"),
    [
        ({"target": "/b/k2?a=1"}, {}),
        ({"target": "/b//k?a=1"}, {}),
        ({"target": "/b/k?a=2"}, {}),
        ({"target": "/b/k?a=1&b"}, {}),
        ({"target": "/b/k"}, {}),
        ({"method": "GET"}, {}),
        ({"secret": "other"}, {}),
        ({}, {"host": "other"}),
        ({}, {"x-amz-meta-a": "changed"}),
        ({}, {"x-amz-content-sha256": "1" * 64}),
        ({}, {"x-amz-date": "20261121T100001Z"}),
    ],
)
def test_whoever_changes_what_was_signed_is_found_out(change: dict[str, str], changed_headers: Headers) -> None:
    """SignatureDoesNotMatch shows what should have been signed."""
    headers = signed(x_amz_meta_a="1") | changed_headers

    with pytest.raises(errors.SignatureDoesNotMatch) as caught:
        check(headers, **change)  # type: ignore[arg-type]

    fields = caught.value.fields
    assert list(fields) == ["aws_access_key_id", "string_to_sign", "signature_provided", "canonical_request"]
    assert fields["aws_access_key_id"] == KEYS.access_key
    assert fields["signature_provided"] == headers["authorization"].rpartition("=")[2]
    assert str(fields["string_to_sign"]).startswith("AWS4-HMAC-SHA256\n20261121T10")
    assert "\nhost;x-amz-content-sha256;x-amz-date;x-amz-meta-a\n" in str(fields["canonical_request"])


@pytest.mark.parametrize("signature", ["", "0" * 64, "ф" * 64, "x"])
def test_a_signature_of_any_shape_is_compared(signature: str) -> None:
    """Wrong ones are wrong, whatever they consist of."""
    headers = signed()
    lead = headers["authorization"].rpartition("=")[0]
    text = f"{lead}={signature or 'x'}".encode().decode("latin-1")

    with pytest.raises(errors.SignatureDoesNotMatch):
        check(headers | {"authorization": text})


def test_a_signed_header_that_is_gone_counts_as_empty() -> None:
    """What a proxy takes away breaks the signature; it is no crash."""
    headers = signed(content_type="text/plain")
    del headers["content-type"]

    with pytest.raises(errors.SignatureDoesNotMatch):
        check(headers)


def test_headers_may_be_added_unless_they_matter() -> None:
    """A proxy's headers are nobody's business; every x-amz-* must be signed, but for the payload's own hash."""
    assert check(signed() | {"x-forwarded-for": "1.2.3.4", "expect": "100-continue", "range": "bytes=0-"}).payload == SHA256
    with pytest.raises(errors.AccessDenied, match="There were headers present in the request which were not signed") as caught:
        check(signed() | {"x-amz-meta-b": "1", "x-amz-acl": "private"})
    assert caught.value.fields == {"headers_not_signed": "x-amz-acl, x-amz-meta-b"}
    with pytest.raises(errors.AccessDenied) as caught:
        check({"host": "h"} | {"x-amz-meta-wrong": "1"}, presigned())
    assert caught.value.fields == {"headers_not_signed": "x-amz-meta-wrong"}


def test_a_header_that_is_sent_twice_is_signed_once() -> None:
    """Its values are joined by commas, without the white space around them."""
    headers = received(signed(x_amz_meta_a="1,2 3"))
    split = [pair for pair in headers if pair[0] != b"x-amz-meta-a"] + [(b"x-amz-meta-a", b"1 "), (b"x-amz-meta-a", b" 2  3")]
    query = Query(b"a=1")
    claim = sigv4.classify(split, query)
    assert claim is not None

    found = sigv4.verify(claim, KEYS.secret, RequestParts("PUT", b"/b/k", query, split), NOW_MS, KEYS.region)

    assert found.access_key == KEYS.access_key


def test_the_host_must_be_signed() -> None:
    """Otherwise a signature for one server would be good for all."""
    headers = signed()
    headers["authorization"] = headers["authorization"].replace("SignedHeaders=host;", "SignedHeaders=")

    with pytest.raises(errors.AccessDenied) as caught:
        check(headers)
    assert caught.value.fields == {"headers_not_signed": "host"}


@pytest.mark.parametrize(
    ("signed_target", "sent"),
    [
        ("/b/a%2Fb", "/b/a%2Fb"),
        ("/b/a/b", "/b/a%2Fb"),
        ("/b/p%3D0", "/b/p=0"),
        ("/b/p=0", "/b/p=0"),
        ("/b/%D1%84", "/b/%d1%84"),
        ("/b/~", "/b/%7E"),
        ("/b?prefix=d%2F", "/b?prefix=d/"),
        ("/b?a=1&b=2", "/b?b=2&a=1"),
        ("/b?x=a%20b", "/b?x=a+b"),
        ("/b?location=", "/b?location"),
        ("/b?x=a%3Db&y=", "/b?y&x=a=b"),
    ],
)
def test_a_client_that_sends_otherwise_than_it_signs_is_understood(signed_target: str, sent: str) -> None:
    """As long as both mean the same: HTTP libraries rewrite URLs behind the signer's back."""
    assert check(signed(signed_target), sent).access_key == KEYS.access_key


# --------------------------------------------------------------------------------------------------------------- dates


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_that_is_wrong_by_more_than_fifteen_minutes(minutes: int) -> None:
    """RequestTimeTooSkewed tells both times; just under the limit all is well."""
    headers = signed(now_ms=NOW_MS + minutes * MINUTE_MS)

    with pytest.raises(errors.RequestTimeTooSkewed) as caught:
        check(headers)

    assert caught.value.fields == {
        "request_time": dates.amz_date(NOW_MS + minutes * MINUTE_MS),
        "server_time": "2026-11-21T10:00:00Z",
        "max_allowed_skew_milliseconds": 900_000,
    }
    assert check(signed(now_ms=NOW_MS + minutes // 16 * 15 * MINUTE_MS)).access_key == KEYS.access_key


def test_the_date_header_will_do() -> None:
    """Where there is no x-amz-date, in its own form; without either it is AccessDenied."""
    headers = signed()
    del headers["x-amz-date"]
    headers["date"] = dates.http_date(NOW_MS)
    with pytest.raises(errors.SignatureDoesNotMatch):  # the date is understood; this signature covers x-amz-date
        check(headers)
    for text in ("", "yesterday"):
        with pytest.raises(errors.AccessDenied, match="requires a valid Date or x-amz-date header"):
            check(headers | {"date": text})


def test_the_credential_is_for_one_day() -> None:
    """That of the request."""
    headers = signed()
    wrong = headers["authorization"].replace("/20261121/", "/20261120/")
    with pytest.raises(errors.AuthorizationHeaderMalformed, match='Invalid credential date "20261120"'):
        check(headers | {"authorization": wrong})
    with pytest.raises(errors.AuthorizationQueryParametersError, match='Invalid credential date "20261120"'):
        check({"host": "h"}, presigned().replace("%2F20261121%2F", "%2F20261120%2F"))


# ------------------------------------------------------------------------------------------------------------- regions


def test_the_wrong_region_is_told_the_right_one() -> None:
    """SDKs read it from there."""
    with pytest.raises(errors.AuthorizationHeaderMalformed) as caught:
        check(signed(), region="us-east-1")
    assert caught.value.message == (
        "The authorization header is malformed; the region 'eu-north-1' is wrong; expecting 'us-east-1'"
    )
    assert caught.value.fields == {"region": "us-east-1"}
    with pytest.raises(errors.AuthorizationQueryParametersError, match="the region 'eu-north-1' is wrong; expecting 'x'"):
        check({"host": "h"}, presigned(), region="x")


# ------------------------------------------------------------------------------------------------------------- payload


def test_the_hash_of_the_body_is_required_and_must_be_one() -> None:
    """With a header signature."""
    headers = signed()
    del headers["x-amz-content-sha256"]
    with pytest.raises(errors.InvalidRequest, match="Missing required header for this request: x-amz-content-sha256"):
        check(headers)
    with pytest.raises(errors.InvalidArgument) as caught:
        check(signed(payload="nonsense"))
    assert caught.value.fields == {"argument_name": "x-amz-content-sha256", "argument_value": "nonsense"}
    with pytest.raises(errors.NotServed):
        check(signed(payload="STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"))


def test_a_presigned_request_may_promise_a_hash() -> None:
    """Signed or not, it is what the body will be held against; none is UNSIGNED-PAYLOAD."""
    promise = {"x-amz-content-sha256": SHA256}

    assert check({"host": "h"}, presigned()).payload == "UNSIGNED-PAYLOAD"
    assert check({"host": "h"} | promise, presigned()).payload == SHA256


# ----------------------------------------------------------------------------------------------------------- presigned


def test_a_presigned_url_expires() -> None:
    """It is good from fifteen minutes before its time to its last second."""
    target = presigned(expires_seconds=60)

    assert check({"host": "h"}, target, now_ms=NOW_MS + 60_000).access_key == KEYS.access_key
    assert check({"host": "h"}, target, now_ms=NOW_MS - 15 * MINUTE_MS).access_key == KEYS.access_key
    with pytest.raises(errors.AccessDenied, match="Request has expired") as caught:
        check({"host": "h"}, target, now_ms=NOW_MS + 61_000)
    assert caught.value.fields == {
        "x_amz_expires": 60,
        "expires": "2026-11-21T10:01:00Z",
        "server_time": "2026-11-21T10:01:01Z",
    }
    with pytest.raises(errors.AccessDenied, match="Request is not valid yet"):
        check({"host": "h"}, target, now_ms=NOW_MS - 16 * MINUTE_MS)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("X-Amz-Expires=60", "X-Amz-Expires=604801", "must be less than a week"),
        ("X-Amz-Expires=60", "X-Amz-Expires=" + "9" * 5000, "must be less than a week"),
        ("X-Amz-Expires=60", "X-Amz-Expires=-1", "must be non-negative"),
        ("X-Amz-Expires=60", "X-Amz-Expires=a", "should be a number"),
        ("X-Amz-Expires=60", "X-Amz-Expires=%D9%A0", "should be a number"),
        ("X-Amz-Date=2", "X-Amz-Date=x", "X-Amz-Date must be in the ISO8601 Long Format"),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", "X-Amz-Algorithm only supports"),
        ("%2F", "%252F", "the Credential is mal-formed; expecting"),
        ("%2Fs3%2F", "%2Fiam%2F", 'incorrect service "iam"'),
        ("aws4_request", "aws5_request", 'incorrect terminal "aws5_request"'),
        ("%2F20261121%2F", "%2F2026%2F", 'incorrect date format "2026"'),
        *[
            (f"{name}=", f"{name}-gone=", "Query-string authentication version 4 requires")
            for name in ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders")
        ],
        ("X-Amz-Signature", "X-Amz-Gone", "Query-string authentication version 4 requires"),
    ],
)
def test_a_presigned_url_that_cannot_be_read(old: str, new: str, message: str) -> None:
    """AuthorizationQueryParametersError says why."""
    target = presigned()
    assert old in target

    with pytest.raises(errors.AuthorizationQueryParametersError) as caught:
        check({"host": "h"}, target.replace(old, new))
    assert message in caught.value.message


@pytest.mark.parametrize("change", [("/b/k", "/b/l"), ("a=1", "a=2"), ("Expires=60", "Expires=61"), ("a=1&", "")])
def test_a_presigned_url_that_was_changed(change: tuple[str, str]) -> None:
    """The signature covers path, query and method."""
    with pytest.raises(errors.SignatureDoesNotMatch):
        check({"host": "h"}, presigned().replace(*change))
    with pytest.raises(errors.SignatureDoesNotMatch):
        check({"host": "h"}, presigned(), method="DELETE")


def test_the_order_of_the_query_does_not_matter() -> None:
    """Browsers and proxies sort."""
    path, _, query = presigned().partition("?")
    turned = "&".join(reversed(query.split("&")))

    assert check({"host": "h"}, f"{path}?{turned}").access_key == KEYS.access_key


# -------------------------------------------------------------------------------------------------------- the header


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("AWS4-HMAC-SHA256 ", 'the authorization component "" is malformed.'),
        ("AWS4-HMAC-SHA256 Credential", 'the authorization component "Credential" is malformed.'),
        ("AWS4-HMAC-SHA256 Credential=, Signature=a", 'the authorization component "Credential=" is malformed.'),
        ("AWS4-HMAC-SHA256 Credential=a", "requires three components: Credential, SignedHeaders, and Signature."),
        ("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b, Signature=c", "the Credential is mal-formed; expecting"),
        ("AWS4-HMAC-SHA256 Credential=/20260101/r/s3/aws4_request,SignedHeaders=b,Signature=c", "the Credential is mal-formed"),
        ("AWS4-HMAC-SHA256 Credential=a/b/r/s3/aws4_request,SignedHeaders=b,Signature=c", 'incorrect date format "b"'),
        ("AWS4-HMAC-SHA256 Credential=a/20260101/r/x/aws4_request,SignedHeaders=b,Signature=c", 'incorrect service "x"'),
        ("AWS4-HMAC-SHA256 Credential=a/20260101/r/s3/x,SignedHeaders=b,Signature=c", 'incorrect terminal "x"'),
    ],
)
def test_a_header_that_cannot_be_read(text: str, message: str) -> None:
    """AuthorizationHeaderMalformed says why."""
    with pytest.raises(errors.AuthorizationHeaderMalformed) as caught:
        check({"host": "h", "authorization": text})

    assert caught.value.message.startswith("The authorization header is malformed; ")
    assert message in caught.value.message


def test_other_mechanisms_are_refused() -> None:
    """SigV2 in a header, other schemes, two mechanisms at once; nothing of a foreign credential is echoed."""
    with pytest.raises(errors.InvalidRequest, match="Please use AWS4-HMAC-SHA256"):
        check({"host": "h", "authorization": "AWS AKID:signature"})
    with pytest.raises(errors.InvalidArgument, match="Unsupported Authorization Type") as caught:
        check({"host": "h", "authorization": "Bearer secret-token"})
    assert caught.value.fields == {"argument_name": "Authorization", "argument_value": "Bearer"}
    for query in ("X-Amz-Signature=a", "Signature=a"):
        with pytest.raises(errors.InvalidArgument, match="Only one auth mechanism allowed"):
            check(signed(), "/b?" + query)


def test_there_are_no_session_tokens() -> None:
    """Keys of ours never have one."""
    with pytest.raises(errors.InvalidToken):
        check(signed(x_amz_security_token="t"))
    with pytest.raises(errors.InvalidToken):
        check({"host": "h"}, presigned() + "&X-Amz-Security-Token=t")
    with pytest.raises(errors.InvalidToken):
        check({"host": "h"}, f"/b/k?AWSAccessKeyId=a&Signature=b&Expires={NOW_MS // 1000}&x-amz-security-token=t")


# --------------------------------------------------------------------------------------------------------- version 2


@pytest.mark.parametrize("query", ["AWSAccessKeyId=a&Signature=b", "Signature=b&Expires=1", "AWSAccessKeyId=a&Expires=1"])
def test_all_three_parameters_of_version_2_are_needed(query: str) -> None:
    """AccessDenied names them."""
    with pytest.raises(errors.AccessDenied, match="requires the Signature, Expires and AWSAccessKeyId parameters"):
        check({"host": "h"}, "/b/k?" + query)


def test_version_2_expires_and_can_be_wrong() -> None:
    """With the fields of AWS; a version that is switched off is refused as a mechanism."""
    query = f"AWSAccessKeyId=a&Signature=%D1%84&Expires={NOW_MS // 1000}"

    with pytest.raises(errors.SignatureDoesNotMatch) as caught:
        check({"host": "h"}, "/b/k?" + query, method="GET")
    assert caught.value.fields == {
        "aws_access_key_id": "a",
        "string_to_sign": f"GET\n\n\n{NOW_MS // 1000}\n/b/k",
        "signature_provided": "ф",
    }
    with pytest.raises(errors.AccessDenied, match="Request has expired") as late:
        check({"host": "h"}, "/b/k?" + query, now_ms=NOW_MS + 1000)
    assert late.value.fields == {"expires": "2026-11-21T10:00:00Z", "server_time": "2026-11-21T10:00:01Z"}
    for expires in ("x", "-1", "9" * 30, "%D9%A0"):
        with pytest.raises(errors.AccessDenied, match="Invalid date"):
            check({"host": "h"}, f"/b/k?AWSAccessKeyId=a&Signature=b&Expires={expires}")
    with pytest.raises(errors.InvalidRequest, match="Please use AWS4-HMAC-SHA256"):
        sigv4.classify([], Query(query.encode()), sigv2=False)


def test_version_2_cannot_sign_chunks() -> None:
    """Their signatures need a key of version 4."""
    streaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    text = f"PUT\n\n\n{NOW_MS // 1000}\nx-amz-content-sha256:{streaming}\n/bucket/k"
    signature = b64encode(hmac.digest(KEYS.secret.encode(), text.encode(), "sha1")).decode()
    target = f"/k?AWSAccessKeyId=a&Expires={NOW_MS // 1000}&Signature={quote(signature, safe='')}"

    with pytest.raises(errors.InvalidRequest, match="x-amz-content-sha256"):
        check({"host": "bucket.h", "x-amz-content-sha256": streaming}, target, host_bucket="bucket")


# ---------------------------------------------------------------------------------------------------------- remembered


def test_remembered_keys_follow_a_changed_secret_and_are_bounded() -> None:
    """A cache is never wrong, only forgetful."""
    cache = sigv4.KeyCache(2)
    key = sigv4.signing_key

    for secret in ("one", "two"):
        assert key(secret, "20260101", "r") == cache.get("a", secret, "20260101", "r")
        assert key(secret, "20260101", "r") == cache.get("a", secret, "20260101", "r")
    for date in ("20260102", "20260103", "20260101"):
        assert key("two", date, "r") == cache.get("a", "two", date, "r")
    assert len(cache._keys) == 2

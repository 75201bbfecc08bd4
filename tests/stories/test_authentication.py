"""Who asks: signatures in headers and in URLs, and each refusal as AWS words it."""

from __future__ import annotations

import time
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from zakrom.catalog.changes import PutAccessKey, PutUser
from zakrom.model.facts import AccessKey, User
from zakrom.wire.sigv4 import Credentials, presign
from zakrom.wire.sigv4.v2 import signature, string_to_sign
from zakrom.wire.target import Query

from .harness import HOST, ROOT, S3, Answer, encode_query

MINUTE_MS = 60_000


@pytest.fixture
def path(s3: S3, bucket: str) -> str:
    """An object."""
    s3.put(bucket + "/key", b"secret")
    return bucket + "/key"


def test_an_unknown_key(s3: S3, path: str) -> None:
    """403 with the key."""
    answer = s3.ask("GET", path, who=Credentials("nobody", "x"))

    assert (answer.error, answer.fields) == ((403, "InvalidAccessKeyId"), {"AWSAccessKeyId": "nobody"})


def test_a_wrong_secret(s3: S3, path: str) -> None:
    """403 with what was signed, in letters and in bytes, so that a client's author can compare."""
    answer = s3.ask("GET", path, who=ROOT._replace(secret="guess"))

    assert answer.error == (403, "SignatureDoesNotMatch")
    fields = answer.fields
    assert set(fields) == {
        "AWSAccessKeyId", "StringToSign", "SignatureProvided", "StringToSignBytes", "CanonicalRequest", "CanonicalRequestBytes",
    }  # fmt: skip
    assert fields["StringToSign"].startswith("AWS4-HMAC-SHA256\n")
    assert bytes.fromhex(fields["StringToSignBytes"]).decode() == fields["StringToSign"]
    assert fields["CanonicalRequest"].startswith(f"GET\n{path}\n\nhost:{HOST}\n")


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_that_is_wrong(s3: S3, path: str, minutes: int) -> None:
    """More than fifteen minutes either way: 403 with both times."""
    request = s3.request("GET", path)
    s3.skew_ms = -minutes * MINUTE_MS
    try:
        answer = s3.ask_all([request])[0]
    finally:
        s3.skew_ms = 0

    assert answer.error == (403, "RequestTimeTooSkewed")
    assert set(answer.fields) == {"RequestTime", "ServerTime", "MaxAllowedSkewMilliseconds"}
    assert answer.fields["MaxAllowedSkewMilliseconds"] == "900000"


def test_a_region_that_is_wrong(s3: S3, path: str) -> None:
    """400 with the right one, from which SDKs learn; regions of this server are all right."""
    answer = s3.ask("GET", path, who=ROOT._replace(region="mars-1"))

    assert answer.error == (400, "AuthorizationHeaderMalformed")
    assert (answer.fields["Region"], answer.headers["x-amz-bucket-region"]) == ("us-east-1", "us-east-1")
    assert (
        answer.text("Message") == "The authorization header is malformed; the region 'mars-1' is wrong; expecting 'us-east-1'"
    )
    assert s3.ask("GET", path, who=ROOT._replace(region="eu-north-1")).status == 200


def test_headers_that_were_not_signed(s3: S3, path: str) -> None:
    """``x-amz-*`` behind the signature's back are named; others do not matter (proxies add them)."""
    answer = s3.ask("PUT", path, extra=[("x-amz-meta-a", "1"), ("X-Forwarded-For", "1.2.3.4")])

    assert (answer.error, answer.fields) == ((403, "AccessDenied"), {"HeadersNotSigned": "x-amz-meta-a"})
    assert answer.text("Message") == "There were headers present in the request which were not signed"
    assert s3.ask("GET", path, extra=[("X-Forwarded-For", "1.2.3.4")]).status == 200


HEADERS = [
    ("AWS root-key:abc", (400, "InvalidRequest")),
    ("Basic abc", (400, "InvalidArgument")),
    ("AWS4-HMAC-SHA256", (400, "AuthorizationHeaderMalformed")),
    ("AWS4-HMAC-SHA256 Credential=a", (400, "AuthorizationHeaderMalformed")),
    (
        "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x",
        (403, "InvalidAccessKeyId"),
    ),
    (
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=x",
        (400, "AuthorizationHeaderMalformed"),
    ),
    (
        "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=x",
        (400, "AuthorizationHeaderMalformed"),
    ),
]


@pytest.mark.parametrize(("authorization", "error"), HEADERS)
def test_authorizations_that_are_none(s3: S3, path: str, authorization: str, error: tuple[int, str]) -> None:
    """Each with AWS's own error."""
    assert s3.ask("GET", path, headers={"authorization": authorization}, who=None).error == error


def test_a_disabled_key(s3: S3, path: str) -> None:
    """A key or a user that is disabled is refused; enabled again, all is as before."""
    who = Credentials("carol-key", "carol-secret")
    user = User("carol", "c" * 64, "Carol", "", 0)

    def put(*, user_off: bool, key_off: bool) -> Answer:
        s3.run(s3.catalog.apply(PutUser(User(*[*_fields(user)[:5], user_off]), replace=True)))
        s3.run(s3.catalog.apply(PutAccessKey(AccessKey(who.access_key, who.secret, "carol", 0, key_off), replace=True)))
        return s3.ask("GET", "/", who=who)

    assert put(user_off=False, key_off=False).status == 200
    assert put(user_off=True, key_off=False).error == (403, "InvalidAccessKeyId")
    assert put(user_off=False, key_off=True).error == (403, "InvalidAccessKeyId")
    assert put(user_off=False, key_off=False).status == 200
    assert s3.ask("GET", path, who=who).error == (403, "AccessDenied")


def _fields(user: User) -> list[str | int]:
    return [user.name, user.canonical_id, user.display_name, user.email, user.created_ms]


# ------------------------------------------------------------------------------------------------------- presigned URLs


def test_presigned_requests(s3: S3, path: str) -> None:
    """Read, write, and delete by a URL alone; unsigned headers of no meaning do not matter."""
    assert s3.presigned("GET", path).body == b"secret"
    assert s3.presigned("GET", path, {"response-content-type": "a/b"}).headers["content-type"] == "a/b"
    assert s3.presigned("PUT", path, body=b"new", headers={"content-type": "text/x"}).status == 200
    got = s3.presigned("GET", path)
    assert (got.body, got.headers["content-type"]) == (b"new", "text/x")
    assert s3.presigned("HEAD", path).status == 200
    assert s3.presigned("DELETE", path).status == 204


def test_what_a_presigned_url_carries(s3: S3, path: str) -> None:
    """Headers that its signer moved into the query count as sent: metadata, class, conditions."""
    made = s3.presigned("PUT", path, {"x-amz-meta-a": "1", "x-amz-storage-class": "STANDARD_IA"}, body=b"x")
    assert made.status == 200
    head = s3.ask("HEAD", path).headers
    assert (head["x-amz-meta-a"], head["x-amz-storage-class"]) == ("1", "STANDARD_IA")
    assert s3.presigned("PUT", path, {"If-None-Match": "*"}).error == (412, "PreconditionFailed")
    assert s3.presigned("PUT", path, {"if-match": '"other"'}).error == (412, "PreconditionFailed")


def test_signed_headers_must_come_and_be_the_same(s3: S3, path: str) -> None:
    """Absent or different: the signature does not match; unsigned ``x-amz-*``: named."""
    signed = {"x-amz-meta-a": "1", "content-type": "text/plain"}
    assert s3.presigned("PUT", path, signed_headers=signed).status == 200
    for sent in ({"x-amz-meta-a": "2"}, {"content-type": "text/html"}):
        assert s3.presigned("PUT", path, signed_headers=signed, headers=sent).error == (403, "SignatureDoesNotMatch")
    url = presign(ROOT, "PUT", f"http://{HOST}{path}", now_ms=s3.now_ms(), headers=signed)
    assert s3.ask("PUT", path, urlsplit(url).query, who=None).error == (403, "SignatureDoesNotMatch")
    unsigned = s3.presigned("PUT", path, headers={"x-amz-meta-b": "1"})
    assert (unsigned.error, unsigned.fields) == ((403, "AccessDenied"), {"HeadersNotSigned": "x-amz-meta-b"})


def test_an_expired_url(s3: S3, path: str) -> None:
    """403 with how long it was good, until when, and what time it is."""
    answer = s3.presigned("GET", path, expires_seconds=10, age_ms=11_000)

    assert (answer.error, answer.text("Message")) == ((403, "AccessDenied"), "Request has expired")
    assert set(answer.fields) == {"X-Amz-Expires", "Expires", "ServerTime"}
    assert answer.fields["X-Amz-Expires"] == "10"
    assert s3.presigned("GET", path, expires_seconds=604_800, age_ms=604_700_000).status == 200


def test_a_url_from_the_future(s3: S3, path: str) -> None:
    """Not valid yet, but for a clock that is a little wrong."""
    assert s3.presigned("GET", path, age_ms=-10 * MINUTE_MS).status == 200
    answer = s3.presigned("GET", path, age_ms=-20 * MINUTE_MS)
    assert (answer.error, answer.text("Message")) == ((403, "AccessDenied"), "Request is not valid yet")


def changed(s3: S3, path: str, name: str, value: str | None) -> Answer:
    """A presigned GET with one parameter changed, or left out."""
    url = presign(ROOT, "GET", f"http://{HOST}{path}", now_ms=s3.now_ms())
    pairs = dict(parse_qsl(urlsplit(url).query))
    if value is None:
        del pairs[name]
    else:
        pairs[name] = value
    return s3.ask("GET", path, encode_query(pairs), who=None)


PARAMETERS = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"]


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_that_are_missing(s3: S3, path: str, name: str) -> None:
    """400, each."""
    assert changed(s3, path, name, None).error == (400, "AuthorizationQueryParametersError")


CHANGES = [
    ("X-Amz-Expires", "604801", (400, "AuthorizationQueryParametersError")),
    ("X-Amz-Expires", "-1", (400, "AuthorizationQueryParametersError")),
    ("X-Amz-Expires", "soon", (400, "AuthorizationQueryParametersError")),
    ("X-Amz-Expires", "3601", (403, "SignatureDoesNotMatch")),
    ("X-Amz-Date", "yesterday", (400, "AuthorizationQueryParametersError")),
    ("X-Amz-Algorithm", "AWS4-HMAC-SHA1", (400, "AuthorizationQueryParametersError")),
    ("X-Amz-Signature", "0" * 64, (403, "SignatureDoesNotMatch")),
    ("X-Amz-Signature", "é", (403, "SignatureDoesNotMatch")),
    ("X-Amz-Credential", "root-key%2F20260101%2Fus-east-1%2Fs3%2Faws4_request", (400, "AuthorizationQueryParametersError")),
    ("X-Amz-Credential", "root-key/20260101/us-east-1/s3/aws4_request", (400, "AuthorizationQueryParametersError")),
    ("X-Amz-Security-Token", "token", (400, "InvalidToken")),
    ("extra", "1", (403, "SignatureDoesNotMatch")),
]


@pytest.mark.parametrize(("name", "value", "error"), CHANGES)
def test_parameters_that_are_wrong(s3: S3, path: str, name: str, value: str, error: tuple[int, str]) -> None:
    """400 for what cannot be read (a credential encoded twice too), 403 for what was not signed so."""
    assert changed(s3, path, name, value).error == error


def test_only_one_way_to_sign(s3: S3, path: str) -> None:
    """A header and a query together: 400."""
    url = presign(ROOT, "GET", f"http://{HOST}{path}", now_ms=s3.now_ms())

    assert s3.ask("GET", path, urlsplit(url).query).error == (400, "InvalidArgument")


def test_the_port_belongs_to_the_host(s3: S3, path: str) -> None:
    """What was signed for one port is not good for another."""
    url = presign(ROOT, "GET", f"http://{HOST}:9000{path}", now_ms=s3.now_ms())
    query = urlsplit(url).query

    assert s3.ask("GET", path, query, who=None, host=f"{HOST}:9000").status == 200
    assert s3.ask("GET", path, query, who=None, host=HOST).error == (403, "SignatureDoesNotMatch")


# ------------------------------------------------------------------------------------------------------------ version 2


def v2(s3: S3, path: str, method: str = "GET", *, expires: int | str | None = None, spoil: str = "", query: str = "") -> Answer:
    """A request by a URL of Signature Version 2, as boto3 makes it for us-east-1."""
    until = str(int(time.time()) + 60 if expires is None else expires)
    made = signature(ROOT.secret, string_to_sign(method, path.encode(), Query(query.encode()), {}, until, None))
    signed = f"AWSAccessKeyId={ROOT.access_key}&Signature={quote(made + spoil, safe='')}&Expires={until}"
    return s3.ask(method, path, f"{query}&{signed}" if query else signed, who=None)


def test_urls_of_signature_version_2(s3: S3, path: str) -> None:
    """Good, spoiled, expired, and unreadable ones; and a server that wants none."""
    assert v2(s3, path).body == b"secret"
    assert v2(s3, path, query="response-content-type=a%2Fb").headers["content-type"] == "a/b"
    wrong = v2(s3, path, spoil="A")
    assert wrong.error == (403, "SignatureDoesNotMatch")
    assert {"StringToSign", "SignatureProvided", "AWSAccessKeyId"} <= set(wrong.fields)
    old = v2(s3, path, expires=int(time.time()) - 1)
    assert (old.error, old.text("Message")) == ((403, "AccessDenied"), "Request has expired")
    assert set(old.fields) == {"Expires", "ServerTime"}
    assert v2(s3, path, expires="never").error == (403, "AccessDenied")
    assert s3.ask("GET", path, "Signature=x", who=None).error == (403, "AccessDenied")

    until = str(int(time.time()) + 60)
    made = signature(ROOT.secret, string_to_sign("GET", path.encode(), Query(b""), {}, until, None))
    request = s3.request("GET", path, {"AWSAccessKeyId": ROOT.access_key, "Signature": made, "Expires": until}, who=None)
    assert s3.run(s3.answer(request, s3.make_door(sigv2=False))).error == (400, "InvalidRequest")

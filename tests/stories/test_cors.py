"""Pages of other origins: preflights, and what actual requests are told."""

from __future__ import annotations

import pytest

from .harness import BOB, ROOT, S3, Answer

ORIGIN = "https://granary.example"
NOT_ALLOWED = (
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / "
    "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
)
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def rules_xml(*rules: str) -> bytes:
    """A CORSConfiguration of rules."""
    return f"<CORSConfiguration>{''.join(f'<CORSRule>{rule}</CORSRule>' for rule in rules)}</CORSConfiguration>".encode()


def rule(origin: str = ORIGIN, methods: str = "GET", more: str = "") -> str:
    """The content of a rule."""
    allowed = "".join(f"<AllowedMethod>{method}</AllowedMethod>" for method in methods.split())
    return f"{allowed}<AllowedOrigin>{origin}</AllowedOrigin>{more}"


def allow(s3: S3, bucket: str, *rules: str) -> None:
    """Puts rules."""
    assert s3.ask("PUT", bucket, "cors", body=rules_xml(*rules)).status == 200


def preflight(s3: S3, path: str, origin: str | None = ORIGIN, method: str | None = "GET", headers: str | None = None) -> Answer:
    """What a browser asks before it sends a request; nobody signs it."""
    asked = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": headers}
    return s3.ask("OPTIONS", path, headers={name: value for name, value in asked.items() if value is not None}, who=None)


def cors_of(answer: Answer) -> dict[str, str]:
    """The headers of CORS, without their common beginning."""
    found = {name: value for name, value in answer.headers.items() if name.startswith("access-control-") or name == "vary"}
    return {name.removeprefix("access-control-"): value for name, value in found.items()}


def test_the_document_comes_back_as_it_was_sent(s3: S3, bucket: str) -> None:
    """Every element of a rule, with its case and order; deleting works also twice."""
    more = (
        "<AllowedHeader>x-AMZ-*</AllowedHeader><AllowedHeader>range</AllowedHeader><ExposeHeader>ETag</ExposeHeader>"
        "<MaxAgeSeconds>3000</MaxAgeSeconds>"
    )
    sent = rule("http://*.example:80", "GET PUT HEAD POST DELETE", more)
    allow(s3, bucket, f"<ID>one &amp; only</ID>{sent}", rule("", "GET"))
    answer = s3.ask("GET", bucket, "cors")

    assert answer.texts("CORSRule/ID") == ["one & only"]
    assert answer.texts("CORSRule/AllowedOrigin") == ["http://*.example:80", ""]
    assert answer.texts("CORSRule/AllowedMethod") == ["GET", "PUT", "HEAD", "POST", "DELETE", "GET"]
    assert answer.texts("CORSRule/AllowedHeader") == ["x-AMZ-*", "range"]
    assert answer.texts("CORSRule/ExposeHeader") == ["ETag"]
    assert answer.texts("CORSRule/MaxAgeSeconds") == ["3000"]
    assert [s3.ask("DELETE", bucket, "cors").status for _ in range(2)] == [204, 204]
    assert s3.ask("GET", bucket, "cors").error == (404, "NoSuchCORSConfiguration")


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (rules_xml(), "MalformedXML", None),
        (rules_xml(""), "MalformedXML", None),
        (rules_xml("<AllowedMethod>GET</AllowedMethod>"), "MalformedXML", None),
        (rules_xml("<AllowedOrigin>*</AllowedOrigin>"), "MalformedXML", None),
        (rules_xml(rule(more="<Color>red</Color>")), "MalformedXML", None),
        (rules_xml(rule(more="<MaxAgeSeconds>-1</MaxAgeSeconds>")), "MalformedXML", None),
        (rules_xml(rule(more="<ID>1</ID><ID>2</ID>")), "MalformedXML", None),
        (b"<CORSConfiguration><Rule/></CORSConfiguration>", "MalformedXML", None),
        (
            rules_xml(rule(methods="GET MYMETHOD")),
            "InvalidRequest",
            "Found unsupported HTTP method in CORS config. Unsupported method is MYMETHOD",
        ),
        (rules_xml(rule("*a*")), "InvalidRequest", 'AllowedOrigin "*a*" can not have more than one wildcard.'),
        (
            rules_xml(rule(more="<AllowedHeader>*x*</AllowedHeader>")),
            "InvalidRequest",
            'AllowedHeader "*x*" can not have more than one wildcard.',
        ),
        (
            rules_xml(rule(more="<ExposeHeader>*</ExposeHeader>")),
            "InvalidRequest",
            'ExposeHeader "*" contains wildcard. We currently do not support wildcard for ExposeHeader.',
        ),
        (
            rules_xml(rule(more="<ExposeHeader>a&#13;&#10;Set-Cookie: b</ExposeHeader>")),
            "InvalidRequest",
            'ExposeHeader "a\r\nSet-Cookie: b" contains invalid character.',
        ),
        (
            rules_xml(*[rule()] * 101),
            "InvalidRequest",
            "The number of CORS rules should not exceed allowed limit of 100 rules.",
        ),
        (rules_xml(rule(more=f"<ID>{'x' * 256}</ID>")), "InvalidArgument", None),
        (rules_xml(rule(f"https://{'x' * 65536}")), "MaxMessageLengthExceeded", None),
    ],
)
def test_rules_that_are_none(s3: S3, bucket: str, body: bytes, code: str, message: str | None) -> None:
    """AWS's words; and nothing is stored that would break a header."""
    answer = s3.ask("PUT", bucket, "cors", body=body)

    assert answer.error == (400, code)
    assert message is None or answer.text("Message") == message
    assert s3.ask("GET", bucket, "cors").status == 404


def test_a_preflight_is_answered_by_the_first_rule_that_matches(s3: S3, bucket: str) -> None:
    """The rule's methods, what it exposes and its age; the origin itself, and that credentials may come along."""
    more = "<AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><ExposeHeader>x-a</ExposeHeader>"
    allow(s3, bucket, rule(methods="PUT"), rule(methods="GET HEAD", more=more + "<MaxAgeSeconds>60</MaxAgeSeconds>"))
    answer = preflight(s3, bucket + "/any/key", headers="x-AMZ-date,x-amz-Meta-a")

    assert (answer.status, answer.body, answer.operation) == (200, b"", "PreflightObject")
    assert cors_of(answer) == {
        "allow-origin": ORIGIN,
        "allow-credentials": "true",
        "allow-methods": "GET, HEAD",
        "allow-headers": "x-amz-date, x-amz-meta-a",
        "expose-headers": "ETag, x-a",
        "max-age": "60",
        "vary": VARY,
    }


def test_any_origin(s3: S3, bucket: str) -> None:
    """``*`` alone is answered by ``*``, without credentials."""
    allow(s3, bucket, rule("*"))

    assert cors_of(preflight(s3, bucket)) == {"allow-origin": "*", "allow-methods": "GET", "vary": VARY}


@pytest.mark.parametrize(
    ("pattern", "origin", "allowed"),
    [
        ("*suffix", "foo.suffix", True),
        ("*suffix", "foo.suffix.get", False),
        ("start*end", "startend", True),
        ("start*end", "start12end", True),
        ("start*end", "0start12end", False),
        ("aba*ba", "aba", False),
        ("http://*.example", "http://a.b.example", True),
        ("http://*.example", "http://a.example/", False),
        ("https://a.example", "HTTPS://a.example", False),
        ("", "https://a.example", False),
    ],
)
def test_origins_with_a_wildcard(s3: S3, bucket: str, pattern: str, origin: str, allowed: bool) -> None:
    """One ``*`` stands for anything, also nothing, and for no part of what stands around it."""
    allow(s3, bucket, rule(pattern))

    assert preflight(s3, bucket, origin).status == (200 if allowed else 403)


def test_headers_that_are_not_allowed(s3: S3, bucket: str) -> None:
    """Each header that is asked for must be; a rule without headers allows none."""
    allow(s3, bucket, rule(more="<AllowedHeader>Content-*</AllowedHeader>"))

    assert preflight(s3, bucket, headers="CONTENT-type").status == 200
    assert preflight(s3, bucket, headers="content-type, range").error == (403, "AccessForbidden")
    assert preflight(s3, bucket, headers="content type").error == (400, "BadRequest")


def test_preflights_that_are_refused(s3: S3, bucket: str) -> None:
    """Each with AWS's words, and with what was asked."""
    asked = preflight(s3, bucket + "/k", None)
    assert (asked.error, asked.text("Message")) == (
        (400, "BadRequest"),
        "Insufficient information. Origin request header needed.",
    )
    gone = preflight(s3, "/no-such-bucket-here/k", method=None)
    assert (gone.error, gone.text("Message")) == ((403, "AccessForbidden"), "CORSResponse: Bucket not found")
    off = preflight(s3, bucket + "/k", method="PUT")
    assert (off.error, off.text("Message")) == (
        (403, "AccessForbidden"),
        "CORSResponse: CORS is not enabled for this bucket.",
    )
    assert [one.fields for one in (gone, off, preflight(s3, bucket, method=None))] == [
        {"Method": method, "ResourceType": "BUCKET"} for method in ("OPTIONS", "PUT", "OPTIONS")
    ]
    allow(s3, bucket, rule())
    other = preflight(s3, bucket + "/k", method="PUT")
    assert (other.error, other.text("Message")) == ((403, "AccessForbidden"), NOT_ALLOWED)
    assert (other.fields, cors_of(other)) == ({"Method": "PUT", "ResourceType": "OBJECT"}, {})
    assert preflight(s3, bucket, "https://else.example").fields == {"Method": "GET", "ResourceType": "BUCKET"}
    none = preflight(s3, bucket, method=None)
    assert (none.error, none.text("Message")) == ((400, "BadRequest"), "Invalid Access-Control-Request-Method: null")
    assert preflight(s3, bucket, method="OPTIONS").text("Message") == "Invalid Access-Control-Request-Method: OPTIONS"


def test_a_preflight_of_a_presigned_url(s3: S3, bucket: str) -> None:
    """The signature in its query is for another method, and is not looked at."""
    allow(s3, bucket, rule(methods="PUT"))
    headers = {"origin": ORIGIN, "access-control-request-method": "PUT"}

    assert s3.presigned("OPTIONS", bucket + "/k", headers=headers, age_ms=10**9).status == 200


def test_actual_requests(s3: S3, bucket: str) -> None:
    """What is allowed says so in headers; what is not is served all the same, and the browser keeps it to itself."""
    allow(s3, bucket, rule(methods="GET PUT"))
    s3.put(bucket + "/k", b"rye")
    expected = {"allow-origin": ORIGIN, "allow-credentials": "true", "allow-methods": "GET, PUT", "vary": VARY}
    read = s3.ask("GET", bucket + "/k", headers={"origin": ORIGIN})

    assert (read.status, read.body, cors_of(read)) == (200, b"rye", expected)
    assert cors_of(s3.ask("PUT", bucket + "/k", headers={"origin": ORIGIN})) == expected
    assert cors_of(s3.ask("GET", bucket + "/k")) == {}
    for headers in (
        {"origin": "https://else.example"},
        {"origin": ORIGIN, "access-control-request-method": "DELETE"},
        {"origin": ORIGIN, "access-control-request-headers": "range"},
        {"origin": ORIGIN, "access-control-request-headers": "no header"},
    ):
        answer = s3.ask("GET", bucket + "/k", headers=headers)
        assert (answer.status, cors_of(answer)) == (200, {}), headers
    assert cors_of(s3.ask("DELETE", bucket + "/k", headers={"origin": ORIGIN})) == {}


def test_refusals_tell_the_page_too(s3: S3, bucket: str) -> None:
    """Also those before anybody is identified; where there is no bucket, there is nobody who could allow it."""
    allow(s3, bucket, rule())
    headers = {"origin": ORIGIN}
    missing = s3.ask("GET", bucket + "/none", headers=headers)
    denied = s3.ask("GET", bucket + "/k", headers=headers, who=BOB)
    forged = s3.ask("GET", bucket + "/k", headers=headers, who=ROOT._replace(secret="wrong"))

    assert [one.status for one in (missing, denied, forged)] == [404, 403, 403]
    assert [cors_of(one)["allow-origin"] for one in (missing, denied, forged)] == [ORIGIN] * 3
    assert cors_of(s3.ask("GET", "/no-such-bucket-here/k", headers=headers)) == {}
    assert cors_of(s3.ask("GET", "/", headers=headers)) == {}


def test_who_may_set_the_rules(s3: S3, bucket: str) -> None:
    """The owner and nobody else."""
    for method in ("GET", "PUT", "DELETE"):
        assert s3.ask(method, bucket, "cors", body=rules_xml(rule()) if method == "PUT" else b"", who=BOB).status == 403

"""Configurations that are kept and shown: acceleration, payment, metrics, tiering, analytics; and the end of torrents."""

from __future__ import annotations

import pytest

from .harness import ALICE, BOB, ROOT, S3, Answer


def put(s3: S3, bucket: str, query: str, body: str) -> Answer:
    """A document."""
    return s3.ask("PUT", bucket, query, body=body.encode())


# --------------------------------------------------------------------------------------------------------------- single


def accelerate(s3: S3, bucket: str, status: str) -> Answer:
    """PutBucketAccelerateConfiguration."""
    return put(s3, bucket, "accelerate", f"<AccelerateConfiguration><Status>{status}</Status></AccelerateConfiguration>")


def test_acceleration(s3: S3, bucket: str) -> None:
    """None at first; then as set. It cannot be taken back, only suspended."""
    assert s3.ask("GET", bucket, "accelerate").texts("*") == []
    for status in ("Enabled", "Suspended"):
        assert accelerate(s3, bucket, status).status == 200
        assert s3.ask("GET", bucket, "accelerate").text("Status") == status
    assert accelerate(s3, bucket, "enabled").error == (400, "MalformedXML")


def test_acceleration_of_a_dotted_name(s3: S3) -> None:
    """Refused before the body is looked at, as recorded."""
    s3.ask("PUT", "/dotted.bucket")
    answer = accelerate(s3, "/dotted.bucket", "random")

    assert answer.error == (400, "InvalidRequest")
    assert answer.text("Message") == "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names"


def payer(s3: S3, bucket: str, who: str) -> Answer:
    """PutBucketRequestPayment."""
    return put(s3, bucket, "requestPayment", f"<RequestPaymentConfiguration><Payer>{who}</Payer></RequestPaymentConfiguration>")


def test_request_payment(s3: S3, bucket: str) -> None:
    """The owner pays unless it is said otherwise."""
    for who in ("Requester", "BucketOwner"):
        assert payer(s3, bucket, who).status == 200
        assert s3.ask("GET", bucket, "requestPayment").text("Payer") == who
    assert payer(s3, bucket, "Random").error == (400, "MalformedXML")


def test_requester_pays(s3: S3) -> None:
    """The owner and root do not; that others must say so is told in `tests/unit/rules/test_payment.py`."""
    bucket = s3.bucket(ALICE)
    s3.put(bucket + "/key", b"x")
    payer(s3, bucket, "Requester")

    for who in (ALICE, ROOT):
        answer = s3.ask("GET", bucket + "/key", who=who)
        assert (answer.status, answer.headers.get("x-amz-request-charged")) == (200, None)
    for other in (BOB, None):
        assert s3.ask("GET", bucket + "/key", "", {"x-amz-request-payer": "requester"}, who=other).error == (
            403,
            "AccessDenied",
        )


# -------------------------------------------------------------------------------------------------------------- several

FILTER = "<Filter><And><Prefix>a&amp;b</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>"

BODIES = {
    "metrics": ("MetricsConfiguration", FILTER),
    "intelligent-tiering": (
        "IntelligentTieringConfiguration",
        FILTER + "<Status>Enabled</Status><Tiering><Days>90</Days><AccessTier>ARCHIVE_ACCESS</AccessTier></Tiering>",
    ),
    "analytics": ("AnalyticsConfiguration", FILTER + "<StorageClassAnalysis></StorageClassAnalysis>"),
}
EACH = pytest.mark.parametrize("kind", BODIES)


def put_named(s3: S3, bucket: str, kind: str, name: str, named: str | None = None, content: str | None = None) -> Answer:
    """One of several; ``named``: the id in the body."""
    root, usual = BODIES[kind]
    body = f"<{root}><Id>{named or name}</Id>{usual if content is None else content}</{root}>"
    return s3.ask("PUT", bucket, {kind: "", "id": name}, body=body.encode())


def ids(answer: Answer) -> list[str]:
    """The ids of a page."""
    return [node.findtext("Id") or "" for node in answer.xml if node.tag.endswith("Configuration")]


@EACH
def test_named_configurations(s3: S3, bucket: str, kind: str) -> None:
    """Put, shown, listed by id, replaced, removed; 404 for one that there is not."""
    assert ids(s3.ask("GET", bucket, kind)) == []
    for name in ("b", "a"):
        assert put_named(s3, bucket, kind, name).status == 204

    shown = s3.ask("GET", bucket, {kind: "", "id": "a"})

    assert (shown.xml.tag, shown.text("Id"), shown.text("Filter/And/Prefix")) == (BODIES[kind][0], "a", "a&b")
    listed = s3.ask("GET", bucket, kind)
    assert (ids(listed), listed.text("IsTruncated")) == (["a", "b"], "false")
    for _ in range(2):
        assert put_named(s3, bucket, kind, "a").status == 204
    assert s3.ask("DELETE", bucket, {kind: "", "id": "a"}).status == 204
    assert ids(s3.ask("GET", bucket, kind)) == ["b"]
    for method in ("GET", "DELETE"):
        assert s3.ask(method, bucket, {kind: "", "id": "a"}).error == (404, "NoSuchConfiguration")


@EACH
def test_named_configurations_that_are_none(s3: S3, bucket: str, kind: str) -> None:
    """Another id in the body, an element too many, an id too long."""
    assert put_named(s3, bucket, kind, "a", named="other").error == (400, "MalformedXML")
    assert put_named(s3, bucket, kind, "a", content=BODIES[kind][1] + "<Other/>").error == (400, "MalformedXML")
    assert put_named(s3, bucket, kind, "x" * 65).error == (400, "InvalidArgument")
    assert ids(s3.ask("GET", bucket, kind)) == []


def test_a_page_has_a_hundred(s3: S3, bucket: str) -> None:
    """The rest comes with the token."""
    names = [f"id-{number:03}" for number in range(105)]
    for name in names:
        assert put_named(s3, bucket, "metrics", name, content="").status == 204

    first = s3.ask("GET", bucket, "metrics")
    token = first.text("NextContinuationToken") or ""
    second = s3.ask("GET", bucket, {"metrics": "", "continuation-token": token})

    assert (len(ids(first)), first.text("IsTruncated")) == (100, "true")
    assert ids(first) + ids(second) == names
    assert (second.text("IsTruncated"), second.text("ContinuationToken")) == ("false", token)


def test_analyses_that_would_write_reports(s3: S3, bucket: str) -> None:
    """Nobody would write them: refused by name."""
    content = (
        "<StorageClassAnalysis><DataExport><OutputSchemaVersion>V_1</OutputSchemaVersion></DataExport></StorageClassAnalysis>"
    )
    answer = put_named(s3, bucket, "analytics", "a", content=content)

    assert answer.error == (501, "NotImplemented")
    assert "storage class analysis" in (answer.text("Message") or "")


def test_torrents_have_ended(s3: S3, bucket: str) -> None:
    """405, by name."""
    s3.put(bucket + "/key")
    answer = s3.ask("GET", bucket + "/key", "torrent")

    assert (answer.error, answer.operation) == ((405, "MethodNotAllowed"), "GetObjectTorrent")

"""Object lock: what is protected stays, and how each refusal is worded."""

from __future__ import annotations

import itertools

import pytest

from zakrom.wire import dates
from zakrom.wire.sigv4 import Credentials

from .harness import ALICE, BOB, ROOT, S3, Answer, delete_xml, md5_of

DAY_MS = 86_400_000
PROTECTED = "Access Denied because object protected by object lock."
BYPASS = {"x-amz-bypass-governance-retention": "true"}
MALFORMED = (400, "MalformedXML")
_COUNT = itertools.count()


def locked_bucket(s3: S3, default: str = "") -> str:
    """A new bucket with object lock, Alice's."""
    name = f"/locked-{next(_COUNT)}-bucket"
    assert s3.ask("PUT", name, headers={"x-amz-bucket-object-lock-enabled": "true"}, who=ALICE).status == 200
    if default:
        rule = f"<Rule><DefaultRetention>{default}</DefaultRetention></Rule>"
        assert configure(s3, name, f"<ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}").status == 200
    return name


def send(s3: S3, path: str, query: str, body: str, headers: dict[str, str] | None = None) -> Answer:
    """A PUT of a small document, with its digest."""
    sent = body.encode()
    return s3.ask("PUT", path, query, {"content-md5": md5_of(sent), **(headers or {})}, sent, ALICE)


def configure(s3: S3, bucket: str, content: str) -> Answer:
    """PutObjectLockConfiguration."""
    return send(s3, bucket, "object-lock", f"<ObjectLockConfiguration>{content}</ObjectLockConfiguration>")


def moment(s3: S3, days: float) -> str:
    """So many days from now, as ISO 8601."""
    return dates.iso8601(s3.now_ms() + int(days * DAY_MS))


def retain(s3: S3, path: str, mode: str, until: str, headers: dict[str, str] | None = None, query: str = "") -> Answer:
    """PutObjectRetention."""
    body = f"<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"
    return send(s3, path, "retention" + query, body, headers)


def hold(s3: S3, path: str, status: str) -> Answer:
    """PutObjectLegalHold."""
    return send(s3, path, "legal-hold", f"<LegalHold><Status>{status}</Status></LegalHold>")


def put(s3: S3, path: str, **headers: str) -> str:
    """A PUT with a digest; the version's id."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = s3.ask("PUT", path, headers={"content-md5": md5_of(b"grain"), **sent}, body=b"grain", who=ALICE)
    assert answer.status == 200, answer
    return answer.headers["x-amz-version-id"]


def delete(s3: S3, path: str, version: str, headers: dict[str, str] | None = None, who: Credentials = ALICE) -> Answer:
    """DeleteObject of a version."""
    return s3.ask("DELETE", path, {"versionId": version}, headers, who=who)


# ---------------------------------------------------------------------------------------------------------- configuration


def test_a_bucket_created_with_object_lock_has_versioning_for_good(s3: S3) -> None:
    """It begins with versioning, which can be enabled again and never suspended."""
    bucket = locked_bucket(s3)

    assert s3.ask("GET", bucket, "versioning").text("Status") == "Enabled"
    assert s3.ask("GET", bucket, "object-lock").text("ObjectLockEnabled") == "Enabled"
    for status, expected in (("Suspended", (409, "InvalidBucketState")), ("Enabled", (200, None))):
        body = f"<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>".encode()
        assert s3.ask("PUT", bucket, "versioning", body=body).error == expected


def test_object_lock_comes_to_a_bucket_with_versioning_only(s3: S3) -> None:
    """Enabled versioning is needed, not suspended; the document then says what was asked."""
    bucket = s3.bucket(ALICE)
    enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>"

    assert configure(s3, bucket, enabled).error == (409, "InvalidBucketState")
    s3.versioning(bucket, "Suspended")
    assert configure(s3, bucket, enabled).error == (409, "InvalidBucketState")
    s3.versioning(bucket, "Enabled")
    assert configure(s3, bucket, enabled).status == 200
    rule = "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Years>2</Years></DefaultRetention></Rule>"
    assert configure(s3, bucket, enabled + rule).status == 200
    answer = s3.ask("GET", bucket, "object-lock", who=ALICE)
    assert (answer.text("Rule/DefaultRetention/Mode"), answer.text("Rule/DefaultRetention/Years")) == ("COMPLIANCE", "2")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "MalformedXML"),
        ("<ObjectLockEnabled>Disabled</ObjectLockEnabled>", "MalformedXML"),
        ("<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>", "MalformedXML"),
        ("ENABLED<Rule/>", "MalformedXML"),
        ("ENABLED<Rule><DefaultRetention/></Rule>", "MalformedXML"),
        ("ENABLED<Rule><DefaultRetention><Mode>GOVERNANCE</Mode></DefaultRetention></Rule>", "MalformedXML"),
        ("ENABLED<Rule><DefaultRetention><Mode>governance</Mode><Days>1</Days></DefaultRetention></Rule>", "MalformedXML"),
        (
            "ENABLED<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years></DefaultRetention></Rule>",
            "MalformedXML",
        ),
        (
            "ENABLED<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>0</Days></DefaultRetention></Rule>",
            "InvalidRetentionPeriod",
        ),
        (
            "ENABLED<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Years>-1</Years></DefaultRetention></Rule>",
            "InvalidRetentionPeriod",
        ),
        (
            "ENABLED<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Years>101</Years></DefaultRetention></Rule>",
            "InvalidRetentionPeriod",
        ),
    ],
)
def test_configurations_that_are_none(s3: S3, content: str, code: str) -> None:
    """Each mistake has AWS's error, and changes nothing."""
    bucket = locked_bucket(s3)

    answer = configure(s3, bucket, content.replace("ENABLED", "<ObjectLockEnabled>Enabled</ObjectLockEnabled>"))

    assert answer.error == (400, code)
    assert s3.ask("GET", bucket, "object-lock").text("Rule") is None


def test_lock_documents_need_a_digest(s3: S3) -> None:
    """What is kept for years must have arrived as it was sent."""
    bucket = locked_bucket(s3)
    put(s3, bucket + "/k")

    for path, query in ((bucket, "object-lock"), (bucket + "/k", "retention"), (bucket + "/k", "legal-hold")):
        assert s3.ask("PUT", path, query, body=b"<X/>").error == (400, "InvalidRequest")
    late = {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": moment(s3, 1)}
    assert s3.ask("PUT", bucket + "/k", headers=late, body=b"x").text("Message") == (
        "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"
    )


# --------------------------------------------------------------------------------------------------------- the life of one


def test_a_governance_lock(s3: S3) -> None:
    """Set, shown, refused to be shortened or removed, bypassed by the owner."""
    path = locked_bucket(s3) + "/k"
    version = put(s3, path)
    until = moment(s3, 10)

    assert s3.ask("GET", path, "retention").error == (404, "NoSuchObjectLockConfiguration")
    assert retain(s3, path, "GOVERNANCE", until).status == 200
    answer = s3.ask("GET", path, "retention", who=ALICE)
    assert (answer.text("Mode"), answer.text("RetainUntilDate")) == ("GOVERNANCE", until)
    for method in ("GET", "HEAD"):
        headers = s3.ask(method, path, who=ALICE).headers
        assert headers["x-amz-object-lock-mode"] == "GOVERNANCE"
        assert headers["x-amz-object-lock-retain-until-date"] == until
    refused = [
        delete(s3, path, version),
        retain(s3, path, "GOVERNANCE", moment(s3, 9)),
        retain(s3, path, "COMPLIANCE", until),
        send(s3, path, "retention", "<Retention/>"),
    ]
    assert {(one.error, one.text("Message")) for one in refused} == {((403, "AccessDenied"), PROTECTED)}
    assert retain(s3, path, "GOVERNANCE", moment(s3, 11)).status == 200, "longer is always allowed"
    assert retain(s3, path, "GOVERNANCE", moment(s3, 1), BYPASS).status == 200
    assert delete(s3, path, version, {**BYPASS, "x-amz-bypass-governance-retention": "false"}).status == 403
    assert delete(s3, path, version, BYPASS).status == 204
    assert s3.ask("GET", path).error == (404, "NoSuchKey")


def test_a_compliance_lock_yields_to_nobody(s3: S3) -> None:
    """Not to the owner with a bypass, not to root; a plain DELETE puts a marker on top; time ends it."""
    path = locked_bucket(s3) + "/k"
    version = put(s3, path)
    assert retain(s3, path, "COMPLIANCE", moment(s3, 1)).status == 200

    for who in (ALICE, ROOT):
        assert delete(s3, path, version, BYPASS, who).error == (403, "AccessDenied")
    assert retain(s3, path, "GOVERNANCE", moment(s3, 2), BYPASS).status == 403
    assert retain(s3, path, "COMPLIANCE", moment(s3, 0.5), BYPASS).status == 403
    assert send(s3, path, "retention", "<Retention/>", BYPASS).status == 403
    assert s3.ask("DELETE", path, who=ALICE).headers["x-amz-delete-marker"] == "true"
    assert delete(s3, path, version).status == 403
    s3.skew_ms += 2 * DAY_MS
    try:
        assert delete(s3, path, version).status == 204
    finally:
        s3.skew_ms -= 2 * DAY_MS


def test_a_legal_hold(s3: S3) -> None:
    """On, it blocks whatever the bypass; off, it is shown and blocks nothing."""
    path = locked_bucket(s3) + "/k"
    version = put(s3, path)

    assert s3.ask("GET", path, "legal-hold").error == (404, "NoSuchObjectLockConfiguration")
    assert hold(s3, path, "ON").status == 200
    assert s3.ask("GET", path, "legal-hold").text("Status") == "ON"
    assert s3.ask("HEAD", path).headers["x-amz-object-lock-legal-hold"] == "ON"
    assert delete(s3, path, version, BYPASS).text("Message") == PROTECTED
    assert hold(s3, path, "OFF").status == 200
    assert s3.ask("HEAD", path).headers["x-amz-object-lock-legal-hold"] == "OFF"
    assert delete(s3, path, version).status == 204


def test_delete_objects_tells_of_each(s3: S3) -> None:
    """A protected version is an error of its own in the answer; the others go; a bypass goes for all."""
    bucket = locked_bucket(s3)
    versions = {name: put(s3, f"{bucket}/{name}") for name in ("kept", "free")}
    assert retain(s3, bucket + "/kept", "GOVERNANCE", moment(s3, 1)).status == 200
    entries = "".join(f"<Object><Key>{k}</Key><VersionId>{v}</VersionId></Object>" for k, v in versions.items())
    body = delete_xml(entries)

    answer = s3.ask("POST", bucket, "delete", {"content-md5": md5_of(body)}, body, ALICE)
    assert (answer.texts("Deleted/Key"), answer.texts("Error/Key")) == (["free"], ["kept"])
    assert (answer.text("Error/Code"), answer.text("Error/Message")) == ("AccessDenied", PROTECTED)
    answer = s3.ask("POST", bucket, "delete", {"content-md5": md5_of(body), **BYPASS}, body, ALICE)
    assert sorted(answer.texts("Deleted/Key")) == ["free", "kept"]


def test_a_bucket_with_protected_versions_is_not_deleted(s3: S3) -> None:
    """BucketNotEmpty, under a marker too; and all its bytes are counted."""
    bucket = locked_bucket(s3)
    put(s3, bucket + "/k", x_amz_object_lock_legal_hold="ON")
    s3.ask("DELETE", bucket + "/k", who=ALICE)

    assert s3.ask("DELETE", bucket, who=ALICE).error == (409, "BucketNotEmpty")


# -------------------------------------------------------------------------------------------------------------- new versions


def test_new_versions_get_the_default(s3: S3) -> None:
    """By PUT, copy and upload alike, from now on and exactly; what a write asks for goes before it."""
    bucket = locked_bucket(s3, "<Mode>GOVERNANCE</Mode><Days>3</Days>")
    before = s3.now_ms()
    put(s3, bucket + "/put")
    assert s3.ask("PUT", bucket + "/copy", headers={"x-amz-copy-source": bucket + "/put"}).status == 200
    s3.multipart(bucket + "/parts", b"x")
    put(s3, bucket + "/own", x_amz_object_lock_mode="COMPLIANCE", x_amz_object_lock_retain_until_date=moment(s3, 1))

    for key in ("put", "copy", "parts"):
        headers = s3.ask("HEAD", f"{bucket}/{key}").headers
        until_ms = dates.parse_moment(headers["x-amz-object-lock-retain-until-date"]) or 0
        assert headers["x-amz-object-lock-mode"] == "GOVERNANCE"
        assert before + 3 * DAY_MS <= until_ms <= s3.now_ms() + 3 * DAY_MS
    assert s3.ask("HEAD", bucket + "/own").headers["x-amz-object-lock-mode"] == "COMPLIANCE"


def test_locks_are_born_with_uploads_and_not_copied(s3: S3) -> None:
    """CreateMultipartUpload takes the headers; a copy has only what it asks for itself."""
    bucket = locked_bucket(s3)
    until = moment(s3, 5)
    s3.multipart(
        bucket + "/parts",
        b"x",
        x_amz_object_lock_mode="GOVERNANCE",
        x_amz_object_lock_retain_until_date=until,
        x_amz_object_lock_legal_hold="ON",
    )
    assert s3.ask("PUT", bucket + "/copy", headers={"x-amz-copy-source": bucket + "/parts"}).status == 200

    headers = s3.ask("HEAD", bucket + "/parts").headers
    shown = {name: value for name, value in headers.items() if "object-lock" in name}
    assert shown == {
        "x-amz-object-lock-mode": "GOVERNANCE",
        "x-amz-object-lock-retain-until-date": until,
        "x-amz-object-lock-legal-hold": "ON",
    }
    assert not [name for name in s3.ask("HEAD", bucket + "/copy").headers if "object-lock" in name]


@pytest.mark.parametrize(
    ("headers", "message", "argument"),
    [
        (
            {"x-amz-object-lock-mode": "GOVERNANCE"},
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
            "x-amz-object-lock-retain-until-date",
        ),
        (
            {"x-amz-object-lock-retain-until-date": "2100-01-01T00:00:00Z"},
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
            "x-amz-object-lock-mode",
        ),
        (
            {"x-amz-object-lock-mode": "BAD", "x-amz-object-lock-retain-until-date": "2100-01-01T00:00:00Z"},
            "Unknown wormMode directive.",
            "x-amz-object-lock-mode",
        ),
        (
            {"x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": "2020-01-01T00:00:00Z"},
            "The retain until date must be in the future!",
            "x-amz-object-lock-retain-until-date",
        ),
        (
            {"x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": "tomorrow"},
            "The retain until date must be provided in ISO 8601 format",
            "x-amz-object-lock-retain-until-date",
        ),
        (
            {"x-amz-object-lock-legal-hold": "on"},
            "Legal Hold must be either of 'ON' or 'OFF'",
            "x-amz-object-lock-legal-hold",
        ),
    ],
)
def test_headers_that_ask_for_no_lock(s3: S3, headers: dict[str, str], message: str, argument: str) -> None:
    """The same words for PutObject and CreateMultipartUpload; in a bucket without object lock there is one answer for all."""
    bucket, plain = locked_bucket(s3), s3.bucket()
    digest = {"content-md5": md5_of(b"")}

    for method, query in (("PUT", ""), ("POST", "uploads")):
        answer = s3.ask(method, bucket + "/k", query, headers | digest)
        assert (answer.error, answer.text("Message")) == ((400, "InvalidArgument"), message)
        assert answer.fields["ArgumentName"] == argument
        answer = s3.ask(method, plain + "/k", query, headers | digest)
        assert (answer.error, answer.text("Message")) == (
            (400, "InvalidRequest"),
            "Bucket is missing Object Lock Configuration",
        )


# ------------------------------------------------------------------------------------------------------------- what is refused


def test_retention_and_hold_of_what_has_none(s3: S3) -> None:
    """Buckets without object lock, absent keys, delete markers, documents that are none."""
    plain, bucket = s3.bucket(ALICE), locked_bucket(s3)
    put_plain = s3.ask("PUT", plain + "/k", who=ALICE)
    put(s3, bucket + "/k")
    marker = s3.ask("DELETE", bucket + "/k", who=ALICE).headers["x-amz-version-id"]
    until = moment(s3, 1)

    assert put_plain.status == 200
    for answer in (
        retain(s3, plain + "/k", "GOVERNANCE", until),
        hold(s3, plain + "/k", "ON"),
        s3.ask("GET", plain + "/k", "retention"),
        s3.ask("GET", plain + "/k", "legal-hold"),
    ):
        assert (answer.error, answer.text("Message")) == (
            (400, "InvalidRequest"),
            "Bucket is missing Object Lock Configuration",
        )
    assert retain(s3, bucket + "/absent", "GOVERNANCE", until).error == (404, "NoSuchKey")
    assert hold(s3, bucket + "/absent", "ON").error == (404, "NoSuchKey")
    refused = retain(s3, bucket + "/k", "GOVERNANCE", until, query=f"&versionId={marker}")
    assert (refused.error, refused.fields["Method"], refused.fields["ResourceType"]) == (
        (405, "MethodNotAllowed"),
        "PUT",
        "DeleteMarker",
    )
    assert s3.ask("GET", bucket + "/k", f"retention&versionId={marker}").error == (405, "MethodNotAllowed")
    key = bucket + "/other"
    put(s3, key)
    assert retain(s3, key, "BAD", until).error == MALFORMED
    assert retain(s3, key, "GOVERNANCE", "2100").error == MALFORMED
    assert send(s3, key, "retention", "<Retention><Mode>GOVERNANCE</Mode></Retention>").error == MALFORMED
    assert hold(s3, key, "abc").error == MALFORMED
    assert send(s3, key, "legal-hold", "").error == MALFORMED
    past = retain(s3, key, "GOVERNANCE", "2020-01-01T00:00:00Z")
    assert (past.error, past.text("Message")) == ((400, "InvalidArgument"), "The retain until date must be in the future!")


def test_a_bypass_is_for_buckets_with_object_lock(s3: S3, bucket: str) -> None:
    """DeleteObject refuses the header elsewhere, whatever its value; DeleteObjects has nothing to bypass there."""
    body = delete_xml("<Object><Key>k</Key></Object>")
    for value in ("true", "false"):
        header = {"x-amz-bypass-governance-retention": value}
        answer = s3.ask("DELETE", bucket + "/k", headers=header)
        assert answer.error == (400, "InvalidArgument")
        assert answer.fields == {"ArgumentName": "x-amz-bypass-governance-retention"}
        assert s3.ask("POST", bucket, "delete", {"content-md5": md5_of(body), **header}, body).texts("Deleted/Key") == ["k"]


def test_strangers_lock_nothing(s3: S3) -> None:
    """Who may do nothing in a bucket may not bypass either."""
    path = locked_bucket(s3) + "/k"
    version = put(s3, path)

    assert delete(s3, path, version, BYPASS, BOB).error == (403, "AccessDenied")
    assert s3.ask("GET", path, "retention", who=BOB).error == (403, "AccessDenied")


def test_locks_are_decided_where_versions_are_removed(s3: S3) -> None:
    """A hold and a delete at the same time: either the version is gone and the hold refused, or it is held and there."""
    bucket = locked_bucket(s3)
    body = b"<LegalHold><Status>ON</Status></LegalHold>"
    for number in range(10):
        path = f"{bucket}/{number}"
        version = put(s3, path)
        holding = s3.request("PUT", path, f"legal-hold&versionId={version}", {"content-md5": md5_of(body)}, body, ALICE)
        removing = s3.request("DELETE", path, {"versionId": version}, who=ALICE)
        held, removed = s3.ask_all([holding, removing] if number % 2 else [removing, holding])[:: 1 if number % 2 else -1]

        there = s3.ask("HEAD", path, who=ALICE).status == 200
        assert (held.status == 200, removed.status == 204, there) in {(True, False, True), (False, True, False)}

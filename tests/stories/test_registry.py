"""Every operation of S3 is known: served and reached, or refused by its name."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from botocore.loaders import Loader

from zakrom.s3 import registry
from zakrom.s3.operation import BUCKET, OBJECT, Operation
from zakrom.s3.unserved import ALIASES, ELSEWHERE
from zakrom.testing.forms import BOUNDARY, encode_form
from zakrom.wire.sigv4.v2 import signature

from .harness import ROOT, S3, Answer, complete_xml, delete_xml, md5_of

OPERATIONS = registry.OPERATIONS
UNSERVED = sorted(name for name, one in OPERATIONS.items() if one.run is None)
SERVED = sorted(name for name, one in OPERATIONS.items() if one.run is not None)
OURS_ALONE = {"PostObject", "PreflightBucket", "PreflightObject"}
"""What browsers send: no SDK does, so botocore's model has them not."""


@pytest.fixture(scope="module")
def model() -> dict[str, Any]:
    """What botocore knows of S3."""
    operations: dict[str, Any] = Loader().load_service_model("s3", "service-2")["operations"]
    return operations


def test_every_operation_is_declared_or_listed(model: dict[str, Any]) -> None:
    """Nothing that an SDK can call is unknown here, and nothing here is unknown to SDKs."""
    assert set(model) == (set(OPERATIONS) - OURS_ALONE) | set(ALIASES) | set(ELSEWHERE)
    assert set(ALIASES.values()) <= set(OPERATIONS)


def test_operations_look_as_sdks_send_them(model: dict[str, Any]) -> None:
    """Method, level and the parameter that names a sub-resource."""
    for name in set(model) & set(OPERATIONS):
        uri, one = model[name]["http"]["requestUri"], OPERATIONS[name]
        path, _, query = uri.partition("?")
        level = OBJECT if "{Key+}" in path else BUCKET if "{Bucket}" in path else None
        parameters = {part.partition("=")[0] for part in query.split("&") if part} - {"x-id"}
        parameters |= {part for part in re.findall(r"[?&]([a-zA-Z-]+)", uri) if part != "x-id"}
        assert one.method == model[name]["http"]["method"], name
        if level is not None:
            assert one.level is level, name
        if one.keyword and one.keyword != "uploadId":
            assert one.keyword in parameters, name


TIERING = (
    b"<IntelligentTieringConfiguration><Id>a</Id><Status>Enabled</Status>"
    b"<Tiering><Days>90</Days><AccessTier>ARCHIVE_ACCESS</AccessTier></Tiering></IntelligentTieringConfiguration>"
)

CONFIGURATIONS: list[tuple[str, str, bytes]] = [
    ("PUT", "accelerate", b"<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>"),
    ("PUT", "requestPayment", b"<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>"),
    (
        "PUT",
        "ownershipControls",
        b"<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
    ),
    ("DELETE", "ownershipControls", b""),
    (
        "PUT",
        "publicAccessBlock",
        b"<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>",
    ),
    ("DELETE", "publicAccessBlock", b""),
    (
        "PUT",
        "analytics&id=a",
        b"<AnalyticsConfiguration><Id>a</Id><StorageClassAnalysis/></AnalyticsConfiguration>",
    ),
    ("PUT", "intelligent-tiering&id=a", TIERING),
    ("PUT", "logging", b"<BucketLoggingStatus/>"),
    (
        "PUT",
        "policy",
        b'{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:PutBucketWebsite","Resource":"arn:aws:s3:::BUCKET"}}',
    ),
    ("GET", "policyStatus", b""),
    ("DELETE", "policy", b""),
    (
        "PUT",
        "website",
        b"<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument></WebsiteConfiguration>",
    ),
    ("DELETE", "website", b""),
    (
        "PUT",
        "cors",
        (
            b"<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>"
            b"</CORSConfiguration>"
        ),
    ),
    ("PUT", "metrics&id=a", b"<MetricsConfiguration><Id>a</Id></MetricsConfiguration>"),
    *(
        (method, f"{kind}&id=a", b"")
        for kind in ("analytics", "intelligent-tiering", "metrics")
        for method in ("GET", "DELETE")
    ),
]
"""What the tour sets and removes of a bucket: method, query, body (with the bucket's name where BUCKET stands)."""


def wanted(one: Operation) -> tuple[str, dict[str, str]]:
    """The query and headers that mean this operation."""
    query = "&".join(name if name == one.keyword else f"{name}=1" for name in (one.keyword, *one.query) if name)
    return query, dict.fromkeys(one.headers, "/b/k")


@pytest.mark.parametrize("name", UNSERVED)
def test_what_is_not_served_says_its_name(s3: S3, bucket: str, name: str) -> None:
    """501 NotImplemented, with the operation in the message; only for who may see the bucket at all."""
    one = OPERATIONS[name]
    query, headers = wanted(one)
    path = bucket + ("/key" if one.level is OBJECT else "")

    answer = s3.ask(one.method, path, query, headers, body=b"<Anything/>" if one.method in {"PUT", "POST"} else b"")

    assert answer.error == (501, "NotImplemented")
    assert answer.text("Message") == f"{name} is not implemented."
    assert answer.operation == name
    assert s3.ask(one.method, path, query, headers, who=None).error == (403, "AccessDenied")


def test_what_no_operation_is(s3: S3, bucket: str) -> None:
    """405."""
    for method, path in [
        ("POST", "/"),
        ("PUT", "/"),
        ("PATCH", bucket + "/key"),
        ("POST", bucket + "/key"),
        ("OPTIONS", "/"),
    ]:
        assert s3.ask(method, path).error == (405, "MethodNotAllowed")


def test_unknown_parameters_are_ignored(s3: S3, bucket: str) -> None:
    """``x-id`` and whatever else SDKs add do not change what is meant."""
    s3.put(bucket + "/key", b"x")

    assert s3.ask("GET", bucket + "/key", "x-id=GetObject&unknown=1").body == b"x"
    assert s3.ask("GET", bucket, "list-type=1").operation in {"ListObjects", "ListObjectsV2"}
    assert s3.ask("GET", bucket, "location=").operation == "GetBucketLocation"


ENCRYPTION = b"""<ServerSideEncryptionConfiguration><Rule>
    <ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>
</Rule></ServerSideEncryptionConfiguration>"""


def test_every_operation_that_is_served_can_be_reached(s3: S3) -> None:
    """A tour of all of them; each answers well, or with its own 404 where a fresh bucket has nothing."""
    bucket = s3.bucket()
    path, copy = bucket + "/key", {"x-amz-copy-source": bucket + "/key"}
    seen = {"CreateBucket"}

    def ask(method: str, where: str, query: str = "", headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        answer = s3.ask(method, where, query, headers, body)
        assert answer.status < 300 or answer.error[0] == (405 if query == "torrent" else 404), answer
        seen.add(answer.operation)
        return answer

    ask("PUT", path, body=b"x")
    for keyword in sorted(
        {one.keyword for one in OPERATIONS.values() if one.method == "GET" and one.level is BUCKET and one.run}
    ):
        ask("GET", bucket, keyword)
    for query in ("list-type=2", "versions", "uploads"):
        ask("GET", bucket, query)
    ask("GET", "/")
    for query in ("", "acl", "tagging", "torrent"):
        ask("GET", path, query)
    ask("GET", path, "attributes", {"x-amz-object-attributes": "ETag"})
    for where in (bucket, path):
        ask("HEAD", where)
        ask("PUT", where, "acl", {"x-amz-acl": "bucket-owner-full-control"})
        ask("PUT", where, "tagging", None, b"<Tagging><TagSet/></Tagging>")
        ask("DELETE", where, "tagging")
    ask("PUT", bucket, "encryption", body=ENCRYPTION)
    ask("DELETE", bucket, "encryption")
    versioning = b"<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"
    ask("PUT", bucket, "versioning", None, versioning)
    for method, query, body in CONFIGURATIONS:
        ask(method, bucket, query, None, body.replace(b"BUCKET", bucket[1:].encode()))
    ask("PUT", bucket + "/copy", "", copy)
    upload = ask("POST", path, "uploads").text("UploadId")
    etag = ask("PUT", path, f"partNumber=1&uploadId={upload}", None, b"x").etag
    ask("PUT", path, f"partNumber=2&uploadId={upload}", copy)
    ask("GET", path, f"uploadId={upload}")
    ask("POST", path, f"uploadId={upload}", None, complete_xml([(1, etag)]))
    ask("DELETE", path, f"uploadId={s3.upload(path)}")
    for where in (bucket, path):
        ask("OPTIONS", where, "", {"origin": "https://a.example", "access-control-request-method": "GET"})
    ask("DELETE", bucket, "cors")
    policy = b64encode(
        b'{"expiration":"2999-01-01T00:00:00Z","conditions":[{"bucket":"%b"},{"key":"copy"}]}' % bucket[1:].encode()
    )
    fields = {"key": "copy", "awsaccesskeyid": ROOT.access_key, "policy": policy.decode()}
    form = encode_form({**fields, "signature": signature(ROOT.secret, policy.decode())}, b"x")
    answer = s3.ask("POST", bucket, "", {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}, form, None)
    seen.add(answer.operation)
    assert answer.status == 204
    body = delete_xml("<Object><Key>copy</Key></Object>")
    ask("POST", bucket, "delete", {"content-md5": md5_of(body)}, body)
    ask("DELETE", path, "versionId=null")
    for marker in s3.ask("GET", bucket, "versions").texts("DeleteMarker/Key"):
        ask("DELETE", f"{bucket}/{marker}", "versionId=null")
    rule = b"<Rule><Status>Enabled</Status><Prefix/><Expiration><Days>1</Days></Expiration></Rule>"
    body = b"<LifecycleConfiguration>" + rule + b"</LifecycleConfiguration>"
    ask("PUT", bucket, "lifecycle", {"content-md5": md5_of(body)}, body)
    ask("DELETE", bucket, "lifecycle")
    ask("DELETE", bucket)
    tour_of_locks(ask)

    assert sorted(seen) == SERVED


def tour_of_locks(ask: Callable[..., Answer]) -> None:
    """The part of the tour for which a bucket needs object lock."""
    path = "/tour-of-locks/key"
    ask("PUT", "/tour-of-locks", headers={"x-amz-bucket-object-lock-enabled": "true"})
    ask("PUT", path)
    for where, query, body in (
        (
            "/tour-of-locks",
            "object-lock",
            b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>",
        ),
        (path, "retention", b"<Retention/>"),
        (path, "legal-hold", b"<LegalHold><Status>OFF</Status></LegalHold>"),
    ):
        ask("PUT", where, query, {"content-md5": md5_of(body)}, body)
        ask("GET", where, query)


def test_paths_of_the_server_itself(s3: S3) -> None:
    """Health, without a signature; whatever else lies there is 404, and other methods are refused."""
    for path in ("/-/health/live", "/-/health/ready", "/minio/health/live", "/minio/health/ready"):
        for method in ("GET", "HEAD"):
            assert s3.ask(method, path, who=None).status == 200
    assert s3.ask("GET", "/-/nothing", who=None).status == 404
    assert s3.ask("PUT", "/-/health/live", who=None).status == 405

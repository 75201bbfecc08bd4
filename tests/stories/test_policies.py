"""Who may do what, through the whole door: bucket policies, strangers, anonymous callers, copies, conditions, ACLs."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from zakrom.catalog.changes import SetDetails, SetDocument
from zakrom.identity.doorman import Doorman, Rules
from zakrom.model.acl import ALL_USERS, REMOVED, Acl, Grant
from zakrom.model.caller import Caller
from zakrom.model.names import account_number
from zakrom.s3.call import DoorOptions
from zakrom.s3.website import Site
from zakrom.testing.forms import BOUNDARY, encode_form
from zakrom.wire.sigv4 import Credentials, Verified
from zakrom.wire.sigv4.v2 import signature

from .harness import ALICE, BOB, REGIONS, ROOT, S3, Answer, canonical_id, complete_xml, delete_xml, md5_of

DENIED = (403, "AccessDenied")
BOBS = {"AWS": f"arn:aws:iam::{account_number(canonical_id('bob'))}:root"}
WRITER = b"ObjectWriter"


def arn(path: str) -> str:
    """The ARN of ``/bucket`` or ``/bucket/key``."""
    return f"arn:aws:s3:::{path[1:]}"


def rule(action: str | list[str], *resources: str, effect: str = "Allow", who: Any = "*", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """A statement about paths."""
    return {"Effect": effect, "Principal": who, "Action": action, "Resource": [arn(one) for one in resources], **fields}


def when(operator: str, key: str, value: str | list[str]) -> dict[str, Any]:
    """A condition, as a field of a statement."""
    return {"Condition": {operator: {key: value}}}


def put_policy(s3: S3, bucket: str, *statements: dict[str, Any], **more: Any) -> Answer:  # noqa: ANN401 - of `S3.ask`
    """PutBucketPolicy by Alice."""
    body = json.dumps({"Version": "2012-10-17", "Statement": statements}).encode()
    return s3.ask("PUT", bucket, "policy", body=body, **{"who": ALICE, **more})


def allow(s3: S3, bucket: str, *statements: dict[str, Any]) -> None:
    """A policy that must be taken."""
    answer = put_policy(s3, bucket, *statements)
    assert answer.status == 204, answer


def document(s3: S3, bucket: str, kind: str, body: bytes | None) -> None:
    """A bucket's document, past the door."""
    found = s3.run(s3.catalog.bucket(bucket[1:]))
    s3.run(s3.catalog.apply(SetDocument(found.id, kind, body)))


def acl_of_object(s3: S3, bucket: str, key: str, acl: Acl) -> None:
    """A version's ACL, past the door."""
    found = s3.run(s3.catalog.bucket(bucket[1:]))
    s3.run(s3.catalog.apply(SetDetails(found.id, key.encode(), None, None, {"acl": acl.dumps()})))


@pytest.fixture
def bucket(s3: S3) -> str:
    """A bucket of Alice's that blocks nothing, with an object."""
    name = s3.bucket(ALICE)
    document(s3, name, "public-access-block", REMOVED)
    assert s3.ask("PUT", name + "/key", body=b"bytes", who=ALICE).status == 200
    return name


# -------------------------------------------------------------------------------------------------------------- documents


def test_a_policy_comes_back_as_it_was_sent(s3: S3, bucket: str) -> None:
    """Byte for byte; without one there is NoSuchBucketPolicy, and removing none succeeds."""
    body = json.dumps({"Version": "2012-10-17", "Statement": rule("s3:GetObject", bucket + "/*", who=BOBS)}, indent=3).encode()

    missing = s3.ask("GET", bucket, "policy", who=ALICE)
    assert (missing.error, missing.fields) == ((404, "NoSuchBucketPolicy"), {"BucketName": bucket[1:]})
    assert s3.ask("GET", bucket, "policyStatus", who=ALICE).error == (404, "NoSuchBucketPolicy")
    assert s3.ask("PUT", bucket, "policy", body=body, who=ALICE).status == 204
    got = s3.ask("GET", bucket, "policy", who=ALICE)
    assert (got.body, got.headers["content-type"]) == (body, "application/json")
    for _ in range(2):
        assert s3.ask("DELETE", bucket, "policy", who=ALICE).status == 204
    assert s3.ask("GET", bucket, "policy", who=ALICE).error == (404, "NoSuchBucketPolicy")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Policies must be valid JSON and the first byte must be '{'"),
        (b"invalid json", "Policies must be valid JSON and the first byte must be '{'"),
        (b"{}", "Missing required field Statement"),
    ],
)
def test_policies_that_are_none(s3: S3, bucket: str, body: bytes, message: str) -> None:
    """AWS's answers (recorded)."""
    answer = s3.ask("PUT", bucket, "policy", body=body, who=ALICE)

    assert (answer.error, answer.text("Message")) == ((400, "MalformedPolicy"), message)


def test_policies_that_are_too_large(s3: S3, bucket: str) -> None:
    """Beyond 20 KiB; what is far beyond is not even read."""
    for size, code in (20 * 1024 + 1, "PolicyTooLarge"), (100_000, "MaxMessageLengthExceeded"):
        body = json.dumps({"Statement": [rule("s3:GetObject", bucket + "/*", who=BOBS)]}).encode()
        assert s3.ask("PUT", bucket, "policy", body=body.ljust(size), who=ALICE).error == (400, code)


def test_a_public_policy_can_be_blocked(s3: S3, bucket: str) -> None:
    """By the public access block, which a new bucket has; it does not matter to policies that name somebody."""
    public, named = rule("s3:GetObject", bucket + "/*"), rule("s3:GetObject", bucket + "/*", who=BOBS)
    document(s3, bucket, "public-access-block", None)

    assert put_policy(s3, bucket, public).error == DENIED
    assert put_policy(s3, bucket, named).status == 204
    assert s3.ask("GET", bucket, "policyStatus", who=ALICE).text("IsPublic") == "false"
    document(s3, bucket, "public-access-block", b"[true,true,false,true]")
    assert put_policy(s3, bucket, public).status == 204
    assert s3.ask("GET", bucket, "policyStatus", who=ALICE).text("IsPublic") == "true"
    assert s3.ask("GET", bucket + "/key", who=None).error == DENIED  # RestrictPublicBuckets
    assert s3.ask("GET", bucket + "/key", who=BOB).error == DENIED
    assert s3.ask("GET", bucket + "/key", who=ALICE).body == b"bytes"


def test_a_policy_belongs_to_the_buckets_account(s3: S3, bucket: str) -> None:
    """Whoever else it allows to change it gets 405; who is allowed nothing gets 403."""
    for method in ("GET", "PUT", "DELETE"):
        assert s3.ask(method, bucket, "policy", who=BOB).error == DENIED
    allow(s3, bucket, rule(["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"], bucket, who=BOBS))
    for method in ("GET", "PUT", "DELETE"):
        assert s3.ask(method, bucket, "policy", who=BOB).error == (405, "MethodNotAllowed")


def test_an_owner_who_denies_everything_can_take_it_back(s3: S3, bucket: str) -> None:
    """Nothing else works, for the owner and for the server's root; the policy itself always does."""
    allow(s3, bucket, rule("s3:*", bucket, bucket + "/*", effect="Deny"))

    for who in (ALICE, ROOT):
        assert s3.ask("GET", bucket + "/key", who=who).error == DENIED
        assert s3.ask("GET", bucket, who=who).error == DENIED
        assert s3.ask("GET", bucket, "policy", who=who).status == 200
    assert s3.ask("DELETE", bucket, "policy", who=ALICE).status == 204
    assert s3.ask("GET", bucket + "/key", who=ALICE).body == b"bytes"


def test_the_owner_that_is_expected(s3: S3, bucket: str) -> None:
    """x-amz-expected-bucket-owner: the account's number (recorded errors)."""

    def expect(owner: str) -> Answer:
        return s3.ask("GET", bucket + "/key", "", {"x-amz-expected-bucket-owner": owner}, who=ALICE)

    assert expect(account_number(canonical_id("alice"))).status == 200
    assert expect(account_number(canonical_id("bob"))).error == DENIED
    wrong = expect("0000")
    assert wrong.error == (400, "InvalidBucketOwnerAWSAccountID")
    assert wrong.text("Message") == "The value of the expected bucket owner parameter must be an AWS Account ID... [0000]"


# ------------------------------------------------------------------------------------------------------------ who and what


def test_anonymous_callers(s3: S3, bucket: str) -> None:
    """They may what a policy lets everyone do, and not a hair more."""
    allow(s3, bucket, rule(["s3:GetObject", "s3:PutObject"], bucket + "/*"))

    def ask(method: str, path: str, query: str = "", headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        return s3.ask(method, path, query, headers, body, None)

    assert ask("GET", bucket + "/key").body == b"bytes"
    assert ask("HEAD", bucket + "/key").status == 200
    assert ask("PUT", bucket + "/new", body=b"x").status == 200
    assert ask("GET", bucket).error == DENIED
    assert ask("DELETE", bucket + "/key").error == DENIED
    assert ask("GET", bucket + "/key", "tagging").error == DENIED
    assert ask("GET", bucket + "/key", "acl").error == DENIED
    assert ask("GET", bucket + "/key", "versionId=null").error == DENIED  # another right: s3:GetObjectVersion
    assert ask("PUT", bucket + "/tagged", "", {"x-amz-tagging": "a=b"}).error == DENIED
    assert ask("PUT", bucket, "policy", None, b"{}").error == DENIED
    assert ask("PUT", "/another-bucket-of-nobody").error == DENIED
    assert ask("GET", "/").error == DENIED
    assert ask("GET", bucket + "/key", "response-content-type=text/html").error == (400, "InvalidRequest")


def test_a_signature_that_is_taken_away_takes_its_rights_along(s3: S3, bucket: str) -> None:
    """What Bob may, his request without its signature may not; with a broken one it is refused and not called anonymous."""
    allow(s3, bucket, rule("s3:GetObject", bucket + "/*", who=BOBS), rule("s3:GetObject", bucket + "/open"))
    s3.ask("PUT", bucket + "/open", body=b"o", who=ALICE)

    assert s3.ask("GET", bucket + "/key", who=BOB).body == b"bytes"
    assert s3.ask("GET", bucket + "/key", who=None).error == DENIED
    assert s3.ask("GET", bucket + "/open", who=None).body == b"o"
    bad = Credentials(BOB.access_key, "wrong")
    assert s3.ask("GET", bucket + "/open", who=bad).error == (403, "SignatureDoesNotMatch")


def test_another_account(s3: S3, bucket: str) -> None:
    """Named by number, ARN or canonical id: each lets the account in, and nobody else."""
    for who in (BOBS, {"AWS": account_number(canonical_id("bob"))}, {"CanonicalUser": canonical_id("bob")}):
        allow(s3, bucket, rule("s3:ListBucket", bucket, who=who), rule("s3:PutObject", bucket + "/bob/*", who=who))
        assert s3.keys(bucket) == s3.ask("GET", bucket, "list-type=2", who=BOB).texts("Contents/Key")
        assert s3.ask("PUT", bucket + "/bob/x", who=BOB).status == 200
        assert s3.ask("PUT", bucket + "/alice/x", who=BOB).error == DENIED
        assert s3.ask("GET", bucket, who=None).error == DENIED
    assert bucket[1:] not in s3.ask("GET", "/", who=BOB).texts("Buckets/Bucket/Name")


def test_a_policy_is_in_force_when_it_is_answered(s3: S3, bucket: str) -> None:
    """And so is its removal."""
    for _ in range(3):
        allow(s3, bucket, rule("s3:GetObject", bucket + "/*", who=BOBS))
        assert s3.ask("GET", bucket + "/key", who=BOB).status == 200
        s3.ask("DELETE", bucket, "policy", who=ALICE)
        assert s3.ask("GET", bucket + "/key", who=BOB).error == DENIED


def test_versions_need_rights_of_their_own(s3: S3, bucket: str) -> None:
    """Reading, tagging and deleting a version by its id are other actions than those of the current one."""
    s3.versioning(bucket, "Enabled")
    version = s3.ask("PUT", bucket + "/v", body=b"1", who=ALICE).headers["x-amz-version-id"]
    query = f"versionId={version}"
    plain = ["s3:GetObject", "s3:DeleteObject", "s3:GetObjectTagging", "s3:PutObjectTagging", "s3:DeleteObjectTagging"]
    asked = [
        ("GET", "", b""), ("HEAD", "", b""), ("GET", "tagging&", b""), ("PUT", "tagging&", b"<Tagging><TagSet/></Tagging>"),
        ("DELETE", "tagging&", b""), ("DELETE", "", b""),
    ]  # fmt: skip

    allow(s3, bucket, rule(plain, bucket + "/*", who=BOBS))
    assert [s3.ask(method, bucket + "/v", prefix + query, body=body, who=BOB).status for method, prefix, body in asked] == [
        403
    ] * 6
    allow(s3, bucket, rule([one.replace("Object", "ObjectVersion") for one in plain], bucket + "/*", who=BOBS))
    assert all(s3.ask(method, bucket + "/v", prefix + query, body=body, who=BOB).status < 300 for method, prefix, body in asked)
    assert s3.ask("GET", bucket + "/key", who=BOB).error == DENIED


def test_a_key_that_is_missing(s3: S3, bucket: str) -> None:
    """404 for who may list what begins so, 403 for others: also they who may read it if it were there."""
    allow(s3, bucket, rule("s3:GetObject", bucket + "/*", who=BOBS))
    for method in ("GET", "HEAD"):
        assert s3.ask(method, bucket + "/absent", who=BOB).status == 403
    allow(s3, bucket, rule("s3:ListBucket", bucket, who=BOBS, **when("StringLike", "s3:prefix", "public/*")))
    assert s3.ask("HEAD", bucket + "/public/absent", who=BOB).status == 404
    assert s3.ask("HEAD", bucket + "/private/absent", who=BOB).status == 403
    assert s3.ask("GET", bucket + "/key", who=BOB).error == DENIED
    assert s3.ask("GET", bucket + "/absent", who=ALICE).error == (404, "NoSuchKey")


def test_many_deletes_are_allowed_one_by_one(s3: S3, bucket: str) -> None:
    """Each key has its answer, versions by their own right; who can be allowed nothing is told so at once."""
    allow(s3, bucket, rule("s3:DeleteObject", bucket + "/a/*", who=BOBS))
    for key in ("a/1", "b/1"):
        s3.ask("PUT", f"{bucket}/{key}", who=ALICE)
    keys = "".join(f"<Object><Key>{key}</Key></Object>" for key in ("a/1", "b/1"))
    body = delete_xml(keys + "<Object><Key>a/2</Key><VersionId>null</VersionId></Object>")
    headers = {"content-md5": md5_of(body)}

    answer = s3.ask("POST", bucket, "delete", headers, body, BOB)
    assert (answer.texts("Deleted/Key"), answer.texts("Error/Key")) == (["a/1"], ["b/1", "a/2"])
    assert answer.texts("Error/Code") == ["AccessDenied", "AccessDenied"]
    s3.ask("DELETE", bucket, "policy", who=ALICE)
    assert s3.ask("POST", bucket, "delete", headers, body, BOB).error == DENIED


def test_attributes_need_two_rights(s3: S3, bucket: str) -> None:
    """s3:GetObjectAttributes, and s3:GetObject."""
    headers = {"x-amz-object-attributes": "ETag"}
    for actions, status in (["s3:GetObjectAttributes"], 403), (["s3:GetObjectAttributes", "s3:GetObject"], 200):
        allow(s3, bucket, rule(actions, bucket + "/*", who=BOBS))
        assert s3.ask("GET", bucket + "/key", "attributes", headers, who=BOB).status == status


def test_uploads_in_parts(s3: S3, bucket: str) -> None:
    """s3:PutObject carries one through; listing parts and giving up are rights of their own."""
    allow(s3, bucket, rule("s3:PutObject", bucket + "/*", who=BOBS))
    path = bucket + "/parts"
    upload = s3.ask("POST", path, "uploads", who=BOB).text("UploadId")
    etag = s3.ask("PUT", path, f"partNumber=1&uploadId={upload}", body=b"x", who=BOB).etag

    assert s3.ask("GET", path, f"uploadId={upload}", who=BOB).error == DENIED
    assert s3.ask("DELETE", path, f"uploadId={upload}", who=BOB).error == DENIED
    assert s3.ask("POST", path, f"uploadId={upload}", None, complete_xml([(1, etag)]), BOB).status == 200


# ------------------------------------------------------------------------------------------------------------------ copies


def test_a_copy_needs_both_ends(s3: S3, bucket: str) -> None:
    """Who may write here may not so read there: whoever carries bytes for others must ask in their name (confused deputy)."""
    mine, source = s3.bucket(BOB), {"x-amz-copy-source": bucket + "/key"}
    upload = s3.ask("POST", mine + "/p", "uploads", who=BOB).text("UploadId")

    def copies() -> list[int]:
        whole = s3.ask("PUT", mine + "/copy", "", source, who=BOB)
        part = s3.ask("PUT", mine + "/p", f"partNumber=1&uploadId={upload}", source, who=BOB)
        return [whole.status, part.status]

    assert copies() == [403, 403]
    allow(s3, bucket, rule("s3:GetObjectVersion", bucket + "/*", who=BOBS))
    assert copies() == [403, 403]
    allow(s3, bucket, rule("s3:GetObject", bucket + "/*", who=BOBS))
    assert copies() == [200, 200]
    missing = {"x-amz-copy-source": bucket + "/missing"}
    assert s3.ask("PUT", mine + "/copy", "", missing, who=BOB).error == DENIED
    assert s3.ask("PUT", bucket + "/copy", "", {"x-amz-copy-source": mine + "/copy"}, who=BOB).error == DENIED


def test_tags_come_along_for_who_may_read_them(s3: S3, bucket: str) -> None:
    """A copy of a tagged object needs s3:GetObjectTagging there; without its tags it does not."""
    s3.ask("PUT", bucket + "/tagged", "", {"x-amz-tagging": "a=b"}, who=ALICE)
    mine, source = s3.bucket(BOB), {"x-amz-copy-source": bucket + "/tagged"}

    allow(s3, bucket, rule("s3:GetObject", bucket + "/*", who=BOBS))
    assert s3.ask("PUT", mine + "/copy", "", source, who=BOB).error == DENIED
    assert s3.ask("PUT", mine + "/copy", "", source | {"x-amz-tagging-directive": "REPLACE"}, who=BOB).status == 200
    allow(s3, bucket, rule(["s3:GetObject", "s3:GetObjectTagging"], bucket + "/*", who=BOBS))
    assert s3.ask("PUT", mine + "/copy", "", source, who=BOB).status == 200
    allow(s3, bucket, rule(["s3:GetObject", "s3:GetObjectTagging", "s3:PutObject"], bucket + "/*", who=BOBS))
    assert s3.ask("PUT", bucket + "/copy", "", source, who=BOB).error == DENIED  # no s3:PutObjectTagging here


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("/{}/public/a", 200),
        ("{}/public/a", 200),
        ("{}/publi%63/a", 200),
        ("{}/private/a", 403),
        ("{}/public/../private/a", 403),
    ],
)
def test_a_condition_on_the_source_of_a_copy(s3: S3, bucket: str, source: str, status: int) -> None:
    """It is compared as it is used: decoded once, whatever way it was written; dots are letters."""
    for key in ("public/a", "private/a"):
        s3.ask("PUT", f"{bucket}/{key}", body=b"x", who=ALICE)
    mine = s3.bucket(ALICE)
    allow(s3, bucket, rule("s3:GetObject", bucket + "/*", who=BOBS))
    allow(
        s3,
        mine,
        rule("s3:PutObject", mine + "/*", who=BOBS, **when("StringLike", "s3:x-amz-copy-source", f"{bucket[1:]}/public/*")),
    )

    answer = s3.ask("PUT", mine + "/copy", "", {"x-amz-copy-source": source.format(bucket[1:])}, who=BOB)

    assert answer.status == status


# -------------------------------------------------------------------------------------------------------------- conditions


def get(s3: S3, bucket: str, **more: Any) -> int:  # noqa: ANN401 - of `S3.ask`
    """What Bob is told who reads the object."""
    return s3.ask("GET", bucket + "/key", **{"who": BOB, **more}).status


NOW = "2020-01-01T00:00:00Z"
BOBS_NUMBER = account_number(canonical_id("bob"))


@pytest.mark.parametrize(
    ("operator", "key", "value", "expected"),
    [
        ("IpAddress", "aws:SourceIp", "127.0.0.0/8", True),
        ("IpAddress", "aws:SourceIp", "10.0.0.0/8", False),
        ("Bool", "aws:SecureTransport", "false", True),
        ("Bool", "aws:SecureTransport", "true", False),
        ("DateGreaterThan", "aws:CurrentTime", NOW, True),
        ("DateLessThan", "aws:CurrentTime", NOW, False),
        ("NumericGreaterThan", "aws:EpochTime", "1577836800", True),
        ("StringEquals", "aws:PrincipalAccount", BOBS_NUMBER, True),
        ("ArnEquals", "aws:PrincipalArn", f"arn:aws:iam::{BOBS_NUMBER}:root", True),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:user/*", False),
        ("StringEquals", "aws:PrincipalType", "Account", True),
        ("StringEquals", "aws:userid", BOBS_NUMBER, True),
        ("Null", "aws:username", "true", True),
        ("StringEquals", "aws:Referer", "https://example.org/", True),
        ("StringLike", "aws:UserAgent", "story*", True),
        ("StringEquals", "s3:authType", "REST-HEADER", True),
        ("StringEquals", "s3:signatureversion", "AWS4-HMAC-SHA256", True),
        ("NumericLessThan", "s3:signatureAge", "600000", True),
        ("Null", "s3:TlsVersion", "true", True),
        ("StringEquals", "s3:ResourceAccount", account_number(canonical_id("alice")), True),
        ("StringEquals", "aws:RequestedRegion", "us-east-1", True),
        ("StringNotEquals", "s3:x-amz-content-sha256", "UNSIGNED-PAYLOAD", True),
        ("Null", "s3:VersionId", "true", True),
        ("StringEquals", "aws:SourceVpc", "vpc-1", False),  # there are none here
    ],
)
def test_keys_of_conditions(s3: S3, bucket: str, operator: str, key: str, value: str, expected: bool) -> None:
    """What a plain signed GET says."""
    allow(s3, bucket, rule("s3:GetObject", bucket + "/*", who=BOBS, **when(operator, key, value)))

    assert get(s3, bucket, headers={"referer": "https://example.org/", "user-agent": "story/1"}) == (200 if expected else 403)


def test_a_denial_with_a_condition(s3: S3, bucket: str) -> None:
    """The classic: nothing without TLS, not even for the owner."""
    deny = rule("s3:*", bucket, bucket + "/*", effect="Deny", **when("Bool", "aws:SecureTransport", "false"))
    allow(s3, bucket, rule("s3:GetObject", bucket + "/*"), deny)

    assert [get(s3, bucket, who=who) for who in (ALICE, BOB, ROOT, None)] == [403] * 4
    assert [get(s3, bucket, who=who, secure=True) for who in (ALICE, BOB, ROOT, None)] == [200] * 4


def test_conditions_on_listings(s3: S3, bucket: str) -> None:
    """Prefix, delimiter and number of keys, as they stand in the query; a prefix that is not sent is absent."""
    condition = {"StringLike": {"s3:prefix": ["", "home/*"]}, "NumericLessThanEquals": {"s3:max-keys": "10"}}
    allow(s3, bucket, rule("s3:ListBucket", bucket, who=BOBS, Condition=condition))

    def lists(query: str) -> int:
        return s3.ask("GET", bucket, query, who=BOB).status

    assert lists("list-type=2&prefix=home/x&max-keys=10") == 200
    assert lists("prefix=&max-keys=1&delimiter=/") == 200
    assert lists("prefix=home%2Fx&max-keys=1") == 200
    assert lists("max-keys=1") == 403
    assert lists("prefix=other/&max-keys=1") == 403
    assert lists("prefix=home/x&max-keys=11") == 403
    assert lists("prefix=home/x&prefix=&max-keys=1&prefix=other/") == 200  # the first counts, here as in the listing


def test_conditions_on_headers_of_a_put(s3: S3, bucket: str) -> None:
    """As signed; also where a presigned URL carries them."""
    wanted = when("StringEquals", "s3:x-amz-storage-class", "STANDARD_IA")
    allow(s3, bucket, rule("s3:PutObject", bucket + "/*", who=BOBS, **wanted))
    headers = {"x-amz-storage-class": "STANDARD_IA"}

    assert s3.ask("PUT", bucket + "/x", who=BOB).error == DENIED
    assert s3.ask("PUT", bucket + "/x", "", headers, who=BOB).status == 200
    assert s3.presigned("PUT", bucket + "/x", "x-amz-storage-class=STANDARD_IA", who=BOB).status == 200
    assert s3.presigned("PUT", bucket + "/x", who=BOB).error == DENIED
    assert s3.ask("PUT", bucket + "/x", "x-amz-storage-class=STANDARD_IA", who=BOB).error == DENIED  # no header, no URL


def test_conditions_on_tags_that_are_there(s3: S3, bucket: str) -> None:
    """s3:ExistingObjectTag: of the version that is asked for."""
    s3.ask("PUT", bucket + "/public", "", {"x-amz-tagging": "security=public"}, who=ALICE)
    s3.ask("PUT", bucket + "/private", "", {"x-amz-tagging": "security=private"}, who=ALICE)
    tagged = when("StringEquals", "s3:ExistingObjectTag/security", "public")
    allow(s3, bucket, rule(["s3:GetObject", "s3:GetObjectTagging"], bucket + "/*", who=BOBS, **tagged))

    def reads(key: str, query: str = "") -> int:
        return s3.ask("GET", f"{bucket}/{key}", query, who=BOB).status

    assert [reads(key) for key in ("public", "private", "key")] == [200, 403, 403]
    assert [reads(key, "tagging") for key in ("public", "private", "key")] == [200, 403, 403]


def test_conditions_on_tags_that_come(s3: S3, bucket: str) -> None:
    """s3:RequestObjectTag and its keys: in the header of a PUT, in the body of PutObjectTagging."""
    condition = {
        "StringEquals": {"s3:RequestObjectTag/team": "blue"},
        "ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["team", "note"]},
    }
    actions = ["s3:PutObject", "s3:PutObjectTagging"]
    allow(s3, bucket, rule(actions, bucket + "/*", who=BOBS, Condition=condition))

    def puts(tags: str) -> int:
        return s3.ask("PUT", bucket + "/x", "", {"x-amz-tagging": tags}, who=BOB).status

    def tags(**given: str) -> int:
        rows = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in given.items())
        body = f"<Tagging><TagSet>{rows}</TagSet></Tagging>".encode()
        return s3.ask("PUT", bucket + "/key", "tagging", body=body, who=BOB).status

    assert [puts(one) for one in ("team=blue", "team=blue&note=1", "team=red", "team=blue&x=1", "")] == [
        200,
        200,
        403,
        403,
        403,
    ]
    assert [tags(team="blue"), tags(team="blue", note="1"), tags(team="red"), tags(team="blue", x="1"), tags()] == [
        200, 200, 403, 403, 403,
    ]  # fmt: skip


def test_where_a_signature_stands(s3: S3, bucket: str) -> None:
    """s3:authType and s3:signatureAge: URLs may be kept short-lived whatever they say themselves."""
    deny = rule("s3:*", bucket + "/*", effect="Deny", **when("NumericGreaterThan", "s3:signatureAge", "30000"))
    allow(
        s3,
        bucket,
        rule("s3:GetObject", bucket + "/*", who=BOBS, **when("StringEquals", "s3:authType", "REST-QUERY-STRING")),
        deny,
    )

    assert get(s3, bucket) == 403
    assert s3.presigned("GET", bucket + "/key", who=BOB).status == 200
    assert s3.presigned("GET", bucket + "/key", who=BOB, age_ms=40_000).status == 403


def test_the_host_does_not_choose_the_policy(s3: S3, bucket: str) -> None:
    """By name or by path a bucket is the same, and a Host that names another one leads to that one's policy."""
    door = s3.make_door(("s3.example.org",))
    allow(s3, bucket, rule("s3:GetObject", bucket + "/*"))
    other = s3.bucket(ALICE)
    s3.ask("PUT", other + "/key", body=b"secret", who=ALICE)

    def ask(path: str, host: str) -> Answer:
        return s3.run(s3.answer(s3.request("GET", path, who=None, host=host), door))

    assert ask("/key", f"{bucket[1:]}.s3.example.org").body == b"bytes"
    assert ask("/key", f"{other[1:]}.s3.example.org").error == DENIED
    assert ask(bucket + "/key", f"{other[1:]}.s3.example.org").error == DENIED
    assert ask(f"/../{bucket[1:]}/key", f"{other[1:]}.s3.example.org").error == DENIED


@pytest.mark.parametrize("path", [b"/pub%2F../secret", b"/pub/../secret", b"/%2e%2e/secret", b"//secret", b"/secret%2F"])
def test_a_path_means_one_key(s3: S3, bucket: str, path: bytes) -> None:
    """Slashes and dots of a key are letters, so none leads out of a folder that a policy opens."""
    s3.ask("PUT", bucket + "/secret", body=b"secret", who=ALICE)
    allow(s3, bucket, rule("s3:GetObject", bucket + "/pub/*"))

    assert s3.ask("GET", bucket.encode() + path, who=None).error == DENIED


# ------------------------------------------------------------------------------------------------------ users of an account


class As(Doorman):
    """A doorman who takes Alice for a user, or a session, of her account; signatures are verified as ever."""

    def __init__(self, s3: S3, **changes: Any) -> None:  # noqa: ANN401 - of `Caller`
        super().__init__(s3.catalog, Rules(REGIONS))
        number = account_number(canonical_id("alice"))
        self._changes = {
            "account": canonical_id("alice"),
            "arn": f"arn:aws:iam::{number}:user/div/ada",
            "user_id": "AIDA1",
        } | changes

    async def identify(self, *given: Any, **more: Any) -> tuple[Caller, Verified | None]:  # noqa: ANN401 - of `Doorman`
        caller, verified = await super().identify(*given, **more)
        return msgspec.structs.replace(caller, **self._changes) if verified else caller, verified


def statements(*given: dict[str, Any]) -> bytes:
    """A policy of a user: nobody is named in it."""
    bare = [{name: value for name, value in one.items() if name != "Principal"} for one in given]
    return json.dumps({"Version": "2012-10-17", "Statement": bare}).encode()


def user(s3: S3, *policies: bytes, **more: Any) -> Callable[..., Answer]:  # noqa: ANN401 - of `Caller`
    """Asks as a user of Alice's account with these policies."""
    door = s3.make_door()
    door._doorman = As(s3, identity_policies=policies, **more)

    def ask(method: str, path: str, query: str = "", headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        return s3.run(s3.answer(s3.request(method, path, query, headers, body, ALICE), door))

    return ask


def test_a_user_without_policies_may_nothing(s3: S3, bucket: str) -> None:
    """Not in their own account, not even see its buckets; a policy of the bucket that names them is enough there."""
    ask = user(s3)

    for method, path in (
        ("GET", "/"),
        ("PUT", "/buckets-of-users"),
        ("GET", bucket),
        ("GET", bucket + "/key"),
        ("PUT", bucket + "/x"),
    ):
        assert ask(method, path).error == DENIED
    allow(s3, bucket, rule("s3:GetObject", bucket + "/*", who={"AWS": As(s3)._changes["arn"]}))
    assert ask("GET", bucket + "/key").body == b"bytes"


def test_what_a_user_makes_is_the_accounts(s3: S3) -> None:
    """Buckets, in the regions that a policy names; what a header asks beside needs its own right."""
    at_home = when("StringEquals", "s3:LocationConstraint", "eu-north-1")
    create = rule("s3:CreateBucket", "/*", **at_home)
    ask = user(s3, statements(create, rule("s3:ListAllMyBuckets", "/*") | {"Resource": "*"}))
    there = b"<CreateBucketConfiguration><LocationConstraint>eu-north-1</LocationConstraint></CreateBucketConfiguration>"

    assert ask("PUT", "/made-by-a-user").error == DENIED
    assert ask("PUT", "/made-by-a-user", "", {"x-amz-acl": "private"}, there).error == DENIED
    assert ask("PUT", "/made-by-a-user", body=there).status == 200
    assert "made-by-a-user" in ask("GET", "/").texts("Buckets/Bucket/Name")
    assert s3.ask("HEAD", "/made-by-a-user", who=ALICE).status == 200


def test_a_users_policies_boundary_and_session(s3: S3, bucket: str) -> None:
    """All of them must allow; variables and tags of the principal are known."""
    home = statements(rule(["s3:GetObject", "s3:PutObject"], bucket + "/home/${aws:username}/*"))
    tagged = statements(rule("s3:PutObject", bucket + "/*", **when("StringEquals", "aws:PrincipalTag/team", "blue")))
    reads, writes = (statements(rule(action, bucket + "/*")) for action in ("s3:GetObject", "s3:PutObject"))

    assert user(s3, home)("PUT", bucket + "/home/ada/x").status == 200
    assert user(s3, home)("PUT", bucket + "/home/bob/x").error == DENIED
    assert user(s3, home, boundary=reads)("PUT", bucket + "/home/ada/x").error == DENIED
    assert user(s3, home, boundary=reads)("GET", bucket + "/home/ada/x").status == 200
    assert user(s3, home, session_policies=(writes,))("GET", bucket + "/home/ada/x").error == DENIED
    assert user(s3, tagged)("PUT", bucket + "/x").error == DENIED
    assert user(s3, tagged, principal_tags=(("Team", "blue"),))("PUT", bucket + "/x").status == 200


def test_headers_of_a_write_need_rights_of_the_writer(s3: S3, bucket: str) -> None:
    """Tags and ACLs are put by who may, also where the bucket is of the same account."""
    plain, full = (statements(rule(actions, bucket + "/*")) for actions in ("s3:PutObject", ["s3:PutObject", "s3:PutObject*"]))
    for headers in {"x-amz-tagging": "a=b"}, {"x-amz-acl": "bucket-owner-full-control"}:
        assert user(s3, plain)("PUT", bucket + "/x", "", headers).error == DENIED
        assert user(s3, full)("PUT", bucket + "/x", "", headers).status == 200
    assert user(s3, plain)("DELETE", bucket + "/x", "", {"x-amz-bypass-governance-retention": "true"}).error == DENIED


def test_a_parameter_that_means_nothing_evades_nothing(s3: S3, bucket: str) -> None:
    """A PUT makes a version and names none: a versionId does not turn its rights into those of versions."""
    deny = rule("s3:PutObjectTagging", bucket + "/*", effect="Deny")
    allow(s3, bucket, rule("s3:Put*", bucket + "/*", who=BOBS), deny)

    for query in ("", "versionId=null"):
        assert s3.ask("PUT", bucket + "/x", query, {"x-amz-tagging": "a=b"}, who=BOB).error == DENIED


def test_an_author_who_would_lock_themselves_out(s3: S3, bucket: str) -> None:
    """They must say that they mean it; the account's root need not, for it always can."""
    ask = user(s3, statements(rule("s3:*", bucket, bucket + "/*")))
    body = json.dumps({"Statement": rule("s3:PutBucketPolicy", bucket, effect="Deny")}).encode()

    assert ask("PUT", bucket, "policy", body=body).error == (400, "MalformedPolicy")
    assert ask("PUT", bucket, "policy", {"x-amz-confirm-remove-self-bucket-access": "true"}, body).status == 204
    assert ask("PUT", bucket, "policy", body=body).error == DENIED
    assert s3.ask("PUT", bucket, "policy", body=body, who=ALICE).status == 204


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        ({}, "aws:PrincipalType", "User"),
        ({}, "aws:username", "ada"),
        ({}, "aws:userid", "AIDA1"),
        ({"arn": "arn:aws:sts::1:assumed-role/r/s", "role_arn": "arn:aws:iam::1:role/r"}, "aws:PrincipalType", "AssumedRole"),
        (
            {"arn": "arn:aws:sts::1:assumed-role/r/s", "role_arn": "arn:aws:iam::1:role/r"},
            "aws:PrincipalArn",
            "arn:aws:iam::1:role/r",
        ),
        ({"arn": "arn:aws:sts::1:federated-user/f"}, "aws:PrincipalType", "FederatedUser"),
    ],
)
def test_what_is_known_of_users_and_sessions(s3: S3, bucket: str, changes: dict[str, Any], key: str, value: str) -> None:
    """Keys about the principal, as the user guide's table has them."""
    ask = user(s3, statements(rule("s3:GetObject", bucket + "/*", **when("StringEquals", key, value))), **changes)

    assert ask("GET", bucket + "/key").status == 200


# ---------------------------------------------------------------------------------------------------------------- with ACLs


def public(permission: str, owner: str = "alice") -> Acl:
    """An ACL that grants something to everyone."""
    return Acl(canonical_id(owner), (Grant("Group", ALL_USERS, permission),))  # type: ignore[arg-type]


def test_acls_let_in_where_they_count(s3: S3, bucket: str) -> None:
    """Not while they are disabled, not while public ones are ignored, and not against a policy that denies."""
    document(s3, bucket, "acl", public("READ").dumps().encode())
    acl_of_object(s3, bucket, "key", public("READ"))

    def reads() -> list[int]:
        return [s3.ask("GET", path, who=None).status for path in (bucket, bucket + "/key")]

    assert reads() == [403, 403]
    document(s3, bucket, "ownership", WRITER)
    assert reads() == [200, 200]
    assert s3.ask("GET", bucket + "/absent", who=None).error == (404, "NoSuchKey")  # who may list may know
    assert s3.ask("GET", bucket + "/key", "tagging", who=None).error == DENIED
    assert s3.ask("PUT", bucket + "/key", who=None).error == DENIED
    allow(s3, bucket, rule("s3:GetObject", bucket + "/*", effect="Deny"))
    assert reads() == [200, 403]
    s3.ask("DELETE", bucket, "policy", who=ALICE)
    document(s3, bucket, "public-access-block", b"[false,true,false,false]")
    assert reads() == [403, 403]
    assert s3.ask("GET", bucket + "/key", who=ALICE).body == b"bytes"


def test_who_may_write_without_a_name_owns_it(s3: S3, bucket: str) -> None:
    """Where ACLs let everybody write, also with an ACL or tags of their own; a policy may still deny that."""
    document(s3, bucket, "acl", public("WRITE").dumps().encode())
    wishes: list[dict[str, str]] = [{"x-amz-acl": "public-read"}, {"x-amz-tagging": "a=b"}]

    def writes() -> list[int]:
        return [s3.ask("PUT", bucket + "/new", "", headers, b"x", None).status for headers in wishes]

    assert writes() == [403, 403]
    document(s3, bucket, "ownership", WRITER)
    document(s3, bucket, "public-access-block", b"[false,false,false,false]")
    assert writes() == [200, 200]
    allow(s3, bucket, rule("s3:PutObjectTagging", bucket + "/*", effect="Deny"))
    assert writes() == [200, 403]


def test_what_a_request_costs(s3: S3, bucket: str) -> None:
    """A policy adds no question to the catalog; conditions on tags and ACLs that count add one."""

    def statements() -> int:
        assert get(s3, bucket) == 200
        s3.watched.statements.clear()
        assert get(s3, bucket) == 200
        return len(s3.watched.statements)

    allow(s3, bucket, rule("s3:GetObject", bucket + "/*", who=BOBS))
    assert statements() == 1
    document(s3, bucket, "ownership", WRITER)
    assert statements() == 2
    document(s3, bucket, "ownership", None)
    allow(s3, bucket, rule("s3:GetObject", bucket + "/*", who=BOBS, **when("Null", "s3:ExistingObjectTag/x", "true")))
    assert statements() == 2


# --------------------------------------------------------------------------------------------------------------- browsers


def look(s3: S3, bucket: str, path: str, **headers: str) -> Answer:
    """What anybody sees of a bucket's website."""
    site = Site(s3.store, DoorOptions(REGIONS), ("web.example.org",), s3.now_ms, lambda error, _id: s3.reported.append(error))
    request = s3.request("GET", path, "", headers, b"", None, host=f"{bucket[1:]}.web.example.org")
    return s3.run(s3.answer(request, site))


def test_a_website_shows_what_the_policy_shows(s3: S3, bucket: str) -> None:
    """A missing page is a 403 unless everybody may list; a folder is found all the same; conditions count."""
    index = b"<IndexDocument><Suffix>index.html</Suffix></IndexDocument>"
    configuration = b"<WebsiteConfiguration>" + index + b"</WebsiteConfiguration>"
    assert s3.ask("PUT", bucket, "website", body=configuration, who=ALICE).status == 200
    for key in ("index.html", "dir/index.html", "private/index.html"):
        assert s3.ask("PUT", f"{bucket}/{key}", body=key.encode(), who=ALICE).status == 200
    assert look(s3, bucket, "/").status == 403
    pages, hidden = rule("s3:GetObject", bucket + "/*"), rule("s3:GetObject", bucket + "/private/*", effect="Deny")
    allow(s3, bucket, pages, hidden)

    assert look(s3, bucket, "/").body == b"index.html"
    assert (look(s3, bucket, "/dir").status, look(s3, bucket, "/dir").headers["location"]) == (302, "/dir/")
    assert [look(s3, bucket, path).status for path in ("/none", "/private/", "/private", "/private/none")] == [403] * 4
    allow(s3, bucket, pages, hidden, rule("s3:ListBucket", bucket))
    assert [look(s3, bucket, path).status for path in ("/none", "/private/")] == [404, 403]
    allow(s3, bucket, rule("s3:GetObject", bucket + "/*", **when("StringLike", "aws:Referer", "https://a.example/*")))
    assert look(s3, bucket, "/", referer="https://a.example/x").status == 200
    assert look(s3, bucket, "/", referer="https://else.example/").status == 403


def form(s3: S3, bucket: str, who: Credentials | None, **fields: str) -> Answer:
    """A form for the key ``k``, signed or not."""
    fields = {"key": "k", **fields}
    if who is not None:
        conditions = [{"bucket": bucket[1:]}, *({name: value} for name, value in fields.items())]
        policy = b64encode(json.dumps({"expiration": "2999-01-01T00:00:00Z", "conditions": conditions}).encode()).decode()
        fields |= {"policy": policy, "awsaccesskeyid": who.access_key, "signature": signature(who.secret, policy)}
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}", "referer": "https://a.example/"}
    return s3.ask("POST", bucket, headers=headers, body=encode_form(fields, b"rye"), who=None)


def test_forms_ask_for_the_rights_of_a_put(s3: S3, bucket: str) -> None:
    """Also those for tags; anybody may send one without a policy where anybody may put; how it was signed can be asked."""
    tagging = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
    assert [form(s3, bucket, who).error for who in (BOB, None)] == [DENIED] * 2
    put = rule("s3:PutObject", bucket + "/k", who=BOBS)
    allow(s3, bucket, put)
    assert [form(s3, bucket, who).status for who in (BOB, ALICE, None)] == [204, 204, 403]
    assert form(s3, bucket, BOB, tagging=tagging).error == DENIED
    allow(s3, bucket, put, rule("s3:PutObjectTagging", bucket + "/k", who=BOBS))
    assert form(s3, bucket, BOB, tagging=tagging).status == 204
    allow(s3, bucket, put, rule("s3:PutObject", bucket + "/k", effect="Deny", **when("StringEquals", "s3:authType", "POST")))
    assert [form(s3, bucket, who).error for who in (BOB, ALICE)] == [DENIED] * 2
    allow(s3, bucket, rule("s3:PutObject", bucket + "/k", **when("StringLike", "aws:Referer", "https://a.example/*")))
    assert form(s3, bucket, None).status == 204

"""What every bucket answers before anything is configured, and what is not served: by its name."""

from __future__ import annotations

import pytest

from .harness import ALICE, S3, canonical_id

ABSENT = {
    "policy": "NoSuchBucketPolicy",
    "policyStatus": "NoSuchBucketPolicy",
    "cors": "NoSuchCORSConfiguration",
    "lifecycle": "NoSuchLifecycleConfiguration",
    "website": "NoSuchWebsiteConfiguration",
    "replication": "ReplicationConfigurationNotFoundError",
    "object-lock": "ObjectLockConfigurationNotFoundError",
    "encryption": "ServerSideEncryptionConfigurationNotFoundError",
    "tagging": "NoSuchTagSet",
}


@pytest.mark.parametrize(("keyword", "code"), ABSENT.items())
@pytest.mark.parametrize("form", ["{}", "{}="])
def test_what_a_fresh_bucket_has_not(s3: S3, bucket: str, keyword: str, code: str, form: str) -> None:
    """Each absent document has a 404 with a code of its own, which clients look for; ``?x`` and ``?x=`` are alike."""
    answer = s3.ask("GET", bucket, form.format(keyword))

    assert answer.error == (404, code)
    assert answer.fields == {"BucketName": bucket[1:]}


PRESENT = {
    "versioning": ("VersioningConfiguration", {}),
    "logging": ("BucketLoggingStatus", {}),
    "notification": ("NotificationConfiguration", {}),
    "accelerate": ("AccelerateConfiguration", {}),
    "location": ("LocationConstraint", {}),
    "requestPayment": ("RequestPaymentConfiguration", {"Payer": "BucketOwner"}),
    "ownershipControls": ("OwnershipControls", {"Rule/ObjectOwnership": "BucketOwnerEnforced"}),
    "publicAccessBlock": (
        "PublicAccessBlockConfiguration",
        dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), "true"),
    ),
}


@pytest.mark.parametrize(("keyword", "expected"), PRESENT.items())
def test_what_a_fresh_bucket_has(s3: S3, bucket: str, keyword: str, expected: tuple[str, dict[str, str]]) -> None:
    """Documents that exist from the start say what AWS says of a new bucket."""
    answer = s3.ask("GET", bucket, keyword)

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/xml"
    assert (answer.xml.tag, {path: answer.text(path) for path in expected[1]}) == expected


@pytest.mark.parametrize("of", ["", "/key"])
def test_the_acl_is_the_owners_full_control(s3: S3, of: str) -> None:
    """``?acl`` of buckets and objects: one grant, to the owner."""
    bucket = s3.bucket(ALICE)
    s3.ask("PUT", bucket + "/key", who=ALICE)

    answer = s3.ask("GET", bucket + of, "acl", who=ALICE)

    assert answer.texts("Owner/ID") == [canonical_id("alice")]
    assert answer.texts("Owner/DisplayName") == ["Alice"]
    assert answer.texts("AccessControlList/Grant/Grantee/ID") == [canonical_id("alice")]
    assert answer.texts("AccessControlList/Grant/Permission") == ["FULL_CONTROL"]


def test_the_acl_of_an_absent_key(s3: S3, bucket: str) -> None:
    """An ACL belongs to an object."""
    assert s3.ask("GET", bucket + "/absent", "acl").error == (404, "NoSuchKey")
    assert s3.ask("PUT", bucket + "/absent", "acl", {"x-amz-acl": "private"}).error == (404, "NoSuchKey")


def test_a_wish_that_is_not_served_is_refused(s3: S3, bucket: str) -> None:
    """Appended? To say 200 and do something else would be a lie; the header is named, and nothing is written."""
    answer = s3.ask("PUT", bucket + "/key", headers={"x-amz-write-offset-bytes": "0"}, body=b"x")

    assert answer.error == (501, "NotImplemented")
    assert answer.fields == {"Header": "x-amz-write-offset-bytes"}
    assert s3.keys(bucket) == []

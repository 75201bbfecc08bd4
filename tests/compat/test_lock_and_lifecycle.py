"""Object lock and lifecycle as boto3 and aws-cli use them; lifecycle on a server whose days take a second."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from zakrom.testing.access import Access
from zakrom.testing.server import Server

from .kit import SERVER_ARGUMENTS, run

PATIENCE_SECONDS = 20.0
"""What is due after one or two days of a second must be done by then, however busy the machine."""


@pytest.fixture(scope="module")
def quick() -> Iterator[Any]:
    """boto3, against a server with short days."""
    with Server(workers=1, args=(*SERVER_ARGUMENTS, "--lifecycle-day-seconds", "1")) as server:
        yield server.access.client()


@pytest.fixture
def locked(access: Access) -> Iterator[tuple[Any, str]]:
    """boto3 and a bucket with object lock; its governance locks are bypassed in the end."""
    s3 = access.client()
    name = f"compat-locked-{time.time_ns()}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    yield s3, name
    for one in s3.list_object_versions(Bucket=name).get("Versions", []):
        s3.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"], BypassGovernanceRetention=True)
    s3.delete_bucket(Bucket=name)


def wait_until(holds: Callable[[], bool]) -> bool:
    """Whether it does within the patience."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.2)
    return holds()


def test_boto3_locks(locked: tuple[Any, str]) -> None:
    """Default retention, a lock of one's own, a legal hold, and what each refuses."""
    s3, bucket = locked
    default = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=default)
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"grain")["VersionId"]
    s3.put_object_legal_hold(Bucket=bucket, Key="k", LegalHold={"Status": "ON"})
    until = dt.datetime(2100, 1, 1, 12, tzinfo=dt.UTC)
    s3.put_object_retention(Bucket=bucket, Key="k", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
    head = s3.head_object(Bucket=bucket, Key="k")

    assert s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"] == default
    assert s3.get_object_retention(Bucket=bucket, Key="k")["Retention"]["RetainUntilDate"] == until
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", until)
    assert head["ObjectLockLegalHoldStatus"] == "ON"
    with pytest.raises(ClientError, match="object protected by object lock"):
        s3.delete_object(Bucket=bucket, Key="k", VersionId=version, BypassGovernanceRetention=True)
    s3.put_object_legal_hold(Bucket=bucket, Key="k", LegalHold={"Status": "OFF"})
    with pytest.raises(ClientError, match="object protected by object lock"):
        s3.delete_object(Bucket=bucket, Key="k", VersionId=version)


def test_boto3_lifecycle(quick: Any) -> None:
    """Objects expire, noncurrent versions and markers go, uploads are aborted: those from before the rules too."""
    bucket = "compat-lifecycle"
    quick.create_bucket(Bucket=bucket)
    quick.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("tmp/a", "kept"):
        quick.put_object(Bucket=bucket, Key=key, Body=b"x")
    quick.create_multipart_upload(Bucket=bucket, Key="tmp/upload")
    rules = [
        {
            "ID": "tidy",
            "Status": "Enabled",
            "Filter": {"Prefix": "tmp/"},
            "Expiration": {"Days": 1},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
    ]
    quick.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})

    def left() -> list[str]:
        page = quick.list_object_versions(Bucket=bucket)
        return [one["Key"] for one in page.get("Versions", []) + page.get("DeleteMarkers", [])]

    assert quick.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    assert 'rule-id="tidy"' in quick.put_object(Bucket=bucket, Key="tmp/b", Body=b"x")["Expiration"]
    assert wait_until(lambda: left() == ["kept"])
    assert wait_until(lambda: "Uploads" not in quick.list_multipart_uploads(Bucket=bucket))


@pytest.mark.parametrize("aws_cli", ["1", "2"], indirect=True, ids=["v1", "v2"])
def test_aws_cli(aws_cli: str, access: Access, locked: tuple[Any, str], home: Path) -> None:
    """The commands of the pages about object lock and lifecycle."""
    s3, bucket = locked
    env = access.environment(home)

    def api(command: str, *arguments: str) -> Any:
        asked = [aws_cli, "--endpoint-url", access.endpoint, "s3api", command, "--bucket", bucket, *arguments]
        out = run([*asked, "--output", "json"], env)
        return json.loads(out) if out.strip() else None

    s3.put_object(Bucket=bucket, Key="k", Body=b"grain")
    api("put-object-retention", "--key", "k", "--retention", "Mode=GOVERNANCE,RetainUntilDate=2100-01-01T00:00:00Z")
    api("put-object-legal-hold", "--key", "k", "--legal-hold", "Status=ON")
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 7}}
    api("put-bucket-lifecycle-configuration", "--lifecycle-configuration", json.dumps({"Rules": [rule]}))

    assert api("get-object-retention", "--key", "k")["Retention"]["Mode"] == "GOVERNANCE"
    assert api("get-object-legal-hold", "--key", "k") == {"LegalHold": {"Status": "ON"}}
    assert api("get-object-lock-configuration") == {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}
    assert api("get-bucket-lifecycle-configuration")["Rules"] == [rule]
    api("delete-bucket-lifecycle")
    api("put-object-legal-hold", "--key", "k", "--legal-hold", "Status=OFF")

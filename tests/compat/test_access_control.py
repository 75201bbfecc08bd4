"""ACLs, ownership and access logs of a server with classic bucket defaults, as boto3 and the aws command set them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from zakrom.testing.server import Server

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
DELIVERY_SECONDS = 15.0
"""An access log that is delivered every half second is there by then, however busy the machine."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server whose new buckets have ACLs, and that delivers logs often."""
    with Server(args=["--bucket-defaults", "classic", "--bucket-log-interval", "500ms"]) as server:
        yield server


@pytest.fixture
def s3(server: Server) -> Any:
    """boto3, as its guides make it."""
    return server.client()


def permissions(answer: dict[str, Any]) -> dict[str, str]:
    """Who may what."""
    return {grant["Grantee"].get("URI") or grant["Grantee"]["ID"]: grant["Permission"] for grant in answer["Grants"]}


def test_acls_go_there_and_back(s3: Any) -> None:
    """Canned, by header, and a policy that was read and is put again with one grant more."""
    s3.create_bucket(Bucket="compat-acl", ACL="public-read")
    s3.put_object(Bucket="compat-acl", Key="key", Body=b"x", GrantRead=f'uri="{ALL_USERS}"')
    owner = s3.get_bucket_acl(Bucket="compat-acl")["Owner"]["ID"]

    assert permissions(s3.get_bucket_acl(Bucket="compat-acl")) == {ALL_USERS: "READ", owner: "FULL_CONTROL"}
    assert permissions(s3.get_object_acl(Bucket="compat-acl", Key="key")) == {ALL_USERS: "READ"}
    shown = s3.get_object_acl(Bucket="compat-acl", Key="key")
    shown["Grants"].append({"Grantee": {"Type": "CanonicalUser", "ID": owner}, "Permission": "FULL_CONTROL"})
    s3.put_object_acl(Bucket="compat-acl", Key="key", AccessControlPolicy={"Owner": shown["Owner"], "Grants": shown["Grants"]})
    assert permissions(s3.get_object_acl(Bucket="compat-acl", Key="key")) == {ALL_USERS: "READ", owner: "FULL_CONTROL"}


def test_acls_are_disabled_and_public_access_is_blocked(s3: Any) -> None:
    """What Terraform and the console do to a bucket."""
    s3.create_bucket(Bucket="compat-closed")
    assert s3.get_bucket_ownership_controls(Bucket="compat-closed")["OwnershipControls"]["Rules"] == [
        {"ObjectOwnership": "ObjectWriter"}
    ]
    rule = {"ObjectOwnership": "BucketOwnerEnforced"}
    s3.put_bucket_ownership_controls(Bucket="compat-closed", OwnershipControls={"Rules": [rule]})
    blocks = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    s3.put_public_access_block(Bucket="compat-closed", PublicAccessBlockConfiguration=blocks)

    assert s3.get_public_access_block(Bucket="compat-closed")["PublicAccessBlockConfiguration"] == blocks
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket="compat-closed", Key="key", ACL="public-read")
    assert caught.value.response["Error"]["Code"] == "AccessControlListNotSupported"


def test_access_logs_are_delivered(s3: Any) -> None:
    """By the running server, into the bucket that was named; also what was asked just before it ends."""
    s3.create_bucket(Bucket="compat-logged")
    s3.create_bucket(Bucket="compat-logs")
    where = {"TargetBucket": "compat-logs", "TargetPrefix": "log/"}
    s3.put_bucket_logging(Bucket="compat-logged", BucketLoggingStatus={"LoggingEnabled": where})
    assert s3.get_bucket_logging(Bucket="compat-logged")["LoggingEnabled"] == where
    s3.put_object(Bucket="compat-logged", Key="key", Body=b"x" * 100_000)
    s3.get_object(Bucket="compat-logged", Key="key")["Body"].read()

    assert "REST.GET.OBJECT key" in logged(s3, "REST.GET.OBJECT")


def test_access_logs_are_delivered_when_the_server_ends() -> None:
    """What was gathered is not lost by a restart."""
    with Server(args=["--bucket-log-interval", "1h"]) as server:
        s3 = server.client()
        s3.create_bucket(Bucket="compat-logs")
        s3.put_bucket_logging(
            Bucket="compat-logs",
            BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": "compat-logs", "TargetPrefix": "log/"}},
        )
        s3.put_object(Bucket="compat-logs", Key="key", Body=b"x")
        server.restart()

        assert "REST.PUT.OBJECT key" in logged(server.client(), "REST.PUT.OBJECT")


def logged(s3: Any, wanted: str) -> str:
    """The text of the log, when it has come."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while True:
        keys = [one["Key"] for one in s3.list_objects_v2(Bucket="compat-logs", Prefix="log/").get("Contents", [])]
        text = "".join(s3.get_object(Bucket="compat-logs", Key=key)["Body"].read().decode() for key in keys)
        if wanted in text or time.monotonic() > deadline:
            return text
        time.sleep(0.1)

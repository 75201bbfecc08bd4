"""Encryption as boto3 and aws-cli ask for it: keys of the customer over TLS, keys of the server over both."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from zakrom.testing.access import Access
from zakrom.testing.server import Server

from .kit import MIB, over_both, run, sample

KEY = bytes(range(32))
CUSTOMER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}
SOURCE = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": KEY}
KMS_ARN = "arn:aws:kms:us-east-1:000000000000:key/"


@pytest.fixture
def s3(access: Access) -> Any:
    """A client as ``boto3.client("s3", endpoint_url=…)`` makes it."""
    return access.client()


@over_both
def test_transfers_under_a_key_of_the_customer(s3: Any, bucket: str) -> None:
    """Uploads in parts, downloads by ranges, and copies, as boto3's transfer manager does them; without the key nothing."""
    body = sample(20 * MIB)
    s3.upload_fileobj(io.BytesIO(body), bucket, "large", ExtraArgs=CUSTOMER)
    back = io.BytesIO()
    s3.download_fileobj(bucket, "large", back, ExtraArgs=CUSTOMER)
    s3.copy({"Bucket": bucket, "Key": "large"}, bucket, "copy", {**SOURCE, "ServerSideEncryption": "AES256"})

    assert back.getvalue() == body
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == body
    assert s3.head_object(Bucket=bucket, Key="copy")["ServerSideEncryption"] == "AES256"
    with pytest.raises(ClientError, match="stored using a form of Server Side Encryption"):
        s3.get_object(Bucket=bucket, Key="large")


@over_both
def test_keys_of_the_server(s3: Any, bucket: str) -> None:
    """SSE-S3, SSE-KMS and the default of a bucket, as boto3 reads the answers."""
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}]
        },
    )
    by_default = s3.put_object(Bucket=bucket, Key="by-default", Body=b"x")
    asked = s3.put_object(Bucket=bucket, Key="asked", Body=b"x", ServerSideEncryption="AES256")
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]

    assert (by_default["ServerSideEncryption"], by_default["SSEKMSKeyId"]) == ("aws:kms", KMS_ARN + "aws-s3")
    assert by_default["BucketKeyEnabled"]
    assert asked["ServerSideEncryption"] == "AES256"
    assert rules == [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}]


@pytest.mark.parametrize("access", ["https"], indirect=True)
@pytest.mark.parametrize("aws_cli", ["1", "2"], indirect=True, ids=["v1", "v2"])
def test_aws_cli(aws_cli: str, access: Access, home: Path, bucket: str, tmp_path: Path) -> None:
    """`cp` there and back with ``--sse``, ``--sse aws:kms`` and ``--sse-c``."""
    env = access.environment(home)
    there, back, key = tmp_path / "there", tmp_path / "back", tmp_path / "key"
    there.write_bytes(sample(10 * MIB))
    key.write_bytes(KEY)
    customer: list[str | Path] = ["--sse-c", "AES256", "--sse-c-key", f"fileb://{key}"]
    for to, back_with in ((["--sse"], []), (["--sse", "aws:kms"], []), (customer, customer)):
        run([aws_cli, "--endpoint-url", access.endpoint, "s3", "cp", there, f"s3://{bucket}/key", *to], env)
        run([aws_cli, "--endpoint-url", access.endpoint, "s3", "cp", f"s3://{bucket}/key", back, *back_with], env)

        assert back.read_bytes() == there.read_bytes()


def test_a_store_with_keys_lives_on(tmp_path: Path) -> None:
    """Through a restart and in a backup; no key is in any log, and none in the store but in the ring."""
    with Server(tmp_path / "data", args=["--encrypt-by-default"]) as server:
        s3 = server.client()
        s3.create_bucket(Bucket="kept")
        for name, more in (("small", {}), ("kms", {"ServerSideEncryption": "aws:kms"}), ("own", CUSTOMER)):
            s3.put_object(Bucket="kept", Key=name, Body=sample(100_000, len(name)), **more)
        line = [sys.executable, "-m", "zakrom", "backup", "--data", tmp_path / "data", tmp_path / "backup"]
        said = run(line, os.environ)
        log = server.log
    with Server(tmp_path / "backup", access_key=server.access_key, secret_key=server.secret_key) as other:
        s3 = other.client()
        read = {
            name: s3.get_object(Bucket="kept", Key=name, **(CUSTOMER if name == "own" else {}))["Body"].read()
            for name in ("small", "kms", "own")
        }
        log += other.log
    ring = (tmp_path / "data" / "key-ring").read_bytes()

    assert read == {name: sample(100_000, len(name)) for name in ("small", "kms", "own")}
    assert "The key ring is among them" in said
    assert (tmp_path / "backup" / "key-ring").read_bytes() == ring
    assert (tmp_path / "backup" / "key-ring").stat().st_mode & 0o777 == 0o600
    secrets = [KEY.hex(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", *_keys(ring)]
    assert not any(secret in log for secret in secrets)


def _keys(ring: bytes) -> list[str]:
    """The keys of a ring, as it holds them."""
    return [version["key"] for key in json.loads(ring)["keys"] for version in key["versions"]]

"""aiobotocore: the asynchronous SDK, with many requests under way at once and bodies that are streamed."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from zakrom.testing.access import Access

from .kit import KIB, MIB, sample


@asynccontextmanager
async def connected(access: Access) -> AsyncIterator[Any]:
    """A client as the project's readme makes it."""
    async with get_session().create_client(
        "s3",
        endpoint_url=access.endpoint,
        aws_access_key_id=access.access_key,
        aws_secret_access_key=access.secret_key,
        region_name=access.region,
    ) as client:
        yield client


async def test_the_life_of_an_object(access: Access, bucket: str) -> None:
    """Put, head, get, copy, tag, delete: each says what was done."""
    body = sample(40 * KIB)
    async with connected(access) as s3:
        await s3.put_object(Bucket=bucket, Key="k", Body=body, Metadata={"a": "1"})
        head = await s3.head_object(Bucket=bucket, Key="k")
        await s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
        await s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "t", "Value": "v"}]})
        tags = await s3.get_object_tagging(Bucket=bucket, Key="k")
        answer = await s3.get_object(Bucket=bucket, Key="copy")
        async with answer["Body"] as stream:
            got = await stream.read()
        await s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}, {"Key": "copy"}]})
        left = await s3.list_objects_v2(Bucket=bucket)

    assert (head["ContentLength"], head["Metadata"]) == (len(body), {"a": "1"})
    assert tags["TagSet"] == [{"Key": "t", "Value": "v"}]
    assert (got, answer["Metadata"]) == (body, {"a": "1"})
    assert left["KeyCount"] == 0


async def test_buckets(access: Access) -> None:
    """A bucket is made, listed, removed."""
    async with connected(access) as s3:
        await s3.create_bucket(Bucket="compat-async-bucket")
        listed = [entry["Name"] for entry in (await s3.list_buckets())["Buckets"]]
        await s3.delete_bucket(Bucket="compat-async-bucket")

    assert "compat-async-bucket" in listed


async def test_many_requests_at_once(access: Access, bucket: str) -> None:
    """Fifty puts and fifty gets under way together all end well, and pages list every key once, with folders too."""
    names = [f"{number % 5}/{number:03}" for number in range(50)]
    async with connected(access) as s3:

        async def put(name: str) -> None:
            await s3.put_object(Bucket=bucket, Key=name, Body=sample(10 * KIB, int(name[2:])))

        async def get(name: str) -> bytes:
            answer = await s3.get_object(Bucket=bucket, Key=name)
            async with answer["Body"] as stream:
                body: bytes = await stream.read()
                return body

        await asyncio.gather(*map(put, names))
        bodies = await asyncio.gather(*map(get, names))
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 20})
        listed = [entry["Key"] async for page in pages for entry in page["Contents"]]
        folders = await s3.list_objects_v2(Bucket=bucket, Delimiter="/")

    assert bodies == [sample(10 * KIB, int(name[2:])) for name in names]
    assert listed == sorted(names)
    assert [prefix["Prefix"] for prefix in folders["CommonPrefixes"]] == ["0/", "1/", "2/", "3/", "4/"]


async def test_parts_sent_together_and_streamed_back(access: Access, bucket: str) -> None:
    """A multipart upload with its parts under way at once; the body is read chunk by chunk."""
    parts = [sample(5 * MIB, number) for number in range(4)]
    async with connected(access) as s3:
        upload = (await s3.create_multipart_upload(Bucket=bucket, Key="large"))["UploadId"]

        async def send(number: int) -> dict[str, Any]:
            sent = await s3.upload_part(Bucket=bucket, Key="large", UploadId=upload, PartNumber=number, Body=parts[number - 1])
            return {"PartNumber": number, "ETag": sent["ETag"]}

        sent = await asyncio.gather(*(send(number) for number in range(1, 5)))
        await s3.complete_multipart_upload(Bucket=bucket, Key="large", UploadId=upload, MultipartUpload={"Parts": sent})
        answer = await s3.get_object(Bucket=bucket, Key="large")
        pieces = []
        async with answer["Body"] as stream:
            while piece := await stream.read(MIB):
                pieces.append(piece)

    assert b"".join(pieces) == b"".join(parts)


async def test_versions(access: Access, bucket: str) -> None:
    """A deleted object is restored by removing its marker, an old version is read."""
    async with connected(access) as s3:
        await s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        first = (await s3.put_object(Bucket=bucket, Key="k", Body=b"one"))["VersionId"]
        await s3.put_object(Bucket=bucket, Key="k", Body=b"two")
        marker = (await s3.delete_object(Bucket=bucket, Key="k"))["VersionId"]
        versions = await s3.list_object_versions(Bucket=bucket)
        await s3.delete_object(Bucket=bucket, Key="k", VersionId=marker)
        current = await (await s3.get_object(Bucket=bucket, Key="k"))["Body"].read()
        old = await (await s3.get_object(Bucket=bucket, Key="k", VersionId=first))["Body"].read()

    assert (len(versions["Versions"]), len(versions["DeleteMarkers"])) == (2, 1)
    assert (current, old) == (b"two", b"one")


async def test_presigned_links(access: Access, bucket: str) -> None:
    """A link to write and a link to read work without keys."""
    where = {"Bucket": bucket, "Key": "linked"}
    async with connected(access) as s3:
        put = await s3.generate_presigned_url("put_object", Params=where)
        get = await s3.generate_presigned_url("get_object", Params=where)

    def use() -> bytes:
        sent = urllib.request.Request(put, data=b"grain", method="PUT", headers={"content-type": ""})
        urllib.request.urlopen(sent, timeout=30).close()
        with urllib.request.urlopen(get, timeout=30) as answer:
            body: bytes = answer.read()
            return body

    assert await asyncio.to_thread(use) == b"grain"


async def test_a_race_has_one_winner(access: Access, bucket: str) -> None:
    """Of ten writers that all want to be the first, one is, and the others hear that they are not."""
    async with connected(access) as s3:

        async def claim(number: int) -> int:
            try:
                await s3.put_object(Bucket=bucket, Key="lock", Body=str(number).encode(), IfNoneMatch="*")
            except ClientError as error:
                status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
                return status
            return 200

        outcomes = await asyncio.gather(*map(claim, range(10)))
        body = await (await s3.get_object(Bucket=bucket, Key="lock"))["Body"].read()

    assert outcomes.count(200) == 1
    assert set(outcomes) <= {200, 409, 412}
    assert body == str(outcomes.index(200)).encode()

"""boto3, the SDK that most Python programs use: what its guides show, over http and, where it can matter, https."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from zakrom.testing.access import Access

from .kit import KIB, MIB, over_both, sample


@pytest.fixture
def s3(access: Access) -> Any:
    """A client as ``boto3.client("s3", endpoint_url=…)`` makes it."""
    return access.client()


def refusal(call: Callable[[], object]) -> tuple[int, str]:
    """The status and the code with which the server refuses a call."""
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def keys(page: dict[str, Any]) -> list[str]:
    """The keys of a page of a listing."""
    return [entry["Key"] for entry in page.get("Contents", [])]


@over_both
def test_a_bucket_is_made_found_and_removed(s3: Any) -> None:
    """A bucket lives from create_bucket to delete_bucket, and the listing and the waiters know."""
    name = "compat-life-of-a-bucket"
    s3.create_bucket(Bucket=name)
    s3.get_waiter("bucket_exists").wait(Bucket=name, WaiterConfig={"Delay": 1, "MaxAttempts": 2})
    listed = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    location = s3.get_bucket_location(Bucket=name)["LocationConstraint"]
    s3.delete_bucket(Bucket=name)
    s3.get_waiter("bucket_not_exists").wait(Bucket=name, WaiterConfig={"Delay": 1, "MaxAttempts": 2})

    assert name in listed
    assert location is None
    assert refusal(lambda: s3.head_bucket(Bucket=name)) == (404, "404")


@over_both
def test_a_small_object_comes_back_as_it_went(s3: Any, bucket: str) -> None:
    """Bytes, content type, other headers and metadata are those that were put, and HEAD says the same as GET."""
    body = sample(5 * KIB)
    said = {
        "ContentType": "application/x-grain",
        "CacheControl": "max-age=60",
        "ContentDisposition": 'attachment; filename="rye.bin"',
        "ContentEncoding": "identity",
        "ContentLanguage": "cs",
        "Metadata": {"field": "north", "harvest-year": "2026"},
    }
    put = s3.put_object(Bucket=bucket, Key="granary/rye.bin", Body=body, **said)
    got = s3.get_object(Bucket=bucket, Key="granary/rye.bin")
    head = s3.head_object(Bucket=bucket, Key="granary/rye.bin")

    assert got["Body"].read() == body
    assert {name: got[name] for name in said} == said
    assert {name: head[name] for name in said} == said
    assert (got["ETag"], got["ContentLength"]) == (put["ETag"], len(body))
    assert (head["ETag"], head["ContentLength"], head["LastModified"]) == (put["ETag"], len(body), got["LastModified"])


@pytest.mark.parametrize("length", [0, 1, 32 * KIB, 32 * KIB + 1, 128 * KIB, 1 * MIB + 7])
def test_any_length_comes_back(s3: Any, bucket: str, length: int) -> None:
    """No length is special: none, one byte, and both sides of the borders between ways of keeping bytes."""
    body = sample(length)
    s3.put_object(Bucket=bucket, Key="o", Body=body)

    assert s3.get_object(Bucket=bucket, Key="o")["Body"].read() == body


@pytest.mark.parametrize(
    "key", ["a b+c&d=e?f#g%h", "закром/ячмень", "😀", "//", "a//b", "./.", "../up", "a/", "%2F", "'\"<>&", "k" * 1024]
)
def test_any_key_comes_back(s3: Any, bucket: str, key: str) -> None:
    """A key is bytes, not a path: each comes back exactly, from the object and from the listing."""
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())

    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert keys(s3.list_objects_v2(Bucket=bucket)) == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert keys(s3.list_objects_v2(Bucket=bucket)) == []


@over_both
def test_a_large_file_goes_up_and_down_in_parts(s3: Any, bucket: str, tmp_path: Path) -> None:
    """upload_file and download_file with their default thresholds move 20 MiB byte for byte."""
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(sample(20 * MIB))
    s3.upload_file(str(there), bucket, "large", ExtraArgs={"Metadata": {"m": "1"}})
    s3.download_file(bucket, "large", str(back))
    head = s3.head_object(Bucket=bucket, Key="large", PartNumber=1)

    assert back.read_bytes() == there.read_bytes()
    assert (head["PartsCount"], head["ContentLength"], head["Metadata"]) == (3, 8 * MIB, {"m": "1"})
    assert head["ETag"].endswith('-3"')


@over_both
def test_a_stream_that_cannot_seek_is_uploaded(s3: Any, bucket: str) -> None:
    """upload_fileobj takes a stream of unknown length, and download_fileobj writes to one."""

    class Pipe(io.RawIOBase):
        """A stream that only reads."""

        def __init__(self, data: bytes) -> None:
            self._left = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            piece = self._left.read(len(buffer))
            buffer[: len(piece)] = piece
            return len(piece)

    body = sample(9 * MIB)
    s3.upload_fileobj(io.BufferedReader(Pipe(body)), bucket, "piped")
    back = io.BytesIO()
    s3.download_fileobj(bucket, "piped", back)

    assert back.getvalue() == body


@over_both
def test_multipart_by_hand(s3: Any, bucket: str) -> None:
    """The low-level calls: parts out of order, listed, one sent twice, completed; a second upload is aborted."""
    parts = {1: sample(5 * MIB, 1), 2: sample(5 * MIB, 2), 3: sample(1, 3)}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="o")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="o", UploadId=upload, PartNumber=2, Body=sample(5 * MIB, 9))
    tags = {
        number: s3.upload_part(Bucket=bucket, Key="o", UploadId=upload, PartNumber=number, Body=parts[number])["ETag"]
        for number in (3, 2, 1)
    }
    listed = s3.list_parts(Bucket=bucket, Key="o", UploadId=upload)["Parts"]
    open_uploads = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    s3.complete_multipart_upload(
        Bucket=bucket,
        Key="o",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": number, "ETag": tags[number]} for number in (1, 2, 3)]},
    )
    other = s3.create_multipart_upload(Bucket=bucket, Key="p")["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="p", UploadId=other)

    assert [(part["PartNumber"], part["Size"], part["ETag"]) for part in listed] == [
        (n, len(parts[n]), tags[n]) for n in (1, 2, 3)
    ]
    assert [(entry["Key"], entry["UploadId"]) for entry in open_uploads] == [("o", upload)]
    assert s3.get_object(Bucket=bucket, Key="o")["Body"].read() == parts[1] + parts[2] + parts[3]
    assert refusal(lambda: s3.list_parts(Bucket=bucket, Key="p", UploadId=other)) == (404, "NoSuchUpload")


def test_a_listing_has_pages(s3: Any, bucket: str) -> None:
    """More keys than a page holds come in order and each once, with the default page and with a small one."""
    names = [f"k/{number:05}" for number in range(1_050)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b"x"), names))
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket))
    first_version = list(s3.get_paginator("list_objects").paginate(Bucket=bucket))
    small = list(
        s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, StartAfter="k/01020", PaginationConfig={"PageSize": 7})
    )

    assert [len(keys(page)) for page in pages] == [1_000, 50]
    assert [key for page in pages for key in keys(page)] == names
    assert [key for page in first_version for key in keys(page)] == names
    assert [key for page in small for key in keys(page)] == names[1_021:]
    assert [page["KeyCount"] for page in small] == [7, 7, 7, 7, 1]


@over_both
def test_a_delimiter_makes_folders(s3: Any, bucket: str) -> None:
    """Keys that share a prefix up to the delimiter are one common prefix, also where pages cut."""
    for key in ("a", "a/1", "a/2", "b/1", "b/c/1", "d"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    root = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    inner = s3.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="b/")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1})
    entries = [entry for page in pages for entry in (*keys(page), *(p["Prefix"] for p in page.get("CommonPrefixes", [])))]

    assert keys(root) == ["a", "d"]
    assert [prefix["Prefix"] for prefix in root["CommonPrefixes"]] == ["a/", "b/"]
    assert keys(inner) == ["b/1"]
    assert [prefix["Prefix"] for prefix in inner["CommonPrefixes"]] == ["b/c/"]
    assert entries == ["a", "a/", "b/", "d"]


@over_both
def test_copy_keeps_or_replaces_metadata(s3: Any, bucket: str, new_bucket: Callable[[], str]) -> None:
    """copy_object takes bytes and metadata along, replaces the latter when told, and goes from bucket to bucket."""
    other = new_bucket()
    s3.put_object(Bucket=bucket, Key="from +&", Body=b"grain", Metadata={"a": "1"}, ContentType="text/plain")
    source = {"Bucket": bucket, "Key": "from +&"}
    s3.copy_object(Bucket=other, Key="same", CopySource=source)
    s3.copy_object(Bucket=bucket, Key="from +&", CopySource=source, Metadata={"b": "2"}, MetadataDirective="REPLACE")
    same = s3.get_object(Bucket=other, Key="same")
    replaced = s3.get_object(Bucket=bucket, Key="from +&")

    assert (same["Body"].read(), same["Metadata"], same["ContentType"]) == (b"grain", {"a": "1"}, "text/plain")
    assert (replaced["Body"].read(), replaced["Metadata"]) == (b"grain", {"b": "2"})


def test_a_managed_copy_of_a_large_object(s3: Any, bucket: str) -> None:
    """``copy`` of 20 MiB goes part by part on the server and gives the same bytes."""
    body = sample(20 * MIB)
    s3.upload_fileobj(io.BytesIO(body), bucket, "from")
    s3.copy({"Bucket": bucket, "Key": "from"}, bucket, "to")

    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == body


@over_both
def test_versions_are_kept_and_restored(s3: Any, bucket: str) -> None:
    """With versioning on nothing is lost: an old version is read, a deletion undone, an old version made current again."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"one")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"two")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="k")
    gone = refusal(lambda: s3.get_object(Bucket=bucket, Key="k"))
    listed = s3.list_object_versions(Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    undone = s3.get_object(Bucket=bucket, Key="k")["Body"].read()
    s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k", "VersionId": first})

    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert marker["DeleteMarker"] is True
    assert gone == (404, "NoSuchKey")
    assert [version["VersionId"] for version in listed["Versions"]] == [second, first, "null"]
    assert [entry["VersionId"] for entry in listed["DeleteMarkers"]] == [marker["VersionId"]]
    assert undone == b"two"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"one"
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=second)["Body"].read() == b"two"
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"before"


@over_both
def test_tags_of_objects_and_buckets(s3: Any, bucket: str) -> None:
    """Tags are put with the object or after it, replaced as a whole and deleted; a bucket has its own."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="kind=rye&year=2026")
    with_object = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    counted = s3.get_object(Bucket=bucket, Key="k")["TagCount"]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "поле", "Value": "север"}]})
    after = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    none_yet = refusal(lambda: s3.get_bucket_tagging(Bucket=bucket))
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "owner", "Value": "mill"}]})

    assert sorted((tag["Key"], tag["Value"]) for tag in with_object) == [("kind", "rye"), ("year", "2026")]
    assert counted == 2
    assert after == [{"Key": "поле", "Value": "север"}]
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert none_yet == (404, "NoSuchTagSet")
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "owner", "Value": "mill"}]


@over_both
@pytest.mark.parametrize("signature", [None, "s3v4"])
def test_presigned_links(access: Access, bucket: str, signature: str | None) -> None:
    """A link lets one without keys read, and another one write, with boto3's default signature and with version 4."""
    s3 = access.client(config=Config(signature_version=signature)) if signature else access.client()
    where = {"Bucket": bucket, "Key": "a b/ячмень"}
    body = sample(70 * KIB)
    put = s3.generate_presigned_url("put_object", Params=where, ExpiresIn=60)
    get = s3.generate_presigned_url("get_object", Params={**where, "ResponseContentType": "text/x-rye"}, ExpiresIn=60)
    status, _ = fetch(access, urllib.request.Request(put, data=body, method="PUT", headers={"content-type": ""}))
    _, headers = fetch(access, urllib.request.Request(get))

    assert status == 200
    assert headers == ("text/x-rye", body)
    assert s3.get_object(**where)["Body"].read() == body


def fetch(access: Access, request: urllib.request.Request) -> tuple[int, tuple[str | None, bytes]]:
    """The status, content type and body that a request without keys gets."""
    import ssl

    trust = ssl.create_default_context(cafile=access.authority) if access.authority else None
    with urllib.request.urlopen(request, timeout=30, context=trust) as answer:
        return answer.status, (answer.headers["content-type"], answer.read())


@over_both
def test_a_spoilt_link_is_refused(access: Access, bucket: str) -> None:
    """A link for one key does not open another."""
    s3 = access.client()
    s3.put_object(Bucket=bucket, Key="secret", Body=b"x")
    link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "public"}, ExpiresIn=60)
    with pytest.raises(urllib.request.HTTPError) as caught:
        fetch(access, urllib.request.Request(link.replace("/public?", "/secret?")))

    assert caught.value.code == 403
    caught.value.close()


@over_both
def test_wrong_keys_are_refused_by_name(access: Access, bucket: str) -> None:
    """An unknown key and a wrong secret have AWS's own codes."""
    stranger = access.client(aws_access_key_id="AKIAIOSFODNN7EXAMPLE")
    forger = access.client(aws_secret_access_key="wrong")

    assert refusal(lambda: stranger.list_objects_v2(Bucket=bucket)) == (403, "InvalidAccessKeyId")
    assert refusal(lambda: forger.put_object(Bucket=bucket, Key="k", Body=b"x")) == (403, "SignatureDoesNotMatch")


@over_both
def test_deletions(s3: Any, bucket: str) -> None:
    """One key, many keys at once, a key that was never there; a bucket only when it is empty."""
    for number in range(25):
        s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="k0")
    s3.delete_object(Bucket=bucket, Key="never")
    full = refusal(lambda: s3.delete_bucket(Bucket=bucket))
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": f"k{number}"} for number in range(20)]})
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Quiet": True, "Objects": [{"Key": "k20"}, {"Key": "<&>"}]})

    assert full == (409, "BucketNotEmpty")
    assert sorted(entry["Key"] for entry in deleted["Deleted"]) == sorted(f"k{number}" for number in range(20))
    assert "Deleted" not in quiet
    assert "Errors" not in quiet
    assert keys(s3.list_objects_v2(Bucket=bucket)) == ["k21", "k22", "k23", "k24"]


@over_both
def test_conditions(s3: Any, bucket: str) -> None:
    """A write that must be the first or must replace a known one is decided by the server; a read may be conditional."""
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    again = refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*"))
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=first)["ETag"]
    late = refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=first))

    assert again == (412, "PreconditionFailed")
    assert late == (412, "PreconditionFailed")
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=second)) == (304, "304")
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=second)["Body"].read() == b"2"


@over_both
def test_ranges(s3: Any, bucket: str) -> None:
    """A part of an object by offsets, from an offset, and from the end; a range beyond the end is refused."""
    body = sample(300 * KIB)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    middle = s3.get_object(Bucket=bucket, Key="k", Range="bytes=131000-131100")

    assert (middle["Body"].read(), middle["ContentRange"]) == (body[131000:131101], f"bytes 131000-131100/{len(body)}")
    assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=307100-")["Body"].read() == body[307100:]
    assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=-10")["Body"].read() == body[-10:]
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="k", Range="bytes=400000-")) == (416, "InvalidRange")


@over_both
@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums(s3: Any, bucket: str, algorithm: str) -> None:
    """A checksum of the client's choice is kept and comes back, for an object and for one made of parts."""
    pytest.importorskip("awscrt", reason="botocore computes CRC32C and CRC64NVME with awscrt only")
    member = f"Checksum{algorithm}"
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"grain", ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    s3.upload_fileobj(io.BytesIO(sample(9 * MIB)), bucket, "large", ExtraArgs={"ChecksumAlgorithm": algorithm})
    facts = s3.get_object_attributes(Bucket=bucket, Key="large", ObjectAttributes=["Checksum", "ObjectSize", "ObjectParts"])

    assert put[member] == got[member]
    assert got["Body"].read() == b"grain"
    assert facts["Checksum"][member]
    assert (facts["ObjectSize"], facts["ObjectParts"]["TotalPartsCount"]) == (9 * MIB, 2)


@over_both
def test_absent_things_have_their_codes(s3: Any, bucket: str) -> None:
    """What is not there is named as AWS names it."""
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="never")) == (404, "NoSuchKey")
    assert refusal(lambda: s3.head_object(Bucket=bucket, Key="never")) == (404, "404")
    assert refusal(lambda: s3.list_objects_v2(Bucket="compat-never-made")) == (404, "NoSuchBucket")
    assert refusal(lambda: s3.get_bucket_policy(Bucket=bucket)) == (404, "NoSuchBucketPolicy")
    assert refusal(lambda: s3.get_bucket_cors(Bucket=bucket)) == (404, "NoSuchCORSConfiguration")
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"][0]["Permission"] == "FULL_CONTROL"


@over_both
def test_the_resource_interface(access: Access, bucket: str) -> None:
    """boto3's object-oriented interface works too: put, iterate, delete all."""
    import boto3

    store = boto3.session.Session(access.access_key, access.secret_key, region_name=access.region).resource(
        "s3", endpoint_url=access.endpoint, verify=str(access.authority) if access.authority else None
    )
    place = store.Bucket(bucket)
    for name in ("x/1", "x/2", "y"):
        place.put_object(Key=name, Body=name.encode())
    found = {entry.key: entry.get()["Body"].read() for entry in place.objects.filter(Prefix="x/")}
    place.objects.all().delete()

    assert found == {"x/1": b"x/1", "x/2": b"x/2"}
    assert list(place.objects.all()) == []

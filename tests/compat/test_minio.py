"""minio-py: the SDK of those who come from MinIO, over http and https."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from minio import Minio
from minio.commonconfig import ENABLED, ComposeSource, CopySource, Tags
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.versioningconfig import VersioningConfig

from zakrom.testing.access import Access

from .kit import KIB, MIB, over_both, sample

pytestmark = over_both


@pytest.fixture
def client(access: Access, monkeypatch: pytest.MonkeyPatch) -> Minio:
    """A client as the project's readme makes it: no region, as most people write it."""
    if access.authority:
        monkeypatch.setenv("SSL_CERT_FILE", str(access.authority))
    scheme, _, address = access.endpoint.partition("://")
    return Minio(address, access_key=access.access_key, secret_key=access.secret_key, secure=scheme == "https")


def put(client: Minio, bucket: str, key: str, body: bytes) -> None:
    """Put an object of known length."""
    client.put_object(bucket, key, io.BytesIO(body), len(body))


def get(client: Minio, bucket: str, key: str, version_id: str | None = None) -> bytes:
    """The whole body of an object."""
    answer = client.get_object(bucket, key, version_id=version_id)
    try:
        body: bytes = answer.read()
        return body
    finally:
        answer.close()
        answer.release_conn()


def code(call: Callable[[], object]) -> str:
    """The code with which the server refuses a call."""
    with pytest.raises(S3Error) as caught:
        call()
    return str(caught.value.code)


def test_a_bucket_is_made_found_and_removed(client: Minio) -> None:
    """make_bucket, bucket_exists, list_buckets, remove_bucket agree with each other."""
    client.make_bucket("compat-minio-bucket")
    there = client.bucket_exists("compat-minio-bucket")
    names = [bucket.name for bucket in client.list_buckets()]
    client.remove_bucket("compat-minio-bucket")

    assert there
    assert "compat-minio-bucket" in names
    assert not client.bucket_exists("compat-minio-bucket")


def test_a_small_object_comes_back_as_it_went(client: Minio, bucket: str) -> None:
    """Bytes, type and metadata return; an offset and a length read a part."""
    body = sample(200 * KIB)
    client.put_object(bucket, "ячмень +&.bin", io.BytesIO(body), len(body), "application/x-grain", {"field": "north"})
    stat = client.stat_object(bucket, "ячмень +&.bin")
    piece = client.get_object(bucket, "ячмень +&.bin", offset=131_000, length=200)
    with piece:
        assert piece.read() == body[131_000:131_200]
    piece.release_conn()

    assert get(client, bucket, "ячмень +&.bin") == body
    assert (stat.size, stat.content_type) == (len(body), "application/x-grain")
    assert stat.metadata is not None
    assert stat.metadata["x-amz-meta-field"] == "north"
    assert code(lambda: client.stat_object(bucket, "never")) == "NoSuchKey"


def test_large_files_and_streams(client: Minio, bucket: str, tmp_path: Path) -> None:
    """fput_object and fget_object move 20 MiB; a stream of unknown length is sent in parts."""
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(sample(20 * MIB))
    client.fput_object(bucket, "file", str(there), part_size=5 * MIB)
    client.fget_object(bucket, "file", str(back))
    client.put_object(bucket, "stream", io.BytesIO(sample(12 * MIB)), length=-1, part_size=5 * MIB)

    assert back.read_bytes() == there.read_bytes()
    assert get(client, bucket, "stream") == sample(12 * MIB)


def test_listing(client: Minio, bucket: str) -> None:
    """Folders without recursion, every key with it, a prefix, and a key to start after."""
    for key in ("a", "a/1", "a/2", "b/1", "b/c/1", "d e"):
        put(client, bucket, key, b"x")

    def names(**options: object) -> list[str | None]:
        return [entry.object_name for entry in client.list_objects(bucket, **options)]  # type: ignore[arg-type]

    assert sorted(map(str, names())) == ["a", "a/", "b/", "d e"]
    assert names(recursive=True) == ["a", "a/1", "a/2", "b/1", "b/c/1", "d e"]
    assert names(prefix="b/", recursive=True) == ["b/1", "b/c/1"]
    assert names(recursive=True, start_after="a/2") == ["b/1", "b/c/1", "d e"]
    assert names(recursive=True, use_api_v1=True) == ["a", "a/1", "a/2", "b/1", "b/c/1", "d e"]


def test_copy_and_compose(client: Minio, bucket: str) -> None:
    """An object is copied, and several are joined into one on the server."""
    put(client, bucket, "head", sample(5 * MIB, 1))
    put(client, bucket, "tail", b"tail")
    client.copy_object(bucket, "copy", CopySource(bucket, "tail"))
    client.compose_object(bucket, "joined", [ComposeSource(bucket, "head"), ComposeSource(bucket, "tail")])

    assert get(client, bucket, "copy") == b"tail"
    assert get(client, bucket, "joined") == sample(5 * MIB, 1) + b"tail"


def test_versions_are_kept_and_restored(client: Minio, bucket: str) -> None:
    """A deletion is undone and an old version is made current again."""
    client.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
    first = client.put_object(bucket, "k", io.BytesIO(b"one"), 3).version_id
    put(client, bucket, "k", b"two")
    client.remove_object(bucket, "k")
    versions = list(client.list_objects(bucket, include_version=True))
    marker = next(entry for entry in versions if entry.is_delete_marker)
    gone = code(lambda: get(client, bucket, "k"))
    client.remove_object(bucket, "k", version_id=marker.version_id)
    undone = get(client, bucket, "k")
    client.copy_object(bucket, "k", CopySource(bucket, "k", version_id=first))

    assert client.get_bucket_versioning(bucket).status == "Enabled"
    assert len(versions) == 3
    assert gone == "NoSuchKey"
    assert undone == b"two"
    assert get(client, bucket, "k") == b"one"


def test_tags(client: Minio, bucket: str) -> None:
    """Tags of an object and of a bucket are set, read and deleted."""
    put(client, bucket, "k", b"x")
    tags = Tags.new_object_tags()
    tags["kind"] = "rye"
    client.set_object_tags(bucket, "k", tags)
    bucket_tags = Tags.new_bucket_tags()
    bucket_tags["owner"] = "mill"
    client.set_bucket_tags(bucket, bucket_tags)
    read = client.get_object_tags(bucket, "k"), client.get_bucket_tags(bucket)
    client.delete_object_tags(bucket, "k")
    client.delete_bucket_tags(bucket)

    assert read == ({"kind": "rye"}, {"owner": "mill"})
    assert not client.get_object_tags(bucket, "k")
    assert not client.get_bucket_tags(bucket)


def test_presigned_links(client: Minio, access: Access, bucket: str) -> None:
    """A link to write and a link to read work without keys."""
    import ssl

    trust = ssl.create_default_context(cafile=access.authority) if access.authority else None
    put_link = client.presigned_put_object(bucket, "linked ячмень", timedelta(minutes=5))
    get_link = client.presigned_get_object(bucket, "linked ячмень", timedelta(minutes=5))
    request = urllib.request.Request(put_link, data=b"grain", method="PUT", headers={"content-type": "text/x-rye"})
    urllib.request.urlopen(request, timeout=30, context=trust).close()
    with urllib.request.urlopen(get_link, timeout=30, context=trust) as answer:
        assert answer.read() == b"grain"


def test_deletions(client: Minio, bucket: str) -> None:
    """Many objects are deleted at once; a bucket that is not empty stays."""
    names = [f"k{number:02}" for number in range(30)]
    for name in names:
        put(client, bucket, name, b"x")
    full = code(lambda: client.remove_bucket(bucket))
    errors = list(client.remove_objects(bucket, [DeleteObject(name) for name in names[:29]]))
    left = [entry.object_name for entry in client.list_objects(bucket)]

    assert full == "BucketNotEmpty"
    assert errors == []
    assert left == ["k29"]


def test_fresh_buckets_answer_as_on_aws(client: Minio, bucket: str) -> None:
    """A configuration that was never put is absent, with the code the SDK knows."""
    assert code(lambda: client.get_bucket_policy(bucket)) == "NoSuchBucketPolicy"
    assert client.get_bucket_lifecycle(bucket) is None
    assert client.get_bucket_encryption(bucket) is None

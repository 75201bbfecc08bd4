"""A disk as a power cut left it, opened as a server opens it, and looked at; twice: in this process, and by a real server.

In this process there is no HTTP and there are no other processes, but all else is the server's own: the writer's recovery, the
chores that clean up, the check, and the reading of objects. That makes it some fifty times quicker than to start one.
"""

# ruff: noqa: ANN401 - boto3's clients have no types

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from zakrom.blobs.local import LocalBlobs
from zakrom.catalog import frames
from zakrom.catalog.changes import Change
from zakrom.catalog.committer import Committer
from zakrom.catalog.reads import Reads
from zakrom.jobs.check import check
from zakrom.jobs.reap import Reap
from zakrom.jobs.sweep import Sweep
from zakrom.model.facts import Bucket, Version, VersionId, Versioning
from zakrom.rules.ranges import Span
from zakrom.store import Store, StoreOptions
from zakrom.store.reading import Reading, open_bytes
from zakrom.testing.server import Server
from zakrom.work import directory

from .life import Picture, version

PAGE = 1000  # more than any bucket of these tests holds
FAR_FUTURE_MS = 1 << 50


class InProcess:
    """Implements what is needed of `Catalog` without another process: reads at once, changes through a `Committer`."""

    def __init__(self, path: str) -> None:
        self._committer = Committer(path)
        self._reads = Reads(path)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        read = getattr(self._reads, name)

        async def ask(*arguments: Any, **options: Any) -> Any:
            return read(*arguments, **options)

        return ask

    async def apply(self, change: Change) -> Any:
        """One change, durable."""
        kind, body = self._committer.apply([change])[0]
        assert kind == frames.RESULT, body
        return body

    async def close(self) -> None:
        """As a writer ends."""
        self._reads.close()
        self._committer.close()
        self._committer._connection.close()


def reopen(path: Path) -> tuple[Picture, list[str]]:
    """What is visible after recovery and cleaning up, and what `check` still finds wrong then."""
    opened = directory.open_directory(path)
    try:
        return asyncio.run(_reopen(path))
    finally:
        directory.close_directory(opened)


async def _reopen(path: Path) -> tuple[Picture, list[str]]:
    blobs = LocalBlobs(path / "blobs")
    store = Store(InProcess(str(path / "catalog")), blobs, StoreOptions(0, 0, sendfile=False))  # type: ignore[arg-type]
    try:
        sweep = Sweep(store)
        while await store.catalog.generations():
            await sweep.step()
        await Reap(store, lambda: FAR_FUTURE_MS).step()
        findings = [f"{one.what}: {one.where} {one.detail}" for one in check(str(path / "catalog"), blobs, deep=True)]
        return await _picture(store), findings
    finally:
        await store.close()


async def _picture(store: Store) -> Picture:
    return {bucket.name: await _bucket(store, bucket) for bucket in await store.catalog.buckets(None, "", "", PAGE)}


async def _bucket(store: Store, bucket: Bucket) -> dict[str, Any]:
    keys: dict[str, list[dict[str, Any]]] = {}
    for one in await store.catalog.versions(bucket.id, b"", b"", None, True, PAGE):
        keys.setdefault(one.key.decode(), []).append(await _version(store, one))
    uploads: dict[str, list[dict[str, str]]] = {}
    for upload in await store.catalog.uploads(bucket.id, b"", b"", None, True, PAGE):
        _, parts = await store.catalog.parts(bucket.id, upload.key, upload.id, 0, PAGE)
        uploads.setdefault(upload.key.decode(), []).append({str(part.number): part.etag for part in parts})
    tags = await store.catalog.document(bucket.id, "tagging")
    return {
        "versioning": {Versioning.NEVER: "Never", Versioning.ENABLED: "Enabled"}.get(bucket.versioning, "Suspended"),
        "tags": dict(msgspec.msgpack.decode(tags)) if tags else {},
        "keys": keys,
        "uploads": uploads,
    }


async def _version(store: Store, one: Version) -> dict[str, Any]:
    if one.marker:
        return version(one.version_id, None, "")
    found = await store.catalog.find(one.bucket, one.key, VersionId(one.seq, one.nonce))
    assert found is not None
    content = await open_bytes(store, found, Span(0, one.size))
    body = content if isinstance(content, bytes) else await _all(content)
    return version(one.version_id, body, one.etag, dict(one.details.tags), one.details.metadata)


async def _all(reading: Reading) -> bytes:
    try:
        return b"".join([bytes(piece) async for piece in reading.pieces()])
    finally:
        reading.close()


# ------------------------------------------------------------------------------------------------------ by a real server


def served(server: Server) -> Picture:
    """The same, as a client sees it."""
    s3 = server.client()
    return {bucket["Name"]: _served_bucket(s3, bucket["Name"]) for bucket in s3.list_buckets()["Buckets"]}


def _served_bucket(s3: Any, bucket: str) -> dict[str, Any]:
    page = s3.list_object_versions(Bucket=bucket)
    entries = [(one, True) for one in page.get("Versions", [])] + [(one, False) for one in page.get("DeleteMarkers", [])]
    keys: dict[str, list[dict[str, Any]]] = {}
    for one, has_bytes in entries:
        shown = _served_version(s3, bucket, one) if has_bytes else version(one["VersionId"], None, "")
        keys.setdefault(one["Key"], []).append(shown)
    uploads: dict[str, list[dict[str, str]]] = {}
    for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        where = {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
        parts = s3.list_parts(**where).get("Parts", [])
        uploads.setdefault(upload["Key"], []).append({str(part["PartNumber"]): part["ETag"].strip('"') for part in parts})
    return {
        "versioning": s3.get_bucket_versioning(Bucket=bucket).get("Status", "Never"),
        "tags": _bucket_tags(s3, bucket),
        "keys": keys,
        "uploads": uploads,
    }


def _served_version(s3: Any, bucket: str, entry: dict[str, Any]) -> dict[str, Any]:
    where = {"Bucket": bucket, "Key": entry["Key"], "VersionId": entry["VersionId"]}
    answer = s3.get_object(**where)
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(**where)["TagSet"]}
    return version(entry["VersionId"], answer["Body"].read(), answer["ETag"], tags, answer["Metadata"])


def _bucket_tags(s3: Any, bucket: str) -> dict[str, str]:
    try:
        return {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchTagSet"  # noqa: PT017 - anything else is a failure
        return {}


def unordered(picture: Picture) -> Picture:
    """A picture in which the order of a key's versions does not show: S3 lists versions and markers apart."""
    return {
        name: bucket | {"keys": {key: sorted(versions, key=lambda one: one["id"]) for key, versions in bucket["keys"].items()}}
        for name, bucket in picture.items()
    }

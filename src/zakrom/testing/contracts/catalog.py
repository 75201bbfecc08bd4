"""What every implementation of `zakrom.catalog.interface.Catalog` promises, as tests to inherit.

    class TestMyCatalog(CatalogContract):
        @pytest.fixture
        def site(self) -> CatalogSite: ...

A `CatalogSite` is a store: it opens a `Catalog` on it as often as asked, as the processes of one server do, and replaces what
writes it, gently and with `kill -9`. Times are small numbers here; the catalog has no clock.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from zakrom import errors
from zakrom.catalog.changes import (
    AbortUpload,
    ChangeRealm,
    CompleteUpload,
    Condition,
    Content,
    CreateBucket,
    CreateUpload,
    DeleteBucket,
    Deleted,
    DeleteVersion,
    Expire,
    ForgetGeneration,
    Hold,
    Inline,
    NoteUses,
    Nothing,
    OpenGeneration,
    PutAccessKey,
    PutPart,
    PutUser,
    PutVersion,
    Reaped,
    RemoveAccessKey,
    RemoveUser,
    Reseal,
    SetDamage,
    SetDetails,
    SetDocument,
    SetFull,
    SetJob,
    SetQuota,
    SetVersioning,
    SharedBlob,
    SharedManifest,
    SharedSlices,
    Staged,
    Survey,
    Unravel,
    Written,
)
from zakrom.catalog.interface import Catalog
from zakrom.model import lock
from zakrom.model.facts import (
    BLOCK_BYTES,
    AccessKey,
    BlobFacts,
    Bucket,
    Checksum,
    Damage,
    Details,
    KeyUse,
    Listed,
    Manifest,
    ManifestPart,
    Part,
    Slice,
    Upload,
    Usage,
    User,
    Version,
    VersionId,
    Versioning,
    sealed_bytes,
)
from zakrom.model.iam import Group, IamUser
from zakrom.model.lifecycle import ALL_128K, DAY_MS, DOCUMENT, Lifecycle, Rule, Scope
from zakrom.rules import lifecycle as rules

OWNER = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4

_numbers = itertools.count(1)


class CatalogSite(Protocol):
    """A store whose facts a catalog keeps."""

    async def open(self) -> Catalog:
        """Another view of the same facts, as another process has it."""
        ...

    async def restart(self) -> None:
        """What writes the facts ends as it should, and another takes its place."""
        ...

    async def crash(self) -> None:
        """What writes the facts is killed, and another takes its place."""
        ...


# --------------------------------------------------------------------------------------------------- values to work with


def sums(length: int) -> bytes:
    """As many checksums as that many bytes need; the catalog does not look at them."""
    return b"".join(number.to_bytes(4, "big") for number in range(-(-length // BLOCK_BYTES)))


def inline(data: bytes) -> Inline:
    """Bytes that ride in the catalog."""
    return Inline(data, sums(len(data)))


def staged(generation: int, length: int) -> Staged:
    """A blob of its own, as if its file were on disk."""
    return Staged(generation << 32 | next(_numbers), length, sums(length))


def length_of(content: Content, shared_bytes: int = 0) -> int:
    """How many bytes a content has; the caller knows it of shared ones."""
    match content:
        case Inline():
            return len(content.data)
        case Staged():
            return content.length
        case SharedSlices():
            return sum(one.length for one in content.slices)
        case Nothing():
            return 0
        case _:
            return shared_bytes


def put(bucket: Bucket, key: bytes, content: Content | None = None, **facts: Any) -> PutVersion:
    """A PutVersion with what does not matter filled in."""
    content = content if content is not None else Nothing()
    number = next(_numbers)
    fields: dict[str, Any] = {
        "now_ms": number,
        "nonce": number,
        "size": length_of(content),
        "etag": f"{number:032x}",
        "storage_class": "STANDARD",
        "owner": OWNER,
        "details": Details(),
    }
    return PutVersion(bucket=bucket.id, key=key, content=content, **(fields | facts))


def delete(bucket: Bucket, key: bytes, version: VersionId | None = None, **facts: Any) -> DeleteVersion:
    """A DeleteVersion with what does not matter filled in."""
    number = next(_numbers)
    fields: dict[str, Any] = {"now_ms": number, "nonce": number, "owner": OWNER}
    return DeleteVersion(bucket=bucket.id, key=key, version=version, **(fields | facts))


def new_upload(bucket: Bucket, key: bytes, **facts: Any) -> CreateUpload:
    """A CreateUpload with what does not matter filled in."""
    number = next(_numbers)
    fields: dict[str, Any] = {
        "id": f"upload-{number:08}",
        "created_ms": number,
        "owner": OWNER,
        "storage_class": "STANDARD",
        "details": Details(),
    }
    return CreateUpload(Upload(bucket=bucket.id, key=key, **(fields | facts)))


def part(upload: Upload, number: int, content: Content, **facts: Any) -> PutPart:
    """A PutPart with what does not matter filled in."""
    count = next(_numbers)
    fields: dict[str, Any] = {"size": length_of(content), "etag": f"{count:032x}", "now_ms": count}
    return PutPart(bucket=upload.bucket, key=upload.key, upload=upload.id, number=number, content=content, **(fields | facts))


def complete(upload: Upload, parts: list[Part], revision: int, **facts: Any) -> CompleteUpload:
    """A CompleteUpload of these parts."""
    number = next(_numbers)
    slices = tuple(one for part in parts for one in part.slices)
    fields: dict[str, Any] = {
        "now_ms": number,
        "nonce": number,
        "size": sum(part.size for part in parts),
        "etag": f"{number:032x}-{len(parts)}",
        "manifest": Manifest(slices, tuple(ManifestPart(part.number, part.size) for part in parts)),
        "details": Details(),
    }
    return CompleteUpload(bucket=upload.bucket, key=upload.key, upload=upload.id, revision=revision, **(fields | facts))


def abort(upload: Upload) -> AbortUpload:
    """Aborts an upload."""
    return AbortUpload(upload.bucket, upload.key, upload.id, next(_numbers))


def id_of(written: Written | Version) -> VersionId:
    """How a request names a version."""
    return VersionId(0 if written.nonce == 0 else written.seq, written.nonce)


async def new_bucket(catalog: Catalog, versioning: Versioning = Versioning.NEVER, **facts: Any) -> Bucket:
    """A bucket of its own for a test."""
    number = next(_numbers)
    fields: dict[str, Any] = {
        "name": f"bucket-{number}",
        "owner": OWNER,
        "region": "us-east-1",
        "now_ms": number,
        "owner_buckets_max": 1_000,
    }
    bucket: Bucket = await catalog.apply(CreateBucket(**(fields | facts)))
    if versioning is not Versioning.NEVER:
        await catalog.apply(SetVersioning(bucket.id, versioning))
    return await catalog.bucket(bucket.name)


async def refused(error: type[errors.Error], outcome: Awaitable[Any]) -> errors.Error:
    """The error of a change, which is of exactly this class."""
    with pytest.raises(error) as caught:
        await outcome
    assert type(caught.value) is error
    return caught.value


async def history(catalog: Catalog, bucket: Bucket, key: bytes = b"") -> list[Version]:
    """All versions and markers with the prefix."""
    return await catalog.versions(bucket.id, key, b"", None, False, 1_000)


async def listed(catalog: Catalog, bucket: Bucket, prefix: bytes = b"") -> list[bytes]:
    """The keys of the current objects."""
    return [one.key for one in await catalog.objects(bucket.id, prefix, b"", False, 1_000)]


async def current(catalog: Catalog, bucket: Bucket, key: bytes) -> Version:
    """The newest version of a key, which must have one."""
    found = await catalog.find(bucket.id, key)
    assert found is not None
    return found.version


async def retired_ids(catalog: Catalog) -> set[int]:
    """Blobs that may be reaped, after all retired manifests were taken apart."""
    while await catalog.apply(Unravel(1 << 60, 100)):
        pass
    return {blob for blob, _ in await catalog.retired(1 << 60, 100_000)}


# -------------------------------------------------------------------------------------------------------------- the suite


class CatalogContract:
    """The promises. A subclass gives the fixture ``site``."""

    @pytest.fixture
    async def catalog(self, site: CatalogSite) -> AsyncIterator[Catalog]:
        """One view of an empty store."""
        catalog = await site.open()
        yield catalog
        await catalog.close()

    @pytest.fixture
    async def second(self, site: CatalogSite, catalog: Catalog) -> AsyncIterator[Catalog]:
        """Another view of the same store."""
        second = await site.open()
        yield second
        await second.close()

    @pytest.fixture
    async def generation(self, catalog: Catalog) -> int:
        """A number under which the test may stage blobs."""
        number: int = await catalog.apply(OpenGeneration(1))
        return number

    # ------------------------------------------------------------------------------------------------- buckets

    async def test_a_bucket_is_found_as_it_was_made(self, catalog: Catalog) -> None:
        """The bucket that CreateBucket returns is the one that is found, with the documents it came with."""
        made = await catalog.apply(CreateBucket("photos", OWNER, "eu-west-1", 17, 100, {"tags": b"a=b"}))

        assert made == Bucket(made.id, "photos", OWNER, "eu-west-1", 17)
        assert await catalog.bucket("photos") == made
        assert await catalog.document(made.id, "tags") == b"a=b"
        assert await catalog.documents(made.id) == {"tags": b"a=b"}
        assert await catalog.usage(made.id) == Usage()

    async def test_an_absent_bucket(self, catalog: Catalog) -> None:
        """What does not exist is refused by name, for reads and for changes."""
        await refused(errors.NoSuchBucket, catalog.bucket("nowhere"))
        nowhere = Bucket(4_711, "nowhere", OWNER, "", 0)
        for change in (
            put(nowhere, b"key"),
            delete(nowhere, b"key"),
            new_upload(nowhere, b"key"),
            SetVersioning(nowhere.id, Versioning.ENABLED),
            SetDocument(nowhere.id, "tags", b""),
            SetQuota(nowhere.id, 1),
            DeleteBucket(nowhere.id, 1),
        ):
            await refused(errors.NoSuchBucket, catalog.apply(change))

    async def test_names_are_taken_once(self, catalog: Catalog) -> None:
        """A name that is taken is refused, and by whom it is taken decides the word."""
        bucket = await new_bucket(catalog)

        await refused(errors.BucketAlreadyOwnedByYou, new_bucket(catalog, name=bucket.name))
        await refused(errors.BucketAlreadyExists, new_bucket(catalog, name=bucket.name, owner=OTHER))

    async def test_an_owner_has_so_many_buckets_at_most(self, catalog: Catalog) -> None:
        """The limit counts the buckets of one owner."""
        for _ in range(3):
            await new_bucket(catalog, owner=OTHER)

        await refused(errors.TooManyBuckets, new_bucket(catalog, owner=OTHER, owner_buckets_max=3))
        await new_bucket(catalog, owner=OTHER, owner_buckets_max=4)

    async def test_buckets_are_listed_by_name(self, catalog: Catalog) -> None:
        """In order, from beyond a name, with a prefix, of one owner or of all."""
        for name, owner in (("b", OWNER), ("a", OWNER), ("ab", OTHER), ("c", OWNER)):
            await new_bucket(catalog, name=name, owner=owner)

        async def names(owner: str | None, prefix: str = "", after: str = "", limit: int = 100) -> list[str]:
            return [one.name for one in await catalog.buckets(owner, prefix, after, limit)]

        assert await names(None) == ["a", "ab", "b", "c"]
        assert await names(OWNER) == ["a", "b", "c"]
        assert await names(None, prefix="a") == ["a", "ab"]
        assert await names(None, after="a", limit=2) == ["ab", "b"]
        assert await names(OWNER, after="b") == ["c"]
        assert await names(None, prefix="a", after="a") == ["ab"]

    async def test_a_bucket_with_anything_in_it_stays(self, catalog: Catalog) -> None:
        """Objects, old versions and lone delete markers each keep a bucket from being deleted."""
        for leave in (put, delete):
            bucket = await new_bucket(catalog, Versioning.ENABLED)
            await catalog.apply(leave(bucket, b"key"))

            await refused(errors.BucketNotEmpty, catalog.apply(DeleteBucket(bucket.id, 9)))

            (version,) = await history(catalog, bucket)
            await catalog.apply(delete(bucket, b"key", id_of(version)))
            await catalog.apply(DeleteBucket(bucket.id, 9))
            await refused(errors.NoSuchBucket, catalog.bucket(bucket.name))

    async def test_a_deleted_bucket_takes_its_open_uploads_along(self, catalog: Catalog, generation: int) -> None:
        """Their bytes are counted no more at once, and given up in steps; documents do not come back with the name."""
        bucket = await new_bucket(catalog, documents={"tags": b"old"})
        blobs = {(await self._upload_part(catalog, bucket, staged(generation, 5))).slices[0].blob for _ in range(3)}
        await catalog.apply(SetDocument(bucket.id, "policy", b"{}"))

        await catalog.apply(DeleteBucket(bucket.id, 9))

        assert await catalog.usage(None) == Usage()
        assert await retired_ids(catalog) == blobs
        again = await new_bucket(catalog, name=bucket.name)
        assert again.id != bucket.id
        assert await catalog.document(again.id, "tags") is None
        assert await catalog.uploads(again.id, b"", b"", None, False, 10) == []

    async def test_documents_are_kept_by_kind(self, catalog: Catalog, second: Catalog) -> None:
        """A document is there for all as soon as it is acknowledged, and gone as soon as that is."""
        bucket = await new_bucket(catalog)
        for view in (catalog, second):
            assert await view.document(bucket.id, "tags") is None

        await catalog.apply(SetDocument(bucket.id, "tags", b"1"))
        await catalog.apply(SetDocument(bucket.id, "policy", b"2"))
        assert [await second.document(bucket.id, kind) for kind in ("tags", "policy", "cors")] == [b"1", b"2", None]

        assert await second.documents(bucket.id) == {"tags": b"1", "policy": b"2"}

        await catalog.apply(SetDocument(bucket.id, "tags", b"3"))
        assert await second.document(bucket.id, "tags") == b"3"

        await catalog.apply(SetDocument(bucket.id, "tags", None))
        assert await second.document(bucket.id, "tags") is None
        assert await second.documents(bucket.id) == {"policy": b"2"}

    async def test_what_is_remembered_is_never_older_than_an_answer(self, catalog: Catalog, second: Catalog) -> None:
        """A view that has read a bucket before sees its change as soon as anyone was told of it."""
        bucket = await new_bucket(catalog)
        assert (await second.bucket(bucket.name)).versioning is Versioning.NEVER

        for state in (Versioning.ENABLED, Versioning.SUSPENDED) * 5:
            await catalog.apply(SetVersioning(bucket.id, state))
            assert (await second.bucket(bucket.name)).versioning is state
        await catalog.apply(SetQuota(bucket.id, 77))
        assert (await second.bucket(bucket.name)).quota_bytes == 77
        await second.apply(DeleteBucket(bucket.id, 9))
        await refused(errors.NoSuchBucket, catalog.bucket(bucket.name))

    async def test_versioning_is_never_unlearned(self, catalog: Catalog) -> None:
        """A bucket that had versioning does not become one that had not."""
        bucket = await new_bucket(catalog, Versioning.ENABLED)

        await refused(errors.InvalidBucketState, catalog.apply(SetVersioning(bucket.id, Versioning.NEVER)))

    # ------------------------------------------------------------------------------------------------- put and find

    async def test_a_version_is_found_as_it_was_put(self, catalog: Catalog, second: Catalog, generation: int) -> None:
        """Every fact comes back, from another process too; an inline blob comes with its bytes."""
        bucket = await new_bucket(catalog)
        details = Details(
            {"content-type": "text/plain", "x": "\xe9"},
            {"colour": "green"},
            (("a", "b"),),
            Checksum("CRC32", "AAAAAA=="),
            {"l": "1"},
        )
        change = put(
            bucket, b"k/\xc3\xa9", inline(b"hello"), etag="e" * 32, storage_class="STANDARD_IA", details=details, parts=3
        )
        written = await catalog.apply(change)

        assert written == Written(written.seq, 0, change.now_ms)
        found = await second.find(bucket.id, b"k/\xc3\xa9")
        assert found is not None
        assert found.version == Version(
            bucket.id,
            b"k/\xc3\xa9",
            written.seq,
            0,
            False,
            5,
            change.now_ms,
            "e" * 32,
            "STANDARD_IA",
            OWNER,
            found.version.blob,
            None,
            details,
            3,
        )
        assert found.version.version_id == "null"
        assert found.blob == BlobFacts(found.version.blob or 0, 5, sums(5), b"hello")

        content = staged(generation, 300_000)
        await catalog.apply(put(bucket, b"large", content))
        found = await second.find(bucket.id, b"large")
        assert found is not None
        assert found.blob == BlobFacts(content.blob, 300_000, sums(300_000), None)
        assert await second.blob(content.blob) == found.blob
        assert await second.blob(content.blob, 1, 1) == BlobFacts(content.blob, 300_000, sums(300_000)[4:8], None)
        assert await second.blob(content.blob, 2) == BlobFacts(content.blob, 300_000, sums(300_000)[8:], None)

        await catalog.apply(put(bucket, b"empty"))
        found = await second.find(bucket.id, b"empty")
        assert found is not None
        assert (found.version.blob, found.version.manifest, found.blob) == (None, None, None)
        assert await second.find(bucket.id, b"absent") is None

    async def test_keys_are_bytes(self, catalog: Catalog) -> None:
        """No key is anything but itself, and their order is that of their bytes."""
        keys = [
            b"a",
            b"a/b",
            b"a//b",
            b"/a",
            b"a%2Fb",
            b".",
            b"..",
            b"A",
            b"a\x00",
            b"\x01",
            "é".encode(),
            "e\u0301".encode(),
            b"a" * 1024,
        ]
        bucket = await new_bucket(catalog)
        for key in keys:
            await catalog.apply(put(bucket, key, inline(key)))

        assert await listed(catalog, bucket) == sorted(keys)
        for key in keys:
            found = await catalog.find(bucket.id, key)
            assert found is not None
            assert found.blob is not None
            assert found.blob.data == key

    async def test_seq_grows_over_keys_and_restarts(self, site: CatalogSite, catalog: Catalog) -> None:
        """A later write has a greater seq, also after what writes was replaced or killed."""
        bucket = await new_bucket(catalog)
        seqs = [(await catalog.apply(put(bucket, b"%d" % number))).seq for number in range(3)]
        for replace in (site.restart, site.crash):
            await replace()
            await back(catalog)
            seqs.append((await catalog.apply(put(bucket, b"k"))).seq)

        assert seqs == sorted(set(seqs))

    # ------------------------------------------------------------------------------------------------- versioning

    async def test_without_versioning_a_put_replaces(self, catalog: Catalog, generation: int) -> None:
        """One version, the null one; the bytes of the old one are given up."""
        bucket = await new_bucket(catalog)
        old = staged(generation, 10)
        assert not (await catalog.apply(put(bucket, b"k", old))).replaced
        written = await catalog.apply(put(bucket, b"k", inline(b"new")))

        assert (written.replaced, written.version_id) == (True, "null")
        assert [one.seq for one in await history(catalog, bucket)] == [written.seq]
        assert await retired_ids(catalog) == {old.blob}
        assert await catalog.usage(bucket.id) == Usage(objects=1, versions=1, bytes=3)

    async def test_without_versioning_a_delete_removes(self, catalog: Catalog) -> None:
        """For good, and a second time as well as the first; ``null`` names the version too."""
        bucket = await new_bucket(catalog)
        await catalog.apply(put(bucket, b"k", inline(b"abc")))

        assert await catalog.apply(delete(bucket, b"k")) == Deleted(existed=True)
        assert await catalog.apply(delete(bucket, b"k")) == Deleted(existed=False)
        assert await catalog.usage(bucket.id) == Usage()

        await catalog.apply(put(bucket, b"k", inline(b"abc")))
        assert await catalog.apply(delete(bucket, b"k", VersionId(5, 6))) == Deleted(False, version_id=f"{5:016x}{6:016x}")
        assert await catalog.apply(delete(bucket, b"k", VersionId(0, 0))) == Deleted(existed=True, version_id="null")
        assert await history(catalog, bucket) == []

    async def test_with_versioning_everything_is_kept(self, catalog: Catalog, generation: int) -> None:
        """Each put and each delete adds a version with an id of its own; only the newest is the latest."""
        bucket = await new_bucket(catalog, Versioning.ENABLED)
        contents = [staged(generation, size) for size in (1, 2, 3)]
        written = [await catalog.apply(put(bucket, b"k", content)) for content in contents]
        marked = await catalog.apply(delete(bucket, b"k"))

        versions = await history(catalog, bucket)
        assert [one.version_id for one in versions] == [marked.version_id, *(one.version_id for one in reversed(written))]
        assert [one.marker for one in versions] == [True, False, False, False]
        assert [one.latest for one in versions] == [True, False, False, False]
        assert [one.noncurrent_ms for one in versions] == [
            None,
            versions[0].modified_ms,
            written[2].modified_ms,
            written[1].modified_ms,
        ]
        assert marked == Deleted(existed=True, marker=True, version_id=marked.version_id)
        assert await current(catalog, bucket, b"k") == versions[0]
        assert await listed(catalog, bucket) == []
        assert await retired_ids(catalog) == set()
        assert await catalog.usage(bucket.id) == Usage(versions=3, markers=1, bytes=6)
        for one in versions:
            found = await catalog.find(bucket.id, b"k", id_of(one))
            assert found is not None
            assert found.version == one

    async def test_a_marker_may_stand_alone(self, catalog: Catalog) -> None:
        """With versioning the delete of a key that never was leaves a marker."""
        bucket = await new_bucket(catalog, Versioning.ENABLED)

        marked = await catalog.apply(delete(bucket, b"k"))

        assert (marked.existed, marked.marker) == (False, True)
        assert [(one.marker, one.latest) for one in await history(catalog, bucket)] == [(True, True)]

    async def test_removing_the_newest_brings_back_the_one_below(self, catalog: Catalog) -> None:
        """Marker by marker and version by version, down to nothing."""
        bucket = await new_bucket(catalog, Versioning.ENABLED)
        first = await catalog.apply(put(bucket, b"k", inline(b"1")))
        await catalog.apply(delete(bucket, b"k"))
        second = await catalog.apply(put(bucket, b"k", inline(b"22")))
        await catalog.apply(delete(bucket, b"k"))

        seen = []
        while versions := await history(catalog, bucket):
            newest = versions[0]
            assert newest.latest
            assert not any(one.latest for one in versions[1:])
            assert await current(catalog, bucket, b"k") == newest
            assert await listed(catalog, bucket) == ([] if newest.marker else [b"k"])
            seen.append((newest.marker, newest.size))
            gone = await catalog.apply(delete(bucket, b"k", id_of(newest)))
            assert gone == Deleted(existed=True, marker=newest.marker, version_id=newest.version_id)

        assert seen == [(True, 0), (False, 2), (True, 0), (False, 1)]
        assert (first.seq, second.seq) == tuple(sorted((first.seq, second.seq)))
        assert await catalog.usage(bucket.id) == Usage()

    async def test_removing_an_old_version_leaves_the_newest(self, catalog: Catalog) -> None:
        """What is current stays current."""
        bucket = await new_bucket(catalog, Versioning.ENABLED)
        old, mark = await catalog.apply(put(bucket, b"k", inline(b"1"))), await catalog.apply(delete(bucket, b"k"))
        new = await catalog.apply(put(bucket, b"k", inline(b"22")))
        marker = next(one for one in await history(catalog, bucket) if one.marker)
        assert marker.version_id == mark.version_id

        await catalog.apply(delete(bucket, b"k", id_of(marker)))
        await catalog.apply(delete(bucket, b"k", id_of(old)))

        assert [one.seq for one in await history(catalog, bucket)] == [new.seq]
        assert (await current(catalog, bucket, b"k")).latest
        assert await catalog.usage(bucket.id) == Usage(objects=1, versions=1, bytes=2)

    async def test_suspended_versioning_replaces_the_null_version_only(self, catalog: Catalog, generation: int) -> None:
        """Versions with ids stay; null ones, objects and markers alike, replace each other wherever they stand."""
        bucket = await new_bucket(catalog)
        null = staged(generation, 1)
        await catalog.apply(put(bucket, b"k", null))
        await catalog.apply(SetVersioning(bucket.id, Versioning.ENABLED))
        kept = await catalog.apply(put(bucket, b"k", inline(b"kept")))
        await catalog.apply(SetVersioning(bucket.id, Versioning.SUSPENDED))

        written = await catalog.apply(put(bucket, b"k", inline(b"xx")))  # replaces the null version below `kept`
        assert (written.replaced, written.version_id) == (True, "null")
        assert [one.seq for one in await history(catalog, bucket)] == [written.seq, kept.seq]
        assert await retired_ids(catalog) == {null.blob}

        again = await catalog.apply(put(bucket, b"k", inline(b"xxx")))  # replaces the current null version
        assert [one.seq for one in await history(catalog, bucket)] == [again.seq, kept.seq]

        marked = await catalog.apply(delete(bucket, b"k"))  # a null marker replaces the null version
        assert marked == Deleted(existed=True, marker=True, version_id="null")
        assert [(one.version_id, one.marker) for one in await history(catalog, bucket)] == [
            ("null", True),
            (kept.version_id, False),
        ]
        assert await catalog.usage(bucket.id) == Usage(versions=1, markers=1, bytes=4)

        marked = await catalog.apply(delete(bucket, b"k"))  # and a null marker the null marker
        assert marked == Deleted(existed=False, marker=True, version_id="null")
        assert await catalog.usage(bucket.id) == Usage(versions=1, markers=1, bytes=4)

        last = await catalog.apply(put(bucket, b"k"))  # and an object the null marker
        assert [one.seq for one in await history(catalog, bucket)] == [last.seq, kept.seq]
        assert await catalog.usage(bucket.id) == Usage(objects=1, versions=2, bytes=4)

        await catalog.apply(delete(bucket, b"k", VersionId(0, 0)))
        assert (await current(catalog, bucket, b"k")).seq == kept.seq
        assert await catalog.find(bucket.id, b"k", VersionId(0, 0)) is None

    async def test_ids_name_exactly_one_version(self, catalog: Catalog) -> None:
        """The right seq with a wrong nonce is nothing, and so is any id of another key, however large its numbers."""
        bucket = await new_bucket(catalog, Versioning.ENABLED)
        written = await catalog.apply(put(bucket, b"k"))
        await catalog.apply(put(bucket, b"k"))
        for key, id in (
            (b"k", VersionId(written.seq, written.nonce + 1)),
            (b"k", VersionId(written.seq + 1, written.nonce)),
            (b"j", id_of(written)),
            (b"k", VersionId((1 << 63) - 1, (1 << 64) - 1)),
            (b"k", VersionId(0, 0)),
        ):
            assert await catalog.find(bucket.id, key, id) is None
            assert not (await catalog.apply(delete(bucket, key, id))).existed
            await refused(errors.NoSuchVersion, catalog.apply(SetDetails(bucket.id, key, id, ())))

    async def test_any_nonce_makes_an_id(self, catalog: Catalog) -> None:
        """Whatever 64 bits the caller draws, the version is found by the id it was answered with."""
        bucket = await new_bucket(catalog, Versioning.ENABLED)
        for nonce in (1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
            written = await catalog.apply(put(bucket, b"k", nonce=nonce))
            assert written.nonce != 0
            found = await catalog.find(bucket.id, b"k", id_of(written))
            assert found is not None
            assert found.version.version_id == written.version_id

    async def test_tags_of_a_version(self, catalog: Catalog) -> None:
        """SetDetails changes the tags of the version it names and nothing else."""
        bucket = await new_bucket(catalog, Versioning.ENABLED)
        details = Details({"content-type": "a"}, {"b": "c"}, (("old", "1"),), Checksum("CRC32C", "AAAAAA=="), {"x": "y"})
        old = await catalog.apply(put(bucket, b"k", details=details))
        new = await catalog.apply(put(bucket, b"k", details=details))

        for named, written in ((None, new), (id_of(old), old)):
            changed = await catalog.apply(SetDetails(bucket.id, b"k", named, (("t", written.version_id),)))
            found = await catalog.find(bucket.id, b"k", id_of(written))
            assert found is not None
            assert changed == found.version
            assert changed.details == msgspec.structs.replace(details, tags=(("t", written.version_id),))
            assert (changed.seq, changed.modified_ms) == (written.seq, written.modified_ms)
        entries = await catalog.apply(SetDetails(bucket.id, b"k", None, None, {"x": None, "z": "1"}))
        assert entries.details == msgspec.structs.replace(details, tags=(("t", new.version_id),), extra={"z": "1"})
        await refused(errors.NoSuchKey, catalog.apply(SetDetails(bucket.id, b"absent", None, ())))
        await catalog.apply(delete(bucket, b"k"))
        marker = await current(catalog, bucket, b"k")
        await refused(errors.MethodNotAllowed, catalog.apply(SetDetails(bucket.id, b"k", id_of(marker), ())))
        await refused(errors.NoSuchKey, catalog.apply(SetDetails(bucket.id, b"k", None, ())))

    # ------------------------------------------------------------------------------------- object lock and lifecycle

    async def test_object_lock_keeps_versioning(self, catalog: Catalog) -> None:
        """A bucket with object lock has versioning enabled, and neither ends; without versioning it does not begin."""
        bucket = await new_bucket(catalog, documents={lock.DOCUMENT: b"1"})
        plain = await new_bucket(catalog)

        assert bucket.versioning is Versioning.ENABLED
        await refused(errors.InvalidBucketState, catalog.apply(SetVersioning(bucket.id, Versioning.SUSPENDED)))
        await refused(errors.InvalidBucketState, catalog.apply(SetDocument(bucket.id, lock.DOCUMENT, None)))
        for state in (None, Versioning.SUSPENDED):
            if state is not None:
                await catalog.apply(SetVersioning(plain.id, state))
            await refused(errors.InvalidBucketState, catalog.apply(SetDocument(plain.id, lock.DOCUMENT, b"1")))
        await catalog.apply(SetVersioning(plain.id, Versioning.ENABLED))
        await catalog.apply(SetDocument(plain.id, lock.DOCUMENT, b"1"))
        await refused(errors.InvalidBucketState, catalog.apply(SetVersioning(plain.id, Versioning.SUSPENDED)))

    async def test_protected_versions_stay(self, catalog: Catalog) -> None:
        """By retention until its time or a bypass of governance, by a hold until it is lifted; markers go on top."""
        bucket = await new_bucket(catalog, documents={lock.DOCUMENT: b"1"})
        details = Details(extra={lock.RETENTION: "GOVERNANCE 1000"})
        written = await catalog.apply(put(bucket, b"k", details=details))
        await catalog.apply(delete(bucket, b"k", now_ms=1))

        await refused(errors.AccessDenied, catalog.apply(delete(bucket, b"k", id_of(written), now_ms=999)))
        shorter = SetDetails(bucket.id, b"k", id_of(written), None, {lock.RETENTION: "GOVERNANCE 500"}, 999)
        await refused(errors.AccessDenied, catalog.apply(shorter))
        held = await catalog.apply(SetDetails(bucket.id, b"k", id_of(written), None, {lock.HOLD: "ON"}, 999))
        assert held.details.extra[lock.HOLD] == "ON"
        await refused(errors.AccessDenied, catalog.apply(delete(bucket, b"k", id_of(written), now_ms=2000, bypass=True)))
        await catalog.apply(SetDetails(bucket.id, b"k", id_of(written), None, {lock.HOLD: None}, 999))
        assert (await catalog.apply(delete(bucket, b"k", id_of(written), now_ms=999, bypass=True))).existed

    async def test_reminders_of_lifecycle(self, catalog: Catalog) -> None:
        """Kept with each write, made for what is there by surveys, worked off by what is so then, gone with the rules."""
        bucket = await new_bucket(catalog)
        rule = Rule("r", True, Scope(), expire_days=1, abort_days=1)
        await catalog.apply(put(bucket, b"before", now_ms=1))
        body = rules.encode(Lifecycle((rule,), ALL_128K, ""))
        await catalog.apply(SetDocument(bucket.id, DOCUMENT, body))
        await catalog.apply(put(bucket, b"after", now_ms=1))
        await catalog.apply(put(bucket, b"replaced", now_ms=1))
        await catalog.apply(put(bucket, b"replaced", now_ms=DAY_MS))

        async def reminders(now_ms: int) -> list[tuple[int, bytes, int]]:
            return [one for one in await catalog.due(now_ms, 100_000) if one[0] == bucket.id]

        assert [key for _, key, _ in await reminders(2 * DAY_MS)] == [b"after", b"replaced"]
        while await catalog.surveys():
            await catalog.apply(Survey(1))
        due = await reminders(2 * DAY_MS)
        assert sorted(key for _, key, _ in due) == [b"after", b"before", b"replaced"]
        assert await reminders(2 * DAY_MS - 1) == []
        stale = (bucket.id, b"never", -1)
        done = await catalog.apply(Expire((*due, stale), 2 * DAY_MS, 1))
        assert (done, await reminders(1 << 60)) == ({"removed": 3}, [])
        await catalog.apply(put(bucket, b"last", now_ms=1))
        await catalog.apply(SetDocument(bucket.id, DOCUMENT, None))
        assert await catalog.apply(Expire(tuple(await reminders(1 << 60)), 1 << 60, 1)) == {}
        assert (await current(catalog, bucket, b"last")).key == b"last"
        while await catalog.surveys():
            await catalog.apply(Survey(1))
        assert await reminders(1 << 60) == []

    async def test_a_survey_goes_on_after_a_crash(self, site: CatalogSite, catalog: Catalog) -> None:
        """Its place is among the facts: what writes them is killed in the middle, and every version gets its reminder."""
        bucket = await new_bucket(catalog, Versioning.ENABLED)
        for number in range(10):
            await catalog.apply(put(bucket, b"k%d" % (number % 3)))
        body = rules.encode(Lifecycle((Rule("r", True, Scope(), noncurrent_days=1),), ALL_128K, ""))
        await catalog.apply(SetDocument(bucket.id, DOCUMENT, body))
        assert await catalog.apply(Survey(4)) is True

        await site.crash()
        await back(catalog)
        for _ in range(4):
            assert await catalog.surveys() in {0, 1}
            await catalog.apply(Survey(4))
        assert await catalog.surveys() == 0
        assert len(await catalog.due(1 << 60, 100)) == 7

    # ------------------------------------------------------------------------------------------------- conditions

    @pytest.mark.parametrize("versioning", list(Versioning))
    async def test_conditional_puts(self, catalog: Catalog, versioning: Versioning) -> None:
        """Decided on the current object; an absent key and a delete marker are the same."""
        bucket = await new_bucket(catalog, versioning)
        absent, present = Condition(if_none_match="*"), Condition(if_match="a" * 32)

        async def attempt(condition: Condition, etag: str = "a" * 32) -> Written:
            written: Written = await catalog.apply(put(bucket, b"k", condition=condition, etag=etag))
            return written

        for _ in range(2):
            await refused(errors.NoSuchKey, attempt(present))
            await refused(errors.NoSuchKey, attempt(Condition(if_match="*")))
            await attempt(absent)
            await refused(errors.PreconditionFailed, attempt(absent))
            await refused(errors.PreconditionFailed, attempt(Condition(if_match="b" * 32)))
            await refused(errors.PreconditionFailed, attempt(Condition(if_none_match="a" * 32)))
            await attempt(present)
            await attempt(Condition(if_match="*"))
            await attempt(Condition(if_none_match="b" * 32))
            await refused(
                errors.PreconditionFailed, catalog.apply(delete(bucket, b"k", condition=Condition(if_match="b" * 32)))
            )
            await catalog.apply(delete(bucket, b"k", condition=present))
            await refused(errors.NoSuchKey, catalog.apply(delete(bucket, b"k", condition=present)))

    async def test_of_many_conditional_puts_at_once_one_wins(self, catalog: Catalog, second: Catalog) -> None:
        """From any number of processes, whatever the timing."""
        bucket = await new_bucket(catalog)
        for key in (b"a", b"b", b"c"):
            outcomes = await asyncio.gather(
                *(
                    view.apply(put(bucket, key, inline(b"x"), condition=Condition(if_none_match="*")))
                    for view in (catalog, second)
                    for _ in range(16)
                ),
                return_exceptions=True,
            )
            assert sum(isinstance(one, Written) for one in outcomes) == 1
            assert sum(isinstance(one, errors.PreconditionFailed) for one in outcomes) == 31
        assert (await catalog.usage(bucket.id)).bytes == 3

    async def test_a_refused_put_leaves_nothing(self, catalog: Catalog, generation: int) -> None:
        """Neither counts nor names: the blob it staged is unknown, and the one it shared has no name more."""
        bucket = await new_bucket(catalog)
        kept = staged(generation, 7)
        await catalog.apply(put(bucket, b"k", kept))
        usage, fresh = await catalog.usage(bucket.id), staged(generation, 9)
        for content in (fresh, SharedBlob(kept.blob)):
            change = put(bucket, b"k", content, size=length_of(content, 7), condition=Condition(if_none_match="*"))
            await refused(errors.PreconditionFailed, catalog.apply(change))

        assert await catalog.usage(bucket.id) == usage
        assert await catalog.known_blobs([kept.blob, fresh.blob]) == {kept.blob}
        await catalog.apply(delete(bucket, b"k"))
        assert await retired_ids(catalog) == {kept.blob}

    # ------------------------------------------------------------------------------------------------- quotas

    async def test_a_bucket_quota(self, catalog: Catalog) -> None:
        """Counts what the change adds in the end: a replacement may be as large as what it replaces and the rest."""
        bucket = await new_bucket(catalog)
        await catalog.apply(SetQuota(bucket.id, 10))
        await catalog.apply(put(bucket, b"a", inline(b"123456")))

        error = await refused(errors.QuotaExceeded, catalog.apply(put(bucket, b"b", inline(b"12345"))))
        assert error.fields == {"scope": "bucket", "quota_bytes": 10, "used_bytes": 6, "requested_bytes": 5}
        await catalog.apply(put(bucket, b"a", inline(b"1234567890")))
        await refused(errors.QuotaExceeded, catalog.apply(put(bucket, b"b", inline(b"1"))))
        await catalog.apply(put(bucket, b"b"))
        await catalog.apply(SetQuota(bucket.id, 5))
        await catalog.apply(put(bucket, b"a", inline(b"123456")))  # still above, but less than before
        await catalog.apply(SetQuota(bucket.id, None))
        await catalog.apply(put(bucket, b"b", inline(b"12345678901234567890")))

    async def test_a_quota_counts_versions_and_parts_and_copies(self, catalog: Catalog, generation: int) -> None:
        """Old versions, parts of open uploads, and copies that moved no bytes count in full."""
        bucket = await new_bucket(catalog, Versioning.ENABLED)
        await catalog.apply(SetQuota(bucket.id, 20))
        content = staged(generation, 5)
        await catalog.apply(put(bucket, b"a", content))
        await catalog.apply(put(bucket, b"a", SharedBlob(content.blob), size=5))
        upload = await catalog.apply(new_upload(bucket, b"u"))
        await catalog.apply(part(upload, 1, staged(generation, 5)))

        assert (await catalog.usage(bucket.id)).total_bytes == 15
        await refused(errors.QuotaExceeded, catalog.apply(put(bucket, b"a", SharedBlob(content.blob), size=6)))
        await refused(errors.QuotaExceeded, catalog.apply(part(upload, 2, staged(generation, 6))))
        await catalog.apply(part(upload, 1, staged(generation, 10)))  # in place of the first
        await refused(errors.QuotaExceeded, catalog.apply(put(bucket, b"b", inline(b"1"))))
        await catalog.apply(abort(upload))
        await catalog.apply(put(bucket, b"b", inline(b"1234567890")))

    async def test_the_stores_quota(self, catalog: Catalog) -> None:
        """Over all buckets, beside their own."""
        one, other = await new_bucket(catalog), await new_bucket(catalog)
        await catalog.apply(SetQuota(None, 10))
        await catalog.apply(put(one, b"k", inline(b"123456")))

        error = await refused(errors.QuotaExceeded, catalog.apply(put(other, b"k", inline(b"12345"))))
        assert error.fields["scope"] == "store"
        await catalog.apply(put(other, b"k", inline(b"1234")))
        assert (await catalog.space(None)).quota_bytes == 10
        await catalog.apply(SetQuota(None, None))
        assert (await catalog.space(None)).quota_bytes is None
        await catalog.apply(put(other, b"k", inline(b"12345")))

    async def test_puts_at_once_never_pass_a_limit_together(self, catalog: Catalog, second: Catalog) -> None:
        """Of a hundred that would each fit alone, as many succeed as fit together."""
        bucket = await new_bucket(catalog)
        await catalog.apply(SetQuota(bucket.id, 1_000))
        outcomes = await asyncio.gather(
            *(view.apply(put(bucket, b"%d" % number, inline(b"x" * 30))) for number in range(50) for view in (catalog, second)),
            return_exceptions=True,
        )

        written = sum(isinstance(one, Written) for one in outcomes)
        assert 33 <= written <= 100
        usage = await catalog.usage(bucket.id)
        assert 970 < usage.bytes <= 1_000
        assert all(isinstance(one, Written | errors.QuotaExceeded) for one in outcomes)

    # ------------------------------------------------------------------------------------------------- names of bytes

    async def test_a_copy_keeps_the_bytes_alive(self, catalog: Catalog, generation: int) -> None:
        """A blob is retired with its last name, be it a version's or a slice's, and not before."""
        bucket = await new_bucket(catalog)
        for content in (staged(generation, 8), inline(b"12345678")):
            await catalog.apply(put(bucket, b"a", content))
            blob = (await current(catalog, bucket, b"a")).blob
            assert blob is not None
            await catalog.apply(put(bucket, b"b", SharedBlob(blob), size=8))
            slices = SharedSlices((Slice(blob, 0, 4), Slice(blob, 2, 2), Slice(blob, 4, 4)))
            await catalog.apply(put(bucket, b"c", slices))
            manifest = (await current(catalog, bucket, b"c")).manifest
            assert manifest is not None
            assert await catalog.manifest(manifest) == Manifest(slices.slices, ())
            await catalog.apply(put(bucket, b"d", SharedManifest(manifest), size=10))
            for key in (b"a", b"c", b"b"):
                await catalog.apply(delete(bucket, key))
                assert await retired_ids(catalog) == set()
                assert await catalog.known_blobs([blob]) == {blob}
            await catalog.apply(delete(bucket, b"d"))

            files = {blob} if isinstance(content, Staged) else set()
            assert await retired_ids(catalog) == files
            assert await catalog.known_blobs([blob]) == files
            assert await catalog.manifest(manifest) is None
            await catalog.apply(Reaped(tuple(files), 9))

    async def test_bytes_that_lost_their_last_name_are_not_shared(self, catalog: Catalog, generation: int) -> None:
        """A copy that comes too late is `Stale`: its bytes may be gone already."""
        bucket = await new_bucket(catalog)
        content = staged(generation, 4)
        await catalog.apply(put(bucket, b"a", content))
        await catalog.apply(put(bucket, b"b", SharedSlices((Slice(content.blob, 0, 4),))))
        manifest = (await current(catalog, bucket, b"b")).manifest
        assert manifest is not None
        upload = await catalog.apply(new_upload(bucket, b"u"))
        await catalog.apply(delete(bucket, b"a"))
        await catalog.apply(delete(bucket, b"b"))
        assert await retired_ids(catalog) == {content.blob}

        for late in (SharedBlob(content.blob), SharedManifest(manifest), SharedSlices((Slice(content.blob, 0, 4),))):
            await refused(errors.Stale, catalog.apply(put(bucket, b"c", late, size=4)))
            await refused(errors.Stale, catalog.apply(part(upload, 1, late, size=4)))

    async def test_a_retired_blob_is_readable_until_it_is_reaped(self, catalog: Catalog, generation: int) -> None:
        """Who reads it still finds its checksums; it is known, and left out of what scrub walks."""
        bucket = await new_bucket(catalog)
        content = staged(generation, 4)
        await catalog.apply(put(bucket, b"k", content))
        assert [one.id for one in await catalog.blobs(0, 10)] == [content.blob]
        await catalog.apply(delete(bucket, b"k", now_ms=100))

        assert await catalog.blob(content.blob) == BlobFacts(content.blob, 4, sums(4))
        assert await catalog.known_blobs([content.blob]) == {content.blob}
        assert await catalog.blobs(0, 10) == []
        assert await catalog.retired(99, 10) == []
        assert await catalog.retired(100, 10) == [(content.blob, 4)]

        await catalog.apply(Reaped((content.blob,), 200))
        assert await catalog.blob(content.blob) is None
        assert await catalog.known_blobs([content.blob]) == set()
        assert await catalog.retired(1_000, 10) == []

    async def test_reaping_never_forgets_a_named_blob(self, catalog: Catalog, generation: int) -> None:
        """Reaped by mistake or late, a blob with a name stays."""
        bucket = await new_bucket(catalog)
        content = staged(generation, 4)
        await catalog.apply(put(bucket, b"k", content))

        await catalog.apply(Reaped((content.blob, 12_345), 1))

        assert await catalog.known_blobs([content.blob]) == {content.blob}

    async def test_retired_blobs_come_oldest_first(self, catalog: Catalog, generation: int) -> None:
        """Within the limit, and none at all while one holds them."""
        bucket = await new_bucket(catalog)
        contents = [staged(generation, size) for size in (1, 2, 3)]
        for number, content in enumerate(contents):
            await catalog.apply(put(bucket, b"%d" % number, content))
        for number in (2, 0, 1):
            await catalog.apply(delete(bucket, b"%d" % number, now_ms=100 - number))
        expected = [(contents[2].blob, 3), (contents[1].blob, 2), (contents[0].blob, 1)]

        assert await catalog.retired(1_000, 10) == expected
        assert await catalog.retired(1_000, 2) == expected[:2]
        await catalog.apply(Hold("backup", 2_000))
        assert await catalog.retired(1_000, 10) == []
        assert await catalog.retired(2_001, 10) == expected
        await catalog.apply(Hold("backup", 0))
        assert await catalog.retired(1_000, 10) == expected

    async def test_a_staged_blob_needs_an_open_generation(self, site: CatalogSite, catalog: Catalog) -> None:
        """What may have been swept is never named.

        A closed generation's blobs are `Stale`, and the process may discard them.
        """
        other = await site.open()
        bucket = await new_bucket(catalog)
        closed, own = await other.apply(OpenGeneration(1)), await catalog.apply(OpenGeneration(1))
        assert closed != own
        await other.apply(put(bucket, b"in time", staged(closed, 5)))
        await other.close()
        await eventually(lambda: closed_is(catalog, closed))

        await refused(errors.Stale, catalog.apply(put(bucket, b"late", staged(closed, 5))))
        await refused(errors.Stale, catalog.apply(put(bucket, b"never opened", staged(own + 1_000, 5))))
        await catalog.apply(put(bucket, b"own", staged(own, 5)))
        assert await listed(catalog, bucket) == [b"in time", b"own"]

    async def test_a_change_that_comes_twice_does_not_lose_its_blob(self, catalog: Catalog, generation: int) -> None:
        """Who repeats a put is not told that nothing was changed: the first one may have been."""
        bucket = await new_bucket(catalog)
        content = staged(generation, 5)
        await catalog.apply(put(bucket, b"k", content))

        await refused(errors.OutcomeUnknown, catalog.apply(put(bucket, b"k", content)))
        assert await catalog.known_blobs([content.blob]) == {content.blob}

    # ------------------------------------------------------------------------------------------------- listing

    async def test_objects_are_paged_by_key(self, catalog: Catalog) -> None:
        """Any way of cutting the list into pages gives the same list; prefixes and bounds are bytes."""
        bucket = await new_bucket(catalog)
        keys = sorted([b"a", b"a/1", b"a/2", b"a/\xf0\x9f\x98\x80", b"a0", b"b", b"b/", b"b/1", "é".encode(), b"\x7f"])
        for key in keys:
            await catalog.apply(put(bucket, key))

        for prefix in (b"", b"a", b"a/", b"b/", b"zz", b"\xff", "é".encode()):
            expected = [key for key in keys if key.startswith(prefix)]
            for limit in (1, 2, 3, 100):
                pages, after = [], b""
                while page := await catalog.objects(bucket.id, prefix, after, False, limit):
                    assert len(page) <= limit
                    pages += [one.key for one in page]
                    after = page[-1].key
                assert pages == expected
        for bound in (b"", b"a", b"a/1", b"a/1\x00", b"aaa", b"\xff"):
            exclusive = await catalog.objects(bucket.id, b"", bound, False, 100)
            inclusive = await catalog.objects(bucket.id, b"", bound, True, 100)
            assert [one.key for one in exclusive] == [key for key in keys if key > bound]
            assert [one.key for one in inclusive] == [key for key in keys if key >= bound]
            with_prefix = await catalog.objects(bucket.id, b"b", bound, True, 100)
            assert [one.key for one in with_prefix] == [key for key in keys if key >= bound and key.startswith(b"b")]

    async def test_a_listing_shows_what_find_shows(self, catalog: Catalog) -> None:
        """Size, time, ETag, class, owner and checksum, with and without other details beside it."""
        bucket = await new_bucket(catalog)
        sums = (None, Checksum("CRC32", "AAAAAA=="), Checksum("SHA256", "c3Vt", False))
        for number, checksum in enumerate(sums):
            many = Details({"content-type": "a/b"}, {"m": "é"}, (("t", "v"),), checksum, {"later": "fact"})
            for name, details in ((b"many", many), (b"few", Details(checksum=checksum))):
                await catalog.apply(
                    put(bucket, b"%b%d" % (name, number), inline(b"x" * number), details=details, storage_class="GLACIER")
                )

        shown = await catalog.objects(bucket.id, b"", b"", False, 100)

        assert len(shown) == 2 * len(sums)
        for one in shown:
            found = await current(catalog, bucket, one.key)
            assert one == Listed(
                found.key,
                found.size,
                found.modified_ms,
                found.etag,
                found.storage_class,
                found.owner,
                found.details.checksum,
            )

    async def test_versions_are_paged_by_key_and_age(self, catalog: Catalog) -> None:
        """By key, then newest first; a page may end anywhere, also between two versions of a key."""
        bucket = await new_bucket(catalog, Versioning.ENABLED)
        for turn in range(3):
            for key in (b"a", b"a/b", b"b", b"c"):
                await catalog.apply(put(bucket, key))
                if turn == 1 and key != b"b":
                    await catalog.apply(delete(bucket, key))
        await catalog.apply(delete(bucket, b"c"))
        whole = await history(catalog, bucket)

        assert len(whole) == 16
        assert whole == sorted(whole, key=lambda one: (one.key, -one.seq))
        assert [one.key for one in whole if one.latest] == [b"a", b"a/b", b"b", b"c"]
        for limit in (1, 2, 3, 5, 100):
            pages: list[Version] = []
            while page := await catalog.versions(
                bucket.id, b"", pages[-1].key if pages else b"", pages[-1].seq if pages else None, False, limit
            ):
                pages += page
            assert pages == whole
        of_a = [one for one in whole if one.key.startswith(b"a")]
        assert await catalog.versions(bucket.id, b"a", b"", None, False, 100) == of_a
        assert await catalog.versions(bucket.id, b"", b"a", None, False, 100) == [one for one in whole if one.key > b"a"]
        assert await catalog.versions(bucket.id, b"", b"a", None, True, 100) == whole
        assert await catalog.versions(bucket.id, b"b", b"a", 1, False, 100) == [one for one in whole if one.key == b"b"]

    async def test_uploads_are_paged_by_key_and_id(self, catalog: Catalog) -> None:
        """By key, then by id; the bounds are those of versions."""
        bucket = await new_bucket(catalog)
        made = [await catalog.apply(new_upload(bucket, key)) for key in (b"b", b"a", b"a", b"a/c", b"b", b"c")]
        whole = sorted(made, key=lambda one: (one.key, one.id))

        assert await catalog.uploads(bucket.id, b"", b"", None, False, 100) == whole
        for limit in (1, 2, 100):
            pages: list[Upload] = []
            while page := await catalog.uploads(
                bucket.id, b"", pages[-1].key if pages else b"", pages[-1].id if pages else None, False, limit
            ):
                pages += page
            assert pages == whole
        assert await catalog.uploads(bucket.id, b"a/", b"", None, False, 100) == [one for one in whole if one.key == b"a/c"]
        assert await catalog.uploads(bucket.id, b"", b"a", None, False, 100) == [one for one in whole if one.key > b"a"]
        assert await catalog.uploads(bucket.id, b"", b"b", None, True, 100) == [one for one in whole if one.key >= b"b"]

    # ------------------------------------------------------------------------------------------------- uploads

    async def _upload_part(self, catalog: Catalog, bucket: Bucket, content: Content) -> Part:
        upload = await catalog.apply(new_upload(bucket, b"u%d" % next(_numbers)))
        made: Part = await catalog.apply(part(upload, 1, content))
        return made

    async def test_an_upload_is_found_as_it_was_made(self, catalog: Catalog) -> None:
        """With all it asked for, and the key's newest seq at that moment."""
        bucket = await new_bucket(catalog)
        details = Details({"content-type": "a/b"}, {"m": "1"}, (("t", "1"),))
        made = await catalog.apply(
            new_upload(
                bucket,
                b"k",
                details=details,
                storage_class="GLACIER_IR",
                checksum_algorithm="SHA256",
                checksum_full_object=False,
            )
        )
        assert await catalog.upload(bucket.id, b"k", made.id) == made
        assert (made.base_seq, made.revision, made.checksum_full_object) == (0, 0, False)
        assert await catalog.usage(bucket.id) == Usage(uploads=1)

        written = await catalog.apply(put(bucket, b"k"))
        assert (await catalog.apply(new_upload(bucket, b"k"))).base_seq == written.seq
        await refused(errors.NoSuchUpload, catalog.upload(bucket.id, b"other", made.id))
        await refused(errors.NoSuchUpload, catalog.parts(bucket.id, b"k", "no such", 0, 10))
        await refused(errors.NoSuchUpload, catalog.apply(abort(msgspec.structs.replace(made, id="no such"))))

    async def test_parts_are_kept_by_number(self, catalog: Catalog, generation: int) -> None:
        """The last one put under a number counts; the one before gives up its bytes; each moves the revision."""
        bucket = await new_bucket(catalog)
        upload = await catalog.apply(new_upload(bucket, b"k"))
        old, new, first = staged(generation, 10), staged(generation, 20), inline(b"first")
        made = [
            await catalog.apply(part(upload, 7, old)),
            await catalog.apply(part(upload, 1, first, checksum=Checksum("CRC32", "AAAAAA=="))),
            await catalog.apply(part(upload, 7, new)),
        ]
        assert made[2].slices == (Slice(new.blob, 0, 20),)

        seen, parts = await catalog.parts(bucket.id, b"k", upload.id, 0, 10)
        assert parts == [made[1], made[2]]
        assert seen == msgspec.structs.replace(upload, revision=3)
        assert (await catalog.parts(bucket.id, b"k", upload.id, 1, 10))[1] == [made[2]]
        assert (await catalog.parts(bucket.id, b"k", upload.id, 0, 1))[1] == [made[1]]
        assert await catalog.usage(bucket.id) == Usage(uploads=1, upload_bytes=25)
        assert await retired_ids(catalog) == {old.blob}

    async def test_a_completed_upload_becomes_a_version(self, catalog: Catalog, generation: int) -> None:
        """Parts that are not named are given up; the others' bytes move into the version; the upload is gone."""
        bucket = await new_bucket(catalog)
        upload = await catalog.apply(
            new_upload(bucket, b"k", owner=OTHER, storage_class="STANDARD_IA", details=Details(metadata={"upload": "1"}))
        )
        files = [staged(generation, size) for size in (10, 30, 5)]
        contents: list[Content] = [files[0], inline(b"dropped"), *files[1:]]
        parts = [await catalog.apply(part(upload, number, content)) for number, content in enumerate(contents, 1)]
        details = Details(metadata={"complete": "1"})
        change = complete(upload, [parts[0], parts[2]], 4, details=details)

        written = await catalog.apply(change)

        version = await current(catalog, bucket, b"k")
        assert (version.seq, version.size, version.etag, version.parts) == (written.seq, 40, change.etag, 2)
        assert (version.owner, version.storage_class, version.details) == (OTHER, "STANDARD_IA", details)
        assert version.manifest is not None
        assert await catalog.manifest(version.manifest) == change.manifest
        assert await catalog.usage(bucket.id) == Usage(objects=1, versions=1, bytes=40)
        assert await retired_ids(catalog) == {files[2].blob}
        await refused(errors.NoSuchUpload, catalog.upload(bucket.id, b"k", upload.id))
        await refused(errors.NoSuchUpload, catalog.apply(change))
        await catalog.apply(delete(bucket, b"k"))
        assert await retired_ids(catalog) == {one.blob for one in files}

    async def test_an_upload_that_changed_is_decided_again(self, catalog: Catalog, generation: int) -> None:
        """A manifest decided on other parts than those of now is `Stale`; so is one with bytes of somebody else."""
        bucket = await new_bucket(catalog)
        upload = await catalog.apply(new_upload(bucket, b"k"))
        one = await catalog.apply(part(upload, 1, staged(generation, 10)))
        two = await catalog.apply(part(upload, 2, staged(generation, 10)))
        elsewhere = await self._upload_part(catalog, bucket, staged(generation, 10))

        await refused(errors.Stale, catalog.apply(complete(upload, [one], 1)))
        await refused(errors.Stale, catalog.apply(complete(upload, [one, elsewhere], 2)))
        await refused(errors.Stale, catalog.apply(complete(upload, [one, one], 2)))
        await catalog.apply(complete(upload, [one, two], 2))

    async def test_a_part_may_share_bytes(self, catalog: Catalog, generation: int) -> None:
        """UploadPartCopy: of a whole blob, of a manifest, of slices; the upload keeps them alive."""
        bucket = await new_bucket(catalog)
        content = staged(generation, 10)
        await catalog.apply(put(bucket, b"blob", content))
        await catalog.apply(put(bucket, b"slices", SharedSlices((Slice(content.blob, 0, 3), Slice(content.blob, 5, 5)))))
        manifest = (await current(catalog, bucket, b"slices")).manifest
        assert manifest is not None
        upload = await catalog.apply(new_upload(bucket, b"k"))
        parts = [
            await catalog.apply(part(upload, 1, SharedBlob(content.blob), size=10)),
            await catalog.apply(part(upload, 2, SharedManifest(manifest), size=8)),
            await catalog.apply(part(upload, 3, SharedSlices((Slice(content.blob, 1, 2),)))),
            await catalog.apply(part(upload, 4, Nothing())),
        ]
        assert [one.slices for one in parts] == [
            (Slice(content.blob, 0, 10),),
            (Slice(content.blob, 0, 3), Slice(content.blob, 5, 5)),
            (Slice(content.blob, 1, 2),),
            (),
        ]
        await catalog.apply(delete(bucket, b"blob"))
        await catalog.apply(delete(bucket, b"slices"))
        assert await retired_ids(catalog) == set()
        await catalog.apply(complete(upload, parts[:2], 4))
        assert await retired_ids(catalog) == set()
        await catalog.apply(delete(bucket, b"k"))
        assert await retired_ids(catalog) == {content.blob}

    async def test_a_conditional_complete(self, catalog: Catalog, generation: int) -> None:
        """A condition that is false now is told as such.

        One that is true though the key was written meanwhile is a conflict.
        """
        bucket = await new_bucket(catalog)

        async def ready() -> tuple[Upload, Part]:
            upload = await catalog.apply(new_upload(bucket, b"k"))
            return upload, await catalog.apply(part(upload, 1, staged(generation, 5)))

        async def attempt(upload: Upload, one: Part, **condition: str) -> Written:
            asked = Condition(since_seq=upload.base_seq, **condition)
            written: Written = await catalog.apply(complete(upload, [one], 1, condition=asked))
            return written

        upload, one = await ready()
        await catalog.apply(put(bucket, b"k", etag="a" * 32))
        await refused(errors.PreconditionFailed, attempt(upload, one, if_none_match="*"))
        await refused(errors.ConditionalRequestConflict, attempt(upload, one, if_match="a" * 32))
        await catalog.apply(delete(bucket, b"k"))
        await refused(errors.NoSuchKey, attempt(upload, one, if_match="a" * 32))
        await attempt(upload, one, if_none_match="*")  # nothing was there at its creation, and nothing is there

        upload, one = await ready()
        await catalog.apply(delete(bucket, b"k"))
        await refused(errors.ConditionalRequestConflict, attempt(upload, one, if_none_match="*"))
        await catalog.apply(put(bucket, b"k", etag="a" * 32))
        fresh, another = await ready()
        await attempt(fresh, another, if_match="a" * 32)

    @pytest.mark.parametrize("versioning", list(Versioning))
    async def test_a_complete_follows_the_buckets_versioning(self, catalog: Catalog, versioning: Versioning) -> None:
        """As a put does."""
        bucket = await new_bucket(catalog, versioning)
        ids = []
        for _ in range(2):
            upload = await catalog.apply(new_upload(bucket, b"k"))
            one = await catalog.apply(part(upload, 1, inline(b"12345")))
            ids.append((await catalog.apply(complete(upload, [one], 1))).version_id)

        expected = list(reversed(ids)) if versioning is Versioning.ENABLED else ["null"]
        assert [one.version_id for one in await history(catalog, bucket)] == expected
        assert await catalog.usage(bucket.id) == Usage(objects=1, versions=len(expected), bytes=5 * len(expected))

    async def test_an_aborted_upload_gives_up_its_bytes(self, catalog: Catalog, generation: int) -> None:
        """Few parts or many."""
        bucket = await new_bucket(catalog)
        for count in (0, 1, 200):
            upload = await catalog.apply(new_upload(bucket, b"k"))
            contents = [staged(generation, 5) for _ in range(count)]
            await asyncio.gather(*(catalog.apply(part(upload, number, one)) for number, one in enumerate(contents, 1)))
            await catalog.apply(abort(upload))

            assert await retired_ids(catalog) == {one.blob for one in contents}
            assert await catalog.usage(bucket.id) == Usage()
            await refused(errors.NoSuchUpload, catalog.upload(bucket.id, b"k", upload.id))
            await catalog.apply(Reaped(tuple(one.blob for one in contents), 9))

    async def test_retired_manifests_are_taken_apart_in_steps(self, catalog: Catalog, generation: int) -> None:
        """Each step is bounded.

        Says what is left, and is durable; bytes retire as of their manifest, after which it is gone.
        """
        bucket = await new_bucket(catalog)
        content = staged(generation, 9_000)
        await catalog.apply(put(bucket, b"blob", content))
        slices = tuple(Slice(content.blob, offset, 1) for offset in range(9_000))
        for key in (b"a", b"b"):
            await catalog.apply(put(bucket, key, SharedSlices(slices)))
        await catalog.apply(delete(bucket, b"blob"))
        await catalog.apply(delete(bucket, b"a", now_ms=1_000_000))
        await catalog.apply(delete(bucket, b"b", now_ms=2_000_000))

        assert await catalog.apply(Unravel(999_999, 100)) == 0  # none was retired by then
        steps = [await catalog.apply(Unravel(1_000_000, 1))]
        while steps[-1]:
            steps.append(await catalog.apply(Unravel(1_000_000, 1)))
        assert len(steps) > 1
        assert await catalog.retired(1 << 60, 10) == []
        while await catalog.apply(Unravel(3_000_000, 100)):
            pass
        assert await catalog.retired(1_999_999, 10) == []
        assert await catalog.retired(2_000_000, 10) == [(content.blob, 9_000)]

    # ------------------------------------------------------------------------------------------------- identity

    async def test_users(self, catalog: Catalog, second: Catalog) -> None:
        """Added once, replaced when asked, found by name and canonical id, removed with their keys and not with buckets."""
        ann = User("ann", OWNER, "Ann", "ann@example.org", 5)
        await catalog.apply(PutUser(ann))
        assert await second.user("ann") == ann
        assert await second.user_by_canonical_id(OWNER) == ann
        await refused(errors.UserAlreadyExists, catalog.apply(PutUser(ann)))
        await refused(errors.UserAlreadyExists, catalog.apply(PutUser(msgspec.structs.replace(ann, name="bob"), replace=True)))

        ann = msgspec.structs.replace(ann, display_name="Anna", disabled=True, root=True)
        await catalog.apply(PutUser(ann, replace=True))
        assert await second.user_by_canonical_id(OWNER) == ann
        await catalog.apply(PutUser(User("bob", OTHER, "Bob", "", 6)))
        assert [one.name for one in await second.users()] == ["ann", "bob"]

        bucket = await new_bucket(catalog)
        await catalog.apply(PutAccessKey(AccessKey("AK", "secret", "ann", 7)))
        await refused(errors.InvalidRequest, catalog.apply(RemoveUser("ann")))
        await catalog.apply(DeleteBucket(bucket.id, 8))
        assert await second.access_key("AK") == (AccessKey("AK", "secret", "ann", 7), ann)
        await catalog.apply(RemoveUser("ann"))
        assert await second.access_key("AK") is None
        assert await second.user_by_canonical_id(OWNER) is None
        await refused(errors.NoSuchUser, second.user("ann"))
        await refused(errors.NoSuchUser, catalog.apply(RemoveUser("ann")))

    async def test_access_keys(self, catalog: Catalog, second: Catalog) -> None:
        """Several of a user; a change or a removal holds for all as soon as it is acknowledged."""
        await catalog.apply(PutUser(User("ann", OWNER, "", "", 1)))
        await refused(errors.NoSuchUser, catalog.apply(PutAccessKey(AccessKey("A", "s", "nobody", 1))))
        keys = [AccessKey(id, "s" * 40, "ann", 1) for id in ("A", "B")]
        for key in keys:
            await catalog.apply(PutAccessKey(key))
        await refused(errors.AccessKeyAlreadyExists, catalog.apply(PutAccessKey(keys[0])))
        assert await second.access_keys("ann") == keys
        assert await second.access_keys(None) == keys
        assert await second.access_keys("bob") == []
        assert await second.access_key("C") is None

        for disabled in (True, False, True):
            key = msgspec.structs.replace(keys[0], disabled=disabled)
            await catalog.apply(PutAccessKey(key, replace=True))
            found = await second.access_key("A")
            assert found is not None
            assert found[0] == key
        await catalog.apply(RemoveAccessKey("A"))
        assert await second.access_key("A") is None
        await refused(errors.NoSuchAccessKey, catalog.apply(RemoveAccessKey("A")))

    async def test_realms(self, catalog: Catalog, second: Catalog) -> None:
        """Identities of an account change together, on the revision that they were decided on, and are seen by all at once."""
        await catalog.apply(PutUser(User("ann", OWNER, "", "", 1)))
        await catalog.apply(PutUser(User("bob", OTHER, "", "", 1)))
        empty = await second.realm(OWNER)
        assert (empty.account.name, list(empty.by_id), await second.account_of(empty.number)) == ("ann", [], OWNER)
        await refused(errors.NoSuchUser, second.realm("nobody"))

        user, group = IamUser("AIDA1", "Ada", "/", 2, groups=("AGPA1",)), Group("AGPA1", "staff", "/", 2, attached=("arn",))
        key = AccessKey("AK", "secret", "AIDA1", 3)
        change = ChangeRealm(OWNER, empty.revision, (user, group), keys=(key,))
        await catalog.apply(change)
        await refused(errors.Stale, catalog.apply(change))
        realm = await second.realm(OWNER)
        assert realm.by_id == {"AIDA1": user, "AGPA1": group}
        assert (realm.named(IamUser, "ADA"), realm.keys("AIDA1")) == (user, [key])
        assert (await second.realm(OTHER)).by_id == {}
        assert await second.access_key("AK") == (key, User("AIDA1", "AIDA1", "Ada", "", 2, account=OWNER))

        taken = ChangeRealm(OTHER, (await second.realm(OTHER)).revision, keys=(AccessKey("AK", "s", "bob", 3),))
        await refused(errors.AccessKeyAlreadyExists, catalog.apply(taken))
        renamed = msgspec.structs.replace(user, name="Eve", groups=())
        await catalog.apply(ChangeRealm(OWNER, realm.revision, (renamed,), ("AGPA1",), keys_gone=("AK",)))
        realm = await second.realm(OWNER)
        assert (realm.by_id, realm.keys("AIDA1")) == ({"AIDA1": renamed}, [])

        await catalog.apply(RemoveUser("ann"))
        assert [one.name for one in await second.users()] == ["bob"]
        await refused(errors.NoSuchUser, catalog.apply(ChangeRealm(OWNER, realm.revision)))

    async def test_uses_of_keys(self, catalog: Catalog, second: Catalog) -> None:
        """The latest is told; what comes late or is about a key that is gone is not kept."""
        await catalog.apply(PutUser(User("ann", OWNER, "", "", 1)))
        await catalog.apply(PutAccessKey(AccessKey("A", "s", "ann", 1)))
        late, new, gone = KeyUse("A", 5, "r", "s3"), KeyUse("A", 9, "r2", "sts"), KeyUse("B", 9, "r", "s3")
        assert await second.key_use("A") is None
        await catalog.apply(NoteUses((new, gone)))
        await catalog.apply(NoteUses((late,)))
        assert (await second.key_use("A"), await second.key_use("B")) == (new, None)
        await catalog.apply(RemoveAccessKey("A"))
        assert await second.key_use("A") is None

    # ------------------------------------------------------------------------------------------------- chores

    async def test_generations_are_closed_with_their_connection(self, site: CatalogSite, catalog: Catalog) -> None:
        """Of a process that has gone, and of all when what writes is replaced; a number never comes twice."""
        other = await site.open()
        mine, theirs = await catalog.apply(OpenGeneration(1)), await other.apply(OpenGeneration(1))
        assert await catalog.generations() == [(mine, False), (theirs, False)]
        await refused(errors.Stale, catalog.apply(ForgetGeneration(mine)))

        await other.close()
        await eventually(lambda: closed_is(catalog, theirs))
        assert await catalog.generations() == [(mine, False), (theirs, True)]
        await catalog.apply(ForgetGeneration(theirs))
        assert await catalog.generations() == [(mine, False)]

        await site.crash()
        await eventually(lambda: closed_is(catalog, mine))
        await back(catalog)
        assert await catalog.apply(OpenGeneration(1)) not in (mine, theirs)

    async def test_what_was_sent_before_a_process_died_is_applied_before_its_generation_closes(self, site: CatalogSite) -> None:
        """Its last puts either count, or are found by the sweep as blobs that nobody names: never something in between."""
        catalog, other = await site.open(), await site.open()
        bucket = await new_bucket(catalog)
        theirs = await other.apply(OpenGeneration(1))
        contents = [staged(theirs, 5) for _ in range(200)]
        for number, content in enumerate(contents):
            asyncio.ensure_future(other.apply(put(bucket, b"%d" % number, content))).add_done_callback(_ignore)
        await asyncio.sleep(0)
        await other.close()
        await eventually(lambda: closed_is(catalog, theirs))

        named = await catalog.known_blobs([one.blob for one in contents])
        assert len(named) == (await catalog.usage(bucket.id)).objects
        await catalog.close()

    async def test_blobs_are_walked_by_id(self, catalog: Catalog, generation: int) -> None:
        """Those with files, page by page."""
        bucket = await new_bucket(catalog)
        contents = [staged(generation, 5) for _ in range(7)]
        for number, content in enumerate(reversed(contents)):
            await catalog.apply(put(bucket, b"%d" % number, content))
        await catalog.apply(put(bucket, b"inline", inline(b"x")))

        walked: list[BlobFacts] = []
        while page := await catalog.blobs(walked[-1].id if walked else 0, 3):
            walked += page
        assert walked == [BlobFacts(one.blob, 5, sums(5)) for one in contents]
        assert await catalog.blobs(walked[-1].id, 3) == []
        assert [one.data for one in await catalog.blobs(walked[-2].id, 3, inline=True)] == [None, b"x"]

    async def test_known_blobs_of_many(self, catalog: Catalog, generation: int) -> None:
        """However many are asked at once."""
        bucket = await new_bucket(catalog)
        contents = [staged(generation, 1) for _ in range(30)]
        await asyncio.gather(*(catalog.apply(put(bucket, b"%d" % number, one)) for number, one in enumerate(contents)))
        ids = [one.blob for one in contents]

        assert await catalog.known_blobs([*ids, *range(10_000_000, 10_002_500)]) == set(ids)
        assert await catalog.known_blobs([]) == set()

    async def test_sealed_blobs(self, catalog: Catalog, generation: int) -> None:
        """A seal comes back with its blob; sizes, slices and counts are those of the content, not of what lies on disk."""
        bucket, size = await new_bucket(catalog), 200_000
        length = sealed_bytes(size)
        one = Staged(generation << 32 | next(_numbers), length, sums(length), b"seal")
        await catalog.apply(put(bucket, b"one", one, size=size))
        await catalog.apply(put(bucket, b"two", Inline(bytes(21), sums(21), b"small"), size=5))
        await catalog.apply(put(bucket, b"plain", staged(generation, 5)))
        await catalog.apply(put(bucket, b"part", SharedSlices((Slice(one.blob, size - 1, 1),)), size=1))
        upload = await catalog.apply(new_upload(bucket, b"parts"))
        made = await catalog.apply(part(upload, 1, SharedBlob(one.blob), size=size))

        found = await catalog.find(bucket.id, b"one")

        assert found is not None
        assert found.blob == BlobFacts(one.blob, length, sums(length), None, b"seal")
        assert (found.blob.size, found.version.size) == (size, size)
        assert made.slices == (Slice(one.blob, 0, size),)
        assert (await catalog.usage(bucket.id)).bytes == size + 5 + 5 + 1
        sealed = await catalog.sealed(0, 10)
        assert [(id, seal) for id, seal in sealed if id == one.blob or seal == b"small"] == [
            (one.blob, b"seal"),
            (sealed[-1][0], b"small"),
        ]
        assert await catalog.sealed(one.blob, 1) == sealed[-1:]

    async def test_a_seal_is_changed_unless_it_is_another(self, catalog: Catalog, generation: int) -> None:
        """Who wraps keys anew meets blobs that have gone, and seals that somebody else has changed."""
        bucket = await new_bucket(catalog)
        one = Staged(generation << 32 | next(_numbers), 21, sums(21), b"old")
        await catalog.apply(put(bucket, b"one", one, size=5))

        assert await catalog.apply(Reseal(((one.blob, b"other", b"new"), (4711, b"old", b"new")))) == 0
        assert await catalog.apply(Reseal(((one.blob, b"old", b"new"),))) == 1
        assert (one.blob, b"new") in await catalog.sealed(0, 10_000)

    async def test_who_needs_a_blob(self, catalog: Catalog, generation: int) -> None:
        """Versions that name it whole or by a slice, current or not, with their buckets' names."""
        bucket, other = await new_bucket(catalog, Versioning.ENABLED), await new_bucket(catalog)
        content, innocent = staged(generation, 10), staged(generation, 10)
        await catalog.apply(put(bucket, b"old", content))
        await catalog.apply(put(bucket, b"old", innocent))
        await catalog.apply(put(other, b"sliced", SharedSlices((Slice(innocent.blob, 0, 1), Slice(content.blob, 0, 1)))))

        found = {(name, version.key, version.latest) for name, version in await catalog.namers(content.blob, 10)}
        assert found == {(bucket.name, b"old", False), (other.name, b"sliced", True)}
        assert len(await catalog.namers(content.blob, 1)) == 1
        assert await catalog.namers(4_711, 10) == []

    async def test_damage_is_noted_until_it_is_healed_or_gone(self, catalog: Catalog, generation: int) -> None:
        """One note a blob; of a blob that is reaped, or was never there, none."""
        bucket = await new_bucket(catalog)
        contents = [staged(generation, 5) for _ in range(3)]
        for number, content in enumerate(contents):
            await catalog.apply(put(bucket, b"%d" % number, content))
        notes = [Damage(one.blob, block, 5, "rotten") for one, block in zip(contents, (0, None, 2), strict=True)]
        await catalog.apply(SetDamage((*notes, Damage(4_711, 0, 5, "unknown"))))
        assert await catalog.damages() == notes

        again = Damage(contents[0].blob, 1, 6, "worse")
        await catalog.apply(SetDamage((again,), (contents[1].blob,)))
        assert await catalog.damages() == [again, notes[2]]
        await catalog.apply(delete(bucket, b"2"))
        await catalog.apply(Reaped((contents[2].blob,), 9))
        assert await catalog.damages() == [again]

    async def test_jobs_keep_their_state(self, catalog: Catalog, second: Catalog) -> None:
        """Each its own, the last one written."""
        assert await catalog.job("scrub") is None
        for state in (b"{}", b'{"cursor": 1}'):
            await catalog.apply(SetJob("scrub", state))
            assert await second.job("scrub") == state
        assert await second.job("reap") is None

    # ------------------------------------------------------------------------------------------------- the signal of space

    async def test_freed_space_moves_a_cursor(self, catalog: Catalog, second: Catalog, generation: int) -> None:
        """Whatever makes room in a bucket moves its cursor and the store's, and nothing else does."""
        bucket, other = await new_bucket(catalog), await new_bucket(catalog)
        still = (await second.space(other.id)).cursor

        async def moved(change: Any, scope: int | None) -> bool:
            before = (await second.space(scope)).cursor
            await catalog.apply(change)
            after = (await second.space(scope)).cursor
            assert after >= before
            return after > before

        for scope in (bucket.id, None):
            content = staged(generation, 50)
            assert not await moved(put(bucket, b"k", content), scope)
            assert not await moved(put(bucket, b"k", inline(b"x" * 50)), scope)
            assert not await moved(put(bucket, b"k", inline(b"x" * 60)), scope)
            assert await moved(put(bucket, b"k", inline(b"x" * 59)), scope)
            assert await moved(delete(bucket, b"k"), scope)
            assert not await moved(delete(bucket, b"k"), scope)
            upload = await catalog.apply(new_upload(bucket, b"u"))
            one = await catalog.apply(part(upload, 1, inline(b"12345")))
            await catalog.apply(part(upload, 2, inline(b"12345")))
            assert await moved(complete(upload, [one], 2), scope)
            await catalog.apply(delete(bucket, b"u"))
            await self._upload_part(catalog, bucket, inline(b"12345"))
            (upload,) = await catalog.uploads(bucket.id, b"", b"", None, False, 10)
            assert await moved(abort(upload), scope)
            number = None if scope is None else bucket.id
            assert not await moved(SetQuota(number, 1_000), scope)
            assert await moved(SetQuota(number, 2_000), scope)
            assert not await moved(SetQuota(number, 500), scope)
            assert await moved(SetQuota(number, None), scope)
            assert not await moved(SetQuota(number, None), scope)
            assert await moved(Reaped((content.blob,), 9), None)
        assert (await second.space(other.id)).cursor == still

    async def test_fullness_is_noted_durably(self, site: CatalogSite, catalog: Catalog, second: Catalog) -> None:
        """It is news once, and leaving it is freed space."""
        bucket = await new_bucket(catalog)
        await catalog.apply(put(bucket, b"k", inline(b"123")))
        assert await catalog.apply(SetFull(False, 1)) is False
        assert await catalog.apply(SetFull(True, 1)) is True
        assert await second.apply(SetFull(True, 1)) is False
        await site.crash()
        await back(catalog, second)
        space = await second.space(bucket.id)
        assert (space.full, space.usage, space.quota_bytes) == (True, Usage(objects=1, versions=1, bytes=3), None)
        before = (await second.space(None)).cursor
        assert await catalog.apply(SetFull(False, 1)) is True
        assert (await second.space(None)).cursor > before
        assert not (await second.space(None)).full

    # ------------------------------------------------------------------------------------------------- endurance

    async def test_what_was_acknowledged_survives_a_kill(self, site: CatalogSite, catalog: Catalog, generation: int) -> None:
        """Killed in the middle of many puts: each acknowledged one is there, and each that is there is whole."""
        bucket = await new_bucket(catalog)
        acknowledged: list[bytes] = []
        stop = False

        async def load(lane: int) -> None:
            for number in itertools.count():
                if stop:
                    return
                key = b"%d/%d" % (lane, number)
                try:
                    await catalog.apply(put(bucket, key, inline(key * 100)))
                except errors.Unavailable:
                    return
                acknowledged.append(key)

        lanes = [asyncio.ensure_future(load(lane)) for lane in range(16)]
        await asyncio.sleep(0.1)
        await site.crash()
        stop = True
        await asyncio.gather(*lanes)
        await back(catalog)

        there = set()
        after = b""
        while page := await catalog.objects(bucket.id, b"", after, False, 1_000):
            there |= {one.key for one in page}
            after = page[-1].key
        assert acknowledged
        assert set(acknowledged) <= there
        assert (await catalog.usage(bucket.id)).objects == len(there)
        for key in there:
            found = await catalog.find(bucket.id, key)
            assert found is not None
            assert found.blob is not None
            assert found.blob.data == key * 100

    async def test_an_end_in_order_finishes_what_was_sent(self, site: CatalogSite, catalog: Catalog) -> None:
        """Changes that had been sent before are applied and answered, and who comes next goes on."""
        bucket = await new_bucket(catalog)
        changes = [asyncio.ensure_future(catalog.apply(put(bucket, b"%d" % number, inline(b"x")))) for number in range(500)]
        await asyncio.sleep(0.01)
        await asyncio.to_thread(lambda: asyncio.run(site.restart()))
        outcomes = await asyncio.gather(*changes, return_exceptions=True)
        await back(catalog)
        await catalog.apply(put(bucket, b"next"))

        assert all(isinstance(one, Written) for one in outcomes)
        assert (await catalog.usage(bucket.id)).objects == 501

    async def test_a_caller_that_leaves_does_not_take_its_change_along(self, catalog: Catalog) -> None:
        """A cancelled caller learns nothing; the change is applied all the same."""
        bucket = await new_bucket(catalog)
        task = asyncio.ensure_future(catalog.apply(put(bucket, b"k", inline(b"x"))))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await catalog.apply(put(bucket, b"later"))

        assert await listed(catalog, bucket) == [b"k", b"later"]

    async def test_ready(self, catalog: Catalog) -> None:
        """A catalog that can be written says so."""
        await catalog.ready()

    async def test_a_backup_is_of_one_moment(self, catalog: Catalog, generation: int, tmp_path: Path) -> None:
        """While others write; it does not replace one that is there."""
        bucket = await new_bucket(catalog)
        stop = False

        async def load() -> None:
            while not stop:
                await catalog.apply(put(bucket, b"%d" % next(_numbers), inline(b"x" * 1_000)))

        lanes = [asyncio.ensure_future(load()) for _ in range(8)]
        await asyncio.sleep(0.05)
        await catalog.backup(str(tmp_path / "copy"))
        stop = True
        await asyncio.gather(*lanes)

        await self.check_backup(tmp_path / "copy", bucket)
        with pytest.raises(FileExistsError):
            await catalog.backup(str(tmp_path / "copy"))

    async def check_backup(self, directory: Path, bucket: Bucket) -> None:
        """For a subclass: the copy in the directory is whole and agrees with itself."""


# ---------------------------------------------------------------------------------------------------------------- waiting


async def back(*views: Catalog) -> None:
    """Returns when what writes is back after a crash or a restart."""
    for view in views:
        await eventually(lambda view=view: succeeds(view.ready()))


async def eventually(holds: Any) -> None:
    """Returns as soon as it holds; within five seconds."""
    for _ in range(500):
        if await holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to hold")


async def closed_is(catalog: Catalog, generation: int) -> bool:
    """Whether the generation is closed."""
    return (generation, True) in await catalog.generations()


async def succeeds(outcome: Awaitable[Any]) -> bool:
    """Whether it raises nothing."""
    try:
        await outcome
    except errors.Unavailable:
        return False
    return True


def _ignore(task: asyncio.Future[Any]) -> None:
    """What becomes of this one is not the question."""
    if not task.cancelled():
        task.exception()

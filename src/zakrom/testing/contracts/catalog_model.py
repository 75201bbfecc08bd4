"""A catalog against a model of dicts: whatever is done to it in whatever order, both say the same.

`check_against_model(open)` runs a state machine of Hypothesis: puts of every kind of content, copies, deletes, restores,
versioning switched on and off, quotas, multipart uploads, reaping. After each step the listings, every version and the counts
are compared; at the end, which bytes nobody names any more. The model is as plain as can be: lists of versions, and names
counted anew each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from zakrom import errors
from zakrom.catalog.changes import (
    Change,
    Condition,
    Content,
    DeleteBucket,
    Inline,
    Nothing,
    OpenGeneration,
    Reaped,
    SetDetails,
    SetQuota,
    SetVersioning,
    SharedBlob,
    SharedManifest,
    SharedSlices,
    Staged,
    Unravel,
    Written,
)
from zakrom.catalog.interface import Catalog
from zakrom.model.facts import Bucket, Part, Slice, Upload, Usage, VersionId, Versioning
from zakrom.testing.contracts import catalog as suite

CONDITIONS = ("absent", "current", "other")
KEYS = (b"a", b"b")  # few, so that things meet
STEPS = 50
EXAMPLES = 100

T = TypeVar("T")


@dataclass
class Held:
    """A version in the model. ``slices``: whose bytes it names, and how often."""

    seq: int
    nonce: int
    marker: bool
    size: int
    etag: str
    slices: tuple[Slice, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> VersionId:
        """As a request names it."""
        return VersionId(0 if self.nonce == 0 else self.seq, self.nonce)


@dataclass
class Open:
    """An upload in the model."""

    upload: Upload
    parts: dict[int, Part] = field(default_factory=dict)
    revision: int = 0


@dataclass
class Shelf:
    """A bucket in the model: the versions of each key, newest first."""

    bucket: Bucket
    versioning: Versioning = Versioning.NEVER
    quota_bytes: int | None = None
    keys: dict[bytes, list[Held]] = field(default_factory=dict)
    uploads: dict[str, Open] = field(default_factory=dict)

    def versions(self, key: bytes) -> list[Held]:
        """Those of a key, newest first; to be changed in place."""
        return self.keys.setdefault(key, [])

    def current(self, key: bytes) -> Held | None:
        """The object that a GET would find."""
        versions = self.versions(key)
        return versions[0] if versions and not versions[0].marker else None

    def all(self) -> list[Held]:
        """Every version and marker."""
        return [one for key in sorted(self.keys) for one in self.keys[key]]

    def usage(self) -> Usage:
        """Counted anew."""
        whole = self.all()
        return Usage(
            objects=sum(self.current(key) is not None for key in self.keys),
            versions=sum(not one.marker for one in whole),
            markers=sum(one.marker for one in whole),
            bytes=sum(one.size for one in whole),
            uploads=len(self.uploads),
            upload_bytes=sum(part.size for one in self.uploads.values() for part in one.parts.values()),
        )

    def named(self) -> Iterable[int]:
        """Blobs that something here needs."""
        for one in self.all():
            yield from (piece.blob for piece in one.slices)
        for upload in self.uploads.values():
            yield from (piece.blob for part in upload.parts.values() for piece in part.slices)

    def on_top(self, key: bytes, new: Held) -> bool:
        """A write: replaces the null version where versioning is not enabled. Whether it did."""
        versions = self.versions(key)
        replaced = [one for one in versions if self.versioning is not Versioning.ENABLED and one.nonce == 0]
        versions[:] = [new, *(one for one in versions if one not in replaced)]
        return bool(replaced)


class CatalogMachine(RuleBasedStateMachine):
    """The machine; `open_catalog` and `runner` are set by `check_against_model`."""

    open_catalog: Callable[[], Awaitable[Catalog]]
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.catalog = self.wait(type(self).open_catalog())
        self.generation: int = self.wait(self.catalog.apply(OpenGeneration(1)))
        self.files: set[int] = set()
        self.reaped: set[int] = set()
        self.shelves: list[Shelf] = []

    def wait(self, outcome: Awaitable[T]) -> T:
        """Runs it to its end."""

        async def whole() -> T:
            return await outcome

        return self.runner.get_loop().run_until_complete(whole())

    def apply(self, change: Change) -> object:
        """Applies a change."""
        return self.wait(self.catalog.apply(change))

    @initialize()
    def two_buckets(self) -> None:
        """Each round has buckets of its own; what others left is not looked at."""
        self.shelves = [Shelf(self.wait(suite.new_bucket(self.catalog))) for _ in range(2)]

    def teardown(self) -> None:
        """Nothing that is unnamed is kept for ever, and nothing else is given up."""
        retired = self.wait(suite.retired_ids(self.catalog)) & self.files
        named = {blob for shelf in self.shelves for blob in shelf.named()}
        expected = self.files - named - self.reaped
        self.wait(self.catalog.close())
        assert retired == expected

    # ------------------------------------------------------------------------------------------------- contents

    def content(self, kind: str, size: int) -> tuple[Content, int, tuple[Slice, ...]]:
        """A content, its size, and the slices it will name (of inline bytes, whose id is not known yet, none)."""
        if kind == "inline":
            return suite.inline(b"x" * size), size, ()
        if kind == "staged":
            staged = suite.staged(self.generation, size)
            return staged, size, (Slice(staged.blob, 0, size),)
        shared = [one for shelf in self.shelves for one in shelf.all() if one.slices]
        if kind in ("share", "slices") and shared:
            source = shared[size % len(shared)]
            if kind == "slices":
                pieces = source.slices[-2:] * 2
                return SharedSlices(pieces), sum(one.length for one in pieces), pieces
            return self.share(source), source.size, source.slices
        return Nothing(), 0, ()

    def share(self, source: Held) -> Content:
        """The whole content of a version, by whichever name it has."""
        for shelf in self.shelves:
            for key, versions in shelf.keys.items():
                if source in versions:
                    found = self.wait(self.catalog.find(shelf.bucket.id, key, source.id))
                    assert found is not None
                    if found.version.blob is not None:
                        return SharedBlob(found.version.blob)
                    assert found.version.manifest is not None
                    return SharedManifest(found.version.manifest)
        raise AssertionError("the model lost a version")

    def slices_of(self, shelf: Shelf, key: bytes, content: Content, expected: tuple[Slice, ...]) -> tuple[Slice, ...]:
        """The slices a new version names, now that inline bytes have an id."""
        if not isinstance(content, Inline):
            return expected
        found = self.wait(self.catalog.find(shelf.bucket.id, key))
        assert found is not None
        assert found.blob is not None
        return (Slice(found.blob.id, 0, found.blob.length),)

    # ------------------------------------------------------------------------------------------------- rules

    # Hypothesis draws each rule as often as any other, so what matters most is drawn under several names.

    buckets = st.integers(0, 1)
    keys = st.sampled_from(KEYS)
    sizes = st.integers(1, 30)

    @rule(bucket=buckets, key=keys, size=sizes)
    def put_file(self, bucket: int, key: bytes, size: int) -> None:
        """Bytes on disk."""
        self.put(bucket, key, "staged", size, None)

    @rule(bucket=buckets, key=keys, size=sizes)
    def put_inline(self, bucket: int, key: bytes, size: int) -> None:
        """Bytes in the catalog."""
        self.put(bucket, key, "inline", size, None)

    @rule(bucket=buckets, key=keys, which=sizes)
    def copy(self, bucket: int, key: bytes, which: int) -> None:
        """The content of another version, or of the same key."""
        self.put(bucket, key, "share", which, None)

    @rule(bucket=buckets, key=keys, which=sizes)
    def copy_slices(self, bucket: int, key: bytes, which: int) -> None:
        """Some of the slices of another version."""
        self.put(bucket, key, "slices", which, None)

    @rule(bucket=buckets, key=keys, kind=st.sampled_from(("nothing", "share")), condition=st.sampled_from(CONDITIONS))
    def put_on_condition(self, bucket: int, key: bytes, kind: str, condition: str) -> None:
        """A conditional put."""
        self.put(bucket, key, kind, 1, condition)

    def put(self, bucket: int, key: bytes, kind: str, size: int, condition: str | None) -> None:
        """A put, within the quota or not."""
        shelf = self.shelves[bucket]
        content, size, slices = self.content(kind, size)
        current = shelf.current(key)
        asked = {
            None: None,
            "absent": Condition(if_none_match="*"),
            "current": Condition(if_match=current.etag if current else "0"),
            "other": Condition(if_match="0"),
        }[condition]
        change = suite.put(shelf.bucket, key, content, size=size, condition=asked)
        expected: type[errors.Error] | None = None
        if condition == "absent" and current is not None:
            expected = errors.PreconditionFailed
        elif condition in ("current", "other") and current is None:
            expected = errors.NoSuchKey
        elif condition == "other":
            expected = errors.PreconditionFailed
        elif self.exceeds(shelf, size - self.null_bytes(shelf, key)):
            expected = errors.QuotaExceeded
        written = self.outcome(change, expected)
        if written is None:
            return
        assert isinstance(written, Written)
        if isinstance(content, Staged):
            self.files.add(content.blob)
        new = Held(written.seq, written.nonce, False, size, change.etag)
        replaced = shelf.on_top(key, new)
        new.slices = self.slices_of(shelf, key, content, slices)
        assert written.replaced == replaced
        assert (new.nonce == 0) == (shelf.versioning is not Versioning.ENABLED)

    @rule(bucket=buckets, key=keys)
    def delete(self, bucket: int, key: bytes) -> None:
        """A plain delete."""
        shelf = self.shelves[bucket]
        current = shelf.current(key)
        deleted = self.wait(self.catalog.apply(suite.delete(shelf.bucket, key)))
        assert deleted.existed == (current is not None)
        if shelf.versioning is Versioning.NEVER:
            shelf.versions(key)[:] = []
            assert (deleted.marker, deleted.version_id) == (False, None)
            return
        newest = self.wait(suite.current(self.catalog, shelf.bucket, key))
        shelf.on_top(key, Held(newest.seq, newest.nonce, True, 0, ""))
        assert (deleted.marker, deleted.version_id) == (True, newest.version_id)

    @rule(bucket=buckets, key=keys, which=st.integers(0, 5))
    def delete_one(self, bucket: int, key: bytes, which: int) -> None:
        """A delete by id, of one that exists or not."""
        shelf = self.shelves[bucket]
        versions = shelf.versions(key)
        gone = versions[which] if which < len(versions) else None
        id = gone.id if gone else VersionId(which, 7)
        deleted = self.wait(self.catalog.apply(suite.delete(shelf.bucket, key, id)))
        assert (deleted.existed, deleted.marker) == (gone is not None, gone is not None and gone.marker)
        versions[:] = [one for one in versions if one is not gone]

    @rule(
        bucket=buckets,
        state=st.sampled_from((Versioning.ENABLED, Versioning.SUSPENDED)),
        quota_bytes=st.none() | st.integers(60, 300),
    )
    def set_rules(self, bucket: int, state: Versioning, quota_bytes: int | None) -> None:
        """Versioning is switched; a quota is set, also one that is exceeded already."""
        shelf = self.shelves[bucket]
        self.apply(SetVersioning(shelf.bucket.id, state))
        self.apply(SetQuota(shelf.bucket.id, quota_bytes))
        shelf.versioning, shelf.quota_bytes = state, quota_bytes

    @rule(bucket=buckets, key=keys, which=st.integers(0, 2), value=st.text(max_size=3))
    def tag(self, bucket: int, key: bytes, which: int, value: str) -> None:
        """The tags of a version are replaced."""
        shelf = self.shelves[bucket]
        versions = shelf.versions(key)
        if which < len(versions) and not versions[which].marker:
            versions[which].tags = (("tag", value),)
            self.apply(SetDetails(shelf.bucket.id, key, versions[which].id, versions[which].tags))

    @rule(bucket=buckets, key=keys)
    def open_upload(self, bucket: int, key: bytes) -> None:
        """An upload begins."""
        shelf = self.shelves[bucket]
        upload = self.wait(self.catalog.apply(suite.new_upload(shelf.bucket, key)))
        newest = shelf.versions(key)[:1]
        assert upload.base_seq == (newest[0].seq if newest else 0)
        shelf.uploads[upload.id] = Open(upload)

    def some_upload(self, which: int) -> tuple[Shelf, Open] | None:
        """One of the open uploads, if there are any."""
        found = [(shelf, one) for shelf in self.shelves for one in shelf.uploads.values()]
        return found[which % len(found)] if found else None

    @precondition(lambda self: any(shelf.uploads for shelf in self.shelves))
    @rule(which=st.integers(0, 9), number=st.integers(1, 3), size=sizes)
    def put_part_file(self, which: int, number: int, size: int) -> None:
        """Bytes on disk, new or in place of a part."""
        self.put_part(which, number, "staged", size)

    @precondition(lambda self: any(shelf.uploads for shelf in self.shelves))
    @rule(
        which=st.integers(0, 9),
        number=st.integers(1, 3),
        kind=st.sampled_from(("share", "slices", "inline", "nothing")),
        size=sizes,
    )
    def put_part_of_another_kind(self, which: int, number: int, kind: str, size: int) -> None:
        """A part that shares its bytes, or has few."""
        self.put_part(which, number, kind, size)

    def put_part(self, which: int, number: int, kind: str, size: int) -> None:
        """A part, within the quota or not."""
        some = self.some_upload(which)
        assert some is not None
        shelf, opened = some
        content, size, _ = self.content(kind, size)
        old = opened.parts.get(number)
        exceeded = self.exceeds(shelf, size - (old.size if old else 0))
        made = self.outcome(suite.part(opened.upload, number, content, size=size), errors.QuotaExceeded if exceeded else None)
        if made is None:
            return
        if isinstance(content, Staged):
            self.files.add(content.blob)
        assert isinstance(made, Part)
        opened.parts[number] = made
        opened.revision += 1

    @precondition(lambda self: any(shelf.uploads for shelf in self.shelves))
    @rule(which=st.integers(0, 9), numbers=st.sampled_from(((1, 2, 3), (1, 2), (2, 3), (3,))))
    def complete(self, which: int, numbers: tuple[int, ...]) -> None:
        """An upload becomes a version, of all its parts or some."""
        some = self.some_upload(which)
        assert some is not None
        shelf, opened = some
        parts = [opened.parts[number] for number in numbers if number in opened.parts]
        change = suite.complete(opened.upload, parts, opened.revision)
        written = self.wait(self.catalog.apply(change))
        del shelf.uploads[opened.upload.id]
        slices = tuple(piece for part in parts for piece in part.slices)
        shelf.on_top(opened.upload.key, Held(written.seq, written.nonce, False, change.size, change.etag, slices))

    @precondition(lambda self: any(shelf.uploads for shelf in self.shelves))
    @rule(which=st.integers(0, 9))
    def abort(self, which: int) -> None:
        """An upload is given up."""
        some = self.some_upload(which)
        assert some is not None
        shelf, opened = some
        self.apply(suite.abort(opened.upload))
        del shelf.uploads[opened.upload.id]

    @rule(bucket=buckets, limit=st.integers(1, 3))
    def chores(self, bucket: int, limit: int) -> None:
        """Retired bytes go; an empty bucket goes with its uploads, and another takes its place."""
        self.apply(Unravel(1 << 60, limit))
        retired = [blob for blob, _ in self.wait(self.catalog.retired(1 << 60, 1_000)) if blob in self.files]
        self.apply(Reaped(tuple(retired), 1))
        self.reaped |= set(retired)
        shelf = self.shelves[bucket]
        if shelf.all():
            self.outcome(DeleteBucket(shelf.bucket.id, 1), errors.BucketNotEmpty)
        elif shelf.uploads:
            self.outcome(DeleteBucket(shelf.bucket.id, 1), None)
            self.shelves[bucket] = Shelf(self.wait(suite.new_bucket(self.catalog)))

    # ------------------------------------------------------------------------------------------------- what must hold

    @invariant()
    def all_is_as_in_the_model(self) -> None:
        """Counts, listings, each version."""
        self.wait(self._compare())

    async def _compare(self) -> None:
        for shelf in self.shelves:
            bucket = shelf.bucket
            assert await self.catalog.usage(bucket.id) == shelf.usage()
            assert await suite.listed(self.catalog, bucket) == [key for key in sorted(shelf.keys) if shelf.current(key)]
            versions = await suite.history(self.catalog, bucket)
            assert [(one.key, one.seq, one.nonce, one.marker, one.size, one.etag, one.details.tags) for one in versions] == [
                (key, one.seq, one.nonce, one.marker, one.size, one.etag, one.tags)
                for key in sorted(shelf.keys)
                for one in shelf.keys[key]
            ]
            newest = {key: held[0].seq for key, held in shelf.keys.items() if held}
            for one in versions:
                assert one.latest == (one.noncurrent_ms is None) == (newest[one.key] == one.seq)
                by_id = await self.catalog.find(bucket.id, one.key, suite.id_of(one))
                assert by_id is not None
                assert by_id.version == one
            for key in KEYS:
                found = await self.catalog.find(bucket.id, key)
                assert (found.version.seq if found else None) == newest.get(key)

    # ------------------------------------------------------------------------------------------------- details

    def outcome(self, change: Change, expected: type[errors.Error] | None) -> object:
        """The answer of a change, or None where it must be refused with this error."""
        if expected is None:
            return self.apply(change)
        self.wait(suite.refused(expected, self.catalog.apply(change)))
        return None

    def exceeds(self, shelf: Shelf, delta_bytes: int) -> bool:
        """Whether so many bytes more are too many."""
        return shelf.quota_bytes is not None and delta_bytes > 0 and shelf.usage().total_bytes + delta_bytes > shelf.quota_bytes

    def null_bytes(self, shelf: Shelf, key: bytes) -> int:
        """The bytes of the version that a put replaces."""
        if shelf.versioning is Versioning.ENABLED:
            return 0
        return sum(one.size for one in shelf.versions(key) if one.nonce == 0)


def check_against_model(open_catalog: Callable[[], Awaitable[Catalog]]) -> None:
    """Runs the machine; ``open_catalog`` gives a view of a store that nobody else uses."""
    with asyncio.Runner() as runner:
        attributes = {"open_catalog": staticmethod(open_catalog), "runner": runner}
        machine: type[CatalogMachine] = type("Machine", (CatalogMachine,), attributes)
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )

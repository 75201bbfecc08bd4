"""The audit finds what does not add up, each kind by its name, and nothing in a sound catalog."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from zakrom.catalog import schema
from zakrom.catalog.audit import audit
from zakrom.catalog.changes import CreateBucket, OpenGeneration, SetDocument, SetVersioning, SharedSlices
from zakrom.catalog.committer import Committer
from zakrom.model.facts import Bucket, Slice, Upload, Versioning
from zakrom.testing.contracts.catalog import OWNER, delete, inline, new_upload, part, put, staged


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[str]:
    """A catalog with something of everything."""
    committer = Committer(str(tmp_path))

    def apply(change: object) -> object:
        ((kind, body),) = committer.apply([change])  # type: ignore[list-item]
        assert kind == 0, body
        return body

    bucket, generation = apply(CreateBucket("bucket", OWNER, "", 1, 10)), apply(OpenGeneration(1))
    assert isinstance(bucket, Bucket)
    assert isinstance(generation, int)
    apply(SetDocument(bucket.id, "tags", b"x"))
    apply(put(bucket, b"null", inline(b"123")))
    apply(SetVersioning(bucket.id, Versioning.ENABLED))
    content = staged(generation, 300_000)
    apply(put(bucket, b"null", content))
    apply(put(bucket, b"sliced", SharedSlices((Slice(content.blob, 0, 5),))))
    apply(put(bucket, b"hidden", inline(b"4567")))
    apply(delete(bucket, b"hidden"))
    apply(put(bucket, b"gone", inline(b"8")))
    upload = apply(new_upload(bucket, b"upload"))
    assert isinstance(upload, Upload)
    apply(part(upload, 1, inline(b"90")))
    committer.close()
    yield str(tmp_path)
    committer._connection.close()


def test_a_sound_catalog_has_no_findings(directory: str) -> None:
    """None at all."""
    assert list(audit(directory)) == []


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("UPDATE usage SET bytes = bytes + 1 WHERE bucket = 1", "usage is not what is there"),
        ("UPDATE usage SET objects = objects - 1 WHERE bucket = 0", "usage is not what is there"),
        (
            "DELETE FROM object WHERE key = x'6e756c6c'",
            "a noncurrent version has no current object and no delete marker above it",
        ),
        ("UPDATE object SET seq = 1 WHERE key = x'6e756c6c'", "a current object is not the newest version of its key"),
        ("UPDATE object SET nonce = 0 WHERE key = x'6e756c6c'", "a key has two null versions"),
        (
            "UPDATE history SET noncurrent_ms = NULL WHERE key = x'6e756c6c'",
            "a version says that it is the newest of its key, and is not",
        ),
        ("UPDATE blob SET refs = refs + 1 WHERE id < (1 << 62)", "a blob is not named as often as it says"),
        ("DELETE FROM blob WHERE id < (1 << 62)", "a blob is named and not there"),
        ("UPDATE blob SET retired_ms = 5 WHERE id < (1 << 62)", "a blob without a name is not retired, or one with a name is"),
        ("DELETE FROM manifest", "a manifest is named and not there"),
        ("UPDATE manifest SET refs = 7", "a manifest is not named as often as it says"),
        (
            "UPDATE object SET size = 7, blob = NULL WHERE key = x'676f6e65'",
            "an object has bytes and no content, or two contents",
        ),
        ("UPDATE blob SET length = 7", "a blob's length is not its object's size"),
        ("DELETE FROM bucket", "an object belongs to no bucket"),
        ("DELETE FROM bucket", "a version belongs to no bucket"),
        ("DELETE FROM bucket", "an upload belongs to no bucket"),
        ("DELETE FROM bucket", "a document belongs to no bucket"),
        ("DELETE FROM upload", "a part belongs to no upload"),
        ("DELETE FROM usage WHERE bucket = 1", "a bucket is not counted"),
    ],
)
def test_what_does_not_add_up_is_found(directory: str, damage: str, finding: str) -> None:
    """Each kind of contradiction, by its name."""
    with closing(sqlite3.connect(Path(directory) / schema.FILE_NAME)) as connection:
        connection.execute(damage)
        connection.commit()

    assert finding in {one.what for one in audit(directory)}

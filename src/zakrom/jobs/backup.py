"""Backup: a consistent copy of the store in another directory, while the server runs.

A backup *is* a data directory: ``zakrom serve --data BACKUP`` starts it. Facts first, in one snapshot; then the blobs it names.
Blobs never change, so a second backup into the same directory copies only what is new. (Not judged by names alone: a store that
was restored and went on gives ids anew that a later backup of its former life may have used.) While it runs a *hold* keeps
blobs from being reaped: what the snapshot names stays until it is copied.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from zakrom import errors
from zakrom.blobs.interface import Blobs
from zakrom.blobs.local import LocalBlobs, relative_path
from zakrom.catalog import reads
from zakrom.catalog.reads import Reads
from zakrom.catalog.schema import FILE_NAME as CATALOG_NAME
from zakrom.crypt.ring import FILE_NAME
from zakrom.jobs.check import verify_blob
from zakrom.model.facts import BLOCK_BYTES, BlobFacts
from zakrom.work.directory import take_lock

BATCH_BLOBS = 500
COPY_BYTES = 1024 * 1024

_SECRETS = ("root-key", "session-key", FILE_NAME)
"""Files of keys. The ring is never cut back: versions are only added to it."""

_OURS = frozenset(
    {"catalog", "catalog.new", "catalog.old", "blobs", "lock", "run", *_SECRETS, *(f"{name}.new" for name in _SECRETS)}
)


class Copied(NamedTuple):
    """What a backup has done so far."""

    blobs: int = 0
    bytes: int = 0
    kept_blobs: int = 0  # were there from a backup before
    total_blobs: int = 0
    total_bytes: int = 0


Report = Callable[[Copied], None]


def back_up(source: Path, blobs: Blobs, target: Path, on_progress: Report = lambda _: None) -> Copied:
    """Copies the store in ``source`` into ``target``; returns what was done when all of it survives a power cut.

    The caller sees to it that nothing is reaped meanwhile. Raises `DataCorrupt` for a blob that is damaged (a backup must not
    pass on what is wrong), OSError, `Conflict` if ``target`` holds something else, `DataDirectoryInUse` if a server uses it, or
    another backup.
    """
    _prepare(target)
    lock = take_lock(target)
    try:
        return _back_up(source, blobs, target, on_progress)
    finally:
        os.close(lock)


def _back_up(source: Path, blobs: Blobs, target: Path, on_progress: Report) -> Copied:
    fresh = target / "catalog.new"
    shutil.rmtree(fresh, ignore_errors=True)
    reads.backup(str(source / "catalog"), str(fresh))
    snapshot = Reads(str(fresh))
    try:
        done = _copy_blobs(snapshot, blobs, target / "blobs", on_progress)
        _replace_catalog(target, fresh)
        _prune(snapshot, target / "blobs")
    finally:
        snapshot.close()
    for name in _SECRETS:  # after the catalog: a key that it speaks of is there by now
        if (source / name).exists():
            _write(target / name, [(source / name).read_bytes()])
    _sync_directory(target)
    return done


def _prepare(target: Path) -> None:
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    strangers = {one.name for one in target.iterdir()} - _OURS
    if strangers:
        raise errors.Conflict(
            f"{target} is no backup: {', '.join(sorted(strangers)[:3])}",
            hint="choose an empty directory, or one of a backup before",
        )
    (target / "blobs").mkdir(mode=0o700, exist_ok=True)
    if not (target / "catalog").exists() and (target / "catalog.old").exists():
        (target / "catalog.old").replace(target / "catalog")  # a backup before was stopped between two renames


def _copy_blobs(snapshot: Reads, blobs: Blobs, target: Path, on_progress: Report) -> Copied:
    held = _Held(target)
    total = snapshot.blob_totals()
    done = Copied(total_blobs=total[0], total_bytes=total[1])
    touched: set[Path] = set()
    after = 0
    while batch := snapshot.blobs(after, BATCH_BLOBS):
        for facts in batch:
            path = target / relative_path(facts.id)
            if held.has(facts):
                done = done._replace(kept_blobs=done.kept_blobs + 1, blobs=done.blobs + 1, bytes=done.bytes + facts.length)
                continue
            _make_directories(path.parent, target, touched)
            _write(path, _verified(blobs, facts))
            touched.add(path.parent)
            done = done._replace(blobs=done.blobs + 1, bytes=done.bytes + facts.length)
        on_progress(done)
        after = batch[-1].id
    held.close()
    for directory in touched:
        _sync_directory(directory)
    return done


class _Held:
    """What a backup has already: what its catalog tells of a blob, or else (it was never finished) what the file says."""

    def __init__(self, target: Path) -> None:
        self._blobs = LocalBlobs(target)  # makes the directory and its format file
        catalog = target.parent / "catalog"
        self._reads = Reads(str(catalog)) if (catalog / CATALOG_NAME).exists() else None

    def has(self, facts: BlobFacts) -> bool:
        """Whether the very same bytes are there."""
        try:
            self._blobs.open(facts.id, facts.length).close()
        except (FileNotFoundError, errors.DataCorrupt):
            return False
        known = self._reads.blob(facts.id) if self._reads else None
        if known is not None:
            return known.blocks == facts.blocks
        return verify_blob(self._blobs, facts, 0) is None

    def close(self) -> None:
        """Before its catalog is replaced."""
        if self._reads:
            self._reads.close()


def _verified(blobs: Blobs, facts: BlobFacts) -> Iterator[bytes | memoryview]:
    reader = blobs.open(facts.id, facts.length)
    try:
        for offset in range(0, facts.length, COPY_BYTES):
            first = offset // BLOCK_BYTES
            covered = facts.blocks[first * 4 : (first + COPY_BYTES // BLOCK_BYTES) * 4]
            yield reader.read(offset, min(COPY_BYTES, facts.length - offset), covered, first)
    finally:
        reader.close()


def _write(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Writes a file that is whole or absent; its directory is synced by the caller."""
    new = path.with_name(path.name + ".new")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[os.write(file, view) :]
        os.fsync(file)
    finally:
        os.close(file)
    new.replace(path)


def _make_directories(path: Path, top: Path, touched: set[Path]) -> None:
    missing = [one for one in (path, *path.parents) if one.is_relative_to(top) and not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700)
        touched.add(one.parent)


def _replace_catalog(target: Path, fresh: Path) -> None:
    old = target / "catalog.old"
    shutil.rmtree(old, ignore_errors=True)
    if (target / "catalog").exists():
        (target / "catalog").replace(old)
    fresh.replace(target / "catalog")
    _sync_directory(target)
    shutil.rmtree(old, ignore_errors=True)


def _prune(snapshot: Reads, target: Path) -> None:
    """Removes what only an earlier backup named."""
    blobs = LocalBlobs(target)
    batch: list[int] = []
    for blob, _ in blobs.all():
        batch.append(blob)
        if len(batch) == BATCH_BLOBS:
            blobs.drop(sorted(set(batch) - snapshot.known_blobs(batch)))
            batch = []
    blobs.drop(sorted(set(batch) - snapshot.known_blobs(batch)))


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

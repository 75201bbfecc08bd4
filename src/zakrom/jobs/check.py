"""Check: the store's fsck. The catalog against itself, and against the blobs on disk, both ways.

Reads only, beside a running server too: bytes of uploads that are under way are not yet named and are no finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from zakrom import errors
from zakrom.blobs.blocks import first_damage
from zakrom.blobs.interface import Blobs
from zakrom.catalog.audit import FINDINGS_MAX, Finding, audit
from zakrom.catalog.reads import Reads
from zakrom.model.facts import BLOCK_BYTES, BlobFacts, Damage

BATCH_BLOBS = 500
READ_BYTES = 1024 * 1024
NAMERS_MAX = 100
"""Keys that a report names for one damaged blob."""


class Progress(NamedTuple):
    """How far a check is."""

    blobs: int
    bytes: int


def check(
    directory: str, blobs: Blobs, *, deep: bool, on_progress: Callable[[Progress], None] = lambda _: None
) -> Iterator[Finding]:
    """All findings. ``deep``: every byte is read and verified too.

    Raises `FormatTooNew`, and sqlite3.Error if the catalog cannot even be opened.
    """
    yield from audit(directory)
    reads = Reads(directory)
    try:
        yield from _named(reads, blobs, deep, on_progress)
        yield from _unnamed(reads, blobs)
    finally:
        reads.close()


def verify_blob(blobs: Blobs, facts: BlobFacts, now_ms: int) -> Damage | None:
    """Reads a whole blob; the first damage found. Blocking. Raises FileNotFoundError."""
    if facts.data is not None:
        return verify_inline(facts, now_ms)
    try:
        reader = blobs.open(facts.id, facts.length)
        try:
            for offset in range(0, facts.length, READ_BYTES):
                first = offset // BLOCK_BYTES
                covered = facts.blocks[first * 4 : (first + READ_BYTES // BLOCK_BYTES) * 4]
                reader.read(offset, min(READ_BYTES, facts.length - offset), covered, first)
        finally:
            reader.close()
    except errors.DataCorrupt as error:
        block = error.fields.get("block")
        reason = str(error.fields.get("reason") or "wrong checksum")
        return Damage(facts.id, block if isinstance(block, int) else None, now_ms, reason)
    return None


def verify_inline(facts: BlobFacts, now_ms: int) -> Damage | None:
    """The same of bytes that ride in the catalog: some microseconds."""
    data = facts.data or b""
    if len(data) != facts.length:
        return Damage(facts.id, None, now_ms, "the bytes have another length")
    block = first_damage(memoryview(data), facts.blocks)
    return None if block is None else Damage(facts.id, block, now_ms, "wrong checksum")


def describe(reads: Reads, damage: Damage) -> Finding:
    """A damaged blob by the keys that need it."""
    where = ", ".join(
        f"{bucket}/{version.key.decode('utf-8', 'replace')} (version {version.version_id})"
        for bucket, version in reads.namers(damage.blob, NAMERS_MAX)
    )
    place = "" if damage.block is None else f", block {damage.block}"
    return Finding("a blob is damaged", where or "no version names it", f"blob {damage.blob:x}{place}: {damage.reason}")


def _named(
    reads: Reads,
    blobs: Blobs,
    deep: bool,
    on_progress: Callable[[Progress], None],
) -> Iterator[Finding]:
    """Every blob of the catalog: is it on disk, as long as it should be, and (``deep``; inline ones too) sound?"""
    seen = seen_bytes = after = 0
    while batch := reads.blobs(after, BATCH_BLOBS, inline=deep):
        for facts in batch:
            damage = _look(blobs, facts, deep)
            if damage is not None and reads.known_blobs([facts.id]):  # it may have been reaped since
                yield describe(reads, damage)
            seen, seen_bytes = seen + 1, seen_bytes + facts.length
        after = batch[-1].id
        on_progress(Progress(seen, seen_bytes))


def _look(blobs: Blobs, facts: BlobFacts, deep: bool) -> Damage | None:
    try:
        if deep:
            return verify_blob(blobs, facts, 0)
        blobs.open(facts.id, facts.length).close()
    except FileNotFoundError:
        return Damage(facts.id, None, 0, "the file is missing")
    except errors.DataCorrupt as error:
        return Damage(facts.id, None, 0, str(error.fields.get("reason") or "the file has another length"))
    return None


def _unnamed(reads: Reads, blobs: Blobs) -> Iterator[Finding]:
    """Every file on disk: does the catalog name it? Those of a living process may be on their way."""
    found = 0
    batch: list[tuple[int, int]] = []
    for one in blobs.all():
        batch.append(one)
        if len(batch) == BATCH_BLOBS:
            for finding in _strangers(reads, batch):
                found += 1
                if found <= FINDINGS_MAX:
                    yield finding
            batch = []
    yield from _strangers(reads, batch)


def _strangers(reads: Reads, batch: list[tuple[int, int]]) -> Iterator[Finding]:
    known = reads.known_blobs([blob for blob, _ in batch])
    generations = dict(reads.generations())
    for blob, length in batch:
        if blob not in known and generations.get(blob >> 32, True):
            fate = "the next start sweeps it" if blob >> 32 in generations else "of no process of this store; remove it by hand"
            yield Finding("a file that nothing names", f"blob {blob:x}", f"{length} bytes; {fate}")

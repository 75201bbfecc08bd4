"""Who names which bytes: taking and giving up names of blobs and manifests.

A version names one whole blob or one manifest; each slice of a manifest and of an uploaded part names its blob. Bytes that lose
their last name: inline ones go at once, a blob with a file is retired (its file is unlinked later, by others), a manifest is
retired and taken apart in bounded steps.
"""

from __future__ import annotations

from collections import Counter

from zakrom import errors
from zakrom.catalog import rows
from zakrom.catalog.changes import Content, Inline, Nothing, SharedBlob, SharedManifest, SharedSlices, Staged
from zakrom.catalog.ledger import GENERATION_BITS, INLINE_FIRST, Ledger
from zakrom.model.facts import BLOCK_BYTES, Manifest, Slice, content_bytes

RELEASE_AT_ONCE_MAX = 64
"""Slices released in the change itself: about 0.5 ms. More become a retired manifest, which `Unravel` takes apart."""


def check(ledger: Ledger, content: Content, size: int) -> None:
    """Returns if the content can be taken: writes nothing.

    Raises `Stale` when shared bytes have lost their last name, or when a staged blob's generation is closed: its files may be
    swept already, and the catalog never names bytes that may be gone. Raises `OutcomeUnknown` when a staged blob is named
    already: the change was applied before, and who repeats it must not discard the blob.
    """
    match content:
        case Inline():
            _check_sums(content, len(content.data), size)
        case Staged():
            _check_sums(content, content.length, size)
            if content.blob >> GENERATION_BITS not in ledger.generations:
                raise errors.Stale("The generation of this blob is closed.", blob=content.blob)
            if ledger.row("SELECT 1 FROM blob WHERE id = ?", (content.blob,)) is not None:
                raise errors.OutcomeUnknown
        case Nothing():
            _must(size == 0)
        case SharedBlob():
            _check_named(ledger, "blob", content.blob)
        case SharedManifest():
            _check_named(ledger, "manifest", content.manifest)
        case SharedSlices():
            _must(sum(one.length for one in content.slices) == size)
            for blob in {one.blob for one in content.slices}:
                _check_named(ledger, "blob", blob)


def take(ledger: Ledger, content: Content) -> tuple[int | None, int | None]:
    """Gives the content a name for a version: its (blob, manifest)."""
    match content:
        case Inline() | Staged():
            return _add_blob(ledger, content), None
        case Nothing():
            return None, None
        case SharedBlob():
            _name_blob(ledger, content.blob, 1)
            return content.blob, None
        case SharedManifest():
            ledger.execute("UPDATE manifest SET refs = refs + 1 WHERE id = ?", (content.manifest,))
            return None, content.manifest
        case SharedSlices():
            _name_slices(ledger, content.slices)
            return None, add_manifest(ledger, Manifest(content.slices, ()))


def take_slices(ledger: Ledger, content: Content) -> tuple[Slice, ...]:
    """Gives the content names for a part: its slices."""
    match content:
        case Inline():
            return (Slice(_add_blob(ledger, content), 0, _size(len(content.data), content.seal)),)
        case Staged():
            return (Slice(_add_blob(ledger, content), 0, _size(content.length, content.seal)),)
        case Nothing():
            return ()
        case SharedBlob():
            _name_blob(ledger, content.blob, 1)
            length, seal = ledger.row("SELECT length, seal FROM blob WHERE id = ?", (content.blob,))
            return (Slice(content.blob, 0, _size(length, seal)),)
        case SharedManifest():
            (packed,) = ledger.row("SELECT slices FROM manifest WHERE id = ?", (content.manifest,))
            slices = rows.slices(packed)
            _name_slices(ledger, slices)
            return slices
        case SharedSlices():
            _name_slices(ledger, content.slices)
            return content.slices


def add_manifest(ledger: Ledger, manifest: Manifest) -> int:
    """A new manifest with one name, over slices that have their names already."""
    id = ledger.next_seq()
    ledger.execute(
        "INSERT INTO manifest (id, refs, slices, parts) VALUES (?, 1, ?, ?)",
        (id, rows.pack(manifest.slices), rows.pack(manifest.parts)),
    )
    return id


def release(ledger: Ledger, blob: int | None, manifest: int | None, now_ms: int) -> None:
    """A version gives up its content."""
    if blob is not None:
        release_blob(ledger, blob, 1, now_ms)
    if manifest is not None:
        ledger.execute(
            "UPDATE manifest SET refs = refs - 1, retired_ms = CASE WHEN refs = 1 THEN ? END WHERE id = ?", (now_ms, manifest)
        )


def release_slices(ledger: Ledger, slices: tuple[Slice, ...], now_ms: int) -> None:
    """Parts give up their content: at once if it is little, else by way of a retired manifest."""
    if len(slices) > RELEASE_AT_ONCE_MAX:
        ledger.execute(
            "INSERT INTO manifest (id, refs, retired_ms, slices, parts) VALUES (?, 0, ?, ?, ?)",
            (ledger.next_seq(), now_ms, rows.pack(slices), rows.pack(())),
        )
        return
    for blob, names in Counter(one.blob for one in slices).items():
        release_blob(ledger, blob, names, now_ms)


def release_blob(ledger: Ledger, blob: int, names: int, now_ms: int) -> None:
    """Takes names from a blob; the last one gone deletes inline bytes, and retires a file."""
    if blob >= INLINE_FIRST and ledger.execute("DELETE FROM blob WHERE id = ? AND refs = ?", (blob, names)).rowcount == 1:
        return
    touched = ledger.execute(
        "UPDATE blob SET refs = refs - ?, retired_ms = CASE WHEN refs = ? THEN ? END WHERE id = ?", (names, names, now_ms, blob)
    ).rowcount
    _must(touched == 1)


def _add_blob(ledger: Ledger, content: Inline | Staged) -> int:
    if isinstance(content, Inline):
        id, length, data = INLINE_FIRST + ledger.next_seq(), len(content.data), content.data
        ledger.execute(
            "INSERT INTO blob (id, refs, length, blocks, data, seal) VALUES (?, 1, ?, ?, ?, ?)",
            (id, length, content.blocks, data, content.seal),
        )
        return id
    ledger.execute(
        "INSERT INTO blob (id, refs, length, blocks, seal) VALUES (?, 1, ?, ?, ?)",
        (content.blob, content.length, content.blocks, content.seal),
    )
    return content.blob


def _name_blob(ledger: Ledger, blob: int, names: int) -> None:
    ledger.execute("UPDATE blob SET refs = refs + ? WHERE id = ?", (names, blob))


def _name_slices(ledger: Ledger, slices: tuple[Slice, ...]) -> None:
    for blob, names in Counter(one.blob for one in slices).items():
        _name_blob(ledger, blob, names)


def _check_named(ledger: Ledger, table: str, id: int) -> None:
    row = ledger.row(f"SELECT refs FROM {table} WHERE id = ?", (id,))  # a constant of this module
    if row is None or row[0] == 0:
        raise errors.Stale


def _check_sums(content: Inline | Staged, length: int, size: int) -> None:
    """A blob arrives with exactly one checksum for each of its blocks."""
    _must(_size(length, content.seal) == size)
    _must(len(content.blocks) == 4 * -(-length // BLOCK_BYTES))


def _size(length: int, seal: bytes | None) -> int:
    """The bytes of the content of a blob."""
    return length if seal is None else content_bytes(length)


def _must(holds: bool) -> None:
    """An assertion that stays when Python runs with -O: what it guards goes to disk."""
    if not holds:
        raise AssertionError("the facts of this change contradict each other")

"""Changes that keep the store in order: generations, retired bytes, damage, jobs, holds, fullness."""

from __future__ import annotations

from zakrom import errors
from zakrom.catalog import names, rows
from zakrom.catalog.changes import (
    ForgetGeneration,
    Hold,
    OpenGeneration,
    Reaped,
    Reseal,
    SetDamage,
    SetFull,
    SetJob,
    Tagged,
    Unravel,
)
from zakrom.catalog.engine import uploads
from zakrom.catalog.ledger import Ledger

UNRAVEL_NAMES_MAX = 2_000
"""Names of blobs that one `Unravel` takes away at most: about 15 ms in which no PUT is answered."""


class CloseGeneration(Tagged, frozen=True):
    """-> None. The writer's own change: the connection that opened the generation is gone."""

    generation: int


def open_generation(ledger: Ledger, change: OpenGeneration) -> int:
    """See `OpenGeneration`."""
    generation = ledger.next_number("generation")
    ledger.execute("INSERT INTO generation (id, opened_ms, closed) VALUES (?, ?, 0)", (generation, change.now_ms))
    ledger.generations.add(generation)
    return generation


def close_generation(ledger: Ledger, change: CloseGeneration) -> None:
    """See `CloseGeneration`."""
    ledger.execute("UPDATE generation SET closed = 1 WHERE id = ?", (change.generation,))
    ledger.generations.discard(change.generation)


def forget_generation(ledger: Ledger, change: ForgetGeneration) -> None:
    """See `ForgetGeneration`. An open one is not forgotten: its process may stage blobs at any moment."""
    if change.generation in ledger.generations:
        raise errors.Stale("The generation is still open.", generation=change.generation)
    ledger.execute("DELETE FROM generation WHERE id = ?", (change.generation,))


def reaped(ledger: Ledger, change: Reaped) -> None:
    """See `Reaped`. Room on the disk is the store's, so the store's cursor moves."""
    for blob in change.blobs:
        ledger.execute("DELETE FROM blob WHERE id = ? AND refs = 0", (blob,))
        ledger.execute("DELETE FROM damage WHERE blob = ?", (blob,))
    if change.blobs:
        ledger.freed(ledger.store)


def unravel(ledger: Ledger, change: Unravel) -> int:
    """See `Unravel`. Manifests, and open uploads of deleted buckets, that were retired by ``now_ms``.

    The blobs are retired as of the moment their manifest was: who waited for one grace does not wait for another.
    """
    names_left, steps_left = UNRAVEL_NAMES_MAX, change.limit
    while names_left > 0 and steps_left > 0 and (taken := _unravel_one(ledger, change.now_ms, names_left)) is not None:
        names_left -= taken
        steps_left -= 1
    if names_left > 0 and steps_left > 0:
        _unravel_buckets(ledger, change.now_ms, steps_left)
    return _left(ledger, change.now_ms)


def _unravel_one(ledger: Ledger, now_ms: int, names_max: int) -> int | None:
    """The oldest retired manifest gives up so many names: how many it did, None if there is no such manifest."""
    row = ledger.row(
        "SELECT id, retired_ms, unravelled, slices FROM manifest WHERE retired_ms <= ? ORDER BY retired_ms, id LIMIT 1",
        (now_ms,),
    )
    if row is None:
        return None
    id, retired_ms, unravelled, packed = row
    slices = rows.slices(packed)
    step = slices[unravelled : unravelled + names_max]
    for one in step:
        names.release_blob(ledger, one.blob, 1, retired_ms)
    if unravelled + len(step) < len(slices):
        ledger.execute("UPDATE manifest SET unravelled = ? WHERE id = ?", (unravelled + len(step), id))
    else:
        ledger.execute("DELETE FROM manifest WHERE id = ?", (id,))
    return len(step)


def _unravel_buckets(ledger: Ledger, now_ms: int, limit: int) -> None:
    """Open uploads of deleted buckets give up their parts; a bucket without any is forgotten."""
    due = ledger.rows(
        "SELECT bucket, retired_ms FROM retired_bucket WHERE retired_ms <= ? ORDER BY bucket LIMIT ?", (now_ms, limit)
    )
    for bucket, retired_ms in due:
        open_ones = ledger.rows("SELECT key, id, serial FROM upload WHERE bucket = ? LIMIT ?", (bucket, limit))
        for key, id, serial in open_ones:
            uploads.release_parts(ledger, serial, retired_ms)
            ledger.execute("DELETE FROM upload WHERE bucket = ? AND key = ? AND id = ?", (bucket, key, id))
        limit -= len(open_ones)
        if limit <= 0:
            return
        ledger.execute("DELETE FROM retired_bucket WHERE bucket = ?", (bucket,))


def _left(ledger: Ledger, now_ms: int) -> int:
    (manifests,) = ledger.row("SELECT count(*) FROM manifest WHERE retired_ms <= ?", (now_ms,))
    (uploads_open,) = ledger.row(
        "SELECT count(*) FROM upload WHERE bucket IN (SELECT bucket FROM retired_bucket WHERE retired_ms <= ?)", (now_ms,)
    )
    return int(manifests + uploads_open)


def reseal(ledger: Ledger, change: Reseal) -> int:
    """See `Reseal`."""
    sql = "UPDATE blob SET seal = ? WHERE id = ? AND seal = ?"
    return sum(ledger.execute(sql, (new, id, old)).rowcount for id, old, new in change.seals)


def set_damage(ledger: Ledger, change: SetDamage) -> None:
    """See `SetDamage`. Of a blob that is gone nothing is noted."""
    for one in change.found:
        ledger.execute(
            "INSERT INTO damage (blob, block, found_ms, reason) SELECT id, ?, ?, ? FROM blob WHERE id = ? "
            "ON CONFLICT (blob) DO UPDATE SET block = excluded.block, found_ms = excluded.found_ms, reason = excluded.reason",
            (one.block, one.found_ms, one.reason, one.blob),
        )
    for blob in change.healed:
        ledger.execute("DELETE FROM damage WHERE blob = ?", (blob,))


def set_job(ledger: Ledger, change: SetJob) -> None:
    """See `SetJob`."""
    ledger.execute(
        "INSERT INTO job (name, state) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET state = excluded.state",
        (change.name, change.state),
    )


def hold(ledger: Ledger, change: Hold) -> None:
    """See `Hold`."""
    if change.until_ms == 0:
        ledger.execute("DELETE FROM hold WHERE name = ?", (change.name,))
        return
    ledger.execute(
        "INSERT INTO hold (name, until_ms) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET until_ms = excluded.until_ms",
        (change.name, change.until_ms),
    )


def set_full(ledger: Ledger, change: SetFull) -> bool:
    """See `SetFull`. Leaving fullness is room that was made."""
    (was,) = ledger.row("SELECT value FROM meta WHERE name = 'full'")
    if was == change.full:
        return False
    ledger.execute("UPDATE meta SET value = ? WHERE name = 'full'", (int(change.full),))
    if not change.full:
        ledger.freed(ledger.store)
    return True

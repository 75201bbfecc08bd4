"""Sweep: after a process has ended, its staged blobs that no fact names are rubbish: unlink them.

Only files of closed generations are looked at. The catalog closes a generation after it has applied all changes that its
process had sent, so what is unknown then will never be named.
"""

from __future__ import annotations

import asyncio

from zakrom.catalog.changes import ForgetGeneration
from zakrom.store import Store
from zakrom.work.jobs import Outcome

PAUSE_SECONDS = 60.0
"""Workers seldom die; a few orphans may lie for a minute."""


class Sweep:
    """The job."""

    name = "sweep"

    def __init__(self, store: Store) -> None:
        self._store = store
        self._removed = 0
        self._looked = False

    async def wait(self) -> None:
        """Until the next look; the first is at once, for what a crash has left."""
        if self._looked:
            await asyncio.sleep(PAUSE_SECONDS)
        self._looked = True

    async def step(self) -> Outcome:
        """Sweeps one closed generation."""
        closed = [number for number, is_closed in await self._store.catalog.generations() if is_closed]
        if not closed:
            return Outcome.REST
        await self._sweep(closed[0])
        return Outcome.BUSY if len(closed) > 1 else Outcome.REST

    async def _sweep(self, generation: int) -> None:
        store = self._store
        batches = iter(store.blobs.sweep(generation))
        while batch := await store.in_thread(next, batches, None):
            orphans = sorted(set(batch) - await store.catalog.known_blobs(batch))
            if orphans:
                await store.in_thread(store.blobs.drop, orphans)
                self._removed += len(orphans)
        await store.catalog.apply(ForgetGeneration(generation))

    def status(self) -> dict[str, object]:
        """What it has done since the start."""
        return {"removed_blobs": self._removed}

"""Reap: unlinks blobs that nobody has named for longer than the grace.

(Need does not wait for it: `store.space` reaps at once.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from zakrom.store import Store, space
from zakrom.work.jobs import Outcome

PAUSE_SECONDS = 30.0
"""How late a blob may be reaped beyond its grace. A look that finds nothing is one indexed read."""


class Reap:
    """The job."""

    name = "reap"

    def __init__(self, store: Store, clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._clock_ms = clock_ms
        self._freed_bytes = 0
        self._looked = False

    async def wait(self) -> None:
        """Until the next look; the first is at once, for what a crash has left."""
        if self._looked:
            await asyncio.sleep(PAUSE_SECONDS)
        self._looked = True

    async def step(self) -> Outcome:
        """Reaps all that is due."""
        self._freed_bytes += await space.reap(self._store, self._clock_ms() - self._store.options.grace_ms)
        return Outcome.REST

    def status(self) -> dict[str, object]:
        """What it has done since the start."""
        return {"freed_bytes": self._freed_bytes}

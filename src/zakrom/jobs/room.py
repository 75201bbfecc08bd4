"""Room: while the store is full, looks whether there is space again (somebody else may have freed it) and says so once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from zakrom.store import Store, space
from zakrom.work.jobs import Outcome

PAUSE_SECONDS = 2.0
"""How late the end of fullness may be noticed when nobody writes: who waits for room waits that much longer."""


class Room:
    """The job."""

    name = "room"

    def __init__(self, store: Store, clock_ms: Callable[[], int], on_change: Callable[[bool], None]) -> None:
        """``on_change`` hears once of every entry into and leaving of fullness, whichever process noticed it."""
        self._store = store
        self._clock_ms = clock_ms
        self._on_change = on_change
        self._full = False

    async def wait(self) -> None:
        """Until the next look."""
        await asyncio.sleep(PAUSE_SECONDS)

    async def step(self) -> Outcome:
        """Looks; leaves fullness if there is room."""
        full = (await self._store.catalog.space(None)).full
        if full:
            await space.reap(self._store, self._clock_ms())
            await space.leave_full(self._store, self._clock_ms())
            full = (await self._store.catalog.space(None)).full
        if full != self._full:
            self._full = full
            self._on_change(full)
        return Outcome.REST

    def status(self) -> dict[str, object]:
        """Whether the store is full."""
        return {"full": self._full}

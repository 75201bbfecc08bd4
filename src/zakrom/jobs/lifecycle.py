"""Lifecycle: does what the rules of buckets say, when it is due.

Driven by reminders that the catalog keeps with each version: a look costs one indexed read, however much is stored. When rules
change, their bucket is looked through first, in small steps whose place is kept in the catalog. Nothing is decided here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from zakrom import errors
from zakrom.catalog.changes import Expire, SetLifecycleDay, Survey
from zakrom.model.lifecycle import DAY_MS
from zakrom.store import Store
from zakrom.work.jobs import Outcome

PAUSE_SECONDS_MAX = 60.0
"""How late something is done that is due; the rules themselves speak of days."""

LOOKS_A_DAY = 20
"""Where a day is short, for tests: how often to look in one."""

BATCH = 50
"""Reminders worked off in one change: some 10 ms in which no PUT is answered."""

SURVEY_BATCH = 150
"""Versions looked at in one change: about as long."""


class Lifecycle:
    """The job."""

    name = "lifecycle"

    def __init__(
        self,
        store: Store,
        clock_ms: Callable[[], int],
        new_nonce: Callable[[], int],
        day_ms: int = DAY_MS,
        on_action: Callable[[str, int], None] = lambda _what, _count: None,
    ) -> None:
        """``on_action`` hears what was done, and how often."""
        self._store = store
        self._clock_ms = clock_ms
        self._new_nonce = new_nonce
        self._day_ms = day_ms
        self._on_action = on_action
        self._done: Counter[str] = Counter()
        self._told = False

    async def wait(self) -> None:
        """Until the next look; the first is at once."""
        if self._told:
            await asyncio.sleep(min(PAUSE_SECONDS_MAX, self._day_ms / 1000 / LOOKS_A_DAY))

    async def step(self) -> Outcome:
        """Looks on through a bucket whose rules have changed, and does what is due."""
        catalog = self._store.catalog
        if not self._told:
            await catalog.apply(SetLifecycleDay(self._day_ms))
            self._told = True
        looking = await catalog.surveys() > 0 and await self._survey()
        now_ms = self._clock_ms()
        due = await catalog.due(now_ms, BATCH)
        if due:
            done: dict[str, int] = await catalog.apply(Expire(tuple(due), now_ms, self._new_nonce()))
            for what, count in done.items():
                self._done[what] += count
                self._on_action(what, count)
        return Outcome.BUSY if looking or due else Outcome.REST

    def status(self) -> dict[str, object]:
        """What it has done since the start."""
        return {what: self._done[what] for what in ACTIONS}

    async def _survey(self) -> bool:
        """Whether there is more to look through now. On a full disk reminders have to wait; what they remind of goes on."""
        try:
            return bool(await self._store.catalog.apply(Survey(SURVEY_BATCH)))
        except errors.InsufficientStorage:
            return False


ACTIONS = ("removed", "marked", "moved", "aborted")
"""What `catalog.changes.Expire` tells of."""

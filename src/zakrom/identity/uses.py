"""When keys were last used, for GetAccessKeyLastUsed: noted in memory, and in the catalog at most once a minute.

What was noted in the last minute of a process that is killed is not told. AWS says of its own figure that it may be late.
"""

from __future__ import annotations

import asyncio

from zakrom import errors
from zakrom.catalog.changes import NoteUses
from zakrom.catalog.interface import Catalog
from zakrom.model.facts import KeyUse

FLUSH_SECONDS = 60.0
"""How late the catalog may be."""

NOTE_EVERY_MS = 10_000
"""A key that signs thousands of requests a second is noted six times a minute."""

USES_MAX = 1_000
"""Keys in one change, about 100 KB; of more in a minute the rest is noted when they are used again."""


class Uses:
    """The notes of one process."""

    def __init__(self, catalog: Catalog, flush_seconds: float = FLUSH_SECONDS) -> None:
        self._catalog = catalog
        self._flush_seconds = flush_seconds
        self._seen: dict[str, tuple[int, str, str]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def note(self, key: str, now_ms: int, region: str, service: str) -> None:
        """A key was used. What was noted a moment ago is not noted again: this is asked with every request."""
        known = self._seen.get(key)
        if known is not None and now_ms - known[0] < NOTE_EVERY_MS and known[2] == service:
            return
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._flush_seconds, self._due)
        if known is not None or len(self._seen) < USES_MAX:
            self._seen[key] = (now_ms, region, service)

    def _due(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self.flush())

    async def flush(self) -> None:
        """Writes what was noted; what cannot be written now is forgotten."""
        seen, self._seen = self._seen, {}
        try:
            await self._catalog.apply(NoteUses(tuple(KeyUse(key, *use) for key, use in seen.items())))
        except errors.Error:
            return  # a full disk, or a writer that is just starting: the next use will be noted

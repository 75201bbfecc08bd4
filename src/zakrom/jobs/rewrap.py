"""Rewrap: after a key was rotated, wraps the data keys of blobs with its newest version. No byte of theirs is read or written.

Runs when it is asked. Its place is kept, so that a restart goes on where it was.
"""

from __future__ import annotations

import asyncio

import msgspec

from zakrom import errors
from zakrom.catalog.changes import Reseal, SetJob
from zakrom.crypt import seals
from zakrom.store import Store
from zakrom.store.sealing import keys_of
from zakrom.work.jobs import Outcome

BATCH_SEALS = 256
"""In one change: about 2 ms in which no PUT is answered."""


class State(msgspec.Struct):
    """What is kept. ``skipped``: their key is disabled or missing; they stay as they are."""

    cursor: int = 0
    running: bool = False
    seen: int = 0
    rewrapped: int = 0
    skipped: int = 0


class Rewrap:
    """The job."""

    name = "rewrap"

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked = asyncio.Event()
        self._loaded = False
        self.state = State()

    def ask(self) -> None:
        """Begins a round; one that is running goes on, and another follows."""
        self._asked.set()

    async def wait(self) -> None:
        """Until somebody asks."""
        await self._load()
        if not self.state.running:
            await self._asked.wait()

    async def step(self) -> Outcome:
        """The next seals."""
        await self._load()
        if not self.state.running:
            if not self._asked.is_set():
                return Outcome.REST
            self._asked.clear()
            self.state = State(running=True)
        page = await self._store.catalog.sealed(self.state.cursor, BATCH_SEALS)
        changes = [(blob, old, new) for blob, old in page if (new := await self._rewrapped(old)) is not None]
        if changes:
            self.state.rewrapped += await self._store.catalog.apply(Reseal(tuple(changes)))
        self.state.seen += len(page)
        self.state.cursor = page[-1][0] if page else 0
        self.state.running = bool(page)
        await self._store.catalog.apply(SetJob(self.name, msgspec.json.encode(self.state)))
        return Outcome.BUSY if page or self._asked.is_set() else Outcome.REST

    def status(self) -> dict[str, object]:
        """The running or last round."""
        return {"asked": self._asked.is_set(), **{name: getattr(self.state, name) for name in State.__struct_fields__}}

    async def _rewrapped(self, packed: bytes) -> bytes | None:
        try:
            return await seals.rewrapped(keys_of(self._store), packed)
        except (errors.KMSDisabled, errors.KMSNotFound, errors.KeyMissing):
            self.state.skipped += 1
            return None

    async def _load(self) -> None:
        if not self._loaded:
            kept = await self._store.catalog.job(self.name)
            self.state = msgspec.json.decode(kept, type=State) if kept else State()
            self._loaded = True

"""Scrub: reads every blob again and holds it against its checksums, slowly, for ever.

Disks lose bytes in silence. What a scrub finds is noted in the catalog with bucket and key, logged, counted, and shown by the
admin API; the bytes themselves are never touched. Its place is kept, so that a restart goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from zakrom.catalog.changes import SetDamage, SetJob
from zakrom.jobs.check import verify_blob, verify_inline
from zakrom.model.facts import BlobFacts, Damage
from zakrom.store import Store
from zakrom.work.jobs import Outcome

BATCH_BLOBS = 64
"""Blobs between two notes of the place: what is read twice after a crash."""

REST_SECONDS_MIN = 0.005
"""Shorter rests are gathered: small blobs would cost a timer each."""

IDLE_CHECK_SECONDS = 60.0
"""How late a scrub may begin that is due."""


class State(msgspec.Struct):
    """What is kept: where the running round is, and how the last one ended."""

    cursor: int = 0
    running: bool = False
    started_ms: int = 0
    finished_ms: int = 0
    blobs: int = 0
    bytes: int = 0
    damaged: int = 0


class Scrub:
    """The job."""

    name = "scrub"

    def __init__(
        self,
        store: Store,
        clock_ms: Callable[[], int],
        interval_ms: int | None,
        bytes_per_second: int,
        on_damage: Callable[[Damage], None],
    ) -> None:
        """``interval_ms``: from the start of one round to the next; None: only when asked.

        ``bytes_per_second``: 0 is no limit.
        """
        self._store = store
        self._clock_ms = clock_ms
        self._interval_ms = interval_ms
        self._rate = bytes_per_second
        self._on_damage = on_damage
        self._asked = asyncio.Event()
        self.state = State()
        self._loaded = False
        self._owed_seconds = 0.0

    def ask(self) -> None:
        """Begins a round now, at full speed, if none is running."""
        self._asked.set()

    async def wait(self) -> None:
        """Until a round is due or asked for."""
        await self._load()
        while not self.state.running:
            if self._asked.is_set() or self._is_due():
                return
            try:
                await asyncio.wait_for(self._asked.wait(), IDLE_CHECK_SECONDS)
            except TimeoutError:
                continue

    async def step(self) -> Outcome:
        """Verifies the next blobs."""
        await self._load()
        state = self.state
        if not state.running:
            if not self._asked.is_set() and not self._is_due():
                return Outcome.REST
            finished = state.finished_ms
            state = self.state = State(running=True, started_ms=self._clock_ms(), finished_ms=finished)
        facts = await self._store.catalog.blobs(state.cursor, BATCH_BLOBS, inline=True)
        found: list[Damage] = []
        for blob in facts:
            damage = await self._verify(blob)
            if damage is not None:
                found.append(damage)
            state.blobs += 1
            state.bytes += blob.length
        await self._note(found, {blob.id for blob in facts}.difference(damage.blob for damage in found))
        if facts:
            state.cursor = facts[-1].id
        else:
            state.running, state.finished_ms = False, self._clock_ms()
            self._asked.clear()
        await self._store.catalog.apply(SetJob(self.name, msgspec.json.encode(state)))
        return Outcome.BUSY if facts else Outcome.REST

    def status(self) -> dict[str, object]:
        """The running or last round."""
        return {name: getattr(self.state, name) for name in State.__struct_fields__}

    def _is_due(self) -> bool:
        return self._interval_ms is not None and self._clock_ms() - self.state.started_ms >= self._interval_ms

    async def _load(self) -> None:
        if not self._loaded:
            kept = await self._store.catalog.job(self.name)
            self.state = msgspec.json.decode(kept, type=State) if kept else State(started_ms=self._clock_ms())
            self._loaded = True

    async def _verify(self, facts: BlobFacts) -> Damage | None:
        if facts.data is not None:
            damage = verify_inline(facts, self._clock_ms())  # no thread: it takes some microseconds
            await self._rest(facts.length, 0.0)
            return damage
        started = asyncio.get_running_loop().time()
        try:
            damage = await self._store.in_thread(verify_blob, self._store.blobs, facts, self._clock_ms())
        except FileNotFoundError:
            if facts.id not in await self._store.catalog.known_blobs([facts.id]):
                return None  # reaped since
            damage = Damage(facts.id, None, self._clock_ms(), "the file is missing")
        await self._rest(facts.length, asyncio.get_running_loop().time() - started)
        return damage

    async def _rest(self, length: int, seconds: float) -> None:
        """Keeps the rate after a blob that took ``seconds``, unless somebody waits for the result."""
        if self._rate and not self._asked.is_set():
            self._owed_seconds += length / self._rate - seconds
        if self._owed_seconds >= REST_SECONDS_MIN:
            owed, self._owed_seconds = self._owed_seconds, 0.0
            await asyncio.sleep(owed)

    async def _note(self, found: list[Damage], sound: set[int]) -> None:
        known = {damage.blob for damage in await self._store.catalog.damages()}
        healed = tuple(known.intersection(sound))
        if found or healed:
            self.state.damaged += len(found)
            await self._store.catalog.apply(SetDamage(tuple(found), healed))
        for damage in found:
            self._on_damage(damage)

"""The store itself: the two seams, the options and the threads that blocking work runs on.

What it can do stands beside it, a file by subject, as functions that take it: `objects`, `uploads`, `listing`, `space`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, ParamSpec, TypeVar

from zakrom import errors
from zakrom.blobs.interface import Blobs
from zakrom.catalog.interface import Catalog
from zakrom.crypt.interface import Keys
from zakrom.model.facts import BLOCK_BYTES

P = ParamSpec("P")
R = TypeVar("R")

INLINE_BYTES_MAX = 32 * 1024
"""Larger content becomes a file. Measured (objects/s inline against files, fsync 1 ms): 16 KiB 3,582 against 2,885, 32 KiB
2,871 against 2,851, 64 KiB 2,179 against 2,794: see `benchmarks/README.md`."""

THREADS = 16
"""Threads a process for file work. More than cores, since they wait in fsync; few, since each large transfer holds one at a
time.
"""


STEP_BYTES = 1024 * 1024
"""Of a large body, read and verified, or hashed and written, at once: a hop to a thread costs some 50 µs, to hash 1 MiB 1.3 ms.
A multiple of the block, so that no block is read twice."""

CROWD_TRANSFERS = 8
CROWD_STEP_BYTES = BLOCK_BYTES
"""Each transfer holds two or three steps for as long as its client is slow. Measured with 100 stalled clients of one process:
downloads 209 MiB with large steps for all, 50 to 56 MiB with small ones in a crowd; uploads 211 and 42 MiB."""


class StoreOptions(NamedTuple):
    """What an operator may choose."""

    reserve_bytes: int  # free space that uploads never touch
    grace_ms: int  # how long a retired blob's file stays
    sendfile: bool  # whole blobs go by sendfile, unverified


class Store:
    """One store as one process sees it."""

    def __init__(
        self,
        catalog: Catalog,
        blobs: Blobs,
        options: StoreOptions,
        on_damage: Callable[[errors.DataCorrupt], None] = lambda _: None,
        keys: Keys | None = None,
    ) -> None:
        """``on_damage`` hears of every read that met damaged bytes. ``keys``: None where nothing is to be encrypted."""
        self.keys = keys
        self.on_damage = on_damage
        self.catalog = catalog
        self.blobs = blobs
        self.options = options
        self.reaping = asyncio.Lock()
        self.seen_full = False
        self.transfers = 0  # large bodies under way in this process
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="store")

    def step_bytes(self) -> int:
        """How much of a large body to take at once."""
        return CROWD_STEP_BYTES if self.is_crowded() else STEP_BYTES

    def is_crowded(self) -> bool:
        """Whether so many large bodies are under way that each must do with little memory."""
        return self.transfers > CROWD_TRANSFERS

    async def in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs blocking work off the event loop."""
        if kwargs:
            return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)

    async def close(self) -> None:
        """Waits for running file work, then lets go of everything."""
        self._pool.shutdown(wait=True)
        await self.catalog.close()

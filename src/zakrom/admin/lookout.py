"""The lookout: looks for all who wait for space, so that a hundred of them cost no more than one.

A task that lives while somebody waits. A few times a second it reads where each scope stands that somebody waits for, and wakes
those for whom that is news. Nobody waits: nothing runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from zakrom import errors
from zakrom.catalog.interface import Space

LOOK_SECONDS = 0.25
"""How late the signal may be. A look is one read of the catalog, some 20 microseconds a scope."""

WAITERS_MAX = 500
"""How many may wait at once: even if each waits for another bucket, 2,000 reads a second are 5 % of a core."""


class _Waiter(NamedTuple):
    """One who waits: for which scope, what would be news, and how to wake them."""

    scope: str | None
    is_news: Callable[[Space], bool]
    woken: asyncio.Future[None]


class Lookout:
    """Of one application."""

    def __init__(self, look: Callable[[str | None], Awaitable[Space]], stopping: Callable[[], bool]) -> None:
        """``look`` reads where a bucket (by name) or the store (None) stands; ``stopping`` says whether the server drains."""
        self._look = look
        self._stopping = stopping
        self._waiters: set[_Waiter] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._waiters)

    async def wait(
        self, scope: str | None, is_news: Callable[[Space], bool], seconds: float, gone: Callable[[], Awaitable[None]]
    ) -> None:
        """Returns when there may be news of the scope, or when it makes no sense to wait any longer: look again to know.

        That is: after ``seconds``, when ``gone`` returns (the client has left), when the server drains, and when the scope
        cannot be read any more. Raises `SlowDown` if too many wait.
        """
        if len(self._waiters) >= WAITERS_MAX:
            raise errors.SlowDown("Too many are waiting for space.", waiters_max=WAITERS_MAX)
        waiter = _Waiter(scope, is_news, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="lookout")
        leaving = asyncio.ensure_future(gone())
        try:
            await asyncio.wait((waiter.woken, leaving), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiters.discard(waiter)
            leaving.cancel()

    async def _run(self) -> None:
        """Looks while somebody waits."""
        while self._waiters:
            await asyncio.sleep(LOOK_SECONDS)
            for scope in {waiter.scope for waiter in self._waiters}:
                await self._wake(scope)

    async def _wake(self, scope: str | None) -> None:
        """One look at a scope; wakes whom it concerns."""
        try:
            space = None if self._stopping() else await self._look(scope)
        except errors.Error:
            space = None  # a bucket that is gone, a store that cannot be read: who waits finds out when they look themselves
        for waiter in self._waiters:
            if waiter.scope == scope and not waiter.woken.done() and (space is None or waiter.is_news(space)):
                waiter.woken.set_result(None)

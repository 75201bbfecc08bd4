"""The lookout: one look for all who wait, none when nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from zakrom import errors
from zakrom.admin import lookout
from zakrom.admin.lookout import Lookout
from zakrom.catalog.interface import Space
from zakrom.model.facts import Usage

LONG = 30.0  # seconds; no test waits for it


class Scene:
    """A catalog of one number, and a lookout over it."""

    def __init__(self) -> None:
        self.cursor = 0
        self.looks: list[str | None] = []
        self.gone = asyncio.Event()
        self.stopping = False
        self.failing = False
        self.lookout = Lookout(self.look, lambda: self.stopping)

    async def look(self, scope: str | None) -> Space:
        """Counts."""
        self.looks.append(scope)
        if self.failing:
            raise errors.NoSuchBucket(bucket=scope)
        return Space(self.cursor, full=False, usage=Usage(), quota_bytes=None)

    async def stay(self) -> None:
        """A client that leaves when told to."""
        await self.gone.wait()

    def wait(self, scope: str | None = None, seconds: float = LONG) -> asyncio.Task[None]:
        """One who waits for the cursor to move."""
        return asyncio.create_task(self.lookout.wait(scope, lambda space: space.cursor > 0, seconds, self.stay))


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A quick one."""
    monkeypatch.setattr(lookout, "LOOK_SECONDS", 0.01)
    return Scene()


async def finish(*tasks: Awaitable[None]) -> None:
    """All end soon."""
    await asyncio.wait_for(asyncio.gather(*tasks), 5)


async def test_a_hundred_cost_one_look(scene: Scene) -> None:
    """Each scope is read once a round, however many wait there; all are woken by the same look."""
    waiting = [scene.wait(scope) for scope in (None, "b") for _ in range(50)]
    while len(scene.looks) < 10:  # noqa: ASYNC110 - what is counted has no event
        await asyncio.sleep(0.005)
    rounds = [set(scene.looks[place : place + 2]) for place in range(0, 10, 2)]
    scene.cursor = 1

    await finish(*waiting)

    assert [{None, "b"}] * 5 == rounds
    assert scene.lookout.waiting == 0


async def test_nobody_waits_and_nothing_runs(scene: Scene) -> None:
    """After the last one has left there is not another look; the next one starts it again."""
    scene.cursor = 1
    await finish(scene.wait())
    await asyncio.sleep(0.05)
    looks = len(scene.looks)
    await asyncio.sleep(0.05)

    assert looks == len(scene.looks)
    await finish(scene.wait())
    assert len(scene.looks) > looks


@pytest.mark.parametrize("end", ["time", "gone", "stopping", "failing"])
async def test_nobody_waits_without_sense(scene: Scene, end: str) -> None:
    """Time is up, the client has left, the server drains, the bucket is gone: then the wait ends."""
    endings: dict[str, Callable[[], None]] = {
        "time": lambda: None,
        "gone": scene.gone.set,
        "stopping": lambda: setattr(scene, "stopping", True),
        "failing": lambda: setattr(scene, "failing", True),
    }
    waiting = scene.wait(seconds=0.1 if end == "time" else LONG)
    await asyncio.sleep(0.03)
    assert not waiting.done()

    endings[end]()

    await finish(waiting)
    assert scene.lookout.waiting == 0


async def test_one_who_is_cancelled_leaves_no_trace(scene: Scene) -> None:
    """The place is free."""
    waiting = scene.wait()
    await asyncio.sleep(0)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert scene.lookout.waiting == 0


async def test_there_is_a_limit(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is told to slow down; the others wait on."""
    monkeypatch.setattr(lookout, "WAITERS_MAX", 2)
    waiting = [scene.wait(), scene.wait()]
    await asyncio.sleep(0)

    with pytest.raises(errors.SlowDown):
        await scene.wait()

    assert scene.lookout.waiting == 2
    scene.cursor = 1
    await finish(*waiting)

"""`web.drive`: a coroutine started at once behaves as one in a task."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from zakrom.web.drive import start

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")


async def started(make: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None] | None:
    """`start` in a callback of the loop, as protocols call it."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[asyncio.Task[None] | None] = loop.create_future()

    def callback() -> None:
        try:
            outcome.set_result(start(loop, make()))
        except BaseException as error:  # noqa: BLE001 - to the test
            outcome.set_exception(error)

    loop.call_soon(callback)
    return await outcome


@pytest.fixture(params=[asyncio.run, uvloop.run])
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[None]], None]:
    """Both event loops."""
    runner: Callable[[Awaitable[None]], None] = request.param
    return runner


Run = Callable[[Coroutine[Any, Any, None]], None]


def test_what_does_not_wait_needs_no_task(run: Run) -> None:
    """It is done when `start` returns."""

    async def main() -> None:
        done: list[int] = []

        async def work() -> None:
            done.append(1)

        assert await started(work) is None
        assert done == [1]

    run(main())


def test_an_exception_of_the_first_step_is_raised_at_once(run: Run) -> None:
    """To who started it."""

    async def main() -> None:
        async def work() -> None:
            raise KeyError

        with pytest.raises(KeyError):
            await started(work)

    run(main())


@pytest.mark.parametrize("waits", [lambda: asyncio.sleep(0), lambda: asyncio.sleep(0.01)])
def test_what_waits_goes_on_in_a_task(run: Run, waits: Callable[[], Awaitable[None]]) -> None:
    """After a bare yield and after a future; results and exceptions are the task's."""

    async def main() -> None:
        seen: list[object] = []

        async def work() -> None:
            await waits()
            seen.append(asyncio.current_task())
            await waits()
            raise KeyError

        task = await started(work)
        assert task is not None
        with pytest.raises(KeyError):
            await task
        assert seen == [task]

    run(main())


def test_a_failed_future_is_raised_inside(run: Run) -> None:
    """As `await` does."""

    async def main() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        caught: list[BaseException] = []

        async def work() -> None:
            try:
                await future
            except KeyError as error:
                caught.append(error)

        task = await started(work)
        future.set_exception(KeyError())
        assert task is not None
        await task
        assert len(caught) == 1

    run(main())


def test_a_thread_can_be_waited_for(run: Run) -> None:
    """`asyncio.to_thread` as the first thing a handler does."""

    async def main() -> None:
        seen: list[int] = []

        async def work() -> None:
            seen.append(await asyncio.to_thread(lambda: 7))

        task = await started(work)
        assert task is not None
        await task
        assert seen == [7]

    run(main())


def test_cancellation_arrives_at_the_first_wait(run: Run) -> None:
    """And the coroutine's `finally` may wait again."""

    async def main() -> None:
        seen: list[str] = []

        async def work() -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
            finally:
                await asyncio.sleep(0)
                seen.append("finally")

        task = await started(work)
        assert task is not None
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == ["cancelled", "finally"]

    run(main())


def test_a_cancellation_can_be_survived(run: Run) -> None:
    """A coroutine that catches it goes on."""

    async def main() -> None:
        seen: list[str] = []

        async def work() -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen.append("cancelled")
            await asyncio.sleep(0)
            seen.append("went on")

        task = await started(work)
        assert task is not None
        await asyncio.sleep(0)
        task.cancel()
        await task
        assert seen == ["cancelled", "went on"]

    run(main())


def test_a_timeout_entered_in_the_first_step_works(run: Run) -> None:
    """`asyncio.timeout` remembers the current task and cancels it later."""

    async def main() -> None:
        seen: list[str] = []

        async def work() -> None:
            try:
                async with asyncio.timeout(0.01):
                    await asyncio.sleep(60)
            except TimeoutError:
                seen.append("timeout")
            async with asyncio.timeout(60):
                await asyncio.sleep(0)
            seen.append("in time")

        task = await started(work)
        assert task is not None
        await task
        assert seen == ["timeout", "in time"]

    run(main())


def test_a_timeout_that_has_passed_already_works(run: Run) -> None:
    """The cancellation is asked for before the task has taken its first step."""

    async def main() -> None:
        seen: list[str] = []

        async def work() -> None:
            try:
                async with asyncio.timeout(-1):
                    await asyncio.sleep(60)
            except TimeoutError:
                seen.append("timeout")

        task = await started(work)
        assert task is not None
        await task
        assert seen == ["timeout"]

    run(main())


def test_a_task_group_entered_in_the_first_step_works(run: Run) -> None:
    """It cancels its parent when a child fails."""

    async def main() -> None:
        seen: list[str] = []

        async def fail() -> None:
            raise KeyError

        async def work() -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(fail())
                    await asyncio.sleep(60)
            except* KeyError:
                seen.append("failed")

        task = await started(work)
        assert task is not None
        await task
        assert seen == ["failed"]

    run(main())


def test_the_context_is_its_own_from_the_first_step_on(run: Run) -> None:
    """What is set before the first wait is there after it, and nowhere else."""

    async def main() -> None:
        seen: list[str] = []

        async def work() -> None:
            variable.set("inside")
            await asyncio.sleep(0)
            seen.append(variable.get())

        task = await started(work)
        assert task is not None
        await task
        assert (seen, variable.get()) == (["inside"], "outside")

    run(main())


def test_nobody_is_current_afterwards(run: Run) -> None:
    """The stand-in leaves with the first step, also when it fails."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        after: asyncio.Future[object] = loop.create_future()

        async def work() -> None:
            assert asyncio.current_task() is not None
            raise KeyError

        def callback() -> None:
            with pytest.raises(KeyError):
                start(loop, work())
            after.set_result(asyncio.current_task())

        loop.call_soon(callback)
        assert await after is None

    run(main())

"""How chores run beside the service: one task a job, at a tempo that leaves the machine to its clients.

A job says when there is work (`Job.wait`), does one small unit of it (`Job.step`) and says how it went. The runner keeps the
tempo: between two busy steps it sleeps a multiple of what a step takes, so a slow disk slows the job and not the clients. A
job that raises is logged and tried again later and later; it never ends the runner or another job. Idle means idle: the
runner itself has no timer.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

SLEEP_PER_STEP = 1.0
"""Seconds of sleep per second of work while a job is busy: it takes half of one core or disk at most."""

MEAN_WEIGHT = 0.2
"""How much the newest step counts in the mean: some five steps of memory, so that one slow read does not stop a job."""

SLEEP_SECONDS_MAX = 10.0
"""Between two busy steps: a step that took a minute once must not stall the job for minutes."""

RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 1.0, 300.0
"""After an error: doubled each time. Five minutes is short for a human and long for a log."""

_log = logging.getLogger("zakrom.work.jobs")


class Outcome(enum.Enum):
    """How a step went."""

    BUSY = "busy"
    """There is more to do now."""
    REST = "rest"
    """Nothing more for now: wait."""
    DONE = "done"
    """Never again in this process."""


class Job(Protocol):
    """A chore."""

    @property
    def name(self) -> str:
        """One word, for logs, metrics and the admin API."""
        ...

    async def wait(self) -> None:
        """Until there is, or may be, something to do. Cancelled at shutdown."""
        ...

    async def step(self) -> Outcome:
        """One small unit of work, a second at most. May be cancelled at any await; the next process's job carries on."""
        ...

    def status(self) -> Mapping[str, object]:
        """What it has done and where it is, as plain values."""
        ...


OnStep = Callable[[str, float, bool], None]
"""Hears of every step: the job's name, its seconds, whether it failed."""


class _Running:
    """A job and how it is getting on."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.state = "waiting"
        self.failures = 0  # in a row
        self.last_error: str | None = None
        self.mean_seconds = 0.0

    def took(self, seconds: float) -> float:
        """Note what a step took; gives how long to sleep after it."""
        self.mean_seconds += (seconds - self.mean_seconds) * (MEAN_WEIGHT if self.mean_seconds else 1.0)
        return min(SLEEP_PER_STEP * self.mean_seconds, SLEEP_SECONDS_MAX)

    def failed(self, error: Exception) -> float:
        """Note an error; gives how long to sleep after it."""
        self.failures += 1
        self.last_error = f"{type(error).__name__}: {error}"
        return min(RETRY_SECONDS_MIN * 2.0 ** min(self.failures - 1, 32), RETRY_SECONDS_MAX)


class Runner:
    """Runs jobs until it is stopped."""

    def __init__(self, jobs: Sequence[Job], on_step: OnStep = lambda _name, _seconds, _failed: None) -> None:
        """Raises `ValueError` if two jobs share a name."""
        self._on_step = on_step
        self._running = {job.name: _Running(job) for job in jobs}
        if len(self._running) != len(jobs):
            raise ValueError("two jobs share a name")

    async def run(self, stop: asyncio.Event) -> None:
        """All jobs, each in a task of its own, until ``stop`` is set: then they are cancelled and waited for."""
        tasks = [
            asyncio.create_task(_keep_running(running, self._on_step), name=name) for name, running in self._running.items()
        ]
        try:
            await stop.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def status(self) -> dict[str, dict[str, object]]:
        """Each job's own status, with ``state``, ``failures`` in a row and ``last_error``."""
        return {
            name: {**one.job.status(), "state": one.state, "failures": one.failures, "last_error": one.last_error}
            for name, one in self._running.items()
        }


async def run_once(job: Job) -> None:
    """Steps ``job`` at full speed until it rests or is done. Raises what a step raises."""
    while await job.step() is Outcome.BUSY:  # noqa: ASYNC110 - lets others have a turn, polls nothing
        await asyncio.sleep(0)


async def _keep_running(running: _Running, on_step: OnStep) -> None:
    while running.state != "done":
        try:
            await _round(running, on_step)
        except Exception as error:  # noqa: BLE001 - one job's bug must not end the others
            pause = running.failed(error)
            _log.exception("the job %s failed; it is tried again in %.0f s", running.job.name, pause)
            running.state = "failed"
            on_step(running.job.name, 0.0, True)
            await asyncio.sleep(pause)


async def _round(running: _Running, on_step: OnStep) -> None:
    """From waiting to rest."""
    running.state = "waiting"
    await running.job.wait()
    running.state = "busy"
    while True:
        began = time.monotonic()
        outcome = await running.job.step()
        running.failures, running.last_error = 0, None
        on_step(running.job.name, time.monotonic() - began, False)
        if outcome is not Outcome.BUSY:
            break
        await asyncio.sleep(running.took(time.monotonic() - began))
    if outcome is Outcome.DONE:
        running.state = "done"

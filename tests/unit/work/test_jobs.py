"""`work.jobs`: chores that take their time, fail, and end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from zakrom.work import jobs
from zakrom.work.jobs import Outcome, Runner, run_once


class Script:
    """A job that follows a script: outcomes and exceptions, one a step; at its end it rests for ever."""

    def __init__(self, name: str, *script: Outcome | Exception, step_seconds: float = 0.0) -> None:
        self.name = name
        self.steps = 0
        self.waits = 0
        self.cancelled = False
        self._script = list(script)
        self._step_seconds = step_seconds

    async def wait(self) -> None:
        """At once while there is script."""
        self.waits += 1
        if not self._script:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise

    async def step(self) -> Outcome:
        """The next word of the script."""
        self.steps += 1
        await asyncio.sleep(self._step_seconds)
        word = self._script.pop(0)
        if isinstance(word, Exception):
            raise word
        return word

    def status(self) -> dict[str, object]:
        """What it has done."""
        return {"steps": self.steps}


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors are tried again at once."""
    monkeypatch.setattr(jobs, "RETRY_SECONDS_MIN", 0.001)


async def until(condition: Callable[[], bool]) -> None:
    """Until it is true."""
    async with asyncio.timeout(5.0):
        while not condition():  # noqa: ASYNC110 - jobs tell nobody
            await asyncio.sleep(0.001)


async def test_a_job_works_while_it_is_busy_and_waits_when_it_rests() -> None:
    """Busy steps follow each other; after a rest the job is asked to wait again."""
    job = Script("a", Outcome.BUSY, Outcome.BUSY, Outcome.REST, Outcome.REST)
    stop = asyncio.Event()
    running = asyncio.create_task(Runner([job]).run(stop))
    await until(lambda: job.waits == 3)
    stop.set()
    await running

    assert job.steps == 4
    assert job.cancelled


async def test_a_job_that_is_done_is_not_called_again() -> None:
    """Its state says so, and the others go on."""
    job, other = Script("a", Outcome.DONE, Outcome.BUSY), Script("b", Outcome.REST)
    runner, stop = Runner([job, other]), asyncio.Event()
    running = asyncio.create_task(runner.run(stop))
    await until(lambda: other.waits == 2 and runner.status()["a"]["state"] == "done")
    stop.set()
    await running

    assert job.steps == 1


async def test_an_error_is_logged_and_tried_again(quick_retries: None, caplog: pytest.LogCaptureFixture) -> None:
    """It neither ends the job nor the others; when it works again, the error is forgotten."""
    job = Script("a", KeyError("first"), KeyError("second"), Outcome.REST)
    other = Script("b", Outcome.REST)
    runner, stop = Runner([job, other]), asyncio.Event()
    with caplog.at_level(logging.ERROR):
        running = asyncio.create_task(runner.run(stop))
        await until(lambda: job.steps == 3 and runner.status()["a"]["state"] == "waiting")
        stop.set()
        await running

    assert [record.message.split(";")[0] for record in caplog.records] == ["the job a failed"] * 2
    assert "second" in caplog.text
    assert runner.status() == {
        "a": {"steps": 3, "state": "waiting", "failures": 0, "last_error": None},
        "b": {"steps": 1, "state": "waiting", "failures": 0, "last_error": None},
    }


async def test_a_failing_job_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """While it waits to be tried again, its status has the error."""
    job = Script("a", KeyError("x"))
    runner, stop = Runner([job]), asyncio.Event()
    running = asyncio.create_task(runner.run(stop))
    await until(lambda: runner.status()["a"]["state"] == "failed")
    status = runner.status()["a"]
    stop.set()
    await running

    assert status == {"steps": 1, "state": "failed", "failures": 1, "last_error": "KeyError: 'x'"}


def test_pauses_after_errors_double_up_to_a_limit() -> None:
    """One second, two, four … five minutes, for ever."""
    running = jobs._Running(Script("a"))
    pauses = [running.failed(KeyError()) for _ in range(2000)]

    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert max(pauses) == pauses[-1] == jobs.RETRY_SECONDS_MAX


def test_a_busy_job_sleeps_as_long_as_it_works() -> None:
    """On average, with a limit; one slow step changes little."""
    running = jobs._Running(Script("a"))
    steady = [running.took(0.1) for _ in range(10)][-1]
    after_a_slow_one = running.took(1.0)
    stuck = [running.took(3600.0) for _ in range(50)][-1]

    assert steady == pytest.approx(0.1)
    assert after_a_slow_one == pytest.approx(0.1 + 0.9 * jobs.MEAN_WEIGHT)
    assert stuck == jobs.SLEEP_SECONDS_MAX


async def test_once_is_until_it_rests() -> None:
    """At full speed, and errors are the caller's."""
    job = Script("a", Outcome.BUSY, Outcome.BUSY, Outcome.REST, KeyError("x"))
    await run_once(job)
    steps = job.steps

    assert steps == 3
    with pytest.raises(KeyError):
        await run_once(job)


def test_two_jobs_of_one_name_are_refused() -> None:
    """Their metrics and status would be one."""
    with pytest.raises(ValueError, match="name"):
        Runner([Script("a"), Script("a")])

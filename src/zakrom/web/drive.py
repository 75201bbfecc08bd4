"""Start a coroutine at once, and pay for a task only if it has to wait.

Most answers need no waiting. A task costs an object, a handle and a turn of the event loop, about 1.3 µs a request (Python
3.11, measured beside this): so the first step is taken here, in the caller's callback, and only what is left after the
first real wait becomes an `asyncio.Task`. `asyncio.Task(eager_start=True)` does the same from Python 3.12 on.

During the first step `asyncio.current_task()` is a stand-in which forwards to the task once there is one: `asyncio.timeout`
and `asyncio.TaskGroup` remember the current task when they are entered and cancel it later.
"""

from __future__ import annotations

import asyncio
from asyncio import _enter_task, _leave_task  # documented for makers of tasks: docs.python.org/3/library/asyncio-extending.html
from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from typing import Any

# They take whatever stands in for a task; typeshed wants an `asyncio.Task`.
_enter: Callable[[asyncio.AbstractEventLoop, Any], None] = _enter_task
_leave: Callable[[asyncio.AbstractEventLoop, Any], None] = _leave_task


class FirstStep:
    """What `asyncio.current_task` gives during the first step: the part of a task's interface that others use."""

    # Values of the class, so that one is made without running any code: there is one per request.
    task: asyncio.Task[None] | None = None
    _cancel_requested = False

    def cancel(self, msg: str | None = None) -> bool:
        """As `asyncio.Task.cancel`; during the first step itself it takes effect at the first wait."""
        if self.task is not None:
            return self.task.cancel(msg)
        self._cancel_requested = True
        return True

    def become(self, task: asyncio.Task[None]) -> None:
        """From now on ``task`` is the one."""
        self.task = task
        if self._cancel_requested:
            task.cancel()

    def cancelling(self) -> int:
        """As `asyncio.Task.cancelling`."""
        return self.task.cancelling() if self.task is not None else int(self._cancel_requested)

    def uncancel(self) -> int:
        """As `asyncio.Task.uncancel`."""
        if self.task is not None:
            return self.task.uncancel()
        self._cancel_requested = False
        return 0

    def done(self) -> bool:
        """As `asyncio.Task.done`."""
        return self.task is not None and self.task.done()

    def get_name(self) -> str:
        """As `asyncio.Task.get_name`."""
        return self.task.get_name() if self.task is not None else "first step"

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """As `asyncio.Task.get_loop`."""
        return asyncio.get_running_loop()


def start(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Run ``coroutine`` up to its first real wait; None if it ended before one, else the task that carries on.

    To be called from a callback of the running ``loop``, never from within a task. Exceptions of the first step are raised
    here, later ones belong to the task. The coroutine has a context of its own from its first step on.
    """
    context = copy_context()
    stand_in = FirstStep()
    _enter(loop, stand_in)
    try:
        awaited = context.run(coroutine.send, None)
    except StopIteration:
        return None
    finally:
        _leave(loop, stand_in)
    task = loop.create_task(_Rest(coroutine, awaited), context=context)
    stand_in.become(task)
    return task


class _Rest(Coroutine[Any, Any, None]):
    """The remainder of a coroutine that has already yielded ``awaited``: gives that first.

    A class and not a generator, since a task that is cancelled before its first step throws into what has not begun.
    """

    __slots__ = ("_awaited", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, None], awaited: object) -> None:
        self._coroutine = coroutine
        self._awaited: tuple[object] | None = (awaited,)

    def send(self, value: object) -> object:
        if self._awaited is None:
            return self._coroutine.send(value)
        (first,) = self._awaited
        self._awaited = None
        return first

    def throw(self, *error: Any) -> object:  # noqa: ANN401 - in any of the forms that generators take
        if self._awaited is not None:
            (first,) = self._awaited
            self._awaited = None
            if asyncio.isfuture(first):
                first.cancel()
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, None]:
        raise RuntimeError("only a task runs this")

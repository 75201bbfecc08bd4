"""What all tests share: who may run beside whom, and how examples are made up.

Tests run in several processes, because most of them wait. Those marked `alone` measure time or memory: each waits until nothing
else runs, and nothing else begins meanwhile. Two locks do it: the turnstile, which everybody passes and an `alone` test holds,
so that it cannot be overtaken for ever; and the room, which tests share and an `alone` test has for itself.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Examples are judged by what they do, not by how long a busy machine takes for them; a failure prints how to repeat it.
settings.register_profile("house", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

LOCKS = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - a type of pytest-xdist
    """Tells each process of this run, before it starts, where the locks are."""
    stash = node.config.stash
    if LOCKS not in stash:
        stash[LOCKS] = tempfile.TemporaryDirectory(prefix="zakrom-tests-")
    node.workerinput["locks"] = stash[LOCKS].name


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes the locks with the run."""
    if LOCKS in config.stash:
        config.stash[LOCKS].cleanup()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Waits for its turn before the test's own time limit begins to count."""
    locks = getattr(item.config, "workerinput", {}).get("locks")
    if locks is None:
        return (yield)  # there is one process: every test is alone
    alone = item.get_closest_marker("alone") is not None
    # Locks of POSIX, not of flock: a fixture may have forked a process that lives on, and must not hold a lock with it.
    with ExitStack() as held:
        turnstile = held.enter_context(Path(locks, "turnstile").open("a+b"))
        room = held.enter_context(Path(locks, "room").open("a+b"))
        fcntl.lockf(turnstile, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.lockf(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        if not alone:
            fcntl.lockf(turnstile, fcntl.LOCK_UN)
        return (yield)

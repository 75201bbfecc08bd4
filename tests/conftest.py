"""What all tests share: who may run beside whom.

Tests run in several processes, because most of them wait. Those marked `alone` measure time or memory: each waits until nothing
else runs, and nothing else begins meanwhile. Two locks do it: the turnstile, which everybody passes and an `alone` test holds,
so that it cannot be overtaken for ever; and the room, which tests share and an `alone` test has for itself.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import zlib
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest


def _lock_file(config: pytest.Config, name: str) -> IO[bytes]:
    """A file that all test processes of one user in one checkout share; it stays, empty, in the temporary directory."""
    checkout = zlib.crc32(str(config.rootpath).encode())
    return Path(tempfile.gettempdir(), f"zakrom-tests-{os.getuid()}-{checkout:08x}.{name}").open("ab")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Waits for its turn before the test's own time limit begins to count."""
    if not hasattr(item.config, "workerinput"):
        return (yield)  # there is one process: every test is alone
    alone = item.get_closest_marker("alone") is not None
    with ExitStack() as held:
        turnstile = held.enter_context(_lock_file(item.config, "turnstile"))
        room = held.enter_context(_lock_file(item.config, "room"))
        fcntl.flock(turnstile, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        if not alone:
            fcntl.flock(turnstile, fcntl.LOCK_UN)
        return (yield)

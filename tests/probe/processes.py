"""Looking at the processes of a running server, through /proc."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

PAGE_KIB = 4
TICKS_PER_SECOND = 100


def children(supervisor: int) -> dict[str, int]:
    """The server's child processes by name: in the order of their birth writer, workers, keeper (a replaced one comes last)."""
    pids = [int(pid) for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()]
    return {name: pid for pid in pids if (name := _name(pid)) is not None}


def _name(pid: int) -> str | None:
    """What the process calls itself: see `work.processes`."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip().removeprefix("zk-")
    except FileNotFoundError:
        return None


def rss_mib(pid: int) -> float:
    """Resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KIB / 1024


def cpu_seconds(pid: int) -> float:
    """User and system time since the process began."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def wait_until(holds: Callable[[], bool], seconds: float, told: Callable[[], str] = lambda: "") -> None:
    """Returns when it holds; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, told() or "it did not come true in time"
        time.sleep(0.1)

"""Looking at the processes of a running server, through /proc."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

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


def running_seconds(*pids: int) -> float:
    """Time on a core of all threads of these processes, to the nanosecond (`cpu_seconds` counts in hundredths)."""
    threads = [thread for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


class Growth:
    """How much resident memory each process of a server takes more than at the beginning, watched while the block runs."""

    def __init__(self, supervisor: int) -> None:
        self._pids = {"supervisor": supervisor, **children(supervisor)}
        self._before = {name: rss_mib(pid) for name, pid in self._pids.items()}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.mib = dict.fromkeys(self._pids, 0.0)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            for name, pid in self._pids.items():
                self.mib[name] = max(self.mib[name], rss_mib(pid) - self._before[name])


def wait_until(holds: Callable[[], bool], seconds: float, told: Callable[[], str] = lambda: "") -> None:
    """Returns when it holds; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, told() or "it did not come true in time"
        time.sleep(0.1)

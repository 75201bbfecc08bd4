"""Facts about the machine, and what processes cost, read from ``/proc``.

Where there is no ``/proc`` (macOS), the figures are taken all the same; what the servers cost is then not known.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

PROC = Path("/proc")
KNOWN = (PROC / "stat").exists()
TICK = os.sysconf("SC_CLK_TCK")


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """Read /proc/PID/stat after the command name; empty when the process is gone."""
    return _text(PROC / str(pid) / "stat").rpartition(")")[2].split()


def tree(root: int) -> list[int]:
    """List a process and its descendants."""
    if not KNOWN:
        return [root]
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def cpu_seconds(root: int) -> float:
    """CPU time of a process tree, with that of its children that ended."""
    ticks = 0
    for pid in tree(root):
        ticks += sum(int(value) for value in _stat(pid)[11:15])
    return ticks / TICK


def resident(root: int) -> int:
    """Resident bytes of a process tree; pages that processes share count twice."""
    total = 0
    for pid in tree(root):
        for line in _text(PROC / str(pid) / "status").splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) * 1024
    return total


def busy_seconds() -> float:
    """CPU time that the whole machine has spent on anything but idling."""
    fields = _text(PROC / "stat").split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / TICK


def own_seconds() -> float:
    """CPU time of this process and of the clients it has waited for."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (
            resource.getrusage(resource.RUSAGE_SELF),
            resource.getrusage(resource.RUSAGE_CHILDREN),
        )
    )


@dataclass
class Meter:
    """What one measurement cost: the server, the client, and everything else.

    ``other`` is the CPU that neither client nor any known server used, in cores:
    on a shared machine it tells how far to trust the figure.
    """

    pid: int | None
    servers: Iterable[int]
    complete: bool
    elapsed: float = 0.0
    server: float | None = None
    client: float = 0.0
    other: float | None = None
    _start: tuple[float, float, float, float, float] = field(default=(0.0, 0.0, 0.0, 0.0, 0.0), repr=False)

    def _now(self) -> tuple[float, float, float, float, float]:
        mine = cpu_seconds(self.pid) if self.pid else 0.0
        every = sum(cpu_seconds(pid) for pid in self.servers)
        return time.monotonic(), mine, every, own_seconds(), busy_seconds() if KNOWN else 0.0

    def __enter__(self) -> Self:
        self._start = self._now()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        after = self._now()
        self.elapsed, mine, every, self.client, busy = (end - start for start, end in zip(self._start, after, strict=True))
        self.server = mine if self.pid and KNOWN else None
        if self.complete and KNOWN:
            self.other = max(0.0, busy - every - self.client) / self.elapsed


def await_calm(cores: float, patience: float = 10.0) -> None:
    """Wait, within reason, until the whole machine uses less than so many cores."""
    deadline = time.monotonic() + patience
    while KNOWN and time.monotonic() < deadline:
        busy, begin = busy_seconds(), time.monotonic()
        time.sleep(0.5)
        if (busy_seconds() - busy) / (time.monotonic() - begin) < cores:
            return


class MemoryWatch:
    """Samples the resident size of servers' process trees once a second."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.first: dict[str, int] = {}
        self.peak: dict[str, int] = {}

    def _sample(self) -> None:
        for name, pid in self._pids.items():
            size = resident(pid)
            self.first.setdefault(name, size)
            self.peak[name] = max(size, self.peak.get(name, 0))

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            self._sample()

    def __enter__(self) -> Self:
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()


def file_system(path: Path) -> str:
    """Kind, device and options of the file system that holds a path."""
    best: tuple[int, str] = (-1, "unknown")
    resolved = path.resolve()
    for line in _text(PROC / "self" / "mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        point, options = left.split()[4:6]
        kind, device = right.split()[:2]
        mount = Path(point.replace("\\040", " "))
        if resolved.is_relative_to(mount) and len(mount.parts) >= best[0]:
            best = (len(mount.parts), f"{kind} on {device} ({options})")
    return best[1]


def _first_value(path: Path, name: str) -> str:
    for line in _text(path).splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def version_of(*command: str) -> str:
    """Run a tool for the first line that it prints about its version."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except OSError:
        return "absent"
    return (done.stdout + done.stderr).strip().partition("\n")[0]


def _cores(pid: int) -> set[int]:
    """List the cores on which a process may run; 0 is this one."""
    return set(os.sched_getaffinity(pid)) if KNOWN else set(range(os.cpu_count() or 1))


def facts(directory: Path, pids: dict[str, int]) -> dict[str, object]:
    """Collect what a reader must know of the machine to judge the figures."""
    mine = _cores(0)
    servers = {name: _cores(pid) for name, pid in pids.items()}
    apart = bool(servers) and all(mine.isdisjoint(own) for own in servers.values())
    return {
        "cpu": _first_value(PROC / "cpuinfo", "model name") if KNOWN else platform.processor(),
        "cores": os.cpu_count(),
        "memory": _first_value(PROC / "meminfo", "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "file system": f"{file_system(directory)} holds {directory}",
        "load average": round(os.getloadavg()[0], 2),
        "client cores": sorted(mine),
        "server cores": {name: sorted(own) for name, own in servers.items()},
        "client and server": "on separate cores" if apart else "share the cores, as far as is known",
    }

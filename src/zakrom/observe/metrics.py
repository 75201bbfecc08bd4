"""Metrics for Prometheus that add up over the processes of one server, at the price of a few additions in memory.

Theory of operation. Before the first fork the supervisor makes one anonymous shared mapping: an array of doubles, one row per
process ("slot") and one column per series. A process adds to its own row only, so nobody locks and nobody waits; whoever is
asked renders the sums of the columns. A dead worker's row stays, and its successor takes the same slot: counters never go back.

So every series is known before the fork: names of operations, error codes and jobs are given at the start, and what nobody knew
counts as ``other``. That also bounds the number of series, whatever clients send.

Rules. A slot belongs to one process at a time, and within it to one thread (an addition is a load and a store). Doubles are
eight aligned bytes: readers see the old value or the new one. A counter of bytes is exact to 2^53.

Source of the format: Prometheus, "Exposition formats", text format 0.0.4.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"

SLOTS_MAX = 512  # rows: far more processes than a server may have, and still only some megabytes that are never touched
USAGE_BUCKETS_MAX = 1000  # series per gauge of usage: beyond it a scrape costs more than it tells

LATENCY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BATCH_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
STATUS_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


class Kind(Enum):
    """How a family is stored and rendered."""

    COUNTER = "counter"  # sum of all slots
    SUM = "gauge of which every process has its part"  # sum of all slots; a slot's part is zeroed when it changes hands
    SHARED = "gauge with one value, written by whoever knows it"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name, and the labels with all values they may have."""

    name: str
    kind: Kind
    help: str
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    bounds: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Columns per series: a histogram has one per bucket, one for +Inf and one for the sum."""
        return len(self.bounds) + 2 if self.kind is Kind.HISTOGRAM else 1

    def series(self) -> list[tuple[str, ...]]:
        """All combinations of the labels' values, in their order."""
        return list(product(*(values for _, values in self.labels)))


def families(
    classes: Sequence[str], operations: Sequence[str], codes: Sequence[str], jobs: Sequence[str]
) -> tuple[Family, ...]:
    """The table of all metrics of a server."""
    by_operation = (("operation", (*operations, OTHER)), ("status", STATUS_CLASSES))
    by_job = (("job", (*jobs, OTHER)),)
    return (
        Family("zakrom_requests_total", Kind.COUNTER, "Requests answered, by operation and class of status.", by_operation),
        Family("zakrom_errors_total", Kind.COUNTER, "Errors answered, by code.", (("code", (*codes, OTHER)),)),
        Family(
            "zakrom_request_seconds",
            Kind.HISTOGRAM,
            "Seconds from the head of a request to the last byte of its answer.",
            (("class", (*classes, OTHER)),),
            LATENCY_SECONDS,
        ),
        Family("zakrom_received_bytes_total", Kind.COUNTER, "Bytes of request bodies."),
        Family("zakrom_sent_bytes_total", Kind.COUNTER, "Bytes of answers' bodies."),
        Family("zakrom_open_connections", Kind.SUM, "Connections open now."),
        Family("zakrom_commit_changes", Kind.HISTOGRAM, "Changes in one group commit.", bounds=BATCH_SIZES),
        Family("zakrom_commit_seconds", Kind.HISTOGRAM, "Seconds of one group commit, fsync included.", bounds=LATENCY_SECONDS),
        Family("zakrom_job_steps_total", Kind.COUNTER, "Steps of background jobs.", by_job),
        Family("zakrom_job_failures_total", Kind.COUNTER, "Steps of background jobs that failed.", by_job),
        Family("zakrom_job_seconds_total", Kind.COUNTER, "Seconds spent in steps of background jobs.", by_job),
        Family(
            "zakrom_lifecycle_total",
            Kind.COUNTER,
            "What lifecycle rules did, by action.",
            (("action", ("removed", "marked", "moved", "aborted", OTHER)),),
        ),
        Family("zakrom_restarts_total", Kind.COUNTER, "Child processes that died and were replaced."),
        Family("zakrom_damaged_blocks_total", Kind.COUNTER, "Blocks whose checksum was wrong when they were read."),
        Family("zakrom_access_lines_dropped_total", Kind.COUNTER, "Access lines lost because nobody read the log."),
        Family("zakrom_disk_free_bytes", Kind.SHARED, "Free bytes of the file system below the data directory."),
        Family("zakrom_disk_bytes", Kind.SHARED, "Size of that file system."),
        Family("zakrom_reserve_bytes", Kind.SHARED, "Free bytes that are never filled."),
        Family("zakrom_full", Kind.SHARED, "1 while writes are refused because the disk is full."),
        Family("zakrom_blobs_retired", Kind.SHARED, "Blobs nobody names that are not unlinked yet."),
        Family("zakrom_start_time_seconds", Kind.SHARED, "When the server started, in seconds since 1970."),
    )


class BucketUsage(NamedTuple):
    """What one bucket holds, as the catalog counts it."""

    bucket: str
    objects: int
    versions: int
    bytes: int
    upload_bytes: int


_USAGE = (
    ("zakrom_bucket_objects", "Current objects of a bucket."),
    ("zakrom_bucket_versions", "Versions of a bucket, current ones included."),
    ("zakrom_bucket_bytes", "Bytes of all versions of a bucket."),
    ("zakrom_bucket_upload_bytes", "Bytes of parts in open uploads of a bucket."),
)


class _Layout:
    """Where each series lies in a row."""

    def __init__(self, table: Sequence[Family]) -> None:
        self.table = table
        self.columns: dict[str, dict[tuple[str, ...], int]] = {}
        at = 0
        for family in table:
            self.columns[family.name] = {}
            for labels in family.series():
                self.columns[family.name][labels] = at
                at += family.width
        self.width = at


class Metrics:
    """The counters of one server. Made by the supervisor before it forks; each child calls `take` with a slot of its own.

    A slot is a place, not a process: worker 3 and its successor take the same one.
    """

    def __init__(
        self,
        operations: Mapping[str, str],
        codes: Iterable[str] = (),
        jobs: Iterable[str] = (),
        slots: int = SLOTS_MAX,
    ) -> None:
        """``operations``: the class (read, write, list …) of every operation by its name; latency is kept per class."""
        classes = tuple(dict.fromkeys(operations.values()))
        self._layout = _Layout(families(classes, tuple(operations), tuple(codes), tuple(jobs)))
        self._slots = slots
        # Anonymous and shared: it lives as long as one of the processes, and pages that nobody touched cost nothing.
        self._memory = mmap.mmap(-1, max(1, slots * self._layout.width * 8))
        self._all = memoryview(self._memory).cast("d")
        self._families = {family.name: family for family in self._layout.table}
        self._classes = dict(operations)
        self._base = 0
        self._prepare()

    def take(self, slot: int) -> None:
        """This process counts in that slot from now on. Its part of gauges starts at 0; counters go on."""
        assert 0 <= slot < self._slots, slot
        self._base = slot * self._layout.width
        for family in self._layout.table:
            if family.kind is Kind.SUM:
                for column in self._layout.columns[family.name].values():
                    self._all[self._base + column] = 0.0
        self._prepare()

    def _prepare(self) -> None:
        """Absolute places for the hot path, so that `request` adds and looks up nothing twice."""
        base, columns = self._base, self._layout.columns
        latency = columns["zakrom_request_seconds"]
        requests = columns["zakrom_requests_total"]
        self._operations = {
            operation: (
                base + requests[operation, STATUS_CLASSES[0]] - 1,  # the classes count from 1
                base + latency[self._classes.get(operation, OTHER),],
                base + latency[self._classes.get(operation, OTHER),] + len(LATENCY_SECONDS) + 1,
            )
            for operation in (*self._classes, OTHER)
        }
        self._codes = {labels[0]: base + column for labels, column in columns["zakrom_errors_total"].items()}
        self._received = base + columns["zakrom_received_bytes_total"][()]
        self._sent = base + columns["zakrom_sent_bytes_total"][()]

    # --------------------------------------------------------------------------------------------------------- counting

    def request(self, operation: str, status: int, code: str | None, seconds: float, bytes_in: int, bytes_out: int) -> None:
        """Counts one answered request. ``code``: the error's, None for success. One call, no allocation to speak of."""
        assert 100 <= status < 600, status
        cells = self._all
        try:
            requests, latency, total = self._operations[operation]
        except KeyError:
            requests, latency, total = self._operations[OTHER]
        cells[requests + status // 100] += 1.0
        cells[latency + bisect_left(LATENCY_SECONDS, seconds)] += 1.0
        cells[total] += seconds
        if bytes_in:
            cells[self._received] += bytes_in
        if bytes_out:
            cells[self._sent] += bytes_out
        if code is not None:
            cells[self._codes.get(code) or self._codes[OTHER]] += 1.0

    def count(self, name: str, by: float = 1.0, *labels: str) -> None:
        """Adds to a counter. Raises KeyError for a name that is not in the table."""
        assert self._families[name].kind is Kind.COUNTER, name
        assert by >= 0, by
        self._all[self._base + self._column(name, labels)] += by

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Puts a value into a histogram. Raises KeyError for a name that is not in the table."""
        family = self._families[name]
        assert family.kind is Kind.HISTOGRAM, name
        place = self._base + self._column(name, labels)
        self._all[place + bisect_left(family.bounds, value)] += 1.0
        self._all[place + family.width - 1] += value

    def set_gauge(self, name: str, value: float, *labels: str) -> None:
        """Sets a gauge: this process's part of it, or the one value all share. Raises KeyError for an unknown name."""
        self._all[self._gauge(name, labels)] = value

    def add_gauge(self, name: str, by: float, *labels: str) -> None:
        """Adds to this process's part of a gauge."""
        assert self._families[name].kind is Kind.SUM, name
        self._all[self._gauge(name, labels)] += by

    def _gauge(self, name: str, labels: tuple[str, ...]) -> int:
        kind = self._families[name].kind
        assert kind in (Kind.SUM, Kind.SHARED), name
        return (self._base if kind is Kind.SUM else 0) + self._column(name, labels)

    def _column(self, name: str, labels: tuple[str, ...]) -> int:
        columns = self._layout.columns[name]
        found = columns.get(labels)
        return found if found is not None else columns[tuple(OTHER for _ in labels)]

    # -------------------------------------------------------------------------------------------------------- rendering

    def value(self, name: str, *labels: str) -> float:
        """What a counter or gauge says, over all processes; of a histogram, how many values it has."""
        family = self._families[name]
        column = self._layout.columns[name][labels]
        if family.kind is Kind.HISTOGRAM:
            return sum(self._sums(column, family.width - 1))
        return self._all[column] if family.kind is Kind.SHARED else self._sums(column, 1)[0]

    def render(self, usage: Iterable[BucketUsage] = (), version: str = "") -> bytes:
        """Everything in Prometheus's text format. Series with labels that never counted are left out.

        ``usage``: counts of buckets, which the catalog knows better than we; the first `USAGE_BUCKETS_MAX` are shown.
        """
        lines = list(_info(version))
        for family in self._layout.table:
            lines += self._render_family(family)
        lines += _render_usage(list(usage)[:USAGE_BUCKETS_MAX])
        return ("\n".join(lines) + "\n").encode()

    def _render_family(self, family: Family) -> list[str]:
        samples: list[str] = []
        names = tuple(name for name, _ in family.labels)
        for values, column in self._layout.columns[family.name].items():
            labels = list(zip(names, values, strict=True))
            cells = [self._all[column]] if family.kind is Kind.SHARED else self._sums(column, family.width)
            if not labels or any(cells):
                samples += (
                    _histogram(family, labels, cells)
                    if family.kind is Kind.HISTOGRAM
                    else [_sample(family.name, labels, cells[0])]
                )
        return [*_head(family.name, family.help, _TYPES[family.kind]), *samples] if samples else []

    def _sums(self, column: int, width: int) -> list[float]:
        """The columns from ``column`` on, each summed over all slots."""
        step = self._layout.width
        return [sum(self._all[column + one :: step]) for one in range(width)]


_TYPES = {Kind.COUNTER: "counter", Kind.SUM: "gauge", Kind.SHARED: "gauge", Kind.HISTOGRAM: "histogram"}


def _info(version: str) -> list[str]:
    name = "zakrom_build_info"
    return [*_head(name, "The version that runs.", "gauge"), _sample(name, [("version", version)], 1)] if version else []


def _histogram(family: Family, labels: list[tuple[str, str]], cells: list[float]) -> list[str]:
    lines, below = [], 0.0
    for bound, count in zip((*map(_number, family.bounds), "+Inf"), cells, strict=False):
        below += count
        lines.append(_sample(f"{family.name}_bucket", [*labels, ("le", bound)], below))
    return [*lines, _sample(f"{family.name}_sum", labels, cells[-1]), _sample(f"{family.name}_count", labels, below)]


def _render_usage(usage: Sequence[BucketUsage]) -> list[str]:
    if not usage:
        return []
    lines: list[str] = []
    for place, (name, text) in enumerate(_USAGE, start=1):
        lines += _head(name, text, "gauge")
        lines += [_sample(name, [("bucket", one.bucket)], float(one[place])) for one in usage]
    return lines


def _head(name: str, text: str, kind: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _sample(name: str, labels: Sequence[tuple[str, str]], value: float) -> str:
    inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    return f"{name}{{{inner}}} {_number(value)}" if inner else f"{name} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)

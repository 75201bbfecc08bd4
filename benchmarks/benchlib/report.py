"""Figures of all rounds, summed up and printed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .checks import Check, Sample
from .machine import Meter


@dataclass
class Result:
    """The rounds of one check on one endpoint."""

    samples: list[Sample] = field(default_factory=list)
    meters: list[Meter] = field(default_factory=list)
    error: str | None = None

    @property
    def figure(self) -> float | None:
        """The median round, or nothing when any round failed."""
        if self.error or not self.samples:
            return None
        return median(sample.value for sample in self.samples)

    def summary(self) -> dict[str, Any]:
        """All that is known, for JSON."""
        if self.error or not self.samples:
            return {"error": self.error or "not run"}
        values = [sample.value for sample in self.samples]
        server = [
            meter.server / sample.operations * 1e6
            for meter, sample in zip(self.meters, self.samples, strict=True)
            if meter.server is not None
        ]
        other = [meter.other for meter in self.meters if meter.other is not None]
        return {
            "median": median(values),
            "min": min(values),
            "max": max(values),
            "rounds": values,
            "notes": {name: median(sample.notes[name] for sample in self.samples) for name in self.samples[0].notes},
            "server_cpu_us_per_operation": median(server) if server else None,
            "other_cores_busy": median(other) if other else None,
        }


Results = dict[str, dict[str, Result]]  # by check, then by endpoint


def number(value: float) -> str:
    """Format a figure with three significant digits or so."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _row(cells: Iterable[str], widths: list[int]) -> str:
    padded = [
        cell.ljust(width) if place == 0 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def table(rows: list[list[str]]) -> str:
    """Aligned columns, the first to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_row(row, widths) for row in rows)


def _quotient(value: float | None, other: float | None) -> str:
    if value is None or not other:
        return "-"
    return f"{value / other:.2f}"


def text(checks: list[Check], names: list[str], results: Results) -> str:
    """For each check one table: the figures, and every ratio."""
    parts = []
    for check in checks:
        row = results[check.name]
        figures = {name: row[name].figure for name in names}
        best = max((value for value in figures.values() if value), default=None)
        rows = [
            ["", check.unit, "min", "max", "to best"]
            + [f"to {name}" for name in names if len(names) > 1]
            + ["p99 ms", "server µs/op", "others' cores"]
        ]
        failures = []
        for name in names:
            seen, figure = row[name].summary(), figures[name]
            if figure is None:
                failures.append(f"  {name} FAILED: {seen['error']}")
            cells = [f"  {name}", "failed" if figure is None else number(figure)]
            cells += [number(seen[bound]) if bound in seen else "-" for bound in ("min", "max")]
            cells.append(_quotient(figure, best))
            if len(names) > 1:
                cells += [_quotient(figure, figures[other]) for other in names]
            extra = (
                seen.get("notes", {}).get("p99 ms"),
                seen.get("server_cpu_us_per_operation"),
                seen.get("other_cores_busy"),
            )
            cells += ["-" if value is None else number(value) for value in extra]
            rows.append(cells)
        title = f"{check.title} [{check.name}]"
        parts.append("\n".join([title, table(rows), *failures]))
    return "\n\n".join(parts)


def markdown(checks: list[Check], names: list[str], results: Results) -> str:
    """One table of all medians, as the README keeps it."""
    lines = [
        "| Measurement | Unit | " + " | ".join(names) + " |",
        "|---|---|" + "---:|" * len(names),
    ]
    for check in checks:
        figures = (results[check.name][name].figure for name in names)
        cells = ("failed" if value is None else number(value) for value in figures)
        lines.append(f"| {check.title} | {check.unit} | " + " | ".join(cells) + " |")
    return "\n".join(lines)

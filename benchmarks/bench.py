#!/usr/bin/env python3
"""Measure S3 servers side by side: ``python benchmarks/bench.py --help``.

Every round of a check visits all servers, in an order that turns from round to
round, so that what disturbs the machine disturbs all of them alike. A check with
any failed request gives no figure. What each figure means is in
``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import boto3
from benchlib import machine, report
from benchlib.checks import MIB, Check, Files, Options, Sample, Target, catalogue
from benchlib.endpoint import BenchError, Client, Endpoint
from benchlib.spawn import Zakrom
from botocore.exceptions import BotoCoreError, ClientError

FAILURES = (
    BenchError,
    OSError,
    http.client.HTTPException,
    BotoCoreError,
    ClientError,
    boto3.exceptions.Boto3Error,
)


def say(message: str) -> None:
    """Tell of the progress, apart from the results."""
    print(message, file=sys.stderr, flush=True)


def _endpoint(text: str) -> Endpoint:
    try:
        return Endpoint.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _pid(text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    if not (name and value.isdigit() and Path("/proc", value).exists()):
        raise argparse.ArgumentTypeError(f"not NAME=PID of a live process: {text!r}")
    return name, int(value)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Measure S3 servers side by side.",
        epilog="Without --endpoint a fresh Zakrom is started, measured and stopped.",
    )
    add = parser.add_argument
    add(
        "--endpoint",
        action="append",
        type=_endpoint,
        default=[],
        metavar="NAME=URL,KEY,SECRET[,REGION]",
        help="a running server; may be repeated",
    )
    add(
        "--with-zakrom",
        action="store_true",
        help="start a fresh Zakrom besides the servers given",
    )
    add(
        "--pid",
        action="append",
        type=_pid,
        default=[],
        metavar="NAME=PID",
        help="the server's process, to record its memory and CPU time",
    )
    add("--only", metavar="CHECK,...", help="run these checks only (see --list)")
    add("--list", action="store_true", help="name the checks and stop")
    add("--rounds", type=int, default=3)
    add(
        "--calm",
        type=float,
        metavar="CORES",
        help="for a machine that others use: wait (10 s at most) until less than so many cores are busy, and repeat a round "
        "(twice at most) during which others used more; needs --pid for every server",
    )
    add("--seconds", type=int, default=5, help="length of each timed load")
    add("--objects", type=int, default=4096, help="keys for GET and HEAD")
    add("--list-keys", type=int, default=10_000, help="keys in the listed bucket")
    add("--big-mib", type=int, default=1024, help="size of the large object")
    add("--part-mib", type=int, default=16, help="size of each of the eight parts")
    add("--transfer-mib", type=int, default=256, help="size for boto3's transfers")
    add(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="a temporary directory is made in here for the client's files and for a Zakrom started by the run; not a tmpfs",
    )
    add("--keep", action="store_true", help="leave the objects on the servers")
    add("--markdown", action="store_true", help="print the medians as one table too")
    add(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write everything as JSON, to stdout when no FILE is named",
    )
    chosen = parser.parse_args(argv)
    names = [endpoint.name for endpoint in chosen.endpoint]
    if not names:
        chosen.with_zakrom = True
    if chosen.with_zakrom:
        names.append("zakrom")
    if len(set(names)) != len(names):
        parser.error("two endpoints have one name")
    if unknown := [name for name, _ in chosen.pid if name not in names]:
        parser.error(f"--pid for no endpoint: {', '.join(unknown)}")
    smallest = min(chosen.rounds, chosen.seconds, chosen.objects, chosen.part_mib)
    if smallest < 1 or min(chosen.big_mib, chosen.transfer_mib) < 1:
        parser.error("sizes and counts must be positive")
    if chosen.part_mib < 5:
        parser.error("S3 wants parts of at least 5 MiB")
    if chosen.calm is not None and {name for name, _ in chosen.pid} < {e.name for e in chosen.endpoint}:
        parser.error("--calm needs --pid for every server")
    if chosen.list_keys <= 1000:
        parser.error("--list-keys must exceed a page of 1,000")
    return chosen


def choose(checks: list[Check], only: str | None) -> list[Check]:
    """Pick the checks that ``--only`` names, in the catalogue's order."""
    if not only:
        return checks
    wanted = set(only.split(","))
    if unknown := wanted - {check.name for check in checks}:
        raise SystemExit(f"no such check: {', '.join(sorted(unknown))}")
    return [check for check in checks if check.name in wanted]


class Run:
    """All rounds of all checks on all endpoints."""

    def __init__(self, targets: list[Target], pids: dict[str, int], rounds: int, calm: float | None) -> None:
        self.targets = targets
        self.pids = pids
        self.rounds = rounds
        self.calm = calm
        self.results: report.Results = {}

    def check(self, check: Check) -> None:
        """Prepare a check everywhere, then measure it in turn."""
        row = {target.endpoint.name: report.Result() for target in self.targets}
        self.results[check.name] = row
        for target in self.targets:
            name = target.endpoint.name
            say(f"{check.name}: prepare {name}")
            try:
                check.prepare(target)
            except FAILURES as error:
                self._fail(check, name, error)
        for turn in range(self.rounds):
            first = turn % len(self.targets)
            for target in self.targets[first:] + self.targets[:first]:
                if row[target.endpoint.name].error is None:
                    self._round(check, target, turn)

    def _round(self, check: Check, target: Target, turn: int) -> None:
        """Measure once; where calm is asked for, up to three times, of which the calmest counts."""
        result = self.results[check.name][target.endpoint.name]
        tries: list[tuple[Sample, machine.Meter]] = []
        for attempt in range(1 if self.calm is None else 3):
            try:
                tries.append(self._measure(check, target, f"{check.name}-{turn}-{attempt}"))
            except FAILURES as error:
                self._fail(check, target.endpoint.name, error)
                return
            others = tries[-1][1].other
            if self.calm is None or others is None or others <= self.calm:
                break
        sample, meter = min(tries, key=lambda pair: pair[1].other or 0.0) if len(tries) > 1 else tries[0]
        result.samples.append(sample)
        result.meters.append(meter)
        noise = "" if meter.other is None else f" (others: {meter.other:.2f} cores)"
        say(f"{check.name}: round {turn + 1} {target.endpoint.name} {report.number(sample.value)} {check.unit}{noise}")

    def _measure(self, check: Check, target: Target, tag: str) -> tuple[Sample, machine.Meter]:
        # Nobody pays for what another server left to be written.
        os.sync()
        time.sleep(0.3)
        if self.calm is not None:
            machine.await_calm(self.calm)
        meter = machine.Meter(
            self.pids.get(target.endpoint.name),
            list(self.pids.values()),
            complete=len(self.pids) == len(self.targets),
        )
        with meter:
            sample = check.measure(target, tag)
        sample.verify()
        return sample, meter

    def _fail(self, check: Check, name: str, error: Exception) -> None:
        what = f"{type(error).__name__}: {error}"[:500]
        self.results[check.name][name].error = what
        say(f"{check.name}: {name} FAILED: {what}")


def server_header(endpoint: Endpoint) -> str:
    """Ask what the server calls itself; a first signed request besides."""
    answer = Client(endpoint)("GET", "/")
    return answer.headers.get("Server") or "no Server header"


def tools() -> dict[str, str]:
    """Versions of the clients; a check whose client is absent fails."""
    return {
        "wrk": machine.version_of("wrk", "-v"),
        "curl": machine.version_of("curl", "--version"),
        "boto3": boto3.__version__,
        "python": sys.version.partition(" ")[0],
    }


def measure(chosen: argparse.Namespace, work: Path, stack: ExitStack) -> dict[str, Any]:
    """Run all that was chosen; return the whole record."""
    options = Options(
        seconds=chosen.seconds,
        objects=chosen.objects,
        list_keys=chosen.list_keys,
        big=chosen.big_mib * MIB,
        part=chosen.part_mib * MIB,
        transfer=chosen.transfer_mib * MIB,
        work=work,
    )
    checks = choose(catalogue(options), chosen.only)
    endpoints: list[Endpoint] = list(chosen.endpoint)
    pids: dict[str, int] = dict(chosen.pid)
    if chosen.with_zakrom:
        zakrom = stack.enter_context(Zakrom(work))
        endpoints.append(zakrom.endpoint)
        pids["zakrom"] = zakrom.pid
    record: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine.facts(work, pids),
        "tools": tools(),
        "servers": {end.name: server_header(end) for end in endpoints},
        "rounds": chosen.rounds,
        "calm": chosen.calm,
        "options": {**asdict(options), "work": str(work)},
    }
    files, run_id = Files(work), f"{os.getpid()}-{int(time.time()):x}"
    targets = [Target(endpoint, options, files, run_id) for endpoint in endpoints]
    run = Run(targets, pids, chosen.rounds, chosen.calm)
    with machine.MemoryWatch(pids if machine.KNOWN else {}) as memory:
        for check in checks:
            run.check(check)
    record["memory"] = {name: {"at start": memory.first[name], "peak": memory.peak[name]} for name in memory.first}
    record["checks"] = {
        check.name: {
            "title": check.title,
            "unit": check.unit,
            "results": {n: r.summary() for n, r in run.results[check.name].items()},
        }
        for check in checks
    }
    names = [endpoint.name for endpoint in endpoints]
    record["text"] = report.text(checks, names, run.results)
    record["markdown"] = report.markdown(checks, names, run.results)
    record["failed"] = any(result.error for row in run.results.values() for result in row.values())
    if not chosen.keep:
        for target in targets:
            say(f"clean up {target.endpoint.name}")
            try:
                target.remove()
            except FAILURES as error:
                say(f"clean-up of {target.endpoint.name} failed: {error}")
    return record


def show(record: dict[str, Any], chosen: argparse.Namespace) -> None:
    """Print the record."""
    text, markdown = record.pop("text"), record.pop("markdown")
    if chosen.json:
        whole = json.dumps(record, indent=2, default=str) + "\n"
        if chosen.json == "-":
            print(whole, end="")
            return
        Path(chosen.json).write_text(whole)
    for group in ("machine", "tools", "servers"):
        for name, value in record[group].items():
            print(f"{name}: {value}")
    print(f"{record['rounds']} rounds of {chosen.seconds} s; medians\n\n{text}\n")
    for name, sizes in record["memory"].items():
        first, peak = sizes["at start"] / MIB, sizes["peak"] / MIB
        print(f"memory of {name}: {first:.0f} MiB at start, peak {peak:.0f} MiB")
    if chosen.markdown:
        print(f"\n{markdown}")


def main() -> int:
    """Run; 1 when any check failed."""
    chosen = arguments()
    if chosen.list:
        sizes = (size * MIB for size in (chosen.big_mib, chosen.part_mib))
        big, part = sizes
        options = Options(1, 1, 1, big, part, chosen.transfer_mib * MIB, chosen.work)
        for check in catalogue(options):
            print(f"{check.name:15} {check.title} ({check.unit})")
        return 0
    if "tmpfs" in machine.file_system(chosen.work).split()[0]:
        say(f"{chosen.work} is a tmpfs: figures of a Zakrom started here lie")
    # Ended by a signal, the run stops its Zakrom and removes its files as well.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with ExitStack() as stack:
        directory = tempfile.TemporaryDirectory(prefix="bench-", dir=chosen.work)
        work = Path(stack.enter_context(directory))
        try:
            record = measure(chosen, work, stack)
        except BenchError as error:
            say(str(error))
            return 1
    show(record, chosen)
    return 1 if record["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())

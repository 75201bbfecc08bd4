"""The load generators: wrk and curl, as child processes."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .endpoint import BenchError, Endpoint

SCRIPT = Path(__file__).resolve().parent.parent / "presigned.lua"
BODY = 4096


@dataclass(frozen=True)
class Load:
    """What wrk measured."""

    requests: int
    micros: int
    received: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / (self.micros / 1e6)


class Wrk:
    """One run of wrk over presigned request targets; started, then awaited."""

    def __init__(
        self,
        endpoint: Endpoint,
        method: str,
        targets: Sequence[str],
        *,
        connections: int,
        seconds: int,
        pad: Path | None = None,
        stamp: str = "",
    ) -> None:
        self._what = f"wrk {method}"
        self._paths = tempfile.NamedTemporaryFile("w", suffix=".targets")  # noqa: SIM115
        self._paths.write("\n".join(targets) + "\n")
        self._paths.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=30s"]
        command += ["-s", str(SCRIPT), endpoint.url, "--"]
        command += [method, endpoint.host, self._paths.name]
        if pad:
            command += [str(pad), stamp]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def result(self) -> Load:
        """Wait for the end. A run with any failed request is no measurement."""
        output, _ = self._process.communicate()
        self._paths.close()
        lines = [line for line in output.splitlines() if line.startswith("RESULT ")]
        if self._process.returncode or not lines:
            raise BenchError(f"{self._what} failed: {output.strip()[-300:]}")
        seen = json.loads(lines[0].removeprefix("RESULT "))
        errors = {name: seen[name] for name in ("connect", "read", "write", "status", "timeout") if seen[name]}
        if errors or not seen["requests"]:
            raise BenchError(f"{self._what}: {seen['requests']} answers, {errors}")
        return Load(
            seen["requests"],
            seen["micros"],
            seen["bytes"],
            seen["p50"] / 1000,
            seen["p99"] / 1000,
        )


def curl(endpoint: Endpoint, target: str, *, upload: Path | None = None) -> float:
    """Move one body with curl; return the seconds it took."""
    form = "%{http_code} %{time_total} %{size_upload} %{size_download}"
    command = ["curl", "-sS", "--globoff", "-o", "/dev/null", "-w", form]
    if upload:
        command += ["-T", str(upload)]
    done = subprocess.run([*command, endpoint.url + target], capture_output=True, text=True, check=False)
    fields = done.stdout.split()
    if done.returncode or len(fields) != 4 or not fields[0].startswith("2"):
        raise BenchError(f"curl: {done.stdout} {done.stderr.strip()}"[:300])
    if upload and int(fields[2]) != upload.stat().st_size:
        raise BenchError(f"curl sent {fields[2]} bytes of {upload.stat().st_size}")
    return float(fields[1])

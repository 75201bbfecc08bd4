"""What the tests of packages share: uv, and a process that serves."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def uv() -> str:
    """The uv that made this environment: the one on PATH, or the one that scripts/environment fetched."""
    own = ROOT / ".venv-tools" / "uv" / "bin" / "uv"
    found = shutil.which("uv") or (str(own) if own.exists() else None)
    assert found, "no uv: run scripts/environment"
    return found


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what belongs to this checkout and without settings of ours."""
    ours = ("ZAKROM_", "MINIO_", "VIRTUAL_ENV", "PYTHONPATH", "UV_PROJECT_ENVIRONMENT")
    return {**{name: value for name, value in os.environ.items() if not name.startswith(ours)}, **more}


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run(
    *command: object, cwd: Path | None = None, seconds: float = 60, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end and returns what it said; no shell, no settings of ours."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean_environment(**(environment or {})),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )

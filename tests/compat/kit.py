"""What the tests of many clients share: bytes to send, programs to run, the schemes to try."""

from __future__ import annotations

import os
import random
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

KIB = 1024
MIB = 1024 * 1024

RUN_SECONDS = 90.0
"""How long one program may run: each takes a second or two."""

SERVER_ARGUMENTS = tuple(shlex.split(os.environ.get("ZAKROM_TEST_ARGUMENTS", "")))
"""Further arguments of every server that the tests start: to try another adapter, or other settings."""

WORKERS = 2
"""What `zakrom serve` starts by default on two cores: a client's next request may reach another process than its last."""

over_both = pytest.mark.parametrize("access", ["http", "https"], indirect=True)
"""The test runs over http and over https."""


def sample(length: int, seed: int = 0) -> bytes:
    """Bytes that do not compress and do not repeat, the same for the same ``length`` and ``seed``."""
    return random.Random(f"{length}/{seed}").randbytes(length)


def run(command: list[str | Path], env: Mapping[str, str], *, stdin: bytes = b"", expect: int = 0) -> str:
    """Run a program to its end and give what it wrote to stdout; fail when its exit code is not the expected one."""
    done = subprocess.run(
        [*map(str, command)], env=dict(env), input=stdin, capture_output=True, timeout=RUN_SECONDS, check=False
    )
    said = done.stderr.decode(errors="replace")
    out = done.stdout.decode(errors="replace")
    assert done.returncode == expect, f"{' '.join(map(str, command))} ended with {done.returncode}\n{out}\n{said}"
    return out


def write_tree(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write files by relative path, and give the root."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def read_tree(root: Path) -> dict[str, bytes]:
    """All files under a directory by relative path, with their bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


TREE = {
    "small.txt": b"one line\n",
    "empty": b"",
    "with space/and+plus & more.txt": b"awkward name\n",
    "unicode/закром-ячмень-😀.txt": "зерно\n".encode(),
    "a": b"a file beside a folder of its name would not fit on a disk\n",
    "deep/er/and/deeper/still.bin": sample(100 * KIB, 1),
    "deep/er/other.bin": sample(1 * MIB, 2),
    "large.bin": sample(20 * MIB, 3),
}
"""A small tree of files as people have them: empty, large enough for multipart, and with names that need care."""

"""Tools that cannot live in the project's own environment get one of their own, under ``.venv-tools/``.

aws-cli version 1 is a Python package that pins botocore, and would drag boto3 back with it. Run this file before the
tests (``make test`` does) to make what is missing; the tests themselves fetch nothing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / ".venv-tools"

MAKE_SECONDS = 300.0
"""A slow network fetches 20 MB in this time; a stuck one must not hold the tests for ever."""


@dataclass(frozen=True, slots=True)
class Environment:
    """One tool: where it is installed, what is asked of the package index, and the program that comes of it."""

    name: str
    requirements: tuple[str, ...]
    program: str

    @property
    def path(self) -> Path:
        """The program's path, whether it is there yet or not."""
        return ROOT / self.name / "bin" / self.program

    @property
    def current(self) -> bool:
        """Whether exactly these requirements were installed to the end."""
        stamp = ROOT / self.name / "requirements.txt"
        return self.path.exists() and stamp.exists() and stamp.read_text() == self._stamp

    @property
    def _stamp(self) -> str:
        return "\n".join(self.requirements) + "\n"

    def make(self) -> None:
        """Install the tool anew, with uv where there is one and with venv and pip otherwise."""
        directory = ROOT / self.name
        shutil.rmtree(directory, ignore_errors=True)
        directory.parent.mkdir(parents=True, exist_ok=True)
        python = directory / "bin" / "python"
        uv = _uv()
        if uv:
            _run(uv, "venv", "--quiet", "--python", sys.executable, directory)
            _run(uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *self.requirements)
        else:
            _run(sys.executable, "-m", "venv", directory)
            _run(python, "-m", "pip", "install", "--quiet", *self.requirements)
        (directory / "requirements.txt").write_text(self._stamp)


AWS_CLI_1 = Environment("awscli1", ("awscli==1.46.2",), "aws")

ENVIRONMENTS = (AWS_CLI_1,)


def _uv() -> str | None:
    """The ``uv`` beside this interpreter, or the one on PATH."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def _run(*command: object) -> None:
    subprocess.run([*map(str, command)], check=True, timeout=MAKE_SECONDS)


if __name__ == "__main__":
    for environment in ENVIRONMENTS:
        if not environment.current:
            environment.make()

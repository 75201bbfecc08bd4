"""A wheel, built and installed once for all tests of packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .helpers import ROOT, run, uv


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built with the build backend of this environment: nothing is fetched."""
    out = tmp_path_factory.mktemp("wheel")
    done = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    [made] = out.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a fresh virtual environment with the wheel and its locked dependencies, and nothing else.

    The dependencies come from uv's cache, where making this checkout's own environment has put them; only if the cache was
    removed meanwhile are they fetched again.
    """
    home = tmp_path_factory.mktemp("installed")
    locked = home / "requirements.txt"
    export = ("export", "--frozen", "--no-default-groups", "--no-emit-project", "--quiet", "--output-file", locked)
    done = run(uv(), *export, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    done = run(uv(), "venv", "--quiet", "--python", sys.executable, home / "venv")
    assert done.returncode == 0, done.stderr
    install = (
        uv(),
        "pip",
        "install",
        "--python",
        home / "venv" / "bin" / "python",
        "--only-binary",
        ":all:",
        "-r",
        locked,
        wheel,
    )
    done = run(*install, "--offline")
    if done.returncode:
        done = run(*install, seconds=300)
    assert done.returncode == 0, done.stderr
    return home / "venv" / "bin"

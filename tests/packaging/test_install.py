"""`pip install .` alone gives a working `zakrom`, with no compiler."""

from __future__ import annotations

import re
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from zakrom import __version__

from .helpers import ROOT, run

LOCK: dict[str, Any] = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_an_installed_zakrom_runs(installed: Path) -> None:
    """The command and `python -m zakrom` are there, with the right version."""
    version = run(installed / "zakrom", "--version")
    helped = run(installed / "python", "-m", "zakrom", "--help")

    assert (0, f"zakrom {__version__}\n") == (version.returncode, version.stdout)
    assert (0, "Usage: zakrom") == (helped.returncode, helped.stdout[:13])


def test_everything_can_be_imported_without_development_tools(installed: Path) -> None:
    """Every module needs no more than the declared dependencies; but those for tests of others may need pytest."""
    script = """
import importlib, pkgutil, zakrom
for module in pkgutil.walk_packages(zakrom.__path__, "zakrom."):
    if module.name != "zakrom.__main__" and not module.name.startswith(("zakrom.testing.plugin", "zakrom.testing.contracts.")):
        importlib.import_module(module.name)
"""
    done = run(installed / "python", "-W", "error", "-c", script)

    assert (0, "") == (done.returncode, done.stderr)


def test_the_wheel_has_all_files_of_the_package(wheel: Path) -> None:
    """SQL, types marker and licence travel with the code; tests and benchmarks do not."""
    names = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    expected = {
        str(path.relative_to(source)) for path in (source / "zakrom").rglob("*") if path.is_file() and path.suffix != ".pyc"
    }

    assert expected <= names
    assert {name.split("/")[0] for name in names} == {"zakrom", f"zakrom-{__version__}.dist-info"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_version_and_name_agree() -> None:
    """One version, in the package and in the project's table."""
    assert (PROJECT["name"], PROJECT["version"]) == ("zakrom", __version__)


# ---------------------------------------------------------------------------------------------------------- no compiler

PLATFORMS = {
    "Linux on x86_64": re.compile(r"manylinux.*_x86_64"),
    "Linux on ARM": re.compile(r"manylinux.*_aarch64"),
    "macOS on ARM": re.compile(r"macosx.*_(arm64|universal2)"),
}
PYTHONS = ("cp311", "cp312", "cp313")


def runtime_packages() -> list[dict[str, Any]]:
    """The locked packages that an installation brings: the dependencies and theirs."""
    packages = {package["name"]: package for package in LOCK["package"]}
    wanted, seen = [packages["zakrom"]], {}
    while wanted:
        package = wanted.pop()
        if package["name"] not in seen:
            seen[package["name"]] = package
            here = [one for one in package.get("dependencies", []) if "win32" not in one.get("marker", "")]
            wanted += [packages[one["name"]] for one in here]
    del seen["zakrom"]
    return list(seen.values())


def fits(wheel: str, python: str, platform: re.Pattern[str]) -> bool:
    """Whether a wheel of that file name installs there. Source: packaging.python.org, platform compatibility tags."""
    *_, pythons, abi, platforms = wheel.removesuffix(".whl").split("-")
    if platforms == "any":
        return "py3" in pythons
    stable = abi == "abi3" and all(int(one[3:]) <= int(python[3:]) for one in pythons.split(".") if one.startswith("cp3"))
    return (python in pythons or stable or "py3" in pythons) and platform.search(platforms) is not None


@pytest.mark.parametrize("package", runtime_packages(), ids=lambda package: package["name"])
def test_every_dependency_has_wheels(package: dict[str, Any]) -> None:
    """For each Python and each platform that we name there is a wheel: nothing is compiled on installation."""
    names = [wheel["url"].rsplit("/", 1)[1] for wheel in package["wheels"]]

    lacking = [
        f"{python} on {name}"
        for python in PYTHONS
        for name, platform in PLATFORMS.items()
        if not any(fits(wheel, python, platform) for wheel in names)
    ]

    assert lacking == []

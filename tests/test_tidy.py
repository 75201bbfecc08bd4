"""The house's own rules, for which there is no ready-made tool: each with the reason, and what to do instead."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "zakrom"
MODULES = sorted(SOURCE.rglob("*.py"))

FUNCTION_LINES_MAX = 45
"""Of code, without docstring and comments. A function is read without scrolling; nine of ten should be under thirty."""


def room(path: Path) -> str:
    """The folder of `src/zakrom` that a module belongs to, or the module's own name."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@functools.cache
def tree(path: Path) -> ast.Module:
    """The parsed module."""
    return ast.parse(path.read_text("utf-8"))


def where(path: Path, node: ast.AST) -> str:
    """``file:line``, for a click."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def dotted(node: ast.AST) -> str:
    """``os.environ`` of the expression ``os.environ``; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (head := dotted(node.value)):
        return f"{head}.{node.attr}"
    return ""


def uses(names: re.Pattern[str], rooms: set[str]) -> list[str]:
    """Where modules of these rooms use a dotted name that matches."""
    return [
        f"{where(path, node)}: {name}"
        for path in MODULES
        if room(path) in rooms
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute | ast.Name) and names.fullmatch(name := dotted(node))
    ]


ROOMS = {room(path) for path in MODULES}


def test_thinking_floors_do_not_wait() -> None:
    """Invariant 1: `rules` and `wire` (and `model`) contain no await: they are given values and give values."""
    kinds = (ast.Await, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)
    found = [
        where(path, node)
        for path in MODULES
        if room(path) in {"errors", "model", "rules", "wire"}
        for node in ast.walk(tree(path))
        if isinstance(node, kinds)
    ]

    assert found == []


def test_the_environment_is_read_in_cli_only() -> None:
    """Invariant 11: take what you need as an argument. `testing` passes the environment on to the servers it starts."""
    assert uses(re.compile(r"os\.(environb?|getenvb?)"), ROOMS - {"cli", "testing"}) == []


def test_nothing_is_removed_but_by_those_who_may() -> None:
    """Invariant 7: bytes go through `blobs` alone. Doors and `store` unlink nothing; chores tell `blobs` to."""
    removing = re.compile(r"os\.(unlink|remove|removedirs|rmdir|rename)|shutil\.(rmtree|move)")

    assert uses(removing, ROOMS & {"s3", "admin", "identity", "store", "web", "observe", "settings"}) == []


def test_only_store_and_chores_know_both_facts_and_bytes() -> None:
    """Invariant 2: a module that imports `catalog` and `blobs` is in `store` or `jobs`, or puts the parts together."""
    both = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if room(path) not in {"store", "jobs", "compose", "cli", "testing"}
        and {"catalog", "blobs"} <= set(imported_rooms(path))
    ]

    assert both == []


def imported_rooms(path: Path) -> Iterator[str]:
    """The rooms that a module imports."""
    for node in ast.walk(tree(path)):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("zakrom."):
                yield name.split(".")[1]


def test_functions_are_short() -> None:
    """Make two: what decides and what does. A table instead of a ladder of ifs."""
    long = [
        f"{where(path, node)}: {node.name} has {count} lines of code"
        for path in MODULES
        if "contracts" not in path.parts  # suites: tests that are shipped
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (count := code_lines(path, node)) > FUNCTION_LINES_MAX
    ]

    assert long == []


def code_lines(path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function that are neither blank, comment nor docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body:
        return 0
    lines = path.read_text("utf-8").splitlines()[body[0].lineno - 1 : node.end_lineno]
    return sum(1 for line in lines if line.strip() and not line.strip().startswith("#"))


TEXTS = sorted(
    path
    for folder in ("src", "tests", "scripts", "docs", "benchmarks", "deploy")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".md", ".sql", ".sh", ".lua", ".toml", ".yaml", ".c"} and path.is_file()
)
LEFTOVER = re.compile(r"\b(?:FIX" + r"ME|TO" + r"DO|XX" + r"X|HA" + r"CK)\b")


def test_nothing_is_left_over() -> None:
    """Do it now, or write an issue: a note in the code is neither."""
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in TEXTS
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if LEFTOVER.search(line)
    ]

    assert found == []


TESTS = sorted((ROOT / "tests").rglob("*.py"))


def test_tests_use_fakes_not_mocks() -> None:
    """A mock repeats what the code does; a fake keeps what the seam promises: `zakrom.testing`."""
    found = [where(path, node) for path in TESTS for node in ast.walk(tree(path)) if "mock" in imported(node)]

    assert found == []


def imported(node: ast.AST) -> str:
    """What an import statement names."""
    if isinstance(node, ast.ImportFrom):
        return f"{node.module} {' '.join(alias.name for alias in node.names)}"
    return " ".join(alias.name for alias in node.names) if isinstance(node, ast.Import) else ""


def test_tests_that_are_left_out_say_why() -> None:
    """A skip or an expected failure without a reason is a test that nobody will ever run again."""
    found = [
        where(path, node)
        for path in TESTS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call | ast.Attribute) and without_reason(node)
    ]

    assert found == []


def without_reason(node: ast.Call | ast.Attribute) -> bool:
    """Whether a mark or a call leaves tests out and gives no reason. A bare mark is an attribute that is not called."""
    if isinstance(node, ast.Attribute):
        return dotted(node) in {"pytest.mark.skip", "pytest.mark.xfail"} and not getattr(node, "called", False)
    name = dotted(node.func)
    if name.startswith("pytest."):
        node.func.called = True  # type: ignore[attr-defined]  # walked later than the call: the tree goes from the outside in
    marks = {"pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail", "pytest.skip", "pytest.xfail"}
    positional = name in {"pytest.skip", "pytest.xfail"} and bool(node.args)
    return name in marks and not positional and not any(keyword.arg == "reason" for keyword in node.keywords)


SCRIPTS = ("scripts/environment", "scripts/system-packages", ".ci/run")


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_can_be_run(script: str) -> None:
    """Executable, for the shell that they name, and without the traps that shellcheck knows."""
    path = ROOT / script
    done = subprocess.run([tool("shellcheck"), path], capture_output=True, text=True, timeout=60, check=False)

    assert path.stat().st_mode & 0o111
    assert (0, "") == (done.returncode, done.stdout)


def test_the_dockerfile_is_clean() -> None:
    """The image is built as hadolint thinks right."""
    done = subprocess.run([tool("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60, check=False)

    assert (0, "") == (done.returncode, done.stdout)


def tool(name: str) -> Path:
    """A program of this environment."""
    return Path(sys.executable).with_name(name)


def test_changes_are_told_in_the_form_of_the_template() -> None:
    """One file a change in changelog/unreleased: a kind with a title, what was and what is now."""
    kinds = re.compile(r"(Security|Breaking|Change|Feature|Fix|Speed): \S.*")
    for path in sorted((ROOT / "changelog" / "unreleased").glob("*.md")):
        first, blank, *rest = path.read_text("utf-8").splitlines()
        assert kinds.fullmatch(first), f"{path.name}: the first line is a kind and a title (changelog/TEMPLATE.md)"
        assert blank == ""
        assert any(line.strip() for line in rest), f"{path.name}: tell what was and what is now"


def test_the_lock_names_the_public_index_only() -> None:
    """Whoever locks behind a mirror would send everybody there."""
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text("utf-8")))

    assert hosts == {"pypi.org", "files.pythonhosted.org"}

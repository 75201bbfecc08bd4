"""The documentation is complete and true: what the code knows is generated from it, and the rest is checked against it."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from zakrom.cli.main import root
from zakrom.observe.metrics import families

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
HAND_WRITTEN = [page for page in PAGES if "Written by scripts/reference.py" not in page.read_text("utf-8")]


def _reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = _reference()


@pytest.mark.parametrize("name", reference.PAGES)
def test_generated_pages_are_what_the_code_says(name: str) -> None:
    """Settings, commands, operations, errors, limits, admin API: `make docs` was run after the last change."""
    assert (DOCS / name).read_text("utf-8") == reference.page(name)


def test_every_limit_has_a_reason() -> None:
    """A number that bounds something says why it is that number: behind it, above it, or in a string below it."""
    assert [f"{one.module}: {one.name}" for one in reference.all_limits() if not one.reason] == []


def test_every_operation_that_is_served_says_what_it_does() -> None:
    """The table of operations has no empty cell."""
    text = reference.page("operations.md").split("## Not served")[0]

    assert [line for line in text.splitlines() if line.endswith("|  |")] == []


def test_every_room_is_in_the_map() -> None:
    """ARCHITECTURE.md has a row for each room of the house, and no row for a room that is not there."""
    rows = re.findall(r"(?m)^\| `([a-z0-9_]+)(?:/|\.py)` \|", (ROOT / "ARCHITECTURE.md").read_text("utf-8"))
    rooms = {path.stem for path in (ROOT / "src" / "zakrom").iterdir() if path.suffix in {"", ".py"} and path.stem[0] != "_"}

    assert sorted(rows) == sorted(rooms)


def test_every_page_is_in_the_navigation() -> None:
    """A page that nobody finds is not there."""
    nav = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"]
    listed = [page for entry in nav for page in entry.values()]

    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links name a file that exists, and a heading that it has."""
    text = re.sub(r"(?s)```.*?```", "", page.read_text("utf-8"))
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, heading = target.partition("#")
        if "://" in file:
            continue
        there = (page.parent / file) if file else page
        if not there.exists() or (heading and heading not in headings(there)):
            broken.append(target)

    assert broken == []


def headings(page: Path) -> set[str]:
    """The anchors of a page, as Markdown renderers make them."""
    titles = re.findall(r"(?m)^#+ (.+)$", page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", page.read_text("utf-8"))


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=lambda page: page.name)
def test_python_in_the_pages_is_python(page: Path) -> None:
    """Every snippet compiles."""
    for block in blocks(page, "python"):
        compile(block, page.name, "exec")


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Every line in a shell block of a page, or a `zakrom …` in its text, that calls us: page and words."""
    for page in HAND_WRITTEN:
        text = page.read_text("utf-8")
        lines = [line for block in blocks(page, "sh") for line in block.splitlines() if line.startswith("zakrom ")]
        lines += re.findall(r"`(zakrom [a-z][^`]*)`", re.sub(r"(?s)```.*?```", "", text))
        for line in lines:
            yield page.name, shlex.split(line, comments=True)[1:]


@pytest.mark.parametrize(
    ("page", "words"), list(command_lines()), ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_commands_in_the_pages_exist(page: str, words: list[str]) -> None:
    """Each `zakrom …` that a page names is a command with those flags."""
    context, command = click.Context(root, info_name="zakrom"), root
    while words and isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"{page}: there is no command {words[0]}"
        context, command, words = click.Context(found, parent=context, info_name=words[0]), found, words[1:]  # type: ignore[assignment]
    flags = {flag for parameter in command.get_params(context) for flag in (*parameter.opts, *parameter.secondary_opts)}

    assert {word for word in words if word.startswith("--")} <= flags


def test_flags_in_the_pages_exist() -> None:
    """A `--flag` in the text is one of `serve`'s, or of another program that is named in the line."""
    known = {flag for parameter in _serve().params for flag in (*parameter.opts, *parameter.secondary_opts)}
    found = {
        flag
        for page in (DOCS / name for name in ("storage.md", "getting-started.md"))
        for flag in re.findall(r"`(--[a-z0-9-]+)", page.read_text("utf-8"))
    }

    assert found <= known


def _serve() -> click.Command:
    command = root.get_command(click.Context(root), "serve")
    assert command is not None
    return command


def test_metrics_in_the_pages_exist() -> None:
    """Whoever writes an alert after the page finds the metric."""
    known = {family.name for family in families((), (), (), ())} | {"zakrom_bucket_bytes"}
    named = set(re.findall(r"`(zakrom_[a-z_]+)", (DOCS / "operating.md").read_text("utf-8")))

    assert named
    assert named <= known


def test_both_readmes_say_the_same() -> None:
    """The same sections, the same code, in both languages."""
    english, russian = (ROOT / "README.md").read_text("utf-8"), (ROOT / "README.ru.md").read_text("utf-8")

    def shape(text: str) -> tuple[int, int, list[str]]:
        code = re.findall(r"(?ms)^```\w+\n(.*?)^```", text)
        return text.count("\n## "), text.count("\n- "), [re.sub(r"\s*#.*", "", block) for block in code]

    assert shape(english) == shape(russian)

#!/usr/bin/env python3
"""Writes the pages of docs/ that the code already knows: settings, commands, operations, errors, limits, admin API.

``scripts/reference.py`` writes them; ``scripts/reference.py --check`` says which are not what the code says, and fails.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, zip_longest
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import click

from zakrom import errors
from zakrom.admin.app import create_app
from zakrom.cli import failure
from zakrom.cli.main import root
from zakrom.s3.operation import REGISTRY, Level, Operation
from zakrom.settings import TABLE, Setting
from zakrom.wire.errors import code_of, status_of

DOCS = Path(__file__).resolve().parent.parent / "docs"

Lines = Iterator[str]


def row(*cells: str) -> str:
    """A row of a Markdown table. A bar within a cell would end it."""
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Lines:
    """A Markdown table."""
    names = list(head)
    yield row(*names)
    yield row(*("---" for _ in names))
    yield from (row(*cells) for cells in rows)
    yield ""


def code(text: str | None) -> str:
    """The text as code; "none" for nothing."""
    return f"`{text}`" if text else "none"


# -------------------------------------------------------------------------------------------------------- configuration


CONFIGURATION = """\
# Configuration

Every setting can be given as a flag of `zakrom serve`, as a variable of the environment, or as a line of a TOML file named by
`--config FILE` or `ZAKROM_CONFIG`. If a setting is given more than once, the flag wins over the variable, the variable over
MinIO's variable of the same meaning, that over the file, and the file over the default.

```toml
# zakrom.toml
data = "/srv/s3"
address = "0.0.0.0:9000"
domain = ["s3.example.org"]
reserve = "2GiB"
access-log = false
```

- A **size** is `200MB` (decimal), `200MiB` (binary) or plain bytes.
- A **duration** is `500ms`, `30s`, `15m`, `2h`, `30d` or plain seconds.
- **On or off** is `on`, `true`, `yes`, `1` or `off`, `false`, `no`, `0`; as a flag, `--sigv2` or `--no-sigv2`.
- What may be repeated is a list in TOML, and has commas in a variable. An empty variable counts as absent.

A setting that is not valid stops the start with one line that names it, the place it came from and what is allowed; the exit
code is 2.
"""


def configuration() -> Lines:
    """docs/configuration.md."""
    yield CONFIGURATION
    for group, settings in groupby(TABLE, key=lambda setting: setting.group):
        yield from (f"## {group}", "")
        for setting in settings:
            yield from setting_section(setting)


def setting_section(setting: Setting) -> Lines:
    """What there is to say about one setting."""
    yield from (f"### {setting.name}", "", setting.help, "")
    if setting.reason:
        yield from (f"*Why:* {setting.reason}", "")
    aliases = "".join(f", or {code(alias)}" for alias in setting.aliases)
    yield f"- default: {code(setting.default)}"
    yield f"- allowed: {setting.kind.allowed}"
    yield f"- flag: {code(setting.flag)}{' (a command line is visible to others)' if setting.secret else ''}"
    yield f"- variable: {code(setting.variable)}{aliases}"
    yield f"- TOML: {code(setting.name)}"
    yield ""


# ------------------------------------------------------------------------------------------------------------- commands


COMMANDS = """\
# Commands

`zakrom` and `python -m zakrom` are the same. What a program may want to read goes to stdout, messages go to
stderr, as one line: `error: what happened (hint: what to do)`.
"""
WIDTH = 100  # of the help texts: what fits into a page


def commands() -> Lines:
    """docs/commands.md."""
    yield COMMANDS
    yield from table(("exit code", "meaning"), ((str(number), meaning) for number, meaning in failure.MEANINGS.items()))
    names = root.context_settings["help_option_names"]
    context = click.Context(root, info_name="zakrom", terminal_width=WIDTH, help_option_names=names)
    yield from command_sections(context, root)


def command_sections(context: click.Context, command: click.Command) -> Lines:
    """A section for a command, and for those below it."""
    command._help_option = None  # noqa: SLF001 - click keeps the one that was made for whoever asked first, under their names
    yield from (f"## {context.command_path}", "", "```text")
    yield from (line.rstrip() for line in command.get_help(context).splitlines())
    yield from ("```", "")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None, name
            yield from command_sections(click.Context(below, parent=context, info_name=name, terminal_width=WIDTH), below)


# ----------------------------------------------------------------------------------------------------------- operations


OPERATIONS = """\
# Operations of S3

Of the {all} operations that the S3 API has, {served} are served. The others answer `501 NotImplemented` and say their name.

## Served
"""


def operations() -> Lines:
    """docs/operations.md."""
    importlib.import_module("zakrom.s3.registry")  # imports every file of operations, each of which fills the registry
    served = [one for one in REGISTRY.values() if one.run is not None]
    unserved = [one for one in REGISTRY.values() if one.run is None]
    yield OPERATIONS.format(all=len(REGISTRY), served=len(served))
    for level in Level:
        rows = [operation_row(one) for one in sorted(served, key=lambda one: one.name) if one.level is level]
        yield from (f"### On {LEVELS[level]}", "")
        yield from table(("operation", "request", "what it does"), rows)
    yield from ("## Not served", "")
    yield from table(("operation", "request"), (operation_row(one)[:2] for one in sorted(unserved, key=lambda one: one.name)))


LEVELS = {Level.SERVICE: "the service", Level.BUCKET: "a bucket", Level.OBJECT: "an object"}
PATHS = {Level.SERVICE: "/", Level.BUCKET: "/bucket", Level.OBJECT: "/bucket/key"}


def operation_row(one: Operation) -> tuple[str, str, str]:
    """Name, request line, and the first line of the docstring of an operation."""
    query = "&".join(filter(None, (one.keyword, *(f"{name}=…" for name in one.query))))
    with_headers = "".join(f" with {code(name)}" for name in one.headers)
    request = f"{one.method} {PATHS[one.level]}{'?' if query else ''}{query}"
    return one.name, f"{code(request)}{with_headers}", (getattr(one.run, "__doc__", "") or "").strip().split("\n\n")[0]


# --------------------------------------------------------------------------------------------------------------- errors

ERRORS = """\
# Errors

An error is one thing in three dresses: the XML document of S3, the JSON of the admin API, and a line with an exit code of the
command line. The branch says who can do what about it.
"""
BRANCHES: dict[type[errors.Error], str] = {
    errors.Invalid: "Change the request.",
    errors.Denied: "The caller may not, or could not prove who they are.",
    errors.NotFound: "What was named does not exist.",
    errors.Conflict: "The state of the store forbids it now; the state may change.",
    errors.Exhausted: "Room or patience has run out; it may come back.",
    errors.Unavailable: "The server cannot answer now; another try may succeed.",
    errors.Corrupt: "Stored bytes or facts are damaged; an operator is needed.",
}


def error_page() -> Lines:
    """docs/errors.md."""
    yield ERRORS
    for branch, meaning in BRANCHES.items():
        yield from (f"## {branch.__name__}", "", f"{meaning} Exit code {failure.exit_code(branch())}.", "")
        kinds = [kind for kind in errors.Error.registry.values() if issubclass(kind, branch)]
        yield from table(
            ("error", "HTTP status", "code in S3", "message"),
            ((kind.__name__, str(status_of(kind())), code(code_of(kind())), kind().message) for kind in kinds),
        )


# --------------------------------------------------------------------------------------------------------------- limits

LIMITS = """\
# Limits

What S3 itself limits is limited here in the same way: a key has at most 1024 bytes of UTF-8, an upload at most 10,000 parts of
5 MiB to 5 GiB (the last may be smaller), a single PUT at most 5 GiB, user metadata at most 2 KB, a page of a listing at most
1,000 entries.

Some limits are settings ([configuration](configuration.md)): connections that stand still, the reserve of free space, buckets
of a user. The others are constants of the code. This is the list of all of them, with their reasons.
"""
SOURCE = Path(errors.__file__).parent
NAME = re.compile(r"[A-Z][A-Z0-9_]*_(MAX|MIN)")


class Limit(NamedTuple):
    """A constant of the code that bounds something."""

    module: str
    name: str
    value: str
    reason: str


def limits_of(path: Path) -> Iterator[Limit]:
    """The limits that a module names. The reason stands behind the value, in a string below it, or in a comment above it."""
    text = path.read_text("utf-8")
    lines = text.splitlines()
    body = ast.parse(text).body
    for node, after in zip_longest(body, body[1:]):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target if isinstance(node, ast.AnnAssign) else None
        if (
            isinstance(node, ast.Assign | ast.AnnAssign)
            and isinstance(target, ast.Name)
            and NAME.fullmatch(target.id)
            and node.value
        ):
            module = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
            yield Limit(module, target.id, ast.unparse(node.value), reason_of(lines, node, after))


def reason_of(lines: list[str], node: ast.stmt, after: ast.stmt | None) -> str:
    """The words of the code about a constant; empty if there are none."""
    _, _, behind = lines[(node.end_lineno or node.lineno) - 1].partition("  # ")
    if behind:
        return behind
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
        return " ".join(after.value.value.split())
    above: list[str] = []
    for line in reversed(lines[: node.lineno - 1]):
        if not line.startswith("# "):
            break
        above.insert(0, line.removeprefix("# "))
    return " ".join(above)


def all_limits() -> list[Limit]:
    """All limits of the server, by module."""
    paths = (path for path in sorted(SOURCE.rglob("*.py")) if "testing" not in path.parts)
    return [limit for path in paths for limit in limits_of(path)]


def limit_page() -> Lines:
    """docs/limits.md."""
    yield LIMITS
    for room, limits in groupby(all_limits(), key=lambda limit: limit.module.split(".")[1]):
        yield from (f"## {room}", "")
        rows = ((code(one.name), code(one.value), one.reason, code(one.module.removeprefix("zakrom."))) for one in limits)
        yield from table(("limit", "value", "reason", "where"), rows)


# ------------------------------------------------------------------------------------------------------------ admin API

ADMIN_API = """\
# Admin API

JSON over HTTP on a port of its own, `127.0.0.1:9001` by default. Calls are signed with AWS Signature Version 4, service `s3`,
with the same keys that S3 takes. Root may make all of them; a user may ask for `/api/v1/me`, and for usage, quota and space of
their own buckets.

- The running server has the OpenAPI document at `/openapi.json`, and a page for people at `/docs`.
- From the command line: `zakrom admin` ([commands](commands.md)). From Python: `zakrom.admin_client`.
- An error is a JSON document with the code, the message, the fields and a hint; its status is that of the same
  [error](errors.md) in S3.
"""


def admin_api() -> Lines:
    """docs/admin-api.md."""
    yield ADMIN_API
    nothing: Any = SimpleNamespace(catalog=None)  # the application is asked for its description and serves nobody
    document = create_app(nothing, nothing, nothing, (), clock_ms=lambda: 0).openapi()
    calls = [
        (call.get("tags", ["other"])[0], f"{method.upper()} {path}", call.get("description", "").split("\n\n")[0])
        for path, methods in document["paths"].items()
        for method, call in methods.items()
    ]
    for tag in dict.fromkeys(tag for tag, _, _ in calls):
        yield from (f"## {tag.capitalize()}", "")
        yield from table(("call", "what it does"), ((code(call), words) for group, call, words in calls if group == tag))


# ---------------------------------------------------------------------------------------------------------------- pages

PAGES: dict[str, Callable[[], Lines]] = {
    "configuration.md": configuration,
    "commands.md": commands,
    "operations.md": operations,
    "errors.md": error_page,
    "limits.md": limit_page,
    "admin-api.md": admin_api,
}

NOTE = "<!-- Written by scripts/reference.py from the code. Change the code, then run `make docs`. -->"


def page(name: str) -> str:
    """The text of a page."""
    return "\n".join((NOTE, "", *PAGES[name]())).rstrip() + "\n"


def main(arguments: list[str]) -> int:
    """Writes all pages, or with --check compares them; the exit code."""
    stale = [name for name in PAGES if not (DOCS / name).exists() or (DOCS / name).read_text("utf-8") != page(name)]
    if arguments == ["--check"]:
        for name in stale:
            print(f"docs/{name} is not what the code says (hint: make docs)", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).write_text(page(name), "utf-8")
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

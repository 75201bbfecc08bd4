"""What all `zakrom admin` commands share: the flags that say where the server is, the client, and how answers are shown."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from zakrom.admin_client import AdminClient

TIMEOUT_SECONDS = 30.0
"""How long the server may be silent; a loaded one answers in milliseconds."""

WIDTH_WITHOUT_TERMINAL = 4096  # nothing is folded or cut for a program that reads

P = ParamSpec("P")
R = TypeVar("R")


class Session(NamedTuple):
    """A command's client, and what its user wants to see."""

    client: AdminClient
    as_json: bool

    def show(self, value: object, text: Callable[[], None]) -> None:
        """Prints the value as JSON, or calls what prints it for people."""
        if self.as_json:
            import msgspec

            click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
        else:
            text()


_OPTIONS = (
    click.option(
        "--endpoint", metavar="URL", help="Of the admin API.  [env: ZAKROM_ADMIN_ENDPOINT; default: http://127.0.0.1:9001]"
    ),
    click.option("--profile", metavar="NAME", help="Of ~/.aws/credentials and ~/.aws/config.  [env: AWS_PROFILE]"),
    click.option("--ca", metavar="FILE", type=click.Path(), help="The authorities to trust, PEM.  [env: AWS_CA_BUNDLE]"),
    click.option("--insecure", is_flag=True, help="Do not check the server's certificate."),
    click.option(
        "--timeout", metavar="SECONDS", type=click.FloatRange(min=0, min_open=True), default=TIMEOUT_SECONDS, show_default=True
    ),
    click.option("--json", "as_json", is_flag=True, help="Print JSON."),
)


def connected(command: Callable[Concatenate[Session, P], R]) -> Callable[..., R]:
    """Gives a command the flags above, and a `Session` as its first argument."""

    @functools.wraps(command)
    def run(*args: P.args, **given: P.kwargs) -> R:
        session = _session(given)  # which takes its flags out
        return command(session, *args, **given)

    decorated: Callable[..., R] = run
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _session(given: dict[str, Any]) -> Session:
    """The session that the flags ask for; they are taken out of what the command is given."""
    from zakrom.admin_client import AdminClient

    client = AdminClient.from_environment(
        os.environ,
        endpoint=given.pop("endpoint"),
        profile=given.pop("profile"),
        timeout_seconds=given.pop("timeout"),
        verify=not given.pop("insecure"),
        ca=given.pop("ca"),
    )
    return Session(client, as_json=given.pop("as_json"))


def examples(*lines: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Puts examples at the end of a command's docstring, which is its help."""

    def put(command: Callable[P, R]) -> Callable[P, R]:
        shown = "".join(f"\n  {line}" for line in lines)
        command.__doc__ = f"{inspect.cleandoc(command.__doc__ or '')}\n\n\b\nExamples:{shown}"
        return command

    return put


# ------------------------------------------------------------------------------------------------------------ for people


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table; columns whose title begins with ``>`` are numbers."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    console = Console(file=sys.stdout, width=width, highlight=False, markup=False)
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for title in columns:
        grid.add_column(title.removeprefix(">"), justify="right" if title.startswith(">") else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(safe(cell)) for cell in row))
    console.print(grid)


def pairs(*facts: tuple[str, str]) -> None:
    """Prints names and what they stand for, one a line."""
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        click.echo(f"{name:{width}}  {safe(value)}")


def safe(text: str) -> str:
    """A name as a terminal may have it: a key of an object may hold anything, also what moves the cursor."""
    return text if text.isprintable() else ascii(text)


def size(number: int | None) -> str:
    """Bytes for people: ``1.2 GB``; None is no limit."""
    if number is None:
        return "-"
    value, unit = float(number), "B"
    for unit in ("B", "KB", "MB", "GB", "TB", "PB"):  # noqa: B007 - the one it ends with
        if value < 1000:
            break
        value /= 1000
    return f"{number} B" if unit == "B" else f"{value:.1f} {unit}"


def moment(ms: int) -> str:
    """A time, UTC."""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(ms / 1000)) if ms else "-"


def secret(text: str | None) -> str | None:
    """A secret that was given as a flag; ``-`` is read from standard input, so that no list of processes shows it."""
    if text != "-":
        return text
    return sys.stdin.readline().rstrip("\r\n")

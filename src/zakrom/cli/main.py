"""The command `zakrom`: finds a subcommand, runs it, turns what goes wrong into a line and an exit code.

Subcommands are imported when they run, never before: `zakrom --help` and the shell's completion cost one import of click. So
the table below holds each command's one-line help too; a test compares it with the command itself.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple, NoReturn, cast

import click

from zakrom import __version__, errors
from zakrom.cli import failure


class Place(NamedTuple):
    """Where a command lives: ``module:attribute``, and its help in one line."""

    target: str
    help: str


COMMANDS: dict[str, Place] = {
    "serve": Place("zakrom.cli.serve:serve", "Run the server."),
    "health": Place("zakrom.cli.health:health", "Ask a server whether it is ready."),
    "admin": Place("zakrom.cli.admin:admin", "Manage a running server."),
    "backup": Place("zakrom.cli.backup:backup", "Copy the store, while it runs."),
    "check": Place("zakrom.cli.check:check", "Check the store: catalog against blobs, both ways."),
    "scrub": Place("zakrom.cli.check:scrub", "Read and verify every stored byte now."),
    "completion": Place("zakrom.cli.completion:completion", "Print the completion script of a shell."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when asked for. Its table is given as ``places``."""

    def __init__(self, *args: object, places: dict[str, Place], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own arguments, passed on
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the table's order."""
        del ctx
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, imported now; None if there is none of that name."""
        del ctx
        if cmd_name not in self.places:
            return None
        module, _, attribute = self.places[cmd_name].target.partition(":")
        return cast("click.Command", getattr(importlib.import_module(module), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in the help, from the table: nothing is imported for it."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.help) for name, place in self.places.items()])


EXAMPLES = """\b
Examples:
  zakrom serve                                   a store in ./data, on 127.0.0.1:9000
  zakrom serve --data /srv/s3 --address :9000    everywhere on this machine
  zakrom COMMAND --help                          what a command can do
"""


@click.group(
    cls=LazyGroup,
    places=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    help="S3 storage that one person can run and trust.\n\n" + EXAMPLES,
)
@click.version_option(__version__, message="zakrom %(version)s")
def root() -> None:
    """The group of all commands."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and ends the process with its exit code (`failure.MEANINGS`)."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code. What it raises has become a line on stderr."""
    try:
        result = root.main(arguments, prog_name="zakrom", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except errors.Error as error:
        click.echo(failure.line(error), err=True)
        return failure.exit_code(error)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return failure.INTERRUPTED
    except BrokenPipeError:
        # Who reads our output has gone (`zakrom … | head`). Python would complain once more when it flushes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        click.echo(f"error: {error.strerror or error}{where}", err=True)
        return 1

"""`zakrom completion`: the script that makes a shell complete our commands and flags."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_ZAKROM_COMPLETE"  # click's own protocol: _<PROGRAM>_COMPLETE=<shell>_complete


@click.command(
    help="""Print the completion script of a shell.

\b
Examples:
  zakrom completion bash > ~/.local/share/bash-completion/completions/zakrom
  zakrom completion zsh  > "${fpath[1]}/_zakrom"
  zakrom completion fish > ~/.config/fish/completions/zakrom.fish
""",
    short_help="Print the completion script of a shell.",
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Prints the script."""
    made = get_completion_class(shell)
    assert made is not None, shell  # SHELLS lists what click has
    click.echo(made(ctx.find_root().command, {}, "zakrom", VARIABLE).source())

"""The command `zakrom` as a process: help, version, completion, errors; and how fast it starts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from zakrom import __version__
from zakrom.cli import main

START_SECONDS_MAX = 0.15  # what a person does not notice when they press tab


def zakrom(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command as a user would, with nothing of ours in the environment."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ZAKROM_", "MINIO_"))}
    return subprocess.run(
        [sys.executable, "-m", "zakrom", *arguments],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_version() -> None:
    """`zakrom --version` says the package's version."""
    done = zakrom("--version")

    assert (0, f"zakrom {__version__}\n") == (done.returncode, done.stdout)


def test_help_lists_every_command() -> None:
    """`zakrom --help` names each command of the table, with examples."""
    done = zakrom("--help")

    assert done.returncode == 0
    assert "Examples:" in done.stdout
    assert all(f"  {name}" in done.stdout for name in main.COMMANDS)


@pytest.mark.parametrize("name", main.COMMANDS)
def test_the_table_agrees_with_the_command(name: str) -> None:
    """The one-line help in the table, which spares the import, is the command's own; and its long help has an example."""
    command = main.root.get_command(click.Context(main.root), name)

    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(limit=200) == main.COMMANDS[name].help
    assert "Examples:" in (command.help or "") or isinstance(command, click.Group)


def test_an_unknown_command_is_a_usage_error() -> None:
    """A slip in the command's name gives a line and exit code 2."""
    done = zakrom("sevre")

    assert done.returncode == 2
    assert "No such command 'sevre'" in done.stderr


def test_a_bad_setting_is_one_line_and_exit_code_2() -> None:
    """The line names the flag or the variable, what is allowed, and a hint; no traceback."""
    for done in (zakrom("serve", "--workers", "many"), zakrom("serve", ZAKROM_WORKERS="many")):
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert "WORKERS" in done.stderr.upper()
        assert "hint: " in done.stderr


def test_a_missing_configuration_file_is_said(tmp_path: Path) -> None:
    """A path that cannot be read is named."""
    done = zakrom("serve", "--config", str(tmp_path / "nowhere.toml"))

    assert done.returncode == 2
    assert "nowhere.toml: No such file or directory" in done.stderr


def test_a_configuration_file_is_named_in_errors(tmp_path: Path) -> None:
    """ZAKROM_CONFIG works as --config does, and an error tells the file."""
    file = tmp_path / "zakrom.toml"
    file.write_text('adress = ":9000"\n')

    done = zakrom("serve", ZAKROM_CONFIG=str(file))

    assert done.returncode == 2
    assert f"{file}: there is no setting 'adress' (hint: did you mean address?)" in done.stderr


def test_a_huge_configuration_file_is_refused(tmp_path: Path) -> None:
    """The wrong file is not read to its end."""
    file = tmp_path / "object.bin"
    file.write_bytes(b"x" * (2 << 20))

    done = zakrom("serve", "--config", str(file))

    assert done.returncode == 2
    assert "is it the right file?" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    """Each shell gets a script that asks zakrom itself."""
    done = zakrom("completion", shell)

    assert done.returncode == 0
    assert "_ZAKROM_COMPLETE" in done.stdout


def test_completion_knows_commands_and_flags() -> None:
    """What the script asks for: names of commands, then of flags."""
    commands = zakrom(_ZAKROM_COMPLETE="bash_complete", COMP_WORDS="zakrom se", COMP_CWORD="1")
    flags = zakrom(_ZAKROM_COMPLETE="bash_complete", COMP_WORDS="zakrom serve --admin", COMP_CWORD="2")

    assert commands.stdout == "plain,serve\n"
    assert flags.stdout == "plain,--admin-address\n"


def test_a_reader_that_leaves_early_is_no_error() -> None:
    """`zakrom --help | head -1` ends without a traceback."""
    command = [sys.executable, "-m", "zakrom", "completion", "bash"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaint = process.stderr.read()

    assert complaint == b""


def test_help_and_version_import_no_command() -> None:
    """The subcommands, and all that they stand on, are imported when they run."""
    script = "import sys; from zakrom.cli.main import run; run(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)

    modules = done.stdout.split()
    assert "zakrom.cli.main" in modules
    assert not {"zakrom.cli.serve", "zakrom.settings", "asyncio", "uvloop", "structlog", "fastapi"} & set(modules)


@pytest.mark.alone
def test_the_command_starts_quickly() -> None:
    """`zakrom --version` takes less than 150 ms, or on a slow machine less than twice what importing click alone takes."""
    click_alone = best_seconds(sys.executable, "-c", "import click")

    assert best_seconds(sys.executable, "-m", "zakrom", "--version") < max(START_SECONDS_MAX, 2 * click_alone)


def best_seconds(*command: str) -> float:
    """What a program takes from start to end, the best of five."""

    def once() -> float:
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, timeout=30, check=True)
        return time.perf_counter() - start

    return min(once() for _ in range(5))

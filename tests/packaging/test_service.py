"""The systemd unit: what it promises, and that its command line is one of ours."""

from __future__ import annotations

import configparser
import shlex
import shutil

import pytest

from zakrom.cli.failure import EXIT_CODES
from zakrom.settings import Settings, resolve

from .helpers import ROOT, run

UNIT = ROOT / "deploy" / "zakrom.service"


@pytest.fixture(scope="module")
def unit() -> configparser.ConfigParser:
    """The parsed unit; systemd's names are case-sensitive."""
    made = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    made.optionxform = str  # type: ignore[assignment, method-assign]  # the documented way to keep case
    made.read(UNIT)
    return made


def test_it_starts_zakrom_with_settings_that_are_settings(unit: configparser.ConfigParser) -> None:
    """Command and variables are ours; the data lies where systemd makes a directory for it."""
    service = unit["Service"]
    environment = dict(pair.split("=", 1) for pair in shlex.split(service["Environment"]))

    assert service["ExecStart"] == "/opt/zakrom/bin/zakrom serve"
    assert f"/var/lib/{service['StateDirectory']}" == str(resolve(environment=environment).data)


def test_it_stops_as_the_server_wants_to_be_stopped(unit: configparser.ConfigParser) -> None:
    """SIGTERM to the supervisor alone, more time than it drains, no restart after what a restart cannot heal."""
    service = unit["Service"]

    assert (service["KillMode"], service["KillSignal"]) == ("mixed", "SIGTERM")
    assert float(service["TimeoutStopSec"]) > Settings().drain_seconds + 5
    assert service["Restart"] == "on-failure"
    assert {int(code) for code in service["RestartPreventExitStatus"].split()} <= set(EXIT_CODES.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DynamicUser", "yes"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("CapabilityBoundingSet", ""),
        ("UMask", "0077"),
    ],
)
def test_it_is_locked_in(unit: configparser.ConfigParser, name: str, value: str) -> None:
    """No rights, no view of homes, nothing writable but the data; files that only the server reads."""
    assert value == unit["Service"][name]


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not here; the other tests read the unit themselves"
)
def test_systemd_finds_nothing_wrong(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The check of systemd itself knows every name, and has nothing to say."""
    here = tmp_path_factory.mktemp("unit") / UNIT.name
    here.write_text(UNIT.read_text().replace("/opt/zakrom/bin/zakrom", "/bin/true"))

    done = run("systemd-analyze", "verify", here)

    assert (0, "") == (done.returncode, done.stdout + done.stderr)

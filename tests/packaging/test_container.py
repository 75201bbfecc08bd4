"""The image and the compose file: careful in form, and their very commands run as processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from zakrom.settings import TABLE, Settings, parse_duration, resolve

from . import dockerfile
from .helpers import ROOT, clean_environment, free_port, run

STAGES = dockerfile.stages(ROOT / "Dockerfile")
IMAGE = STAGES[-1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICE: dict[str, Any] = COMPOSE["services"]["zakrom"]

READY_SECONDS = 20.0  # of a server on a busy machine; under one second is what it takes
STOP_SECONDS = 40.0  # what compose.yaml gives it

# --------------------------------------------------------------------------------------------------------------- the form


def test_the_image_is_that_of_a_user_without_rights() -> None:
    """A numeric user that is not root, set before the command; the data directory is theirs."""
    user, _, group = dockerfile.last(IMAGE, "USER").rest.partition(":")
    words = [one.word for one in IMAGE]

    assert int(user) >= 10_000
    assert int(group) >= 10_000
    assert words.index("USER") > max(place for place, word in enumerate(words) if word in {"RUN", "COPY"})
    assert any("--owner zakrom" in one.rest and "/data" in one.rest for one in IMAGE if one.word == "RUN")


def test_every_base_has_a_version_and_every_tool_too() -> None:
    """`latest` is another image tomorrow; ADD fetches things; a cache in a layer is dead weight."""
    everything = [one for stage in STAGES for one in stage]

    assert all(one.rest.split()[0].startswith("python:${PYTHON}-slim") for one in everything if one.word == "FROM")
    assert "ADD" not in {one.word for one in everything}
    assert all("==" in one.rest and "--no-cache-dir" in one.rest for one in everything if "pip install" in one.rest)


def test_the_image_builds_from_what_is_sent_to_it() -> None:
    """Each COPY from the checkout names a file that exists and that .dockerignore lets through."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for one in STAGES[0] if one.word == "COPY" for name in one.rest.split()[:-1]}

    assert copied <= allowed
    assert all((ROOT / name).exists() for name in allowed)


def test_commands_are_in_exec_form() -> None:
    """A shell in between would keep SIGTERM to itself."""
    assert dockerfile.last(IMAGE, "ENTRYPOINT").exec_form() == ["zakrom"]
    assert dockerfile.last(IMAGE, "CMD").exec_form() == ["serve"]
    assert dockerfile.last(IMAGE, "HEALTHCHECK").exec_form() == ["zakrom", "health"]
    assert dockerfile.last(IMAGE, "STOPSIGNAL").rest == "SIGTERM"


def test_the_image_s_settings_are_settings() -> None:
    """Its variables are ours, they resolve, and its ports and volume are those of the settings."""
    environment = {name: value for name, value in dockerfile.environment(IMAGE).items() if name.startswith("ZAKROM_")}
    made = resolve(environment=environment)

    assert set(environment) <= {setting.variable for setting in TABLE}
    assert {"0.0.0.0"} == {made.address.host, made.admin_address.host}
    assert [str(made.address.port), str(made.admin_address.port)] == dockerfile.last(IMAGE, "EXPOSE").rest.split()
    assert str(made.data) == dockerfile.last(IMAGE, "VOLUME").rest


# Keys of a service in the Compose specification that we use; a slip in a name would be ignored or refused only by the tool
# itself.
SERVICE_KEYS = {
    "build", "image", "restart", "ports", "environment", "volumes", "healthcheck", "stop_grace_period", "read_only", "tmpfs",
    "cap_drop", "security_opt", "ulimits",
}  # fmt: skip


def test_the_compose_file_has_the_form_of_the_specification() -> None:
    """Known keys, named volumes that are declared, variables that are settings."""
    assert set(COMPOSE) == {"services", "volumes"}
    assert set(SERVICE) == SERVICE_KEYS
    assert {volume.split(":")[0] for volume in SERVICE["volumes"]} == set(COMPOSE["volumes"])
    assert set(SERVICE["environment"]) <= {setting.variable for setting in TABLE}
    assert SERVICE["volumes"][0].split(":")[1] == dockerfile.last(IMAGE, "VOLUME").rest


def test_compose_serves_this_machine_only_until_told_otherwise() -> None:
    """Ports are bound to loopback, and are those of the image."""
    ports = [port.split(":") for port in SERVICE["ports"]]

    assert {"127.0.0.1"} == {host for host, _, _ in ports}
    assert [inner for _, _, inner in ports] == dockerfile.last(IMAGE, "EXPOSE").rest.split()


def test_compose_waits_longer_than_the_server_drains() -> None:
    """Otherwise running uploads would be killed."""
    assert parse_duration(SERVICE["stop_grace_period"]) > Settings().drain_seconds


def test_compose_and_image_ask_the_same_question() -> None:
    """One health check, so that they cannot disagree."""
    assert SERVICE["healthcheck"]["test"] == ["CMD", *dockerfile.last(IMAGE, "HEALTHCHECK").exec_form()]


# ---------------------------------------------------------------------------------------------- the commands as processes


@contextlib.contextmanager
def container(installed: Path, data: Path, **more: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    """The image's ENTRYPOINT and CMD with its environment, but another directory and other ports; and that environment."""
    environment = {
        **dockerfile.environment(IMAGE),
        "ZAKROM_DATA": str(data),
        "ZAKROM_ADDRESS": f"127.0.0.1:{free_port()}",
        "ZAKROM_ADMIN_ADDRESS": f"127.0.0.1:{free_port()}",
        "PATH": f"{installed}:{os.environ['PATH']}",
        **more,
    }
    command = dockerfile.last(IMAGE, "ENTRYPOINT").exec_form() + dockerfile.last(IMAGE, "CMD").exec_form()
    with (data.parent / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(installed / command[0]), *command[1:]],
            env=clean_environment(**environment),
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=data.parent,
            process_group=0,
        )
    try:
        yield process, environment
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(STOP_SECONDS)


def healthy(installed: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What the image's health check says."""
    command = dockerfile.last(IMAGE, "HEALTHCHECK").exec_form()
    return run(installed / command[0], *command[1:], environment=environment)


def wait_until_healthy(installed: Path, environment: dict[str, str], process: subprocess.Popen[bytes], data: Path) -> None:
    """Returns when the health check succeeds and the server has greeted; fails with its log."""
    deadline = time.monotonic() + READY_SECONDS
    said = ""
    while healthy(installed, environment).returncode or "Try it:" not in said:
        said = (data.parent / "log").read_text("utf-8", "replace")
        assert process.poll() is None, f"the server ended with {process.returncode}:\n{said}"
        assert time.monotonic() < deadline, f"the server did not become ready:\n{said}"


def test_the_image_s_commands_work(installed: Path, tmp_path: Path) -> None:
    """The server starts in an empty volume, becomes healthy, says its key, and ends with 0 after SIGTERM."""
    data = tmp_path / "data"
    data.mkdir()
    with container(installed, data) as (process, environment):
        before = healthy(installed, {**environment, "ZAKROM_ADDRESS": f"127.0.0.1:{free_port()}"})
        wait_until_healthy(installed, environment, process, data)
        process.terminate()
        code = process.wait(STOP_SECONDS)

    said = (tmp_path / "log").read_text("utf-8")
    assert before.returncode == 7
    assert code == 0, said
    assert "access key" in said


def test_compose_s_keys_are_taken_and_never_shown(installed: Path, tmp_path: Path) -> None:
    """With the variables of compose.yaml the server uses the keys given, and its output has no secret."""
    data = tmp_path / "data"
    data.mkdir()
    keys = {"ZAKROM_ROOT_USER": "compose-user", "ZAKROM_ROOT_PASSWORD": "compose-hush-hush"}
    assert set(keys) <= set(SERVICE["environment"])
    with container(installed, data, ZAKROM_LOG_FORMAT="json", **keys) as (process, environment):
        wait_until_healthy(installed, environment, process, data)

    said = (tmp_path / "log").read_text("utf-8")
    assert "compose-user" in said
    assert "compose-hush-hush" not in said


@pytest.mark.parametrize("slip", [{"ZAKROM_WORKERS": "lots"}, {"ZAKROM_ROOT_USER": "only-half"}])
def test_a_slip_in_the_environment_ends_the_container_with_2(installed: Path, tmp_path: Path, slip: dict[str, str]) -> None:
    """An orchestrator sees a usage error at once, and the log says which."""
    data = tmp_path / "data"
    data.mkdir()
    with container(installed, data, **slip) as (process, _):
        code = process.wait(STOP_SECONDS)

    assert code == 2
    assert next(iter(slip)) in (tmp_path / "log").read_text("utf-8")

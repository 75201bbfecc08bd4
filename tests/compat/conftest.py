"""The server under test, buckets in it, and a home for clients that knows nothing of this machine.

The server is a real one with default settings, one over http and one over https for each session. To try the tests on
any other S3 service, name it: ``ZAKROM_TEST_ENDPOINT`` (and ``ZAKROM_TEST_ENDPOINT_HTTPS`` with
``ZAKROM_TEST_AUTHORITY``, a PEM file), ``ZAKROM_TEST_ACCESS_KEY``, ``ZAKROM_TEST_SECRET_KEY``, ``ZAKROM_TEST_REGION``.
To try other settings of ours: ``ZAKROM_TEST_ARGUMENTS``, words for ``zakrom serve``.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from zakrom.testing import empty
from zakrom.testing.access import Access
from zakrom.testing.server import Server

from . import environments
from .kit import SERVER_ARGUMENTS, WORKERS

TEST_SECONDS = 120
"""The slowest test takes some ten seconds on two busy cores; one that takes this long hangs."""

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bound every test here in time."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


class Services:
    """The service under test over http and over https, each started when it is first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._started: dict[str, Access] = {}

    def access(self, scheme: str) -> Access:
        """Where the service is, over ``http`` or ``https``."""
        if scheme not in self._started:
            self._started[scheme] = self._named(scheme) or self._own(scheme)
        return self._started[scheme]

    def _own(self, scheme: str) -> Access:
        return self._stack.enter_context(Server(tls=scheme == "https", workers=WORKERS, args=SERVER_ARGUMENTS)).access

    def _named(self, scheme: str) -> Access | None:
        """The service that the environment names, if it names one."""
        if not os.environ.get("ZAKROM_TEST_ENDPOINT"):
            return None
        endpoint = os.environ.get("ZAKROM_TEST_ENDPOINT" if scheme == "http" else "ZAKROM_TEST_ENDPOINT_HTTPS")
        if not endpoint:
            pytest.skip("ZAKROM_TEST_ENDPOINT is set and ZAKROM_TEST_ENDPOINT_HTTPS is not")
        authority = os.environ.get("ZAKROM_TEST_AUTHORITY")
        return Access(
            endpoint,
            os.environ.get("ZAKROM_TEST_ACCESS_KEY", "test"),
            os.environ.get("ZAKROM_TEST_SECRET_KEY", "test"),
            os.environ.get("ZAKROM_TEST_REGION", "us-east-1"),
            Path(authority) if scheme == "https" and authority else None,
        )


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    """The service under test, ended with the session."""
    with ExitStack() as stack:
        yield Services(stack)


@pytest.fixture
def access(services: Services, request: pytest.FixtureRequest) -> Access:
    """Where the service is and its key; over http, or as ``@over_both`` says."""
    return services.access(getattr(request, "param", "http"))


@pytest.fixture
def new_bucket(access: Access) -> Iterator[Callable[[], str]]:
    """Makes an empty bucket at each call; all are removed after the test, with what is in them."""
    made: list[str] = []

    def make() -> str:
        name = f"compat-{secrets.token_hex(8)}"
        answer = access.request("PUT", f"/{name}", headers={"content-length": "0"})
        assert answer.status == 200, answer.body
        made.append(name)
        return name

    yield make
    for name in made:
        empty.remove(access, name)


@pytest.fixture
def bucket(new_bucket: Callable[[], str]) -> str:
    """The name of an empty bucket."""
    return new_bucket()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory; nothing this machine knows about AWS or proxies reaches a client, in this process or another."""
    directory = tmp_path / "home"
    directory.mkdir()
    foreign = ("AWS_", "RCLONE_", "RESTIC_", "S3_")
    for name in [name for name in os.environ if name.startswith(foreign) or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(directory))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(directory / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(directory / "aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return directory


@pytest.fixture
def program() -> Callable[[str], str]:
    """The path of an installed program by its name; without it the test fails, or is skipped where that was asked for."""

    def find(name: str) -> str:
        found = shutil.which(name)
        return found or _missing(f"{name} is not installed")

    return find


@pytest.fixture
def aws_cli(request: pytest.FixtureRequest) -> str:
    """The path of aws-cli; the version, 1 or 2, is the test's parameter."""
    version: str = request.param
    if version == "1":
        tool = environments.AWS_CLI_1
        return str(tool.path) if tool.current else _missing(f"{tool.path} is not made: run tests/compat/environments.py")
    for directory in os.environ["PATH"].split(os.pathsep):
        candidate = Path(directory) / "aws"
        if os.access(candidate, os.X_OK) and _says_version_2(candidate):
            return str(candidate)
    return _missing("there is no aws-cli version 2 on PATH")


def _says_version_2(candidate: Path) -> bool:
    done = subprocess.run([candidate, "--version"], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.startswith("aws-cli/2")


def _missing(words: str) -> str:
    """A missing program is a failure, so that a run that tried nothing cannot look well; a laptop may say otherwise."""
    if os.environ.get("ZAKROM_TEST_MISSING") == "skip":
        pytest.skip(words)
    pytest.fail(f"{words} (ZAKROM_TEST_MISSING=skip skips such tests)")

"""A pytest plugin: a real S3 server as a fixture, for any project's tests. Told in ``docs/testing.md``.

pytest loads this file in every run of every project that has Zakrom installed, so it imports nothing but pytest and
does nothing until a fixture is asked for. It needs no other plugin.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from zakrom.testing.server import Server

    ServerFactory = Callable[..., Server]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini options."""
    parser.addini("zakrom_data", "data directory to keep from run to run, relative to the project's root; default: a fresh one")
    parser.addini("zakrom_workers", "how many processes of the session's server answer S3", default="1")
    parser.addini("zakrom_region", "region of the session's server", default="us-east-1")
    parser.addini("zakrom_arguments", "further arguments of `zakrom serve` for the session's server", type="args")


def _kept_data(config: pytest.Config) -> Path | None:
    """The directory that the project keeps; under pytest-xdist each of its processes has one of its own."""
    named: str = config.getini("zakrom_data")
    if not named:
        return None
    return config.rootpath / named / os.environ.get("PYTEST_XDIST_WORKER", "")


@pytest.fixture(scope="session")
def zakrom_server(pytestconfig: pytest.Config) -> Iterator[Server]:
    """One running server for the whole session: ``.endpoint``, ``.access_key``, ``.secret_key``, ``.client()`` and so on.

    Its data is fresh, unless ``zakrom_data`` names a directory to keep. What one test puts there the next one finds:
    use ``zakrom`` for a clean start.
    """
    from zakrom.testing.server import Server

    server = Server(
        _kept_data(pytestconfig),
        workers=int(pytestconfig.getini("zakrom_workers")),
        region=pytestconfig.getini("zakrom_region"),
        args=pytestconfig.getini("zakrom_arguments"),
    )
    with server:
        yield server


@pytest.fixture
def zakrom(zakrom_server: Server) -> Iterator[Server]:
    """The session's server, and after the test every bucket that the test made is removed with all that is in it."""
    from zakrom.testing import empty

    before = empty.buckets(zakrom_server.access)
    yield zakrom_server
    zakrom_server.start()  # a test may have stopped it
    for bucket in sorted(empty.buckets(zakrom_server.access) - before):
        empty.remove(zakrom_server.access, bucket)


@pytest.fixture
def zakrom_bucket(zakrom: Server) -> str:
    """A new, empty bucket of the session's server, removed after the test; the name."""
    import secrets

    name = f"test-{secrets.token_hex(8)}"
    answer = zakrom.access.request("PUT", f"/{name}", headers={"content-length": "0"})
    assert answer.status == 200, answer.body
    return name


@pytest.fixture
def zakrom_environment(zakrom: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """``zakrom``, with the ``AWS_*`` of this process leading there, for code under test that makes clients of its own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in zakrom.variables().items():
        monkeypatch.setenv(name, value)
    return zakrom


@pytest.fixture
def zakrom_factory() -> Iterator[ServerFactory]:
    """Starts servers of the test's own: ``zakrom_factory(data, workers=2, tls=True, args=["--reserve", "1GiB"])``.

    The arguments are those of `zakrom.testing.server.Server`. All are ended after the test; what ``data`` names is kept.
    """
    from contextlib import ExitStack

    from zakrom.testing.server import Server

    with ExitStack() as stack:

        def start(data: Path | str | None = None, **options: object) -> Server:
            return stack.enter_context(Server(data, **options))  # type: ignore[arg-type]  # checked by Server itself

        yield start


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put under a failed test what running servers logged in its time."""
    report = yield
    module = sys.modules.get("zakrom.testing.server")
    if module and (report.failed or report.when == "teardown"):
        for server in tuple(module.running_servers):
            said = server.new_log()
            if report.failed and said:
                report.sections.append((f"log of the Zakrom server at {server.endpoint}", said))
    return report

"""The fixture of these tests: a running admin API, see `running`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zakrom.testing.catalog_site import SqliteSite

from .running import Running


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of a file; each test uses names of its own."""
    directory = tmp_path_factory.mktemp("admin")
    site = SqliteSite(directory)
    site.start()
    running = Running(directory, site)
    running.start()
    yield running
    running.stop()
    assert site.stop() == 0
    site.close()

"""The SQLite catalog keeps the promises of the seam, with a real writer process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from zakrom.catalog.audit import audit
from zakrom.model.facts import Bucket
from zakrom.testing.catalog_site import SqliteSite
from zakrom.testing.contracts.catalog import CatalogContract
from zakrom.testing.contracts.catalog_model import check_against_model


class TestSqliteCatalog(CatalogContract):
    """All of the contract; after each test the facts must agree with each other."""

    @pytest.fixture
    def site(self, tmp_path: Path) -> Iterator[SqliteSite]:
        """A fresh store."""
        site = SqliteSite(tmp_path)
        yield site
        code = 0 if site.pid is None else site.stop()
        site.close()
        assert code == 0
        assert list(audit(site.directory)) == []

    @pytest.mark.timeout(400)  # seconds are enough; a failure is shrunk to a short story first
    def test_it_does_what_a_model_of_dicts_does(self, site: SqliteSite) -> None:
        """Whatever is done in whatever order."""
        check_against_model(site.open)

    async def check_backup(self, directory: Path, bucket: Bucket) -> None:
        """The copy is a catalog of its own, readable by its owner only."""
        assert list(audit(str(directory))) == []
        assert (directory / "catalog.sqlite3").stat().st_mode & 0o777 == 0o600

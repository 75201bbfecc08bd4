"""pyiceberg: tables with a catalog in SQLite and their files in a bucket, through both of its file systems."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from zakrom.testing.access import Access


@pytest.fixture(params=["pyiceberg.io.pyarrow.PyArrowFileIO", "pyiceberg.io.fsspec.FsspecFileIO"])
def catalog(request: pytest.FixtureRequest, access: Access, bucket: str, tmp_path: Path) -> Iterator[SqlCatalog]:
    """A catalog beside the test, its warehouse in the bucket."""
    made = SqlCatalog(
        "granary",
        **{
            "uri": f"sqlite:///{tmp_path}/catalog.db",
            "warehouse": f"s3://{bucket}/warehouse",
            "s3.endpoint": access.endpoint,
            "s3.access-key-id": access.access_key,
            "s3.secret-access-key": access.secret_key,
            "s3.region": access.region,
            "py-io-impl": request.param,
        },
    )
    made.create_namespace("mill")
    yield made
    made.close()


def rows(*numbers: int) -> pa.Table:
    """A table of numbers, each with a field."""
    return pa.table({"number": list(numbers), "field": [("north", "south")[number % 2] for number in numbers]})


def test_a_table_is_created_appended_and_scanned(catalog: SqlCatalog) -> None:
    """Rows appended in several commits are found by scans with and without filter, and by snapshot."""
    table = catalog.create_table("mill.harvest", schema=rows(0).schema)
    table.append(rows(1, 2, 3))
    first = table.current_snapshot()
    table.append(rows(4, 5))
    again = catalog.load_table("mill.harvest")
    some = again.scan(row_filter="number > 2 and field = 'south'", selected_fields=("number",))

    assert sorted(again.scan().to_arrow()["number"].to_pylist()) == [1, 2, 3, 4, 5]
    assert sorted(some.to_arrow()["number"].to_pylist()) == [3, 5]
    assert first is not None
    assert sorted(again.scan(snapshot_id=first.snapshot_id).to_arrow()["number"].to_pylist()) == [1, 2, 3]


def test_a_table_is_changed_and_dropped(catalog: SqlCatalog) -> None:
    """Overwrite, delete and a new column change the table; a purge takes its files away."""
    table = catalog.create_table("mill.stock", schema=rows(0).schema)
    table.append(rows(1, 2, 3, 4))
    table.delete("number = 2")
    with table.update_schema() as update:
        update.union_by_name(pa.schema([("tons", pa.float64())]))
    left = table.scan().to_arrow()
    table.overwrite(pa.table({"number": [9], "field": ["north"], "tons": [1.5]}))
    now = table.scan().to_arrow().to_pylist()
    catalog.purge_table("mill.stock")

    assert sorted(left["number"].to_pylist()) == [1, 3, 4]
    assert left["tons"].null_count == 3
    assert now == [{"number": 9, "field": "north", "tons": 1.5}]
    assert catalog.list_tables("mill") == []

"""delta-rs: a table format whose commits are conditional writes, by several writers at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from zakrom.testing.access import Access


@pytest.fixture
def options(access: Access) -> dict[str, str]:
    """What delta-rs hands to its object store; nothing asks for a lock table, since S3 can put if absent."""
    return {
        "AWS_ACCESS_KEY_ID": access.access_key,
        "AWS_SECRET_ACCESS_KEY": access.secret_key,
        "AWS_REGION": access.region,
        "AWS_ENDPOINT_URL": access.endpoint,
        "AWS_ALLOW_HTTP": "true",
    }


def rows(*numbers: int) -> pa.Table:
    """A table of some numbers and their parity."""
    return pa.table({"number": list(numbers), "odd": [number % 2 for number in numbers]})


def numbers(table: DeltaTable) -> list[int]:
    """The numbers of a table, in order."""
    found: list[int] = sorted(pa.table(table.to_pyarrow_table())["number"].to_pylist())
    return found


def test_a_table_grows_and_remembers(options: dict[str, str], bucket: str) -> None:
    """Append, overwrite, delete and merge make versions, and each can still be read."""
    url = f"s3://{bucket}/harvest"
    write_deltalake(url, rows(1, 2, 3), storage_options=options)
    write_deltalake(url, rows(4), mode="append", storage_options=options)
    DeltaTable(url, storage_options=options).delete("number = 2")
    write_deltalake(url, rows(7, 8), mode="overwrite", storage_options=options)

    assert numbers(DeltaTable(url, storage_options=options)) == [7, 8]
    assert numbers(DeltaTable(url, version=1, storage_options=options)) == [1, 2, 3, 4]
    assert numbers(DeltaTable(url, version=2, storage_options=options)) == [1, 3, 4]
    assert len(DeltaTable(url, storage_options=options).history()) == 4


def test_concurrent_commits_are_all_kept(options: dict[str, str], bucket: str) -> None:
    """Eight writers append at the same time: each commit has a version of its own and no row is lost."""
    url = f"s3://{bucket}/contended"
    write_deltalake(url, rows(0), storage_options=options)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: write_deltalake(url, rows(n), mode="append", storage_options=options), range(1, 17)))
    table = DeltaTable(url, storage_options=options)

    assert numbers(table) == list(range(17))
    assert table.version() == 16


def test_partitions_checkpoint_optimize_and_vacuum(options: dict[str, str], bucket: str) -> None:
    """A partitioned table is compacted, checkpointed and cleaned of files it no longer names, and still reads the same."""
    url = f"s3://{bucket}/kept"
    for number in range(6):
        write_deltalake(url, rows(number, number + 100), mode="append", partition_by=["odd"], storage_options=options)
    table = DeltaTable(url, storage_options=options)
    compacted = table.optimize.compact()
    table.create_checkpoint()
    removed = table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    again = DeltaTable(url, storage_options=options)

    assert compacted["numFilesRemoved"] == len(removed)
    assert numbers(again) == sorted([*range(6), *range(100, 106)])
    assert len(again.file_uris()) == 2

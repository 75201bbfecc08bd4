"""polars: lazy scans that push predicates down into ranged reads."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from zakrom.testing.access import Access


@pytest.fixture
def options(access: Access) -> dict[str, Any]:
    """What polars hands to its object store."""
    return {
        "aws_access_key_id": access.access_key,
        "aws_secret_access_key": access.secret_key,
        "aws_region": access.region,
        "aws_endpoint_url": access.endpoint,
        "aws_allow_http": "true",
    }


@pytest.fixture
def harvest() -> pl.DataFrame:
    """A table of some size, sorted by its number."""
    rows = 200_000
    return pl.DataFrame(
        {"number": range(rows), "field": [("north", "south", "поле")[i % 3] for i in range(rows)]}
    ).with_columns(tons=(pl.col("number") * 7919 % 100_003) / 7)


def test_a_scan_with_a_predicate(options: dict[str, Any], harvest: pl.DataFrame, bucket: str) -> None:
    """What a predicate over a Parquet file with many row groups finds is what it finds in memory."""
    url = f"s3://{bucket}/harvest.parquet"
    harvest.write_parquet(url, storage_options=options, row_group_size=20_000)
    wanted = (pl.col("number") > 150_000) & (pl.col("field") == "поле")
    found = pl.scan_parquet(url, storage_options=options).filter(wanted).select("number", "tons").collect()

    assert_frame_equal(found, harvest.filter(wanted).select("number", "tons"))
    assert_frame_equal(pl.read_parquet(url, storage_options=options), harvest)


def test_a_sink_and_a_glob(options: dict[str, Any], harvest: pl.DataFrame, bucket: str) -> None:
    """Files sunk one by one are scanned together by a glob, and by their folder."""
    for part in range(3):
        lazy = harvest.lazy().filter(pl.col("number") % 3 == part)
        lazy.sink_parquet(f"s3://{bucket}/parts/{part}.parquet", storage_options=options)
    by_glob = pl.scan_parquet(f"s3://{bucket}/parts/*.parquet", storage_options=options).sort("number").collect()
    by_folder = pl.scan_parquet(f"s3://{bucket}/parts/", storage_options=options).select(pl.len()).collect().item()

    assert_frame_equal(by_glob, harvest)
    assert by_folder == len(harvest)


def test_partitions(options: dict[str, Any], harvest: pl.DataFrame, bucket: str) -> None:
    """A table partitioned in hive's way is read back with the partition as a column."""
    harvest.write_parquet(f"s3://{bucket}/by-field/", partition_by="field", storage_options=options)
    scan = pl.scan_parquet(f"s3://{bucket}/by-field/", hive_partitioning=True, storage_options=options)
    found = scan.filter(pl.col("field") == "поле").select("number").sort("number").collect()

    assert_frame_equal(found, harvest.filter(pl.col("field") == "поле").select("number"))


def test_csv_and_lines(options: dict[str, Any], harvest: pl.DataFrame, bucket: str) -> None:
    """CSV and lines of JSON go there and are scanned."""
    some = harvest.head(10_000)
    some.write_csv(f"s3://{bucket}/some.csv", storage_options=options)
    some.lazy().sink_ndjson(f"s3://{bucket}/some.jsonl", storage_options=options)

    assert_frame_equal(pl.scan_csv(f"s3://{bucket}/some.csv", storage_options=options).collect(), some)
    assert_frame_equal(pl.scan_ndjson(f"s3://{bucket}/some.jsonl", storage_options=options).collect(), some)


def test_what_is_absent(options: dict[str, Any], bucket: str) -> None:
    """A file that is not there is reported as such, and not as an empty table."""
    with pytest.raises(OSError, match=r"(?i)not ?found|no such"):
        pl.read_parquet(f"s3://{bucket}/never.parquet", storage_options=options)

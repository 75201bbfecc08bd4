"""pyarrow: its own S3 file system (the AWS SDK for C++) and partitioned datasets."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from zakrom.testing.access import Access

from .kit import KIB, MIB, sample


@pytest.fixture
def s3(access: Access) -> Any:
    """A file system with the endpoint and the key, else as it comes."""
    return fs.S3FileSystem(
        access_key=access.access_key,
        secret_key=access.secret_key,
        region=access.region,
        endpoint_override=access.endpoint.partition("://")[2],
        scheme="http",
        allow_bucket_creation=True,
        allow_bucket_deletion=True,
    )


@pytest.fixture
def table() -> Any:
    """A table of three fields over two years."""
    rows = 30_000
    return pa.table(
        {
            "year": [2025 + number % 2 for number in range(rows)],
            "field": [("north", "south", "поле")[number % 3] for number in range(rows)],
            "bags": list(range(rows)),
        }
    )


def test_files_and_folders(s3: Any, bucket: str) -> None:
    """Streams write and read, random access reads parts, folders are made, seen, moved and removed."""
    body = sample(25 * MIB)
    s3.create_dir(f"{bucket}/granary/rye", recursive=True)
    for name, data in (("small", b"grain"), ("large", body), ("empty", b"")):
        with s3.open_output_stream(f"{bucket}/granary/rye/{name}", metadata={"Content-Type": "application/x-grain"}) as out:
            out.write(data)
    with s3.open_input_stream(f"{bucket}/granary/rye/large") as stream:
        streamed = stream.read()
    with s3.open_input_file(f"{bucket}/granary/rye/large") as file:
        file.seek(10 * MIB)
        piece = file.read(KIB)
    s3.copy_file(f"{bucket}/granary/rye/small", f"{bucket}/granary/copy")
    s3.move(f"{bucket}/granary/copy", f"{bucket}/granary/moved")
    seen = {info.path.removeprefix(f"{bucket}/"): info for info in s3.get_file_info(fs.FileSelector(bucket, recursive=True))}
    s3.delete_dir(f"{bucket}/granary/rye")
    s3.delete_file(f"{bucket}/granary/moved")

    assert streamed == body
    assert piece == body[10 * MIB : 10 * MIB + KIB]
    assert {path for path, info in seen.items() if info.type == fs.FileType.Directory} == {"granary", "granary/rye"}
    assert {path: info.size for path, info in seen.items() if info.is_file} == {
        "granary/moved": 5,
        "granary/rye/empty": 0,
        "granary/rye/large": 25 * MIB,
        "granary/rye/small": 5,
    }
    assert not [info for info in s3.get_file_info(fs.FileSelector(bucket, recursive=True)) if info.is_file]
    assert s3.get_file_info(f"{bucket}/never").type == fs.FileType.NotFound


def test_buckets(s3: Any) -> None:
    """create_dir and delete_dir of the first level make and remove buckets; an unknown one is an error."""
    s3.create_dir("compat-pyarrow")
    there = s3.get_file_info("compat-pyarrow").type
    names = {info.path for info in s3.get_file_info(fs.FileSelector(""))}
    s3.delete_dir("compat-pyarrow")

    assert there == fs.FileType.Directory
    assert "compat-pyarrow" in names
    assert s3.get_file_info("compat-pyarrow").type == fs.FileType.NotFound
    with pytest.raises(OSError, match="compat-never-made"):
        s3.open_input_stream("compat-never-made/k")


def test_a_partitioned_dataset(s3: Any, table: Any, bucket: str) -> None:
    """A dataset written in folders by two columns is found again, and a filter reads only what it needs."""
    ds.write_dataset(
        table, f"{bucket}/harvest", filesystem=s3, format="parquet",
        partitioning=ds.partitioning(pa.schema([("year", pa.int64()), ("field", pa.string())]), flavor="hive"),
    )  # fmt: skip
    found = ds.dataset(f"{bucket}/harvest", filesystem=s3, format="parquet", partitioning="hive")
    wanted = (ds.field("year") == 2026) & (ds.field("field") == "поле") & (ds.field("bags") < 1000)
    some = found.to_table(filter=wanted)
    expected = table.filter(
        pc.and_(pc.and_(pc.equal(table["year"], 2026), pc.equal(table["field"], "поле")), pc.less(table["bags"], 1000))
    )

    assert len(found.files) == 6
    assert found.count_rows() == table.num_rows
    assert sorted(some["bags"].to_pylist()) == expected["bags"].to_pylist()


def test_replacing_partitions(s3: Any, table: Any, bucket: str) -> None:
    """Written again with ``delete_matching``, the partitions that come are replaced and the others stay."""
    partitioning = ds.partitioning(pa.schema([("year", pa.int64())]), flavor="hive")
    options = {"filesystem": s3, "format": "parquet", "partitioning": partitioning}
    ds.write_dataset(table, f"{bucket}/d", **options)
    newer = table.filter(pc.equal(table["year"], 2026)).slice(0, 10)
    ds.write_dataset(newer, f"{bucket}/d", existing_data_behavior="delete_matching", **options)
    found = ds.dataset(f"{bucket}/d", filesystem=s3, partitioning="hive")

    assert found.count_rows(filter=ds.field("year") == 2025) == 15_000
    assert found.count_rows(filter=ds.field("year") == 2026) == 10


def test_parquet_files(s3: Any, table: Any, bucket: str) -> None:
    """A file of several row groups is written through a stream and read by group and by column."""
    pq.write_table(table, f"{bucket}/t.parquet", filesystem=s3, row_group_size=10_000)
    with s3.open_input_file(f"{bucket}/t.parquet") as source:
        file = pq.ParquetFile(source)
        group = file.read_row_group(1, columns=["bags"])

    assert file.num_row_groups == 3
    assert group["bags"].to_pylist() == list(range(10_000, 20_000))
    assert pq.read_table(f"{bucket}/t.parquet", filesystem=s3).equals(table)

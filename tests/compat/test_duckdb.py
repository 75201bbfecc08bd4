"""DuckDB with its httpfs extension: SQL over files in buckets."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from duckdb_extensions import import_extension

from zakrom.testing.access import Access


@pytest.fixture
def db(access: Access, home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory with a secret for the endpoint; the extension comes from its package, not from the network."""
    connection = duckdb.connect(config={"home_directory": str(home), "extension_directory": str(home / "extensions")})
    import_extension("httpfs", con=connection)
    connection.execute("LOAD httpfs")
    connection.execute(
        f"""CREATE SECRET (TYPE s3, KEY_ID '{access.access_key}', SECRET '{access.secret_key}', REGION '{access.region}',
            ENDPOINT '{access.endpoint.partition("://")[2]}', URL_STYLE 'path', USE_SSL false)"""
    )
    connection.execute(
        "CREATE TABLE harvest AS SELECT i AS number, ['north','south','поле'][1 + i % 3] AS field FROM range(100000) t(i)"
    )
    yield connection
    connection.close()


def value(db: duckdb.DuckDBPyConnection, query: str) -> object:
    """The one value that a query answers."""
    row = db.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_a_table_is_written_and_read(db: duckdb.DuckDBPyConnection, bucket: str) -> None:
    """COPY TO writes Parquet and CSV; what is read is what was in the table, also through a filter on some columns."""
    for name in ("harvest.parquet", "harvest.csv", "harvest.csv.gz"):
        url = f"s3://{bucket}/{name}"
        db.execute(f"COPY harvest TO '{url}'")

        assert value(db, f"SELECT count(*) FROM (FROM '{url}' EXCEPT ALL FROM harvest)") == 0
        assert value(db, f"SELECT sum(number) FROM '{url}' WHERE field = 'поле'") == value(
            db, "SELECT sum(number) FROM harvest WHERE field = 'поле'"
        )


def test_a_large_table_is_written_in_parts(db: duckdb.DuckDBPyConnection, bucket: str) -> None:
    """A file that needs a multipart upload arrives whole."""
    db.execute("CREATE TABLE large AS SELECT hash(i) AS a, hash(i + 1) AS b FROM range(4000000) t(i)")
    db.execute(f"COPY large TO 's3://{bucket}/large.parquet' (COMPRESSION uncompressed)")

    assert value(db, f"SELECT count(*) FROM 's3://{bucket}/large.parquet'") == 4_000_000
    assert value(db, f"SELECT bit_xor(hash(a, b)) FROM 's3://{bucket}/large.parquet'") == value(
        db, "SELECT bit_xor(hash(a, b)) FROM large"
    )


def test_a_glob_reads_many_files(db: duckdb.DuckDBPyConnection, bucket: str) -> None:
    """``*`` and ``**`` find the files of a folder and of a tree, and each row can say which file it comes from."""
    for year in (2025, 2026):
        for month in range(1, 4):
            db.execute(f"COPY (SELECT {year} AS year, {month} AS month) TO 's3://{bucket}/{year}/m={month}.parquet'")

    assert value(db, f"SELECT count(*) FROM 's3://{bucket}/2026/*.parquet'") == 3
    assert value(db, f"SELECT sum(year) FROM 's3://{bucket}/**/*.parquet'") == 3 * (2025 + 2026)
    assert db.execute(f"SELECT file FROM glob('s3://{bucket}/2025/m=*.parquet') ORDER BY file").fetchall() == [
        (f"s3://{bucket}/2025/m={month}.parquet",) for month in range(1, 4)
    ]
    assert value(db, f"SELECT filename FROM read_parquet('s3://{bucket}/**/m=2.parquet', filename=true) WHERE year=2026") == (
        f"s3://{bucket}/2026/m=2.parquet"
    )


def test_a_partitioned_write(db: duckdb.DuckDBPyConnection, bucket: str) -> None:
    """PARTITION_BY makes folders in hive's way, also with letters beyond ASCII, and a filter on the partition reads them."""
    db.execute(f"COPY harvest TO 's3://{bucket}/by-field' (FORMAT parquet, PARTITION_BY (field))")
    source = f"read_parquet('s3://{bucket}/by-field/*/*.parquet', hive_partitioning=true)"

    assert value(db, f"SELECT count(*) FROM glob('s3://{bucket}/by-field/*/*.parquet')") == 3
    assert value(db, f"SELECT count(*) FROM {source} WHERE field = 'поле'") == 33_333
    assert value(db, f"SELECT count(*) FROM (SELECT number, field FROM {source} EXCEPT ALL FROM harvest)") == 0


def test_what_another_client_put(db: duckdb.DuckDBPyConnection, access: Access, bucket: str) -> None:
    """A CSV file that boto3 uploaded is queried where it lies; one that is not there is an error."""
    access.client().upload_fileobj(io.BytesIO(b"field,tons\nnorth,3\nsouth,4\n"), bucket, "a folder/t.csv")

    assert value(db, f"SELECT sum(tons) FROM 's3://{bucket}/a folder/t.csv'") == 7
    with pytest.raises(duckdb.Error, match=r"404|No files found"):
        db.execute(f"FROM 's3://{bucket}/never.csv'")

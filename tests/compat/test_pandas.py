"""pandas: tables to and from ``s3://`` with nothing but ``storage_options``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from zakrom.testing.access import Access


@pytest.fixture
def options(access: Access) -> dict[str, Any]:
    """What pandas hands to fsspec."""
    return {"key": access.access_key, "secret": access.secret_key, "client_kwargs": {"endpoint_url": access.endpoint}}


@pytest.fixture
def harvest() -> pd.DataFrame:
    """A table of some 2 MB as Parquet: numbers, text, times, gaps."""
    rows = 50_000
    random = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "field": random.choice(["north", "south", "поле"], rows),
            "tons": random.normal(30.0, 5.0, rows),
            "bags": random.integers(0, 2**40, rows),
            "at": pd.date_range("2026-08-01", periods=rows, freq="s"),
            "dry": [None if number % 97 == 0 else number % 2 == 0 for number in range(rows)],
        }
    )


def test_csv(options: dict[str, Any], harvest: pd.DataFrame, bucket: str) -> None:
    """A table goes to CSV and comes back, plain, compressed, and read in chunks."""
    numbers = harvest[["field", "tons", "bags"]]
    for name in ("harvest.csv", "harvest.csv.gz"):
        url = f"s3://{bucket}/{name}"
        numbers.to_csv(url, index=False, storage_options=options)

        pd.testing.assert_frame_equal(pd.read_csv(url, storage_options=options), numbers)
    chunks = list(pd.read_csv(f"s3://{bucket}/harvest.csv", storage_options=options, chunksize=20_000))

    assert [len(chunk) for chunk in chunks] == [20_000, 20_000, 10_000]


def test_parquet(options: dict[str, Any], harvest: pd.DataFrame, bucket: str) -> None:
    """A table goes to Parquet and comes back with its types; some columns can be read alone."""
    url = f"s3://{bucket}/harvest.parquet"
    harvest.to_parquet(url, storage_options=options)

    pd.testing.assert_frame_equal(pd.read_parquet(url, storage_options=options), harvest)
    assert list(pd.read_parquet(url, columns=["tons"], storage_options=options)) == ["tons"]


def test_partitioned_parquet(options: dict[str, Any], harvest: pd.DataFrame, bucket: str) -> None:
    """A table partitioned by a column is written as folders and read with a filter."""
    url = f"s3://{bucket}/by-field"
    harvest.to_parquet(url, partition_cols=["field"], storage_options=options)
    north = pd.read_parquet(url, filters=[("field", "==", "north")], storage_options=options)

    assert len(north) == int((harvest["field"] == "north").sum())
    assert north["bags"].sum() == harvest.loc[harvest["field"] == "north", "bags"].sum()
    assert len(pd.read_parquet(url, storage_options=options)) == len(harvest)


def test_json_and_pickle(options: dict[str, Any], harvest: pd.DataFrame, bucket: str) -> None:
    """The other writers use the same way: JSON lines and a pickle of what we wrote ourselves."""
    some = harvest[["field", "bags"]].head(1000)
    some.to_json(f"s3://{bucket}/some.jsonl", orient="records", lines=True, storage_options=options)
    some.to_pickle(f"s3://{bucket}/some.pkl", storage_options=options)

    pd.testing.assert_frame_equal(pd.read_json(f"s3://{bucket}/some.jsonl", lines=True, storage_options=options), some)
    pd.testing.assert_frame_equal(pd.read_pickle(f"s3://{bucket}/some.pkl", storage_options=options), some)


def test_through_the_environment(access: Access, harvest: pd.DataFrame, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With keys and endpoint in the environment a bare URL is enough."""
    import fsspec

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", access.secret_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL", access.endpoint)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    harvest[["bags"]].to_csv(f"s3://{bucket}/bare.csv", index=False)

    pd.testing.assert_frame_equal(pd.read_csv(f"s3://{bucket}/bare.csv"), harvest[["bags"]])
    fsspec.get_filesystem_class("s3").clear_instance_cache()

"""Reads: what they may not do, and how they find their way."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from zakrom import errors
from zakrom.catalog import reads as questions
from zakrom.catalog import schema
from zakrom.catalog.reads import Reads, _end
from zakrom.model.facts import VersionId


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[str]:
    """An empty catalog that somebody has open."""
    with contextlib.closing(schema.open_to_write(str(tmp_path))):
        yield str(tmp_path)


@pytest.fixture
def reads(directory: str) -> Iterator[Reads]:
    """Its reader."""
    reads = Reads(directory)
    yield reads
    reads.close()


def test_the_end_of_a_prefix() -> None:
    """The first byte string after all keys that begin with it."""
    assert b"b" == _end(b"a")
    assert b"a0" == _end(b"a/")
    assert b"b" == _end(b"a\xff\xff")
    assert questions.KEY_END == _end(b"") == _end(b"\xff")


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        (questions._FIND_OBJECT, (1, b"k")),
        (questions._FIND_CURRENT, (1, b"k")),
        (questions._FIND_NULL, (1, b"k")),
        (questions._FIND_ONE, (1, b"k", 1, 1)),
        (questions._OBJECTS, (1, b"a", b"b", 10)),
        (questions._VERSIONS, (1, b"a", -5, b"b", 10)),
        (questions._UPLOADS, (1, b"a", "", b"b", 10)),
    ],
    ids=["object", "current", "null", "one", "objects", "versions", "uploads"],
)
def test_hot_queries_neither_scan_nor_sort(directory: str, sql: str, parameters: tuple[object, ...]) -> None:
    """Each step is a search by a key; pages are walked in the order of an index."""
    with contextlib.closing(schema.open_to_read(directory)) as connection:
        plan = [line for *_, line in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()]

    assert plan
    assert not [line for line in plan if line.startswith("SCAN") or "TEMP B-TREE" in line]


def test_a_read_leaves_nothing_behind(reads: Reads) -> None:
    """No statement and no transaction outlives its answer, be it an error."""
    reads.objects(1, b"", b"", False, 10)
    reads.find(1, b"k", VersionId(1, 1))
    with pytest.raises(errors.NoSuchUpload):
        reads.parts(1, b"k", "u", 0, 10)

    assert not reads._connection.in_transaction


def test_a_damaged_file_is_called_so(tmp_path: Path) -> None:
    """Not a busy one: nobody should try again."""
    (tmp_path / schema.FILE_NAME).write_bytes(b"this is no database" * 1000)
    with pytest.raises((errors.DataCorrupt, sqlite3.DatabaseError)):
        Reads(str(tmp_path)).usage(None)


def test_huge_version_ids_are_simply_absent(reads: Reads) -> None:
    """Numbers that SQL cannot hold are no error."""
    assert reads.find(1, b"k", VersionId((1 << 64) - 1, 5)) is None
    assert reads.find(1, b"k", VersionId(5, (1 << 64) - 1)) is None

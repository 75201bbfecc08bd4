"""The catalog's file: its format, its migrations, who may read it."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from zakrom import errors
from zakrom.catalog import schema
from zakrom.catalog.schema import Migration

FIRST = Migration(1, "CREATE TABLE fruit (name TEXT NOT NULL);\nINSERT INTO fruit VALUES ('apple');\n")
SECOND = Migration(
    2, "-- with a colour; and a comment\nALTER TABLE fruit ADD COLUMN colour TEXT;\nUPDATE fruit SET colour = 'red';\n"
)


def version(connection: sqlite3.Connection) -> int:
    """The format of a file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_a_new_catalog_has_the_newest_format(tmp_path: Path) -> None:
    """Made with all migrations, in the mode that makes commits durable."""
    with closing(schema.open_to_write(str(tmp_path / "catalog"))) as connection:
        assert version(connection) == len(schema.migrations())
        pragmas = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "page_size")
        }
        assert {"journal_mode": "wal", "synchronous": 2, "page_size": 4096} == pragmas
        assert connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    """Secrets lie in it: the folder, the file and SQLite's files beside it are closed to others, whatever the umask."""
    old = os.umask(0)
    try:
        with closing(schema.open_to_write(str(tmp_path / "catalog"))) as connection:
            connection.execute("INSERT INTO job VALUES ('a', x'00')")
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "catalog").iterdir()}
        assert os.umask(0) == 0
    finally:
        os.umask(old)

    assert {"catalog.sqlite3": 0o600, "catalog.sqlite3-wal": 0o600, "catalog.sqlite3-shm": 0o600} == modes
    assert stat.S_IMODE((tmp_path / "catalog").stat().st_mode) == 0o700


def test_opening_it_again_changes_nothing(tmp_path: Path) -> None:
    """What was written is there."""
    directory = str(tmp_path)
    with closing(schema.open_to_write(directory)) as connection:
        connection.execute("INSERT INTO job VALUES ('a', x'00')")
    with closing(schema.open_to_write(directory)) as connection:
        assert connection.execute("SELECT name FROM job").fetchall() == [("a",)]


@pytest.mark.parametrize("open_it", [schema.open_to_write, schema.open_to_read])
def test_a_newer_format_is_refused(tmp_path: Path, open_it: Callable[[str], sqlite3.Connection]) -> None:
    """By name, with both numbers and what to do; and nothing in the file changes."""
    with closing(schema.open_to_write(str(tmp_path))) as connection:
        connection.execute("PRAGMA user_version = 4711")
    with pytest.raises(errors.FormatTooNew) as caught:
        open_it(str(tmp_path))

    assert {"found": 4711, "known": len(schema.migrations())} == caught.value.fields
    assert "4711" in caught.value.message
    with closing(sqlite3.connect(tmp_path / schema.FILE_NAME)) as connection:
        assert version(connection) == 4711


def test_an_older_format_is_migrated() -> None:
    """Only the steps that the file has not seen are taken, in order; its rows are kept."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        schema.migrate(connection, [FIRST])
        connection.execute("INSERT INTO fruit VALUES ('pear')")
        schema.migrate(connection, [FIRST, SECOND])
        schema.migrate(connection, [FIRST, SECOND])

        assert version(connection) == 2
        assert connection.execute("SELECT name, colour FROM fruit").fetchall() == [("apple", "red"), ("pear", "red")]


def test_a_migration_that_fails_leaves_the_format_before_it() -> None:
    """Each step is one transaction."""
    broken = Migration(2, SECOND.sql + "INSERT INTO vegetable VALUES (1);\n")
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            schema.migrate(connection, [FIRST, broken])

        assert version(connection) == 1
        assert not connection.in_transaction
        assert connection.execute("SELECT * FROM fruit").fetchall() == [("apple",)]


def test_the_file_of_the_first_format_is_migrated(tmp_path: Path) -> None:
    """A catalog that the first release wrote opens with today's Zakrom, and its facts are found."""
    script = (Path(__file__).parent / "format-1.sql").read_text("utf-8")
    with closing(sqlite3.connect(tmp_path / schema.FILE_NAME, isolation_level=None)) as connection:
        connection.executescript(script)
    with closing(schema.open_to_write(str(tmp_path))) as connection:
        assert version(connection) == len(schema.migrations())
        assert connection.execute("SELECT name FROM bucket").fetchall() == [("photos",)]
        assert connection.execute("SELECT key, etag FROM object").fetchall() == [(b"a/b.jpg", "e" * 32)]


def test_statements_end_where_sqlite_says() -> None:
    """Neither a semicolon in a comment nor one in a trigger ends one."""
    script = "-- one; two\nSELECT 1;\nCREATE TRIGGER t AFTER INSERT ON a BEGIN\n SELECT 1;\n SELECT 2;\nEND;\nSELECT ';';\n"

    assert [
        "-- one; two\nSELECT 1;",
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n SELECT 1;\n SELECT 2;\nEND;",
        "SELECT ';';",
    ] == schema.statements(script)

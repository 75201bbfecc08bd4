"""The catalog's file: where it lies, how it is opened, and how an older one becomes a newer one.

Migrations are the numbered files of ``catalog/sql``; each runs once, in a transaction of its own, and none is ever edited after
a release or taken back. The format of a file is SQLite's ``user_version``: the number of the last migration it has seen. Nobody
opens the file beside SQLite, not even to look at the format: closing any descriptor of it drops the locks of this process.
"""

from __future__ import annotations

import functools
import os
import re
import sqlite3
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from zakrom import errors

FILE_NAME = "catalog.sqlite3"
PAGE_BYTES = 4096  # a 4 KiB object is one overflow page and an eighth of a leaf; with 8 KiB half of each page was empty
BUSY_TIMEOUT_MS = 5_000  # only a foreign tool can hold a lock for long; longer than this is an error worth seeing
READER_CACHE_KIB = 4_096  # 15 % quicker than 2 MiB over a million keys; more buys nothing, and any foreign write empties it
WRITER_CACHE_KIB = 8_192
"""The writer's cache is never emptied by others, and inner pages of a million keys fit. No larger: whenever a leaf was split,
SQLite walks over the whole cache at COMMIT (`pcache1Truncate`). A PUT of a random key in the writer, 16 a batch: 64 MiB
116-128 µs, 16 MiB 97-102, 4 MiB 71-91; among 400,000 keys the size made no difference."""

SQLITE_NEEDED = (3, 35, 0)  # RETURNING

_MIGRATIONS = Path(__file__).parent / "sql"
_NAME = re.compile(r"(\d{4})_\w+\.sql")


class Migration(NamedTuple):
    """One step from the format before it to ``number``."""

    number: int
    sql: str


@functools.cache
def migrations() -> list[Migration]:
    """The steps this version of Zakrom knows, in order."""
    found = [
        Migration(int(match[1]), path.read_text("utf-8"))
        for path in sorted(_MIGRATIONS.iterdir())
        if (match := _NAME.fullmatch(path.name))
    ]
    if [step.number for step in found] != list(range(1, len(found) + 1)):
        raise AssertionError("migrations are numbered from 1 without gaps")
    return found


def open_to_write(directory: str) -> sqlite3.Connection:
    """The writer's connection, to a file of the newest format: made or migrated if need be, and readable by its owner only.

    Raises `FormatTooNew`, and sqlite3.Error for what the disk refuses.
    """
    if sqlite3.sqlite_version_info < SQLITE_NEEDED:
        raise errors.Unavailable(f"SQLite {sqlite3.sqlite_version} is too old; this Python needs one of 3.35 or later.")
    old_mask = os.umask(0o077)  # SQLite gives its side files the mode of the main one
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        connection = sqlite3.connect(
            os.path.join(directory, FILE_NAME),
            isolation_level=None,
            timeout=BUSY_TIMEOUT_MS / 1000,
            cached_statements=256,
        )
        try:
            _prepare(connection)
            migrate(connection, migrations())
        except BaseException:
            connection.close()
            raise
    finally:
        os.umask(old_mask)
    _sync_directory(directory)
    return connection


def open_to_read(directory: str) -> sqlite3.Connection:
    """A connection that cannot write. The writer must have opened the file before. Raises `FormatTooNew`, sqlite3.Error."""
    path = quote(os.path.abspath(os.path.join(directory, FILE_NAME)))
    connection = sqlite3.connect(
        f"file:{path}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=BUSY_TIMEOUT_MS / 1000,
        cached_statements=256,
        check_same_thread=False,  # a backup runs in a thread, with a connection of its own
    )
    try:
        _require_known(connection, len(migrations()))
    except BaseException:
        connection.close()
        raise
    connection.execute("PRAGMA query_only = 1").fetchall()
    connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}").fetchall()
    return connection


def open_to_checkpoint(directory: str) -> sqlite3.Connection:
    """A second connection of the writer's, for another thread. It changes nothing but where pages lie."""
    connection = sqlite3.connect(
        os.path.join(directory, FILE_NAME), isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000, check_same_thread=False
    )
    _say(connection, _DURABLE)
    return connection


def _require_known(connection: sqlite3.Connection, known: int) -> int:
    """The format of the file. Raises `FormatTooNew`."""
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    if version > known:
        raise errors.FormatTooNew(
            f"The catalog has format {version}; this Zakrom knows formats up to {known}. "
            "Start the Zakrom that wrote it, or a newer one.",
            found=version,
            known=known,
        )
    return int(version)


def migrate(connection: sqlite3.Connection, steps: list[Migration]) -> None:
    """Brings the file to the format of the last step. Each step is one transaction. Raises `FormatTooNew`."""
    for step in steps[_require_known(connection, len(steps)) :]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements(step.sql):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {step.number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def statements(sql: str) -> list[str]:
    """The statements of a script, each complete in SQLite's own eyes (a semicolon in a comment or a trigger ends none)."""
    found, pending = [], ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending.strip())
            pending = ""
    return found


_DURABLE = (
    "synchronous = FULL",  # each COMMIT and each checkpoint is synced: acknowledged means on disk
    "fullfsync = ON",  # macOS: fsync alone leaves data in the drive's cache
    "checkpoint_fullfsync = ON",
    "wal_autocheckpoint = 0",  # the writer decides when
    "journal_size_limit = -1",  # the WAL is never cut: its length is the room set aside for deletes on a full disk
)

_WRITER = (
    f"page_size = {PAGE_BYTES}",
    "auto_vacuum = NONE",  # pages freed by deletes stay in the file: on a full disk they are the room for what comes
    "journal_mode = WAL",
    *_DURABLE,
    f"cache_size = -{WRITER_CACHE_KIB}",
    "secure_delete = OFF",  # some builds zero what they free: twice the writes for an overwritten object
    "temp_store = MEMORY",
    "foreign_keys = OFF",
)


def _prepare(connection: sqlite3.Connection) -> None:
    """What must be said before the first page is written, and at each opening."""
    _say(connection, _WRITER)
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        raise errors.Unavailable("The catalog's file system does not support SQLite's write-ahead log.", journal_mode=mode)


def _say(connection: sqlite3.Connection, pragmas: tuple[str, ...]) -> None:
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _sync_directory(directory: str) -> None:
    """The entries of newly made files survive a power cut."""
    for path in (directory, os.path.dirname(os.path.abspath(directory))):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

"""Backups of a running server: complete, consistent, cheap the second time, whole after a kill; data that must be refused."""

# ruff: noqa: ANN401 - boto3's clients have no types

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from zakrom.catalog import schema
from zakrom.testing.server import Server

from .processes import wait_until
from .traffic import Writer

BUCKET = "kept"
SECONDS_MAX = 60


def zakrom(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command, run to its end."""
    line = [sys.executable, "-m", "zakrom", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=SECONDS_MAX, check=False, env=env)


def back_up(data: Path, target: Path) -> dict[str, int]:
    """A backup that must succeed: what it says it did."""
    done = zakrom("backup", "--json", "--data", data, target)
    assert done.returncode == 0, done.stderr
    said: dict[str, int] = json.loads(done.stdout)
    return said


def contents(server: Server) -> dict[str, bytes]:
    """All objects."""
    s3 = server.client()
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
    return {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def restored(server: Server, backup: Path) -> dict[str, bytes]:
    """What a server finds that is started on a copy of a backup; the copy adds up, to the last byte."""
    check = zakrom("check", "--deep", "--data", backup)
    assert (check.returncode, check.stdout) == (0, "Everything is there and adds up.\n"), check.stderr
    with Server(backup, access_key=server.access_key, secret_key=server.secret_key) as other:
        return contents(other)


def put(server: Server, *keys: str, size: int = 50_000) -> dict[str, bytes]:
    """New objects."""
    s3, made = server.client(), {}
    for key in keys:
        made[key] = random.randbytes(size)
        s3.put_object(Bucket=BUCKET, Key=key, Body=made[key])
    return made


def test_a_backup_beside_writes_and_deletes_has_all_that_was_acknowledged_before(tmp_path: Path) -> None:
    """While it copies, clients overwrite and delete, and what they delete is unlinked at once but for the backup."""
    with Server(workers=2, args=["--reap-grace", "0s"]) as server:
        server.client().create_bucket(Bucket=BUCKET)
        staying = put(server, *(f"stay{number}" for number in range(20))) | put(server, "inline", size=500)
        going = put(server, *(f"go{number}" for number in range(60)))
        writers = [Writer(server, BUCKET, seed) for seed in range(2)]
        deleting = threading.Thread(target=_delete_slowly, args=(server.client(), list(going)), daemon=True)
        for thread in (*writers, deleting):
            thread.start()
        back_up(server.data, tmp_path / "backup")
        server.kill()
        for thread in (*writers, deleting):
            thread.join(30)
        found = restored(server, tmp_path / "backup")

    assert {key: found.get(key) for key in staying} == staying
    assert {key: body for key, body in found.items() if key in going and body != going[key]} == {}


def _delete_slowly(s3: Any, keys: list[str]) -> None:
    try:
        for key in keys:
            s3.delete_object(Bucket=BUCKET, Key=key)
            time.sleep(0.01)
    except Exception:  # noqa: BLE001 - the server was killed
        return


def test_a_second_backup_copies_what_is_new(tmp_path: Path) -> None:
    """Blobs that are there are kept, and it works without a server too."""
    target = tmp_path / "backup"
    with Server() as server:
        server.client().create_bucket(Bucket=BUCKET)
        made = put(server, "a", "b", "c")
        assert back_up(server.data, target)["kept_blobs"] == 0
        made |= put(server, "c", "d")
        server.client().delete_object(Bucket=BUCKET, Key="a")
        del made["a"]
        said = back_up(server.data, target)
        server.stop()

        assert (said["blobs"], said["kept_blobs"]) == (3, 1)
        assert back_up(server.data, target)["kept_blobs"] == 3
        assert restored(server, target) == made


def test_a_backup_that_was_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    """Killed at any moment, again and again: the next one goes on, and what it leaves is whole."""
    target = tmp_path / "backup"
    with Server() as server:
        server.client().create_bucket(Bucket=BUCKET)
        made = put(server, *(f"k{number}" for number in range(150)))
        for files in (1, 40, 90):
            line = [sys.executable, "-m", "zakrom", "backup", "--json", "--data", str(server.data), str(target)]
            process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
            wait_until(
                lambda: process.poll() is not None or len(list((target / "blobs").rglob("*"))) > files,  # noqa: B023
                SECONDS_MAX,
            )
            process.kill()
            process.wait()
        said = back_up(server.data, target)

        assert said["blobs"] == said["total_blobs"] == 150
        assert restored(server, target) == made


def test_a_restored_store_that_went_another_way_is_backed_up_rightly(tmp_path: Path) -> None:
    """Its new blobs may have the ids of others that the backup knows: they are told apart by their checksums."""
    target, early = tmp_path / "backup", tmp_path / "early"
    with Server() as server:
        server.client().create_bucket(Bucket=BUCKET)
        made = put(server, "before")
        back_up(server.data, early)
        server.restart()
        put(server, "first", "life")
        back_up(server.data, target)
    with Server(early, access_key=server.access_key, secret_key=server.secret_key) as second:
        made |= put(second, "second", "chance")
        back_up(second.data, target)

        assert restored(second, target) == made


def test_a_directory_in_use_is_no_target(tmp_path: Path) -> None:
    """Neither one that a server serves, nor one with other things in it, nor one inside the data."""
    with Server() as server, Server() as other:
        (tmp_path / "holiday.jpg").touch()

        for target, code in ((other.data, 5), (tmp_path, 5), (server.data / "backup", 2)):
            refused = zakrom("backup", "--data", server.data, target)
            assert (refused.returncode, refused.stderr.count("\n")) == (code, 1), refused.stderr
        assert [one.name for one in tmp_path.iterdir()] == ["holiday.jpg"]


# ------------------------------------------------------------------------------------------------- data that is refused


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A store that nobody serves."""
    with Server(tmp_path / "data") as server:
        server.client().create_bucket(Bucket=BUCKET)
        put(server, "k")
    return tmp_path / "data"


def refusal(server_env: dict[str, str], data: Path) -> tuple[int, str]:
    """How a start ends that must not succeed."""
    line = ["serve", "--data", data, "--address", "127.0.0.1:0", "--admin-address", "127.0.0.1:0", "--log-format", "json"]
    done = zakrom(*line, env=server_env)
    return done.returncode, done.stderr


@pytest.fixture
def env() -> dict[str, str]:
    """An environment without any key."""
    return {"PATH": "/usr/bin:/bin"}


def _newer_catalog(data: Path) -> None:
    with closing(sqlite3.connect(data / "catalog" / "catalog.sqlite3")) as catalog:
        catalog.execute("PRAGMA user_version = 999")


def _newer_blobs(data: Path) -> None:
    (data / "blobs" / "format").write_text("zakrom blobs 999\n")


@pytest.mark.parametrize("make_newer", [_newer_catalog, _newer_blobs])
def test_a_newer_format_is_refused(data: Path, env: dict[str, str], make_newer: Any) -> None:
    """By every command: a clear line, exit code 8, and nothing is changed."""
    before = shutil.copytree(data, data.with_name("before"))
    make_newer(data)
    for refused in (refusal(env, data), *(_said(zakrom(*line, env=env)) for line in _others(data))):
        code, said = refused
        assert code == 8, said
        assert "newer" in said
        assert "Traceback" not in said
    shutil.copy(before / "blobs" / "format", data / "blobs" / "format")
    with closing(sqlite3.connect(data / "catalog" / "catalog.sqlite3")) as catalog:
        catalog.execute(f"PRAGMA user_version = {len(schema.migrations())}")
    with Server(data) as server:
        assert list(contents(server)) == ["k"]


def _others(data: Path) -> list[tuple[str | Path, ...]]:
    return [("check", "--data", data), ("scrub", "--data", data), ("backup", "--data", data, data.with_name("backup"))]


def _said(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    return done.returncode, done.stderr


def test_a_broken_root_key_is_told(data: Path, env: dict[str, str]) -> None:
    """A clear line and exit code 8; the file is left for the operator to look at, and with a key given it is not needed."""
    for content in (b"", b"\x00\xff", b'{"access_key": 5}'):
        (data / "root-key").write_bytes(content)
        code, said = refusal(env, data)

        assert code == 8, said
        assert "root-key is not a key pair" in said
        assert (data / "root-key").read_bytes() == content
    with Server(data) as server:  # which gives its own
        assert list(contents(server)) == ["k"]

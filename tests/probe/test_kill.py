"""kill -9 of everything, and of each process alone: what was acknowledged is there, and the server cleans up by itself."""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from zakrom.testing.server import Server

from .processes import children, wait_until
from .traffic import Writer, lost

BUCKET = "kept"
ROUNDS = int(os.environ.get("ZAKROM_KILL_ROUNDS", "4"))
"""`make probe` runs 100; a few in CI."""

SWEEP_SECONDS_MAX = 20.0


def check(server: Server) -> str:
    """What `zakrom check --deep` says."""
    line = [sys.executable, "-m", "zakrom", "check", "--deep", "--data", str(server.data)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False).stdout


def test_kill_nine_of_the_whole_server_loses_nothing_acknowledged() -> None:
    """At any moment, again and again: every acknowledged write is there, none is half there, and nothing is left over."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - a failure must be repeatable
    chance = random.Random(seed)
    with Server(workers=2) as server:
        server.client().create_bucket(Bucket=BUCKET)
        total = 0
        for _ in range(ROUNDS):
            writers = [Writer(server, BUCKET, chance.randrange(1 << 32)) for _ in range(4)]
            for writer in writers:
                writer.start()
            time.sleep(chance.uniform(0.2, 1.5))
            server.kill()
            for writer in writers:
                writer.join(30)
                assert not writer.is_alive()
            server.start()

            assert lost(server, BUCKET, writers) == []
            total += sum(writer.count for writer in writers)
        assert total > 0
        wait_until(lambda: "adds up" in check(server), SWEEP_SECONDS_MAX, lambda: check(server))


@pytest.mark.parametrize("name", ["worker-1", "writer", "keeper"])
def test_a_dead_process_is_replaced_and_nothing_is_lost(name: str) -> None:
    """One process of the server is killed under load: the others go on, and soon all is as before."""
    with Server(workers=2) as server:
        server.client().create_bucket(Bucket=BUCKET)
        writers = [Writer(server, BUCKET, seed) for seed in range(3)]
        for writer in writers:
            writer.start()
        time.sleep(0.5)
        before = children(server.pid)
        os.kill(before[name], signal.SIGKILL)

        wait_until(lambda: children(server.pid).get(name) not in (None, before[name]), 10.0)
        wait_until(lambda: _can_write(server), 10.0)
        time.sleep(0.3)
        server.kill()
        for writer in writers:
            writer.join(30)
        server.start()
        assert lost(server, BUCKET, writers) == []
        wait_until(lambda: "adds up" in check(server), SWEEP_SECONDS_MAX, lambda: check(server))


def test_a_second_server_on_the_same_data_is_refused() -> None:
    """It says whose the directory is, ends with the code of a conflict, and the first one goes on."""
    with Server() as server:
        line = [sys.executable, "-m", "zakrom", "serve", "--data", str(server.data), "--address", "127.0.0.1:0"]
        line += ["--admin-address", "127.0.0.1:0"]
        second = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)

        assert second.returncode == 5
        assert f"process {server.pid}" in second.stderr
        assert _can_write(server)


def test_sigterm_lets_a_running_upload_finish_and_ends_with_zero() -> None:
    """Draining: what has begun is finished and acknowledged, and what was acknowledged is there afterwards."""
    with Server() as server:
        client = server.client()
        client.create_bucket(Bucket=BUCKET)

        class Slow:
            """Ten pieces, a tenth of a second apart; the server is told to stop after the third."""

            def __init__(self) -> None:
                self.left = 10

            def __len__(self) -> int:
                return 1000

            def read(self, _size: int = -1) -> bytes:
                if not self.left:
                    return b""
                self.left -= 1
                if self.left == 7:
                    os.kill(server.pid, signal.SIGTERM)
                time.sleep(0.1)
                return b"x" * 100

        status = _put(server, "slow", Slow())
        assert status == 200
        assert server.stop() == 0
        server.start()
        assert client.get_object(Bucket=BUCKET, Key="slow")["Body"].read() == b"x" * 1000


def _put(server: Server, key: str, body: object) -> int:
    url = server.client().generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": key})
    connection = server.access.connect(30)
    try:
        connection.request("PUT", url.removeprefix(server.endpoint), body=body, headers={"Content-Length": "1000"})  # type: ignore[arg-type]  # a file-like object
        return connection.getresponse().status
    finally:
        connection.close()


def _can_write(server: Server) -> bool:
    try:
        server.client().create_bucket(Bucket=f"{BUCKET}-{secrets.token_hex(8)}")
    except (ClientError, BotoCoreError):
        return False
    return True


def test_data_directory_is_private(tmp_path: Path) -> None:
    """Keys and data are readable by their owner only."""
    with Server(tmp_path / "data") as server:
        server.client().create_bucket(Bucket=BUCKET)
        server.client().put_object(Bucket=BUCKET, Key="k", Body=b"x" * 100_000)

        open_ones = [path for path in (tmp_path / "data").rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
        assert open_ones == []

"""What a server may cost: memory beside large objects and slow clients, time at rest, time to start, time with many keys.

Each figure is printed. What depends on the machine's other work is taken as time on a core, or as the best of several tries.
"""

# ruff: noqa: ANN401, T201 - figures and seeds are printed; boto3's clients have no types

from __future__ import annotations

import hashlib
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from zakrom.blobs.blocks import blocks
from zakrom.catalog import frames
from zakrom.catalog.changes import Inline, PutVersion
from zakrom.catalog.committer import Committer
from zakrom.catalog.reads import Reads
from zakrom.model.facts import Details
from zakrom.testing.server import Server

from .processes import Growth, children, rss_mib, running_seconds, wait_until

pytestmark = pytest.mark.alone

KIB = 1024
MIB = 1024 * KIB
LARGE_MIB = int(os.environ.get("ZAKROM_LARGE_MIB", "1024"))
"""The large object; 5 GiB in `make probe`."""

KEYS = int(os.environ.get("ZAKROM_KEYS", "100000"))
"""The full bucket; a million in `make probe`."""

IDLE_SECONDS = float(os.environ.get("ZAKROM_IDLE_SECONDS", "10"))
"""How long nothing happens; a minute in `make probe`."""

FEW_KEYS = 1_000
GROWTH_MIB_MAX = 64.0
REST_MIB_MAX = 60.0
IDLE_CPU_MAX = 0.2 / 60
READY_SECONDS_MAX = 1.0
MANY_KEYS_RATIO_MAX = 1.3
SLOW_CLIENTS = 100
LONG_SECONDS = 900


def presigned(server: Server, method: str, **parameters: object) -> tuple[str, int, str]:
    """Host, port and target of a presigned URL."""
    url = urlsplit(server.client().generate_presigned_url(method, Params=parameters))
    return url.hostname or "", url.port or 0, f"{url.path}?{url.query}"


# --------------------------------------------------------------------------------------------------------------- memory


@pytest.mark.timeout(LONG_SECONDS)
def test_a_large_object_takes_no_memory() -> None:
    """Up and down again, byte for byte, and no process grows by 64 MiB."""
    piece = random.Random(5).randbytes(MIB)
    with Server(workers=2) as server:
        server.client().create_bucket(Bucket="large")
        server.client().put_object(Bucket="large", Key="warm", Body=piece * 4)
        with Growth(server.pid) as growth:
            sent = _upload(server, piece)
            came = _download(server)
        print(f"{LARGE_MIB} MiB up and down; growth in MiB: {growth.mib}")

        assert sent == came
        assert max(growth.mib.values()) < GROWTH_MIB_MAX


def _upload(server: Server, piece: bytes) -> str:
    """Sends the large object; the MD5 that the server says it has."""
    host, port, target = presigned(server, "put_object", Bucket="large", Key="k")
    with closing(socket.create_connection((host, port), timeout=60)) as connection:
        head = f"PUT {target} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {LARGE_MIB * MIB}\r\n\r\n"
        connection.sendall(head.encode())
        for _ in range(LARGE_MIB):
            connection.sendall(piece)
        answer = connection.recv(64 * KIB).decode()
    assert answer.startswith("HTTP/1.1 200 ")
    return answer.lower().partition('etag: "')[2].partition('"')[0]


def _download(server: Server) -> str:
    """The MD5 of the bytes that come."""
    digest = hashlib.md5(usedforsecurity=False)
    for piece in server.client().get_object(Bucket="large", Key="k")["Body"].iter_chunks(MIB):
        digest.update(piece)
    return digest.hexdigest()


@pytest.mark.timeout(180)
def test_slow_clients_cost_little_and_hold_up_nobody() -> None:
    """A hundred that take nothing of a large answer or drip a large body: no process grows by 64 MiB, others are served.

    All of them at one worker: nobody promises that the system would share them out.
    """
    with Server(workers=1) as server, ExitStack() as held:
        s3 = server.client()
        s3.create_bucket(Bucket="slow")
        s3.put_object(Bucket="slow", Key="k", Body=os.urandom(64 * MIB))
        s3.put_object(Bucket="slow", Key="small", Body=b"1")
        with Growth(server.pid) as growth:
            for _ in range(SLOW_CLIENTS // 2):
                reader = held.enter_context(closing(_begin(s3, "get_object", "k")))
                assert reader.recv(100).startswith(b"HTTP/1.1 200 ")
            writers = [held.enter_context(closing(_begin(s3, "put_object", f"drip{n}"))) for n in range(SLOW_CLIENTS // 2)]
            slowest = 0.0
            for turn in range(40):
                for writer in writers:
                    writer.sendall(b"drip" * (16 * KIB if turn % 2 else 1))
                slowest = max(slowest, _seconds(lambda: _read(s3, "slow", "small")))
                slowest = max(slowest, _seconds(lambda: s3.put_object(Bucket="slow", Key="other", Body=bytes(50_000))))
        print(f"{SLOW_CLIENTS} slow clients; growth in MiB: {growth.mib}; slowest other request {slowest:.3f} s")

        assert max(growth.mib.values()) < GROWTH_MIB_MAX
        assert slowest < 2.0


def _begin(s3: Any, method: str, key: str) -> socket.socket:
    """A request of 64 MiB, there or back, by a client that does no more than ask."""
    url = urlsplit(s3.generate_presigned_url(method, Params={"Bucket": "slow", "Key": key}))
    connection = socket.create_connection((url.hostname or "", url.port or 0), timeout=10)
    verb, length = ("GET", "") if method == "get_object" else ("PUT", f"Content-Length: {64 * MIB}\r\n")
    connection.sendall(f"{verb} {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n{length}\r\n".encode())
    return connection


def _read(s3: Any, bucket: str, key: str) -> bytes:
    body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


# ----------------------------------------------------------------------------------------------------------------- rest


def test_a_server_is_small_and_still_at_rest() -> None:
    """Under 60 MiB a worker, and under 0.2 s of CPU a minute for all processes together."""
    with Server(workers=2) as server:
        s3 = server.client()
        s3.create_bucket(Bucket="rest")
        for number in range(20):
            s3.put_object(Bucket="rest", Key=str(number), Body=bytes(40_000))
            s3.get_object(Bucket="rest", Key=str(number))["Body"].read()
        memory, idle = _rest(server)

        assert {name: mib for name, mib in memory.items() if name.startswith("worker") and mib >= REST_MIB_MAX} == {}
        assert idle < IDLE_CPU_MAX * IDLE_SECONDS


def _rest(server: Server) -> tuple[dict[str, float], float]:
    """Memory of each process, and the time on a core of all of them while nothing happens."""
    pids = {"supervisor": server.pid, **children(server.pid)}
    time.sleep(3)  # the last of what the start has set going
    before = {name: running_seconds(pid) for name, pid in pids.items()}
    time.sleep(IDLE_SECONDS)
    used = {name: running_seconds(pid) - before[name] for name, pid in pids.items()}
    memory = {name: rss_mib(pid) for name, pid in pids.items()}
    print(
        f"MiB at rest: {memory}; CPU seconds in {IDLE_SECONDS:g} s: { {name: round(took, 4) for name, took in used.items()} }"
    )
    return memory, sum(used.values())


def test_a_server_is_ready_in_under_a_second(tmp_path: Path) -> None:
    """The best of some starts, on new data and on old."""
    took = {"new": 60.0, "old": 60.0}
    for number in range(3):
        with Server(tmp_path / str(number), workers=2) as server:
            server.stop()
            took["old"] = min(took["old"], _seconds(server.start))
        with Server(tmp_path / f"new{number}", workers=2) as server:
            server.stop()
            server.data = tmp_path / f"other{number}"
            took["new"] = min(took["new"], _seconds(server.start))
    print(f"seconds until ready, best of 3: {took}")

    assert max(took.values()) < READY_SECONDS_MAX


# ------------------------------------------------------------------------------------------------------------ many keys


@pytest.fixture(scope="module")
def crowded() -> Iterator[Server]:
    """A server with a bucket of a thousand keys and one of very many."""
    with Server(workers=1) as server:
        for name in ("few", "many"):
            server.client().create_bucket(Bucket=name)
        server.stop()
        fill(server, "few", FEW_KEYS)
        fill(server, "many", KEYS)
        yield server.start()


def key(number: int) -> str:
    """Keys in no order."""
    return f"{number * 2_654_435_761 % (1 << 32):08x}/{number}"


def fill(server: Server, bucket: str, count: int) -> None:
    """Puts objects into the catalog of a server that does not run, a thousand at once."""
    directory = str(server.data / "catalog")
    with closing(Reads(directory)) as reads:
        facts = reads.bucket(bucket)
    content, details = Inline(bytes(100), blocks(bytes(100))), Details({"content-type": "text/plain"})
    committer = Committer(directory)
    for start in range(0, count, 1_000):
        batch = [
            PutVersion(facts.id, key(n).encode(), 1_000 + n, 0, 100, "0" * 32, "STANDARD", facts.owner, details, content)
            for n in range(start, min(count, start + 1_000))
        ]
        assert {kind for kind, _ in committer.apply(batch)} == {frames.RESULT}
        committer.tidy()
    committer.close()
    committer._connection.close()


class Meter:
    """Requests of one kind in both buckets by turns, and the time on a core that each takes of the worker and the writer."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._s3 = server.client()
        self._pids = [pid for name, pid in children(server.pid).items() if name.startswith(("worker", "writer"))]
        self._chance = random.Random(11)

    def ratio(self, act: Callable[[Any, str, int], object], requests: int, rounds: int = 5) -> float:
        """The cost with many keys by the cost with few: the best rounds of each."""
        best = {"few": 1e9, "many": 1e9}
        for _ in range(rounds):
            for bucket, count in (("few", FEW_KEYS), ("many", KEYS)):
                before = running_seconds(*self._pids)
                for _ in range(requests):
                    act(self._s3, bucket, self._chance.randrange(count))
                best[bucket] = min(best[bucket], (running_seconds(*self._pids) - before) / requests)
        print(f"µs of CPU: {best['few'] * 1e6:.0f} with {FEW_KEYS} keys, {best['many'] * 1e6:.0f} with {KEYS}")
        return best["many"] / best["few"]


KINDS: dict[str, tuple[Callable[[Any, str, int], object], int]] = {
    "list": (
        lambda s3, bucket, n: s3.list_objects_v2(Bucket=bucket, StartAfter=key(n)[:2] if bucket == "many" else "", MaxKeys=900),
        8,
    ),
    "head": (lambda s3, bucket, n: s3.head_object(Bucket=bucket, Key=key(n)), 60),
    "put": (lambda s3, bucket, n: s3.put_object(Bucket=bucket, Key=key(n), Body=b"x" * 100), 60),
}


@pytest.mark.timeout(LONG_SECONDS)
@pytest.mark.parametrize("kind", KINDS)
def test_many_keys_cost_what_few_cost(crowded: Server, kind: str) -> None:
    """A page of a listing, a HEAD and a PUT among very many keys: within 1.3 times the cost among a thousand."""
    act, requests = KINDS[kind]

    assert Meter(crowded).ratio(act, requests) < MANY_KEYS_RATIO_MAX


@pytest.mark.timeout(LONG_SECONDS)
def test_many_keys_do_not_wake_a_server_at_rest(crowded: Server) -> None:
    """Nothing walks over the keys when nobody asks."""
    wait_until(lambda: len(children(crowded.pid)) == 3, 10)
    _, idle = _rest(crowded)

    assert idle < IDLE_CPU_MAX * IDLE_SECONDS

"""The writer's loop: its beginning and end, and clients that do not keep to the rules."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from zakrom.catalog import frames
from zakrom.catalog.changes import OpenGeneration, SetVersioning
from zakrom.catalog.frames import AskStats, Splitter, frame
from zakrom.catalog.writer import FORGET_SECONDS_MAX
from zakrom.model.facts import Versioning
from zakrom.testing.catalog_site import SqliteSite
from zakrom.testing.contracts.catalog import closed_is, eventually, inline, listed, new_bucket, put, staged


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SqliteSite]:
    """A store."""
    site = SqliteSite(tmp_path)
    yield site
    site.close()


class RawClient:
    """A connection that says what the test wants, byte by byte if need be."""

    def __init__(self, site: SqliteSite) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(5)
        self.socket.connect(site.socket_path)
        self._splitter = Splitter()
        self._messages: list[tuple[int, int, object]] = []

    def next(self) -> tuple[int, int, object] | None:
        """The next message; None if the writer has ended the connection."""
        while not self._messages:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            for payload in self._splitter.feed(data):
                self._messages += [tuple(one) for one in msgspec.msgpack.decode(payload)]
        return self._messages.pop(0)

    def close(self) -> None:
        """Goes."""
        self.socket.close()


def test_it_says_hello_when_the_catalog_is_open(site: SqliteSite) -> None:
    """Before anything else."""
    site.start()
    raw = RawClient(site)
    assert raw.next() == (0, frames.HELLO, None)
    raw.close()


@pytest.mark.parametrize("end", ["stop", "abandon"])
async def test_it_ends_in_order(site: SqliteSite, end: str) -> None:
    """On its signal, and when its supervisor is gone: with 0, after what had been sent is durable and answered."""
    catalog = await site.open()
    bucket = await new_bucket(catalog)
    sent = [asyncio.ensure_future(catalog.apply(put(bucket, b"%d" % number, inline(b"x")))) for number in range(300)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert await asyncio.to_thread(getattr(site, end)) == 0
    await asyncio.gather(*sent)
    assert len(await listed(catalog, bucket)) == 300
    await catalog.close()


async def test_a_terminal_does_not_stop_it(site: SqliteSite) -> None:
    """SIGINT goes to all processes of a terminal; the supervisor decides in which order they end."""
    catalog = await site.open()
    assert site.pid is not None
    os.kill(site.pid, signal.SIGINT)
    await new_bucket(catalog)
    await catalog.close()


@pytest.mark.parametrize(
    "junk",
    [
        b"\xff\xff\xff\xff",
        frame([(1, "no change")]),
        b"\x00\x00\x00\x03abc",
        frame([(1, ["PutVersion", 1])]),
        frame([(1, ["NoSuchChange"])]),
    ],
    ids=["too long", "a string", "no msgpack", "fields missing", "unknown"],
)
async def test_who_sends_rubbish_is_dropped_alone(site: SqliteSite, junk: bytes) -> None:
    """Others go on; what it had sent in order before is applied."""
    catalog = await site.open()
    bucket = await new_bucket(catalog)
    raw = RawClient(site)
    assert raw.next() == (0, frames.HELLO, None)
    raw.socket.sendall(frame([(1, put(bucket, b"in order"))]))
    assert (raw.next() or ())[:2] == (1, frames.RESULT)
    raw.socket.sendall(junk)
    assert raw.next() is None
    raw.close()

    await catalog.apply(put(bucket, b"others"))
    assert await listed(catalog, bucket) == [b"in order", b"others"]
    await catalog.close()


async def test_who_does_not_forget_is_dropped_and_the_answer_comes(site: SqliteSite) -> None:
    """One client that hangs delays the change of a bucket by a second, and nothing else."""
    catalog = await site.open()
    bucket = await new_bucket(catalog)
    raw = RawClient(site)
    raw.next()
    began = time.monotonic()
    change = asyncio.ensure_future(catalog.apply(SetVersioning(bucket.id, Versioning.ENABLED)))
    await catalog.apply(put(bucket, b"meanwhile"))
    assert time.monotonic() - began < FORGET_SECONDS_MAX
    assert not change.done()
    await change

    assert FORGET_SECONDS_MAX * 0.9 <= time.monotonic() - began < FORGET_SECONDS_MAX + 2
    assert (raw.next() or ())[1:] == (frames.INVALIDATE, None)
    assert raw.next() is None
    raw.close()
    await catalog.close()


async def test_a_client_that_dies_while_others_wait_for_it_does_not_delay_them(site: SqliteSite) -> None:
    """Who is gone remembers nothing."""
    catalog = await site.open()
    bucket = await new_bucket(catalog)
    raw = RawClient(site)
    raw.next()
    began = time.monotonic()
    change = asyncio.ensure_future(catalog.apply(SetVersioning(bucket.id, Versioning.ENABLED)))
    await asyncio.sleep(0.05)
    raw.close()
    await change

    assert time.monotonic() - began < FORGET_SECONDS_MAX * 0.9
    await catalog.close()


async def test_a_generation_closes_after_the_last_change_of_its_process(site: SqliteSite) -> None:
    """Frames that were on their way when it died are applied with its generation still open."""
    catalog = await site.open()
    bucket = await new_bucket(catalog)
    raw = RawClient(site)
    raw.next()
    raw.socket.sendall(frame([(1, OpenGeneration(1))]))
    number, kind, generation = raw.next() or (0, 0, 0)
    assert (number, kind) == (1, frames.RESULT)
    assert isinstance(generation, int)
    raw.socket.sendall(b"".join(frame([(n, put(bucket, b"%d" % n, staged(generation, 5)))]) for n in range(100)))
    raw.close()
    await eventually(lambda: closed_is(catalog, generation))

    assert len(await listed(catalog, bucket)) == 100
    await catalog.close()


def test_stats_count_what_was_done(site: SqliteSite) -> None:
    """Over raw frames: the answer comes under the number of the question."""
    site.start()
    raw = RawClient(site)
    raw.next()
    raw.socket.sendall(frame([(9, OpenGeneration(1)), (10, AskStats())]))
    assert raw.next() == (9, frames.RESULT, 1)
    number, kind, body = raw.next() or (0, 0, 0)
    stats = msgspec.convert(body, frames.Stats)

    assert (number, kind) == (10, frames.RESULT)
    assert (stats.batches, stats.changes, stats.refused, stats.connections) == (1, 1, 0, 1)
    assert sum(stats.sizes) == 1
    raw.close()

"""The signal of freed space: nothing is missed, nobody waits too long, and nothing runs while nobody waits."""

from __future__ import annotations

import http.client
import socket
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from zakrom import errors
from zakrom.admin import lookout
from zakrom.admin_client import Space
from zakrom.catalog.changes import DeleteBucket, SetFull
from zakrom.wire import sigv4

from .running import SOON, Running, clock_ms, until


@contextmanager
def background(work: Callable[[], Space]) -> Iterator[Future[Space]]:
    """Runs a call that waits, beside the test."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


def waiting(running: Running) -> int:
    """How many calls wait now."""
    count: int = running.app.state.desk.lookout.waiting
    return count


def test_a_cursor_of_before_is_answered_at_once(running: Running) -> None:
    """What was freed between two calls is not missed."""
    bucket = running.bucket("between")
    running.put(bucket, "k", b"12345")
    before = running.root.space("between")
    running.delete(bucket, "k")

    found = running.root.wait_for_space("between", after=before.cursor, seconds=30)

    assert (False, True) == (before.freed, found.freed)
    assert found.cursor > before.cursor
    assert (5, 0) == (before.used_bytes, found.used_bytes)


def test_who_waits_is_told_when_bytes_are_freed(running: Running) -> None:
    """In the bucket, and in the store; while waiting."""
    bucket = running.bucket("awaited")
    running.put(bucket, "k", b"12345")
    for scope in ("awaited", None):
        running.put(bucket, "k", b"12345")
        with background(lambda scope=scope: running.root.wait_for_space(scope, seconds=30)) as call:  # type: ignore[misc]
            until(lambda: waiting(running) > 0)
            running.delete(bucket, "k")
            assert call.result(SOON).freed


def test_a_put_is_no_signal(running: Running) -> None:
    """And after the time one asked for, one is answered that nothing was freed."""
    bucket = running.bucket("growing")
    started = time.monotonic()

    with background(lambda: running.root.wait_for_space("growing", seconds=0.6)) as call:
        running.put(bucket, "k", b"12345")
        found = call.result(SOON)

    assert not found.freed
    assert 0.6 <= time.monotonic() - started < SOON


def test_other_buckets_do_not_wake_one(running: Running) -> None:
    """The scope is the bucket."""
    running.bucket("asleep")
    other = running.bucket("awake")
    running.put(other, "k", b"1")

    with background(lambda: running.root.wait_for_space("asleep", seconds=0.6)) as call:
        until(lambda: waiting(running) > 0)
        running.delete(other, "k")
        assert not call.result(SOON).freed


def test_the_end_of_fullness_is_a_signal(running: Running) -> None:
    """For who waits in the store, and for who waits in a bucket: there is room for both again."""
    running.bucket("cramped")
    running.do(running.catalog.apply(SetFull(True, clock_ms())))
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(running.root.wait_for_space, scope, seconds=30) for scope in ("cramped", None)]
        until(lambda: waiting(running) == 2)
        running.do(running.catalog.apply(SetFull(False, clock_ms())))

        found = [call.result(SOON) for call in calls]

    assert [(True, False)] * 2 == [(one.freed, one.full) for one in found]


def test_a_bucket_that_goes_ends_the_wait(running: Running) -> None:
    """There will never be room in it."""
    bucket = running.bucket("vanishing")
    with background(lambda: running.root.wait_for_space("vanishing", seconds=30)) as call:
        until(lambda: waiting(running) > 0)
        running.do(running.catalog.apply(DeleteBucket(bucket.id, clock_ms())))
        with pytest.raises(errors.NoSuchBucket):
            call.result(SOON)


def test_a_cursor_of_another_life_is_no_trap(running: Running) -> None:
    """A bucket that was removed and made again counts from the start: an old, greater cursor is answered at once."""
    running.bucket("reborn")

    assert running.root.wait_for_space("reborn", after=1000, seconds=30).freed


def test_a_draining_server_sends_all_who_wait_home(running: Running) -> None:
    """With the state of now; their next call finds the next server."""
    with background(lambda: running.root._get(Space, "/space", 30.0, wait="30")) as call:
        until(lambda: waiting(running) > 0)
        running.stopping = True
        try:
            assert not call.result(SOON).freed
        finally:
            running.stopping = False


def test_who_is_gone_waits_no_longer(running: Running) -> None:
    """A connection that was reset gives its place back within a look or two.

    One that was closed in good order may belong to a client that has only ended its sending half: that waits to the end.
    """
    keys = sigv4.Credentials(running.access.access_key, running.access.secret_key)
    place = urlsplit(running.endpoint).netloc
    target = "/api/v1/space?wait=60"
    headers = sigv4.sign_headers(keys, "GET", target, {"host": place}, now_ms=clock_ms())
    connection = http.client.HTTPConnection(place, timeout=SOON)
    connection.request("GET", target, headers=headers)
    until(lambda: waiting(running) == 1)

    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()

    until(lambda: waiting(running) == 0)


def test_not_everybody_can_wait_at_once(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is an answer, at once, and who waits already is not disturbed."""
    monkeypatch.setattr(lookout, "WAITERS_MAX", 1)
    bucket = running.bucket("crowded")
    running.put(bucket, "k", b"1")

    with background(lambda: running.root.wait_for_space("crowded", seconds=30)) as call:
        until(lambda: waiting(running) == 1)
        answer = running.access.request("GET", "/api/v1/space", {"wait": "5"})
        running.delete(bucket, "k")
        assert call.result(SOON).freed

    assert answer.status == 503
    assert b"SlowDown" in answer.body


def test_a_restarted_writer_changes_no_cursor(running: Running) -> None:
    """The signal is a fact like any other: `kill -9` of the writer loses none, and who waits goes on waiting."""
    bucket = running.bucket("durable")
    running.put(bucket, "k", b"1")
    before = running.root.space("durable").cursor
    running.delete(bucket, "k")

    running.site.kill()
    running.site.start()

    assert running.root.wait_for_space("durable", after=before, seconds=10).freed
    until(lambda: running.access.request("GET", "/api/v1/health").status == 200)


def test_nothing_runs_while_nobody_waits(running: Running) -> None:
    """After all these tests no call is left that looks."""
    assert waiting(running) == 0
    task = running.app.state.desk.lookout._task
    until(lambda: task is None or task.done())

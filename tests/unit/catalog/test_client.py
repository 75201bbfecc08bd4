"""A process's link to the writer: what becomes of changes and of memory when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from zakrom import errors
from zakrom.catalog import client as clients
from zakrom.catalog import frames
from zakrom.catalog.changes import OpenGeneration, PutUser, SetQuota, SetVersioning
from zakrom.catalog.client import SqliteCatalog, connect
from zakrom.catalog.frames import Splitter, frame
from zakrom.model.facts import Bucket, User, Versioning
from zakrom.testing.catalog_site import SqliteSite
from zakrom.testing.contracts.catalog import OWNER, back, eventually, inline, listed, new_bucket, put, succeeds


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SqliteSite]:
    """A store."""
    site = SqliteSite(tmp_path)
    yield site
    site.close()


@pytest.fixture
async def catalog(site: SqliteSite) -> AsyncIterator[SqliteCatalog]:
    """A view of it."""
    catalog = await site.open()
    yield catalog
    await catalog.close()


# ------------------------------------------------------------------------------------------------- a lost connection


async def test_a_lost_connection_is_made_again(site: SqliteSite, catalog: SqliteCatalog) -> None:
    """By itself, as soon as there is a writer; meanwhile reads go on and changes are refused."""
    bucket = await new_bucket(catalog)
    await catalog.apply(put(bucket, b"k"))
    site.kill()
    await eventually(lambda: refuses(catalog, bucket))
    assert await listed(catalog, bucket) == [b"k"]
    assert not await succeeds(catalog.ready())

    site.start()
    await back(catalog)
    await catalog.apply(put(bucket, b"l"))
    assert await listed(catalog, bucket) == [b"k", b"l"]


async def refuses(catalog: SqliteCatalog, bucket: Bucket) -> bool:
    """Whether a change is refused because nobody is there to write it."""
    try:
        await catalog.apply(put(bucket, b"lost"))
    except errors.ServiceUnavailable:
        return True
    except errors.OutcomeUnknown:
        return False
    return False


async def test_who_staged_blobs_is_asked_first_when_the_writer_is_back(site: SqliteSite) -> None:
    """`on_reconnect` may send before anyone else; others are refused until it is done."""
    steps: list[str] = []

    async def renew(catalog: SqliteCatalog) -> None:
        with pytest.raises(errors.ServiceUnavailable):
            await asyncio.create_task(catalog.apply(put(bucket, b"too early")))
        steps.append(f"generation {await catalog.apply(OpenGeneration(1))}")

    catalog = await site.open(renew)
    bucket = await new_bucket(catalog)
    assert steps == []
    await site.crash()
    await back(catalog)
    assert steps == ["generation 1"]
    assert await listed(catalog, bucket) == []
    await catalog.close()


async def test_a_renewal_that_fails_is_tried_again(site: SqliteSite) -> None:
    """With another connection, until it succeeds."""
    attempts: list[int] = []

    async def renew(catalog: SqliteCatalog) -> None:
        attempts.append(len(attempts))
        if len(attempts) < 3:
            await catalog.apply(SetQuota(4_711, 1))  # there is no such bucket

    catalog = await site.open(renew)
    await site.crash()
    await back(catalog)
    assert attempts == [0, 1, 2]
    await catalog.close()


async def test_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that never comes up is an error with a time limit."""
    monkeypatch.setattr(clients, "CONNECT_SECONDS_MAX", 0.1)
    with pytest.raises(errors.ServiceUnavailable):
        await connect(str(tmp_path), str(tmp_path / "nobody"))


# ------------------------------------------------------------------------------------------------- what is remembered


async def test_buckets_and_keys_are_read_once(site: SqliteSite, catalog: SqliteCatalog) -> None:
    """And again after any change of such a thing, or after the connection was lost."""
    bucket = await new_bucket(catalog)
    await catalog.apply(PutUser(User("ann", OWNER, "", "", 1)))

    async def remembered() -> bool:
        return await catalog.bucket(bucket.name) is await catalog.bucket(bucket.name)

    assert await remembered()
    first = await catalog.bucket(bucket.name)
    assert await catalog.user_by_canonical_id(OWNER) is await catalog.user_by_canonical_id(OWNER)
    await catalog.apply(SetVersioning(bucket.id, Versioning.ENABLED))
    assert await catalog.bucket(bucket.name) is not first
    first = await catalog.bucket(bucket.name)
    site.kill()
    await eventually(lambda: refuses(catalog, bucket))
    assert not await remembered()
    site.start()
    await back(catalog)
    assert await catalog.bucket(bucket.name) == first
    assert await remembered()


async def test_memory_has_a_limit(catalog: SqliteCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it all is forgotten, and read again."""
    monkeypatch.setattr(clients, "REMEMBERED_MAX", 5)
    buckets = [await new_bucket(catalog) for _ in range(20)]
    for bucket in buckets * 2:
        assert await catalog.bucket(bucket.name) == bucket
        assert len(catalog._memory) <= 5


# ------------------------------------------------------------------------------------------------- frames


class FakeWriter(asyncio.Protocol):
    """Answers nothing by itself; keeps what it is sent."""

    def __init__(self) -> None:
        self.splitter = Splitter()
        self.payloads: list[bytes] = []
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(frame([(0, frames.HELLO, None)]))

    def data_received(self, data: bytes) -> None:
        self.payloads += self.splitter.feed(data)


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[tuple[FakeWriter, Any]]:
    """A writer that does what the test says, and a link to it."""
    writer = FakeWriter()
    server = await asyncio.get_running_loop().create_unix_server(lambda: writer, str(tmp_path / "s"))
    link = clients._Link(str(tmp_path / "s"))
    await link.dial_until_open()
    yield writer, link
    await link.close()
    assert writer.transport is not None
    writer.transport.close()
    await asyncio.sleep(0.01)
    server.close()
    await server.wait_closed()


BUCKET = Bucket(1, "b", "o", "", 1)


async def test_the_changes_of_one_turn_share_a_frame(fake: tuple[FakeWriter, Any]) -> None:
    """What is asked in the same turn of the loop leaves together; large ones in frames of a limited size."""
    writer, link = fake
    waiting = [asyncio.ensure_future(link.send(put(BUCKET, b"%d" % number))) for number in range(50)]
    await eventually(lambda: received(writer, 1))
    assert len(writer.payloads) == 1

    large = inline(bytes(200_000))
    waiting += [asyncio.ensure_future(link.send(put(BUCKET, b"%d" % number, large))) for number in range(20)]
    await eventually(lambda: received(writer, 5))
    assert all(len(one) < clients.FRAME_BYTES_SOFT + 300_000 for one in writer.payloads)
    assert writer.transport is not None
    writer.transport.abort()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(one) for one in outcomes} == {errors.OutcomeUnknown}


async def received(writer: FakeWriter, count: int) -> bool:
    """Whether so many frames have come."""
    return len(writer.payloads) >= count


async def test_what_was_not_sent_is_refused_and_what_was_is_unknown(fake: tuple[FakeWriter, Any]) -> None:
    """A change that still waits for its frame when the connection goes has not been written, for sure."""
    writer, link = fake
    sent = asyncio.ensure_future(link.send(put(BUCKET, b"sent")))
    await eventually(lambda: received(writer, 1))
    waits = asyncio.ensure_future(link.send(put(BUCKET, b"waits")))
    link._transport.abort()  # the loop says that it is lost before the frame would be made
    outcomes = await asyncio.gather(sent, waits, return_exceptions=True)

    assert [type(one) for one in outcomes] == [errors.OutcomeUnknown, errors.ServiceUnavailable]


async def test_too_many_changes_at_once_are_told_to_slow_down(
    fake: tuple[FakeWriter, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a limit to what waits for the writer."""
    monkeypatch.setattr(clients, "PENDING_MAX", 3)
    writer, link = fake
    waiting = [asyncio.ensure_future(link.send(put(BUCKET, b"%d" % number))) for number in range(3)]
    await eventually(lambda: received(writer, 1))
    with pytest.raises(errors.SlowDown):
        await link.send(put(BUCKET, b"one too many"))
    assert writer.transport is not None
    writer.transport.abort()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_change_that_is_too_large_is_refused_alone(
    fake: tuple[FakeWriter, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that leave with it are sent."""
    monkeypatch.setattr(frames, "FRAME_BYTES_MAX", 5_000)
    writer, link = fake
    waiting = [asyncio.ensure_future(link.send(put(BUCKET, b"%d" % size, inline(bytes(size))))) for size in (10, 6_000, 20)]
    await eventually(lambda: received(writer, 2))
    assert writer.transport is not None
    writer.transport.abort()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(one) for one in outcomes] == [errors.OutcomeUnknown, errors.InvalidRequest, errors.OutcomeUnknown]

"""Batches of changes as transactions, and what becomes of them when something goes wrong."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zakrom import errors
from zakrom.catalog import engine, frames, room
from zakrom.catalog.audit import audit
from zakrom.catalog.changes import CreateBucket, Inline, OpenGeneration, SetJob, SetQuota, Written
from zakrom.catalog.committer import Committer
from zakrom.catalog.ledger import SEQ_RESERVE, Ledger
from zakrom.catalog.reads import Reads
from zakrom.model.facts import Bucket, Usage
from zakrom.testing.contracts.catalog import OWNER, delete, inline, put


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """Where the catalog lies."""
    return str(tmp_path / "catalog")


@pytest.fixture
def committer(directory: str) -> Iterator[Committer]:
    """Of an empty catalog; sound in the end."""
    committer = Committer(directory)
    yield committer
    committer.close()
    committer._connection.close()
    assert list(audit(directory)) == []


@pytest.fixture
def reads(directory: str, committer: Committer) -> Iterator[Reads]:
    """What another process sees."""
    reads = Reads(directory)
    yield reads
    reads.close()


@pytest.fixture
def bucket(committer: Committer) -> Bucket:
    """One to put into."""
    (answer,) = committer.apply([CreateBucket("bucket", OWNER, "", 1, 10)])
    made: Bucket = answer[1]
    return made


def names(answers: list[tuple[int, Any]]) -> list[str]:
    """A word for each answer."""
    return [type(body).__name__ if kind == frames.RESULT else body[0] for kind, body in answers]


def test_a_batch_is_one_transaction(committer: Committer, reads: Reads, bucket: Bucket) -> None:
    """Each change sees those before it, and each gets its own answer; a refused one changes nothing."""
    answers = committer.apply(
        [
            SetQuota(bucket.id, 5),
            put(bucket, b"a", inline(b"123")),
            put(bucket, b"b", inline(b"123")),
            delete(bucket, b"a"),
            put(bucket, b"b", inline(b"1234")),
        ]
    )

    assert ["NoneType", "Written", "QuotaExceeded", "Deleted", "Written"] == names(answers)
    assert reads.usage(bucket.id) == Usage(objects=1, versions=1, bytes=4)
    assert committer.batches == 2
    assert committer.refused == 1


def test_a_change_that_breaks_does_not_take_others_along(
    committer: Committer, reads: Reads, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected error, here of a change that contradicts itself, is its own answer; the others are applied one by one."""
    broken = put(bucket, b"broken", Inline(b"12345", b"checksums of another length"))
    with caplog.at_level(logging.CRITICAL, "zakrom.catalog"):
        answers = committer.apply([put(bucket, b"a", inline(b"1")), broken, put(bucket, b"b", inline(b"2"))])

    assert ["Written", "Error", "Written"] == names(answers)
    assert [b"a", b"b"] == [one.key for one in reads.objects(bucket.id, b"", b"", False, 10)]
    assert reads.usage(None) == Usage(objects=2, versions=2, bytes=2)


def test_a_refusal_after_a_write_is_noticed(
    committer: Committer, reads: Reads, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A function of the engine that writes before it decides is our mistake: its change is rolled back whole."""

    def late(ledger: Ledger, change: SetJob) -> None:
        ledger.execute("INSERT INTO job VALUES ('left over', x'00')")
        raise errors.PreconditionFailed

    monkeypatch.setitem(engine._TABLE, SetJob, late)
    with caplog.at_level(logging.CRITICAL, "zakrom.catalog"):
        answers = committer.apply([put(bucket, b"a"), SetJob("job", b"{}")])

    assert ["Written", "Error"] == names(answers)
    assert reads.job("left over") is None
    assert reads.usage(bucket.id).objects == 1


def test_memory_is_as_the_rows_after_a_rollback(committer: Committer, reads: Reads, bucket: Bucket) -> None:
    """Counts that were raised in memory are read anew; sequence numbers are not given twice."""
    (first,) = committer.apply([put(bucket, b"a", inline(b"123"))])
    broken = put(bucket, b"broken", Inline(b"12345", b""))
    logging.disable(logging.CRITICAL)
    try:
        answers = committer.apply([put(bucket, b"a", inline(b"1234567")), broken])
    finally:
        logging.disable(logging.NOTSET)

    written = answers[0][1]
    assert isinstance(written, Written)
    assert written.seq > first[1].seq
    assert reads.usage(bucket.id) == Usage(objects=1, versions=1, bytes=7)


def test_sequence_numbers_grow_over_reservations_and_crashes(directory: str) -> None:
    """A new writer begins beyond all that the one before can have given out."""
    first = Committer(directory)
    (answer,) = first.apply([CreateBucket("bucket", OWNER, "", 1, 10)])
    bucket = answer[1]
    first._ledger.seq = first._ledger.seq_limit - 2
    seqs = [one[1].seq for one in first.apply([put(bucket, b"%d" % number) for number in range(4)])]
    first._connection.close()  # as a crash would: nothing is said to the ledger
    second = Committer(directory)
    seqs += [one[1].seq for one in second.apply([put(bucket, b"k")])]
    second.close()
    second._connection.close()

    assert seqs == sorted(set(seqs))
    assert seqs[-1] - seqs[0] <= 2 * SEQ_RESERVE + 4


def test_generations_of_a_writer_before_are_closed(directory: str) -> None:
    """Whoever opened them is connected no more."""
    first = Committer(directory)
    first.apply([OpenGeneration(1)])
    first.close()
    first._connection.close()
    second = Committer(directory)
    reads = Reads(directory)

    assert [(1, True)] == reads.generations()
    reads.close()
    second.close()
    second._connection.close()


class ShortRoom(room.Room):
    """A disk that the test fills and empties."""

    free = 1 << 40

    def free_bytes(self) -> int:
        return self.free


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> type[ShortRoom]:
    """What the committer takes for the file system."""
    monkeypatch.setattr(room, "Room", ShortRoom)
    monkeypatch.setattr(ShortRoom, "free", 1 << 40)
    return ShortRoom


def test_a_full_disk_refuses_what_grows_and_lets_deletes_go(
    short: type[ShortRoom], committer: Committer, reads: Reads, bucket: Bucket
) -> None:
    """While pages inside the file are free, puts take those; with room on the disk all is as before."""
    keys = [b"%d" % number for number in range(200)]
    committer.apply([put(bucket, key, inline(bytes(20_000))) for key in keys])
    short.free = 0
    taken: list[bytes] = []
    for key in (b"more/%d" % number for number in itertools.count()):
        (answer,) = committer.apply([put(bucket, key, inline(bytes(20_000)))])
        if names([answer]) == ["InsufficientStorage"]:
            break
        taken.append(key)
    assert ["Deleted"] * 200 == names(committer.apply([delete(bucket, key) for key in keys]))
    assert ["Written"] * 100 == names(committer.apply([put(bucket, key, inline(bytes(20_000))) for key in keys[:100]]))
    assert reads.usage(bucket.id).objects == 100 + len(taken)
    assert reads.spare_bytes() > room.SPARE_PAGES_MIN * 4096

    short.free = 1 << 40
    assert ["Written"] == names(committer.apply([put(bucket, b"again")]))
    assert not committer.full


def test_a_change_that_meets_a_full_disk_is_refused_alone(committer: Committer, reads: Reads, bucket: Bucket) -> None:
    """Tried again after room was made; the deletes of its batch go on. Here it is the file that may not grow."""
    committer.apply([put(bucket, b"%d" % number, inline(bytes(30_000))) for number in range(50)])
    (pages,) = committer._connection.execute("PRAGMA page_count").fetchone()
    (spare,) = committer._connection.execute("PRAGMA freelist_count").fetchone()
    committer._connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    large = (spare + 50) * 4096
    committer._checkpointer.begin()  # one that is under way must not stand in the way
    answers = committer.apply([delete(bucket, b"0"), put(bucket, b"large", inline(bytes(large))), delete(bucket, b"1")])

    assert ["Deleted", "InsufficientStorage", "Deleted"] == names(answers)
    committer._connection.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert ["Written"] == names(committer.apply([put(bucket, b"large", inline(bytes(large)))]))
    assert reads.usage(bucket.id).objects == 49


def test_the_wal_is_emptied_as_it_grows(committer: Committer, bucket: Bucket, directory: str) -> None:
    """By checkpoints beside the work; its length stays below the hard limit and what one batch adds."""
    for turn in range(120):
        committer.apply([put(bucket, b"%d/%d" % (turn, number), inline(bytes(30_000))) for number in range(20)])
        committer.tidy()
    sizes = committer._room.sizes

    assert committer.checkpoints >= 3
    assert (Path(directory) / "catalog.sqlite3-wal").stat().st_size < sizes.wal_hard + 4 * room.MIB

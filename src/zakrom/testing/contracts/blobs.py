"""What every implementation of `zakrom.blobs.interface.Blobs` promises, as tests to inherit.

    class TestMyBlobs(BlobsContract):
        @pytest.fixture
        def site(self) -> MySite: ...

A `Site` is a place where blobs lie: it opens `Blobs` on it as often as asked, as servers that follow one another would, and
damages what lies there.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Protocol

import pytest

from zakrom import errors
from zakrom.blobs.blocks import blocks as checksums_of
from zakrom.blobs.interface import Blobs, Reader
from zakrom.model.facts import BLOCK_BYTES, BlobFacts

SERIAL_BITS = 32
"""Of an id: ``generation << 32 | serial``, a promise of the seam."""

SIZES = (0, 1, 511, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, 5 * BLOCK_BYTES + 77)


class Site(Protocol):
    """A place where blobs lie."""

    def open(self) -> Blobs:
        """A new instance over the bytes that are there, as after a restart. It has adopted no generation."""
        ...

    def flip(self, blob: int, offset: int) -> None:
        """One bit of the byte at the offset rots."""
        ...

    def shorten(self, blob: int, length: int) -> None:
        """The blob's end is lost."""
        ...


def pattern(length: int, seed: int = 0) -> bytes:
    """Bytes in which every position shows, so that bytes of another place never pass for the right ones."""
    words = b"".join((seed << 48 | number).to_bytes(8, "big") for number in range(length // 8 + 1))
    return words[:length]


def put(blobs: Blobs, data: bytes, hint: int | None = None) -> BlobFacts:
    """Stages and commits one blob."""
    stage = blobs.stage(hint)
    stage.write(data)
    return stage.commit()


def get(blobs: Blobs, facts: BlobFacts, offset: int = 0, length: int | None = None) -> bytes:
    """Reads a range of a blob, verified."""
    reader = blobs.open(facts.id, facts.length)
    try:
        return bytes(reader.read(offset, facts.length - offset if length is None else length, facts.blocks, 0))
    finally:
        reader.close()


def ids_of(blobs: Blobs) -> list[int]:
    """All ids on disk."""
    return [blob for blob, _ in blobs.all()]


class BlobsContract:
    """Inherit it, and give the fixture ``site``."""

    @pytest.fixture
    def blobs(self, site: Site) -> Blobs:
        """Ready to stage, as generation 1."""
        blobs = site.open()
        blobs.adopt(1)
        return blobs

    # ------------------------------------------------------------------------------------------------------- writing

    @pytest.mark.parametrize("size", SIZES)
    def test_what_was_committed_is_read_back(self, site: Site, blobs: Blobs, size: int) -> None:
        """A committed blob gives its bytes, to a later server too."""
        data = pattern(size)
        facts = put(blobs, data, hint=size)

        assert data == get(blobs, facts) == get(site.open(), facts)

    @pytest.mark.parametrize("size", SIZES)
    def test_facts_are_those_of_the_bytes(self, blobs: Blobs, size: int) -> None:
        """Commit returns the length and a CRC32C for each block, and no inline bytes."""
        data = pattern(size)
        stage = blobs.stage(None)
        stage.write(data)

        assert BlobFacts(id=stage.id, length=size, blocks=checksums_of(data)) == stage.commit()

    def test_pieces_of_any_size_and_kind_make_one_blob(self, blobs: Blobs) -> None:
        """How the bytes are cut, and in which kind of buffer they come, leaves no trace."""
        data = pattern(3 * BLOCK_BYTES + 5)
        stage = blobs.stage(None)
        cuts = [0, 0, 1, 2, BLOCK_BYTES - 1, BLOCK_BYTES + 1, 2 * BLOCK_BYTES, len(data)]
        for index, (start, end) in enumerate(pairwise(cuts)):
            kind = (bytes, bytearray, memoryview)[index % 3]
            stage.write(kind(data[start:end]))
        facts = stage.commit()

        assert checksums_of(data) == facts.blocks
        assert data == get(blobs, facts)

    def test_a_buffer_may_be_reused_after_write(self, blobs: Blobs) -> None:
        """Write has taken its bytes when it returns."""
        buffer = bytearray(b"a" * 1000)
        stage = blobs.stage(None)
        stage.write(buffer)
        buffer[:] = b"b" * 1000
        stage.write(buffer)

        assert get(blobs, stage.commit()) == b"a" * 1000 + b"b" * 1000

    @pytest.mark.parametrize("hint", [None, 1, 10_000, 10_000_000])
    def test_a_hint_that_is_wrong_does_no_harm(self, blobs: Blobs, hint: int | None) -> None:
        """The blob has the length that was written, and more than hinted may be written."""
        data = pattern(300_000)

        assert data == get(blobs, put(blobs, data, hint=hint))

    def test_room_hinted_for_in_vain_comes_back(self, blobs: Blobs) -> None:
        """What a hint set aside and no byte used is free after the commit."""
        hint = 64 * 1024 * 1024
        before = blobs.room().free
        put(blobs, b"x", hint=hint)

        assert before - blobs.room().free < hint // 2

    def test_ids_are_of_the_generation_and_never_twice(self, blobs: Blobs) -> None:
        """Threads that stage at once get ids of their own, all of the adopted generation."""
        blobs.adopt(7)
        with ThreadPoolExecutor(8) as pool:
            facts = list(pool.map(lambda number: put(blobs, pattern(100, number)), range(200)))

        assert len({fact.id for fact in facts}) == 200
        assert {7} == {fact.id >> SERIAL_BITS for fact in facts}
        assert all(pattern(100, number) == get(blobs, fact) for number, fact in enumerate(facts))

    def test_two_generations_live_side_by_side(self, site: Site) -> None:
        """Two servers' processes stage at once without touching each other's files."""
        first, second = site.open(), site.open()
        first.adopt(1)
        second.adopt(2)
        ones = [put(first, pattern(9, number)) for number in range(5)]
        twos = [put(second, pattern(9, 100 + number)) for number in range(5)]

        assert sorted(fact.id for fact in ones + twos) == sorted(ids_of(first))
        assert [pattern(9, 100 + number) for number in range(5)] == [get(first, fact) for fact in twos]

    def test_a_generation_given_twice_overwrites_nothing(self, site: Site, blobs: Blobs) -> None:
        """A catalog restored from an old backup may hand out a generation again: what lies there stays."""
        old = put(blobs, b"old")
        again = site.open()
        again.adopt(1)
        new = put(again, b"new")

        assert old.id != new.id
        assert [get(again, old), get(again, new)] == [b"old", b"new"]

    # ------------------------------------------------------------------------------------------------ ending a stage

    def test_discard_leaves_nothing(self, blobs: Blobs) -> None:
        """A discarded stage is gone, and may be discarded again."""
        stage = blobs.stage(1000)
        stage.write(b"x" * 1000)
        stage.discard()
        stage.discard()

        assert ids_of(blobs) == []

    def test_a_committed_blob_can_still_be_discarded(self, blobs: Blobs) -> None:
        """When the catalog refuses the change, its blob goes: discard works after commit."""
        stage = blobs.stage(None)
        stage.write(b"x")
        stage.commit()
        stage.discard()

        assert ids_of(blobs) == []

    @pytest.mark.parametrize("end", ["commit", "discard"])
    def test_an_ended_stage_takes_nothing_more(self, blobs: Blobs, end: str) -> None:
        """Write and commit after the end are mistakes of the caller and say so."""
        stage = blobs.stage(None)
        getattr(stage, end)()

        with pytest.raises(ValueError, match="ended"):
            stage.write(b"x")
        with pytest.raises(ValueError, match="ended"):
            stage.commit()

    # ------------------------------------------------------------------------------------------------------- reading

    def test_any_range_is_read_with_the_checksums_of_its_blocks(self, blobs: Blobs) -> None:
        """A range needs no more than the checksums of the blocks that it touches."""
        data = pattern(5 * BLOCK_BYTES + 77)
        facts = put(blobs, data)
        reader = blobs.open(facts.id, facts.length)
        edges = [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, len(data) - 1, len(data)]
        ranges = [(start, end) for start in edges for end in edges if start <= end]
        found = []
        for start, end in ranges:
            first, last = start // BLOCK_BYTES, -(-end // BLOCK_BYTES)
            found.append(bytes(reader.read(start, end - start, facts.blocks[4 * first : 4 * last], first)))
        reader.close()

        assert [data[start:end] for start, end in ranges] == found

    @pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, 101), (101, 0), (50, 51), (0, -1)])
    def test_a_range_outside_the_blob_is_a_mistake(self, blobs: Blobs, offset: int, length: int) -> None:
        """Ranges are settled before they come here."""
        facts = put(blobs, pattern(100))
        reader = blobs.open(facts.id, facts.length)

        with pytest.raises(ValueError, match="range"):
            reader.read(offset, length, facts.blocks, 0)
        reader.close()

    @pytest.mark.parametrize(("blocks", "first_block"), [(slice(4), 0), (slice(4, 8), 1), (slice(8), 1), (slice(0), 0)])
    def test_bytes_without_a_checksum_are_not_given(self, blobs: Blobs, blocks: slice, first_block: int) -> None:
        """Checksums that do not cover the range are a mistake, never a reason to trust."""
        facts = put(blobs, pattern(2 * BLOCK_BYTES))
        reader = blobs.open(facts.id, facts.length)

        with pytest.raises(ValueError, match="checksums"):
            reader.read(10, 2 * BLOCK_BYTES - 20, facts.blocks[blocks], first_block)
        reader.close()

    @pytest.mark.parametrize("offset", [0, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 5])
    def test_a_rotten_bit_is_never_given(self, site: Site, blobs: Blobs, offset: int) -> None:
        """The read names blob and block; other blocks are still readable."""
        data = pattern(2 * BLOCK_BYTES + 6)
        facts = put(blobs, data)
        site.flip(facts.id, offset)
        block = offset // BLOCK_BYTES
        intact = 0 if block else BLOCK_BYTES

        with pytest.raises(errors.DataCorrupt) as raised:
            get(blobs, facts)
        assert {"blob": facts.id, "block": block} == raised.value.fields
        assert data[intact : intact + 100] == get(blobs, facts, intact, 100)

    def test_rot_at_the_far_end_of_a_block_concerns_its_first_byte(self, site: Site, blobs: Blobs) -> None:
        """A block is verified whole, whatever part of it is asked for."""
        facts = put(blobs, pattern(BLOCK_BYTES))
        site.flip(facts.id, BLOCK_BYTES - 1)

        with pytest.raises(errors.DataCorrupt):
            get(blobs, facts, 0, 1)

    def test_bytes_of_another_blob_are_never_given(self, blobs: Blobs) -> None:
        """The checksums of one blob do not accept another's bytes of the same length."""
        one, other = put(blobs, pattern(1000, 1)), put(blobs, pattern(1000, 2))

        with pytest.raises(errors.DataCorrupt):
            get(blobs, BlobFacts(id=other.id, length=1000, blocks=one.blocks))

    @pytest.mark.parametrize("length", [0, 1, BLOCK_BYTES, 2 * BLOCK_BYTES - 1])
    def test_a_shortened_blob_does_not_open(self, site: Site, blobs: Blobs, length: int) -> None:
        """The length stands with the pointer, and open compares."""
        facts = put(blobs, pattern(2 * BLOCK_BYTES))
        site.shorten(facts.id, length)

        with pytest.raises(errors.DataCorrupt) as raised:
            blobs.open(facts.id, facts.length)
        assert (facts.id, length // BLOCK_BYTES) == (raised.value.fields["blob"], raised.value.fields["block"])

    def test_a_blob_shortened_while_it_is_read_is_corrupt(self, site: Site, blobs: Blobs) -> None:
        """What an open file no longer has is damage, not an end of data."""
        facts = put(blobs, pattern(3 * BLOCK_BYTES))
        reader = blobs.open(facts.id, facts.length)
        site.shorten(facts.id, BLOCK_BYTES + 10)

        assert pattern(BLOCK_BYTES) == bytes(reader.read(0, BLOCK_BYTES, facts.blocks, 0))
        with pytest.raises(errors.DataCorrupt) as raised:
            reader.read(0, 3 * BLOCK_BYTES, facts.blocks, 0)
        assert raised.value.fields["block"] == 1
        reader.close()

    def test_an_unknown_blob_is_not_found(self, blobs: Blobs) -> None:
        """Opening what is not there is FileNotFoundError, whether its generation exists or not."""
        facts = put(blobs, b"x")
        for absent in (facts.id + 1, facts.id + 100_000, 99 << SERIAL_BITS):
            with pytest.raises(FileNotFoundError):
                blobs.open(absent, 1)

    def test_a_descriptor_gives_the_bytes(self, blobs: Blobs) -> None:
        """Fileno is a descriptor of the system: what sendfile would send."""
        data = pattern(1000)
        facts = put(blobs, data)
        reader = blobs.open(facts.id, facts.length)

        assert data == os.pread(reader.fileno(), 2000, 0)
        reader.close()

    def test_a_closed_reader_reads_nothing(self, blobs: Blobs) -> None:
        """Close may be called twice; a read afterwards is a mistake and never another file's bytes."""
        facts = put(blobs, b"x")
        reader = blobs.open(facts.id, 1)
        reader.close()
        reader.close()

        with pytest.raises(ValueError, match="closed"):
            reader.read(0, 1, facts.blocks, 0)

    def test_readers_may_be_many(self, blobs: Blobs) -> None:
        """Threads read one blob at once, through readers of their own."""
        data = pattern(4 * BLOCK_BYTES)
        facts = put(blobs, data)
        with ThreadPoolExecutor(8) as pool:
            found = set(pool.map(lambda _: get(blobs, facts), range(32)))

        assert {data} == found

    # ------------------------------------------------------------------------------------------------------ removing

    def test_drop_removes_and_forgives(self, blobs: Blobs) -> None:
        """Dropped blobs are gone, the others stay, and what is gone already is no error."""
        facts = [put(blobs, pattern(10, number)) for number in range(4)]
        blobs.drop([facts[1].id, facts[3].id])
        blobs.drop([facts[1].id, 99 << SERIAL_BITS, facts[3].id + 1_000_000])
        blobs.drop([])

        assert [facts[0].id, facts[2].id] == ids_of(blobs)

    def test_an_open_reader_outlives_drop(self, blobs: Blobs) -> None:
        """Who has a blob open reads it to its end."""
        data = pattern(2 * BLOCK_BYTES)
        facts = put(blobs, data)
        reader: Reader = blobs.open(facts.id, facts.length)
        blobs.drop([facts.id])

        assert data == bytes(reader.read(0, len(data), facts.blocks, 0))
        reader.close()

    def test_room_comes_back(self, blobs: Blobs) -> None:
        """What is dropped is free again, near enough for a file system that others use too."""
        size = 32 * 1024 * 1024
        facts = put(blobs, bytes(size))
        before = blobs.room().free
        blobs.drop([facts.id])

        assert blobs.room().free - before > size // 2

    def test_sweep_gives_all_that_a_generation_left(self, site: Site, blobs: Blobs) -> None:
        """Committed or not, and of that generation only; when it is dropped nothing is left."""
        left = [put(blobs, pattern(10, number)).id for number in range(1100)]
        open_stage = blobs.stage(None)
        left.append(open_stage.id)
        later = site.open()
        later.adopt(2)
        kept = put(later, b"kept")
        swept = []
        for batch in later.sweep(1):
            swept += batch
            later.drop(batch)

        assert left == sorted(swept)
        assert [kept.id] == ids_of(later)
        assert [] == list(later.sweep(1)) == list(later.sweep(12345))

    def test_sweep_takes_nothing_itself(self, site: Site, blobs: Blobs) -> None:
        """Sweep proposes; what is not dropped stays readable."""
        facts = put(blobs, b"x")
        later = site.open()
        later.adopt(2)

        assert [[facts.id]] == list(later.sweep(1)) == list(later.sweep(1))
        assert get(later, facts) == b"x"

    def test_the_living_generation_is_not_swept(self, blobs: Blobs) -> None:
        """Sweeping under one's own stages is a mistake and refused."""
        with pytest.raises(ValueError, match="living"):
            list(blobs.sweep(1))

    def test_all_gives_ids_and_lengths_in_order(self, site: Site, blobs: Blobs) -> None:
        """Every file once, by id, over all generations."""
        expected = []
        for generation in (3, 1, 16, 255):
            blobs.adopt(generation)
            expected += [(put(blobs, pattern(size)).id, size) for size in (0, 5, 70_000)]

        assert sorted(expected) == list(site.open().all())

    def test_room_is_that_of_a_file_system(self, blobs: Blobs) -> None:
        """Free bytes are part of all."""
        room = blobs.room()

        assert 0 <= room.free <= room.total

    def test_more_than_there_is_room_for_is_refused_at_once(self, blobs: Blobs) -> None:
        """A hint beyond all room is refused before a byte is written, leaves nothing, and the next blob goes well."""
        with pytest.raises(errors.InsufficientStorage):
            blobs.stage(blobs.room().total * 2)

        assert ids_of(blobs) == []
        assert get(blobs, put(blobs, b"x")) == b"x"

"""Which parts make an object."""

from __future__ import annotations

import pytest

from zakrom import errors
from zakrom.model.facts import Checksum, Details, Part, Slice, Upload
from zakrom.rules import multipart
from zakrom.rules.multipart import PART_BYTES_MIN, Asked

PLAIN = Upload(1, b"k", "u", 0, "o", "STANDARD", Details())
COMPOSITE = Upload(1, b"k", "u", 0, "o", "STANDARD", Details(), "SHA256", checksum_full_object=False)


def part(number: int, size: int = PART_BYTES_MIN, checksum: Checksum | None = None) -> Part:
    """A part that has a blob of its own."""
    return Part(number, size, f"etag{number}", 0, (Slice(number, 0, size),), checksum)


def ask(*numbers: int) -> list[Asked]:
    """These parts, with their right ETags."""
    return [Asked(number, f"etag{number}", {}) for number in numbers]


def test_gaps_are_fine_and_unnamed_parts_are_left_out() -> None:
    """The object has the parts that were named, in order."""
    parts = [part(1), part(2), part(5, 3)]

    chosen = multipart.choose(PLAIN, parts, ask(1, 5))

    assert [1, 5] == [one.number for one in chosen]
    assert (Slice(1, 0, PART_BYTES_MIN), Slice(5, 0, 3)) == multipart.manifest(chosen).slices


@pytest.mark.parametrize(
    ("parts", "asked", "error"),
    [
        ([part(1)], [], errors.InvalidRequest),
        ([part(1), part(2)], ask(2, 1), errors.InvalidPartOrder),
        ([part(1)], ask(1, 1), errors.InvalidPartOrder),
        ([part(1)], ask(2), errors.InvalidPart),
        ([part(1)], [Asked(1, "other", {})], errors.InvalidPart),
        ([part(1, PART_BYTES_MIN - 1), part(2)], ask(1, 2), errors.EntityTooSmall),
    ],
)
def test_what_aws_refuses(parts: list[Part], asked: list[Asked], error: type[errors.Error]) -> None:
    """Each of the four errors of multipart uploads, and the empty list."""
    with pytest.raises(error):
        multipart.choose(PLAIN, parts, asked)


def test_a_part_too_small_is_named_with_its_size() -> None:
    """EntityTooSmall carries the fields that AWS sends."""
    with pytest.raises(errors.EntityTooSmall) as caught:
        multipart.choose(PLAIN, [part(1, 7), part(2)], ask(1, 2))

    assert caught.value.fields == {"proposed_size": 7, "min_size_allowed": PART_BYTES_MIN, "part_number": 1, "etag": "etag1"}


def test_a_composite_upload_needs_the_checksum_of_each_part() -> None:
    """It must be there and be the one that was computed."""
    parts = [part(1, 3, Checksum("SHA256", "right"))]

    assert len(multipart.choose(COMPOSITE, parts, [Asked(1, "etag1", {"SHA256": "right"})])) == 1
    with pytest.raises(errors.InvalidRequest):
        multipart.choose(COMPOSITE, parts, ask(1))
    with pytest.raises(errors.InvalidPart):
        multipart.choose(COMPOSITE, parts, [Asked(1, "etag1", {"SHA256": "wrong"})])
    with pytest.raises(errors.BadDigest):
        multipart.choose(COMPOSITE, parts, [Asked(1, "etag1", {"CRC32": "any"})])


@pytest.mark.parametrize("text", ["0", "-1", "10001", "", "one", "\u0661", "9" * 40])
def test_part_numbers_have_bounds(text: str) -> None:
    """1 to 10,000, in ASCII digits; the error repeats what was sent."""
    with pytest.raises(errors.InvalidArgument) as caught:
        multipart.check_number(text)

    assert caught.value.fields == {"argument_name": "partNumber", "argument_value": text}
    assert [multipart.check_number(text) for text in ("1", "10000")] == [1, 10_000]

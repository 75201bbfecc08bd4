"""Which bytes a request means."""

from __future__ import annotations

import pytest

from zakrom import errors
from zakrom.model.facts import Details, Manifest, ManifestPart, Slice, Version
from zakrom.rules import ranges
from zakrom.rules.ranges import Span


def version(size: int, parts: int = 0) -> Version:
    """A version of that size."""
    return Version(1, b"k", 1, 0, False, size, 0, "e", "STANDARD", "o", None, None, Details(), parts)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-8", Span(0, 9)),
        ("bytes=2-2", Span(2, 3)),
        ("bytes=4-", Span(4, 10)),
        ("bytes=-3", Span(7, 10)),
        ("bytes=-15", Span(0, 10)),
        ("bytes=5-100", Span(5, 10)),
        ("BYTES=0-0", Span(0, 1)),
        ("bytes=1-0", None),
        ("bytes=-1-", None),
        ("bytes=0-1,3-4", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("items=0-3", None),
        ("bytes=a-b", None),
    ],
)
def test_range_of_ten_bytes(header: str, expected: Span | None) -> None:
    """A range gives its bytes; what AWS does not understand gives the whole object."""
    assert ranges.parse(header, 10) == expected


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=-0", 10), ("bytes=10-", 10), ("bytes=100-200", 10), ("bytes=0-", 0), ("bytes=-5", 0)]
)
def test_range_beyond_the_object_is_refused(header: str, size: int) -> None:
    """A range without a byte of the object is InvalidRange, with the size and what was asked."""
    with pytest.raises(errors.InvalidRange) as caught:
        ranges.parse(header, size)

    assert caught.value.fields == {"actual_object_size": size, "range_requested": header}


def test_copy_range_is_both_ends_inside_the_source() -> None:
    """A copy range gives exactly its bytes."""
    assert ranges.parse_copy("bytes=0-9", 10) == Span(0, 10)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("bytes=1-0", errors.InvalidArgument),
        ("bytes=1-", errors.InvalidArgument),
        ("bytes=-2", errors.InvalidArgument),
        ("bytes=0-1,3-4", errors.InvalidArgument),
        ("0-1", errors.InvalidArgument),
        ("bytes=0-100", errors.InvalidArgument),
        ("bytes=100-200", errors.InvalidRequest),
    ],
)
def test_copy_range_that_aws_refuses(header: str, error: type[errors.Error]) -> None:
    """Everything else is refused with AWS's error."""
    with pytest.raises(error):
        ranges.parse_copy(header, 10)


def test_parts_are_counted_from_one_whatever_their_upload_numbers() -> None:
    """Part 2 is the second part of the object."""
    manifest = Manifest((), (ManifestPart(3, 5), ManifestPart(7, 2)))

    assert ranges.of_part(2, version(7, parts=2), manifest) == Span(5, 7)


def test_an_object_put_at_once_is_its_own_first_part() -> None:
    """Part 1 is the whole object, part 2 does not exist."""
    assert ranges.of_part(1, version(4), None) == Span(0, 4)
    with pytest.raises(errors.InvalidPartNumber):
        ranges.of_part(2, version(4), None)


def test_a_part_beyond_the_last_is_refused() -> None:
    """InvalidPartNumber tells how many there are."""
    with pytest.raises(errors.InvalidPartNumber) as caught:
        ranges.of_part(3, version(7, parts=2), Manifest((), (ManifestPart(1, 5), ManifestPart(2, 2))))

    assert caught.value.fields["actual_part_count"] == 2


@pytest.mark.parametrize("start", range(13))
@pytest.mark.parametrize("end", range(13))
def test_cut_keeps_exactly_the_bytes_of_the_span(start: int, end: int) -> None:
    """Cutting slices gives the bytes that cutting the object would give."""
    slices = (Slice(1, 10, 4), Slice(2, 0, 1), Slice(1, 2, 7))
    whole = [(one.blob, one.offset + i) for one in slices for i in range(one.length)]

    cut = ranges.cut(slices, Span(start, end))

    assert whole[start:end] == [(one.blob, one.offset + i) for one in cut for i in range(one.length)]

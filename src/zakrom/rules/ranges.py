"""Which bytes a GET asks for: ``Range`` headers and part numbers.

Source: RFC 9110 section 14; recorded answers of AWS where it is laxer than the RFC (malformed, reversed and several ranges give
the whole object).
"""

from __future__ import annotations

import re

import msgspec

from zakrom import errors
from zakrom.model.facts import Manifest, Slice, Version

_RANGE = re.compile(r"bytes=(\d{0,20})-(\d{0,20})", re.IGNORECASE)
_COPY_RANGE = re.compile(r"bytes=(\d{1,20})-(\d{1,20})")


class Span(msgspec.Struct, frozen=True, gc=False):
    """Bytes from ``start`` to before ``end``."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.end - self.start


def parse(header: str, size: int) -> Span | None:
    """The bytes that a Range header asks of an object, or None where AWS answers with the whole of it.

    Raises `InvalidRange` if no byte of the object is in the range.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if first == "":
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise errors.InvalidRange(actual_object_size=size, range_requested=header)
    return Span(start, end)


def parse_copy(header: str, size: int) -> Span:
    """The bytes that ``x-amz-copy-source-range`` asks for: exactly ``bytes=first-last``, both inside the source.

    Raises `InvalidArgument` (form, or end beyond the source), `InvalidRequest` (start beyond the source).
    """
    match = _COPY_RANGE.fullmatch(header)
    fields = {"argument_name": "x-amz-copy-source-range", "argument_value": header}
    if match is None or int(match.group(2)) < int(match.group(1)):
        raise errors.InvalidArgument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are "
            "the zero-based offsets of the first and last bytes to copy",
            **fields,
        )
    start, end = int(match.group(1)), int(match.group(2)) + 1
    if start >= size:
        raise errors.InvalidRequest("The specified copy range is invalid for the source object size")
    if end > size:
        raise errors.InvalidArgument(f"Range specified is not valid for source object of size: {size}", **fields)
    return Span(start, end)


def of_part(number: int, version: Version, manifest: Manifest | None) -> Span:
    """The bytes of a part of an object; an object that was not uploaded in parts is its own part 1.

    Raises `InvalidPartNumber`.
    """
    if version.parts == 0 or manifest is None:
        if number != 1:
            raise errors.InvalidPartNumber(actual_part_count=max(1, version.parts), part_number_requested=number)
        return Span(0, version.size)
    start = 0
    # A completed upload is numbered anew from 1 for readers: "part 2" is the second part, whatever its upload number was.
    for position, part in enumerate(manifest.parts, start=1):
        if position == number:
            return Span(start, start + part.size)
        start += part.size
    raise errors.InvalidPartNumber(actual_part_count=version.parts, part_number_requested=number)


def cut(slices: tuple[Slice, ...], span: Span) -> tuple[Slice, ...]:
    """The slices that hold just the bytes of ``span`` of what ``slices`` hold."""
    out: list[Slice] = []
    position = 0
    for one in slices:
        start, end = max(span.start, position), min(span.end, position + one.length)
        if start < end:
            out.append(Slice(one.blob, one.offset + start - position, end - start))
        position += one.length
        if position >= span.end:
            break
    return tuple(out)

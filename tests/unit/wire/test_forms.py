"""Bodies of forms, taken apart however they arrive."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakrom import errors
from zakrom.testing.forms import BOUNDARY, encode_form
from zakrom.wire.forms import PREAMBLE_BYTES_MAX, FormReader

KIND = f"multipart/form-data; boundary={BOUNDARY}"
BITS = st.sampled_from([b"\r\n", b"--", b"\r", b"\n", BOUNDARY.encode(), f"\r\n--{BOUNDARY}"[:-1].encode(), b"x", b"\0"])
CUTS = st.lists(st.integers(0, 4096), max_size=20)


def read(body: bytes, cuts: list[int]) -> tuple[FormReader, bytes]:
    """The reader when it is done, and the file; the body arrives cut at these places."""
    reader, file = FormReader(KIND), b""
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        if not reader.done:
            file += b"".join(reader.feed(body[start:end]))
    return reader, file


@given(st.lists(BITS, max_size=30).map(b"".join), CUTS)
def test_a_file_comes_out_as_it_went_in(file: bytes, cuts: list[int]) -> None:
    """Whatever it holds, but for the boundary itself, and however it is cut."""
    file = file.replace(f"\r\n--{BOUNDARY}".encode(), b"")
    if f"\r\n--{BOUNDARY}".encode() in b"\r\n" + file:
        file = b""
    reader, got = read(encode_form({"Key": "k", "a": "b\r\nc"}, file, 'a "b".txt'), cuts)
    reader.finish()

    assert (got, reader.fields) == (file, {"key": "k", "a": "b\r\nc"})


@given(
    st.lists(st.one_of(BITS, st.sampled_from([b"Content-Disposition: form-data; name=", b'"file"', b"a", b": "])), max_size=40),
    CUTS,
)
def test_any_bytes_are_a_form_or_an_error_of_ours(pieces: list[bytes], cuts: list[int]) -> None:
    """Nothing else is ever raised, and fields are bounded."""
    body = f"--{BOUNDARY}\r\n".encode() + b"".join(pieces)
    with contextlib.suppress(errors.Invalid):
        reader, _ = read(body, cuts)
        reader.finish()


@pytest.mark.parametrize("step", [1, 1000, 10**6])
def test_the_bound_holds_however_it_arrives(step: int) -> None:
    """A file that begins within the bound is read; one that begins behind it is refused at the bound."""
    base = len(encode_form({"a": ""}, b"", "f")) - len(f"\r\n--{BOUNDARY}--\r\n")
    for more, error in ((0, None), (1, errors.MaxPostPreDataLengthExceeded)):
        body = encode_form({"a": "x" * (PREAMBLE_BYTES_MAX - base + more)}, b"rye", "f")
        if error is None:
            assert read(body, list(range(0, len(body), step)))[1] == b"rye"
        else:
            with pytest.raises(error):
                read(body, list(range(0, len(body), step)))

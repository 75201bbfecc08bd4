"""ETags on the wire and of multipart objects."""

from __future__ import annotations

import hashlib

import pytest

from zakrom.wire import etags


@pytest.mark.parametrize("text", ["abc-2", '"abc-2"', 'W/"abc-2"', ' "abc-2" ', '""abc-2""'])
def test_quotes_are_taken_off(text: str) -> None:
    """Clients quote or do not."""
    assert etags.unquote(text) == "abc-2"


def test_quotes_are_put_on() -> None:
    """S3 always quotes; ``*`` means any and stays."""
    assert etags.quote("abc") == '"abc"'
    assert etags.unquote("*") == "*"


def test_the_etag_of_parts_is_the_md5_of_their_md5s() -> None:
    """And the number of parts behind it."""
    parts = [hashlib.md5(part).digest() for part in (b"a", b"b", b"c")]

    assert f"{hashlib.md5(b''.join(parts)).hexdigest()}-3" == etags.multipart(part.hex() for part in parts)

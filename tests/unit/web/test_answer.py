"""`web.answer`: heads of answers."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

import pytest

from zakrom.web.answer import http_date, render_head
from zakrom.web.message import Response

DATE = re.compile(rb"Date: [^\r]+ GMT\r\n")


def head(method: str, response: Response, length: int | None, *, keep: bool = True, http11: bool = True) -> bytes:
    """The head without its date."""
    rendered = render_head(method, response, length, keep=keep, http11=http11)
    assert DATE.search(rendered)
    return DATE.sub(b"", rendered)


@pytest.mark.parametrize(
    ("method", "response", "length", "keep", "http11", "expected"),
    [
        ("GET", Response(200, []), 5, True, True, b"200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("GET", Response(200, []), 0, False, True, b"200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        ("GET", Response(200, []), 5, True, False, b"200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n"),
        ("GET", Response(200, []), None, True, True, b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", Response(200, []), None, False, False, b"200 OK\r\nConnection: close\r\n\r\n"),
        ("HEAD", Response(200, []), 5, True, True, b"200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("HEAD", Response(200, [], content_length=7), 0, True, True, b"200 OK\r\nContent-Length: 7\r\n\r\n"),
        ("HEAD", Response(200, []), None, True, True, b"200 OK\r\n\r\n"),
        ("GET", Response(204, []), 0, True, True, b"204 No Content\r\n\r\n"),
        ("GET", Response(304, []), 0, True, True, b"304 Not Modified\r\n\r\n"),
        ("GET", Response(304, [], content_length=7), 0, True, True, b"304 Not Modified\r\nContent-Length: 7\r\n\r\n"),
        ("GET", Response(299, []), 0, True, True, b"299 \r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_heads(method: str, response: Response, length: int | None, keep: bool, http11: bool, expected: bytes) -> None:
    """Length, framing and the connection's fate, for each kind of answer."""
    assert head(method, response, length, keep=keep, http11=http11) == b"HTTP/1.1 " + expected


def test_headers_stand_as_they_were_given() -> None:
    """Case, order and repetitions; text beyond ASCII is latin-1."""
    response = Response(200, [("ETag", '"x"'), ("x-amz-meta-é", "ü"), ("ETag", "")])

    assert b'\r\nETag: "x"\r\nx-amz-meta-\xe9: \xfc\r\nETag: \r\nContent-Length: 0\r\n' in head("GET", response, 0)


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "\r\n\r\nbody"])
def test_a_header_cannot_hold_a_line_break(value: str) -> None:
    """Whatever put it there: an answer is never split in two."""
    with pytest.raises(ValueError, match="line break"):
        render_head("GET", Response(200, [("a", value)]), 0, keep=True, http11=True)


def test_what_latin_1_has_not_is_a_mistake_of_ours() -> None:
    """It must be encoded before (RFC 2047), not lost here."""
    with pytest.raises(UnicodeEncodeError):
        render_head("GET", Response(200, [("a", "€")]), 0, keep=True, http11=True)


def test_the_date_is_a_date() -> None:
    """As RFC 9110 writes it."""
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", http_date())
    assert parsedate_to_datetime(http_date()).tzinfo is not None

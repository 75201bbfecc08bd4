"""Heads of answers as bytes, and the rules of which answer has a body (RFC 9110, 6.4.1 and 8.6)."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import ClassVar, Final

from zakrom.web.message import Response

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_NOT_MODIFIED: Final = 304
_BODILESS: Final = frozenset((204, _NOT_MODIFIED))


class _Clock:
    """What answers begin with, made once a second."""

    second = 0
    date = ""
    beginnings: ClassVar[dict[int, str]] = {}


def http_date() -> str:
    """Now, as RFC 9110, 5.6.7 writes it."""
    now = int(time.time())
    if now != _Clock.second:
        _Clock.second, _Clock.date = now, formatdate(now, usegmt=True)
        _Clock.beginnings.clear()
    return _Clock.date


def _beginning(status: int) -> str:
    """The status line and the Date header."""
    if int(time.time()) != _Clock.second:
        http_date()
    made = _Clock.beginnings.get(status)
    if made is None:
        line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
        made = _Clock.beginnings[status] = f"{line}Date: {http_date()}\r\n"
    return made


def has_no_body(method: str, status: int) -> bool:
    """Whether the answer ends with its head, whatever the response holds."""
    return method == "HEAD" or status in _BODILESS


def announced_length(method: str, response: Response, length: int | None) -> int | None:
    """The Content-Length to write, None for none. ``length`` is what the body has (None: only its end tells)."""
    if response.status in _BODILESS:
        return response.content_length if response.status == _NOT_MODIFIED else None
    if method == "HEAD" and response.content_length is not None:
        return response.content_length
    return length


def render_head(method: str, response: Response, length: int | None, *, keep: bool, http11: bool) -> bytes:
    """The answer's head, to the empty line.

    Raises `ValueError` if a header holds a line break: an answer that a client would read as two must not leave;
    `UnicodeEncodeError` if one holds what latin-1 has not.
    """
    headers = response.headers
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if fields.count("\n") != len(headers) or fields.count("\r") != len(headers):
        raise ValueError("a header of the answer holds a line break")
    announced = announced_length(method, response, length)
    if announced is not None:
        fields = f"{fields}Content-Length: {announced}\r\n"
    elif length is None and http11 and not has_no_body(method, response.status):
        fields += "Transfer-Encoding: chunked\r\n"
    if not keep:
        fields += "Connection: close\r\n"
    elif not http11:
        fields += "Connection: keep-alive\r\n"
    return f"{_beginning(response.status)}{fields}\r\n".encode("latin-1")

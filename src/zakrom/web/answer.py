"""Heads of answers as bytes, and the rules of which answer has a body (RFC 9110, 6.4.1 and 8.6)."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from zakrom.web.message import Response

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_NO_CONTENT, _NOT_MODIFIED = 204, 304


class _Clock:
    """The Date header, made once a second."""

    second = 0
    text = ""


def http_date() -> str:
    """Now, as RFC 9110, 5.6.7 writes it."""
    now = int(time.time())
    if now != _Clock.second:
        _Clock.second, _Clock.text = now, formatdate(now, usegmt=True)
    return _Clock.text


def has_no_body(method: str, status: int) -> bool:
    """Whether the answer ends with its head, whatever the response holds."""
    return method == "HEAD" or status in (_NO_CONTENT, _NOT_MODIFIED)


def announced_length(method: str, response: Response, length: int | None) -> int | None:
    """The Content-Length to write, None for none. ``length`` is what the body has (None: only its end tells)."""
    if response.status == _NO_CONTENT:
        return None
    if response.status == _NOT_MODIFIED:
        return response.content_length
    if method == "HEAD" and response.content_length is not None:
        return response.content_length
    return length


def render_head(method: str, response: Response, length: int | None, *, keep: bool, http11: bool) -> bytes:
    """The answer's head, to the empty line.

    Raises `ValueError` if a header holds a line break: an answer that a client would read as two must not leave;
    `UnicodeEncodeError` if one holds what latin-1 has not.
    """
    status = response.status
    lines = [_STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n", "Date: ", http_date(), "\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in response.headers]
    breaks = len(response.headers) + 3
    announced = announced_length(method, response, length)
    if announced is not None:
        lines.append(f"Content-Length: {announced}\r\n")
        breaks += 1
    elif length is None and http11 and not has_no_body(method, status):
        lines.append("Transfer-Encoding: chunked\r\n")
        breaks += 1
    if not keep:
        lines.append("Connection: close\r\n")
        breaks += 1
    elif not http11:
        lines.append("Connection: keep-alive\r\n")
        breaks += 1
    lines.append("\r\n")
    head = "".join(lines)
    if head.count("\n") != breaks or head.count("\r") != breaks:
        raise ValueError("a header of the answer holds a line break")
    return head.encode("latin-1")

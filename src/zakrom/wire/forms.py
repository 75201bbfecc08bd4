"""The body of a form upload (``multipart/form-data``), read piece by piece: small fields first, then the file.

What stands before the file is bounded and kept; the file's bytes are handed on as they come; what stands behind it does not
count. Field names are case-insensitive, values are not, and no field may come twice: what a policy allowed must be what is
used. Source: Amazon S3 API Reference, "Browser-Based Uploads Using POST"; RFC 7578.
"""

from __future__ import annotations

import logging
import re
from base64 import b64encode
from collections.abc import Callable

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from zakrom import errors

PREAMBLE_BYTES_MAX = 20 * 1024
"""Of a form before its file: "The form data and boundaries (excluding the contents of the file) cannot exceed 20 KB"."""

FILE = "file"

_FORM_DATA = b"multipart/form-data"
_METADATA = "x-amz-meta-"
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")  # RFC 9110, 5.6.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BEYOND_LATIN1 = re.compile(r"[^\x00-\xff]")
_PLAIN = re.compile(r"(?:[!-~](?:[ -~\t]*[!-~])?)?")  # nothing that a header's reader would strip

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it warns of what we answer; clients must not fill a log


class FormReader:
    """Takes a body apart. Feed it until `done`; ``fields`` and ``filename`` are whole once `file_began`."""

    def __init__(self, content_type: str | None) -> None:
        """Raises `PreconditionFailed` for what is no form, `MalformedPOSTRequest` where the boundary is missing."""
        kind, options = parse_options_header(content_type)
        if kind != _FORM_DATA:
            raise errors.PreconditionFailed(condition="Bucket POST must be of the enclosure-type multipart/form-data")
        self.fields: dict[str, str] = {}
        """By lower-case name."""
        self.filename: str | None = None
        self.file_began = False
        self.done = False
        self._budget = PREAMBLE_BYTES_MAX
        self._name: str | None = None
        self._header = (bytearray(), bytearray())
        self._value = bytearray()
        self._pieces: list[bytes] = []
        try:
            self._parser = MultipartParser(options[b"boundary"], dict(self._callbacks()))  # type: ignore[arg-type]
        except (KeyError, FormParserError):
            raise errors.MalformedPOSTRequest from None

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces of the file in it.

        Raises `MalformedPOSTRequest`, `MaxPostPreDataLengthExceeded`, `InvalidArgument` for a field that comes twice.
        """
        try:
            rest = data if self.file_began else self._feed_fields(data)
            if rest and not self.done:
                self._parser.write(rest)
        except FormParserError:
            raise errors.MalformedPOSTRequest from None
        pieces, self._pieces = self._pieces, []
        return pieces

    def _feed_fields(self, data: bytes) -> bytes:
        """What is left where the file must have begun."""
        head, rest = data[: self._budget], data[self._budget :]
        self._budget -= len(head)
        self._parser.write(head)
        if rest and not (self.file_began or self.done):
            raise errors.MaxPostPreDataLengthExceeded(max_post_pre_data_length_bytes=PREAMBLE_BYTES_MAX)
        return rest

    def finish(self) -> None:
        """The body has ended. Raises `MalformedPOSTRequest` if it was cut short, `InvalidArgument` if there was no file."""
        if not self.done:
            raise errors.MalformedPOSTRequest
        if not self.file_began:
            raise errors.InvalidArgument(
                "POST requires exactly one file upload per request.", argument_name=FILE, argument_value="0"
            )

    # ------------------------------------------------------------------------------------------------- called by the parser

    def _callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._take_header_name,
            "on_header_value": self._take_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._take_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._name = None

    def _take_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _end_header(self) -> None:
        name, value = map(bytes, self._header)
        self._header = (bytearray(), bytearray())
        if self.file_began or name.lower() != b"content-disposition":
            return
        kind, options = parse_options_header(value)
        if kind != b"form-data" or b"name" not in options or self._name is not None:
            raise errors.MalformedPOSTRequest
        self._name = _text(options[b"name"]).lower()
        if self._name == FILE and b"filename" in options:
            self.filename = _text(options[b"filename"])

    def _end_headers(self) -> None:
        if self.file_began:
            return
        if self._name is None:
            raise errors.MalformedPOSTRequest
        self.file_began = self._name == FILE

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self.done or start == end:
            return
        piece = data if end - start == len(data) else data[start:end]
        if self.file_began:
            self._pieces.append(piece)
        else:
            self._value += piece

    def _end_part(self) -> None:
        if self.file_began:
            self.done = True
            return
        assert self._name is not None
        if self._name in self.fields:
            raise errors.InvalidArgument(
                "A field must not be given more than once.", argument_name=self._name, argument_value=""
            )
        self.fields[self._name] = _text(bytes(self._value))
        self._value.clear()

    def _end(self) -> None:
        self.done = True


def header_value(name: str, text: str) -> bytes:
    """A field as the header (lower-case name) that means the same. Raises `InvalidArgument` for what no header can carry.

    As AWS does (recorded): user metadata may be any text, and is not looked into for encoded words; of other text what
    ISO 8859-1 does not have becomes a space.
    """
    if not _NAME.fullmatch(name):
        raise _no_header(name, text)
    if name.startswith(_METADATA):
        return (text if _PLAIN.fullmatch(text) and "=?" not in text else _word(text)).encode("ascii")
    if _CONTROL.search(text):
        raise _no_header(name, text)
    return _BEYOND_LATIN1.sub(" ", text).encode("latin-1")


def _no_header(name: str, text: str) -> errors.InvalidArgument:
    return errors.InvalidArgument("A header cannot carry this field.", argument_name=name, argument_value=text)


def _word(text: str) -> str:
    """One encoded word of RFC 2047, which `wire.headers.user_metadata` reads back to the same text."""
    return f"=?UTF-8?B?{b64encode(text.encode()).decode()}?="


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise errors.MalformedPOSTRequest from None

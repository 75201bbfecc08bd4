"""Headers that become facts of an object, and facts that become headers.

System headers (Content-Type …) are kept byte for byte, as latin-1 text. User metadata (``x-amz-meta-*``) is text: a client
sends what is not ASCII in the encoded words of RFC 2047, we decode them once and encode again on the way out, as AWS does.
Source: Amazon S3 User Guide, "Working with object metadata".
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from zakrom import errors
from zakrom.wire.target import Query

Headers = Iterable[tuple[bytes, bytes]]
"""Lower-case names and values, as received."""

METADATA_BYTES_MAX = 2048  # names and values of user metadata together, in UTF-8
METADATA_PREFIX = b"x-amz-meta-"
KEPT = frozenset(
    {b"content-type", b"cache-control", b"content-disposition", b"content-encoding", b"content-language", b"expires"}
)
"""The headers of a PUT that are given back with the object."""

RESPONSE_OVERRIDES = {
    "response-cache-control": "cache-control",
    "response-content-disposition": "content-disposition",
    "response-content-encoding": "content-encoding",
    "response-content-language": "content-language",
    "response-content-type": "content-type",
    "response-expires": "expires",
}
"""Query parameters of a GET or HEAD that replace a header of the answer."""

COPY_SOURCE = "x-amz-copy-source"

_HOISTED = frozenset({"content-md5", "content-type", "if-match", "if-none-match"})
_OF_SIGNATURE = frozenset(
    {
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-Signature",
        "X-Amz-SignedHeaders",
        "AWSAccessKeyId",
        "Signature",
        "Expires",
        "versionId",
        "x-id",
    }
)
"""What a presigned URL has that carries no header."""

_NEVER_HOISTED = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-content-sha256",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    }
)
"""The parameters of the signature itself."""

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # a tab is legal inside a header's value
_ENCODED_WORD = re.compile(r"=\?(utf-8|us-ascii|iso-8859-1)\?([bq])\?([!->@-~]*)\?=", re.IGNORECASE)
_ENCODED_WORDS = re.compile(_ENCODED_WORD.pattern + r"(?:[ \t]+" + _ENCODED_WORD.pattern + ")*", re.IGNORECASE)
_QUOTED = re.compile(rb"=([0-9A-Fa-f]{2})")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PRINTABLE = frozenset(range(0x20, 0x7F)) | {0x09}
_LITERAL_IN_Q = frozenset(range(0x21, 0x7F)) - frozenset(b"=_?")  # of RFC 2047's text; a space becomes "_"


class CopySource(NamedTuple):
    """What ``x-amz-copy-source`` names; None for the current version."""

    bucket: str
    key: bytes
    version_id: str | None


# ---------------------------------------------------------------------------------------------------------- system headers


def kept(headers: Headers) -> dict[str, str]:
    """The system headers to store with an object: lower-case name -> value as latin-1 text.

    ``aws-chunked`` is a framing of the transfer and no coding of the object: it is taken out of Content-Encoding.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        if name in KEPT:
            title, text = name.decode("ascii"), value.decode("latin-1").strip()
            if title == "content-encoding":
                text = without_aws_chunked(text)
            if text:
                found[title] = f"{found[title]},{text}" if title in found else text
    return found


def without_aws_chunked(content_encoding: str) -> str:
    """The other codings, in their order."""
    if "aws-chunked" not in content_encoding.lower():
        return content_encoding
    codings = (coding.strip() for coding in content_encoding.split(","))
    return ",".join(coding for coding in codings if coding and coding.lower() != "aws-chunked")


def response_overrides(query: Query) -> dict[str, str]:
    """The headers of the answer that the ``response-*`` parameters set: lower-case name -> value.

    Raises `InvalidArgument` for what no header can carry (as AWS: beyond ISO 8859-1; control characters).
    """
    found: dict[str, str] = {}
    if RESPONSE_OVERRIDES.keys().isdisjoint(query.first):
        return found
    for name, header in RESPONSE_OVERRIDES.items():
        value = query.get(name)
        if value is None:
            continue
        if not _is_latin1(value) or _CONTROL.search(value):
            message = "Header value cannot be represented using ISO-8859-1."
            raise errors.InvalidArgument(message, argument_name=name, argument_value=value)
        found[header] = value
    return found


def _is_latin1(text: str) -> bool:
    return text.isascii() or max(text) <= "\xff"


def with_hoisted(headers: list[tuple[bytes, bytes]], query: Query) -> list[tuple[bytes, bytes]]:
    """The headers, and behind them those that a presigned URL carries in its query: they count as if they were sent.

    These are ``x-amz-*``, the conditions of a write, and with SigV2 also Content-Type and Content-MD5. A header that is really
    there replaces one in the query. Only for requests whose query is signed. Raises `InvalidArgument` for values that no header
    can carry.
    """
    if _OF_SIGNATURE.issuperset(query.first):  # nearly every URL: nothing but its signature
        return headers
    there = {name for name, _ in headers}
    hoisted = []
    for title, value in query.pairs:
        name = title.lower()
        if name.startswith("x-amz-") or name in _HOISTED:
            if _CONTROL.search(title) or _CONTROL.search(value):
                raise errors.InvalidArgument("A header cannot carry control characters.", argument_name=title)
            if name not in _NEVER_HOISTED and name.encode() not in there:
                hoisted.append((name.encode(), value.encode()))
    return headers + hoisted if hoisted else headers


# ----------------------------------------------------------------------------------------------------------- user metadata


def user_metadata(headers: Headers) -> dict[str, str]:
    """The ``x-amz-meta-*`` headers: name in lower case without the prefix -> decoded text. Repeated names are joined by commas.

    Bytes beyond ASCII are read as UTF-8 if they are that, else as latin-1. Raises `MetadataTooLarge`, `InvalidArgument`.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        if name.startswith(METADATA_PREFIX):
            key = name[len(METADATA_PREFIX) :].decode("latin-1")
            sent = _text(value)
            text = decode_words(sent)
            if not key or _CONTROL.search(sent):
                raise errors.InvalidArgument(
                    "Metadata names must not be empty, values must not hold control characters.",
                    argument_name=name.decode("latin-1"),
                )
            found[key] = f"{found[key]},{text}" if key in found else text
    size = sum(len(key.encode()) + len(text.encode()) for key, text in found.items())
    if size > METADATA_BYTES_MAX:
        raise errors.MetadataTooLarge(size=size, max_size_allowed=METADATA_BYTES_MAX)
    return found


def metadata_headers(metadata: dict[str, str]) -> list[tuple[str, str]]:
    """The headers that give user metadata back."""
    return [(f"x-amz-meta-{name}", encode_words(text)) for name, text in metadata.items()]


def _text(value: bytes) -> str:
    value = value.strip(b" \t")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def decode_words(text: str) -> str:
    """The text with its encoded words decoded; neighbours of which one is broken stay as they are.

    White space between two encoded words does not count (RFC 2047, 6.2).
    """
    return _ENCODED_WORDS.sub(_decoded_words, text) if "=?" in text else text


def _decoded_words(match: re.Match[str]) -> str:
    try:
        return "".join([_decoded_word(*word) for word in _ENCODED_WORD.findall(match[0])])
    except (Base64Error, UnicodeDecodeError):
        return match[0]


def _decoded_word(charset: str, encoding: str, payload: str) -> str:
    if encoding in "bB":
        return b64decode(payload, validate=True).decode(charset)
    raw = payload.replace("_", " ").encode("ascii")
    return _QUOTED.sub(lambda pair: bytes.fromhex(pair[1].decode()), raw).decode(charset)


def encode_words(text: str) -> str:
    """Printable ASCII as it is, anything else as one encoded word of RFC 2047 in UTF-8.

    Q where most characters are printable ASCII, else B, as AWS does. One word, however long: a header cannot be folded.
    """
    printable = sum(ord(character) in _PRINTABLE for character in text)
    if printable == len(text):
        return text
    raw = text.encode()
    if printable <= len(text) - printable:
        return f"=?UTF-8?B?{b64encode(raw).decode()}?="
    return f"=?UTF-8?Q?{''.join(map(_quoted_byte, raw))}?="


def _quoted_byte(byte: int) -> str:
    if byte in _LITERAL_IN_Q:
        return chr(byte)
    return "_" if byte == 0x20 else f"={byte:02X}"


# ------------------------------------------------------------------------------------------------------------- copy source


def parse_copy_source(value: str) -> CopySource:
    """Reads ``[/]bucket/key[?versionId=id]``: percent-encoded, decoded once; ``+`` is a plus.

    The text is the header's bytes as latin-1. Raises `InvalidArgument` in AWS's words. `model.names` checks the names.
    """
    path, mark, query = value.strip().partition("?")
    if mark and not query.startswith("versionId="):
        raise _bad_copy_source("Unsupported copy source parameter.", value)
    version_id = _decoded(query.removeprefix("versionId="), value) if mark else None
    if version_id == "":
        raise _bad_copy_source("Version id cannot be the empty string", value)
    bucket, _, key = _decoded(path, value).removeprefix("/").partition("/")
    if not bucket or not key:
        raise _bad_copy_source("Invalid copy source object key", value)
    return CopySource(bucket, key.encode(), version_id)


def _decoded(text: str, value: str) -> str:
    try:
        if not _BAD_ESCAPE.search(text):
            return unquote_to_bytes(text.encode("latin-1")).decode("utf-8")
    except UnicodeError:
        pass
    raise _bad_copy_source("Invalid copy source encoding", value)


def _bad_copy_source(message: str, value: str) -> errors.InvalidArgument:
    return errors.InvalidArgument(message, argument_name=COPY_SOURCE, argument_value=value)

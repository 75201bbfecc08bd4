"""What a request is aimed at: bucket, key and query, from the exact bytes of the request line and the Host header.

A key is a byte string, not a path. It is percent-decoded once and never normalised: ``//``, ``.``, ``..`` and ``%2F`` are part
of it. ``/bucket`` and ``/bucket/`` are the bucket, ``/bucket//`` is the key ``/``. In a path ``+`` is a plus; in a query it
is a space. Source: Amazon S3 User Guide, "Virtual hosting of general purpose buckets" and "Naming Amazon S3 objects"; RFC 3986.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Collection, Mapping
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import msgspec

from zakrom import errors

QUERY_PAIRS_MAX = 200  # the busiest operation knows about 30; a presigned PUT adds one pair for each hoisted header
TARGETS_KEPT = 8_192  # as many as the doorman keeps proofs for; some 2.5 KiB each, so 20 MiB a process
KEPT_QUERY_BYTES_MAX = 1024  # a presigned query has some 350 bytes, and a session token would double it

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)  # RFC 9112, 3.2.2: every server must accept absolute-form
_PORT = re.compile(r":\d*$")


class Query:
    """The decoded pairs of a query string, in their order; ``?name`` and ``?name=`` are alike.

    ``raw`` keeps the bytes as received, ``first`` the first value of each name ("" for a bare one).
    Raises `InvalidURI` for bad percent-escapes, what is no UTF-8, and more than `QUERY_PAIRS_MAX` pairs.
    """

    __slots__ = ("_doubles", "first", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        pairs = _pairs(raw) if raw else []
        self.first: Mapping[str, str] = dict(pairs)
        self._doubles: list[tuple[str, str]] | None = None
        if len(self.first) < len(pairs):
            self.first, self._doubles = dict(reversed(pairs)), pairs

    @property
    def pairs(self) -> Collection[tuple[str, str]]:
        """All pairs. Made when asked for: thousands of queries are remembered, and few have a name twice."""
        return self.first.items() if self._doubles is None else self._doubles

    def get(self, name: str) -> str | None:
        """The decoded value, "" for a bare name, None if it is absent."""
        return self.first.get(name)

    def has(self, name: str) -> bool:
        """Whether the name is there, with or without a value."""
        return name in self.first

    def names(self) -> set[str]:
        """All names."""
        return set(self.first)

    def __repr__(self) -> str:
        return f"Query({self.raw!r})"


class Target(msgspec.Struct, frozen=True):
    """Bucket None: the service itself. Key None: the bucket itself. Names are decoded, not checked: `model.names` does that."""

    bucket: str | None
    key: bytes | None
    virtual_host: bool
    query: Query


def parse_target(request_path: bytes, query: bytes, host: str | None, domains: tuple[str, ...]) -> Target:
    """The target of a request.

    Args:
        request_path: what stands before ``?`` in the request line, still percent-encoded; origin-form or absolute-form.
        query: what stands after ``?``.
        host: the Host header. An absolute-form target overrides it (RFC 9112, 3.2.2).
        domains: the names under which ``bucket.domain`` means a bucket; any other host means path style.

    Raises `InvalidURI` for any other form of target, bad percent-escapes and what is no UTF-8.
    """
    if not request_path.startswith(b"/"):
        request_path, host = _from_absolute(request_path)
    bucket = bucket_of_host(host, domains) if domains and host else None
    if bucket is not None:
        return Target(bucket, _decode(request_path[1:]) or None, True, Query(query))
    first, _, rest = request_path[1:].partition(b"/")
    if not first:
        if rest:  # an empty bucket name with a key behind it, as in ``//key``
            raise errors.InvalidURI
        return Target(None, None, False, Query(query))
    return Target(_decode(first).decode("utf-8"), _decode(rest) or None, False, Query(query))


class Targets:
    """Reads targets, and keeps those that callers with a proven signature have sent. What strangers send is never kept."""

    def __init__(self, domains: tuple[str, ...]) -> None:
        """``domains``: see `parse_target`."""
        self._domains = domains
        self._kept: OrderedDict[tuple[bytes, bytes, str | None], Target] = OrderedDict()

    def read(self, path: bytes, query: bytes, host: str | None) -> Target:
        """As `parse_target`."""
        return self._kept.get((path, query, host)) or parse_target(path, query, host, self._domains)

    def keep(self, path: bytes, query: bytes, host: str | None, target: Target) -> None:
        """Remembers what `read` has given; in the place of the oldest, if need be."""
        place = (path, query, host)
        if place in self._kept or len(query) > KEPT_QUERY_BYTES_MAX:
            return
        if len(self._kept) >= TARGETS_KEPT:
            self._kept.popitem(last=False)
        self._kept[place] = target


@lru_cache(64)  # a server is called by few names
def bucket_of_host(host: str, domains: tuple[str, ...]) -> str | None:
    """The bucket that a Host header names, None for path style. Of nested domains the longest counts."""
    name = _PORT.sub("", host).rstrip(".").lower()
    suffixes = ["." + domain.lower() for domain in sorted(domains, key=len, reverse=True)]
    if "." + name in suffixes:
        return None
    for suffix in suffixes:
        if name.endswith(suffix):
            return name.removesuffix(suffix) or None
    return None


def _from_absolute(target: bytes) -> tuple[bytes, str]:
    match = _ABSOLUTE.match(target)
    if match is None or not match[1]:
        raise errors.InvalidURI
    path = target[match.end() :].partition(b"?")[0]
    if path and not path.startswith(b"/"):
        raise errors.InvalidURI
    return path or b"/", match[1].rpartition(b"@")[2].decode("latin-1")


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    if raw.count(b"&") >= QUERY_PAIRS_MAX:
        raise errors.InvalidURI("The query string has too many parameters.", max_parameters=QUERY_PAIRS_MAX)
    if b"%" in raw:
        if _BAD_ESCAPE.search(raw):
            raise errors.InvalidURI
        raw = raw.replace(b"%2F", b"/")  # in every presigned URL, and often the only escape there
    try:
        text = raw.decode().replace("+", " ")
        pairs = [piece.partition("=")[::2] for piece in text.split("&") if piece]
        return [(_unquoted(name), _unquoted(value)) for name, value in pairs] if "%" in text else pairs
    except UnicodeDecodeError:
        raise errors.InvalidURI from None


def _unquoted(text: str) -> str:
    return unquote_to_bytes(text).decode() if "%" in text else text


def _decode(text: bytes) -> bytes:
    """Percent-decoded once; certainly UTF-8."""
    if b"%" in text:
        if _BAD_ESCAPE.search(text):
            raise errors.InvalidURI
        text = unquote_to_bytes(text)
    if not text.isascii():
        try:
            text.decode("utf-8")
        except UnicodeDecodeError:
            raise errors.InvalidURI from None
    return text

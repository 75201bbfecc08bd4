"""The canonical request of SigV4, the string to sign and the key: what both sides of a signature compute.

Everything is bytes: what a client signed need not be text. A part that arrives in canonical form, as nearly all do, is used as
it is; re-encoding costs ten times as much.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import lru_cache
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

from zakrom.wire.target import Query

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "s3"
TERMINAL = "aws4_request"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256().hexdigest()

KEYS_CACHED = 1024  # a key serves one access key, day and region: enough for a thousand active users; about 250 KB

# Escapes of bytes that must be escaped, in upper case. Possessive quantifiers: no backtracking, whatever comes in.
_ESCAPE = rb"%(?:[0189A-F][0-9A-F]|2[0-9A-C]|3[A-F]|40|5[B-E]|60|7[BCDF])"
_CANONICAL_PATH = re.compile(rb"(?:[A-Za-z0-9\-._~/]++|" + _ESCAPE + rb")*+")
_TEXT = rb"(?:[A-Za-z0-9\-._~]++|%2F|" + _ESCAPE + rb")*+"
_CANONICAL_QUERY = re.compile(_TEXT + b"=" + _TEXT + b"(?:&" + _TEXT + b"=" + _TEXT + b")*+")
_UNTIDY = re.compile(rb"\t|  |: | \n")  # white space at the ends of a value, and runs of it, are not signed


def paths(raw: bytes) -> list[bytes]:
    """What a client may have signed for a path: its canonical encoding, and what it sent. One where they are the same.

    All decode to the same key, so to accept each is no weaker. They differ for a key with ``%2F``, and where a client's HTTP
    library rewrites what its signer had encoded.
    """
    if _CANONICAL_PATH.fullmatch(raw):
        return [raw or b"/"]
    return [quote_from_bytes(unquote_to_bytes(raw), safe="/").encode("ascii"), raw]


def query_string(query: Query, without: str | None = None) -> bytes:
    """The sorted and encoded pairs; the parameter ``without`` (the signature) is left out."""
    raw = query.raw
    if not raw:
        return b""
    if not _CANONICAL_QUERY.fullmatch(raw):
        raw = "&".join([f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.pairs]).encode("ascii")
    # Pairs are sorted by name, then value. As whole strings "=" would come between "-" and letters; NUL comes before all.
    pieces = raw.replace(b"=", b"\0").split(b"&")
    if without is not None:
        start = without.encode("ascii") + b"\0"
        pieces = [piece for piece in pieces if not piece.startswith(start)]
    pieces.sort()
    return b"&".join(pieces).replace(b"\0", b"=")


def by_name(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by name; values of one name joined by commas, in their order."""
    found = dict(headers)
    if len(found) < len(headers):
        found = {}
        for name, value in headers:
            found[name] = found[name] + b"," + value.strip() if name in found else value.strip()
    return found


def request(
    method: str, path: bytes, query: bytes, headers: dict[bytes, bytes], signed: tuple[bytes, ...], payload: str
) -> bytes:
    """The canonical request. A signed header that is absent counts as empty."""
    lines = b"".join([b"%b:%b\n" % (name, headers.get(name, b"")) for name in signed])
    if _UNTIDY.search(lines):
        lines = b"".join([b"%b:%b\n" % (name, b" ".join(headers.get(name, b"").split())) for name in signed])
    return b"\n".join((method.encode("latin-1"), path, query, lines, b";".join(signed), payload.encode("latin-1")))


def scope(date: str, region: str) -> str:
    """The scope of a credential: ``20260101/eu-north-1/s3/aws4_request``."""
    return f"{date}/{region}/{SERVICE}/{TERMINAL}"


def string_to_sign(amz_date: str, credential_scope: str, canonical_request: bytes) -> str:
    """What the signing key signs."""
    return f"{ALGORITHM}\n{amz_date}\n{credential_scope}\n{hashlib.sha256(canonical_request).hexdigest()}"


def signing_key(secret: str, date: str, region: str) -> bytes:
    """The key for a day and a region."""
    key = b"AWS4" + secret.encode()
    for part in (date, region, SERVICE, TERMINAL):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


class KeyCache:
    """Remembers signing keys: deriving one takes four HMACs, a third of a verification. Bounded; the oldest goes first."""

    def __init__(self, keys_max: int = KEYS_CACHED) -> None:
        self._keys: dict[tuple[str, str, str], tuple[str, bytes]] = {}
        self._keys_max = keys_max

    def get(self, access_key: str, secret: str, date: str, region: str) -> bytes:
        """The signing key; the one remembered, unless the secret has changed since."""
        name = (access_key, date, region)
        known = self._keys.get(name)
        if known is not None and known[0] == secret:
            return known[1]
        key = signing_key(secret, date, region)
        if known is None and len(self._keys) >= self._keys_max:
            del self._keys[next(iter(self._keys))]
        self._keys[name] = (secret, key)
        return key


def signature(key: bytes, text: str) -> str:
    """The hexadecimal HMAC-SHA256."""
    keyed = _keyed(key).copy()
    keyed.update(text.encode())
    return keyed.hexdigest()


@lru_cache(KEYS_CACHED)
def _keyed(key: bytes) -> hmac.HMAC:
    """The HMAC of nothing yet: to copy it costs a third of setting it up (OpenSSL 3 looks its algorithm up each time)."""
    return hmac.new(key, digestmod="sha256")

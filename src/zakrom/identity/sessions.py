"""Sessions: temporary credentials, which are kept nowhere.

A session token is the session itself, sealed (AES-256-GCM) with a key of the data directory: whoever brings it brings the
facts, nobody can make or read one, and there is nothing to sweep. What may change meanwhile (the role's policies, whether it is
there at all) is looked up with each request, so deleting a user or a role ends its sessions at once; losing the key ends all.
Source: IAM User Guide, "Temporary security credentials in IAM".
"""

from __future__ import annotations

import zlib
from base64 import b32encode, b64decode, urlsafe_b64encode
from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from zakrom import errors
from zakrom.model.iam import Tags

Random = Callable[[int], bytes]

VERSION = b"\x01"
"""Of the token's format; it is authenticated with it."""

NONCE_BYTES = 12
TOKEN_CHARACTERS_MAX = 12 * 1024
"""Of a token: it travels in a header, of which a request may have 64 KiB together, and in URLs, which may have 16."""

SESSION_BYTES_MAX = 128 * 1024
"""Of an opened token: policies and tags of a session are some 30 KiB at most."""

OPENED_MAX = 1_024
"""Tokens remembered open, some KiB each: opening one takes 10 µs."""


class Session(msgspec.Struct, frozen=True, array_like=True):
    """Who somebody is for a while.

    ``kind``: ``user`` (GetSessionToken), ``federated`` or ``role``; ``principal``: the name of the user or the id of the role
    that it comes from; ``name``: the session's own. ``policies`` (documents) and ``policy_arns`` narrow it.
    """

    access_key: str
    secret: str
    kind: str
    account: str  # canonical id
    principal: str
    name: str
    issued_ms: int
    expires_ms: int
    policies: tuple[str, ...] = ()
    policy_arns: tuple[str, ...] = ()
    tags: Tags = ()
    transitive: tuple[str, ...] = ()  # keys of tags that go along to the next role
    source_identity: str | None = None


class Sealer:
    """Makes tokens of sessions, and sessions of tokens."""

    def __init__(self, key: bytes, random: Random) -> None:
        """``key``: 32 bytes, the same in all processes of a server."""
        self._cipher = AESGCM(key)
        self._random = random
        self._opened: dict[str, Session] = {}

    def new_pair(self) -> tuple[str, str]:
        """A temporary access key and its secret, shaped as AWS's."""
        secret = urlsafe_b64encode(self._random(30)).decode("ascii")
        return "ASIA" + b32encode(self._random(10)).decode("ascii"), secret

    def seal(self, session: Session) -> str:
        """The token. Raises `PackedPolicyTooLarge` if it would not fit where tokens travel."""
        nonce = self._random(NONCE_BYTES)
        plain = zlib.compress(msgspec.msgpack.encode(session))
        token = urlsafe_b64encode(VERSION + nonce + self._cipher.encrypt(nonce, plain, VERSION)).decode("ascii")
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise errors.PackedPolicyTooLarge
        return token

    def open(self, token: str) -> Session:
        """The session that `seal` made a token of; it may have expired. Raises `InvalidToken`."""
        known = self._opened.get(token)
        if known is not None:
            return known
        session = self._open(token)
        if len(self._opened) >= OPENED_MAX:
            del self._opened[next(iter(self._opened))]
        self._opened[token] = session
        return session

    def _open(self, token: str) -> Session:
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise errors.InvalidToken
        try:
            sealed = b64decode(token.encode("ascii"), b"-_", validate=True)
            if sealed[:1] != VERSION:
                raise errors.InvalidToken
            nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
            packed = zlib.decompressobj().decompress(self._cipher.decrypt(nonce, rest, VERSION), SESSION_BYTES_MAX)
            return msgspec.msgpack.decode(packed, type=Session)
        except (ValueError, InvalidTag, zlib.error, msgspec.MsgspecError):
            raise errors.InvalidToken from None

"""A key under a key.

The wrapping key is not used itself: each time a key is derived from it with a random salt (HKDF's expansion, RFC 5869, from a
key that is uniform already), which then seals one data key with AES-256-GCM. So no nonce can repeat, however many data keys one
wrapping key has to wrap. ``context`` is authenticated: a data key that is moved to another context does not unwrap.
"""

from __future__ import annotations

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SALT_BYTES = 32
_NONCE = bytes(12)  # each derived key seals once
_PURPOSE = b"zakrom wrap 1"


def wrap(key: bytes | bytearray, data_key: bytes | bytearray, context: bytes) -> bytes:
    """The data key wrapped: the salt, then the sealed key with its tag."""
    salt = os.urandom(SALT_BYTES)
    return salt + AESGCM(_derived(key, salt)).encrypt(_NONCE, data_key, context)


def unwrap(key: bytes | bytearray, wrapped: bytes, context: bytes) -> bytearray:
    """The data key. Raises ValueError if it was not wrapped so."""
    try:
        return bytearray(AESGCM(_derived(key, wrapped[:SALT_BYTES])).decrypt(_NONCE, wrapped[SALT_BYTES:], context))
    except InvalidTag:
        raise ValueError("the key does not fit") from None


def wipe(key: bytearray) -> None:
    """Overwrites a key. Copies that Python or OpenSSL made are out of reach."""
    key[:] = bytes(len(key))


def _derived(key: bytes | bytearray, salt: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + salt + b"\1", "sha256")

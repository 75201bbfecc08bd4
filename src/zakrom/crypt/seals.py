"""What stands beside a sealed blob in the catalog: which key wraps its data key, and the wrapped data key.

On-disk format: a MessagePack array, whose first element is the format of the bytes (`sealed`). ``key`` is the name of a key of
`interface.Keys`; empty for a key that the customer sends with each request and that is kept nowhere.
"""

from __future__ import annotations

import hmac
import os
from typing import NamedTuple

import msgspec

from zakrom import errors
from zakrom.crypt import wrapping
from zakrom.crypt.interface import Keys, Wrapped
from zakrom.crypt.sealed import KEY_BYTES, Opener, Sealer
from zakrom.crypt.wrapping import wipe

FORMAT = 1

_FINGERPRINT = b"zakrom customer key 1"
_SALT_BYTES = 16


class Seal(msgspec.Struct, frozen=True, array_like=True):
    """How a blob is sealed. ``context``: what the data key is bound to, as the request gave it."""

    format: int
    key: str
    version: str
    wrapped: bytes
    context: str = ""


class Cover(NamedTuple):
    """How new content is to be sealed: under a named key, or (``key`` empty) under the customer's own."""

    key: str
    context: str = ""
    customer: bytes | None = None


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Seal).decode


def parse(packed: bytes) -> Seal:
    """The way back from the packed form. Raises `FormatTooNew`, `DataCorrupt`."""
    try:
        seal = _unpack(packed)
    except msgspec.MsgspecError:
        raise errors.DataCorrupt("The seal of a blob is damaged.") from None
    if seal.format != FORMAT:
        raise errors.FormatTooNew(f"The blob is sealed in format {seal.format}; this Zakrom knows format {FORMAT}.")
    return seal


async def begin(keys: Keys, cover: Cover) -> tuple[Sealer, bytes]:
    """A sealer with a data key of its own, and the packed seal to be kept. Raises as `Keys.wrap`."""
    data_key = bytearray(os.urandom(KEY_BYTES))
    try:
        wrapped = await _wrap(keys, cover.key, cover.customer, data_key, cover.context)
        return Sealer(data_key), _pack(Seal(FORMAT, cover.key, wrapped.version, wrapped.data, cover.context))
    finally:
        wipe(data_key)


async def opener(keys: Keys, packed: bytes, length: int, customer: bytes | None) -> Opener:
    """What opens a blob of ``length`` bytes.

    Raises as `Keys.unwrap`, and `AccessDenied` for a customer's key that is not the one.
    """
    seal = parse(packed)
    data_key = await _unwrap(keys, seal, customer)
    try:
        return Opener(data_key, length)
    finally:
        wipe(data_key)


async def rewrapped(keys: Keys, packed: bytes) -> bytes | None:
    """The seal under the newest version of its key; None if it is so already, or the customer's. Raises as `Keys` does."""
    seal = parse(packed)
    if not seal.key or await keys.newest(seal.key) == seal.version:
        return None
    data_key = await _unwrap(keys, seal, None)
    try:
        wrapped = await _wrap(keys, seal.key, None, data_key, seal.context)
    finally:
        wipe(data_key)
    return _pack(Seal(seal.format, seal.key, wrapped.version, wrapped.data, seal.context))


def fingerprint(customer: bytes) -> str:
    """What is kept of a customer's key: a salted hash, by which to know it again."""
    salt = os.urandom(_SALT_BYTES)
    return (salt + hmac.digest(customer, _FINGERPRINT + salt, "sha256")).hex()


def is_fingerprint_of(text: str, customer: bytes) -> bool:
    """Whether this is the key."""
    kept = bytes.fromhex(text)
    salt, known = kept[:_SALT_BYTES], kept[_SALT_BYTES:]
    return hmac.compare_digest(known, hmac.digest(customer, _FINGERPRINT + salt, "sha256"))


async def _wrap(keys: Keys, key: str, customer: bytes | None, data_key: bytearray, context: str) -> Wrapped:
    if key:
        return await keys.wrap(key, data_key, _bound(key, context))
    assert customer is not None
    return Wrapped("", wrapping.wrap(customer, data_key, _bound(key, context)))


async def _unwrap(keys: Keys, seal: Seal, customer: bytes | None) -> bytearray:
    if seal.key:
        return await keys.unwrap(seal.key, Wrapped(seal.version, seal.wrapped), _bound(seal.key, seal.context))
    if customer is None:
        raise errors.AccessDenied
    try:
        return wrapping.unwrap(customer, seal.wrapped, _bound("", seal.context))
    except ValueError:
        raise errors.AccessDenied from None


def _bound(key: str, context: str) -> bytes:
    """What a wrapped data key is authenticated with."""
    return _pack([FORMAT, key, context])

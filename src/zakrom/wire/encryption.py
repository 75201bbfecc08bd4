"""What headers say about encryption, read into plain values.

Source: Amazon S3 API Reference, PutObject and GetObject; User Guide, "Using server-side encryption"; messages as AWS sends them
(recorded), also where they name another header than the one that is wrong.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from hmac import compare_digest
from typing import NamedTuple

import msgspec

from zakrom import errors

HEADER = "x-amz-server-side-encryption"
AES256 = "AES256"
KMS = "aws:kms"
DSSE = "aws:kms:dsse"

CUSTOMER = HEADER + "-customer-"
SOURCE_CUSTOMER = "x-amz-copy-source-server-side-encryption-customer-"
KEY_BYTES = 32  # AES-256

_KEY_ID = HEADER + "-aws-kms-key-id"
_CONTEXT = HEADER + "-context"
_BUCKET_KEY = HEADER + "-bucket-key-enabled"

NAMES = frozenset({HEADER, _KEY_ID, _CONTEXT, _BUCKET_KEY, CUSTOMER + "algorithm", CUSTOMER + "key"})
"""A request without any of these says nothing about the encryption of what it writes or reads."""

Get = Callable[[str], str | None]
"""The value of a header by its lower-case name."""

_SSE_C = "Requests specifying Server Side Encryption with Customer provided keys must provide "


class Asked(NamedTuple):
    """What a write asks for. ``key``: as the request names it; ``context``: canonical JSON, empty for none."""

    algorithm: str | None = None  # AES256, aws:kms
    key: str | None = None
    context: str = ""
    bucket_key: bool | None = None
    customer: bytes | None = None


def asked(get: Get) -> Asked:
    """What a write asks for.

    Raises `InvalidArgument`, `InvalidEncryptionAlgorithmError`, `NotServed` (dual-layer encryption).
    """
    algorithm = get(HEADER)
    customer = customer_key(get, CUSTOMER)
    if algorithm is not None and customer is not None:
        raise _bad(
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified", algorithm
        )
    if algorithm == DSSE:
        raise errors.NotServed("Dual-layer encryption (aws:kms:dsse) is not implemented.", header=HEADER)
    if algorithm not in (None, AES256, KMS):
        raise _bad("The encryption method specified is not supported", algorithm)
    if algorithm != KMS and (get(_KEY_ID) is not None or get(_CONTEXT) is not None):
        raise _bad(
            f"Server Side Encryption with AWS KMS managed key requires HTTP header {HEADER} : {KMS}", algorithm or "null"
        )
    bucket_key = get(_BUCKET_KEY)
    return Asked(
        algorithm, get(_KEY_ID), _context(get(_CONTEXT)), None if bucket_key is None else bucket_key.lower() == "true", customer
    )


def customer_key(get: Get, prefix: str) -> bytes | None:
    """The customer's own key, if the headers that begin so bring one.

    Raises `InvalidArgument`, `InvalidEncryptionAlgorithmError`.
    """
    algorithm, text = get(prefix + "algorithm"), get(prefix + "key")
    if algorithm is None and text is None:
        return None
    if algorithm is None:
        raise _bad(_SSE_C + "a valid encryption algorithm.")
    if text is None:
        raise _bad(_SSE_C + "an appropriate secret key.")
    if algorithm != AES256:
        raise errors.InvalidEncryptionAlgorithmError(argument_name=HEADER, argument_value=algorithm)
    digest = get(prefix + "key-md5")
    if digest is None:
        raise _bad(_SSE_C + "the client calculated MD5 of the secret key.")
    try:
        key = b64decode(text, validate=True)
    except Base64Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise _bad("The secret key was invalid for the specified algorithm.")
    if not compare_digest(key_md5(key).encode(), digest.strip().encode("latin-1")):
        raise _bad("The calculated MD5 hash of the key did not match the hash that was provided.")
    return key


def key_md5(key: bytes) -> str:
    """As answers show a customer's key."""
    return b64encode(hashlib.md5(key, usedforsecurity=False).digest()).decode()


def answer_headers(algorithm: str, key_arn: str | None, *, bucket_key: bool, context: str = "") -> list[tuple[str, str]]:
    """How answers tell of encryption by the server."""
    fields = [(HEADER, algorithm)]
    if key_arn is not None:
        fields.append((_KEY_ID, key_arn))
    if context:
        fields.append((_CONTEXT, b64encode(context.encode()).decode()))
    if bucket_key:
        fields.append((_BUCKET_KEY, "true"))
    return fields


def customer_headers(key: bytes) -> list[tuple[str, str]]:
    """How answers tell of encryption under the customer's own key."""
    return [(CUSTOMER + "algorithm", AES256), (CUSTOMER + "key-MD5", key_md5(key))]


def _context(text: str | None) -> str:
    """Base64 of JSON, an object of strings: as canonical JSON, since the order of names means nothing."""
    if text is None:
        return ""
    try:
        pairs = msgspec.json.decode(b64decode(text, validate=True), type=dict[str, str])
    except (Base64Error, msgspec.MsgspecError, UnicodeError):
        raise errors.InvalidArgument(
            f"The header '{_CONTEXT}' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map",
            argument_name=_CONTEXT,
            argument_value=text,
        ) from None
    return msgspec.json.encode(pairs, order="deterministic").decode() if pairs else ""


def _bad(message: str, value: str | None = None) -> errors.InvalidArgument:
    return errors.InvalidArgument(message, argument_name=HEADER, argument_value=value)

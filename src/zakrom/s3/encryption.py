"""Encryption at the S3 door: from headers and the bucket's default to how a version is sealed, and back to headers.

A copy of an encrypted object is never plain: where nothing else is asked for, it is encrypted with SSE-S3, which is what AWS
does with every object.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache

from zakrom import errors
from zakrom.crypt.interface import DEFAULT_KEY, STORE_KEY
from zakrom.crypt.seals import Cover, fingerprint, is_fingerprint_of
from zakrom.model.facts import Details, Upload, Version
from zakrom.rules import encryption as rules
from zakrom.rules.encryption import ENTRY, Default, Entry, Place
from zakrom.s3 import extras
from zakrom.s3.call import Call
from zakrom.store.sealing import keys_of
from zakrom.wire import encryption as wire

Header = tuple[str, str]

DOCUMENT = "encryption"
"""The kind of the bucket's document."""

ACCOUNT = "000000000000"
"""In the ARNs of keys: there is one account."""

_NOTHING: Mapping[str, str] = {}

_WRONG_KEY = "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key."
_KEY_WANTED = (
    "The object was stored using a form of Server Side Encryption. "
    "The correct parameters must be provided to retrieve the object."
)
_PART_UNLIKE_UPLOAD = (
    "The multipart upload initiate requested encryption. "
    "Subsequent part requests must include the appropriate encryption parameters."
)


# ---------------------------------------------------------------------------------------------------------------- writes


@extras.source
async def begin(call: Call) -> Mapping[str, str]:
    """How a new version is to be encrypted: what the request says, else the bucket, else the server."""
    if not call.documents and not call.options.encrypt_by_default and not is_mentioned(call):
        return _NOTHING
    entry = await _entry(call)
    return _NOTHING if entry is None else {ENTRY: rules.pack(entry)}


async def _entry(call: Call) -> Entry | None:
    asked = wire.asked(call.header)
    default = default_of(call)
    if asked.customer is not None:
        _check_secure(call)
        if default is not None and default.customer_blocked:
            raise errors.AccessDenied("The bucket does not allow Server Side Encryption with Customer provided keys.")
        return Entry(rules.CUSTOMER, fingerprint=fingerprint(asked.customer))
    algorithm, key, bucket_key = asked.algorithm, asked.key, bool(asked.bucket_key)
    if algorithm is None:
        if default is None:
            return None
        algorithm, key = default.algorithm, default.key
        bucket_key = default.bucket_key if asked.bucket_key is None else bucket_key
    if algorithm == rules.AES256:
        return Entry(rules.AES256)
    name = rules.key_name(key, place(call), DEFAULT_KEY)
    await check_key(call, name)
    return Entry(rules.KMS, name, bucket_key, asked.context)


def default_of(call: Call) -> Default | None:
    """What the bucket says, or else the server; None: nothing is encrypted that does not ask for it."""
    document = call.documents.get(DOCUMENT)
    if document is not None:
        return rules.parse_default(document)
    return Default(rules.AES256) if call.options.encrypt_by_default else None


def of_copy(details: Details, source: Details) -> Details:
    """The details of a copy: SSE-S3 if nothing says otherwise and the source is encrypted."""
    if ENTRY in details.extra or ENTRY not in source.extra:
        return details
    extra = {**details.extra, ENTRY: rules.pack(Entry(rules.AES256))}
    return Details(details.headers, details.metadata, details.tags, details.checksum, extra)


def cover(call: Call, details: Details) -> Cover | None:
    """How the bytes of a write are to be sealed, whose details are decided; None: not at all."""
    entry = entry_of(details)
    if entry is None:
        return None
    if entry.algorithm == rules.CUSTOMER:
        return Cover("", "", customer(call))
    return Cover(STORE_KEY) if entry.algorithm == rules.AES256 else Cover(entry.key, entry.context)


def cover_of_part(call: Call, upload: Details) -> Cover | None:
    """The same for a part. Raises `InvalidRequest` if it does not bring the customer's key that its upload was created with."""
    entry = entry_of(upload)
    key = customer(call)
    if (key is not None) != (entry is not None and entry.algorithm == rules.CUSTOMER):
        raise errors.InvalidRequest(_PART_UNLIKE_UPLOAD)
    if key is not None and entry is not None and not is_fingerprint_of(entry.fingerprint, key):
        raise errors.InvalidRequest("The provided encryption parameters did not match the ones used originally.")
    return cover(call, upload)


def check_complete(call: Call, upload: Upload) -> None:
    """Raises `InvalidRequest` unless CompleteMultipartUpload brings the customer's key where it must, and no other.

    Source: API Reference: the key is needed where the upload has a checksum algorithm.
    """
    if customer(call) is not None or upload.checksum_algorithm is not None:
        cover_of_part(call, upload.details)


def is_opaque(cover: Cover | None) -> bool:
    """Whether the ETag is no MD5 of the content. Source: User Guide, "Checking object integrity": for SSE-S3 it is."""
    return cover is not None and cover.key != STORE_KEY


def shares_bytes(source: Details, target: Details, source_key: bytes | None, cover: Cover | None) -> bool:
    """Whether a copy can share its source's bytes, as they are encrypted."""
    same_customer = cover is not None and cover.customer is not None and cover.customer == source_key
    return rules.shares_bytes(entry_of(source), entry_of(target), same_customer=same_customer)


def asks_for_change(call: Call) -> bool:
    """Whether a copy of an object onto itself changes its encryption. In AWS's eyes a configured bucket does too (recorded)."""
    return DOCUMENT in call.documents or is_mentioned(call)


# ----------------------------------------------------------------------------------------------------------------- reads


def is_mentioned(call: Call) -> bool:
    """Whether the request says anything about encryption: most do not, and pay for nothing more than this."""
    return not wire.NAMES.isdisjoint(call.request.texts)


def customer(call: Call) -> bytes | None:
    """The customer's own key that the request brings."""
    if not is_mentioned(call):
        return None
    key = wire.customer_key(call.header, wire.CUSTOMER)
    if key is not None:
        _check_secure(call)
    return key


def source_customer(call: Call) -> bytes | None:
    """The customer's own key to the source of a copy."""
    key = wire.customer_key(call.header, wire.SOURCE_CUSTOMER)
    if key is not None:
        _check_secure(call)
    return key


def check_read(call: Call, details: Details, key: bytes | None) -> None:
    """Raises `InvalidRequest`, `AccessDenied` unless the request brings the key that the version needs, and no other."""
    if call.header(wire.HEADER) is not None:
        raise errors.InvalidArgument(
            f"{wire.HEADER} header is not supported for this operation.",
            argument_name=wire.HEADER,
            argument_value=call.header(wire.HEADER),
        )
    check_key_of(details, key)


def check_key_of(details: Details, key: bytes | None) -> None:
    """The same for the source of a copy."""
    entry = entry_of(details)
    if entry is None or entry.algorithm != rules.CUSTOMER:
        if key is not None:
            raise errors.InvalidRequest("The encryption parameters are not applicable to this object.")
    elif key is None:
        raise errors.InvalidRequest(_KEY_WANTED)
    elif not is_fingerprint_of(entry.fingerprint, key):
        raise errors.AccessDenied(_WRONG_KEY)


async def check_opens(call: Call, details: Details) -> None:
    """Raises `KMSNotFound`, `KMSDisabled` if the key of a version may not be used now."""
    entry = entry_of(details)
    if entry is not None and entry.algorithm == rules.KMS:
        await check_key(call, entry.key)


async def check_key(call: Call, name: str) -> None:
    """Raises `KMSNotFound`, `KMSDisabled` in AWS's words."""
    try:
        await keys_of(call.store).newest(name)
    except errors.KMSNotFound:
        raise rules.no_such_key(name, place(call)) from None
    except errors.KMSDisabled:
        raise errors.KMSDisabled(f"{place(call).arn(name)} is disabled.") from None


# --------------------------------------------------------------------------------------------------------------- answers


@extras.shown
async def shown(call: Call, version: Version) -> Iterable[Header]:
    """How GET and HEAD tell of it."""
    return headers(call, version.details)


def headers(call: Call, details: Details | None, *, context: bool = False) -> list[Header]:
    """How answers tell of the encryption of a version. ``context``: also of what the key is bound to, for its writer."""
    entry = None if details is None else entry_of(details)
    if entry is None:
        return []
    if entry.algorithm == rules.CUSTOMER:
        key = wire.customer_key(call.header, wire.CUSTOMER)
        return [] if key is None else wire.customer_headers(key)
    arn = place(call).arn(entry.key) if entry.algorithm == rules.KMS else None
    return wire.answer_headers(entry.algorithm, arn, bucket_key=entry.bucket_key, context=entry.context if context else "")


def entry_of(details: Details) -> Entry | None:
    """How a version is encrypted; None: not at all."""
    packed = details.extra.get(ENTRY)
    return None if packed is None else rules.parse(packed)


def place(call: Call) -> Place:
    """Where the keys of the bucket have their names."""
    return Place(call.bucket.region, ACCOUNT)


def _check_secure(call: Call) -> None:
    """Raises `InvalidRequest` where a key would be sent in the clear for others to read."""
    if call.request.secure or call.options.sse_c_over_http == "on":
        return
    if call.options.sse_c_over_http == "loopback" and _is_loopback(call.request.peer):
        return
    raise errors.InvalidRequest(
        "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection."
    )


@lru_cache(256)
def _is_loopback(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False

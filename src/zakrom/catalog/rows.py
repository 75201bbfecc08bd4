"""Rows to facts and back: the one place that knows the order of columns.

A page of 1,000 keys is decoded in the event loop of a worker, so these are plain positional calls: 0.9 µs a row with its
details.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from zakrom.model.facts import (
    AccessKey,
    BlobFacts,
    Bucket,
    Checksum,
    Damage,
    Details,
    Listed,
    Manifest,
    ManifestPart,
    Part,
    Slice,
    Upload,
    Usage,
    User,
    Version,
    Versioning,
)
from zakrom.model.iam import AnyEntity

Row = tuple[Any, ...]

BUCKET = "id, name, owner, region, created_ms, versioning, quota_bytes"
USAGE = "objects, versions, markers, bytes, uploads, upload_bytes"
OBJECT = "bucket, key, seq, nonce, size, modified_ms, etag, storage_class, owner, blob, manifest, parts, details"
LISTED = "key, size, modified_ms, etag, storage_class, owner, details"
_COMMON = "size, modified_ms, etag, storage_class, owner, blob, manifest, parts, details"
HISTORY = f"bucket, key, rank, nonce, marker, {_COMMON}, noncurrent_ms"
VERSION_OF_OBJECT = f"bucket, key, -seq AS rank, nonce, 0 AS marker, {_COMMON}, NULL AS noncurrent_ms"
UPLOAD = (
    "bucket, key, id, created_ms, owner, storage_class, details, checksum_algorithm, checksum_full_object, base_seq, revision"
)
PART = "number, size, etag, modified_ms, slices, checksum"
USER = "name, canonical_id, display_name, email, created_ms, disabled, root, owner"
ACCESS_KEY = "id, secret, account, created_ms, disabled"

NO_DETAILS = Details()


class _Summed(msgspec.Struct, array_like=True, gc=False):
    """Of `Details` only the checksum: what stands before it is passed over, what stands behind it not looked at."""

    headers: msgspec.Raw
    metadata: msgspec.Raw
    tags: msgspec.Raw
    checksum: Checksum | None = None


pack = msgspec.msgpack.Encoder().encode
_details = msgspec.msgpack.Decoder(Details).decode
_summed = msgspec.msgpack.Decoder(_Summed).decode
_slices = msgspec.msgpack.Decoder(tuple[Slice, ...]).decode
_manifest_parts = msgspec.msgpack.Decoder(tuple[ManifestPart, ...]).decode
_entity: Callable[[bytes], AnyEntity] = msgspec.msgpack.Decoder(AnyEntity).decode
_checksum = msgspec.msgpack.Decoder(Checksum).decode


def pack_details(details: Details) -> bytes | None:
    """As the column `details` holds it; None is the default."""
    return None if details == NO_DETAILS else pack(details)


def details(packed: bytes | None) -> Details:
    """The way back from `pack_details`."""
    return NO_DETAILS if packed is None else _details(packed)


def slices(packed: bytes) -> tuple[Slice, ...]:
    """The slices of a manifest or a part."""
    return _slices(packed)


def manifest(row: Row) -> Manifest:
    """From (slices, parts)."""
    return Manifest(_slices(row[0]), _manifest_parts(row[1]))


def bucket(row: Row) -> Bucket:
    """From the columns `BUCKET`."""
    id, name, owner, region, created_ms, versioning, quota_bytes = row
    return Bucket(id, name, owner, region, created_ms, Versioning(versioning), quota_bytes)


def usage(row: Row) -> Usage:
    """From the columns `USAGE`."""
    return Usage(*row)


def version_of_object(row: Row) -> Version:
    """From the columns `OBJECT`."""
    bucket, key, seq, nonce, size, modified_ms, etag, storage_class, owner, blob, manifest, parts, packed = row
    return Version(
        bucket,
        key,
        seq,
        nonce,
        False,
        size,
        modified_ms,
        etag,
        storage_class,
        owner,
        blob,
        manifest,
        NO_DETAILS if packed is None else _details(packed),
        parts,
    )


def listed(row: Row) -> Listed:
    """From the columns `LISTED`."""
    key, size, modified_ms, etag, storage_class, owner, packed = row
    return Listed(key, size, modified_ms, etag, storage_class, owner, None if packed is None else _summed(packed).checksum)


def version(row: Row) -> Version:
    """From the columns `HISTORY` or `VERSION_OF_OBJECT`. A version is the latest while it has not become noncurrent."""
    (
        bucket,
        key,
        rank,
        nonce,
        marker,
        size,
        modified_ms,
        etag,
        storage_class,
        owner,
        blob,
        manifest,
        parts,
        packed,
        noncurrent_ms,
    ) = row
    return Version(
        bucket,
        key,
        -rank,
        nonce,
        marker == 1,
        size,
        modified_ms,
        etag,
        storage_class,
        owner,
        blob,
        manifest,
        NO_DETAILS if packed is None else _details(packed),
        parts,
        noncurrent_ms is None,
        noncurrent_ms,
    )


def blob(row: Row) -> BlobFacts:
    """From (id, length, blocks, data, seal)."""
    return BlobFacts(*row)


def upload(row: Row) -> Upload:
    """From the columns `UPLOAD`."""
    bucket, key, id, created_ms, owner, storage_class, packed, algorithm, full_object, base_seq, revision = row
    whole = None if full_object is None else full_object == 1
    return Upload(bucket, key, id, created_ms, owner, storage_class, details(packed), algorithm, whole, base_seq, revision)


def part(row: Row) -> Part:
    """From the columns `PART`."""
    number, size, etag, modified_ms, packed, checksum = row
    return Part(number, size, etag, modified_ms, _slices(packed), None if checksum is None else _checksum(checksum))


def user(row: Row) -> User:
    """From the columns `USER`."""
    name, canonical_id, display_name, email, created_ms, disabled, root, owner = row
    return User(name, canonical_id, display_name, email, created_ms, disabled == 1, root == 1, owner)


def entity(packed: bytes) -> AnyEntity:
    """From `pack`, as the columns `iam` and `body` hold it."""
    return _entity(packed)


def access_key(row: Row) -> AccessKey:
    """From the columns `ACCESS_KEY`."""
    id, secret, user, created_ms, disabled = row
    return AccessKey(id, secret, user, created_ms, disabled == 1)


def damage(row: Row) -> Damage:
    """From (blob, block, found_ms, reason)."""
    return Damage(*row)

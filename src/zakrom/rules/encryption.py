"""How a new object is to be encrypted, and whether a copy may share the bytes of its source.

What a version says of its encryption stands in its details (`ENTRY`); whose key opens a blob stands with the blob. All blobs of
a version lie as its entry says.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import msgspec

from zakrom import errors

ENTRY = "sse"
"""Where a version's details keep how it is encrypted."""

AES256 = "AES256"
KMS = "aws:kms"
CUSTOMER = "customer"

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """How a version is encrypted. ``fingerprint``: by which a customer's key is known again."""

    algorithm: str  # AES256, aws:kms, customer
    key: str = ""  # of SSE-KMS: its name
    bucket_key: bool = False
    context: str = ""  # canonical JSON
    fingerprint: str = ""


class Default(msgspec.Struct, frozen=True, array_like=True):
    """A bucket's configuration. ``key``: as PutBucketEncryption named it, also if there is no such key."""

    algorithm: str
    key: str | None = None
    bucket_key: bool = False
    customer_blocked: bool = False


class Place(NamedTuple):
    """Where keys have their names: what an ARN says before the name."""

    region: str
    account: str

    def arn(self, name: str) -> str:
        """A key's name in full."""
        return f"arn:aws:kms:{self.region}:{self.account}:key/{name}"


def pack(entry: Entry) -> str:
    """As the details hold it."""
    return msgspec.json.encode(entry).decode()


@lru_cache(1024)
def parse(packed: str) -> Entry:
    """The way back from `pack`."""
    return msgspec.json.decode(packed, type=Entry)


@lru_cache(1024)
def parse_default(document: bytes) -> Default:
    """A bucket's document, as `msgspec.msgpack` wrote it."""
    return msgspec.msgpack.decode(document, type=Default)


def key_name(text: str | None, place: Place, default: str) -> str:
    """The name of the key that a request means: by name, by alias or by ARN; ``default`` for none and for ``alias/aws/s3``.

    Raises `KMSNotFound` for an ARN of another region or account.
    """
    if text is None:
        return default
    name = text
    if text.startswith("arn:"):
        fields = text.split(":", 5)
        if len(fields) != 6 or fields[2] != "kms":
            raise errors.KMSNotFound(f"Invalid arn {text}")
        if fields[3] != place.region:
            raise errors.KMSNotFound(f"Invalid arn {fields[3]}")
        if fields[4] != place.account:
            raise errors.KMSNotFound(f"Key '{text}' does not exist")
        name = fields[5].removeprefix("key/")
    return default if name == "alias/aws/s3" else name.removeprefix("alias/")


def no_such_key(name: str, place: Place) -> errors.KMSNotFound:
    """AWS's answer for a name it does not know: ids of its own form get another one."""
    if _UUID.fullmatch(name):
        return errors.KMSNotFound(f"Key '{place.arn(name)}' does not exist")
    return errors.KMSNotFound(f"Invalid keyId '{name}'")


def shares_bytes(source: Entry | None, target: Entry | None, *, same_customer: bool) -> bool:
    """Whether the bytes of a source lie as its copy is to lie: under the same key, bound to the same context."""
    if source is None or target is None:
        return source is target
    if (source.algorithm, source.key, source.context) != (target.algorithm, target.key, target.context):
        return False
    return same_customer or source.algorithm != CUSTOMER

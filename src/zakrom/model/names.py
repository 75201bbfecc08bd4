"""Names that callers choose: bucket names, keys, version ids. Bad ones are refused here and nowhere else."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from functools import lru_cache

from zakrom import errors
from zakrom.model.facts import NULL_NONCE, VersionId

KEY_BYTES_MAX = 1024  # S3: 1024 bytes of UTF-8, not characters
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_VERSION = re.compile(r"[0-9a-f]{32}")


def check_bucket_name(name: str) -> str:
    """The name itself, if S3 would let a general purpose bucket be called so.

    Raises `InvalidBucketName`. Rule: Amazon S3 User Guide, "General purpose bucket naming rules".
    """
    bad = (
        not _BUCKET.fullmatch(name)
        or ".." in name
        or name.startswith(("xn--", "sthree-", "amzn-s3-demo-"))
        or name.endswith(("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"))
        or _is_address(name)
    )
    if bad:
        raise errors.InvalidBucketName(bucket=name)
    return name


def check_key(key: bytes) -> bytes:
    """The key itself, if S3 allows it: 1 to 1024 bytes of UTF-8, of any characters. Raises `KeyTooLongError`, `InvalidURI`."""
    if len(key) > KEY_BYTES_MAX:
        raise errors.KeyTooLongError(size=len(key), max_size_allowed=KEY_BYTES_MAX)
    try:
        key.decode("utf-8")
    except UnicodeDecodeError:
        raise errors.InvalidURI from None
    return key


def parse_version_id(text: str) -> VersionId:
    """The version a request names. Raises `InvalidArgument` for what no server of ours can have given out."""
    if text == "null":
        return VersionId(0, NULL_NONCE)
    if not _VERSION.fullmatch(text) or int(text[16:], 16) == NULL_NONCE or int(text[:16], 16) >= 1 << 63:
        raise errors.InvalidArgument("Invalid version id specified", argument_name="versionId", argument_value=text)
    return VersionId(int(text[:16], 16), int(text[16:], 16))


@lru_cache(4096)  # asked with every request that a policy decides
def account_number(canonical_id: str) -> str:
    """The 12 digits that name an account in ARNs: derived from its canonical id, always the same."""
    return f"{int.from_bytes(hashlib.sha256(canonical_id.encode()).digest()[:8]) % 10**12:012d}"


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True

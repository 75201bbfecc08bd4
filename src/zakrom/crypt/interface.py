"""The seam to who keeps the keys: the ring in the data directory, or a service elsewhere.

Named keys never leave it; it wraps the data keys of blobs with them, and unwraps them again.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

STORE_KEY = "sse-s3"
"""The key behind SSE-S3. Made at its first use."""

DEFAULT_KEY = "aws-s3"
"""The key of SSE-KMS when a request names none: what AWS calls ``alias/aws/s3``. Made at its first use."""


class Wrapped(NamedTuple):
    """A data key under a version of a named key."""

    version: str
    data: bytes


class Keys(Protocol):
    """Named keys with versions. The newest wraps; all unwrap."""

    async def newest(self, key: str) -> str:
        """The version that wraps now. Raises `KMSNotFound`, `KMSDisabled`."""
        ...

    async def wrap(self, key: str, data_key: bytes | bytearray, context: bytes) -> Wrapped:
        """``data_key`` wrapped, bound to ``context``. Raises as `newest`, and `ServiceUnavailable`."""
        ...

    async def unwrap(self, key: str, wrapped: Wrapped, context: bytes) -> bytearray:
        """The data key.

        Raises `KMSDisabled`, `KeyMissing` (the version is not there, or did not wrap this), `ServiceUnavailable`.
        """
        ...

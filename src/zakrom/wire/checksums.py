"""The checksums that S3 clients declare, and the block checksums that we store.

Six algorithms behind one shape: `new` gives a `Hasher`, fed piece by piece. A multipart object's checksum is either FULL_OBJECT
(CRCs of the parts combined, as if over the whole object) or COMPOSITE (the checksum of the parts' binary checksums).
Source: Amazon S3 User Guide, "Checking object integrity"; messages of errors as AWS sends them.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from awscrt import checksums as crt

from zakrom import errors
from zakrom.model.facts import BLOCK_BYTES

Buffer = bytes | bytearray | memoryview
Headers = Iterable[tuple[bytes, bytes]]
"""Lower-case names and values, as received."""

COMPOSITE = "COMPOSITE"
FULL_OBJECT = "FULL_OBJECT"


class Hasher(Protocol):
    """A checksum in the making."""

    def update(self, data: Buffer, /) -> None:
        """Adds the next bytes."""
        ...

    def digest(self) -> bytes:
        """The checksum of all bytes so far, big-endian."""
        ...


class Algorithm(NamedTuple):
    """What S3 knows of an algorithm. ``multipart``: the types a multipart upload may ask for, its default first."""

    digest_bytes: int
    multipart: tuple[str, ...]


ALGORITHMS: dict[str, Algorithm] = {
    "CRC32": Algorithm(4, (COMPOSITE, FULL_OBJECT)),
    "CRC32C": Algorithm(4, (COMPOSITE, FULL_OBJECT)),
    "CRC64NVME": Algorithm(8, (FULL_OBJECT,)),
    "MD5": Algorithm(16, (COMPOSITE,)),
    "SHA1": Algorithm(20, (COMPOSITE,)),
    "SHA256": Algorithm(32, (COMPOSITE,)),
}

DEFAULT = "CRC64NVME"
"""What AWS computes for an object whose writer declared no checksum."""

_PREFIX = b"x-amz-checksum-"
_HEADER_NAMES = {name: f"x-amz-checksum-{name.lower()}" for name in ALGORITHMS}
_BY_HEADER = {header.encode(): name for name, header in _HEADER_NAMES.items()}
_NO_VALUES = frozenset({b"x-amz-checksum-algorithm", b"x-amz-checksum-type", b"x-amz-checksum-mode"})


# ---------------------------------------------------------------------------------------------------------------- computing


class _Crc:
    """A CRC as a Hasher."""

    __slots__ = ("_bytes", "_crc", "_function")

    def __init__(self, function: Callable[[Buffer, int], int], digest_bytes: int) -> None:
        self._function = function
        self._bytes = digest_bytes
        self._crc = 0

    def update(self, data: Buffer, /) -> None:
        self._crc = self._function(data, self._crc)

    def digest(self) -> bytes:
        return self._crc.to_bytes(self._bytes, "big")


# zlib's CRC32 lets go of the GIL, awscrt's does not, and they are about equally fast (2.2 and 2.7 GB/s); for the others
# awscrt is the only one of native speed (CRC32C 21 GB/s, CRC64NVME 10 GB/s).
_NEW: dict[str, Callable[[], Hasher]] = {
    "CRC32": lambda: _Crc(zlib.crc32, 4),
    "CRC32C": lambda: _Crc(crt.crc32c, 4),
    "CRC64NVME": lambda: _Crc(crt.crc64nvme, 8),
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
}

_COMBINE: dict[str, Callable[[int, int, int], int]] = {
    "CRC32": crt.combine_crc32,
    "CRC32C": crt.combine_crc32c,
    "CRC64NVME": crt.combine_crc64nvme,
}


def new(algorithm: str) -> Hasher:
    """A fresh hasher of one of `ALGORITHMS`."""
    return _NEW[algorithm]()


def digest(algorithm: str, data: Buffer) -> bytes:
    """The checksum of bytes at hand."""
    hasher = new(algorithm)
    hasher.update(data)
    return hasher.digest()


def combine(algorithm: str, parts: Iterable[tuple[bytes, int]]) -> bytes:
    """The FULL_OBJECT checksum of parts that follow each other, from (digest, length) of each. Only CRCs can do that."""
    function, total = _COMBINE[algorithm], 0
    for part, length in parts:
        total = function(total, int.from_bytes(part, "big"), length)
    return total.to_bytes(ALGORITHMS[algorithm].digest_bytes, "big")


def composite(algorithm: str, parts: Iterable[bytes]) -> bytes:
    """The COMPOSITE checksum of parts, from the digests of each; S3 shows it with ``-N``, the number of parts."""
    return digest(algorithm, b"".join(parts))


def blocks(data: Buffer) -> bytes:
    """CRC32C of each 128 KiB block (the last may be shorter), big-endian, 4 bytes each; none for no bytes."""
    hasher = BlockHasher()
    hasher.update(data)
    return hasher.finish()


class BlockHasher:
    """`blocks` for data that comes piece by piece."""

    __slots__ = ("_crc", "_done", "_filled")

    def __init__(self) -> None:
        self._done = bytearray()
        self._crc = 0
        self._filled = 0  # bytes in the block that is under way

    def update(self, data: Buffer, /) -> None:
        """Adds the next bytes."""
        view = memoryview(data)
        while (room := BLOCK_BYTES - self._filled) <= len(view):
            self._done += crt.crc32c(view[:room], self._crc).to_bytes(4, "big")
            self._crc = self._filled = 0
            view = view[room:]
        if view:
            self._crc = crt.crc32c(view, self._crc)
            self._filled += len(view)

    def finish(self) -> bytes:
        """The checksums of all blocks. Nothing may be added afterwards."""
        if self._filled:
            self._done += self._crc.to_bytes(4, "big")
            self._filled = 0
        return bytes(self._done)


# ------------------------------------------------------------------------------------------------------------- on the wire


class ChecksumRequest(NamedTuple):
    """What a request declares about its body, or asks for. All None: nothing.

    ``value``: the digest in a header; ``parts``: the number behind it (``…-3``), where that is allowed; ``trailer``: the name
    of the trailing header that will carry it.
    """

    algorithm: str | None = None
    value: bytes | None = None
    trailer: str | None = None
    parts: int | None = None


_NOTHING = ChecksumRequest()


def header_name(algorithm: str) -> str:
    """The header that carries the algorithm: ``x-amz-checksum-…``."""
    return _HEADER_NAMES[algorithm]


def algorithm_of_header(name: str) -> str | None:
    """The algorithm of an ``x-amz-checksum-…`` header or trailer, None if it is none of ours."""
    return _BY_HEADER.get(name.lower().encode("latin-1", "replace"))


def encode(value: bytes) -> str:
    """Base64, as headers and XML carry it."""
    return b64encode(value).decode("ascii")


def decode(algorithm: str, text: str) -> bytes:
    """The digest in a header's or element's text. Raises `InvalidRequest` unless it is base64 of the right length."""
    value = _base64(text)
    if value is None or len(value) != ALGORITHMS[algorithm].digest_bytes:
        raise errors.InvalidRequest(f"Value for {header_name(algorithm)} header is invalid.")
    return value


def content_md5(text: str) -> bytes:
    """The digest in a Content-MD5 header. Raises `InvalidDigest`."""
    value = _base64(text)
    if value is None or len(value) != 16:
        raise errors.InvalidDigest(content_md5=text)
    return value


def check(algorithm: str, *, declared: bytes, computed: bytes) -> None:
    """Raises `BadDigest` unless both are equal."""
    if declared != computed:
        raise errors.BadDigest(f"The {algorithm} you specified did not match the calculated checksum.")


def check_md5(*, declared: bytes, computed: bytes) -> None:
    """The same for Content-MD5, with both values in the error."""
    if declared != computed:
        # AWS shows the one in hexadecimal and the other in Base64.
        raise errors.BadDigest(expected_digest=declared.hex(), calculated_digest=encode(computed))


def parse_algorithm(text: str) -> str:
    """The algorithm a client names, in any case. Raises `InvalidRequest`."""
    name = text.strip().upper()
    if name not in ALGORITHMS:
        raise errors.InvalidRequest(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
            f"[{', '.join(ALGORITHMS)}]"
        )
    return name


def multipart_full_object(algorithm: str | None, type_asked: str | None) -> bool | None:
    """Whether a new multipart upload's checksum will be FULL_OBJECT; None without an algorithm.

    ``type_asked`` is x-amz-checksum-type. Raises `InvalidRequest` where AWS does not allow the pair.
    """
    if type_asked is not None and type_asked not in (COMPOSITE, FULL_OBJECT):
        raise errors.InvalidRequest("Value for x-amz-checksum-type header is invalid.")
    if algorithm is None:
        if type_asked is None:
            return None
        raise errors.InvalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
    allowed = ALGORITHMS[algorithm].multipart
    if type_asked is not None and type_asked not in allowed:
        raise errors.InvalidRequest(
            f"The {type_asked} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
        )
    return (type_asked or allowed[0]) == FULL_OBJECT


def requested(headers: Headers, *, composite_allowed: bool = False) -> ChecksumRequest:
    """What the headers of a request declare: a value, a trailer that will bring one, or only an algorithm.

    ``composite_allowed``: whether a value may have ``-N`` behind it (CompleteMultipartUpload). Content-MD5 is not looked at.
    Raises `InvalidRequest` for an unknown algorithm, two values, a malformed value, headers that contradict each other.
    """
    values: list[tuple[str, str]] = []
    trailers: list[str] = []
    named: str | None = None  # x-amz-checksum-algorithm
    sdk: str | None = None  # x-amz-sdk-checksum-algorithm
    for name, raw in headers:
        if not name.startswith(b"x-amz-"):
            continue
        if name.startswith(_PREFIX) and name not in _NO_VALUES:
            values.append((parse_algorithm(name[len(_PREFIX) :].decode("latin-1")), raw.decode("latin-1")))
        elif name == b"x-amz-trailer":
            trailers += [part.strip().lower() for part in raw.decode("latin-1").split(",") if part.strip()]
        elif name == b"x-amz-checksum-algorithm":
            named = parse_algorithm(raw.decode("latin-1"))
        elif name == b"x-amz-sdk-checksum-algorithm":
            sdk = parse_algorithm(raw.decode("latin-1"))
    if not values and not trailers and named is None and sdk is None:
        return _NOTHING
    return _agreed(values, trailers, named, sdk, composite_allowed=composite_allowed)


def _agreed(
    values: list[tuple[str, str]],
    trailers: list[str],
    named: str | None,
    sdk: str | None,
    *,
    composite_allowed: bool,
) -> ChecksumRequest:
    if len(values) + len(trailers) > 1:
        raise errors.InvalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    if not values and not trailers:
        if sdk is not None:
            raise errors.InvalidRequest(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers "
                "were found."
            )
        return ChecksumRequest(named)
    algorithm = values[0][0] if values else algorithm_of_header(trailers[0])
    if algorithm is None:
        raise errors.InvalidRequest("The value specified in the x-amz-trailer header is not supported")
    if sdk not in (None, algorithm):
        raise errors.InvalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
    if named not in (None, algorithm):
        raise errors.InvalidRequest("Value for x-amz-checksum-algorithm header is invalid.")
    if trailers:
        return ChecksumRequest(algorithm, trailer=trailers[0])
    text, dash, parts = values[0][1].strip().partition("-") if composite_allowed else (values[0][1].strip(), "", "")
    if dash and not (parts.isascii() and parts.isdigit() and len(parts) <= 5):
        raise errors.InvalidRequest(f"Value for {header_name(algorithm)} header is invalid.")
    return ChecksumRequest(algorithm, decode(algorithm, text), None, int(parts) if dash else None)


def _base64(text: str) -> bytes | None:
    try:
        return b64decode(text.strip(), validate=True)
    except (Base64Error, ValueError):  # ValueError: beyond ASCII
        return None

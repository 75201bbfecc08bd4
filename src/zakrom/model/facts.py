"""What the store knows: buckets, versions, uploads, parts, users.

Times are milliseconds since 1970 (UTC), sizes are bytes, keys are UTF-8 bytes: S3 orders keys by them. Values are
frozen; they cross process boundaries as MessagePack arrays, so a field is only ever added at the end.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

BLOCK_BYTES = 128 * 1024
"""Bytes under one CRC32C. On-disk format: a change needs a new blob format version."""

SEAL_TAG_BYTES = 16
"""By how much a sealed block is longer than its content: the tag of AES-GCM. Sealed, it fills one block of `BLOCK_BYTES`."""

SEALED_BLOCK_BYTES = BLOCK_BYTES - SEAL_TAG_BYTES
"""Bytes of content in a whole block of a sealed blob."""

NULL_NONCE = 0
"""The nonce of the version whose id is ``null``."""


class Versioning(IntEnum):
    """A bucket's versioning state. A bucket that was once ENABLED never becomes NEVER again."""

    NEVER = 0
    ENABLED = 1
    SUSPENDED = 2


class Fact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of the values below."""


class Bucket(Fact, frozen=True):
    """A bucket, without its contents."""

    id: int
    name: str
    owner: str  # canonical id
    region: str
    created_ms: int
    versioning: Versioning = Versioning.NEVER
    quota_bytes: int | None = None


class Usage(Fact, frozen=True):
    """Exact counts of a bucket, or of the whole store, kept in the transaction of each change."""

    objects: int = 0  # current versions that are no delete markers: what a plain LIST shows
    versions: int = 0  # all versions with bytes, current and noncurrent
    markers: int = 0  # delete markers
    bytes: int = 0  # of all versions, as S3 counts them (a copy that moved no bytes counts in full)
    uploads: int = 0  # open multipart uploads
    upload_bytes: int = 0  # of the parts of open uploads

    @property
    def total_bytes(self) -> int:
        """What a quota limits."""
        return self.bytes + self.upload_bytes


class Checksum(Fact, frozen=True):
    """A checksum that S3 shows. ``value`` is base64; a COMPOSITE one is without its ``-N`` suffix."""

    algorithm: str  # CRC32 | CRC32C | CRC64NVME | SHA1 | SHA256 | MD5
    value: str
    full_object: bool = True


class Details(Fact, frozen=True):
    """What a HEAD shows beside the fixed facts. Header values are kept byte for byte as latin-1 text."""

    headers: dict[str, str] = {}  # content-type, cache-control, content-disposition …; lower-case names
    metadata: dict[str, str] = {}  # x-amz-meta-*, names lower-case without the prefix
    tags: tuple[tuple[str, str], ...] = ()
    checksum: Checksum | None = None
    extra: dict[str, str] = {}  # room for later facts (retention, encryption …) without a migration


class Slice(Fact, frozen=True):
    """``length`` bytes of a blob's content from ``offset``: of what was put, also where the blob lies sealed."""

    blob: int
    offset: int
    length: int


class ManifestPart(Fact, frozen=True):
    """A part as GetObjectAttributes and ``partNumber`` show it. ``checksum`` is base64, in the object's algorithm."""

    number: int
    size: int
    checksum: str | None = None


class Manifest(Fact, frozen=True):
    """The ordered slices that make an object of more than one blob, and the parts it was uploaded in."""

    slices: tuple[Slice, ...]
    parts: tuple[ManifestPart, ...]


class Version(Fact, frozen=True):
    """One version of a key: an object or a delete marker.

    ``seq`` grows with every write of the store, so among the versions of a key the newest has the greatest. The content is
    either one whole blob (``blob``) or a manifest; a delete marker and an empty object have neither.
    """

    bucket: int
    key: bytes
    seq: int
    nonce: int
    marker: bool
    size: int
    modified_ms: int
    etag: str  # without quotes
    storage_class: str
    owner: str  # canonical id
    blob: int | None
    manifest: int | None
    details: Details
    parts: int = 0  # how many parts the object was uploaded in; 0: not a multipart upload
    latest: bool = True
    noncurrent_ms: int | None = None  # since when it has not been current

    @property
    def version_id(self) -> str:
        """As S3 shows it: ``null``, or 32 hexadecimal digits that hold ``seq`` and ``nonce``."""
        return "null" if self.nonce == NULL_NONCE else f"{self.seq:016x}{self.nonce:016x}"


class Listed(Fact, frozen=True):
    """What a page of keys shows of a current object, and nothing else: there are a thousand on a page."""

    key: bytes
    size: int
    modified_ms: int
    etag: str  # without quotes
    storage_class: str
    owner: str  # canonical id
    checksum: Checksum | None = None


class VersionId(Fact, frozen=True):
    """A version id as a request names it. ``seq`` is 0 for ``null``."""

    seq: int
    nonce: int


class BlobFacts(Fact, frozen=True):
    """A blob as the catalog knows it. ``blocks``: CRC32C of each 128 KiB block, big-endian, 4 bytes each.

    ``data`` holds the bytes themselves where the blob is small enough to ride in the catalog. ``seal``: None for plain bytes;
    else the blob is encrypted, and this says how (`crypt.seals`). ``length`` and ``blocks`` are of the bytes as they lie.
    """

    id: int
    length: int
    blocks: bytes
    data: bytes | None = None
    seal: bytes | None = None

    @property
    def size(self) -> int:
        """The bytes of its content."""
        return self.length if self.seal is None else content_bytes(self.length)


def sealed_bytes(size: int) -> int:
    """How long ``size`` bytes are when they are sealed."""
    return size + SEAL_TAG_BYTES * -(-size // SEALED_BLOCK_BYTES)


def content_bytes(length: int) -> int:
    """The way back from `sealed_bytes`."""
    return length - SEAL_TAG_BYTES * -(-length // BLOCK_BYTES)


class Upload(Fact, frozen=True):
    """An open multipart upload."""

    bucket: int
    key: bytes
    id: str
    created_ms: int
    owner: str
    storage_class: str
    details: Details  # its checksum field is unused; the algorithm and type asked for stand below
    checksum_algorithm: str | None = None
    checksum_full_object: bool | None = None
    base_seq: int = 0  # the key's newest seq when the upload was created; 0: there was none
    revision: int = 0  # grows with every part: what CompleteMultipartUpload decides on


class Part(Fact, frozen=True):
    """An uploaded part. ``etag`` without quotes; ``checksum`` in the upload's algorithm, if it has one."""

    number: int
    size: int
    etag: str
    modified_ms: int
    slices: tuple[Slice, ...]
    checksum: Checksum | None = None


class User(Fact, frozen=True):
    """Who may hold access keys: an account (and its root user), or an IAM user of one. Root is the account named ``root``.

    An IAM user has its unique id (``AIDA…``) for name and canonical id, and its own name for display name: buckets belong to
    accounts.
    """

    name: str
    canonical_id: str
    display_name: str
    email: str
    created_ms: int
    disabled: bool = False
    root: bool = False
    account: str = ""  # of an IAM user: the canonical id of its account


class AccessKey(Fact, frozen=True):
    """A key pair. The secret must be kept readable: SigV4 is an HMAC with it."""

    id: str
    secret: str
    user: str
    created_ms: int
    disabled: bool = False


class KeyUse(Fact, frozen=True):
    """When, in which region and for which service an access key was last used; exact to about a minute."""

    id: str
    used_ms: int
    region: str
    service: str


class Damage(Fact, frozen=True):
    """A blob found rotten or missing, with the keys that need it."""

    blob: int
    block: int | None  # None: the file is missing or cut short
    found_ms: int
    reason: str

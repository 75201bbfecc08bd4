"""The bodies of S3's operations, read: from XML to plain values.

AWS checks a body against its schema: an element it does not know, a second one where one is allowed, or a number that is none
are `MalformedXML`. So do we, so that nothing a client meant is silently ignored. Source: Amazon S3 API Reference, "Data types".
"""

from __future__ import annotations

from typing import NamedTuple

from zakrom import errors
from zakrom.model.acl import OWNERSHIPS, Ownership, PublicAccess
from zakrom.wire import checksums, dates, etags, xml
from zakrom.wire.xml import Node

DELETE_KEYS_MAX = 1000  # Amazon S3 API Reference, DeleteObjects
PARTS_MAX = 10_000  # Amazon S3 User Guide, "Multipart upload limits"

_DELETE_OBJECT = frozenset({"Key", "VersionId", "ETag", "LastModifiedTime", "Size"})
_PART_CHECKSUMS = {f"Checksum{algorithm}": algorithm for algorithm in checksums.ALGORITHMS}
_PART = frozenset({"PartNumber", "ETag", *_PART_CHECKSUMS})
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")  # as `PublicAccess` has them
_VERSIONING_STATES = ("Enabled", "Suspended")
_MFA_STATES = ("Enabled", "Disabled")


class Doomed(NamedTuple):
    """One key of a DeleteObjects request, with what must hold of it."""

    key: bytes
    version_id: str | None
    etag: str | None  # without quotes
    modified_ms: int | None
    size: int | None


class Delete(NamedTuple):
    """A DeleteObjects request: 1 to 1000 entries, in order, perhaps several of one key."""

    objects: list[Doomed]
    quiet: bool


class CompletedPart(NamedTuple):
    """A part as CompleteMultipartUpload names it. ``checksums``: algorithm -> base64, as sent."""

    number: int
    etag: str  # without quotes
    checksums: dict[str, str]


class VersioningState(NamedTuple):
    """``status`` is Enabled or Suspended; ``mfa_delete`` Enabled, Disabled or None."""

    status: str
    mfa_delete: str | None


class Encryption(NamedTuple):
    """The one rule of a ServerSideEncryptionConfiguration. ``blocked``: kinds of encryption that the bucket refuses."""

    algorithm: str  # AES256, aws:kms
    key: str | None
    bucket_key: bool
    blocked: tuple[str, ...]


class NewBucket(NamedTuple):
    """What a CreateBucket body asks for; an empty body asks for nothing."""

    location: str | None
    tags: tuple[tuple[str, str], ...]


def parse_delete(body: bytes) -> Delete:
    """A DeleteObjects body. Raises `MalformedXML`, also for no key, an empty key and more than `DELETE_KEYS_MAX`."""
    root = xml.parse(body, "Delete")
    _only(root, {"Object", "Quiet"})
    objects = [_doomed(node) for node in root.children if node.name == "Object"]
    if not 0 < len(objects) <= DELETE_KEYS_MAX:
        raise errors.MalformedXML
    return Delete(objects, _boolean(root, "Quiet"))


def _doomed(node: Node) -> Doomed:
    if len(node.children) == 1 and (only := node.children[0]).name == "Key" and only.text and not only.children:
        return Doomed(only.text.encode(), None, None, None, None)  # nearly always; half the time of what follows
    found = _texts(node, _DELETE_OBJECT)
    key = found.get("Key")
    if not key:
        raise errors.MalformedXML
    etag, modified, size = found.get("ETag"), found.get("LastModifiedTime"), found.get("Size")
    return Doomed(
        key.encode(),
        found.get("VersionId") or None,
        None if etag is None else etags.unquote(etag),
        None if modified is None else _moment(modified),
        None if size is None else _number(size),
    )


def parse_complete_multipart_upload(body: bytes) -> list[CompletedPart]:
    """A CompleteMultipartUpload body: the parts as listed, in the order and with the numbers the client chose.

    Raises `MalformedXML`; `InvalidRequest` for a list without parts.
    """
    root = xml.parse(body, "CompleteMultipartUpload")
    _only(root, {"Part"})
    if not root.children:
        raise errors.InvalidRequest("You must specify at least one part")
    if len(root.children) > PARTS_MAX:
        raise errors.MalformedXML
    return [_part(node) for node in root.children]


def _part(node: Node) -> CompletedPart:
    found = _texts(node, _PART)
    number, etag = found.get("PartNumber"), found.get("ETag")
    if number is None or etag is None:
        raise errors.MalformedXML
    sums = {_PART_CHECKSUMS[name]: text.strip() for name, text in found.items() if name in _PART_CHECKSUMS}
    return CompletedPart(_number(number), etags.unquote(etag), sums)


def parse_tagging(body: bytes) -> list[tuple[str, str]]:
    """A Tagging body: the pairs as written; `wire.tags` knows which are allowed. Raises `MalformedXML`."""
    root = xml.parse(body, "Tagging")
    _only(root, {"TagSet"})
    sets = root.all("TagSet")
    if len(sets) > 1:
        raise errors.MalformedXML
    return _tags(sets[0]) if sets else []  # AWS takes no set for an empty one (recorded)


def _tags(tag_set: Node) -> list[tuple[str, str]]:
    _only(tag_set, {"Tag"})
    pairs = [_texts(node, {"Key", "Value"}) for node in tag_set.children]
    if any(len(pair) != 2 or not pair["Key"] for pair in pairs):
        raise errors.MalformedXML
    return [(pair["Key"], pair["Value"]) for pair in pairs]


def parse_versioning(body: bytes) -> VersioningState:
    """A VersioningConfiguration body. Raises `MalformedXML`, `IllegalVersioningConfigurationException` without a status."""
    found = _texts(xml.parse(body, "VersioningConfiguration"), {"Status", "MfaDelete"})
    status, mfa_delete = found.get("Status"), found.get("MfaDelete")
    if status is None:
        raise errors.IllegalVersioningConfigurationException
    if status not in _VERSIONING_STATES or mfa_delete not in (None, *_MFA_STATES):
        raise errors.MalformedXML
    return VersioningState(status, mfa_delete)


def parse_ownership_controls(body: bytes) -> Ownership:
    """An OwnershipControls body: exactly one rule. Raises `MalformedXML`."""
    root = xml.parse(body, "OwnershipControls")
    _only(root, {"Rule"})
    if len(root.children) != 1:
        raise errors.MalformedXML
    asked = _texts(root.children[0], {"ObjectOwnership"}).get("ObjectOwnership", "").strip()
    found = next((one for one in OWNERSHIPS if one == asked), None)
    if found is None:
        raise errors.MalformedXML
    return found


def parse_public_access_block(body: bytes) -> PublicAccess:
    """A PublicAccessBlockConfiguration body; what it does not say is not blocked. Raises `MalformedXML`."""
    root = xml.parse(body, "PublicAccessBlockConfiguration")
    if len(_texts(root, {*_BLOCKS})) == 0:
        raise errors.InvalidRequest("Must specify at least one configuration.")
    return PublicAccess(*(_boolean(root, name) for name in _BLOCKS))


def public_access_block_xml(blocked: PublicAccess) -> str:
    """The content of a PublicAccessBlockConfiguration."""
    return "".join(xml.element(name, value) for name, value in zip(_BLOCKS, blocked, strict=True))


def parse_encryption(body: bytes) -> Encryption:
    """A ServerSideEncryptionConfiguration body: exactly one rule, AES256 if it names no algorithm.

    Raises `MalformedXML`, `InvalidArgument`, `NotServed` (dual-layer encryption).
    """
    root = xml.parse(body, "ServerSideEncryptionConfiguration")
    _only(root, {"Rule"})
    if len(root.children) != 1:
        raise errors.MalformedXML
    rule = root.children[0]
    _only(rule, {"ApplyServerSideEncryptionByDefault", "BucketKeyEnabled", "BlockedEncryptionTypes"})
    apply, blocked = rule.child("ApplyServerSideEncryptionByDefault"), rule.child("BlockedEncryptionTypes")
    found = {"SSEAlgorithm": "AES256"} if apply is None else _texts(apply, {"SSEAlgorithm", "KMSMasterKeyID"})
    algorithm, key = found.get("SSEAlgorithm"), found.get("KMSMasterKeyID")
    if algorithm == "aws:kms:dsse":
        raise errors.NotServed("Dual-layer encryption (aws:kms:dsse) is not implemented.", header="SSEAlgorithm")
    if algorithm not in ("AES256", "aws:kms"):
        raise errors.MalformedXML
    if key is not None and algorithm == "AES256":
        raise errors.InvalidArgument(
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
            argument_name="ApplyServerSideEncryptionByDefault",
        )
    types = () if blocked is None else tuple(node.text.strip() for node in blocked.children)
    if any(one not in ("NONE", "SSE-C") for one in types):
        raise errors.MalformedXML
    return Encryption(algorithm, key, _boolean(rule, "BucketKeyEnabled"), types)


def parse_create_bucket(body: bytes) -> NewBucket:
    """A CreateBucketConfiguration body. Raises `MalformedXML`; `NotServed` for directory buckets (Location, Bucket)."""
    if not body.strip():
        return NewBucket(None, ())
    root = xml.parse(body, "CreateBucketConfiguration")
    _only(root, {"LocationConstraint", "Location", "Bucket", "Tags"})
    if root.child("Location") or root.child("Bucket"):
        raise errors.NotServed("Directory buckets are not implemented.")
    tags = root.child("Tags")
    constraint = root.text_of("LocationConstraint")
    return NewBucket(constraint.strip() if constraint else None, tuple(_tags(tags)) if tags else ())


# --------------------------------------------------------------------------------------------------------------- helpers


def _only(node: Node, allowed: set[str]) -> None:
    if any(child.name not in allowed for child in node.children):
        raise errors.MalformedXML


def _texts(node: Node, allowed: frozenset[str] | set[str]) -> dict[str, str]:
    """The texts of children that have none of their own, by name; each at most once."""
    found = {child.name: child.text for child in node.children if not child.children}
    if len(found) != len(node.children) or not found.keys() <= allowed:
        raise errors.MalformedXML
    return found


def _boolean(node: Node, name: str) -> bool:
    text = (node.text_of(name) or "false").strip().lower()
    if text not in ("true", "false", "1", "0"):
        raise errors.MalformedXML
    return text in ("true", "1")


def _number(text: str) -> int:
    text = text.strip()
    if not (text.removeprefix("-").isascii() and text.removeprefix("-").isdigit()) or len(text) > 19:
        raise errors.MalformedXML
    return int(text)


def _moment(text: str) -> int:
    moment = dates.parse_iso8601(text)
    if moment is None:
        moment = dates.parse_http_date(text)
    if moment is None:
        raise errors.MalformedXML
    return moment

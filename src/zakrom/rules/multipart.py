"""Which parts make the object: what CompleteMultipartUpload checks and builds.

Source: AWS API reference, CompleteMultipartUpload ("EntityTooSmall", "InvalidPart", "InvalidPartOrder"); fields as AWS sends
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from zakrom import errors
from zakrom.model.facts import Manifest, ManifestPart, Part, Upload

PART_BYTES_MIN = 5 * 1024 * 1024  # S3: of every part but the last
PART_BYTES_MAX = 5 * 1024**3  # S3: also the limit of a single PutObject
PARTS_MAX = 10_000  # S3: parts of one upload
OBJECT_BYTES_MAX = 50 * 1024**4  # S3 since December 2025: 50 TB


class Asked(NamedTuple):
    """A part as the request names it. ``etag`` without quotes; ``checksums``: base64 by algorithm."""

    number: int
    etag: str
    checksums: dict[str, str]


def check_number(text: str) -> int:
    """The part number that a request names. Raises `InvalidArgument`."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= number <= PARTS_MAX:
        raise errors.InvalidArgument(
            f"Part number must be an integer between 1 and {PARTS_MAX}, inclusive",
            argument_name="partNumber",
            argument_value=text,
        )
    return number


def choose(upload: Upload, parts: Sequence[Part], asked: Sequence[Asked]) -> list[Part]:
    """The uploaded parts that the request names, in its order.

    Raises `InvalidPartOrder`, `InvalidPart`, `EntityTooSmall`, `InvalidRequest` (a checksum is missing), `BadDigest` (a
    checksum in another algorithm than the upload's).
    """
    if not asked:
        raise errors.InvalidRequest("You must specify at least one part")
    numbers = [one.number for one in asked]
    if any(after <= before for before, after in pairwise(numbers)):
        raise errors.InvalidPartOrder(upload_id=upload.id)
    by_number = {part.number: part for part in parts}
    chosen = [_match(upload, by_number.get(one.number), one) for one in asked]
    for part in chosen[:-1]:
        if part.size < PART_BYTES_MIN:
            raise errors.EntityTooSmall(
                proposed_size=part.size, min_size_allowed=PART_BYTES_MIN, part_number=part.number, etag=part.etag
            )
    return chosen


def _match(upload: Upload, part: Part | None, asked: Asked) -> Part:
    if part is None or asked.etag != part.etag:
        raise errors.InvalidPart(upload_id=upload.id, part_number=asked.number, etag=asked.etag)
    for algorithm, value in asked.checksums.items():
        if upload.checksum_algorithm not in (None, algorithm):
            raise errors.BadDigest(
                f"The {algorithm.lower()} you specified for part {asked.number} did not match what we received."
            )
        if part.checksum is None or algorithm != part.checksum.algorithm or value != part.checksum.value:
            raise errors.InvalidPart(upload_id=upload.id, part_number=asked.number, etag=asked.etag)
    # AWS asks for the part checksums of composite uploads: without them the object's checksum would rest on trust.
    if upload.checksum_algorithm and upload.checksum_full_object is False and not asked.checksums:
        raise errors.InvalidRequest(
            f"The upload was created using a {upload.checksum_algorithm.lower()} checksum. The complete request must "
            f"include the checksum for each part. It was missing for part {asked.number} in the request."
        )
    return part


def manifest(chosen: Sequence[Part]) -> Manifest:
    """The manifest of these parts: their slices one after another, so that a part's hold on a blob becomes the manifest's."""
    slices = tuple(one for part in chosen for one in part.slices)
    shown = tuple(ManifestPart(part.number, part.size, part.checksum.value if part.checksum else None) for part in chosen)
    return Manifest(slices, shown)

"""Tags of objects and buckets: what may be one, and the form they take in a header.

Source: Amazon S3 User Guide, "Categorizing your objects using tags"; messages of errors as AWS sends them (recorded), where
`test_put_excess_tags` of ceph/s3-tests wants `InvalidTag` for too many.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import quote_plus, unquote_to_bytes

from zakrom import errors

OBJECT_TAGS_MAX = 10  # S3's limits, all four: the pages named above
BUCKET_TAGS_MAX = 50  # the same
KEY_CHARACTERS_MAX = 128  # the same
VALUE_CHARACTERS_MAX = 256  # the same

Tags = tuple[tuple[str, str], ...]

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PUNCTUATION = frozenset("_.:/=+-@ ")


def check_object_tags(tags: Sequence[tuple[str, str]]) -> Tags:
    """The tags, if an object may have them. Raises `InvalidTag`."""
    if len(tags) > OBJECT_TAGS_MAX:
        raise errors.InvalidTag(f"Object tags cannot be greater than {OBJECT_TAGS_MAX}")
    return _checked(tags, "Your TagKey cannot be prefixed with aws:")


def check_bucket_tags(tags: Sequence[tuple[str, str]]) -> Tags:
    """The tags, if a bucket may have them. Raises `InvalidTag`."""
    if len(tags) > BUCKET_TAGS_MAX:
        raise errors.InvalidTag(f"Bucket tag count cannot be greater than {BUCKET_TAGS_MAX}")
    return _checked(tags, "System tags cannot be added/updated by requester")


def check_new_bucket_tags(tags: Sequence[tuple[str, str]]) -> Tags:
    """The same for tags that a bucket is created with, where AWS has other words for a reserved prefix."""
    if any(key.startswith("aws:") for key, _ in tags):
        raise errors.InvalidTag(
            'User-defined tag keys can\'t start with "aws:". This prefix is reserved for system tags. Remove "aws:" from '
            "your tag keys and try again."
        )
    return check_bucket_tags(tags)


def parse_header(value: str) -> Tags:
    """The object tags in an ``x-amz-tagging`` header, in the order of their keys, as AWS shows them.

    ``k1=v1&k2=v2``, URL-encoded; the text is the header's bytes as latin-1. Raises `InvalidArgument` for a form that is none,
    and for a key given twice; `InvalidTag` as `check_object_tags`.
    """
    pairs = []
    for piece in filter(None, value.split("&")):
        key, _, text = piece.partition("=")
        if "=" in text or _BAD_ESCAPE.search(piece):
            raise _bad_header(value)
        pairs.append((_decoded(key, value), _decoded(text, value)))
    if len({key for key, _ in pairs}) < len(pairs):
        raise _bad_header(value)
    return check_object_tags(sorted(pairs))


def format_header(tags: Tags) -> str:
    """The header that says the same, for a client to send."""
    return "&".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in tags)


def _checked(tags: Sequence[tuple[str, str]], reserved_message: str) -> Tags:
    seen: set[str] = set()
    for key, value in tags:
        if key in seen:
            raise errors.InvalidTag("Cannot provide multiple Tags with the same key", tag_key=key)
        if key.startswith("aws:"):
            raise errors.InvalidTag(reserved_message, tag_key=key)
        if not 0 < len(key) <= KEY_CHARACTERS_MAX or not _is_tag_text(key):
            raise errors.InvalidTag("The TagKey you have provided is invalid", tag_key=key)
        if len(value) > VALUE_CHARACTERS_MAX or not _is_tag_text(value):
            raise errors.InvalidTag("The TagValue you have provided is invalid", tag_key=key, tag_value=value)
        seen.add(key)
    return tuple(tags)


def _is_tag_text(text: str) -> bool:
    """Letters, digits and spaces of any script, and ``_ . : / = + - @``."""
    return all(character in _PUNCTUATION or unicodedata.category(character)[0] in "LNZ" for character in text)


def _decoded(text: str, header: str) -> str:
    try:
        return unquote_to_bytes(text.replace("+", " ").encode("latin-1")).decode("utf-8")
    except UnicodeError:
        raise _bad_header(header) from None


def _bad_header(value: str) -> errors.InvalidArgument:
    message = (
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates."
    )
    return errors.InvalidArgument(message, argument_name="x-amz-tagging", argument_value=value)

"""From the headers of a write to what the new version will be."""

from __future__ import annotations

import os
import struct

from zakrom import errors
from zakrom.catalog.changes import Condition
from zakrom.model.facts import Details
from zakrom.s3.call import Call
from zakrom.s3.render import storage_class
from zakrom.store.objects import Draft
from zakrom.wire import headers, tags

_REPLACE = "REPLACE"
_DIRECTIVES = ("COPY", _REPLACE)


_DRAWN: list[int] = []
"""Random numbers in stock: to draw each alone is a call of the system a write."""

_DRAW = struct.Struct("128Q")


def new_nonce() -> int:
    """A random nonce for a version id: 63 bits, never 0, which the null version has."""
    try:
        return _DRAWN.pop() >> 1 | 1
    except IndexError:
        _DRAWN.extend(_DRAW.unpack(os.urandom(_DRAW.size)))
        return new_nonce()


def details(call: Call) -> Details:
    """Headers, metadata and tags of a new object. Raises `MetadataTooLarge`, `InvalidTag`, `InvalidArgument`."""
    received = call.request.headers
    return Details(headers.kept(received), headers.user_metadata(received), _tags(call))


def copied_details(call: Call, source: Details) -> Details:
    """The same for a copy: from the source, or anew where a directive says REPLACE."""
    replace_metadata = directive(call, "x-amz-metadata-directive") == _REPLACE
    replace_tags = directive(call, "x-amz-tagging-directive") == _REPLACE
    base = details(call) if replace_metadata else source
    return Details(base.headers, base.metadata, _tags(call) if replace_tags else source.tags, source.checksum, {})


def directive(call: Call, name: str) -> str:
    """COPY or REPLACE. Raises `InvalidArgument`."""
    text = call.header(name) or "COPY"
    if text not in _DIRECTIVES:
        what = "metadata" if "metadata" in name else "tagging"
        raise errors.InvalidArgument(f"Unknown {what} directive.", argument_name=name, argument_value=text)
    return text


def draft(call: Call, made: Details, condition: Condition | None, default_class: str = "STANDARD") -> Draft:
    """What the new version of the call's key will be."""
    return Draft(
        call.bucket, call.key, call.now_ms, new_nonce(), storage_class(call, default_class), call.bucket.owner, made, condition
    )


def _tags(call: Call) -> tuple[tuple[str, str], ...]:
    text = call.header("x-amz-tagging")
    return tags.parse_header(text) if text else ()

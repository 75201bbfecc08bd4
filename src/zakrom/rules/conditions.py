"""Conditional requests: which write or read may go on, given the version of the moment.

Source: Amazon S3 User Guide, "Conditional requests"; RFC 9110 section 13.2.2 for reads.
"""

from __future__ import annotations

from zakrom import errors
from zakrom.model.facts import Version


def check_write(
    *, if_match: str | None, if_none_match: str | None, since_seq: int | None, current: Version | None, newest_seq: int
) -> None:
    """Returns if a write may go on.

    ``current``: the key's current object, None if it is absent or a delete marker. ``newest_seq``: the greatest seq of the
    key's versions and markers, 0 if none. ``since_seq``: see `catalog.changes.Condition`.

    Raises `PreconditionFailed`, `NoSuchKey` (If-Match on an absent key), `ConditionalRequestConflict`.
    """
    if if_match is not None:
        if current is None:
            raise errors.NoSuchKey
        if if_match not in ("*", current.etag):
            raise errors.PreconditionFailed(condition="If-Match")
    if if_none_match is not None and current is not None and if_none_match in ("*", current.etag):
        raise errors.PreconditionFailed(condition="If-None-Match")
    conditional = if_match is not None or if_none_match is not None
    if conditional and since_seq is not None and since_seq != newest_seq:
        raise errors.ConditionalRequestConflict(condition="If-Match" if if_match else "If-None-Match")


def check_read(
    version: Version,
    *,
    if_match: str | None,
    if_none_match: str | None,
    if_modified_since_ms: int | None,
    if_unmodified_since_ms: int | None,
    now_ms: int,
) -> None:
    """Returns if a read may go on. ETags are compared without quotes; dates have a resolution of one second.

    Raises `PreconditionFailed` or `NotModified`. A date of modification in the future is ignored (RFC 9110, 13.1.3).
    """
    modified_s = version.modified_ms // 1000
    if if_match is not None:
        if not _matches(if_match, version.etag):
            raise errors.PreconditionFailed(condition="If-Match")
    elif if_unmodified_since_ms is not None and modified_s > if_unmodified_since_ms // 1000:
        raise errors.PreconditionFailed(condition="If-Unmodified-Since")
    if if_none_match is not None:
        if _matches(if_none_match, version.etag):
            raise _not_modified(version, "If-None-Match")
    elif if_modified_since_ms is not None and if_modified_since_ms <= now_ms and modified_s <= if_modified_since_ms // 1000:
        raise _not_modified(version, "If-Modified-Since")


def _not_modified(version: Version, condition: str) -> errors.NotModified:
    return errors.NotModified(
        etag=version.etag, modified_ms=version.modified_ms, version_id=version.version_id, condition=condition
    )


def _matches(header: str, etag: str) -> bool:
    """Whether a header's list of ETags, quoted or not, names this one."""
    return any(one.strip().removeprefix("W/").strip('"') in ("*", etag) for one in header.split(","))

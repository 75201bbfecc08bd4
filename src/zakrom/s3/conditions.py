"""Conditional headers of requests, read into what `rules.conditions` and the catalog take."""

from __future__ import annotations

from zakrom import errors
from zakrom.catalog.changes import Condition
from zakrom.model.facts import Version
from zakrom.rules import conditions
from zakrom.s3.call import Call
from zakrom.wire import dates, etags

_OF_READ = frozenset({"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"})
_MULTIPLE = "Multiple conditional request headers present in the request"


def of_write(call: Call) -> Condition | None:
    """The condition of PutObject, CopyObject and CompleteMultipartUpload. Raises `NotServed` for what S3 refuses.

    Source: Amazon S3 User Guide, "Conditional writes": If-None-Match takes only ``*``, If-Match only an ETag, and never both.
    """
    if_match, if_none_match = call.header("if-match"), call.header("if-none-match")
    if if_match is None and if_none_match is None:
        return None
    if if_match is not None and if_none_match is not None:
        raise errors.NotServed(header="If-Match,If-None-Match", additional_message=_MULTIPLE)
    if if_none_match is not None and if_none_match != "*":
        raise _unsupported("If-None-Match")
    if if_match == "*":
        raise _unsupported("If-Match")
    return Condition(None if if_match is None else etags.unquote(if_match), if_none_match)


def of_delete(call: Call) -> Condition | None:
    """The condition of DeleteObject. Raises `NotServed` for those that only directory buckets have."""
    for name in ("x-amz-if-match-last-modified-time", "x-amz-if-match-size"):
        if call.header(name) is not None:
            raise errors.NotServed(header=name)
    if_match = call.header("if-match")
    return None if if_match is None else Condition(etags.unquote(if_match))


async def check_early(call: Call, condition: Condition | None) -> None:
    """Raises what the condition would raise now, so that a client is spared its body; the write itself decides again."""
    if condition is None:
        return
    found = await call.store.catalog.find(call.bucket.id, call.key)
    current = found.version if found and not found.version.marker else None
    conditions.check_write(
        if_match=condition.if_match, if_none_match=condition.if_none_match, since_seq=None, current=current, newest_seq=0
    )


def check_read(call: Call, version: Version) -> None:
    """Raises `NotModified` or `PreconditionFailed` as a GET's headers demand."""
    if _OF_READ.isdisjoint(call.request.texts):
        return
    modified, unmodified = call.header("if-modified-since"), call.header("if-unmodified-since")
    conditions.check_read(
        version,
        if_match=call.header("if-match"),
        if_none_match=call.header("if-none-match"),
        if_modified_since_ms=None if modified is None else dates.parse_http_date(modified),
        if_unmodified_since_ms=None if unmodified is None else dates.parse_http_date(unmodified),
        now_ms=call.now_ms,
    )


def check_source(call: Call, version: Version) -> None:
    """Raises `PreconditionFailed` as ``x-amz-copy-source-if-*`` demand: a copy has no 304."""
    modified = call.header("x-amz-copy-source-if-modified-since")
    unmodified = call.header("x-amz-copy-source-if-unmodified-since")
    try:
        conditions.check_read(
            version,
            if_match=call.header("x-amz-copy-source-if-match"),
            if_none_match=call.header("x-amz-copy-source-if-none-match"),
            if_modified_since_ms=None if modified is None else dates.parse_http_date(modified),
            if_unmodified_since_ms=None if unmodified is None else dates.parse_http_date(unmodified),
            now_ms=call.now_ms,
        )
    except errors.NotModified as unchanged:
        raise errors.PreconditionFailed(condition=f"x-amz-copy-source-{unchanged.fields['condition']}") from None
    except errors.PreconditionFailed as failed:
        failed.fields["condition"] = f"x-amz-copy-source-{failed.fields['condition']}"
        raise


def _unsupported(header: str) -> errors.NotServed:
    return errors.NotServed(
        header=header, additional_message=f"We don't accept the provided value of {header} header for this API"
    )

"""Object lock: a bucket's configuration, retention and legal hold of versions.

A lock is the ``lock`` and ``hold`` entry of a version's ``extra``. Whether it holds is decided by the catalog, in the
transaction that would remove or change the version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec

from zakrom import errors
from zakrom.catalog.changes import SetDocument
from zakrom.model import lock
from zakrom.model.facts import Version
from zakrom.rules import lock as rules
from zakrom.s3 import authority, extras
from zakrom.s3.call import Call
from zakrom.s3.operation import BUCKET, OBJECT, operation
from zakrom.s3.ops.object_tagging import version_meant
from zakrom.s3.payload import read_body
from zakrom.s3.render import Header, empty, xml_response
from zakrom.store import objects
from zakrom.web.message import Response
from zakrom.wire import checksums, dates
from zakrom.wire import lock as wire
from zakrom.wire.xml import element

BODY_BYTES_MAX = 16 * 1024  # a few short elements, and room for what clients put around them
BYPASS = "x-amz-bypass-governance-retention"
ENABLED = "x-amz-bucket-object-lock-enabled"

_NOTHING: Mapping[str, str] = {}

encode = msgspec.msgpack.Encoder().encode
decode = lru_cache(1024)(msgspec.msgpack.Decoder(lock.Default).decode)


@operation("GetObjectLockConfiguration", "GET", BUCKET, "object-lock", action="s3:GetBucketObjectLockConfiguration")
async def get_object_lock_configuration(call: Call) -> Response:
    """Whether the bucket has object lock, and the retention that new versions get."""
    body = call.documents.get(lock.DOCUMENT)
    if body is None:
        raise errors.ObjectLockConfigurationNotFoundError(bucket=call.bucket.name)
    return xml_response("ObjectLockConfiguration", wire.configuration_xml(decode(body)))


@operation("PutObjectLockConfiguration", "PUT", BUCKET, "object-lock", action="s3:PutBucketObjectLockConfiguration")
async def put_object_lock_configuration(call: Call) -> Response:
    """Gives a bucket with versioning object lock, for good, and sets the retention that new versions get."""
    default = wire.parse_configuration(await read_body(call, BODY_BYTES_MAX, must_have_digest=True))
    await call.store.catalog.apply(SetDocument(call.bucket.id, lock.DOCUMENT, encode(default)))
    return empty(200)


@operation("GetObjectRetention", "GET", OBJECT, "retention")
async def get_object_retention(call: Call) -> Response:
    """The retention of a version."""
    _check_bucket(call)
    kept = rules.retention((await version_meant(call)).details.extra)
    if kept is None:
        raise errors.NoSuchObjectLockConfiguration
    return xml_response("Retention", element("Mode", kept.mode) + element("RetainUntilDate", dates.iso8601(kept.until_ms)))


@operation("PutObjectRetention", "PUT", OBJECT, "retention")
async def put_object_retention(call: Call) -> Response:
    """Sets the retention of a version, or with an empty document removes it, as far as the one it has allows."""
    kept = wire.parse_retention(await read_body(call, BODY_BYTES_MAX, must_have_digest=True), call.now_ms)
    return await _set(call, {lock.RETENTION: rules.entry(kept)})


@operation("GetObjectLegalHold", "GET", OBJECT, "legal-hold")
async def get_object_legal_hold(call: Call) -> Response:
    """The legal hold of a version: on, or lifted."""
    _check_bucket(call)
    status = (await version_meant(call)).details.extra.get(lock.HOLD)
    if status is None:
        raise errors.NoSuchObjectLockConfiguration
    return xml_response("LegalHold", element("Status", status))


@operation("PutObjectLegalHold", "PUT", OBJECT, "legal-hold")
async def put_object_legal_hold(call: Call) -> Response:
    """Puts a version on legal hold, or lifts it."""
    status = wire.parse_legal_hold(await read_body(call, BODY_BYTES_MAX, must_have_digest=True))
    return await _set(call, {lock.HOLD: status})


async def _set(call: Call, entries: dict[str, str | None]) -> Response:
    _check_bucket(call)
    await version_meant(call)
    await objects.set_extra(
        call.store, call.bucket, call.key, call.version_id(), entries, call.now_ms, bypass=bypasses_governance(call)
    )
    return empty(200)


# ----------------------------------------------------------------------------------------------- what other operations ask


def bypasses_governance(call: Call) -> bool:
    """Whether the caller bypasses governance; that they may, `s3.authority` has asked by then.

    Raises `InvalidArgument` where there is no object lock.
    """
    text = call.header(BYPASS)
    if text is None:
        return False
    if lock.DOCUMENT not in call.documents:
        raise errors.InvalidArgument(f"{BYPASS} is only applicable to Object Lock enabled buckets.", argument_name=BYPASS)
    return text.lower() == "true"


def documents_of_new_bucket(call: Call) -> dict[str, bytes]:
    """The document of a bucket that is created with object lock. Raises `InvalidArgument`."""
    text = (call.header(ENABLED) or "false").lower()
    if text not in ("true", "false"):
        raise errors.InvalidArgument(f"Invalid {ENABLED} header.", argument_name=ENABLED, argument_value=text)
    return {lock.DOCUMENT: encode(lock.Default())} if text == "true" else {}


@extras.source
async def entries_of_new_version(call: Call) -> Mapping[str, str]:
    """What the headers of a write or else the bucket's default give to the new version.

    Raises `InvalidRequest`, `InvalidArgument`, `AccessDenied`.
    """
    body = call.documents.get(lock.DOCUMENT)
    if body is None and wire.HEADERS.isdisjoint(call.request.texts):
        return _NOTHING
    _check_bucket(call)
    mode, until, hold = call.header(wire.MODE), call.header(wire.UNTIL), call.header(wire.HOLD)
    asked = wire.retention_of_headers(mode, until, call.now_ms)
    kept = asked or rules.default_retention(decode(body or b""), call.now_ms)
    entries = {} if kept is None else {lock.RETENTION: rules.entry(kept) or ""}
    if hold is not None:
        entries[lock.HOLD] = wire.hold_of_header(hold)
    if entries:
        _check_digest(call)
    return entries


@extras.shown
async def headers(call: Call, version: Version) -> Iterable[Header]:
    """The lock of a version, to who may see it."""
    extra = version.details.extra
    kept = rules.retention(extra)
    found: list[Header] = []
    if kept is not None and await authority.may(call, "s3:GetObjectRetention"):
        found += [(wire.MODE, kept.mode), (wire.UNTIL, dates.iso8601(kept.until_ms))]
    if lock.HOLD in extra and await authority.may(call, "s3:GetObjectLegalHold"):
        found.append((wire.HOLD, extra[lock.HOLD]))
    return found


def _check_bucket(call: Call) -> None:
    if lock.DOCUMENT not in call.documents:
        raise errors.InvalidRequest("Bucket is missing Object Lock Configuration")


def _check_digest(call: Call) -> None:
    """What is kept for years must have arrived whole: AWS wants a digest of each body that is put under a lock."""
    puts_body = call.request.method == "PUT" and call.header("x-amz-copy-source") is None
    if puts_body and call.header("content-md5") is None and checksums.requested(call.request.headers).algorithm is None:
        raise errors.InvalidRequest(
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"
        )

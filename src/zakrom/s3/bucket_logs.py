"""Server access logs on their way: from requests that have ended to objects in the bucket that shall have them.

Each worker gathers lines of its own requests and delivers them by and by, as objects of a text each. As with AWS this is best
effort: what a killed process had gathered is lost, and so are lines for a bucket that is gone, or full for long. A delivery is
no request: it is not logged itself, so a bucket may log into itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from zakrom import errors
from zakrom.errors import Error
from zakrom.model.acl import ACL_KIND, ENFORCED, ownership_of
from zakrom.model.bucket_log import BucketLog
from zakrom.model.caller import Caller
from zakrom.model.facts import Bucket, Details
from zakrom.observe.redact import redact_text
from zakrom.s3.drafts import new_nonce
from zakrom.s3.operation import Operation
from zakrom.s3.payload import Sums
from zakrom.store import Store, objects
from zakrom.store.objects import Draft
from zakrom.store.receive import Digest, Piece
from zakrom.web.message import Request, Response
from zakrom.wire import bucket_log as wire
from zakrom.wire import checksums

LINES_BYTES_MAX = 4 * 1024 * 1024
"""Waiting for one target in one process. Beyond it the newest are dropped: some 10,000 requests, if nobody delivers."""

_HEADERS = {"content-type": "text/plain"}


class Logged(NamedTuple):
    """What the door knows of a request that is to be logged."""

    bucket: Bucket
    document: bytes
    caller: Caller
    operation: Operation
    key: bytes | None


class Ended(NamedTuple):
    """What a server knows of a request that has ended."""

    request: Request
    response: Response
    status: int
    bytes_sent: int
    seconds: float
    request_id: str
    code: str | None


class BucketLogs:
    """The lines that one process has gathered."""

    def __init__(self, store: Store, clock_ms: Callable[[], int], report: Callable[[str, Error], None]) -> None:
        """``report`` hears of targets (bucket names) that do not take their log."""
        self._store = store
        self._clock_ms = clock_ms
        self._report = report
        self._waiting: dict[tuple[str, bytes], list[bytes]] = {}  # by owner and document
        self._bytes: dict[tuple[str, bytes], int] = {}

    def add(self, logged: Logged, ended: Ended) -> None:
        """One request that ended."""
        place = (logged.bucket.owner, logged.document)
        line = wire.line(_line(logged, ended, self._clock_ms())).encode() + b"\n"
        size = self._bytes.get(place, 0) + len(line)
        if size <= LINES_BYTES_MAX:
            self._bytes[place] = size
            self._waiting.setdefault(place, []).append(line)

    async def deliver(self) -> None:
        """Writes what has been gathered; what cannot be written now is kept, what never can is dropped."""
        waiting, self._waiting, self._bytes = self._waiting, {}, {}
        for (owner, document), lines in waiting.items():
            log = BucketLog.loads(document)
            try:
                await self._put(owner, log, b"".join(lines))
            except Error as error:
                self._report(log.target, error)
                if isinstance(error, errors.Unavailable | errors.Exhausted):
                    again = lines + self._waiting.get((owner, document), [])
                    self._waiting[owner, document] = again
                    self._bytes[owner, document] = sum(map(len, again))

    async def _put(self, owner: str, log: BucketLog, text: bytes) -> None:
        """One object. Raises as `store.objects.put`, and `AccessDenied` if the target is somebody else's by now."""
        bucket = await self._store.catalog.bucket(log.target)
        if bucket.owner != owner:
            raise errors.AccessDenied(bucket=log.target)
        now_ms = self._clock_ms()
        enforced = ownership_of(await self._store.catalog.documents(bucket.id)) == ENFORCED
        extra = {} if enforced or not log.grants else {ACL_KIND: wire.acl_of_object(log, owner).dumps()}
        key = wire.object_key(log.prefix, now_ms, os.urandom(8).hex().upper())
        details = Details(_HEADERS, extra=extra)
        await objects.put(self._store, Draft(bucket, key, now_ms, new_nonce(), "STANDARD", owner, details), _Text(text))


class _Text:
    """Bytes at hand, for `store.receive`."""

    def __init__(self, text: bytes) -> None:
        self.length: int | None = len(text)
        self._left = [text]
        self._sums = Sums(checksums.DEFAULT)

    async def read(self) -> list[Piece]:
        left, self._left = self._left, []
        return [*left]

    def update(self, data: Piece) -> None:
        self._sums.update(data)

    def finish(self) -> Digest:
        return self._sums.finish()


def _line(logged: Logged, ended: Ended, now_ms: int) -> wire.Line:
    request, operation, caller = ended.request, logged.operation, logged.caller
    told = {name.lower(): value for name, value in ended.response.headers}
    target = request.path + (b"?" + request.query if request.query else b"")
    total_ms = int(ended.seconds * 1000)
    signature, authentication = _proof(request, caller)
    return wire.Line(
        logged.bucket.owner,
        logged.bucket.name,
        now_ms - total_ms,
        request.peer,
        caller.canonical_id or None,
        ended.request_id,
        wire.operation_name(
            request.method,
            operation.level.value.upper(),
            operation.keyword,
            copy="x-amz-copy-source" in operation.headers,
            part="partNumber" in operation.query,
        ),
        logged.key,
        redact_text(f"{request.method} {target.decode('latin-1')} HTTP/1.1"),
        ended.status,
        ended.code,
        ended.bytes_sent,
        _object_size(logged, ended, told),
        total_ms,
        request.text("referer"),
        request.text("user-agent"),
        told.get("x-amz-version-id"),
        told.get("x-amz-id-2"),
        signature,
        authentication,
        request.text("host"),
    )


def _proof(request: Request, caller: Caller) -> tuple[str | None, str | None]:
    """The version of the signature, and where it stood."""
    if caller.user is None:
        return None, None
    if caller.presigned:
        return ("SigV4" if b"X-Amz-Signature=" in request.query else "SigV2"), "QueryString"
    return "SigV4", "AuthHeader"


def _object_size(logged: Logged, ended: Ended, told: dict[str, str]) -> int | None:
    """The size of the whole object, where the request or the answer tells it."""
    if logged.key is None or ended.status >= 300 or logged.operation.keyword:
        return None
    if ended.request.method == "PUT":
        return ended.request.body.length
    total = told.get("content-range", "").rpartition("/")[2]
    if total.isdigit():
        return int(total)
    body = ended.response.body
    return ended.response.content_length or (len(body) if isinstance(body, bytes) else body.length)

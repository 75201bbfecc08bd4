"""The S3 door: from a request to an answer, the same few steps for every operation.

What is here knows no operation; `ops` holds them, `operation` finds them.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable
from typing import Protocol

import msgspec

from zakrom import errors
from zakrom.errors import Error
from zakrom.identity.doorman import Doorman
from zakrom.model import bucket_log
from zakrom.model.caller import ANONYMOUS
from zakrom.rules import access, payment
from zakrom.s3 import authority, cors, registry
from zakrom.s3.bucket_logs import Logged
from zakrom.s3.call import Call, DoorOptions
from zakrom.s3.operation import Operation, Router, Run
from zakrom.store import Store
from zakrom.web.message import Handler, Request, Response
from zakrom.wire import dates
from zakrom.wire.errors import code_of, error_xml, status_of
from zakrom.wire.headers import with_hoisted
from zakrom.wire.target import Targets

SYSTEM_PREFIX = b"/-/"
"""Paths of the server itself; no bucket can be called ``-``."""

OUR_FAULT = frozenset({500, 503})
"""Statuses an operator should read about. 501 and 507 are answers like any other."""

_NAMES_KEY = (errors.NoSuchKey, errors.ConditionalRequestConflict)
"""Errors that tell the key, which those who raise them do not always know."""

_NONE: dict[str, bytes] = {}

SERVER_HEADER = ("Server", "Zakrom")


class Note(msgspec.Struct):
    """What the door remembers of a request until its answer has been sent: for the access line and the metrics.

    Filled in while the request is on its way, so it also tells how far that one got.
    """

    request_id: str
    operation: str = "Unknown"
    code: str | None = None  # the error's
    access_key: str | None = None
    bucket: str | None = None
    key: str | None = None
    logged: Logged | None = None


class Answered(Protocol):
    """What `Queries` gives: the answer, and what the access line tells of it."""

    @property
    def response(self) -> Response: ...
    @property
    def operation(self) -> str: ...
    @property
    def code(self) -> str | None: ...
    @property
    def access_key(self) -> str | None: ...
    @property
    def error(self) -> Error | None: ...


class Queries(Protocol):
    """Another door on this port, which speaks the query protocol."""

    def wants(self, request: Request) -> bool:
        """Whether a request to ``/`` is for it."""
        ...

    async def __call__(self, request: Request, request_id: str) -> Answered:
        """The answer; never raises an `Error`."""
        ...


class Door:
    """Answers every request."""

    def __init__(
        self,
        store: Store,
        doorman: Doorman,
        options: DoorOptions,
        clock_ms: Callable[[], int],
        system: Handler,
        report: Callable[[Error, str], None],
        queries: Queries | None = None,
    ) -> None:
        """``system`` answers `SYSTEM_PREFIX`; ``report`` hears of errors that are the server's own, with the request id.

        ``queries`` answers calls of other services (IAM, STS) to ``/``.
        """
        self._queries = queries
        self._store = store
        self._doorman = doorman
        self._options = options
        self._clock_ms = clock_ms
        self._system = system
        self._report = report
        self._targets = Targets(options.domains)
        self._router = Router(registry.OPERATIONS.values())
        self._host_id = secrets.token_hex(16)
        self._series = secrets.token_hex(4).upper()  # random once a process, then counted: a request id need not be a secret
        self._count = itertools.count(1)
        self._ours = (SYSTEM_PREFIX, *(f"/{name}/".encode() for name in options.reserved_buckets))
        self._signed_off = (("x-amz-id-2", self._host_id), SERVER_HEADER)

    async def __call__(self, request: Request) -> Response:
        """The answer; never raises an `Error`."""
        if request.path.startswith(self._ours):
            return await self._system(request)
        note = Note(f"{self._series}{next(self._count):08X}")
        if request.path == b"/" and self._queries is not None and self._queries.wants(request):
            return await self._query(self._queries, request, note)
        try:
            response = await self._answer(request, note)
        except Error as error:
            note.code = code_of(error)
            response = self._refuse(error, request, note)
        response.headers += (("x-amz-request-id", note.request_id), *self._signed_off)
        if request.text("origin") is not None:
            response.headers += await cors.headers(self._store.catalog, request, note.bucket)
        response.note = note
        return response

    async def _query(self, queries: Queries, request: Request, note: Note) -> Response:
        answered = await queries(request, note.request_id)
        if answered.error is not None and answered.response.status in OUR_FAULT:
            self._report(answered.error, note.request_id)
        note.operation, note.code, note.access_key = answered.operation, answered.code, answered.access_key
        response = answered.response
        response.headers.append(SERVER_HEADER)
        response.note = note
        return response

    async def _answer(self, request: Request, note: Note) -> Response:
        host = request.text("host")
        target = self._targets.read(request.path, request.query, host)
        note.bucket = target.bucket
        if target.key is not None:
            note.key = target.key.decode()
        operation = self._router.match(request, target)
        note.operation = operation.name
        now_ms = self._clock_ms()
        if operation.early and operation.run is not None:
            early = Call(request, target, ANONYMOUS, None, None, self._store, self._options, note.request_id, now_ms, _NONE)
            return await operation.run(early)
        host_bucket = target.bucket if target.virtual_host else None
        caller, verified = await self._doorman.identify(request, target.query, now_ms, host_bucket)
        note.access_key = caller.access_key
        if caller.presigned:  # such URLs are used again; their signers move headers into the query, where they are covered
            self._targets.keep(request.path, request.query, host, target)
            request = request.with_headers(with_hoisted(request.headers, target.query))
        bucket, documents = None, _NONE
        if target.bucket is not None and operation.name != "CreateBucket":
            bucket = await self._store.catalog.bucket(target.bucket)
            documents = await self._store.catalog.documents(bucket.id)
            if bucket_log.KIND in documents:
                note.logged = Logged(bucket, documents[bucket_log.KIND], caller, operation, target.key)
        call = Call(request, target, caller, verified, bucket, self._store, self._options, note.request_id, now_ms, documents)
        return await _serve(call, operation)

    def _refuse(self, error: Error, request: Request, note: Note) -> Response:
        status = status_of(error)
        if status in OUR_FAULT:
            self._report(error, note.request_id)
        if isinstance(error, _NAMES_KEY) and note.key is not None:
            error.with_fields(key=note.key)
        fields = _headers_of(error)
        if request.method == "HEAD" or status == 304:
            return Response(status, fields)
        resource = request.path.decode("latin-1")
        body = error_xml(error, resource=resource, request_id=note.request_id, host_id=self._host_id)
        return Response(status, [("Content-Type", "application/xml"), *fields], body)


async def _serve(call: Call, operation: Operation) -> Response:
    """What the operation answers, if the caller may have it."""
    bucket = call.bucket_or_none
    plain = access.is_plainly_allowed(call.caller, bucket, call.documents)
    if not (plain or operation.open):
        await authority.authorise(call, operation)
    charged = False
    if bucket is not None:
        access.check_owner(call.header("x-amz-expected-bucket-owner"), bucket)
        if payment.KIND in call.documents:
            charged = payment.charged(call.documents[payment.KIND], bucket, call.caller, call.header("x-amz-request-payer"))
    if operation.run is None:
        raise errors.NotServed(f"{operation.name} is not implemented.", header=operation.keyword or None)
    response = await (operation.run(call) if plain or operation.headers else _veiled(operation.run, call))
    if charged:
        response.headers.append(("x-amz-request-charged", "requester"))
    return response


async def _veiled(run: Run, call: Call) -> Response:
    """The answer for a caller who may not be allowed to know which keys there are; a copy says so of its source itself."""
    try:
        return await run(call)
    except (errors.NoSuchKey, errors.NoSuchVersion) as error:
        raise await authority.veil(call, authority.place_of(call), error) from None


def _headers_of(error: Error) -> list[tuple[str, str]]:
    """Facts of an error that S3 tells in headers; they leave the XML."""
    fields = error.fields
    found: list[tuple[str, str]] = []
    marker = fields.pop("delete_marker", None)
    modified_ms = fields.pop("last_modified_ms", None)
    if marker is not None:
        found += [("x-amz-delete-marker", "true"), ("x-amz-version-id", str(marker))]
    if modified_ms is not None:
        found.append(("Last-Modified", dates.http_date(int(modified_ms))))
    if isinstance(error, errors.MethodNotAllowed):
        found.append(("Allow", "DELETE" if marker is not None else "GET, HEAD, PUT, POST, DELETE"))
    if isinstance(error, errors.InvalidRange):
        found.append(("Content-Range", f"bytes */{fields.get('actual_object_size')}"))
    region = fields.get("region")
    if region is not None:
        found.append(("x-amz-bucket-region", str(region)))
    return found

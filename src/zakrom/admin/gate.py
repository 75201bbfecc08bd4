"""The gate before the calls: nobody gets to the framework who has not signed, nothing that is too large or too slow.

An ASGI middleware. In this order: the signature is checked (from the head alone), the body is read within its limits and held
against the hash that was signed, the call is made. Around that: a request id, headers that keep answers out of caches, one
record for the log and the metrics.

Presigned URLs do not open this door: a link that was made for one object and leaked must never administrate. Nor does a body
that was not signed: over plain HTTP the signature is all that stands between a stranger on the way and a key of their own.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zakrom import errors
from zakrom.admin.actions import Action
from zakrom.admin.dress import UNSIGNED_HINT, dressed
from zakrom.admin.names import Random
from zakrom.errors import Error
from zakrom.identity.doorman import Doorman
from zakrom.model.caller import ANONYMOUS, Caller
from zakrom.web.message import Request
from zakrom.wire.sigv4 import UNSIGNED_PAYLOAD
from zakrom.wire.target import Query

BODY_BYTES_MAX = 64 * 1024
"""The largest body of a call; the largest that makes sense is a new user of some 600 bytes."""

BODY_SECONDS_MAX = 10.0
"""How long a body may take to arrive: a few packets, over the worst of links."""

HEALTH_PATH = "/api/v1/health"
PUBLIC = {
    HEALTH_PATH: Action.GET_HEALTH,
    "/openapi.json": Action.GET_DOCUMENTATION,
    "/docs": Action.GET_DOCUMENTATION,
}
"""What is answered without a signature: none of it tells of anybody's data. All else asks for one, also what does not exist."""

_CLOSE = (b"connection", b"close")
_DRESS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    (b"server", b"Zakrom"),
)
_LENGTH = re.compile(rb"\d{1,12}", re.ASCII)


class Served(NamedTuple):
    """One call that has been answered, for the access line and the metrics."""

    request_id: str
    peer: str
    method: str
    path: str
    action: str
    status: int
    seconds: float
    bytes_in: int
    bytes_out: int
    code: str | None
    access_key: str | None
    user_agent: str | None


class Gate:
    """The middleware."""

    def __init__(
        self,
        app: ASGIApp,
        doorman: Doorman,
        clock_ms: Callable[[], int],
        random: Random,
        report: Callable[[Served], None],
    ) -> None:
        self._app = app
        self._doorman = doorman
        self._clock_ms = clock_ms
        self._random = random
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; other kinds of scopes (lifespan) go by."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = _Visit(scope, receive, send, self._random(8).hex().upper())
        state = visit.state
        try:
            if scope["path"] not in PUBLIC:
                state["caller"] = await self._admit(visit)
            await self._app(scope, visit.receive, visit.send)
        except Error as error:
            await visit.refuse(error)
        except Exception:
            # A bug: the caller gets a document like any other, and the server, which logs what we raise, its traceback.
            await visit.refuse(Error())
            raise
        finally:
            self._report(visit.served())

    async def _admit(self, visit: _Visit) -> Caller:
        """Who is calling; the body is then at hand. Raises what `Doorman.identify` and `read_body` do, and `AccessDenied`."""
        scope = visit.scope
        raw_path = scope.get("raw_path") or scope["path"].encode()
        peer = scope["client"][0] if scope.get("client") else ""
        query = Query(scope["query_string"])
        request = Request(
            scope["method"], raw_path, query.raw, scope["headers"], _Unread(), peer, scope.get("scheme") == "https"
        )
        caller, verified = await self._doorman.identify(request, query, self._clock_ms())
        if caller.user is None or verified is None:
            raise errors.AccessDenied(hint=UNSIGNED_HINT)
        if caller.presigned:
            raise errors.AccessDenied("Presigned URLs are not accepted here.", hint=UNSIGNED_HINT)
        await visit.read_body()
        _check_hash(verified.payload, visit.body)
        return caller


class _Unread:
    """The body as the doorman sees it: not there. Signatures are checked from the head."""

    length: int | None = None

    async def read(self) -> bytes:
        return b""


class _Visit:
    """One request on its way through: the body read ahead, the answer's head completed, what happened noted."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        self.scope = scope
        self.request_id = request_id
        self.state: dict[str, Any] = scope.setdefault("state", {})  # what the calls see as `request.state`
        self.state |= {"action": PUBLIC.get(scope["path"], Action.UNKNOWN), "caller": ANONYMOUS, "code": None}
        self.body = b""
        self._receive = receive
        self._send = send
        self._headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        self._owed = _owes_body(self._headers)  # the client may still be sending, or waiting for a 100 Continue
        self._handed_over = False
        self._started = time.perf_counter()
        self._status = 0
        self._sent = 0

    async def read_body(self) -> None:
        """Reads all of the body. Raises `MaxMessageLengthExceeded`, `RequestTimeout`, `IncompleteBody`."""
        if not self._owed:
            return
        declared = self._headers.get(b"content-length", b"0")
        if not _LENGTH.fullmatch(declared) or int(declared) > BODY_BYTES_MAX:
            raise _too_large()
        pieces = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                more = True
                while more:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise errors.IncompleteBody
                    pieces += message.get("body", b"")
                    if len(pieces) > BODY_BYTES_MAX:
                        raise _too_large()
                    more = message.get("more_body", False)
        except TimeoutError:
            raise errors.RequestTimeout from None
        self.body = bytes(pieces)
        self._owed = False

    async def receive(self) -> Message:
        """The body in one piece; then what the server says (that the client has left)."""
        if self._owed or self._handed_over:
            return await self._receive()
        self._handed_over = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Message) -> None:
        """Completes the head; counts."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            own = [*_DRESS, (b"x-amz-request-id", self.request_id.encode())]
            # An answer before the body was read: the connection cannot be used again, and the client must know.
            message = {**message, "headers": [*message.get("headers", ()), *own, *([_CLOSE] if self._owed else ())]}
        elif message["type"] == "http.response.body":
            self._sent += len(message.get("body", b""))
        await self._send(message)

    async def refuse(self, error: Error) -> None:
        """Answers with an error, if nothing was answered yet."""
        if self._status:
            return
        status, body = dressed(error)
        self.state["code"] = type(error).__name__
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def served(self) -> Served:
        """What happened."""
        caller: Caller = self.state["caller"]
        agent = self._headers.get(b"user-agent")
        return Served(
            self.request_id,
            self.scope["client"][0] if self.scope.get("client") else "",
            self.scope["method"],
            self.scope["path"],
            self.state["action"],
            self._status or 500,  # the client went away before there was an answer
            time.perf_counter() - self._started,
            len(self.body),
            self._sent,
            self.state["code"],
            caller.access_key,
            agent.decode("latin-1") if agent else None,
        )


def _owes_body(headers: dict[bytes, bytes]) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def _too_large() -> Error:
    return errors.MaxMessageLengthExceeded(max_message_length_bytes=BODY_BYTES_MAX)


def _check_hash(declared: str, body: bytes) -> None:
    """Raises `XAmzContentSHA256Mismatch` if the body is not the one that was signed, or was not signed."""
    if declared == UNSIGNED_PAYLOAD and not body:
        return
    computed = hashlib.sha256(body).hexdigest()
    if not hmac.compare_digest(declared.lower().encode(), computed.encode()):
        raise errors.XAmzContentSHA256Mismatch(
            client_computed_content_sha256=declared,
            s3_computed_content_sha256=computed,
            hint="the body of a call is signed: x-amz-content-sha256 is its SHA-256",
        )

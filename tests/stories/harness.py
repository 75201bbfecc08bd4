"""S3 without sockets: the real door over a real store, asked with real signatures.

A catalog with its writer process, blobs on disk, the door as `compose` makes it. What is left out is HTTP: a request is made as
the adapters make it, and the answer's body is read as they read it. So a story says exactly what it sends, and sees all of what
comes back.
"""

# ruff: noqa: ANN401 - what it passes on has the types of those it passes it to

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
import xml.etree.ElementTree as ET
from base64 import b64encode
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, quote_from_bytes, urlsplit

from zakrom.blobs.local import LocalBlobs
from zakrom.catalog.changes import OpenGeneration, PutAccessKey, PutUser
from zakrom.catalog.client import SqliteCatalog
from zakrom.crypt.ring import KeyRing
from zakrom.errors import Error
from zakrom.iam.action import Tools
from zakrom.iam.door import QueryDoor
from zakrom.iam.oidc import Verifier
from zakrom.identity.doorman import Doorman, Rules
from zakrom.identity.sessions import Sealer
from zakrom.model.facts import AccessKey, User
from zakrom.s3.call import DoorOptions
from zakrom.s3.door import Door, Note
from zakrom.s3.system import System
from zakrom.store import Store, StoreOptions
from zakrom.testing.catalog_site import SqliteSite
from zakrom.web.message import Disconnected, FileRange, Handler, Request, Stream
from zakrom.wire.sigv4 import UNSIGNED_PAYLOAD, Credentials, presign, sign_headers

T = TypeVar("T")

HOST = "s3.example.org"
REGIONS = ("us-east-1", "eu-north-1", "eu-west-1")
STEP_SECONDS = 60.0
"""No request of a story takes longer: a hang must end."""

ROOT = Credentials("root-key", "root-secret")
ALICE = Credentials("alice-key", "alice-secret")
BOB = Credentials("bob-key", "bob-secret")
USERS = {"root": ROOT, "alice": ALICE, "bob": BOB}
MIB = 1024 * 1024


def canonical_id(name: str) -> str:
    """The canonical id of a user of these stories."""
    return hashlib.sha256(name.encode()).hexdigest()


class Answer:
    """What came back, with the views of it that stories want."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes, length: int, operation: str) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.all_headers = [(name.lower(), value) for name, value in headers]
        self.body = body
        self.length = length  # what Content-Length would say
        self.operation = operation  # the door's own word for what was asked

    def __repr__(self) -> str:
        return f"Answer({self.status} {self.operation}, {self.headers}, {self.body[:600]!r})"

    @property
    def xml(self) -> ET.Element:
        """The document, without namespaces."""
        root = ET.fromstring(self.body)
        for node in root.iter():
            node.tag = node.tag.rpartition("}")[2]
        return root

    def text(self, path: str) -> str | None:
        """The text of the first element there."""
        return self.xml.findtext(path)

    def texts(self, path: str) -> list[str]:
        """The texts of all elements there."""
        return [node.text or "" for node in self.xml.findall(path)]

    @property
    def code(self) -> str | None:
        """The error's code."""
        return self.text("Code") if self.body.startswith(b"<?xml") and b"<Error>" in self.body[:100] else None

    @property
    def error(self) -> tuple[int, str | None]:
        """Status and code: what most refusals are about."""
        return self.status, self.code

    @property
    def fields(self) -> dict[str, str]:
        """The elements of an error, but for those that every error has."""
        common = {"Code", "Message", "Resource", "RequestId", "HostId"}
        return {node.tag: node.text or "" for node in self.xml if node.tag not in common}

    @property
    def etag(self) -> str:
        """The header, as it came."""
        return self.headers["etag"]


class SentBody:
    """A request's body in pieces. ``waiting``: whether anybody has asked for it (and so for ``100 Continue``)."""

    def __init__(self, pieces: list[bytes], length: int | None, *, cut: bool = False) -> None:
        self.length = length
        self.waiting = True
        self._pieces = [piece for piece in pieces if piece]
        self._cut = cut

    async def read(self) -> bytes:
        """The next piece."""
        self.waiting = False
        if self._pieces:
            return self._pieces.pop(0)
        if self._cut:
            raise Disconnected
        return b""


class Watched:
    """The catalog, with a record of what was asked of it: (method, rows or 1)."""

    def __init__(self, catalog: SqliteCatalog) -> None:
        self._catalog = catalog
        self.seen: list[tuple[str, int]] = []
        self.statements: list[str] = []
        catalog._reads._connection.set_trace_callback(self.statements.append)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._catalog, name)
        if not asyncio.iscoroutinefunction(method):
            return method

        async def watched(*args: Any, **kwargs: Any) -> Any:
            result = await method(*args, **kwargs)
            self.seen.append((name, len(result) if isinstance(result, list) else 1))
            return result

        return watched


class S3:
    """The door and all behind it, for as long as a session of tests."""

    def __init__(self, directory: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._site = SqliteSite(directory)
        self._site.start()  # forks: before there is any thread
        self.reported: list[Error] = []
        self.operations: set[str] = set()
        self.skew_ms = 0
        self.directory = directory
        self._names = iter(range(10**9))
        self.run(self._open(directory))

    async def _open(self, directory: Path) -> None:
        self.watched = Watched(await self._site.open())
        self.catalog: SqliteCatalog = self.watched  # type: ignore[assignment]
        self.blobs = LocalBlobs(directory / "blobs")
        self.blobs.adopt(await self.catalog.apply(OpenGeneration(self.now_ms())))
        self.ring = KeyRing(directory / "key-ring", self.now_ms)
        self.store = Store(self.catalog, self.blobs, StoreOptions(0, 0, sendfile=False), keys=self.ring)
        for name, credentials in USERS.items():
            user = User(name, canonical_id(name), name.title(), f"{name}@example.org", self.now_ms(), root=name == "root")
            await self.catalog.apply(PutUser(user))
            await self.catalog.apply(PutAccessKey(AccessKey(credentials.access_key, credentials.secret, name, self.now_ms())))
        self.door = self.make_door()

    def make_door(self, domains: tuple[str, ...] = (), *, sigv2: bool = True, **more: Any) -> Door:
        """Another door to the same store."""
        options = DoorOptions(REGIONS, domains, frozenset({"minio"}), sigv2=sigv2, **more)

        async def metrics() -> bytes:
            return b""

        sealer = Sealer(b"k" * 32, secrets.token_bytes)
        doorman = Doorman(self.catalog, Rules(REGIONS, sigv2), sealer)
        return Door(
            self.store,
            doorman,
            options,
            self.now_ms,
            System(self.catalog.ready, metrics),
            lambda error, _id: self.reported.append(error),
            QueryDoor(Tools(self.catalog, sealer, Verifier(), secrets.token_bytes), doorman, self.now_ms),
        )

    def now_ms(self) -> int:
        """The door's clock; ``skew_ms`` moves it."""
        return time.time_ns() // 1_000_000 + self.skew_ms

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs something in the store's loop; bounded."""
        return self._loop.run_until_complete(asyncio.wait_for(work, STEP_SECONDS))

    def close(self) -> None:
        """Ends the writer and all else."""
        self.run(self.store.close())
        self._loop.close()
        self._site.close()

    # ---------------------------------------------------------------------------------------------------------- asking

    def ask(
        self,
        method: str,
        path: str | bytes,
        query: Mapping[str, str] | str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        who: Credentials | None = ROOT,
        **more: Any,
    ) -> Answer:
        """One request, answered: ``path`` is not yet percent-encoded (bytes: sent as they are). See `request`."""
        return self.run(self.answer(self.request(method, path, query, headers, body, who, **more)))

    def ask_all(self, requests: list[Request]) -> list[Answer]:
        """Requests at the same time."""

        async def work() -> list[Answer]:
            return list(await asyncio.gather(*(self.answer(one) for one in requests)))

        return self.run(work())

    def request(
        self,
        method: str,
        path: str | bytes,
        query: Mapping[str, str] | str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        who: Credentials | None = ROOT,
        *,
        host: str = HOST,
        payload: str | None = None,
        pieces: list[bytes] | None = None,
        length: int | None = -1,
        cut: bool = False,
        extra: list[tuple[str, str]] | None = None,
        secure: bool = False,
        peer: str = "127.0.0.1",
    ) -> Request:
        """A signed request (``who`` None: not signed).

        Args:
            method: of HTTP.
            path: not yet percent-encoded; bytes are sent as they are.
            query: pairs, to be encoded; or a string that is sent as it is.
            headers: signed where SigV4 wants it.
            body: hashed into the signature, unless ``payload`` says something else.
            who: whose key.
            host: the Host header.
            payload: x-amz-content-sha256.
            pieces: how the body arrives.
            length: Content-Length, -1 for that of the body.
            cut: the client leaves in mid-body.
            extra: headers added behind the signature's back.
            secure: over TLS.
            peer: where it comes from.
        """
        target = path.decode("latin-1") if isinstance(path, bytes) else quote(path, safe="/-._~")
        text = query if isinstance(query, str) else encode_query(query)
        sent: dict[str, str] = {"host": host} | {name.lower(): value for name, value in (headers or {}).items()}
        if who is not None:
            digest = payload or hashlib.sha256(body).hexdigest()
            whole = f"{target}?{text}" if text else target
            sent = sign_headers(who, method, whole, sent, now_ms=self.now_ms(), payload=digest)
        elif payload is not None:
            sent["x-amz-content-sha256"] = payload
        listed = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
        listed += [(name.lower().encode(), value.encode("latin-1")) for name, value in extra or []]
        known = len(body) if length == -1 else length
        if known is not None:
            listed.append((b"content-length", str(known).encode()))
        sent_body = SentBody(pieces if pieces is not None else [body], known, cut=cut)
        return Request(method, target.encode("latin-1"), text.encode("latin-1"), listed, sent_body, peer, secure)

    def presigned(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | str = "",
        *,
        who: Credentials = ROOT,
        expires_seconds: int = 60,
        signed_headers: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        age_ms: int = 0,
    ) -> Answer:
        """A request by a presigned URL, made ``age_ms`` ago. ``signed_headers`` are signed, ``headers`` only sent."""
        text = query if isinstance(query, str) else encode_query(query)
        url = f"http://{HOST}{quote(path, safe='/-._~')}" + (f"?{text}" if text else "")
        made = presign(who, method, url, now_ms=self.now_ms() - age_ms, expires_seconds=expires_seconds, headers=signed_headers)
        split = urlsplit(made)
        sent = {**(signed_headers or {}), **(headers or {})}
        return self.ask(method, split.path.encode(), split.query, sent, body, None)

    async def answer(self, request: Request, door: Handler | None = None) -> Answer:
        """The door's answer, its body read to the end as an adapter would."""
        response = await (door or self.door)(request)
        body = b""
        if isinstance(response.body, bytes):
            body = response.body
        elif isinstance(response.body, FileRange):
            raise TypeError("sendfile is off here")
        else:
            body = await _read(response.body)
        note = response.note
        if request.method == "HEAD" or response.status in {204, 304}:  # adapters send no body then
            assert note is None or not body, "the door made a body for nothing"
            body = b""
        operation = note.operation if isinstance(note, Note) else ""
        if response.status < 300:
            self.operations.add(operation)
        length = len(body) if response.content_length is None else response.content_length
        return Answer(response.status, response.headers, body, length, operation)

    # ---------------------------------------------------------------------------------------------- what stories do often

    def bucket(self, who: Credentials = ROOT, versioning: str | None = None) -> str:
        """A new bucket, ``/name``."""
        name = f"/story-{next(self._names)}-bucket"
        assert self.ask("PUT", name, who=who).status == 200
        if versioning:
            self.versioning(name, versioning)
        return name

    def versioning(self, bucket: str, status: str) -> None:
        """Enabled or Suspended."""
        body = f"<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>".encode()
        assert self.ask("PUT", bucket, "versioning", body=body).status == 200

    def put(self, path: str, body: bytes = b"", **headers: str) -> Answer:
        """A PUT that must succeed; header names with underscores for hyphens."""
        answer = self.ask("PUT", path, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body)
        assert answer.status == 200, answer
        return answer

    def upload(self, path: str, **headers: str) -> str:
        """A new multipart upload; its id."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.ask("POST", path, "uploads", sent)
        assert answer.status == 200, answer
        return answer.text("UploadId") or ""

    def part(self, path: str, upload: str, number: int, body: bytes, **headers: str) -> Answer:
        """A part."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("PUT", path, {"partNumber": str(number), "uploadId": upload}, sent, body)

    def complete(self, path: str, upload: str, parts: list[tuple[int, str]] | str, **headers: str) -> Answer:
        """CompleteMultipartUpload with (number, ETag), or with elements."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, {"uploadId": upload}, sent, complete_xml(parts))

    def multipart(self, path: str, *bodies: bytes, **headers: str) -> Answer:
        """An object uploaded in parts."""
        upload = self.upload(path, **headers)
        parts = [(number, self.part(path, upload, number, body).etag) for number, body in enumerate(bodies, 1)]
        answer = self.complete(path, upload, parts)
        assert answer.status == 200, answer
        return answer

    def keys(self, bucket: str) -> list[str]:
        """All current keys, by V2."""
        return self.ask("GET", bucket, "list-type=2").texts("Contents/Key")

    def blob_files(self) -> int:
        """How many blobs lie on disk."""
        return sum(1 for _ in self.blobs.all())


async def _read(stream: Stream) -> bytes:
    try:
        return b"".join([bytes(piece) async for piece in stream.pieces])
    finally:
        stream.close()


def encode_query(pairs: Mapping[str, str]) -> str:
    """Pairs, percent-encoded."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs.items())


def key_path(bucket: str, key: bytes) -> bytes:
    """The path of a key of any bytes."""
    return f"{bucket}/{quote_from_bytes(key, safe='/')}".encode()


def complete_xml(parts: list[tuple[int, str]] | str) -> bytes:
    """The body of CompleteMultipartUpload."""
    if not isinstance(parts, str):
        parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in parts)
    return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()


def md5_of(body: bytes) -> str:
    """As Content-MD5 carries it."""
    return b64encode(hashlib.md5(body).digest()).decode()


def delete_xml(objects: str, *, quiet: bool = False) -> bytes:
    """The body of DeleteObjects."""
    return f"<Delete>{'<Quiet>true</Quiet>' if quiet else ''}{objects}</Delete>".encode()


def chunked(*chunks: bytes, trailers: str = "", size: str = "{:x}") -> bytes:
    """An unsigned aws-chunked body."""
    framed = b"".join(size.format(len(chunk)).encode() + b"\r\n" + chunk + b"\r\n" for chunk in chunks)
    return framed + b"0\r\n" + trailers.encode() + b"\r\n"


__all__ = [
    "ALICE",
    "BOB",
    "HOST",
    "MIB",
    "ROOT",
    "S3",
    "UNSIGNED_PAYLOAD",
    "Answer",
    "canonical_id",
    "chunked",
    "complete_xml",
    "delete_xml",
    "encode_query",
    "key_path",
    "md5_of",
]

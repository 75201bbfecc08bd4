"""A process's view of the catalog: reads of its own, changes through the writer.

Reads are plain calls on a read-only connection, in the event loop's thread, finished before they return. Changes of one turn of
the loop leave in one frame. What is asked with every request (buckets, documents, keys, users) is remembered; the writer tells
all clients to forget before it answers a change of such a thing, so memory is never older than an acknowledgement. Without a
connection nothing is remembered at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec

from zakrom import errors
from zakrom.catalog import changes, frames, reads
from zakrom.catalog.changes import Change, Deleted, Inline, Written
from zakrom.catalog.interface import Found, Space
from zakrom.model.facts import (
    AccessKey,
    BlobFacts,
    Bucket,
    Damage,
    KeyUse,
    Listed,
    Manifest,
    Part,
    Upload,
    Usage,
    User,
    Version,
    VersionId,
)
from zakrom.model.iam import Realm
from zakrom.model.names import account_number

log = logging.getLogger(__name__)

FRAME_BYTES_SOFT = 1024 * 1024
"""A frame is closed when it holds this much, so that the writer can begin with it."""

PENDING_MAX = 4_096
"""Changes of one process under way: 128 MiB at worst. Beyond, callers are asked to slow down."""

REMEMBERED_MAX = 20_000
"""Buckets, documents, keys and users remembered; beyond, all are forgotten: who has more reads each again, for 10 µs."""

RECONNECT_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Waits between attempts to reach a writer that is gone; the last repeats."""

CONNECT_SECONDS_MAX = 30.0
"""How long `connect` waits for a writer that is starting: recovery of a large WAL and migrations included."""

READY_SECONDS_MAX = 2.0
"""A writer that does not answer within this time is not ready."""

_messages = msgspec.msgpack.Decoder(list[tuple[int, int, msgspec.Raw]]).decode
_error = msgspec.msgpack.Decoder(tuple[str, str, dict[str, Any]]).decode
_any = msgspec.msgpack.Decoder().decode

_RESULTS: dict[type, Callable[[msgspec.Raw], Any]] = {
    changes.PutVersion: msgspec.msgpack.Decoder(Written).decode,
    changes.CompleteUpload: msgspec.msgpack.Decoder(Written).decode,
    changes.DeleteVersion: msgspec.msgpack.Decoder(Deleted).decode,
    changes.CreateBucket: msgspec.msgpack.Decoder(Bucket).decode,
    changes.SetDetails: msgspec.msgpack.Decoder(Version).decode,
    changes.CreateUpload: msgspec.msgpack.Decoder(Upload).decode,
    changes.PutPart: msgspec.msgpack.Decoder(Part).decode,
    frames.AskStats: msgspec.msgpack.Decoder(frames.Stats).decode,
}
"""How the answer of a change is decoded; all others are plain (None, bool, int)."""


async def connect(
    directory: str, socket_path: str, on_reconnect: Callable[[SqliteCatalog], Awaitable[None]] | None = None
) -> SqliteCatalog:
    """The catalog in ``directory``, whose writer listens on ``socket_path``; waits until that has opened it.

    ``on_reconnect`` is awaited each time a lost connection is back, before any further change is sent: generations that this
    process opened are closed then, so who stages blobs opens a new one there. Raises `ServiceUnavailable`.
    """
    link = _Link(socket_path)
    try:
        async with asyncio.timeout(CONNECT_SECONDS_MAX):
            await link.dial_until_open()
    except TimeoutError:
        await link.close()
        raise errors.ServiceUnavailable("The catalog's writer does not answer.") from None
    catalog = SqliteCatalog(directory, link)
    if on_reconnect is not None:
        link.on_reconnect = lambda: on_reconnect(catalog)
    return catalog


class SqliteCatalog:
    """Implements `interface.Catalog` over SQLite. Made by `connect`; belongs to one event loop."""

    def __init__(self, directory: str, link: _Link) -> None:
        self._directory = directory
        self._reads = reads.Reads(directory)
        self._link = link
        self._memory = link.memory

    # ------------------------------------------------------------------------------------------------- remembered

    async def bucket(self, name: str) -> Bucket:
        """See `Catalog`."""
        known = self._memory.get(("bucket", name))
        if known is None:
            known = self._reads.bucket(name)
            self._link.remember(("bucket", name), known)
        return known

    async def document(self, bucket: int, kind: str) -> bytes | None:
        """See `Catalog`. That there is none is remembered too."""
        place = ("document", bucket, kind)
        known = self._memory.get(place, _UNKNOWN)
        if known is _UNKNOWN:
            known = self._reads.document(bucket, kind)
            self._link.remember(place, known)
        return known  # type: ignore[no-any-return]

    async def documents(self, bucket: int) -> dict[str, bytes]:
        """See `Catalog`."""
        place = ("documents", bucket)
        known = self._memory.get(place)
        if known is None:
            known = self._reads.documents(bucket)
            self._link.remember(place, known)
        return known

    async def quota(self, bucket: int | None) -> int | None:
        """See `Catalog`. That there is none is remembered too: most stores have none, and every write asks."""
        place = ("quota", bucket)
        known = self._memory.get(place, _UNKNOWN)
        if known is _UNKNOWN:
            known = self._reads.space(bucket).quota_bytes
            self._link.remember(place, known)
        return known  # type: ignore[no-any-return]

    async def access_key(self, key: str) -> tuple[AccessKey, User] | None:
        """See `Catalog`."""
        known = self._memory.get(("key", key))
        if known is None:
            known = self._reads.access_key(key)
            if known is not None:
                self._link.remember(("key", key), known)
        return known

    async def user_by_canonical_id(self, canonical_id: str) -> User | None:
        """See `Catalog`."""
        known = self._memory.get(("user", canonical_id))
        if known is None:
            known = self._reads.user_by_canonical_id(canonical_id)
            if known is not None:
                self._link.remember(("user", canonical_id), known)
        return known

    async def realm(self, account: str) -> Realm:
        """See `Catalog`."""
        known = self._memory.get(("realm", account))
        if known is None:
            known = self._reads.realm(account)
            self._link.remember(("realm", account), known)
        return known

    async def account_of(self, number: str) -> str | None:
        """See `Catalog`."""
        known = self._memory.get(("numbers",))
        if known is None:
            accounts = [user.canonical_id for user in self._reads.users() if not user.account]
            known = {account_number(canonical_id): canonical_id for canonical_id in accounts}
            self._link.remember(("numbers",), known)
        return known.get(number)

    # ------------------------------------------------------------------------------------------------- read each time

    async def buckets(self, owner: str | None, prefix: str, after: str, limit: int) -> list[Bucket]:
        """See `Catalog`."""
        return self._reads.buckets(owner, prefix, after, limit)

    async def usage(self, bucket: int | None) -> Usage:
        """See `Catalog`."""
        return self._reads.usage(bucket)

    async def space(self, bucket: int | None) -> Space:
        """See `Catalog`."""
        return self._reads.space(bucket)

    async def find(self, bucket: int, key: bytes, version: VersionId | None = None) -> Found | None:
        """See `Catalog`."""
        return self._reads.find(bucket, key, version)

    async def objects(self, bucket: int, prefix: bytes, after: bytes, inclusive: bool, limit: int) -> list[Listed]:
        """See `Catalog`."""
        return self._reads.objects(bucket, prefix, after, inclusive, limit)

    async def versions(
        self,
        bucket: int,
        prefix: bytes,
        after: bytes,
        after_seq: int | None,
        inclusive: bool,
        limit: int,
    ) -> list[Version]:
        """See `Catalog`."""
        return self._reads.versions(bucket, prefix, after, after_seq, inclusive, limit)

    async def manifest(self, manifest: int) -> Manifest | None:
        """See `Catalog`."""
        return self._reads.manifest(manifest)

    async def blob(self, blob: int, first_block: int = 0, blocks: int | None = None) -> BlobFacts | None:
        """See `Catalog`."""
        return self._reads.blob(blob, first_block, blocks)

    async def upload(self, bucket: int, key: bytes, upload: str) -> Upload:
        """See `Catalog`."""
        return self._reads.upload(bucket, key, upload)

    async def uploads(
        self,
        bucket: int,
        prefix: bytes,
        after: bytes,
        after_id: str | None,
        inclusive: bool,
        limit: int,
    ) -> list[Upload]:
        """See `Catalog`."""
        return self._reads.uploads(bucket, prefix, after, after_id, inclusive, limit)

    async def parts(self, bucket: int, key: bytes, upload: str, after: int, limit: int) -> tuple[Upload, list[Part]]:
        """See `Catalog`."""
        return self._reads.parts(bucket, key, upload, after, limit)

    async def user(self, name: str) -> User:
        """See `Catalog`."""
        return self._reads.user(name)

    async def users(self) -> list[User]:
        """See `Catalog`."""
        return self._reads.users()

    async def key_use(self, key: str) -> KeyUse | None:
        """See `Catalog`."""
        return self._reads.key_use(key)

    async def access_keys(self, user: str | None) -> list[AccessKey]:
        """See `Catalog`."""
        return self._reads.access_keys(user)

    async def retired(self, before_ms: int, limit: int) -> list[tuple[int, int]]:
        """See `Catalog`."""
        return self._reads.retired(before_ms, limit)

    async def blobs(self, after: int, limit: int, *, inline: bool = False) -> list[BlobFacts]:
        """See `Catalog`."""
        return self._reads.blobs(after, limit, inline=inline)

    async def sealed(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """See `Catalog.sealed`."""
        return self._reads.sealed(after, limit)

    async def known_blobs(self, ids: list[int]) -> set[int]:
        """See `Catalog`."""
        return self._reads.known_blobs(ids)

    async def namers(self, blob: int, limit: int) -> list[tuple[str, Version]]:
        """See `Catalog`. In a thread with a connection of its own: it may take seconds."""
        return await asyncio.to_thread(_namers, self._directory, blob, limit)

    async def generations(self) -> list[tuple[int, bool]]:
        """See `Catalog`."""
        return self._reads.generations()

    async def damages(self) -> list[Damage]:
        """See `Catalog`."""
        return self._reads.damages()

    async def job(self, name: str) -> bytes | None:
        """See `Catalog`."""
        return self._reads.job(name)

    async def due(self, before_ms: int, limit: int) -> list[tuple[int, bytes, int]]:
        """See `Catalog`."""
        return self._reads.due(before_ms, limit)

    async def surveys(self) -> int:
        """See `Catalog`."""
        return self._reads.surveys()

    async def spare_bytes(self) -> int:
        """Bytes inside the catalog's file that inline objects can take even when the disk is full."""
        return self._reads.spare_bytes()

    # ------------------------------------------------------------------------------------------------- changes

    async def apply(self, change: Change) -> Any:
        """See `Catalog`. A caller that is cancelled learns nothing; the change goes on."""
        return await self._link.send(change)

    async def ready(self) -> None:
        """See `Catalog`: the writer has answered just now."""
        await self.stats()

    async def stats(self) -> frames.Stats:
        """What the writer has done since it started. Raises `ServiceUnavailable`."""
        try:
            async with asyncio.timeout(READY_SECONDS_MAX):
                return await self._link.send(frames.AskStats())  # type: ignore[no-any-return]
        except (TimeoutError, errors.OutcomeUnknown):
            raise errors.ServiceUnavailable("The catalog's writer does not answer.") from None

    async def backup(self, directory: str) -> None:
        """See `Catalog`. The loop goes on meanwhile."""
        await asyncio.to_thread(reads.backup, self._directory, directory)

    async def close(self) -> None:
        """See `Catalog`."""
        await self._link.close()
        self._reads.close()


class _Unknown:
    """Not remembered, where None is something to remember."""


_UNKNOWN = _Unknown()

Waiting = tuple[asyncio.Future[Any], Callable[[msgspec.Raw], Any]]


class _Link(asyncio.Protocol):
    """The connection to the writer: one at a time, made again when it is lost, and the memory that depends on it."""

    def __init__(self, socket_path: str) -> None:
        self.memory: dict[Any, Any] = {}
        self.on_reconnect: Callable[[], Awaitable[None]] | None = None
        self._path = socket_path
        self._transport: asyncio.WriteTransport | None = None
        self._open = False
        self._opened: asyncio.Future[None] | None = None
        self._splitter = frames.Splitter()
        self._number = 0
        self._waiting: dict[int, Waiting] = {}
        self._unsent: list[tuple[int, Any]] = []
        self._closed = False
        self._lost = asyncio.Event()
        self._again: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------------------------------------- sending

    async def send(self, message: Change | frames.AskStats) -> Any:
        """Sends with the others of this turn of the loop, and waits for the answer."""
        if not self._open or (self._renewing is not None and asyncio.current_task() is not self._renewing):
            raise errors.ServiceUnavailable("The catalog's writer is not connected.")
        if len(self._waiting) >= PENDING_MAX:
            raise errors.SlowDown
        self._number = number = self._number + 1
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting[number] = (future, _RESULTS.get(type(message), _any))
        if not self._unsent:
            loop.call_soon(self._flush)
        self._unsent.append((number, message))
        return await future

    def remember(self, place: Any, fact: Any) -> None:
        """Keeps a fact until the writer says to forget."""
        if not self._open:
            return
        if len(self.memory) >= REMEMBERED_MAX:
            self.memory.clear()
        self.memory[place] = fact

    def _flush(self) -> None:
        """Sends what has gathered, in frames of a limited size."""
        unsent, self._unsent = self._unsent, []
        if not self._open or self._transport is None:
            return  # connection_lost has answered them
        some: list[tuple[int, Any]] = []
        size = 0
        for number, message in unsent:
            some.append((number, message))
            content = getattr(message, "content", None)
            size += len(content.data) if type(content) is Inline else 0
            if size >= FRAME_BYTES_SOFT:
                self._write(some)
                some, size = [], 0
        if some:
            self._write(some)

    def _write(self, messages: list[tuple[int, Any]]) -> None:
        try:
            data = frames.frame(messages)
        except frames.FrameTooLong:
            if len(messages) == 1:
                self._resolve(messages[0][0], errors.InvalidRequest("The change is too large."))
                return
            for one in messages:
                self._write([one])
            return
        if self._transport is not None:
            self._transport.write(data)

    # ------------------------------------------------------------------------------------------------- receiving

    def data_received(self, data: bytes) -> None:
        """Answers, by number, and the writer's word to forget."""
        for payload in self._splitter.feed(data):
            for number, kind, body in _messages(payload):
                if kind == frames.RESULT:
                    self._answer(number, body)
                elif kind == frames.ERROR:
                    self._resolve(number, errors.Error.unpacked(*_error(body)))
                elif kind == frames.INVALIDATE:
                    self.memory.clear()
                    self._write([(0, frames.Forgotten(number))])
                elif self._opened is not None and not self._opened.done():
                    self._open = True
                    self._opened.set_result(None)

    def _answer(self, number: int, body: msgspec.Raw) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None and not waiting[0].done():
            waiting[0].set_result(waiting[1](body))

    def _resolve(self, number: int, error: errors.Error) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None and not waiting[0].done():
            waiting[0].set_exception(error)

    # ------------------------------------------------------------------------------------------------- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there; the writer says HELLO when the catalog is."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own class
        self._lost = asyncio.Event()
        self._splitter = frames.Splitter()

    def connection_lost(self, exc: Exception | None) -> None:
        """What was sent has an unknown outcome; what was not has none; nothing is remembered; another connection is tried."""
        self._open = False
        self._transport = None
        self._lost.set()
        self.memory.clear()
        unsent = {number for number, _ in self._unsent}
        for number in list(self._waiting):
            self._resolve(number, errors.ServiceUnavailable() if number in unsent else errors.OutcomeUnknown())
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(ConnectionResetError())
        elif not self._closed:
            log.warning("the connection to the catalog's writer is lost")
            self._again = asyncio.get_running_loop().create_task(self._reconnect())

    async def dial_until_open(self) -> None:
        """Tries until the writer has said HELLO."""
        loop = asyncio.get_running_loop()
        waits = iter(RECONNECT_SECONDS)
        while not self._open:
            self._opened = loop.create_future()
            try:
                await loop.create_unix_connection(lambda: self, self._path)
                await self._opened
            except OSError:
                await asyncio.sleep(next(waits, RECONNECT_SECONDS[-1]))

    async def _reconnect(self) -> None:
        """Until it succeeds; then the owner renews what hung on the connection, before anyone else may send."""
        self._renewing = asyncio.current_task()
        await self.dial_until_open()
        if self.on_reconnect is not None:
            try:
                await self.on_reconnect()
            except errors.Error as error:
                log.warning("what hung on the connection to the catalog's writer could not be renewed: %s", error)
                if self._transport is not None:
                    self._transport.abort()  # and all begins anew
                return
        self._renewing = None
        log.warning("the catalog's writer is back")

    async def close(self) -> None:
        """Ends the connection for good, and returns when it has ended."""
        self._closed = True
        if self._again is not None:
            self._again.cancel()
            await asyncio.wait([self._again])
        if self._transport is not None:
            self._transport.close()
            await self._lost.wait()
            await asyncio.sleep(0)  # the loop closes the socket after it has told us


def _namers(directory: str, blob: int, limit: int) -> list[tuple[str, Version]]:
    own = reads.Reads(directory)
    with contextlib.closing(own):
        return own.namers(blob, limit)

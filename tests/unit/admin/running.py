"""A running admin API over real parts: a catalog with its writer process, blobs on disk, the guarded uvicorn on loopback.

The application runs in a thread with an event loop of its own, so that tests speak to it as clients do, and can reach behind it
with `Running.do` to put things into the store.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI

from zakrom.admin.app import create_app
from zakrom.admin.desk import ServerInfo
from zakrom.admin.gate import Served
from zakrom.admin_client import AdminClient
from zakrom.blobs.local import LocalBlobs
from zakrom.catalog.changes import CreateBucket, DeleteVersion, Inline, OpenGeneration, PutAccessKey, PutUser, PutVersion
from zakrom.catalog.client import SqliteCatalog
from zakrom.crypt.ring import KeyRing
from zakrom.identity.doorman import Doorman, Rules
from zakrom.model.facts import AccessKey, Bucket, Details, User
from zakrom.store import Store, StoreOptions
from zakrom.testing.access import Access
from zakrom.testing.catalog_site import SqliteSite
from zakrom.web.guard import serve_app, uvicorn_config
from zakrom.web.limits import Limits

T = TypeVar("T")

ROOT_KEY, ROOT_SECRET = "root-key", "root-secret"
START_SECONDS = 20.0
SOON = 5.0  # what takes milliseconds, on a machine that has no time


def clock_ms() -> int:
    """The time."""
    return time.time_ns() // 1_000_000


def until(condition: Callable[[], bool]) -> None:
    """Returns when it holds; fails if it does not soon."""
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class FakeScrub:
    """A job that can be asked."""

    name = "scrub"

    def __init__(self) -> None:
        self.asked = 0

    def ask(self) -> None:
        """Counts."""
        self.asked += 1

    def status(self) -> dict[str, object]:
        """As a job would."""
        return {"running": self.asked > 0, "blobs": 7, "finished_ms": 0, "rate": 1.5, "where": Path("x")}


class FakeReap:
    """A job that begins by itself."""

    name = "reap"

    def status(self) -> dict[str, object]:
        """As a job would."""
        return {"freed_bytes": 5}


@dataclass
class Running:
    """A running admin API and what is behind it."""

    directory: Path
    site: SqliteSite
    scrub: FakeScrub = field(default_factory=FakeScrub)
    served: list[Served] = field(default_factory=list)
    stopping: bool = False

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    # -------------------------------------------------------------------------------------------------------- clients

    @property
    def root(self) -> AdminClient:
        """A client with root's key."""
        return AdminClient(self.endpoint, ROOT_KEY, ROOT_SECRET, timeout_seconds=10)

    @property
    def access(self) -> Access:
        """Root's key for requests to the byte; signs with code of its own."""
        return Access(self.endpoint, ROOT_KEY, ROOT_SECRET)

    def client_of(self, user: str) -> AdminClient:
        """A new user's client."""
        key = self.root.add_user(user).key
        assert key is not None
        return AdminClient(self.endpoint, key.access_key, key.secret_key, timeout_seconds=10)

    def settle(self) -> None:
        """Returns when every call until now has been reported, and forgets them: a report follows its answer."""
        mark = f"mark {secrets.token_hex(8)}"
        self.access.request("GET", "/docs", headers={"user-agent": mark})
        until(lambda: any(call.user_agent == mark for call in self.served))
        self.served.clear()

    # --------------------------------------------------------------------------------------------------- behind the door

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs something in the application's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=10)

    def bucket(self, name: str, owner: str = "root") -> Bucket:
        """A new bucket."""
        change = CreateBucket(name, self.root.user(owner).canonical_id, "us-east-1", clock_ms(), 100)
        made: Bucket = self.do(self.catalog.apply(change))
        return made

    def put(self, bucket: Bucket, key: str, data: bytes) -> None:
        """A small object."""
        content = Inline(data, bytes(4))
        change = PutVersion(
            bucket.id, key.encode(), clock_ms(), 1, len(data), "etag", "STANDARD", bucket.owner, Details(), content
        )
        self.do(self.catalog.apply(change))

    def delete(self, bucket: Bucket, key: str) -> None:
        """Removes it."""
        self.do(self.catalog.apply(DeleteVersion(bucket.id, key.encode(), clock_ms(), 1, bucket.owner)))

    # --------------------------------------------------------------------------------------------------------- its life

    def start(self) -> None:
        """Returns when it serves."""
        self._thread.start()
        assert self._ready.wait(START_SECONDS)
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        """Ends it."""
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_SECONDS)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - shown in the test's thread
            self._failed = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.catalog: SqliteCatalog = await self.site.open()
        self.ring = KeyRing(self.directory / "key-ring", clock_ms)
        self.store = Store(self.catalog, LocalBlobs(self.directory / "blobs"), StoreOptions(1000, 0, sendfile=False))
        self.store.blobs.adopt(await self.catalog.apply(OpenGeneration(clock_ms())))
        root = User("root", "f" * 64, "root", "", clock_ms(), root=True)
        await self.catalog.apply(PutUser(root, replace=True))
        await self.catalog.apply(PutAccessKey(AccessKey(ROOT_KEY, ROOT_SECRET, "root", clock_ms()), replace=True))
        self.app = self._application()
        config = uvicorn_config(self.app, limits=Limits(drain_seconds=5))
        self._stop = asyncio.Event()
        self.loop.call_soon(self._ready.set)  # the socket listens already: who comes now waits a moment
        await serve_app(config, [self._listener], self._stop)
        await self.store.close()

    def _application(self) -> FastAPI:
        info = ServerInfo("0.1.0", 1, str(self.directory), "us-east-1", ("us-east-1", "eu-west-1"), 2, clock_ms())
        return create_app(
            self.store,
            Doorman(self.catalog, Rules(("us-east-1",))),
            info,
            [self.scrub, FakeReap()],
            clock_ms,
            report=self.served.append,
            stopping=lambda: self.stopping,
            ring=self.ring,
        )

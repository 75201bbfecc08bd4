"""Settings in, a running server out: the only room that names concrete classes.

::

    supervisor ── locks the data directory, binds the sockets, forks
    ├── writer     (stage 0)  the catalog's only writer
    ├── worker x N (stage 1)  S3
    └── keeper     (stage 2)  the admin API and the background jobs: S3 does not wait for it
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import sqlite3
import stat
import sys
from collections.abc import Iterable
from typing import Protocol

from zakrom import errors
from zakrom.admin.actions import Action
from zakrom.blobs.local import LocalBlobs
from zakrom.catalog.schema import FILE_NAME, open_to_read
from zakrom.catalog.writer import run_writer
from zakrom.compose import worker
from zakrom.compose.context import Context
from zakrom.errors import Error
from zakrom.observe import logs
from zakrom.observe.metrics import Metrics
from zakrom.s3 import registry
from zakrom.settings import Address, Settings
from zakrom.web.tls import Tls
from zakrom.work import directory
from zakrom.work.directory import Opened, RootKey
from zakrom.work.processes import Child, Place, Supervisor

JOBS = ("reap", "sweep", "room", "scrub", "lifecycle", "rewrap")

STOP_SECONDS_MORE = 10.0
"""How much longer than its own patience with clients a worker may take to end before it is killed."""

WRITER_STOP_SECONDS = 15.0
WRITER_STOP_SIGNAL = signal.SIGUSR1
"""Not SIGTERM: somebody may send that to all processes at once, and the writer must outlive the workers."""

_READS = frozenset({"GetObject", "HeadObject", "GetObjectAttributes", "GetObjectTagging", "HeadBucket"})
_WRITES = frozenset({"PutObject", "UploadPart", "CopyObject", "UploadPartCopy", "CompleteMultipartUpload"})


class Announce(Protocol):
    """Called once, when the server is ready: see `cli.serve`."""

    def __call__(
        self,
        key: str,
        secret: str | None,
        *,
        first_start: bool,
        endpoint: str = "",
        admin_endpoint: str = "",
        kept_in: str = "",
    ) -> None: ...


def serve(settings: Settings, announce: Announce) -> int:
    """Runs a server until it is told to stop; the exit code.

    Raises `InvalidSetting`, `DataDirectoryInUse`, and whatever keeps the server from starting.
    """
    # Between two statements of a busy event loop a thread waits up to this long for the interpreter.
    sys.setswitchinterval(0.0005)
    form = logs.chosen_format(settings.log_format, terminal=sys.stderr.isatty())
    logs.configure(form, settings.log_level, "supervisor")
    if settings.tls_cert is not None:
        tls = worker.tls_of(settings)
        if tls is None:
            raise errors.InvalidSetting("--tls-cert needs --tls-key.", hint="give both, or none")
        _check_certificate(tls)
    os.umask(0o077)  # keys and data are for the owner's eyes only
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))  # so is our memory
    opened = directory.open_directory(settings.data)
    _check_formats(opened)
    root, generated, kept_in = _root(settings, opened)
    workers = settings.worker_count(os.cpu_count() or 1)
    s3 = _bind(settings.address, "--address", workers)
    admin = _bind(settings.admin_address, "--admin-address", 1)
    website = [] if settings.website_address is None else _bind(settings.website_address, "--website-address", workers)
    listener, path = _writer_listener(opened)
    session_key = directory.session_key(opened)
    context = Context(settings, opened, root, path, s3, admin, website, _metrics(settings), form, session_key)
    log = logs.logger("serve")

    context.metrics.take(context.workers + 2)

    def on_death(_name: str) -> None:
        context.metrics.count("zakrom_restarts_total")

    def on_ready() -> None:
        endpoint, admin_endpoint = _url(settings, s3[0]), _url(settings, admin[0])
        more = {"website_endpoint": _url(settings, website[0])} if website else {}
        log.info("ready", endpoint=endpoint, admin_endpoint=admin_endpoint, data=str(settings.data), **more)
        secret = root.secret_key if generated else None
        announce(
            root.access_key,
            secret,
            first_start=generated,
            endpoint=endpoint,
            admin_endpoint=admin_endpoint,
            kept_in=kept_in,
        )

    try:
        return Supervisor(_children(context, listener), on_ready=on_ready, on_death=on_death, ready_stage=1).run()
    finally:
        if os.path.exists(path):
            os.unlink(path)
        log.info("stopped")


def _children(context: Context, listener: socket.socket) -> list[Child]:
    settings = context.settings
    patience = settings.drain_seconds + STOP_SECONDS_MORE

    def write(place: Place) -> None:
        _begin(context, "writer")
        metrics = context.metrics
        metrics.take(context.workers + 1)

        def on_commit(changes: int, seconds: float) -> None:
            metrics.observe("zakrom_commit_changes", changes)
            metrics.observe("zakrom_commit_seconds", seconds)

        place.ready()  # its socket is bound: who connects waits until the catalog is open
        run_writer(str(context.opened.path / "catalog"), listener, place.lifeline, WRITER_STOP_SIGNAL, on_commit)

    def work(index: int) -> Child:
        def run(place: Place) -> None:
            _begin(context, place.name)
            listener.close()
            worker.run(context, index, place)

        return Child(f"worker-{index}", run, stage=1, stop_seconds=patience)

    def keep(place: Place) -> None:
        _begin(context, "keeper")
        listener.close()
        from zakrom.compose import keeper

        keeper.run(context, place)

    count = context.workers
    return [
        Child("writer", write, stage=0, stop_signal=WRITER_STOP_SIGNAL, stop_seconds=WRITER_STOP_SECONDS),
        *(work(index) for index in range(1, count + 1)),
        Child("keeper", keep, stage=2, stop_seconds=patience),
    ]


def _begin(context: Context, name: str) -> None:
    """The first thing in every child."""
    logs.configure(context.log_format, context.settings.log_level, name)


def _check_formats(opened: Opened) -> None:
    """Says at once, and in one line, what a child would say in its log. Raises `FormatTooNew`."""
    LocalBlobs(opened.path / "blobs")
    catalog = opened.path / "catalog"
    if (catalog / FILE_NAME).exists():
        with contextlib.suppress(sqlite3.Error):  # a file that was never finished, or is damaged, is the writer's to judge
            open_to_read(str(catalog)).close()


def _root(settings: Settings, opened: Opened) -> tuple[RootKey, bool, str]:
    """Root's key, whether it was generated just now, and where a generated one is kept."""
    if settings.root_user is not None and settings.root_password is not None:
        return RootKey(settings.root_user, settings.root_password), False, ""
    if settings.root_user is not None or settings.root_password is not None:
        raise errors.InvalidSetting(
            "A root user needs a root password, and the other way round.",
            hint="set both ZAKROM_ROOT_USER and ZAKROM_ROOT_PASSWORD, or none",
        )
    root, generated = directory.root_key(opened)
    return root, generated, str(settings.data / "root-key")


_SPREADS = sys.platform == "linux"
"""Whether the kernel spreads connections over the sockets of a port (SO_REUSEPORT, socket(7)); elsewhere one gets them all."""


def _bind(address: Address, flag: str, count: int) -> list[socket.socket]:
    """A listening socket for each of ``count`` processes, where that is useful. Raises `InvalidSetting`.

    With one socket for all, whoever wakes first takes a whole burst of connections: of 32 that came at once one of two workers
    got all, or two thirds, and the other slept. A socket outlives the process that serves it: who waits in its queue is served
    by the successor.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        first = _bound(family, place)  # nobody else may have the port: the sharing is for our own sockets, and comes after
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(_SPREADS))
        others = [_bound(family, first.getsockname(), share=True) for _ in range(count - 1)] if _SPREADS else []
        for one in (first, *others):
            one.listen(socket.SOMAXCONN)  # who comes before a child is ready waits, and is not refused
    except OSError as error:
        raise errors.InvalidSetting(
            f"{flag}: {address}: {error.strerror or error}",
            origin=flag,
            hint="is another server running there? choose another port, or stop it",
        ) from None
    return [first, *others]


def _bound(family: int, place: tuple[object, ...], *, share: bool = False) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(share))
    try:
        bound.bind(place)
    except OSError:
        bound.close()
        raise
    return bound


def _writer_listener(opened: Opened) -> tuple[socket.socket, str]:
    """The socket on which the writer will listen: bound here, so that a replaced writer takes it over."""
    path = directory.socket_path(opened)
    if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
        os.unlink(path)  # the lock is ours: whoever listened there is dead
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(socket.SOMAXCONN)
    return listener, path


def _metrics(settings: Settings) -> Metrics:
    operations = {name: _class_of(name) for name in registry.OPERATIONS} | dict.fromkeys(map(str, Action), "admin")
    return Metrics(operations, _codes(), JOBS, slots=settings.worker_count(os.cpu_count() or 1) + 3)


def _class_of(operation: str) -> str:
    """The class under which latency is kept."""
    if operation in _READS:
        return "read"
    if operation in _WRITES:
        return "write"
    return "list" if operation.startswith("List") else "delete" if operation.startswith("Delete") else "other"


def _codes() -> Iterable[str]:
    return sorted({*Error.registry, "InternalError", "NotImplemented"})


def _url(settings: Settings, bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"{'https' if settings.tls else 'http'}://{f'[{shown}]' if ':' in shown else shown}:{port}"


def _check_certificate(tls: Tls) -> None:
    """Says at once, and in one line, what a child would say in its log."""
    try:
        tls.context()
    except OSError as error:  # an ssl.SSLError is one too
        raise errors.InvalidSetting(
            f"--tls-cert, --tls-key: {error.strerror or error}", hint="both must be PEM files, and belong together"
        ) from None

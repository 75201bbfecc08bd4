"""A worker: answers S3 until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import secrets
import signal
from collections.abc import Callable
from socket import socket
from typing import TYPE_CHECKING

import uvloop

from zakrom import __version__
from zakrom.compose.context import Context, clock_ms
from zakrom.compose.process import make_doorman, make_sealer, open_store
from zakrom.errors import Error
from zakrom.iam.action import Tools
from zakrom.iam.door import QueryDoor
from zakrom.iam.oidc import Verifier
from zakrom.observe import logs
from zakrom.observe.logs import Access, AccessLog
from zakrom.observe.metrics import BucketUsage, Metrics
from zakrom.s3.bucket_logs import BucketLogs, Ended
from zakrom.s3.call import DoorOptions
from zakrom.s3.door import SYSTEM_PREFIX, Door, Note
from zakrom.s3.system import System
from zakrom.s3.website import Site, by_host
from zakrom.settings import Settings
from zakrom.store import Store
from zakrom.web.limits import Limits, Record
from zakrom.web.message import Handler
from zakrom.web.tls import Tls
from zakrom.work.processes import Place

if TYPE_CHECKING:
    from zakrom.admin.gate import Served

MINIO_BUCKET = "minio"
"""MinIO answers health checks below this name; a bucket of that name would hide them."""


GC_THRESHOLD = 50_000
"""Objects between two looks for cycles. Ours are freed without; what is remembered of URLs made them frequent: 5 % of a GET."""

STDERR = 2

_SERVERS = {"http1": "http1", "uvicorn": "asgi"}
"""The adapter's module by the setting ``server``; the other one is never imported."""


def make_doors(context: Context, store: Store) -> tuple[Handler, Handler]:
    """The S3 door of this process, and the one for readers of websites."""
    settings = context.settings
    options = DoorOptions(
        regions=settings.regions,
        domains=settings.domains,
        reserved_buckets=frozenset({MINIO_BUCKET}) if settings.minio_health else frozenset(),
        buckets_per_owner_max=settings.buckets_max,
        sigv2=settings.sigv2,
        bucket_defaults=settings.bucket_defaults,
        encrypt_by_default=settings.encrypt_by_default,
        sse_c_over_http=settings.sse_c_over_http,
    )
    log = logs.logger("s3")

    def report(error: Error, request_id: str) -> None:
        log.error("request failed", code=type(error).__name__, reason=str(error), request=request_id)

    async def metrics() -> bytes:
        return await render_metrics(context.metrics, store)

    doorman = make_doorman(context, store)
    tools = Tools(store.catalog, make_sealer(context), Verifier(), secrets.token_bytes)
    iam = QueryDoor(tools, doorman, clock_ms)
    door = Door(store, doorman, options, clock_ms, System(store.catalog.ready, metrics), report, iam)
    site = Site(store, options, settings.website_domains, clock_ms, report)
    return by_host(site, settings.website_domains, door) if settings.website_domains else door, site


def run(context: Context, index: int, place: Place) -> None:
    """Serves S3 until SIGTERM."""
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    uvloop.run(_serve(context, index, place))


async def _serve(context: Context, index: int, place: Place) -> None:
    context.metrics.take(index)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    store = await open_store(context)
    settings = context.settings
    bucket_logs = BucketLogs(store, clock_ms, _log_of_deliveries())
    recorder = Recorder(context, bucket_logs)
    served = asyncio.Event()
    delivering = asyncio.create_task(_deliver(bucket_logs, settings.bucket_log_interval_seconds, served))
    server = importlib.import_module(f"zakrom.web.{_SERVERS[settings.server]}")
    place.ready()

    async def serve(handler: Handler, sockets: list[socket]) -> None:
        await server.serve(
            handler,
            [sockets[(index - 1) % len(sockets)]],
            limits=limits_of(settings),
            tls=tls_of(settings),
            on_complete=recorder,
            stop=stop,
            on_connections=lambda change: context.metrics.add_gauge("zakrom_open_connections", change),
        )

    door, site = make_doors(context, store)
    try:
        if context.website:
            await asyncio.gather(serve(door, context.s3), serve(site, context.website))
        else:
            await serve(door, context.s3)
    finally:
        served.set()
        await delivering
        await store.close()
        recorder.close()


async def _deliver(bucket_logs: BucketLogs, interval_seconds: float, served: asyncio.Event) -> None:
    """Delivers access logs to their buckets by and by, and the rest when the last request was ``served``."""
    while not served.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(served.wait(), interval_seconds)
        await bucket_logs.deliver()


def _log_of_deliveries() -> Callable[[str, Error], None]:
    log = logs.logger("s3")

    def report(target: str, error: Error) -> None:
        log.warning("an access log was not delivered", bucket=target, code=type(error).__name__, reason=str(error))

    return report


async def render_metrics(metrics: Metrics, store: Store) -> bytes:
    """The text for Prometheus, with the live figures of the disk and of the buckets."""
    room = store.blobs.room()
    metrics.set_gauge("zakrom_disk_free_bytes", room.free)
    metrics.set_gauge("zakrom_disk_bytes", room.total)
    metrics.set_gauge("zakrom_reserve_bytes", store.options.reserve_bytes)
    metrics.set_gauge("zakrom_full", (await store.catalog.space(None)).full)
    usage = []
    for bucket in await store.catalog.buckets(None, "", "", 1000):
        held = await store.catalog.usage(bucket.id)
        usage.append(BucketUsage(bucket.name, held.objects, held.versions, held.bytes, held.upload_bytes))
    return metrics.render(usage, __version__)


class Recorder:
    """Counts and logs each request when its answer has been sent."""

    def __init__(self, context: Context, bucket_logs: BucketLogs | None = None) -> None:
        self._metrics = context.metrics
        self._bucket_logs = bucket_logs
        self._log = AccessLog(context.log_format, STDERR) if context.settings.access_log else None

    def __call__(self, record: Record) -> None:
        """One request that ended."""
        note = record.response.note if record.response is not None else None
        known = note if isinstance(note, Note) else _UNKNOWN
        status = record.status or 499  # the client left before an answer; nginx's number for it
        self._metrics.request(known.operation, status, known.code, record.seconds, record.bytes_in, record.bytes_out)
        request = record.request
        if known.logged is not None and self._bucket_logs is not None and request is not None and record.response is not None:
            ended = Ended(request, record.response, status, record.bytes_out, record.seconds, known.request_id, known.code)
            self._bucket_logs.add(known.logged, ended)
        if self._log is None or (request is not None and request.path.startswith(SYSTEM_PREFIX)):
            return  # load balancers ask for health every second: that is no access
        self._log.line(
            Access(
                known.request_id,
                record.peer,
                request.method if request else "-",
                known.operation,
                status,
                record.seconds,
                record.bytes_in,
                record.bytes_out,
                known.bucket,
                known.key,
                known.code,
                known.access_key,
                request.text("user-agent") if request else None,
            )
        )

    def admin(self, served: Served) -> None:
        """One call of the admin API that ended."""
        self._metrics.request(served.action, served.status, served.code, served.seconds, served.bytes_in, served.bytes_out)
        if self._log is not None:
            self._log.line(
                Access(
                    served.request_id,
                    served.peer,
                    served.method,
                    served.action,
                    served.status,
                    served.seconds,
                    served.bytes_in,
                    served.bytes_out,
                    code=served.code,
                    access_key=served.access_key,
                    user_agent=served.user_agent,
                )
            )

    def close(self) -> None:
        """Writes what is waiting."""
        if self._log is not None:
            self._log.close()


_UNKNOWN = Note("")


def limits_of(settings: Settings) -> Limits:
    """The settings that bound what a client may cost."""
    return Limits(
        head_seconds=settings.head_timeout_seconds,
        idle_seconds=settings.idle_timeout_seconds,
        body_stall_seconds=settings.body_timeout_seconds,
        send_stall_seconds=settings.send_timeout_seconds,
        drain_seconds=max(0.001, settings.drain_seconds),
    )


def tls_of(settings: Settings) -> Tls | None:
    """The certificate, if there is one."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return Tls(settings.tls_cert, settings.tls_key)

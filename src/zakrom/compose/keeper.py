"""The keeper: the admin API, and the background jobs."""

from __future__ import annotations

import asyncio
import secrets
import signal

import uvloop

from zakrom import __version__
from zakrom.admin.app import create_app
from zakrom.admin.desk import ServerInfo
from zakrom.catalog.schema import migrations
from zakrom.compose.context import Context, clock_ms
from zakrom.compose.process import make_doorman, open_store
from zakrom.compose.worker import Recorder, limits_of, tls_of
from zakrom.crypt.ring import KeyRing
from zakrom.jobs.lifecycle import Lifecycle
from zakrom.jobs.reap import Reap
from zakrom.jobs.rewrap import Rewrap
from zakrom.jobs.room import Room
from zakrom.jobs.scrub import Scrub
from zakrom.jobs.sweep import Sweep
from zakrom.model.facts import Damage
from zakrom.observe import logs
from zakrom.observe.metrics import Metrics
from zakrom.store import Store
from zakrom.web.guard import serve_app, uvicorn_config
from zakrom.work.jobs import Job, OnStep, Runner
from zakrom.work.processes import Place

SLOT = 0
"""Its row in the shared metrics; workers have those from 1 on."""


def run(context: Context, place: Place) -> None:
    """Keeps until SIGTERM."""
    uvloop.run(_keep(context, place))


async def _keep(context: Context, place: Place) -> None:
    context.metrics.take(SLOT)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    store = await open_store(context)
    jobs = make_jobs(context, store)
    runner = Runner(jobs, _count_steps(context.metrics))
    recorder = Recorder(context)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(runner.run(stop))
            group.create_task(_serve_admin(context, store, jobs, runner, recorder, stop))
            place.ready()
    finally:
        await store.close()
        recorder.close()


def _count_steps(metrics: Metrics) -> OnStep:
    def on_step(name: str, seconds: float, failed: bool) -> None:
        metrics.count("zakrom_job_failures_total" if failed else "zakrom_job_steps_total", 1.0, name)
        metrics.count("zakrom_job_seconds_total", seconds, name)

    return on_step


def make_jobs(context: Context, store: Store) -> list[Job]:
    """All chores of a server."""
    settings = context.settings
    log = logs.logger("jobs")

    def on_full(full: bool) -> None:
        context.metrics.set_gauge("zakrom_full", full)
        free = store.blobs.room().free
        if full:
            log.warning("the store is full: writes are refused, reads and deletes go on", free_bytes=free)
        else:
            log.info("the store has room again", free_bytes=free)

    def on_damage(damage: Damage) -> None:
        context.metrics.count("zakrom_damaged_blocks_total")
        log.error("damaged blob", blob=f"{damage.blob:x}", block=damage.block, reason=damage.reason)

    def on_lifecycle(what: str, count: int) -> None:
        context.metrics.count("zakrom_lifecycle_total", float(count), what)

    interval = settings.scrub_interval_seconds
    return [
        Reap(store, clock_ms),
        Sweep(store),
        Room(store, clock_ms, on_full),
        Lifecycle(store, clock_ms, lambda: secrets.randbits(62), settings.lifecycle_day_seconds * 1000, on_lifecycle),
        Scrub(store, clock_ms, None if interval is None else int(interval * 1000), settings.scrub_rate_bytes, on_damage),
        Rewrap(store),
    ]


async def _serve_admin(
    context: Context, store: Store, jobs: list[Job], runner: Runner, recorder: Recorder, stop: asyncio.Event
) -> None:
    settings = context.settings
    info = ServerInfo(
        __version__,
        migrations()[-1].number,
        str(context.opened.path.absolute()),
        settings.region,
        settings.regions,
        context.workers,
        clock_ms(),
    )
    app = create_app(
        store,
        make_doorman(context, store),
        info,
        jobs,
        clock_ms,
        job_status=runner.status,
        report=recorder.admin,
        stopping=stop.is_set,
        ring=store.keys if isinstance(store.keys, KeyRing) else None,
    )
    await serve_app(uvicorn_config(app, limits=limits_of(settings), tls=tls_of(settings)), context.admin, stop)

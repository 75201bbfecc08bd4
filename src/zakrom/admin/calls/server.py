"""The server itself: health, who am I, information, jobs, and what scrub found damaged."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from zakrom import errors
from zakrom.admin.actions import Action
from zakrom.admin.calls import keys, users
from zakrom.admin.desk import Askable, Chore, Desk, TheCaller, TheDesk, may, user_of
from zakrom.admin_client import values
from zakrom.model import facts

router = APIRouter(tags=["server"])

DAMAGES_MAX = 100
"""Damages on a page. To find who needs a blob the whole catalog is walked, for each: this is a report, not a poll."""

VERSIONS_MAX = 100
"""Versions that are named for a damage; what has more is copied often, and a hundred names are enough to find it."""


class DamageQuery(BaseModel):
    """Which page of damages."""

    model_config = ConfigDict(extra="forbid")

    after: int = Field(-1, ge=-1, lt=1 << 63)
    limit: int = Field(DAMAGES_MAX, ge=1, le=DAMAGES_MAX)


@router.get("/health")
async def get_health(desk: TheDesk) -> values.Health:
    """Answers if the server can read and write; 503 if it cannot. Needs no signature."""
    await desk.catalog.ready()
    return values.Health(ready=True)


@router.get("/me", dependencies=may(Action.WHO_AM_I, everybody=True))
async def who_am_i(desk: TheDesk, caller: TheCaller) -> values.Me:
    """The user who signed this, and their keys. For every user."""
    user = user_of(caller)
    own = await desk.catalog.access_keys(user.name)
    return values.Me(user=users.shown(user), access_key=caller.access_key or "", keys=tuple(keys.shown(key) for key in own))


@router.get("/info", dependencies=may(Action.GET_INFO))
async def get_info(desk: TheDesk) -> values.Info:
    """What runs where, how much room there is, what the jobs do."""
    store, catalog = desk.store, desk.catalog
    room = await store.in_thread(store.blobs.room)
    generations = [closed for _, closed in await catalog.generations()]
    return values.Info(
        **desk.info._asdict(),
        now_ms=desk.clock_ms(),
        disk=values.Disk(total_bytes=room.total, free_bytes=room.free, reserve_bytes=store.options.reserve_bytes),
        full=(await catalog.space(None)).full,
        users=len(await catalog.users()),
        damages=len(await catalog.damages()),
        generations_open=generations.count(False),
        generations_closed=generations.count(True),
        jobs=tuple(_shown_jobs(desk)),
    )


# ------------------------------------------------------------------------------------------------------------------- jobs


@router.get("/jobs", dependencies=may(Action.LIST_JOBS))
async def list_jobs(desk: TheDesk) -> list[values.Job]:
    """The background jobs and what they say of themselves."""
    return _shown_jobs(desk)


@router.get("/jobs/{name}", dependencies=may(Action.LIST_JOBS))
async def get_job(name: str, desk: TheDesk) -> values.Job:
    """One job."""
    return _shown_job(desk, _job(desk, name))


@router.post("/jobs/{name}/start", status_code=202, dependencies=may(Action.START_JOB))
async def start_job(name: str, desk: TheDesk) -> values.Job:
    """Tells a job to begin now: ``scrub`` reads all that is stored, at full speed. If it runs already, it goes on."""
    job = _job(desk, name)
    if not isinstance(job, Askable):
        raise errors.InvalidRequest("This job begins by itself when it is needed.", job=name)
    job.ask()
    return _shown_job(desk, _job(desk, name))


def _job(desk: Desk, name: str) -> Chore:
    if name not in desk.jobs:
        raise errors.NotFound("There is no such job.", job=name)
    return desk.jobs[name]


def _shown_jobs(desk: Desk) -> list[values.Job]:
    return [_shown_job(desk, job) for job in desk.jobs.values()]


def _shown_job(desk: Desk, job: Chore) -> values.Job:
    known = desk.job_status().get(job.name, {})
    said = {name: value if isinstance(value, str | int | float | None) else str(value) for name, value in known.items()}
    return values.Job(name=job.name, startable=isinstance(job, Askable), facts=said)


# ---------------------------------------------------------------------------------------------------------------- damages


@router.get("/damages", dependencies=may(Action.LIST_DAMAGES))
async def list_damages(desk: TheDesk, query: Annotated[DamageQuery, Query()]) -> values.DamagePage:
    """What scrub found rotten, with the bucket, key and version of everything that needs it."""
    found = sorted(await desk.catalog.damages(), key=lambda damage: damage.blob)
    rest = [damage for damage in found if damage.blob > query.after]
    page = [await _shown_damage(desk, damage) for damage in rest[: query.limit]]
    return values.DamagePage(damages=tuple(page), next_after=page[-1].blob if len(rest) > len(page) else None)


async def _shown_damage(desk: Desk, damage: facts.Damage) -> values.Damage:
    namers = await desk.catalog.namers(damage.blob, VERSIONS_MAX + 1)
    return values.Damage(
        blob=damage.blob,
        block=damage.block,
        found_ms=damage.found_ms,
        reason=damage.reason,
        versions=tuple(
            values.DamagedVersion(bucket=bucket, key=version.key.decode(), version_id=version.version_id, latest=version.latest)
            for bucket, version in namers[:VERSIONS_MAX]
        ),
        more=len(namers) > VERSIONS_MAX,
    )

"""The signal of freed space: who was told that there is no room asks here, and is answered when there may be some.

A long poll over a durable cursor. The catalog counts in each scope (a bucket, the store) how often bytes were freed there, in
the transaction that frees them: so nothing is missed between two calls, nor over a restart. While somebody waits the cursor is
read a few times a second (`admin.lookout`); while nobody does, nothing runs.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from zakrom.admin.actions import Action
from zakrom.admin.desk import Desk, TheCaller, TheDesk, may, user_of
from zakrom.admin_client import values
from zakrom.catalog.interface import Space
from zakrom.model.caller import Caller
from zakrom.rules import access

router = APIRouter(tags=["space"])

WAIT_SECONDS_MAX = 60.0
"""The longest wait of one call: after as long nginx cuts a silent connection. Ours asks for 30 s, and asks again."""


class SpaceQuery(BaseModel):
    """Where, since when, and how long to wait."""

    model_config = ConfigDict(extra="forbid")

    bucket: str | None = Field(None, description="A bucket; without it the whole store.")
    after: int | None = Field(None, ge=0, lt=1 << 63, description="A cursor of an earlier answer; without it the one of now.")
    wait: float = Field(0.0, ge=0, le=WAIT_SECONDS_MAX, allow_inf_nan=False, description="Seconds.")


@router.get("/space", dependencies=may(Action.WAIT_FOR_SPACE, everybody=True))
async def wait_for_space(
    request: Request, desk: TheDesk, caller: TheCaller, query: Annotated[SpaceQuery, Query()]
) -> values.Space:
    """Answers at once if bytes were freed since ``after``, else as soon as they are, or after ``wait`` seconds.

    Every user may wait for room in their own buckets and in the store (of which they see no figures): it is users whose uploads
    were refused. Raises `SlowDown` if too many are waiting.
    """
    space = await _look(desk, caller, query.bucket)
    after = space.cursor if query.after is None else query.after
    is_news = partial(_is_news, after=after, was_full=space.full)
    if query.wait and not is_news(space):
        await desk.lookout.wait(query.bucket, is_news, query.wait, partial(_left, request))
        space = await _look(desk, caller, query.bucket)
    return _shown(space, caller, query.bucket, freed=is_news(space))


async def _look(desk: Desk, caller: Caller, bucket: str | None) -> Space:
    """The state of now. Raises `NoSuchBucket` (the bucket may go while one waits), `AccessDenied`."""
    if bucket is not None:
        access.check(caller, Action.WAIT_FOR_SPACE, await desk.catalog.bucket(bucket))
    return await desk.space(bucket)


async def _left(request: Request) -> None:
    """Returns when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _is_news(space: Space, *, after: int, was_full: bool) -> bool:
    """Whether there is something to tell. A *smaller* cursor is another life: a bucket that was removed and made again."""
    return space.cursor != after or (was_full and not space.full)


def _shown(space: Space, caller: Caller, bucket: str | None, *, freed: bool) -> values.Space:
    figures = bucket is not None or user_of(caller).root
    return values.Space(
        bucket=bucket,
        cursor=space.cursor,
        freed=freed,
        full=space.full,
        used_bytes=space.usage.total_bytes if figures else None,
        quota_bytes=space.quota_bytes if figures else None,
    )

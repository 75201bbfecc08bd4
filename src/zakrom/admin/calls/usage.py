"""Usage and quotas: what a bucket and the whole store hold, and how much they may."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from zakrom.admin.actions import Action
from zakrom.admin.desk import Desk, TheCaller, TheDesk, may
from zakrom.admin_client import values
from zakrom.catalog.changes import SetQuota
from zakrom.model import facts
from zakrom.rules import access

router = APIRouter(tags=["usage and quotas"])

PAGE_MAX = 1000
"""Buckets on a page: as many as S3 lists keys. Each costs a read of some 10 microseconds, and others wait meanwhile."""

QUOTA_BYTES_MAX = (1 << 63) - 1
"""What the catalog can count."""


class QuotaBody(BaseModel):
    """A quota in bytes. Versions and the parts of open uploads count."""

    model_config = ConfigDict(extra="forbid", strict=True)

    quota_bytes: int = Field(ge=0, le=QUOTA_BYTES_MAX)


class UsageQuery(BaseModel):
    """Which page of buckets."""

    model_config = ConfigDict(extra="forbid")

    prefix: str = Field("", max_length=63)
    after: str = Field("", max_length=63)
    limit: int = Field(PAGE_MAX, ge=1, le=PAGE_MAX)


# ------------------------------------------------------------------------------------------------------------------ usage


@router.get("/usage", dependencies=may(Action.GET_USAGE))
async def get_store_usage(desk: TheDesk) -> values.Usage:
    """What the whole store holds."""
    return await _usage(desk, None)


@router.get("/usage/buckets", dependencies=may(Action.GET_USAGE))
async def list_usage(desk: TheDesk, query: Annotated[UsageQuery, Query()]) -> values.UsagePage:
    """What each bucket holds, by name, a page at a time."""
    buckets = await desk.catalog.buckets(None, query.prefix, query.after, query.limit + 1)
    page = buckets[: query.limit]
    return values.UsagePage(
        buckets=tuple([await _usage(desk, bucket) for bucket in page]),
        next_after=page[-1].name if len(buckets) > len(page) else None,
    )


@router.get("/usage/buckets/{bucket}", dependencies=may(Action.GET_USAGE, everybody=True))
async def get_usage(bucket: str, desk: TheDesk, caller: TheCaller) -> values.Usage:
    """What one bucket holds. Its owner may ask, too."""
    found = await desk.catalog.bucket(bucket)
    access.check(caller, Action.GET_USAGE, found)
    return await _usage(desk, found)


async def _usage(desk: Desk, bucket: facts.Bucket | None) -> values.Usage:
    space = await desk.catalog.space(bucket.id if bucket else None)
    usage = space.usage
    return values.Usage(
        bucket=bucket.name if bucket else None,
        objects=usage.objects,
        versions=usage.versions,
        markers=usage.markers,
        bytes=usage.bytes,
        uploads=usage.uploads,
        upload_bytes=usage.upload_bytes,
        total_bytes=usage.total_bytes,
        quota_bytes=space.quota_bytes,
    )


# ----------------------------------------------------------------------------------------------------------------- quotas


@router.get("/quotas/store", dependencies=may(Action.GET_QUOTA))
async def get_store_quota(desk: TheDesk) -> values.Quota:
    """How much the whole store may hold."""
    return await _quota(desk, None)


@router.put("/quotas/store", dependencies=may(Action.SET_QUOTA))
async def set_store_quota(body: QuotaBody, desk: TheDesk) -> values.Quota:
    """Limits the whole store. What is there already stays, also beyond the limit; nothing more comes in then."""
    await desk.catalog.apply(SetQuota(None, body.quota_bytes))
    return await _quota(desk, None)


@router.delete("/quotas/store", status_code=204, dependencies=may(Action.SET_QUOTA))
async def clear_store_quota(desk: TheDesk) -> None:
    """Lifts the limit of the whole store."""
    await desk.catalog.apply(SetQuota(None, None))


@router.get("/quotas/buckets/{bucket}", dependencies=may(Action.GET_QUOTA, everybody=True))
async def get_quota(bucket: str, desk: TheDesk, caller: TheCaller) -> values.Quota:
    """How much a bucket may hold. Its owner may ask, too."""
    found = await desk.catalog.bucket(bucket)
    access.check(caller, Action.GET_QUOTA, found)
    return await _quota(desk, found)


@router.put("/quotas/buckets/{bucket}", dependencies=may(Action.SET_QUOTA))
async def set_quota(bucket: str, body: QuotaBody, desk: TheDesk) -> values.Quota:
    """Limits a bucket. What is there already stays, also beyond the limit; nothing more comes in then."""
    found = await desk.catalog.bucket(bucket)
    await desk.catalog.apply(SetQuota(found.id, body.quota_bytes))
    return await _quota(desk, found)


@router.delete("/quotas/buckets/{bucket}", status_code=204, dependencies=may(Action.SET_QUOTA))
async def clear_quota(bucket: str, desk: TheDesk) -> None:
    """Lifts the limit of a bucket."""
    found = await desk.catalog.bucket(bucket)
    await desk.catalog.apply(SetQuota(found.id, None))


async def _quota(desk: Desk, bucket: facts.Bucket | None) -> values.Quota:
    space = await desk.catalog.space(bucket.id if bucket else None)
    return values.Quota(
        bucket=bucket.name if bucket else None, quota_bytes=space.quota_bytes, used_bytes=space.usage.total_bytes
    )

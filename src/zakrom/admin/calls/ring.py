"""The key ring: list, add, rotate, disable, enable.

No call shows a key, and none removes one: what it encrypted could never be read again.
"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from zakrom import errors
from zakrom.admin.actions import Action
from zakrom.admin.desk import Desk, TheDesk, may
from zakrom.admin_client import values
from zakrom.crypt.ring import KeyRing, RingKey

router = APIRouter(prefix="/key-ring", tags=["key ring"])


class RingKeyBody(BaseModel):
    """A key to add."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str


class RingKeyChanges(BaseModel):
    """What to change of a key."""

    model_config = ConfigDict(extra="forbid", strict=True)

    disabled: bool


@router.get("", dependencies=may(Action.LIST_RING))
async def list_ring(desk: TheDesk) -> list[values.RingKey]:
    """All keys by name."""
    return [_shown(key) for key in _ring(desk).all()]


@router.post("", status_code=201, dependencies=may(Action.ADD_RING_KEY))
async def add_ring_key(body: RingKeyBody, desk: TheDesk) -> values.RingKey:
    """Adds a key for SSE-KMS. Make a backup: what is encrypted with it is lost with the ring."""
    return _shown(await asyncio.to_thread(_ring(desk).add, body.name))


@router.post("/{name}/rotate", dependencies=may(Action.ROTATE_RING_KEY))
async def rotate_ring_key(name: str, desk: TheDesk) -> values.RingKey:
    """A new version, which wraps from now on; old ones still open what they wrapped. The job ``rewrap`` wraps that anew."""
    return _shown(await asyncio.to_thread(_ring(desk).rotate, name))


@router.patch("/{name}", dependencies=may(Action.CHANGE_RING_KEY))
async def change_ring_key(name: str, body: RingKeyChanges, desk: TheDesk) -> values.RingKey:
    """Disables or enables a key, for every worker: what it encrypted cannot be read meanwhile."""
    return _shown(await asyncio.to_thread(_ring(desk).set_disabled, name, body.disabled))


def _ring(desk: Desk) -> KeyRing:
    if desk.ring is None:
        raise errors.NotServed("The keys of this server are kept elsewhere.")
    return desk.ring


def _shown(key: RingKey) -> values.RingKey:
    return values.RingKey(
        name=key.name,
        created_ms=key.created_ms,
        rotated_ms=key.versions[-1].created_ms,
        versions=len(key.versions),
        disabled=key.disabled,
    )

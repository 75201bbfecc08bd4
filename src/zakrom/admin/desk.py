"""What the calls have in common: the store, the facts of this server, the clock, and who is asking."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, NamedTuple, Protocol, cast, runtime_checkable

from fastapi import Depends, Request, Security
from fastapi.params import Depends as Dependency
from fastapi.security import APIKeyHeader

from zakrom import errors
from zakrom.admin.actions import Action
from zakrom.admin.lookout import Lookout
from zakrom.admin.names import Random
from zakrom.catalog.interface import Space
from zakrom.crypt.ring import KeyRing
from zakrom.model.caller import Caller
from zakrom.model.facts import User
from zakrom.rules import access
from zakrom.store import Store


class ServerInfo(NamedTuple):
    """What the composed server knows of itself. ``format``: of the catalog on disk."""

    version: str
    format: int
    data_directory: str
    region: str
    regions: tuple[str, ...]
    workers: int
    started_ms: int


class Chore(Protocol):
    """A background job, as far as the admin API is concerned: every `work.jobs.Job` is one."""

    @property
    def name(self) -> str:
        """As in the list of jobs."""
        ...

    def status(self) -> Mapping[str, object]:
        """What it says of itself: names and plain values."""
        ...


@runtime_checkable
class Askable(Protocol):
    """A job that an operator can tell to begin."""

    def ask(self) -> None:
        """Begins now, if it is not running."""
        ...


JobStatus = Callable[[], Mapping[str, Mapping[str, object]]]
"""What is known of each job, by its name."""


class Desk:
    """Everything the calls work with."""

    def __init__(
        self,
        store: Store,
        info: ServerInfo,
        jobs: Sequence[Chore],
        job_status: JobStatus | None,
        clock_ms: Callable[[], int],
        random: Random,
        stopping: Callable[[], bool],
        ring: KeyRing | None = None,
    ) -> None:
        self.store = store
        self.ring = ring
        self.catalog = store.catalog
        self.info = info
        self.jobs = {job.name: job for job in jobs}
        self.job_status = job_status or (lambda: {name: job.status() for name, job in self.jobs.items()})
        self.clock_ms = clock_ms
        self.random = random
        self.lookout = Lookout(self.space, stopping)
        # Users and keys are read, changed and written back. All of that happens in this process: one at a time.
        self.identities = asyncio.Lock()

    async def space(self, bucket: str | None) -> Space:
        """Where a bucket (by name) or the store stands. Raises `NoSuchBucket`."""
        return await self.catalog.space((await self.catalog.bucket(bucket)).id if bucket is not None else None)


async def _desk(request: Request) -> Desk:
    return cast("Desk", request.app.state.desk)


async def _caller(request: Request) -> Caller:
    return cast("Caller", request.state.caller)


TheDesk = Annotated[Desk, Depends(_desk)]
TheCaller = Annotated[Caller, Depends(_caller)]

SIGNED = Security(
    APIKeyHeader(
        name="Authorization",
        scheme_name="sigv4",
        description="AWS Signature Version 4, service `s3`; the body's hash stands in `x-amz-content-sha256`.",
        auto_error=False,  # the gate has checked it already; this stands here for the OpenAPI document
    )
)


class May:
    """A dependency of a call: who may make it. Without one a call is refused (see `tests/unit/admin/test_calls.py`)."""

    def __init__(self, action: Action, *, everybody: bool = False) -> None:
        """``everybody``: any user may call it; what they see there is the call's business."""
        self.action = action
        self.everybody = everybody

    async def __call__(self, request: Request) -> None:
        """Returns if the caller may. Raises `AccessDenied`."""
        request.state.action = self.action
        caller = cast("Caller", request.state.caller)
        if not self.everybody:
            access.check(caller, self.action, None)
        elif caller.user is None:
            raise errors.AccessDenied


def may(action: Action, *, everybody: bool = False) -> list[Dependency]:
    """The dependencies of a call: see `May`."""
    return [Depends(May(action, everybody=everybody)), SIGNED]


def user_of(caller: Caller) -> User:
    """The caller as a user: behind the gate there is always one."""
    assert caller.user is not None
    return caller.user

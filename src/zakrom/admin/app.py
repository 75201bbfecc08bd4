"""The application: the gate, the calls, the dress of errors, put together."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from zakrom.admin import page
from zakrom.admin.calls import keys, policy, server, space, usage, users
from zakrom.admin.calls import ring as ring_calls
from zakrom.admin.desk import Chore, Desk, JobStatus, ServerInfo
from zakrom.admin.dress import dressed, from_status, from_validation
from zakrom.admin.gate import Gate, Served
from zakrom.admin.names import Random
from zakrom.admin_client.values import Problem
from zakrom.crypt.ring import KeyRing
from zakrom.errors import Error
from zakrom.identity.doorman import Doorman
from zakrom.store import Store

PREFIX = "/api/v1"

_DESCRIPTION = (
    "Users, keys, quotas, usage, jobs, the key ring and the signal of freed space of one Zakrom server. "
    "Calls are signed with AWS Signature "
    "Version 4, service s3, with the keys that S3 takes. Root may make all of them; a user may ask for /api/v1/me, and for "
    "usage, quota and space of their own buckets."
)


def create_app(
    store: Store,
    doorman: Doorman,
    info: ServerInfo,
    jobs: Sequence[Chore],
    clock_ms: Callable[[], int],
    *,
    job_status: JobStatus | None = None,
    report: Callable[[Served], None] = lambda _: None,
    random: Random = secrets.token_bytes,
    stopping: Callable[[], bool] = lambda: False,
    ring: KeyRing | None = None,
) -> FastAPI:
    """The admin API of a server, to be served at the root of a port of its own.

    Args:
        store: its catalog must be the one that the doorman asks.
        doorman: knows the keys.
        info: what the server knows of itself.
        jobs: the background jobs of this process; those with an ``ask`` can be started by a call.
        clock_ms: milliseconds since 1970.
        job_status: what is known of each job, where somebody knows more than the job itself: `work.jobs.Runner.status`.
        report: hears of every call when it has been answered: for the access line and the metrics.
        random: for ids and keys.
        stopping: true from the moment the server drains: who waits for space is answered at once.
        ring: the keys of the store, if they are kept in it.
    """
    app = FastAPI(
        title="Zakrom admin API",
        version="1",
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirected call has another path than the one that was signed
        generate_unique_id_function=_operation_id,
        responses={"default": {"model": Problem, "description": "What went wrong: the status is that of S3."}},
    )
    app.state.desk = Desk(store, info, jobs, job_status, clock_ms, random, stopping, ring)
    app.add_middleware(Gate, doorman=doorman, clock_ms=clock_ms, random=random, report=report)
    for subject in (server, users, keys, usage, space, policy, ring_calls):
        app.include_router(subject.router, prefix=PREFIX)
    app.add_exception_handler(Error, _on_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_status)

    @app.get("/docs", include_in_schema=False)
    async def documentation() -> HTMLResponse:
        return HTMLResponse(page.render(app.openapi()))

    return app


def _operation_id(route: APIRoute) -> str:
    """The function's name: what generated clients call their methods."""
    return route.name


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, Error)
    request.state.code = type(error).__name__
    status, body = dressed(error)
    return Response(body, status, media_type="application/json")


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await _on_error(request, from_validation(error.errors()))


async def _on_status(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return await _on_error(request, from_status(error.status_code, request.url.path))

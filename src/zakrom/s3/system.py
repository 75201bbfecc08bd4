"""Paths of the server itself beside the buckets: health for load balancers, metrics for Prometheus.

Live: the process answers. Ready: it can read and write. No signature is asked for: nothing here tells of anybody's data but
sizes and counts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from zakrom.errors import Error
from zakrom.web.message import Request, Response
from zakrom.wire.errors import status_of

_PLAIN = ("Content-Type", "text/plain; charset=utf-8")
_NO_STORE = ("Cache-Control", "no-store")
_METRICS = ("Content-Type", "text/plain; version=0.0.4; charset=utf-8")

_LIVE = frozenset({b"/-/health/live", b"/minio/health/live"})
_READY = frozenset({b"/-/health/ready", b"/minio/health/ready", b"/minio/health/cluster"})
_METRICS_PATH = b"/-/metrics"


class System:
    """Answers the paths below ``/-/``, and MinIO's where its name is reserved."""

    def __init__(self, ready: Callable[[], Awaitable[None]], metrics: Callable[[], Awaitable[bytes]]) -> None:
        """``ready`` raises an `Error` if the server cannot write; ``metrics`` gives the exposition text."""
        self._ready = ready
        self._metrics = metrics

    async def __call__(self, request: Request) -> Response:
        """The answer."""
        if request.method not in ("GET", "HEAD"):
            return Response(405, [_PLAIN, ("Allow", "GET, HEAD")], b"method not allowed\n")
        if request.path in _LIVE:
            return Response(200, [_PLAIN, _NO_STORE], b"live\n")
        if request.path in _READY:
            return await self._readiness()
        if request.path == _METRICS_PATH:
            return Response(200, [_METRICS, _NO_STORE], await self._metrics())
        return Response(404, [_PLAIN], b"not found\n")

    async def _readiness(self) -> Response:
        try:
            await self._ready()
        except Error as error:
            return Response(max(503, status_of(error)), [_PLAIN, _NO_STORE], f"not ready: {error.message}\n".encode())
        return Response(200, [_PLAIN, _NO_STORE], b"ready\n")

"""What all processes of one server share: made by the supervisor before it forks."""

from __future__ import annotations

import os
import socket
import time
from typing import NamedTuple

from zakrom.observe.logs import Format
from zakrom.observe.metrics import Metrics
from zakrom.settings import Settings
from zakrom.work.directory import Opened, RootKey


class Context(NamedTuple):
    """One server. Nothing here is written after the fork, but the shared memory of the metrics."""

    settings: Settings
    opened: Opened
    root: RootKey
    writer_socket: str
    s3: list[socket.socket]  # one for each worker, or one for all
    admin: list[socket.socket]
    website: list[socket.socket]
    metrics: Metrics
    log_format: Format
    session_key: bytes

    @property
    def workers(self) -> int:
        """How many workers this server runs."""
        return self.settings.worker_count(os.cpu_count() or 1)


def clock_ms() -> int:
    """Milliseconds since 1970: the one clock of facts."""
    return time.time_ns() // 1_000_000

"""Logs: structured lines on stderr, JSON for machines or columns for people; and one access line a request.

Two ways, because they have different prices. What happens rarely (start, a dead worker, a full disk) goes through structlog and
is written at once. What happens with every request goes through `AccessLog`: one struct put into a queue, which a thread
encodes and writes a few times a second; the event loop never waits for the pipe behind stderr.

Both pass the guard of `observe.redact`, the access line by having no field that could hold a secret: no query string, no header
but the user agent.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any, Literal, TextIO

import msgspec

from zakrom.observe.redact import redact_fields, redact_text

# structlog imports rich if it is there, for tracebacks in colours, which we do not use: 6 MiB in every process, and half of the
# time that the server's modules take to load (0.8 s of processor time with it, 0.4 s without). While structlog is imported rich
# is not there; whoever wants it later gets it.
_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]  # what makes `import rich` say that there is none
try:
    import structlog
finally:
    del sys.modules["rich"]
    if _rich is not None:
        sys.modules["rich"] = _rich

Format = Literal["json", "console"]

FLUSH_SECONDS = 0.2  # how long an access line may wait: an operator who watches a terminal does not notice
FLUSH_LINES = 256  # and this many go at once: some 64 KiB, what a pipe holds on Linux
BACKLOG_LINES_MAX = 20_000  # behind a pipe that nobody reads lines are dropped and counted, never the requests; some 5 MiB
CLOSE_SECONDS_MAX = 2.0  # the patience with such a pipe at the end of the process

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


# ----------------------------------------------------------------------------------------------------------- rare lines


def chosen_format(wanted: Literal["auto", "json", "console"], *, terminal: bool) -> Format:
    """What ``auto`` means: console on a terminal, JSON elsewhere."""
    if wanted == "auto":
        return "console" if terminal else "json"
    return wanted


def configure(format: Format, level: str, process: str, stream: TextIO | None = None) -> None:
    """Sets up the logs of this process: ours, and those of libraries that use the standard library's `logging`.

    ``process`` stands in every line. Call it once per process, after the fork. ``stream`` defaults to stderr.
    """
    out = stream or sys.stderr
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(process),
        structlog.processors.format_exc_info,  # before the guard: a traceback is text like any other
        guard,
    ]
    renderer = _renderer(format, colors=out.isatty())
    structlog.configure(
        processors=[*before, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,  # `configure` runs again after a fork
    )
    handler = logging.StreamHandler(out)
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before[:-1], processors=[remove_meta, guard, renderer])
    )
    logging.basicConfig(handlers=[handler], level=_LEVELS[level], force=True)
    logging.captureWarnings(capture=True)


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger; ``name`` (the room) stands in its lines. `logger("blobs").warning("rotten block", blob=7)`."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger(room=name)
    return bound


def guard(_logger: object, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """The processor before the renderer: nothing secret passes."""
    return redact_fields(event)


def _named(process: str) -> structlog.typing.Processor:
    def add(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("process", process)
        return event

    return add


def _renderer(format: Format, *, colors: bool) -> structlog.typing.Processor:
    if format == "json":
        return structlog.processors.JSONRenderer(serializer=_json)
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)


def _json(value: object, **_: object) -> str:
    return msgspec.json.encode(value).decode()


# --------------------------------------------------------------------------------------------------------- access lines


class Access(
    msgspec.Struct,
    gc=False,
    omit_defaults=True,
    tag_field="event",
    tag="access",
    rename={"bytes_in": "in", "bytes_out": "out"},
):
    """One request that has been answered. The order of the fields is that of the line; absent ones are left out."""

    request: str  # the request id that the client has seen
    peer: str
    method: str
    operation: str
    status: int
    seconds: float
    bytes_in: int
    bytes_out: int
    bucket: str | None = None
    key: str | None = None
    code: str | None = None  # the error's
    access_key: str | None = None
    user_agent: str | None = None
    timestamp: str = ""  # set by `AccessLog.line`


_TEXT_MAX = 1024  # of a key (S3's own limit) and of a user agent


class AccessLog:
    """Takes access lines cheaply and writes them soon. One per process, made after the fork.

    `line` may be called from any thread and never blocks. One background thread writes; at rest it sleeps.
    """

    def __init__(self, format: Format, fd: int, clock: Callable[[], float] = time.time) -> None:
        self.dropped = 0  # lines lost because nobody read the pipe
        self._encode = msgspec.json.Encoder().encode_lines if format == "json" else _as_columns
        self._fd = fd
        self._clock = clock
        self._lines: deque[Access] = deque()  # appended by the door, emptied by the thread: both ends are atomic
        self._now_ms = -1
        self._stamp = ""
        self._wake = threading.Event()
        self._full = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def line(self, access: Access) -> None:
        """Takes a line, which is the log's from now on; it is on its way within `FLUSH_SECONDS`."""
        waiting = len(self._lines)
        if waiting >= BACKLOG_LINES_MAX:
            self.dropped += 1
            return
        access.timestamp = self._time()
        self._lines.append(access)
        if not self._wake.is_set():
            self._wake.set()
        if waiting == FLUSH_LINES:
            self._full.set()

    def close(self) -> None:
        """Writes the last lines and ends the thread; gives up on a pipe that nobody reads. May be called twice."""
        atexit.unregister(self.close)
        self._closed = True
        self._wake.set()
        self._full.set()
        self._thread.join(CLOSE_SECONDS_MAX)

    def _run(self) -> None:
        told = 0
        while not self._closed:
            self._wake.wait()
            self._full.wait(FLUSH_SECONDS)
            self._wake.clear()  # before the lines are taken: one that comes later wakes us again
            self._full.clear()
            self._flush()
            if self.dropped > told:
                logger("access").warning(
                    "access lines were dropped: nobody reads the log fast enough", count=self.dropped - told
                )
                told = self.dropped
        self._flush()

    def _flush(self) -> None:
        if lines := [self._lines.popleft() for _ in range(len(self._lines))]:
            self._write(self._encode(lines))

    def _write(self, data: bytes) -> None:
        """All of it, or nothing more: stderr may be closed, and a server does not stop for that."""
        view = memoryview(data)
        with contextlib.suppress(OSError):
            while view:
                view = view[os.write(self._fd, view) :]

    def _time(self) -> str:
        """The time as RFC 3339 with milliseconds, made once for the requests of each."""
        now_ms = int(self._clock() * 1000)
        if now_ms != self._now_ms:
            self._now_ms = now_ms
            second, ms = divmod(now_ms, 1000)
            self._stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{ms:03d}Z"
        return self._stamp


def _as_columns(lines: list[Access]) -> bytes:
    return "".join(map(_columns, lines)).encode("utf-8", "backslashreplace")


def _columns(access: Access) -> str:
    target = "/".join(part for part in (access.bucket, access.key) if part is not None)
    columns = (
        access.timestamp,
        access.request,
        access.peer,
        f"{access.method:6}",
        f"{access.operation:24}",
        f"{access.status}",
        access.code or "-",
        f"{access.seconds * 1000:.1f}ms",
        f"in={access.bytes_in}",
        f"out={access.bytes_out}",
        # A key may contain anything, a line break too: it must not be able to fake a line.
        target if target.isprintable() and " " not in target else repr(target),
    )
    return " ".join(columns) + "\n"


def shown(text: str | None) -> str | None:
    """A client's text as it may stand in an access line: without secrets, and not endless."""
    return None if text is None else redact_text(text[:_TEXT_MAX])

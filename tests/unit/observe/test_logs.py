"""Log lines: their forms, what libraries say, and the access log that never blocks."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from zakrom.observe import logs
from zakrom.observe.logs import Access, AccessLog
from zakrom.observe.redact import REDACTED

FIRST = Access("4442587FB7D0A2F9", "127.0.0.1", "GET", "GetObject", 200, 0.00123, 0, 4096, bucket="photos", key="a/é b")
NOW = 1_795_000_000.25  # 2026-11-18T11:06:40.250Z


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leaves the logging of the test process as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = handlers, level


def configured(form: logs.Format, level: str = "info") -> io.StringIO:
    """Logs that go into memory."""
    stream = io.StringIO()
    logs.configure(form, level, "worker-1", stream)
    return stream


# ----------------------------------------------------------------------------------------------------------- rare lines


def test_json_lines_have_time_level_process_and_room() -> None:
    """One object a line, which any collector reads."""
    stream = configured("json")

    logs.logger("blobs").warning("rotten block", blob=7)

    line = json.loads(stream.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "rotten block", "level": "warning", "process": "worker-1", "room": "blobs", "blob": 7}


def test_console_lines_are_for_people() -> None:
    """The same facts in columns, without colours where there is no terminal."""
    stream = configured("console")

    logs.logger("blobs").warning("rotten block", blob=7)

    assert "rotten block" in stream.getvalue()
    assert "blob=7" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_nothing_secret_in_any_form(form: logs.Format) -> None:
    """Fields, texts, tracebacks, and what libraries log: all pass the guard."""
    stream = configured(form)

    logs.logger("s3").info(
        "request", url="/b/k?X-Amz-Signature=hush1234", headers={"authorization": "hush1234"}, secret_key="hush1234"
    )
    try:
        int("Signature=hush1234")
    except ValueError:
        logs.logger("s3").exception("failed")
        logging.getLogger("uvicorn").exception("failed with password=%s", "hush1234")
    logging.getLogger("py.warnings").warning("token X-Amz-Security-Token=hush1234")  # where captured warnings go

    assert stream.getvalue().count(REDACTED) >= 6
    assert "hush1234" not in stream.getvalue()


def test_lines_below_the_level_are_left_out() -> None:
    """Ours and the libraries' alike."""
    stream = configured("json", "warning")

    logs.logger("s3").info("no")
    logging.getLogger("asyncio").info("no")
    logging.getLogger("asyncio").error("yes")

    assert [line["event"] for line in map(json.loads, stream.getvalue().splitlines())] == ["yes"]


@pytest.mark.parametrize(
    ("wanted", "terminal", "expected"),
    [("auto", True, "console"), ("auto", False, "json"), ("json", True, "json"), ("console", False, "console")],
)
def test_auto_is_console_on_a_terminal_and_json_elsewhere(wanted: str, terminal: bool, expected: str) -> None:
    """What is asked for by name is taken."""
    assert expected == logs.chosen_format(wanted, terminal=terminal)  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------------------- access lines


@contextmanager
def access_log(form: logs.Format) -> Iterator[tuple[AccessLog, int]]:
    """An access log that writes into a pipe, and the pipe's other end."""
    reader, writer = os.pipe()
    log = AccessLog(form, writer, clock=lambda: NOW)
    try:
        yield log, reader
    finally:
        os.close(reader)
        log.close()
        os.close(writer)


def test_an_access_line_is_one_json_object() -> None:
    """With the request id that the client has seen, and absent facts left out."""
    with access_log("json") as (log, reader):
        log.line(FIRST)
        line = os.read(reader, 65536)

    assert line.endswith(b"}\n")
    assert json.loads(line) == {
        "event": "access",
        "request": "4442587FB7D0A2F9",
        "peer": "127.0.0.1",
        "method": "GET",
        "operation": "GetObject",
        "status": 200,
        "seconds": 0.00123,
        "in": 0,
        "out": 4096,
        "bucket": "photos",
        "key": "a/é b",
        "timestamp": "2026-11-18T11:06:40.250Z",
    }


def test_a_key_cannot_fake_a_line() -> None:
    """A key may contain a line break; the log's lines stay one a request, in both forms."""
    for form in ("json", "console"):
        with access_log(form) as (log, reader):
            log.line(Access("1", "peer", "PUT", "PutObject", 200, 0.1, 1, 0, "b", "x\n2026 FAKE \x1b[2J"))
            line = os.read(reader, 65536)

        assert line.count(b"\n") == 1
        assert b"\x1b" not in line


def test_a_line_is_written_soon_and_many_sooner() -> None:
    """A single line waits for company no longer than the limit; a full buffer does not wait."""
    with access_log("json") as (log, reader):
        start = time.monotonic()
        log.line(FIRST)
        os.read(reader, 65536)
        one = time.monotonic() - start
        start = time.monotonic()
        for _ in range(logs.FLUSH_LINES + 1):
            log.line(Access("1", "peer", "GET", "GetObject", 200, 0.1, 0, 0))
        os.read(reader, 65536)
        many = time.monotonic() - start

    assert one < logs.FLUSH_SECONDS + 0.5
    assert many < logs.FLUSH_SECONDS


def test_no_line_is_lost_between_threads() -> None:
    """Lines that arrive while others are written are written too, each once."""
    with access_log("json") as (log, reader):
        got = bytearray()

        def take() -> None:
            while piece := os.read(reader, 65536):
                got.extend(piece)

        drain = threading.Thread(target=take)
        drain.start()
        for number in range(5000):
            log.line(Access(str(number), "peer", "GET", "GetObject", 200, 0.1, 0, 0))
        deadline = time.monotonic() + 5
        while got.count(b"\n") < 5000 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.dup2(os.open(os.devnull, os.O_WRONLY), log._fd)
        drain.join(5)

    assert [str(number) for number in range(5000)] == [json.loads(line)["request"] for line in got.splitlines()]


def test_a_pipe_that_nobody_reads_stops_no_request() -> None:
    """Lines beyond the backlog are dropped and counted; `line` returns at once all the same, and `close` gives up in time."""
    reader, writer = os.pipe()
    log = AccessLog("json", writer)
    start = time.monotonic()
    for _ in range(3 * logs.BACKLOG_LINES_MAX):
        log.line(Access("1", "peer", "GET", "GetObject", 200, 0.1, 0, 0))
    took = time.monotonic() - start
    log.close()
    closed = time.monotonic() - start
    os.close(reader)  # now its thread gets an error, and ends
    log._thread.join(5)
    os.close(writer)

    assert log.dropped >= logs.BACKLOG_LINES_MAX // 2
    assert took < 5
    assert closed < took + logs.CLOSE_SECONDS_MAX + 1
    assert not log._thread.is_alive()


def test_the_last_lines_are_written_when_the_process_ends() -> None:
    """No `close` is needed for that."""
    script = """
from zakrom.observe.logs import Access, AccessLog
AccessLog("json", 1).line(Access("last", "peer", "GET", "GetObject", 200, 0.1, 0, 0))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=30, check=True)

    assert json.loads(done.stdout)["request"] == "last"


def test_a_client_s_text_is_cut_and_cleaned() -> None:
    """A user agent of a megabyte, or one with a signature in it, does not fill the log."""
    assert len(logs.shown("x" * 10_000) or "") == 1024
    assert "hush" not in (logs.shown("curl Signature=hush") or "")
    assert logs.shown(None) is None


def test_logging_does_not_bring_a_terminal_library_along() -> None:
    """A worker has no use for rich, and it costs 6 MiB a process; a command that wants it can import it afterwards."""
    script = """
import sys
from zakrom.observe import logs
assert not [name for name in sys.modules if name.split(".")[0] in {"rich", "pygments"}]
logs.configure("console", "info", "worker-1")
try:
    1 / 0
except ZeroDivisionError:
    logs.logger("s3").exception("failed")
import rich.table
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 0, done.stderr
    assert "ZeroDivisionError" in done.stderr


@pytest.mark.alone
def test_a_line_is_cheap() -> None:
    """Less than 10 µs of processor time a request, thread included (2 to 3 µs when measured)."""
    with Path(os.devnull).open("wb") as null:
        log = AccessLog("json", null.fileno())
        start = time.process_time()
        for _ in range(20_000):
            log.line(
                Access(
                    "4442587FB7D0A2F9",
                    "127.0.0.1",
                    "GET",
                    "GetObject",
                    200,
                    0.00123,
                    0,
                    4096,
                    "photos",
                    "a/b",
                    None,
                    "AKIA",
                    "aws",
                )
            )
        log.close()
        used = time.process_time() - start

    assert used / 20_000 < 10e-6

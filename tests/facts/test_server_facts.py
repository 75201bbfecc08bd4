"""Facts of the whole server; and that the table of all fifteen names tests that there are."""

# ruff: noqa: ANN401, T201 - figures and seeds are printed; boto3's clients have no types

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from zakrom.testing.server import Server

BUCKET = "beside"
KEYS = 1_000
SECONDS = 3.0
SHARE_MIN = 0.25
"""Of its rate a putter must keep beside two clients that list without pause, here where three clients share the cores with the
server; when a writer was a thread of the worker, less than a hundredth was left."""

P50_SECONDS_MAX = 0.1
"""It was 0.81."""


@pytest.mark.alone
def test_puts_go_on_beside_listings() -> None:
    """Point 1: who lists pages of a thousand keys without pause does not starve who writes."""
    with Server(workers=2) as server:
        s3 = server.client()
        s3.create_bucket(Bucket=BUCKET)
        for number in range(KEYS):
            s3.put_object(Bucket=BUCKET, Key=f"{number:04}", Body=b"")
        alone = _put_for(s3, SECONDS)
        stop = threading.Event()
        listers = [threading.Thread(target=_list_until, args=(server, stop), daemon=True) for _ in range(2)]
        for thread in listers:
            thread.start()
        beside = _put_for(s3, SECONDS)
        stop.set()
        for thread in listers:
            thread.join(10)
    print(f"PUT/s alone {len(alone) / SECONDS:.0f}, beside listings {len(beside) / SECONDS:.0f}, p50 {median(beside):.4f} s")

    assert len(beside) >= SHARE_MIN * len(alone)
    assert median(beside) < P50_SECONDS_MAX


def _put_for(s3: Any, seconds: float) -> list[float]:
    """How long each PUT took."""
    took: list[float] = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        s3.put_object(Bucket=BUCKET, Key="k", Body=bytes(4096))
        took.append(time.perf_counter() - began)
    return took


def _list_until(server: Server, stop: threading.Event) -> None:
    """Raw answers: a client that parses them would be slower than the server."""
    url = server.client().generate_presigned_url("list_objects_v2", Params={"Bucket": BUCKET}).removeprefix(server.endpoint)
    connection = server.access.connect()
    while not stop.is_set():
        connection.request("GET", url)
        connection.getresponse().read()
    connection.close()


def test_every_point_has_its_test() -> None:
    """The table beside this file has all fifteen, and each test that it names exists."""
    here = Path(__file__).parent
    rows = re.findall(r"^\| (\d+) \|.*\| (.*) \|$", (here / "README.md").read_text("utf-8"), re.MULTILINE)
    known = {path: path.read_text("utf-8") for path in here.glob("test_*.py")}
    known |= {path: path.read_text("utf-8") for path in (here.parent / "probe").glob("test_*.py")}
    names = {name for _, cell in rows for name in re.findall(r"`(test_\w+)`", cell)}
    files = {name for _, cell in rows for name in re.findall(r"`([\w/]+\.py)`", cell)}

    assert [number for number, _ in rows] == [str(number) for number in range(1, 16)]
    assert [name for name in names if not any(f"def {name}(" in text for text in known.values())] == []
    assert [name for name in files if not (here / name).exists() and not (here.parent.parent / name).exists()] == []

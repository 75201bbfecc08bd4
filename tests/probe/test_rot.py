"""Bytes that rot under a running server: an error or a cut connection, never a wrong byte; found, named, and healed."""

from __future__ import annotations

import http.client
import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from zakrom.admin_client import AdminClient
from zakrom.blobs.layout import relative_path
from zakrom.catalog.reads import Reads
from zakrom.model.facts import BLOCK_BYTES
from zakrom.testing.server import Server

from .processes import wait_until

BUCKET = "rot"
BLOCKS = 20
BODY = random.Random(7).randbytes(BLOCKS * BLOCK_BYTES + 1000)
PART_BYTES = 5 * 1024 * 1024
SCRUB_SECONDS_MAX = 20.0

Answer = tuple[int, bytes, bool]
"""Status, the bytes that came, and whether the answer came whole."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server with a bucket."""
    with Server() as server:
        server.client().create_bucket(Bucket=BUCKET)
        yield server


def get(server: Server, key: str, first: int | None = None, last: int | None = None) -> Answer:
    """A GET, of a range perhaps, by a client that keeps what it got when the connection is cut."""
    url = server.client().generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": key})
    headers = {} if first is None else {"Range": f"bytes={first}-{last}"}
    with closing(server.access.connect(20)) as connection:
        connection.request("GET", url.removeprefix(server.endpoint), headers=headers)
        answer = connection.getresponse()
        try:
            return answer.status, answer.read(), True
        except http.client.IncompleteRead as cut:
            return answer.status, cut.partial, False
        except ConnectionResetError:
            return answer.status, b"", False


def is_refused(answer: Answer, right: bytes) -> bool:
    """An error in S3's words, or an answer that stops before the first wrong byte."""
    status, body, whole = answer
    if status == 500:
        return whole and b"<Code>InternalError</Code>" in body
    return not whole and right.startswith(body)


def blobs_of(server: Server, key: str) -> list[int]:
    """The blobs that an object's bytes lie in."""
    with closing(Reads(str(server.data / "catalog"))) as reads:
        found = reads.find(reads.bucket(BUCKET).id, key.encode())
        assert found is not None
        if found.version.manifest is None:
            assert found.version.blob is not None
            return [found.version.blob]
        manifest = reads.manifest(found.version.manifest)
        assert manifest is not None
        return [one.blob for one in manifest.slices]


def path_of(server: Server, blob: int) -> Path:
    """The file of a blob."""
    return server.data / "blobs" / relative_path(blob)


def flip(path: Path, offset: int) -> None:
    """One bit of the file rots."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def said_by(server: Server, *arguments: str) -> tuple[int, list[dict[str, object]]]:
    """The exit code and the findings of `zakrom check` or `zakrom scrub`."""
    line = [sys.executable, "-m", "zakrom", *arguments, "--json", "--data", str(server.data)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, [json.loads(one) for one in done.stdout.splitlines()][:-1]


def admin_of(server: Server) -> AdminClient:
    """The admin API, as root."""
    return AdminClient(server.admin_endpoint, server.access_key, server.secret_key)


def scrubbed(server: Server) -> dict[tuple[str, str], int | None]:
    """What the server's own scrub finds: the damaged block (None: the file) by bucket and key."""
    admin = admin_of(server)
    before = admin.job("scrub").facts["finished_ms"]
    admin.start_job("scrub")
    wait_until(lambda: admin.job("scrub").facts["finished_ms"] != before, SCRUB_SECONDS_MAX)
    return {(one.bucket, one.key): damage.block for damage in admin.damages() for one in damage.versions}


def test_a_flipped_bit_never_leaves_the_server(server: Server) -> None:
    """The range that covers it is refused, the whole object is cut before it; all ranges beside it are served."""
    server.client().put_object(Bucket=BUCKET, Key="k", Body=BODY)
    bad = 12
    flip(path_of(server, blobs_of(server, "k")[0]), bad * BLOCK_BYTES + 77)

    assert is_refused(get(server, "k"), BODY)
    assert is_refused(get(server, "k", bad * BLOCK_BYTES, bad * BLOCK_BYTES + 10), BODY[bad * BLOCK_BYTES :])
    assert is_refused(get(server, "k", 0, bad * BLOCK_BYTES), BODY)  # its last byte is the first of the block
    for first, last in ((0, bad * BLOCK_BYTES - 1), ((bad + 1) * BLOCK_BYTES, len(BODY) - 1), (3, 5)):
        assert get(server, "k", first, last) == (206, BODY[first : last + 1], True)
    told = f"blob={blobs_of(server, 'k')[0]}, block={bad}"  # and the request with it
    wait_until(lambda: told in server.log, 5, lambda: server.log)


def test_what_is_rotten_from_the_start_is_an_error_and_no_broken_answer(server: Server) -> None:
    """The first piece is verified before the status line: the client is told in S3's words."""
    server.client().put_object(Bucket=BUCKET, Key="k", Body=BODY)
    flip(path_of(server, blobs_of(server, "k")[0]), 5)

    status, body, whole = get(server, "k")
    assert (500, True) == (status, whole)
    assert b"<Code>InternalError</Code>" in body


HARMS: dict[str, Callable[[Path], object]] = {
    "cut-short": lambda path: os.truncate(path, BLOCK_BYTES),
    "grown": lambda path: os.truncate(path, len(BODY) + 1),
    "missing": Path.unlink,
    "zeros": lambda path: path.write_bytes(bytes(len(BODY))),
    "empty": lambda path: path.write_bytes(b""),
}


def test_a_harmed_file_is_an_error(server: Server) -> None:
    """Cut short, grown, gone, full of zeros or empty: 500 or a cut connection; other objects are served; scrub names them."""
    s3 = server.client()
    for key in (*HARMS, "sound"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=BODY)
    for key, harm in HARMS.items():
        harm(path_of(server, blobs_of(server, key)[0]))

    for key in HARMS:
        assert is_refused(get(server, key), BODY), key
        assert is_refused(get(server, key, 0, 0), BODY), key
        assert s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == len(BODY)  # the facts are there
    assert get(server, "sound") == (200, BODY, True)
    assert scrubbed(server).keys() == {(BUCKET, key) for key in HARMS}


def test_a_damaged_part_harms_its_own_bytes_only(server: Server) -> None:
    """Of an object of two parts the sound one is served; scrub names every key that shares the rotten one."""
    s3 = server.client()
    where = {"Bucket": BUCKET, "Key": "k"}
    first, second = random.Random(1).randbytes(PART_BYTES), random.Random(2).randbytes(3 * BLOCK_BYTES)
    id = s3.create_multipart_upload(**where)["UploadId"]
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**where, UploadId=id, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate((first, second), 1)
    ]
    s3.complete_multipart_upload(**where, UploadId=id, MultipartUpload={"Parts": parts})
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=where)
    flip(path_of(server, blobs_of(server, "k")[1]), 2 * BLOCK_BYTES)

    for key in ("k", "copy"):
        assert is_refused(get(server, key), first + second)
        assert get(server, key, 0, PART_BYTES + 2 * BLOCK_BYTES - 1) == (206, first + second[: 2 * BLOCK_BYTES], True)
    assert scrubbed(server) == {(BUCKET, "k"): 2, (BUCKET, "copy"): 2}


def test_inline_bytes_that_rot_are_found(server: Server) -> None:
    """Small objects ride in the catalog; their bytes are verified at each read, too, and scrub reads them."""
    s3 = server.client()
    body = random.Random(3).randbytes(9_000)
    for key in ("k", "sound"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    (blob,) = blobs_of(server, "k")
    server.stop()
    with closing(sqlite3.connect(server.data / "catalog" / "catalog.sqlite3")) as catalog, catalog:
        catalog.execute("UPDATE blob SET data = ? WHERE id = ?", (body[:500] + b"\0" + body[501:], blob))
    server.start()

    assert is_refused(get(server, "k"), body)
    assert is_refused(get(server, "k", 0, 9), body)
    assert get(server, "sound") == (200, body, True)
    assert scrubbed(server) == {(BUCKET, "k"): 0}
    code, findings = said_by(server, "scrub")
    assert (code, len(findings)) == (8, 1)
    assert f"{BUCKET}/k" in str(findings[0]["where"])


def test_damage_heals_when_the_object_is_rewritten_or_deleted(server: Server) -> None:
    """What nobody needs is no damage any more: the report says so at once, and a file that comes back sound is sound."""
    s3 = server.client()
    for key in ("rewritten", "deleted", "restored"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=BODY)
        flip(path_of(server, blobs_of(server, key)[0]), 5)
    assert scrubbed(server) == {(BUCKET, key): 0 for key in ("rewritten", "deleted", "restored")}
    s3.put_object(Bucket=BUCKET, Key="rewritten", Body=BODY)
    s3.delete_object(Bucket=BUCKET, Key="deleted")
    flip(path_of(server, blobs_of(server, "restored")[0]), 5)

    assert [one.key for damage in admin_of(server).damages() for one in damage.versions] == ["restored"]
    assert get(server, "rewritten") == get(server, "restored") == (200, BODY, True)
    assert scrubbed(server) == {}
    assert said_by(server, "scrub") == (0, [])


def test_check_finds_what_is_missing_and_what_is_too_much(server: Server) -> None:
    """Catalog against files and files against catalog: both are named, beside a running server and without one."""
    s3 = server.client()
    for key in ("gone", "short", "sound"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=BODY)
    assert said_by(server, "check") == (0, [])
    gone, short = (blobs_of(server, key)[0] for key in ("gone", "short"))
    path_of(server, gone).unlink()
    os.truncate(path_of(server, short), 3)
    stranger = 900 << 32 | 5  # of a process that this store never had
    path_of(server, stranger).parent.mkdir(parents=True)
    path_of(server, stranger).write_bytes(b"who am I?")

    for _ in range(2):
        code, findings = said_by(server, "check")
        assert code == 8
        assert [f"{BUCKET}/gone" in str(findings[0]["where"]), f"{BUCKET}/short" in str(findings[1]["where"])] == [True, True]
        assert [("a file that nothing names", f"blob {stranger:x}")] == [(one["what"], one["where"]) for one in findings[2:]]
        server.stop()


def test_an_orphan_of_a_crash_is_swept_by_the_next_start(server: Server) -> None:
    """A file that an acknowledged nothing left behind goes by itself."""
    s3 = server.client()
    s3.put_object(Bucket=BUCKET, Key="k", Body=BODY)
    (blob,) = blobs_of(server, "k")
    server.kill()
    orphan = path_of(server, blob + 7)
    orphan.write_bytes(b"half an upload")
    server.start()

    wait_until(lambda: not orphan.exists(), 10, lambda: server.log)
    assert get(server, "k") == (200, BODY, True)


def test_sendfile_gives_up_whole_objects_only() -> None:
    """The setting sends whole objects unverified, as it says; ranges are verified as ever, and scrub finds the damage."""
    with Server(args=["--sendfile"]) as server:
        server.client().create_bucket(Bucket=BUCKET)
        server.client().put_object(Bucket=BUCKET, Key="k", Body=BODY)
        assert get(server, "k") == (200, BODY, True)
        flip(path_of(server, blobs_of(server, "k")[0]), 3 * BLOCK_BYTES)

        status, body, whole = get(server, "k")
        assert (status, len(body), whole) == (200, len(BODY), True)
        assert is_refused(get(server, "k", 3 * BLOCK_BYTES, 3 * BLOCK_BYTES + 9), BODY[3 * BLOCK_BYTES :])
        assert get(server, "k", 0, 3 * BLOCK_BYTES - 1) == (206, BODY[: 3 * BLOCK_BYTES], True)
        assert scrubbed(server) == {(BUCKET, "k"): 3}
        os.truncate(path_of(server, blobs_of(server, "k")[0]), BLOCK_BYTES)
        assert is_refused(get(server, "k"), b"")

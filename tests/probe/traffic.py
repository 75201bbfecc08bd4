"""Traffic whose every acknowledgement is remembered, so that it can be asked for afterwards.

Each writer has keys of its own: what a key must hold is then known exactly, but for the one operation that was under way when
the server died, which may have happened or not.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from zakrom.testing.server import Server

ABSENT: bytes | None = None
SIZES = (10, 4_096, 32 * 1024 + 1, 300_000, 2_500_000)  # inline, the edge of inline, staged in one batch and in several
PART_BYTES = 5 * 1024 * 1024
QUICK = Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=20)


class Writer(threading.Thread):
    """One client: writes, copies, completes uploads and deletes until the server goes away."""

    def __init__(self, server: Server, bucket: str, seed: int) -> None:
        super().__init__(daemon=True)
        self.acknowledged: dict[str, bytes | None] = {}
        self.attempted: dict[str, bytes | None] = {}
        self.count = 0
        self._client = server.client(config=QUICK)
        self._bucket = bucket
        self._random = random.Random(seed)
        self._keys = [f"{seed}/{number}" for number in range(8)]

    def run(self) -> None:
        """Until the first failure, which is the server's death."""
        try:
            while True:
                self._once()
        except (ClientError, BotoCoreError):
            return

    def _once(self) -> None:
        key = self._random.choice(self._keys)
        act = self._random.choices((self._do_put, self._do_delete, self._do_copy, self._do_upload), weights=(6, 2, 2, 1))[0]
        act(key)

    def _record(self, key: str, value: bytes | None, act: Callable[[], Any]) -> None:
        self.attempted[key] = value
        act()
        self.acknowledged[key] = value
        del self.attempted[key]
        self.count += 1

    def _do_put(self, key: str) -> None:
        body = os.urandom(self._random.choice(SIZES))
        self._record(key, body, lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=body))

    def _do_delete(self, key: str) -> None:
        self._record(key, ABSENT, lambda: self._client.delete_object(Bucket=self._bucket, Key=key))

    def _do_copy(self, key: str) -> None:
        sources = [one for one in self._keys if one != key and self.acknowledged.get(one) is not None]
        if not sources:
            return
        source = self._random.choice(sources)
        place = {"Bucket": self._bucket, "Key": source}
        self._record(
            key,
            self.acknowledged[source],
            lambda: self._client.copy_object(Bucket=self._bucket, Key=key, CopySource=place),
        )

    def _do_upload(self, key: str) -> None:
        bodies = [os.urandom(PART_BYTES), os.urandom(100)]
        where = {"Bucket": self._bucket, "Key": key}

        def upload() -> None:
            id = self._client.create_multipart_upload(**where)["UploadId"]
            parts = []
            for number, body in enumerate(bodies, start=1):
                part = self._client.upload_part(**where, UploadId=id, PartNumber=number, Body=body)
                parts.append({"PartNumber": number, "ETag": part["ETag"]})
            self._client.complete_multipart_upload(**where, UploadId=id, MultipartUpload={"Parts": parts})

        self._record(key, b"".join(bodies), upload)


def lost(server: Server, bucket: str, writers: list[Writer]) -> list[str]:
    """Keys that do not hold what was acknowledged, or what was under way. None is the good answer."""
    client = server.client()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    listed = {one["Key"] for page in pages for one in page.get("Contents", [])}
    wrong = []
    for writer in writers:
        for key in {*writer.acknowledged, *writer.attempted}:
            allowed = [writer.acknowledged.get(key)]
            if key in writer.attempted:
                allowed.append(writer.attempted[key])
            found = client.get_object(Bucket=bucket, Key=key)["Body"].read() if key in listed else ABSENT
            if found not in allowed:
                wrong.append(key)
    return wrong

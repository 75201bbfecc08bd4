"""What a bucket's owner wants logged where: the document ``logging``.

Source: Amazon S3 User Guide, "Logging requests with server access logging".
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import NamedTuple

from zakrom.model.acl import Grant

KIND = "logging"


class BucketLog(NamedTuple):
    """The bucket that gets the log, what its keys begin with, and what its objects grant beside their owner's full control.

    ``simple``: the client named the key format, which is shown back.
    """

    target: str
    prefix: str
    simple: bool = False
    grants: tuple[Grant, ...] = ()

    def dumps(self) -> bytes:
        """As it is stored."""
        return json.dumps(self, separators=(",", ":")).encode()

    @staticmethod
    @lru_cache(1024)
    def loads(body: bytes) -> BucketLog:
        """What `dumps` wrote."""
        target, prefix, simple, grants = json.loads(body)
        return BucketLog(target, prefix, simple, tuple(Grant(*grant) for grant in grants))

"""ETags: quoted on the wire, bare everywhere inside.

The ETag of an object put at once is the MD5 of its bytes; of one uploaded in parts, the MD5 of the parts' binary MD5s and their
number. Source: Amazon S3 User Guide, "Checking object integrity".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def quote(etag: str) -> str:
    """As headers and XML carry it."""
    return f'"{etag}"'


def unquote(text: str) -> str:
    """A bare ETag from what a client wrote: quoted once, twice or not at all, weak or strong; ``*`` stays."""
    return text.strip().removeprefix("W/").strip('"')


def multipart(part_etags: Iterable[str]) -> str:
    """The ETag of an object of these parts. Part ETags are bare hexadecimal MD5s; at least one."""
    digests = [bytes.fromhex(etag) for etag in part_etags]
    assert digests
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"

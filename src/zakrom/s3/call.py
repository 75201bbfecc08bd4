"""One request in hand: what every operation is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from zakrom import errors
from zakrom.model.caller import Caller
from zakrom.model.facts import Bucket, VersionId
from zakrom.model.names import check_key, parse_version_id
from zakrom.store import Store
from zakrom.web.message import Request
from zakrom.wire.sigv4 import Verified
from zakrom.wire.target import Target


def arn(bucket: str) -> str:
    """The name of a bucket as IAM writes it."""
    return f"arn:aws:s3:::{bucket}"


class DoorOptions(NamedTuple):
    """What the operator chose about the S3 door."""

    regions: tuple[str, ...]  # the first is the server's own
    domains: tuple[str, ...] = ()
    reserved_buckets: frozenset[str] = frozenset()
    buckets_per_owner_max: int = 10_000
    sigv2: bool = True
    clock_skew_ms: int = 15 * 60 * 1000
    bucket_defaults: str = "aws"  # what a new bucket gets: see `settings.Settings.bucket_defaults`
    encrypt_by_default: bool = False
    sse_c_over_http: str = "loopback"  # off, loopback, on


class Call:
    """One request in hand. ``verified`` is None for an anonymous one; ``documents``: the bucket's, by kind."""

    __slots__ = (
        "bucket_or_none",
        "caller",
        "documents",
        "header",
        "now_ms",
        "options",
        "param",
        "request",
        "request_id",
        "store",
        "target",
        "verified",
    )

    param: Callable[[str], str | None]
    """A query parameter."""

    header: Callable[[str], str | None]
    """A header, by its lower-case name."""

    def __init__(
        self,
        request: Request,
        target: Target,
        caller: Caller,
        verified: Verified | None,
        bucket: Bucket | None,
        store: Store,
        options: DoorOptions,
        request_id: str,
        now_ms: int,
        documents: Mapping[str, bytes],
    ) -> None:
        self.request = request
        self.target = target
        self.caller = caller
        self.verified = verified
        self.bucket_or_none = bucket
        self.store = store
        self.options = options
        self.request_id = request_id
        self.now_ms = now_ms
        self.documents = documents
        self.param = target.query.first.get
        self.header = request.text
        self.documents = documents

    @property
    def bucket(self) -> Bucket:
        """The bucket; operations on buckets and objects have one."""
        assert self.bucket_or_none is not None
        return self.bucket_or_none

    @property
    def arn(self) -> str:
        """The bucket's name as IAM writes it."""
        return arn(self.bucket.name)

    @property
    def key(self) -> bytes:
        """The key, checked."""
        assert self.target.key is not None
        return check_key(self.target.key)

    def version_id(self) -> VersionId | None:
        """The version that ``versionId`` names, None for the current one. Raises `InvalidArgument`."""
        text = self.param("versionId")
        if text is None:
            return None
        if text == "":
            raise errors.InvalidArgument("Version id cannot be the empty string", argument_name="versionId", argument_value="")
        return parse_version_id(text)

    def integer(self, name: str, default: int, maximum: int | None = None) -> int:
        """A query parameter that is a count: not negative, capped at ``maximum``. Raises `InvalidArgument`."""
        text = self.param(name)
        if text is None or text == "":
            return default
        if not text.isascii() or not text.lstrip("-").isdigit() or len(text) > 19:
            raise errors.InvalidArgument(
                f"Provided {name} not an integer or within integer range", argument_name=name, argument_value=text
            )
        value = int(text)
        if value < 0 or value > 2**31 - 1:
            raise errors.InvalidArgument(
                f"Argument {name} must be an integer between 0 and 2147483647", argument_name=name, argument_value=text
            )
        return value if maximum is None else min(value, maximum)

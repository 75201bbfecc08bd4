"""Server access logs: the document that asks for them, their lines and the names of their objects.

Source: Amazon S3 User Guide, "Amazon S3 server access log format"; Amazon S3 API Reference, PutBucketLogging.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from zakrom import errors
from zakrom.model.acl import Acl
from zakrom.model.bucket_log import BucketLog
from zakrom.wire import acl, xml
from zakrom.wire.acl import grants_xml
from zakrom.wire.dates import http_date, iso8601_seconds
from zakrom.wire.xml import Node, element

_PLAIN = " !#$%&'()*+,-./:;<=>?@[]^_`{|}~"
"""What stands as it is between quotes: all that is printable, but for quotes and backslashes."""

_PARTS = {"TargetBucket", "TargetPrefix", "TargetGrants", "TargetObjectKeyFormat"}

_RESOURCES = {
    "delete": "MULTI_OBJECT_DELETE",
    "policy": "BUCKETPOLICY",
    "uploadId": "UPLOAD",
    "versions": "BUCKETVERSIONS",
}
"""What the log calls a sub-resource where that is not its name in capitals."""


class Line(NamedTuple):
    """One request. Texts are None where there is nothing to tell; times in milliseconds, sizes in bytes."""

    bucket_owner: str
    bucket: str
    started_ms: int
    remote: str
    requester: str | None
    request_id: str
    operation: str
    key: bytes | None
    request_line: str
    status: int
    code: str | None
    bytes_sent: int
    object_size: int | None
    total_ms: int
    referer: str | None
    user_agent: str | None
    version_id: str | None
    host_id: str | None
    signature: str | None
    authentication: str | None
    host: str | None


def line(one: Line) -> str:
    """The line, without its end. No field can begin another one: what a client chose is quoted or percent-encoded."""
    return " ".join(
        (
            one.bucket_owner,
            one.bucket,
            _moment(one.started_ms),
            _bare(one.remote),
            one.requester or "-",
            one.request_id,
            one.operation,
            "-" if one.key is None else quote(one.key, safe="/-_.~"),
            _quoted(one.request_line),
            str(one.status),
            one.code or "-",
            str(one.bytes_sent) if one.bytes_sent else "-",
            "-" if one.object_size is None else str(one.object_size),
            str(one.total_ms),
            "-",  # the turn-around time: from the last byte of the request to the first of the answer
            _quoted(one.referer),
            _quoted(one.user_agent),
            one.version_id or "-",
            one.host_id or "-",
            one.signature or "-",
            "-",  # the cipher suite
            one.authentication or "-",
            _bare(one.host or "-"),
            "-",  # the version of TLS
            "-",  # the ARN of an access point
            "-",  # whether an ACL was needed to allow it
        )
    )


def operation_name(method: str, level: str, keyword: str, *, copy: bool = False, part: bool = False) -> str:
    """``REST.GET.OBJECT`` and so on: the method, and what it was about."""
    resource = "PART" if part else _RESOURCES.get(keyword, keyword.upper().replace("-", "_")) or level
    return f"REST.{'COPY' if copy else method}.{resource}"


def object_key(prefix: str, now_ms: int, unique: str) -> bytes:
    """The key of a log object: ``prefix``, the time of its delivery, and something that no other has."""
    moment = iso8601_seconds(now_ms).removesuffix("Z").replace("T", "-").replace(":", "-")
    return f"{prefix}{moment}-{unique}".encode()


def _moment(ms: int) -> str:
    """``[06/Feb/2019:00:00:38 +0000]``."""
    day, month, year, clock = http_date(ms)[5:25].split(" ")
    return f"[{day}/{month}/{year}:{clock} +0000]"


def _quoted(text: str | None) -> str:
    return "-" if text is None else f'"{quote(text, safe=_PLAIN)}"'


def _bare(text: str) -> str:
    return quote(text, safe=":[].-")


# ----------------------------------------------------------------------------------------------------------- the document


def parse(body: bytes) -> BucketLog | None:
    """A BucketLoggingStatus; None for one that ends logging. Its grants are not resolved yet.

    Raises `MalformedXML`, `NotServed` (keys by date: they need account numbers), and as `wire.acl.parse_grants`.
    """
    root = xml.parse(body, "BucketLoggingStatus")
    enabled = root.child("LoggingEnabled")
    if enabled is None and not root.children:
        return None
    if enabled is None or len(root.children) > 1 or any(child.name not in _PARTS for child in enabled.children):
        raise errors.MalformedXML
    target, prefix = enabled.text_of("TargetBucket"), enabled.text_of("TargetPrefix")
    if not target or prefix is None:
        raise errors.MalformedXML
    grants = enabled.child("TargetGrants")
    return BucketLog(target, prefix, _simple(enabled), acl.parse_grants(grants) if grants else ())


def _simple(enabled: Node) -> bool:
    form = enabled.child("TargetObjectKeyFormat")
    if form is None:
        return False
    if form.child("PartitionedPrefix") is not None:
        raise errors.NotServed("Log objects with partitioned prefixes are not implemented.", header="PartitionedPrefix")
    if [child.name for child in form.children] != ["SimplePrefix"]:
        raise errors.MalformedXML
    return True


def content(log: BucketLog, people: dict[str, str]) -> str:
    """The content of a BucketLoggingStatus. ``people``: ID and DisplayName of the canonical ids that are granted something."""
    grants = f"<TargetGrants>{grants_xml(log.grants, people.__getitem__)}</TargetGrants>" if log.grants else ""
    form = "<TargetObjectKeyFormat><SimplePrefix></SimplePrefix></TargetObjectKeyFormat>" if log.simple else ""
    where = f"{element('TargetBucket', log.target)}{element('TargetPrefix', log.prefix)}"
    return f"<LoggingEnabled>{where}{grants}{form}</LoggingEnabled>"


def acl_of_object(log: BucketLog, owner: str) -> Acl:
    """The ACL of a log object."""
    return Acl(owner, Acl.private(owner).grants + log.grants)

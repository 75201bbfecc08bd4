"""Presigned URLs of Signature Version 2, which boto3 still makes by default for us-east-1 and a custom endpoint.

Source: Amazon S3 User Guide (archived), "Signing and Authenticating REST Requests". Headers that matter (``x-amz-*``,
Content-Type, Content-MD5) travel in the query; what a client sends as a header comes first.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from urllib.parse import quote

from zakrom.wire.target import Query

SIGNED_PARAMETERS = frozenset(
    {
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "defaultObjectAcl",
        "delete",
        "inventory",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "partNumber",
        "policy",
        "replication",
        "requestPayment",
        "restore",
        "select",
        "select-type",
        "storageClass",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
    }
)
"""The sub-resources and overrides that belong to the signed resource; other parameters are not signed."""


def string_to_sign(
    method: str, path: bytes, query: Query, headers: dict[bytes, bytes], expires: str, host_bucket: str | None
) -> str:
    """What the secret signs. ``host_bucket``: the bucket that the Host header named, for it is missing from the path."""
    amz = {name: value for name, value in query.pairs if name.startswith("x-amz-")}
    amz |= {
        name.decode("latin-1"): value.decode("utf-8", "replace")
        for name, value in headers.items()
        if name.startswith(b"x-amz-")
    }
    lines = "".join(f"{name}:{amz[name]}\n" for name in sorted(amz))
    md5, kind = (_header_or_parameter(name, headers, query) for name in ("content-md5", "content-type"))
    return f"{method}\n{md5}\n{kind}\n{expires}\n{lines}{_resource(path, query, host_bucket)}"


def _header_or_parameter(name: str, headers: dict[bytes, bytes], query: Query) -> str:
    value = headers.get(name.encode())
    return (query.get(name) or "") if value is None else value.decode("latin-1")


def _resource(path: bytes, query: Query, host_bucket: str | None) -> str:
    text = path.decode("utf-8", "replace") or "/"
    if host_bucket is not None:
        text = f"/{quote(host_bucket)}{text}"
    signed = sorted(pair for pair in query.pairs if pair[0] in SIGNED_PARAMETERS)
    if not signed:
        return text
    return text + "?" + "&".join(f"{name}={value}" if value else name for name, value in signed)


def signature(secret: str, text: str) -> str:
    """Base64 of HMAC-SHA1."""
    return b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode("ascii")

"""How S3 dresses an error: one table from our exceptions to an HTTP status and an S3 code, and the XML document.

The branch of an error gives its status, its class name is its code; the table names what differs. Source: Amazon S3 API
Reference, "Error responses"; names and order of the extra fields as AWS sends them.
"""

from __future__ import annotations

import re

from zakrom import errors
from zakrom.errors import Error, Field
from zakrom.wire.xml import DECLARATION, element

_STATUS_OF_BRANCH: dict[type[Error], int] = {
    Error: 500,
    errors.Invalid: 400,
    errors.Denied: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Exhausted: 503,
    errors.Unavailable: 503,
    errors.Corrupt: 500,
}

_STATUS: dict[type[Error], int] = {
    errors.NotModified: 304,
    errors.TooManyBuckets: 400,
    errors.TooManyKeys: 400,
    errors.MethodNotAllowed: 405,
    errors.MissingContentLength: 411,
    errors.PreconditionFailed: 412,
    errors.InvalidRange: 416,
    errors.InvalidPartNumber: 416,
    errors.NotServed: 501,
    errors.InsufficientStorage: 507,  # RFC 4918, 11.5; no code of AWS says "full", SDKs do not take 507 for success
    errors.QuotaExceeded: 507,
    errors.InvalidSetting: 500,  # never a caller's fault
    errors.DataDirectoryInUse: 500,
}

_CODE: dict[type[Error], str] = {
    Error: "InternalError",
    errors.Invalid: "InvalidRequest",
    errors.Denied: "AccessDenied",
    errors.NotFound: "NoSuchKey",
    errors.Conflict: "OperationAborted",
    errors.Exhausted: "SlowDown",
    errors.Unavailable: "ServiceUnavailable",
    errors.OutcomeUnknown: "ServiceUnavailable",
    errors.Corrupt: "InternalError",
    errors.DataCorrupt: "InternalError",
    errors.KeyMissing: "InternalError",
    errors.KMSDisabled: "KMS.DisabledException",
    errors.KMSNotFound: "KMS.NotFoundException",
    errors.FormatTooNew: "InternalError",
    errors.InvalidSetting: "InternalError",
    errors.DataDirectoryInUse: "InternalError",
    errors.Stale: "OperationAborted",
    errors.NotServed: "NotImplemented",
}

_FIELD_NAMES = {
    "bucket": "BucketName",
    "etag": "ETag",
    "additional_message": "additionalMessage",
    "aws_access_key_id": "AWSAccessKeyId",
    "content_md5": "Content-MD5",
    "x_amz_expires": "X-Amz-Expires",
    "client_computed_content_sha256": "ClientComputedContentSHA256",
    "s3_computed_content_sha256": "S3ComputedContentSHA256",
}
"""Elements whose name is not simply the field's in CamelCase."""

_ALSO_AS_BYTES = frozenset({"string_to_sign", "canonical_request"})
"""Fields that AWS sends twice, the second time as hexadecimal bytes, because white space decides about a signature."""


_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that XML 1.0 cannot carry, not even as references."""


def status_of(error: Error) -> int:
    """The HTTP status: the class's own, or that of its nearest ancestor which has one."""
    return next(
        status for kind in type(error).__mro__ if (status := _STATUS.get(kind) or _STATUS_OF_BRANCH.get(kind)) is not None
    )


def code_of(error: Error) -> str:
    """The error code of S3: the class's name, unless the table says otherwise."""
    return _CODE.get(type(error), type(error).__name__)


def error_xml(error: Error, *, resource: str, request_id: str, host_id: str) -> bytes:
    """The document that tells a client what went wrong. An empty ``resource`` is left out, as AWS often does."""
    fields = "".join(_field(name, value) for name, value in error.fields.items())
    where = element("Resource", resource or None) + element("RequestId", request_id) + element("HostId", host_id)
    what = element("Code", code_of(error)) + element("Message", _readable(error.message))
    return f"{DECLARATION}<Error>{what}{fields}{where}</Error>".encode()


def field_name(name: str) -> str:
    """The element that carries a field: ``proposed_size`` becomes ``ProposedSize``."""
    return _FIELD_NAMES.get(name) or "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def _field(name: str, value: Field) -> str:
    title = field_name(name)
    xml = element(title, _readable(value) if isinstance(value, str) else value)
    if name in _ALSO_AS_BYTES and isinstance(value, str):
        xml += element(title + "Bytes", value.encode().hex(" "))
    return xml


def _readable(text: str) -> str:
    """The text with U+FFFD for what XML cannot carry: a client takes the code from an error, so each must be well-formed."""
    return _UNREADABLE.sub("\ufffd", text)

"""How S3 dresses our errors."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from zakrom import errors
from zakrom.wire.errors import code_of, error_xml, field_name, status_of

ALL = sorted(errors.Error.registry.items())


@pytest.mark.parametrize(("name", "kind"), ALL)
def test_no_error_is_without_a_status_and_a_code(name: str, kind: type[errors.Error]) -> None:
    """A status fits its branch; a code is one of S3's, in CamelCase."""
    status, code = status_of(kind()), code_of(kind())

    assert status in (304, 400, 403, 404, 405, 409, 411, 412, 416, 500, 501, 503, 507), name
    assert code.replace("KMS.", "").isidentifier()
    assert code[0].isupper()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.Error(), 500, "InternalError"),
        (errors.NoSuchKey(), 404, "NoSuchKey"),
        (errors.NotServed(), 501, "NotImplemented"),
        (errors.NotModified(), 304, "NotModified"),
        (errors.DataCorrupt(), 500, "InternalError"),
        (errors.OutcomeUnknown(), 503, "ServiceUnavailable"),
        (errors.SlowDown(), 503, "SlowDown"),
        (errors.InsufficientStorage(), 507, "InsufficientStorage"),
        (errors.QuotaExceeded(), 507, "QuotaExceeded"),
        (errors.InvalidRange(), 416, "InvalidRange"),
        (errors.InvalidPartNumber(), 416, "InvalidPartNumber"),
        (errors.ConditionalRequestConflict(), 409, "ConditionalRequestConflict"),
        (errors.MissingContentLength(), 411, "MissingContentLength"),
        (errors.PreconditionFailed(), 412, "PreconditionFailed"),
        (errors.MethodNotAllowed(), 405, "MethodNotAllowed"),
        (errors.RequestTimeout(), 400, "RequestTimeout"),
        (errors.XAmzContentSHA256Mismatch(), 400, "XAmzContentSHA256Mismatch"),
        (errors.InvalidStorageClass(), 400, "InvalidStorageClass"),
        (errors.AuthorizationHeaderMalformed(), 400, "AuthorizationHeaderMalformed"),
        (errors.RequestTimeTooSkewed(), 403, "RequestTimeTooSkewed"),
        (errors.BucketNotEmpty(), 409, "BucketNotEmpty"),
        (errors.Stale(), 409, "OperationAborted"),
    ],
)
def test_statuses_and_codes_are_those_of_s3(error: errors.Error, status: int, code: str) -> None:
    """SDKs decide by them whether to try again."""
    assert (status, code) == (status_of(error), code_of(error))


def test_a_class_that_nobody_has_entered_takes_after_its_branch() -> None:
    """A new error needs no line in the table to be answered sensibly."""
    try:
        kind = type("UnheardOf", (errors.NotFound,), {"__doc__": "Not there."})
        assert (404, "UnheardOf") == (status_of(kind()), code_of(kind()))
    finally:
        errors.Error.registry.pop("UnheardOf", None)


@pytest.mark.parametrize(
    ("field", "element"),
    [
        ("bucket", "BucketName"),
        ("key", "Key"),
        ("etag", "ETag"),
        ("version_id", "VersionId"),
        ("argument_name", "ArgumentName"),
        ("actual_object_size", "ActualObjectSize"),
        ("aws_access_key_id", "AWSAccessKeyId"),
        ("additional_message", "additionalMessage"),
        ("content_md5", "Content-MD5"),
        ("x_amz_expires", "X-Amz-Expires"),
        ("max_allowed_skew_milliseconds", "MaxAllowedSkewMilliseconds"),
    ],
)
def test_fields_are_called_as_aws_calls_them(field: str, element: str) -> None:
    """Most by rule, some by table."""
    assert element == field_name(field)


def test_the_document_holds_code_message_fields_and_ids() -> None:
    """Every fact that is known, escaped and readable; None is left out, an empty string is an empty element."""
    error = errors.NoSuchKey(key="a&<\x01", bucket=None, version_id="", count=3, latest=True)

    document = error_xml(error, resource="/b/a", request_id="R", host_id="H")

    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.'
        b"</Message><Key>a&amp;&lt;\xef\xbf\xbd</Key><VersionId></VersionId><Count>3</Count><Latest>true</Latest>"
        b"<Resource>/b/a</Resource><RequestId>R</RequestId><HostId>H</HostId></Error>"
    )


def test_what_was_signed_is_shown_as_bytes_too() -> None:
    """White space decides about a signature and cannot be seen."""
    error = errors.SignatureDoesNotMatch(string_to_sign="a\nф", canonical_request="GET\n/")

    root = ET.fromstring(error_xml(error, resource="", request_id="R", host_id="H"))

    assert ("61 0a d1 84", "47 45 54 0a 2f") == (root.findtext("StringToSignBytes"), root.findtext("CanonicalRequestBytes"))
    assert root.find("Resource") is None

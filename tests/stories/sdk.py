"""boto3's own clients without sockets: what they send goes through the door of a story, what it answers comes back to them.

So a story asks as programs ask: parameters checked and written, requests signed, answers read by the SDK that everybody uses.
"""

# ruff: noqa: ANN401 - botocore has no types

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from zakrom.web.message import Request
from zakrom.wire.sigv4 import Credentials

from .harness import HOST, S3, SentBody

_CONFIG = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
_SESSION = boto3.Session()  # one for all: it reads the models of services once


class _Raw(io.BytesIO):
    """The body of an answer, as botocore reads it."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


def client(s3: S3, service: str, who: Credentials | dict[str, str] | None = None, region: str = "us-east-1") -> Any:
    """A client of ``service`` that signs as ``who``: a key pair, or the Credentials that STS gave."""
    if isinstance(who, Credentials):
        keys = {"aws_access_key_id": who.access_key, "aws_secret_access_key": who.secret}
    else:
        found = who or {"AccessKeyId": "x", "SecretAccessKey": "x"}
        keys = {"aws_access_key_id": found["AccessKeyId"], "aws_secret_access_key": found["SecretAccessKey"]}
        if "SessionToken" in found:
            keys["aws_session_token"] = found["SessionToken"]
    made = _SESSION.client(service, region, endpoint_url=f"http://{HOST}", config=_CONFIG, **keys)
    made.meta.events.register("before-send", lambda request, **_: _send(s3, request))
    return made


def _send(s3: S3, prepared: Any) -> AWSResponse:
    split = urlsplit(prepared.url)
    body = prepared.body or b""
    if hasattr(body, "read"):
        body = body.read()
    body = body.encode() if isinstance(body, str) else body
    headers = [(name.lower().encode(), _bytes(value)) for name, value in prepared.headers.items()]
    if not any(name == b"host" for name, _ in headers):
        headers.append((b"host", split.netloc.encode()))
    request = Request(
        prepared.method,
        (split.path or "/").encode(),
        split.query.encode(),
        headers,
        SentBody([body], len(body)),
        "127.0.0.1",
        secure=False,
    )
    answer = s3.run(s3.answer(request))
    return AWSResponse(prepared.url, answer.status, answer.headers, _Raw(answer.body))


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")


def refused(call: Any, /, **parameters: Any) -> tuple[str, int]:
    """The code and the status with which a call is refused; it must be."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]

"""boto3's own clients without sockets: what they send goes through the door of a story, what it answers comes back to them.

So a story asks as programs ask: parameters checked and written, requests signed, answers read by the SDK that everybody uses.
"""

# ruff: noqa: ANN401 - botocore has no types

from __future__ import annotations

import io
from collections.abc import Callable
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
    made = _made(service, who, region)
    made.meta.events.register("before-send", lambda request, **_: _send(s3, request))
    return made


def _made(service: str, who: Credentials | dict[str, str] | None, region: str) -> Any:
    if isinstance(who, Credentials):
        keys = {"aws_access_key_id": who.access_key, "aws_secret_access_key": who.secret}
    else:
        found = who or {"AccessKeyId": "x", "SecretAccessKey": "x"}
        keys = {"aws_access_key_id": found["AccessKeyId"], "aws_secret_access_key": found["SecretAccessKey"]}
        if "SessionToken" in found:
            keys["aws_session_token"] = found["SessionToken"]
    return _SESSION.client(service, region, endpoint_url=f"http://{HOST}", config=_CONFIG, **keys)


def recorded(service: str, who: Credentials, call: Callable[[Any], object], times: int) -> list[Request]:
    """The requests that a client would send for ``times`` calls, signed and not sent."""
    kept: list[Request] = []
    made = _made(service, who, "us-east-1")

    def keep(request: Any, **_: Any) -> AWSResponse:
        kept.append(_request(request))
        return AWSResponse(request.url, 503, {}, _Raw(b""))

    made.meta.events.register("before-send", keep)
    for _ in range(times):
        with pytest.raises(ClientError):
            call(made)
    return kept


def _send(s3: S3, prepared: Any) -> AWSResponse:
    answer = s3.run(s3.answer(_request(prepared)))
    return AWSResponse(prepared.url, answer.status, answer.headers, _Raw(answer.body))


def _request(prepared: Any) -> Request:
    split = urlsplit(prepared.url)
    body = prepared.body or b""
    if hasattr(body, "read"):
        body = body.read()
    body = body.encode() if isinstance(body, str) else body
    headers = [(name.lower().encode(), _bytes(value)) for name, value in prepared.headers.items()]
    if not any(name == b"host" for name, _ in headers):
        headers.append((b"host", split.netloc.encode()))
    return Request(
        prepared.method,
        (split.path or "/").encode(),
        split.query.encode(),
        headers,
        SentBody([body], len(body)),
        "127.0.0.1",
        secure=False,
    )


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")


def refused(call: Any, /, **parameters: Any) -> tuple[str, int]:
    """The code and the status with which a call is refused; it must be."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]

"""Where an S3 service is and how to prove who asks: all that any client needs to know, in the forms clients want it.

Also one signed request by the standard library alone, for tests that must say exactly what they send. It signs by its
own code and not by `zakrom.wire`: what the server checks and what the tests sign must not share a mistake.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import os
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

REQUEST_SECONDS = 30.0
"""How long one signed request may wait for the server: tests are bounded, and a server on loopback answers in milliseconds."""

_UNRESERVED = "-._~"


class Answer(NamedTuple):
    """What a server said: the status, its headers by lower-case name (the last of equal names), and the whole body."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Access:
    """An endpoint (``http://host:port``), a key, a region and, for https with a private authority, the PEM file to trust."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    authority: Path | None = None

    def variables(self, directory: Path) -> dict[str, str]:
        """The ``AWS_*`` variables that lead every SDK and tool here, and away from the configuration of this machine.

        ``directory`` is where the (absent) files of configuration and credentials are said to be.
        """
        trust = {"AWS_CA_BUNDLE": str(self.authority)} if self.authority else {}
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_CONFIG_FILE": str(directory / "aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(directory / "aws-credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            **trust,
        }

    def environment(self, directory: Path) -> dict[str, str]:
        """A whole environment for a client process: this one's without any ``AWS_*`` of its own, and `variables`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return kept | self.variables(directory)

    def client(self, service: str = "s3", **options: Any) -> Any:
        """A boto3 client with boto3's own defaults; ``options`` go to ``boto3.client`` and win.

        Raises:
            ModuleNotFoundError: boto3 is not installed (it is no dependency of Zakrom).
        """
        import boto3

        trust = {"verify": str(self.authority)} if self.authority else {}
        known = {
            "endpoint_url": self.endpoint,
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "region_name": self.region,
        }
        return boto3.session.Session().client(service, **{**known, **trust, **options})

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request signed with SigV4 and read its whole answer; ``path`` is not yet percent-encoded.

        Raises:
            OSError: the server cannot be reached, or is silent for `REQUEST_SECONDS`.
        """
        target = quote(path, safe="/" + _UNRESERVED)
        pairs = sorted((quote(k, safe=_UNRESERVED), quote(v, safe=_UNRESERVED)) for k, v in (query or {}).items())
        query_string = "&".join(f"{name}={value}" for name, value in pairs)
        signed = self._signed(method, target, query_string, body, headers or {})
        with closing(self.connect()) as connection:
            connection.request(method, f"{target}?{query_string}" if query_string else target, body, signed)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def connect(self, seconds: float = REQUEST_SECONDS) -> http.client.HTTPConnection:
        """A connection to the endpoint, not yet opened; ``seconds`` bounds each wait on it."""
        place = urlsplit(self.endpoint)
        if place.scheme == "https":
            trust = ssl.create_default_context(cafile=self.authority)
            return http.client.HTTPSConnection(place.netloc, timeout=seconds, context=trust)
        return http.client.HTTPConnection(place.netloc, timeout=seconds)

    def _signed(self, method: str, target: str, query: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers with a signature (AWS, "Signature Version 4: authenticating requests, Authorization header")."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        digest = hashlib.sha256(body).hexdigest()
        own = {"host": urlsplit(self.endpoint).netloc, "x-amz-date": now, "x-amz-content-sha256": digest}
        sent = {name.lower(): value for name, value in headers.items()} | own
        names = ";".join(sorted(sent))
        lines = "".join(f"{name}:{' '.join(sent[name].split())}\n" for name in sorted(sent))
        canonical = f"{method}\n{target}\n{query}\n{lines}\n{names}\n{digest}"

        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = ("AWS4" + self.secret_key).encode()
        for step in scope.split("/"):
            key = hmac.digest(key, step.encode(), "sha256")
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        credential = f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**sent, "authorization": credential}

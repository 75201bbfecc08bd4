"""An S3 endpoint under test, its presigned URLs, and a plain HTTP client for it."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from urllib.parse import quote, urlsplit

UNRESERVED = "-_.~"
TIMEOUT = 300.0


class BenchError(Exception):
    """A check that cannot give an honest figure: a wrong answer, or none."""


@dataclass(frozen=True)
class Endpoint:
    """Where a server listens and with which key to sign."""

    name: str
    url: str
    key: str
    secret: str
    region: str = "us-east-1"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``NAME=URL,KEY,SECRET[,REGION]``."""
        name, equals, rest = text.partition("=")
        fields = rest.split(",")
        if not (name and equals) or len(fields) not in (3, 4) or not all(fields):
            raise ValueError(f"not NAME=URL,KEY,SECRET[,REGION]: {text!r}")
        split = urlsplit(fields[0])
        if split.scheme != "http" or not split.hostname or split.path.strip("/"):
            raise ValueError(f"not a plain http://HOST:PORT address: {fields[0]!r}")
        return cls(name, f"http://{split.netloc}", *fields[1:])

    @property
    def host(self) -> str:
        """The value of the Host header, which the signature covers."""
        return urlsplit(self.url).netloc

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection; it reconnects by itself when the server closed it."""
        split = urlsplit(self.url)
        return http.client.HTTPConnection(split.hostname or "", split.port or 80, timeout=TIMEOUT)


class Presigner:
    """Signature Version 4 in the query string, made fast for many URLs at once.

    Only ``host`` is signed and the payload is UNSIGNED-PAYLOAD, so that wrk and
    curl can send the URL as it is. The signing key is derived once.
    """

    def __init__(self, endpoint: Endpoint, expires: int = 86_400) -> None:
        self._host = endpoint.host
        now = datetime.now(UTC)
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        scope = f"{day}/{endpoint.region}/s3/aws4_request"
        key = b"AWS4" + endpoint.secret.encode()
        for part in (day, endpoint.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = key
        self._to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n"
        self._fixed = (
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", quote(f"{endpoint.key}/{scope}", safe=UNRESERVED)),
            ("X-Amz-Date", stamp),
            ("X-Amz-Expires", str(expires)),
            ("X-Amz-SignedHeaders", "host"),
        )
        self._plain = "&".join(f"{name}={value}" for name, value in self._fixed)

    def __call__(self, method: str, path: str, query: Sequence[tuple[str, str]] = ()) -> str:
        """Sign one request; return its target, that is path and query."""
        target = quote(path, safe="/" + UNRESERVED)
        if query:
            given = ((quote(name, safe=UNRESERVED), quote(value, safe=UNRESERVED)) for name, value in query)
            pairs = sorted((*given, *self._fixed))
            signed = "&".join(f"{name}={value}" for name, value in pairs)
        else:
            signed = self._plain
        canonical = f"{method}\n{target}\n{signed}\nhost:{self._host}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signature = hmac.digest(self._key, (self._to_sign + digest).encode(), "sha256").hex()
        return f"{target}?{signed}&X-Amz-Signature={signature}"


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    body: bytes | memoryview | None = None,
) -> Answer:
    """Send one request and read its answer; anything but a 2xx is an error."""
    connection.request(method, target, body=body)
    response = connection.getresponse()
    answer = Answer(response.status, response.headers, response.read())
    if not 200 <= answer.status < 300:
        what = target.partition("?")[0]
        text = answer.body[:300].decode(errors="replace")
        raise BenchError(f"{method} {what}: {answer.status} {text}")
    return answer


class Client:
    """Presigned requests for set-up and verification.

    Each opens its own connection: servers close idle ones between the checks.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def __call__(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> Answer:
        """Sign and send one request."""
        target = Presigner(self.endpoint)(method, path, query)
        with closing(self.endpoint.connect()) as connection:
            return exchange(connection, method, target, body)

    def digest(self, path: str) -> str:
        """Fetch an object; return its SHA-256, holding little of it at once."""
        target = Presigner(self.endpoint)("GET", path)
        seen = hashlib.sha256()
        with closing(self.endpoint.connect()) as connection:
            connection.request("GET", target)
            response = connection.getresponse()
            if response.status != 200:
                raise BenchError(f"GET {path}: {response.status}")
            while piece := response.read(1 << 20):
                seen.update(piece)
        return seen.hexdigest()


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run ``work(0) … work(count - 1)`` at once; raise the first failure."""
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def populate(endpoint: Endpoint, bucket: str, objects: Iterable[tuple[str, bytes]]) -> None:
    """PUT objects over eight connections; untimed."""
    waiting = list(objects)
    lock = threading.Lock()

    def work(_: int) -> None:
        presign = Presigner(endpoint)
        with closing(endpoint.connect()) as connection:
            while True:
                with lock:
                    if not waiting:
                        return
                    key, body = waiting.pop()
                exchange(connection, "PUT", presign("PUT", f"/{bucket}/{key}"), body)

    in_threads(8, work)

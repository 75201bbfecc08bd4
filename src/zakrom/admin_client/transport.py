"""One signed call over HTTP, and what may become of it: an answer, the server's error, or a connection that broke.

A connection for each call: calls are rare, and nothing is shared between threads.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
import time
from contextlib import closing
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec

from zakrom import __version__, errors
from zakrom.admin_client.values import Problem
from zakrom.errors import Error
from zakrom.wire import sigv4

T = TypeVar("T")

ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""The longest answer that is read: ten times that of a hundred thousand users, which is the longest there is."""

RETRY_SECONDS = (0.1, 0.5, 1.5)
"""Waits between tries of a call that only reads: a server that restarts is back within two seconds."""

_BRANCHES: dict[int, type[Error]] = {
    400: errors.Invalid,
    403: errors.Denied,
    404: errors.NotFound,
    409: errors.Conflict,
    503: errors.Unavailable,
    507: errors.Exhausted,
}
"""What an error of a newer server is to us, whose class we do not know."""

_BROKEN_GATEWAY = frozenset({502, 503, 504})
_NOT_FIELDS = frozenset({"self", "message", "hint"})


class Place:
    """Where the API is, and how to know that it is the right server there."""

    def __init__(self, endpoint: str, *, verify: bool, ca: str | Path | None) -> None:
        """Raises `InvalidSetting` for what is no endpoint, and for a file of authorities that cannot be read."""
        self.endpoint = endpoint
        self._url = _parsed(endpoint)
        self._trust = _trust(verify=verify, ca=ca) if self._url.scheme == "https" else None

    @property
    def host(self) -> str:
        """As the Host header names it."""
        return self._url.netloc

    def connect(self, seconds: float) -> http.client.HTTPConnection:
        """A connection that is not yet open; ``seconds`` bounds each wait on it."""
        if self._trust is not None:
            return http.client.HTTPSConnection(self.host, timeout=seconds, context=self._trust)
        return http.client.HTTPConnection(self.host, timeout=seconds)


def _parsed(endpoint: str) -> SplitResult:
    try:
        url = urlsplit(endpoint)
        plain = url.path in {"", "/"} and not url.query and not url.fragment and "@" not in url.netloc
        if plain and url.scheme in {"http", "https"} and url.hostname and url.port != 0 and endpoint.isascii():
            return url
    except ValueError:  # a port that is no number, half an IPv6 address
        pass
    raise errors.InvalidSetting(
        f"This is no endpoint: {endpoint!r}", endpoint=endpoint, hint="endpoints look like this: http://127.0.0.1:9001"
    )


def _trust(*, verify: bool, ca: str | Path | None) -> ssl.SSLContext:
    try:
        trust = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise errors.InvalidSetting(f"{ca}: {error.strerror or error}", ca=str(ca), hint="give a PEM file") from None
    if not verify:
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
    return trust


class Line:
    """Signs and sends calls to one place. Safe to share between threads."""

    def __init__(self, place: Place, access_key: str, secret_key: str, region: str, timeout_seconds: float) -> None:
        self._place = place
        self._keys = sigv4.Credentials(access_key, secret_key, region)
        self._timeout_seconds = timeout_seconds

    def call(self, method: str, target: str, body: bytes = b"", patience_seconds: float = 0.0) -> bytes:
        """The body of a good answer.

        ``target``: path and query, percent-encoded. ``patience_seconds``: how much longer than other calls this one may take.
        Only a GET is tried again, and not for longer than one try may take.

        Raises the error that the server raised; `ServiceUnavailable` if it cannot be reached; `OutcomeUnknown` if the
        connection broke after a change was sent; `InvalidSetting` if something else listens there.
        """
        waits = iter(RETRY_SECONDS if method == "GET" else ())
        patient_until = time.monotonic() + self._timeout_seconds
        while True:
            try:
                return self._in_right_region(method, target, body, patience_seconds)
            except (errors.Unavailable, errors.SlowDown):
                wait = next(waits, None)
                if wait is None or time.monotonic() > patient_until:
                    raise
                time.sleep(wait)

    def _in_right_region(self, method: str, target: str, body: bytes, patience_seconds: float) -> bytes:
        """A server that expects another region says which one; it has done nothing then. Nobody has to configure it."""
        try:
            return self._once(method, target, body, patience_seconds)
        except errors.AuthorizationHeaderMalformed as error:
            region = error.fields.get("region")
            if not isinstance(region, str) or region == self._keys.region:
                raise
            self._keys = self._keys._replace(region=region)
            return self._once(method, target, body, patience_seconds)

    def _once(self, method: str, target: str, body: bytes, patience_seconds: float) -> bytes:
        with closing(self._place.connect(self._timeout_seconds + patience_seconds)) as connection:
            try:
                connection.connect()
            except ssl.SSLCertVerificationError as error:
                raise self._untrusted(error) from None
            except OSError as error:
                raise self._unreachable(error) from None
            try:
                connection.request(method, target, body or None, self._headers(method, target, body))
                answer = connection.getresponse()
                said = answer.read(ANSWER_BYTES_MAX + 1)
            except (OSError, http.client.HTTPException) as error:
                if method == "GET":
                    raise self._unreachable(error) from None
                raise errors.OutcomeUnknown(endpoint=self._place.endpoint, reason=_reason(error)) from None
        if len(said) > ANSWER_BYTES_MAX:
            raise self._stranger(answer.status)
        if answer.status >= http.client.BAD_REQUEST:
            raise self._error(answer.status, said)
        return said

    def _headers(self, method: str, target: str, body: bytes) -> dict[str, str]:
        headers = {"host": self._place.host, "user-agent": f"zakrom-admin/{__version__}", "accept": "application/json"}
        if body:
            headers["content-type"] = "application/json"
        digest = hashlib.sha256(body).hexdigest()
        now_ms = time.time_ns() // 1_000_000
        return sigv4.sign_headers(self._keys, method, target, headers, now_ms=now_ms, payload=digest)

    # ------------------------------------------------------------------------------------------------- what goes wrong

    def _error(self, status: int, said: bytes) -> Error:
        """The error in an answer."""
        try:
            problem = msgspec.json.decode(said, type=Problem)
        except msgspec.MsgspecError:
            return self._stranger(status)
        kind = Error if problem.code == "Error" else Error.registry.get(problem.code) or _BRANCHES.get(status, Error)
        fields = {name: value for name, value in problem.fields.items() if name not in _NOT_FIELDS}
        return kind(problem.message, **fields, **({"hint": problem.hint} if problem.hint else {}))

    def _stranger(self, status: int) -> Error:
        """An answer that is not in our language."""
        if status in _BROKEN_GATEWAY:
            return errors.ServiceUnavailable(
                "A gateway answered, not the server.", endpoint=self._place.endpoint, status=status
            )
        return errors.InvalidSetting(
            f"Something listens at {self._place.endpoint}, but it does not speak the admin API (status {status}).",
            hint="the admin API has a port of its own, 9001 unless the server was told otherwise",
        )

    def _unreachable(self, error: Exception) -> Error:
        return errors.ServiceUnavailable(
            f"The server at {self._place.endpoint} cannot be reached: {_reason(error)}",
            hint="is it running there? The endpoint is that of the admin API",
        )

    def _untrusted(self, error: ssl.SSLCertVerificationError) -> Error:
        return errors.InvalidSetting(
            f"The certificate of {self._place.endpoint} is not trusted: {error.verify_message}",
            hint="give the authority's certificate (ca)",
        )


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def decoded(said: bytes, kind: type[T]) -> T:
    """An answer as a value. Raises `InvalidSetting` if it is none."""
    try:
        return msgspec.json.decode(said, type=kind)
    except msgspec.MsgspecError as error:
        raise errors.InvalidSetting(
            f"The answer is not that of an admin API of this version: {error}", hint="is it the right endpoint?"
        ) from None

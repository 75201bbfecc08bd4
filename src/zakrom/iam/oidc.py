"""Tokens of OpenID Connect providers: is this JSON Web Token one that the provider made, for us, and now?

Keys are fetched from where the provider's own configuration says (OpenID Connect Discovery 1.0, 4), and remembered a while.
Only providers that an account has declared are ever asked, only over TLS or on this machine, without redirects, with bounds on
time and size; what they answer is never shown to anybody.
"""

from __future__ import annotations

import asyncio
import http.client
import importlib
import ipaddress
import json
import socket
import ssl
from base64 import urlsafe_b64decode
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from zakrom import errors

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

TOKEN_MAX = 20_000  # AssumeRoleWithWebIdentity, WebIdentityToken
DOCUMENT_BYTES_MAX = 256 * 1024  # of a configuration or a set of keys; the largest providers have some 10 KiB
FETCH_SECONDS = 5.0
KEYS_FRESH_MS, RETRY_MS = 600_000, 60_000
"""Keys are used for ten minutes; for an unknown one they are fetched again, at most once a minute: that is also how often
anybody can make us ask a provider, whether it answers or not."""

ISSUERS_MAX = 1_000  # whose keys are remembered, some KiB each; the oldest goes first
SKEW_SECONDS = 300  # clocks of providers; a token is good for minutes to hours

Fetch = Callable[[str], bytes]


def check_issuer(url: str) -> str:
    """The URL itself, if a provider may have it: ``https``, or ``http`` on this machine. Raises `InvalidInput`."""
    bad = errors.InvalidInput(f"Invalid Open ID Connect Provider URL: {url[:256]}")
    try:
        split = urlsplit(url)
        plain = not (split.query or split.fragment or split.username or split.password) and split.port != 0
    except ValueError:
        raise bad from None
    if not plain or not split.hostname or not url.isascii():
        raise bad
    if split.scheme != "https" and not (split.scheme == "http" and _is_local(split.hostname)):
        raise errors.InvalidInput("Open ID Connect Provider URL must begin with https://.")
    return url


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def issuer_of(token: str) -> str:
    """Who says to have made a token; nothing is believed yet. Raises `InvalidIdentityToken`."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        issuer = claims["iss"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise errors.InvalidIdentityToken("The web identity token is not a valid JWT.") from None
    if not isinstance(issuer, str):
        raise errors.InvalidIdentityToken("Missing a required claim: iss")
    return issuer


class _Known(NamedTuple):
    """``keys`` None: the provider could not be asked."""

    fetched_ms: int
    keys: KeySet | None


class Verifier:
    """Verifies tokens, and remembers the keys of their issuers."""

    def __init__(self, fetch: Fetch | None = None) -> None:
        """``fetch`` gets a document by its URL, in a thread; raises OSError, ValueError or `http.client.HTTPException`."""
        self._fetch = fetch or fetch_document
        self._known: dict[str, _Known] = {}
        self._fetching: dict[str, asyncio.Task[_Known]] = {}

    async def verify(self, token: str, issuer: str, now_ms: int) -> dict[str, Any]:
        """The claims of a token of that issuer (its URL, as declared).

        Raises `InvalidIdentityToken`, `ExpiredIdentityToken`, `IDPCommunicationError`.
        """
        known = self._known.get(issuer)
        if known is None or now_ms - known.fetched_ms > (RETRY_MS if known.keys is None else KEYS_FRESH_MS):
            known = await self._refresh(issuer, now_ms)
        claims = _decoded(token, known)
        if claims is None and now_ms - known.fetched_ms > RETRY_MS:
            claims = _decoded(token, await self._refresh(issuer, now_ms))
        if claims is None:
            raise errors.InvalidIdentityToken("Couldn't retrieve verification key from your identity provider.")
        _check_times(claims, now_ms // 1000)
        return claims

    async def _refresh(self, issuer: str, now_ms: int) -> _Known:
        """One fetch at a time for each issuer; others wait for it."""
        task = self._fetching.get(issuer)
        if task is None:
            task = self._fetching[issuer] = asyncio.get_running_loop().create_task(self._fetched(issuer, now_ms))
            task.add_done_callback(lambda _: self._fetching.pop(issuer, None))
        return await asyncio.shield(task)

    async def _fetched(self, issuer: str, now_ms: int) -> _Known:
        try:
            known = _Known(now_ms, await asyncio.to_thread(self._keys_of, issuer))
        except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException, errors.Error):
            known = _Known(now_ms, None)
        if len(self._known) >= ISSUERS_MAX:
            del self._known[next(iter(self._known))]
        self._known[issuer] = known
        return known

    def _keys_of(self, issuer: str) -> KeySet:
        configuration = json.loads(self._fetch(issuer.rstrip("/") + "/.well-known/openid-configuration"))
        if configuration["issuer"].rstrip("/") != issuer.rstrip("/"):
            raise ValueError("the configuration is another issuer's")
        where = check_issuer(configuration["jwks_uri"])
        if issuer.startswith("https:") and not where.startswith("https:"):
            raise ValueError("keys must come over TLS, as the configuration does")
        listed = json.loads(self._fetch(where))["keys"]
        keys: KeySet = _jose().key_set(listed)
        return keys


def _decoded(token: str, known: _Known) -> dict[str, Any] | None:
    if known.keys is None:
        raise errors.IDPCommunicationError
    claims: dict[str, Any] | None = _jose().claims(token, known.keys)
    return claims


def _jose() -> ModuleType:
    """Imported with the first token: it says why itself."""
    return importlib.import_module("zakrom.iam.jose")


def _check_times(claims: dict[str, Any], now_seconds: int) -> None:
    expires, begins = claims.get("exp"), claims.get("nbf", claims.get("iat", 0))
    if not isinstance(expires, int | float) or not isinstance(begins, int | float):
        raise errors.InvalidIdentityToken("Missing a required claim: exp")
    if now_seconds >= expires:
        raise errors.ExpiredIdentityToken(f"Token expired: current date/time {now_seconds} must be before {int(expires)}")
    if begins - SKEW_SECONDS > now_seconds:
        raise errors.InvalidIdentityToken("The web identity token is not valid yet.")


def fetch_document(url: str) -> bytes:
    """A document: one GET, no redirects, no proxies, bounded. Raises OSError, ValueError, `http.client.HTTPException`."""
    split = urlsplit(check_issuer(url))
    assert split.hostname is not None, "checked"
    port = split.port or (443 if split.scheme == "https" else 80)
    address = _resolved(split.hostname, port, local=split.scheme == "http")
    connection = http.client.HTTPConnection(split.hostname, port, timeout=FETCH_SECONDS)
    connection.sock = socket.create_connection((address, port), FETCH_SECONDS)  # the address that was looked at, and no other
    try:
        if split.scheme == "https":
            connection.sock = ssl.create_default_context().wrap_socket(connection.sock, server_hostname=split.hostname)
        connection.request("GET", split.path or "/", headers={"Accept": "application/json", "Host": split.netloc})
        answer = connection.getresponse()
        body = answer.read(DOCUMENT_BYTES_MAX + 1)
    finally:
        connection.close()
    if answer.status != 200 or len(body) > DOCUMENT_BYTES_MAX:
        raise ValueError(f"{answer.status} and {len(body)} bytes")
    return body


def _resolved(host: str, port: int, *, local: bool) -> str:
    """An address that may be asked. Link-local ones never may: there clouds keep the credentials of their machines."""
    for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        address = ipaddress.ip_address(str(place[0]).partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_loopback if local else not (address.is_link_local or address.is_multicast or address.is_unspecified):
            return str(place[0])
    raise ValueError("no address of the provider may be asked")

"""The client's half of SigV4: used by our command line, admin client, benchmarks and tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from zakrom.wire import dates
from zakrom.wire.sigv4 import canonical
from zakrom.wire.target import Query

_SIGNED = frozenset({"content-md5", "content-type", "host", "range"})


class Credentials(NamedTuple):
    """What one signs with."""

    access_key: str
    secret: str
    region: str = "us-east-1"


def sign_headers(
    credentials: Credentials,
    method: str,
    target: str,
    headers: Mapping[str, str],
    *,
    now_ms: int,
    payload: str = canonical.UNSIGNED_PAYLOAD,
) -> dict[str, str]:
    """The headers of a request with a SigV4 Authorization; names in lower case.

    Args:
        credentials: whose.
        method: of HTTP.
        target: path and query as they will be sent, percent-encoded.
        headers: must have ``host``; ``x-amz-*``, Content-Type, Content-MD5 and Range are signed.
        now_ms: the time.
        payload: the hexadecimal SHA-256 of the body, or one of the words that x-amz-content-sha256 knows.
    """
    path, _, query = target.partition("?")
    amz_date = dates.amz_date(now_ms)
    sent = {name.lower(): value for name, value in headers.items()}
    sent |= {"x-amz-date": amz_date, "x-amz-content-sha256": payload}
    signed = sorted(name for name in sent if name in _SIGNED or name.startswith("x-amz-"))
    scope, signature = _signature(
        credentials, method, path, canonical.query_string(Query(query.encode())), sent, signed, payload, amz_date
    )
    authorization = (
        f"{canonical.ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={';'.join(signed)}, Signature={signature}"
    )
    return sent | {"authorization": authorization}


def presign(
    credentials: Credentials,
    method: str,
    url: str,
    *,
    now_ms: int,
    expires_seconds: int = 3600,
    headers: Mapping[str, str] | None = None,
) -> str:
    """The URL with a presigned SigV4 query. ``headers`` must be sent along by whoever uses it."""
    split = urlsplit(url)
    amz_date = dates.amz_date(now_ms)
    sent = {"host": split.netloc} | {name.lower(): value for name, value in (headers or {}).items()}
    signed = sorted(sent)
    added = (
        ("X-Amz-Algorithm", canonical.ALGORITHM),
        ("X-Amz-Credential", f"{credentials.access_key}/{canonical.scope(amz_date[:8], credentials.region)}"),
        ("X-Amz-Date", amz_date),
        ("X-Amz-Expires", str(expires_seconds)),
        ("X-Amz-SignedHeaders", ";".join(signed)),
    )
    query = "&".join(part for part in (split.query, _encoded(added)) if part)
    _, signature = _signature(
        credentials,
        method,
        split.path,
        canonical.query_string(Query(query.encode())),
        sent,
        signed,
        canonical.UNSIGNED_PAYLOAD,
        amz_date,
    )
    return f"{split.scheme}://{split.netloc}{split.path or '/'}?{query}&X-Amz-Signature={signature}"


def _signature(
    credentials: Credentials,
    method: str,
    path: str,
    query: bytes,
    headers: Mapping[str, str],
    signed: list[str],
    payload: str,
    amz_date: str,
) -> tuple[str, str]:
    scope = canonical.scope(amz_date[:8], credentials.region)
    request = canonical.request(
        method,
        canonical.paths(path.encode())[0],
        query,
        {name.encode(): value.encode() for name, value in headers.items()},
        tuple(name.encode() for name in signed),
        payload,
    )
    key = canonical.signing_key(credentials.secret, amz_date[:8], credentials.region)
    return scope, canonical.signature(key, canonical.string_to_sign(amz_date, scope, request))


def _encoded(pairs: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)


def sign_form(credentials: Credentials, policy: str, *, now_ms: int) -> dict[str, str]:
    """The fields that sign the policy (base64) of a form upload. All but the signature need a condition in the policy."""
    amz_date = dates.amz_date(now_ms)
    scope = canonical.scope(amz_date[:8], credentials.region)
    key = canonical.signing_key(credentials.secret, amz_date[:8], credentials.region)
    return {
        "x-amz-algorithm": canonical.ALGORITHM,
        "x-amz-credential": f"{credentials.access_key}/{scope}",
        "x-amz-date": amz_date,
        "x-amz-signature": canonical.signature(key, policy),
    }

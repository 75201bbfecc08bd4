"""SigV4 as every service but S3 has it: the body's hash is signed without a header that tells it, and the path is ``/``.

IAM and STS are called this way on the S3 port. Source: IAM User Guide, "Create a signed AWS API request". Any region may stand
in the scope, and none: IAM has none of its own, and clients of STS write their own.
"""

from __future__ import annotations

import hmac
import re

import msgspec

from zakrom import errors
from zakrom.wire import dates
from zakrom.wire.sigv4 import canonical
from zakrom.wire.sigv4.verify import SKEW_MS_MAX, RequestParts

SERVICES = frozenset({"iam", "sts"})
EXPIRES_SECONDS_MAX = 7 * 24 * 3600  # as for S3

_CREDENTIAL = re.compile(r"([^/\s]{1,128})/(\d{8})/([a-z0-9-]{0,64})/([a-z0-9]{1,32})/aws4_request", re.ASCII)
_HEADER = re.compile(
    canonical.ALGORITHM + r"\s+Credential=(?P<credential>[^,\s]+)\s*,\s*SignedHeaders=(?P<signed>[^,\s]+)\s*,\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})\s*",
    re.ASCII,
)


class ServiceClaim(msgspec.Struct, frozen=True):
    """Who says to have signed a call of a service. ``expires`` None: in the header, else in the query."""

    access_key: str
    signature: str
    date: str
    region: str
    service: str
    signed: tuple[bytes, ...]
    amz_date: str
    expires: str | None
    token: str | None


def classify_service(parts: RequestParts) -> ServiceClaim | None:
    """The claim that a call makes; None if it makes none. Raises `IncompleteSignature`."""
    headers = canonical.by_name(parts.headers)
    authorization = headers.get(b"authorization", b"").decode("latin-1").strip()
    get = parts.query.get
    if authorization:
        found = _HEADER.fullmatch(authorization)
        if found is None:
            raise errors.IncompleteSignature("Authorization header requires Credential, SignedHeaders and Signature.")
        sent = headers.get(b"x-amz-date") or headers.get(b"date", b"")
        token = headers.get(b"x-amz-security-token")
        pieces = found["credential"], found["signed"], found["signature"], sent.decode("latin-1"), None
        return _claim(*pieces, None if token is None else token.decode("latin-1"))
    if parts.query.has("X-Amz-Signature"):
        return _claim(
            get("X-Amz-Credential") or "",
            get("X-Amz-SignedHeaders") or "",
            get("X-Amz-Signature") or "",
            get("X-Amz-Date") or "",
            get("X-Amz-Expires") or "900",
            get("X-Amz-Security-Token"),
        )
    return None


def _claim(credential: str, signed: str, signature: str, sent: str, expires: str | None, token: str | None) -> ServiceClaim:
    match = _CREDENTIAL.fullmatch(credential)
    if match is None or match[4] not in SERVICES:
        raise errors.IncompleteSignature("Credential should be scoped to one of the services iam and sts.")
    moment_ms = dates.parse_amz_date(sent)
    if moment_ms is None:
        moment_ms = dates.parse_http_date(sent)
    if moment_ms is None:
        raise errors.IncompleteSignature("Date must be in ISO-8601 'basic format'.")
    names = tuple(signed.lower().encode().split(b";"))
    amz_date = dates.amz_date(moment_ms)
    if not amz_date.startswith(match[2]):
        raise errors.SignatureDoesNotMatch("Date in Credential scope does not match the date of the request.")
    return ServiceClaim(match[1], signature, match[2], match[3], match[4], names, amz_date, expires, token)


def verify_service(
    claim: ServiceClaim, secret: str, parts: RequestParts, body_sha256: str, now_ms: int, skew_ms: int = SKEW_MS_MAX
) -> None:
    """Returns if the holder of the claim's key made it for this call and this time.

    Raises `SignatureDoesNotMatch`, `RequestTimeTooSkewed`, `IncompleteSignature`.
    """
    headers = canonical.by_name(parts.headers)
    _check_time(claim, now_ms, skew_ms)
    unsigned = [name for name in headers if name.startswith(b"x-amz-") or name == b"host"]
    if any(name not in claim.signed for name in unsigned):
        raise errors.IncompleteSignature("All x-amz-* headers and the host must be signed.")
    query = canonical.query_string(parts.query, None if claim.expires is None else "X-Amz-Signature")
    request = canonical.request(parts.method, b"/", query, headers, claim.signed, body_sha256)
    scope = f"{claim.date}/{claim.region}/{claim.service}/{canonical.TERMINAL}"
    text = canonical.string_to_sign(claim.amz_date, scope, request)
    key = b"AWS4" + secret.encode()
    for part in (claim.date, claim.region, claim.service, canonical.TERMINAL):
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(canonical.signature(key, text).encode(), claim.signature.encode()):
        raise errors.SignatureDoesNotMatch


def _check_time(claim: ServiceClaim, now_ms: int, skew_ms: int) -> None:
    begin_ms = dates.parse_amz_date(claim.amz_date)
    assert begin_ms is not None, "made by dates.amz_date"
    end_ms = begin_ms
    if claim.expires is not None:
        if not (claim.expires.isascii() and claim.expires.isdigit()) or len(claim.expires) > 6:
            raise errors.IncompleteSignature("X-Amz-Expires must be a number of seconds.")
        end_ms += min(int(claim.expires), EXPIRES_SECONDS_MAX) * 1000
    if now_ms > (end_ms + skew_ms if claim.expires is None else end_ms) or begin_ms - now_ms > skew_ms:
        raise errors.RequestTimeTooSkewed

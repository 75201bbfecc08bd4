"""Is the claim true? Signatures recomputed and compared in constant time; dates within bounds; nothing important unsigned."""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection

import msgspec

from zakrom import errors
from zakrom.wire import dates
from zakrom.wire.sigv4 import canonical, v2
from zakrom.wire.sigv4.canonical import UNSIGNED_PAYLOAD, KeyCache
from zakrom.wire.sigv4.claims import Claim, Header, Presigned, PresignedV2, wrong_region
from zakrom.wire.target import Query

SKEW_MS_MAX = 15 * 60 * 1000  # Amazon S3 API Reference, "Authenticating Requests": 15 minutes either way
EXPIRES_SECONDS_MAX = 7 * 24 * 3600  # the same, "Using Query Parameters"

STREAMING_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
STREAMING_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
PAYLOADS = frozenset({UNSIGNED_PAYLOAD, STREAMING_SIGNED, STREAMING_SIGNED_TRAILER, STREAMING_UNSIGNED_TRAILER})
"""What x-amz-content-sha256 may say beside a hash."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT_SHA256 = b"x-amz-content-sha256"


class RequestParts(msgspec.Struct, frozen=True):
    """What a signature covers, as received: the still encoded path, the query, lower-case header names with their values.

    ``host_bucket``: the bucket of a virtual-hosted request: SigV2 signs it, and it is not in the path.
    """

    method: str
    path: bytes
    query: Query
    headers: list[tuple[bytes, bytes]]
    host_bucket: str | None = None


class Verified(msgspec.Struct, frozen=True):
    """A claim found true. ``payload``: what the request says of its body (x-amz-content-sha256); the rest is for its chunks."""

    access_key: str
    payload: str
    seed_signature: str
    signing_key: bytes
    scope: str
    amz_date: str


class _Covered(msgspec.Struct, frozen=True):
    """What differs between a header's and a query's signature. ``payload``: what was signed; ``declared``: what is promised."""

    amz_date: str
    payload: str
    declared: str
    query: bytes


def verify(
    claim: Claim,
    secret: str,
    parts: RequestParts,
    now_ms: int,
    region: str,
    *,
    also: Collection[str] = (),
    key_cache: KeyCache | None = None,
    skew_ms: int = SKEW_MS_MAX,
    session: bool = False,
) -> Verified:
    """The claim, if the holder of its access key made it for this request and this time.

    Args:
        claim: what `classify` found.
        secret: the secret of the claim's access key.
        parts: the request.
        now_ms: the time.
        region: this server's; an error names it as the one to sign for.
        also: other regions whose signatures are accepted.
        key_cache: remembers signing keys from call to call.
        skew_ms: how far the sender's clock may be from ours.
        session: whether the caller has read the session token and took the secret from it; without, a token is refused.

    Raises what AWS does: `AuthorizationHeaderMalformed`, `AuthorizationQueryParametersError`, `RequestTimeTooSkewed`,
    `AccessDenied` (expired, headers not signed), `SignatureDoesNotMatch`, `InvalidToken`, `InvalidRequest`, `InvalidArgument`.
    """
    headers = canonical.by_name(parts.headers)
    if not session and sent_token(parts):
        raise errors.InvalidToken
    if isinstance(claim, PresignedV2):
        return _verify_v2(claim, secret, parts, headers, now_ms)
    if claim.region != region and claim.region not in also:
        raise wrong_region(claim, region)
    if isinstance(claim, Header):
        covered = _covered_by_header(claim, parts.query, headers, now_ms, skew_ms)
    else:
        covered = _covered_by_query(claim, parts.query, headers, now_ms, skew_ms)
    _check_all_signed(headers, claim.signed)
    cache = key_cache or KeyCache(1)
    key = cache.get(claim.access_key, secret, claim.date, claim.region)
    return _compare(claim, key, parts, headers, covered)


def sent_token(parts: RequestParts) -> str | None:
    """The session token that a request brings: in a header, or in the query of either version."""
    for name, value in parts.headers:
        if name == b"x-amz-security-token":
            return value.decode("latin-1")
    if not parts.query.raw:
        return None
    return parts.query.get("X-Amz-Security-Token") or parts.query.get("x-amz-security-token")


def _compare(
    claim: Header | Presigned, key: bytes, parts: RequestParts, headers: dict[bytes, bytes], covered: _Covered
) -> Verified:
    scope = canonical.scope(claim.date, claim.region)
    tried: list[tuple[bytes, str]] = []
    for path in canonical.paths(parts.path):
        request = canonical.request(parts.method, path, covered.query, headers, claim.signed, covered.payload)
        text = canonical.string_to_sign(covered.amz_date, scope, request)
        if hmac.compare_digest(canonical.signature(key, text).encode(), claim.signature.encode()):
            return Verified(claim.access_key, covered.declared, claim.signature, key, scope, covered.amz_date)
        tried.append((request, text))
    request, text = tried[0]
    raise errors.SignatureDoesNotMatch(
        aws_access_key_id=claim.access_key,
        string_to_sign=text,
        signature_provided=claim.signature,
        canonical_request=request.decode("utf-8", "replace"),
    )


def _check_all_signed(headers: dict[bytes, bytes], signed: tuple[bytes, ...]) -> None:
    """What changes the meaning of a request must be signed; what a proxy adds otherwise is nobody's business."""
    missing = [
        name
        for name in headers
        if name not in signed and (name.startswith(b"x-amz-") or name == b"host") and name != _CONTENT_SHA256
    ]
    if missing:
        raise errors.AccessDenied(
            "There were headers present in the request which were not signed",
            headers_not_signed=", ".join(sorted(name.decode("latin-1") for name in missing)),
        )


def _payload(text: str) -> str:
    if text in PAYLOADS or _SHA256.fullmatch(text):
        return text
    if text.startswith("STREAMING-AWS4-ECDSA"):
        raise errors.NotServed("Signatures of version 4A are not implemented.", header="x-amz-content-sha256")
    raise errors.InvalidArgument(
        f"x-amz-content-sha256 must be {', '.join(sorted(PAYLOADS))} or a valid sha256 value.",
        argument_name="x-amz-content-sha256",
        argument_value=text,
    )


# ------------------------------------------------------------------------------------------------------------------ header


def _covered_by_header(claim: Header, query: Query, headers: dict[bytes, bytes], now_ms: int, skew_ms: int) -> _Covered:
    amz_date = _header_date(headers, now_ms, skew_ms)
    if not amz_date.startswith(claim.date):
        raise errors.AuthorizationHeaderMalformed(
            f'The authorization header is malformed; Invalid credential date "{claim.date}". '
            f'This date is not the same as X-Amz-Date: "{amz_date[:8]}".'
        )
    if _CONTENT_SHA256 not in headers:
        raise errors.InvalidRequest("Missing required header for this request: x-amz-content-sha256")
    payload = _payload(headers[_CONTENT_SHA256].decode("latin-1"))
    return _Covered(amz_date, payload, payload, canonical.query_string(query))


def _header_date(headers: dict[bytes, bytes], now_ms: int, skew_ms: int) -> str:
    """The time of a request in the basic form, from x-amz-date or Date, if it is near enough to ours."""
    sent = (headers.get(b"x-amz-date") or headers.get(b"date", b"")).decode("latin-1")
    moment_ms = dates.parse_amz_date(sent)
    if moment_ms is None:
        moment_ms = dates.parse_http_date(sent)
    if moment_ms is None:
        raise errors.AccessDenied("AWS authentication requires a valid Date or x-amz-date header")
    if abs(now_ms - moment_ms) > skew_ms:
        raise errors.RequestTimeTooSkewed(
            request_time=sent, server_time=dates.iso8601_seconds(now_ms), max_allowed_skew_milliseconds=skew_ms
        )
    return dates.amz_date(moment_ms)


# --------------------------------------------------------------------------------------------------------------- presigned


def _covered_by_query(claim: Presigned, query: Query, headers: dict[bytes, bytes], now_ms: int, skew_ms: int) -> _Covered:
    _check_lifetime(claim, now_ms, skew_ms)
    asked = query.get("X-Amz-Content-Sha256") or UNSIGNED_PAYLOAD
    sent = headers.get(_CONTENT_SHA256)
    declared = asked if sent is None else sent.decode("latin-1")
    covered = declared if _CONTENT_SHA256 in claim.signed else asked
    return _Covered(claim.amz_date, covered, _payload(declared), canonical.query_string(query, "X-Amz-Signature"))


def _check_lifetime(claim: Presigned, now_ms: int, skew_ms: int) -> None:
    begin_ms = dates.parse_amz_date(claim.amz_date)
    if begin_ms is None:
        raise errors.AuthorizationQueryParametersError("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    if not claim.amz_date.startswith(claim.date):
        raise errors.AuthorizationQueryParametersError(
            f'Invalid credential date "{claim.date}". This date is not the same as X-Amz-Date: "{claim.amz_date[:8]}".'
        )
    seconds = _expires(claim.expires)
    if begin_ms - now_ms > skew_ms:
        raise errors.AccessDenied("Request is not valid yet", server_time=dates.iso8601_seconds(now_ms))
    end_ms = begin_ms + seconds * 1000
    if now_ms > end_ms:
        raise errors.AccessDenied(
            "Request has expired",
            x_amz_expires=seconds,
            expires=dates.iso8601_seconds(end_ms),
            server_time=dates.iso8601_seconds(now_ms),
        )


def _expires(text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise errors.AuthorizationQueryParametersError("X-Amz-Expires should be a number")
    if digits != text:
        raise errors.AuthorizationQueryParametersError("X-Amz-Expires must be non-negative")
    if len(digits) > 10 or int(digits) > EXPIRES_SECONDS_MAX:
        raise errors.AuthorizationQueryParametersError(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
            f"{EXPIRES_SECONDS_MAX} seconds"
        )
    return int(digits)


# --------------------------------------------------------------------------------------------------------------- version 2


def _verify_v2(claim: PresignedV2, secret: str, parts: RequestParts, headers: dict[bytes, bytes], now_ms: int) -> Verified:
    if not (claim.expires.isascii() and claim.expires.isdigit()) or len(claim.expires) > 11:
        raise errors.AccessDenied(f"Invalid date (should be seconds since epoch): {claim.expires[:32]}")
    end_ms = int(claim.expires) * 1000
    if now_ms > end_ms:
        raise errors.AccessDenied(
            "Request has expired", expires=dates.iso8601_seconds(end_ms), server_time=dates.iso8601_seconds(now_ms)
        )
    text = v2.string_to_sign(parts.method, parts.path, parts.query, headers, claim.expires, parts.host_bucket)
    if not hmac.compare_digest(v2.signature(secret, text).encode(), claim.signature.encode()):
        raise errors.SignatureDoesNotMatch(
            aws_access_key_id=claim.access_key, string_to_sign=text, signature_provided=claim.signature
        )
    payload = _payload(headers.get(_CONTENT_SHA256, b"").decode("latin-1") or UNSIGNED_PAYLOAD)
    if payload in (STREAMING_SIGNED, STREAMING_SIGNED_TRAILER):  # there is no key to check chunks with
        raise errors.InvalidRequest("The value of x-amz-content-sha256 header is invalid.")
    return Verified(claim.access_key, payload, claim.signature, b"", "", "")

"""The claim in a request: which access key says it has signed, how, and with what signature. Nothing is believed yet."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from zakrom import errors
from zakrom.wire.sigv4.canonical import ALGORITHM, SERVICE, TERMINAL
from zakrom.wire.target import Query

_CREDENTIAL_FORM = '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request"'
_OF_VERSION4 = frozenset({"X-Amz-Algorithm", "X-Amz-Signature", "X-Amz-Credential"})
_OF_VERSION2 = frozenset({"Signature", "AWSAccessKeyId"})
_DATE = re.compile(r"\d{8}", re.ASCII)
_COMPONENTS = ("Credential", "SignedHeaders", "Signature")


class Header(msgspec.Struct, frozen=True):
    """SigV4 in the Authorization header. ``signed``: lower-case names, in the client's order."""

    access_key: str
    signature: str
    date: str
    region: str
    signed: tuple[bytes, ...]


class Presigned(msgspec.Struct, frozen=True):
    """SigV4 in the query. ``amz_date`` and ``expires`` as sent."""

    access_key: str
    signature: str
    date: str
    region: str
    signed: tuple[bytes, ...]
    amz_date: str
    expires: str
    token: str | None


class PresignedV2(msgspec.Struct, frozen=True):
    """SigV2 in the query. ``expires``: seconds since 1970, as sent."""

    access_key: str
    signature: str
    expires: str


Claim = Header | Presigned | PresignedV2


def classify(headers: Iterable[tuple[bytes, bytes]], query: Query, *, sigv2: bool = True) -> Claim | None:
    """The claim that a request makes; None if it makes none.

    ``sigv2``: whether presigned SigV2 is welcome. Raises `AuthorizationHeaderMalformed`, `AuthorizationQueryParametersError`,
    `AccessDenied`, `InvalidArgument` and `InvalidRequest`, as AWS, for claims that cannot be read.
    """
    authorization = _authorization(headers)
    version4 = not _OF_VERSION4.isdisjoint(query.first)
    version2 = not version4 and not _OF_VERSION2.isdisjoint(query.first)
    if authorization:
        if version4 or version2:
            raise errors.InvalidArgument(
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter "
                "or the Authorization header should be specified",
                argument_name="Authorization",
            )
        return _from_header(authorization.decode("utf-8", "replace"))
    if version4:
        return _from_query(query)
    if not version2:
        return None
    if not sigv2:
        raise _unsupported_mechanism()
    return _from_query_v2(query)


def _authorization(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    for name, value in headers:
        if name == b"authorization":
            return value.strip()
    return b""


def _unsupported_mechanism() -> errors.InvalidRequest:
    return errors.InvalidRequest("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")


def _from_header(text: str) -> Header:
    scheme, _, rest = text.partition(" ")
    if scheme == "AWS":  # SigV2 in a header: no client needs it since 2014
        raise _unsupported_mechanism()
    if scheme != ALGORITHM:
        raise errors.InvalidArgument(
            "Unsupported Authorization Type", argument_name="Authorization", argument_value=scheme[:32]
        )
    found: dict[str, str] = {}
    for piece in rest.split(","):
        name, equals, value = piece.strip().partition("=")
        if not equals or not value:
            raise _malformed(f'the authorization component "{piece.strip()}" is malformed.')
        found[name] = value
    if any(name not in found for name in _COMPONENTS):
        raise _malformed("the authorization header requires three components: Credential, SignedHeaders, and Signature.")
    access_key, date, region = _credential(found["Credential"], _malformed)
    return Header(access_key, found["Signature"], date, region, _signed(found["SignedHeaders"]))


def _from_query(query: Query) -> Presigned:
    get = query.first.get
    algorithm, credential, signature = get("X-Amz-Algorithm"), get("X-Amz-Credential"), get("X-Amz-Signature")
    amz_date, signed, expires = get("X-Amz-Date"), get("X-Amz-SignedHeaders"), get("X-Amz-Expires")
    if not (algorithm and credential and signature and amz_date and signed and expires):
        raise errors.AuthorizationQueryParametersError(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
            "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    if algorithm != ALGORITHM:
        raise errors.AuthorizationQueryParametersError(f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    access_key, date, region = _credential(credential, _malformed_query)
    return Presigned(access_key, signature, date, region, _signed(signed), amz_date, expires, get("X-Amz-Security-Token"))


def _from_query_v2(query: Query) -> PresignedV2:
    access_key, signature, expires = query.get("AWSAccessKeyId"), query.get("Signature"), query.get("Expires")
    if not (access_key and signature and expires):
        raise errors.AccessDenied("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
    return PresignedV2(access_key, signature, expires)


def _credential(text: str, malformed: _Malformed) -> tuple[str, str, str]:
    """Access key, date and region. An access key may have any shape, slashes too: the last four parts are known."""
    parts = text.rsplit("/", 4)
    if len(parts) != 5 or not parts[0]:
        raise malformed(f"the Credential is mal-formed; expecting {_CREDENTIAL_FORM}.")
    access_key, date, region, service, terminal = parts
    if terminal != TERMINAL:
        raise malformed(f'incorrect terminal "{terminal}". This endpoint uses "{TERMINAL}".')
    if service != SERVICE:
        raise malformed(f'incorrect service "{service}". This endpoint belongs to "{SERVICE}".')
    if not _DATE.fullmatch(date):
        raise malformed(f'incorrect date format "{date}". This date in the credential must be in the format "yyyyMMdd".')
    return access_key, date, region


def _signed(text: str) -> tuple[bytes, ...]:
    return tuple(text.lower().encode().split(b";"))


class _Malformed(msgspec.Struct, frozen=True):
    """Makes the error of one kind of claim."""

    error: type[errors.Error]
    lead: str

    def __call__(self, message: str, **fields: str) -> errors.Error:
        return self.error(f"{self.lead} {message}", **fields)


_malformed = _Malformed(errors.AuthorizationHeaderMalformed, "The authorization header is malformed;")
_malformed_query = _Malformed(errors.AuthorizationQueryParametersError, "Error parsing the X-Amz-Credential parameter;")


def wrong_region(claim: Header | Presigned, expected: str) -> errors.Error:
    """The error for a signature made for another region than this server's: SDKs read the right one from it."""
    kind = _malformed if isinstance(claim, Header) else _malformed_query
    return kind(f"the region '{claim.region}' is wrong; expecting '{expected}'", region=expected)

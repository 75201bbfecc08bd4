"""Signatures of forms: what is signed is the policy, as it stands in its field.

Source: Amazon S3 API Reference, "Authenticating Requests in Browser-Based Uploads Using POST"; SigV2 forms as in "HTML forms
(AWS signature version 2)". Nothing else is covered, so all depends on the policy (`rules.post_policy`). How long it holds is
the policy's business; the date only chooses the key.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from typing import NamedTuple

from zakrom import errors
from zakrom.wire import dates
from zakrom.wire.sigv4 import canonical, v2
from zakrom.wire.sigv4.canonical import ALGORITHM
from zakrom.wire.sigv4.claims import credential_parts

_V4 = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature", "Policy")
_V2 = ("AWSAccessKeyId", "Signature", "Policy")
_TOKEN = "x-amz-security-token"  # noqa: S105 - a field's name

Fields = Mapping[str, str]
"""By lower-case name."""


class FormClaim(NamedTuple):
    """Who says to have signed a policy. ``date`` and ``region`` are empty for SigV2."""

    access_key: str
    signature: str
    policy: str
    date: str = ""
    region: str = ""


def classify_form(fields: Fields, *, sigv2: bool = True) -> FormClaim | None:
    """The claim that a form makes; None if it makes none.

    Raises `InvalidArgument` for fields that are missing or cannot be read, `InvalidRequest` for SigV2 where that is not
    welcome.
    """
    if any(name.lower() in fields for name in _V4[:-1]):
        return _v4(fields)
    if not any(name.lower() in fields for name in _V2[:-1]):
        return None
    if not sigv2:
        raise errors.InvalidRequest(
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        )
    access_key, signature, policy = (_needed(fields, name) for name in _V2)
    return FormClaim(access_key, signature, policy)


def _v4(fields: Fields) -> FormClaim:
    algorithm, credential, amz_date, signature, policy = (_needed(fields, name) for name in _V4)
    if algorithm != ALGORITHM:
        raise _bad("X-Amz-Algorithm", algorithm, f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    access_key, date, region = credential_parts(credential, lambda message: _bad("X-Amz-Credential", credential, message))
    if dates.parse_amz_date(amz_date) is None or not amz_date.startswith(date):
        raise _bad("X-Amz-Date", amz_date, "X-Amz-Date must be in the ISO8601 Long Format and of the credential's day.")
    return FormClaim(access_key, signature, policy, date, region)


def verify_form(claim: FormClaim, secret: str, fields: Fields, regions: Collection[str], expected: str) -> None:
    """Returns if the holder of the claim's access key has signed its policy.

    ``regions`` are those that a signature may name, ``expected`` the one that a refusal names. Raises `SignatureDoesNotMatch`,
    `InvalidArgument` for a wrong region, `InvalidToken`.
    """
    if _TOKEN in fields:
        raise errors.InvalidToken
    if not claim.date:
        signature = v2.signature(secret, claim.policy)
    else:
        if claim.region not in regions:
            message = f"the region '{claim.region}' is wrong; expecting '{expected}'"
            raise _bad("X-Amz-Credential", fields["x-amz-credential"], message).with_fields(region=expected)
        signature = canonical.signature(canonical.signing_key(secret, claim.date, claim.region), claim.policy)
    if not hmac.compare_digest(signature.encode(), claim.signature.encode()):
        raise errors.SignatureDoesNotMatch(
            aws_access_key_id=claim.access_key, string_to_sign=claim.policy, signature_provided=claim.signature
        )


def needed_field(name: str) -> errors.InvalidArgument:
    """The error for a field that is not there, or stands behind the file."""
    return _bad(
        name, "", f"Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
    )


def _needed(fields: Fields, name: str) -> str:
    value = fields.get(name.lower())
    if not value:
        raise needed_field(name)
    return value


def _bad(name: str, value: str, message: str) -> errors.InvalidArgument:
    return errors.InvalidArgument(message, argument_name=name, argument_value=value)

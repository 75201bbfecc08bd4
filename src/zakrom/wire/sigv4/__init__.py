"""Signatures: who claims to have sent a request, and whether they did.

`classify` reads the claim, the caller looks its secret up, `verify` checks. Header and presigned SigV4, presigned SigV2 (boto3
still makes it by default for us-east-1). `sign_headers` and `presign` are the client's half, for our own tools and tests.

Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)" and "(Signature Version 2)". For S3 the
path is encoded once and never normalised. Errors and their fields are AWS's own.
"""

from __future__ import annotations

from zakrom.wire.sigv4.canonical import UNSIGNED_PAYLOAD, KeyCache, signing_key
from zakrom.wire.sigv4.claims import Claim, Header, Presigned, PresignedV2, classify
from zakrom.wire.sigv4.form import FormClaim, classify_form, verify_form
from zakrom.wire.sigv4.service import SERVICES, ServiceClaim, classify_service, verify_service
from zakrom.wire.sigv4.sign import Credentials, presign, sign_form, sign_headers
from zakrom.wire.sigv4.verify import EXPIRES_SECONDS_MAX, SKEW_MS_MAX, RequestParts, Verified, sent_token, verify

__all__ = [
    "EXPIRES_SECONDS_MAX",
    "SERVICES",
    "SKEW_MS_MAX",
    "UNSIGNED_PAYLOAD",
    "Claim",
    "Credentials",
    "FormClaim",
    "Header",
    "KeyCache",
    "Presigned",
    "PresignedV2",
    "RequestParts",
    "ServiceClaim",
    "Verified",
    "classify",
    "classify_form",
    "classify_service",
    "presign",
    "sent_token",
    "sign_form",
    "sign_headers",
    "signing_key",
    "verify",
    "verify_form",
    "verify_service",
]

"""JSON Web Tokens and the keys that sign them, in the words of the library that knows both (joserfc).

Apart from its only caller, `iam.oidc`, because to import the library takes 0.2 s, and nobody shows a token to a server that
starts.
"""

from __future__ import annotations

from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""Signatures with a public key only: a token "signed" with what everybody can read is none."""


def key_set(listed: list[dict[str, Any]]) -> KeySet:
    """The keys for signatures among those that a provider lists. Raises ValueError, KeyError, TypeError for what is no key."""
    try:
        return KeySet([_key(one) for one in listed if one.get("kty") in {"RSA", "EC"} and one.get("use", "sig") == "sig"])
    except JoseError as error:
        raise ValueError(str(error)) from None


def claims(token: str, keys: KeySet) -> dict[str, Any] | None:
    """The claims of a token that one of the keys has signed; None if none has."""
    try:
        return jwt.decode(token, keys, algorithms=_ALGORITHMS).claims
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _key(found: dict[str, Any]) -> RSAKey | ECKey:
    return RSAKey.import_key(found) if found["kty"] == "RSA" else ECKey.import_key(found)

"""The doorman: finds out who sends a request. `wire.sigv4` knows signatures, the catalog knows keys; here they meet."""

from __future__ import annotations

from typing import NamedTuple

from zakrom import errors
from zakrom.catalog.interface import Catalog
from zakrom.identity.proven import Proven
from zakrom.model.caller import ANONYMOUS, Caller
from zakrom.web.message import Request
from zakrom.wire import sigv4
from zakrom.wire.sigv4 import KeyCache, RequestParts, Verified
from zakrom.wire.target import Query


class Rules(NamedTuple):
    """What signatures must be.

    ``regions`` they may name (the first is the one expected), whether SigV2 is welcome, clock skew.
    """

    regions: tuple[str, ...]
    sigv2: bool = True
    skew_ms: int = sigv4.SKEW_MS_MAX


class Doorman:
    """Identifies callers against the keys of one catalog."""

    def __init__(self, catalog: Catalog, rules: Rules) -> None:
        self._catalog = catalog
        self._rules = rules
        self._keys = KeyCache()
        self._proven = Proven()

    async def identify(
        self, request: Request, query: Query, now_ms: int, host_bucket: str | None = None
    ) -> tuple[Caller, Verified | None]:
        """The caller, and what the signature covered; anonymous where none was tried.

        ``host_bucket``: the bucket that the Host header names, if one does. Raises `InvalidAccessKeyId` and what
        `wire.sigv4.classify` and `verify` raise.
        """
        rules = self._rules
        proof = self._proven.find(request, query, now_ms)
        if proof is not None:
            known = await self._catalog.access_key(proof.verified.access_key)
            if known is not None and known[0].secret == proof.secret and not (known[0].disabled or known[1].disabled):
                return Caller(known[1], known[0].id, presigned=True), proof.verified
        claim = sigv4.classify(request.headers, query, sigv2=rules.sigv2)
        if claim is None:
            return ANONYMOUS, None
        found = await self._catalog.access_key(claim.access_key)
        if found is None:
            raise errors.InvalidAccessKeyId(aws_access_key_id=claim.access_key)
        key, user = found
        parts = RequestParts(request.method, request.path, query, request.headers, host_bucket)
        verified = sigv4.verify(
            claim,
            key.secret,
            parts,
            now_ms=now_ms,
            region=rules.regions[0],
            also=rules.regions,
            key_cache=self._keys,
            skew_ms=rules.skew_ms,
        )
        if key.disabled or user.disabled:  # said only to who has the secret
            raise errors.InvalidAccessKeyId("The AWS Access Key Id you provided is disabled.", aws_access_key_id=key.id)
        self._proven.remember(request, query, claim, verified, key.secret)
        return Caller(user, key.id, not isinstance(claim, sigv4.Header)), verified

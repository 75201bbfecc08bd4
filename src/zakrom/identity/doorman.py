"""The doorman: finds out who sends a request. `wire.sigv4` knows signatures, the catalog knows keys; here they meet."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import msgspec

from zakrom import errors
from zakrom.catalog.interface import Catalog
from zakrom.identity import callers
from zakrom.identity.patience import Patience
from zakrom.identity.proven import Proven
from zakrom.identity.sessions import Sealer, Session
from zakrom.identity.uses import Uses
from zakrom.model.caller import ANONYMOUS, Caller
from zakrom.model.facts import AccessKey, User
from zakrom.web.message import Request
from zakrom.wire import sigv4
from zakrom.wire.sigv4 import Claim, KeyCache, RequestParts, ServiceClaim, Verified
from zakrom.wire.target import Query

_NOBODYS_SECRET = "nobody has this secret"  # noqa: S105 - that is what it says
_GUESSES = (errors.InvalidAccessKeyId, errors.SignatureDoesNotMatch, errors.InvalidToken)
"""What somebody is told who tries keys."""


class Rules(NamedTuple):
    """What signatures must be.

    ``regions`` they may name (the first is the one expected), whether SigV2 is welcome, clock skew.
    """

    regions: tuple[str, ...]
    sigv2: bool = True
    skew_ms: int = sigv4.SKEW_MS_MAX


class Doorman:
    """Identifies callers against the keys of one catalog."""

    def __init__(self, catalog: Catalog, rules: Rules, sealer: Sealer | None = None, patience: Patience | None = None) -> None:
        """``sealer`` opens session tokens, without it none is good; ``patience`` slows down who guesses."""
        self._sealer = sealer
        self._patience = patience
        self._uses = Uses(catalog)
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
                self._uses.note(known[0].id, now_ms, rules.regions[0], "s3")
                return await admitted(self._catalog, *known, presigned=True), proof.verified
        claim = sigv4.classify(request.headers, query, sigv2=rules.sigv2)
        if claim is None:
            return ANONYMOUS, None
        parts = RequestParts(request.method, request.path, query, request.headers, host_bucket)
        try:
            token = request.text("x-amz-security-token")
            if token is None and query.raw:
                token = query.get("X-Amz-Security-Token") or query.get("x-amz-security-token")
            if token is not None:
                return await self._of_token(claim, parts, token, now_ms)
            found = await self._catalog.access_key(claim.access_key)
            if found is None:
                self._verify_nobody(claim, parts, now_ms)
                raise errors.InvalidAccessKeyId(aws_access_key_id=claim.access_key)
            verified = self._verify(claim, found[0].secret, parts, now_ms)
        except _GUESSES:
            await self._slow_down(request, now_ms)
            raise
        key, user = found
        if key.disabled or user.disabled:  # said only to who has the secret
            raise _disabled(key.id)
        self._proven.remember(request, query, claim, verified, key.secret)
        presigned = not isinstance(claim, sigv4.Header)
        self._uses.note(key.id, now_ms, rules.regions[0] if isinstance(claim, sigv4.PresignedV2) else claim.region, "s3")
        if not user.account:  # said here too: a call that waits for nothing costs a third of a microsecond
            return Caller(user, key.id, presigned), verified
        return await admitted(self._catalog, key, user, presigned=presigned), verified

    async def identify_call(
        self, request: Request, query: Query, body_sha256: str, now_ms: int
    ) -> tuple[Caller, ServiceClaim | None, Session | None]:
        """The caller of IAM or STS, what was claimed, and the session if it is one; anonymous where no signature was tried.

        Raises what `wire.sigv4.classify_service` and `verify_service` raise, `InvalidAccessKeyId`, `InvalidToken`,
        `ExpiredToken`.
        """
        parts = RequestParts(request.method, request.path, query, request.headers)
        claim = sigv4.classify_service(parts)
        if claim is None:
            return ANONYMOUS, None, None
        try:
            if claim.token is not None:
                session = self._open(claim.token, claim.access_key)
                sigv4.verify_service(claim, session.secret, parts, body_sha256, now_ms, self._rules.skew_ms)
                return await self._of_session(session, now_ms, presigned=False), claim, session
            found = await self._catalog.access_key(claim.access_key)
            if found is None:
                with contextlib.suppress(errors.Error):  # as `_verify_nobody`
                    sigv4.verify_service(claim, _NOBODYS_SECRET, parts, body_sha256, now_ms, self._rules.skew_ms)
                raise errors.InvalidAccessKeyId
            sigv4.verify_service(claim, found[0].secret, parts, body_sha256, now_ms, self._rules.skew_ms)
        except _GUESSES:
            await self._slow_down(request, now_ms)
            raise
        caller = await admitted(self._catalog, *found, presigned=False)
        self._uses.note(found[0].id, now_ms, claim.region, claim.service)
        return caller, claim, None

    # ------------------------------------------------------------------------------------------------------ details

    def _verify(self, claim: Claim, secret: str, parts: RequestParts, now_ms: int) -> Verified:
        rules = self._rules
        return sigv4.verify(
            claim,
            secret,
            parts,
            now_ms=now_ms,
            region=rules.regions[0],
            also=rules.regions,
            key_cache=self._keys,
            skew_ms=rules.skew_ms,
            session=True,  # a token was looked at before
        )

    def _verify_nobody(self, claim: Claim, parts: RequestParts, now_ms: int) -> None:
        """The work of a verification for a key that is not there: how long an answer takes must not tell which keys are."""
        with contextlib.suppress(errors.Error):
            self._verify(msgspec.structs.replace(claim, access_key=""), _NOBODYS_SECRET, parts, now_ms)

    async def _slow_down(self, request: Request, now_ms: int) -> None:
        if self._patience is not None:
            await self._patience.hold(request.peer, now_ms)

    async def _of_token(self, claim: Claim, parts: RequestParts, token: str, now_ms: int) -> tuple[Caller, Verified]:
        session = self._open(token, claim.access_key)
        verified = self._verify(claim, session.secret, parts, now_ms)
        return await self._of_session(session, now_ms, presigned=not isinstance(claim, sigv4.Header)), verified

    def _open(self, token: str, access_key: str) -> Session:
        """The session in a token. Raises `InvalidToken`, also where it belongs to another key."""
        if self._sealer is None:
            raise errors.InvalidToken
        session = self._sealer.open(token)
        if session.access_key != access_key:
            raise errors.InvalidToken
        return session

    async def _of_session(self, session: Session, now_ms: int, *, presigned: bool) -> Caller:
        """The holder of a session whose secret they have. Raises `ExpiredToken`, `InvalidAccessKeyId`."""
        callers.check_current(session, now_ms)
        try:
            caller = callers.of_session(await self._catalog.realm(session.account), session, presigned=presigned)
        except errors.NoSuchUser:
            caller = None
        if caller is None:
            raise errors.InvalidAccessKeyId(aws_access_key_id=session.access_key)
        return caller


async def admitted(catalog: Catalog, key: AccessKey, user: User, *, presigned: bool) -> Caller:
    """The holder of a key that was found good, with their policies. Raises `InvalidAccessKeyId` if they are disabled."""
    if key.disabled or user.disabled:  # said only to who has the secret
        raise _disabled(key.id)
    if not user.account:
        return Caller(user, key.id, presigned)
    caller = callers.of_user(await catalog.realm(user.account), user, key.id, presigned=presigned)
    if caller is None:
        raise _disabled(key.id)
    return caller


def _disabled(access_key: str) -> errors.Error:
    return errors.InvalidAccessKeyId("The AWS Access Key Id you provided is disabled.", aws_access_key_id=access_key)

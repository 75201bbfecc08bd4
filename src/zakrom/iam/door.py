"""The door: from a signed form to an answer, the same few steps for every action.

Who is it? May they? What becomes of their account? Then it is written, on the very state it was decided on; if another was
quicker, it is decided again.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import NamedTuple

from zakrom import errors
from zakrom.catalog.changes import ChangeRealm
from zakrom.errors import Error
from zakrom.iam import judge, ops
from zakrom.iam.action import ACTIONS, Action, Ask, Done, Tools
from zakrom.identity.doorman import Doorman
from zakrom.identity.sessions import Session
from zakrom.model.caller import Caller
from zakrom.model.facts import User
from zakrom.model.iam import Group, Holder, IamUser, Policy, Realm, Role
from zakrom.rules.access import Reason
from zakrom.web.message import Request, Response
from zakrom.wire.dates import iso8601_seconds
from zakrom.wire.query import IAM_NAMESPACE, STS_NAMESPACE, Form, answer, parse_form, refusal
from zakrom.wire.sigv4 import ServiceClaim
from zakrom.wire.target import Query

for _module in pkgutil.iter_modules(ops.__path__):
    importlib.import_module(f"{ops.__name__}.{_module.name}")

BODY_BYTES_MAX = 512 * 1024
"""Of a form: a policy of 6,144 characters takes 18 KB; a simulation with ten of them fits."""

TRIES_MAX = 16
"""How often a decision is made anew because another was quicker; each time one of them has come through."""

VERSIONS = {"2010-05-08": "iam", "2011-06-15": "sts"}
_NAMESPACES = {"iam": IAM_NAMESPACE, "sts": STS_NAMESPACE}
_FORM = "application/x-www-form-urlencoded"
_NOWHERE = Realm(User("", "", "", "", 0), 0, (), ())
"""The account of who has not signed."""


class Answered(NamedTuple):
    """An answer, and what logs and metrics want to know of it."""

    response: Response
    operation: str
    code: str | None
    access_key: str | None
    error: Error | None


class QueryDoor:
    """Answers calls of IAM and STS."""

    def __init__(self, tools: Tools, doorman: Doorman, clock_ms: Callable[[], int]) -> None:
        self._tools = tools
        self._doorman = doorman
        self._clock_ms = clock_ms

    @staticmethod
    def wants(request: Request) -> bool:
        """Whether a request to ``/`` is such a call: S3 has no form there, and no parameter ``Action``."""
        if request.method == "POST":
            return (request.text("content-type") or "").partition(";")[0].strip().lower() == _FORM
        return request.method == "GET" and b"Action=" in request.query and b"Version=" in request.query

    async def __call__(self, request: Request, request_id: str) -> Answered:
        """The answer; never raises an `Error`."""
        progress = _Progress()
        error: Error | None = None
        try:
            status, code, body = 200, None, await self._answer(request, request_id, progress)
        except Error as caught:
            error = caught
            status, code, body = refusal(caught, _NAMESPACES[progress.service], request_id)
        headers = [("Content-Type", "text/xml"), ("x-amzn-RequestId", request_id)]
        return Answered(Response(status, headers, body), progress.operation, code, progress.access_key, error)

    async def _answer(self, request: Request, request_id: str, progress: _Progress) -> bytes:
        query = Query(request.query)
        body = await _body(request)
        form = parse_form(body) if request.method == "POST" else Form(query.pairs)
        name = form.get("Action") or ""
        service = progress.service = VERSIONS.get(form.get("Version") or "", "iam")
        action = ACTIONS.get((service, name))
        if action is not None:
            progress.operation = f"{service}:{name}"
        now_ms = self._clock_ms()
        caller, claim, session = await self._doorman.identify_call(request, query, hashlib.sha256(body).hexdigest(), now_ms)
        progress.access_key = caller.access_key
        _check_service(claim, service, name)
        if action is None:
            raise errors.InvalidAction(f"Could not find operation {name[:128]} for version {(form.get('Version') or '')[:16]}")
        if session is not None:
            _check_session(session, action)
        done = await self._decided(action, caller, session, form, now_ms, _facts(request, caller, claim, now_ms))
        return answer(name, _NAMESPACES[service], done.result, request_id)

    async def _decided(
        self,
        action: Action,
        caller: Caller,
        session: Session | None,
        form: Form,
        now_ms: int,
        facts: Mapping[str, tuple[str, ...]],
    ) -> Done:
        catalog, account = self._tools.catalog, caller.canonical_id
        for _ in range(TRIES_MAX):
            realm = await catalog.realm(account) if account else _NOWHERE
            ask = Ask(self._tools, realm, caller, session, form, now_ms, facts)
            _authorise(action, ask)
            found = action.run(ask)
            done = await found if inspect.isawaitable(found) else found
            if not done.changes:
                return done
            try:
                await catalog.apply(ChangeRealm(account, realm.revision, done.put, done.gone, done.keys, done.keys_gone))
            except errors.Stale:
                continue
            return done
        raise errors.Stale


class _Progress:
    """How far a call got."""

    __slots__ = ("access_key", "operation", "service")

    def __init__(self) -> None:
        self.service = "iam"
        self.operation = "Unknown"
        self.access_key: str | None = None


async def _body(request: Request) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := await request.body.read():
        size += len(piece)
        if size > BODY_BYTES_MAX:
            raise errors.MaxMessageLengthExceeded(max_message_length_bytes=BODY_BYTES_MAX)
        pieces.append(piece)
    return b"".join(pieces)


def _check_service(claim: ServiceClaim | None, service: str, name: str) -> None:
    """A signature for one service is none for another. Only who brings a web identity need not sign."""
    if claim is None:
        if (service, name) != ("sts", "AssumeRoleWithWebIdentity"):
            raise errors.MissingAuthenticationToken
    elif claim.service != service:
        raise errors.SignatureDoesNotMatch(f"Credential should be scoped to correct service: '{service}'.")


_OF_USER_SESSIONS = frozenset({("sts", "AssumeRole"), ("sts", "GetCallerIdentity")})


def _check_session(session: Session, action: Action) -> None:
    """What sessions without a role may call. Source: IAM User Guide, "Compare AWS STS credentials"."""
    place = (action.service, action.name)
    allowed = _OF_USER_SESSIONS if session.kind == "user" else {("sts", "GetCallerIdentity")}
    if session.kind != "role" and place not in allowed:
        if action.service == "iam":
            raise errors.InvalidToken
        raise errors.AccessDenied(f"Cannot call {action.name} with session credentials")


def _authorise(action: Action, ask: Ask) -> None:
    """Raises `AccessDenied`."""
    if action.open:
        return
    name, resource = f"{action.service}:{action.name}", action.resource(ask)
    facts = {**ask.facts, **_target_facts(ask)}
    said = judge.verdict(ask.caller, name, resource, facts.get)
    if said.allowed:
        return
    why = (
        "with an explicit deny"
        if said.reason is Reason.DENIED
        else f"because no identity-based policy allows the {name} action"
    )
    raise errors.AccessDenied(
        f"User: {ask.caller.principal_arn} is not authorized to perform: {name} on resource: {resource} {why}"
    )


def _facts(request: Request, caller: Caller, claim: ServiceClaim | None, now_ms: int) -> dict[str, tuple[str, ...]]:
    """Condition keys of the request and its sender. Source: "AWS global condition context keys"."""
    found: dict[str, str | None] = {
        "aws:sourceip": request.peer or None,
        "aws:securetransport": "true" if request.secure else "false",
        "aws:currenttime": iso8601_seconds(now_ms),
        "aws:epochtime": str(now_ms // 1000),
        "aws:useragent": request.text("user-agent"),
        "aws:referer": request.text("referer"),
        "aws:requestedregion": claim.region if claim else None,
    }
    if caller.user is not None:
        arn = caller.role_arn or caller.principal_arn
        found["aws:principalarn"] = arn
        found["aws:principalaccount"] = arn.split(":")[4]
        found["aws:userid"] = caller.user_id or arn.split(":")[4]
        found["aws:principaltype"] = _principal_type(caller)
        found["aws:username"] = arn.rpartition("/")[2] if ":user/" in arn else None
        found.update({f"aws:principaltag/{key.lower()}": value for key, value in caller.principal_tags})
    return {key: (value,) for key, value in found.items() if value is not None}


def _principal_type(caller: Caller) -> str:
    for mark, word in ((":user/", "User"), (":assumed-role/", "AssumedRole"), (":federated-user/", "FederatedUser")):
        if mark in caller.principal_arn:
            return word
    return "Account"


_TARGETS: tuple[tuple[str, type[Holder]], ...] = (("UserName", IamUser), ("RoleName", Role), ("GroupName", Group))


def _target_facts(ask: Ask) -> dict[str, tuple[str, ...]]:
    """Condition keys of IAM: what a delegated administrator is bound by.

    Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS IAM".
    """
    facts: dict[str, tuple[str, ...]] = {}
    target: Holder | Policy | None = None
    for parameter, kind in _TARGETS:
        name = ask.form.get(parameter)
        target = target or (ask.realm.named(kind, name) if name else None)
    arn = ask.form.get("PolicyArn")
    if arn is not None:
        facts["iam:policyarn"] = (arn,)
        target = target or ask.realm.by_arn(Policy, arn)
    boundary = ask.form.get("PermissionsBoundary") or (target.boundary if isinstance(target, Holder) else None)
    if boundary is not None:
        facts["iam:permissionsboundary"] = (boundary,)
    for key, value in target.tags if target is not None else ():
        facts[f"iam:resourcetag/{key.lower()}"] = facts[f"aws:resourcetag/{key.lower()}"] = (value,)
    sent = [(one.get("Key", ""), one.get("Value", "")) for one in ask.form.structs("Tags")]
    facts.update({f"aws:requesttag/{key.lower()}": (value,) for key, value in sent})
    keys = tuple(key for key, _ in sent) or tuple(ask.form.texts("TagKeys"))
    return facts | ({"aws:tagkeys": keys} if keys else {})

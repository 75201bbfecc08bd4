"""STS: who am I, and temporary credentials. Source: AWS STS API Reference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from zakrom import errors
from zakrom.iam import judge
from zakrom.iam.action import Ask, Done, action, check_tags, invalid, moment
from zakrom.iam.documents import DOCUMENT_MAX, checked
from zakrom.iam.oidc import TOKEN_MAX, issuer_of
from zakrom.iam.ops.holders import policy_name
from zakrom.identity.sessions import TOKEN_CHARACTERS_MAX, Session
from zakrom.model.iam import Provider, Realm, Role, Tags, tags_after
from zakrom.model.names import account_number
from zakrom.rules.policy import Kind

SECONDS_MIN = 900  # of any session: AssumeRole, DurationSeconds
ROLE_SECONDS_DEFAULT = CHAINED_SECONDS_MAX = ROOT_SECONDS_MAX = 3_600
USER_SECONDS_DEFAULT, USER_SECONDS_MAX = 43_200, 129_600
POLICY_MAX, POLICY_ARNS_MAX = 2_048, 10
EXTERNAL_ID_MAX = 1_224  # AssumeRole, ExternalId

_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_FEDERATED_NAME = re.compile(r"[\w+=,.@-]{2,32}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:\\/-]{2,1224}", re.ASCII)
_ROLE_ARN = re.compile(r"arn:aws:iam::(\d{12}):role/[\x21-\x7e]{1,1024}")
_CLAIMED_TAGS = "https://aws.amazon.com/tags"

Facts = Mapping[str, tuple[str, ...]]


@action("GetCallerIdentity", service="sts", open=True)
def get_caller_identity(ask: Ask) -> Done:
    """Who signed this. No policy can forbid it."""
    caller = ask.caller
    return Done({"Arn": caller.principal_arn, "UserId": caller.user_id or ask.realm.number, "Account": ask.realm.number})


@action("GetAccessKeyInfo", service="sts")
async def get_access_key_info(ask: Ask) -> Done:
    """The account that an access key belongs to."""
    found = await ask.tools.catalog.access_key(ask.need("AccessKeyId", 128))
    if found is None:
        raise errors.ValidationError("There is no such access key.")
    return Done({"Account": account_number(found[1].account or found[1].canonical_id)})


# ------------------------------------------------------------------------------------------------------ sessions of one's own


@action("GetSessionToken", service="sts", open=True)
def get_session_token(ask: Ask) -> Done:
    """Temporary credentials of the caller's own. No permission is needed, and none is gained."""
    if ask.session is not None:
        raise errors.AccessDenied("Cannot call GetSessionToken with session credentials")
    _refuse_mfa(ask)
    session = _begin(ask, "user", _own_seconds(ask), name=ask.caller.user_id, principal=_principal(ask))
    return Done({"Credentials": _credentials(ask, session)[0]})


def _federated(ask: Ask) -> str:
    return f"arn:aws:sts::{ask.realm.number}:federated-user/{ask.form.get('Name') or ''}"


@action("GetFederationToken", _federated, service="sts")
def get_federation_token(ask: Ask) -> Done:
    """Temporary credentials for somebody else: what both the caller and given policies allow, without those nothing."""
    if ask.session is not None:
        raise errors.AccessDenied("Cannot call GetFederationToken with session credentials")
    name = _matching(ask, "Name", _FEDERATED_NAME)
    narrowing = _narrowing(ask, ask.realm)
    session = _begin(
        ask, "federated", _own_seconds(ask), name=name, principal=_principal(ask), narrowing=narrowing, tags=ask.tags()
    )
    credentials, packed = _credentials(ask, session)
    user = {"FederatedUserId": f"{ask.realm.number}:{name}", "Arn": _federated(ask)}
    return Done({"Credentials": credentials, "FederatedUser": user, "PackedPolicySize": packed})


def _principal(ask: Ask) -> str:
    assert ask.caller.user is not None, "signed"
    return ask.caller.user.name


def _own_seconds(ask: Ask) -> int:
    if ask.caller.is_account_root:
        return min(ask.number("DurationSeconds", ROOT_SECONDS_MAX, SECONDS_MIN, USER_SECONDS_MAX), ROOT_SECONDS_MAX)
    return ask.number("DurationSeconds", USER_SECONDS_DEFAULT, SECONDS_MIN, USER_SECONDS_MAX)


# ---------------------------------------------------------------------------------------------------------------------- roles


@action("AssumeRole", service="sts", open=True)
async def assume_role(ask: Ask) -> Done:
    """Temporary credentials of a role, for whom its trust policy names and who may ask for them."""
    _refuse_mfa(ask)
    if ask.caller.is_account_root:
        raise errors.AccessDenied("Roles may not be assumed by root accounts.")
    name = _matching(ask, "RoleSessionName", _SESSION_NAME)
    tags, transitive = _session_tags(ask)
    facts = {**ask.facts, "sts:rolesessionname": (name,), **_tag_facts(ask.tags())}
    external = ask.form.get("ExternalId")
    if external is not None:
        facts["sts:externalid"] = (_matching(ask, "ExternalId", _EXTERNAL_ID),)
    identity = _source_identity(ask)
    needed = ["sts:AssumeRole"]
    if tags:
        needed.append("sts:TagSession")
        facts["sts:transitivetagkeys"] = transitive
    if identity is not None:
        facts["sts:sourceidentity"] = (identity,)
        needed.append("sts:SetSourceIdentity")
    realm, role = await _role(ask)
    if role is None or realm is None:
        raise _not_authorized(ask, needed[0])
    same = realm.number == ask.realm.number
    for one in needed:
        if not judge.trusts(role.trust, ask.caller, one, realm.arn(role), facts.get, same_account=same):
            raise _not_authorized(ask, one)
    return _taken_on(ask, realm, role, name, tags, transitive, identity)


def _not_authorized(ask: Ask, name: str) -> errors.Error:
    arn = ask.form.get("RoleArn") or ""
    return errors.AccessDenied(f"User: {ask.caller.principal_arn} is not authorized to perform: {name} on resource: {arn}")


async def _role(ask: Ask) -> tuple[Realm | None, Role | None]:
    """The role that the call names, in whichever account. None is told apart from one that may not be taken on by nobody."""
    arn = ask.need("RoleArn", 2_048)
    match = _ROLE_ARN.fullmatch(arn)
    if match is None:
        raise errors.ValidationError(f"{arn[:256]} is invalid")
    account = await ask.tools.catalog.account_of(match[1])
    if account is None:
        return None, None
    realm = await ask.tools.catalog.realm(account)
    role = realm.by_arn(Role, arn)
    return realm, None if realm.account.disabled else role


def _taken_on(
    ask: Ask, realm: Realm, role: Role, name: str, tags: Tags, transitive: tuple[str, ...], identity: str | None
) -> Done:
    chained = ask.session is not None and ask.session.kind == "role"
    longest = min(role.session_seconds_max, CHAINED_SECONDS_MAX) if chained else role.session_seconds_max
    seconds = ask.number("DurationSeconds", min(ROLE_SECONDS_DEFAULT, longest), SECONDS_MIN, USER_SECONDS_MAX)
    if seconds > longest:
        what = "1 hour session limit for roles assumed by role chaining" if chained else "MaxSessionDuration set for this role"
        raise errors.ValidationError(f"The requested DurationSeconds exceeds the {what}.")
    session = _begin(
        ask,
        "role",
        seconds,
        name=name,
        principal=role.id,
        account=realm.account.canonical_id,
        narrowing=_narrowing(ask, realm),
        tags=tags,
        transitive=transitive,
        source_identity=identity,
    )
    credentials, packed = _credentials(ask, session)
    user = {
        "AssumedRoleId": f"{role.id}:{name}",
        "Arn": f"arn:aws:sts::{realm.number}:assumed-role/{role.name}/{name}",
    }
    return Done({"Credentials": credentials, "AssumedRoleUser": user, "PackedPolicySize": packed, "SourceIdentity": identity})


def _source_identity(ask: Ask) -> str | None:
    """It is set once, and goes along through all roles that are taken on after."""
    known = ask.session.source_identity if ask.session is not None else None
    wanted = _matching(ask, "SourceIdentity", _SESSION_NAME) if ask.form.get("SourceIdentity") else None
    if known is not None and wanted not in {None, known}:
        raise errors.AccessDenied("SourceIdentity cannot be changed in a chain of roles.")
    return known or wanted


def _session_tags(ask: Ask) -> tuple[Tags, tuple[str, ...]]:
    """The tags of a new session: those that go along from the caller's own, and those that are given."""
    given = ask.tags()
    transitive = tuple(ask.form.texts("TransitiveTagKeys"))
    inherited: Tags = ()
    if ask.session is not None and ask.session.kind == "role":
        going = {key.lower() for key in ask.session.transitive}
        inherited = tuple(pair for pair in ask.session.tags if pair[0].lower() in going)
        if {key.lower() for key, _ in given} & going:
            raise errors.InvalidInput(
                "One of the specified transitive tag keys can't be set because it conflicts with one set before."
            )
        transitive = (*ask.session.transitive, *transitive)
    return check_tags(tags_after(inherited, given)), transitive


def _tag_facts(tags: Tags) -> dict[str, tuple[str, ...]]:
    facts = {f"aws:requesttag/{key.lower()}": (value,) for key, value in tags}
    return facts | ({"aws:tagkeys": tuple(key for key, _ in tags)} if tags else {})


# ----------------------------------------------------------------------------------------------------------------- web identity


@action("AssumeRoleWithWebIdentity", service="sts", open=True)
async def assume_role_with_web_identity(ask: Ask) -> Done:
    """Temporary credentials of a role for whom an OpenID Connect provider vouches. The call is not signed."""
    name = _matching(ask, "RoleSessionName", _SESSION_NAME)
    if ask.form.get("ProviderId") is not None:
        raise errors.ValidationError("ProviderId is for OAuth 2.0 access tokens, which are not accepted.")
    token = ask.need("WebIdentityToken", TOKEN_MAX)
    realm, role = await _role(ask)
    provider = None if realm is None else _provider_of(realm, issuer_of(token))
    if realm is None or role is None or provider is None:
        raise errors.InvalidIdentityToken("No OpenIDConnect provider found in your account for this token.")
    claims = await ask.tools.verifier.verify(token, provider.url, ask.now_ms)
    audience = _audience(claims, provider)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise errors.InvalidIdentityToken("Missing a required claim: sub")
    tags, transitive = _claimed_tags(claims)
    facts = {**ask.facts, **_claim_facts(provider, claims, audience), "sts:rolesessionname": (name,), **_tag_facts(tags)}
    for needed in ("sts:AssumeRoleWithWebIdentity", *(("sts:TagSession",) if tags else ())):
        if not judge.trusts_provider(role.trust, realm.arn(provider), needed, facts.get):
            raise errors.AccessDenied(f"Not authorized to perform {needed}")
    done = _taken_on(ask, realm, role, name, tags, transitive, None)
    told = {"SubjectFromWebIdentityToken": subject, "Provider": realm.arn(provider), "Audience": audience}
    return Done({**(done.result or {}), **told})


def _provider_of(realm: Realm, issuer: str) -> Provider | None:
    found = realm.named(Provider, issuer.partition("://")[2].rstrip("/"))
    return found if found is not None and found.url.rstrip("/") == issuer.rstrip("/") else None


def _audience(claims: Mapping[str, Any], provider: Provider) -> str:
    """Whom the token is for, if that is a client of ours. Raises `InvalidIdentityToken`."""
    said = claims.get("aud")
    listed = said if isinstance(said, list) else [said]
    azp = claims.get("azp")
    for one in (azp, *listed) if isinstance(azp, str) else listed:
        if isinstance(one, str) and one in provider.clients:
            return one
    raise errors.InvalidIdentityToken("Incorrect token audience")


def _claim_facts(provider: Provider, claims: Mapping[str, Any], audience: str) -> dict[str, tuple[str, ...]]:
    """Claims as condition keys: ``issuer:sub`` and so on.

    Source: IAM User Guide, "Available keys for AWS OIDC federation".
    """
    facts: dict[str, tuple[str, ...]] = {f"{provider.name}:aud".lower(): (audience,)}
    for claim in ("sub", "amr", "email", "oaud"):
        value = claims.get(claim)
        texts = tuple(str(one) for one in value) if isinstance(value, list) else (str(value),) if value is not None else ()
        if texts:
            facts[f"{provider.name}:{claim}".lower()] = texts
    return facts


def _claimed_tags(claims: Mapping[str, Any]) -> tuple[Tags, tuple[str, ...]]:
    """Session tags that the provider put into the token. Source: "Passing session tags using AssumeRoleWithWebIdentity"."""
    found = claims.get(_CLAIMED_TAGS)
    if not isinstance(found, dict):
        return (), ()
    listed, transitive = found.get("principal_tags", {}), found.get("transitive_tag_keys", [])
    try:
        tags = tuple((str(key), str(values[0])) for key, values in listed.items())
        return check_tags(tags), tuple(str(key) for key in transitive)
    except (AttributeError, LookupError, TypeError):
        raise errors.InvalidIdentityToken("The tags in the token cannot be read.") from None


# ------------------------------------------------------------------------------------------------------------------ credentials


class _Narrowing(NamedTuple):
    """Policies that a session is given: documents and ARNs."""

    documents: tuple[str, ...] = ()
    arns: tuple[str, ...] = ()


def _narrowing(ask: Ask, realm: Realm) -> _Narrowing:
    """Raises `MalformedPolicyDocument`, `PackedPolicyTooLarge`, `ValidationError`."""
    document = ask.text("Policy", DOCUMENT_MAX)
    documents = () if document is None else (checked(document, Kind.IDENTITY, POLICY_MAX),)
    arns = tuple(one.get("arn") or one.get("Arn") or "" for one in ask.form.structs("PolicyArns"))
    if len(arns) > POLICY_ARNS_MAX:
        raise errors.ValidationError(f"At most {POLICY_ARNS_MAX} policy ARNs can be passed.")
    for arn in arns:
        policy_name(realm, arn)
    return _Narrowing(documents, arns)


def _begin(
    ask: Ask,
    kind: str,
    seconds: int,
    *,
    name: str,
    principal: str,
    account: str | None = None,
    narrowing: _Narrowing = _Narrowing(),  # noqa: B008 - a frozen value
    tags: Tags = (),
    transitive: tuple[str, ...] = (),
    source_identity: str | None = None,
) -> Session:
    access_key, secret = ask.tools.sealer.new_pair()
    return Session(
        access_key,
        secret,
        kind,
        account or ask.realm.account.canonical_id,
        principal,
        name,
        ask.now_ms,
        ask.now_ms + seconds * 1000,
        narrowing.documents,
        narrowing.arns,
        tags,
        transitive,
        source_identity,
    )


def _credentials(ask: Ask, session: Session) -> tuple[dict[str, str], int]:
    """Credentials as answers show them, and how full the token is, in percent."""
    token = ask.tools.sealer.seal(session)
    shape = {
        "AccessKeyId": session.access_key,
        "SecretAccessKey": session.secret,
        "SessionToken": token,
        "Expiration": moment(session.expires_ms),
    }
    return shape, -(-len(token) * 100 // TOKEN_CHARACTERS_MAX)


def _matching(ask: Ask, parameter: str, pattern: re.Pattern[str]) -> str:
    value = ask.need(parameter, EXTERNAL_ID_MAX)
    if not pattern.fullmatch(value):
        raise invalid(parameter, f"Member must satisfy regular expression pattern: {pattern.pattern}", value)
    return value


def _refuse_mfa(ask: Ask) -> None:
    if ask.form.get("SerialNumber") is not None or ask.form.get("TokenCode") is not None:
        raise errors.AccessDenied("MultiFactorAuthentication failed: there are no MFA devices here.")

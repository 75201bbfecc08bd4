"""Policies explained: what the evaluator says of a request that nobody has made, and why."""

from __future__ import annotations

import json

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from zakrom import errors
from zakrom.admin.actions import Action
from zakrom.admin.desk import Desk, TheDesk, may
from zakrom.admin_client import values
from zakrom.identity import callers
from zakrom.model.caller import ANONYMOUS, Caller
from zakrom.model.facts import Bucket
from zakrom.model.names import account_number, check_key, parse_version_id
from zakrom.rules import access
from zakrom.rules.access import Ask, Decision, ObjectFacts
from zakrom.rules.policy import Lookup
from zakrom.rules.policy.actions import EXISTING_TAGS

router = APIRouter(prefix="/policy", tags=["policy"])

NOBODY = "anonymous"
"""The principal of a request without a signature."""

KEYS_MAX = 100  # condition keys of a request; S3 has about 60
_ARN = "arn:aws:s3:::"


class Question(BaseModel):
    """A request to be judged: who wants to do what, where, and under which circumstances."""

    model_config = ConfigDict(extra="forbid", strict=True)

    principal: str = Field(
        description="A user's name, canonical id, account number or ARN (of an IAM user: the ARN or id); or anonymous.",
        examples=["ada"],
    )
    action: str = Field(description="As policies name it; of a version it is another one.", examples=["s3:GetObject"])
    resource: str = Field(description="A bucket, or bucket/key, or their ARN.", examples=["photos/cat.jpg"])
    version_id: str | None = None
    conditions: dict[str, list[str]] = Field(
        default_factory=dict,
        max_length=KEYS_MAX,
        description="Condition keys of the request.",
        examples=[{"aws:SourceIp": ["192.0.2.7"]}],
    )


@router.post("/explain", dependencies=may(Action.EXPLAIN_POLICY))
async def explain_policy(body: Question, desk: TheDesk) -> values.Explanation:
    """Says whether a request would be allowed, and which statement, grant or rule decides. Nothing is done."""
    caller = await _caller(desk, body.principal)
    name, slash, key = body.resource.removeprefix(_ARN).partition("/")
    bucket = await desk.catalog.bucket(name)
    documents = await desk.catalog.documents(bucket.id)
    found = await _object(desk, bucket, key, body.version_id) if slash else None
    scene = access.scene_of(bucket, documents)._replace(object=found)
    resource = f"{_ARN}{name}{slash}{key}"
    decision = access.decide(Ask(caller, body.action, resource, _lookup(caller, bucket, found, body.conditions)), scene)
    return values.Explanation(
        principal=caller.principal_arn or NOBODY,
        action=body.action,
        resource=resource,
        allowed=decision.allowed,
        reason=decision.reason.value,
        document=decision.document,
        statement=decision.statement,
        sid=decision.sid,
        text=_text(decision, documents.get(access.POLICY)),
    )


async def _caller(desk: Desk, principal: str) -> Caller:
    """Raises `NoSuchUser`."""
    if principal == NOBODY:
        return ANONYMOUS
    for user in await desk.catalog.users():
        if user.account:  # an IAM user: only they carry policies of their own
            found = callers.of_user(await desk.catalog.realm(user.account), user, "")
            if found is not None and principal in {user.name, found.arn}:
                return found
            continue
        number = account_number(user.canonical_id)
        if principal in {user.name, user.canonical_id, number, f"arn:aws:iam::{number}:root"}:
            return Caller(user)
    raise errors.NoSuchUser(user=principal)


async def _object(desk: Desk, bucket: Bucket, key: str, version_id: str | None) -> ObjectFacts | None:
    version = None if version_id is None else parse_version_id(version_id)
    found = await desk.catalog.find(bucket.id, check_key(key.encode()), version)
    return None if found is None or found.version.marker else access.object_facts(found.version)


def _lookup(caller: Caller, bucket: Bucket, found: ObjectFacts | None, conditions: dict[str, list[str]]) -> Lookup:
    """The keys that were given, and those that follow from who asks about what."""
    known = {"s3:resourceaccount": account_number(bucket.owner), "aws:resourceaccount": account_number(bucket.owner)}
    known["aws:principaltype"] = "Anonymous" if caller.user is None else "Account" if caller.is_account_root else "User"
    if caller.user:
        number = account_number(caller.canonical_id)
        known |= {
            "aws:principalarn": caller.principal_arn,
            "aws:principalaccount": number,
            "aws:userid": caller.user_id or number,
        }
        if not caller.is_account_root:
            known["aws:username"] = caller.arn.rpartition("/")[2]
    if found is not None:
        known |= {f"{EXISTING_TAGS}{key.lower()}": value for key, value in found.tags}
    keys = {name: (value,) for name, value in known.items()}
    return (keys | {name.lower(): tuple(given) for name, given in conditions.items()}).get


def _text(decision: Decision, policy: bytes | None) -> str | None:
    """The statement that decided, where it stands in the bucket's policy."""
    if decision.document != access.BUCKET_POLICY or decision.statement is None or policy is None:
        return None
    statements = json.loads(policy)["Statement"]
    return json.dumps(statements[decision.statement] if isinstance(statements, list) else statements)

"""What S3 asks of a bucket's policy beyond its grammar, and whether a policy is public.

Source: Amazon S3 User Guide, "Bucket policies for Amazon S3" and "Blocking public access to your Amazon S3 storage" (the
meaning of "public").
"""

from __future__ import annotations

import ipaddress

from zakrom.errors import MalformedPolicy, PolicyTooLarge
from zakrom.rules.policy.actions import (
    ACTIONS,
    AWS_KEYS,
    BUCKET_ACTIONS,
    KEYS_OF_LISTINGS,
    LISTINGS,
    OBJECT_ACTIONS,
    S3_KEYS,
)
from zakrom.rules.policy.document import Kind, Policy, Statement, parse
from zakrom.rules.policy.operators import Clause
from zakrom.rules.policy.patterns import Pattern

POLICY_BYTES_MAX = 20 * 1024  # Amazon S3 User Guide, "Bucket policies": limited to 20 KB in size

_ARN = "arn:aws:s3:::"

_FIXED_KEYS = frozenset(
    {
        "aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths", "aws:sourceaccount",
        "aws:sourcearn", "aws:sourceowner", "aws:sourcevpc", "aws:sourcevpce", "aws:userid", "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn", "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)  # fmt: skip
"""Keys of which one fixed value makes a statement not public."""

_SOURCE_IP = "aws:sourceip"
_PREFIX_BITS_MIN = {4: 8, 6: 32}
"""Networks that are wider than this are the public, says AWS. No private one of RFC 1918 is."""


def check_bucket_policy(body: bytes, bucket: str) -> Policy:
    """The policy, if a bucket of that name may have it. Raises `PolicyTooLarge`, `MalformedPolicy`."""
    if len(body) > POLICY_BYTES_MAX:
        raise PolicyTooLarge
    policy = parse(body, Kind.BUCKET)
    for statement in policy.statements:
        _check_actions(statement)
        _check_resources(statement, bucket)
        _check_keys(statement)
    return policy


def _nothing(_key: str) -> None:
    return None


def _meant(pattern: Pattern) -> set[str]:
    """The actions of S3 that a pattern (in lower case) means."""
    return {action for action in ACTIONS if pattern.matches(action.lower(), _nothing)}


def _check_actions(statement: Statement) -> None:
    for pattern in statement.actions:
        if not _meant(pattern):
            raise MalformedPolicy("Policy has invalid action")


def _check_resources(statement: Statement, bucket: str) -> None:
    about: set[str] = set()
    for pattern in statement.resources:
        about |= _about(pattern.text, bucket)
    if statement.not_actions or statement.not_resources:
        return
    if not all(_meant(pattern) & about for pattern in statement.actions):
        raise MalformedPolicy("Action does not apply to any resource(s) in statement")


def _about(resource: str, bucket: str) -> frozenset[str]:
    """The actions that apply to a resource. Raises `MalformedPolicy` for one that is nothing of this bucket."""
    if resource == "*":
        return ACTIONS
    name, slash, _ = resource.removeprefix(_ARN).partition("/")
    if not resource.startswith(_ARN) or "$" in name:
        raise MalformedPolicy("Policy has invalid resource")
    itself = Pattern(name, variables=False).matches(bucket, _nothing)
    reaches = any(  # a star in the name may stand for a slash and more
        Pattern(name[: place + 1], variables=False).matches(bucket, _nothing) for place, one in enumerate(name) if one == "*"
    )
    if not (itself or reaches):
        raise MalformedPolicy("Policy has invalid resource")
    objects = OBJECT_ACTIONS if slash or reaches else frozenset[str]()
    return objects if slash else objects | (BUCKET_ACTIONS if itself else frozenset())


def _check_keys(statement: Statement) -> None:
    for key in statement.keys:
        name = key.partition("/")[0]
        if name not in S3_KEYS and name not in AWS_KEYS:
            raise MalformedPolicy("Policy has an invalid condition key")
    if statement.keys & KEYS_OF_LISTINGS and not statement.not_actions:
        meant = set[str]().union(*map(_meant, statement.actions))
        if not meant & LISTINGS:
            raise MalformedPolicy("Conditions do not apply to combination of actions and resources in statement")


# ------------------------------------------------------------------------------------------------------------------ public


def is_public(policy: Policy) -> bool:
    """Whether the policy lets in whoever comes: one statement that allows, to everyone, without a fixed condition."""
    return any(map(_lets_everyone_in, policy.statements))


def _lets_everyone_in(statement: Statement) -> bool:
    who = statement.principals
    return not statement.deny and who is not None and who.everyone and not any(map(_narrows, statement.clauses))


def _narrows(clause: Clause) -> bool:
    if not clause.restricts:
        return False
    if clause.key == _SOURCE_IP:
        return clause.operator.endswith("IpAddress") and not any(map(_is_wide, clause.values))
    if clause.key == "s3:dataaccesspointarn":  # the name may be a pattern, the account may not
        return all(_has_fixed_account(value) for value in clause.values)
    return clause.key in _FIXED_KEYS and not any("*" in value or "?" in value or "${" in value for value in clause.values)


def _has_fixed_account(arn: str) -> bool:
    segments = arn.split(":", 5)
    return len(segments) == 6 and segments[4].isdigit()


def _is_wide(text: str) -> bool:
    network = ipaddress.ip_network(text, strict=False)
    return network.prefixlen < _PREFIX_BITS_MIN[network.version]

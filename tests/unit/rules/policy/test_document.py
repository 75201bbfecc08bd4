"""Policy documents: what is read, what is refused and how."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakrom import errors
from zakrom.rules.policy import Kind, canonical_arn, check_bucket_policy, is_public, parse

BUCKET = "photos"
ARN = f"arn:aws:s3:::{BUCKET}"
GOOD: dict[str, Any] = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"{ARN}/*"}


def document(*statements: dict[str, Any], **fields: object) -> bytes:
    """A policy, as it is sent."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **fields}).encode()


def statement(**changes: object) -> bytes:
    """A policy of one good statement but for these changes; None removes a field."""
    return document({name: value for name, value in {**GOOD, **changes}.items() if value is not None})


def complaint(body: bytes) -> str | None:
    """What S3 says of a policy; None: nothing."""
    try:
        check_bucket_policy(body, BUCKET)
    except errors.MalformedPolicy as error:
        return error.message
    return None


JSON = "Policies must be valid JSON and the first byte must be '{'"
BAD_JSON = "This policy contains invalid Json"
NO_RESOURCE = "Action does not apply to any resource(s) in statement"
BAD_RESOURCE = "Policy has invalid resource"
BAD_PRINCIPAL = "Invalid principal in policy"
BAD_ACTION = "Policy has invalid action"
SYNTAX = "Invalid policy syntax."


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", JSON),  # recorded, as the next and "{}"
        (b"invalid json", JSON),
        (b" {}", JSON),
        (b"\xef\xbb\xbf{}", JSON),
        (b"{}", "Missing required field Statement"),
        (b"{", BAD_JSON),
        (b'{"Statement":[]} x', BAD_JSON),
        (b'{"Statement":NaN}', BAD_JSON),
        (b'{"Statement":"\\ud800"}', BAD_JSON),
        (b'{"Statement":' + b"[" * 3000, BAD_JSON),
        (b'{"Statement":[],"Statement":[]}', BAD_JSON),
        (b'{"\xff":1}', BAD_JSON),
        (document(), "Could not parse the policy: Statement is empty!"),
        (document(GOOD, Version="2013-01-01"), "The policy must contain a valid version string"),
        (document(GOOD, Version=2012), "The policy must contain a valid version string"),
        (document(GOOD, Statements=[]), "Unknown field Statements"),
        (statement(Bank="no"), "Unknown field Bank"),
        (statement(Effect=None), "Missing required field Effect"),
        (statement(Effect="allow"), "Invalid effect: allow"),
        (statement(Effect=["Allow"]), "Invalid effect: ['Allow']"),
        (statement(Principal=None), "Missing required field Principal"),
        (statement(Action=None), "Missing required field Action"),
        (statement(Resource=None), "Missing required field Resource"),
        (statement(NotAction="s3:PutObject"), SYNTAX),
        (statement(Sid=[]), SYNTAX),
        (document("x"), SYNTAX),  # type: ignore[arg-type]
        (document({**GOOD, "Sid": "a"}, {**GOOD, "Sid": "a"}), "Statement IDs (SID) in a single policy must be unique."),
        (statement(Principal=[]), BAD_PRINCIPAL),
        (statement(Principal={}), BAD_PRINCIPAL),
        (statement(Principal="ada"), BAD_PRINCIPAL),
        (statement(Principal={"AWS": []}), BAD_PRINCIPAL),
        (statement(Principal={"AWS": "arn:aws:iam::123456789012:user/*"}), BAD_PRINCIPAL),  # no wildcards but all
        (statement(Principal={"AWS": "arn:aws:iam::123456789012:group/g"}), BAD_PRINCIPAL),
        (statement(Principal={"AWS": "12345"}), BAD_PRINCIPAL),
        (statement(Principal={"CanonicalUser": "xyz"}), BAD_PRINCIPAL),
        (statement(Principal={"Robot": "r2"}), BAD_PRINCIPAL),
        (statement(Principal=None, NotPrincipal="*"), "Allow with NotPrincipal is not allowed."),
        (statement(Action="s3:GetObjects"), BAD_ACTION),
        (statement(Action="ec2:RunInstances"), BAD_ACTION),
        (statement(Action=[]), BAD_ACTION),
        (statement(Action=7), BAD_ACTION),
        (statement(Resource=[]), BAD_RESOURCE),
        (statement(Resource=f"arn:aws:s3:::{BUCKET}2/*"), BAD_RESOURCE),
        (statement(Resource="photos/*"), BAD_RESOURCE),
        (statement(Resource="arn:aws:s3:::${aws:username}/*"), BAD_RESOURCE),
        (statement(Resource=f"{ARN}/${{"), BAD_RESOURCE),
        (statement(Resource=ARN), NO_RESOURCE),
        (statement(Action="s3:ListBucket"), NO_RESOURCE),
        (statement(Action=["s3:GetObject", "s3:ListBucket"]), NO_RESOURCE),
        (statement(Action="s3:GetBucket*"), NO_RESOURCE),
        (statement(Condition=[]), SYNTAX),
        (statement(Condition={"StringEquals": "x"}), SYNTAX),
        (statement(Condition={"StringEquals": {"aws:Referer": []}}), SYNTAX),
        (statement(Condition={"StringEquals": {"aws:Referer": None}}), SYNTAX),
        (statement(Condition={"StringEqual": {"aws:Referer": "x"}}), "Invalid Condition type : StringEqual"),
        (statement(Condition={"Bool": {"aws:SecureTransport": "x"}}), "Invalid condition value for aws:SecureTransport"),
        (statement(Condition={"StringEquals": {"s3:nonsense": "x"}}), "Policy has an invalid condition key"),
        (statement(Condition={"StringEquals": {"nonsense": "x"}}), "Policy has an invalid condition key"),
        (
            statement(Condition={"StringEquals": {"s3:prefix": "x"}}),
            "Conditions do not apply to combination of actions and resources in statement",
        ),
    ],
)
def test_what_is_malformed(body: bytes, expected: str) -> None:
    """Each fault has its message."""
    assert complaint(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        statement(),
        document(GOOD, Id="id", Version="2008-10-17"),
        json.dumps({"Statement": GOOD}).encode(),
        statement(Action=["s3:*"], Resource=[ARN]),
        statement(Action="*"),
        statement(Action="S3:getobject"),  # actions have no case
        statement(Action=["s3:GetObject", "s3:ListBucket"], Resource=[ARN, f"{ARN}/*"]),
        statement(Action="s3:ListBucket", Resource="arn:aws:s3:::*"),
        statement(Resource="arn:aws:s3:::*/*"),
        statement(Resource="arn:aws:s3:::pho*"),  # a star may stand for a slash
        statement(Resource="*"),
        statement(Resource=f"{ARN}/${{aws:username}}/*"),
        statement(Action=None, NotAction="s3:ListBucket"),
        statement(Resource=None, NotResource=f"{ARN}/secret/*"),
        statement(Principal={"AWS": ["123456789012", "arn:aws:iam::123456789012:role/path/r"], "CanonicalUser": "a" * 64}),
        statement(Principal={"Service": "logging.s3.amazonaws.com"}),
        statement(Principal=None, NotPrincipal={"AWS": "123456789012"}, Effect="Deny"),
        statement(Condition={"NumericEquals": {"aws:EpochTime": 10}, "Bool": {"aws:SecureTransport": True}}),
        statement(Condition={"ForAllValues:StringLikeIfExists": {"s3:RequestObjectTagKeys": ["a", "b"]}}),
        statement(Condition={"StringEquals": {"s3:ExistingObjectTag/any key": "x", "AWS:PrincipalTag/x": "y"}}),
    ],
)
def test_what_is_good(body: bytes) -> None:
    """The forms that the grammar has."""
    assert complaint(body) is None


def test_policies_have_a_size() -> None:
    """20 KiB, blanks included."""
    body = statement()
    largest = body + b" " * (20 * 1024 - len(body))

    check_bucket_policy(largest, BUCKET)
    with pytest.raises(errors.PolicyTooLarge):
        check_bucket_policy(largest + b" ", BUCKET)


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["Statement", "Effect", "Principal", "Action", "Resource", "Condition", "AWS", "StringEquals", "Null"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ).map(lambda found: json.dumps(found).encode())
)
def test_nothing_but_malformed(body: bytes) -> None:
    """Whatever is sent as a policy is good or `MalformedPolicy`."""
    for kind in Kind:
        try:
            parse(body, kind)
        except errors.MalformedPolicy:
            continue


def test_kinds_have_their_own_fields() -> None:
    """An identity's policy has no principal, a trust policy no resource."""
    identity = {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}
    trust = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}

    assert parse(document(identity), Kind.IDENTITY).statements[0].principals is None
    assert parse(document(trust), Kind.TRUST).statements[0].is_about("sts:AssumeRole")
    for kind, fields in (Kind.IDENTITY, {**identity, "Principal": "*"}), (Kind.TRUST, {**trust, "Resource": "*"}):
        with pytest.raises(errors.MalformedPolicy, match="Unknown field"):
            parse(document(fields), kind)


def test_principals_have_one_form() -> None:
    """A number is the account's root; a role's path does not count, for its name is unique without."""
    assert canonical_arn("123456789012") == "arn:aws:iam::123456789012:root"
    assert canonical_arn("arn:aws:iam::1:role/a/b/c") == "arn:aws:iam::1:role/c"
    assert canonical_arn("arn:aws:iam::1:user/a/b") == "arn:aws:iam::1:user/a/b"


# --------------------------------------------------------------------------------------------------------------- public


@pytest.mark.parametrize(
    ("condition", "expected"),
    [  # of the user guide's section, and around it
        ({}, True),
        ({"StringLike": {"aws:SourceVpc": "vpc-*"}}, True),
        ({"StringEquals": {"aws:SourceVpc": "vpc-91237329"}}, False),
        ({"StringLike": {"aws:SourceVpc": "vpc-91237329"}}, False),
        ({"StringEqualsIfExists": {"aws:SourceVpc": "vpc-91237329"}}, True),  # holds where the key is absent
        ({"StringNotEquals": {"aws:SourceVpc": "vpc-91237329"}}, True),
        ({"ForAllValues:StringEquals": {"aws:SourceVpc": "vpc-91237329"}}, True),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, False),
        ({"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "0.0.0.0/1"]}}, True),  # too wide
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False),
        ({"IpAddress": {"aws:SourceIp": "2001::/16"}}, True),
        ({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, True),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1234567"}}, False),
        ({"StringEquals": {"aws:PrincipalOrgID": "${aws:PrincipalOrgID}"}}, True),
        ({"StringLike": {"aws:userid": "AROLEID:*"}}, True),
        ({"StringEquals": {"aws:userid": "AIDEXAMPLE"}}, False),
        ({"StringLike": {"s3:DataAccessPointArn": "arn:aws:s3:us-west-2:123456789012:accesspoint/*"}}, False),
        ({"StringLike": {"s3:DataAccessPointArn": "arn:aws:s3:us-west-2:*:accesspoint/*"}}, True),
        ({"StringEquals": {"aws:Referer": "https://example.org/"}}, True),  # whoever comes can say that
        ({"Bool": {"aws:SecureTransport": "true"}}, True),
        ({"Null": {"aws:SourceVpc": "false"}}, True),
    ],
)
def test_the_meaning_of_public(condition: dict[str, Any], expected: bool) -> None:
    """To everyone, without a fixed value of a key that tells who or from where."""
    assert is_public(parse(statement(Condition=condition), Kind.BUCKET)) is expected


def test_who_is_named_is_not_the_public() -> None:
    """Nor is a denial, of whomever; one public statement of many is enough."""
    named = {**GOOD, "Principal": {"AWS": "123456789012"}}
    denied = {**GOOD, "Effect": "Deny"}

    assert not is_public(parse(document(named, denied), Kind.BUCKET))
    assert is_public(parse(document(named, denied, GOOD), Kind.BUCKET))
    assert is_public(parse(statement(Principal={"AWS": ["123456789012", "*"]}), Kind.BUCKET))

"""STS through the whole door, asked by boto3: temporary credentials, what they may, and when they end."""

# ruff: noqa: ANN401 - clients of boto3 have no types

from __future__ import annotations

import json
from typing import Any

import pytest

from zakrom.model.names import account_number

from .harness import ALICE, BOB, S3, canonical_id
from .sdk import client, refused
from .test_iam import ACCOUNT, OTHER_ACCOUNT, allow, fresh, new_user

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def iam(s3: S3) -> Any:
    """IAM as the root user of alice's account sees it."""
    return client(s3, "iam", ALICE)


@pytest.fixture
def skew(s3: S3) -> Any:
    """Moves the door's clock, and back again."""

    def move(ms: int) -> None:
        s3.skew_ms = ms

    yield move
    s3.skew_ms = 0


def trust(principal: str | list[str], *actions: str, **condition: Any) -> str:
    """A trust policy of one statement."""
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": list(actions) or ["sts:AssumeRole"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | ({"Condition": condition} if condition else {})]})


def new_role(iam: Any, document: str, *policies: str, **more: Any) -> str:
    """A role with inline policies; its ARN."""
    name = fresh("role")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document, **more)["Role"]["Arn"]
    for policy in policies:
        iam.put_role_policy(RoleName=name, PolicyName=fresh("inline"), PolicyDocument=policy)
    return str(arn)


def user_arn(name: str) -> str:
    """Of a user of alice's account."""
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


# --------------------------------------------------------------------------------------------------------------------- myself


def test_who_am_i(s3: S3, iam: Any) -> None:
    """Root, a user, and by GET with a presigned URL, as some tools prove who they are."""
    root = client(s3, "sts", ALICE).get_caller_identity()
    name, key = new_user(iam, allow("*", effect="Deny"))
    user = client(s3, "sts", key).get_caller_identity()
    url = client(s3, "sts", ALICE).generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    presigned = s3.ask("GET", "/", url.partition("?")[2], who=None)

    assert (root["Arn"], root["Account"], root["UserId"]) == (f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, ACCOUNT)
    assert (user["Arn"], user["UserId"][:4]) == (user_arn(name), "AIDA")
    assert (presigned.status, presigned.text("GetCallerIdentityResult/Account")) == (200, ACCOUNT)


def test_whose_key_is_that(s3: S3, iam: Any) -> None:
    """GetAccessKeyInfo, asked by another account; of a key that is nobody's."""
    _, key = new_user(iam)
    sts = client(s3, "sts", BOB)
    assert sts.get_access_key_info(AccessKeyId=key["AccessKeyId"])["Account"] == ACCOUNT
    assert refused(sts.get_access_key_info, AccessKeyId="AKIA" + "A" * 16) == ("ValidationError", 400)


def test_a_session_of_ones_own(s3: S3, iam: Any) -> None:
    """GetSessionToken: may what the user may in S3, nothing in IAM; ends when the user is gone."""
    bucket = s3.bucket(ALICE)[1:]
    name, key = new_user(iam, allow(["s3:PutObject", "iam:*"]))
    session = client(s3, "sts", key).get_session_token(DurationSeconds=900)["Credentials"]
    theirs = client(s3, "s3", session)

    assert session["AccessKeyId"].startswith("ASIA")
    theirs.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert refused(theirs.get_object, Bucket=bucket, Key="k")[0] == "AccessDenied"
    assert refused(client(s3, "iam", session).list_users) == ("InvalidClientTokenId", 403)
    assert refused(client(s3, "sts", session).get_session_token) == ("AccessDenied", 403)
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    theirs.put_object(Bucket=bucket, Key="k", Body=b"z")
    [inline] = iam.list_user_policies(UserName=name)["PolicyNames"]
    iam.delete_user_policy(UserName=name, PolicyName=inline)
    iam.delete_user(UserName=name)
    assert refused(theirs.put_object, Bucket=bucket, Key="k", Body=b"") == ("InvalidAccessKeyId", 403)


def test_roots_session_is_root(s3: S3) -> None:
    """Root's own session may all in S3, like root; for an hour at most."""
    bucket = s3.bucket(ALICE)[1:]
    session = client(s3, "sts", ALICE).get_session_token(DurationSeconds=129_600)["Credentials"]
    client(s3, "s3", session).put_object(Bucket=bucket, Key="k", Body=b"x")

    assert (session["Expiration"].timestamp() * 1000 - s3.now_ms()) <= 60 * MINUTE_MS
    assert client(s3, "sts", session).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


@pytest.mark.parametrize("minutes", [14, 16])
def test_a_session_ends(s3: S3, iam: Any, skew: Any, minutes: int) -> None:
    """It is good for as long as was asked for, by the server's clock, in S3 and in STS; not a minute longer."""
    bucket = s3.bucket(ALICE)
    session = client(s3, "sts", ALICE).get_session_token(DurationSeconds=900)["Credentials"]
    who = ALICE._replace(access_key=session["AccessKeyId"], secret=session["SecretAccessKey"])
    skew(minutes * MINUTE_MS)  # the harness signs by the door's clock
    answer = s3.ask("GET", bucket, "list-type=2", {"x-amz-security-token": session["SessionToken"]}, who=who)

    assert answer.error == ((200, None) if minutes == 14 else (400, "ExpiredToken"))


def test_a_presigned_url_of_a_session(s3: S3) -> None:
    """The token stands in the query and is signed with it; without it, or with another's, the URL is worth nothing."""
    bucket = s3.bucket(ALICE)
    s3.ask("PUT", f"{bucket}/k", body=b"bytes", who=ALICE)
    sts = client(s3, "sts", ALICE)
    session, other = (sts.get_session_token()["Credentials"] for _ in range(2))
    url = client(s3, "s3", session, "us-east-1").generate_presigned_url("get_object", Params={"Bucket": bucket[1:], "Key": "k"})
    query = url.partition("?")[2]
    token = f"X-Amz-Security-Token={session['SessionToken']}" if "X-Amz-Security-Token" in query else "x-amz-security-token"
    assert token.partition("=")[0] in query
    without = "&".join(part for part in query.split("&") if "ecurity-" not in part)
    swapped = "&".join(
        f"{part.partition('=')[0]}={other['SessionToken']}" if "ecurity-" in part else part for part in query.split("&")
    )

    assert s3.ask("GET", f"{bucket}/k", query, who=None).body == b"bytes"
    assert s3.ask("GET", f"{bucket}/k", without, who=None).status == 403
    assert s3.ask("GET", f"{bucket}/k", swapped, who=None).error == (400, "InvalidToken")


def test_bad_tokens(s3: S3) -> None:
    """Made up, cut, changed in any place, of another key, or missing: none opens anything."""
    bucket = s3.bucket(ALICE)
    session = client(s3, "sts", ALICE).get_session_token()["Credentials"]
    who = ALICE._replace(access_key=session["AccessKeyId"], secret=session["SecretAccessKey"])
    token = session["SessionToken"]
    changed = [
        token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :] for place in (0, 5, 40, len(token) - 9)
    ]
    for bad in ("x", "", token[:-8], token + "AAAA", "é" * 20, *changed):
        answer = s3.ask("GET", bucket, "", {"x-amz-security-token": bad}, who=who)
        assert answer.error == (400, "InvalidToken"), bad
    assert s3.ask("GET", bucket, "", {"x-amz-security-token": token}, who=ALICE).error == (400, "InvalidToken")
    assert s3.ask("GET", bucket, "", who=who).error == (403, "InvalidAccessKeyId")
    assert s3.ask("GET", bucket, "", {"x-amz-security-token": token}, who=who._replace(secret="no")).error == (
        403,
        "SignatureDoesNotMatch",
    )
    unsigned = s3.ask("GET", bucket, "", extra=[("x-amz-security-token", token)], who=who)
    assert unsigned.error == (403, "AccessDenied"), "a token that is not signed is not there"


# ---------------------------------------------------------------------------------------------------------------------- roles


def test_a_role_of_the_same_account(s3: S3, iam: Any) -> None:
    """Who the trust policy names may take it on, and may then what the role may, and no more what they may themselves."""
    bucket = s3.bucket(ALICE)[1:]
    name, key = new_user(iam, allow("s3:DeleteObject"))
    _, other_key = new_user(iam)
    role = new_role(iam, trust(user_arn(name)), allow("s3:PutObject"))
    sts = client(s3, "sts", key)
    made = sts.assume_role(RoleArn=role, RoleSessionName="work")
    theirs = client(s3, "s3", made["Credentials"])
    theirs.put_object(Bucket=bucket, Key="k", Body=b"x")
    role_name = role.rpartition("/")[2]

    assert made["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role_name}/work"
    assert client(s3, "sts", made["Credentials"]).get_caller_identity()["Arn"] == made["AssumedRoleUser"]["Arn"]
    assert refused(theirs.delete_object, Bucket=bucket, Key="k")[0] == "AccessDenied"
    assert refused(client(s3, "sts", other_key).assume_role, RoleArn=role, RoleSessionName="work") == ("AccessDenied", 403)
    assert refused(client(s3, "sts", ALICE).assume_role, RoleArn=role, RoleSessionName="work") == ("AccessDenied", 403)
    assert refused(sts.assume_role, RoleArn=role + "x", RoleSessionName="work") == ("AccessDenied", 403)
    assert refused(sts.assume_role, RoleArn="arn:aws:iam::1:role/x1234567890", RoleSessionName="work") == (
        "ValidationError",
        400,
    )


def test_a_role_that_trusts_the_account_needs_both(s3: S3, iam: Any) -> None:
    """Trust in the account lets it decide which of its users may: those with a policy."""
    role = new_role(iam, trust(f"arn:aws:iam::{ACCOUNT}:root"))
    _, without = new_user(iam)
    _, with_policy = new_user(iam, allow("sts:AssumeRole", role))
    _, denied = new_user(iam, allow("sts:AssumeRole", role), allow("sts:AssumeRole", effect="Deny"))

    client(s3, "sts", with_policy).assume_role(RoleArn=role, RoleSessionName="ok")
    for key in (without, denied):
        assert refused(client(s3, "sts", key).assume_role, RoleArn=role, RoleSessionName="no") == ("AccessDenied", 403)


def test_a_role_of_another_account(s3: S3, iam: Any) -> None:
    """Across accounts both must agree; what the role makes and sees is its own account's."""
    bobs = client(s3, "iam", BOB)
    name = fresh("user")
    bobs.create_user(UserName=name)
    key = bobs.create_access_key(UserName=name)["AccessKey"]
    bucket = s3.bucket(ALICE)[1:]
    role = new_role(iam, trust(f"arn:aws:iam::{OTHER_ACCOUNT}:user/{name}"), allow("s3:*"))
    sts = client(s3, "sts", key)
    assert refused(sts.assume_role, RoleArn=role, RoleSessionName="work") == ("AccessDenied", 403)
    bobs.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=allow("sts:AssumeRole", role))
    session = sts.assume_role(RoleArn=role, RoleSessionName="work")["Credentials"]

    client(s3, "s3", session).put_object(Bucket=bucket, Key="k", Body=b"x")
    assert bucket in [one["Name"] for one in client(s3, "s3", session).list_buckets()["Buckets"]]
    assert refused(client(s3, "s3", key).get_object, Bucket=bucket, Key="k")[0] == "AccessDenied"


def test_an_external_id(s3: S3, iam: Any) -> None:
    """The confused deputy: who does not say what was agreed on is not let in."""
    name, key = new_user(iam)
    role = new_role(iam, trust(user_arn(name), StringEquals={"sts:ExternalId": "agreed"}))
    sts = client(s3, "sts", key)

    sts.assume_role(RoleArn=role, RoleSessionName="ok", ExternalId="agreed")
    assert refused(sts.assume_role, RoleArn=role, RoleSessionName="no")[0] == "AccessDenied"
    assert refused(sts.assume_role, RoleArn=role, RoleSessionName="no", ExternalId="guessed")[0] == "AccessDenied"


def test_a_session_policy_narrows_and_never_widens(s3: S3, iam: Any) -> None:
    """What both role and session allow; given as a document or as the ARN of a managed policy."""
    bucket = s3.bucket(ALICE)[1:]
    name, key = new_user(iam)
    role = new_role(iam, trust(user_arn(name)), allow(["s3:PutObject", "s3:GetObject"]))
    sts = client(s3, "sts", key)
    put_only = sts.assume_role(RoleArn=role, RoleSessionName="a1", Policy=allow(["s3:PutObject", "s3:DeleteObject"]))
    read_only = sts.assume_role(RoleArn=role, RoleSessionName="a2", PolicyArns=[{"arn": S3_READ}])
    writer, reader = (client(s3, "s3", made["Credentials"]) for made in (put_only, read_only))

    writer.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert refused(writer.get_object, Bucket=bucket, Key="k")[0] == "AccessDenied"
    assert refused(writer.delete_object, Bucket=bucket, Key="k")[0] == "AccessDenied"
    assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert refused(reader.put_object, Bucket=bucket, Key="k", Body=b"")[0] == "AccessDenied"
    assert refused(reader.list_objects_v2, Bucket=bucket)[0] == "AccessDenied"
    bad = {"RoleArn": role, "RoleSessionName": "a3"}
    assert refused(sts.assume_role, **bad, Policy="{") == ("MalformedPolicyDocument", 400)
    assert refused(sts.assume_role, **bad, PolicyArns=[{"arn": S3_READ + "x"}])[0] == "NoSuchEntity"


def test_how_long(s3: S3, iam: Any) -> None:
    """From 15 minutes to what the role allows; by way of another role an hour at most."""
    name, key = new_user(iam)
    inner = new_role(iam, trust(f"arn:aws:iam::{ACCOUNT}:root"), MaxSessionDuration=7200)
    outer = new_role(iam, trust(user_arn(name)), allow("sts:AssumeRole", inner), MaxSessionDuration=7200)
    sts = client(s3, "sts", key)

    def ask(who: Any, role: str, seconds: int) -> Any:
        return who.assume_role(RoleArn=role, RoleSessionName="work", DurationSeconds=seconds)

    made = ask(sts, outer, 7200)["Credentials"]
    assert abs(made["Expiration"].timestamp() * 1000 - s3.now_ms() - 7_200_000) < 30_000
    chained = client(s3, "sts", made)
    ask(chained, inner, 3600)
    for who, role, seconds in ((sts, outer, 7201), (sts, outer, 899), (chained, inner, 3601)):
        with pytest.raises(Exception, match=r"ValidationError|DurationSeconds"):
            ask(who, role, seconds)


def test_a_role_that_is_gone_ends_its_sessions(s3: S3, iam: Any) -> None:
    """At once; and a role of the same name made later is another one. Policies taken away count at once too."""
    name, key = new_user(iam)
    role = new_role(iam, trust(user_arn(name)))
    role_name = role.rpartition("/")[2]
    iam.attach_role_policy(RoleName=role_name, PolicyArn=ADMIN)
    session = client(s3, "sts", key).assume_role(RoleArn=role, RoleSessionName="work")["Credentials"]
    theirs = client(s3, "s3", session)
    theirs.list_buckets()
    iam.detach_role_policy(RoleName=role_name, PolicyArn=ADMIN)
    assert refused(theirs.list_buckets)[0] == "AccessDenied"
    iam.delete_role(RoleName=role_name)
    assert refused(theirs.list_buckets) == ("InvalidAccessKeyId", 403)
    iam.create_role(RoleName=role_name, AssumeRolePolicyDocument=trust(user_arn(name)))
    iam.attach_role_policy(RoleName=role_name, PolicyArn=ADMIN)
    assert refused(theirs.list_buckets) == ("InvalidAccessKeyId", 403)


def test_a_role_of_roots_account_is_not_root(s3: S3) -> None:
    """An administrator's role in the account of the server's root may all there, and nothing elsewhere."""
    from .harness import ROOT

    roots = client(s3, "iam", ROOT)
    name = fresh("user")
    roots.create_user(UserName=name)
    key = roots.create_access_key(UserName=name)["AccessKey"]
    number = account_number(canonical_id("root"))
    role = new_role(roots, trust(f"arn:aws:iam::{number}:user/{name}"), allow("*"))
    session = client(s3, "sts", key).assume_role(RoleArn=role, RoleSessionName="work")["Credentials"]
    bucket = s3.bucket(ALICE)[1:]

    assert refused(client(s3, "s3", session).list_objects_v2, Bucket=bucket)[0] == "AccessDenied"
    assert bucket not in [one["Name"] for one in client(s3, "s3", session).list_buckets()["Buckets"]]


def test_tags_of_a_session(s3: S3, iam: Any) -> None:
    """They need sts:TagSession; transitive ones go along to the next role, and cannot be changed there."""
    name, key = new_user(iam)
    both = ("sts:AssumeRole", "sts:TagSession")
    root = f"arn:aws:iam::{ACCOUNT}:root"
    wants_tag = trust(root, *both, StringEquals={"aws:PrincipalTag/team": "red"})
    inner = new_role(iam, wants_tag)
    outer = new_role(iam, trust(user_arn(name), *both), allow(list(both), inner))
    plain = new_role(iam, trust(user_arn(name)))
    sts = client(s3, "sts", key)
    tags = {"Tags": [{"Key": "team", "Value": "red"}], "TransitiveTagKeys": ["team"]}

    assert refused(sts.assume_role, RoleArn=plain, RoleSessionName="no", **tags)[0] == "AccessDenied"
    untagged = client(s3, "sts", sts.assume_role(RoleArn=outer, RoleSessionName="a1")["Credentials"])
    assert refused(untagged.assume_role, RoleArn=inner, RoleSessionName="no")[0] == "AccessDenied"
    tagged = client(s3, "sts", sts.assume_role(RoleArn=outer, RoleSessionName="a2", **tags)["Credentials"])
    tagged.assume_role(RoleArn=inner, RoleSessionName="ok")
    other = [{"Key": "Team", "Value": "blue"}]
    assert refused(tagged.assume_role, RoleArn=inner, RoleSessionName="no", Tags=other)[0] == "InvalidInput"


def test_a_bucket_policy_names_a_role(s3: S3, iam: Any) -> None:
    """A bucket of another account lets the role's sessions in where both sides agree."""
    name, key = new_user(iam)
    role = new_role(iam, trust(user_arn(name)), allow("s3:GetObject"))
    bucket = s3.bucket(BOB)[1:]
    owner = client(s3, "s3", BOB)
    owner.put_object(Bucket=bucket, Key="k", Body=b"x")
    session = client(s3, "sts", key).assume_role(RoleArn=role, RoleSessionName="work")["Credentials"]
    theirs = client(s3, "s3", session)
    assert refused(theirs.get_object, Bucket=bucket, Key="k")[0] == "AccessDenied"
    statement = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    owner.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    assert theirs.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert refused(theirs.put_object, Bucket=bucket, Key="k", Body=b"")[0] == "AccessDenied"


def test_a_federated_user(s3: S3, iam: Any) -> None:
    """GetFederationToken: what both the caller and the given policy allow; without one nothing; no IAM, no other session."""
    bucket = s3.bucket(ALICE)[1:]
    _, key = new_user(iam, allow(["s3:PutObject", "sts:GetFederationToken"]))
    sts = client(s3, "sts", key)
    made = sts.get_federation_token(Name="guest", Policy=allow(["s3:PutObject", "s3:GetObject"]))
    bare = sts.get_federation_token(Name="guest")
    theirs = client(s3, "s3", made["Credentials"])
    theirs.put_object(Bucket=bucket, Key="k", Body=b"x")

    assert made["FederatedUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    assert client(s3, "sts", made["Credentials"]).get_caller_identity()["Arn"] == made["FederatedUser"]["Arn"]
    assert refused(theirs.get_object, Bucket=bucket, Key="k")[0] == "AccessDenied"
    assert refused(client(s3, "s3", bare["Credentials"]).put_object, Bucket=bucket, Key="k")[0] == "AccessDenied"
    assert refused(client(s3, "iam", made["Credentials"]).get_user)[0] == "InvalidClientTokenId"
    assert refused(client(s3, "sts", made["Credentials"]).get_federation_token, Name="again")[0] == "AccessDenied"
    _, without = new_user(iam)
    assert refused(client(s3, "sts", without).get_federation_token, Name="guest")[0] == "AccessDenied"


def test_mfa_is_refused_by_name(s3: S3, iam: Any) -> None:
    """There are no MFA devices: a code cannot be right."""
    _, key = new_user(iam)
    asked = {"SerialNumber": "arn:aws:iam::1:mfa/x", "TokenCode": "123456"}
    assert refused(client(s3, "sts", key).get_session_token, **asked)[0] == "AccessDenied"

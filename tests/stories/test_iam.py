"""IAM through the whole door, asked by boto3: users, groups, roles, policies, keys, and who may what."""

# ruff: noqa: ANN401 - clients of boto3 have no types

from __future__ import annotations

import itertools
import json
from base64 import b64encode
from typing import Any

import pytest
from botocore.exceptions import ClientError

from zakrom.model.names import account_number
from zakrom.testing.forms import BOUNDARY, encode_form
from zakrom.wire.sigv4.v2 import signature

from .harness import ALICE, BOB, ROOT, S3, canonical_id
from .sdk import client, recorded, refused

_NUMBERS = itertools.count(1)
ACCOUNT = account_number(canonical_id("alice"))
OTHER_ACCOUNT = account_number(canonical_id("bob"))
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
TRUST_ALL = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}],
    }
)


def allow(action: str | list[str], resource: str | list[str] = "*", effect: str = "Allow", **more: Any) -> str:
    """A policy of one statement."""
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def fresh(word: str = "name") -> str:
    """A name that no other story has."""
    return f"{word}-{next(_NUMBERS)}"


@pytest.fixture(scope="module")
def iam(s3: S3) -> Any:
    """IAM as the root user of alice's account sees it."""
    return client(s3, "iam", ALICE)


def new_user(iam: Any, *policies: str, **more: Any) -> tuple[str, dict[str, str]]:
    """A user with inline policies, and a key."""
    name = fresh("user")
    iam.create_user(UserName=name, **more)
    for policy in policies:
        iam.put_user_policy(UserName=name, PolicyName=fresh("inline"), PolicyDocument=policy)
    return name, iam.create_access_key(UserName=name)["AccessKey"]


# --------------------------------------------------------------------------------------------------------------------- users


def test_a_user_is_made_shown_changed_and_removed(iam: Any) -> None:
    """What CreateUser is told GetUser tells; names are found in any case; UpdateUser keeps the id."""
    name = fresh("Ada")
    made = iam.create_user(UserName=name, Path="/team/", Tags=[{"Key": "k", "Value": "v"}])["User"]
    seen = iam.get_user(UserName=name.upper())["User"]
    iam.update_user(UserName=name, NewUserName=name + "2", NewPath="/")
    renamed = iam.get_user(UserName=name + "2")["User"]

    assert made == seen
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/team/{name}"
    assert (made["UserId"][:4], made["Tags"]) == ("AIDA", [{"Key": "k", "Value": "v"}])
    assert (renamed["UserId"], renamed["Arn"]) == (made["UserId"], f"arn:aws:iam::{ACCOUNT}:user/{name}2")
    assert refused(iam.get_user, UserName=name) == ("NoSuchEntity", 404)
    assert refused(iam.create_user, UserName=(name + "2").upper()) == ("EntityAlreadyExists", 409)
    iam.delete_user(UserName=name + "2")
    assert refused(iam.delete_user, UserName=name + "2") == ("NoSuchEntity", 404)


def test_root_is_told_of_itself(iam: Any) -> None:
    """GetUser without a name, of an account's root user."""
    assert iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"UserName": "no spaces"}, "ValidationError"),
        ({"UserName": "x" * 65}, "ValidationError"),
        ({"UserName": "fine", "Path": "no-slash"}, "ValidationError"),
        ({"UserName": "fine", "Tags": [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]}, "InvalidInput"),
        ({"UserName": "fine", "Tags": [{"Key": f"k{i}", "Value": ""} for i in range(51)]}, "LimitExceeded"),
        ({"UserName": "fine", "PermissionsBoundary": "arn:aws:iam::aws:policy/NoSuchPolicy"}, "NoSuchEntity"),
    ],
)
def test_what_no_user_may_be(iam: Any, parameters: dict[str, Any], code: str) -> None:
    """Names, paths, tags and boundaries are checked before anything is written."""
    assert refused(iam.create_user, **parameters)[0] == code
    assert refused(iam.get_user, UserName="fine") == ("NoSuchEntity", 404)


def test_users_are_listed_by_name_below_a_path_page_by_page(iam: Any) -> None:
    """ListUsers with PathPrefix, MaxItems and Marker."""
    path = f"/{fresh('path')}/"
    names = sorted(fresh(word) for word in ("b", "a", "C", "d", "e"))
    for name in names:
        iam.create_user(UserName=name, Path=path)
    pages = list(iam.get_paginator("list_users").paginate(PathPrefix=path, PaginationConfig={"PageSize": 2}))

    assert [2, 2, 1] == [len(page["Users"]) for page in pages]
    assert sorted(names, key=str.lower) == [one["UserName"] for page in pages for one in page["Users"]]


def test_a_user_that_has_something_left_cannot_be_removed(iam: Any) -> None:
    """Keys, policies and groups come first; then it goes."""
    name, key = new_user(iam, allow("s3:*"))
    group = fresh("group")
    iam.create_group(GroupName=group)
    iam.add_user_to_group(GroupName=group, UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=S3_READ)
    [inline] = iam.list_user_policies(UserName=name)["PolicyNames"]
    for undo, more in (
        (iam.delete_access_key, {"AccessKeyId": key["AccessKeyId"]}),
        (iam.remove_user_from_group, {"GroupName": group}),
        (iam.detach_user_policy, {"PolicyArn": S3_READ}),
        (iam.delete_user_policy, {"PolicyName": inline}),
    ):
        assert refused(iam.delete_user, UserName=name) == ("DeleteConflict", 409)
        undo(UserName=name, **more)
    iam.delete_user(UserName=name)


def test_tags_come_and_go(iam: Any) -> None:
    """Tag, replace whatever the case, untag, list by page."""
    name = fresh()
    iam.create_user(UserName=name)
    iam.tag_user(UserName=name, Tags=[{"Key": "Team", "Value": "red"}, {"Key": "b", "Value": ""}])
    iam.tag_user(UserName=name, Tags=[{"Key": "team", "Value": "blue"}])
    iam.untag_user(UserName=name, TagKeys=["b", "absent"])

    assert iam.list_user_tags(UserName=name)["Tags"] == [{"Key": "team", "Value": "blue"}]


# ---------------------------------------------------------------------------------------------------------------------- keys


def test_a_secret_is_shown_once_and_a_user_has_two_keys(s3: S3, iam: Any) -> None:
    """CreateAccessKey tells the secret, lists do not; a third key is refused; an inactive one is told nothing."""
    name, key = new_user(iam)
    iam.create_access_key(UserName=name)
    listed = iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
    assert len(listed) == 2
    assert all(set(one) == {"UserName", "AccessKeyId", "Status", "CreateDate"} for one in listed)
    assert refused(iam.create_access_key, UserName=name) == ("LimitExceeded", 409)

    own = client(s3, "sts", key)
    assert own.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert refused(own.get_caller_identity) == ("InvalidClientTokenId", 403)
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Active")
    assert own.get_caller_identity()["Account"] == ACCOUNT
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    assert refused(own.get_caller_identity) == ("InvalidClientTokenId", 403)


def test_when_a_key_was_last_used(s3: S3, iam: Any) -> None:
    """Never; then, when the notes have been written, when and for what."""
    name, key = new_user(iam)
    before = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
    client(s3, "sts", key, "eu-west-1").get_caller_identity()
    s3.run(s3.door._doorman._uses.flush())
    after = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])

    assert before["UserName"] == name
    assert (before["AccessKeyLastUsed"]["ServiceName"], before["AccessKeyLastUsed"]["Region"]) == ("N/A", "N/A")
    assert (after["AccessKeyLastUsed"]["ServiceName"], after["AccessKeyLastUsed"]["Region"]) == ("sts", "eu-west-1")
    assert "LastUsedDate" in after["AccessKeyLastUsed"]


def test_wrong_signatures(s3: S3) -> None:
    """A wrong secret, an unknown key, no signature, a signature for the other service."""
    assert refused(client(s3, "sts", ALICE._replace(secret="wrong")).get_caller_identity) == ("SignatureDoesNotMatch", 403)
    assert refused(client(s3, "iam", ALICE._replace(access_key="none")).list_users) == ("InvalidClientTokenId", 403)
    form = {"content-type": "application/x-www-form-urlencoded"}
    unsigned = s3.ask("POST", "/", headers=form, body=b"Action=ListUsers&Version=2010-05-08", who=None)
    assert (unsigned.status, unsigned.text("Error/Code")) == (403, "MissingAuthenticationToken")
    sts = client(s3, "sts", ALICE)
    sts.meta.events.register("before-sign", lambda request, **_: request.data.update(Version="2010-05-08", Action="ListUsers"))
    assert refused(sts.get_caller_identity) == ("SignatureDoesNotMatch", 403)


def test_a_signed_body_cannot_be_changed(s3: S3) -> None:
    """The hash of the body is part of the signature: another body under it is refused."""
    iam = client(s3, "iam", ALICE)

    def swap(request: Any, **_: Any) -> None:
        request.body = request.body.replace("mallory", "eve")

    iam.meta.events.register_first("before-send", swap)
    assert refused(iam.create_user, UserName="mallory") == ("SignatureDoesNotMatch", 403)


def test_what_is_not_served_is_refused_by_name(iam: Any) -> None:
    """An action of IAM that is not here is no surprise in disguise."""
    with pytest.raises(ClientError, match="CreateLoginProfile") as caught:
        iam.create_login_profile(UserName="x", Password="y")
    assert caught.value.response["Error"]["Code"] == "InvalidAction"


# ------------------------------------------------------------------------------------------------------------------ policies


@pytest.mark.parametrize(("word", "extra"), [("user", {}), ("group", {}), ("role", {"AssumeRolePolicyDocument": TRUST_ALL})])
def test_inline_and_attached_policies(iam: Any, word: str, extra: dict[str, str]) -> None:
    """Users, groups and roles hold policies alike: written, read, replaced, listed, removed; attached and detached."""
    name = {f"{word.title()}Name": fresh(word)}
    ask = lambda verb, noun, **more: getattr(iam, f"{verb}_{word}_{noun}")(**name, **more)  # noqa: E731
    getattr(iam, f"create_{word}")(**name, **extra)
    ask("put", "policy", PolicyName="one", PolicyDocument=allow("s3:GetObject"))
    ask("put", "policy", PolicyName="one", PolicyDocument=allow("s3:PutObject"))
    ask("attach", "policy", PolicyArn=S3_READ)
    ask("attach", "policy", PolicyArn=S3_READ)

    assert ask("get", "policy", PolicyName="one")["PolicyDocument"] == json.loads(allow("s3:PutObject"))
    assert ask("list", "policies")["PolicyNames"] == ["one"]
    listed = getattr(iam, f"list_attached_{word}_policies")(**name)["AttachedPolicies"]
    assert listed == [{"PolicyName": "AmazonS3ReadOnlyAccess", "PolicyArn": S3_READ}]
    missing = getattr(iam, f"get_{word}_policy")
    assert refused(missing, **name, PolicyName="two") == ("NoSuchEntity", 404)
    assert refused(getattr(iam, f"delete_{word}"), **name) == ("DeleteConflict", 409)
    ask("detach", "policy", PolicyArn=S3_READ)
    assert refused(getattr(iam, f"detach_{word}_policy"), **name, PolicyArn=S3_READ) == ("NoSuchEntity", 404)
    ask("delete", "policy", PolicyName="one")
    getattr(iam, f"delete_{word}")(**name)


@pytest.mark.parametrize(
    "document",
    [
        "no json",
        '{"Version":"2010-10-17","Statement":[]}',
        '{"Version":"2012-10-17"}',
        allow("s3:*", Principal="*"),
        allow("s3:*", effect="Perhaps"),
        json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Sid": "a", "Effect": "Allow", "Action": "*", "Resource": "*"}] * 2}
        ),
    ],
)
def test_malformed_documents(iam: Any, document: str) -> None:
    """A document that cannot be understood is refused when it is written, not when it is needed."""
    name = fresh()
    iam.create_user(UserName=name)
    assert refused(iam.put_user_policy, UserName=name, PolicyName="p", PolicyDocument=document) == (
        "MalformedPolicyDocument",
        400,
    )
    assert refused(iam.create_policy, PolicyName=fresh(), PolicyDocument=document) == ("MalformedPolicyDocument", 400)


def test_quotas_of_documents(iam: Any) -> None:
    """2,048 characters of inline policies for a user, 6,144 for a managed policy; white space does not count."""
    name = fresh()
    iam.create_user(UserName=name)
    long = allow("s3:GetObject", [f"arn:aws:s3:::{'b' * 60}{number}/*" for number in range(20)])
    spaced = json.dumps(json.loads(allow("s3:GetObject")), indent=200)
    iam.put_user_policy(UserName=name, PolicyName="long", PolicyDocument=long)
    assert len(spaced) > 2048
    iam.put_user_policy(UserName=name, PolicyName="spaced", PolicyDocument=spaced)
    assert refused(iam.put_user_policy, UserName=name, PolicyName="more", PolicyDocument=long) == ("LimitExceeded", 409)


def test_versions_of_a_managed_policy(iam: Any) -> None:
    """Five versions, one in force; numbers are never given twice; the one in force cannot go."""
    arn = iam.create_policy(PolicyName=fresh("policy"), PolicyDocument=allow("s3:A"))["Policy"]["Arn"]
    for letter in "BCDE":
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow(f"s3:{letter}"), SetAsDefault=letter == "C")
    assert refused(iam.create_policy_version, PolicyArn=arn, PolicyDocument=allow("s3:F")) == ("LimitExceeded", 409)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v3"
    assert refused(iam.delete_policy_version, PolicyArn=arn, VersionId="v3") == ("DeleteConflict", 409)
    iam.delete_policy_version(PolicyArn=arn, VersionId="v5")
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow("s3:F"), SetAsDefault=True)["PolicyVersion"]
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]

    assert (made["VersionId"], made["IsDefaultVersion"]) == ("v6", True)
    assert [one["VersionId"] for one in versions] == ["v6", "v4", "v3", "v2", "v1"]
    assert refused(iam.delete_policy, PolicyArn=arn) == ("DeleteConflict", 409)
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    document = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]
    assert document == json.loads(allow("s3:A"))
    assert refused(iam.get_policy_version, PolicyArn=arn, VersionId="v5") == ("NoSuchEntity", 404)


def test_who_has_a_policy(iam: Any) -> None:
    """ListEntitiesForPolicy and the counts; a policy in use cannot be removed; one of AWS's never."""
    arn = iam.create_policy(PolicyName=fresh("policy"), PolicyDocument=allow("s3:A"))["Policy"]["Arn"]
    user, bounded = fresh("user"), fresh("bounded")
    iam.create_user(UserName=user)
    iam.attach_user_policy(UserName=user, PolicyArn=arn)
    iam.create_user(UserName=bounded, PermissionsBoundary=arn)
    policy = iam.get_policy(PolicyArn=arn)["Policy"]

    assert [one["UserName"] for one in iam.list_entities_for_policy(PolicyArn=arn)["PolicyUsers"]] == [user]
    assert (policy["AttachmentCount"], policy["PermissionsBoundaryUsageCount"]) == (1, 1)
    assert arn in [one["Arn"] for one in iam.list_policies(Scope="Local", OnlyAttached=True)["Policies"]]
    assert refused(iam.delete_policy, PolicyArn=arn) == ("DeleteConflict", 409)
    assert refused(iam.delete_policy, PolicyArn=ADMIN)[0] == "AccessDenied"


def test_policies_of_aws_are_there(iam: Any) -> None:
    """Under their names, with a document that can be read."""
    arns = {one["Arn"] for one in iam.list_policies(Scope="AWS")["Policies"]}
    names = {"AdministratorAccess", "AmazonS3FullAccess", "AmazonS3ReadOnlyAccess", "IAMFullAccess", "ReadOnlyAccess"}
    assert arns >= {f"arn:aws:iam::aws:policy/{name}" for name in names}
    statement = iam.get_policy_version(PolicyArn=ADMIN, VersionId="v1")["PolicyVersion"]["Document"]["Statement"][0]
    assert (statement["Effect"], statement["Resource"]) == ("Allow", "*")


# --------------------------------------------------------------------------------------------------------------- who may what


def test_a_user_may_nothing_until_a_policy_allows_it(s3: S3, iam: Any) -> None:
    """In S3: nothing, then what an inline policy says, then what a group's and a managed one add; taken back at once."""
    bucket = s3.bucket(ALICE)[1:]
    name, key = new_user(iam)
    theirs = client(s3, "s3", key)
    assert refused(theirs.list_buckets)[0] == "AccessDenied"
    assert refused(theirs.put_object, Bucket=bucket, Key="k", Body=b"x")[0] == "AccessDenied"

    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=allow("s3:PutObject", f"arn:aws:s3:::{bucket}/in/*"))
    theirs.put_object(Bucket=bucket, Key="in/k", Body=b"x")
    assert refused(theirs.put_object, Bucket=bucket, Key="k", Body=b"x")[0] == "AccessDenied"
    assert refused(theirs.get_object, Bucket=bucket, Key="in/k")[0] == "AccessDenied"

    group = fresh("group")
    iam.create_group(GroupName=group)
    iam.attach_group_policy(GroupName=group, PolicyArn=S3_READ)
    iam.add_user_to_group(GroupName=group, UserName=name)
    assert theirs.get_object(Bucket=bucket, Key="in/k")["Body"].read() == b"x"
    assert [one["Name"] for one in theirs.list_buckets()["Buckets"]].count(bucket) == 1

    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=allow("s3:*", effect="Deny"))
    assert refused(theirs.get_object, Bucket=bucket, Key="in/k")[0] == "AccessDenied"


def test_what_a_user_makes_is_the_accounts(s3: S3, iam: Any) -> None:
    """A bucket that an IAM user creates belongs to the account, and is gone from nobody when the user is."""
    name, key = new_user(iam, allow("s3:*"))
    bucket = fresh("made-by-a-user-of-alice")
    client(s3, "s3", key).create_bucket(Bucket=bucket)
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])

    assert client(s3, "s3", ALICE).get_bucket_acl(Bucket=bucket)["Owner"]["ID"] == canonical_id("alice")
    assert refused(client(s3, "s3", BOB).head_bucket, Bucket=bucket)[1] == 403


def test_users_of_other_accounts_are_strangers(s3: S3, iam: Any) -> None:
    """AdministratorAccess is for one's own account: not for another's buckets, nor its users, nor the admin of the server."""
    bucket, bobs = s3.bucket(BOB)[1:], client(s3, "iam", BOB)
    victim = fresh("victim")
    bobs.create_user(UserName=victim)
    policy = bobs.create_policy(PolicyName=fresh("bobs"), PolicyDocument=allow("*"))["Policy"]["Arn"]
    name, key = new_user(iam, allow("*"))
    mine = client(s3, "iam", key)

    assert refused(client(s3, "s3", key).list_objects_v2, Bucket=bucket)[0] == "AccessDenied"
    assert refused(mine.get_user, UserName=victim) == ("NoSuchEntity", 404)
    assert refused(mine.create_access_key, UserName=victim) == ("NoSuchEntity", 404)
    assert refused(mine.attach_user_policy, UserName=name, PolicyArn=policy) == ("NoSuchEntity", 404)
    assert bobs.list_access_keys(UserName=victim)["AccessKeyMetadata"] == []


def test_users_of_roots_account_are_not_root(s3: S3) -> None:
    """The server's root may all everywhere; an administrator of its account only in that account."""
    bucket = s3.bucket(ALICE)[1:]
    _, key = new_user(client(s3, "iam", ROOT), allow("*"))

    assert refused(client(s3, "s3", key).list_objects_v2, Bucket=bucket)[0] == "AccessDenied"
    assert refused(client(s3, "iam", key).get_user, UserName="nobody") == ("NoSuchEntity", 404)


def test_iam_itself_needs_permission(s3: S3, iam: Any) -> None:
    """A user may call what a policy allows, on what it allows, and of themselves nothing without one."""
    name, key = new_user(iam)
    mine = client(s3, "iam", key)
    assert refused(mine.get_user)[0] == "AccessDenied"
    assert refused(mine.create_access_key)[0] == "AccessDenied"
    own = f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=allow(["iam:GetUser", "iam:*AccessKey*"], own))

    assert mine.get_user()["User"]["UserName"] == name
    assert mine.create_access_key()["AccessKey"]["UserName"] == name
    other = fresh("other")
    iam.create_user(UserName=other)
    assert refused(mine.create_access_key, UserName=other)[0] == "AccessDenied"
    assert refused(mine.create_user, UserName=fresh())[0] == "AccessDenied"


def test_privileges_do_not_grow_through_iam(s3: S3, iam: Any) -> None:
    """Who may attach policies still may no more than their boundary, cannot lift it, and can be bound to hand it on."""
    boundary = iam.create_policy(
        PolicyName=fresh("boundary"), PolicyDocument=allow(["s3:GetObject", "iam:*User*", "iam:AttachUserPolicy"])
    )["Policy"]["Arn"]
    bound = {"Condition": {"StringEquals": {"iam:PermissionsBoundary": boundary}}}
    delegated = allow(["iam:CreateUser", "iam:AttachUserPolicy"], **bound)
    name, key = new_user(iam, delegated, PermissionsBoundary=boundary)
    mine, bucket = client(s3, "iam", key), s3.bucket(ALICE)[1:]

    mine.attach_user_policy(UserName=name, PolicyArn=ADMIN)
    assert refused(client(s3, "s3", key).put_object, Bucket=bucket, Key="k", Body=b"")[0] == "AccessDenied"
    assert refused(mine.create_role, RoleName=fresh(), AssumeRolePolicyDocument=TRUST_ALL)[0] == "AccessDenied"

    iam.detach_user_policy(UserName=name, PolicyArn=ADMIN)
    assert refused(mine.delete_user_permissions_boundary, UserName=name)[0] == "AccessDenied"
    assert refused(mine.put_user_permissions_boundary, UserName=name, PermissionsBoundary=ADMIN)[0] == "AccessDenied"
    assert refused(mine.create_user, UserName=fresh())[0] == "AccessDenied"
    helper, free = fresh("helper"), fresh("free")
    mine.create_user(UserName=helper, PermissionsBoundary=boundary)
    mine.attach_user_policy(UserName=helper, PolicyArn=ADMIN)
    iam.create_user(UserName=free)
    assert refused(mine.attach_user_policy, UserName=free, PolicyArn=ADMIN)[0] == "AccessDenied"


# ---------------------------------------------------------------------------------------------------------- groups and roles


def test_groups(iam: Any) -> None:
    """Members join and leave, a group is renamed with them, and goes only empty."""
    group, user = fresh("group"), fresh("user")
    made = iam.create_group(GroupName=group, Path="/g/")["Group"]
    iam.create_user(UserName=user)
    iam.add_user_to_group(GroupName=group, UserName=user)
    iam.add_user_to_group(GroupName=group, UserName=user)
    iam.update_group(GroupName=group, NewGroupName=group + "2")
    seen = iam.get_group(GroupName=group + "2")

    assert (seen["Group"]["GroupId"], seen["Group"]["Path"]) == (made["GroupId"], "/g/")
    assert [one["UserName"] for one in seen["Users"]] == [user]
    assert [one["GroupName"] for one in iam.list_groups_for_user(UserName=user)["Groups"]] == [group + "2"]
    assert refused(iam.delete_group, GroupName=group + "2") == ("DeleteConflict", 409)
    iam.remove_user_from_group(GroupName=group + "2", UserName=user)
    iam.delete_group(GroupName=group + "2")
    assert refused(iam.get_group, GroupName=group + "2") == ("NoSuchEntity", 404)


def test_roles(iam: Any) -> None:
    """A role is made with its trust policy, changed and removed; a document that is none is refused."""
    name = fresh("role")
    made = iam.create_role(
        RoleName=name, Path="/r/", AssumeRolePolicyDocument=TRUST_ALL, Description="d", MaxSessionDuration=7200
    )["Role"]
    iam.update_role(RoleName=name, Description="e")
    other = json.loads(TRUST_ALL)
    other["Statement"][0]["Principal"] = {"AWS": "*"}
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(other))
    seen = iam.get_role(RoleName=name)["Role"]

    assert (made["Arn"], made["RoleId"][:4]) == (f"arn:aws:iam::{ACCOUNT}:role/r/{name}", "AROA")
    assert (made["AssumeRolePolicyDocument"], made["MaxSessionDuration"]) == (json.loads(TRUST_ALL), 7200)
    assert (seen["Description"], seen["MaxSessionDuration"], seen["AssumeRolePolicyDocument"]) == ("e", 7200, other)
    assert name in [one["RoleName"] for one in iam.list_roles(PathPrefix="/r/")["Roles"]]
    assert refused(iam.update_role, RoleName=name, MaxSessionDuration=43_201) == ("ValidationError", 400)
    bad = {"RoleName": fresh(), "AssumeRolePolicyDocument": allow("sts:AssumeRole")}
    assert refused(iam.create_role, **bad) == ("MalformedPolicyDocument", 400)
    iam.delete_role(RoleName=name)
    assert refused(iam.get_role, RoleName=name) == ("NoSuchEntity", 404)


# ---------------------------------------------------------------------------------------------------------------- the account


def test_the_whole_account(iam: Any) -> None:
    """GetAccountSummary counts what GetAccountAuthorizationDetails shows, page by page."""
    name, _ = new_user(iam, allow("s3:*"))
    iam.attach_user_policy(UserName=name, PolicyArn=S3_READ)
    summary = iam.get_account_summary()["SummaryMap"]
    pages = list(iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 7}))
    every = {word: [one for page in pages for one in page[word]] for word in ("UserDetailList", "RoleDetailList", "Policies")}
    [user] = [one for one in every["UserDetailList"] if one["UserName"] == name]

    assert len(every["UserDetailList"]) == summary["Users"]
    assert len(every["RoleDetailList"]) == summary["Roles"]
    assert [one["PolicyDocument"] for one in user["UserPolicyList"]] == [json.loads(allow("s3:*"))]
    assert user["AttachedManagedPolicies"] == [{"PolicyName": "AmazonS3ReadOnlyAccess", "PolicyArn": S3_READ}]
    assert S3_READ in [one["Arn"] for one in every["Policies"]]


def test_a_simulation_says_what_would_be(iam: Any) -> None:
    """SimulatePrincipalPolicy: allowed, denied by a statement, or by none; conditions as they are given."""
    where = {"Condition": {"StringEquals": {"aws:SourceIp": "10.0.0.1"}}}
    name, _ = new_user(iam, allow("s3:Get*", **where), allow("s3:GetSecret", effect="Deny"))
    results = iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/{name}",
        ActionNames=["s3:GetObject", "s3:GetSecret", "s3:PutObject"],
        ContextEntries=[{"ContextKeyName": "aws:SourceIp", "ContextKeyValues": ["10.0.0.1"], "ContextKeyType": "string"}],
    )["EvaluationResults"]

    assert [one["EvalDecision"] for one in results] == ["allowed", "explicitDeny", "implicitDeny"]


def test_what_is_always_empty(iam: Any) -> None:
    """What tools ask before they remove a user: none of these can be made here, so there are none."""
    name = fresh()
    iam.create_user(UserName=name)
    assert iam.list_mfa_devices(UserName=name)["MFADevices"] == []
    assert iam.list_signing_certificates(UserName=name)["Certificates"] == []
    assert refused(iam.get_login_profile, UserName=name) == ("NoSuchEntity", 404)
    assert refused(iam.list_mfa_devices, UserName="nobody-here") == ("NoSuchEntity", 404)


def test_an_account_that_is_disabled_takes_its_users_along(s3: S3) -> None:
    """Their keys are refused while it lasts."""
    from zakrom.catalog.changes import PutUser
    from zakrom.model.facts import User

    iam = client(s3, "iam", BOB)
    _, key = new_user(iam)
    bob = s3.run(s3.catalog.user("bob"))
    fields = [getattr(bob, name) for name in bob.__struct_fields__]
    s3.run(s3.catalog.apply(PutUser(User(*fields[:5], True), replace=True)))
    try:
        assert refused(client(s3, "sts", key).get_caller_identity) == ("InvalidClientTokenId", 403)
    finally:
        s3.run(s3.catalog.apply(PutUser(bob, replace=True)))
    assert client(s3, "sts", key).get_caller_identity()["Account"] == OTHER_ACCOUNT


# ------------------------------------------------------------------------------------------------------------- at the same time


def test_what_is_asked_at_once_is_decided_one_after_the_other(s3: S3, iam: Any) -> None:
    """Of ten who ask for a key of one user at the same moment two get one; the others are told of the quota."""
    name = fresh("user")
    iam.create_user(UserName=name)
    requests = recorded("iam", ALICE, lambda one: one.create_access_key(UserName=name), 10)
    answers = s3.ask_all(requests)

    assert sorted(answer.status for answer in answers) == [200, 200] + [409] * 8
    assert {answer.text("Error/Code") for answer in answers if answer.status == 409} == {"LimitExceeded"}
    assert len(iam.list_access_keys(UserName=name)["AccessKeyMetadata"]) == 2


def test_a_name_is_given_once(s3: S3, iam: Any) -> None:
    """Of five who make the same user one does."""
    name = fresh("user")
    answers = s3.ask_all(recorded("iam", ALICE, lambda one: one.create_user(UserName=name), 5))

    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409, 409]


def test_a_form_is_of_the_user_who_signed_it(iam: Any, s3: S3) -> None:
    """The key of an IAM user carries the user's rights in a form too, and not those of the account."""
    bucket = s3.bucket(who=ALICE)
    name, key = new_user(iam)
    conditions = {"expiration": "2999-01-01T00:00:00Z", "conditions": [{"bucket": bucket[1:]}, {"key": "k"}]}
    policy = b64encode(json.dumps(conditions).encode()).decode()
    fields = {"key": "k", "awsaccesskeyid": key["AccessKeyId"], "policy": policy}
    form = encode_form({**fields, "signature": signature(key["SecretAccessKey"], policy)}, b"x")
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}

    before = s3.ask("POST", bucket, "", headers, form, None)
    policy = allow("s3:PutObject", f"arn:aws:s3:::{bucket[1:]}/*")
    iam.put_user_policy(UserName=name, PolicyName="put", PolicyDocument=policy)
    after = s3.ask("POST", bucket, "", headers, form, None)

    assert before.error == (403, "AccessDenied")
    assert after.status == 204

"""IAM and STS by boto3 and aws-cli against a running server, and a session from an OpenID Connect provider of other people."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zakrom.testing.access import Access

from .kit import run

ALLOW_READ = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]})
PROVIDER_SECONDS = 30.0
"""How long the provider may take to start."""


def trust(principal: dict[str, str], action: str, **condition: Any) -> str:
    """A trust policy of one statement."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": action} | ({"Condition": condition} if condition else {})
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def of(credentials: dict[str, str]) -> dict[str, str]:
    """The keys of an answer as options of a boto3 client."""
    found = {"aws_access_key_id": credentials["AccessKeyId"], "aws_secret_access_key": credentials["SecretAccessKey"]}
    return found | ({"aws_session_token": credentials["SessionToken"]} if "SessionToken" in credentials else {})


@pytest.mark.parametrize("access", ["http", "https"], indirect=True)
def test_a_user_takes_on_a_role(access: Access, bucket: str) -> None:
    """boto3: a user, a key, a role, a session, an object read with it; as the guides show it, waiters included."""
    iam = access.client("iam")
    name = f"user-{bucket}"
    user = iam.create_user(UserName=name)["User"]
    iam.get_waiter("user_exists").wait(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": user["Arn"]}, "sts:AssumeRole"))["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=ALLOW_READ)
    access.client().put_object(Bucket=bucket, Key="k", Body=b"bytes")
    session = access.client("sts", **of(key)).assume_role(RoleArn=role["Arn"], RoleSessionName="compat")["Credentials"]

    assert access.client(**of(session)).get_object(Bucket=bucket, Key="k")["Body"].read() == b"bytes"
    url = access.client(**of(session)).generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert "ecurity-" in url
    iam.delete_role_policy(RoleName=name, PolicyName="read")
    iam.delete_role(RoleName=name)
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)


@pytest.mark.parametrize("aws_cli", ["1", "2"], indirect=True, ids=["v1", "v2"])
def test_aws_cli(aws_cli: str, access: Access, bucket: str, home: Path) -> None:
    """The commands of the page on identity: a user by hand, and a profile that takes on a role by itself."""
    env = access.environment(home)

    def aws(*arguments: str, more: dict[str, str] | None = None) -> Any:
        out = run([aws_cli, "--endpoint-url", access.endpoint, "--output", "json", *arguments], {**env, **(more or {})})
        return json.loads(out) if out.strip() else None

    name = f"cli-{bucket}"
    user = aws("iam", "create-user", "--user-name", name)["User"]
    key = aws("iam", "create-access-key", "--user-name", name)["AccessKey"]
    document = trust({"AWS": user["Arn"]}, "sts:AssumeRole")
    role = aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", document)["Role"]
    aws(
        "iam", "attach-role-policy", "--role-name", name, "--policy-arn", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    )  # fmt: skip
    theirs = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    made = aws("sts", "assume-role", "--role-arn", role["Arn"], "--role-session-name", "cli", more=theirs)["Credentials"]
    session = {
        "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
        "AWS_SESSION_TOKEN": made["SessionToken"],
    }

    assert aws("sts", "get-caller-identity", more=session)["Arn"].endswith(f":assumed-role/{name}/cli")
    run([aws_cli, "--endpoint-url", access.endpoint, "s3", "ls", f"s3://{bucket}"], {**env, **session})
    run([aws_cli, "--endpoint-url", access.endpoint, "s3", "rb", f"s3://{bucket}"], {**env, **session}, expect=1)


# --------------------------------------------------------------------------------------------------------------- web identity


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[str]:
    """The URL of a running provider: the package oidc-provider-mock, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    with (tmp_path / "provider.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + PROVIDER_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{url}/.well-known/openid-configuration", timeout=5) as answer:
                    issuer = json.load(answer)["issuer"]
                break
            except OSError:
                assert time.monotonic() < deadline, (tmp_path / "provider.log").read_text()
                time.sleep(0.1)
        yield str(issuer)
        process.terminate()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """The code stands in where we would be sent."""


def log_in(issuer: str, client: str, subject: str) -> str:
    """An ID token by the authorization code flow, as a browser and an application get it together."""
    asked = {"client_id": client, "redirect_uri": "http://127.0.0.1/app", "response_type": "code", "scope": "openid"}
    where = f"{issuer.rstrip('/')}/oauth2/authorize?{urllib.parse.urlencode(asked)}"
    form = urllib.parse.urlencode({"sub": subject}).encode()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.build_opener(_NoRedirect).open(where, form, timeout=10)
    with caught.value:
        code = re.search(r"[?&]code=([^&]+)", caught.value.headers["Location"])
    assert code is not None
    given = {"grant_type": "authorization_code", "code": code[1], "redirect_uri": asked["redirect_uri"]}
    body = urllib.parse.urlencode({**given, "client_id": client, "client_secret": "any"}).encode()
    with urllib.request.urlopen(f"{issuer.rstrip('/')}/oauth2/token", body, timeout=10) as answer:
        return str(json.load(answer)["id_token"])


def test_a_session_from_a_provider(access: Access, bucket: str, issuer: str) -> None:
    """Somebody logs in at the provider, and reads an object with what the token is good for."""
    iam = access.client("iam")
    host = issuer.partition("://")[2].rstrip("/")
    arn = iam.create_open_id_connect_provider(Url=issuer, ClientIDList=["app"])["OpenIDConnectProviderArn"]
    document = trust({"Federated": arn}, "sts:AssumeRoleWithWebIdentity", StringEquals={f"{host}:sub": "ada@example.org"})
    name = f"web-{bucket}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=ALLOW_READ)
    access.client().put_object(Bucket=bucket, Key="k", Body=b"bytes")
    token = log_in(issuer, "app", "ada@example.org")
    sts = access.client("sts")
    made = sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="ada", WebIdentityToken=token)
    with pytest.raises(sts.exceptions.ClientError, match="AccessDenied"):
        sts.assume_role_with_web_identity(
            RoleArn=role, RoleSessionName="eve", WebIdentityToken=log_in(issuer, "app", "eve@example.org")
        )

    assert made["SubjectFromWebIdentityToken"] == "ada@example.org"
    assert access.client(**of(made["Credentials"])).get_object(Bucket=bucket, Key="k")["Body"].read() == b"bytes"

"""AssumeRoleWithWebIdentity against an OpenID Connect provider with real keys over real HTTP: who is let in, and who is not."""

# ruff: noqa: ANN401 - clients of boto3 have no types

from __future__ import annotations

import functools
import hmac
import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from .harness import ALICE, BOB, S3
from .sdk import client, refused
from .test_iam import ACCOUNT, allow, fresh

CLIENT = "my-app"


@functools.cache  # making one takes a second
def rsa_key(name: str) -> RSAKey:
    """A key of that name, the same each time."""
    return RSAKey.generate_key(2048, {"kid": name})


class Provider:
    """An issuer on loopback. ``paths``: what was asked; ``document``: what its configuration adds or overrides."""

    def __init__(self) -> None:
        self.keys = {"one": rsa_key("one"), "curve": ECKey.generate_key("P-256", {"kid": "curve"})}
        self.shown = ["one", "curve"]
        self.document: dict[str, Any] = {}
        self.paths: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.paths.append(self.path)
                body = json.dumps(provider.answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/realms/test"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def answer(self, path: str) -> dict[str, Any]:
        if path.endswith("/.well-known/openid-configuration"):
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | self.document
        return {"keys": [self.keys[name].as_dict(private=False) for name in self.shown]}

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def token(self, s3: S3, key: str = "one", **claims: Any) -> str:
        """A token of this issuer, good for ten minutes; a claim of None is left out."""
        now = s3.now_ms() // 1000
        whole = {"iss": self.url, "sub": "ada", "aud": CLIENT, "iat": now, "exp": now + 600} | claims
        algorithm = "ES256" if key == "curve" else "RS256"
        payload = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode({"alg": algorithm, "kid": key}, payload, self.keys[key], algorithms=[algorithm])


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A running issuer."""
    made = Provider()
    yield made
    made.close()


@pytest.fixture
def role(s3: S3, provider: Provider) -> str:
    """A role that the provider's user ada may take on, with the right to list buckets."""
    iam = client(s3, "iam", ALICE)
    arn = iam.create_open_id_connect_provider(Url=provider.url, ClientIDList=[CLIENT])["OpenIDConnectProviderArn"]
    host = provider.url.removeprefix("http://")
    assert arn == f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{host}:aud": CLIENT, f"{host}:sub": "ada"}},
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    name = fresh("web")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=allow("s3:ListAllMyBuckets"))
    return str(made)


def by_hand(head: dict[str, str], claims: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A token that no library would make."""
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims)]
    return b".".join([*parts, urlsafe_b64encode(sign(b".".join(parts))).rstrip(b"=")]).decode()


def ask(s3: S3, role: str, token: str, **more: Any) -> Any:
    """The call, which is not signed."""
    return client(s3, "sts").assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="web-session", WebIdentityToken=token, **more
    )


@pytest.mark.parametrize("key", ["one", "curve"])
def test_whom_the_provider_vouches_for(s3: S3, provider: Provider, role: str, key: str) -> None:
    """Who brings a good token gets a session of the role; the keys are fetched once."""
    made = ask(s3, role, provider.token(s3, key))
    ask(s3, role, provider.token(s3, key))

    assert (made["SubjectFromWebIdentityToken"], made["Audience"]) == ("ada", CLIENT)
    assert made["AssumedRoleUser"]["Arn"].endswith(f":assumed-role/{role.rpartition('/')[2]}/web-session")
    client(s3, "s3", made["Credentials"]).list_buckets()
    assert refused(client(s3, "s3", made["Credentials"]).create_bucket, Bucket=fresh("bucket"))[0] == "AccessDenied"
    assert len(provider.paths) == 2


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"sub": "eve"}, ("AccessDenied", 403)),
        ({"sub": None}, ("InvalidIdentityToken", 400)),
        ({"aud": "other-app"}, ("InvalidIdentityToken", 400)),
        ({"aud": ["other", CLIENT]}, None),
        ({"exp": None}, ("InvalidIdentityToken", 400)),
        ({"exp": 1_000_000_000}, ("ExpiredTokenException", 400)),
        ({"nbf": 4_000_000_000}, ("InvalidIdentityToken", 400)),
        ({"iss": "https://somebody.else.example"}, ("InvalidIdentityToken", 400)),
    ],
)
def test_claims(s3: S3, provider: Provider, role: str, claims: dict[str, Any], code: Any) -> None:
    """Each claim that matters is looked at."""
    token = provider.token(s3, **claims)
    if code is None:
        ask(s3, role, token)
    else:
        assert refused(lambda: ask(s3, role, token)) == code


def test_forged_tokens(s3: S3, provider: Provider, role: str) -> None:
    """Signed by nobody, by another key, by what is public, with the algorithm "none", or not a token at all."""
    good = provider.token(s3)
    head, payload, signature = good.split(".")
    other = Provider()
    try:
        other.url = provider.url
        other.keys["one"] = RSAKey.import_key(rsa_key("another").as_dict(private=True) | {"kid": "one"})
        forged = other.token(s3)
    finally:
        other.close()
    claims = {"iss": provider.url, "sub": "ada", "aud": CLIENT, "exp": s3.now_ms() // 1000 + 600}
    public = provider.keys["one"].as_pem(private=False)
    confused = by_hand({"alg": "HS256", "kid": "one"}, claims, lambda text: hmac.digest(public, text, "sha256"))
    none = by_hand({"alg": "none", "kid": "one"}, claims, lambda _: b"")
    changed = f"{head}.{payload[:-4]}AAAA.{signature}"
    for token in (forged, confused, none, changed, f"{head}.{payload}.", "x.y.z", "a" * 40, "...."):
        assert refused(lambda token=token: ask(s3, role, token))[0] == "InvalidIdentityToken", token


def test_a_new_key_of_the_provider_is_found(s3: S3, provider: Provider, role: str) -> None:
    """Keys change: an unknown one is looked for again, once a minute at most."""
    ask(s3, role, provider.token(s3))
    provider.keys["two"] = rsa_key("two")
    provider.shown = ["two"]
    token = provider.token(s3, "two")
    for _ in range(3):
        assert refused(lambda: ask(s3, role, token))[0] == "InvalidIdentityToken"
    assert len(provider.paths) == 2
    s3.skew_ms += 61_000
    try:
        ask(s3, role, provider.token(s3, "two"))
    finally:
        s3.skew_ms = 0
    assert len(provider.paths) == 4


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "http://127.0.0.1:1/other"},
        {"jwks_uri": "http://169.254.169.254/latest/meta-data"},
        {"jwks_uri": "http://internal.example/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": 7},
    ],
)
def test_a_provider_cannot_send_us_anywhere(s3: S3, provider: Provider, role: str, document: dict[str, Any]) -> None:
    """Its configuration may name keys on this machine or over TLS, and nothing else."""
    provider.document = document
    assert refused(lambda: ask(s3, role, provider.token(s3))) == ("IDPCommunicationError", 400)
    assert len(provider.paths) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "ftp://example.org",
        "https://",
        "https://a:b@example.org",
        "https://example.org?x=1",
        "http://10.0.0.1",
    ],
)
def test_what_no_provider_may_be(s3: S3, url: str) -> None:
    """TLS, or this machine; no credentials, no query."""
    assert refused(client(s3, "iam", ALICE).create_open_id_connect_provider, Url=url)[0] == "InvalidInput"


def test_a_provider_of_another_account(s3: S3, provider: Provider, role: str) -> None:
    """Who trusts a provider is each account's own affair."""
    bobs = client(s3, "iam", BOB)
    statement = {"Effect": "Allow", "Principal": {"Federated": "*"}, "Action": "sts:AssumeRoleWithWebIdentity"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = role.replace(f"::{ACCOUNT}:", "::000000000000:")
    assert refused(lambda: ask(s3, arn, provider.token(s3)))[0] == "InvalidIdentityToken"
    assert refused(bobs.create_role, RoleName=fresh(), AssumeRolePolicyDocument=trust)[0] == "MalformedPolicyDocument"


def test_a_provider_is_changed_and_removed(s3: S3, provider: Provider, role: str) -> None:
    """Audiences come and go; a provider that is gone vouches for nobody."""
    iam = client(s3, "iam", ALICE)
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{provider.url.removeprefix('http://')}"
    which = {"OpenIDConnectProviderArn": arn}
    iam.add_client_id_to_open_id_connect_provider(**which, ClientID="second")
    ask(s3, role, provider.token(s3))
    iam.remove_client_id_from_open_id_connect_provider(**which, ClientID=CLIENT)
    assert iam.get_open_id_connect_provider(**which)["ClientIDList"] == ["second"]
    assert refused(lambda: ask(s3, role, provider.token(s3)))[0] == "InvalidIdentityToken"
    assert arn in [one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    iam.delete_open_id_connect_provider(**which)
    assert refused(iam.get_open_id_connect_provider, **which) == ("NoSuchEntity", 404)

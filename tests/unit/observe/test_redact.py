"""Nothing secret reaches a log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakrom.observe.redact import REDACTED, is_secret_name, redact, redact_text

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"

TEXTS = [
    f"GET /b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={SECRET}&X-Amz-Expires=60",
    f"GET /b/k?x-amz-security-token={SECRET}&x=1",
    f"GET /b/k?AWSAccessKeyId=AKIA&Signature={SECRET}&Expires=1",
    f"GET /b/k?X-Amz-Signature%3D{SECRET}",
    f"AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature={SECRET}",
    f"Authorization: AWS AKIA:{SECRET}",
    f"bad header 'authorization': 'Bearer {SECRET}'",
    f"authorization=Basic {SECRET}",
    f"AWS_SECRET_ACCESS_KEY={SECRET}",
    f"aws_secret_access_key = {SECRET}",
    f'{{"secret_key": "{SECRET}"}}',
    f"ZAKROM_ROOT_PASSWORD={SECRET} zakrom serve",
    f"aws_session_token={SECRET}",
    f"x-amz-security-token: {SECRET}",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_loses_its_secret_and_keeps_the_rest(text: str) -> None:
    """URLs, headers, assignments: what identifies the request stays, what would let another one make it goes."""
    shown = redact_text(text)

    assert SECRET not in shown
    assert REDACTED in shown
    assert text.split(SECRET, 1)[0].rstrip("'\" ")[:8] == shown[:8]


@pytest.mark.parametrize(
    "text", ["a plain line", "key=value: nothing here", "SignedHeaders=host;x-amz-date", "/bucket/signature-of-love.txt"]
)
def test_other_text_is_left_alone(text: str) -> None:
    """The guard does not eat what is no secret."""
    assert text == redact_text(text)


NAMES = [
    "secret_key",
    "SecretAccessKey",
    "Authorization",
    "x-amz-security-token",
    "X-Amz-Signature",
    "root_password",
    "Set-Cookie",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_field_with_a_telling_name_loses_its_value(name: str) -> None:
    """Whatever the value is, in whatever depth, as text or as bytes."""
    assert {name: REDACTED} == redact({name: SECRET})
    assert {"request": {"headers": [{name: REDACTED}]}} == redact({"request": {"headers": [{name.encode(): SECRET.encode()}]}})


def test_what_is_public_is_no_secret() -> None:
    """Access keys, request ids and names of buckets identify; an operator needs them."""
    assert not any(map(is_secret_name, ("access_key", "request", "bucket", "key", "credential", "x-amz-date", "peer")))


def test_other_objects_are_shown_as_text_and_bounded() -> None:
    """Exceptions lose their secrets too; endless nesting ends."""
    deep: list[object] = []
    deep.append(deep)

    assert REDACTED in str(redact(ValueError(f"Signature={SECRET}")))
    assert "<list>" in str(redact(deep))


@given(st.text(), st.text(st.characters(categories=["L", "N"]), min_size=12))
def test_no_surroundings_save_a_signature(before: str, secret: str) -> None:
    """Wherever it stands, the value of X-Amz-Signature is gone."""
    assert secret not in redact_text(f"{before}&X-Amz-Signature={secret}&x=1").removeprefix(before)

"""The query protocol: forms read, answers and errors written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakrom import errors
from zakrom.wire import query
from zakrom.wire.query import Entries, parse_form


def test_lists_and_structures() -> None:
    """By number, not by the order in which they come; with and without the word ``member``."""
    form = parse_form(b"A=1&L.member.10=j&L.member.2=b&T.member.1.Key=k&T.member.1.Value=v+w&M.1=x&Lx.member.1=no&E=")

    assert (form.get("A"), form.get("E"), form.get("none"), form.has("E")) == ("1", None, None, True)
    assert form.texts("L") == ["b", "j"]
    assert form.structs("T") == [{"Key": "k", "Value": "v w"}]
    assert form.texts("M") == ["x"]


@pytest.mark.parametrize("body", [b"a=%", b"a=%ff", b"\xff=1", b"&".join(b"a%d=1" % number for number in range(2001))])
def test_what_is_no_form(body: bytes) -> None:
    """Broken escapes, what is no UTF-8, too many parameters."""
    with pytest.raises(errors.ValidationError):
        parse_form(body)


@given(st.binary(max_size=300))
def test_any_body_is_a_form_or_refused(body: bytes) -> None:
    """Nothing else happens."""
    try:
        form = parse_form(body)
    except errors.ValidationError:
        return
    form.structs("Tags")


def test_answers() -> None:
    """Nothing for None, ``member`` in lists, ``entry`` in maps, text escaped."""
    result = {"A": "<&>", "B": None, "C": True, "D": [1, {"E": "x"}], "F": Entries({"k": 7}), "G": []}
    body = query.answer("Do", "ns", result, "id").decode()

    assert (
        "<DoResult><A>&lt;&amp;&gt;</A><C>true</C><D><member>1</member><member><E>x</E></member></D>"
        "<F><entry><key>k</key><value>7</value></entry></F><G></G></DoResult>"
    ) in body
    assert "Result" not in query.answer("Do", "ns", None, "id").decode()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.NoSuchEntity(), (404, "NoSuchEntity")),
        (errors.EntityAlreadyExists(), (409, "EntityAlreadyExists")),
        (errors.DeleteConflict(), (409, "DeleteConflict")),
        (errors.LimitExceeded(), (409, "LimitExceeded")),
        (errors.MalformedPolicyDocument(), (400, "MalformedPolicyDocument")),
        (errors.InvalidAction(), (400, "InvalidAction")),
        (errors.InvalidAccessKeyId(), (403, "InvalidClientTokenId")),
        (errors.ExpiredToken(), (403, "ExpiredToken")),
        (errors.ExpiredIdentityToken(), (400, "ExpiredTokenException")),
        (errors.IDPRejectedClaim(), (403, "IDPRejectedClaim")),
        (errors.AccessDenied(), (403, "AccessDenied")),
        (errors.Error(), (500, "InternalError")),
    ],
)
def test_errors(error: errors.Error, expected: tuple[int, str]) -> None:
    """Status and code as IAM and STS have them."""
    status, code, body = query.refusal(error, "ns", "id")
    assert (status, code) == expected
    assert f"<Code>{code}</Code>".encode() in body

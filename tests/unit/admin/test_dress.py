"""Errors as JSON documents, and back."""

from __future__ import annotations

import json

import pytest

from zakrom import errors
from zakrom.admin import dress
from zakrom.admin_client.transport import Line, Place
from zakrom.wire.errors import status_of


@pytest.mark.parametrize("kind", errors.Error.registry.values(), ids=lambda kind: kind.__name__)
def test_every_error_comes_out_as_it_went_in(kind: type[errors.Error]) -> None:
    """Class, message, fields and hint survive the way over the wire; the status is that of S3's table."""
    sent = kind("some words", bucket="b", size=7, flag=True, nothing=None, hint="do this")

    status, body = dress.dressed(sent)
    line = Line(Place("http://127.0.0.1:1", verify=True, ca=None), "k", "s", "r", 1)
    got = line._error(status, body)

    assert status == status_of(sent)
    assert (kind, "some words", sent.fields) == (type(got), got.message, got.fields)


def test_a_plain_error_stays_a_plain_error() -> None:
    """A bug of the server is no outage: the client does not retry it."""
    status, body = dress.dressed(errors.Error())
    got = Line(Place("http://127.0.0.1:1", verify=True, ca=None), "k", "s", "r", 1)._error(status, body)

    assert (500, errors.Error) == (status, type(got))


def test_an_error_of_a_newer_server_keeps_its_branch() -> None:
    """A class that this client does not know is told by its status."""
    line = Line(Place("http://127.0.0.1:1", verify=True, ca=None), "k", "s", "r", 1)
    body = json.dumps({"code": "SomethingNew", "message": "m", "fields": {"message": "x", "self": 1, "a": 2}}).encode()

    got = line._error(409, body)

    assert (errors.Conflict, {"a": 2}) == (type(got), got.fields)


def test_the_signers_details_are_left_out() -> None:
    """A canonical request is pages long, and nobody here needs it."""
    error = errors.SignatureDoesNotMatch(aws_access_key_id="K", string_to_sign="…", canonical_request="…")

    problem = dress.problem_of(error)

    assert {"aws_access_key_id": "K"} == problem.fields
    assert problem.hint


def test_a_bad_field_is_named_and_its_value_is_not() -> None:
    """What was sent there may be a secret."""
    problems = [{"loc": ("body", "secret_key"), "msg": "Input should be a valid string", "type": "string_type", "input": 4711}]

    error = dress.from_validation(problems)

    assert error.fields["argument_name"] == "secret_key"
    assert "4711" not in str(error)

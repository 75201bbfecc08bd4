"""How the admin API dresses an error: a JSON document and a status, which is S3's own, from the one table in `wire.errors`.

``code`` is the name of the error's class, so that a client can raise the very same error; S3's codes say less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from zakrom import errors
from zakrom.admin_client.values import Problem
from zakrom.errors import Error
from zakrom.wire.errors import status_of

_HINTS: dict[type[Error], str] = {
    errors.AccessDenied: "the admin API is root's; users may ask for /api/v1/me, and for usage and space of their own buckets",
    errors.SignatureDoesNotMatch: "is the secret key the right one?",
    errors.InvalidAccessKeyId: "is this the key of another server?",
    errors.RequestTimeTooSkewed: "set the clock of one of the two machines",
    errors.OutcomeUnknown: "look whether it was done before you repeat it",
}

UNSIGNED_HINT = "sign the call with an access key, as for S3 (SigV4, service s3)"

_FOR_SIGNERS_ONLY = frozenset({"string_to_sign", "canonical_request", "signature_provided", "hint"})
"""Fields that are left out: long, of use only to who writes a signer, and that has S3's door to compare with."""


def problem_of(error: Error) -> Problem:
    """The error as a document."""
    hint = error.fields.get("hint") or _HINTS.get(type(error))
    fields = {name: value for name, value in error.fields.items() if name not in _FOR_SIGNERS_ONLY}
    return Problem(code=type(error).__name__, message=error.message, fields=fields, hint=str(hint) if hint else None)


def dressed(error: Error) -> tuple[int, bytes]:
    """The status and the body."""
    return status_of(error), msgspec.json.encode(problem_of(error))


def from_validation(problems: Sequence[Mapping[str, Any]]) -> Error:
    """What the framework found wrong with a request, as an error of ours.

    It names the place and the rule, never what was sent there: that may be a secret.
    """
    first = problems[0]
    place = [str(step) for step in first["loc"] if not isinstance(step, int)]
    where = ".".join(place[1:]) or "body"
    hint = None
    if first["type"] == "json_invalid":
        where, hint = "body", "the body is not JSON"
    elif where == "body":
        hint = "the body is a JSON object, with the header Content-Type: application/json"
    return errors.InvalidArgument(f"{where}: {first['msg']}", argument_name=where, problems=len(problems), hint=hint)


def from_status(status: int, path: str) -> Error:
    """What the framework refuses by itself: a path or a method that does not exist."""
    if status == 405:
        return errors.MethodNotAllowed("This call does not exist with this method.", path=path)
    if status == 404:
        return errors.NotFound("There is no such call.", path=path, hint="all calls are in /openapi.json")
    if status == 400:
        return errors.InvalidArgument("body: the body is not JSON in UTF-8", argument_name="body")
    return errors.BadRequest(path=path, status=status)

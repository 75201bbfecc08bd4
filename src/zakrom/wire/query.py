"""The query protocol, in which IAM and STS are spoken: forms in, XML out.

A request is the pairs of a form (``Action=CreateUser&UserName=ada&Tags.member.1.Key=team``), an answer a document named after
the action. Source: Smithy, "AWS Query protocol"; IAM User Guide, "Calling the IAM API using HTTP query requests".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zakrom import errors
from zakrom.errors import Error
from zakrom.wire.errors import code_of, status_of
from zakrom.wire.target import Query
from zakrom.wire.xml import DECLARATION, element

IAM_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"

MEMBERS_MAX = 1_000
"""Of one list in a form; the longest of IAM's own has 100."""

PAIRS_MAX = 2_000
"""Of a form: 50 tags are 100 pairs, a simulation of 1,000 actions as many."""

_MEMBER = re.compile(r"\.(?:member\.)?(\d{1,4})(?:\.|$)", re.ASCII)

Member = str | int | bool | None | Mapping[str, Any] | Sequence[Any]


class Form:
    """The parameters of a request."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        for count, (name, value) in enumerate(pairs):
            if count >= PAIRS_MAX:
                raise errors.ValidationError("The request has too many parameters.")
            self._values.setdefault(name, value)

    def get(self, name: str) -> str | None:
        """A parameter; an empty one counts as absent, as for AWS."""
        return self._values.get(name) or None

    def has(self, name: str) -> bool:
        """Whether it was sent at all."""
        return name in self._values

    def texts(self, name: str) -> list[str]:
        """A list of texts: ``name.member.1`` and so on, in order."""
        return [members.get("", "") for members in self._numbered(name)]

    def structs(self, name: str) -> list[dict[str, str]]:
        """A list of structures: ``name.member.1.Key`` and so on, in order."""
        return self._numbered(name)

    def _numbered(self, name: str) -> list[dict[str, str]]:
        found: dict[int, dict[str, str]] = {}
        for whole, value in self._values.items():
            if whole.startswith(name) and (match := _MEMBER.match(whole, len(name))):
                found.setdefault(int(match[1]), {})[whole[match.end() :]] = value
        if len(found) > MEMBERS_MAX:
            raise errors.ValidationError(f"{name} has too many members.")
        return [found[number] for number in sorted(found)]


def parse_form(body: bytes) -> Form:
    """The form in a body. Raises `ValidationError` for what is none."""
    try:
        # A form's pairs are written as those of a query are; the limit on their number is another one.
        pairs = [pair for piece in body.split(b"&") for pair in Query(piece).pairs]
    except errors.InvalidURI:
        raise errors.ValidationError("The request body is not a form.") from None
    return Form(pairs)


# ------------------------------------------------------------------------------------------------------------------- answers


class Entries(dict[str, int]):
    """A map, which is written as a list of entries."""


def answer(action: str, namespace: str, result: Mapping[str, Any] | None, request_id: str) -> bytes:
    """The document that answers an action; ``result`` None: it has none."""
    inner = "" if result is None else f"<{action}Result>{_members(result)}</{action}Result>"
    meta = f"<ResponseMetadata>{element('RequestId', request_id)}</ResponseMetadata>"
    return f'{DECLARATION}<{action}Response xmlns="{namespace}">{inner}{meta}</{action}Response>'.encode()


def _members(members: Mapping[str, Any]) -> str:
    return "".join(_element(name, value) for name, value in members.items() if value is not None)


def _element(name: str, value: Any) -> str:  # noqa: ANN401 - whatever an answer is made of
    if isinstance(value, Entries):
        inner = "".join(f"<entry>{element('key', key)}{element('value', number)}</entry>" for key, number in value.items())
    elif isinstance(value, Mapping):
        inner = _members(value)
    elif isinstance(value, list | tuple):
        inner = "".join(_element("member", one) for one in value)
    else:
        return element(name, value)
    return f"<{name}>{inner}</{name}>"


# -------------------------------------------------------------------------------------------------------------------- errors

_DRESSED: dict[type[Error], tuple[int, str, str | None]] = {
    errors.InvalidAccessKeyId: (403, "InvalidClientTokenId", "The security token included in the request is invalid."),
    errors.InvalidToken: (403, "InvalidClientTokenId", "The security token included in the request is invalid."),
    errors.RequestTimeTooSkewed: (403, "SignatureDoesNotMatch", "Signature expired or not yet current."),
    errors.ExpiredToken: (403, "ExpiredToken", "The security token included in the request is expired"),
    errors.ExpiredIdentityToken: (400, "ExpiredTokenException", None),
    errors.NoSuchUser: (404, "NoSuchEntity", None),
    errors.AccessKeyAlreadyExists: (409, "EntityAlreadyExists", None),
    errors.UserAlreadyExists: (409, "EntityAlreadyExists", None),
    errors.Stale: (409, "ConcurrentModification", None),
    errors.InsufficientStorage: (503, "ServiceUnavailable", None),
}
"""What IAM and STS call otherwise than S3. Source: "Common errors" of their API references."""


def refusal(error: Error, namespace: str, request_id: str) -> tuple[int, str, bytes]:
    """Status, code and document of an error."""
    status, code, message = _DRESSED.get(type(error)) or (status_of(error), code_of(error), None)
    kind = "Sender" if status < 500 else "Receiver"
    what = f"{element('Type', kind)}{element('Code', code)}{element('Message', message or error.message)}"
    body = f'{DECLARATION}<ErrorResponse xmlns="{namespace}"><Error>{what}</Error>{element("RequestId", request_id)}'
    return status, code, f"{body}</ErrorResponse>".encode()

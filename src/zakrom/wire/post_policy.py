r"""The policy of a form upload, read: base64 of JSON with ``expiration`` and ``conditions``.

Source: Amazon S3 API Reference, "POST Policy"; the words of refusals as AWS sends them. Beyond JSON the language knows the
escapes ``\$`` and ``\v``.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Any

from zakrom import errors
from zakrom.model.post_policy import Condition, PostPolicy, Range
from zakrom.wire import dates

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_EXTRA_ESCAPES = {"$": "$", "v": "\\u000b"}
_MEMBERS = ("expiration", "conditions")
_RANGE = "content-length-range"
_BOUND_DIGITS_MAX = 18  # of a number of bytes; 5 GiB has ten

Json = Any


def parse(policy: str) -> PostPolicy:
    """The policy in a form's field. Raises `InvalidPolicyDocument`."""
    document = _document(policy)
    for name in document:
        if name not in _MEMBERS:
            raise _invalid(f"Unexpected: '{name.lower()}'")
    for name in _MEMBERS:
        if name not in document:
            raise _invalid(f"Policy missing {name}.")
    expiration, conditions = document["expiration"], document["conditions"]
    expires_ms = dates.parse_iso8601(expiration) if isinstance(expiration, str) else None
    if expires_ms is None:
        raise _invalid(f"Invalid 'expiration' value: '{expiration}'")
    if not isinstance(conditions, list):
        raise _invalid("Invalid 'conditions' value: must be a List.")
    read = [_condition(one) for one in conditions]
    ranges = [one for one in read if isinstance(one, Range)]
    return PostPolicy(
        expires_ms,
        tuple(one for one in read if isinstance(one, Condition)),
        max((one.bytes_min for one in ranges), default=None),
        min((one.bytes_max for one in ranges), default=None),
    )


def _document(policy: str) -> dict[str, Json]:
    try:
        text = b64decode("".join(policy.split()), validate=True).decode("utf-8")
    except (Base64Error, ValueError):
        raise _invalid("invalid Base64 encoding.") from None
    try:
        document = json.loads(_ESCAPE.sub(_escape, text))
    except (ValueError, RecursionError):
        raise _invalid("Invalid JSON.") from None
    if not isinstance(document, dict):
        raise _invalid("Invalid JSON.")
    return document


def _escape(match: re.Match[str]) -> str:
    return _EXTRA_ESCAPES.get(match[1], match[0])


def _condition(one: Json) -> Condition | Range:
    if isinstance(one, dict):
        return _simple(one)
    if not isinstance(one, list):
        raise _invalid("Invalid condition test: must be a List or Object.")
    if not one or not isinstance(one[0], str):
        raise _invalid("Invalid Condition: missing operation identifier.")
    operation = one[0].lower()
    if operation not in ("eq", "starts-with", _RANGE):
        raise _invalid(f"Invalid Condition: unknown operation '{one[0]}'.")
    if len(one) != 3:
        raise _invalid(f"Invalid {one[0]}: wrong number of arguments.")
    if operation == _RANGE:
        return _range(one)
    if not isinstance(one[1], str) or not isinstance(one[2], str):
        raise _invalid("Invalid JSON.")
    field = one[1][1:].lower() if one[1].startswith("$") else None
    return Condition(field, one[2], operation == "starts-with", _shown(one))


def _simple(one: dict[str, Json]) -> Condition:
    if len(one) != 1:
        raise _invalid("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
    [(name, value)] = one.items()
    if not isinstance(value, str):
        raise _invalid("Invalid Simple-Condition: value must be a string.")
    return Condition(name.lower(), value, prefix=False, shown=_shown(["eq", f"${name}", value]))


def _range(one: list[Json]) -> Condition | Range:
    """The two bounds; AWS takes digits in strings for numbers, and other strings for a condition that does not hold."""
    bounds = [_bound(bound) for bound in one[1:]]
    low, high = bounds
    if low is None or high is None:
        return Condition(None, "", prefix=False, shown=_shown(one))
    return Range(low, high)


def _bound(bound: Json) -> int | None:
    if isinstance(bound, str):
        digits = bound.removeprefix("-")
        return int(bound) if digits.isascii() and digits.isdigit() and len(digits) <= _BOUND_DIGITS_MAX else None
    if isinstance(bound, bool) or not isinstance(bound, int):
        raise _invalid("Invalid JSON.")
    return bound


def _shown(one: list[Json]) -> str:
    return json.dumps(one, ensure_ascii=False)


def _invalid(message: str) -> errors.InvalidPolicyDocument:
    return errors.InvalidPolicyDocument(f"Invalid Policy: {message}")

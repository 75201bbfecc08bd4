"""No secret reaches a log: the guard that every line passes.

Two kinds of leak, two answers. A field that is *named* like a secret loses its value. A text that *contains* a signature (a
URL, a header quoted in an exception) loses the signature and keeps the rest, because the rest is what an operator came for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

# Names are compared in lower case with hyphens as underscores; any name that contains one of these is a secret's.
SECRET_NAMES = (
    "secret",
    "signature",
    "authorization",
    "password",
    "passwd",
    "security_token",
    "session_token",
    "cookie",
    "private_key",
)

DEPTH_MAX = 6  # of nested values; deeper ones are shown as their type

_SIGNATURES = re.compile(
    r"""(?ix)
    ( (?: x-amz-signature | x-amz-security-token | (?<![a-z0-9-])signature ) (?: = | %3d ) )   # query strings, SigV4's header
    [^\s&"',;<>)\]]+
    """
)
_LABELLED = re.compile(
    r"""(?ix)
    ( (?: secret[_-]?(?:access[_-]?)?key | password | passwd | x-amz-security-token | (?:aws_)?session_token )
      ["']? \s* [=:] \s* ["']? )                                                               # config files, reprs, JSON
    [^\s&"',;<>)\]}]+
    """
)
_AUTHORIZATION = re.compile(r"(?i)\b(authorization[\"']?\s*[:=]\s*[\"']?)(?:(?:aws|basic|bearer)\s+)?[^\s,\"']+")
_SCHEME = re.compile(r"(?i)\b(AWS\s+[^\s:]+:)[A-Za-z0-9+/=]{20,}")  # SigV2's header: `AWS key:signature`


def is_secret_name(name: str) -> bool:
    """Whether a field of that name holds something that must not be seen."""
    plain = name.lower().replace("-", "_")
    return any(part in plain for part in SECRET_NAMES)


def redact_text(text: str) -> str:
    """The text without the signatures, tokens and passwords in it."""
    if "=" not in text and ":" not in text and "%3" not in text:
        return text  # nothing above can match; the usual case
    text = _SCHEME.sub(rf"\1{REDACTED}", text)
    text = _SIGNATURES.sub(rf"\1{REDACTED}", text)
    text = _LABELLED.sub(rf"\1{REDACTED}", text)
    return _AUTHORIZATION.sub(rf"\1{REDACTED}", text) if "uthorization" in text else text


def redact(value: object, depth: int = 0) -> object:
    """A value as it may be logged: its structure kept, its secrets gone, foreign objects as text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return redact_text(bytes(value).decode("utf-8", "backslashreplace"))
    if depth >= DEPTH_MAX:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        return redact_fields(value, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(one, depth + 1) for one in value]
    return redact_text(str(value))


def redact_fields(fields: Mapping[Any, object], depth: int = 0) -> dict[str, object]:
    """The same fields without what their names give away."""
    return {
        str(redact(name)): REDACTED if value is not None and is_secret_name(str(redact(name))) else redact(value, depth + 1)
        for name, value in fields.items()
    }

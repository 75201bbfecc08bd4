"""Patterns of policies: ``*`` and ``?``, and policy variables, compiled once.

What a variable stands for is a text and never a pattern: a user called ``*`` matches a star. A match takes time in proportion
to pattern times subject, whatever stands in them: each star is settled at its first fit, as in a shell, and never tried again.
Source: IAM User Guide, "Policy elements: Variables and tags" and "Wildcards in policies".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

Lookup = Callable[[str], tuple[str, ...] | None]
"""The values of a condition key (in lower case) in a request; None where it has none."""

_TOKEN = re.compile(r"\$\{([^{}]*)\}|([*?])|\$(?=\{)")
_VARIABLE = re.compile(r"\s*([^\s,'][^,']*?)\s*(?:,\s*'([^']*)'\s*)?")
_ESCAPES = frozenset("*?$")

STAR, ANY = 0, 1
Token = str | int
"""A piece of a pattern: literal text, `STAR` or `ANY`."""

REMEMBERED_MAX = 1024
"""Patterns with their variables filled in; a few users with a few policies stay."""


class Variable:
    """``${key}`` or ``${key, 'default'}``. A key with several values stands for nothing, as one that is absent."""

    __slots__ = ("default", "key")

    def __init__(self, key: str, default: str | None) -> None:
        self.key = key.lower()
        self.default = default

    def text(self, lookup: Lookup) -> str | None:
        """What it stands for in a request; None: nothing, and what it is part of does not match."""
        values = lookup(self.key)
        return values[0] if values is not None and len(values) == 1 else self.default


class Pattern:
    """A compiled pattern. Raises `ValueError` for a variable that is none."""

    __slots__ = ("_exact", "_parts", "_regex", "is_prefix", "prefix", "text")

    def __init__(self, text: str, *, variables: bool = True, wildcards: bool = True) -> None:
        self.text = text
        self._exact: str | None = None
        self._regex: re.Pattern[str] | None = None
        self.is_prefix = False  # whether it means all that begins with its prefix
        self._parts = _parts(text, variables=variables, wildcards=wildcards)
        first = self._parts[0] if self._parts else ""
        self.prefix = first if isinstance(first, str) else ""  # what every match begins with
        tokens = tuple(part for part in self._parts if not isinstance(part, Variable))
        if len(tokens) == len(self._parts):
            self._settle(tokens)

    def _settle(self, tokens: tuple[Token, ...]) -> None:
        if all(isinstance(token, str) for token in tokens):
            self._exact = "".join(map(str, tokens))
        elif tokens[-1:] == (STAR,) and all(isinstance(token, str) for token in tokens[:-1]):
            self.is_prefix = True
            self.prefix = "".join(map(str, tokens[:-1]))
        else:
            self._regex = _compile(tokens)

    def matches(self, subject: str, lookup: Lookup) -> bool:
        """Whether the subject, as a whole, is what the pattern says of this request."""
        if self._exact is not None:
            return subject == self._exact
        if self.is_prefix:
            return subject.startswith(self.prefix)
        if self._regex is not None:
            return self._regex.fullmatch(subject) is not None
        tokens: list[Token] = []
        for part in self._parts:
            token = part.text(lookup) if isinstance(part, Variable) else part
            if token is None:
                return False
            tokens.append(token)
        return _compile(tuple(tokens)).fullmatch(subject) is not None


def _parts(text: str, *, variables: bool, wildcards: bool) -> tuple[Token | Variable, ...]:
    parts: list[Token | Variable] = []
    end = 0
    for match in _TOKEN.finditer(text):
        if (match[2] and not wildcards) or (not match[2] and not variables):
            continue
        parts.append(text[end : match.start()])
        parts.append(_special(match))
        end = match.end()
    parts.append(text[end:])
    return tuple(part for part in parts if part != "")


def _special(match: re.Match[str]) -> Token | Variable:
    if match[2]:
        return STAR if match[2] == "*" else ANY
    if match[1] in _ESCAPES:
        return match[1]
    variable = _VARIABLE.fullmatch(match[1] or "")
    if variable is None:
        raise ValueError(match[0])
    return Variable(variable[1], variable[2])


@lru_cache(REMEMBERED_MAX)
def _compile(tokens: tuple[Token, ...]) -> re.Pattern[str]:
    """A regular expression without a way back: between stars, the first fit is final (an atomic group)."""
    chunks, chunk = [], ""
    for token in tokens:
        if token == STAR and not isinstance(token, str):
            chunks.append(chunk)
            chunk = ""
        else:
            chunk += re.escape(token) if isinstance(token, str) else "."
    first, *rest = [*chunks, chunk]
    middle = "".join(f"(?>.*?{one})" for one in rest[:-1] if one)
    return re.compile(first + middle + (f".*{rest[-1]}" if rest else ""), re.DOTALL)


class ArnPattern:
    """A pattern of an ARN, whose six segments are compared one by one: no wildcard reaches beyond a colon.

    Source: IAM User Guide, "Amazon Resource Name (ARN) condition operators". The last segment may hold colons.
    """

    __slots__ = ("_segments", "text")

    def __init__(self, text: str, *, variables: bool = True) -> None:
        self.text = text
        self._segments = tuple(Pattern(segment, variables=variables) for segment in _split(text))

    def matches(self, subject: str, lookup: Lookup) -> bool:
        """As `Pattern.matches`; what is no ARN matches nothing but ``*``."""
        if self.text == "*":
            return True
        segments = subject.split(":", ARN_COLONS)
        return len(segments) == len(self._segments) == ARN_COLONS + 1 and all(
            pattern.matches(segment, lookup) for pattern, segment in zip(self._segments, segments, strict=True)
        )


ARN_COLONS = 5  # arn:partition:service:region:account:resource


def _split(text: str) -> list[str]:
    """The segments of an ARN; colons within a variable's braces do not count."""
    return re.split(r":(?![^{}]*\})", text, maxsplit=ARN_COLONS)

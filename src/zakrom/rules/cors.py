"""Which rule of a bucket allows a request from another origin.

Source: Amazon S3 User Guide, "How does Amazon S3 evaluate the CORS configuration on a bucket?": the first rule whose origin,
method and, for each header that a browser asks for, allowed headers match.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from zakrom.model.cors import ANY, Allowed, CorsRule


def match(rules: Iterable[CorsRule], origin: str, method: str, headers: Sequence[str]) -> Allowed | None:
    """The first rule that allows it, if any does. ``headers`` in lower case. Origins are compared with their case."""
    for rule in rules:
        if method not in rule.methods:
            continue
        pattern = next((one for one in rule.origins if is_like(origin, one)), None)
        if pattern is not None and all(_is_allowed(header, rule) for header in headers):
            return Allowed(rule, pattern == ANY)
    return None


def is_like(text: str, pattern: str) -> bool:
    """Whether the text is the pattern, whose ``*``, if it has one, stands for anything, also for nothing."""
    head, star, tail = pattern.partition(ANY)
    if not star:
        return text == pattern
    return len(text) >= len(head) + len(tail) and text.startswith(head) and text.endswith(tail)


def _is_allowed(header: str, rule: CorsRule) -> bool:
    return any(is_like(header, pattern.lower()) for pattern in rule.headers)

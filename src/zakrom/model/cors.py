"""What a bucket says about requests from other origins."""

from __future__ import annotations

from typing import NamedTuple

from zakrom.model.facts import Fact

METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
"""What a rule may allow."""

ANY = "*"
"""In an origin or a header of a rule: anything."""


class CorsRule(Fact, frozen=True):
    """Who (origins) may do what (methods) with which request headers, and which of the answer's headers they may read.

    Origins and headers may hold one `ANY`. Texts are kept as they were sent.
    """

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    max_age_seconds: int | None = None
    id: str | None = None


class Allowed(NamedTuple):
    """The rule that allows a request. ``any_origin``: by `ANY` alone, so that the answer is the same for everybody."""

    rule: CorsRule
    any_origin: bool

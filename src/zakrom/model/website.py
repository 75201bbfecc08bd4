"""What a bucket shows to browsers."""

from __future__ import annotations

from zakrom.model.facts import Fact


class Elsewhere(Fact, frozen=True):
    """Where all requests are sent. ``protocol`` None: the one of the request."""

    host: str
    protocol: str | None = None


class Redirect(Fact, frozen=True):
    """Where a rule sends a request; None: as in the request. At most one of ``key_prefix`` and ``key`` is there."""

    host: str | None = None
    protocol: str | None = None
    key_prefix: str | None = None  # stands for the prefix of the rule
    key: str | None = None  # stands for the whole key
    code: int | None = None  # None: 301


class RoutingRule(Fact, frozen=True):
    """A redirect and when it applies: for keys with the prefix, and, if ``error`` is there, when that status would come."""

    redirect: Redirect
    prefix: str | None = None
    error: int | None = None


class Website(Fact, frozen=True):
    """A bucket's website. Either ``elsewhere`` or ``index`` is there."""

    index: str | None = None  # what a folder shows: the suffix of its key
    error_key: str | None = None
    elsewhere: Elsewhere | None = None
    rules: tuple[RoutingRule, ...] = ()

"""How a website answers: which key a path means, and which redirect applies.

Source: Amazon S3 User Guide, "Configuring an index document" and "(Optional) Configuring a webpage redirect". Rules look at
the key of the request, not at that of the index document it stands for.
"""

from __future__ import annotations

from urllib.parse import quote, quote_from_bytes

from zakrom.model.website import Redirect, RoutingRule, Website

MOVED = 301

_KEY_SAFE = "/!$&'()*+,;=:@~"
"""RFC 3986, 3.3: what a path may hold unescaped."""

_TEXT_SAFE = _KEY_SAFE + "%?#[]"
"""What the owner of the bucket has written stays as it is, also a query; only what no URL can hold is escaped."""


def key_of(site: Website, key: bytes) -> bytes:
    """The key that is read: of a folder, its index."""
    return key + (site.index or "").encode() if is_folder(key) else key


def is_folder(key: bytes) -> bool:
    """Whether a path means a folder."""
    return not key or key.endswith(b"/")


def before(site: Website, key: bytes) -> RoutingRule | None:
    """The first rule that applies whatever the answer would be."""
    return next((rule for rule in site.rules if rule.error is None and _has_prefix(rule, key)), None)


def after(site: Website, key: bytes, status: int) -> RoutingRule | None:
    """The first rule that applies because the answer would be an error of this status."""
    return next((rule for rule in site.rules if rule.error == status and _has_prefix(rule, key)), None)


def path_of(rule: RoutingRule, key: bytes) -> str:
    """What a rule makes of a key, as it stands in a URL behind the first slash; never a character that ends a header."""
    redirect = rule.redirect
    if redirect.key is not None:
        return quote(redirect.key, safe=_TEXT_SAFE)
    if redirect.key_prefix is not None:
        rest = key[len((rule.prefix or "").encode()) :]
        return quote(redirect.key_prefix, safe=_TEXT_SAFE) + path(rest)
    return path(key)


def path(key: bytes) -> str:
    """A key as it stands in a URL."""
    return quote_from_bytes(key, safe=_KEY_SAFE)


def path_from_root(key: bytes) -> str:
    """The same for a URL that is only a path: two slashes at its beginning would name a host."""
    return "%2F" + path(key[1:]) if key.startswith(b"/") else path(key)


def status_of(redirect: Redirect) -> int:
    """The status of a redirect."""
    return redirect.code or MOVED


def _has_prefix(rule: RoutingRule, key: bytes) -> bool:
    return key.startswith((rule.prefix or "").encode())

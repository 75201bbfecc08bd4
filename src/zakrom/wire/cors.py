"""The body of PutBucketCors, read and written, and the headers of CORS.

Source: Amazon S3 API Reference, "CORSRule"; messages as AWS sends them. What a rule puts into headers of answers must be able
to stand there, so no line break gets in.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from zakrom import errors
from zakrom.model.cors import ANY, METHODS, Allowed, CorsRule
from zakrom.wire import xml
from zakrom.wire.xml import Node, element

BODY_BYTES_MAX = 64 * 1024  # Amazon S3 User Guide: "the document is limited to 64 KB in size"
RULES_MAX = 100  # Amazon S3 API Reference, PutBucketCors
ID_CHARACTERS_MAX = 255  # Amazon S3 API Reference, "CORSRule"
MAX_AGE_SECONDS_MAX = 2**31 - 1  # an integer in AWS's schema

VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"

_ELEMENTS = frozenset({"AllowedHeader", "AllowedMethod", "AllowedOrigin", "ExposeHeader", "ID", "MaxAgeSeconds"})
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2


def parse(body: bytes) -> tuple[CorsRule, ...]:
    """A CORSConfiguration body. Raises `MalformedXML`, `InvalidRequest`."""
    root = xml.parse(body, "CORSConfiguration", bytes_max=BODY_BYTES_MAX)
    if not root.children or any(child.name != "CORSRule" for child in root.children):
        raise errors.MalformedXML
    if len(root.children) > RULES_MAX:
        raise errors.InvalidRequest(f"The number of CORS rules should not exceed allowed limit of {RULES_MAX} rules.")
    return tuple(_rule(node) for node in root.children)


def _rule(node: Node) -> CorsRule:
    if any(child.name not in _ELEMENTS or child.children for child in node.children):
        raise errors.MalformedXML
    origins, methods = _texts(node, "AllowedOrigin"), _texts(node, "AllowedMethod")
    headers, exposed = _texts(node, "AllowedHeader"), _texts(node, "ExposeHeader")
    if not origins or not methods:
        raise errors.MalformedXML
    unsupported = next((method for method in methods if method not in METHODS), None)
    if unsupported is not None:
        raise errors.InvalidRequest(f"Found unsupported HTTP method in CORS config. Unsupported method is {unsupported}")
    _check("AllowedOrigin", origins, lambda text: text.count(ANY) < 2, "can not have more than one wildcard.")
    _check("AllowedHeader", headers, lambda text: text.count(ANY) < 2, "can not have more than one wildcard.")
    no_wildcard = "contains wildcard. We currently do not support wildcard for ExposeHeader."
    _check("ExposeHeader", exposed, lambda text: ANY not in text, no_wildcard)
    for name, texts in ("AllowedHeader", headers), ("ExposeHeader", exposed):
        _check(name, texts, lambda text: _TOKEN.fullmatch(text) is not None, "contains invalid character.")
    return CorsRule(origins, methods, headers, exposed, _max_age(_only(node, "MaxAgeSeconds")), _id(_only(node, "ID")))


def _check(name: str, texts: tuple[str, ...], holds: Callable[[str], bool], message: str) -> None:
    for text in texts:
        if not holds(text):
            raise errors.InvalidRequest(f'{name} "{text}" {message}')


def _texts(node: Node, name: str) -> tuple[str, ...]:
    return tuple(child.text for child in node.all(name))


def _only(node: Node, name: str) -> str | None:
    found = node.all(name)
    if len(found) > 1:
        raise errors.MalformedXML
    return found[0].text if found else None


def _id(text: str | None) -> str | None:
    if text is not None and len(text) > ID_CHARACTERS_MAX:
        raise errors.InvalidArgument(
            f"ID length should not exceed allowed limit of {ID_CHARACTERS_MAX}", argument_name="ID", argument_value=text
        )
    return text


def _max_age(text: str | None) -> int | None:
    if text is None:
        return None
    text = text.strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > MAX_AGE_SECONDS_MAX:
        raise errors.MalformedXML
    return int(text)


def content(rules: tuple[CorsRule, ...]) -> str:
    """What stands in a CORSConfiguration that says the same."""
    return "".join(f"<CORSRule>{_rule_xml(rule)}</CORSRule>" for rule in rules)


def _rule_xml(rule: CorsRule) -> str:
    return (
        element("ID", rule.id)
        + "".join(element("AllowedMethod", text) for text in rule.methods)
        + "".join(element("AllowedOrigin", text) for text in rule.origins)
        + "".join(element("AllowedHeader", text) for text in rule.headers)
        + "".join(element("ExposeHeader", text) for text in rule.exposed)
        + element("MaxAgeSeconds", rule.max_age_seconds)
    )


def requested_headers(text: str | None) -> list[str]:
    """The names in Access-Control-Request-Headers, in lower case. Raises `BadRequest` for what is no name of a header."""
    names = [name.strip().lower() for name in (text or "").split(",")]
    names = [name for name in names if name]
    if not all(_TOKEN.fullmatch(name) for name in names):
        raise errors.BadRequest(f'Access-Control-Request-Headers "{text}" contains invalid character.')
    return names


def answer_headers(allowed: Allowed, origin: str, headers: list[str]) -> list[tuple[str, str]]:
    """What tells a browser that it may, as AWS says it to preflights and to actual requests alike."""
    rule = allowed.rule
    found = [("Access-Control-Allow-Origin", ANY if allowed.any_origin else origin)]
    if not allowed.any_origin:
        found.append(("Access-Control-Allow-Credentials", "true"))
    found.append(("Access-Control-Allow-Methods", ", ".join(rule.methods)))
    if headers:
        found.append(("Access-Control-Allow-Headers", ", ".join(headers)))
    if rule.exposed:
        found.append(("Access-Control-Expose-Headers", ", ".join(rule.exposed)))
    if rule.max_age_seconds is not None:
        found.append(("Access-Control-Max-Age", str(rule.max_age_seconds)))
    return [*found, ("Vary", VARY)]

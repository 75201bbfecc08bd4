"""Configuration documents that are held against a shape and kept as they came.

A shape names the elements that may stand below another, in the order in which they are shown. A name ends with how often: ``!``
once, ``?`` at most once, ``*`` at will, ``+`` at least once. Beside it stands the shape of what is inside, or a function that
reads the text. AWS checks bodies against a schema, too: what is not in it is `MalformedXML`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zakrom import errors
from zakrom.wire.xml import Node, escape, parse

Leaf = Callable[[str], str]
Shape = Mapping[str, Any]
"""Name with its count -> `Shape` or `Leaf`; mypy knows no recursive aliases of Mapping and Callable that stay readable."""

_COUNTS = {"!": (1, 1), "?": (0, 1), "*": (0, 1 << 30), "+": (1, 1 << 30)}  # a body has a limit on its elements already
_DAYS_DIGITS_MAX = 9  # more is a slip, and no date


def text(value: str) -> str:
    """Any text."""
    return value


def some_text(value: str) -> str:
    """Any text but none."""
    if not value:
        raise errors.MalformedXML
    return value


def number(value: str) -> str:
    """A whole number that is not negative."""
    value = value.strip()
    if not (value.isascii() and value.isdigit()) or len(value) > _DAYS_DIGITS_MAX:
        raise errors.MalformedXML
    return value


def word(*allowed: str) -> Leaf:
    """One of these."""

    def read(value: str) -> str:
        if value.strip() not in allowed:
            raise errors.MalformedXML
        return value.strip()

    return read


def read(body: bytes, root: str, shape: Shape) -> str:
    """The content of a document that has the shape, as XML to be kept and shown. Raises `MalformedXML`."""
    return content(parse(body, root), shape)


def content(node: Node, shape: Shape) -> str:
    """The same of a node."""
    known = {name[:-1] for name in shape}
    if any(child.name not in known for child in node.children):
        raise errors.MalformedXML
    return "".join(_elements(node.all(name[:-1]), name, inner) for name, inner in shape.items())


def _elements(found: list[Node], name: str, inner: Shape | Leaf) -> str:
    low, high = _COUNTS[name[-1]]
    if not low <= len(found) <= high:
        raise errors.MalformedXML
    return "".join(f"<{name[:-1]}>{_inside(node, inner)}</{name[:-1]}>" for node in found)


def _inside(node: Node, inner: Shape | Leaf) -> str:
    if not callable(inner):
        return content(node, inner)
    if node.children:
        raise errors.MalformedXML
    return escape(inner(node.text))


# ------------------------------------------------------------------------------------------------------ the shapes of S3

ACCELERATE: Shape = {"Status!": word("Enabled", "Suspended")}
REQUEST_PAYMENT: Shape = {"Payer!": word("BucketOwner", "Requester")}

_TAG: Shape = {"Key!": some_text, "Value!": text}
_AND: Shape = {"Prefix?": text, "Tag*": _TAG}
_FILTER: Shape = {"Prefix?": text, "Tag?": _TAG, "And?": _AND}

ANALYTICS: Shape = {"Id!": some_text, "Filter?": _FILTER, "StorageClassAnalysis!": {}}
"""Without DataExport: that promises reports."""

INTELLIGENT_TIERING: Shape = {
    "Id!": some_text,
    "Filter?": _FILTER,
    "Status!": word("Enabled", "Disabled"),
    "Tiering+": {"Days!": number, "AccessTier!": word("ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS")},
}
METRICS: Shape = {"Id!": some_text, "Filter?": _FILTER}
"""Without AccessPointArn: there are no access points."""

"""The body of PutBucketLifecycleConfiguration, and the headers that speak of lifecycle.

Source: Amazon S3 API Reference, "LifecycleRule"; Amazon S3 User Guide, "Lifecycle configuration elements"; messages of errors
as AWS sends them. What AWS's schema does not know is `MalformedXML`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from zakrom import errors
from zakrom.model.lifecycle import ALL_128K, DAY_MS, MINIMUMS, WARMTH, Lifecycle, Move, Rule, Scope
from zakrom.wire import dates, xml
from zakrom.wire.xml import Node, escape

RULES_MAX = 1000  # S3: "a lifecycle configuration can have up to 1,000 rules"
ID_CHARACTERS_MAX = 255  # S3: LifecycleRule, "ID"
NEWER_MAX = 100  # S3: "you can retain up to 100 noncurrent versions"
IA_DAYS_MIN = 30
"""S3: objects stay so long in STANDARD before they move to an infrequent-access class."""

MINIMUM = "x-amz-transition-default-minimum-object-size"

_TARGETS = frozenset(WARMTH[1:])
_INFREQUENT = frozenset({"STANDARD_IA", "ONEZONE_IA"})
_PREDICATES = ("Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan")
_ACTIONS = ("Expiration", "Transition", "NoncurrentVersionExpiration", "NoncurrentVersionTransition",
            "AbortIncompleteMultipartUpload")  # fmt: skip
_REPEATED = frozenset({"Transition", "NoncurrentVersionTransition"})
_ALLOWED = frozenset({"ID", "Status", "Prefix", "Filter", *_ACTIONS})


def parse(body: bytes, minimum: str | None, new_id: Callable[[], str]) -> Lifecycle:
    """A LifecycleConfiguration body; ``minimum``: the header `MINIMUM`; ``new_id`` names a rule that has no id.

    Raises `MalformedXML`, `InvalidArgument`, `InvalidRequest`.
    """
    root = xml.parse(body, "LifecycleConfiguration")
    if not 0 < len(root.children) <= RULES_MAX or any(node.name != "Rule" for node in root.children):
        raise errors.MalformedXML
    if minimum is not None and minimum not in MINIMUMS:
        raise errors.InvalidRequest(f"Invalid TransitionDefaultMinimumObjectSize found: {minimum}")
    for node in root.children:
        _name(node, new_id)
    rules = tuple(_rule(node) for node in root.children)
    if len({rule.id for rule in rules}) < len(rules):
        raise errors.InvalidArgument("Rule ID must be unique. Found same ID for more than one rule")
    if len({node.child("Filter") is None for node in root.children}) > 1:
        raise errors.InvalidRequest("Filter element can only be used in Lifecycle V2.")
    return Lifecycle(rules, minimum or ALL_128K, "".join(map(_shown, root.children)))


def expiration_header(at_ms: int, rule: str) -> str:
    """The value of ``x-amz-expiration``."""
    return f'expiry-date="{dates.http_date(at_ms)}", rule-id="{quote(rule, safe="")}"'


def _name(node: Node, new_id: Callable[[], str]) -> None:
    """Gives a rule without an id one, in its document too."""
    named = node.child("ID")
    if named is None:
        named = Node("ID", {})
        node.children.insert(0, named)
    if not named.text.strip():
        named.text = new_id()


def _shown(node: Node) -> str:
    """The node again, without the spaces between elements, and with the names of the schema only."""
    content = "".join(map(_shown, node.children)) if node.children else escape(node.text)
    return f"<{node.name}>{content}</{node.name}>"


def _rule(node: Node) -> Rule:
    single = [child for child in node.children if child.name not in _REPEATED]
    names = {child.name for child in node.children}
    if len({child.name for child in single}) < len(single) or not names <= _ALLOWED:
        raise errors.MalformedXML
    id, status = node.text_of("ID") or "", node.text_of("Status")
    if status not in ("Enabled", "Disabled") or ("Prefix" in names) == ("Filter" in names):
        raise errors.MalformedXML
    if len(id) > ID_CHARACTERS_MAX:
        raise errors.InvalidArgument(
            f"ID length should not exceed allowed limit of {ID_CHARACTERS_MAX}", argument_name="ID", argument_value=id
        )
    if not names.intersection(_ACTIONS):
        raise errors.InvalidRequest("At least one action needs to be specified in a rule")
    rule = Rule(id, status == "Enabled", _scope(node), **_actions(node))
    _check(rule)
    return rule


def _actions(node: Node) -> dict[str, Any]:
    """The fields of a `Rule` that say what is done."""
    found: dict[str, Any] = {
        "moves": tuple(_move(one) for one in node.all("Transition")),
        "noncurrent_moves": tuple(_noncurrent_move(one) for one in node.all("NoncurrentVersionTransition")),
    }
    if expiration := node.child("Expiration"):
        found |= _expiration(expiration)
    if noncurrent := node.child("NoncurrentVersionExpiration"):
        what = "NoncurrentVersionExpiration action"
        found["noncurrent_days"], found["noncurrent_newer"] = _noncurrent(noncurrent.fields(*_NONCURRENT), what, 1)
    if aborting := node.child("AbortIncompleteMultipartUpload"):
        field = aborting.fields("DaysAfterInitiation").get("DaysAfterInitiation")
        found["abort_days"] = _days(field, "AbortIncompleteMultipartUpload action", 1)
    return found


# ----------------------------------------------------------------------------------------------------------------- filters


def _scope(node: Node) -> Scope:
    """Of both forms: a prefix by itself, and a Filter with one predicate, or with several in an And."""
    if (prefix := node.child("Prefix")) is not None:
        return Scope(prefix.text.encode())
    filter = node.child("Filter")
    assert filter is not None
    if not filter.children:
        return Scope()
    if len(filter.children) > 1:
        raise errors.MalformedXML
    only = filter.children[0]
    if only.name != "And":
        return _predicates(filter)
    if not only.children:
        raise errors.MalformedXML
    return _predicates(only)


def _predicates(node: Node) -> Scope:
    others = Node(node.name, {})
    others.children = [child for child in node.children if child.name != "Tag"]
    found = others.fields(*_PREDICATES)
    pairs = [tag.fields("Key", "Value") for tag in node.all("Tag")]
    if any(len(pair) != 2 for pair in pairs):
        raise errors.MalformedXML
    tags = tuple((pair["Key"].text, pair["Value"].text) for pair in pairs)
    if len({key for key, _ in tags}) < len(tags):
        raise errors.InvalidRequest("Duplicate Tag Keys are not allowed.")
    larger, smaller = (found[name].integer() if name in found else None for name in _PREDICATES[1:])
    if min(larger or 0, smaller or 0) < 0:
        raise errors.InvalidRequest("Object size in a filter must not be negative.")
    if larger is not None and smaller is not None and smaller <= larger:
        raise errors.InvalidRequest("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.")
    return Scope(found["Prefix"].text.encode() if "Prefix" in found else b"", tags, larger, smaller)


# ----------------------------------------------------------------------------------------------------------------- actions

_NONCURRENT = ("NoncurrentDays", "NewerNoncurrentVersions")


def _expiration(node: Node) -> dict[str, Any]:
    found = node.fields("Days", "Date", "ExpiredObjectDeleteMarker")
    if len(found) != 1:
        raise errors.MalformedXML
    ((name, value),) = found.items()
    if name == "Days":
        return {"expire_days": _days(value, "Expiration action", 1)}
    if name == "Date":
        return {"expire_date_ms": _date(value)}
    if value.text not in ("true", "false"):
        raise errors.MalformedXML
    return {"expire_markers": value.text == "true"}


def _move(node: Node) -> Move:
    found = node.fields("Days", "Date", "StorageClass")
    if len(found) != 2:
        raise errors.MalformedXML
    target = _target(found.get("StorageClass"))
    if "Date" in found:
        return Move(target, date_ms=_date(found["Date"]))
    return Move(target, _days(found.get("Days"), "Transition action", 0, target))


def _noncurrent_move(node: Node) -> Move:
    found = node.fields(*_NONCURRENT, "StorageClass")
    target = _target(found.pop("StorageClass", None))
    days, newer = _noncurrent(found, "NoncurrentVersionTransition action", 0, target)
    return Move(target, days, newer=newer)


def _noncurrent(found: dict[str, Node], what: str, least: int, target: str = "") -> tuple[int, int]:
    days = _days(found.get("NoncurrentDays"), what, least, target)
    if "NewerNoncurrentVersions" not in found:
        return days, 0
    newer = found["NewerNoncurrentVersions"].integer()
    if not 1 <= newer <= NEWER_MAX:
        raise errors.InvalidArgument(
            f"'NewerNoncurrentVersions' for {what} must be an integer between 1 and {NEWER_MAX}",
            argument_name="NewerNoncurrentVersions",
            argument_value=newer,
        )
    return days, newer


def _target(node: Node | None) -> str:
    if node is None or node.text not in _TARGETS:
        raise errors.MalformedXML
    return node.text


def _days(node: Node | None, what: str, least: int, target: str = "") -> int:
    """A number of days, of which ``what`` needs ``least``."""
    if node is None:
        raise errors.MalformedXML
    days = node.integer()
    if days < least:
        message = (
            f"'{node.name}' for {what} must be a positive integer" if least else f"'{node.name}' in {what} must be nonnegative"
        )
    elif target in _INFREQUENT and days < IA_DAYS_MIN:
        message = f"'{node.name}' in {what} must be greater than or equal to {IA_DAYS_MIN} for storageClass '{target}'"
    elif days > DAYS_MAX:
        message = f"'{node.name}' for {what} must be at most {DAYS_MAX}"
    else:
        return days
    raise errors.InvalidArgument(message, argument_name=node.name, argument_value=days)


DAYS_MAX = 2**31 - 1  # the schema's integer


def _date(node: Node) -> int:
    at_ms = dates.parse_moment(node.text)
    if at_ms is None:
        raise errors.MalformedXML
    if at_ms % DAY_MS:
        raise errors.InvalidArgument("'Date' must be at midnight GMT", argument_name="Date", argument_value=node.text)
    return at_ms


# ------------------------------------------------------------------------------------------------------- what must fit together


def _check(rule: Rule) -> None:
    """Raises `InvalidRequest` or `InvalidArgument` for actions that contradict the filter or each other."""
    scope = rule.scope
    if rule.abort_days is not None and scope.tags:
        raise errors.InvalidRequest("AbortIncompleteMultipartUpload cannot be specified with Tags.")
    if rule.abort_days is not None and (scope.larger is not None or scope.smaller is not None):
        raise errors.InvalidRequest("AbortIncompleteMultipartUpload cannot be specified with Object Size.")
    if rule.expire_markers and scope.tags:
        raise errors.InvalidRequest("ExpiredObjectDeleteMarker cannot be specified with Tags.")
    by_days = {move.days is not None for move in rule.moves}
    if rule.expire_days is not None or rule.expire_date_ms is not None:
        by_days.add(rule.expire_days is not None)
    if len(by_days) > 1:
        raise errors.InvalidRequest(
            f"Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for {_described(rule)}"
        )
    _check_order("Days", rule.moves, rule.expire_days, rule)
    _check_order("NoncurrentDays", rule.noncurrent_moves, rule.noncurrent_days, rule)


def _check_order(name: str, moves: tuple[Move, ...], end_days: int | None, rule: Rule) -> None:
    """Each class once, colder ones later, and the end after all of them."""
    kind = "" if name == "Days" else "NoncurrentVersion"
    ordered = sorted(moves, key=lambda move: WARMTH.index(move.storage_class))
    for warm, cold in pairwise(ordered):
        if warm.storage_class == cold.storage_class:
            raise errors.InvalidRequest(
                f"'StorageClass' must be different for '{kind}Transition' actions in same 'Rule' with {_described(rule)}"
            )
        if (cold.days or 0, cold.date_ms or 0) <= (warm.days or 0, warm.date_ms or 0):
            raise errors.InvalidArgument(
                f"'{name}' in the '{kind}Transition' action for StorageClass '{cold.storage_class}' for {_described(rule)} "
                f"must be greater than for StorageClass '{warm.storage_class}'"
            )
    latest = max((move.days or 0 for move in moves), default=0)
    if moves and end_days is not None and end_days <= latest:
        raise errors.InvalidArgument(
            f"'{name}' in the {kind}Expiration action for {_described(rule)} must be greater than '{name}' in the "
            f"{kind}Transition action"
        )


def _described(rule: Rule) -> str:
    return f"filter '(prefix={rule.scope.prefix.decode()})'"

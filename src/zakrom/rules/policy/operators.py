"""The condition operators of policies, as a table: how a value of the policy is read, and compared with one of a request.

Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Conditions with multiple context keys or values".
"""

from __future__ import annotations

import binascii
import ipaddress
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

from zakrom.rules.policy.patterns import ArnPattern, Lookup, Pattern

NUMBER_CHARACTERS_MAX = 64
"""A number longer than this is none: no count or size of S3 comes near, and parsing stays cheap."""


class _Network(NamedTuple):
    """A network: the bits that count of its address, and how many follow them."""

    version: int
    bits: int
    shift: int


class Operator(NamedTuple):
    """``read``: a value of the policy, prepared once (raises `ValueError`), given whether variables count.

    ``match``: whether a prepared value and a value of the request belong together. ``negated``: the opposite is asked.
    """

    read: Callable[[str, bool], Any]
    match: Callable[[Any, str, Lookup], bool]
    negated: bool = False


# ----------------------------------------------------------------------------------------------------------------- reading


def _text(value: str, variables: bool) -> Pattern:
    return Pattern(value, variables=variables, wildcards=False)


def _folded(value: str, variables: bool) -> Pattern:
    return Pattern(value.lower(), variables=variables, wildcards=False)


def _glob(value: str, variables: bool) -> Pattern:
    return Pattern(value, variables=variables)


def _arn(value: str, variables: bool) -> ArnPattern:
    return ArnPattern(value, variables=variables)


def _number(value: str) -> Decimal:
    if len(value) > NUMBER_CHARACTERS_MAX:
        raise ValueError(value)
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(value) from None
    if not number.is_finite():
        raise ValueError(value)
    return number


def _moment(value: str) -> Decimal:
    """Seconds since 1970, of an ISO 8601 date or of such a number."""
    try:
        return _number(value)
    except ValueError:
        moment = datetime.fromisoformat(value)
        return Decimal(str((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))


def _truth(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise ValueError(value)
    return value.lower() == "true"


def _bytes(value: str) -> bytes:
    try:
        return b64decode(value, validate=True)
    except binascii.Error:
        raise ValueError(value) from None


def _network(value: str) -> _Network:
    network = ipaddress.ip_network(value, strict=False)
    shift = network.max_prefixlen - network.prefixlen
    return _Network(network.version, int(network.network_address) >> shift, shift)


def _plain(read: Callable[[str], Any]) -> Callable[[str, bool], Any]:
    """A reader of values in which variables never count."""
    return lambda value, _variables: read(value)


@lru_cache(1024)  # clients that come again
def _address(value: str) -> tuple[int, int]:
    """Version and number; an IPv4 address in IPv6's clothes is what it is, and what is no address has version 0."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return 0, 0
    plain = getattr(address, "ipv4_mapped", None) or address
    return plain.version, int(plain)


# --------------------------------------------------------------------------------------------------------------- comparing


def _matches(pattern: Pattern | ArnPattern, value: str, lookup: Lookup) -> bool:
    return pattern.matches(value, lookup)


def _matches_folded(pattern: Pattern, value: str, lookup: Lookup) -> bool:
    def folded(key: str) -> tuple[str, ...] | None:
        values = lookup(key)
        return values and tuple(one.lower() for one in values)

    return pattern.matches(value.lower(), folded)


def _compared(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Callable[[Any, str, Lookup], bool]:
    """A comparison of values that must be read first; what cannot be read matches nothing."""

    def match(wanted: Any, value: str, _lookup: Lookup) -> bool:  # noqa: ANN401 - what `read` gives
        try:
            return compare(read(value), wanted)
        except ValueError:
            return False

    return match


_ORDERS: dict[str, tuple[Callable[[Any, Any], bool], bool]] = {
    "Equals": (lambda given, wanted: given == wanted, False),
    "NotEquals": (lambda given, wanted: given == wanted, True),
    "LessThan": (lambda given, wanted: given < wanted, False),
    "LessThanEquals": (lambda given, wanted: given <= wanted, False),
    "GreaterThan": (lambda given, wanted: given > wanted, False),
    "GreaterThanEquals": (lambda given, wanted: given >= wanted, False),
}

_is = _ORDERS["Equals"][0]


def _within(wanted: _Network, value: str, _lookup: Lookup) -> bool:
    version, number = _address(value)
    return version == wanted.version and number >> wanted.shift == wanted.bits


OPERATORS: dict[str, Operator] = {
    "StringEquals": Operator(_text, _matches),
    "StringNotEquals": Operator(_text, _matches, negated=True),
    "StringEqualsIgnoreCase": Operator(_folded, _matches_folded),
    "StringNotEqualsIgnoreCase": Operator(_folded, _matches_folded, negated=True),
    "StringLike": Operator(_glob, _matches),
    "StringNotLike": Operator(_glob, _matches, negated=True),
    **{
        f"Numeric{name}": Operator(_plain(_number), _compared(_number, order), negated)
        for name, (order, negated) in _ORDERS.items()
    },
    **{
        f"Date{name}": Operator(_plain(_moment), _compared(_moment, order), negated)
        for name, (order, negated) in _ORDERS.items()
    },
    "Bool": Operator(_plain(_truth), _compared(_truth, _is)),
    "BinaryEquals": Operator(_plain(_bytes), _compared(_bytes, _is)),
    "IpAddress": Operator(_plain(_network), _within),
    "NotIpAddress": Operator(_plain(_network), _within, negated=True),
    "ArnEquals": Operator(_arn, _matches),
    "ArnLike": Operator(_arn, _matches),
    "ArnNotEquals": Operator(_arn, _matches, negated=True),
    "ArnNotLike": Operator(_arn, _matches, negated=True),
}
"""By name. ``Null`` asks for no value and is `Clause`'s own affair."""

NULL = "Null"
IF_EXISTS = "IfExists"
ANY_VALUE, ALL_VALUES = "ForAnyValue", "ForAllValues"


class Clause:
    """One line of a Condition: an operator, a key, and the values of which one must fit.

    Raises `KeyError` for an operator that there is none of, `ValueError` for values that it cannot read.
    """

    __slots__ = ("_if_exists", "_match", "_negated", "_null", "_quantifier", "_wanted", "key", "operator", "values")

    def __init__(self, operator: str, key: str, values: tuple[str, ...], *, variables: bool) -> None:
        self.operator, self.key, self.values = operator, key.lower(), values
        quantifier, colon, rest = operator.rpartition(":")
        name = rest.removesuffix(IF_EXISTS)
        self._quantifier, self._if_exists = quantifier, rest != name
        if colon and quantifier not in {ANY_VALUE, ALL_VALUES}:
            raise KeyError(operator)
        self._null = operator == NULL
        if self._null:
            self._wanted: tuple[Any, ...] = tuple(_truth(value) for value in values)
            return
        found = OPERATORS[name]
        self._match, self._negated = found.match, found.negated
        self._wanted = tuple(found.read(value, variables) for value in values)

    @property
    def restricts(self) -> bool:
        """Whether it holds only where the key is there and fits one of the values."""
        return not self._null and not self._negated and not self._if_exists and self._quantifier != ALL_VALUES

    def holds(self, lookup: Lookup) -> bool:
        """Whether the request fits."""
        given = lookup(self.key)
        if self._null:
            return (not given) in self._wanted
        if not given:
            return self._if_exists or self._quantifier == ALL_VALUES or (self._negated and not self._quantifier)
        if len(given) == 1:
            value = given[0]
            for wanted in self._wanted:
                if self._match(wanted, value, lookup):
                    return not self._negated
            return self._negated
        every = self._quantifier == ALL_VALUES or (self._negated and not self._quantifier)
        for value in given:
            if self._fits(value, lookup) is not every:
                return not every
        return every

    def _fits(self, value: str, lookup: Lookup) -> bool:
        for wanted in self._wanted:
            if self._match(wanted, value, lookup):
                return not self._negated
        return self._negated

"""Condition operators."""

from __future__ import annotations

import pytest

from zakrom.rules.policy.operators import OPERATORS, Clause

KEY = "aws:key"


def holds(operator: str, wanted: str | tuple[str, ...], given: str | tuple[str, ...] | None) -> bool:
    """Whether a condition about one key holds."""
    values = (wanted,) if isinstance(wanted, str) else wanted
    sent = (given,) if isinstance(given, str) else given
    return Clause(operator, KEY, values, variables=True).holds(lambda key: sent if key == KEY else None)


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "a*", "ab", False),  # no wildcards here
        ("StringEquals", ("a", "b"), "b", True),
        ("StringNotEquals", ("a", "b"), "b", False),  # none of them
        ("StringNotEquals", ("a", "b"), "c", True),
        ("StringEqualsIgnoreCase", "aBc", "AbC", True),
        ("StringNotEqualsIgnoreCase", "aBc", "AbC", False),
        ("StringLike", "a/*", "a/b/c", True),
        ("StringLike", "a?", "abc", False),
        ("StringNotLike", "a/*", "b/c", True),
        ("NumericEquals", "10", "10.0", True),
        ("NumericEquals", "ten", "10", ValueError),
        ("NumericEquals", "NaN", "10", ValueError),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericLessThanEquals", "10", "ten", False),
        ("NumericGreaterThan", "10", "1" * 65, False),  # no number is that long
        ("NumericNotEquals", "10", "11", True),
        ("NumericLessThan", "0.5", "0.25", True),
        ("NumericGreaterThanEquals", "10", "9", False),
        ("DateGreaterThan", "2020-01-01T00:00:00Z", "2020-01-01T00:00:01Z", True),
        ("DateLessThan", "2020-01-01", "2019-12-31T23:59:59+00:00", True),
        ("DateEquals", "1577836800", "2020-01-01T00:00:00Z", True),  # seconds since 1970 are a date
        ("DateEquals", "2020-01-01T01:00:00+01:00", "2020-01-01T00:00:00Z", True),
        ("DateEquals", "soon", "2020-01-01T00:00:00Z", ValueError),
        ("Bool", "true", "TRUE", True),
        ("Bool", "false", "true", False),
        ("Bool", "maybe", "true", ValueError),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ6", False),
        ("BinaryEquals", "!", "QmluYXJ6", ValueError),
        ("IpAddress", "203.0.113.0/24", "203.0.113.255", True),
        ("IpAddress", "203.0.113.0/24", "203.0.114.0", False),
        ("IpAddress", "203.0.113.7", "203.0.113.7", True),
        ("IpAddress", "203.0.113.0/24", "::ffff:203.0.113.9", True),  # IPv4 over a socket of IPv6
        ("IpAddress", "2001:DB8:1234:5678::/64", "2001:db8:1234:5678::1", True),
        ("IpAddress", "2001:db8::/32", "203.0.113.7", False),
        ("IpAddress", "::/0", "203.0.113.7", False),
        ("IpAddress", "0.0.0.0/0", "nonsense", False),
        ("IpAddress", "nonsense", "203.0.113.7", ValueError),
        ("NotIpAddress", "203.0.113.0/24", "203.0.114.0", True),
        ("ArnLike", "arn:aws:iam::*:user/*", "arn:aws:iam::1:user/a/b", True),
        ("ArnEquals", "arn:aws:iam::*:user/*", "arn:aws:iam::1:user/a/b", True),  # AWS: the two are alike
        ("ArnNotLike", "arn:aws:iam::1:user/*", "arn:aws:iam::2:user/a", True),
        ("ArnNotEquals", "arn:aws:iam::1:user/a", "arn:aws:iam::1:user/a", False),
    ],
)
def test_operators(operator: str, wanted: str | tuple[str, ...], given: str, expected: bool | type[Exception]) -> None:
    """Each compares as the user guide says; values of a policy that it cannot read are refused."""
    if isinstance(expected, type):
        with pytest.raises(expected):
            holds(operator, wanted, given)
    else:
        assert holds(operator, wanted, given) is expected


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_key_that_is_absent(operator: str) -> None:
    """Equals does not hold, not-equals does; IfExists always; ForAllValues too, ForAnyValue never."""
    value = {"Numeric": "1", "Date": "1", "Bool": "true", "Binary": "QQ=="}.get(operator.removeprefix("Not")[:4], "")
    readable = next(v for v in (value, "1", "true", "QQ==", "10.0.0.0/8") if _reads(operator, v))

    assert holds(operator, readable, None) is ("Not" in operator)
    assert holds(f"{operator}IfExists", readable, None)
    assert holds(f"ForAllValues:{operator}", readable, None)
    assert holds(f"ForAllValues:{operator}", readable, ())
    assert not holds(f"ForAnyValue:{operator}", readable, None)
    assert holds(f"ForAnyValue:{operator}IfExists", readable, None)


def _reads(operator: str, value: str) -> bool:
    try:
        holds(operator, value, None)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "expected"),
    [
        ("ForAnyValue:StringEquals", ("a", "b"), ("b", "c"), True),
        ("ForAnyValue:StringEquals", ("a", "b"), ("c", "d"), False),
        ("ForAllValues:StringEquals", ("a", "b"), ("a", "b"), True),
        ("ForAllValues:StringEquals", ("a", "b"), ("a", "c"), False),
        ("ForAllValues:StringNotEquals", ("a", "b"), ("c", "d"), True),
        ("ForAllValues:StringNotEquals", ("a", "b"), ("a", "d"), False),
        ("ForAnyValue:StringNotEquals", ("a", "b"), ("a", "d"), True),
        ("ForAnyValue:StringNotEquals", ("a", "b"), ("a", "b"), False),
        ("ForAllValues:StringLike", "team-*", ("team-a", "team-b"), True),
        ("StringNotEquals", "a", ("a", "b"), False),
    ],
)
def test_sets_of_values(operator: str, wanted: str | tuple[str, ...], given: tuple[str, ...], expected: bool) -> None:
    """Every value of the request, or one of them, must fit."""
    assert holds(operator, wanted, given) is expected


@pytest.mark.parametrize(("wanted", "given", "expected"), [("true", None, True), ("true", "x", False), ("false", "x", True)])
def test_null(wanted: str, given: str | None, expected: bool) -> None:
    """True: the key is absent; false: it is there."""
    assert holds("Null", wanted, given) is expected


@pytest.mark.parametrize("name", ["", "stringequals", "StringEqual", "NullIfExists", "ForSome:StringEquals", "IfExists"])
def test_operators_that_there_are_none_of(name: str) -> None:
    """Names are exact."""
    with pytest.raises(KeyError):
        Clause(name, KEY, ("a",), variables=True)


def test_variables_ignore_case_with_the_text() -> None:
    """Both sides are folded."""
    test = Clause("StringEqualsIgnoreCase", KEY, ("Home-${aws:UserName}",), variables=True)

    assert test.holds({KEY: ("hOME-aDA",), "aws:username": ("Ada",)}.get)

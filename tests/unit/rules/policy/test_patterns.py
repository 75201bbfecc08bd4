"""Patterns of policies: wildcards, variables, and what neither may do."""

from __future__ import annotations

import fnmatch
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakrom.rules.policy.patterns import ArnPattern, Pattern


def nothing(_key: str) -> None:
    """A request without any key."""


def keys(**given_keys: str) -> dict[str, tuple[str, ...]]:
    """Keys of a request: ``aws__username`` is ``aws:username``."""
    return {name.replace("__", ":"): (value,) for name, value in given_keys.items()}


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/a/b/c", True),  # a star crosses slashes
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b", False),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::bb/x", False),
        ("arn:aws:s3:::b*", "arn:aws:s3:::b/x", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("a?c", "a\nc", True),
        ("a.c", "abc", False),
        ("*.jpg", "x.jpg.exe", False),
        ("*a*b*", "xxaxxbxx", True),
        ("*a*b*", "xxbxxaxx", False),
        ("", "", True),
        ("*", "", True),
        ("Key", "key", False),
    ],
)
def test_wildcards(pattern: str, subject: str, expected: bool) -> None:
    """A star is any text, a question mark one character, all else itself."""
    assert Pattern(pattern).matches(subject, nothing) is expected


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=10))
def test_wildcards_are_those_of_a_shell(pattern: str, subject: str) -> None:
    """As fnmatch has them, which has no brackets here."""
    assert Pattern(pattern).matches(subject, nothing) == (fnmatch.fnmatchcase(subject, pattern))


def test_a_wicked_pattern_takes_no_time() -> None:
    """Twenty stars against a key of 1,024 characters: no way back is ever taken."""
    pattern = Pattern("*a" * 20 + "b", variables=False)
    began = time.perf_counter()

    assert not pattern.matches("a" * 1024, nothing)
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("home/${aws:username}/*", "home/ada/x", True),
        ("home/${AWS:UserName}/*", "home/ada/x", True),  # names of keys have no case
        ("home/${aws:username}/*", "home/bob/x", False),
        ("home/${aws:nothing}/*", "home//x", False),
        ("home/${aws:nothing, 'guest'}/*", "home/guest/x", True),
        ("home/${aws:username, 'guest'}/*", "home/guest/x", False),
        ("${*}${?}${$}", "*?$", True),
        ("${*}", "x", False),
    ],
)
def test_variables(pattern: str, subject: str, expected: bool) -> None:
    """They stand for the request's values, with defaults; three of them for the characters that are special."""
    assert Pattern(pattern).matches(subject, keys(aws__username="ada").get) is expected


@pytest.mark.parametrize("name", ["*", "a*", "?", "${aws:userid}", "../*", "ada/*"])
def test_a_variable_is_never_a_pattern(name: str) -> None:
    """Who may choose a name or a prefix does not choose a wildcard by it."""
    pattern = Pattern("home/${aws:username}/x")

    assert not pattern.matches("home/bob/x", keys(aws__username=name, aws__userid="bob").get)
    assert pattern.matches(f"home/{name}/x", keys(aws__username=name).get)


def test_a_variable_of_several_values_stands_for_nothing() -> None:
    """Which of them would it be?"""
    assert not Pattern("${aws:TagKeys}").matches("a", {"aws:tagkeys": ("a", "b")}.get)


def test_variables_are_plain_text_in_the_older_version() -> None:
    """2008-10-17 has none."""
    assert Pattern("${aws:username}", variables=False).matches("${aws:username}", nothing)


@pytest.mark.parametrize("text", ["${", "a${b", "${}", "${a, b}", "${a,'b}"])
def test_what_is_no_variable(text: str) -> None:
    """It is refused, not guessed at."""
    with pytest.raises(ValueError, match=re.escape("$")):
        Pattern(text)


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("arn:aws:iam::123456789012:user/*", "arn:aws:iam::123456789012:user/div/ada", True),
        ("arn:aws:iam::*:role/x", "arn:aws:iam::1:role/x", True),
        ("arn:aws:iam::*:role/x", "arn:aws:iam::1:user/evil:role/x", False),  # a star ends at a colon
        ("arn:aws:iam::*", "arn:aws:iam::1:role/x", False),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/a:b", True),  # but not in the last segment
        ("*", "arn:aws:s3:::b", True),
        ("*", "no arn", True),
        ("arn:*:*:*:*:*", "no arn", False),
        ("arn:aws:iam::${aws:PrincipalAccount}:root", "arn:aws:iam::12:root", True),
    ],
)
def test_arns_are_compared_by_segments(pattern: str, subject: str, expected: bool) -> None:
    """Wildcards of ARN operators do not reach from one segment into another."""
    assert ArnPattern(pattern).matches(subject, {"aws:principalaccount": ("12",)}.get) is expected

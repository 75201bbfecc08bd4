"""Which rule allows a request from another origin."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from zakrom.model.cors import Allowed, CorsRule
from zakrom.rules.cors import is_like, match

LETTERS = st.text("ab*", max_size=6)


@given(st.text("ab", max_size=6), LETTERS.filter(lambda text: text.count("*") < 2))
def test_a_wildcard_means_what_a_regular_expression_would(text: str, pattern: str) -> None:
    """One ``*``, anything."""
    assert is_like(text, pattern) == bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text))


def test_the_first_rule_that_matches_wins() -> None:
    """In the order of the document; a rule must hold in all three."""
    narrow = CorsRule(("https://a",), ("PUT",), ("x-*",))
    wide = CorsRule(("https://b", "*"), ("PUT", "GET"))

    assert match([narrow, wide], "https://a", "PUT", ["x-a"]) == Allowed(narrow, any_origin=False)
    assert match([narrow, wide], "https://a", "PUT", []) == Allowed(narrow, any_origin=False)
    assert match([narrow, wide], "https://a", "GET", []) == Allowed(wide, any_origin=True)
    assert match([narrow, wide], "https://b", "GET", []) == Allowed(wide, any_origin=False)
    assert match([narrow, wide], "https://a", "PUT", ["y"]) is None
    assert match([narrow, wide], "https://a", "DELETE", []) is None

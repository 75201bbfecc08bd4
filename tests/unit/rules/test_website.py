"""Redirects of websites."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from zakrom.model.website import Redirect, RoutingRule
from zakrom.rules import website

IN_A_HEADER = re.compile(r"[!-~]*")
TEXTS = st.none() | st.text(max_size=12)


@given(st.text(max_size=20), TEXTS, TEXTS, st.booleans())
def test_no_redirect_breaks_a_header(key: str, prefix: str | None, replacement: str | None, whole: bool) -> None:
    """Whatever a key and a rule hold, a URL holds printable ASCII only."""
    redirect = Redirect(key=replacement) if whole else Redirect(key_prefix=replacement)
    path = website.path_of(RoutingRule(redirect, prefix), key.encode("utf-8", "replace"))

    assert IN_A_HEADER.fullmatch(path)
    assert IN_A_HEADER.fullmatch(website.path(key.encode("utf-8", "replace")))


@given(st.binary(max_size=12))
def test_a_path_never_names_a_host(key: bytes) -> None:
    """``//host`` would."""
    assert not f"/{website.path_from_root(key)}".startswith("//")

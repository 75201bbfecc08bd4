"""What operators may choose."""

from __future__ import annotations

import os
import re

import pytest

from zakrom import errors
from zakrom.admin import names


@pytest.mark.parametrize("name", ["a", "ada", "Ada.Lovelace@example.org", "x" * 64, "a+b=c,d_e-f"])
def test_names_that_iam_allows_are_allowed(name: str) -> None:
    """Letters, digits and +=,.@_- up to 64."""
    assert name == names.check_user_name(name)


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a/b", "ä", "a\n", "..", ".", "a:b"])
def test_other_names_are_refused(name: str) -> None:
    """What would not stand in a path, a log line or a policy."""
    with pytest.raises(errors.InvalidArgument):
        names.check_user_name(name)


@pytest.mark.parametrize("text", ["", " ", "a\nb", "a\x1b[2J", "x" * 129])
def test_display_names_are_one_line(text: str) -> None:
    """They stand in listings and on terminals."""
    with pytest.raises(errors.InvalidArgument):
        names.check_display_name(text)


def test_an_address_is_optional_and_looks_like_one() -> None:
    """Empty is none; anything with one @ may be one; the length has the limit of SMTP."""
    assert names.check_email("") == ""
    assert names.check_email("ada@example.org") == "ada@example.org"
    for bad in ("ada", "a@b@c", "a b@c", "@", "a@", "a@\x00", "a@" + "b" * 300):
        with pytest.raises(errors.InvalidArgument):
            names.check_email(bad)


def test_a_pair_is_generated_when_none_is_given() -> None:
    """Of a form that no tool misreads, and never the same twice."""
    pairs = {names.key_pair(None, None, os.urandom) for _ in range(50)}

    assert len(pairs) == 50
    for access_key, secret_key in pairs:
        assert re.fullmatch(r"ZK[A-Z2-7]{18}", access_key)
        assert re.fullmatch(r"[A-Za-z0-9]{40}", secret_key)


@pytest.mark.parametrize("pair", [("K", "S"), ("a/b:c", "p w, with = everything ü"), ("x" * 128, "s" * 256)])
def test_any_shape_of_pair_may_be_given(pair: tuple[str, str]) -> None:
    """As for root: what the header of SigV4 can carry."""
    assert pair == names.key_pair(*pair, os.urandom)


@pytest.mark.parametrize(
    "pair", [("", "s"), ("k", ""), ("a b", "s"), ("a,b", "s"), ("ä", "s"), ("x" * 129, "s"), ("k", "s" * 257), ("k", "a\nb")]
)
def test_bad_pairs_are_refused_without_repeating_them(pair: tuple[str, str]) -> None:
    """The error names the field and what is allowed, never the secret."""
    with pytest.raises(errors.InvalidArgument) as caught:
        names.key_pair(*pair, os.urandom)

    assert caught.value.fields["argument_name"] in ("access_key", "secret_key")
    assert "s" * 257 not in str(caught.value)


def test_half_a_pair_is_refused() -> None:
    """A given access key with a secret that nobody chose would be a surprise."""
    for pair in (("k", None), (None, "s")):
        with pytest.raises(errors.InvalidArgument, match="both"):
            names.key_pair(*pair, os.urandom)


def test_canonical_ids_are_as_those_of_aws() -> None:
    """64 hexadecimal digits."""
    assert re.fullmatch(r"[0-9a-f]{64}", names.new_canonical_id(os.urandom))

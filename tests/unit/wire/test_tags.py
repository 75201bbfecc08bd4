"""Which tags there may be, and the header that carries them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakrom import errors
from zakrom.wire import tags

LEGAL = st.text(st.characters(categories=["L", "N", "Zs"], include_characters="_.:/=+-@"), max_size=20)


def test_tags_as_they_should_be() -> None:
    """Letters of any script, digits, spaces and some punctuation; the longest that are allowed; empty values."""
    good = (("Ключ 1", ""), ("a+b=c/d@e:f-g_h.", "x" * 256), ("k" * 128, "ю" * 256))

    assert good == tags.check_object_tags(good) == tags.check_bucket_tags(good)


@pytest.mark.parametrize(
    ("pairs", "message", "fields"),
    [
        ([("a", "1"), ("a", "2")], "Cannot provide multiple Tags with the same key", {"tag_key": "a"}),
        ([("a,b", "1")], "The TagKey you have provided is invalid", {"tag_key": "a,b"}),
        ([("", "1")], "The TagKey you have provided is invalid", {"tag_key": ""}),
        ([("k" * 129, "")], "The TagKey you have provided is invalid", {"tag_key": "k" * 129}),
        ([("a", "1,2")], "The TagValue you have provided is invalid", {"tag_key": "a", "tag_value": "1,2"}),
        ([("a", "v" * 257)], "The TagValue you have provided is invalid", {"tag_key": "a", "tag_value": "v" * 257}),
    ],
)
def test_tags_that_nobody_may_have(pairs: list[tuple[str, str]], message: str, fields: dict[str, str]) -> None:
    """InvalidTag names the key."""
    for check in (tags.check_object_tags, tags.check_bucket_tags):
        with pytest.raises(errors.InvalidTag) as caught:
            check(pairs)
        assert (message, fields) == (caught.value.message, caught.value.fields)


def test_the_prefix_of_the_system_is_reserved() -> None:
    """In two sets of words."""
    with pytest.raises(errors.InvalidTag, match="Your TagKey cannot be prefixed with aws:"):
        tags.check_object_tags([("aws:a", "1")])
    with pytest.raises(errors.InvalidTag, match="System tags cannot be added/updated by requester"):
        tags.check_bucket_tags([("aws:a", "1")])


def test_there_is_a_greatest_number_of_tags() -> None:
    """Ten for an object, fifty for a bucket."""
    many = [(str(number), "") for number in range(51)]

    assert len(tags.check_object_tags(many[:10])) == 10
    assert len(tags.check_bucket_tags(many[:50])) == 50
    with pytest.raises(errors.InvalidTag):
        tags.check_object_tags(many[:11])
    with pytest.raises(errors.InvalidTag):
        tags.check_bucket_tags(many)


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ("", ()),
        ("b=2&a=1", (("a", "1"), ("b", "2"))),
        ("a=&b", (("a", ""), ("b", ""))),
        ("a+b=c%20d%2B", (("a b", "c d+"),)),
        ("%D1%84=%D1%8E", (("ф", "ю"),)),
    ],
)
def test_the_header_is_a_query_string(value: str, pairs: tags.Tags) -> None:
    """URL-encoded UTF-8."""
    assert pairs == tags.parse_header(value)


@pytest.mark.parametrize("value", ["a=1&a=2", "a=1,b=2", "a=%", "a=%FF", "=1&=2"])
def test_a_header_that_is_none(value: str) -> None:
    """InvalidArgument with the header's name and value."""
    with pytest.raises(errors.InvalidArgument) as caught:
        tags.parse_header(value)

    assert caught.value.fields == {"argument_name": "x-amz-tagging", "argument_value": value}


def test_empty_pieces_of_a_tag_header_do_not_count() -> None:
    """As AWS (recorded)."""
    assert tags.parse_header("key1&&&key2") == (("key1", ""), ("key2", ""))


@pytest.mark.parametrize("value", ["=1", "aws:x=1", "a=%2C"])
def test_tags_in_a_header_obey_the_same_rules(value: str) -> None:
    """InvalidTag, as in a body."""
    with pytest.raises(errors.InvalidTag):
        tags.parse_header(value)


@given(st.dictionaries(LEGAL.filter(lambda key: key and not key.startswith("aws:")), LEGAL, max_size=10))
def test_what_is_written_is_read_back(pairs: dict[str, str]) -> None:
    """Any legal tags survive the header; they come out in the order of their keys."""
    assert tuple(sorted(pairs.items())) == tags.parse_header(tags.format_header(tuple(pairs.items())))

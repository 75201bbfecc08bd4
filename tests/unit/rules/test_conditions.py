"""Which conditional requests may go on."""

from __future__ import annotations

import pytest

from zakrom import errors
from zakrom.model.facts import Details, Version
from zakrom.rules import conditions

NOW_MS = 2_000_000_000_000
VERSION = Version(1, b"k", 7, 0, False, 1, 1_000_000_000_500, "e", "STANDARD", "o", None, None, Details())


def write(
    if_match: str | None = None,
    if_none_match: str | None = None,
    *,
    since: int | None = None,
    current: Version | None = VERSION,
    newest: int = 7,
) -> None:
    """A write, with a table's defaults."""
    conditions.check_write(if_match=if_match, if_none_match=if_none_match, since_seq=since, current=current, newest_seq=newest)


def read(
    if_match: str | None = None, if_none_match: str | None = None, since: int | None = None, unmodified: int | None = None
) -> None:
    """A read, with a table's defaults."""
    conditions.check_read(
        VERSION,
        if_match=if_match,
        if_none_match=if_none_match,
        if_modified_since_ms=since,
        if_unmodified_since_ms=unmodified,
        now_ms=NOW_MS,
    )


def test_writes_whose_condition_holds_go_on() -> None:
    """The right ETag, any object, or none where none must be."""
    write(if_match="e")
    write(if_match="*")
    write(if_none_match="*", current=None, newest=0)
    write(if_none_match="other")


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"if_match": "x"}, errors.PreconditionFailed),
        ({"if_match": "e", "current": None}, errors.NoSuchKey),
        ({"if_none_match": "*"}, errors.PreconditionFailed),
        ({"if_none_match": "e"}, errors.PreconditionFailed),
        ({"if_match": "e", "since": 5}, errors.ConditionalRequestConflict),
        ({"if_none_match": "*", "current": None, "newest": 9, "since": 5}, errors.ConditionalRequestConflict),
        ({"if_none_match": "*", "current": None, "newest": 0, "since": 5}, errors.ConditionalRequestConflict),
    ],
)
def test_writes_whose_condition_fails(given: dict[str, object], error: type[errors.Error]) -> None:
    """412, 404 for an absent key, 409 where the key changed since the upload began."""
    with pytest.raises(error):
        write(**given)  # type: ignore[arg-type]  # a table of keyword arguments


def test_an_upload_without_a_condition_never_conflicts() -> None:
    """The last to complete wins."""
    write(since=5)


def test_reads_that_go_on() -> None:
    """If-Match outweighs If-Unmodified-Since, If-None-Match outweighs If-Modified-Since; future dates are ignored."""
    read(if_match='"e"', unmodified=0)
    read(if_none_match="x", since=NOW_MS)
    read(since=NOW_MS + 1000)
    read(since=999_999_999_000)
    read(unmodified=1_000_000_000_000)
    read(if_match='"x", "e"')


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"if_match": "x"}, errors.PreconditionFailed),
        ({"unmodified": 999_999_999_000}, errors.PreconditionFailed),
        ({"if_none_match": '"e"'}, errors.NotModified),
        ({"if_none_match": "*"}, errors.NotModified),
        ({"if_none_match": "e", "since": 0}, errors.NotModified),
        ({"since": 1_000_000_000_000}, errors.NotModified),
    ],
)
def test_reads_that_do_not(given: dict[str, object], error: type[errors.Error]) -> None:
    """412 and 304 as RFC 9110 has them; within one second nothing was modified."""
    with pytest.raises(error):
        read(**given)  # type: ignore[arg-type]  # a table of keyword arguments

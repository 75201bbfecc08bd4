"""Pages of keys: against a listing that is so simple that it must be right."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from zakrom.rules.listing import Page, Seek, end_of, start


class Row(NamedTuple):
    """The least that can be listed."""

    key: bytes


class Shelf:
    """Sorted keys that can be sought in, counting what was read."""

    def __init__(self, keys: list[bytes], prefix: bytes) -> None:
        self.rows = [Row(key) for key in sorted(set(keys)) if key.startswith(prefix)]
        self.read = 0

    def look(self, seek: Seek) -> list[Row]:
        rows = [row for row in self.rows if row.key > seek.key or (seek.inclusive and row.key == seek.key)][: seek.limit]
        self.read += len(rows)
        return rows


def fill(shelf: Shelf, prefix: bytes, delimiter: bytes, marker: bytes, limit: int) -> Page[Row]:
    """A page, as the store fills it."""
    page: Page[Row] = Page(prefix, delimiter, limit)
    seek: Seek | None = start(prefix, delimiter, marker, limit) if limit else None
    while seek is not None:
        seek = page.feed(shelf.look(seek), seek.limit)
    return page


def plain(keys: list[bytes], prefix: bytes, delimiter: bytes) -> list[bytes]:
    """Keys and common prefixes in order, each prefix once."""
    found: dict[bytes, None] = {}
    for key in sorted(set(keys)):
        if key.startswith(prefix):
            head, mark, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, b"", b"")
            found[prefix + head + mark if mark else key] = None
    return list(found)


KEYS = st.lists(st.text("ab/é", min_size=1, max_size=6).map(str.encode), max_size=40)


@given(
    KEYS, st.sampled_from([b"", b"a", b"a/", b"b"]), st.sampled_from([b"", b"/", b"a", "é".encode(), b"//"]), st.integers(1, 5)
)
def test_pages_together_are_the_whole_listing(keys: list[bytes], prefix: bytes, delimiter: bytes, limit: int) -> None:
    """Page by page, each going on from the last entry of the one before, nothing is missed and nothing comes twice."""
    shelf = Shelf(keys, prefix)
    seen: list[bytes] = []
    marker = b""
    while True:
        page = fill(shelf, prefix, delimiter, marker, limit)
        names = [entry if isinstance(entry, bytes) else entry.key for entry in page.entries]
        assert len(names) <= limit
        seen += names
        if not page.truncated:
            break
        assert len(names) == limit
        marker = names[-1]

    assert plain(keys, prefix, delimiter) == seen


def test_what_a_common_prefix_hides_is_not_walked() -> None:
    """A page over three prefixes of 10,000 keys each reads a few dozen rows."""
    keys = [f"{letter}/{number:05}".encode() for letter in "abc" for number in range(10_000)]
    shelf = Shelf(keys, b"")

    page = fill(shelf, b"", b"/", b"", 10)

    assert [b"a/", b"b/", b"c/"] == page.entries
    assert shelf.read < 100


def test_an_empty_page_is_not_truncated() -> None:
    """max-keys=0 gives nothing and says that nothing follows."""
    page = fill(Shelf([b"a"], b""), b"", b"", b"", 0)

    assert ([], False) == (page.entries, page.truncated)


def test_end_of_a_prefix_is_above_all_that_begin_with_it() -> None:
    """And below everything else that is above them."""
    assert b"a/" + "\U0010ffff".encode() < end_of(b"a/") == b"a0"

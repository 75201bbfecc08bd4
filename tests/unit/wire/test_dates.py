"""The dates of XML, of headers and of signatures."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakrom.wire import dates

MOMENT_MS = 784_111_777_123  # the example of RFC 9110
END_OF_TIME_S = 253_402_300_799  # 9999-12-31T23:59:59Z


def test_the_three_forms() -> None:
    """Only XML shows milliseconds; elsewhere they are cut off, not rounded: one object has one time everywhere."""
    assert dates.iso8601(MOMENT_MS) == "1994-11-06T08:49:37.123Z"
    assert dates.iso8601(MOMENT_MS // 1000 * 1000) == "1994-11-06T08:49:37.000Z"
    assert dates.iso8601_seconds(MOMENT_MS) == "1994-11-06T08:49:37Z"
    assert dates.http_date(MOMENT_MS) == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert dates.amz_date(MOMENT_MS) == "19941106T084937Z"


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        " sun, 6 nov 1994 08:49:37 gmt ",
        "Sun, 06 Nov 1994 08:49:37 +0000",
    ],
)
def test_all_forms_of_an_http_date_are_understood(text: str) -> None:
    """RFC 9110, 5.6.7, and the zone as some clients write it."""
    assert dates.parse_http_date(text) == 784_111_777_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "0",
        "Sun, 06 Nov 1994 08:49:37 PST",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nox 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
    ],
)
def test_what_is_no_http_date_is_none(text: str) -> None:
    """A bad date in a condition is ignored: RFC 9110, 13.1.3."""
    assert dates.parse_http_date(text) is None


@pytest.mark.parametrize("text", ["", "19941106", "19941306T084937Z", "19941106T084937", "19941106T084937+0000", "x" * 16])
def test_what_is_no_date_of_a_signature_is_none(text: str) -> None:
    """The caller knows which error it is."""
    assert dates.parse_amz_date(text) is None


@given(st.integers(-62_135_596_800, END_OF_TIME_S))
def test_what_is_written_is_read_back(second: int) -> None:
    """From the year 1 to the year 9999."""
    ms = second * 1000

    assert ms == dates.parse_http_date(dates.http_date(ms)) == dates.parse_amz_date(dates.amz_date(ms))
    assert ms == dates.parse_iso8601(dates.iso8601(ms))


@given(st.integers(0, END_OF_TIME_S))
def test_headers_are_as_the_standard_library_writes_them(second: int) -> None:
    """A second opinion."""
    assert formatdate(second, usegmt=True) == dates.http_date(second * 1000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-01T00:00:00Z", 1_893_456_000_000),
        (" 2030-01-01T00:00:00.123456Z ", 1_893_456_000_123),
        ("2030-01-01T02:00:00+02:00", 1_893_456_000_000),
        ("2030-01-01", 1_893_456_000_000),
        ("20300101", None),
        ("2030-01-01T00:00:00", None),
        ("2030-02-30T00:00:00Z", None),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_moments_of_documents(text: str, expected: int | None) -> None:
    """A zone is needed, fractions are kept, a date alone is its midnight."""
    assert dates.parse_moment(text) == expected

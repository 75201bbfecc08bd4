"""The dates that S3 speaks: ISO 8601 in XML, HTTP dates in headers, the basic form in signatures.

Inside Zakrom a time is a number of milliseconds since 1970 (UTC). XML shows them, headers know whole seconds only. AWS shows
``.000Z`` in XML too, but AWS is not a millisecond away: ``aws s3 sync`` would send a file written and sent within one second
again, because it compares the file's time, with its fraction, with ours without.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBER = {name.lower(): number for number, name in enumerate(_MONTHS, 1)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTIONS = tuple(f".{ms:03d}Z" for ms in range(1000))  # a page of keys has a thousand times
_SECONDS_CACHED = 4096  # a listing shows objects written in the same seconds; 4096 entries are about 0.5 MB

# RFC 9110, 5.6.7: the form to send (1), and the two obsolete ones that must be understood (2: RFC 850, 3: asctime).
_FLAGS = re.IGNORECASE | re.ASCII
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_HTTP_FORMS = (
    re.compile(rf"[a-z]{{3}}, (?P<day>\d\d?) (?P<month>[a-z]{{3}}) (?P<year>\d{{4}}) {_TIME} (?:gmt|utc|\+0000)", _FLAGS),
    re.compile(rf"[a-z]{{6,9}}, (?P<day>\d\d)-(?P<month>[a-z]{{3}})-(?P<year>\d\d) {_TIME} gmt", _FLAGS),
    re.compile(rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) +(?P<day>\d\d?) {_TIME} (?P<year>\d{{4}})", _FLAGS),
)
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?Z", re.ASCII)


def iso8601(ms: int) -> str:
    """``YYYY-MM-DDTHH:MM:SS.mmmZ``."""
    return _iso8601(ms // 1000) + _FRACTIONS[ms % 1000]


def iso8601_seconds(ms: int) -> str:
    """``YYYY-MM-DDTHH:MM:SSZ``, as in messages."""
    return f"{_iso8601(ms // 1000)}Z"


def http_date(ms: int) -> str:
    """``Sun, 06 Nov 1994 08:49:37 GMT`` (RFC 9110, 5.6.7)."""
    return _http_date(ms // 1000)


def amz_date(ms: int) -> str:
    """``YYYYMMDDTHHMMSSZ``, the basic form that SigV4 uses."""
    return _amz_date(ms // 1000)


@lru_cache(_SECONDS_CACHED)
def _iso8601(second: int) -> str:
    return _moment(second).isoformat()[:19]


@lru_cache(_SECONDS_CACHED)
def _http_date(second: int) -> str:
    t = _moment(second)
    return f"{_DAYS[t.weekday()]}, {t.day:02d} {_MONTHS[t.month - 1]} {t.year:04d} {t:%H:%M:%S} GMT"  # %a, %b obey the locale


@lru_cache(16)
def _amz_date(second: int) -> str:
    return f"{_moment(second).isoformat()[:19]}Z".replace("-", "").replace(":", "")


def _moment(second: int) -> datetime:
    return _EPOCH + timedelta(seconds=second)


@lru_cache(256)
def parse_http_date(text: str) -> int | None:
    """Milliseconds of an HTTP date in any of its three forms; None for anything else: RFC 9110 has bad dates ignored."""
    text = text.strip()
    for form in _HTTP_FORMS:
        if match := form.fullmatch(text):
            year, month = int(match["year"]), _MONTH_NUMBER.get(match["month"].lower(), 0)
            if len(match["year"]) == 2:  # RFC 850: POSIX's pivot, as no clock comes in here
                year += 1900 if year >= 69 else 2000
            return _milliseconds(year, month, *(int(match[part]) for part in ("day", "hour", "minute", "second")))
    return None


@lru_cache(256)
def parse_amz_date(text: str) -> int | None:
    """Milliseconds of ``YYYYMMDDTHHMMSSZ``; None for anything else."""
    match = _BASIC.fullmatch(text)
    return _milliseconds(*map(int, match.groups())) if match else None


def parse_iso8601(text: str) -> int | None:
    """Milliseconds (whole seconds) of an ISO 8601 date and time in UTC; None for anything else."""
    match = _ISO.fullmatch(text.strip())
    return _milliseconds(*map(int, match.groups())) if match else None


def _milliseconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int | None:
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)  # 60 is a leap second
    except ValueError:
        return None
    return None if second > 60 else (moment - _EPOCH) // timedelta(milliseconds=1)

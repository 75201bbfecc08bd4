"""Object lock: which versions may not be removed, and how a retention may change.

Source: Amazon S3 User Guide, "Locking objects with Object Lock". A retention in governance mode yields to who may bypass it;
one in compliance mode yields to nobody; a legal hold lasts until it is lifted, whatever the retention.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from zakrom import errors
from zakrom.model.lock import GOVERNANCE, HOLD, RETENTION, Default, Retention

PROTECTED = "Access Denied because object protected by object lock."

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def retention(extra: Mapping[str, str | None]) -> Retention | None:
    """The retention among a version's entries."""
    mode, _, until_ms = (extra.get(RETENTION) or "").partition(" ")
    return Retention(mode, int(until_ms)) if mode else None


def entry(kept: Retention | None) -> str | None:
    """The way back from `retention`."""
    return None if kept is None else f"{kept.mode} {kept.until_ms}"


def default_retention(default: Default, now_ms: int) -> Retention | None:
    """What a bucket gives to a version that is born now. A year is one of the calendar; 29 February is followed by 1 March."""
    if default.mode is None:
        return None
    moment = _EPOCH + timedelta(milliseconds=now_ms, days=default.days or 0)
    year = moment.year + (default.years or 0)
    try:
        moment = moment.replace(year=year)
    except ValueError:
        moment = moment.replace(year=year, month=3, day=1)
    return Retention(default.mode, (moment - _EPOCH) // timedelta(milliseconds=1))


def free_ms(extra: Mapping[str, str]) -> int | None:
    """From when on a version may be removed without any bypass; None: not before a legal hold is lifted."""
    if extra.get(HOLD) == "ON":
        return None
    kept = retention(extra)
    return kept.until_ms if kept else 0


def check_removal(extra: Mapping[str, str], now_ms: int, *, bypass: bool) -> None:
    """Returns if the version may be removed for good. Raises `AccessDenied`."""
    free = free_ms(extra)
    kept = retention(extra)
    yields = bypass and kept is not None and kept.mode == GOVERNANCE
    if free is None or (free > now_ms and not yields):
        raise errors.AccessDenied(PROTECTED)


def check_change(extra: Mapping[str, str], entries: Mapping[str, str | None], now_ms: int, *, bypass: bool) -> None:
    """Returns if the entries may come in: a retention that still lasts is only ever made longer, in the same mode.

    ``bypass`` lifts that for governance. Raises `AccessDenied`.
    """
    kept = retention(extra)
    if RETENTION not in entries or kept is None or kept.until_ms <= now_ms or (bypass and kept.mode == GOVERNANCE):
        return
    new = retention(entries)
    if new is None or new.mode != kept.mode or new.until_ms < kept.until_ms:
        raise errors.AccessDenied(PROTECTED)

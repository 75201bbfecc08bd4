"""Object lock's rules: what may be removed, and how a retention may change."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakrom import errors
from zakrom.model.lock import HOLD, MODES, RETENTION, Default, Retention
from zakrom.rules import lock

NOW = 1_000
TIMES = st.integers(0, 2_000)
RETENTIONS = st.none() | st.builds(Retention, st.sampled_from(MODES), TIMES)
EXTRAS = st.builds(
    lambda kept, held: {name: value for name, value in ((RETENTION, lock.entry(kept)), (HOLD, held)) if value is not None},
    RETENTIONS,
    st.sampled_from([None, "ON", "OFF"]),
)


def may_remove(extra: dict[str, str], now_ms: int, *, bypass: bool) -> bool:
    """The rule's word."""
    try:
        lock.check_removal(extra, now_ms, bypass=bypass)
    except errors.AccessDenied:
        return False
    return True


@given(EXTRAS, TIMES, st.booleans())
def test_what_may_be_removed(extra: dict[str, str], now_ms: int, bypass: bool) -> None:
    """No hold, and: no retention, or its time is over, or it is governance and bypassed."""
    kept = lock.retention(extra)
    free = kept is None or kept.until_ms <= now_ms or (kept.mode == "GOVERNANCE" and bypass)

    assert may_remove(extra, now_ms, bypass=bypass) == (free and extra.get(HOLD) != "ON")


@given(EXTRAS, RETENTIONS, st.booleans(), TIMES)
def test_no_change_frees_what_was_protected(extra: dict[str, str], new: Retention | None, bypass: bool, later_ms: int) -> None:
    """After a change that is allowed, nothing can be removed that could not have been removed before."""
    try:
        lock.check_change(extra, {RETENTION: lock.entry(new)}, NOW, bypass=bypass)
    except errors.AccessDenied:
        return
    changed = {**extra, RETENTION: lock.entry(new) or ""}
    for moment in (NOW, NOW + later_ms):
        before = may_remove(extra, moment, bypass=bypass) or may_remove(extra, NOW, bypass=bypass)
        assert before or not may_remove(changed, moment, bypass=bypass)


@given(EXTRAS, TIMES)
def test_free_is_when_removal_is_allowed(extra: dict[str, str], now_ms: int) -> None:
    """`free_ms` and `check_removal` say the same."""
    free = lock.free_ms(extra)

    assert may_remove(extra, now_ms, bypass=False) == (free is not None and free <= now_ms)


@pytest.mark.parametrize(
    ("default", "now", "until"),
    [
        (Default("GOVERNANCE", days=1), datetime(2026, 2, 28, 12, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC)),
        (Default("COMPLIANCE", years=1), datetime(2026, 1, 31, tzinfo=UTC), datetime(2027, 1, 31, tzinfo=UTC)),
        (Default("COMPLIANCE", years=1), datetime(2028, 2, 29, tzinfo=UTC), datetime(2029, 3, 1, tzinfo=UTC)),
    ],
)
def test_default_periods(default: Default, now: datetime, until: datetime) -> None:
    """Days are 24 hours, years those of the calendar."""
    kept = lock.default_retention(default, int(now.timestamp() * 1000))

    assert kept == Retention(str(default.mode), int(until.timestamp() * 1000))

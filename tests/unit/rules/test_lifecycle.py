"""Lifecycle's rules against a model that asks of each moment whether something holds, and knows no due times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakrom.model.facts import Details, Version
from zakrom.model.lifecycle import DAY_MS, MINIMUMS, WARMTH, Lifecycle, Move, Rule, Scope
from zakrom.model.lock import HOLD, RETENTION
from zakrom.rules import lifecycle
from zakrom.rules.lifecycle import Action, Due, Subject

KIB_128 = 128 * 1024
DAYS = st.integers(0, 5)
TIMES = st.integers(0, 12 * DAY_MS) | st.integers(0, 12).map(lambda days: days * DAY_MS)
TAGS = st.sets(st.sampled_from([("a", "1"), ("a", "2"), ("b", "1")])).map(lambda tags: tuple(sorted(tags)))
SIZES = st.sampled_from([0, 1, KIB_128 - 1, KIB_128, KIB_128 + 1])
SCOPES = st.builds(Scope, st.sampled_from([b"", b"k", b"k/", b"x"]), TAGS, st.none() | SIZES, st.none() | SIZES)
MOVES = st.lists(
    st.builds(Move, st.sampled_from(WARMTH[1:]), DAYS, newer=st.integers(0, 2)), max_size=2, unique_by=lambda m: m.storage_class
).map(tuple)
RULES = st.builds(
    Rule, st.just("r"), st.booleans(), SCOPES, st.none() | DAYS, st.none() | TIMES, st.booleans(), MOVES, st.none() | DAYS,
    st.integers(0, 2), MOVES, st.none() | DAYS,
)  # fmt: skip
LIFECYCLES = st.builds(Lifecycle, st.lists(RULES, max_size=3).map(tuple), st.sampled_from(MINIMUMS), st.just(""))
EXTRAS = st.builds(
    lambda hold, until: {name: value for name, value in ((HOLD, hold), (RETENTION, until)) if value},
    st.sampled_from(["", "ON", "OFF"]),
    st.just("") | TIMES.map("GOVERNANCE {}".format),
)


def version_of(
    created_ms: int, ended_ms: int | None, size: int, tags: tuple[tuple[str, str], ...], storage_class: str,
    extra: dict[str, str], *, marker: bool,
) -> Version:  # fmt: skip
    """A version of the key ``k/1``."""
    details = Details() if marker else Details(tags=tags, extra=extra)
    return Version(
        1, b"k/1", 1, 1, marker, 0 if marker else size, created_ms, "", "" if marker else storage_class, "", None, None,
        details, 0, ended_ms is None, ended_ms,
    )  # fmt: skip


VERSIONS = st.builds(version_of, TIMES, st.none() | TIMES, SIZES, TAGS, st.sampled_from(WARMTH), EXTRAS, marker=st.booleans())
SUBJECTS = st.builds(Subject, VERSIONS, st.integers(0, 3), st.booleans())


# ------------------------------------------------------------------------------------------------------------ the model


def naive(config: Lifecycle, subject: Subject, now_ms: int) -> set[tuple[Action, str]]:
    """Everything that may be done at this moment."""
    meant = [rule for rule in config.rules if rule.enabled and is_meant(rule.scope, subject.version)]
    ends = {end for rule in meant if (end := end_of(rule, subject, now_ms)) is not None}
    moves = {name for rule in meant for name in moves_of(config, rule, subject, now_ms)}
    return {(end, "") for end in ends} | {(Action.MOVE, name) for name in moves}


def is_meant(scope: Scope, version: Version) -> bool:
    """Whether a filter lets it through."""
    above = scope.larger is None or version.size > scope.larger
    below = scope.smaller is None or version.size < scope.smaller
    tagged = all(tag in version.details.tags for tag in scope.tags)
    return version.key.startswith(scope.prefix) and above and below and tagged


def end_of(rule: Rule, subject: Subject, now_ms: int) -> Action | None:
    """How a rule ends the version now."""
    version = subject.version
    if version.noncurrent_ms is not None:
        long = rule.noncurrent_days is not None and has_passed(version.noncurrent_ms, rule.noncurrent_days, now_ms)
        return Action.REMOVE if long and subject.newer >= rule.noncurrent_newer and not protected(version, now_ms) else None
    old = rule.expire_days is not None and has_passed(version.modified_ms, rule.expire_days, now_ms)
    old = old or (rule.expire_date_ms is not None and rule.expire_date_ms <= now_ms)
    if not version.marker:
        return Action.EXPIRE if old else None
    lonely = subject.alone and (old or (rule.expire_markers and version.modified_ms <= now_ms))
    return Action.REMOVE if lonely else None


def moves_of(config: Lifecycle, rule: Rule, subject: Subject, now_ms: int) -> set[str]:
    """To which classes a rule may move the version now."""
    version, moves = subject.version, rule.moves
    if version.noncurrent_ms is not None:
        moves = tuple(move for move in rule.noncurrent_moves if subject.newer >= move.newer)
    since_ms = version.modified_ms if version.noncurrent_ms is None else version.noncurrent_ms
    any_size = rule.scope.larger is not None or rule.scope.smaller is not None or version.size >= KIB_128
    archives = {"GLACIER", "DEEP_ARCHIVE"} if config.minimum == MINIMUMS[1] else set()
    return {
        move.storage_class
        for move in moves
        if not version.marker
        and (any_size or move.storage_class in archives)
        and WARMTH.index(move.storage_class) > WARMTH.index(version.storage_class)
        and has_passed(since_ms, move.days or 0, now_ms)
    }


def has_passed(start_ms: int, days: int, now_ms: int) -> bool:
    """Whether a midnight has passed that is at least so many days after the start."""
    return any(start_ms + days * DAY_MS <= midnight <= now_ms for midnight in range(0, now_ms + 1, DAY_MS))


def protected(version: Version, now_ms: int) -> bool:
    """Whether object lock keeps it now."""
    extra = version.details.extra
    until = extra.get(RETENTION, "X 0").split()[1]
    return extra.get(HOLD) == "ON" or int(until) > now_ms


# ------------------------------------------------------------------------------------------------------------- the promises


@given(LIFECYCLES, SUBJECTS, TIMES)
def test_what_is_due_is_what_the_model_says(config: Lifecycle, subject: Subject, now_ms: int) -> None:
    """At each moment, no more and no less."""
    due = {(one.action, one.storage_class) for one in lifecycle.dues(config, subject) if one.at_ms <= now_ms}

    assert due == naive(config, subject, now_ms)


@given(LIFECYCLES, SUBJECTS, TIMES)
def test_the_choice(config: Lifecycle, subject: Subject, now_ms: int) -> None:
    """Of what is due removal comes first, then the coldest class, then a marker; else the earliest of what will be."""
    chosen = lifecycle.choose(lifecycle.dues(config, subject), now_ms)
    ripe = naive(config, subject, now_ms)
    if not ripe:
        later = sorted(one.at_ms for one in lifecycle.dues(config, subject))
        assert (chosen.at_ms if chosen else None) == (later[0] if later else None)
        return

    assert chosen is not None
    actions = {action for action, _ in ripe}
    assert chosen.action == next(one for one in (Action.REMOVE, Action.MOVE, Action.EXPIRE) if one in actions)
    if chosen.action is Action.MOVE:
        assert chosen.storage_class == max((name for _, name in ripe if name), key=WARMTH.index)


@given(LIFECYCLES)
def test_a_configuration_survives_the_catalog(config: Lifecycle) -> None:
    """`decode` is the way back from `encode`."""
    assert lifecycle.decode(lifecycle.encode(config)) == config


@pytest.mark.parametrize(
    ("created_ms", "days", "day_ms", "at_ms"),
    [
        (10 * DAY_MS + 1, 3, DAY_MS, 14 * DAY_MS),
        (10 * DAY_MS, 3, DAY_MS, 13 * DAY_MS),
        (10 * DAY_MS + 1, 0, DAY_MS, 11 * DAY_MS),
        (10 * DAY_MS + 1, 3, 10_000, 10 * DAY_MS + 30_001),
    ],
)
def test_days_end_at_midnight(created_ms: int, days: int, day_ms: int, at_ms: int) -> None:
    """A day after the last one began; a short day is not rounded."""
    config = Lifecycle((Rule("r", True, Scope(), expire_days=days, abort_days=days),), MINIMUMS[0], "")
    version = version_of(created_ms, None, 1, (), "STANDARD", {}, marker=False)

    assert list(lifecycle.dues(config, Subject(version), day_ms)) == [Due(at_ms, Action.EXPIRE)]
    assert lifecycle.abort(config, b"k", created_ms, day_ms) == (at_ms, "r")
    if day_ms == DAY_MS:
        assert lifecycle.expiry(config, version) == (at_ms, "r")

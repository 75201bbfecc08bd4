"""Versioning, object lock and lifecycle together, in whatever order.

Nothing protected is ever removed, lifecycle removes nothing that is not due, and everything that is due is done in the end.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from zakrom import errors
from zakrom.catalog import engine, reads, rows, schema
from zakrom.catalog.changes import (
    Change,
    CreateBucket,
    CreateUpload,
    DeleteVersion,
    Expire,
    Nothing,
    PutVersion,
    SetDetails,
    SetDocument,
    SetVersioning,
    Survey,
)
from zakrom.catalog.ledger import Ledger
from zakrom.model import lock
from zakrom.model.facts import Bucket, Details, Upload, Version, VersionId, Versioning
from zakrom.model.lifecycle import ALL_128K, DAY_MS, DOCUMENT, Lifecycle, Move, Rule, Scope
from zakrom.rules import lifecycle

KEYS = st.sampled_from([b"a", b"b"])  # few, so that things meet
DAYS = st.integers(1, 4)
EXAMPLES, STEPS = 50, 40  # some five seconds

RULES = st.builds(
    Rule,
    st.just("r"),
    st.booleans(),
    st.builds(Scope, st.sampled_from([b"", b"a"]), st.sampled_from([(), (("t", "1"),)]), st.just(-1)),
    st.none() | DAYS,
    st.none(),
    st.booleans(),
    st.sampled_from([(), (Move("GLACIER", 1),)]),
    st.none() | DAYS,
    st.integers(0, 2),
    st.sampled_from([(), (Move("GLACIER", 2, newer=1),)]),
    st.none() | DAYS,
)
TAGS = st.sampled_from([(), (("t", "1"),)])


class Machine(RuleBasedStateMachine):
    """One bucket with two keys, with object lock or without."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp()
        self.ledger = Ledger(schema.open_to_write(self.directory))
        self.ledger.execute("PRAGMA synchronous = OFF")
        self.now_ms = 1_000 * DAY_MS + 1
        self.numbers = iter(range(1, 10**6))

    def teardown(self) -> None:
        """Everything due is done in the end."""
        with contextlib.suppress(AttributeError):  # nothing was initialized
            self.settle()
            assert self.due_now() == []
            alive = {(one.key, -one.seq) for one in self.versions()} | {(key, serial) for serial, key, _ in self.uploads()}
            # What was overwritten while there were no rules may have left a reminder: it goes when its time comes.
            assert {one for one in self.reminders() if one[:2] in alive} == self.expected()
        self.ledger.connection.close()
        shutil.rmtree(self.directory)

    # ----------------------------------------------------------------------------------------------------------- doing

    def apply(self, change: Change) -> Any:  # noqa: ANN401 - as the catalog's
        """As the writer does; a protected version may only go by a bypass of governance."""
        before = self.versions() if hasattr(self, "bucket") else []
        bypass = isinstance(change, DeleteVersion) and change.bypass
        self.ledger.execute("BEGIN IMMEDIATE")
        try:
            result = engine.apply(self.ledger, change)
            self.ledger.flush()
        finally:
            self.ledger.execute("COMMIT")
        if before:
            left = {(one.key, one.seq) for one in self.versions()}
            for one in before:
                assert (one.key, one.seq) in left or not self.is_protected(one, bypass=bypass)
        return result

    def is_protected(self, version: Version, *, bypass: bool) -> bool:
        """By the words of the guide."""
        extra = version.details.extra
        mode, _, until = extra.get(lock.RETENTION, "- 0").partition(" ")
        lasts = int(until) > self.now_ms and not (bypass and mode == "GOVERNANCE")
        return extra.get(lock.HOLD) == "ON" or lasts

    @initialize(locked=st.booleans())
    def begin(self, *, locked: bool) -> None:
        """The bucket."""
        documents = {lock.DOCUMENT: b"\x93\xc0\xc0\xc0"} if locked else {}
        self.bucket: Bucket = self.apply(CreateBucket("b", "owner", "r", self.now_ms, 1, documents))

    @rule(key=KEYS, tags=TAGS, extra=st.sampled_from([{}, {"hold": "ON"}, {"lock": "GOVERNANCE"}, {"lock": "COMPLIANCE"}]))
    def put(self, key: bytes, tags: tuple[tuple[str, str], ...], extra: dict[str, str]) -> None:
        """A new version, perhaps locked where that can be."""
        if not self.account.locked:
            extra = {}
        elif "lock" in extra:
            extra = {"lock": f"{extra['lock']} {self.now_ms + 3 * DAY_MS}"}
        details = Details(tags=tags, extra=extra)
        self.apply(
            PutVersion(self.bucket.id, key, self.now_ms, next(self.numbers), 0, "e", "STANDARD", "owner", details, Nothing())
        )

    @rule(key=KEYS)
    def delete(self, key: bytes) -> None:
        """A plain DELETE."""
        self.apply(DeleteVersion(self.bucket.id, key, self.now_ms, next(self.numbers), "owner"))

    @rule(data=st.data(), bypass=st.booleans())
    def remove(self, data: st.DataObject, *, bypass: bool) -> None:
        """One version by its id, if it is not protected."""
        if (version := self.any_version(data)) is None:
            return
        change = DeleteVersion(self.bucket.id, version.key, self.now_ms, 1, "owner", name(version), None, bypass)
        try:
            self.apply(change)
        except errors.AccessDenied:
            assert self.is_protected(version, bypass=bypass)

    @rule(data=st.data(), tags=st.none() | TAGS, held=st.sampled_from(["ON", "OFF", None]), bypass=st.booleans())
    def change(self, data: st.DataObject, tags: tuple[tuple[str, str], ...] | None, held: str | None, *, bypass: bool) -> None:
        """Tags, and a hold or a shorter retention."""
        version = self.any_version(data)
        if version is None or version.marker:
            return
        entry: dict[str, str | None] = {}
        if self.account.locked:
            entry = {"hold": held} if held else {"lock": f"GOVERNANCE {self.now_ms + DAY_MS}"}
        with contextlib.suppress(errors.AccessDenied):
            self.apply(SetDetails(self.bucket.id, version.key, name(version), tags, entry, self.now_ms, bypass))

    @rule(state=st.sampled_from([Versioning.ENABLED, Versioning.SUSPENDED]))
    def versioning(self, state: Versioning) -> None:
        """Not suspended under object lock."""
        try:
            self.apply(SetVersioning(self.bucket.id, state))
        except errors.InvalidBucketState:
            assert self.account.locked
            assert state is Versioning.SUSPENDED

    @rule(default=st.just(b"\x93\xc0\xc0\xc0"))
    def lock(self, default: bytes) -> None:
        """Object lock comes to a bucket that has versioning."""
        with contextlib.suppress(errors.InvalidBucketState):
            self.apply(SetDocument(self.bucket.id, lock.DOCUMENT, default))

    @rule(rules=st.lists(RULES, max_size=2))
    def configure(self, rules: list[Rule]) -> None:
        """Other rules, or none."""
        body = lifecycle.encode(Lifecycle(tuple(rules), ALL_128K, "")) if rules else None
        self.apply(SetDocument(self.bucket.id, DOCUMENT, body))

    @rule(key=KEYS)
    def upload(self, key: bytes) -> None:
        """An upload that nobody completes."""
        number = next(self.numbers)
        self.apply(CreateUpload(Upload(self.bucket.id, key, str(number), self.now_ms, "owner", "STANDARD", Details())))

    @rule(days=st.sampled_from([0.0, 0.4, 1.0, 3.0]))
    def wait(self, days: float) -> None:
        """Time passes."""
        self.now_ms += int(days * DAY_MS) + 1

    @rule(limit=st.integers(1, 3))
    def look(self, limit: int) -> None:
        """A step of a survey."""
        self.apply(Survey(limit))

    @rule(limit=st.integers(1, 3))
    def work(self, limit: int) -> None:
        """A few reminders are worked off. What goes for good was due; so was what changed."""
        due = self.due_rows(limit)
        if not due:
            return
        may_go = {(one.key, one.seq) for one in self.due_now()}
        before = self.versions()
        self.apply(Expire(tuple(due), self.now_ms, next(self.numbers)))
        left = {(one.key, one.seq) for one in self.versions()}
        assert {(one.key, one.seq) for one in before} - left <= may_go
        assert not set(due) & set(self.due_rows(10**6)) or self.progressed(before)

    def progressed(self, before: list[Version]) -> bool:
        """A reminder that is due again reminds of the next thing: the version is another than before."""
        return before != self.versions()

    def settle(self) -> None:
        """The job, to its end."""
        for _ in range(10_000):
            more = self.apply(Survey(3))
            due = self.due_rows(3)
            if due:
                self.apply(Expire(tuple(due), self.now_ms, next(self.numbers)))
            elif not more:
                return
        raise AssertionError("the job does not come to an end")

    # --------------------------------------------------------------------------------------------------------- looking

    @property
    def account(self) -> Any:  # noqa: ANN401
        """What the writer knows of the bucket."""
        return self.ledger.account(self.bucket.id)

    def versions(self) -> list[Version]:
        """All, by key and newest first."""
        return [rows.version(row) for row in self.ledger.rows(reads._VERSIONS, (self.bucket.id, b"", -(1 << 62), b"z", 10**6))]

    def uploads(self) -> list[tuple[int, bytes, int]]:
        """(serial, key, created_ms) of those that are open."""
        return self.ledger.rows("SELECT serial, key, created_ms FROM upload")

    def any_version(self, data: st.DataObject) -> Version | None:
        """One of them."""
        found = self.versions()
        return data.draw(st.sampled_from(found)) if found else None

    def subjects(self) -> Iterator[lifecycle.Subject]:
        """All with what rules ask of their neighbours, counted in the plainest way."""
        found = self.versions()
        for one in found:
            mates = [other for other in found if other.key == one.key]
            newer = sum(other.seq > one.seq and other.noncurrent_ms is not None for other in mates)
            yield lifecycle.Subject(one, newer, len(mates) == 1)

    def due_now(self) -> list[Version]:
        """Versions of which something is to be done now."""
        config = self.account.lifecycle
        if config is None:
            return []
        return [
            subject.version
            for subject in self.subjects()
            if any(due.at_ms <= self.now_ms for due in lifecycle.dues(config, subject))
        ]

    def due_rows(self, limit: int) -> list[tuple[int, bytes, int]]:
        """As `Catalog.due`."""
        return self.ledger.rows(
            "SELECT bucket, key, rank FROM due WHERE at_ms <= ? ORDER BY at_ms LIMIT ?", (self.now_ms, limit)
        )

    def reminders(self) -> set[tuple[bytes, int, int]]:
        """The whole table."""
        return set(self.ledger.rows("SELECT key, rank, at_ms FROM due"))

    def expected(self) -> set[tuple[bytes, int, int]]:
        """What it should be when no survey is open."""
        config = self.account.lifecycle
        if config is None:
            return set()
        wanted = {
            (subject.version.key, -subject.version.seq, first.at_ms)
            for subject in self.subjects()
            if (first := lifecycle.choose(lifecycle.dues(config, subject))) is not None
        }
        for serial, key, created_ms in self.uploads():
            if end := lifecycle.abort(config, key, created_ms):
                wanted.add((key, serial, end[0]))
        return wanted

    @invariant()
    def no_reminder_is_missing_or_late(self) -> None:
        """While no survey is open, each version has its reminder, not later than what it reminds of."""
        if not hasattr(self, "bucket") or self.ledger.rows("SELECT 1 FROM survey"):
            return
        kept = {(key, rank): at_ms for key, rank, at_ms in self.reminders()}
        for key, rank, at_ms in self.expected():
            assert kept.get((key, rank), 1 << 62) <= at_ms


def name(version: Version) -> VersionId:
    """As a request names it."""
    return VersionId(0 if version.nonce == 0 else version.seq, version.nonce)


def test_versions_locks_and_lifecycle() -> None:
    """See the head of this file."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Machine, settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None)
    )

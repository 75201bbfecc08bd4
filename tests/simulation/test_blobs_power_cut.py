"""A power cut, or a fault, at every call that the blobs make: what was acknowledged stays, what was not is swept.

A `World` plays a script against `LocalBlobs` on a `FaultyDisk` and remembers what it was promised. Then the power goes, the
disk comes back in a state that a real one may come back in, and a server starts on it as ours does: new generation, old ones
swept.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zakrom import errors
from zakrom.blobs.local import LocalBlobs
from zakrom.model.facts import BlobFacts
from zakrom.testing.contracts.blobs import pattern
from zakrom.testing.faulty_disk import FaultyDisk, PowerCut

DIRECTORY = "/blobs"
SEEDS = range(3)


# ------------------------------------------------------------------------------------------------------------ the script


@dataclass(frozen=True, slots=True)
class Put:
    """Stages pieces, and commits, discards or forgets the stage."""

    pieces: tuple[int, ...]
    end: str = "commit"
    hint: int | None = None
    process: int = 0


@dataclass(frozen=True, slots=True)
class Drop:
    """Drops some of the acknowledged blobs, chosen by position; done by one of the two processes, whoever staged them."""

    first: int
    count: int = 1
    process: int = 0


@dataclass(frozen=True, slots=True)
class Restart:
    """The processes end in peace, and others take their place: new generations, the old ones swept."""


Action = Put | Drop | Restart


class World:
    """Two processes that stage, and what they were promised."""

    def __init__(self, disk: FaultyDisk) -> None:
        self.disk = disk
        self.kept: dict[int, tuple[BlobFacts, bytes]] = {}
        self.dropped: set[int] = set()
        self.refusals: list[BaseException] = []
        self.generation = 0
        self.processes: list[LocalBlobs] = []
        self.puts = 0

    def play(self, script: list[Action]) -> None:
        """Starts the servers on an empty disk and plays the script to its end, or to the power cut."""
        with suppress(PowerCut):
            self.act(Restart())
            self.play_on(script)

    def play_on(self, script: list[Action]) -> None:
        """Plays the script with the servers that are there."""
        for action in script:
            self.act(action)

    def act(self, action: Action) -> None:
        """One action; what the disk refuses is noted, and the world goes on."""
        if not self.processes and not isinstance(action, Restart):
            return  # the servers never came up
        try:
            match action:
                case Put():
                    self.put(action)
                case Drop():
                    self.drop(action)
                case Restart():
                    self.restart()
        except (OSError, errors.Error) as error:
            self.refusals.append(error)

    def put(self, action: Put) -> None:
        self.puts += 1
        data = pattern(sum(action.pieces), self.puts)
        stage = self.processes[action.process].stage(action.hint)
        start = 0
        for piece in action.pieces:
            stage.write(data[start : start + piece])
            start += piece
        if action.end == "commit":
            facts = stage.commit()
            self.kept[facts.id] = facts, data
        elif action.end == "discard":
            stage.discard()

    def drop(self, action: Drop) -> None:
        chosen = sorted(self.kept)[action.first : action.first + action.count]
        for blob in chosen:
            del self.kept[blob]  # from now on nobody needs it, though the drop may fail
        self.processes[action.process].drop(chosen)
        self.dropped.update(chosen)

    def restart(self) -> None:
        dead = self.generation
        self.processes = []
        started = []
        for _ in range(2):
            blobs = LocalBlobs(DIRECTORY, self.disk)
            self.generation += 1
            blobs.adopt(self.generation)
            started.append(blobs)
        self.processes = started
        sweep(started[0], range(1, dead + 1), set(self.kept))


def sweep(blobs: LocalBlobs, generations: range, known: set[int]) -> None:
    """What the store does for generations that are dead: what the catalog does not know goes."""
    for generation in generations:
        for batch in blobs.sweep(generation):
            blobs.drop([blob for blob in batch if blob not in known])


# ------------------------------------------------------------------------------------------------------------- the check


def check(world: World, disk: FaultyDisk) -> None:
    """A server starts on what the power cut left: all promises hold, before and after one more cut."""
    blobs = LocalBlobs(DIRECTORY, disk)
    found = dict(blobs.all())
    assert not world.dropped & found.keys(), "a dropped blob came back"

    blobs.adopt(world.generation + 1)
    check_kept(world, blobs)
    sweep(blobs, range(1, world.generation + 1), set(world.kept))
    assert sorted(world.kept) == [blob for blob, _ in blobs.all()]

    stage = blobs.stage(None)
    stage.write(b"life goes on")
    facts = stage.commit()
    later = LocalBlobs(DIRECTORY, disk.crash_losing_all())
    check_kept(world, later)
    assert sorted([*world.kept, facts.id]) == [blob for blob, _ in later.all()]


def check_kept(world: World, blobs: LocalBlobs) -> None:
    """Every acknowledged blob is there, to the byte."""
    for facts, data in world.kept.values():
        reader = blobs.open(facts.id, facts.length)
        assert data == bytes(reader.read(0, facts.length, facts.blocks, 0))
        reader.close()


def survivors(world: World) -> Iterator[FaultyDisk]:
    """What the disk may be like after the cut. A crash leaves its disk dead, so that another world is asked each time."""
    yield world.disk.crash_losing_all()
    yield world.disk.crash_losing_nothing()
    for seed in SEEDS:
        yield world.disk.crash(seed)


def check_all_survivors(world: World) -> None:
    """Every state is checked; the message names the one that failed."""
    for number, disk in enumerate(survivors(world)):
        try:
            check(world, disk)
        except BaseException as error:
            error.add_note(f"state {number} of the disk, cut before call {len(world.disk.steps) - 1}")
            raise


# --------------------------------------------------------------------------------------------------------- power is cut

SCRIPT: list[Action] = [
    Put((700, 1, 1500), hint=2201),
    Put((10,), process=1),
    Put((600,), end="discard"),
    Put((5000,), hint=9000),
    Drop(0),
    Put((0,)),
    Put((900,), end="forget"),
    Restart(),
    Put((2000,), process=1),
    Drop(0, count=2, process=1),
    Drop(0, process=1),
    Restart(),
    Put((3,)),
]
"""Each thing that blobs do, with the directories of a dead generation becoming empty on the way."""


def calls_of(script: list[Action]) -> int:
    """How many calls the disk sees when nothing goes wrong."""
    world = World(FaultyDisk())
    world.play(script)
    assert not world.refusals
    return len(world.disk.steps)


def cut_everywhere(script: list[Action], disk: type[FaultyDisk] = FaultyDisk) -> int:
    """Plays the script once for each call, with the power going before that call. Returns how many cuts there were."""
    calls = calls_of(script)
    for number in range(calls + 1):
        world = World(disk())
        world.disk.cut_power_at(number)
        world.play(script)
        check_all_survivors(world)
    return calls


def test_a_cut_before_every_call_loses_nothing_acknowledged() -> None:
    """Put, discard, drop, sweep and start-up: at each of their calls the power may go."""
    assert cut_everywhere(SCRIPT) > 150


@given(
    script=st.lists(
        st.one_of(
            st.builds(
                Put,
                pieces=st.lists(st.integers(0, 2000), max_size=3).map(tuple),
                end=st.sampled_from(["commit", "commit", "discard", "forget"]),
                hint=st.none() | st.integers(1, 10_000),
                process=st.integers(0, 1),
            ),
            st.builds(Drop, first=st.integers(0, 3), count=st.integers(1, 3), process=st.integers(0, 1)),
            st.just(Restart()),
        ),
        max_size=12,
    ),
    cut=st.integers(0, 250),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=150, deadline=None)
def test_any_history_survives_a_cut_anywhere(script: list[Action], cut: int, seed: int) -> None:
    """Not only the history we thought of."""
    world = World(FaultyDisk())
    world.disk.cut_power_at(cut)
    world.play(script)

    check(world, world.disk.crash(seed))


# ------------------------------------------------------------------------------------------------------- calls are refused


@given(seed=st.integers(0, 2**32), rate=st.sampled_from([0.01, 0.05, 0.3]), crash=st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_faults_of_the_disk_lose_nothing_acknowledged(seed: int, rate: float, crash: int) -> None:
    """EIO, ENOSPC and EDQUOT anywhere are told, or harmless; an fsync that failed is never trusted; then the power goes too."""
    world = World(FaultyDisk())
    world.act(Restart())
    world.disk.fail_at_random(seed, rate)
    world.play_on(SCRIPT)
    world.disk.before = None

    check(world, world.disk.crash(crash))
    assert all(errno.EIO == error.errno for error in world.refusals if isinstance(error, OSError) and staged(error))


def staged(error: OSError) -> bool:
    """Whether the error came out of writing a blob, where "no room" must have become an error of ours."""
    names = []
    trace = error.__traceback__
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    return "put" in names


@pytest.mark.parametrize("call", ["fsync", "pwrite", "create", "reserve", "truncate"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_each_call_refused_once_in_turn(call: str, code: int) -> None:
    """Whichever call of a kind fails once the store is up, nothing acknowledged is lost."""
    world = World(FaultyDisk())
    world.act(Restart())
    began = len(world.disk.steps)
    world.play_on(SCRIPT)
    count = sum(step.call == call for step in world.disk.steps[began:])
    assert count

    for after in range(count):
        world = World(FaultyDisk())
        world.act(Restart())
        world.disk.fail(call, code, after=after)
        world.play_on(SCRIPT)
        check_all_survivors(world)


# ------------------------------------------------------------------------------------------------- the check has teeth


class Forgetful(FaultyDisk):
    """A disk under a store that forgot one kind of fsync: the call says yes and saves nothing."""

    depth: int

    def fsync(self, handle: int) -> None:
        """Forgets what lies at this depth."""
        path = self._handle(handle).path
        if path.count("/") != self.depth:
            super().fsync(handle)


@pytest.mark.parametrize(
    ("depth", "what"),
    [(1, "generation's entry"), (2, "shard's entry"), (3, "file's entry"), (4, "bytes")],
    ids=str,
)
def test_a_forgotten_fsync_is_found(depth: int, what: str) -> None:
    """Each fsync is needed: without it a cut loses an acknowledged blob, or brings back a dropped one."""
    disk = type("ForgetfulHere", (Forgetful,), {"depth": depth})

    with pytest.raises((AssertionError, OSError, errors.DataCorrupt)):
        cut_everywhere(SCRIPT, disk)

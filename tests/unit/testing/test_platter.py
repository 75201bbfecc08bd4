"""What the memory of a disk knows of its changes, where the faulty disk alone would not show it."""

from __future__ import annotations

from random import Random

from zakrom.testing.platter import Change, Directory, File, Keep, State, now


def keep_none(_: Change) -> bool:
    """Nothing has arrived."""
    return False


def keep_some(seed: int) -> Keep:
    """Each has arrived or not."""
    random = Random(seed)
    return lambda _: random.random() < 0.5


def entries(directory: Directory) -> set[str]:
    """The names that a reader sees."""
    return set(directory.entries)


def test_a_sync_settles_what_came_before_it_began() -> None:
    """What is written while a sync is under way is not promised by it."""
    file = File()
    file.write(0, b"before")
    began = now()
    file.write(6, b"meanwhile")
    file.settle(State.DURABLE, before=began)

    assert file.after_crash(keep_none).content == b"before"
    assert file.content == b"beforemeanwhile"


def test_changes_keep_their_order_around_a_doubtful_one() -> None:
    """A later write that was saved lies over an earlier one that may arrive after all."""
    file = File(b"....")
    file.write(0, b"11")
    file.settle(State.DOUBTFUL)
    file.write(1, b"22")
    file.settle(State.DURABLE)
    found = {bytes(file.after_crash(keep_some(seed)).content) for seed in range(50)}

    assert found == {b".22.", b"122."}


def test_a_rename_happens_whole_or_not_at_all() -> None:
    """Never both names, never none; what had the new name before is there as long as the old one."""
    found = set()
    for seed in range(50):
        directory = Directory({"old": File(b"1"), "new": File(b"2")})
        directory.rename("old", "new")
        after = directory.after_crash(keep_some(seed))
        found.add(tuple((name, bytes(node.content)) for name, node in after.entries.items() if isinstance(node, File)))

    assert found == {(("new", b"1"),), (("new", b"2"), ("old", b"1"))}


def test_what_survived_is_durable() -> None:
    """A second cut takes nothing more."""
    directory = Directory()
    directory.name("file", File())
    survivor = directory.after_crash(lambda _: True)

    assert entries(survivor.after_crash(keep_none)) == {"file"}


def test_petrified_bytes_have_always_been_so() -> None:
    """Rot needs no sync."""
    file = File(b"ab")
    file.content[0] ^= 1
    file.petrify()

    assert file.after_crash(keep_none).content == b"`b"


def test_walk_meets_every_node() -> None:
    """Itself, files, and what lies below directories."""
    below = Directory({"deep": File()})
    root = Directory({"file": File(), "below": below})

    assert len(list(root.walk())) == 4

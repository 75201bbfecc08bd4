"""What a disk remembers: files and directories that know which of their changes a power cut may take.

Two checks stand on it: the faulty disk, which makes its own changes, and the replay of a recording, which repeats those of a
real program. Every change of a file or a directory is kept in a log with what is known of it:

    PENDING   nobody asked for it to be durable: after a power cut it is there or not
    DURABLE   an fsync that began after it said yes: it is there
    DOUBTFUL  an fsync that began after it failed: as pending, and for ever; the system may forget that it was not written

After a cut each change that is not durable has arrived or not, each 512-byte sector of a write on its own. A directory's change
is a name that means another node, or none; it has nothing to do with the changes of that node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from itertools import count
from typing import Final

SECTOR_BYTES: Final = 512
"""What a disk writes whole or not at all; 4096 on newer ones, of which this is the stricter reading."""


class State(Enum):
    """What is known of a change."""

    PENDING = "a power cut may take it"
    DURABLE = "it stays"
    DOUBTFUL = "its fsync failed: a power cut may take it, and no fsync can change that"


_numbers = count()


def now() -> int:
    """A number above those of all changes so far, and below those to come."""
    return next(_numbers)


class Change:
    """Something that happened to a node. ``number`` grows over all changes of all nodes: the order of events."""

    __slots__ = ("number", "state")

    def __init__(self) -> None:
        self.number = now()
        self.state = State.PENDING


Keep = Callable[[Change], bool]
"""Whether a change that is not durable has arrived; asked for each sector, and once for each change of a directory."""


class Write(Change):
    """Bytes at an offset, or (``data`` None) a new size."""

    __slots__ = ("data", "offset")

    def __init__(self, offset: int, data: bytes | None) -> None:
        super().__init__()
        self.offset = offset
        self.data = data

    def apply(self, content: bytearray) -> None:
        """Makes the whole change."""
        if self.data is None:
            resize(content, self.offset)
        else:
            _put(content, self.offset, self.data)

    def apply_some(self, content: bytearray, keep: Keep) -> None:
        """Makes those parts of the change that arrived."""
        if self.data is None:
            if keep(self):
                resize(content, self.offset)
            return
        for start, end in _sectors(self.offset, self.offset + len(self.data)):
            if keep(self):
                _put(content, start, self.data[start - self.offset : end - self.offset])


class Naming(Change):
    """Names of a directory that now mean other nodes, or (None) nothing. All arrive or none: a rename is one change."""

    __slots__ = ("names",)

    def __init__(self, names: dict[str, File | Directory | None]) -> None:
        super().__init__()
        self.names = names

    def apply(self, entries: dict[str, File | Directory]) -> None:
        """Makes the change."""
        for name, node in self.names.items():
            if node is None:
                entries.pop(name, None)
            else:
                entries[name] = node


class File:
    """A file: ``content`` is what a reader sees now."""

    __slots__ = ("_base", "_log", "content", "reserved")

    def __init__(self, content: bytes = b"") -> None:
        """A file with this content, durable."""
        self.content = bytearray(content)
        self.reserved = 0  # bytes set aside
        self._base = content  # durable, with nothing doubtful before it
        self._log: list[Write] = []

    def write(self, offset: int, data: bytes) -> None:
        """Bytes are written."""
        self._change(Write(offset, data))

    def truncate(self, size: int) -> None:
        """The size is set."""
        self._change(Write(size, None))

    def settle(self, state: State, before: int | None = None) -> None:
        """The pending changes (only those with numbers below ``before``) become durable or doubtful."""
        _settle(self._log, state, before)
        done = _durable_prefix(self._log)
        if done:
            content = bytearray(self._base)
            for change in self._log[:done]:
                change.apply(content)
            self._base = bytes(content)
            del self._log[:done]

    def petrify(self) -> None:
        """What a reader sees now is durable, and has always been so."""
        self._base = bytes(self.content)
        self._log.clear()

    def after_crash(self, keep: Keep) -> File:
        """What a power cut leaves of it."""
        if not self._log:
            return File(self._base)
        content = bytearray(self._base)
        full = bytearray(self._base)
        resized: Change | None = None  # the last change of the size that no fsync settled
        for change in self._log:
            before = len(full)
            change.apply(full)
            if change.state is State.DURABLE:
                change.apply(content)
                resized = None
            else:
                change.apply_some(content, keep)
                resized = change if len(full) != before else resized
        if resized is not None and keep(resized):
            resize(content, len(full))  # the size arrived, whether or not the bytes did
        return File(bytes(content))

    def _change(self, change: Write) -> None:
        change.apply(self.content)
        self._log.append(change)


class Directory:
    """A directory: ``entries`` is what a reader sees now."""

    __slots__ = ("_base", "_log", "entries")

    def __init__(self, entries: dict[str, File | Directory] | None = None) -> None:
        """A directory with these entries, durable."""
        self.entries: dict[str, File | Directory] = dict(entries or {})
        self._base = dict(self.entries)
        self._log: list[Naming] = []

    def name(self, name: str, node: File | Directory | None) -> None:
        """A name gets another meaning, or (None) none."""
        self._change(Naming({name: node}))

    def rename(self, old: str, new: str) -> None:
        """What the old name means the new one means from now on, both at once."""
        self._change(Naming({old: None, new: self.entries[old]}))

    def settle(self, state: State, before: int | None = None) -> None:
        """As `File.settle`."""
        _settle(self._log, state, before)
        done = _durable_prefix(self._log)
        for change in self._log[:done]:
            change.apply(self._base)
        del self._log[:done]

    def after_crash(self, keep: Keep) -> Directory:
        """What a power cut leaves of it and of all that it names."""
        entries = dict(self._base)
        for change in self._log:
            if change.state is State.DURABLE or keep(change):
                change.apply(entries)
        return Directory({name: node.after_crash(keep) for name, node in sorted(entries.items())})

    def _change(self, change: Naming) -> None:
        change.apply(self.entries)
        self._log.append(change)

    def walk(self) -> Iterator[File | Directory]:
        """Itself and all nodes below."""
        yield self
        for node in self.entries.values():
            if isinstance(node, Directory):
                yield from node.walk()
            else:
                yield node


def resize(content: bytearray, length: int) -> None:
    """Cuts, or fills with zeros."""
    del content[length:]
    content.extend(bytes(length - len(content)))


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset:
        resize(content, offset)
    content[offset : offset + len(data)] = data


def _sectors(start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        stop = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
        yield start, stop
        start = stop


def _settle(log: list[Write] | list[Naming], state: State, before: int | None) -> None:
    for change in log:
        if change.state is State.PENDING and (before is None or change.number < before):
            change.state = state


def _durable_prefix(log: list[Write] | list[Naming]) -> int:
    for index, change in enumerate(log):
        if change.state is not State.DURABLE:
            return index
    return len(log)

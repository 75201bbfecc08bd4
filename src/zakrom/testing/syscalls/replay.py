"""From a log of system calls to the disks that a power cut may leave.

The log is replayed up to the cut on the nodes of `zakrom.testing.platter`, which know what a sync has settled; then each
change that is not settled has arrived or not, by one of four rules (`Loss`).
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from enum import Enum, IntEnum
from pathlib import Path
from random import Random
from typing import BinaryIO, Final, NamedTuple

from zakrom.testing.platter import Directory, File, Keep, now
from zakrom.testing.platter import State as Known


class Kind(IntEnum):
    """Kinds of record, as in recorder.c."""

    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC_BEGIN = 4
    SYNC_END = 5
    MKDIR = 6
    UNLINK = 7
    RMDIR = 8
    RENAME = 9
    LINK = 10
    EXTEND = 11
    ZERO = 12
    MARK = 13


class Record(NamedTuple):
    """One event. ``a`` and ``b`` are numbers whose meaning depends on the kind (see recorder.c)."""

    kind: Kind
    pid: int
    inode: int
    a: int
    b: int
    path: str
    data: bytes


class Loss(Enum):
    """Which of the unsettled changes are lost."""

    ALL = "nothing has arrived but what was synced"
    NONE = "everything has arrived: the processes died, the machine did not"
    LATEST = "changes arrived in their order, up to some moment"
    ANY = "any changes, and any 512-byte sectors of a write, have arrived"


class State(NamedTuple):
    """A disk after a power cut."""

    path: Path
    """The directory as it is found: the caller's to change; it goes when the next state is asked for."""

    marks: list[str]
    """What had been promised before the cut."""

    record: int
    """The cut came before this record of the log."""

    loss: Loss
    seed: int

    def __str__(self) -> str:
        return f"cut before record {self.record}, loss {self.loss.name}, seed {self.seed}, {len(self.marks)} marks"


MEMORY_SUFFIX: Final = "-shm"
"""SQLite's index of the WAL: shared memory under a file's name, written by mapping, rebuilt at each first opening."""


class Replay:
    """A directory to which the events of a log happen, one by one."""

    def __init__(self, directory: str, inodes: dict[int, File | Directory], root: Directory) -> None:
        """``inodes``: the nodes that were there before, by inode number; ``root`` is the one at ``directory``."""
        self.root = root
        self.marks: list[str] = []
        self._directory = directory
        self._nodes = dict(inodes)
        self._syncs: dict[int, int] = {}
        self._began = now()
        self._do: dict[Kind, Callable[[Record], None]] = {
            Kind.CREATE: lambda record: self._make(record, File()),
            Kind.MKDIR: lambda record: self._make(record, Directory()),
            Kind.WRITE: self._write,
            Kind.TRUNCATE: self._truncate,
            Kind.EXTEND: self._extend,
            Kind.ZERO: self._zero,
            Kind.SYNC_BEGIN: self._begin_sync,
            Kind.SYNC_END: self._end_sync,
            Kind.UNLINK: self._remove,
            Kind.RMDIR: self._remove,
            Kind.RENAME: self._rename,
            Kind.LINK: self._link,
            Kind.MARK: lambda record: self.marks.append(record.data.decode()),
        }

    def apply(self, record: Record) -> None:
        """The next event."""
        self._do[record.kind](record)

    def after_crash(self, loss: Loss, random: Random) -> Directory:
        """What a power cut at this moment leaves."""
        return self.root.after_crash(_keep(loss, random, self._began))

    def _make(self, record: Record, node: File | Directory) -> None:
        parent, name = self._parent(record.path)
        parent.name(name, node)
        self._nodes[record.inode] = node

    def _write(self, record: Record) -> None:
        if (file := self._file(record)) is not None:
            file.write(record.a, record.data)

    def _truncate(self, record: Record) -> None:
        if (file := self._file(record)) is not None:
            file.truncate(record.a)

    def _extend(self, record: Record) -> None:
        file = self._file(record)
        if file is not None and len(file.content) < record.a:
            file.truncate(record.a)

    def _zero(self, record: Record) -> None:
        if (file := self._file(record)) is not None:
            file.write(record.a, bytes(max(0, min(record.b, len(file.content) - record.a))))

    def _begin_sync(self, record: Record) -> None:
        self._syncs[record.a] = now()

    def _end_sync(self, record: Record) -> None:
        known = Known.DOUBTFUL if record.b else Known.DURABLE
        began = self._syncs.pop(record.a)
        for node in [self._node(record)] if record.inode else list(self.root.walk()):
            node.settle(known, before=began)

    def _remove(self, record: Record) -> None:
        parent, name = self._parent(record.path)
        if name in parent.entries:  # else a socket, or another thing that is no file
            parent.name(name, None)

    def _rename(self, record: Record) -> None:
        parent, old = self._parent(record.path)
        other, new = self._parent(record.data.decode())
        if parent is not other:
            raise NotImplementedError("a rename from one directory to another")
        if old in parent.entries:
            parent.rename(old, new)

    def _link(self, record: Record) -> None:
        parent, old = self._parent(record.path)
        other, new = self._parent(record.data.decode())
        other.name(new, parent.entries[old])

    def _file(self, record: Record) -> File | None:
        node = self._node(record)
        return node if isinstance(node, File) else None

    def _node(self, record: Record) -> File | Directory:
        if record.inode not in self._nodes:
            raise LookupError(f"the making of this file was not recorded: {record[:5]}")
        return self._nodes[record.inode]

    def _parent(self, path: str) -> tuple[Directory, str]:
        above, name = posixpath.split(path)
        node: File | Directory = self.root
        for part in posixpath.relpath(above, self._directory).split("/"):
            if part != ".":
                assert isinstance(node, Directory)
                node = node.entries[part]
        assert isinstance(node, Directory)
        return node, name


def _keep(loss: Loss, random: Random, began: int) -> Keep:
    share = random.random()  # from almost nothing to almost everything, not always the half
    moment = began + random.randrange(now() - began)
    rules: dict[Loss, Keep] = {
        Loss.ALL: lambda _: False,
        Loss.NONE: lambda _: True,
        Loss.LATEST: lambda change: change.number < moment,
        Loss.ANY: lambda _: random.random() < share,
    }
    return rules[loss]


# --------------------------------------------------------------------------------------------------- from and to real files


def load(directory: Path) -> tuple[Directory, dict[int, File | Directory]]:
    """A real directory as durable nodes, with their inode numbers."""
    inodes: dict[int, File | Directory] = {}
    entries: dict[str, File | Directory] = {}
    for path in directory.iterdir():
        if path.is_dir():
            below, found = load(path)
            inodes |= found
            entries[path.name] = below
        elif path.is_file():
            number = path.stat().st_ino
            entries[path.name] = inodes.setdefault(number, File(path.read_bytes()))
    root = Directory(entries)
    inodes[directory.stat().st_ino] = root
    return root, inodes


_ZEROS: Final = bytes(64 * 1024)


def store(node: Directory, path: Path) -> None:
    """Nodes as real files and directories, under a path that does not exist yet."""
    path.mkdir(mode=0o700)
    for name, below in node.entries.items():
        if isinstance(below, Directory):
            store(below, path / name)
        else:
            with (path / name).open("xb") as file:
                _write_sparsely(file, below.content)


def _write_sparsely(file: BinaryIO, content: bytearray) -> None:
    """Zeros become holes: the catalog's reserve is nothing else, and would be most of what is written."""
    for start in range(0, len(content), len(_ZEROS)):
        piece = content[start : start + len(_ZEROS)]
        if piece != _ZEROS[: len(piece)]:
            file.seek(start)
            file.write(piece)
    file.truncate(len(content))


def differences(node: Directory, path: Path) -> list[str]:
    """Paths at which the nodes and the real files are not the same; what is in `MEMORY_SUFFIX` files does not count."""
    real, _ = load(path)
    return _differences(node, real, "")


def _differences(one: Directory, other: Directory, above: str) -> list[str]:
    found = [f"{above}{name}" for name in one.entries.keys() ^ other.entries.keys()]
    for name in one.entries.keys() & other.entries.keys():
        left, right = one.entries[name], other.entries[name]
        if isinstance(left, Directory) and isinstance(right, Directory):
            found += _differences(left, right, f"{above}{name}/")
        elif isinstance(left, File) and isinstance(right, File):
            if left.content != right.content and not name.endswith(MEMORY_SUFFIX):
                found.append(f"{above}{name}")
        else:
            found.append(f"{above}{name}")
    return sorted(found)

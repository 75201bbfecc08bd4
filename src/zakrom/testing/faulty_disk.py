"""A disk in memory that loses what a real one may lose: the fake behind every claim that acknowledged bytes survive.

`FaultyDisk` is a `zakrom.blobs.disk.Disk`. It keeps what was synced apart from what was not, can refuse any call with any
errno, and can stop dead at any call. `crash` then gives a new disk, in one of the states that a power cut may leave. A store
must survive:

- **Lost writes.** Bytes not covered by an fsync of their file are there, or not, in any subset of 512-byte sectors: so a write
  is torn, and a later one may have arrived where an earlier one did not.
- **Zeros and short files.** The size may have grown where the bytes did not arrive, or the other way round.
- **Lost names.** A name made or removed is as before until an fsync of its directory; fsync of a file does not save its
  name, fsync of a directory saves neither its own name nor the contents of its files (POSIX promises no more, though ext4
  often gives more).
- **An fsync that failed** (EIO) leaves its bytes doubtful for ever: no later fsync saves them, though reads go on to show
  them.
- **No room** (ENOSPC, EDQUOT) from any call that may need a block, fsync included; in ``capacity`` bytes, or by script.
- **Short writes**, and EIO from any call.

It does not lie: what an fsync said yes to is kept. Against disks that rot (`FaultyDisk.flip`) there are block checksums.
"""

from __future__ import annotations

import errno
import os
import posixpath
import tempfile
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from io import BufferedRandom
from random import Random
from typing import Final, NamedTuple

from zakrom.blobs.interface import Room

SECTOR_BYTES: Final = 512
"""What a disk writes whole or not at all; 4096 on newer ones, of which this is the stricter reading."""

CAPACITY_BYTES: Final = 1 << 40
"""Of a disk that is not meant to be full."""

FAULTS: Final = (errno.EIO, errno.ENOSPC, errno.EDQUOT)


class PowerCut(BaseException):
    """The machine stopped before this call; from then on every call of the disk raises it.

    It is no Exception: no handler of the program's errors may catch it.
    """


class Step(NamedTuple):
    """One call of the disk: its number from 0, the method's name, the path it concerns."""

    number: int
    call: str
    path: str


class State(Enum):
    """What is known of a piece of the disk's memory."""

    PENDING = "not synced: a power cut may lose it"
    DURABLE = "synced: it stays"
    DOUBTFUL = "its fsync failed: a power cut may lose it, and no fsync can change that"


class _Write:
    """A change of a file: bytes at an offset, or (data None) a new size. Replayed in order."""

    __slots__ = ("data", "offset", "state")

    def __init__(self, offset: int, data: bytes | None) -> None:
        self.offset = offset
        self.data = data
        self.state = State.PENDING

    def apply(self, content: bytearray) -> None:
        if self.data is None:
            _resize(content, self.offset)
            return
        if len(content) < self.offset:
            _resize(content, self.offset)
        content[self.offset : self.offset + len(self.data)] = self.data

    def sectors(self) -> Iterator[_Write]:
        """The pieces that arrive, or do not arrive, each on its own."""
        if self.data is None:
            yield self
            return
        start, end = self.offset, self.offset + len(self.data)
        while start < end:
            stop = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
            yield _Write(start, self.data[start - self.offset : stop - self.offset])
            start = stop


class _Entry:
    """A change of a directory: the name now means this node, or (None) nothing."""

    __slots__ = ("name", "node", "state")

    def __init__(self, name: str, node: _File | _Directory | None) -> None:
        self.name = name
        self.node = node
        self.state = State.PENDING


class _File:
    __slots__ = ("base", "content", "log", "reserved")

    def __init__(self) -> None:
        self.content = bytearray()
        self.reserved = 0
        self.base = b""  # what is durable with nothing doubtful before it
        self.log: list[_Write] = []

    def change(self, change: _Write) -> None:
        change.apply(self.content)
        self.log.append(change)

    def settle(self, state: State) -> None:
        _settle(self.log, state)
        content = bytearray(self.base)
        while self.log and self.log[0].state is State.DURABLE:
            self.log.pop(0).apply(content)
        self.base = bytes(content)

    def after_crash(self, keep: Callable[[], bool]) -> _File:
        content = bytearray(self.base)
        full = bytearray(self.base)
        size: int | None = None  # the last one that no fsync settled
        for change in self.log:
            change.apply(full)
            durable = change.state is State.DURABLE
            for piece in [change] if durable else change.sectors():
                if durable or keep():
                    piece.apply(content)
            size = None if durable else len(full)
        if size is not None and keep():
            _resize(content, size)  # the size arrived, whether or not the bytes did
        survivor = _File()
        survivor.base = bytes(content)
        survivor.content = content
        return survivor


class _Directory:
    __slots__ = ("base", "entries", "log")

    def __init__(self) -> None:
        self.entries: dict[str, _File | _Directory] = {}
        self.base: dict[str, _File | _Directory] = {}
        self.log: list[_Entry] = []

    def change(self, name: str, node: _File | _Directory | None) -> None:
        _set_entry(self.entries, name, node)
        self.log.append(_Entry(name, node))

    def settle(self, state: State) -> None:
        _settle(self.log, state)
        while self.log and self.log[0].state is State.DURABLE:
            change = self.log.pop(0)
            _set_entry(self.base, change.name, change.node)

    def after_crash(self, keep: Callable[[], bool]) -> _Directory:
        entries = dict(self.base)
        for change in self.log:
            if change.state is State.DURABLE or keep():
                _set_entry(entries, change.name, change.node)
        survivor = _Directory()
        survivor.base = {name: node.after_crash(keep) for name, node in sorted(entries.items())}
        survivor.entries = dict(survivor.base)
        return survivor


class _Handle:
    __slots__ = ("copy", "node", "path")

    def __init__(self, node: _File | _Directory, path: str) -> None:
        self.node = node
        self.path = path
        self.copy: BufferedRandom | None = None


class FaultyDisk:
    """A `Disk` in memory; see the module for what it may do. ``/`` exists. Threads may share it."""

    def __init__(self, capacity: int = CAPACITY_BYTES) -> None:
        self.capacity = capacity
        self.can_reserve = True
        self.steps: list[Step] = []
        """Every call so far."""
        self.before: Callable[[Step], None] | None = None
        """Told of each call before it happens. It may raise OSError or `PowerCut`, or call the disk as another process would."""
        self._root = _Directory()
        self._handles: dict[int, _Handle] = {}
        self._next_handle = 1000
        self._short_writes = 0
        self._dead = False
        self._in_hook = False
        self._lock = threading.RLock()

    # --------------------------------------------------------------------------------------------------- the script

    def cut_power_at(self, number: int) -> None:
        """The machine stops before the call of this number."""

        def cut(step: Step) -> None:
            if step.number >= number:
                raise PowerCut

        self.before = cut

    def fail(self, call: str, code: int, *, after: int = 0, times: int = 1, path: str | None = None) -> None:
        """The ``call`` (a method's name) raises OSError(``code``): ``times`` times, after it has gone well ``after`` times.

        With ``path`` only calls for it count. A call that fails changes nothing, but see `fsync`.
        """
        seen = 0

        def refuse(step: Step) -> None:
            nonlocal seen
            if step.call == call and path in (None, step.path):
                seen += 1
                if after < seen <= after + times:
                    raise OSError(code, os.strerror(code), step.path)

        self.before = refuse

    def fail_at_random(self, seed: int, rate: float, codes: tuple[int, ...] = FAULTS) -> None:
        """Every call but `close` fails with probability ``rate``, with one of the codes."""
        random = Random(seed)  # noqa: S311 - a seed must give the same again

        def refuse(step: Step) -> None:
            if step.call != "close" and random.random() < rate:
                code = random.choice(codes)
                raise OSError(code, os.strerror(code), step.path)

        self.before = refuse

    def write_short(self, times: int) -> None:
        """The next writes of more than one byte take only a part of what they are given."""
        self._short_writes = times

    def flip(self, path: str, offset: int) -> None:
        """One bit of a file rots, on the disk and in memory."""
        file = self._file_at(path)
        file.content[offset] ^= 1
        file.base = bytes(file.content)
        file.log.clear()

    def cut_file(self, path: str, length: int) -> None:
        """A file loses its end."""
        file = self._file_at(path)
        _resize(file.content, length)
        file.base = bytes(file.content)
        file.log.clear()

    # ---------------------------------------------------------------------------------------------------- the crash

    def crash(self, seed: int) -> FaultyDisk:
        """A disk as a power cut may leave it; the same seed gives the same one. Handles are gone, this disk is dead."""
        random = Random(seed)  # noqa: S311 - a seed must give the same again
        share = random.random()  # from almost nothing to almost everything, not always the half
        return self._after_crash(lambda: random.random() < share)

    def crash_losing_all(self) -> FaultyDisk:
        """The disk with nothing but what was synced."""
        return self._after_crash(lambda: False)

    def crash_losing_nothing(self) -> FaultyDisk:
        """The disk after the death of the process alone (``kill -9``)."""
        return self._after_crash(lambda: True)

    def _after_crash(self, keep: Callable[[], bool]) -> FaultyDisk:
        with self._lock:
            self._dead = True
            survivor = FaultyDisk(self.capacity)
            survivor.can_reserve = self.can_reserve
            survivor._root = self._root.after_crash(keep)
            for handle in self._handles.values():
                if handle.copy is not None:
                    handle.copy.close()
            self._handles.clear()
            return survivor

    # ---------------------------------------------------------------------------------------------------- the calls

    def mkdir(self, path: str) -> None:
        """See `Disk`."""
        with self._lock:
            self._step("mkdir", path)
            parent, name = self._parent(path)
            if name in parent.entries:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            parent.change(name, _Directory())

    def rmdir(self, path: str) -> None:
        """See `Disk`."""
        with self._lock:
            self._step("rmdir", path)
            if self._directory_at(path).entries:
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
            parent, name = self._parent(path)
            parent.change(name, None)

    def open_directory(self, path: str) -> int:
        """See `Disk`."""
        with self._lock:
            self._step("open_directory", path)
            return self._hold(self._directory_at(path), path)

    def open(self, path: str, *, write: bool = False) -> int:
        """See `Disk`."""
        with self._lock:
            self._step("open", path)
            return self._hold(self._file_at(path), path)

    def create(self, directory: int, name: str) -> int:
        """See `Disk`."""
        with self._lock:
            above = self._handle(directory)
            path = posixpath.join(above.path, name)
            self._step("create", path)
            parent = above.node
            if not isinstance(parent, _Directory):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            if not self._is_linked(parent):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            if name in parent.entries:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            file = _File()
            parent.change(name, file)
            return self._hold(file, path)

    def close(self, handle: int) -> None:
        """See `Disk`. The handle is released also if an error is raised, as on Linux."""
        with self._lock:
            held = self._handle(handle)
            del self._handles[handle]
            if held.copy is not None:
                held.copy.close()
            self._step("close", held.path)

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        """See `Disk`."""
        with self._lock:
            file, path = self._open_file(handle)
            self._step("pread", path)
            return bytes(file.content[offset : offset + length])

    def pwrite(self, handle: int, data: memoryview, offset: int) -> int:
        """See `Disk`."""
        with self._lock:
            file, path = self._open_file(handle)
            self._step("pwrite", path)
            piece = bytes(data)
            if self._short_writes and len(piece) > 1:
                self._short_writes -= 1
                piece = piece[: len(piece) // 2]
            grown = max(0, offset + len(piece) - max(len(file.content), file.reserved))
            self._need(grown, path)
            file.change(_Write(offset, piece))
            return len(piece)

    def reserve(self, handle: int, length: int) -> bool:
        """See `Disk`."""
        with self._lock:
            file, path = self._open_file(handle)
            self._step("reserve", path)
            if not self.can_reserve:
                return False
            self._need(max(0, length - max(len(file.content), file.reserved)), path)
            file.reserved = max(file.reserved, length)
            return True

    def truncate(self, handle: int, length: int) -> None:
        """See `Disk`."""
        with self._lock:
            file, path = self._open_file(handle)
            self._step("truncate", path)
            file.reserved = 0
            file.change(_Write(length, None))

    def flush_soon(self, handle: int, offset: int, length: int) -> None:
        """See `Disk`: nothing happens."""
        with self._lock:
            _, path = self._open_file(handle)
            self._step("flush_soon", path)

    def fsync(self, handle: int) -> None:
        """See `Disk`. When it is made to fail, what it should have saved is doubtful from then on."""
        with self._lock:
            held = self._handle(handle)
            try:
                self._step("fsync", held.path)
            except OSError:
                held.node.settle(State.DOUBTFUL)
                raise
            held.node.settle(State.DURABLE)

    def size(self, handle: int) -> int:
        """See `Disk`."""
        with self._lock:
            file, path = self._open_file(handle)
            self._step("size", path)
            return len(file.content)

    def fileno(self, handle: int) -> int:
        """See `Disk`: the descriptor of a copy."""
        with self._lock:
            file, path = self._open_file(handle)
            self._step("fileno", path)
            held = self._handle(handle)
            if held.copy is None:
                held.copy = tempfile.TemporaryFile(buffering=-1)  # noqa: SIM115 - closed by `close`
                held.copy.write(file.content)
                held.copy.flush()
            return held.copy.fileno()

    def unlink(self, path: str) -> None:
        """See `Disk`."""
        with self._lock:
            self._step("unlink", path)
            self._file_at(path)
            parent, name = self._parent(path)
            parent.change(name, None)

    def listdir(self, path: str) -> list[str]:
        """See `Disk`."""
        with self._lock:
            self._step("listdir", path)
            return list(self._directory_at(path).entries)

    def length(self, path: str) -> int | None:
        """See `Disk`."""
        with self._lock:
            self._step("length", path)
            node = self._node_at(path)
            return len(node.content) if isinstance(node, _File) else None

    def room(self, path: str) -> Room:
        """See `Disk`."""
        with self._lock:
            self._step("room", path)
            return Room(total=self.capacity, free=self.capacity - self._used())

    # -------------------------------------------------------------------------------------------------------- inside

    def _step(self, call: str, path: str) -> None:
        if self._dead:
            raise PowerCut
        step = Step(len(self.steps), call, path)
        self.steps.append(step)
        if self.before is None or self._in_hook:
            return  # what the hook itself does is not reported to it
        self._in_hook = True
        try:
            self.before(step)
        except PowerCut:
            self._dead = True
            raise
        finally:
            self._in_hook = False

    def _need(self, length: int, path: str) -> None:
        if length > self.capacity - self._used():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def _used(self) -> int:
        """Bytes of all files that have a name or a handle, with what is reserved."""
        files = {id(node): node for node in self._nodes() if isinstance(node, _File)}
        for handle in self._handles.values():
            if isinstance(handle.node, _File):
                files[id(handle.node)] = handle.node
        return sum(max(len(file.content), file.reserved) for file in files.values())

    def _nodes(self) -> Iterator[_File | _Directory]:
        waiting: list[_File | _Directory] = [self._root]
        while waiting:
            node = waiting.pop()
            yield node
            if isinstance(node, _Directory):
                waiting += node.entries.values()

    def _is_linked(self, directory: _Directory) -> bool:
        return any(node is directory for node in self._nodes())

    def _hold(self, node: _File | _Directory, path: str) -> int:
        self._next_handle += 1
        self._handles[self._next_handle] = _Handle(node, path)
        return self._next_handle

    def _handle(self, handle: int) -> _Handle:
        if self._dead:
            raise PowerCut
        if handle not in self._handles:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._handles[handle]

    def _open_file(self, handle: int) -> tuple[_File, str]:
        held = self._handle(handle)
        if not isinstance(held.node, _File):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), held.path)
        return held.node, held.path

    def _node_at(self, path: str) -> _File | _Directory:
        node: _File | _Directory = self._root
        for name in posixpath.normpath(path).split("/"):
            if not name:
                continue
            if not isinstance(node, _Directory):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            if name not in node.entries:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            node = node.entries[name]
        return node

    def _file_at(self, path: str) -> _File:
        node = self._node_at(path)
        if not isinstance(node, _File):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return node

    def _directory_at(self, path: str) -> _Directory:
        node = self._node_at(path)
        if not isinstance(node, _Directory):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return node

    def _parent(self, path: str) -> tuple[_Directory, str]:
        above, name = posixpath.split(posixpath.normpath(path))
        return self._directory_at(above), name


def _resize(content: bytearray, length: int) -> None:
    """Cuts, or fills with zeros."""
    del content[length:]
    content.extend(bytes(length - len(content)))


def _settle(log: list[_Write] | list[_Entry], state: State) -> None:
    for change in log:
        if change.state is State.PENDING:
            change.state = state


def _set_entry(entries: dict[str, _File | _Directory], name: str, node: _File | _Directory | None) -> None:
    if node is None:
        entries.pop(name, None)
    else:
        entries[name] = node

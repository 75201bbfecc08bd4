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
from collections.abc import Callable
from contextlib import AbstractContextManager
from io import BufferedRandom
from random import Random
from typing import Final, NamedTuple

from zakrom.blobs.interface import Room
from zakrom.testing.platter import Directory, File, Keep, State, resize

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


class _Handle:
    __slots__ = ("copy", "node", "path")

    def __init__(self, node: File | Directory, path: str) -> None:
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
        """Hears of each call before it happens; may raise OSError or `PowerCut`, or use the disk as another process would."""
        self._root = Directory()
        self._handles: dict[int, _Handle] = {}
        self._next_handle = 1000
        self._short_writes = 0
        self._dead = False
        self._in_hook = False
        self._lock = threading.RLock()
        self._alone = threading.Lock()

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
        file.petrify()

    def cut_file(self, path: str, length: int) -> None:
        """A file loses its end."""
        file = self._file_at(path)
        resize(file.content, length)
        file.petrify()

    # ---------------------------------------------------------------------------------------------------- the crash

    def crash(self, seed: int) -> FaultyDisk:
        """A disk as a power cut may leave it; the same seed gives the same one. Handles are gone, this disk is dead."""
        random = Random(seed)  # noqa: S311 - a seed must give the same again
        share = random.random()  # from almost nothing to almost everything, not always the half
        return self._after_crash(lambda _: random.random() < share)

    def crash_losing_all(self) -> FaultyDisk:
        """The disk with nothing but what was synced."""
        return self._after_crash(lambda _: False)

    def crash_losing_nothing(self) -> FaultyDisk:
        """The disk after the death of the process alone (``kill -9``)."""
        return self._after_crash(lambda _: True)

    def _after_crash(self, keep: Keep) -> FaultyDisk:
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
            parent.name(name, Directory())

    def rmdir(self, path: str) -> None:
        """See `Disk`."""
        with self._lock:
            self._step("rmdir", path)
            if self._directory_at(path).entries:
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
            parent, name = self._parent(path)
            parent.name(name, None)

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
            if not isinstance(parent, Directory):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            if not self._is_linked(parent):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            if name in parent.entries:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            file = File()
            parent.name(name, file)
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
            file.write(offset, piece)
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
            file.truncate(length)

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
            parent.name(name, None)

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
            return len(node.content) if isinstance(node, File) else None

    def room(self, path: str) -> Room:
        """See `Disk`."""
        with self._lock:
            self._step("room", path)
            return Room(total=self.capacity, free=self.capacity - self._used())

    def alone(self, path: str) -> AbstractContextManager[object]:
        """See `Disk`."""
        return self._alone

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
        files = {id(node): node for node in self._root.walk() if isinstance(node, File)}
        for handle in self._handles.values():
            if isinstance(handle.node, File):
                files[id(handle.node)] = handle.node
        return sum(max(len(file.content), file.reserved) for file in files.values())

    def _is_linked(self, directory: Directory) -> bool:
        return any(node is directory for node in self._root.walk())

    def _hold(self, node: File | Directory, path: str) -> int:
        self._next_handle += 1
        self._handles[self._next_handle] = _Handle(node, path)
        return self._next_handle

    def _handle(self, handle: int) -> _Handle:
        if self._dead:
            raise PowerCut
        if handle not in self._handles:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._handles[handle]

    def _open_file(self, handle: int) -> tuple[File, str]:
        held = self._handle(handle)
        if not isinstance(held.node, File):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), held.path)
        return held.node, held.path

    def _node_at(self, path: str) -> File | Directory:
        node: File | Directory = self._root
        for name in posixpath.normpath(path).split("/"):
            if not name:
                continue
            if not isinstance(node, Directory):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            if name not in node.entries:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            node = node.entries[name]
        return node

    def _file_at(self, path: str) -> File:
        node = self._node_at(path)
        if not isinstance(node, File):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return node

    def _directory_at(self, path: str) -> Directory:
        node = self._node_at(path)
        if not isinstance(node, Directory):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return node

    def _parent(self, path: str) -> tuple[Directory, str]:
        above, name = posixpath.split(posixpath.normpath(path))
        return self._directory_at(above), name

"""The calls we make on a file system, as a seam: `RealDisk` makes them, a faulty disk (`zakrom.testing`) stands in for it.

Only what the blobs need, and each call once: what is not here cannot be forgotten by the disk that loses power. A handle is
an int that the disk gave; files and directories have the same kind. Paths are absolute. Errors are OSError with the errno of
the system.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol

from zakrom.blobs.interface import Room

FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700

KEEP_SIZE: Final = 0x01  # FALLOC_FL_KEEP_SIZE, linux/falloc.h
SYNC_FILE_RANGE_WRITE: Final = 2  # linux/fs.h

CANNOT_RESERVE: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.ENODEV})
"""What fallocate(2) answers where the file system, the kernel or a seccomp filter does not know it."""


class Disk(Protocol):
    """File calls. Every one may raise OSError; after a power cut only what `fsync` covered is sure to be there."""

    def mkdir(self, path: str) -> None:
        """Raises FileExistsError. Durable when the parent directory is synced."""
        ...

    def rmdir(self, path: str) -> None:
        """Raises OSError (ENOTEMPTY, ENOENT)."""
        ...

    def open_directory(self, path: str) -> int:
        """A handle to sync, and to create files in even if the path names another directory meanwhile."""
        ...

    def open(self, path: str, *, write: bool = False) -> int:
        """A file that exists."""
        ...

    def create(self, directory: int, name: str) -> int:
        """A new, empty file of `FILE_MODE`. Raises FileExistsError; FileNotFoundError if the directory was removed."""
        ...

    def close(self, handle: int) -> None:
        """Releases the handle; syncs nothing."""
        ...

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        """At most ``length`` bytes; fewer only at the end of the file, or when the system chose to."""
        ...

    def pwrite(self, handle: int, data: memoryview, offset: int) -> int:
        """Writes a prefix of ``data`` and returns its length, at least 1."""
        ...

    def reserve(self, handle: int, length: int) -> bool:
        """Sets blocks aside for ``length`` bytes without changing the file's size; False where the system cannot."""
        ...

    def truncate(self, handle: int, length: int) -> None:
        """Sets the size, and gives back what was reserved beyond it."""
        ...

    def flush_soon(self, handle: int, offset: int, length: int) -> None:
        """Starts to write the range to the device, without waiting: a hint that promises nothing."""
        ...

    def fsync(self, handle: int) -> None:
        """Returns when file contents and size, or a directory's entries, survive a power cut.

        After an error never call it again for the same bytes: the kernel may have marked them clean, and the second call would
        say yes to what was lost (fsync(2); PostgreSQL's "fsyncgate" of 2018).
        """
        ...

    def size(self, handle: int) -> int:
        """Bytes of an open file."""
        ...

    def fileno(self, handle: int) -> int:
        """A descriptor of the system for the handle's contents, valid until `close`."""
        ...

    def unlink(self, path: str) -> None:
        """Raises FileNotFoundError. Durable when the directory is synced."""
        ...

    def listdir(self, path: str) -> list[str]:
        """Names, in no order."""
        ...

    def length(self, path: str) -> int | None:
        """Bytes of a regular file, None if the path is something else."""
        ...

    def room(self, path: str) -> Room:
        """Of the file system below ``path``."""
        ...

    def alone(self, path: str) -> AbstractContextManager[object]:
        """Waits until no other thread or process is inside this for the same directory."""
        ...


class RealDisk:
    """The file system of this machine."""

    # The hot calls are the system's own functions, not wrappers around them.
    close = staticmethod(os.close)
    pread = staticmethod(os.pread)
    pwrite = staticmethod(os.pwrite)
    truncate = staticmethod(os.ftruncate)
    rmdir = staticmethod(os.rmdir)
    unlink = staticmethod(os.unlink)
    listdir = staticmethod(os.listdir)

    def mkdir(self, path: str) -> None:
        os.mkdir(path, DIRECTORY_MODE)

    def open_directory(self, path: str) -> int:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def open(self, path: str, *, write: bool = False) -> int:
        return os.open(path, (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC)

    def create(self, directory: int, name: str) -> int:
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE, dir_fd=directory)

    def reserve(self, handle: int, length: int) -> bool:
        return _reserve(handle, length)

    def flush_soon(self, handle: int, offset: int, length: int) -> None:
        _flush_soon(handle, offset, length)

    def fsync(self, handle: int) -> None:
        _fsync(handle)

    def size(self, handle: int) -> int:
        return os.fstat(handle).st_size

    def fileno(self, handle: int) -> int:
        return handle

    def length(self, path: str) -> int | None:
        found = os.stat(path, follow_symlinks=False)
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def room(self, path: str) -> Room:
        figures = os.statvfs(path)
        return Room(total=figures.f_blocks * figures.f_frsize, free=figures.f_bavail * figures.f_frsize)

    @contextmanager
    def alone(self, path: str) -> Iterator[None]:
        handle = self.open_directory(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


if sys.platform == "darwin":  # pragma: no cover - the other system

    def _fsync(handle: int) -> None:
        """On macOS fsync(2) leaves the bytes in the drive's own cache; F_FULLFSYNC does not (fcntl(2))."""
        try:
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.ENOTTY, errno.EINVAL):  # a network volume does not know it
                raise
            os.fsync(handle)

    def _reserve(_handle: int, _length: int) -> bool:
        return False

    def _flush_soon(_handle: int, _offset: int, _length: int) -> None:
        return

else:
    _fsync = os.fsync

    _libc = ctypes.CDLL(None, use_errno=True)

    def _c_function(
        names: tuple[str, ...], *types: type[ctypes.c_int | ctypes.c_int64 | ctypes.c_uint]
    ) -> ctypes._NamedFuncPointer | None:
        """The first of the names that the C library has: with 32-bit off_t the wide one has a name of its own."""
        for name in names:
            function: ctypes._NamedFuncPointer | None = getattr(_libc, name, None)
            if function is not None:
                function.argtypes = types
                function.restype = ctypes.c_int
                return function
        return None

    # os.posix_fallocate is unfit: where the file system cannot reserve, glibc emulates it by writing to every block.
    _fallocate = _c_function(("fallocate64", "fallocate"), ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    _sync_file_range = _c_function(("sync_file_range",), ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)

    def _reserve(handle: int, length: int) -> bool:
        if _fallocate is None:
            return False
        while _fallocate(handle, KEEP_SIZE, 0, length) != 0:
            code = ctypes.get_errno()
            if code in CANNOT_RESERVE:
                return False
            if code != errno.EINTR:  # tmpfs gives up when a signal is pending
                raise OSError(code, os.strerror(code))
        return True

    def _flush_soon(handle: int, offset: int, length: int) -> None:
        if _sync_file_range is not None:
            _sync_file_range(handle, offset, length, SYNC_FILE_RANGE_WRITE)  # a failure shows in the fsync to come


def sync_directory(disk: Disk, path: str) -> None:
    """Makes the entries of a directory durable."""
    handle = disk.open_directory(path)
    try:
        disk.fsync(handle)
    finally:
        disk.close(handle)

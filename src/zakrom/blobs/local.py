"""Blobs as files of a local directory.

Layout, version 1, all below one directory::

    format                                  one line: zakrom blobs 1
    <generation>/<serial >> 10>/<serial>    hexadecimal, lower case, no leading zeros; a file holds the bytes and nothing else

The path follows from the id and a file is written where it stays, so there is no rename and no temporary name: what the
catalog does not name is not there. Who staged what is in the path, so after a crash only the files of dead generations need
a look.

What makes a blob durable, in this order: the directories above it (synced once, when they are made), the bytes and size of
the file, its entry in the directory. The directory is opened *before* the file is created and the file is created *in that
handle*: an empty directory may be removed by another process at any time (`drop`, `sweep`), and an error of the device in
between is reported to every handle that was open then (fsync(2), since Linux 4.13).
"""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from zakrom import errors
from zakrom.blobs.blocks import CHECKSUM_BYTES, BlockHasher, block_count, first_damage
from zakrom.blobs.disk import Disk, RealDisk, sync_directory
from zakrom.blobs.interface import Reader, Room, Stage
from zakrom.model.facts import BLOCK_BYTES, BlobFacts

FORMAT: Final = 1
"""Version of the layout above, `BLOCK_BYTES` included."""

FORMAT_FILE: Final = "format"
FORMAT_LINE: Final = re.compile(rb"zakrom blobs (\d{1,9})\n")
FORMAT_BYTES_MAX: Final = 64
"""More than any version line."""

SERIAL_BITS: Final = 32
SERIALS: Final = 1 << SERIAL_BITS
"""Blobs of one generation: at 1,000 a second 49 days; then the process must adopt another generation."""

SHARD_BITS: Final = 10
"""1,024 files a directory: small on every file system, and the two syncs of a new directory are rare."""

SHARDS: Final = SERIALS >> SHARD_BITS
"""Directories of one generation. A shard's number is ``blob >> SHARD_BITS``: it holds the generation too."""

CREATE_TRIES: Final = 10
"""How often the directory of a new file may be removed under us before we say that something is wrong."""

SWEEP_BATCH: Final = 1000
"""Ids at once: one query of the catalog each."""

FLUSH_BYTES: Final = 8 * 1024 * 1024
"""How much a stage writes before it asks the system to start writing to the device, so that the sync finds little left."""

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
UNREADABLE: Final = frozenset({errno.EIO, errno.EILSEQ, getattr(errno, "EUCLEAN", errno.EIO)})
"""What a file system answers when the medium, or its own checksum, says that the bytes are lost."""


class LocalBlobs:
    """`Blobs` on a file system. Threads and processes may share the directory, each process with a generation of its own.

    ``directory`` is made if only its last part is missing; it and the format file are durable when the constructor returns.
    Raises `FormatTooNew`, `Corrupt` if the version line is not ours, OSError.
    """

    def __init__(self, directory: str | os.PathLike[str], disk: Disk | None = None) -> None:
        self._directory = str(Path(directory).absolute())
        self._disk: Disk = RealDisk() if disk is None else disk
        self._lock = threading.Lock()
        self._generation: int | None = None
        self._next_serial = 0
        self._durable_shards: set[int] = set()
        self._refusal: OSError | None = None
        _settle_format(self._disk, self._directory)

    # ------------------------------------------------------------------------------------------------------- writing

    def adopt(self, generation: int) -> None:
        """From now on `stage` gives ids of this generation; no other process may have it.

        Serials begin after the directories that exist: a catalog restored from a backup hands generations out anew.
        """
        taken = self._shards_of(generation)
        with self._lock:
            self._generation = generation
            self._next_serial = ((taken[-1] + 1) << SHARD_BITS) - (generation << SERIAL_BITS) if taken else 0
            self._durable_shards = set()
            self._refusal = None

    def stage(self, length_hint: int | None) -> Stage:
        """A new blob. Raises `InsufficientStorage`; OSError; `Unavailable` if the generation has used all its serials."""
        blob = self._take_id()
        try:
            directory, handle = self._create(blob)
        except OSError as error:
            _raise_if_full(error)
            raise
        stage = LocalStage(self._disk, blob, self._path(blob), directory, handle)
        if length_hint:
            stage.reserve(length_hint)
        return stage

    def _take_id(self) -> int:
        with self._lock:
            if self._generation is None:
                raise ValueError("no generation adopted")
            if self._next_serial >= SERIALS:
                raise errors.Unavailable(generation=self._generation)
            blob = self._generation << SERIAL_BITS | self._next_serial
            self._next_serial += 1
            return blob

    def _create(self, blob: int) -> tuple[int, int]:
        """Handles of the blob's directory, whose own entry is durable, and of its new file."""
        shard = blob >> SHARD_BITS
        for _ in range(CREATE_TRIES):
            try:
                directory = self._open_shard(shard)
                try:
                    return directory, self._disk.create(directory, _serial_name(blob))
                except OSError:
                    self._disk.close(directory)
                    raise
            except FileNotFoundError:  # it was empty, and another process has just removed it
                continue
        raise FileNotFoundError(errno.ENOENT, "directory vanishes again and again", self._shard_path(shard))

    def _open_shard(self, shard: int) -> int:
        # First open, then ask: who makes the directory anew takes its number off the set before.
        directory = _open_if_there(self._disk, self._shard_path(shard))
        if directory is not None and shard in self._durable_shards:
            return directory
        if directory is not None:
            self._disk.close(directory)
        with self._lock:
            return self._make_shard(shard)

    def _make_shard(self, shard: int) -> int:
        """Called with the lock held: no other thread makes directories meanwhile."""
        path, above = self._shard_path(shard), self._generation_path(shard >> SERIAL_BITS - SHARD_BITS)
        if shard in self._durable_shards and (directory := _open_if_there(self._disk, path)) is not None:
            return directory
        if self._refusal is not None:
            raise OSError(self._refusal.errno, "directories could not be synced before", path)
        self._durable_shards.discard(shard)
        _mkdir_if_missing(self._disk, above)
        _mkdir_if_missing(self._disk, path)
        try:
            sync_directory(self._disk, self._directory)
            sync_directory(self._disk, above)
        except FileNotFoundError:  # removed again already: `_create` has more tries
            raise
        except OSError as error:
            # Which entries are on disk is unknown now, and a second sync might say yes to what the first has lost.
            self._refusal = error
            raise
        self._durable_shards = {other for other in self._durable_shards if other >= shard - 1} | {shard}
        return self._disk.open_directory(path)

    # ------------------------------------------------------------------------------------------------------- reading

    def open(self, blob: int, length: int) -> Reader:
        """Raises `DataCorrupt` if the file has another length, FileNotFoundError if it is gone."""
        handle = self._disk.open(self._path(blob))
        found = self._disk.size(handle)
        if found != length:
            self._disk.close(handle)
            block = min(found, length) // BLOCK_BYTES
            raise errors.DataCorrupt(blob=blob, block=block, length=length, found_length=found)
        return LocalReader(self._disk, blob, length, handle)

    def room(self) -> Room:
        """Live figures of the file system."""
        return self._disk.room(self._directory)

    def all(self) -> Iterator[tuple[int, int]]:
        """(id, length) of every blob file, by id; strangers are passed over. Files that come or go meanwhile may be missing."""
        for generation in _numbers(self._disk, self._directory):
            for blobs in self._shard_contents(generation):
                for blob in blobs:
                    length = _length_if_there(self._disk, self._path(blob))
                    if length is not None:
                        yield blob, length

    # ------------------------------------------------------------------------------------------------------ removing

    def drop(self, blobs: list[int]) -> None:
        """Unlinks, and returns when the files stay gone after a power cut too; what is gone already is no error.

        Directories of other generations that become empty go too. All blobs are tried; then the first OSError is raised.
        """
        shards: dict[int, list[int]] = {}
        for blob in blobs:
            shards.setdefault(blob >> SHARD_BITS, []).append(blob)
        failures: list[OSError] = []
        for shard, members in shards.items():
            failures += self._drop_from(shard, members)
        if failures:
            raise failures[0]

    def _drop_from(self, shard: int, blobs: list[int]) -> list[OSError]:
        failures: list[OSError] = []
        for blob in blobs:
            try:
                self._disk.unlink(self._path(blob))
            except FileNotFoundError:
                continue
            except OSError as error:
                failures.append(error)
        try:
            # Else a file might come back after its generation was swept for the last time, and nobody would look for it.
            sync_directory(self._disk, self._shard_path(shard))
        except FileNotFoundError:
            return failures
        except OSError as error:
            failures.append(error)
        self._remove_if_empty(shard)
        return failures

    def sweep(self, generation: int) -> Iterator[list[int]]:
        """Batches of ids of all files that a dead generation left, by id; at the end its empty directories go."""
        if generation == self._generation:
            raise ValueError("a living generation is not swept")
        for blobs in self._shard_contents(generation):
            for start in range(0, len(blobs), SWEEP_BATCH):
                yield blobs[start : start + SWEEP_BATCH]
        for shard in self._shards_of(generation):
            self._remove_if_empty(shard)

    def _remove_if_empty(self, shard: int) -> None:
        """Not those of our own generation: they would have to be made and synced again at once."""
        generation = shard >> SERIAL_BITS - SHARD_BITS
        if generation == self._generation:
            return
        with suppress(OSError):  # not empty, or gone
            self._disk.rmdir(self._shard_path(shard))
            self._disk.rmdir(self._generation_path(generation))

    # -------------------------------------------------------------------------------------------------------- layout

    def _generation_path(self, generation: int) -> str:
        return f"{self._directory}/{generation:x}"

    def _shard_path(self, shard: int) -> str:
        return f"{self._directory}/{shard >> SERIAL_BITS - SHARD_BITS:x}/{shard & SHARDS - 1:x}"

    def _path(self, blob: int) -> str:
        return f"{self._shard_path(blob >> SHARD_BITS)}/{_serial_name(blob)}"

    def _shards_of(self, generation: int) -> list[int]:
        """The numbers (generation included) of the directories of a generation, in order."""
        return [
            generation << SERIAL_BITS - SHARD_BITS | number
            for number in _numbers(self._disk, self._generation_path(generation))
            if number < SHARDS
        ]

    def _shard_contents(self, generation: int) -> Iterator[list[int]]:
        """The ids in each directory of a generation, in order."""
        for shard in self._shards_of(generation):
            blobs = [generation << SERIAL_BITS | serial for serial in _numbers(self._disk, self._shard_path(shard))]
            yield [blob for blob in blobs if blob >> SHARD_BITS == shard]


class LocalStage:
    """A `Stage`: a file under its final name that nobody knows yet."""

    __slots__ = ("_directory", "_disk", "_flushed", "_handle", "_hasher", "_length", "_path", "_reserved", "id")

    def __init__(self, disk: Disk, blob: int, path: str, directory: int, handle: int) -> None:
        self.id = blob
        self._disk = disk
        self._path = path
        self._directory: int | None = directory
        self._handle: int | None = handle
        self._hasher = BlockHasher()
        self._length = 0
        self._reserved = 0
        self._flushed = 0

    def reserve(self, length: int) -> None:
        """Sets room aside. Raises `InsufficientStorage`, OSError; then the stage has ended."""
        handle = self._open_handle()
        try:
            self._reserve(handle, length)
        except OSError as error:
            self._fail(error)

    def _reserve(self, handle: int, length: int) -> None:
        # Looked at first: ext4 takes all the room there is, from everybody, before it finds that a reservation is too large.
        if self._disk.room(self._path).free < length:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)
        if self._disk.reserve(handle, length):
            self._reserved = length

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Appends. Raises `InsufficientStorage`, OSError; then the stage has ended and the file is removed."""
        view = memoryview(data).cast("B")
        handle = self._open_handle()
        try:
            self._put(handle, view)
        except OSError as error:
            self._fail(error)
        self._hasher.update(view)

    def commit(self) -> BlobFacts:
        """Makes the blob durable. Raises `InsufficientStorage`, OSError; then the stage has ended and the file is removed."""
        handle = self._open_handle()
        try:
            if self._reserved > self._length:
                self._disk.truncate(handle, self._length)
            self._disk.fsync(handle)
            if self._directory is not None:
                self._disk.fsync(self._directory)
            self._close()
        except OSError as error:
            self._fail(error)
        return BlobFacts(id=self.id, length=self._length, blocks=self._hasher.finish())

    def discard(self) -> None:
        """Removes the file, committed or not. Never raises: what cannot be removed is left to the sweep."""
        with suppress(OSError):
            self._close()
        with suppress(OSError):
            self._disk.unlink(self._path)

    def _open_handle(self) -> int:
        if self._handle is None:
            raise ValueError("the stage has ended")
        return self._handle

    def _put(self, handle: int, view: memoryview) -> None:
        while view:
            written = self._disk.pwrite(handle, view, self._length)
            if written <= 0:
                raise OSError(errno.EIO, "nothing written", self._path)
            self._length += written
            view = view[written:]
        if self._length - self._flushed >= FLUSH_BYTES:
            self._disk.flush_soon(handle, self._flushed, self._length - self._flushed)
            self._flushed = self._length

    def _fail(self, error: OSError) -> NoReturn:
        self.discard()
        _raise_if_full(error)
        raise error

    def _close(self) -> None:
        handles = [handle for handle in (self._handle, self._directory) if handle is not None]
        self._handle = self._directory = None
        _close_all(self._disk, handles)


class LocalReader:
    """A `Reader`: an open file."""

    __slots__ = ("_blob", "_disk", "_handle", "_length")

    def __init__(self, disk: Disk, blob: int, length: int, handle: int) -> None:
        self._disk = disk
        self._blob = blob
        self._length = length
        self._handle: int | None = handle

    def read(self, offset: int, length: int, blocks: bytes, first_block: int) -> bytes | memoryview:
        """Verified bytes. A range outside the blob, or checksums that do not cover it, are ValueError."""
        if offset < 0 or length < 0 or offset + length > self._length:
            raise ValueError(f"range {offset}+{length} of a blob of {self._length} bytes")
        if length == 0:
            return b""
        first = offset // BLOCK_BYTES
        start = first * BLOCK_BYTES
        end = min(self._length, block_count(offset + length) * BLOCK_BYTES)
        checksums = _checksums_of(blocks, first - first_block, block_count(end - start))
        data = self._pread(start, end - start)
        damaged = first_damage(memoryview(data), checksums)
        if damaged is not None:
            raise errors.DataCorrupt(blob=self._blob, block=first + damaged)
        return data if len(data) == length else memoryview(data)[offset - start : offset - start + length]

    def fileno(self) -> int:
        """For sendfile, unverified; valid until `close`."""
        return self._disk.fileno(self._open_handle())

    def close(self) -> None:
        """May be called again."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            self._disk.close(handle)

    def _open_handle(self) -> int:
        if self._handle is None:
            raise ValueError("the reader is closed")
        return self._handle

    def _pread(self, offset: int, length: int) -> bytes:
        handle = self._open_handle()
        try:
            data = self._disk.pread(handle, length, offset)
            while len(data) < length:
                more = self._disk.pread(handle, length - len(data), offset + len(data))
                if not more:
                    raise errors.DataCorrupt(blob=self._blob, block=(offset + len(data)) // BLOCK_BYTES)
                data += more
        except OSError as error:
            if error.errno in UNREADABLE:
                raise errors.DataCorrupt(blob=self._blob, block=offset // BLOCK_BYTES, errno=error.errno) from error
            raise
        return data


# ----------------------------------------------------------------------------------------------------------- small steps


def _serial_name(blob: int) -> str:
    return f"{blob & SERIALS - 1:x}"


def _raise_if_full(error: OSError) -> None:
    """The foreign errors that mean "no room" become ours."""
    if error.errno in NO_ROOM:
        raise errors.InsufficientStorage(errno=error.errno) from error


def _checksums_of(blocks: bytes, index: int, count: int) -> bytes:
    checksums = blocks[index * CHECKSUM_BYTES : (index + count) * CHECKSUM_BYTES] if index >= 0 else b""
    if len(checksums) != count * CHECKSUM_BYTES:
        raise ValueError("the checksums do not cover the range")
    return checksums


def _close_all(disk: Disk, handles: list[int]) -> None:
    """Closes every one, also if one fails; then raises the first failure: over NFS a close may report lost bytes."""
    failures: list[OSError] = []
    for handle in handles:
        try:
            disk.close(handle)
        except OSError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def _open_if_there(disk: Disk, path: str) -> int | None:
    try:
        return disk.open_directory(path)
    except FileNotFoundError:
        return None


def _mkdir_if_missing(disk: Disk, path: str) -> None:
    with suppress(FileExistsError):
        disk.mkdir(path)


def _length_if_there(disk: Disk, path: str) -> int | None:
    try:
        return disk.length(path)
    except FileNotFoundError:
        return None


def _numbers(disk: Disk, path: str) -> list[int]:
    """The names in a directory that are numbers as we write them, in order; none if it is not there, or is no directory."""
    try:
        names = disk.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(name, 16) for name in names if _HEXADECIMAL.fullmatch(name))


_HEXADECIMAL = re.compile(r"0|[1-9a-f][0-9a-f]{0,15}")


def _settle_format(disk: Disk, directory: str) -> None:
    """Reads the version line, or writes it where it is missing or was never finished, and makes it durable."""
    _mkdir_if_missing(disk, directory)
    above = disk.open_directory(directory)
    try:
        handle = _open_format(disk, above, directory)
        try:
            _settle_line(disk, handle, directory)
            disk.fsync(handle)
        finally:
            disk.close(handle)
        disk.fsync(above)
    finally:
        disk.close(above)
    sync_directory(disk, str(Path(directory).parent))


def _open_format(disk: Disk, above: int, directory: str) -> int:
    try:
        return disk.create(above, FORMAT_FILE)
    except FileExistsError:
        return disk.open(f"{directory}/{FORMAT_FILE}", write=True)


def _settle_line(disk: Disk, handle: int, directory: str) -> None:
    line = b"zakrom blobs %d\n" % FORMAT
    # A power cut, or another process at this moment, may leave the line empty, cut, or as zeros: then nothing is stored yet.
    found = disk.pread(handle, FORMAT_BYTES_MAX, 0).rstrip(b"\0")
    if found != line and line.startswith(found):
        if disk.pwrite(handle, memoryview(line), 0) != len(line):
            raise OSError(errno.EIO, "version line not written", directory)
        disk.truncate(handle, len(line))
        return
    match = FORMAT_LINE.fullmatch(found)
    if match is None:
        raise errors.Corrupt("The version line of the blob directory is not ours.", path=f"{directory}/{FORMAT_FILE}")
    if int(match[1]) > FORMAT:
        raise errors.FormatTooNew(path=directory, found=int(match[1]), supported=FORMAT)


def relative_path(blob: int) -> str:
    """Where a blob lies below the directory: for who copies the store."""
    return f"{blob >> SERIAL_BITS:x}/{(blob & SERIALS - 1) >> SHARD_BITS:x}/{_serial_name(blob)}"

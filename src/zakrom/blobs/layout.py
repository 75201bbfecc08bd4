"""Where a blob lies, and the line that says how.

Layout, version 1, all below one directory::

    format                                  one line: zakrom blobs 1
    <generation>/<serial >> 10>/<serial>    hexadecimal, lower case, no leading zeros; a file holds the bytes and nothing else

The path follows from the id and a file is written where it stays, so there is no rename and no temporary name: what the
catalog does not name is not there. Who staged what is in the path, so after a crash only the files of dead generations need
a look.
"""

from __future__ import annotations

import errno
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from zakrom import errors
from zakrom.blobs.disk import Disk, sync_directory

FORMAT: Final = 1
"""Version of the layout above, `zakrom.model.facts.BLOCK_BYTES` included."""

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

NUMBER_NAME: Final = re.compile(r"0|[1-9a-f][0-9a-f]{0,15}")
"""A number as we write it; other names are strangers."""


def generation_of(shard: int) -> int:
    """The generation that a shard belongs to."""
    return shard >> SERIAL_BITS - SHARD_BITS


def generation_path(generation: int) -> str:
    """Below the directory of the blobs, as the two others."""
    return f"{generation:x}"


def shard_path(shard: int) -> str:
    """Where the 1,024 blobs of a shard lie."""
    return f"{generation_path(generation_of(shard))}/{shard & SHARDS - 1:x}"


def serial_name(blob: int) -> str:
    """The name of a blob's file."""
    return f"{blob & SERIALS - 1:x}"


def relative_path(blob: int) -> str:
    """Where a blob lies."""
    return f"{shard_path(blob >> SHARD_BITS)}/{serial_name(blob)}"


def mkdir_if_missing(disk: Disk, path: str) -> None:
    """Makes a directory, or finds it there."""
    with suppress(FileExistsError):
        disk.mkdir(path)


def numbers(disk: Disk, path: str) -> list[int]:
    """The names in a directory that are numbers as we write them, in order; none if it is not there, or is no directory."""
    try:
        names = disk.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(name, 16) for name in names if NUMBER_NAME.fullmatch(name))


def settle_format(disk: Disk, directory: str) -> None:
    """Reads the version line, or writes it where it is missing or was never finished, and makes it durable."""
    mkdir_if_missing(disk, directory)
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

"""The blobs' contract, on the real file system and on the faulty disk while it is well."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zakrom.blobs.disk import Disk, RealDisk
from zakrom.blobs.interface import Blobs
from zakrom.blobs.local import LocalBlobs
from zakrom.testing.contracts.blobs import BlobsContract
from zakrom.testing.faulty_disk import FaultyDisk

CAPACITY_BYTES = 1 << 30


def path_of(directory: str, blob: int) -> str:
    """Where a blob lies: the documented layout, written a second time."""
    generation, serial = blob >> 32, blob & 0xFFFF_FFFF
    return f"{directory}/{generation:x}/{serial // 1024:x}/{serial:x}"


class RealSite:
    """A directory of this machine."""

    def __init__(self, directory: str, disk: Disk) -> None:
        self.directory = directory
        self.disk = disk

    def open(self) -> Blobs:
        """See `Site`."""
        return LocalBlobs(self.directory, self.disk)

    def flip(self, blob: int, offset: int) -> None:
        """See `Site`."""
        with Path(path_of(self.directory, blob)).open("r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 1]))

    def shorten(self, blob: int, length: int) -> None:
        """See `Site`."""
        os.truncate(path_of(self.directory, blob), length)


class FaultySite:
    """A disk in memory."""

    def __init__(self, disk: FaultyDisk) -> None:
        self.disk = disk

    def open(self) -> Blobs:
        """See `Site`."""
        return LocalBlobs("/blobs", self.disk)

    def flip(self, blob: int, offset: int) -> None:
        """See `Site`."""
        self.disk.flip(path_of("/blobs", blob), offset)

    def shorten(self, blob: int, length: int) -> None:
        """See `Site`."""
        self.disk.cut_file(path_of("/blobs", blob), length)


class UnreservingDisk(RealDisk):
    """A file system that cannot set room aside."""

    def reserve(self, handle: int, length: int) -> bool:
        """Says so."""
        return False


class TestLocalBlobs(BlobsContract):
    """Files of this machine."""

    @pytest.fixture
    def site(self, tmp_path: Path) -> RealSite:
        """A fresh directory."""
        return RealSite(str(tmp_path / "blobs"), RealDisk())


class TestLocalBlobsWithoutReservation(BlobsContract):
    """Files of a machine whose file system has no fallocate."""

    @pytest.fixture
    def site(self, tmp_path: Path) -> RealSite:
        """A fresh directory."""
        return RealSite(str(tmp_path / "blobs"), UnreservingDisk())


class TestFaultyDisk(BlobsContract):
    """The faulty disk keeps the same promises as long as no fault is scripted."""

    @pytest.fixture
    def site(self) -> FaultySite:
        """A fresh disk."""
        return FaultySite(FaultyDisk(CAPACITY_BYTES))

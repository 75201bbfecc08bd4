"""The figures that stand beside the constants of `zakrom.blobs`: ``python tests/facts/blob_figures.py [directory]``.

Not a test: what it prints depends on the machine. Each figure is the best of several rounds, since other work only ever adds
time.
"""

# ruff: noqa: T201 - it prints its results

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable

from zakrom.blobs import stage as stages
from zakrom.blobs.blocks import blocks
from zakrom.blobs.local import LocalBlobs
from zakrom.model.facts import BlobFacts

KIB = 1024
MIB = 1024 * KIB
SIZES = (4 * KIB, 32 * KIB, 64 * KIB, 256 * KIB, MIB, 8 * MIB, 64 * MIB)
CHUNK_BYTES = 256 * KIB  # what the door hands over at once


def best(rounds: int, action: Callable[[], object], after: Callable[[], object] = lambda: None) -> float:
    """Seconds of the quickest round; ``after`` each round is not counted."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
        after()
    return min(times)


class Bench:
    """Blobs and noise to fill them with."""

    def __init__(self, directory: str) -> None:
        self.blobs = LocalBlobs(f"{directory}/blobs")
        self.blobs.adopt(1)
        self.noise = memoryview(os.urandom(SIZES[-1]))
        self.made: list[int] = []

    def put(self, size: int, hint: int | None) -> BlobFacts:
        """Stages and commits one blob."""
        stage = self.blobs.stage(hint)
        for offset in range(0, size, CHUNK_BYTES):
            stage.write(self.noise[offset : min(size, offset + CHUNK_BYTES)])
        self.made.append(stage.id)
        return stage.commit()

    def clean(self) -> None:
        """Drops what was made."""
        self.blobs.drop(self.made)
        self.made.clear()

    def read(self, facts: BlobFacts, chunk_bytes: int) -> None:
        """Reads a whole blob verified, from the page cache."""
        reader = self.blobs.open(facts.id, facts.length)
        for offset in range(0, facts.length, chunk_bytes):
            reader.read(offset, min(chunk_bytes, facts.length - offset), facts.blocks, 0)
        reader.close()

    def put_figures(self) -> None:
        """Stage and commit, by size."""
        for size in SIZES:
            rounds = max(8, min(300, 64 * MIB // size))
            hinted, unhinted = (best(rounds, lambda h=hint: self.put(size, h), self.clean) for hint in (size, None))  # noqa: B023
            rate = f"{size / hinted / 1e9:5.2f} GB/s"
            print(f"stage+commit {size // KIB:6} KiB: {hinted * 1e3:7.3f} ms, without hint {unhinted * 1e3:7.3f} ms, {rate}")

    def flush_figures(self) -> None:
        """Write-back on the way, or all at the end."""
        kept = stages.FLUSH_BYTES
        for flush_bytes in (1 << 40, 32 * MIB, 8 * MIB, 2 * MIB):
            stages.FLUSH_BYTES = flush_bytes  # type: ignore[misc]
            took = best(10, lambda: self.put(SIZES[-1], SIZES[-1]), self.clean)
            print(f"{SIZES[-1] // MIB} MiB, flushed each {flush_bytes // MIB} MiB: {took * 1e3:.1f} ms")
        stages.FLUSH_BYTES = kept  # type: ignore[misc]

    def read_figures(self) -> None:
        """Verified reads, by what is asked for at once."""
        facts = self.put(SIZES[-1], None)
        print(f"checksums alone: {facts.length / best(20, lambda: blocks(self.noise)) / 1e9:.1f} GB/s")
        for chunk_bytes in (64 * KIB, 128 * KIB, 256 * KIB, MIB, 4 * MIB):
            took = best(20, lambda: self.read(facts, chunk_bytes))  # noqa: B023
            print(f"verified read in {chunk_bytes // KIB:5} KiB: {facts.length / took / 1e9:.2f} GB/s")
        opened = best(500, lambda: self.blobs.open(facts.id, facts.length).close())
        print(f"open and close: {opened * 1e6:.1f} us")


def main(directory: str) -> None:
    """Prints all figures."""
    bench = Bench(directory)
    bench.put_figures()
    bench.flush_figures()
    bench.read_figures()


if __name__ == "__main__":
    scratch = tempfile.mkdtemp(dir=sys.argv[1] if len(sys.argv) > 1 else None)
    try:
        main(scratch)
    finally:
        shutil.rmtree(scratch)

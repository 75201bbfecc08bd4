"""How fast one thread reads encrypted bytes: from the page cache, CRC32C verified and AES-256-GCM opened, beside plain ones.

    python benchmarks/sealed.py [--mib 512] [--rounds 5]

This is the work of the thread that reads ahead of a download; the socket is another one's. Also: sealing, as an upload does it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable

import msgspec

from zakrom.blobs.interface import Reader
from zakrom.blobs.local import LocalBlobs
from zakrom.crypt.sealed import Opener, Sealer
from zakrom.model.facts import BLOCK_BYTES, SEALED_BLOCK_BYTES, BlobFacts
from zakrom.rules.ranges import Span
from zakrom.store import sealing
from zakrom.store.core import STEP_BYTES

KEY = bytes(range(32))
MIB = 1024 * 1024
BLOCKS = STEP_BYTES // BLOCK_BYTES


def write(blobs: LocalBlobs, content: bytes, *, sealed: bool) -> BlobFacts:
    """A blob."""
    stage = blobs.stage(None)
    target = sealing.SealedStage(stage, Sealer(KEY)) if sealed else stage
    for start in range(0, len(content), STEP_BYTES):
        target.write(content[start : start + STEP_BYTES])
    facts = target.commit()
    return msgspec.structs.replace(facts, seal=b"its key is known") if sealed else facts


def read(blobs: LocalBlobs, facts: BlobFacts, opener: Opener | None) -> None:
    """All of a blob, a step at a time, as `store.reading` does it."""
    reader = blobs.open(facts.id, facts.length)
    for first in range(0, -(-facts.length // BLOCK_BYTES), BLOCKS):
        step(reader, facts, opener, first)
    reader.close()


def step(reader: Reader, facts: BlobFacts, opener: Opener | None, first: int) -> None:
    """One step: nothing of it is kept, so that the next finds its memory warm, as in a server."""
    start, end = first * BLOCK_BYTES, min(facts.length, (first + BLOCKS) * BLOCK_BYTES)
    if opener is None:
        reader.read(start, end - start, facts.blocks[first * 4 : (first + BLOCKS) * 4], first)
    else:
        size = min(facts.size, (first + BLOCKS) * SEALED_BLOCK_BYTES)
        sealing.read(reader, facts, opener, Span(first * SEALED_BLOCK_BYTES, size))


def seal(content: bytes) -> None:
    """All of it, a step at a time."""
    sealer, view = Sealer(KEY), memoryview(content)
    for start in range(0, len(content), STEP_BYTES):
        for _ in sealer.update(view[start : start + STEP_BYTES]):
            pass
    sealer.finish()


def best(rounds: int, size: int, work: Callable[[], object]) -> float:
    """GiB/s of the best round, by the CPU time of this process: others use the machine too."""
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return size / min(seconds) / 2**30


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    content = os.urandom(MIB) * asked.mib
    with tempfile.TemporaryDirectory(dir=".") as directory:
        blobs = LocalBlobs(directory)
        blobs.adopt(1)
        plain, sealed = write(blobs, content, sealed=False), write(blobs, content, sealed=True)
        opener = Opener(KEY, sealed.length)
        for name, work in (
            ("read plain", lambda: read(blobs, plain, None)),
            ("read sealed", lambda: read(blobs, sealed, opener)),
            ("seal", lambda: seal(content)),
        ):
            print(f"{name:12} {best(asked.rounds, len(content), work):5.2f} GiB/s a core")


if __name__ == "__main__":
    main()

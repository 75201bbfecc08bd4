"""The writer: the one process that writes the catalog, and the loop in which it does.

All that is waiting is taken, applied in one transaction, synced once, and only then answered: the more are waiting, the cheaper
each becomes. One process and one thread, because a thread beside an event loop loses the GIL for a switch interval at every
statement (a hundred times slower beside a busy loop), and because several writing processes make smaller batches.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from zakrom.catalog import changes, frames
from zakrom.catalog.changes import Change
from zakrom.catalog.committer import Committer
from zakrom.catalog.engine import CloseGeneration

log = logging.getLogger(__name__)

BATCH_CHANGES_MAX = 1_024
"""Changes in one transaction: about 30 ms of work, the longest that the first of a batch waits for the last."""

BATCH_BYTES_MAX = 4 * 1024 * 1024
"""Bytes of frames in one transaction: what one commit adds to the WAL stays near what a checkpoint empties."""

READ_BYTES = 1024 * 1024
"""One read of a socket, and its buffers' size: a batch of a hundred small objects. All reads share one buffer: memory that is
new with each costs 5 µs a PUT."""

UNSENT_BYTES_MAX = 64 * 1024 * 1024
"""Answers kept for a client that does not read them; beyond, it is dropped."""

FORGET_SECONDS_MAX = 1.0
"""How long a client may take to forget what it remembers; then it is dropped, which makes it forget too."""

FAREWELL_SECONDS = 2.0
"""How long the writer tries to send its last answers."""

_INVALIDATING = (
    changes.DeleteBucket,
    changes.SetVersioning,
    changes.SetDocument,
    changes.SetQuota,
    changes.PutUser,
    changes.RemoveUser,
    changes.PutAccessKey,
    changes.RemoveAccessKey,
    changes.ChangeRealm,
)
"""Changes of what clients remember. A new bucket is not among them: that there is none is never remembered."""

_decode = msgspec.msgpack.Decoder(list[tuple[int, frames.Message]]).decode


def run_writer(
    directory: str,
    listener: socket.socket,
    lifeline: int | None,
    stop_signal: signal.Signals = signal.SIGTERM,
    on_commit: OnCommit = lambda _changes, _seconds: None,
) -> None:
    """Opens the catalog in ``directory`` and serves it on ``listener`` until ``stop_signal``.

    Or until ``lifeline`` reads as closed.

    For a process of its own: it takes over signals and ends the process, with 0 after finishing what was queued. It does not
    close SQLite's connection: the last one to close would remove the WAL, and with it the room that deletes need on a full
    disk.

    Raises `FormatTooNew`, sqlite3.Error or OSError if the catalog cannot be opened.

    """
    signal.set_wakeup_fd(-1)  # the parent's, after a fork: its loop must not see our signals
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    committer = Committer(directory)
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # values are frozen and free of cycles: looking for them costs 4 % of the writer's time
    writer = Writer(committer, listener, lifeline, on_commit)
    writer.run(stop_signal)
    logging.shutdown()
    os._exit(0)


def _entries(payload: frames.Buffer) -> list[tuple[int, frames.Message, int]]:
    """The messages of a frame, each with its share of the bytes."""
    messages = _decode(payload)
    return [(number, message, len(payload) // len(messages)) for number, message in messages]


OnCommit = Callable[[int, float], None]
"""Hears of every group commit: how many changes, how many seconds."""


class Peer:
    """A client's connection."""

    __slots__ = ("generations", "open", "socket", "splitter", "unsent")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.splitter = frames.Splitter()
        self.unsent = bytearray()
        self.generations: list[int] = []
        self.open = True


class Work(NamedTuple):
    """A message in the queue."""

    peer: Peer
    number: int
    message: Change | CloseGeneration | frames.AskStats
    size: int


class Forgetting(NamedTuple):
    """Answers that wait until every client has forgotten what it remembered."""

    waiting: set[Peer]
    deadline: float
    answers: list[tuple[Peer, list[Any]]]


class Writer:
    """The loop: reads frames, commits batches, answers."""

    def __init__(
        self,
        committer: Committer,
        listener: socket.socket,
        lifeline: int | None,
        on_commit: OnCommit = lambda _changes, _seconds: None,
    ) -> None:
        self._committer = committer
        self._on_commit = on_commit
        self._listener = listener
        self._queue: deque[Work] = deque()
        self._peers: set[Peer] = set()
        self._forgetting: dict[int, Forgetting] = {}
        self._serial = 0
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._stopping = False
        self._selector = selectors.DefaultSelector()
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._lifeline = lifeline
        if lifeline is not None:
            self._selector.register(lifeline, selectors.EVENT_READ, self._stop)
        self._waker, self._alarm = socket.socketpair()
        self._waker.setblocking(False)
        self._alarm.setblocking(False)
        self._selector.register(self._waker, selectors.EVENT_READ, self._stop)

    def run(self, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        """Serves until told to stop, then finishes what has arrived. Other signals that ask processes to end are ignored."""
        signal.set_wakeup_fd(self._alarm.fileno())
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # sent to the whole group it must not end us before the workers
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the supervisor decides
        signal.signal(stop_signal, lambda *_: None)  # the byte in the pipe ends the loop
        while not self._stopping:
            self._turn(self._patience())
        self._turn(0)
        while self._queue or self._forgetting:
            self._turn(self._patience())
        self._farewell()
        self._committer.close()

    def _turn(self, timeout: float | None) -> None:
        """One look at all sockets, and one batch."""
        for key, mask in self._selector.select(timeout):
            if not isinstance(key.data, Peer):
                key.data()
                continue
            if mask & selectors.EVENT_WRITE and key.data.open:
                self._send(key.data, b"")
            if mask & selectors.EVENT_READ and key.data.open:
                self._read(key.data)
        if self._queue:
            self._commit(self._next_batch())
        self._committer.tidy()
        self._expire()

    def _patience(self) -> float | None:
        """How long to wait for the next event: not at all with work in hand, for ever without anything."""
        if self._queue:
            return 0
        deadlines = [one.deadline for one in self._forgetting.values()]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _stop(self) -> None:
        """SIGTERM, or the supervisor is gone; or both at once."""
        if self._stopping:
            return
        self._stopping = True
        self._selector.unregister(self._listener)
        for source in (self._waker, self._lifeline):
            if source is not None:
                self._selector.unregister(source)

    # ------------------------------------------------------------------------------------------------- connections

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:  # the client has gone again, or there are too many descriptors: others go on
            log.warning("a connection could not be accepted: %s", error)
            return
        connection.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            connection.setsockopt(socket.SOL_SOCKET, option, READ_BYTES)
        peer = Peer(connection)
        self._peers.add(peer)
        self._selector.register(connection, selectors.EVENT_READ, peer)
        self._send(peer, frames.frame([(0, frames.HELLO, None)]))

    def _read(self, peer: Peer) -> None:
        try:
            size = peer.socket.recv_into(self._buffer)
            payloads = peer.splitter.feed(self._buffer[:size])
            messages = [entry for payload in payloads for entry in _entries(payload)]
        except BlockingIOError:
            return
        except OSError:
            size, messages = 0, []
        except (msgspec.MsgspecError, frames.FrameTooLong) as error:
            log.error("a client sent what is no frame and is dropped: %s", error)  # noqa: TRY400 -- the trace says no more
            size, messages = 0, []
        for number, message, share in messages:
            if isinstance(message, frames.Forgotten):
                self._has_forgotten(peer, message.serial)
            else:
                self._queue.append(Work(peer, number, message, share))
        if not size:
            self._drop(peer)

    def _drop(self, peer: Peer) -> None:
        """Ends a connection. What it sent is still applied, and after that its generations are closed."""
        if not peer.open:
            return
        peer.open = False
        self._peers.discard(peer)
        self._selector.unregister(peer.socket)
        peer.socket.close()
        self._queue.extend(Work(peer, 0, CloseGeneration(generation), 0) for generation in peer.generations)
        peer.generations.clear()
        for serial in list(self._forgetting):
            self._has_forgotten(peer, serial)

    def _send(self, peer: Peer, data: bytes) -> None:
        """Sends, or keeps what the socket does not take yet."""
        if not peer.open:
            return
        if peer.unsent:
            peer.unsent += data
            data = bytes(peer.unsent)
            peer.unsent.clear()
        try:
            sent = peer.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(peer)
            return
        peer.unsent += data[sent:]
        if len(peer.unsent) > UNSENT_BYTES_MAX:
            log.error("a client does not read its answers and is dropped")
            self._drop(peer)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.unsent else 0)
        if self._selector.get_key(peer.socket).events != events:
            self._selector.modify(peer.socket, events, peer)

    def _farewell(self) -> None:
        """Sends the last answers, for a while."""
        deadline = time.monotonic() + FAREWELL_SECONDS
        for peer in list(self._peers):
            with contextlib.suppress(OSError):
                peer.socket.settimeout(max(0.01, deadline - time.monotonic()))
                peer.socket.sendall(peer.unsent)
            peer.socket.close()

    # ----------------------------------------------------------------------------------------------------- batches

    def _next_batch(self) -> list[Work]:
        """The head of the queue, within the limits; never empty."""
        batch: list[Work] = []
        size = 0
        while self._queue and len(batch) < BATCH_CHANGES_MAX and size < BATCH_BYTES_MAX:
            work = self._queue.popleft()
            batch.append(work)
            size += work.size
        return batch

    def _commit(self, batch: list[Work]) -> None:
        """Applies the batch and answers it."""
        asking = [work for work in batch if isinstance(work.message, frames.AskStats)]
        working = [work for work in batch if not isinstance(work.message, frames.AskStats)]
        answers: dict[Peer, list[Any]] = {}
        held: dict[Peer, list[Any]] = {}
        if working:
            before = self._committer.commit_seconds
            outcomes = self._committer.apply([work.message for work in working])  # type: ignore[misc]
            self._on_commit(len(working), self._committer.commit_seconds - before)
            for work, (kind, body) in zip(working, outcomes, strict=True):
                if kind == frames.RESULT and isinstance(work.message, _INVALIDATING):
                    held.setdefault(work.peer, []).append((work.number, kind, body))
                    continue
                if isinstance(work.message, changes.OpenGeneration) and kind == frames.RESULT:
                    self._opened(work.peer, body)
                answers.setdefault(work.peer, []).append((work.number, kind, body))
        for work in asking:
            answers.setdefault(work.peer, []).append((work.number, frames.RESULT, self._stats()))
        for peer, messages in answers.items():
            self._send(peer, frames.frame(messages))
        if held:
            self._invalidate(held)

    def _opened(self, peer: Peer, generation: int) -> None:
        if peer.open:
            peer.generations.append(generation)
        else:
            self._queue.append(Work(peer, 0, CloseGeneration(generation), 0))

    def _stats(self) -> frames.Stats:
        done = self._committer
        return frames.Stats(
            batches=done.batches,
            changes=done.changes,
            refused=done.refused,
            commit_seconds=done.commit_seconds,
            checkpoints=done.checkpoints,
            checkpoint_seconds=done.checkpoint_seconds,
            connections=len(self._peers),
            full=done.full,
            sizes=tuple(done.sizes),
        )

    # ------------------------------------------------------------------------------------------------- invalidation

    def _invalidate(self, held: dict[Peer, list[Any]]) -> None:
        """Tells all clients to forget; the answers wait for them, other work does not."""
        self._serial += 1
        answers = list(held.items())
        self._forgetting[self._serial] = Forgetting(set(self._peers), time.monotonic() + FORGET_SECONDS_MAX, answers)
        message = frames.frame([(self._serial, frames.INVALIDATE, None)])
        for peer in list(self._peers):
            self._send(peer, message)
        if not self._peers:
            self._forgetting.pop(self._serial, None)

    def _has_forgotten(self, peer: Peer, serial: int) -> None:
        forgetting = self._forgetting.get(serial)
        if forgetting is None:
            return
        forgetting.waiting.discard(peer)
        if not forgetting.waiting:
            del self._forgetting[serial]
            for asker, messages in forgetting.answers:
                self._send(asker, frames.frame(messages))

    def _expire(self) -> None:
        """Drops who did not forget in time."""
        now = time.monotonic()
        late = [peer for one in self._forgetting.values() if one.deadline <= now for peer in one.waiting]
        for peer in late:
            log.error("a client did not forget within %.1f s and is dropped", FORGET_SECONDS_MAX)
            self._drop(peer)

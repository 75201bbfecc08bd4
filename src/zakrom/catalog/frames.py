"""What travels between the writer and its clients.

A frame is four bytes of length, big-endian, and a MessagePack array of messages. To the writer: ``[number, message]``, a change
or one of the messages below; a change is answered under its number, which its sender chose. From the writer: ``[number, kind,
body]``. The socket is private to one server (0600, one user): frames are typed to catch our own mistakes, not an enemy.
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from zakrom.catalog.changes import Change, Tagged

FRAME_BYTES_MAX = 64 * 1024 * 1024
"""The longest frame either side takes. The largest single change is a CompleteUpload of 10,000 parts that were copied from
objects of many slices: a million slices are 20 MB."""

RESULT, ERROR, INVALIDATE, HELLO = range(4)
"""The kinds of message from the writer: ``[number, RESULT, value]``, ``[number, ERROR, [name, message, fields]]``,
``[serial, INVALIDATE, nil]``: forget what you remember of buckets, documents, users and keys, then say so (`Forgotten`);
``[format, HELLO, nil]``: the catalog is open."""


class Forgotten(Tagged, frozen=True):
    """The answer to an INVALIDATE."""

    serial: int


class AskStats(Tagged, frozen=True):
    """-> `Stats`. Answers in the order of the queue: so it also tells whether the writer is alive."""


class Stats(msgspec.Struct, frozen=True, array_like=True):
    """Counts of a writer since it started."""

    batches: int = 0
    changes: int = 0
    refused: int = 0  # changes that an error answered
    commit_seconds: float = 0.0
    checkpoints: int = 0
    checkpoint_seconds: float = 0.0
    connections: int = 0
    full: bool = False  # growing changes are refused until there is room
    sizes: tuple[int, ...] = ()  # batches by size: at most 1, 2, 4 ... changes


Message = Change | Forgotten | AskStats
Buffer = bytes | bytearray | memoryview

_HEAD = struct.Struct(">I")
encode = msgspec.msgpack.Encoder().encode


class FrameTooLong(ValueError):
    """A peer announced more than `FRAME_BYTES_MAX`."""


def frame(messages: list[Any]) -> bytes:
    """The messages as one frame. Raises `FrameTooLong`."""
    payload = encode(messages)
    if len(payload) > FRAME_BYTES_MAX:
        raise FrameTooLong
    return _HEAD.pack(len(payload)) + payload


class Splitter:
    """Cuts a stream into the payloads of frames, however it arrives."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: Buffer) -> list[memoryview]:
        """The payloads that are complete now, to be decoded at once: they are views of ``data`` where they can be.

        Raises `FrameTooLong`.
        """
        if self._rest:
            self._rest += data
            if not self._complete():
                return []
            data, self._rest = self._rest, bytearray()
        view = memoryview(data)
        payloads, start, end = [], 0, len(view)
        while end - start >= _HEAD.size:
            (length,) = _HEAD.unpack_from(view, start)
            if length > FRAME_BYTES_MAX:
                raise FrameTooLong
            if end - start - _HEAD.size < length:
                break
            start += _HEAD.size
            payloads.append(view[start : start + length])
            start += length
        if start < end:
            self._rest = bytearray(view[start:])
        return payloads

    def _complete(self) -> bool:
        """Whether a whole frame has arrived: a long one is copied once, not with each piece of it."""
        if len(self._rest) < _HEAD.size:
            return False
        length: int = _HEAD.unpack_from(self._rest)[0]
        return length > FRAME_BYTES_MAX or len(self._rest) - _HEAD.size >= length

"""The chunked transfer coding (RFC 9112, 7.1), decoded without I/O and strictly.

``feed`` takes whatever came and gives the pieces of the body in it; once ``done`` is true, ``rest`` holds the bytes after the
body. Only CRLF ends a line, a size is 1 to 16 hexadecimal digits, extensions and trailers are skipped within limits.
Work is linear in the bytes fed, however small the chunks.
"""

from __future__ import annotations

from zakrom.web.limits import CHUNK_LINE_BYTES_MAX, CHUNK_OVERHEAD_BYTES_MAX, TRAILER_BYTES_MAX, ProtocolError

SIZE_DIGITS_MAX = 16  # 64 bits
_HEX = frozenset(b"0123456789abcdefABCDEF")
_SIZE, _DATA, _DATA_END, _TRAILER, _DONE = range(5)


class ChunkDecoder:
    """One body's decoder."""

    __slots__ = ("_excess", "_left", "_line", "_state", "_trailers", "rest")

    def __init__(self) -> None:
        self._state = _SIZE
        self._left = 0  # bytes of the current chunk still to come
        self._line = b""  # a line that has begun and not ended
        self._excess = 0
        self._trailers = 0
        self.rest = b""
        """What came after the body; meaningful once `done`."""

    @property
    def done(self) -> bool:
        """Whether the last chunk and the trailers have come."""
        return self._state == _DONE

    def feed(self, data: bytes) -> list[bytes]:
        """The body's pieces in ``data``. Raises `ProtocolError`; must not be called again after that, nor when `done`."""
        assert self._state != _DONE
        pieces: list[bytes] = []
        if self._line:
            data = self._line + data
            self._line = b""
        at, end = 0, len(data)
        while at < end and self._state != _DONE:
            if self._state == _DATA:
                taken = min(self._left, end - at)
                pieces.append(data[at : at + taken] if taken != end else data)
                at += taken
                self._left -= taken
                if not self._left:
                    self._state = _DATA_END
                continue
            stop = data.find(b"\n", at)
            if stop < 0:
                self._keep(data[at:])
                return pieces
            if stop == at or data[stop - 1] != 13:
                raise malformed()
            self._take_line(data[at : stop - 1])
            at = stop + 1
        if self._state == _DONE:
            self.rest = data[at:]
        return pieces

    def _keep(self, line: bytes) -> None:
        """Hold on to a line's beginning; refuses early what can no longer become a line."""
        self._line = line
        if self._state == _DATA_END and line != b"\r":
            raise malformed()
        if len(line) > (CHUNK_LINE_BYTES_MAX if self._state == _SIZE else TRAILER_BYTES_MAX):
            raise malformed()

    def _take_line(self, line: bytes) -> None:
        if self._state == _SIZE:
            self._take_size(line)
        elif self._state == _DATA_END:
            if line:
                raise malformed()
            self._state = _SIZE
        elif line:
            self._trailers += len(line) + 2
            if self._trailers > TRAILER_BYTES_MAX or line[0] in b" \t:" or b":" not in line or b"\r" in line or b"\0" in line:
                raise malformed()
        else:
            self._state = _DONE

    def _take_size(self, line: bytes) -> None:
        digits, semicolon, _ = line.partition(b";")
        if semicolon:
            digits = digits.rstrip(b" \t")
        if not 1 <= len(digits) <= SIZE_DIGITS_MAX or not _HEX.issuperset(digits) or b"\r" in line or b"\0" in line:
            raise malformed()
        size = int(digits, 16)
        self._excess = max(0, self._excess + len(line) + 4 - 16 - 2 * size)
        if len(line) > CHUNK_LINE_BYTES_MAX or self._excess > CHUNK_OVERHEAD_BYTES_MAX:
            raise malformed()
        self._left = size
        self._state = _DATA if size else _TRAILER


def malformed() -> ProtocolError:
    """The client's chunks cannot be read; what follows on the connection cannot either."""
    return ProtocolError(400, "BadRequest", "The chunked body is malformed.")

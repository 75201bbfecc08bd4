"""The aws-chunked body: chunks, each perhaps signed, then trailers, perhaps signed too.

Every line ends with CR LF, and so does the content of a chunk::

    10000;chunk-signature=(64 hexadecimal digits)        without signatures: 10000
    (65536 bytes)
    0;chunk-signature=(64 hexadecimal digits)
    x-amz-checksum-crc32c:sOO8/Q==                       announced in x-amz-trailer
    x-amz-trailer-signature:(64 hexadecimal digits)
    (an empty line)

Each signature covers the one before it, the first of them that of the request: so chunks cannot be dropped, added or swapped.
Bytes of a chunk are handed out before its signature is known: nothing may be committed until `Decoder.finish` has returned.

Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring Payload in Multiple
Chunks" and the same "Including Trailing Headers".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

from zakrom import errors
from zakrom.wire.sigv4.canonical import EMPTY_SHA256
from zakrom.wire.sigv4.verify import STREAMING_SIGNED, STREAMING_SIGNED_TRAILER, STREAMING_UNSIGNED_TRAILER, Verified

LINE_BYTES_MAX = 128  # a chunk's header line: 16 digits, ";chunk-signature=", 64 digits are 98
TRAILERS_BYTES_MAX = 4096  # all trailers together; a SHA-256 checksum and a signature take 150
TRAILERS_MAX = 8  # AWS knows of one, and its signature

# AWS refuses chunks below 8 KiB, except the last. Clients that pass on the pieces of a stream send such, so we
# take some: what must be bounded is the work done for each byte, and a chunk costs about 2.5 µs (signed: 8 µs).
SMALL_CHUNKS_MAX = 10_000  # 25 ms of work before the mean counts: a small object may come in tiny pieces
CHUNK_BYTES_MEAN_MIN = 1024  # of more chunks than that: 8 ms of work a MiB at most

_UNSIGNED_HEADER = re.compile(rb"([0-9a-fA-F]{1,16})")
_SIGNED_HEADER = re.compile(rb"([0-9a-fA-F]{1,16});chunk-signature=([0-9a-f]{64})")
_TRAILER = re.compile(r"([A-Za-z0-9-]+)[ \t]*:[ \t]*([\x20-\x7e\t]*)")
_TRAILER_SIGNATURE = "x-amz-trailer-signature"

_HEADER, _DATA, _AFTER_DATA, _TRAILERS, _DONE = range(5)

Headers = Iterable[tuple[bytes, bytes]]
"""Lower-case names and values, as received."""


def decoder(verified: Verified | None, headers: Headers) -> Decoder:
    """The decoder for a request whose x-amz-content-sha256 begins with ``STREAMING-``.

    ``verified``: the request's signature; None for an anonymous request, which can only be unsigned throughout.
    Raises `MissingContentLength` without x-amz-decoded-content-length, `InvalidRequest` for values that are none.
    """
    found = dict(headers)
    payload = verified.payload if verified else found.get(b"x-amz-content-sha256", b"").decode("latin-1")
    trailers = found.get(b"x-amz-trailer", b"").decode("latin-1").lower().split(",")
    announced = frozenset(name.strip() for name in trailers if name.strip())
    length = _decoded_length(found.get(b"x-amz-decoded-content-length"))
    if payload == STREAMING_UNSIGNED_TRAILER:
        return Decoder(length, announced)
    if verified is None or payload not in (STREAMING_SIGNED, STREAMING_SIGNED_TRAILER):
        raise errors.InvalidRequest(
            "Anonymous requests don't support this x-amz-content-sha256 value. "
            "Please use UNSIGNED-PAYLOAD or STREAMING-UNSIGNED-PAYLOAD-TRAILER."
        )
    return Decoder(length, announced, Signer(verified), signed_trailers=payload == STREAMING_SIGNED_TRAILER)


def _decoded_length(text: bytes | None) -> int:
    if text is None or not text.strip():
        raise errors.MissingContentLength
    text = text.strip()
    if not text.isdigit() or len(text) > 19:
        raise errors.InvalidRequest("Value for x-amz-decoded-content-length header is invalid.")
    return int(text)


class Signer:
    """The chain of signatures over a body. Each call moves it on by one."""

    def __init__(self, verified: Verified) -> None:
        self.access_key = verified.access_key
        self.string_to_sign = ""
        self._key = verified.signing_key
        self._scope = f"{verified.amz_date}\n{verified.scope}"
        self._previous = verified.seed_signature

    def chunk(self, sha256: str) -> str:
        """The signature of the next chunk, whose bytes have this hexadecimal SHA-256."""
        return self._sign(f"AWS4-HMAC-SHA256-PAYLOAD\n{self._scope}\n{self._previous}\n{EMPTY_SHA256}\n{sha256}")

    def trailers(self, lines: str) -> str:
        """The signature of the trailers, each as ``name:value`` and a line feed."""
        sha256 = hashlib.sha256(lines.encode("latin-1")).hexdigest()
        return self._sign(f"AWS4-HMAC-SHA256-TRAILER\n{self._scope}\n{self._previous}\n{sha256}")

    def _sign(self, text: str) -> str:
        self.string_to_sign = text
        self._previous = hmac.digest(self._key, text.encode(), "sha256").hex()
        return self._previous


class Decoder:
    """Takes the framing off a body. Feed all bytes, then `finish`; after an error it is not to be used again.

    ``length``: what the sender says the content's length is. ``trailers``: lower-case name -> value, complete after `finish`.
    """

    def __init__(
        self,
        length: int,
        announced: frozenset[str] = frozenset(),
        signer: Signer | None = None,
        *,
        signed_trailers: bool = False,
    ) -> None:
        self.length = length
        self.trailers: dict[str, str] = {}
        self._announced = announced
        self._signer = signer
        self._signed_trailers = signed_trailers
        self._header = _UNSIGNED_HEADER if signer is None else _SIGNED_HEADER
        self._state = _HEADER
        self._partial = b""  # a line whose end has not come yet
        self._chunks = 0
        self._seen = 0  # bytes of content announced by chunk headers so far
        self._left = 0  # bytes of the chunk that have not come yet
        self._signature = ""  # of the chunk, as sent
        self._sha256 = hashlib.sha256()
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> list[bytes | memoryview]:
        """The content in these bytes, as slices of them.

        Raises `IncompleteBody` for broken framing or more content than announced, `SignatureDoesNotMatch`,
        `MalformedTrailerError`, `InvalidChunkSizeError`.
        """
        content: list[bytes | memoryview] = []
        view = memoryview(data)
        at, end = 0, len(data)
        while at < end:
            if self._state == _DATA:
                stop = min(at + self._left, end)
                piece = data if stop - at == end else view[at:stop]
                content.append(piece)
                self._took(piece, stop - at)
                at = stop
            elif self._state == _DONE:
                raise errors.IncompleteBody("There are bytes behind the end of the aws-chunked body.")
            else:
                line, at = self._line(data, at)
                if line is not None:
                    self._took_line(line)
        return content

    def finish(self) -> None:
        """To be called when the body has ended. Raises as `feed`; only after its return the content may be believed."""
        if self._state == _TRAILERS and not self._partial:
            self._end_of_trailers()  # some clients leave out the last, empty line
        if self._state != _DONE or self._seen != self.length:
            raise errors.IncompleteBody

    def _took(self, piece: bytes | memoryview, size: int) -> None:
        if self._signer is not None:
            self._sha256.update(piece)
        self._left -= size
        if not self._left:
            self._state = _AFTER_DATA

    def _line(self, data: bytes, at: int) -> tuple[bytes | None, int]:
        """The next line and where the one behind it begins; None if its end is not here yet."""
        limit = TRAILERS_BYTES_MAX if self._state == _TRAILERS else LINE_BYTES_MAX
        if self._partial:
            return self._rest_of_line(data, at, limit)
        stop = data.find(b"\r\n", at, at + limit)
        if stop >= 0:
            return data[at:stop], stop + 2
        self._keep(data[at : at + limit], limit)
        return None, len(data)

    def _rest_of_line(self, data: bytes, at: int, limit: int) -> tuple[bytes | None, int]:
        known = len(self._partial)
        text = self._partial + data[at : at + limit - known]
        stop = text.find(b"\r\n")
        if stop >= 0:
            self._partial = b""
            return text[:stop], at + stop + 2 - known
        self._keep(text, limit)
        return None, len(data)

    def _keep(self, text: bytes, limit: int) -> None:
        if len(text) >= limit:
            raise errors.MalformedTrailerError if self._state == _TRAILERS else errors.IncompleteBody
        self._partial = text

    def _took_line(self, line: bytes) -> None:
        if self._state == _HEADER:
            self._start_chunk(line)
        elif self._state == _TRAILERS:
            self._took_trailer(line)
        elif line:  # _AFTER_DATA
            raise errors.IncompleteBody
        else:
            self._end_chunk()
            self._state = _HEADER

    # ---------------------------------------------------------------------------------------------------------- chunks

    def _start_chunk(self, line: bytes) -> None:
        match = self._header.fullmatch(line)
        if match is None:
            raise errors.IncompleteBody
        size = int(match[1], 16)
        if self._signer is not None:
            self._signature = match[2].decode("ascii")
        if not size:
            self._end_chunk()
            self._state = _TRAILERS
            return
        self._chunks += 1
        self._seen += size
        self._left = size
        self._state = _DATA
        if self._seen > self.length:
            raise errors.IncompleteBody
        if self._chunks > SMALL_CHUNKS_MAX and self._seen < self._chunks * CHUNK_BYTES_MEAN_MIN:
            raise errors.InvalidChunkSizeError(chunk=self._chunks, bad_chunk_size=size)

    def _end_chunk(self) -> None:
        if self._signer is not None:
            self._check(self._signer.chunk(self._sha256.hexdigest()), self._signature)
            self._sha256 = hashlib.sha256()

    def _check(self, computed: str, sent: str) -> None:
        assert self._signer is not None
        if not hmac.compare_digest(computed.encode(), sent.encode()):
            raise errors.SignatureDoesNotMatch(
                aws_access_key_id=self._signer.access_key,
                string_to_sign=self._signer.string_to_sign,
                signature_provided=sent,
            )

    # -------------------------------------------------------------------------------------------------------- trailers

    def _took_trailer(self, line: bytes) -> None:
        if not line:
            self._end_of_trailers()
            return
        # Some clients end a trailer with a line feed of its own before the CRLF.
        match = _TRAILER.fullmatch(line.decode("latin-1").rstrip("\n"))
        self._trailer_bytes += len(line)
        if match is None or self._trailer_bytes > TRAILERS_BYTES_MAX or len(self.trailers) >= TRAILERS_MAX:
            raise errors.MalformedTrailerError
        name = match[1].lower()
        if name in self.trailers or (name not in self._announced and name != _TRAILER_SIGNATURE):
            raise errors.MalformedTrailerError
        self.trailers[name] = match[2].strip()

    def _end_of_trailers(self) -> None:
        signature = self.trailers.pop(_TRAILER_SIGNATURE, None)
        if self.trailers.keys() != self._announced or (signature is not None) != self._signed_trailers:
            raise errors.MalformedTrailerError
        if self._signer is not None and signature is not None:
            lines = "".join(f"{name}:{value}\n" for name, value in self.trailers.items())
            self._check(self._signer.trailers(lines), signature)
        self._state = _DONE

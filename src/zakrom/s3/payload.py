"""The body of a request: unframed, hashed, and held against everything its sender promised about it.

Promises: the length, the SHA-256 in the signature, Content-MD5, a checksum in a header or a trailer, signatures of chunks.
Nothing of the body counts before `Payload.finish` has found them all kept.
"""

from __future__ import annotations

import hashlib
import os
from hmac import compare_digest

from zakrom import errors
from zakrom.model.facts import Checksum, Upload
from zakrom.rules.multipart import PART_BYTES_MAX
from zakrom.s3.call import Call
from zakrom.store.receive import Digest, Piece
from zakrom.wire import checksums, chunked
from zakrom.wire.checksums import ChecksumRequest, Hasher

UNSIGNED = "UNSIGNED-PAYLOAD"
_STREAMING = "STREAMING-"


class Payload:
    """A body on its way in, for `store.receive`."""

    def __init__(self, call: Call, limit: int, kept: str | None, asked: ChecksumRequest) -> None:
        """``limit``: bytes at most.

        ``kept``: the algorithm whose checksum is kept; None for the one declared, or the default.
        """
        self._body = call.request.body
        self._limit = limit
        self._seen = 0
        self._asked = asked
        self._md5_declared = _content_md5(call)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._kept = kept or asked.algorithm or checksums.DEFAULT
        self._sums: dict[str, Hasher] = {"MD5": self._md5}
        for name in (self._kept, asked.algorithm):
            if name is not None and name not in self._sums:
                self._sums[name] = checksums.new(name)
        self._hashers = list(self._sums.values())
        sha256 = call.verified.payload if call.verified is not None else UNSIGNED
        self._decoder = chunked.decoder(call.verified, call.request.headers) if sha256.startswith(_STREAMING) else None
        self._sha256_declared = None if sha256 == UNSIGNED or self._decoder else sha256
        self._sha256 = None if self._sha256_declared is None else self._sha256_hasher()
        self._ended = False
        self.opaque = False  # whether the ETag is to tell nothing of the bytes
        self.length = self._decoder.length if self._decoder else self._body.length
        if self.length is not None:
            self._check_size(self.length)

    @classmethod
    def of_object(cls, call: Call) -> Payload:
        """The body of PutObject. Raises `MissingContentLength`, `EntityTooLarge`, `InvalidDigest`, `InvalidRequest`."""
        return cls(call, PART_BYTES_MAX, None, checksums.requested(call.request.headers))

    @classmethod
    def of_part(cls, call: Call, upload: Upload) -> Payload:
        """The body of UploadPart: its checksum must be in the upload's algorithm, if that has one."""
        asked = checksums.requested(call.request.headers)
        agreed = upload.checksum_algorithm
        if agreed is not None and asked.algorithm not in (None, agreed):
            raise errors.InvalidRequest(
                f"Checksum Type mismatch occurred, expected checksum Type: {agreed.lower()}, "
                f"actual checksum Type: {str(asked.algorithm).lower()}"
            )
        return cls(call, PART_BYTES_MAX, agreed or checksums.DEFAULT, asked)

    async def read(self) -> list[Piece]:
        """The next decoded pieces, none at the end."""
        raw = await self._body.read()
        if self._decoder is None:
            self._count(len(raw))
            return [raw] if raw else []
        return await self._decoded(self._decoder, raw)

    async def _decoded(self, decoder: chunked.Decoder, raw: bytes) -> list[Piece]:
        """What is in the frames: from ``raw`` on, as much of the body as it takes until there is something."""
        while raw:
            pieces = decoder.feed(raw)
            if pieces:
                self._count(sum(map(len, pieces)))
                return pieces
            raw = await self._body.read()
        if not self._ended:
            decoder.finish()
            self._ended = True
        return []

    def update(self, data: Piece) -> None:
        """Takes bytes into all digests."""
        for hasher in self._hashers:
            hasher.update(data)

    def finish(self) -> Digest:
        """Raises `BadDigest`, `XAmzContentSHA256Mismatch`, `MalformedTrailerError` if a promise was not kept."""
        md5 = self._md5.digest()
        if self._md5_declared is not None:
            checksums.check_md5(declared=self._md5_declared, computed=md5)
        if self._sha256_declared is not None and self._sha256 is not None:
            self._check_sha256(self._sha256_declared, self._sha256.digest().hex())
        declared = self._declared()
        if declared is not None and self._asked.algorithm is not None:
            checksums.check(self._asked.algorithm, declared=declared, computed=self._sums[self._asked.algorithm].digest())
        etag = opaque_etag() if self.opaque else md5.hex()
        return Digest(etag, Checksum(self._kept, checksums.encode(self._sums[self._kept].digest())))

    def declared_checksum(self) -> Checksum | None:
        """The checksum that the sender declared, to be shown in the answer: after `finish`, so it is known to be true."""
        algorithm = self._asked.algorithm
        if algorithm is None:
            return None
        return Checksum(algorithm, checksums.encode(self._sums[algorithm].digest()))

    def _sha256_hasher(self) -> Hasher:
        """That of the kept checksum if it is SHA-256 too: no byte is hashed twice."""
        if "SHA256" in self._sums:
            return self._sums["SHA256"]
        hasher = hashlib.sha256()
        self._hashers.append(hasher)
        return hasher

    def _check_sha256(self, declared: str, computed: str) -> None:
        if not compare_digest(declared.encode(), computed.encode()):
            raise errors.XAmzContentSHA256Mismatch(client_computed_content_sha256=declared, s3_computed_content_sha256=computed)

    def _declared(self) -> bytes | None:
        asked = self._asked
        if asked.trailer is None or asked.algorithm is None:
            return asked.value
        text = self._decoder.trailers.get(asked.trailer) if self._decoder else None
        if text is None:
            raise errors.MalformedTrailerError
        return checksums.decode(asked.algorithm, text)

    def _count(self, size: int) -> None:
        self._seen += size
        self._check_size(self._seen)

    def _check_size(self, size: int) -> None:
        if size > self._limit:
            raise errors.EntityTooLarge(proposed_size=size, max_size_allowed=self._limit)


class Sums:
    """Digests of bytes that are stored already: MD5 and one checksum."""

    def __init__(self, algorithm: str, *, opaque: bool = False) -> None:
        """``opaque``: the ETag tells nothing of the bytes."""
        self._algorithm = algorithm
        self._opaque = opaque
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sum = self._md5 if algorithm == "MD5" else checksums.new(algorithm)

    def update(self, data: bytes | memoryview) -> None:
        """Takes the next bytes."""
        self._md5.update(data)
        if self._sum is not self._md5:
            self._sum.update(data)

    def finish(self) -> Digest:
        """The MD5 as ETag, and the checksum."""
        etag = opaque_etag() if self._opaque else self._md5.hexdigest()
        return Digest(etag, Checksum(self._algorithm, checksums.encode(self._sum.digest())))


def opaque_etag() -> str:
    """The ETag of what is encrypted under a key of the caller's choice: it looks like an MD5 and is random, as AWS's."""
    return os.urandom(16).hex()


async def read_body(call: Call, limit: int, *, must_have_digest: bool = False) -> bytes:
    """A body that is a document: whole, in memory, verified as an object's would be.

    Raises `MaxMessageLengthExceeded` beyond ``limit`` bytes; `InvalidRequest` if a digest must be there and is not.
    """
    asked = checksums.requested(call.request.headers)
    if must_have_digest and asked.algorithm is None and call.header("content-md5") is None:
        raise errors.InvalidRequest("Missing required header for this request: Content-MD5")
    try:
        payload = Payload(call, limit, None, asked)
        pieces: list[Piece] = []
        while more := await payload.read():
            pieces += more
    except errors.EntityTooLarge:
        raise errors.MaxMessageLengthExceeded(max_message_length_bytes=limit) from None
    body = b"".join(pieces)
    payload.update(body)
    payload.finish()
    return body


def _content_md5(call: Call) -> bytes | None:
    text = call.header("content-md5")
    return None if text is None else checksums.content_md5(text)

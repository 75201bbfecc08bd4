"""Encryption through the whole door: every kind, read back every way, copied every way; and what is refused."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zakrom.catalog.changes import Reseal
from zakrom.jobs.rewrap import Rewrap
from zakrom.model.facts import SEALED_BLOCK_BYTES
from zakrom.work.jobs import run_once

from .harness import MIB, S3, Answer, complete_xml

SSE = "x-amz-server-side-encryption"
SOURCE = "x-amz-copy-source-server-side-encryption-customer"
HERE = "arn:aws:kms:us-east-1:000000000000:key/"
A, B = bytes(range(32)), bytes(range(1, 33))


def customer(key: bytes, prefix: str = f"{SSE}-customer") -> dict[str, str]:
    """The three headers of SSE-C."""
    md5 = b64encode(hashlib.md5(key).digest()).decode()
    return {f"{prefix}-algorithm": "AES256", f"{prefix}-key": b64encode(key).decode(), f"{prefix}-key-md5": md5}


PLAIN: dict[str, str] = {}
KINDS = {
    "plain": PLAIN,
    "sse-s3": {SSE: "AES256"},
    "kms": {SSE: "aws:kms"},
    "kms-photos": {SSE: "aws:kms", f"{SSE}-aws-kms-key-id": "photos"},
    "kms-context": {SSE: "aws:kms", f"{SSE}-aws-kms-key-id": "photos", f"{SSE}-context": b64encode(b'{"a":"b"}').decode()},
    "sse-c": customer(A),
    "sse-c-other": customer(B),
}
SEALED = [kind for kind in KINDS if kind != "plain"]
SHOWN = {
    "plain": {},
    "sse-s3": {SSE: "AES256"},
    "kms": {SSE: "aws:kms", f"{SSE}-aws-kms-key-id": HERE + "aws-s3"},
    "kms-photos": {SSE: "aws:kms", f"{SSE}-aws-kms-key-id": HERE + "photos"},
    "kms-context": {SSE: "aws:kms", f"{SSE}-aws-kms-key-id": HERE + "photos"},
    "sse-c": {f"{SSE}-customer-algorithm": "AES256", f"{SSE}-customer-key-md5": customer(A)[f"{SSE}-customer-key-md5"]},
    "sse-c-other": {f"{SSE}-customer-algorithm": "AES256", f"{SSE}-customer-key-md5": customer(B)[f"{SSE}-customer-key-md5"]},
}
SIZES = [0, 1, 1000, 32 * 1024, 40_000, SEALED_BLOCK_BYTES, SEALED_BLOCK_BYTES + 1, 3 * MIB + 17]


@pytest.fixture(scope="module", autouse=True)
def _photos(s3: S3) -> None:
    s3.ring.add("photos")


def text(size: int) -> bytes:
    """Content in which no two blocks are alike."""
    return b"".join(index.to_bytes(8, "big") for index in range(size // 8 + 1))[:size]


def reading(kind: str) -> dict[str, str]:
    """The headers that a read needs."""
    return KINDS[kind] if kind.startswith("sse-c") else {}


def of_source(kind: str) -> dict[str, str]:
    """The headers that a copy needs to read its source."""
    return {"sse-c": customer(A, SOURCE), "sse-c-other": customer(B, SOURCE)}.get(kind, {})


def shown(answer: Answer) -> dict[str, str]:
    """What an answer says about encryption."""
    return {name: value for name, value in answer.headers.items() if name.startswith(SSE) and not name.endswith("-context")}


def put(s3: S3, path: str, body: bytes, kind: str) -> Answer:
    """A PUT that must succeed."""
    answer = s3.ask("PUT", path, headers=KINDS[kind], body=body)
    assert answer.status == 200, answer
    return answer


def stored(s3: S3, path: str) -> bytes:
    """The bytes of an object as they lie."""
    bucket, _, key = path[1:].partition("/")

    async def work() -> bytes:
        found = await s3.catalog.find((await s3.catalog.bucket(bucket)).id, key.encode())
        assert found is not None
        assert found.blob is not None
        if found.blob.data is not None:
            return found.blob.data
        reader = s3.blobs.open(found.blob.id, found.blob.length)
        try:
            return bytes(reader.read(0, found.blob.length, found.blob.blocks, 0))
        finally:
            reader.close()

    return s3.run(work())


# ------------------------------------------------------------------------------------------------------------ round trips


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_put_comes_back(s3: S3, bucket: str, kind: str, size: int) -> None:
    """Every kind, of every shape of storage; PUT, GET and HEAD say the same; the size is that of the content."""
    made = put(s3, bucket + "/key", text(size), kind)

    got = s3.ask("GET", bucket + "/key", headers=reading(kind))
    head = s3.ask("HEAD", bucket + "/key", headers=reading(kind))

    assert (got.status, got.body) == (200, text(size))
    assert SHOWN[kind] == shown(made) == shown(got) == shown(head)
    assert (head.status, head.length) == (200, size)
    assert s3.ask("GET", bucket, "list-type=2").texts("Contents/Size") == [str(size)]


@pytest.mark.parametrize("size", [1000, 40_000, 300_000])
@pytest.mark.parametrize("kind", SEALED)
def test_what_lies_on_disk_is_sealed(s3: S3, bucket: str, kind: str, size: int) -> None:
    """Nothing of the content is found in it, and the same content lies otherwise each time."""
    put(s3, bucket + "/one", b"secret " * (size // 7), kind)
    put(s3, bucket + "/two", b"secret " * (size // 7), kind)

    one, two = stored(s3, bucket + "/one"), stored(s3, bucket + "/two")
    assert b"secret" not in one
    assert one[:16] != two[:16]


@pytest.mark.parametrize(("kind", "is_md5"), [("plain", True), ("sse-s3", True), ("kms", False), ("sse-c", False)])
def test_etags(s3: S3, bucket: str, kind: str, is_md5: bool) -> None:
    """The MD5 of the content with SSE-S3; with a key of the caller's choice it looks like one, and is not."""
    etag = put(s3, bucket + "/key", b"hello", kind).etag.strip('"')

    assert len(bytes.fromhex(etag)) == 16
    assert is_md5 == (etag == hashlib.md5(b"hello").hexdigest())


@pytest.fixture(scope="module")
def objects(s3: S3) -> str:
    """A bucket with an object of each kind, at once and in parts."""
    bucket = s3.bucket()
    for kind in KINDS:
        put(s3, f"{bucket}/{kind}", text(3 * MIB + 17), kind)
        multipart(s3, f"{bucket}/{kind}-parts", kind, *PIECES)
    return bucket


PIECES = text(5 * MIB + 5), text(5 * MIB + 100_000)[::-1], text(7)
PARTS = b"".join(PIECES)


def multipart(s3: S3, path: str, kind: str, *bodies: bytes) -> Answer:
    """An object of parts."""
    created = s3.ask("POST", path, "uploads", KINDS[kind])
    assert SHOWN[kind] == shown(created)
    upload = created.text("UploadId") or ""
    parts = []
    for number, body in enumerate(bodies, 1):
        part = s3.ask("PUT", path, {"partNumber": str(number), "uploadId": upload}, reading(kind), body)
        assert SHOWN[kind] == shown(part)
        parts.append((number, part.etag))
    answer = s3.complete(path, upload, parts)
    assert answer.status == 200, answer
    assert shown(answer) == ({} if kind.startswith("sse-c") else SHOWN[kind])
    return answer


@given(data=st.data(), kind=st.sampled_from(list(KINDS)), parts=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ranges(s3: S3, objects: str, data: st.DataObject, kind: str, parts: bool) -> None:
    """The bytes asked for, of every kind, across blocks and parts."""
    content = PARTS if parts else text(3 * MIB + 17)
    path = f"{objects}/{kind}{'-parts' if parts else ''}"
    edges = [
        0,
        1,
        SEALED_BLOCK_BYTES - 1,
        SEALED_BLOCK_BYTES,
        8 * SEALED_BLOCK_BYTES,
        5 * MIB + 4,
        5 * MIB + 5,
        len(content) - 1,
    ]
    near = st.sampled_from([edge for edge in edges if edge < len(content)]) | st.integers(0, len(content) - 1)
    start, end = sorted((data.draw(near), data.draw(near)))

    got = s3.ask("GET", path, headers={"range": f"bytes={start}-{end}", **reading(kind)})

    assert got.status == 206
    assert got.headers["content-range"] == f"bytes {start}-{end}/{len(content)}"
    assert got.body == content[start : end + 1]


@pytest.mark.parametrize("kind", KINDS)
def test_parts(s3: S3, objects: str, kind: str) -> None:
    """Whole, by part, and as GetObjectAttributes tells of it: plaintext sizes everywhere."""
    path = f"{objects}/{kind}-parts"

    assert s3.ask("GET", path, headers=reading(kind)).body == PARTS
    second = s3.ask("GET", path, {"partNumber": "2"}, reading(kind))
    assert (second.body, second.headers["x-amz-mp-parts-count"]) == (PIECES[1], "3")
    wanted = {"x-amz-object-attributes": "ObjectParts,ObjectSize,ETag", **reading(kind)}
    told = s3.ask("GET", path, "attributes", wanted)
    assert told.text("ObjectSize") == str(len(PARTS))
    assert told.texts("ObjectParts/Part/Size") == [str(len(piece)) for piece in PIECES]


def test_a_range_reads_only_its_blocks(s3: S3, bucket: str) -> None:
    """Of a large object two blocks are opened for two bytes."""
    put(s3, bucket + "/key", text(3 * MIB), "sse-s3")
    read: list[int] = []
    open_blob = s3.blobs.open

    class Counted:
        """A reader that counts."""

        def __init__(self, blob: int, length: int) -> None:
            self.of = open_blob(blob, length)

        def __getattr__(self, name: str) -> object:
            return getattr(self.of, name)

        def read(self, offset: int, length: int, blocks: bytes, first_block: int) -> bytes | memoryview:
            """Counts."""
            read.append(length)
            return self.of.read(offset, length, blocks, first_block)

    s3.blobs.open = Counted  # type: ignore[method-assign, assignment]
    try:
        edge = 5 * SEALED_BLOCK_BYTES
        got = s3.ask("GET", bucket + "/key", headers={"range": f"bytes={edge - 1}-{edge}"})
    finally:
        s3.blobs.open = open_blob  # type: ignore[method-assign]

    assert got.body == text(3 * MIB)[edge - 1 : edge + 1]
    assert sum(read) == 2 * 128 * 1024


def test_an_aborted_or_replaced_part_of_an_encrypted_upload(s3: S3, bucket: str) -> None:
    """A part may come twice; the last one counts."""
    upload = s3.upload(bucket + "/key", x_amz_server_side_encryption="AES256")
    s3.part(bucket + "/key", upload, 1, b"x" * 100_000)
    etag = s3.part(bucket + "/key", upload, 1, b"y" * 99_999).etag

    assert s3.complete(bucket + "/key", upload, [(1, etag)]).status == 200
    assert s3.ask("GET", bucket + "/key").body == b"y" * 99_999


# ----------------------------------------------------------------------------------------------------------------- copies


@pytest.mark.parametrize(("source", "target"), list(product(KINDS, KINDS)))
@pytest.mark.parametrize("size", [0, 1000, 300_000])
def test_copies(s3: S3, bucket: str, source: str, target: str, size: int) -> None:
    """From every kind to every kind; a copy of something encrypted is encrypted, whatever is asked for."""
    put(s3, bucket + "/source", text(size), source)
    before = s3.blob_files()
    asked = {"x-amz-copy-source": bucket + "/source", **KINDS[target], **of_source(source)}

    made = s3.ask("PUT", bucket + "/copy", headers=asked)

    assert made.status == 200, made
    expected = "sse-s3" if target == "plain" and source != "plain" else target
    got = s3.ask("GET", bucket + "/copy", headers=reading(expected))
    assert (got.body, SHOWN[expected]) == (text(size), shown(got))
    assert shown(made) == SHOWN[expected]
    assert got.etag == made.text("ETag")
    moved = s3.blob_files() - before
    assert moved == (0 if source == expected or size < 40_000 else 1)


@pytest.mark.parametrize(("source", "target"), list(product(["plain", "sse-s3", "kms", "sse-c"], SEALED)))
def test_part_copies(s3: S3, objects: str, bucket: str, source: str, target: str) -> None:
    """A range across parts of one kind becomes a part of another; under the same key no byte is moved."""
    created = s3.ask("POST", bucket + "/copy", "uploads", KINDS[target])
    upload = created.text("UploadId") or ""
    start, end = 5 * MIB - 100_000, 5 * MIB + 200_000
    before = s3.blob_files()
    asked = {
        "x-amz-copy-source": f"{objects}/{source}-parts",
        "x-amz-copy-source-range": f"bytes={start}-{end}",
        **reading(target),
        **of_source(source),
    }

    part = s3.ask("PUT", bucket + "/copy", {"partNumber": "1", "uploadId": upload}, asked)

    assert part.status == 200, part
    assert shown(part) == SHOWN[target]
    assert s3.blob_files() - before == (0 if source == target else 1)
    assert s3.complete(bucket + "/copy", upload, [(1, part.text("ETag") or "")]).status == 200
    assert s3.ask("GET", bucket + "/copy", headers=reading(target)).body == PARTS[start : end + 1]


def test_a_copy_of_parts_shares_them(s3: S3, objects: str, bucket: str) -> None:
    """Under the same key also an object of many parts is copied without its bytes."""
    before = s3.blob_files()

    made = s3.ask("PUT", bucket + "/copy", headers={"x-amz-copy-source": f"{objects}/kms-parts", SSE: "aws:kms"})

    assert made.status == 200
    assert s3.blob_files() == before
    assert s3.ask("GET", bucket + "/copy").body == PARTS


def test_a_copy_onto_itself_changes_the_key(s3: S3, bucket: str) -> None:
    """How an object is moved to another key; without a change it is refused."""
    put(s3, bucket + "/key", b"hello", "kms")
    itself = {"x-amz-copy-source": bucket + "/key"}

    assert s3.ask("PUT", bucket + "/key", headers=itself).error == (400, "InvalidRequest")
    assert s3.ask("PUT", bucket + "/key", headers=itself | KINDS["kms-photos"]).status == 200
    assert shown(s3.ask("HEAD", bucket + "/key")) == SHOWN["kms-photos"]


def test_checksums_are_of_the_content(s3: S3, bucket: str) -> None:
    """They outlive a change of encryption."""
    body = text(300_000)
    put(s3, bucket + "/key", body, "sse-s3")
    s3.ask("PUT", bucket + "/copy", headers={"x-amz-copy-source": bucket + "/key", **KINDS["sse-c"]})

    one = s3.ask("HEAD", bucket + "/key", headers={"x-amz-checksum-mode": "ENABLED"})
    two = s3.ask("HEAD", bucket + "/copy", headers={"x-amz-checksum-mode": "ENABLED", **customer(A)})

    assert one.headers["x-amz-checksum-crc64nvme"] == two.headers["x-amz-checksum-crc64nvme"]


# ------------------------------------------------------------------------------------------------------------------- SSE-C

KEY_WANTED = "The object was stored using a form of Server Side Encryption."
INVALID = [
    ({SSE: "AES256"}, "InvalidArgument", "Server Side Encryption with Customer provided key is incompatible with"),
    ({f"{SSE}-customer-algorithm": "KMS"}, "InvalidEncryptionAlgorithmError", "The Encryption request you specified is not"),
    ({f"{SSE}-customer-algorithm": ""}, "InvalidEncryptionAlgorithmError", "The Encryption request you specified is not"),
    ({f"{SSE}-customer-algorithm": None}, "InvalidArgument", "must provide a valid encryption algorithm."),
    ({f"{SSE}-customer-key": None}, "InvalidArgument", "must provide an appropriate secret key."),
    ({f"{SSE}-customer-key": "c2hvcnQ="}, "InvalidArgument", "The secret key was invalid for the specified algorithm."),
    ({f"{SSE}-customer-key": "%%"}, "InvalidArgument", "The secret key was invalid for the specified algorithm."),
    ({f"{SSE}-customer-key-md5": None}, "InvalidArgument", "must provide the client calculated MD5 of the secret key."),
    ({f"{SSE}-customer-key-md5": "A" * 22 + "=="}, "InvalidArgument", "The calculated MD5 hash of the key did not match"),
]


@pytest.mark.parametrize(("change", "code", "message"), INVALID)
def test_malformed_customer_keys(s3: S3, bucket: str, change: dict[str, str | None], code: str, message: str) -> None:
    """Refused before a byte is taken, in AWS's words."""
    headers = {name: value for name, value in (customer(A) | change).items() if value is not None}

    answer = s3.ask("PUT", bucket + "/key", headers=headers, body=b"x")

    assert answer.error == (400, code)
    assert message in (answer.text("Message") or "")
    assert answer.fields["ArgumentName"] == SSE
    assert s3.keys(bucket) == []


@pytest.mark.parametrize("size", [0, 5])
def test_the_customers_key_is_needed(s3: S3, bucket: str, size: int) -> None:
    """None: 400; another: 403; also of an empty object; one for what needs none: 400."""
    put(s3, bucket + "/key", b"x" * size, "sse-c")
    put(s3, bucket + "/plain", b"x" * size, "plain")

    for method, query in (("GET", ""), ("HEAD", ""), ("GET", "attributes")):
        more = {"x-amz-object-attributes": "ETag"} if query else {}
        assert s3.ask(method, bucket + "/key", query, more).status == 400
        assert s3.ask(method, bucket + "/key", query, customer(B) | more).status == 403
        assert s3.ask(method, bucket + "/key", query, customer(A) | more).status == 200
        assert s3.ask(method, bucket + "/plain", query, customer(A) | more).status == 400
    assert KEY_WANTED in (s3.ask("GET", bucket + "/key").text("Message") or "")
    assert s3.ask("GET", bucket + "/key", headers=customer(B)).error == (403, "AccessDenied")


def test_a_copy_needs_the_key_of_its_source(s3: S3, bucket: str) -> None:
    """The same for copies, of objects and of parts."""
    put(s3, bucket + "/key", b"x", "sse-c")
    source = {"x-amz-copy-source": bucket + "/key"}
    query = {"partNumber": "1", "uploadId": s3.upload(bucket + "/copy")}

    for where in ({}, query):
        assert s3.ask("PUT", bucket + "/copy", where, source).error == (400, "InvalidRequest")
        assert s3.ask("PUT", bucket + "/copy", where, source | customer(B, SOURCE)).error == (403, "AccessDenied")
        assert s3.ask("PUT", bucket + "/copy", where, source | customer(A, SOURCE)).status == 200


def test_who_completes_brings_the_key_where_there_is_a_checksum(s3: S3, bucket: str) -> None:
    """As AWS has it; and another key never."""
    for algorithm, without in (({}, 200), ({"x-amz-checksum-algorithm": "CRC32"}, 400)):
        upload = s3.ask("POST", bucket + "/key", "uploads", customer(A) | algorithm).text("UploadId") or ""
        part = s3.ask("PUT", bucket + "/key", {"partNumber": "1", "uploadId": upload}, customer(A), b"x")
        crc = part.headers.get("x-amz-checksum-crc32")
        sums = f"<ChecksumCRC32>{crc}</ChecksumCRC32>" if crc else ""
        parts = f"<Part><PartNumber>1</PartNumber><ETag>{part.etag}</ETag>{sums}</Part>"

        def complete(headers: dict[str, str], upload: str = upload, parts: str = parts) -> int:
            return s3.ask("POST", bucket + "/key", {"uploadId": upload}, headers, complete_xml(parts)).status

        assert complete(customer(B)) == 400
        assert complete({}) == without
        assert without == 200 or complete(customer(A)) == 200


def test_parts_bring_the_key_of_their_upload(s3: S3, bucket: str) -> None:
    """No key, another key, or one where none was agreed on: 400."""
    sealed = s3.ask("POST", bucket + "/key", "uploads", customer(A)).text("UploadId") or ""
    plain = s3.upload(bucket + "/key")

    def part(upload: str, headers: dict[str, str]) -> tuple[int, str | None]:
        return s3.ask("PUT", bucket + "/key", {"partNumber": "1", "uploadId": upload}, headers, b"x").error

    assert part(sealed, {}) == part(sealed, customer(B)) == part(plain, customer(A)) == (400, "InvalidRequest")
    assert part(sealed, customer(A)) == part(plain, {}) == (200, None)


@pytest.mark.parametrize(
    ("setting", "peer", "secure", "status"),
    [
        ("loopback", "127.0.0.1", False, 200),
        ("loopback", "::1", False, 200),
        ("loopback", "192.0.2.1", False, 400),
        ("loopback", "", False, 400),
        ("loopback", "192.0.2.1", True, 200),
        ("off", "127.0.0.1", False, 400),
        ("off", "127.0.0.1", True, 200),
        ("on", "192.0.2.1", False, 200),
    ],
)
def test_customers_keys_over_plain_http(s3: S3, bucket: str, setting: str, peer: str, secure: bool, status: int) -> None:
    """Only where nobody else listens, unless the operator says otherwise."""
    door = s3.make_door(sse_c_over_http=setting)
    request = s3.request("PUT", bucket + "/key", headers=customer(A), body=b"x", peer=peer, secure=secure)

    answer = s3.run(s3.answer(request, door))

    assert answer.status == status
    if status == 400:
        assert "must be made over a secure connection" in (answer.text("Message") or "")


def test_customers_keys_are_kept_nowhere(s3: S3, bucket: str) -> None:
    """Neither the key nor its MD5 is in any file of the store."""
    key = hashlib.sha256(b"kept nowhere").digest()
    answer = s3.ask("PUT", bucket + "/key", headers=customer(key), body=b"x")
    assert answer.status == 200
    secrets = [key, b64encode(key), key.hex().encode(), hashlib.md5(key).digest(), b64encode(hashlib.md5(key).digest())]

    files = [path for path in s3.directory.rglob("*") if path.is_file() and not path.is_symlink()]

    assert any(path.name.startswith("catalog") for path in files)
    assert not [path for path in files if any(secret in path.read_bytes() for secret in secrets)]


# ----------------------------------------------------------------------------------------------------------------- SSE-KMS

UUID = "134f2428-cec1-4b25-a1ae-9048164dba47"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("fake-key-id", "Invalid keyId 'fake-key-id'"),
        (UUID, f"Key '{HERE}{UUID}' does not exist"),
        (HERE + UUID, f"Key '{HERE}{UUID}' does not exist"),
        ("arn:aws:kms:eu-west-1:000000000000:key/photos", "Invalid arn eu-west-1"),
        (
            "arn:aws:kms:us-east-1:111111111111:key/photos",
            "Key 'arn:aws:kms:us-east-1:111111111111:key/photos' does not exist",
        ),
    ],
)
def test_keys_that_do_not_exist(s3: S3, bucket: str, key: str, message: str) -> None:
    """AWS's answers, for objects and uploads and copies."""
    headers = {SSE: "aws:kms", f"{SSE}-aws-kms-key-id": key}
    put(s3, bucket + "/source", b"x", "plain")
    answers = [
        s3.ask("PUT", bucket + "/key", headers=headers, body=b"x"),
        s3.ask("POST", bucket + "/key", "uploads", headers),
        s3.ask("PUT", bucket + "/key", headers={**headers, "x-amz-copy-source": bucket + "/source"}),
    ]

    assert [(400, "KMS.NotFoundException")] * 3 == [answer.error for answer in answers]
    assert {message} == {answer.text("Message") for answer in answers}


@pytest.mark.parametrize("name", ["photos", "alias/photos", HERE + "photos", "arn:aws:kms:us-east-1:000000000000:alias/photos"])
def test_names_of_keys(s3: S3, bucket: str, name: str) -> None:
    """By name, alias and ARN; the answer gives the ARN."""
    made = s3.ask("PUT", bucket + "/key", headers={SSE: "aws:kms", f"{SSE}-aws-kms-key-id": name})

    assert made.headers[f"{SSE}-aws-kms-key-id"] == HERE + "photos"


def test_a_disabled_key(s3: S3, bucket: str) -> None:
    """Neither writes nor reads, in AWS's words; enabled again it does both."""
    s3.ring.add("closed")
    headers = {SSE: "aws:kms", f"{SSE}-aws-kms-key-id": "closed"}
    s3.ask("PUT", bucket + "/key", headers=headers, body=b"x")
    s3.ring.set_disabled("closed", True)

    refused = [
        s3.ask("PUT", bucket + "/key", headers=headers, body=b"y"),
        s3.ask("GET", bucket + "/key"),
        s3.ask("PUT", bucket + "/copy", headers={"x-amz-copy-source": bucket + "/key"}),
    ]
    s3.ring.set_disabled("closed", False)

    assert [(400, "KMS.DisabledException")] * 3 == [answer.error for answer in refused]
    assert {f"{HERE}closed is disabled."} == {answer.text("Message") for answer in refused}
    assert s3.ask("GET", bucket + "/key").body == b"x"


REFUSED = [
    ({SSE: "aes:kms"}, (400, "InvalidArgument")),
    ({SSE: "aws:kms:dsse"}, (501, "NotImplemented")),
    ({SSE: "AES256", f"{SSE}-aws-kms-key-id": "photos"}, (400, "InvalidArgument")),
    ({f"{SSE}-aws-kms-key-id": "photos"}, (400, "InvalidArgument")),
    ({SSE: "aws:kms", f"{SSE}-context": "%%"}, (400, "InvalidArgument")),
    ({SSE: "aws:kms", f"{SSE}-context": b64encode(b'{"a": 1}').decode()}, (400, "InvalidArgument")),
    (KINDS["kms"] | customer(A), (400, "InvalidArgument")),
]


@pytest.mark.parametrize(("headers", "error"), REFUSED)
def test_wishes_that_make_no_sense(s3: S3, bucket: str, headers: dict[str, str], error: tuple[int, str]) -> None:
    """Refused, and nothing is written."""
    assert s3.ask("PUT", bucket + "/key", headers=headers, body=b"x").error == error
    assert s3.keys(bucket) == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reads_do_not_ask_for_encryption(s3: S3, bucket: str, method: str) -> None:
    """The header belongs to writes."""
    put(s3, bucket + "/key", b"x", "sse-s3")

    assert s3.ask(method, bucket + "/key", headers={SSE: "AES256"}).status == 400


def test_context_and_bucket_key_come_back(s3: S3, bucket: str) -> None:
    """The context to its writer only; the bucket key to all."""
    headers = KINDS["kms-context"] | {f"{SSE}-bucket-key-enabled": "true"}

    made = s3.ask("PUT", bucket + "/key", headers=headers, body=b"x")
    got = s3.ask("GET", bucket + "/key")

    assert b64decode(made.headers[f"{SSE}-context"]) == b'{"a":"b"}'
    assert made.headers[f"{SSE}-bucket-key-enabled"] == got.headers[f"{SSE}-bucket-key-enabled"] == "true"
    assert f"{SSE}-context" not in got.headers


# ------------------------------------------------------------------------------------------------ the default of a bucket


def rule(algorithm: str, key: str = "", more: str = "") -> bytes:
    """The body of PutBucketEncryption."""
    master = f"<KMSMasterKeyID>{key}</KMSMasterKeyID>" if key else ""
    apply = f"<SSEAlgorithm>{algorithm}</SSEAlgorithm>{master}"
    inner = f"<ApplyServerSideEncryptionByDefault>{apply}</ApplyServerSideEncryptionByDefault>{more}"
    return f"<ServerSideEncryptionConfiguration><Rule>{inner}</Rule></ServerSideEncryptionConfiguration>".encode()


@pytest.mark.parametrize(
    ("body", "kind"), [(rule("AES256"), "sse-s3"), (rule("aws:kms"), "kms"), (rule("aws:kms", "photos"), "kms-photos")]
)
def test_a_bucket_encrypts_what_says_nothing(s3: S3, bucket: str, body: bytes, kind: str) -> None:
    """New objects, uploads and copies; not those that are there; not those that say something else."""
    put(s3, bucket + "/before", b"x", "plain")
    assert s3.ask("PUT", bucket, "encryption", body=body).status == 200

    assert SHOWN[kind] == shown(put(s3, bucket + "/key", b"x", "plain"))
    assert SHOWN[kind] == shown(s3.ask("POST", bucket + "/key", "uploads"))
    assert SHOWN[kind] == shown(s3.ask("PUT", bucket + "/copy", headers={"x-amz-copy-source": bucket + "/before"}))
    assert SHOWN["sse-c"] == shown(put(s3, bucket + "/own", b"x", "sse-c"))
    assert shown(s3.ask("HEAD", bucket + "/before")) == {}
    assert s3.ask("DELETE", bucket, "encryption").status == 204
    assert s3.ask("DELETE", bucket, "encryption").status == 204
    assert shown(put(s3, bucket + "/after", b"x", "plain")) == {}
    assert SHOWN[kind] == shown(s3.ask("GET", bucket + "/key"))


def test_the_rule_is_shown(s3: S3, bucket: str) -> None:
    """As it was put; none is an error, because nothing is encrypted then."""
    nothing = (404, "ServerSideEncryptionConfigurationNotFoundError")
    assert s3.ask("GET", bucket, "encryption").error == nothing
    blocked = "<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>"
    more = "<BucketKeyEnabled>true</BucketKeyEnabled>" + blocked
    s3.ask("PUT", bucket, "encryption", body=rule("aws:kms", "not-there-yet", more))

    found = s3.ask("GET", bucket, "encryption")

    path = "Rule/ApplyServerSideEncryptionByDefault"
    assert (found.text(f"{path}/SSEAlgorithm"), found.text(f"{path}/KMSMasterKeyID")) == ("aws:kms", "not-there-yet")
    assert (found.text("Rule/BucketKeyEnabled"), found.text("Rule/BlockedEncryptionTypes/EncryptionType")) == ("true", "SSE-C")
    assert s3.ask("PUT", bucket + "/key", body=b"x").error == (400, "KMS.NotFoundException")
    assert s3.ask("PUT", bucket + "/key", headers=customer(A), body=b"x").error == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"<ServerSideEncryptionConfiguration/>", (400, "MalformedXML")),
        (rule("AES256").replace(b"</Rule>", b"</Rule><Rule/>"), (400, "MalformedXML")),
        (rule("rot13"), (400, "MalformedXML")),
        (rule("AES256", "photos"), (400, "InvalidArgument")),
        (rule("aws:kms:dsse"), (501, "NotImplemented")),
        (
            b"<ServerSideEncryptionConfiguration><Rule><Other/></Rule></ServerSideEncryptionConfiguration>",
            (400, "MalformedXML"),
        ),
    ],
)
def test_rules_that_make_no_sense(s3: S3, bucket: str, body: bytes, error: tuple[int, str]) -> None:
    """Exactly one rule, with an algorithm that is served."""
    assert s3.ask("PUT", bucket, "encryption", body=body).error == error


def test_a_server_may_encrypt_by_default(s3: S3, bucket: str) -> None:
    """Then a bucket without a rule has one, and says so."""
    door = s3.make_door(encrypt_by_default=True)

    made = s3.run(s3.answer(s3.request("PUT", bucket + "/key", body=b"x"), door))
    told = s3.run(s3.answer(s3.request("GET", bucket, "encryption"), door))

    assert shown(made) == SHOWN["sse-s3"]
    assert told.text("Rule/ApplyServerSideEncryptionByDefault/SSEAlgorithm") == "AES256"


# ------------------------------------------------------------------------------------------------------- keys and damage


def seals_of(s3: S3) -> dict[int, bytes]:
    """All seals by blob."""
    return dict(s3.run(s3.catalog.sealed(0, 10_000)))


def test_rotation_and_rewrap(s3: S3, objects: str) -> None:
    """After it every seal is under the newest version, nothing else has changed, and a second round finds nothing to do."""
    files, before = s3.blob_files(), seals_of(s3)
    for name in ("sse-s3", "photos", "aws-s3"):
        s3.ring.rotate(name)
    job = Rewrap(s3.store)
    job.ask()
    s3.run(run_once(job))
    after = seals_of(s3)
    done = job.status()

    job.ask()
    s3.run(run_once(job))

    assert job.status()["rewrapped"] == 0
    assert done["rewrapped"] == sum(before[blob] != after[blob] for blob in before)
    assert done["rewrapped"]
    assert s3.blob_files() == files
    for kind in KINDS:
        assert s3.ask("GET", f"{objects}/{kind}-parts", headers=reading(kind)).body == PARTS


@pytest.mark.parametrize("size", [1000, 300_000])
def test_another_blobs_seal_opens_nothing(s3: S3, bucket: str, size: int) -> None:
    """Bytes whose CRC is right and that were not sealed with this key are damage: 500, and not a byte of them."""
    known = set(seals_of(s3))
    put(s3, bucket + "/one", text(size), "sse-s3")
    put(s3, bucket + "/two", text(size), "sse-s3")
    (one, mine), (_, other) = sorted((blob, seal) for blob, seal in seals_of(s3).items() if blob not in known)
    s3.run(s3.catalog.apply(Reseal(((one, mine, other),))))

    broken = s3.ask("GET", bucket + "/one")

    assert broken.error == (500, "InternalError")
    s3.reported.clear()  # it was right to blame itself
    s3.run(s3.catalog.apply(Reseal(((one, other, mine),))))
    assert s3.ask("GET", bucket + "/one").body == text(size)


def test_a_server_without_keys(s3: S3, bucket: str) -> None:
    """Refuses to encrypt, rather than not to."""
    keys, s3.store.keys = s3.store.keys, None
    try:
        answer = s3.ask("PUT", bucket + "/key", headers=KINDS["sse-s3"], body=b"x")
    finally:
        s3.store.keys = keys

    assert answer.error == (501, "NotImplemented")
    s3.reported.clear()

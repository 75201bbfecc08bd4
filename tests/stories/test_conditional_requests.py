"""Conditional writes, reads and deletes: what may be overwritten, what is fresh, and who lost a race."""

from __future__ import annotations

import hashlib

import pytest

from .harness import MIB, S3, delete_xml, md5_of

OLD, NEW = b"old", b"new"
OLD_ETAG = f'"{hashlib.md5(OLD).hexdigest()}"'
OTHER_ETAG = f'"{hashlib.md5(b"other").hexdigest()}"'


def write(s3: S3, how: str, path: str, headers: dict[str, str]) -> tuple[int, str | None, dict[str, str]]:
    """A conditional write of one kind: status, code, fields."""
    if how == "put":
        answer = s3.ask("PUT", path, headers=headers, body=NEW)
    elif how == "copy":
        source = path.rpartition("/")[0] + "/source"
        s3.put(source, NEW)
        answer = s3.ask("PUT", path, headers={"x-amz-copy-source": source, **headers})
    else:
        upload = s3.upload(path)
        etag = s3.part(path, upload, 1, NEW).etag
        answer = s3.complete(path, upload, [(1, etag)], **headers)
    return answer.status, answer.code, {} if answer.status == 200 else answer.fields


WRITES = pytest.mark.parametrize("how", ["put", "copy", "complete"])


@WRITES
def test_if_none_match_star_creates_only(s3: S3, bucket: str, how: str) -> None:
    """The write goes through where nothing is, and answers 412 with its condition where something is."""
    assert write(s3, how, bucket + "/key", {"if-none-match": "*"})[0] == 200
    assert write(s3, how, bucket + "/key", {"if-none-match": "*"}) == (
        412,
        "PreconditionFailed",
        {"Condition": "If-None-Match"},
    )


@WRITES
def test_if_none_match_star_after_a_delete(s3: S3, how: str) -> None:
    """A delete marker is as good as nothing."""
    bucket = s3.bucket(versioning="Enabled")
    s3.put(bucket + "/key", OLD)
    s3.ask("DELETE", bucket + "/key")

    assert write(s3, how, bucket + "/key", {"if-none-match": "*"})[0] == 200


@WRITES
def test_if_match_replaces_only_what_it_names(s3: S3, bucket: str, how: str) -> None:
    """The right ETag, quoted or bare, passes; a wrong one is 412; an absent key is 404 with the key."""
    s3.put(bucket + "/key", OLD)

    assert write(s3, how, bucket + "/key", {"if-match": OTHER_ETAG}) == (412, "PreconditionFailed", {"Condition": "If-Match"})
    assert write(s3, how, bucket + "/absent", {"if-match": OLD_ETAG}) == (404, "NoSuchKey", {"Key": "absent"})
    assert write(s3, how, bucket + "/key", {"if-match": OLD_ETAG.strip('"')})[0] == 200


REFUSED = {
    "an ETag to be absent": (
        {"if-none-match": OLD_ETAG},
        "If-None-Match",
        "We don't accept the provided value of If-None-Match",
    ),
    "any ETag to be there": (
        {"if-match": "*"},
        "If-Match",
        "We don't accept the provided value of If-Match header for this API",
    ),
    "both": (
        {"if-match": OLD_ETAG, "if-none-match": "*"},
        "If-Match,If-None-Match",
        "Multiple conditional request headers present in the request",
    ),
}


@WRITES
@pytest.mark.parametrize("case", REFUSED)
def test_conditions_of_writes_that_s3_does_not_know(s3: S3, bucket: str, how: str, case: str) -> None:
    """501 with the header and a reason."""
    headers, header, reason = REFUSED[case]
    s3.put(bucket + "/key", OLD)

    status, code, fields = write(s3, how, bucket + "/key", headers)

    assert (status, code, fields["Header"]) == (501, "NotImplemented", header)
    assert fields["additionalMessage"].startswith(reason)


def test_if_match_knows_multipart_etags(s3: S3, bucket: str) -> None:
    """An ETag with a number of parts is compared as any other."""
    etag = s3.multipart(bucket + "/key", OLD).text("ETag") or ""

    assert etag.endswith('-1"')
    assert s3.ask("PUT", bucket + "/key", headers={"if-match": etag}, body=NEW).status == 200


@pytest.mark.parametrize(
    ("meanwhile", "versioning"),
    [
        ("put", None),
        ("put", "Enabled"),
        ("put identical", None),
        ("put identical", "Enabled"),
        ("delete", None),
        ("delete", "Enabled"),
        ("create", "Enabled"),
    ],
)
def test_a_completion_that_was_overtaken(s3: S3, meanwhile: str, versioning: str | None) -> None:
    """The condition holds, but the key was written after the upload was created: 409, and only a new upload helps."""
    bucket = s3.bucket(versioning=versioning)
    path = bucket + "/key"
    if meanwhile in {"put", "put identical"}:
        s3.put(path, OLD)
        upload = s3.upload(path)
        etag = s3.put(path, OLD if meanwhile == "put identical" else NEW).etag
        condition = {"if_match": etag}
    elif meanwhile == "delete":
        s3.put(path, OLD)
        upload = s3.upload(path)
        s3.ask("DELETE", path)
        condition = {"if_none_match": "*"}
    else:
        upload = s3.upload(path)
        s3.put(path, OLD)
        s3.ask("DELETE", path)
        condition = {"if_none_match": "*"}
    part = s3.part(path, upload, 1, NEW).etag

    answer = s3.complete(path, upload, [(1, part)], **condition)

    assert answer.error == (409, "ConditionalRequestConflict")
    assert answer.fields == {"Condition": "If-Match" if "if_match" in condition else "If-None-Match", "Key": "key"}
    again = s3.upload(path)
    part = s3.part(path, again, 1, NEW).etag
    assert s3.complete(path, again, [(1, part)], **condition).status == 200


def test_a_completion_whose_condition_is_false(s3: S3, bucket: str) -> None:
    """What is false now is told as such, not as a race."""
    path = bucket + "/key"
    s3.put(path, OLD)
    upload = s3.upload(path)
    part = s3.part(path, upload, 1, NEW).etag
    s3.put(path, NEW)

    assert s3.complete(path, upload, [(1, part)], if_match=OLD_ETAG).error == (412, "PreconditionFailed")
    assert s3.complete(path, upload, [(1, part)], if_none_match="*").error == (412, "PreconditionFailed")
    s3.ask("DELETE", path)
    assert s3.complete(path, upload, [(1, part)], if_match=OLD_ETAG).error == (404, "NoSuchKey")


def test_of_many_creators_one_wins(s3: S3, bucket: str) -> None:
    """Twenty conditional PUTs at once: one is there, nineteen know that they lost."""
    requests = [s3.request("PUT", bucket + "/key", "", {"if-none-match": "*"}, b"%d" % number) for number in range(20)]

    answers = s3.ask_all(requests)

    assert sorted(answer.status for answer in answers) == [200] + [412] * 19
    winner = next(answer for answer in answers if answer.status == 200)
    assert winner.etag == s3.ask("HEAD", bucket + "/key").etag


def test_a_condition_speaks_before_the_body_is_asked_for(s3: S3, bucket: str) -> None:
    """A PUT that cannot succeed spares its sender the body."""
    s3.put(bucket + "/key", OLD)
    request = s3.request("PUT", bucket + "/key", "", {"if-none-match": "*"}, NEW)

    assert s3.ask_all([request])[0].status == 412
    assert request.body.waiting  # type: ignore[attr-defined]


# ---------------------------------------------------------------------------------------------------------------- reads

PAST, FUTURE = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
READS: list[tuple[dict[str, str], int]] = [
    ({"if-match": OLD_ETAG}, 200),
    ({"if-match": OLD_ETAG.strip('"')}, 200),
    ({"if-match": "*"}, 200),
    ({"if-match": f"{OTHER_ETAG}, {OLD_ETAG}"}, 200),
    ({"if-match": OTHER_ETAG}, 412),
    ({"if-none-match": OLD_ETAG}, 304),
    ({"if-none-match": OLD_ETAG.strip('"')}, 304),
    ({"if-none-match": f"W/{OLD_ETAG}"}, 304),
    ({"if-none-match": OTHER_ETAG}, 200),
    ({"if-modified-since": PAST}, 200),
    ({"if-modified-since": FUTURE}, 200),
    ({"if-modified-since": "soon"}, 200),
    ({"if-unmodified-since": PAST}, 412),
    ({"if-unmodified-since": FUTURE}, 200),
    ({"if-match": OLD_ETAG, "if-unmodified-since": PAST}, 200),
    ({"if-none-match": OLD_ETAG, "if-modified-since": PAST}, 304),
    ({"if-none-match": OTHER_ETAG, "if-modified-since": FUTURE}, 200),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("headers", "status"), READS)
def test_conditional_reads(s3: S3, bucket: str, method: str, headers: dict[str, str], status: int) -> None:
    """ETags go before dates, dates in the future are ignored, 304 keeps what a cache needs and neither has a body on HEAD."""
    s3.put(bucket + "/key", OLD)

    answer = s3.ask(method, bucket + "/key", headers=headers)

    assert answer.status == status
    if status == 304:
        assert answer.etag == OLD_ETAG
        assert "last-modified" in answer.headers
    if status == 412 and method == "GET":
        title = "-".join(word.title() for word in next(iter(headers)).split("-"))
        assert answer.fields == {"Condition": title}
    if method == "HEAD" or status == 304:
        assert answer.body == b""


def test_if_modified_since_the_last_change(s3: S3, bucket: str) -> None:
    """A date is not newer than itself: resolution is a second."""
    s3.put(bucket + "/key", OLD)
    modified = s3.ask("HEAD", bucket + "/key").headers["last-modified"]

    assert s3.ask("GET", bucket + "/key", headers={"if-modified-since": modified}).status == 304
    assert s3.ask("GET", bucket + "/key", headers={"if-unmodified-since": modified}).status == 200


# -------------------------------------------------------------------------------------------------------------- deletes


def test_conditional_deletes(s3: S3, bucket: str) -> None:
    """If-Match deletes only what it names; ``*`` names anything that is there."""
    s3.put(bucket + "/key", OLD)

    refused = s3.ask("DELETE", bucket + "/key", headers={"if-match": OTHER_ETAG})
    assert (refused.error, refused.fields) == ((412, "PreconditionFailed"), {"Condition": "If-Match"})
    assert s3.ask("DELETE", bucket + "/absent", headers={"if-match": OLD_ETAG}).error == (404, "NoSuchKey")
    assert s3.ask("DELETE", bucket + "/key", headers={"if-match": OLD_ETAG}).status == 204
    s3.put(bucket + "/key", OLD)
    assert s3.ask("DELETE", bucket + "/key", headers={"if-match": "*"}).status == 204
    assert s3.keys(bucket) == []


@pytest.mark.parametrize("header", ["x-amz-if-match-size", "x-amz-if-match-last-modified-time"])
def test_conditions_of_directory_buckets(s3: S3, bucket: str, header: str) -> None:
    """Size and time are conditions of directory buckets only: 501 by name, and the object stays."""
    s3.put(bucket + "/key", OLD)

    answer = s3.ask("DELETE", bucket + "/key", headers={header: "3"})

    assert (answer.error, answer.fields) == ((501, "NotImplemented"), {"Header": header})
    assert s3.keys(bucket) == ["key"]


def test_conditional_deletes_of_many(s3: S3, bucket: str) -> None:
    """Each key has its own condition and its own answer."""
    for key in "abc":
        s3.put(f"{bucket}/{key}", OLD)
    objects = (
        f"<Object><Key>a</Key><ETag>{OLD_ETAG}</ETag></Object><Object><Key>b</Key><ETag>{OTHER_ETAG}</ETag></Object>"
        "<Object><Key>c</Key><Size>3</Size></Object>"
    )
    body = delete_xml(objects)

    answer = s3.ask("POST", bucket, "delete", {"content-md5": md5_of(body)}, body)

    assert answer.texts("Deleted/Key") == ["a"]
    found = zip(answer.texts("Error/Key"), answer.texts("Error/Code"), strict=True)
    assert sorted(found) == [("b", "PreconditionFailed"), ("c", "NotImplemented")]
    assert s3.keys(bucket) == ["b", "c"]


def test_a_large_conditional_write_that_loses_leaves_nothing(s3: S3, bucket: str) -> None:
    """The bytes of a PUT that was overtaken are gone from the disk."""
    before = s3.blob_files()
    requests = [s3.request("PUT", bucket + "/key", "", {"if-none-match": "*"}, bytes([n]) * MIB) for n in range(4)]

    assert sorted(answer.status for answer in s3.ask_all(requests)) == [200, 412, 412, 412]
    assert s3.blob_files() == before + 1

"""Multipart uploads: parts in any order, errors with AWS's fields, and what two who finish at once see."""

from __future__ import annotations

import pytest

from .harness import MIB, S3, complete_xml

PART = b"p" * 5 * MIB


def test_parts_become_an_object(s3: S3, bucket: str) -> None:
    """Uploaded in any order, completed in theirs; gaps in the numbers are fine; the last may be small."""
    path = bucket + "/key"
    upload = s3.upload(path, content_type="text/plain", x_amz_meta_a="1", x_amz_tagging="t=1")
    last = s3.part(path, upload, 9, b"last").etag
    first = s3.part(path, upload, 2, PART).etag
    before = s3.blob_files()

    answer = s3.complete(path, upload, [(2, first), (9, last)])

    assert answer.status == 200
    assert (answer.text("Bucket"), answer.text("Key")) == (bucket[1:], "key")
    assert (answer.text("Location") or "").endswith(path)
    assert s3.blob_files() == before
    got = s3.ask("GET", path)
    assert got.body == PART + b"last"
    assert (got.headers["content-type"], got.headers["x-amz-meta-a"], got.headers["x-amz-tagging-count"]) == (
        "text/plain",
        "1",
        "1",
    )
    assert s3.ask("GET", bucket, "uploads").texts("Upload") == []


@pytest.mark.parametrize("number", ["0", "-1", "10001", "one", "", "99999999999999999999"])
def test_part_numbers(s3: S3, bucket: str, number: str) -> None:
    """1 to 10,000; the error repeats what was sent."""
    upload = s3.upload(bucket + "/key")

    answer = s3.ask("PUT", bucket + "/key", {"partNumber": number, "uploadId": upload}, body=b"x")

    assert answer.error == (400, "InvalidArgument")
    assert answer.text("Message") == "Part number must be an integer between 1 and 10000, inclusive"
    assert answer.fields == {"ArgumentName": "partNumber", "ArgumentValue": number}


def test_the_four_errors_of_a_completion(s3: S3, bucket: str) -> None:
    """EntityTooSmall, InvalidPart, InvalidPartOrder, NoSuchUpload: each with its fields; the upload stays."""
    path = bucket + "/key"
    upload = s3.upload(path)
    etags = [s3.part(path, upload, number, body).etag for number, body in [(1, b"small"), (2, b"small"), (3, PART)]]
    bare = [etag.strip('"') for etag in etags]

    small = s3.complete(path, upload, [(1, etags[0]), (2, etags[1])])
    assert small.error == (400, "EntityTooSmall")
    assert small.fields == {
        "ProposedSize": "5", "MinSizeAllowed": str(5 * MIB), "PartNumber": "1", "ETag": bare[0],
    }  # fmt: skip
    wrong = s3.complete(path, upload, [(1, bare[2])])
    assert wrong.error == (400, "InvalidPart")
    assert wrong.fields == {"UploadId": upload, "PartNumber": "1", "ETag": bare[2]}
    assert s3.complete(path, upload, [(4, etags[0])]).error == (400, "InvalidPart")
    order = s3.complete(path, upload, [(3, etags[2]), (1, etags[0])])
    assert (order.error, order.fields) == ((400, "InvalidPartOrder"), {"UploadId": upload})
    assert s3.complete(path, upload, [(1, etags[0]), (1, etags[0])]).error == (400, "InvalidPartOrder")
    assert s3.complete(path, upload, [(3, etags[2]), (4, "none")]).error == (400, "InvalidPart")
    assert s3.ask("GET", path).error == (404, "NoSuchKey")
    assert s3.complete(path, upload, [(3, etags[2])]).status == 200


def test_uploads_that_are_unknown(s3: S3, bucket: str) -> None:
    """404 with the id, for any operation, and for another key; also with an empty list of parts."""
    upload = s3.upload(bucket + "/key")
    body = complete_xml([(1, "a" * 32)])

    for key, id in (("/key", "unknown"), ("/other", upload), ("/key", "")):
        query = {"uploadId": id}
        for answer in (
            s3.ask("PUT", bucket + key, {"partNumber": "1", **query}, body=b"x"),
            s3.ask("GET", bucket + key, query),
            s3.ask("DELETE", bucket + key, query),
            s3.ask("POST", bucket + key, query, body=body),
            s3.ask("POST", bucket + key, query),
        ):
            assert (answer.error, answer.fields) == ((404, "NoSuchUpload"), {"UploadId": id})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MalformedXML"),
        (b"<CompleteMultipartUpload/>", "InvalidRequest"),
        (b"<CompleteMultipartUpload><Part/></CompleteMultipartUpload>", "MalformedXML"),
        (
            b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>",
            "MalformedXML",
        ),
        (b"<Other/>", "MalformedXML"),
        (b"<", "MalformedXML"),
    ],
)
def test_lists_of_parts_that_are_none(s3: S3, bucket: str, body: bytes, code: str) -> None:
    """400."""
    upload = s3.upload(bucket + "/key")

    assert s3.ask("POST", bucket + "/key", {"uploadId": upload}, body=body).error == (400, code)


def test_a_part_sent_again_wins(s3: S3, bucket: str) -> None:
    """The bytes of the first are gone, its ETag is no part any more; parts that are not named are dropped."""
    path = bucket + "/key"
    upload = s3.upload(path)
    old = s3.part(path, upload, 1, b"old").etag
    new = s3.part(path, upload, 1, b"new").etag
    s3.part(path, upload, 2, b"not named")

    assert s3.complete(path, upload, [(1, old)]).error == (400, "InvalidPart")
    assert s3.complete(path, upload, [(1, new)]).status == 200
    assert s3.ask("GET", path).body == b"new"


def test_a_size_that_was_promised(s3: S3, bucket: str) -> None:
    """``x-amz-mp-object-size`` must be that of the parts."""
    path = bucket + "/key"
    upload = s3.upload(path)
    etag = s3.part(path, upload, 1, b"123").etag

    wrong = s3.complete(path, upload, [(1, etag)], x_amz_mp_object_size="4")
    assert wrong.error == (400, "InvalidRequest")
    expected = "The provided 'x-amz-mp-object-size' header value 4 does not match what was computed: 3"
    assert wrong.text("Message") == expected
    assert s3.complete(path, upload, [(1, etag)], x_amz_mp_object_size="three").error == (400, "InvalidRequest")
    assert s3.complete(path, upload, [(1, etag)], x_amz_mp_object_size="3").status == 200


def test_a_completion_asked_again_answers_the_same(s3: S3) -> None:
    """A client whose first answer was lost asks again; other parts, or an overwritten object, are unknown."""
    bucket = s3.bucket(versioning="Enabled")
    path = bucket + "/key"
    upload = s3.upload(path)
    etag = s3.part(path, upload, 1, b"x").etag

    first, second = (s3.complete(path, upload, [(1, etag)]) for _ in range(2))

    assert (first.status, second.status) == (200, 200)
    assert first.body == second.body
    assert first.headers["x-amz-version-id"] == second.headers["x-amz-version-id"]
    assert len(s3.ask("GET", bucket, "versions").texts("Version/Key")) == 1
    assert s3.complete(path, upload, [(1, "0" * 32)]).error == (404, "NoSuchUpload")
    s3.put(path, b"y")
    assert s3.complete(path, upload, [(1, etag)]).error == (404, "NoSuchUpload")


def test_two_who_complete_at_once(s3: S3, bucket: str) -> None:
    """Both are told of the one object."""
    path = bucket + "/key"
    upload = s3.upload(path)
    etag = s3.part(path, upload, 1, b"x").etag
    request = [s3.request("POST", path, {"uploadId": upload}, body=complete_xml([(1, etag)])) for _ in range(2)]

    answers = s3.ask_all(request)

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].body == answers[1].body


def test_an_aborted_upload_leaves_nothing(s3: S3, bucket: str) -> None:
    """204, then unknown; parts are gone from the listings."""
    path = bucket + "/key"
    upload = s3.upload(path)
    s3.part(path, upload, 1, b"x" * 100_000)

    assert s3.ask("DELETE", path, {"uploadId": upload}).status == 204
    assert s3.ask("DELETE", path, {"uploadId": upload}).error == (404, "NoSuchUpload")
    assert s3.ask("GET", bucket, "uploads").texts("Upload") == []


# -------------------------------------------------------------------------------------------------------------- listing


def test_parts_are_listed_in_pages(s3: S3, bucket: str) -> None:
    """By number; empty parameters mean the default; what was asked is repeated."""
    path = bucket + "/key"
    upload = s3.upload(path)
    etags = {number: s3.part(path, upload, number, b"x" * number).etag for number in (5, 1, 3)}

    whole = s3.ask("GET", path, {"uploadId": upload, "max-parts": "", "part-number-marker": ""})
    assert whole.texts("Part/PartNumber") == ["1", "3", "5"]
    assert whole.texts("Part/ETag") == [etags[1], etags[3], etags[5]]
    assert whole.texts("Part/Size") == ["1", "3", "5"]
    found = {name: whole.text(name) for name in ("PartNumberMarker", "NextPartNumberMarker", "MaxParts", "IsTruncated")}
    assert found == {"PartNumberMarker": "0", "NextPartNumberMarker": "5", "MaxParts": "1000", "IsTruncated": "false"}
    assert (whole.text("StorageClass"), whole.text("UploadId")) == ("STANDARD", upload)
    assert whole.text("Owner/ID") == whole.text("Initiator/ID")

    page = s3.ask("GET", path, {"uploadId": upload, "max-parts": "1", "part-number-marker": "1"})
    assert (page.texts("Part/PartNumber"), page.text("IsTruncated"), page.text("NextPartNumberMarker")) == (["3"], "true", "3")
    rest = s3.ask("GET", path, {"uploadId": upload, "max-parts": "5000", "part-number-marker": "3"})
    assert (rest.texts("Part/PartNumber"), rest.text("MaxParts")) == (["5"], "1000")
    assert s3.ask("GET", path, {"uploadId": upload, "max-parts": "0"}).texts("Part") == []
    for name in ("max-parts", "part-number-marker"):
        for wrong in ("-1", "a"):
            assert s3.ask("GET", path, {"uploadId": upload, name: wrong}).fields["ArgumentName"] == name


def uploads(s3: S3, bucket: str, **query: str) -> tuple[list[str], list[str], dict[str, str | None]]:
    """Ids, common prefixes and the other elements of ListMultipartUploads."""
    answer = s3.ask("GET", bucket, {"uploads": "", **{name.replace("_", "-"): value for name, value in query.items()}})
    assert answer.status == 200
    plain = {node.tag: node.text or "" for node in answer.xml if node.tag not in {"Upload", "CommonPrefixes"}}
    return answer.texts("Upload/UploadId"), answer.texts("CommonPrefixes/Prefix"), {**plain}


def test_uploads_are_listed_by_key_then_by_time(s3: S3, bucket: str) -> None:
    """As AWS does: those of one key in the order of their creation; markers are a pair."""
    ids = [s3.upload(f"{bucket}/{key}") for key in ("c", "b", "a", "a", "a")]
    c, b, *a = ids

    found, _, page = uploads(s3, bucket)
    assert found == [*a, b, c]
    assert page == {
        "Bucket": bucket[1:], "KeyMarker": "", "UploadIdMarker": "", "NextKeyMarker": "c", "NextUploadIdMarker": c,
        "MaxUploads": "1000", "IsTruncated": "false",
    }  # fmt: skip
    found, _, page = uploads(s3, bucket, max_uploads="1", key_marker="a", upload_id_marker=a[0])
    assert (found, page["IsTruncated"], page["NextKeyMarker"], page["NextUploadIdMarker"]) == ([a[1]], "true", "a", a[1])
    assert uploads(s3, bucket, key_marker="a")[0] == [b, c]
    assert uploads(s3, bucket, key_marker="a", upload_id_marker=a[2])[0] == [b, c]
    found, _, page = uploads(s3, bucket, upload_id_marker=a[0])  # ignored without a key marker
    assert (found, page["UploadIdMarker"]) == ([*a, b, c], "")
    found, _, page = uploads(s3, bucket, key_marker="c")
    assert (found, page["NextKeyMarker"], page["NextUploadIdMarker"]) == ([], "", "")


@pytest.mark.parametrize("limit", ["1", "2", "3", "1000"])
def test_uploads_under_prefixes(s3: S3, bucket: str, limit: str) -> None:
    """Prefix and delimiter roll up, and pages put together are the whole."""
    for key in ("a/b/1", "a/b/2", "a/c", "a/d", "e"):
        s3.upload(f"{bucket}/{key}")
    whole = uploads(s3, bucket, prefix="a/", delimiter="/")
    assert (len(whole[0]), whole[1], whole[2]["Prefix"], whole[2]["Delimiter"]) == (2, ["a/b/"], "a/", "/")

    seen: list[str] = []
    query = {"prefix": "a/", "delimiter": "/", "max_uploads": limit}
    for _ in range(5):
        ids, prefixes, page = uploads(s3, bucket, **query)
        seen += prefixes + ids
        if page["IsTruncated"] == "false":
            break
        query |= {"key_marker": page["NextKeyMarker"] or "", "upload_id_marker": page["NextUploadIdMarker"] or ""}

    assert seen == whole[1] + whole[0]


def test_how_many_uploads(s3: S3, bucket: str) -> None:
    """``max-uploads``: 0 to a thousand, else 400."""
    s3.upload(bucket + "/a")

    assert uploads(s3, bucket, max_uploads="0")[2]["IsTruncated"] == "false"
    assert uploads(s3, bucket, max_uploads="5000")[2]["MaxUploads"] == "1000"
    assert s3.ask("GET", bucket, "uploads&max-uploads=-1").fields["ArgumentName"] == "max-uploads"


# ----------------------------------------------------------------------------------------------------------------- size


@pytest.mark.timeout(180)
def test_ten_thousand_parts(s3: S3, bucket: str) -> None:
    """As many as there may be, each a copy, so that no byte is moved; read back at both ends and in between."""
    source, path = bucket + "/source", bucket + "/key"
    etag = s3.put(source, PART).etag
    before = s3.blob_files()
    upload = s3.upload(path)
    for begin in range(1, 10_001, 500):
        requests = [
            s3.request("PUT", path, {"partNumber": str(number), "uploadId": upload}, {"x-amz-copy-source": source})
            for number in range(begin, begin + 500)
        ]
        assert {answer.status for answer in s3.ask_all(requests)} == {200}

    answer = s3.complete(path, upload, [(number, etag) for number in range(1, 10_001)])

    assert answer.status == 200
    assert (answer.text("ETag") or "").endswith('-10000"')
    assert s3.blob_files() == before
    head = s3.ask("HEAD", path, "partNumber=10000")
    assert (head.length, head.headers["x-amz-mp-parts-count"]) == (len(PART), "10000")
    size = len(PART) * 10_000
    for first in (0, len(PART) - 5, size // 2, size - 10):
        got = s3.ask("GET", path, headers={"range": f"bytes={first}-{first + 9}"})
        assert (got.body, got.headers["content-range"]) == (b"p" * 10, f"bytes {first}-{first + 9}/{size}")
    page = s3.ask("GET", path, "attributes", {"x-amz-object-attributes": "ObjectParts", "x-amz-part-number-marker": "9990"})
    assert page.texts("ObjectParts/Part/PartNumber") == [str(number) for number in range(9991, 10_001)]

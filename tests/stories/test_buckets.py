"""Buckets: names, owners, regions, and when one may go."""

from __future__ import annotations

import pytest

from .harness import ALICE, BOB, ROOT, S3, canonical_id, encode_query


def create(region: str = "", tags: str = "") -> bytes:
    """The body of CreateBucket."""
    location = f"<LocationConstraint>{region}</LocationConstraint>" if region else ""
    return f"<CreateBucketConfiguration>{location}{tags}</CreateBucketConfiguration>".encode()


BAD_NAMES = [
    "ab",
    "a" * 64,
    "Upper",
    "under_score",
    "-a-b",
    "a-b-",
    "a..b",
    "192.168.0.1",
    "xn--abc",
    "abc-s3alias",
    "a b c",
    "é-é",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_no_bucket_can_have(s3: S3, name: str) -> None:
    """400 InvalidBucketName."""
    assert s3.ask("PUT", "/" + name).error == (400, "InvalidBucketName")


def test_a_name_that_the_server_needs(s3: S3) -> None:
    """Health checks live below it."""
    answer = s3.ask("PUT", "/minio")

    assert (answer.error, answer.fields) == ((400, "InvalidBucketName"), {"BucketName": "minio"})


def test_a_new_bucket(s3: S3) -> None:
    """Its place and its name in headers."""
    answer = s3.ask("PUT", "/a-new-bucket")

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["location"] == "/a-new-bucket"
    assert answer.headers["x-amz-bucket-arn"] == "arn:aws:s3:::a-new-bucket"
    head = s3.ask("HEAD", "/a-new-bucket")
    assert (head.status, head.headers["x-amz-bucket-region"]) == (200, "us-east-1")


def test_a_bucket_made_twice(s3: S3) -> None:
    """By its owner: fine in us-east-1, unless with tags; elsewhere 409. By somebody else: taken."""
    tags = "<Tags><Tag><Key>a</Key><Value>1</Value></Tag></Tags>"
    assert [s3.ask("PUT", "/twice-here", who=ALICE).status for _ in range(2)] == [200, 200]
    assert s3.ask("PUT", "/twice-here", body=create(tags=tags), who=ALICE).error == (409, "BucketAlreadyOwnedByYou")
    there = create("eu-north-1")
    assert s3.ask("PUT", "/twice-there", body=there, who=ALICE).status == 200
    assert s3.ask("PUT", "/twice-there", body=there, who=ALICE).error == (409, "BucketAlreadyOwnedByYou")

    assert s3.ask("PUT", "/twice-here", who=BOB).error == (409, "BucketAlreadyExists")


def test_regions(s3: S3) -> None:
    """Configured ones are taken, kept and told; others are refused by name."""
    assert s3.ask("PUT", "/in-the-north", body=create("eu-north-1")).status == 200
    assert s3.ask("GET", "/in-the-north", "location").xml.text == "eu-north-1"
    assert s3.ask("HEAD", "/in-the-north").headers["x-amz-bucket-region"] == "eu-north-1"
    assert s3.ask("GET", "/in-the-north", "list-type=2").headers["x-amz-bucket-region"] == "eu-north-1"
    assert s3.ask("PUT", "/old-europe", body=create("EU")).status == 200
    assert s3.ask("HEAD", "/old-europe").headers["x-amz-bucket-region"] == "eu-west-1"
    assert s3.ask("PUT", "/at-home").status == 200
    assert s3.ask("GET", "/at-home", "location").xml.text is None

    answer = s3.ask("PUT", "/on-mars", body=create("mars-1"))
    assert (answer.error, answer.fields) == ((400, "InvalidLocationConstraint"), {"LocationConstraint": "mars-1"})
    assert s3.ask("GET", "/on-mars", "location").error == (404, "NoSuchBucket")


def test_tags_from_the_start(s3: S3) -> None:
    """Tags in CreateBucket are those of the bucket, under the same rules."""

    def tagged(*pairs: tuple[str, str]) -> bytes:
        rows = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in pairs)
        return create(tags=f"<Tags>{rows}</Tags>")

    assert s3.ask("PUT", "/with-tags", body=tagged(("a", "1"), ("b", ""))).status == 200
    assert s3.ask("GET", "/with-tags", "tagging").texts("TagSet/Tag/Key") == ["a", "b"]
    assert s3.ask("PUT", "/without-tags", body=create(tags="<Tags/>")).status == 200
    assert s3.ask("GET", "/without-tags", "tagging").error == (404, "NoSuchTagSet")
    reserved = s3.ask("PUT", "/reserved-tags", body=tagged(("aws:x", "1")))
    assert (reserved.error, (reserved.text("Message") or "")[:35]) == (
        (400, "InvalidTag"),
        "User-defined tag keys can't start w",
    )
    assert s3.ask("PUT", "/comma-tags", body=tagged(("a,b", "1"))).fields == {"TagKey": "a,b"}
    assert s3.ask("PUT", "/empty-tags", body=tagged(("", "1"))).error == (400, "MalformedXML")


@pytest.mark.parametrize(
    "body",
    [b"<", b"<Other/>", b"x" * 10, b"<CreateBucketConfiguration><Colour/></CreateBucketConfiguration>", b"<!DOCTYPE a><a/>"],
)
def test_bodies_that_are_no_configuration(s3: S3, body: bytes) -> None:
    """400 MalformedXML; a document type is refused unread."""
    assert s3.ask("PUT", "/malformed-bucket", body=body).error == (400, "MalformedXML")


@pytest.mark.parametrize("left", ["object", "version", "marker"])
def test_a_bucket_that_is_not_empty_stays(s3: S3, left: str) -> None:
    """Also with old versions or markers only; the message says which kind of emptiness is meant."""
    bucket = s3.bucket(versioning=None if left == "object" else "Enabled")
    version = s3.put(bucket + "/key").headers.get("x-amz-version-id")
    if left != "object":
        s3.ask("DELETE", bucket + "/key")
    if left == "marker":
        s3.ask("DELETE", bucket + "/key", {"versionId": version or ""})

    answer = s3.ask("DELETE", bucket)

    assert (answer.error, answer.fields) == ((409, "BucketNotEmpty"), {"BucketName": bucket[1:]})
    expected = "The bucket you tried to delete is not empty"
    if left != "object":
        expected += ". You must delete all versions in the bucket."
    assert answer.text("Message") == expected


def test_an_empty_bucket_goes(s3: S3, bucket: str) -> None:
    """Open uploads go with it; then it is unknown."""
    upload = s3.upload(bucket + "/key")
    s3.part(bucket + "/key", upload, 1, b"x" * 100_000)

    assert s3.ask("DELETE", bucket).status == 204
    for method, query in (("DELETE", ""), ("GET", "list-type=2"), ("GET", "versioning"), ("PUT", "tagging")):
        answer = s3.ask(method, bucket, query, body=b"<Tagging><TagSet/></Tagging>" if method == "PUT" else b"")
        assert (answer.error, answer.fields) == ((404, "NoSuchBucket"), {"BucketName": bucket[1:]})


def test_a_listing_of_buckets_in_pages(s3: S3) -> None:
    """By name, with a prefix, in pages; the token is opaque."""
    names = [f"paged-{number}" for number in range(5)]
    for name in reversed(names):
        s3.ask("PUT", "/" + name, who=ALICE)

    whole = s3.ask("GET", "/", "prefix=paged-", who=ALICE)
    assert whole.texts("Buckets/Bucket/Name") == names
    assert whole.text("Prefix") == "paged-"
    assert whole.text("ContinuationToken") is None
    assert whole.texts("Buckets/Bucket/BucketRegion") == ["us-east-1"] * 5
    assert whole.text("Owner/ID") == canonical_id("alice")
    found: list[str] = []
    query = {"max-buckets": "2", "prefix": "paged-"}
    for _ in range(3):
        page = s3.ask("GET", "/", encode_query(query), who=ALICE)
        found += page.texts("Buckets/Bucket/Name")
        query["continuation-token"] = page.text("ContinuationToken") or ""
    assert found == names
    for wrong in ("0", "10001", "a", "-1"):
        assert s3.ask("GET", "/", {"max-buckets": wrong}).error == (400, "InvalidArgument")
    assert s3.ask("GET", "/", {"continuation-token": "\u00e9"}).error == (400, "InvalidArgument")


def test_buckets_of_a_region(s3: S3) -> None:
    """The filter comes before the page; a region that the server has not is 400, as recorded."""
    names = [f"regional-{number}" for number in range(6)]
    for number, name in enumerate(names):
        region = "eu-north-1" if number % 3 == 2 else "us-east-1"
        body = f"<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        assert s3.ask("PUT", f"/{name}", body=body.encode()).status == 200
    query = {"prefix": "regional-", "bucket-region": "eu-north-1", "max-buckets": "1"}

    first = s3.ask("GET", "/", query)
    second = s3.ask("GET", "/", query | {"continuation-token": first.text("ContinuationToken") or ""})

    assert [page.texts("Buckets/Bucket/Name") for page in (first, second)] == [["regional-2"], ["regional-5"]]
    assert second.text("ContinuationToken") is None
    assert s3.ask("GET", "/", query | {"bucket-region": "eu-west-1"}).texts("Buckets/Bucket") == []
    wrong = s3.ask("GET", "/", query | {"bucket-region": "eu-east-1"})
    assert wrong.error == (400, "InvalidArgument")
    assert wrong.text("Message") == "Argument value eu-east-1 is not a valid AWS Region"
    assert wrong.fields == {"ArgumentName": "bucket-region"}


# --------------------------------------------------------------------------------------------------------------- owners


def test_users_see_only_their_own_buckets(s3: S3) -> None:
    """In the list, and by any operation on them; root sees all."""
    own, other = s3.bucket(ALICE), s3.bucket(BOB)
    s3.ask("PUT", other + "/key", who=BOB)

    assert own[1:] in s3.ask("GET", "/", who=ALICE).texts("Buckets/Bucket/Name")
    assert other[1:] not in s3.ask("GET", "/", who=ALICE).texts("Buckets/Bucket/Name")
    assert {own[1:], other[1:]} <= set(s3.ask("GET", "/", who=ROOT).texts("Buckets/Bucket/Name"))
    for method, path, query in [
        ("GET", other, "list-type=2"), ("HEAD", other, ""), ("GET", other, "versioning"), ("DELETE", other, ""),
        ("GET", other + "/key", ""), ("GET", other + "/absent", ""), ("PUT", other + "/key", ""),
        ("DELETE", other + "/key", ""),
        ("GET", other + "/key", "tagging"), ("POST", other + "/key", "uploads"), ("GET", other, "acl"),
    ]:  # fmt: skip
        answer = s3.ask(method, path, query, who=ALICE)
        assert answer.status == 403
        assert answer.body == b"" if method == "HEAD" else answer.code == "AccessDenied"
    stolen = s3.ask("PUT", own + "/copy", headers={"x-amz-copy-source": other + "/key"}, who=ALICE)
    assert stolen.error == (403, "AccessDenied")
    assert s3.ask("GET", other + "/key", who=ROOT).status == 200


def test_anonymous_requests(s3: S3, bucket: str) -> None:
    """403 everywhere, but an unknown bucket is unknown to everybody."""
    for method, path in [("GET", bucket), ("GET", bucket + "/key"), ("PUT", bucket + "/key"), ("DELETE", bucket), ("GET", "/")]:
        assert s3.ask(method, path, who=None).error == (403, "AccessDenied")
    assert s3.ask("PUT", "/anonymous-bucket", who=None).error == (403, "AccessDenied")
    assert s3.ask("GET", "/no-such-bucket/key", who=None).error == (404, "NoSuchBucket")


def test_an_expected_owner(s3: S3, bucket: str) -> None:
    """A bucket that changed hands is not written to: 403 unless the owner is the one expected, of target and source."""
    s3.put(bucket + "/key")
    right, wrong = canonical_id("root"), canonical_id("alice")

    for method, path in [("GET", bucket), ("PUT", bucket + "/key"), ("GET", bucket + "/key"), ("DELETE", bucket + "/key")]:
        assert s3.ask(method, path, headers={"x-amz-expected-bucket-owner": wrong}).error == (403, "AccessDenied")
    assert s3.ask("GET", bucket + "/key", headers={"x-amz-expected-bucket-owner": right}).status == 200
    source = {"x-amz-copy-source": bucket + "/key"}
    copy = bucket + "/copy"
    assert s3.ask("PUT", copy, headers={**source, "x-amz-source-expected-bucket-owner": wrong}).error == (403, "AccessDenied")
    assert s3.ask("PUT", copy, headers={**source, "x-amz-source-expected-bucket-owner": right}).status == 200


def test_a_payer_is_nobody(s3: S3, bucket: str) -> None:
    """``x-amz-request-payer`` is ignored: nobody pays here."""
    assert s3.ask("PUT", bucket + "/key", headers={"x-amz-request-payer": "requester"}).status == 200


@pytest.mark.parametrize(
    ("method", "path", "query"), [("GET", "/key", ""), ("DELETE", "/key", ""), ("GET", "", "list-type=2"), ("HEAD", "/key", "")]
)
def test_bodies_that_nobody_asked_for(s3: S3, bucket: str, method: str, path: str, query: str) -> None:
    """Are not read and change nothing."""
    s3.put(bucket + "/key")

    assert s3.ask(method, bucket + path, query, body=b"unasked").status in {200, 204}

"""Lifecycle: configurations, what they say of an object, and what the job does when time has passed."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import pytest

from zakrom.catalog.changes import SetLifecycleDay
from zakrom.jobs.lifecycle import Lifecycle
from zakrom.model.lifecycle import DAY_MS
from zakrom.wire import dates
from zakrom.work.jobs import run_once

from .harness import S3, Answer, md5_of

MALFORMED = (400, "MalformedXML")
ARGUMENT = (400, "InvalidArgument")
REQUEST = (400, "InvalidRequest")
SMALL = "<Filter><ObjectSizeGreaterThan>0</ObjectSizeGreaterThan></Filter>"
"""A filter that means objects of any size, so that small ones move too."""


def rule(content: str, scope: str = "<Filter/>", status: str = "Enabled", id: str = "") -> str:
    """A rule."""
    named = f"<ID>{id}</ID>" if id else ""
    return f"<Rule>{named}<Status>{status}</Status>{scope}{content}</Rule>"


def expire(days: int) -> str:
    """An action."""
    return f"<Expiration><Days>{days}</Days></Expiration>"


def noncurrent(days: int, newer: int = 0) -> str:
    """An action."""
    kept = f"<NewerNoncurrentVersions>{newer}</NewerNoncurrentVersions>" if newer else ""
    return f"<NoncurrentVersionExpiration><NoncurrentDays>{days}</NoncurrentDays>{kept}</NoncurrentVersionExpiration>"


def move(days: int, storage_class: str) -> str:
    """An action."""
    return f"<Transition><Days>{days}</Days><StorageClass>{storage_class}</StorageClass></Transition>"


def configure(s3: S3, bucket: str, *rules: str, headers: dict[str, str] | None = None) -> Answer:
    """PutBucketLifecycleConfiguration."""
    body = f"<LifecycleConfiguration>{''.join(rules)}</LifecycleConfiguration>".encode()
    return s3.ask("PUT", bucket, "lifecycle", {"content-md5": md5_of(body), **(headers or {})}, body)


def work(s3: S3, days: float = 0) -> dict[str, object]:
    """What the job does, so many days from now."""
    with later(s3, days):
        job = Lifecycle(s3.store, s3.now_ms, itertools.count(1 << 40).__next__)
        s3.run(run_once(job))
        return job.status()


@contextlib.contextmanager
def later(s3: S3, days: float) -> Iterator[None]:
    """So many days from now."""
    s3.skew_ms += int(days * DAY_MS)
    try:
        yield
    finally:
        s3.skew_ms -= int(days * DAY_MS)


def versions(s3: S3, bucket: str) -> list[tuple[str, str]]:
    """(kind, key) of all versions."""
    return [
        (node.tag, node.findtext("Key") or "")
        for node in s3.ask("GET", bucket, "versions").xml
        if node.tag in {"Version", "DeleteMarker"}
    ]


@pytest.fixture(autouse=True)
def settled(s3: S3) -> Iterator[None]:
    """One story's rules do nothing in another."""
    yield
    for bucket in s3.ask("GET", "/").texts("Buckets/Bucket/Name"):
        assert s3.ask("DELETE", "/" + bucket, "lifecycle").status == 204
    work(s3)
    assert s3.run(s3.catalog.due(1 << 60, 1)) == []


# ---------------------------------------------------------------------------------------------------------- configurations


def test_a_configuration_is_kept_as_it_was_put(s3: S3, bucket: str) -> None:
    """All elements come back, in both forms of a prefix, and a rule without an id gets one."""
    content = (
        expire(400)
        + move(30, "STANDARD_IA")
        + move(90, "GLACIER")
        + noncurrent(9, 3)
        + "<NoncurrentVersionTransition><NoncurrentDays>1</NoncurrentDays><StorageClass>GLACIER</StorageClass>"
        "<NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionTransition>"
    )
    scope = (
        "<Filter><And><Prefix>a&amp;b/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag>"
        "<ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>7</ObjectSizeLessThan></And></Filter>"
    )
    put = configure(s3, bucket, rule(content, scope, id="one"), rule(expire(1), status="Disabled"))
    answer = s3.ask("GET", bucket, "lifecycle")

    assert put.headers["x-amz-transition-default-minimum-object-size"] == "all_storage_classes_128K"
    assert answer.headers["x-amz-transition-default-minimum-object-size"] == "all_storage_classes_128K"
    text = answer.body.decode()
    assert rule(content, scope, id="one") in text
    assert len(answer.texts("Rule/ID")[1]) == 36
    assert answer.texts("Rule/Status") == ["Enabled", "Disabled"]
    assert configure(s3, bucket, rule(expire(1), "<Prefix>p/</Prefix>", id="old")).status == 200
    assert s3.ask("GET", bucket, "lifecycle").texts("Rule/Prefix") == ["p/"]
    for _ in range(2):
        assert s3.ask("DELETE", bucket, "lifecycle").status == 204
    assert s3.ask("GET", bucket, "lifecycle").error == (404, "NoSuchLifecycleConfiguration")


def test_the_minimum_size_of_transitions(s3: S3, bucket: str) -> None:
    """One of two words, told by PUT and GET; without it the first."""
    name = "x-amz-transition-default-minimum-object-size"
    for word in ("varies_by_storage_class", "all_storage_classes_128K"):
        assert configure(s3, bucket, rule(expire(1)), headers={name: word}).headers[name] == word
        assert s3.ask("GET", bucket, "lifecycle").headers[name] == word
    answer = configure(s3, bucket, rule(expire(1)), headers={name: "value"})
    assert (answer.error, answer.text("Message")) == (REQUEST, "Invalid TransitionDefaultMinimumObjectSize found: value")


DATE = "<Expiration><Date>{}</Date></Expiration>"
TAG = "<Tag><Key>a</Key><Value>{}</Value></Tag>"
ABORT = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>{}</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
MARKERS = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
LATER = "filter '(prefix=)' must be greater than for StorageClass 'STANDARD_IA'"
WRONG = [
    ("", MALFORMED, None),
    (rule(expire(7), scope=""), MALFORMED, None),
    (rule(expire(7), scope="<Filter/><Prefix/>"), MALFORMED, None),
    (rule(expire(7), "<Filter><And><Prefix>a</Prefix></And><Prefix/></Filter>"), MALFORMED, None),
    (rule(expire(7), "<Filter><ObjectSizeGreaterThan>500</ObjectSizeGreaterThan><Prefix/></Filter>"), MALFORMED, None),
    (rule(expire(7), "<Filter><And/></Filter>"), MALFORMED, None),
    (rule(expire(7), status="enabled"), MALFORMED, None),
    (rule(expire(7) + "<Colour>red</Colour>"), MALFORMED, None),
    (rule(expire(7) + "<NoncurrentVersionExpiration/>"), MALFORMED, None),
    (rule("<Expiration/>"), MALFORMED, None),
    (
        rule("<Expiration><Days>1</Days><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"),
        MALFORMED,
        None,
    ),
    (rule("<Expiration><Days>soon</Days></Expiration>"), MALFORMED, None),
    (rule(DATE.format("20200101")), MALFORMED, None),
    (rule(move(1, "STANDARD")), MALFORMED, None),
    (rule(move(1, "TAPE")), MALFORMED, None),
    (rule("<Transition><StorageClass>GLACIER</StorageClass></Transition>"), MALFORMED, None),
    (rule(expire(1)) * 1001, MALFORMED, None),
    (rule(""), REQUEST, "At least one action needs to be specified in a rule"),
    (rule(expire(0)), ARGUMENT, "'Days' for Expiration action must be a positive integer"),
    (rule(noncurrent(0)), ARGUMENT, "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer"),
    (
        rule(noncurrent(1, 101)),
        ARGUMENT,
        "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be an integer between 1 and 100",
    ),
    (
        rule(ABORT.format(0)),
        ARGUMENT,
        "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer",
    ),
    (rule(move(-1, "GLACIER")), ARGUMENT, "'Days' in Transition action must be nonnegative"),
    (
        rule(move(29, "STANDARD_IA")),
        ARGUMENT,
        "'Days' in Transition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'",
    ),
    (
        rule(move(9, "GLACIER") + expire(9)),
        ARGUMENT,
        "'Days' in the Expiration action for filter '(prefix=)' must be greater than 'Days' in the Transition action",
    ),
    (
        rule(move(90, "STANDARD_IA") + move(60, "GLACIER")),
        ARGUMENT,
        "'Days' in the 'Transition' action for StorageClass 'GLACIER' for " + LATER,
    ),
    (
        rule(move(9, "GLACIER") + move(10, "GLACIER")),
        REQUEST,
        "'StorageClass' must be different for 'Transition' actions in same 'Rule' with filter '(prefix=)'",
    ),
    (
        rule(move(9, "GLACIER") + DATE.format("2030-01-01T00:00:00Z")),
        REQUEST,
        "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter '(prefix=)'",
    ),
    (rule(DATE.format("2023-01-01T02:02:00Z")), ARGUMENT, "'Date' must be at midnight GMT"),
    (
        rule(expire(1), f"<Filter><And>{TAG.format(1)}{TAG.format(2)}</And></Filter>"),
        REQUEST,
        "Duplicate Tag Keys are not allowed.",
    ),
    (
        rule(ABORT.format(1), f"<Filter>{TAG.format(1)}</Filter>"),
        REQUEST,
        "AbortIncompleteMultipartUpload cannot be specified with Tags.",
    ),
    (rule(ABORT.format(1), SMALL), REQUEST, "AbortIncompleteMultipartUpload cannot be specified with Object Size."),
    (rule(MARKERS, f"<Filter>{TAG.format(1)}</Filter>"), REQUEST, "ExpiredObjectDeleteMarker cannot be specified with Tags."),
    (
        rule(
            expire(1),
            "<Filter><And><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan>"
            "<ObjectSizeLessThan>5</ObjectSizeLessThan></And></Filter>",
        ),
        REQUEST,
        "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.",
    ),
    (rule(expire(1), id="a" * 256), ARGUMENT, "ID length should not exceed allowed limit of 255"),
    (rule(expire(1), id="a") * 2, ARGUMENT, "Rule ID must be unique. Found same ID for more than one rule"),
    (rule(expire(1)) + rule(expire(1), "<Prefix/>"), REQUEST, "Filter element can only be used in Lifecycle V2."),
]


@pytest.mark.parametrize(("rules", "error", "message"), WRONG)
def test_configurations_that_are_none(s3: S3, bucket: str, rules: str, error: tuple[int, str], message: str | None) -> None:
    """Each mistake has AWS's error, and nothing is kept."""
    answer = configure(s3, bucket, rules)

    assert answer.error == error
    assert message is None or answer.text("Message") == message
    assert s3.ask("GET", bucket, "lifecycle").error == (404, "NoSuchLifecycleConfiguration")


def test_a_configuration_needs_a_digest(s3: S3, bucket: str) -> None:
    """As AWS says."""
    assert s3.ask("PUT", bucket, "lifecycle", body=b"<LifecycleConfiguration/>").error == REQUEST


# ---------------------------------------------------------------------------------------------------------------- headers


def test_what_an_object_says_of_its_end(s3: S3, bucket: str) -> None:
    """PUT, GET, HEAD, copies and uploads tell the midnight and the first rule that means them; a version by id does not."""
    configure(
        s3,
        bucket,
        rule(expire(7), "<Filter><Prefix>both</Prefix></Filter>", id="one &amp; only"),
        rule(expire(7), "<Filter><Prefix>bo</Prefix></Filter>", id="two"),
        rule(expire(1), "<Filter><Prefix>bo</Prefix></Filter>", status="Disabled"),
        rule(expire(3), f"<Filter>{TAG.format(1)}</Filter>", id="tagged"),
        rule(expire(5), "<Filter><And><Prefix>size</Prefix><ObjectSizeLessThan>3</ObjectSizeLessThan></And></Filter>", id="s"),
    )

    def ends(answer: Answer, days: int, id: str) -> bool:
        midnight = -(-(s3.now_ms() + days * DAY_MS) // DAY_MS) * DAY_MS
        return answer.headers.get("x-amz-expiration") == f'expiry-date="{dates.http_date(midnight)}", rule-id="{id}"'

    assert ends(s3.put(bucket + "/both", b"x"), 7, "one%20%26%20only")
    assert ends(s3.put(bucket + "/bo", b"x", x_amz_tagging="a=1"), 3, "tagged")
    assert ends(s3.put(bucket + "/size", b"xx"), 5, "s")
    assert "x-amz-expiration" not in s3.put(bucket + "/size", b"xxx").headers
    assert "x-amz-expiration" not in s3.put(bucket + "/other", b"x", x_amz_tagging="a=2").headers
    assert ends(s3.multipart(bucket + "/bo-parts", b"x"), 7, "two")
    assert ends(s3.ask("PUT", bucket + "/bo-copy", headers={"x-amz-copy-source": bucket + "/other"}), 7, "two")
    for method in ("GET", "HEAD"):
        assert ends(s3.ask(method, bucket + "/both"), 7, "one%20%26%20only")
        assert "x-amz-expiration" not in s3.ask(method, bucket + "/both", "versionId=null").headers


def test_what_an_upload_says_of_its_end(s3: S3, bucket: str) -> None:
    """CreateMultipartUpload and ListParts tell when it will be aborted, and by which rule."""
    configure(s3, bucket, rule(ABORT.format(2), "<Filter><Prefix>up</Prefix></Filter>", id="tidy"))
    midnight = dates.http_date(-(-(s3.now_ms() + 2 * DAY_MS) // DAY_MS) * DAY_MS)
    created = s3.ask("POST", bucket + "/up", "uploads")
    listed = s3.ask("GET", bucket + "/up", {"uploadId": created.text("UploadId") or ""})

    for answer in (created, listed):
        assert answer.headers["x-amz-abort-date"] == midnight
        assert answer.headers["x-amz-abort-rule-id"] == "tidy"
    assert "x-amz-abort-date" not in s3.ask("POST", bucket + "/other", "uploads").headers


# ------------------------------------------------------------------------------------------------------------------ the job


def test_objects_expire(s3: S3, bucket: str) -> None:
    """Those from before the rules and after, at midnight after their days; others stay, and the usage is counted."""
    s3.put(bucket + "/tmp/before", b"x" * 100_000)
    configure(s3, bucket, rule(expire(2), "<Filter><Prefix>tmp/</Prefix></Filter>"))
    s3.put(bucket + "/tmp/after", b"x")
    s3.put(bucket + "/kept", b"x")
    work(s3)

    assert work(s3, 1.9)["removed"] == 0
    assert work(s3, 3.1) == {"removed": 2, "marked": 0, "moved": 0, "aborted": 0}
    assert s3.keys(bucket) == ["kept"]


def test_an_object_that_was_replaced_has_its_own_days(s3: S3, bucket: str) -> None:
    """An old reminder decides nothing, and none is left of it."""
    configure(s3, bucket, rule(expire(2)))
    s3.put(bucket + "/k", b"old")
    with later(s3, 2):
        s3.put(bucket + "/k", b"new")

    assert work(s3, 3.1)["removed"] == 0
    assert s3.keys(bucket) == ["k"]
    assert work(s3, 5.1)["removed"] == 1


def test_objects_expire_on_a_date(s3: S3, bucket: str) -> None:
    """From that midnight on, those that come later too."""
    day = dates.iso8601_seconds(-(-(s3.now_ms() + DAY_MS) // DAY_MS) * DAY_MS)
    configure(s3, bucket, rule(DATE.format(day)))
    s3.put(bucket + "/k", b"x")

    assert work(s3)["removed"] == 0
    assert work(s3, 2)["removed"] == 1
    with later(s3, 3):
        s3.put(bucket + "/late", b"x")
    assert work(s3, 3)["removed"] == 1


def test_current_versions_are_hidden_and_noncurrent_ones_removed(s3: S3) -> None:
    """Expiration puts a marker on top, the version goes when it has been noncurrent long enough, and then the marker."""
    bucket = s3.bucket(versioning="Enabled")
    configure(s3, bucket, rule(expire(2) + noncurrent(4)), rule(MARKERS))
    s3.put(bucket + "/k", b"x")

    assert work(s3, 3.1)["marked"] == 1
    assert versions(s3, bucket) == [("DeleteMarker", "k"), ("Version", "k")]
    assert work(s3, 6.9)["removed"] == 0
    assert work(s3, 8.2)["removed"] == 2
    assert versions(s3, bucket) == []


def test_a_lonely_marker_goes_with_the_age_of_objects(s3: S3) -> None:
    """Without a rule of its own, after the days that expire objects; a marker that hides something stays."""
    bucket = s3.bucket(versioning="Enabled")
    configure(s3, bucket, rule(expire(3)))
    for key in ("lonely", "hiding"):
        s3.ask("DELETE", f"{bucket}/{key}")
    s3.put(bucket + "/hiding", b"x")
    s3.ask("DELETE", bucket + "/hiding")

    assert work(s3, 4.1)["removed"] == 1
    assert {key for _, key in versions(s3, bucket)} == {"hiding"}


def test_newer_noncurrent_versions_are_kept(s3: S3) -> None:
    """Of seven versions two noncurrent ones stay for ever; a new version makes the next one due."""
    bucket = s3.bucket(versioning="Enabled")
    for _ in range(7):
        s3.put(bucket + "/k", b"x")
    configure(s3, bucket, rule(noncurrent(1, 2)))

    assert work(s3, 2.1)["removed"] == 4
    assert work(s3, 90)["removed"] == 0
    with later(s3, 100):
        s3.put(bucket + "/k", b"x")
    assert work(s3, 100)["removed"] == 1
    assert len(versions(s3, bucket)) == 3


def test_tags_decide_at_the_moment(s3: S3, bucket: str) -> None:
    """A tag that comes makes an object due, one that goes saves it."""
    configure(s3, bucket, rule(expire(1), f"<Filter>{TAG.format(1)}</Filter>"))
    s3.put(bucket + "/saved", b"x", x_amz_tagging="a=1")
    s3.put(bucket + "/doomed", b"x")
    tagging = b"<Tagging><TagSet>" + TAG.format(1).encode() + b"</TagSet></Tagging>"
    assert s3.ask("PUT", bucket + "/doomed", "tagging", body=tagging).status == 200
    assert s3.ask("DELETE", bucket + "/saved", "tagging").status == 204

    assert work(s3, 3)["removed"] == 1
    assert s3.keys(bucket) == ["saved"]


def test_objects_move_to_colder_classes(s3: S3) -> None:
    """One class after another, and never back; bytes and ETag stay; small objects only where a rule or the minimum says so."""
    bucket = s3.bucket(versioning="Enabled")
    configure(s3, bucket, rule(move(30, "STANDARD_IA") + move(60, "DEEP_ARCHIVE"), SMALL))
    etag = s3.put(bucket + "/k", b"grain").etag
    s3.put(bucket + "/cold", b"grain", x_amz_storage_class="DEEP_ARCHIVE")

    assert work(s3, 31.1)["moved"] == 1
    assert s3.ask("HEAD", bucket + "/k").headers["x-amz-storage-class"] == "STANDARD_IA"
    assert work(s3, 61.1)["moved"] == 1
    answer = s3.ask("GET", bucket + "/k")
    assert (answer.headers["x-amz-storage-class"], answer.etag, answer.body) == ("DEEP_ARCHIVE", etag, b"grain")
    assert len(versions(s3, bucket)) == 2


@pytest.mark.parametrize(("minimum", "moved"), [("all_storage_classes_128K", 1), ("varies_by_storage_class", 2)])
def test_small_objects_stay_by_default(s3: S3, bucket: str, minimum: str, moved: int) -> None:
    """128 KiB is the least that moves; where it varies by class, archives take all."""
    name = "x-amz-transition-default-minimum-object-size"
    configure(s3, bucket, rule(move(1, "GLACIER")), headers={name: minimum})
    s3.put(bucket + "/small", b"x" * (128 * 1024 - 1))
    s3.put(bucket + "/large", b"x" * (128 * 1024))

    assert work(s3, 3)["moved"] == moved


def test_open_uploads_are_aborted(s3: S3, bucket: str) -> None:
    """Those from before the rule and after; not those that were completed, nor those of other prefixes."""
    before = s3.upload(bucket + "/up/before")
    s3.part(bucket + "/up/before", before, 1, b"x" * 50_000)
    other = s3.upload(bucket + "/other")
    configure(s3, bucket, rule(ABORT.format(1), "<Prefix>up/</Prefix>"))
    s3.upload(bucket + "/up/after")
    s3.multipart(bucket + "/up/done", b"x")
    work(s3)

    assert work(s3, 0.9)["aborted"] == 0
    assert work(s3, 2.1)["aborted"] == 2
    assert s3.ask("GET", bucket, "uploads").texts("Upload/UploadId") == [other]
    assert s3.keys(bucket) == ["up/done"]


def test_rules_that_end_do_nothing_more(s3: S3) -> None:
    """Removed, disabled, or gone with their bucket: no reminder does anything, and none is left."""
    removed, disabled, gone = s3.bucket(), s3.bucket(), s3.bucket()
    for bucket in (removed, disabled, gone):
        configure(s3, bucket, rule(expire(1)))
        s3.put(bucket + "/k", b"x")
    s3.ask("DELETE", removed, "lifecycle")
    configure(s3, disabled, rule(expire(1), status="Disabled"))
    s3.ask("DELETE", gone + "/k")
    s3.upload(gone + "/k")
    assert s3.ask("DELETE", gone).status == 204
    work(s3)

    assert s3.run(s3.catalog.due(s3.now_ms() + 9 * DAY_MS, 10)) == []
    assert work(s3, 9)["removed"] == 0
    assert (s3.keys(removed), s3.keys(disabled)) == (["k"], ["k"])


def test_what_is_locked_stays_until_it_is_free(s3: S3) -> None:
    """A retention puts the removal off, a legal hold stops it until it is lifted; markers are put on top all the same."""
    bucket = "/lifecycle-and-locks"
    assert s3.ask("PUT", bucket, headers={"x-amz-bucket-object-lock-enabled": "true"}).status == 200
    configure(s3, bucket, rule(expire(1) + noncurrent(1)))
    digest = {"content_md5": md5_of(b"x")}
    until = dates.iso8601(s3.now_ms() + 30 * DAY_MS)
    s3.put(bucket + "/kept", b"x", x_amz_object_lock_mode="COMPLIANCE", x_amz_object_lock_retain_until_date=until, **digest)
    s3.put(bucket + "/held", b"x", x_amz_object_lock_legal_hold="ON", **digest)
    held = s3.ask("HEAD", bucket + "/held").headers["x-amz-version-id"]

    assert work(s3, 3) == {"removed": 0, "marked": 2, "moved": 0, "aborted": 0}
    assert work(s3, 29)["removed"] == 0
    assert work(s3, 31)["removed"] == 2, "the version, and the marker that then hid nothing"
    body = b"<LegalHold><Status>OFF</Status></LegalHold>"
    with later(s3, 300):
        query = f"legal-hold&versionId={held}"
        assert s3.ask("PUT", bucket + "/held", query, {"content-md5": md5_of(body)}, body).status == 200
    assert work(s3, 300)["removed"] == 2
    assert versions(s3, bucket) == []


def test_a_bucket_is_looked_through_in_small_steps(s3: S3) -> None:
    """Whatever the size of the steps, every version is met once, and a writer that starts again goes on."""
    bucket = s3.bucket(versioning="Enabled")
    requests = [s3.request("PUT", f"{bucket}/{number % 30}", body=b"x") for number in range(450)]
    assert {answer.status for answer in s3.ask_all(requests)} == {200}
    configure(s3, bucket, rule(noncurrent(1)))
    reminders = len(s3.run(s3.catalog.due(1 << 60, 1000)))
    work(s3)

    assert reminders == 0
    assert len(s3.run(s3.catalog.due(1 << 60, 1000))) == 420
    assert work(s3, 3)["removed"] == 420
    assert len(versions(s3, bucket)) == 30


def test_a_bucket_without_rules_has_no_reminders(s3: S3, bucket: str) -> None:
    """Its writes ask nothing about lifecycle."""
    s3.put(bucket + "/k", b"x")
    s3.ask("DELETE", bucket + "/k")

    assert s3.run(s3.catalog.due(1 << 60, 1)) == []


def test_a_short_day_is_not_rounded(s3: S3, bucket: str) -> None:
    """Another length of the day makes all reminders anew; headers tell calendar days all the same."""
    configure(s3, bucket, rule(expire(2), id="r"))
    s3.put(bucket + "/k", b"x")
    s3.run(s3.catalog.apply(SetLifecycleDay(1000)))
    with later(s3, 3 / 86_400):
        short = Lifecycle(s3.store, s3.now_ms, itertools.count(1).__next__, day_ms=1000)
        s3.run(run_once(short))

    assert short.status()["removed"] == 1
    assert (
        dates.http_date(-(-(s3.now_ms() + 2 * DAY_MS) // DAY_MS) * DAY_MS) in s3.put(bucket + "/k").headers["x-amz-expiration"]
    )
    work(s3)
    assert work(s3, 0.5)["removed"] == 0

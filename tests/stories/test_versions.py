"""Versions: what a write, a read and a delete mean in the three states of a bucket."""

from __future__ import annotations

import pytest

from zakrom.wire import checksums

from .harness import S3, Answer, delete_xml, md5_of


def versions(s3: S3, bucket: str, **query: str) -> list[tuple[str, str, str, bool]]:
    """(kind, key, version id, latest) as listed."""
    answer = s3.ask("GET", bucket, {"versions": "", **{name.replace("_", "-"): value for name, value in query.items()}})
    assert answer.status == 200
    return [
        (node.tag, node.findtext("Key") or "", node.findtext("VersionId") or "", node.findtext("IsLatest") == "true")
        for node in answer.xml
        if node.tag in {"Version", "DeleteMarker"}
    ]


def delete_many(s3: S3, bucket: str, objects: str, **headers: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """DeleteObjects: the status, and the entries of the answer by kind."""
    body = delete_xml(objects)
    answer = s3.ask("POST", bucket, "delete", {"content-md5": md5_of(body), **headers}, body)
    found: dict[str, list[dict[str, str]]] = {}
    for node in answer.xml:
        found.setdefault(node.tag, []).append({child.tag: child.text or "" for child in node})
    return answer.status, found


def test_a_delete_puts_a_marker_and_its_delete_restores(s3: S3) -> None:
    """Enabled: nothing is lost; each step as AWS answers it."""
    bucket = s3.bucket(versioning="Enabled")
    put = s3.put(bucket + "/key", b"one")
    first = put.headers["x-amz-version-id"]

    gone = s3.ask("DELETE", bucket + "/key")
    marker = gone.headers["x-amz-version-id"]
    assert (gone.status, gone.headers["x-amz-delete-marker"]) == (204, "true")
    get = s3.ask("GET", bucket + "/key")
    assert get.error == (404, "NoSuchKey")
    assert (get.headers["x-amz-delete-marker"], get.headers["x-amz-version-id"]) == ("true", marker)
    head = s3.ask("HEAD", bucket + "/key")
    assert (head.status, head.headers["x-amz-delete-marker"]) == (404, "true")
    assert s3.ask("GET", bucket + "/key", {"versionId": first}).body == b"one"
    assert versions(s3, bucket) == [("DeleteMarker", "key", marker, True), ("Version", "key", first, False)]

    restored = s3.ask("DELETE", bucket + "/key", {"versionId": marker})
    assert (restored.status, restored.headers["x-amz-delete-marker"]) == (204, "true")
    assert restored.headers["x-amz-version-id"] == marker
    assert s3.ask("GET", bucket + "/key").body == b"one"
    last = s3.ask("DELETE", bucket + "/key", {"versionId": first})
    assert (last.status, last.headers["x-amz-version-id"]) == (204, first)
    assert "x-amz-delete-marker" not in last.headers
    assert versions(s3, bucket) == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_marker_asked_by_id(s3: S3, method: str) -> None:
    """405 with what may be done to it, and when it was put."""
    bucket = s3.bucket(versioning="Enabled")
    marker = s3.ask("DELETE", bucket + "/never").headers["x-amz-version-id"]

    answer = s3.ask(method, bucket + "/never", {"versionId": marker})

    assert answer.status == 405
    assert (answer.headers["allow"], answer.headers["x-amz-delete-marker"]) == ("DELETE", "true")
    assert "last-modified" in answer.headers
    if method == "GET":
        assert answer.error == (405, "MethodNotAllowed")
        assert answer.fields == {"Method": "GET", "ResourceType": "DeleteMarker"}


def test_a_key_that_never_was_gets_a_marker(s3: S3) -> None:
    """DELETE of an absent key: 204 everywhere; a marker where versioning is on; each DELETE another one."""
    plain, versioned = s3.bucket(), s3.bucket(versioning="Enabled")
    answer = s3.ask("DELETE", plain + "/absent")
    assert (answer.status, "x-amz-delete-marker" in answer.headers, "x-amz-version-id" in answer.headers) == (204, False, False)

    ids = [s3.ask("DELETE", versioned + "/absent").headers["x-amz-version-id"] for _ in range(2)]

    assert versions(s3, versioned) == [("DeleteMarker", "absent", ids[1], True), ("DeleteMarker", "absent", ids[0], False)]


VERSION_IDS = [
    ("malformed", (400, "InvalidArgument")),
    ("", (400, "InvalidArgument")),
    ("f" * 32, (400, "InvalidArgument")),
    ("0" * 15 + "1" + "0" * 15 + "1", (404, "NoSuchVersion")),
    ("null", (404, "NoSuchVersion")),
]


@pytest.mark.parametrize(("version", "error"), VERSION_IDS)
def test_version_ids_that_are_none(s3: S3, version: str, error: tuple[int, str]) -> None:
    """Malformed: 400; unknown: 404 with key and id."""
    bucket = s3.bucket(versioning="Enabled")
    s3.put(bucket + "/key")

    answer = s3.ask("GET", bucket + "/key", {"versionId": version})

    assert answer.error == error
    if error[0] == 404:
        assert answer.fields == {"Key": "key", "VersionId": version}
    else:
        assert answer.fields == {"ArgumentName": "versionId", "ArgumentValue": version}


def test_the_null_version_of_a_bucket_without_versioning(s3: S3, bucket: str) -> None:
    """``versionId=null`` is the object; no id is shown; other ids are 400 or not there."""
    s3.put(bucket + "/key", b"one")

    assert "x-amz-version-id" not in s3.ask("GET", bucket + "/key").headers
    assert s3.ask("HEAD", bucket + "/key", "versionId=null").status == 200
    assert s3.ask("GET", bucket + "/key", "versionId=null").body == b"one"
    assert s3.ask("GET", bucket + "/key", "versionId=abc").error == (400, "InvalidArgument")
    assert s3.ask("DELETE", bucket + "/key", "versionId=abc").error == (400, "InvalidArgument")
    assert versions(s3, bucket) == [("Version", "key", "null", True)]
    assert s3.ask("DELETE", bucket + "/key", "versionId=null").status == 204
    assert versions(s3, bucket) == []


def test_suspended_writes_replace_the_null_version(s3: S3, bucket: str) -> None:
    """What was written before and while suspended is one version; those of the enabled time stay."""
    s3.put(bucket + "/key", b"before")
    s3.versioning(bucket, "Enabled")
    enabled = s3.put(bucket + "/key", b"enabled").headers["x-amz-version-id"]
    assert s3.ask("GET", bucket + "/key", "versionId=null").body == b"before"
    s3.versioning(bucket, "Suspended")

    put = s3.put(bucket + "/key", b"suspended")
    assert "x-amz-version-id" not in put.headers
    assert s3.ask("GET", bucket + "/key").headers["x-amz-version-id"] == "null"
    assert versions(s3, bucket) == [("Version", "key", "null", True), ("Version", "key", enabled, False)]

    gone = s3.ask("DELETE", bucket + "/key")
    assert (gone.headers["x-amz-delete-marker"], gone.headers["x-amz-version-id"]) == ("true", "null")
    assert versions(s3, bucket) == [("DeleteMarker", "key", "null", True), ("Version", "key", enabled, False)]
    again = s3.ask("DELETE", bucket + "/key", "versionId=null")
    assert (again.headers["x-amz-delete-marker"], again.headers["x-amz-version-id"]) == ("true", "null")
    assert s3.ask("GET", bucket + "/key").body == b"enabled"


def test_versioning_states(s3: S3, bucket: str) -> None:
    """None at first, then Enabled or Suspended, never nothing again; a document without a status is refused."""
    assert s3.ask("GET", bucket, "versioning").text("Status") is None
    for status in ("Suspended", "Enabled", "Suspended"):
        s3.versioning(bucket, status)
        assert s3.ask("GET", bucket, "versioning").text("Status") == status

    for body, error in [
        (b"<VersioningConfiguration/>", (400, "IllegalVersioningConfigurationException")),
        (b"<VersioningConfiguration><Status>enabled</Status></VersioningConfiguration>", (400, "MalformedXML")),
        (b"<VersioningConfiguration><Status>Disabled</Status></VersioningConfiguration>", (400, "MalformedXML")),
        (b"", (400, "MalformedXML")),
        (
            b"<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>",
            (501, "NotImplemented"),
        ),
    ]:
        assert s3.ask("PUT", bucket, "versioning", body=body).error == error
    assert s3.ask("GET", bucket, "versioning").text("Status") == "Suspended"


# -------------------------------------------------------------------------------------------------------------- listing


def test_versions_are_listed_newest_first(s3: S3) -> None:
    """By key, then newest first; each with its own facts; markers without size and ETag."""
    bucket = s3.bucket(versioning="Enabled")
    ids = [s3.put(bucket + "/b", b"x" * size).headers["x-amz-version-id"] for size in (1, 2, 3)]
    marker = s3.ask("DELETE", bucket + "/a").headers["x-amz-version-id"]

    answer = s3.ask("GET", bucket, "versions")

    assert answer.texts("Version/VersionId") == ids[::-1]
    assert answer.texts("Version/Size") == ["3", "2", "1"]
    assert answer.texts("Version/IsLatest") == ["true", "false", "false"]
    assert [node.tag for node in answer.xml.find("DeleteMarker") or []] == [
        "Key",
        "VersionId",
        "IsLatest",
        "LastModified",
        "Owner",
    ]
    assert answer.texts("DeleteMarker/VersionId") == [marker]
    assert (answer.text("KeyMarker"), answer.text("VersionIdMarker")) == ("", "")


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_pages_of_versions(s3: S3, limit: int, delimiter: str) -> None:
    """The markers are a pair, and common prefixes take a place each."""
    bucket = s3.bucket(versioning="Enabled")
    for key in ("a", "b/1", "b/2", "c"):
        for _ in range(3):
            s3.put(f"{bucket}/{key}")
    s3.ask("DELETE", bucket + "/a")
    whole = s3.ask("GET", bucket, {"versions": "", "delimiter": delimiter})

    def entries(answer: Answer) -> list[str]:
        found = answer.xml
        return [
            node.findtext("VersionId") or node.findtext("Prefix") or ""
            for node in found
            if node.tag in {"Version", "DeleteMarker", "CommonPrefixes"}
        ]

    seen: list[str] = []
    query = {"versions": "", "delimiter": delimiter, "max-keys": str(limit)}
    for _ in range(20):
        answer = s3.ask("GET", bucket, query)
        seen += entries(answer)
        if answer.text("IsTruncated") == "false":
            break
        query["key-marker"] = answer.text("NextKeyMarker") or ""
        query.pop("version-id-marker", None)
        if answer.text("NextVersionIdMarker") is not None:
            query["version-id-marker"] = answer.text("NextVersionIdMarker") or ""

    assert sorted(seen) == sorted(entries(whole))


def test_markers_of_versions(s3: S3) -> None:
    """A version marker needs a key marker; "null" is a version too; a key marker alone skips the whole key."""
    bucket = s3.bucket()
    s3.put(bucket + "/key", b"null")
    s3.versioning(bucket, "Enabled")
    first = s3.put(bucket + "/key").headers["x-amz-version-id"]
    answer = s3.ask("GET", bucket, {"versions": "", "version-id-marker": first})

    assert answer.error == (400, "InvalidArgument")
    assert answer.text("Message") == "A version-id marker cannot be specified without a key marker."
    assert answer.fields == {"ArgumentName": "version-id-marker", "ArgumentValue": first}
    assert [row[2] for row in versions(s3, bucket, key_marker="key", version_id_marker=first)] == ["null"]
    assert versions(s3, bucket, key_marker="key", version_id_marker="null") == []
    assert versions(s3, bucket, key_marker="key") == []
    assert s3.ask("GET", bucket, {"versions": "", "key-marker": "key", "version-id-marker": "x"}).status == 400
    assert s3.ask("GET", bucket, "versions&max-keys=0").text("IsTruncated") == "false"


# -------------------------------------------------------------------------------------------------------------- deletes


def test_deletes_of_many(s3: S3, bucket: str) -> None:
    """Absent keys are reported as deleted; Quiet reports errors only."""
    s3.put(bucket + "/a")
    status, found = delete_many(s3, bucket, "<Object><Key>a</Key></Object><Object><Key>absent</Key></Object>")
    assert (status, found) == (200, {"Deleted": [{"Key": "a"}, {"Key": "absent"}]})

    body = delete_xml("<Object><Key>b</Key></Object><Object><Key>c</Key><VersionId>x</VersionId></Object>", quiet=True)
    answer = s3.ask("POST", bucket, "delete", {"content-md5": md5_of(body)}, body)

    assert [node.tag for node in answer.xml] == ["Error"]
    assert {node.tag: node.text for node in answer.xml[0]} == {
        "Key": "c", "VersionId": "x", "Code": "NoSuchVersion", "Message": "The specified version does not exist.",
    }  # fmt: skip


def test_deletes_of_many_versions(s3: S3) -> None:
    """Ids of what was deleted and of the markers that were put."""
    bucket = s3.bucket(versioning="Enabled")
    first = s3.put(bucket + "/a").headers["x-amz-version-id"]
    _, found = delete_many(s3, bucket, "<Object><Key>a</Key></Object>")
    marker = found["Deleted"][0]["DeleteMarkerVersionId"]
    assert found == {"Deleted": [{"Key": "a", "DeleteMarker": "true", "DeleteMarkerVersionId": marker}]}

    both = "".join(f"<Object><Key>a</Key><VersionId>{one}</VersionId></Object>" for one in (marker, first))
    _, found = delete_many(s3, bucket, both)

    assert found["Deleted"] == [
        {"Key": "a", "VersionId": marker, "DeleteMarker": "true", "DeleteMarkerVersionId": marker},
        {"Key": "a", "VersionId": first},
    ]
    assert versions(s3, bucket) == []


def test_how_many_can_be_deleted_at_once(s3: S3, bucket: str) -> None:
    """A thousand; one more, or none, is no such document."""
    rows = [f"<Object><Key>{number}</Key></Object>" for number in range(1001)]
    assert len(delete_many(s3, bucket, "".join(rows[:1000]))[1]["Deleted"]) == 1000

    for objects in ("".join(rows), "", "<Object/>", "<Object><Key/></Object>"):
        body = delete_xml(objects)
        assert s3.ask("POST", bucket, "delete", {"content-md5": md5_of(body)}, body).error == (400, "MalformedXML")


def test_a_list_of_deletes_needs_a_digest(s3: S3, bucket: str) -> None:
    """Content-MD5 or any checksum; what it promises must hold."""
    body = delete_xml("<Object><Key>a</Key></Object>")

    assert s3.ask("POST", bucket, "delete", body=body).error == (400, "InvalidRequest")
    wrong = s3.ask("POST", bucket, "delete", {"content-md5": md5_of(b"other")}, body)
    assert wrong.error == (400, "BadDigest")
    for name in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
        value = checksums.encode(checksums.digest(name, body))
        assert s3.ask("POST", bucket, "delete", {checksums.header_name(name): value}, body).status == 200

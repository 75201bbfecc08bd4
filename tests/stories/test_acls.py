"""ACLs: set by a name, by headers, by XML; shown; refused where they cannot be. What they allow is not told here."""

from __future__ import annotations

import pytest

from zakrom.model.acl import ALL_USERS, ANONYMOUS_ID, AUTHENTICATED_USERS, LOG_DELIVERY

from .harness import ALICE, BOB, ROOT, S3, Answer, canonical_id, key_path

ROOT_ID, ALICE_ID, BOB_ID = canonical_id("root"), canonical_id("alice"), canonical_id("bob")
ME = (ROOT_ID, "FULL_CONTROL")
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'

Pairs = list[tuple[str, str]]


@pytest.fixture
def open_bucket(s3: S3) -> str:
    """A bucket of root's with ACLs and nothing blocked."""
    return enable_acls(s3, s3.bucket())


def enable_acls(s3: S3, bucket: str, ownership: str = "ObjectWriter") -> str:
    """ACLs for a bucket, public ones too."""
    body = f"<OwnershipControls><Rule><ObjectOwnership>{ownership}</ObjectOwnership></Rule></OwnershipControls>"
    assert s3.ask("PUT", bucket, "ownershipControls", body=body.encode()).status == 200
    assert s3.ask("DELETE", bucket, "publicAccessBlock").status == 204
    return bucket


def grants(s3: S3, path: str, query: str = "acl") -> Pairs:
    """Who may what, in the order shown."""
    answer = s3.ask("GET", path, query)
    assert answer.status == 200, answer
    found = []
    for node in answer.xml.findall("AccessControlList/Grant"):
        who = node.findtext("Grantee/URI") or node.findtext("Grantee/ID") or ""
        found.append((who, node.findtext("Permission") or ""))
    return found


def policy(*rows: str, owner: str = ROOT_ID) -> bytes:
    """An AccessControlPolicy."""
    return (
        f"<AccessControlPolicy><Owner><ID>{owner}</ID></Owner>"
        f"<AccessControlList>{''.join(rows)}</AccessControlList></AccessControlPolicy>"
    ).encode()


def grant(who: str, permission: str, kind: str = "CanonicalUser", tag: str = "ID") -> str:
    """A Grant."""
    return (
        f'<Grant><Grantee {XSI} xsi:type="{kind}"><{tag}>{who}</{tag}></Grantee><Permission>{permission}</Permission></Grant>'
    )


def group(uri: str, permission: str) -> str:
    """A Grant to a group."""
    return grant(uri, permission, "Group", "URI")


CANNED: dict[str, Pairs] = {
    "private": [],
    "public-read": [(ALL_USERS, "READ")],
    "public-read-write": [(ALL_USERS, "READ"), (ALL_USERS, "WRITE")],
    "authenticated-read": [(AUTHENTICATED_USERS, "READ")],
    "aws-exec-read": [],
    "bucket-owner-read": [],
    "bucket-owner-full-control": [],
    "log-delivery-write": [(LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP")],
}


@pytest.mark.parametrize("of", ["", "/key"])
@pytest.mark.parametrize(("name", "beside"), CANNED.items())
def test_canned_acls(s3: S3, open_bucket: str, of: str, name: str, beside: Pairs) -> None:
    """Each name grants what AWS's table says, beside full control for the owner; groups are shown first."""
    s3.put(open_bucket + "/key")

    assert s3.ask("PUT", open_bucket + of, "acl", {"x-amz-acl": name}).status == 200

    assert grants(s3, open_bucket + of) == [*beside, ME]


@pytest.mark.parametrize("how", ["put", "copy", "multipart"])
def test_acls_of_writes(s3: S3, open_bucket: str, how: str) -> None:
    """What is written begins with the ACL that the request asks for: a PUT, a copy, an upload when it is complete."""
    path, asked = open_bucket + "/new", {"x_amz_acl": "public-read"}
    if how == "multipart":
        s3.multipart(path, b"x", **asked)
    elif how == "copy":
        s3.put(open_bucket + "/source", b"x", x_amz_acl="authenticated-read")
        s3.put(path, x_amz_copy_source=open_bucket + "/source", **asked)
    else:
        s3.put(path, b"x", **asked)

    assert grants(s3, path) == [(ALL_USERS, "READ"), ME]


def test_a_copy_takes_no_acl_along(s3: S3, open_bucket: str) -> None:
    """A copy without an ACL is private, whatever its source grants."""
    s3.put(open_bucket + "/source", b"x", x_amz_acl="public-read")
    s3.put(open_bucket + "/copy", x_amz_copy_source=open_bucket + "/source")

    assert grants(s3, open_bucket + "/copy") == [ME]


def test_an_overwritten_object_is_private_again(s3: S3, open_bucket: str) -> None:
    """An ACL belongs to a version."""
    s3.put(open_bucket + "/key", x_amz_acl="public-read")
    s3.put(open_bucket + "/key")

    assert grants(s3, open_bucket + "/key") == [ME]


def test_grant_headers(s3: S3, open_bucket: str) -> None:
    """Ids, addresses and groups, quoted or not; an address becomes the id; the owner is granted nothing unless named."""
    s3.put(
        open_bucket + "/key",
        x_amz_grant_read=f'id="{ALICE_ID}", emailAddress="BOB@example.org",uri="{ALL_USERS}"',
        x_amz_grant_write_acp=f"id={BOB_ID}",
        x_amz_grant_full_control=f"id={ROOT_ID}",
    )

    assert grants(s3, open_bucket + "/key") == [
        (ALL_USERS, "READ"),
        (ALICE_ID, "READ"),
        (BOB_ID, "READ"),
        (BOB_ID, "WRITE_ACP"),
        (ROOT_ID, "FULL_CONTROL"),
    ]


@pytest.mark.parametrize("of", ["", "/key"])
def test_acls_in_xml(s3: S3, open_bucket: str, of: str) -> None:
    """What is put is what is shown, with display names; the prefix of the schema's instance may be any."""
    s3.put(open_bucket + "/key")
    rows = [grant(ALICE_ID, "READ"), group(LOG_DELIVERY, "WRITE"), grant("bob@example.org", "READ_ACP", "AmazonCustomerByEmail",
            "EmailAddress").replace("xsi:", "i:").replace("xmlns:xsi", "xmlns:i")]  # fmt: skip

    assert s3.ask("PUT", open_bucket + of, "acl", body=policy(*rows)).status == 200

    assert grants(s3, open_bucket + of) == [(LOG_DELIVERY, "WRITE"), (ALICE_ID, "READ"), (BOB_ID, "READ_ACP")]
    shown = s3.ask("GET", open_bucket + of, "acl")
    assert shown.texts("AccessControlList/Grant/Grantee/DisplayName") == ["Alice", "Bob"]
    assert shown.body.count(b'xsi:type="CanonicalUser"') == 2
    assert s3.ask("PUT", open_bucket + of, "acl", body=shown.body).status == 200, "what is shown can be put back"


def test_an_acl_may_grant_nothing(s3: S3, open_bucket: str) -> None:
    """Not even the owner is granted anything; they can change that all the same."""
    assert s3.ask("PUT", open_bucket, "acl", body=policy()).status == 200
    assert grants(s3, open_bucket) == []
    assert s3.ask("PUT", open_bucket, "acl", {"x-amz-acl": "private"}).status == 200
    assert grants(s3, open_bucket) == [ME]


def test_at_most_a_hundred_grants(s3: S3, open_bucket: str) -> None:
    """AWS's limit."""
    rows = [grant(ALICE_ID, "READ")] * 100

    assert s3.ask("PUT", open_bucket, "acl", body=policy(*rows)).status == 200
    assert s3.ask("PUT", open_bucket, "acl", body=policy(*rows, grant(BOB_ID, "READ"))).error == (400, "MalformedACLError")


MALFORMED = [
    b"<AccessControlPolicy/>",
    b"<AccessControlPolicy><Owner/><AccessControlList/></AccessControlPolicy>",
    b"<AccessControlPolicy><AccessControlList/></AccessControlPolicy>",
    f"<AccessControlPolicy><Owner><ID>{ROOT_ID}</ID></Owner></AccessControlPolicy>".encode(),
    policy(grant(ALICE_ID, "ALL")),
    policy(grant(ALICE_ID, "READ", "BadType")),
    policy(grant(ALICE_ID, "READ", "Group")),
    policy(grant("", "READ")),
    policy("<Other/>"),
    policy("<Grant><Permission>READ</Permission></Grant>"),
    policy(grant(ALICE_ID, "READ")).replace(b"AccessControlPolicy", b"Other"),
    b"no xml",
]


@pytest.mark.parametrize("of", ["", "/key"])
@pytest.mark.parametrize("body", MALFORMED)
def test_malformed_acls(s3: S3, bucket: str, of: str, body: bytes) -> None:
    """400 MalformedACLError, also where ACLs are disabled: the request is read first."""
    s3.put(bucket + "/key")

    assert s3.ask("PUT", bucket + of, "acl", body=body).error == (400, "MalformedACLError")


def told(answer: Answer) -> tuple[int, str | None, str | None, dict[str, str]]:
    """Status, code, message and fields."""
    return *answer.error, answer.text("Message"), answer.fields


FAKE_GROUP = "http://acs.amazonaws.com/groups/s3/FakeGroup"

REFUSED = [
    ({"x-amz-acl": "fake"}, b"", "InvalidArgument", "", {"ArgumentName": "x-amz-acl", "ArgumentValue": "fake"}),
    (
        {"x-amz-grant-write": f'uri="{FAKE_GROUP}"'}, b"", "InvalidArgument", "Invalid group uri",
        {"ArgumentName": "uri", "ArgumentValue": FAKE_GROUP},
    ),
    (
        {"x-amz-grant-write": 'fakekey="1234"'}, b"", "InvalidArgument", "Argument format not recognized",
        {"ArgumentName": "x-amz-grant-write", "ArgumentValue": 'fakekey="1234"'},
    ),
    (
        {"x-amz-grant-write": 'id="wrong-id"'}, b"", "InvalidArgument", "Invalid id",
        {"ArgumentName": "id", "ArgumentValue": "wrong-id"},
    ),
    (
        {}, policy(group(ALL_USERS, "READ"), owner="wrong-id"), "InvalidArgument", "Invalid id",
        {"ArgumentName": "CanonicalUser/ID", "ArgumentValue": "wrong-id"},
    ),
    (
        {}, policy(grant("wrong-id", "READ")), "InvalidArgument", "Invalid id",
        {"ArgumentName": "CanonicalUser/ID", "ArgumentValue": "wrong-id"},
    ),
    (
        {}, policy(group(FAKE_GROUP, "READ")), "InvalidArgument", "Invalid group uri",
        {"ArgumentName": "Group/URI", "ArgumentValue": FAKE_GROUP},
    ),
    (
        {"x-amz-grant-read": "emailAddress=nobody@example.org"}, b"", "UnresolvableGrantByEmailAddress",
        "The email address you provided does not match any account on record.", {},
    ),
    (
        {"x-amz-acl": "private", "x-amz-grant-read": f"uri={ALL_USERS}"}, b"", "InvalidRequest",
        "Specifying both Canned ACLs and Header Grants is not allowed", {},
    ),
    ({"x-amz-acl": "private"}, policy(), "UnexpectedContent", "This request does not support content", {}),
    (
        {}, b"", "MissingSecurityHeader", "Your request was missing a required header", {"MissingHeaderName": "x-amz-acl"},
    ),
]  # fmt: skip


@pytest.mark.parametrize("of", ["", "/key"])
@pytest.mark.parametrize(("headers", "body", "code", "message", "fields"), REFUSED)
def test_acls_that_are_refused(
    s3: S3, bucket: str, of: str, headers: dict[str, str], body: bytes, code: str, message: str, fields: dict[str, str]
) -> None:
    """Code, message and fields as recorded from AWS; no ACL is set in part."""
    s3.put(bucket + "/key")

    assert told(s3.ask("PUT", bucket + of, "acl", headers, body)) == (400, code, message, fields)


def test_an_address_of_two(s3: S3, open_bucket: str) -> None:
    """Who is meant is not guessed."""
    from zakrom.catalog.changes import PutUser, RemoveUser
    from zakrom.model.facts import User

    s3.run(s3.catalog.apply(PutUser(User("twin", canonical_id("twin"), "Twin", "alice@example.org", 0))))
    answer = s3.ask("PUT", open_bucket, "acl", {"x-amz-grant-read": "emailAddress=alice@example.org"})
    s3.run(s3.catalog.apply(RemoveUser("twin")))

    assert answer.error == (400, "AmbiguousGrantByEmailAddress")


def test_the_owner_cannot_be_changed(s3: S3, open_bucket: str) -> None:
    """An ACL that names another owner is not for this object."""
    assert s3.ask("PUT", open_bucket, "acl", body=policy(owner=ALICE_ID)).error == (403, "AccessDenied")


def test_versions_have_their_own(s3: S3, open_bucket: str) -> None:
    """``versionId`` names whose ACL is meant; without it it is the current one's."""
    s3.versioning(open_bucket, "Enabled")
    path = open_bucket + "/key"
    first, second = (s3.put(path, body).headers["x-amz-version-id"] for body in (b"1", b"2"))

    answer = s3.ask("PUT", path, {"acl": "", "versionId": first}, {"x-amz-acl": "public-read"})

    assert (answer.status, answer.headers["x-amz-version-id"]) == (200, first)
    assert grants(s3, path, f"acl&versionId={first}") == [(ALL_USERS, "READ"), ME]
    assert grants(s3, path, f"acl&versionId={second}") == grants(s3, path) == [ME]
    assert s3.ask("PUT", path, "acl", {"x-amz-acl": "authenticated-read"}).headers["x-amz-version-id"] == second
    assert grants(s3, path) == [(AUTHENTICATED_USERS, "READ"), ME]


def test_delete_markers_have_none(s3: S3, open_bucket: str) -> None:
    """A GET of a current marker's ACL is 404, all else 405: as recorded."""
    s3.versioning(open_bucket, "Enabled")
    path = open_bucket + "/key"
    s3.put(path)
    marker = s3.ask("DELETE", path).headers["x-amz-version-id"]
    public = {"x-amz-acl": "public-read"}

    assert s3.ask("GET", path, "acl").error == (404, "NoSuchKey")
    for answer, method in [
        (s3.ask("PUT", path, "acl", public), "PUT"),
        (s3.ask("PUT", path, f"acl&versionId={marker}", public), "PUT"),
        (s3.ask("GET", path, f"acl&versionId={marker}"), "GET"),
    ]:
        assert answer.error == (405, "MethodNotAllowed")
        assert answer.fields == {"Method": method, "ResourceType": "DeleteMarker"}


def test_an_acl_changes_neither_time_nor_etag(s3: S3, open_bucket: str) -> None:
    """It is about the object, not of it."""
    path = open_bucket + "/key"
    s3.put(path, b"x", x_amz_meta_a="b", x_amz_tagging="c=d")
    before = s3.ask("HEAD", path).headers
    s3.skew_ms += 5000
    s3.ask("PUT", path, "acl", {"x-amz-acl": "public-read"})
    s3.skew_ms -= 5000
    after = s3.ask("HEAD", path).headers

    changing = {"x-amz-request-id", "date"}
    assert {name: after[name] for name in after.keys() - changing} == {name: before[name] for name in before.keys() - changing}


# ------------------------------------------------------------------------------------------------------- disabled ACLs


@pytest.mark.parametrize(
    "headers", [{"x-amz-acl": "private"}, {"x-amz-acl": "public-read"}, {"x-amz-grant-read": f"id={BOB_ID}"}]
)
def test_disabled_acls_are_not_set(s3: S3, bucket: str, headers: dict[str, str]) -> None:
    """A bucket whose ACLs were disabled takes none but the one that says what is so: AWS refuses even ``private``."""
    disable_acls(s3, bucket)
    s3.put(bucket + "/key")
    refused = (400, "AccessControlListNotSupported")

    for method, path, query in [
        ("PUT", bucket, "acl"),
        ("PUT", bucket + "/key", "acl"),
        ("PUT", bucket + "/new", ""),
        ("POST", bucket + "/new", "uploads"),
    ]:
        assert s3.ask(method, path, query, headers).error == refused
    assert s3.ask("PUT", bucket + "/new", "", headers | {"x-amz-copy-source": bucket + "/key"}).error == refused
    assert s3.keys(bucket) == ["key"]


def disable_acls(s3: S3, bucket: str) -> None:
    """On purpose."""
    body = b"<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>"
    assert s3.ask("PUT", bucket, "ownershipControls", body=body).status == 200


def test_a_new_bucket_takes_private(s3: S3, bucket: str) -> None:
    """Nobody disabled ACLs on purpose there, and rclone sends it with every write; ``public-read`` would be a lie."""
    for path, query in [(bucket + "/key", ""), (bucket, "acl"), (bucket + "/key", "acl")]:
        assert s3.ask("PUT", path, query, {"x-amz-acl": "private"}).status == 200
        assert s3.ask("PUT", path, query, {"x-amz-acl": "public-read"}).error == (400, "AccessControlListNotSupported")
    assert grants(s3, bucket + "/key") == [ME]


@pytest.mark.parametrize("headers", [{"x-amz-acl": "bucket-owner-full-control"}, {"x-amz-grant-full-control": f"id={ROOT_ID}"}])
def test_full_control_for_the_buckets_owner_is_taken(s3: S3, bucket: str, headers: dict[str, str]) -> None:
    """It is so anyhow, in a header or in XML: s3cmd sets the source's ACL on each copy."""
    assert s3.ask("PUT", bucket + "/key", "", headers).status == 200
    for path in (bucket, bucket + "/key"):
        assert s3.ask("PUT", path, "acl", headers).status == 200
        assert s3.ask("PUT", path, "acl", body=policy(grant(ROOT_ID, "FULL_CONTROL"))).status == 200
        assert grants(s3, path) == [ME]


def test_acls_come_back_when_they_are_enabled_again(s3: S3, open_bucket: str) -> None:
    """While ACLs are disabled all show the owner's full control; none is lost."""
    path = open_bucket + "/key"
    s3.put(path, x_amz_acl="public-read")
    disable_acls(s3, open_bucket)

    assert grants(s3, path) == [ME]
    assert s3.ask("PUT", path, "acl", {"x-amz-acl": "bucket-owner-full-control"}).status == 200
    enable_acls(s3, open_bucket)
    assert grants(s3, path) == [(ALL_USERS, "READ"), ME]


# ------------------------------------------------------------------------------------------------------- blocked ACLs

PUBLIC = [
    {"x-amz-acl": "public-read"},
    {"x-amz-acl": "public-read-write"},
    {"x-amz-acl": "authenticated-read"},
    {"x-amz-grant-read-acp": f"uri={ALL_USERS}"},
]


@pytest.mark.parametrize("headers", PUBLIC)
def test_public_acls_can_be_blocked(s3: S3, open_bucket: str, headers: dict[str, str]) -> None:
    """With BlockPublicAcls each way to set a public one is 403; others are set as before."""
    s3.put(open_bucket + "/key")
    body = b"<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>"
    assert s3.ask("PUT", open_bucket, "publicAccessBlock", body=body).status == 200

    for method, path, query in [
        ("PUT", open_bucket, "acl"),
        ("PUT", open_bucket + "/key", "acl"),
        ("PUT", open_bucket + "/new", ""),
        ("POST", open_bucket + "/new", "uploads"),
    ]:
        assert s3.ask(method, path, query, headers).error == (403, "AccessDenied")
        assert s3.ask(method, path, query, {"x-amz-grant-read": f"id={BOB_ID}"}).status == 200
    assert s3.ask("PUT", open_bucket, "acl", body=policy(group(ALL_USERS, "READ"))).error == (403, "AccessDenied")
    assert s3.ask("PUT", open_bucket, "acl", body=policy(group(LOG_DELIVERY, "WRITE"))).status == 200


# ------------------------------------------------------------------------------------------------------------- owners


def shared_bucket(s3: S3, ownership: str) -> str:
    """A bucket of Alice's, where root may write too."""
    return enable_acls(s3, s3.bucket(ALICE), ownership)


def write(s3: S3, path: str, how: str, headers: dict[str, str]) -> None:
    """Root writes an object."""
    sent = {name.replace("-", "_"): value for name, value in headers.items()}
    if how == "multipart":
        s3.multipart(path, b"x", **sent)
    elif how == "copy":
        s3.put(path + "-source", b"x")
        s3.put(path, x_amz_copy_source=path + "-source", **sent)
    else:
        s3.put(path, b"x", **sent)


FULL = {"x-amz-acl": "bucket-owner-full-control"}


@pytest.mark.parametrize("how", ["put", "copy", "multipart"])
@pytest.mark.parametrize(
    ("ownership", "headers", "owner", "expected"),
    [
        ("ObjectWriter", {}, "root", [ME]),
        ("ObjectWriter", FULL, "root", [ME, (ALICE_ID, "FULL_CONTROL")]),
        ("ObjectWriter", {"x-amz-acl": "bucket-owner-read"}, "root", [ME, (ALICE_ID, "READ")]),
        ("BucketOwnerPreferred", {}, "root", [ME]),
        ("BucketOwnerPreferred", {"x-amz-acl": "private"}, "root", [ME]),
        ("BucketOwnerPreferred", FULL, "alice", [(ALICE_ID, "FULL_CONTROL")]),
        ("BucketOwnerEnforced", {}, "alice", [(ALICE_ID, "FULL_CONTROL")]),
        ("BucketOwnerEnforced", FULL, "alice", [(ALICE_ID, "FULL_CONTROL")]),
    ],
)
def test_who_owns_what_is_written(
    s3: S3, how: str, ownership: str, headers: dict[str, str], owner: str, expected: Pairs
) -> None:
    """The writer, or the bucket's owner: as the bucket's object ownership says. Every listing tells the same."""
    bucket = shared_bucket(s3, ownership)
    path = bucket + "/key"
    write(s3, path, how, headers)

    assert grants(s3, path) == expected
    assert s3.ask("GET", path, "acl").texts("Owner/ID") == [canonical_id(owner)]
    for query, where in [("prefix=key", "Contents"), ("list-type=2&fetch-owner=true", "Contents"), ("versions", "Version")]:
        listed = {node.findtext("Key"): node for node in s3.ask("GET", bucket, query).xml.findall(where)}
        assert listed["key"].findtext("Owner/ID") == canonical_id(owner)
        assert listed["key"].findtext("Owner/DisplayName") == owner.title()


@pytest.mark.parametrize(
    ("ownership", "headers", "owner"),
    [("ObjectWriter", {}, "root"), ("BucketOwnerPreferred", FULL, "alice"), ("BucketOwnerEnforced", {}, "alice")],
)
def test_owners_of_uploads(s3: S3, ownership: str, headers: dict[str, str], owner: str) -> None:
    """An upload shows who will own the object, and who began it."""
    bucket = shared_bucket(s3, ownership)
    upload = s3.upload(bucket + "/key", **{name.replace("-", "_"): value for name, value in headers.items()})

    uploads = s3.ask("GET", bucket, "uploads").xml.find("Upload")
    parts = s3.ask("GET", bucket + "/key", {"uploadId": upload}).xml
    for shown in (uploads, parts):
        assert shown is not None
        assert (shown.findtext("Owner/ID"), shown.findtext("Initiator/ID")) == (canonical_id(owner), ROOT_ID)


def test_delete_markers_have_owners(s3: S3) -> None:
    """Who deletes, where who writes owns."""
    bucket = shared_bucket(s3, "ObjectWriter")
    s3.versioning(bucket, "Enabled")
    s3.ask("DELETE", bucket + "/key", who=ALICE)
    s3.ask("DELETE", bucket + "/key", who=ROOT)

    assert s3.ask("GET", bucket, "versions").texts("DeleteMarker/Owner/ID") == [ROOT_ID, ALICE_ID]


def test_the_buckets_owner_owns_all_when_acls_are_disabled(s3: S3) -> None:
    """Also what others wrote before."""
    bucket = shared_bucket(s3, "ObjectWriter")
    s3.put(bucket + "/key")
    assert s3.ask("GET", bucket).texts("Contents/Owner/ID") == [ROOT_ID]

    enable_acls(s3, bucket, "BucketOwnerEnforced")

    assert s3.ask("GET", bucket).texts("Contents/Owner/ID") == [ALICE_ID]
    assert s3.ask("GET", bucket + "/key", "acl").texts("Owner/ID") == [ALICE_ID]


def test_others_cannot_reach_them(s3: S3) -> None:
    """Who owns neither bucket nor object sees and sets nothing."""
    bucket = s3.bucket(ALICE)
    s3.put(bucket + "/key")

    for path in (bucket, bucket + "/key"):
        for method, body in (("GET", b""), ("PUT", policy(grant(BOB_ID, "FULL_CONTROL"), owner=ALICE_ID))):
            for who in (BOB, None):
                assert s3.ask(method, path, "acl", body=body, who=who).error == (403, "AccessDenied")
    assert ANONYMOUS_ID not in s3.ask("GET", bucket).body.decode()


def test_awkward_keys_have_acls(s3: S3, open_bucket: str) -> None:
    """An ACL is found by the bytes of its key."""
    path = key_path(open_bucket, "a b/é&<".encode())
    s3.ask("PUT", path, "", {"x-amz-acl": "public-read"})

    answer = s3.ask("GET", path, "acl")

    assert answer.texts("AccessControlList/Grant/Grantee/URI") == [ALL_USERS]

"""Object ownership, public access blocks, and what a new bucket begins with."""

from __future__ import annotations

import pytest

from zakrom.identity.doorman import Doorman, Rules
from zakrom.model.acl import ALL_USERS
from zakrom.s3.call import DoorOptions
from zakrom.s3.door import Door
from zakrom.s3.system import System

from .harness import REGIONS, ROOT, S3, Answer, canonical_id

BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
PUBLIC_READ = {"x-amz-acl": "public-read"}


def ownership(s3: S3, bucket: str) -> str | None:
    """The object ownership that is shown."""
    return s3.ask("GET", bucket, "ownershipControls").text("Rule/ObjectOwnership")


def put_ownership(s3: S3, bucket: str, *values: str) -> Answer:
    """PutBucketOwnershipControls with so many rules."""
    rules = "".join(f"<Rule><ObjectOwnership>{value}</ObjectOwnership></Rule>" for value in values)
    return s3.ask("PUT", bucket, "ownershipControls", body=f"<OwnershipControls>{rules}</OwnershipControls>".encode())


def put_block(s3: S3, bucket: str, content: str) -> Answer:
    """PutPublicAccessBlock."""
    body = f"<PublicAccessBlockConfiguration>{content}</PublicAccessBlockConfiguration>".encode()
    return s3.ask("PUT", bucket, "publicAccessBlock", body=body)


def blocked(s3: S3, bucket: str) -> list[str]:
    """What is blocked, as shown."""
    answer = s3.ask("GET", bucket, "publicAccessBlock")
    return [name for name in BLOCKS if answer.text(name) == "true"]


def classic(s3: S3) -> Door:
    """The door of a server with ``--bucket-defaults classic``."""

    async def metrics() -> bytes:
        return b""

    options = DoorOptions(REGIONS, bucket_defaults="classic")
    door = Doorman(s3.catalog, Rules(REGIONS))
    return Door(s3.store, door, options, s3.now_ms, System(s3.catalog.ready, metrics), lambda *_: None)


# ---------------------------------------------------------------------------------------------------------- ownership


@pytest.mark.parametrize("value", ["ObjectWriter", "BucketOwnerPreferred", "BucketOwnerEnforced"])
def test_ownership_controls(s3: S3, bucket: str, value: str) -> None:
    """Set, shown, deleted: 404 then, and again 204."""
    assert ownership(s3, bucket) == "BucketOwnerEnforced"
    assert put_ownership(s3, bucket, value).status == 200
    assert ownership(s3, bucket) == value
    for _ in range(2):
        assert s3.ask("DELETE", bucket, "ownershipControls").status == 204
        answer = s3.ask("GET", bucket, "ownershipControls")
        assert answer.error == (404, "OwnershipControlsNotFoundError")
        assert answer.fields == {"BucketName": bucket[1:]}
    assert put_ownership(s3, bucket, value).status == 200
    assert ownership(s3, bucket) == value


def test_deleted_ownership_controls_enable_acls(s3: S3, bucket: str) -> None:
    """As a bucket from before there were any: who writes owns."""
    log = {"x-amz-acl": "log-delivery-write"}
    assert s3.ask("PUT", bucket, "acl", log).error == (400, "AccessControlListNotSupported")
    s3.ask("DELETE", bucket, "ownershipControls")

    assert s3.ask("PUT", bucket, "acl", log).status == 200


@pytest.mark.parametrize("values", [(), ("Random",), ("",), ("ObjectWriter", "BucketOwnerPreferred")])
def test_ownership_controls_that_are_none(s3: S3, bucket: str, values: tuple[str, ...]) -> None:
    """Exactly one rule, with one of three words."""
    assert put_ownership(s3, bucket, *values).error == (400, "MalformedXML")
    assert ownership(s3, bucket) == "BucketOwnerEnforced"


def test_acls_can_be_disabled_only_where_they_grant_nothing(s3: S3, bucket: str) -> None:
    """Otherwise others would lose, in one stroke, what they were granted."""
    put_ownership(s3, bucket, "ObjectWriter")
    s3.ask("PUT", bucket, "acl", {"x-amz-grant-read": f"id={canonical_id('bob')}"})

    assert put_ownership(s3, bucket, "BucketOwnerEnforced").error == (400, "InvalidBucketAclWithObjectOwnership")
    assert put_ownership(s3, bucket, "BucketOwnerPreferred").status == 200
    s3.ask("PUT", bucket, "acl", {"x-amz-acl": "private"})
    assert put_ownership(s3, bucket, "BucketOwnerEnforced").status == 200


# --------------------------------------------------------------------------------------------------------- public access


def test_public_access_blocks(s3: S3, bucket: str) -> None:
    """All of a new bucket; what a PUT does not say is not blocked; deleted is 404, and again 204."""
    assert blocked(s3, bucket) == [*BLOCKS]
    assert (
        put_block(s3, bucket, "<IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>TRUE</BlockPublicPolicy>").status
        == 200
    )
    assert blocked(s3, bucket) == ["IgnorePublicAcls", "BlockPublicPolicy"]
    assert put_block(s3, bucket, "<BlockPublicAcls>false</BlockPublicAcls>").status == 200
    assert s3.ask("GET", bucket, "publicAccessBlock").texts("*") == ["false"] * 4
    for _ in range(2):
        assert s3.ask("DELETE", bucket, "publicAccessBlock").status == 204
        answer = s3.ask("GET", bucket, "publicAccessBlock")
        assert answer.error == (404, "NoSuchPublicAccessBlockConfiguration")
        assert answer.fields == {"BucketName": bucket[1:]}


@pytest.mark.parametrize(
    "content", ["<Other>true</Other>", "<BlockPublicAcls>maybe</BlockPublicAcls>", "<BlockPublicAcls/>" * 2]
)
def test_public_access_blocks_that_are_none(s3: S3, bucket: str, content: str) -> None:
    """400, and the old one stays."""
    assert put_block(s3, bucket, content).error == (400, "MalformedXML")
    assert put_block(s3, bucket, "").error == (400, "InvalidRequest")
    assert blocked(s3, bucket) == [*BLOCKS]


# ----------------------------------------------------------------------------------------------------------- new buckets


@pytest.mark.parametrize("value", ["ObjectWriter", "BucketOwnerPreferred", "BucketOwnerEnforced"])
def test_ownership_of_a_new_bucket(s3: S3, value: str) -> None:
    """A header says it; the access block is the server's default all the same."""
    name = f"/ownership-{value.lower()}"
    assert s3.ask("PUT", name, headers={"x-amz-object-ownership": value}).status == 200

    assert (ownership(s3, name), blocked(s3, name)) == (value, [*BLOCKS])


@pytest.mark.parametrize("value", ["Random", "", "objectwriter"])
def test_ownership_that_is_none(s3: S3, value: str) -> None:
    """The message repeats it, as recorded."""
    answer = s3.ask("PUT", "/ownership-that-is-none", headers={"x-amz-object-ownership": value})

    assert answer.error == (400, "InvalidArgument")
    assert answer.text("Message") == f"Invalid x-amz-object-ownership header: {value}"
    assert answer.fields == {"ArgumentName": "x-amz-object-ownership"}
    assert s3.ask("HEAD", "/ownership-that-is-none").status == 404


NEW_ACLS = [
    ({"x-amz-acl": "private"}, 200, None),
    (PUBLIC_READ, 400, "InvalidBucketAclWithObjectOwnership"),
    ({"x-amz-grant-read": f"uri={ALL_USERS}"}, 400, "InvalidBucketAclWithObjectOwnership"),
    ({"x-amz-acl": "fake"}, 400, "InvalidArgument"),
    ({**PUBLIC_READ, "x-amz-grant-read": f"uri={ALL_USERS}"}, 400, "InvalidRequest"),
    ({**PUBLIC_READ, "x-amz-object-ownership": "ObjectWriter"}, 400, "InvalidBucketAclWithBlockPublicAccessError"),
    ({"x-amz-acl": "log-delivery-write", "x-amz-object-ownership": "ObjectWriter"}, 200, None),
]


@pytest.mark.parametrize(("headers", "status", "code"), NEW_ACLS)
def test_acls_of_new_buckets(s3: S3, headers: dict[str, str], status: int, code: str | None) -> None:
    """AWS's defaults leave little room for them."""
    name = f"/new-{NEW_ACLS.index((headers, status, code))}-with-acl"

    answer = s3.ask("PUT", name, headers=headers)

    assert (answer.status, answer.code) == (status, code)
    if status == 200:
        shown = s3.ask("GET", name, "acl").texts("AccessControlList/Grant/Permission")
        assert shown == (["FULL_CONTROL"] if headers["x-amz-acl"] == "private" else ["WRITE", "READ_ACP", "FULL_CONTROL"])


def test_classic_defaults(s3: S3) -> None:
    """A new bucket of such a server has ACLs and blocks nothing; one that exists stays as it was."""
    door = classic(s3)

    def ask(name: str, headers: dict[str, str]) -> Answer:
        return s3.run(s3.answer(s3.request("PUT", name, "", headers), door))

    assert ask("/classic-bucket", PUBLIC_READ).status == 200
    assert (ownership(s3, "/classic-bucket"), blocked(s3, "/classic-bucket")) == ("ObjectWriter", [])
    assert s3.ask("GET", "/classic-bucket", "acl").texts("AccessControlList/Grant/Permission") == ["READ", "FULL_CONTROL"]
    enforced = {"x-amz-object-ownership": "BucketOwnerEnforced"}
    assert ask("/classic-enforced", {**PUBLIC_READ, **enforced}).error == (400, "InvalidBucketAclWithObjectOwnership")
    assert ask("/classic-enforced", enforced).status == 200
    assert ownership(s3, "/classic-enforced") == "BucketOwnerEnforced"
    old = s3.bucket(ROOT)
    assert (
        s3.run(s3.answer(s3.request("GET", old, "ownershipControls"), door)).text("Rule/ObjectOwnership")
        == "BucketOwnerEnforced"
    )


def test_a_bucket_made_again_in_the_first_region(s3: S3) -> None:
    """It is 200 there, and the bucket's ACL becomes what the request says: API Reference, CreateBucket."""
    door = classic(s3)
    for headers, permissions in [(PUBLIC_READ, ["READ", "FULL_CONTROL"]), ({}, ["FULL_CONTROL"])]:
        assert s3.run(s3.answer(s3.request("PUT", "/made-again", "", headers), door)).status == 200
        assert s3.ask("GET", "/made-again", "acl").texts("AccessControlList/Grant/Permission") == permissions

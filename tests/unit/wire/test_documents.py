"""The bodies of S3's operations, as clients write them."""

from __future__ import annotations

import time

import pytest

from zakrom import errors
from zakrom.wire import documents
from zakrom.wire.documents import CompletedPart, Delete, Doomed, NewBucket, VersioningState

NS = b'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def test_delete_with_and_without_conditions() -> None:
    """Keys byte for byte, with white space; ETags with or without quotes; an empty version id is none."""
    body = (
        b"""<?xml version="1.0" encoding="UTF-8"?>
        <Delete %b><Quiet>true</Quiet>
        <Object><Key> a&amp;b/ </Key></Object>
        <Object><VersionId>null</VersionId><Key>a</Key></Object>
        <Object><Key>\xd1\x84</Key><VersionId/><ETag>&quot;e-2&quot;</ETag><Size>7</Size>
            <LastModifiedTime>2026-11-21T10:00:00Z</LastModifiedTime></Object>
        </Delete>"""
        % NS
    )

    assert documents.parse_delete(body) == Delete(
        [
            Doomed(b" a&b/ ", None, None, None, None),
            Doomed(b"a", "null", None, None, None),
            Doomed("ф".encode(), None, "e-2", 1_795_255_200_000, 7),
        ],
        quiet=True,
    )


@pytest.mark.parametrize("text", [b"1970-01-01T00:00:00Z", b"1970-01-01T00:00:00.000Z", b"Thu, 01 Jan 1970 00:00:00 GMT"])
def test_times_in_the_forms_that_sdks_write(text: bytes) -> None:
    """ISO 8601 and HTTP dates; the first moment of all is one too."""
    body = b"<Delete><Object><Key>a</Key><LastModifiedTime>%b</LastModifiedTime></Object></Delete>" % text

    assert documents.parse_delete(body).objects == [Doomed(b"a", None, None, 0, None)]


def test_delete_is_not_quiet_unless_told() -> None:
    """Quiet is false where it is absent."""
    assert not documents.parse_delete(b"<Delete><Object><Key>a</Key></Object></Delete>").quiet


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<Quiet>true</Quiet>",
        b"<Object/>",
        b"<Object><Key></Key></Object>",
        b"<Object><VersionId>1</VersionId></Object>",
        b"<Object><Key>a</Key><Key>b</Key></Object>",
        b"<Object><Key><a/></Key></Object>",
        b"<Object><Key>a</Key><Unknown/></Object>",
        b"<Object><Key>a</Key><Size>x</Size></Object>",
        b"<Object><Key>a</Key><LastModifiedTime>x</LastModifiedTime></Object>",
        b"<Object><Key>a</Key></Object><Quiet>perhaps</Quiet>",
        b"<Object><Key>a</Key></Object><Unknown/>",
        b"<Object><Key>a</Key></Object>" * 1001,
    ],
)
def test_a_delete_that_means_nothing_is_malformed(content: bytes) -> None:
    """No key, two keys, what the schema does not know, more than a thousand."""
    with pytest.raises(errors.MalformedXML):
        documents.parse_delete(b"<Delete>" + content + b"</Delete>")


@pytest.mark.alone
def test_a_thousand_keys_are_read_at_once() -> None:
    """Under five milliseconds (measured: three): a worker answers nobody else meanwhile."""
    objects = b"".join(b"<Object><Key>some/folder/%06d.bin</Key></Object>" % number for number in range(1000))
    body = b"<Delete>" + objects + b"</Delete>"

    def seconds() -> float:
        begin = time.process_time()
        assert len(documents.parse_delete(body).objects) == 1000
        return time.process_time() - begin

    assert any(seconds() < 0.005 for _ in range(200))  # the machine may be busy with something else for a while


def test_complete_multipart_upload() -> None:
    """Numbers in the order given, bare ETags, every kind of checksum."""
    body = (
        b"""<CompleteMultipartUpload %b>
        <Part><PartNumber>2</PartNumber><ETag>"b"</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>
        <Part><ETag>a</ETag><PartNumber> 1 </PartNumber><ChecksumCRC64NVME>x</ChecksumCRC64NVME><ChecksumSHA1>y</ChecksumSHA1>
        <ChecksumCRC32C>1</ChecksumCRC32C><ChecksumSHA256>2</ChecksumSHA256><ChecksumMD5>3</ChecksumMD5></Part>
        <Part><PartNumber>-1</PartNumber><ETag/></Part></CompleteMultipartUpload>"""
        % NS
    )

    assert documents.parse_complete_multipart_upload(body) == [
        CompletedPart(2, "b", {"CRC32": "AAAAAA=="}),
        CompletedPart(1, "a", {"CRC64NVME": "x", "SHA1": "y", "CRC32C": "1", "SHA256": "2", "MD5": "3"}),
        CompletedPart(-1, "", {}),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"<Part/>",
        b"<Part><PartNumber>1</PartNumber></Part>",
        b"<Part><ETag>a</ETag></Part>",
        b"<Part><PartNumber>one</PartNumber><ETag>a</ETag></Part>",
        b"<Part><PartNumber>1.0</PartNumber><ETag>a</ETag></Part>",
        b"<Part><PartNumber>" + b"1" * 20 + b"</PartNumber><ETag>a</ETag></Part>",
        b"<Part><PartNumber>1</PartNumber><ETag>a</ETag><Size>1</Size></Part>",
        b"<Object/>",
        b"<Part><PartNumber>1</PartNumber><ETag>a</ETag></Part>" * 10_001,
    ],
)
def test_parts_that_are_none_are_malformed(content: bytes) -> None:
    """Missing or strange facts, more than ten thousand parts."""
    with pytest.raises(errors.MalformedXML):
        documents.parse_complete_multipart_upload(b"<CompleteMultipartUpload>" + content + b"</CompleteMultipartUpload>")


def test_no_body_and_no_parts_are_two_errors() -> None:
    """AWS: an empty body is no XML; an empty list asks for a part."""
    with pytest.raises(errors.MalformedXML):
        documents.parse_complete_multipart_upload(b"")
    with pytest.raises(errors.InvalidRequest, match="at least one part"):
        documents.parse_complete_multipart_upload(b"<CompleteMultipartUpload/>")


def test_tagging() -> None:
    """Pairs as written; an empty set is legal."""
    body = b"<Tagging><TagSet><Tag><Key>a b</Key><Value/></Tag><Tag><Value>2</Value><Key>c</Key></Tag></TagSet></Tagging>"

    assert documents.parse_tagging(body) == [("a b", ""), ("c", "2")]
    assert documents.parse_tagging(b"<Tagging><TagSet/></Tagging>") == []


def test_no_tag_set_is_an_empty_one() -> None:
    """As AWS (recorded)."""
    assert documents.parse_tagging(b"<Tagging/>") == []


@pytest.mark.parametrize(
    "content",
    [
        b"<TagSet/><TagSet/>",
        b"<TagSet><Tag/></TagSet>",
        b"<TagSet><Tag><Key>a</Key></Tag></TagSet>",
        b"<TagSet><Tag><Value>a</Value></Tag></TagSet>",
        b"<TagSet><Tag><Key/><Value>a</Value></Tag></TagSet>",
        b"<TagSet><Key>a</Key></TagSet>",
    ],
)
def test_tags_without_a_key_or_a_value_are_malformed(content: bytes) -> None:
    """As AWS."""
    with pytest.raises(errors.MalformedXML):
        documents.parse_tagging(b"<Tagging>" + content + b"</Tagging>")


def test_versioning() -> None:
    """A status, and perhaps a word about MFA."""
    parse = documents.parse_versioning
    body = b"<VersioningConfiguration %b>%b</VersioningConfiguration>"

    assert parse(body % (NS, b"<Status>Enabled</Status>")) == VersioningState("Enabled", None)
    both = b"<MfaDelete>Disabled</MfaDelete><Status>Suspended</Status>"
    assert parse(body % (NS, both)) == VersioningState("Suspended", "Disabled")
    with pytest.raises(errors.IllegalVersioningConfigurationException):
        parse(body % (NS, b""))
    for content in (b"<Status>enabled</Status>", b"<Status/>", b"<Status>Enabled</Status><MfaDelete>Yes</MfaDelete>", b"<X/>"):
        with pytest.raises(errors.MalformedXML):
            parse(body % (NS, content))


def test_create_bucket() -> None:
    """An empty body, an empty document, a region, tags; no directory buckets."""
    parse = documents.parse_create_bucket
    body = b"<CreateBucketConfiguration>%b</CreateBucketConfiguration>"

    assert parse(b"") == parse(b" \n") == parse(body % b"") == parse(body % b"<LocationConstraint/>") == NewBucket(None, ())
    assert parse(body % b"<LocationConstraint>eu-north-1</LocationConstraint>") == NewBucket("eu-north-1", ())
    tags = b"<Tags><Tag><Key>a</Key><Value>1</Value></Tag></Tags>"
    assert parse(body % tags) == NewBucket(None, (("a", "1"),))
    with pytest.raises(errors.NotServed):
        parse(body % b"<Location><Name>x</Name></Location>")
    with pytest.raises(errors.MalformedXML):
        parse(body % b"<Unknown/>")
    with pytest.raises(errors.MalformedXML):
        parse(b"junk")

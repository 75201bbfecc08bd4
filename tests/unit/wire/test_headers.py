"""Headers that become facts, and facts that become headers."""

from __future__ import annotations

from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakrom import errors
from zakrom.wire import headers
from zakrom.wire.headers import CopySource
from zakrom.wire.target import Query


def test_system_headers_are_kept_byte_for_byte() -> None:
    """As latin-1 text; other headers and empty values are not kept."""
    received = [
        (b"host", b"h"),
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-disposition", 'filename="ф"'.encode()),
        (b"cache-control", b"no-cache"),
        (b"content-language", b""),
        (b"expires", b"never"),
        (b"x-amz-meta-a", b"1"),
    ]

    assert headers.kept(received) == {
        "content-type": "text/plain; charset=utf-8",
        "content-disposition": 'filename="ф"'.encode().decode("latin-1"),
        "cache-control": "no-cache",
        "expires": "never",
    }


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("gzip", "gzip"),
        ("gzip, br", "gzip, br"),
        ("aws-chunked", ""),
        ("aws-chunked,gzip", "gzip"),
        ("gzip, AWS-Chunked , br,aws-chunked", "gzip,br"),
    ],
)
def test_the_framing_is_no_coding(sent: str, kept: str) -> None:
    """aws-chunked goes, wherever it stands; the others stay in their order."""
    assert kept == headers.without_aws_chunked(sent)
    assert ({"content-encoding": kept} if kept else {}) == headers.kept([(b"content-encoding", sent.encode())])


def test_answers_can_be_overridden() -> None:
    """By the six response-* parameters."""
    query = Query(b"response-content-type=text/a&response-expires=x&versionId=1&response-cache-control=caf%C3%A9")

    assert headers.response_overrides(query) == {"content-type": "text/a", "expires": "x", "cache-control": "café"}


@pytest.mark.parametrize("value", [b"a%0d%0aset-cookie:x", b"%00", b"%E2%80%94"])
def test_an_override_is_never_more_than_a_header(value: bytes) -> None:
    """No control characters, nothing beyond ISO 8859-1."""
    with pytest.raises(errors.InvalidArgument) as caught:
        headers.response_overrides(Query(b"response-content-type=" + value))

    assert caught.value.fields["argument_name"] == "response-content-type"


def test_user_metadata_is_text() -> None:
    """Names in lower case as received, encoded words decoded, repeated names joined, white space at the ends gone."""
    received = [
        (b"x-amz-meta-plain", b" a b "),
        (b"x-amz-meta-b64", b"=?UTF-8?B?YWJj?="),
        (b"x-amz-meta-quoted", b"=?utf-8?q?test=5F=E2=80=94_a?="),
        (b"x-amz-meta-two", b"=?UTF-8?Q?a?= \t=?UTF-8?Q?b?= c"),
        (b"x-amz-meta-raw", "ÄM".encode()),
        (b"x-amz-meta-latin", b"\xe9"),
        (b"x-amz-meta-broken", b"=?UTF-8?B?=GGG?= =?UTF-8?Q?=FF?= =?KOI8-R?Q?a?="),
        (b"x-amz-meta-twice", b"1"),
        (b"x-amz-meta-twice", b"2"),
        (b"x-amz-meta-empty", b""),
        (b"x-amz-acl", b"private"),
    ]

    assert headers.user_metadata(received) == {
        "plain": "a b",
        "b64": "abc",
        "quoted": "test_— a",
        "two": "ab c",
        "raw": "ÄM",
        "latin": "é",
        "broken": "=?UTF-8?B?=GGG?= =?UTF-8?Q?=FF?= =?KOI8-R?Q?a?=",
        "twice": "1,2",
        "empty": "",
    }


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("", ""),
        ("! \"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\t", "! \"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\t"),
        ("test_—_file%E2%80%94_é_2?.pdf", "=?UTF-8?Q?test=5F=E2=80=94=5Ffile%E2%80%94=5F=C3=A9=5F2=3F.pdf?="),
        ("ÄMÄZÕÑ S3", "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?="),
        ("\x00\x01\x02\x03", "=?UTF-8?B?AAECAw==?="),
        ("\ufffd" * 7, "=?UTF-8?B?77+977+977+977+977+977+977+9?="),
    ],
)
def test_metadata_is_given_back_as_aws_gives_it(text: str, header: str) -> None:
    """Recorded answers of AWS: plain where it can be, else one encoded word, Q or B."""
    assert [("x-amz-meta-a", header)] == headers.metadata_headers({"a": text})


@given(st.text(max_size=80))
def test_encoded_words_are_read_by_others(text: str) -> None:
    """What we write is printable ASCII, and both we and the standard library read it."""
    if "=?" in text:
        return
    word = headers.encode_words(text)

    assert word.replace("\t", "").isprintable()
    assert word.isascii()
    assert text == headers.decode_words(word)
    if word != text:
        assert text == str(make_header(decode_header(word)))


def test_metadata_has_a_limit() -> None:
    """2048 bytes of names and values in UTF-8; one more is too many."""
    assert headers.user_metadata([(b"x-amz-meta-ab", "ф".encode() * 1023)]) == {"ab": "ф" * 1023}
    with pytest.raises(errors.MetadataTooLarge) as caught:
        headers.user_metadata([(b"x-amz-meta-abc", "ф".encode() * 1023)])

    assert caught.value.fields == {"size": 2049, "max_size_allowed": 2048}


@pytest.mark.parametrize(("name", "value"), [(b"a", b"a\x01"), (b"a", b"a\x7f"), (b"", b"x")])
def test_metadata_without_a_name_or_with_control_characters_is_refused(name: bytes, value: bytes) -> None:
    """It could not be given back."""
    with pytest.raises(errors.InvalidArgument):
        headers.user_metadata([(b"x-amz-meta-" + name, value)])


def test_a_signed_query_carries_headers() -> None:
    """``x-amz-*`` of any case, Content-Type and Content-MD5; what is really sent comes first; not the signature's own."""
    query = Query(
        b"X-Amz-Algorithm=a&X-Amz-Date=d&x-amz-meta-a=%D1%84&X-Amz-Acl=private&content-type=t&x-amz-meta-b=q"
        b"&content-length=5&X-Amz-Content-Sha256=s&prefix=p"
    )
    sent = [(b"host", b"h"), (b"x-amz-meta-b", b"sent")]

    assert headers.with_hoisted(sent, query) == [
        *sent,
        (b"x-amz-meta-a", "ф".encode()),
        (b"x-amz-acl", b"private"),
        (b"content-type", b"t"),
    ]
    with pytest.raises(errors.InvalidArgument):
        headers.with_hoisted(sent, Query(b"content-type=a%0d%0ab:c"))


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ("bucket/key", CopySource("bucket", b"key", None)),
        ("/bucket/key", CopySource("bucket", b"key", None)),
        ("bucket/a/b%2Fc%3Fd", CopySource("bucket", b"a/b/c?d", None)),
        ("bucket//key/", CopySource("bucket", b"/key/", None)),
        ("bucket%2Fkey", CopySource("bucket", b"key", None)),
        ("bucket/a+b%2Bc%20d", CopySource("bucket", b"a+b+c d", None)),
        ("bucket/%D1%84", CopySource("bucket", "ф".encode(), None)),
        ("bucket/ф".encode().decode("latin-1"), CopySource("bucket", "ф".encode(), None)),
        ("bucket/a%252F", CopySource("bucket", b"a%2F", None)),
        ("bucket/key?versionId=null", CopySource("bucket", b"key", "null")),
        ("bucket/key?versionId=a%2Db", CopySource("bucket", b"key", "a-b")),
    ],
)
def test_a_copy_source_is_decoded_once(value: str, source: CopySource) -> None:
    """With or without a leading slash; the version behind a literal question mark."""
    assert source == headers.parse_copy_source(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "Invalid copy source object key"),
        ("wrongformat", "Invalid copy source object key"),
        ("bucket/", "Invalid copy source object key"),
        ("//key", "Invalid copy source object key"),
        ("bucket/%", "Invalid copy source encoding"),
        ("bucket/%FF", "Invalid copy source encoding"),
        ("bucket/key?versionId=", "Version id cannot be the empty string"),
        ("bucket/key?version=1", "Unsupported copy source parameter."),
    ],
)
def test_a_copy_source_that_is_none(value: str, message: str) -> None:
    """InvalidArgument, in AWS's words."""
    with pytest.raises(errors.InvalidArgument) as caught:
        headers.parse_copy_source(value)

    assert (message, "x-amz-copy-source") == (caught.value.message, caught.value.fields["argument_name"])

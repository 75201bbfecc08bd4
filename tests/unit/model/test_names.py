"""Names that callers choose."""

from __future__ import annotations

import pytest

from zakrom import errors
from zakrom.model.facts import VersionId
from zakrom.model.names import check_bucket_name, check_key, parse_version_id


@pytest.mark.parametrize("name", ["abc", "a-b.c9", "0" * 63, "my.bucket"])
def test_good_bucket_names(name: str) -> None:
    """3 to 63 characters: lower-case letters, digits, hyphens and dots."""
    assert name == check_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "0" * 64,
        "Abc",
        "a_b",
        "-abc",
        "abc-",
        ".abc",
        "a..b",
        "192.168.1.1",
        "xn--a",
        "a-s3alias",
        "a b",
        "bücket",
        "abc\n",
    ],
)
def test_bad_bucket_names(name: str) -> None:
    """What S3 refuses is refused, with the name."""
    with pytest.raises(errors.InvalidBucketName):
        check_bucket_name(name)


@pytest.mark.parametrize("key", [b"a", b"/", b"//", b"..", b"\x01", b"x" * 1024, "ключ".encode()])
def test_a_key_is_any_utf8_of_up_to_1024_bytes(key: bytes) -> None:
    """Nothing is normalised."""
    assert key == check_key(key)


def test_keys_too_long_or_not_utf8() -> None:
    """Bytes count, not characters."""
    with pytest.raises(errors.KeyTooLongError):
        check_key("ж".encode() * 513)
    with pytest.raises(errors.InvalidURI):
        check_key(b"\xff")


def test_version_ids() -> None:
    """What we give out is read back, anything else is an InvalidArgument."""
    assert VersionId(0, 0) == parse_version_id("null")
    assert VersionId(5, 255) == parse_version_id("0000000000000005" + "00000000000000ff")
    for bad in ("", "abc", "5" * 31, "G" * 32, "0000000000000005" + "0" * 16, "f" * 32):
        with pytest.raises(errors.InvalidArgument):
            parse_version_id(bad)

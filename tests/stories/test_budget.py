"""What a request may cost: questions to the catalog and changes, counted where SQLite runs them."""

from __future__ import annotations

import pytest

from .harness import MIB, S3, Answer

CHANGE = "apply"


def cost(s3: S3, method: str, path: str, query: str = "", **more: object) -> tuple[Answer, int, int]:
    """The answer, the statements that it read with, and the changes that it sent. Asked twice: memory is warm then."""
    s3.ask(method, path, query, **more)  # type: ignore[arg-type]
    s3.watched.seen.clear()
    s3.watched.statements.clear()
    answer = s3.ask(method, path, query, **more)  # type: ignore[arg-type]
    return answer, len(s3.watched.statements), [name for name, _ in s3.watched.seen].count(CHANGE)


@pytest.mark.parametrize("size", [0, 100, 30_000, 200_000])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_read_is_one_statement(s3: S3, bucket: str, method: str, size: int) -> None:
    """Who asks and which bucket are remembered; the object, with its bytes where they ride along, is one row."""
    s3.put(bucket + "/key", b"x" * size)

    answer, statements, changes = cost(s3, method, bucket + "/key")

    assert (answer.status, answer.length) == (200, size)
    assert (statements, changes) == (1, 0)


@pytest.mark.parametrize("size", [0, 100, 200_000])
def test_a_put_is_one_change(s3: S3, bucket: str, size: int) -> None:
    """And few questions: the room of bucket and store."""
    answer, statements, changes = cost(s3, "PUT", bucket + "/key", body=b"x" * size)

    assert answer.status == 200
    assert changes == 1
    assert statements <= 6


def test_a_page_of_a_listing_is_one_statement(s3: S3, bucket: str) -> None:
    """Without a delimiter, however many keys; owners are remembered."""
    for number in range(20):
        s3.put(f"{bucket}/{number:03}")

    for query in ("list-type=2", "", "list-type=2&max-keys=5&fetch-owner=true", "versions"):
        _, statements, changes = cost(s3, "GET", bucket, query)
        assert (statements, changes) == (1, 0)


def test_a_delete_is_one_change(s3: S3, bucket: str) -> None:
    """Also with a version; a list of deletes sends one each, all in the same breath."""
    s3.put(bucket + "/key")

    assert cost(s3, "DELETE", bucket + "/key")[1:] == (0, 1)


def test_a_copy_is_one_read_and_one_change(s3: S3, bucket: str) -> None:
    """Beside the questions of room; no bytes are read for it."""
    s3.put(bucket + "/key", b"x" * MIB)

    answer, statements, changes = cost(s3, "PUT", bucket + "/copy", headers={"x-amz-copy-source": bucket + "/key"})

    assert (answer.status, changes) == (200, 1)
    assert statements <= 7


def test_what_is_refused_costs_nothing(s3: S3, bucket: str) -> None:
    """A wrong signature or an anonymous request asks nothing of the disk."""
    for who in (None,):
        _, statements, changes = cost(s3, "PUT", bucket + "/key", body=b"x", who=who)
        assert (statements, changes) == (0, 0)

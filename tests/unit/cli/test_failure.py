"""How commands fail: the exit code and the line."""

from __future__ import annotations

import pytest

from zakrom import errors
from zakrom.cli import failure


@pytest.mark.parametrize("kind", errors.Error.registry.values(), ids=lambda kind: kind.__name__)
def test_every_error_has_an_exit_code_that_is_documented(kind: type[errors.Error]) -> None:
    """No class is missing in the table, and scripts can look its number up."""
    assert failure.exit_code(kind()) in failure.MEANINGS


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Error(), 1),
        (errors.InvalidSetting(), 2),
        (errors.NoSuchBucket(), 3),
        (errors.AccessDenied(), 4),
        (errors.BucketNotEmpty(), 5),
        (errors.QuotaExceeded(), 6),
        (errors.ServiceUnavailable(), 7),
        (errors.DataCorrupt(), 8),
    ],
)
def test_the_exit_code_is_that_of_the_branch(error: errors.Error, code: int) -> None:
    """Who can do what about it is what the number says."""
    assert code == failure.exit_code(error)


def test_the_line_has_message_facts_and_hint() -> None:
    """All that is known stands in one line, and nothing twice."""
    error = errors.NoSuchBucket(bucket="photos", owner=None, hint="zakrom admin usage lists buckets")

    line = failure.line(error)

    assert line == "error: The specified bucket does not exist: bucket=photos (hint: zakrom admin usage lists buckets)"


def test_the_line_does_not_repeat_what_the_message_says() -> None:
    """A fact that stands in the message is not told again."""
    assert failure.line(errors.InvalidSetting("--workers: 'x'", setting="workers")) == "error: --workers: 'x'"

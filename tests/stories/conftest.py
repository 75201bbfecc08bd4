"""The fixtures of the stories: one store a file, a bucket a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .harness import S3


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """One store for the stories of a file; each has buckets of its own."""
    s3 = S3(tmp_path_factory.mktemp("stories"))
    yield s3
    s3.close()
    assert s3.reported == [], "the server blamed itself"


@pytest.fixture
def bucket(s3: S3) -> str:
    """A fresh bucket, as ``/name``."""
    return s3.bucket()

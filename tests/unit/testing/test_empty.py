"""`zakrom.testing.empty`: after a test nothing of its buckets is left, whatever it put there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zakrom.testing import empty
from zakrom.testing.server import Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server in another region than the usual one: a bucket is made there without naming it, too."""
    with Server(region="eu-west-9") as running:
        yield running


def test_everything_goes(server: Server) -> None:
    """Objects, versions, delete markers, open uploads and awkward keys go with their bucket; other buckets stay."""
    access = server.access
    keys = ["a", "a/b", "a b+&%2F/ячмень", "//", "..", "\x01", "k" * 1024]
    for bucket in ("goes", "stays"):
        assert access.request("PUT", f"/{bucket}", headers={"content-length": "0"}).status == 200
    versioning = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    access.request("PUT", "/goes/before", body=b"x")
    access.request("PUT", "/goes", {"versioning": ""}, versioning)
    for key in keys:
        for _ in range(2):
            assert access.request("PUT", f"/goes/{key}", body=b"x").status == 200
        assert access.request("DELETE", f"/goes/{key}").status == 204
        assert access.request("POST", f"/goes/{key}", {"uploads": ""}).status == 200
    empty.remove(access, "goes")

    assert empty.buckets(access) == {"stays"}
    empty.remove(access, "stays")
    assert empty.buckets(access) == frozenset()


def test_a_refusal_is_told(server: Server) -> None:
    """A bucket that is not there cannot be removed, and the server's answer says why."""
    with pytest.raises(RuntimeError, match="NoSuchBucket"):
        empty.remove(server.access, "never")

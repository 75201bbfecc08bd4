"""obstore: the object store of the Rust world (delta-rs, lance and others stand on it), with its conditional puts."""

from __future__ import annotations

import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import S3Store

from zakrom.testing.access import Access

from .kit import MIB, over_both, sample

pytestmark = over_both


@pytest.fixture
def store(access: Access, bucket: str, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """A store of one bucket: endpoint and key, else as it comes."""
    if access.authority:
        monkeypatch.setenv("SSL_CERT_FILE", str(access.authority))
    return S3Store(
        bucket,
        endpoint=access.endpoint,
        access_key_id=access.access_key,
        secret_access_key=access.secret_key,
        region=access.region,
        client_options={"allow_http": access.authority is None},
    )


def body(store: S3Store, path: str) -> bytes:
    """The whole body of an object."""
    return bytes(obstore.get(store, path).bytes())


def test_objects_come_back(store: S3Store) -> None:
    """Small and large (multipart) objects, ranges and attributes are what was put."""
    large = sample(12 * MIB)
    obstore.put(store, "small ячмень", b"grain", attributes={"Content-Type": "application/x-grain", "field": "north"})
    obstore.put(store, "large", large, chunk_size=5 * MIB)
    answer = obstore.get(store, "small ячмень")

    assert body(store, "small ячмень") == b"grain"
    assert (answer.attributes["Content-Type"], answer.attributes["field"]) == ("application/x-grain", "north")
    assert body(store, "large") == large
    assert obstore.head(store, "large")["size"] == len(large)
    assert bytes(obstore.get_range(store, "large", start=5, end=500)) == large[5:500]
    assert [bytes(piece) for piece in obstore.get_ranges(store, "large", starts=[0, 6 * MIB], lengths=[9, 7])] == [
        large[:9],
        large[6 * MIB : 6 * MIB + 7],
    ]


def test_create_only_if_absent(store: S3Store) -> None:
    """``mode="create"`` fails on a key that is there, and leaves it as it was."""
    obstore.put(store, "k", b"first", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "k", b"second", mode="create")

    assert body(store, "k") == b"first"


def test_replace_only_what_is_known(store: S3Store) -> None:
    """A put that names the ETag it replaces fails when another one came first."""
    known = obstore.put(store, "k", b"1")
    obstore.put(store, "k", b"2", mode={"e_tag": known["e_tag"]})
    with pytest.raises(PreconditionError):
        obstore.put(store, "k", b"3", mode={"e_tag": known["e_tag"]})

    assert body(store, "k") == b"2"


def test_a_race_has_one_winner(store: S3Store) -> None:
    """Of many that create the same key at once exactly one succeeds, and its bytes stay."""

    def claim(number: int) -> int | None:
        try:
            obstore.put(store, "lock", str(number).encode(), mode="create")
        except AlreadyExistsError:
            return None
        return number

    with ThreadPoolExecutor(16) as pool:
        winners = [number for number in pool.map(claim, range(32)) if number is not None]

    assert [body(store, "lock")] == [str(number).encode() for number in winners]


def test_counting_together(store: S3Store) -> None:
    """Eight workers that add to one counter by compare and swap lose no addition."""
    obstore.put(store, "counter", b"0")

    def add(_: int) -> None:
        for _try in range(200):
            now = obstore.get(store, "counter")
            try:
                obstore.put(store, "counter", str(int(bytes(now.bytes())) + 1).encode(), mode={"e_tag": now.meta["e_tag"]})
            except PreconditionError:
                continue
            return
        raise AssertionError("the counter could not be changed in 200 tries")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))

    assert body(store, "counter") == b"24"


def test_listing_copying_and_deleting(store: S3Store) -> None:
    """Listing in chunks and with a delimiter, copy, rename, delete of many."""
    for name in ("a/1", "a/2", "b/1", "c"):
        obstore.put(store, name, name.encode())
    listed = [meta["path"] for chunk in obstore.list(store, chunk_size=2) for meta in chunk]
    level = obstore.list_with_delimiter(store)
    obstore.copy(store, "a/1", "copy")
    obstore.rename(store, "a/2", "renamed")
    after = sorted(meta["path"] for meta in obstore.list(store).collect())
    obstore.delete(store, after)

    assert listed == ["a/1", "a/2", "b/1", "c"]
    assert (sorted(level["common_prefixes"]), [meta["path"] for meta in level["objects"]]) == (["a", "b"], ["c"])
    assert after == ["a/1", "b/1", "c", "copy", "renamed"]
    assert obstore.list(store).collect() == []
    with pytest.raises(FileNotFoundError):
        obstore.get(store, "copy")


def test_signed_links(store: S3Store, access: Access) -> None:
    """A signed link writes, another one reads."""
    import ssl

    trust = ssl.create_default_context(cafile=access.authority) if access.authority else None
    put = obstore.sign(store, "PUT", "linked", timedelta(minutes=5))
    get = obstore.sign(store, "GET", "linked", timedelta(minutes=5))
    sent = urllib.request.Request(put, data=b"grain", method="PUT", headers={"content-type": "text/x-rye"})
    urllib.request.urlopen(sent, timeout=30, context=trust).close()
    with urllib.request.urlopen(get, timeout=30, context=trust) as answer:
        assert answer.read() == b"grain"


async def test_asynchronously(store: S3Store) -> None:
    """The asynchronous half: put, stream, list."""
    data = sample(3 * MIB)
    await obstore.put_async(store, "k", data)
    answer = await obstore.get_async(store, "k")
    streamed = b"".join([bytes(piece) async for piece in answer.stream(min_chunk_size=MIB)])

    assert streamed == data

"""The key ring and what it wraps: durable, private, exact between processes, honest about loss."""

from __future__ import annotations

import asyncio
import json
import stat
from multiprocessing import get_context
from pathlib import Path

import pytest

from zakrom import errors
from zakrom.crypt import seals, wrapping
from zakrom.crypt.interface import STORE_KEY, Wrapped
from zakrom.crypt.ring import KeyRing
from zakrom.crypt.seals import Cover

CUSTOMER = bytes(range(32))


def ring(directory: Path) -> KeyRing:
    """The ring of a directory, as one process sees it."""
    return KeyRing(directory / "key-ring", lambda: 5)


async def test_what_is_wrapped_unwraps(tmp_path: Path) -> None:
    """Under the name, in the context."""
    keys = ring(tmp_path)
    keys.add("photos")

    wrapped = await keys.wrap("photos", b"k" * 32, b"context")

    assert b"k" * 32 == await ring(tmp_path).unwrap("photos", wrapped, b"context")
    with pytest.raises(errors.KeyMissing):
        await keys.unwrap("photos", wrapped, b"another")
    with pytest.raises(errors.KeyMissing):
        await keys.unwrap("photos", Wrapped(wrapped.version, wrapped.data[:-1] + b"\0"), b"context")


async def test_old_versions_still_unwrap(tmp_path: Path) -> None:
    """A rotation changes what wraps, not what was wrapped."""
    keys = ring(tmp_path)
    keys.add("photos")
    old = await keys.wrap("photos", b"k" * 32, b"")

    keys.rotate("photos")

    new = await keys.wrap("photos", b"k" * 32, b"")
    assert old.version != new.version
    assert b"k" * 32 == await keys.unwrap("photos", old, b"") == await keys.unwrap("photos", new, b"")


async def test_a_disabled_key_is_disabled_for_all(tmp_path: Path) -> None:
    """Another process notices at once, and that it is enabled again."""
    here, there = ring(tmp_path), ring(tmp_path)
    here.add("photos")
    wrapped = await there.wrap("photos", b"k" * 32, b"")

    here.set_disabled("photos", True)
    with pytest.raises(errors.KMSDisabled):
        await there.wrap("photos", b"k" * 32, b"")
    with pytest.raises(errors.KMSDisabled):
        await there.unwrap("photos", wrapped, b"")
    here.set_disabled("photos", False)

    assert b"k" * 32 == await there.unwrap("photos", wrapped, b"")


async def test_the_key_of_the_store_makes_itself(tmp_path: Path) -> None:
    """At its first use, once, also where several use it first."""
    one, two = ring(tmp_path), ring(tmp_path)

    first, second = await asyncio.gather(one.newest(STORE_KEY), two.newest(STORE_KEY))

    assert first == second
    with pytest.raises(errors.InvalidRequest):
        one.set_disabled(STORE_KEY, True)
    with pytest.raises(errors.KMSNotFound):
        await one.newest("another")


async def test_a_lost_ring_is_not_made_anew(tmp_path: Path) -> None:
    """A fresh key in its place would hide that old objects are lost."""

    async def in_use() -> bool:
        return True

    keys = KeyRing(tmp_path / "key-ring", lambda: 5, in_use)

    with pytest.raises(errors.KeyMissing, match="gone"):
        await keys.wrap(STORE_KEY, b"k" * 32, b"")
    assert not (tmp_path / "key-ring").exists()


def test_the_file_is_private_and_versioned(tmp_path: Path) -> None:
    """0600, JSON with a format; nothing half written is left."""
    ring(tmp_path).add("photos")

    assert stat.S_IMODE((tmp_path / "key-ring").stat().st_mode) == 0o600
    assert json.loads((tmp_path / "key-ring").read_bytes())["format"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["key-ring"]


@pytest.mark.parametrize(("body", "error"), [(b"{", errors.Corrupt), (b'{"format": 2, "keys": []}', errors.FormatTooNew)])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, body: bytes, error: type[errors.Error]) -> None:
    """Neither read wrongly nor written over."""
    (tmp_path / "key-ring").write_bytes(body)

    with pytest.raises(error):
        ring(tmp_path).add("photos")
    assert body == (tmp_path / "key-ring").read_bytes()


@pytest.mark.parametrize("name", ["", "a/b", "ä", "-a", "a" * 65, "arn:aws:kms"])
def test_bad_names(tmp_path: Path, name: str) -> None:
    """A name is the end of an ARN."""
    with pytest.raises(errors.InvalidArgument):
        ring(tmp_path).add(name)


def test_names_are_given_once(tmp_path: Path) -> None:
    """Two keys of one name would be one too many."""
    keys = ring(tmp_path)
    keys.add("photos")

    with pytest.raises(errors.KeyAlreadyExists):
        keys.add("photos")
    with pytest.raises(errors.KMSNotFound):
        keys.rotate("absent")
    assert [one.name for one in keys.all()] == ["photos"]
    assert all(not version.key for version in keys.all()[0].versions)


def _add(directory: Path, number: int) -> None:
    ring(directory).add(f"key-{number}")


def test_processes_that_change_it_at_once(tmp_path: Path) -> None:
    """None of the changes is lost."""
    context = get_context("spawn")
    children = [context.Process(target=_add, args=(tmp_path, number)) for number in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)

    assert [one.name for one in ring(tmp_path).all()] == [f"key-{number}" for number in range(4)]


# ------------------------------------------------------------------------------------------------------------------ seals


async def test_seals_are_wrapped_anew(tmp_path: Path) -> None:
    """Under the newest version, around the same data key: the bytes stay where they are."""
    keys = ring(tmp_path)
    keys.add("photos")
    sealer, old = await seals.begin(keys, Cover("photos", '{"a":"b"}'))
    sealed = b"".join(sealer.update(b"hello")) + sealer.finish()
    assert await seals.rewrapped(keys, old) is None

    keys.rotate("photos")
    new = await seals.rewrapped(keys, old)

    assert new is not None
    assert seals.parse(new).version != seals.parse(old).version
    for seal in (old, new):
        assert b"hello" == (await seals.opener(keys, seal, len(sealed), None)).open(sealed, 0)


async def test_a_customers_key_is_kept_nowhere(tmp_path: Path) -> None:
    """It opens what it sealed; another does not; and the ring is not asked."""
    keys = ring(tmp_path)
    sealer, seal = await seals.begin(keys, Cover("", customer=CUSTOMER))
    sealed = b"".join(sealer.update(b"hello")) + sealer.finish()

    assert b"hello" == (await seals.opener(keys, seal, len(sealed), CUSTOMER)).open(sealed, 0)
    for wrong in (None, bytes(32)):
        with pytest.raises(errors.AccessDenied):
            await seals.opener(keys, seal, len(sealed), wrong)
    assert await seals.rewrapped(keys, seal) is None
    assert CUSTOMER not in seal
    assert not keys.all()


def test_fingerprints() -> None:
    """A key is known again; two fingerprints of it have nothing in common, and it does not stand in them."""
    one, two = seals.fingerprint(CUSTOMER), seals.fingerprint(CUSTOMER)

    assert seals.is_fingerprint_of(one, CUSTOMER)
    assert not seals.is_fingerprint_of(one, bytes(32))
    assert one[:32] != two[:32]
    assert one[32:] != two[32:]
    assert CUSTOMER.hex() not in one


def test_a_later_format_is_not_guessed_at() -> None:
    """Nor is what is no seal at all."""
    with pytest.raises(errors.FormatTooNew):
        seals.parse(b"\x95\x02\xa1a\xa1b\xc4\x01x\xa0")
    with pytest.raises(errors.DataCorrupt):
        seals.parse(b"rubbish")


def test_keys_are_overwritten() -> None:
    """As far as Python goes."""
    key = bytearray(b"secret")
    wrapping.wipe(key)

    assert key == bytes(6)


# ---------------------------------------------------------------------------------------------------- another key service


class Elsewhere:
    """A `Keys` that is no ring: it keeps the data keys and gives out tickets."""

    def __init__(self) -> None:
        self.version = "1"
        self._kept: dict[bytes, tuple[bytes, bytes]] = {}

    async def newest(self, key: str) -> str:
        """One key, under every name."""
        return self.version

    async def wrap(self, key: str, data_key: bytes | bytearray, context: bytes) -> Wrapped:
        """A ticket."""
        ticket = f"ticket {len(self._kept)}".encode()
        self._kept[ticket] = (bytes(data_key), context)
        return Wrapped(self.version, ticket)

    async def unwrap(self, key: str, wrapped: Wrapped, context: bytes) -> bytearray:
        """For the ticket and the context."""
        data_key, bound = self._kept[wrapped.data]
        assert bound == context
        return bytearray(data_key)


async def test_keys_may_be_kept_elsewhere() -> None:
    """Sealing asks nothing of a ring that another service could not do."""
    keys = Elsewhere()
    sealer, old = await seals.begin(keys, Cover("photos", '{"a":"b"}'))
    sealed = b"".join(sealer.update(b"hello")) + sealer.finish()
    keys.version = "2"

    new = await seals.rewrapped(keys, old)

    assert new is not None
    assert b"hello" == (await seals.opener(keys, new, len(sealed), None)).open(sealed, 0)

"""The key ring: named keys with their versions, in one file of the data directory.

``key-ring``: JSON, 0600, replaced as a whole (new file, fsync, rename, fsync of the directory) under a lock on the directory,
so that every process of a server may change it. A version is durable before it wraps anything, and none is ever removed.
Readers look at the file's inode each time (1 µs) and read it again when it is another: a key that was disabled is disabled
for all.

Who loses this file loses what was encrypted with it. `zakrom backup` copies it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import secrets
import threading
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from zakrom import errors
from zakrom.crypt import wrapping
from zakrom.crypt.interface import DEFAULT_KEY, STORE_KEY, Wrapped
from zakrom.crypt.sealed import KEY_BYTES
from zakrom.crypt.wrapping import wipe

FILE_NAME = "key-ring"
FORMAT = 1

AUTOMATIC = frozenset({STORE_KEY, DEFAULT_KEY})
"""Keys that are made when they are first used."""

KEYS_MAX = 10_000  # the file is read and written as a whole: some 2 MB
VERSIONS_MAX = 1_000  # of one key: a rotation each day for three years

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)


class KeyVersion(msgspec.Struct, frozen=True):
    """One version. ``id`` is random: a ring that was made anew never takes the place of one that was lost."""

    id: str
    created_ms: int
    key: str = ""  # base64


class RingKey(msgspec.Struct, frozen=True):
    """A named key; the last of its versions wraps."""

    name: str
    created_ms: int
    disabled: bool
    versions: tuple[KeyVersion, ...]


class _File(msgspec.Struct, frozen=True):
    format: int = FORMAT
    keys: tuple[RingKey, ...] = ()


async def _nobody() -> bool:
    return False


class KeyRing:
    """A `Keys`: the file."""

    def __init__(self, path: Path, clock_ms: Callable[[], int], in_use: Callable[[], Awaitable[bool]] = _nobody) -> None:
        """``in_use``: whether something is encrypted with a ring already; then none is made anew."""
        self._path = path
        self._clock_ms = clock_ms
        self._in_use = in_use
        self._seen: tuple[int, ...] | None = None
        self._lock = threading.Lock()  # who changes the ring does so in a thread
        self._keys: dict[str, RingKey] = {}
        self._secrets: dict[tuple[str, str], bytearray] = {}

    # ----------------------------------------------------------------------------------------------------- as `Keys`

    async def newest(self, key: str) -> str:
        """See `Keys`."""
        return (await self._enabled(key)).versions[-1].id

    async def wrap(self, key: str, data_key: bytes | bytearray, context: bytes) -> Wrapped:
        """See `Keys`."""
        version = await self.newest(key)
        with self._lock:
            return Wrapped(version, wrapping.wrap(self._secret(key, version), data_key, context))

    async def unwrap(self, key: str, wrapped: Wrapped, context: bytes) -> bytearray:
        """See `Keys`."""
        self._look()
        found = self._keys.get(key)
        if found is not None and found.disabled:
            raise errors.KMSDisabled(key=key)
        try:
            with self._lock:
                return wrapping.unwrap(self._secret(key, wrapped.version), wrapped.data, context)
        except ValueError:
            raise errors.KeyMissing("This data key was not wrapped by that key.", key=key, version=wrapped.version) from None

    # ------------------------------------------------------------------------------------------------- for operators

    def all(self) -> list[RingKey]:
        """All keys by name, without what is secret."""
        self._look()
        return [key for _, key in sorted(self._keys.items())]

    def add(self, name: str) -> RingKey:
        """A new key. Raises `InvalidArgument`, `KeyAlreadyExists`, `TooManyKeys`."""
        if not _NAME.fullmatch(name):
            raise errors.InvalidArgument("A key's name has 1 to 64 letters, digits, _ and -.", argument_name="name")
        with self._changing() as keys:
            if name in keys:
                raise errors.KeyAlreadyExists(key=name)
            if len(keys) >= KEYS_MAX:
                raise errors.TooManyKeys(limit=KEYS_MAX)
            keys[name] = RingKey(name, self._clock_ms(), False, (self._new_version(),))
        return self._keys[name]

    def rotate(self, name: str) -> RingKey:
        """A new version, which wraps from now on. Raises `KMSNotFound`, `TooManyKeys`."""
        with self._changing() as keys:
            old = _named(keys, name)
            if len(old.versions) >= VERSIONS_MAX:
                raise errors.TooManyKeys(limit=VERSIONS_MAX)
            keys[name] = msgspec.structs.replace(old, versions=(*old.versions, self._new_version()))
        return self._keys[name]

    def set_disabled(self, name: str, disabled: bool) -> RingKey:
        """From now on nothing is wrapped or unwrapped with it; or it is again.

        Raises `KMSNotFound`, `InvalidRequest` for the key of SSE-S3.
        """
        if name == STORE_KEY and disabled:
            raise errors.InvalidRequest("The key of SSE-S3 cannot be disabled.", key=name)
        with self._changing() as keys:
            keys[name] = msgspec.structs.replace(_named(keys, name), disabled=disabled)
        return self._keys[name]

    # ------------------------------------------------------------------------------------------------------- details

    def _secret(self, key: str, version: str) -> bytearray:
        """Raises `KeyMissing`. Only with the lock in hand is it not wiped meanwhile."""
        secret = self._secrets.get((key, version))
        if secret is None:
            raise errors.KeyMissing(key=key, version=version, hint=f"restore {self._path} from a backup")
        return secret

    async def _enabled(self, name: str) -> RingKey:
        self._look()
        if name not in self._keys and name in AUTOMATIC:
            await self._make(name)
        found = _named(self._keys, name)
        if found.disabled:
            raise errors.KMSDisabled(key=name)
        return found

    async def _make(self, name: str) -> None:
        """Raises `KeyMissing` if there must have been a ring before: its loss has to be noticed, not covered."""
        if not self._path.exists() and await self._in_use():
            raise errors.KeyMissing(
                "The key ring is gone, and there are objects that were encrypted with it.",
                hint=f"restore {self._path} from a backup",
            )
        try:
            await asyncio.to_thread(self.add, name)
        except errors.KeyAlreadyExists:  # another process was quicker
            self._look()

    def _new_version(self) -> KeyVersion:
        return KeyVersion(secrets.token_hex(8), self._clock_ms(), b64encode(os.urandom(KEY_BYTES)).decode())

    def _look(self) -> None:
        """Reads the file if it is another than the one that was read last."""
        try:
            seen = _mark(os.stat(self._path))
        except FileNotFoundError:
            seen = None
        if seen != self._seen:
            self._read()

    def _read(self) -> None:
        self._take(*self._file())

    def _file(self) -> tuple[tuple[int, ...] | None, _File]:
        """The file's mark, and what it holds. Raises `Corrupt`, `FormatTooNew`."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return None, _File()
        with file:
            seen = _mark(os.fstat(file.fileno()))
            body = file.read()
        try:
            held = msgspec.json.decode(body, type=_File)
        except msgspec.MsgspecError:
            raise errors.Corrupt(f"{self._path} is no key ring.", hint="restore it from a backup") from None
        if held.format != FORMAT:
            raise errors.FormatTooNew(f"{self._path} has format {held.format}; this Zakrom knows format {FORMAT}.")
        return seen, held

    def _take(self, seen: tuple[int, ...] | None, held: _File) -> None:
        fresh = {(key.name, version.id): bytearray(b64decode(version.key)) for key in held.keys for version in key.versions}
        with self._lock:
            for secret in self._secrets.values():
                wipe(secret)
            self._seen, self._secrets = seen, fresh
            self._keys = {key.name: _public(key) for key in held.keys}

    @contextmanager
    def _changing(self) -> Iterator[dict[str, RingKey]]:
        """The keys as they are now, to be changed; written if nothing is raised. One process at a time."""
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            keys = {key.name: key for key in self._file()[1].keys}
            yield keys
            self._write(_File(FORMAT, tuple(keys.values())), directory)
            self._read()
        finally:
            os.close(directory)

    def _write(self, held: _File, directory: int) -> None:
        new = self._path.with_name(f"{self._path.name}.new")
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            view = memoryview(msgspec.json.encode(held))
            while view:
                view = view[os.write(file, view) :]
            os.fsync(file)
        finally:
            os.close(file)
        new.replace(self._path)
        os.fsync(directory)


def _mark(stat: os.stat_result) -> tuple[int, ...]:
    """What tells one file of that name from another."""
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _named(keys: dict[str, RingKey], name: str) -> RingKey:
    if name not in keys:
        raise errors.KMSNotFound(key=name)
    return keys[name]


def _public(key: RingKey) -> RingKey:
    return msgspec.structs.replace(key, versions=tuple(KeyVersion(one.id, one.created_ms) for one in key.versions))

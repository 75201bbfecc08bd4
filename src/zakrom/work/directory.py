"""The data directory: who may use it, what lies in it, and the key that opens it.

::

    lock          held (flock) by the server that uses the directory; its children inherit the lock and live no longer than it
    session-key   32 bytes that seal session tokens, 0600; without it, all sessions end
    root-key      the generated root key pair, JSON, 0600; absent where the operator gives one
    key-ring      the keys of encrypted objects, JSON, 0600; absent until one is encrypted (`crypt.ring`)
    catalog/      the facts
    blobs/        the bytes
    run/          sockets of the running server
"""

from __future__ import annotations

import fcntl
import os
import secrets
import string
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec

from zakrom import errors

_KEY_ALPHABET = string.ascii_uppercase + string.digits
_SECRET_ALPHABET = string.ascii_letters + string.digits

SESSION_KEY_BYTES = 32  # AES-256

SOCKET_PATH_BYTES_MAX = 100
"""Unix socket addresses hold 104 bytes on macOS, 108 on Linux."""


class RootKey(msgspec.Struct, frozen=True):
    """The key pair that may do everything."""

    access_key: str
    secret_key: str


class Opened(NamedTuple):
    """The directory in our hands. ``lock`` is the descriptor that holds it: keep it open."""

    path: Path
    lock: int


def open_directory(path: Path) -> Opened:
    """Makes the directory if need be and takes it for this server.

    Raises `DataDirectoryInUse` if another server has it, `InvalidSetting` if it cannot be made or written.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("catalog", "blobs", "run"):
            (path / name).mkdir(mode=0o700, exist_ok=True)
        return Opened(path, take_lock(path))
    except OSError as error:
        raise errors.InvalidSetting(
            f"--data: {path}: {error.strerror}", origin="--data", hint="choose a directory that this user may write"
        ) from None


def take_lock(path: Path) -> int:
    """Takes a directory that exists, for as long as the descriptor is open. Raises `DataDirectoryInUse`, OSError."""
    lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise errors.DataDirectoryInUse(
            f"Another server (process {owner}) is using {path}.", hint="stop it first, or give another --data"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def close_directory(opened: Opened) -> None:
    """Leaves the directory to others."""
    os.close(opened.lock)


def socket_path(opened: Opened) -> str:
    """Where the writer listens: inside the directory if the path is short enough for a socket's address.

    Elsewhere otherwise, under a name that is left in the directory for `running_socket`.
    """
    path = str(opened.path.absolute() / "run" / "writer.sock")
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        path = f"{tempfile.gettempdir()}/zakrom-{os.getuid()}-{secrets.token_hex(8)}.sock"
    (opened.path / "run" / "socket").write_text(path)
    return path


def running_socket(path: Path) -> str:
    """Where the writer of the server that has the directory listens. Raises `ServiceUnavailable`."""
    try:
        return (path / "run" / "socket").read_text()
    except FileNotFoundError:
        raise errors.ServiceUnavailable("The server is only just starting.", hint="try again in a second") from None


def root_key(opened: Opened) -> tuple[RootKey, bool]:
    """The generated root key, and whether it was generated just now. Durable before it is returned."""
    path = opened.path / "root-key"
    try:
        return msgspec.json.decode(path.read_bytes(), type=RootKey), False
    except FileNotFoundError:
        pass
    except msgspec.MsgspecError:
        raise errors.Corrupt(
            f"{path} is not a key pair.", hint="restore it from a backup, or remove it for a new key"
        ) from None
    made = RootKey(
        "".join(secrets.choice(_KEY_ALPHABET) for _ in range(20)),
        "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(40)),
    )
    _write_durably(path, msgspec.json.encode(made))
    return made, True


def session_key(opened: Opened) -> bytes:
    """The key that seals session tokens, made if there is none. Durable before it is returned. Raises `Corrupt`."""
    path = opened.path / "session-key"
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = secrets.token_bytes(SESSION_KEY_BYTES)
        _write_durably(path, key)
    if len(key) != SESSION_KEY_BYTES:
        raise errors.Corrupt(f"{path} is not a key.", hint="remove it for a new one; temporary credentials end then")
    return key


def _write_durably(path: Path, data: bytes) -> None:
    new = path.with_name(path.name + ".new")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(file, data)
        os.fsync(file)
    finally:
        os.close(file)
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

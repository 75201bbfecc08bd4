"""The calls of the admin API as methods.

Calls that only read are tried again for a moment when the server cannot be reached; a change never is: if the connection breaks
under it, `errors.OutcomeUnknown` says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from zakrom import errors
from zakrom.admin_client.credentials import find_credentials
from zakrom.admin_client.transport import Line, Place, decoded
from zakrom.admin_client.values import (
    AccessKey,
    Damage,
    DamagePage,
    Explanation,
    Health,
    Info,
    Job,
    Me,
    NewKey,
    NewUser,
    Quota,
    RingKey,
    Space,
    Usage,
    UsagePage,
    User,
)

T = TypeVar("T")

DEFAULT_ENDPOINT = "http://127.0.0.1:9001"
"""Where a server's admin API is, unless it was told otherwise."""

ENDPOINT_VARIABLE = "ZAKROM_ADMIN_ENDPOINT"
CA_VARIABLE = "AWS_CA_BUNDLE"  # as for the SDKs

POLL_SECONDS_MAX = 30.0
"""How long one call of `AdminClient.wait_for_space` waits, of the 60 s that a server allows: many proxies cut after 60."""

_PATHS = "/api/v1"


class AdminClient:
    """A client of one server's admin API. Holds no connection; may be shared between threads.

    All methods raise the error that the server raised (a class of `zakrom.errors`, with its fields), and

    - `errors.ServiceUnavailable`: the server cannot be reached;
    - `errors.OutcomeUnknown`: the connection broke under a change, which may or may not have been made;
    - `errors.InvalidSetting`: something else listens at the endpoint, or its certificate is not trusted.
    """

    def __init__(
        self,
        endpoint: str,
        access_key: str,
        secret_key: str,
        *,
        region: str | None = None,
        timeout_seconds: float = 30.0,
        verify: bool = True,
        ca: str | Path | None = None,
    ) -> None:
        """A client that signs with this key pair.

        Args:
            endpoint: ``http://host:port`` or ``https://host:port`` of the admin API.
            access_key: of root for most calls.
            secret_key: its secret.
            region: of the server; it may be left out, the server says which one it expects.
            timeout_seconds: how long each wait for the server may be.
            verify: whether the certificate of the server is checked.
            ca: a PEM file with the authorities to trust, instead of the system's.

        Raises `InvalidSetting`.
        """
        if not access_key or not secret_key or not f"{access_key}".isascii() or not access_key.isprintable():
            raise errors.InvalidSetting("This is no key pair.", access_key=access_key)
        self.endpoint = endpoint
        self.access_key = access_key
        place = Place(endpoint, verify=verify, ca=ca)
        self._line = Line(place, access_key, secret_key, region or "us-east-1", timeout_seconds)

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str],
        *,
        endpoint: str | None = None,
        profile: str | None = None,
        timeout_seconds: float = 30.0,
        verify: bool = True,
        ca: str | Path | None = None,
    ) -> Self:
        """A client that finds its server and its keys as any S3 client does; give it ``os.environ``.

        The endpoint is the given one, ``ZAKROM_ADMIN_ENDPOINT`` or `DEFAULT_ENDPOINT`. For the keys see `find_credentials`.
        Raises `InvalidSetting`.
        """
        found = find_credentials(environment, profile=profile)
        return cls(
            endpoint or environment.get(ENDPOINT_VARIABLE) or DEFAULT_ENDPOINT,
            found.access_key,
            found.secret_key,
            region=found.region,
            timeout_seconds=timeout_seconds,
            verify=verify,
            ca=ca or environment.get(CA_VARIABLE) or None,
        )

    def __repr__(self) -> str:
        return f"AdminClient({self.endpoint!r}, {self.access_key!r})"

    # -------------------------------------------------------------------------------------------------------- the server

    def health(self) -> Health:
        """Returns if the server can read and write. Raises `Unavailable` if it cannot."""
        return self._get(Health, "/health")

    def me(self) -> Me:
        """Who signs these calls. Every user may ask."""
        return self._get(Me, "/me")

    def info(self) -> Info:
        """What runs where, how much room there is, what the jobs do."""
        return self._get(Info, "/info")

    def jobs(self) -> list[Job]:
        """The background jobs and what they say of themselves."""
        return self._get(list[Job], "/jobs")

    def job(self, name: str) -> Job:
        """One job. Raises `NotFound`."""
        return self._get(Job, f"/jobs/{_part(name)}")

    def start_job(self, name: str) -> Job:
        """Tells a job (``scrub``) to begin now. Raises `NotFound`, and `InvalidRequest` for a job that cannot be told."""
        return self._change(Job, "POST", f"/jobs/{_part(name)}/start")

    def damages(self) -> Iterator[Damage]:
        """What scrub and reads found rotten, with all that needs it. Each page is a walk through the catalog."""
        after: int | None = -1
        while after is not None:
            page = self._get(DamagePage, "/damages", after=after)
            yield from page.damages
            after = page.next_after

    # ---------------------------------------------------------------------------------------------------- users and keys

    def users(self) -> list[User]:
        """All users by name."""
        return self._get(list[User], "/users")

    def user(self, name: str) -> User:
        """One user. Raises `NoSuchUser`."""
        return self._get(User, f"/users/{_part(name)}")

    def add_user(
        self,
        name: str,
        *,
        display_name: str | None = None,
        email: str = "",
        with_key: bool = True,
        access_key: str | None = None,
        secret_key: str | None = None,
    ) -> NewUser:
        """Adds a user and a first key: the given pair, or a generated one, whose secret is shown here and never again.

        Raises `UserAlreadyExists`, `AccessKeyAlreadyExists`, `InvalidArgument`.
        """
        body = {"name": name, "display_name": display_name, "email": email, "with_key": with_key}
        return self._change(NewUser, "POST", "/users", body | {"access_key": access_key, "secret_key": secret_key})

    def change_user(
        self, name: str, *, display_name: str | None = None, email: str | None = None, disabled: bool | None = None
    ) -> User:
        """Changes what is given. In force for every worker when this returns. Raises `NoSuchUser`, `InvalidArgument`."""
        body = {"display_name": display_name, "email": email, "disabled": disabled}
        return self._change(User, "PATCH", f"/users/{_part(name)}", body)

    def disable_user(self, name: str) -> User:
        """From now on the keys of the user are refused. Raises `NoSuchUser`, `InvalidRequest` for root."""
        return self.change_user(name, disabled=True)

    def enable_user(self, name: str) -> User:
        """The opposite of `disable_user`."""
        return self.change_user(name, disabled=False)

    def remove_user(self, name: str) -> None:
        """Removes a user and their keys. Raises `NoSuchUser`, `InvalidRequest` for root and while they own buckets."""
        self._send("DELETE", f"/users/{_part(name)}")

    def keys(self, user: str | None = None) -> list[AccessKey]:
        """The keys of a user, or of all. Raises `NoSuchUser`."""
        return self._get(list[AccessKey], "/keys", user=user)

    def add_key(self, user: str, *, access_key: str | None = None, secret_key: str | None = None) -> NewKey:
        """Adds the given pair, or a generated one, whose secret is shown here and never again.

        Raises `NoSuchUser`, `AccessKeyAlreadyExists`, `InvalidArgument`.
        """
        return self._change(NewKey, "POST", "/keys", {"user": user, "access_key": access_key, "secret_key": secret_key})

    def disable_key(self, access_key: str) -> AccessKey:
        """From now on the key is refused. Raises `NoSuchAccessKey`, `InvalidRequest` for the key that signs this call."""
        return self._change(AccessKey, "PATCH", f"/keys/{_part(access_key)}", {"disabled": True})

    def enable_key(self, access_key: str) -> AccessKey:
        """The opposite of `disable_key`."""
        return self._change(AccessKey, "PATCH", f"/keys/{_part(access_key)}", {"disabled": False})

    def remove_key(self, access_key: str) -> None:
        """Removes a key for good. Raises as `disable_key`."""
        self._send("DELETE", f"/keys/{_part(access_key)}")

    # ------------------------------------------------------------------------------------------------------------ policy

    def explain_policy(
        self,
        principal: str,
        action: str,
        resource: str,
        *,
        version_id: str | None = None,
        conditions: Mapping[str, Sequence[str]] | None = None,
    ) -> Explanation:
        """Whether a request would be allowed, and which statement or grant decides.

        Args:
            principal: a user's name, canonical id, account number or ARN; or ``anonymous``.
            action: as policies name it.
            resource: a bucket, or ``bucket/key``, or their ARN.
            version_id: the version that is meant.
            conditions: the request's condition keys with their values.

        Raises `NoSuchUser`, `NoSuchBucket`.
        """
        body = {"principal": principal, "action": action, "resource": resource, "version_id": version_id}
        keys = {name: list(values) for name, values in (conditions or {}).items()}
        return self._change(Explanation, "POST", "/policy/explain", body | {"conditions": keys})

    # ---------------------------------------------------------------------------------------------------------- key ring

    def ring_keys(self) -> list[RingKey]:
        """The keys that the server encrypts with, by name."""
        return self._get(list[RingKey], "/key-ring")

    def add_ring_key(self, name: str) -> RingKey:
        """Adds a key for SSE-KMS. Raises `KeyAlreadyExists`, `InvalidArgument`."""
        return self._change(RingKey, "POST", "/key-ring", {"name": name})

    def rotate_ring_key(self, name: str) -> RingKey:
        """A new version, which wraps from now on; the job ``rewrap`` wraps anew what old ones wrapped. Raises `KMSNotFound`."""
        return self._change(RingKey, "POST", f"/key-ring/{_part(name)}/rotate")

    def disable_ring_key(self, name: str) -> RingKey:
        """From now on nothing is written or read with it. Raises `KMSNotFound`, `InvalidRequest` for the key of SSE-S3."""
        return self._change(RingKey, "PATCH", f"/key-ring/{_part(name)}", {"disabled": True})

    def enable_ring_key(self, name: str) -> RingKey:
        """The opposite of `disable_ring_key`."""
        return self._change(RingKey, "PATCH", f"/key-ring/{_part(name)}", {"disabled": False})

    # -------------------------------------------------------------------------------------------------- usage and quotas

    def usage(self, bucket: str | None = None) -> Usage:
        """What a bucket holds, or the whole store. Raises `NoSuchBucket`."""
        return self._get(Usage, "/usage" if bucket is None else f"/usage/buckets/{_part(bucket)}")

    def bucket_usages(self, prefix: str = "") -> Iterator[Usage]:
        """What each bucket holds whose name begins so, by name; fetched page by page."""
        after: str | None = ""
        while after is not None:
            page = self._get(UsagePage, "/usage/buckets", prefix=prefix, after=after)
            yield from page.buckets
            after = page.next_after

    def quota(self, bucket: str | None = None) -> Quota:
        """How much a bucket, or the whole store, may hold. Raises `NoSuchBucket`."""
        return self._get(Quota, _quota_path(bucket))

    def set_quota(self, quota_bytes: int, *, bucket: str | None = None) -> Quota:
        """Limits a bucket, or the whole store. What is there stays, also beyond it. Raises `NoSuchBucket`."""
        return self._change(Quota, "PUT", _quota_path(bucket), {"quota_bytes": quota_bytes})

    def clear_quota(self, *, bucket: str | None = None) -> None:
        """Lifts the limit. Raises `NoSuchBucket`."""
        self._send("DELETE", _quota_path(bucket))

    # ------------------------------------------------------------------------------------------------------------- space

    def space(self, bucket: str | None = None, *, after: int | None = None) -> Space:
        """Where one stands now: the cursor to wait with. Raises `NoSuchBucket`, `AccessDenied` for a stranger's bucket."""
        return self._get(Space, "/space", bucket=bucket, after=after)

    def wait_for_space(self, bucket: str | None = None, *, after: int | None = None, seconds: float = 60.0) -> Space:
        """Returns as soon as bytes were freed since the cursor ``after``, or when ``seconds`` are over.

        Look at ``freed`` of what it returns, keep its ``cursor``, and nothing is missed: between two calls, or while a server
        restarts (which is waited for). Without ``after`` only what is freed from now on counts.

        Args:
            bucket: the scope: the bucket whose quota was exceeded; None for the store's quota and for a full disk.
            after: the cursor of an earlier answer.
            seconds: how long in all.

        Raises as `space`, and `Unavailable` if the server could not be reached at the end.
        """
        deadline = time.monotonic() + seconds
        after = self.space(bucket).cursor if after is None else after
        while True:
            left = max(0.0, deadline - time.monotonic())
            wait = min(left, POLL_SECONDS_MAX)
            try:
                space = self._get(Space, "/space", wait, bucket=bucket, after=after, wait=f"{wait:.3f}")
            except errors.Unavailable:
                if time.monotonic() >= deadline:
                    raise
                continue  # its retries took two seconds: no hot loop
            if space.freed or time.monotonic() >= deadline:
                return space

    # ------------------------------------------------------------------------------------------------------------ common

    def _get(self, kind: type[T], path: str, patience_seconds: float = 0.0, /, **query: str | int | None) -> T:
        given = {name: value for name, value in query.items() if value is not None}
        target = f"{_PATHS}{path}?{urlencode(given, quote_via=quote)}" if given else f"{_PATHS}{path}"
        return decoded(self._line.call("GET", target, patience_seconds=patience_seconds), kind)

    def _change(self, kind: type[T], method: str, path: str, body: Mapping[str, object] | None = None) -> T:
        return decoded(self._send(method, path, body), kind)

    def _send(self, method: str, path: str, body: Mapping[str, object] | None = None) -> bytes:
        given = {name: value for name, value in (body or {}).items() if value is not None}
        return self._line.call(method, f"{_PATHS}{path}", msgspec.json.encode(given) if body is not None else b"")


def _part(text: str) -> str:
    """One step of a path. Raises `InvalidArgument` for what can be none, before a proxy makes another path of it."""
    if text in {"", ".", ".."}:
        raise errors.InvalidArgument("This name is not allowed.", argument_value=text)
    return quote(text, safe="")


def _quota_path(bucket: str | None) -> str:
    return "/quotas/store" if bucket is None else f"/quotas/buckets/{_part(bucket)}"

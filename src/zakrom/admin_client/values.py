"""What the admin API says, as values: the vocabulary that the server answers in and the client gives out.

One definition for both sides: the server's OpenAPI document is made from these classes, and the client reads answers into them.
Fields are only ever added, with a default, so that an old client reads a new server and the other way round.

Times are milliseconds since 1970 (UTC), sizes are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Fact = str | int | float | bool | None
"""A fact of a job: what JSON can hold and a table can show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The server can read and write."""

    ready: bool


# -------------------------------------------------------------------------------------------------------- users and keys


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who may hold access keys: an account and its root user, who owns buckets, or an IAM user of one.

    ``canonical_id``: 64 hexadecimal digits, for ever the account's own. An IAM user has its unique id for both ``name`` and
    ``canonical_id``, its name at IAM for ``display_name``, and the canonical id of its account for ``account``, which is empty
    for an account. ``arn``: as policies name it.
    """

    name: str
    canonical_id: str
    display_name: str
    email: str
    created_ms: int
    disabled: bool = False
    root: bool = False
    account: str = ""
    arn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """An access key without its secret, which is shown once, when the key is made."""

    access_key: str
    user: str
    created_ms: int
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was just made, with its secret: nobody will show it again."""

    access_key: str
    secret_key: str = field(repr=False)
    user: str
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """A user that was just added, and the first key, unless none was wanted."""

    user: User
    key: NewKey | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Who signed the call, with which key, and which keys they have."""

    user: User
    access_key: str
    keys: tuple[AccessKey, ...]


# ----------------------------------------------------------------------------------------------------------------- policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Whether a request is allowed, and why.

    ``document``: the policy or ACL that decides; empty where none does. ``statement``: the number of its statement or grant,
    from 0. ``text``: that statement, of a bucket's policy.
    """

    principal: str
    action: str
    resource: str
    allowed: bool
    reason: str
    document: str = ""
    statement: int | None = None
    sid: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RingKey:
    """A key that encrypts for the server: its name, never itself. ``versions``: how many; ``rotated_ms``: of the newest."""

    name: str
    created_ms: int
    rotated_ms: int
    versions: int
    disabled: bool = False


# ------------------------------------------------------------------------------------------------------- usage and quotas


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Exact counts of a bucket, or of the whole store (``bucket`` is None), and what the quota allows.

    ``objects``: what a plain listing shows. ``versions``: all that have bytes, current ones included. ``bytes``: of all
    versions, as S3 counts them (a copy that moved no bytes counts in full). ``total_bytes``: with the parts of open
    uploads, which is what a quota limits.
    """

    bucket: str | None
    objects: int
    versions: int
    markers: int
    bytes: int
    uploads: int
    upload_bytes: int
    total_bytes: int
    quota_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePage:
    """Usage of buckets by name. ``next_after``: ask for the next page with it; None: this was the last."""

    buckets: tuple[Usage, ...]
    next_after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How much a bucket, or the whole store (``bucket`` is None), may hold. ``quota_bytes`` None: as much as there is room."""

    bucket: str | None
    quota_bytes: int | None
    used_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Where one stands who waits for room in a bucket, or in the whole store (``bucket`` is None).

    ``cursor``: grows whenever bytes were freed in the scope, and survives restarts: keep it, and ask with it the next time.
    ``freed``: it is another one than the one asked with, or the disk has room again. ``full``: the disk had no room when last
    looked at. Figures are None for who may not see them.
    """

    bucket: str | None
    cursor: int
    freed: bool
    full: bool
    used_bytes: int | None
    quota_bytes: int | None


# ------------------------------------------------------------------------------------------------------------- the server


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The file system below the data directory. Below ``reserve_bytes`` free writes are refused."""

    total_bytes: int
    free_bytes: int
    reserve_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A background job. ``startable``: it can be told to begin now. ``facts``: what it says of itself, each job its own."""

    name: str
    startable: bool
    facts: dict[str, Fact]


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What runs where. ``format``: of the catalog on disk.

    Generations are processes that stage bytes: open ones, and closed ones whose leftovers are still to be swept.
    """

    version: str
    format: int
    data_directory: str
    region: str
    regions: tuple[str, ...]
    workers: int
    started_ms: int
    now_ms: int
    disk: Disk
    full: bool
    users: int
    damages: int
    generations_open: int
    generations_closed: int
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedVersion:
    """A version of an object that needs a damaged blob."""

    bucket: str
    key: str
    version_id: str
    latest: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A blob found rotten or missing. ``block``: the first bad block of 128 KiB; None: the file is missing or cut short.

    ``versions``: what cannot be read because of it; empty: nobody names the blob any more. ``more``: there are others.
    """

    blob: int
    block: int | None
    found_ms: int
    reason: str
    versions: tuple[DamagedVersion, ...]
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagePage:
    """Damages by blob. ``next_after``: ask for the next page with it; None: this was the last."""

    damages: tuple[Damage, ...]
    next_after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error: ``code`` is the name of a class of `zakrom.errors`, ``fields`` are its facts, ``hint`` is for who reads it."""

    code: str
    message: str
    fields: dict[str, str | int | bool | None]
    hint: str | None = None

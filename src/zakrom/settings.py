"""Every setting of a server: one table, from which come the flags, the environment's names, the TOML keys and the docs.

The table is the class `Settings`. A field's default, unit, allowed values and reason stand beside its name and nowhere else;
the names follow from the field's:

- setting   ``reap-grace``         (the field without its unit, underscores as hyphens; a repeated one in the singular)
- flag      ``--reap-grace``       (none for a secret: command lines are visible to every user of a machine)
- variable  ``ZAKROM_REAP_GRACE``
- TOML      ``reap-grace = "15m"`` (underscores are accepted too)

Sources, the strongest first: flags, ``ZAKROM_*``, the variables of MinIO that mean the same, the TOML file, the default. All of
them give text, and one parser per kind reads it. An empty variable counts as absent, because that is what container tools make
of one that was not set.

Everything here is pure: `cli` reads the environment and the file, and passes them in.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypeVar, cast

from zakrom.errors import InvalidSetting

T = TypeVar("T")

ENVIRONMENT_PREFIX = "ZAKROM_"

WORKERS_AUTO_MAX = 8  # one writer serves them all: beyond this many, more workers only make its batches smaller
WORKERS_MAX = 256  # each is a process of some 40 MiB; nobody means more than this
RESERVE_SHARE = 100  # auto keeps 1/100 of the file system free …
RESERVE_BYTES_MIN = 16 * 1024 * 1024  # … but room for the catalog's own writes and the index growth of a burst of deletes …
RESERVE_BYTES_MAX = 1024 * 1024 * 1024  # … and no more than what that can ever need
SIZE_BYTES_MAX = (1 << 63) - 1  # what SQLite can count
DURATION_SECONDS_MAX = 100 * 366 * 86400.0  # more is a slip of the finger

Server = Literal["http1", "uvicorn"]
BucketDefaults = Literal["aws", "classic"]
SseCOverHttp = Literal["off", "loopback", "on"]
LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]


class Address(NamedTuple):
    """Where to listen. Port 0 means any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


# ------------------------------------------------------------------------------------------------------- kinds of values


@dataclasses.dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """How the text of a setting becomes a value.

    ``parse`` raises ValueError; what it says (or nothing) comes before ``allowed`` in the error. ``unit`` ends the names of
    fields of this kind. ``repeated``: the flag may come several times, and the text is a list with commas. ``words``: all that
    is allowed, where that is a short list.
    """

    name: str
    parse: Callable[[str], T]
    allowed: str
    unit: str = ""
    repeated: bool = False
    words: tuple[str, ...] = ()


_DECIMAL = {unit: 1000**power for power, unit in enumerate(("", "K", "M", "G", "T", "P"))}
_BINARY = {f"{unit}I": 1024**power for power, unit in enumerate(("", "K", "M", "G", "T", "P")) if unit}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGTP]I?)?B?", re.IGNORECASE | re.ASCII)
_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)?", re.ASCII)
_REGION = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_BOOLEANS = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


def parse_size(text: str) -> int:
    """Bytes of ``200MB`` (decimal), ``200MiB`` (binary), ``1.5GB`` or ``200000000``. Raises ValueError.

    ``K``, ``M`` … without ``B`` are decimal, as in SI.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError
    number, unit = match[1], (match[2] or "").upper()
    factor = _BINARY.get(unit) or _DECIMAL[unit]
    size = int(number) * factor if number.isdigit() else int(float(number) * factor)
    if size > SIZE_BYTES_MAX:
        raise ValueError("too large")
    return size


def format_size(size: int) -> str:
    """The shortest exact text that `parse_size` reads back: ``200MB``, ``16MiB``, ``0``."""
    units = {**_BINARY, **{unit: factor for unit, factor in _DECIMAL.items() if unit}}
    for unit, factor in sorted(units.items(), key=lambda item: -item[1]):
        if size and size % factor == 0:
            return f"{size // factor}{unit.replace('I', 'i')}B"
    return str(size)


def parse_duration(text: str) -> float:
    """Seconds of ``500ms``, ``30s``, ``15m``, ``2h``, ``30d``, ``1w`` or plain ``30``. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError
    seconds = float(match[1]) * _SECONDS[match[2] or ""]
    if seconds > DURATION_SECONDS_MAX:
        raise ValueError("too long")
    return seconds


def parse_address(text: str) -> Address:
    """``127.0.0.1:9000``, ``[::1]:9000``, ``localhost:9000``; ``:9000`` is every IPv4 address. Raises ValueError."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        raise ValueError("there is no port")
    if int(port) > 65535:
        raise ValueError("there is no such port")
    return Address(_host(host), int(port))


def _host(text: str) -> str:
    """A host as sockets want it: no brackets, nothing for all addresses. Raises ValueError."""
    if not text:
        return "0.0.0.0"  # noqa: S104 - asked for: `:9000` means everywhere, as it does for MinIO
    if text.startswith("["):
        return str(ipaddress.IPv6Address(text.removeprefix("[").removesuffix("]")))
    if ":" in text:
        raise ValueError("an IPv6 address stands in brackets")
    if not all(_LABEL.fullmatch(label.lower()) for label in text.split(".")):
        raise ValueError("there is no such host")
    return text


def _parse_boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.strip().lower()]
    except KeyError:
        raise ValueError from None


def _parse_path(text: str) -> Path:
    if "\0" in text or not text:
        raise ValueError
    if text.startswith("~"):
        raise ValueError("'~' is the shell's and is not expanded here")
    return Path(text)


def _parse_region(text: str) -> str:
    if not _REGION.fullmatch(text):
        raise ValueError
    return text


def _parse_domain(text: str) -> str:
    domain = text.strip().lower().removesuffix(".")
    if len(domain) > 253 or not all(_LABEL.fullmatch(label) for label in domain.split(".")):  # RFC 1035, 2.3.4
        raise ValueError
    return domain


def _parse_user(text: str) -> str:
    """Any shape of access key that the header of SigV4 can carry: a comma or a space would end it there."""
    if len(text) > 128 or not text.isascii() or not text.isprintable() or set(text) & set(" ,"):
        raise ValueError
    return text


def _parse_password(text: str) -> str:
    if len(text) > 256 or not text.isprintable():
        raise ValueError
    return text


def _positive(kind: Kind[float]) -> Kind[float]:
    """The same without nothing: a timeout of 0 would refuse everybody."""
    return Kind(kind.name, lambda text: _not_zero(kind.parse(text)), f"{kind.allowed}, and more than 0", kind.unit)


def _not_zero(number: float) -> float:
    if not number:
        raise ValueError
    return number


def _whole(low: int, high: int) -> Kind[int]:
    return Kind("number", lambda text: _within(text, low, high), f"a whole number from {low} to {high}")


def _within(text: str, low: int, high: int) -> int:
    number = int(text) if text.strip().isascii() and text.strip().isdigit() else -1
    if not low <= number <= high:
        raise ValueError
    return number


def _or_auto(kind: Kind[T]) -> Kind[T | None]:
    """The same, or ``auto``: None, for what is known only where the server runs."""
    return Kind(
        kind.name,
        lambda text: None if text.strip().lower() == "auto" else kind.parse(text),
        f"{kind.allowed}, or auto",
        kind.unit,
    )


def _or_off(kind: Kind[T]) -> Kind[T | None]:
    """The same, or ``off``: None."""
    return Kind(
        kind.name,
        lambda text: None if text.strip().lower() == "off" else kind.parse(text),
        f"{kind.allowed}, or off",
        kind.unit,
    )


def _several(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """Any number of them; each once, in the order given."""
    return Kind(
        kind.name,
        lambda text: tuple(dict.fromkeys(kind.parse(one.strip()) for one in text.split(",") if one.strip())),
        f"{kind.allowed}; several with commas",
        repeated=True,
    )


def _choice(words: tuple[str, ...], of: type[T] | object) -> Kind[T]:  # noqa: ARG001 - `of` tells the type to the checker
    def parse(text: str) -> T:
        if text not in words:
            raise ValueError
        return cast("T", text)

    return Kind("choice", parse, " or ".join((", ".join(words[:-1]), words[-1])), words=words)


ADDRESS = Kind("address", parse_address, "HOST:PORT, as 127.0.0.1:9000, [::1]:9000 or :9000")
PATH = Kind("path", _parse_path, "a path")
BOOLEAN = Kind("boolean", _parse_boolean, "on or off")
SIZE = Kind("size", parse_size, "a size, as 200MB (decimal), 200MiB (binary) or plain bytes", unit="bytes")
DURATION = Kind("duration", parse_duration, "a duration, as 500ms, 30s, 15m, 2h or 30d", unit="seconds")
TIMEOUT = _positive(DURATION)
REGION = Kind("region", _parse_region, "lower-case letters, digits and hyphens")
DOMAIN = Kind("domain", _parse_domain, "a domain name")
USER = Kind("access key", _parse_user, "1 to 128 printable ASCII characters without spaces and commas")
PASSWORD = Kind("secret", _parse_password, "1 to 256 printable characters")
SERVER: Kind[Server] = _choice(("http1", "uvicorn"), Server)
BUCKET_DEFAULTS: Kind[BucketDefaults] = _choice(("aws", "classic"), BucketDefaults)
SSE_C_OVER_HTTP: Kind[SseCOverHttp] = _choice(("off", "loopback", "on"), SseCOverHttp)
LOG_FORMAT: Kind[LogFormat] = _choice(("auto", "json", "console"), LogFormat)
LOG_LEVEL: Kind[LogLevel] = _choice(("debug", "info", "warning", "error"), LogLevel)


# ------------------------------------------------------------------------------------------------------------- the table


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """What there is to say about one setting. ``name`` and ``field`` are filled in from the class `Settings`."""

    group: str
    default: str
    kind: Kind[Any]
    help: str
    reason: str
    secret: bool = False
    aliases: tuple[str, ...] = ()
    field: str = ""

    @property
    def name(self) -> str:
        """Its name in messages, in TOML and, behind two hyphens, as a flag."""
        stem = self.field.removesuffix(f"_{self.kind.unit}") if self.kind.unit else self.field
        stem = stem.removesuffix("s") if self.kind.repeated else stem
        return stem.replace("_", "-")

    @property
    def flag(self) -> str | None:
        """Its flag; None for a secret."""
        return None if self.secret else f"--{self.name}"

    @property
    def variable(self) -> str:
        """Its variable in the environment."""
        return ENVIRONMENT_PREFIX + self.name.replace("-", "_").upper()


def _setting(
    group: str,
    default: str,
    kind: Kind[T],
    help: str,
    *,
    reason: str = "",
    secret: bool = False,
    aliases: tuple[str, ...] = (),
) -> T:
    """A row of the table. An empty default means None: there is no value unless one is given."""
    row = Setting(group, default, kind, help, reason, secret, aliases)
    value = kind.parse(default) if default or kind.repeated else None
    return cast("T", dataclasses.field(default=value, repr=not secret, metadata={"setting": row}))


_PLACES, _HTTP, _S3, _SPACE, _CHORES, _LOGS = "Where", "HTTP", "S3", "Room", "Chores", "Logs"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one server, valid and of their types. `Settings()` are the defaults; `resolve` reads the sources."""

    # ------------------------------------------------------------------------------------------------------------- where
    data: Path = _setting(
        _PLACES,
        "./data",
        PATH,
        "The data directory: everything the store keeps.",
        reason="One directory, so that a copy of it, taken by `zakrom backup`, is the whole store.",
    )
    address: Address = _setting(
        _PLACES,
        "127.0.0.1:9000",
        ADDRESS,
        "Where S3 is served.",
        reason="Only this machine, until somebody decides otherwise. The port is what MinIO's users expect.",
    )
    admin_address: Address = _setting(
        _PLACES,
        "127.0.0.1:9001",
        ADDRESS,
        "Where the admin API is served.",
        reason="A port of its own, so that a firewall can tell the two apart.",
    )
    website_address: Address | None = _setting(
        _PLACES,
        "",
        ADDRESS,
        "Where the websites of buckets are served, beside --website-domain. The Host is a bucket, or the path begins with one.",
        reason="Off unless asked for: a website is for everybody who can reach it.",
    )
    workers: int | None = _setting(
        _PLACES,
        "auto",
        _or_auto(_whole(1, WORKERS_MAX)),
        f"Processes that answer S3. Auto: one per core, at most {WORKERS_AUTO_MAX}.",
        reason="One writer process serves them all; many more workers than cores only make its batches smaller.",
    )

    # -------------------------------------------------------------------------------------------------------------- http
    server: Server = _setting(
        _HTTP,
        "http1",
        SERVER,
        "Which HTTP server carries S3: Zakrom's own (http1) or uvicorn.",
        reason="Ours controls what an S3 door must: `100 Continue`, answers before the body, slow clients, sendfile.",
    )
    tls_cert: Path | None = _setting(
        _HTTP,
        "",
        PATH,
        "The certificate (PEM, with its chain) for S3 and the admin API. Read again when the file changes.",
        reason="Without one the server speaks plain HTTP, which is right on loopback and behind a proxy.",
    )
    tls_key: Path | None = _setting(
        _HTTP,
        "",
        PATH,
        "The private key (PEM) of the certificate.",
    )
    head_timeout_seconds: float = _setting(
        _HTTP,
        "15s",
        TIMEOUT,
        "How long the head of a request may take from its first byte.",
        reason="Heads come in one or two packets; who drips one for longer is broken or hostile.",
    )
    idle_timeout_seconds: float = _setting(
        _HTTP,
        "75s",
        TIMEOUT,
        "How long a connection may wait for its next request.",
        reason="Longer than the 60 s after which most pools of clients drop a connection: the client closes first, no race.",
    )
    body_timeout_seconds: float = _setting(
        _HTTP,
        "30s",
        TIMEOUT,
        "How long a client may send nothing of a body that it owes (400 RequestTimeout).",
        reason="S3 itself gives up after some 20 s; a bad mobile link pauses for ten.",
    )
    send_timeout_seconds: float = _setting(
        _HTTP,
        "60s",
        TIMEOUT,
        "How long a client may take nothing of an answer before its connection is cut.",
        reason="A reader that stands still holds a file and a buffer.",
    )
    drain_seconds: float = _setting(
        _HTTP,
        "25s",
        DURATION,
        "How long running requests may go on after SIGTERM.",
        reason="Less than the 30 s after which Kubernetes kills.",
    )
    sendfile: bool = _setting(
        _HTTP,
        "off",
        BOOLEAN,
        "Let whole objects go from file to socket by the kernel, without verifying their checksums on the way.",
        reason="Off: every byte is verified before it is sent. On is faster for large objects; the scrub is then the check.",
    )

    # ---------------------------------------------------------------------------------------------------------------- s3
    region: str = _setting(
        _S3,
        "us-east-1",
        REGION,
        "The region of this server, and of buckets created without one.",
        reason="What clients assume when they are told nothing.",
    )
    extra_regions: tuple[str, ...] = _setting(
        _S3,
        "",
        _several(REGION),
        "More regions that CreateBucket accepts. Repeatable.",
        reason="A bucket keeps its region, for clients that sort by it; the bytes stay here all the same.",
    )
    domains: tuple[str, ...] = _setting(
        _S3,
        "",
        _several(DOMAIN),
        "A domain for virtual-hosted requests: BUCKET.DOMAIN. Repeatable.",
        reason="Path-style requests work without any.",
    )
    website_domains: tuple[str, ...] = _setting(
        _S3,
        "",
        _several(DOMAIN),
        "A domain for the websites of buckets: http://BUCKET.DOMAIN. Repeatable. Not one that --domain has.",
        reason="Pages for readers and the API for programs differ in everything but the objects, so they have different hosts.",
    )
    sigv2: bool = _setting(
        _S3,
        "on",
        BOOLEAN,
        "Accept presigned URLs of signature version 2.",
        reason="boto3 still makes these by default for us-east-1.",
    )
    clock_skew_seconds: float = _setting(
        _S3,
        "15m",
        DURATION,
        "How far a client's clock may be off.",
        reason="What AWS allows.",
    )
    buckets_max: int = _setting(
        _S3,
        "10000",
        _whole(1, 1_000_000),
        "How many buckets one user may own.",
        reason="The default quota of an AWS account.",
    )
    bucket_defaults: BucketDefaults = _setting(
        _S3,
        "aws",
        BUCKET_DEFAULTS,
        "What a new bucket gets: ACLs disabled and public access blocked (aws), or ACLs enabled and nothing blocked (classic).",
        reason="AWS since April 2023, and before. Buckets that exist stay as they are; each can be changed.",
    )
    encrypt_by_default: bool = _setting(
        _S3,
        "off",
        BOOLEAN,
        "Encrypt (SSE-S3) every new object that asks for nothing else, in buckets that say nothing else.",
        reason="AWS does so. Off: who loses the key ring loses the objects, and that is a choice to be made knowingly.",
    )
    sse_c_over_http: SseCOverHttp = _setting(
        _S3,
        "loopback",
        SSE_C_OVER_HTTP,
        "Where customers may send keys of their own (SSE-C) over plain HTTP: nowhere, from this machine, or from everywhere.",
        reason="AWS refuses all of it. Loopback is where a proxy that speaks TLS stands, and where nobody listens.",
    )
    minio_health: bool = _setting(
        _S3,
        "on",
        BOOLEAN,
        "Answer MinIO's health paths under /minio/health/. The bucket name `minio` is reserved for that; off gives it back.",
        reason="Existing health checks go on working.",
    )
    root_user: str | None = _setting(
        _S3,
        "",
        USER,
        "The access key of root. Without it one is generated at the first start, printed once and kept in the data directory.",
        reason="No default password exists that somebody could forget to change.",
        secret=True,
        aliases=("MINIO_ROOT_USER", "MINIO_ACCESS_KEY"),
    )
    root_password: str | None = _setting(
        _S3,
        "",
        PASSWORD,
        "The secret key of root.",
        secret=True,
        aliases=("MINIO_ROOT_PASSWORD", "MINIO_SECRET_KEY"),
    )

    # -------------------------------------------------------------------------------------------------------------- room
    reserve_bytes: int | None = _setting(
        _SPACE,
        "auto",
        _or_auto(SIZE),
        "Free space that is never filled: below it writes answer 507 InsufficientStorage. "
        f"Auto: 1 % of the file system, from {format_size(RESERVE_BYTES_MIN)} to {format_size(RESERVE_BYTES_MAX)}.",
        reason="Deletes must go on when the disk is full, and they need a little room themselves.",
    )

    # ------------------------------------------------------------------------------------------------------------ chores
    reap_grace_seconds: float = _setting(
        _CHORES,
        "15m",
        DURATION,
        "How long the bytes of a deleted object stay on disk.",
        reason="Readers in other processes may be about to open them. When room is short the grace yields at once.",
    )
    scrub_interval_seconds: float | None = _setting(
        _CHORES,
        "30d",
        _or_off(TIMEOUT),
        "How often every stored byte is read and verified.",
        reason="Disks rot silently; a month is what ZFS users are told.",
    )
    scrub_rate_bytes: int = _setting(
        _CHORES,
        "32MiB",
        SIZE,
        "The most that the scrub reads per second. 0: as fast as it can.",
        reason="A fraction of what any disk can do, so that nobody feels it; 2.7 TB a day.",
    )

    bucket_log_interval_seconds: float = _setting(
        _CHORES,
        "5m",
        TIMEOUT,
        "How long lines of a bucket's server access log are gathered before they become an object in the target bucket.",
        reason="One object for each worker each time; AWS delivers within hours. A killed process loses what it gathered.",
    )
    lifecycle_day_seconds: int = _setting(
        _CHORES,
        "86400",
        _whole(1, 86_400),
        "How long a day is where lifecycle rules count in days. For tests.",
        reason="A day is a day. A shorter one is not rounded up to midnight; headers tell calendar days in any case.",
    )

    # -------------------------------------------------------------------------------------------------------------- logs
    log_format: LogFormat = _setting(
        _LOGS,
        "auto",
        LOG_FORMAT,
        "How log lines look. Auto: console on a terminal, JSON elsewhere.",
    )
    log_level: LogLevel = _setting(
        _LOGS,
        "info",
        LOG_LEVEL,
        "The least important lines to log.",
    )
    access_log: bool = _setting(
        _LOGS,
        "on",
        BOOLEAN,
        "One line for every request.",
        reason="An operator's first question is who did that; it costs some microseconds a request.",
    )

    @property
    def regions(self) -> tuple[str, ...]:
        """All regions a bucket may be created in, ours first."""
        return tuple(dict.fromkeys((self.region, *self.extra_regions)))

    @property
    def tls(self) -> bool:
        """Whether the doors speak HTTPS."""
        return self.tls_cert is not None

    def worker_count(self, cores: int) -> int:
        """How many workers to run on a machine of so many cores."""
        return self.workers or min(max(cores, 1), WORKERS_AUTO_MAX)

    def reserve_of(self, file_system_bytes: int) -> int:
        """How many bytes to keep free on a file system of that size."""
        if self.reserve_bytes is not None:
            return self.reserve_bytes
        return min(max(file_system_bytes // RESERVE_SHARE, RESERVE_BYTES_MIN), RESERVE_BYTES_MAX)


def _table() -> Iterator[Setting]:
    for field in dataclasses.fields(Settings):
        yield dataclasses.replace(cast("Setting", field.metadata["setting"]), field=field.name)


TABLE: tuple[Setting, ...] = tuple(_table())
BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in TABLE}


# ----------------------------------------------------------------------------------------------------------- the sources


class Given(NamedTuple):
    """The text of a setting and where it came from, as an operator would name the place."""

    text: str
    origin: str


def resolve(
    *,
    flags: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    toml: str = "",
    toml_name: str = "the configuration file",
) -> Settings:
    """The settings that these sources give.

    ``flags``: text by name of setting, only what was given. ``environment``: all of it; what is not ours is ignored.
    ``toml``: the text of the file.

    Raises `InvalidSetting` with the fields setting, origin, allowed and hint.
    """
    given = {
        **from_toml(toml, toml_name),
        **from_environment(environment or {}),
        **{BY_NAME[name].name: Given(text, f"--{name}") for name, text in (flags or {}).items()},
    }
    # Any: that each kind gives what its field wants is checked where the table is written.
    values: dict[str, Any] = {BY_NAME[name].field: _parse(BY_NAME[name], one) for name, one in given.items()}
    settings = Settings(**values)
    _check_together(settings, given)
    return settings


def from_environment(environment: Mapping[str, str]) -> dict[str, Given]:
    """What the environment says, by name of setting; our own variables win over MinIO's."""
    return {
        setting.name: Given(environment[variable], variable)
        for setting in TABLE
        for variable in (*reversed(setting.aliases), setting.variable)
        if environment.get(variable)
    }


def from_toml(text: str, file: str) -> dict[str, Given]:
    """What a TOML file says, by name of setting. Raises `InvalidSetting` for a key that is none, and for broken TOML."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(f"{file}: this is not TOML: {error}", origin=file, hint=_TOML_HINT) from None
    given = {}
    for key, value in document.items():
        name = key.replace("_", "-")
        origin = f"{file}: {key}"
        if name not in BY_NAME:
            raise _unknown(key, file)
        given[name] = Given(_toml_text(BY_NAME[name], value, origin), origin)
    return given


_TOML_HINT = 'lines look like this: address = "127.0.0.1:9000"'


def _unknown(key: str, file: str) -> InvalidSetting:
    near = _nearest(key.replace("_", "-"), BY_NAME)
    hint = f"did you mean {near}?" if near else "all settings are in docs/configuration.md"
    return InvalidSetting(f"{file}: there is no setting {key!r}", setting=key, origin=file, hint=hint)


def _toml_text(setting: Setting, value: object, origin: str) -> str:
    """A TOML value as the text that a flag would have."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float | str):
        return str(value)
    if isinstance(value, list) and setting.kind.repeated and all(isinstance(one, str) for one in value):
        return ",".join(value)
    raise _invalid(setting, Given(f"a TOML {type(value).__name__}", origin), "")


def _parse(setting: Setting, given: Given) -> object:
    try:
        if not given.text.strip() and not setting.kind.repeated:
            raise ValueError("it is empty")  # noqa: TRY301 - one door for all that is wrong with a value
        return setting.kind.parse(given.text)
    except ValueError as error:
        # Foreign parsers (ipaddress) say too much about themselves; ours say a few words or nothing.
        raise _invalid(setting, given, str(error) if len(str(error)) < 60 else "") from None


def _invalid(setting: Setting, given: Given, why: str, hint: str = "") -> InvalidSetting:
    shown = "the value" if setting.secret else repr(given.text)
    because = f": {why}" if why else ""
    return InvalidSetting(
        f"{given.origin}: {shown} is not allowed{because}; allowed: {setting.kind.allowed}",
        setting=setting.name,
        origin=given.origin,
        allowed=setting.kind.allowed,
        hint=hint or f"the default is {setting.default or 'none'}",
    )


def _check_together(settings: Settings, given: Mapping[str, Given]) -> None:
    """What single values cannot tell. Raises `InvalidSetting`."""
    for one, other in (("tls-cert", "tls-key"), ("root-user", "root-password")):
        for present, absent in ((one, other), (other, one)):
            if present in given and absent not in given:
                raise InvalidSetting(
                    f"{given[present].origin}: {present} is set, but {absent} is not",
                    setting=absent,
                    origin=given[present].origin,
                    hint=f"set {_ways(BY_NAME[absent])} too, or neither",
                )
    if settings.address == settings.admin_address and settings.address.port:
        origin = given.get("admin-address", given.get("address", Given("", "the default"))).origin
        raise InvalidSetting(
            f"{origin}: S3 and the admin API cannot both listen on {settings.address}",
            setting="admin-address",
            origin=origin,
            hint="give --admin-address another port",
        )
    if settings.website_address in (settings.address, settings.admin_address) and settings.website_address.port:
        raise InvalidSetting(
            f"{given['website-address'].origin}: something else listens on {settings.website_address}",
            setting="website-address",
            origin=given["website-address"].origin,
            hint="give --website-address another port",
        )
    both = set(settings.domains) & set(settings.website_domains)
    if both:
        raise InvalidSetting(
            f"{given['website-domain'].origin}: {min(both)} is a domain of the API",
            setting="website-domain",
            origin=given["website-domain"].origin,
            hint="give websites a domain of their own",
        )


def _ways(setting: Setting) -> str:
    """The ways to give a setting, for hints."""
    return " or ".join(filter(None, (setting.flag, setting.variable)))


def misspelt(environment: Iterable[str]) -> list[tuple[str, str]]:
    """Variables that are surely meant for us and are none of ours, each with the one that was probably meant.

    Only near misses: orchestrators put variables such as ``ZAKROM_PORT_9000_TCP`` beside ours, and they are no one's fault.
    """
    known = {setting.variable for setting in TABLE}
    strangers = [name for name in environment if name.startswith(ENVIRONMENT_PREFIX) and name not in known]
    return [(name, near) for name in sorted(strangers) if (near := _nearest(name, known))]


def _nearest(word: str, words: Iterable[str]) -> str | None:
    found = difflib.get_close_matches(word, list(words), n=1, cutoff=0.85)
    return found[0] if found else None

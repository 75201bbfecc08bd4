"""Where the keys come from, for who has not been given any: the same places, in the same order, as for every S3 client.

Source: AWS SDKs and Tools Reference Guide, "Standardized credential providers", "Shared config and credentials files". What
needs other services (SSO, roles, metadata, credential_process) is not looked at: a Zakrom's keys are plain pairs.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zakrom import errors

FILE_BYTES_MAX = 1024 * 1024
"""Of a credentials file: a thousand profiles have some 150 KB; more is the wrong file."""

_HINT = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_ID, _SECRET, _REGION = "aws_access_key_id", "aws_secret_access_key", "region"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A key pair, the region of its profile (None: not said), and where it was found."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str | None
    source: str


def find_credentials(environment: Mapping[str, str], *, profile: str | None = None) -> Credentials:
    """The first key pair of: the named profile, ``AWS_*`` variables, ``AWS_PROFILE`` or the default profile, ``ZAKROM_ROOT_*``.

    A profile that is named wins over the variables, and must exist. The files are ``~/.aws/credentials`` and ``~/.aws/config``,
    or where ``AWS_SHARED_CREDENTIALS_FILE`` and ``AWS_CONFIG_FILE`` say. Raises `InvalidSetting` without a whole pair.
    """
    found = next(_candidates(environment, profile), None)
    if found is None:
        raise errors.InvalidSetting("There is no access key to sign with.", hint=_HINT)
    return found


def _candidates(environment: Mapping[str, str], profile: str | None) -> Iterator[Credentials]:
    if profile:
        yield _of_named_profile(environment, profile)
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    yield from _of_variables(environment, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", region)
    chosen = environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE")
    if chosen:
        yield _of_named_profile(environment, chosen)
    yield from _of_profile(environment, "default")
    yield from _of_variables(environment, "ZAKROM_ROOT_USER", "ZAKROM_ROOT_PASSWORD", region)


def _of_variables(environment: Mapping[str, str], id_name: str, secret_name: str, region: str | None) -> Iterator[Credentials]:
    return _pair(environment.get(id_name), environment.get(secret_name), region, "the environment", (id_name, secret_name))


def _of_named_profile(environment: Mapping[str, str], profile: str) -> Credentials:
    found = next(_of_profile(environment, profile), None)
    if found is None:
        where = " or ".join(str(path) for path, _ in _files(environment, profile))
        raise errors.InvalidSetting(f"There are no keys of the profile {profile!r} in {where}.", profile=profile, hint=_HINT)
    return found


def _of_profile(environment: Mapping[str, str], profile: str) -> Iterator[Credentials]:
    """The pair of a profile; the credentials file is asked first, the region may stand in either."""
    sections = [(path, _read(path).get(section, {})) for path, section in _files(environment, profile)]
    named = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    region = named or next((found[_REGION] for _, found in sections if found.get(_REGION)), None)
    for path, section in sections:
        yield from _pair(section.get(_ID), section.get(_SECRET), region, f"profile {profile} in {path}", (_ID, _SECRET))


def _files(environment: Mapping[str, str], profile: str) -> list[tuple[Path, str]]:
    """The two files, and the name of the profile's section in each."""
    home = Path(environment["HOME"]) if environment.get("HOME") else Path.home()
    credentials = environment.get("AWS_SHARED_CREDENTIALS_FILE")
    config = environment.get("AWS_CONFIG_FILE")
    return [
        (_path(credentials, home) if credentials else home / ".aws" / "credentials", profile),
        (
            _path(config, home) if config else home / ".aws" / "config",
            profile if profile == "default" else f"profile {profile}",
        ),
    ]


def _path(text: str, home: Path) -> Path:
    """The path, with a leading ``~`` as the SDKs read it."""
    return home / text[2:] if text.startswith("~/") else Path(text)


def _read(path: Path) -> dict[str, Mapping[str, str]]:
    """The sections of a file; none if it is absent. Raises `InvalidSetting` if it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        parser = configparser.RawConfigParser(default_section="\0")  # [DEFAULT] is no word of AWS's
        parser.read_string(data.decode("utf-8")) if len(data) <= FILE_BYTES_MAX else parser.read_string("too large")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        why = error.strerror if isinstance(error, OSError) else "this is no file of profiles"
        raise errors.InvalidSetting(f"{path}: {why}", file=str(path), hint=_HINT) from None
    return {_section(name): parser[name] for name in parser.sections()}


def _section(name: str) -> str:
    """``profile "my name"`` as ``profile my name``."""
    kind, _, rest = name.partition(" ")
    return f"{kind} {rest.strip().strip(chr(34))}" if rest else name


def _pair(
    access_key: str | None, secret_key: str | None, region: str | None, source: str, names: tuple[str, str]
) -> Iterator[Credentials]:
    """The pair, if it is there. Raises `InvalidSetting` for half of one: to sign with a mixture would only confuse."""
    if access_key and secret_key:
        yield Credentials(access_key=access_key, secret_key=secret_key, region=region, source=source)
    elif access_key or secret_key:
        missing = names[1] if access_key else names[0]
        raise errors.InvalidSetting(f"Half a key pair in {source}: {missing} is missing.", hint=f"set {missing} too")

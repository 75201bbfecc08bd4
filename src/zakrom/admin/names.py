"""Names and keys that an operator chooses: bad ones are refused here, before the catalog sees them.

The rules of a key pair are those of the settings ``root-user`` and ``root-password``, so that every key can be every other.
"""

from __future__ import annotations

import re
from base64 import b32encode, b64encode
from collections.abc import Callable

from zakrom import errors, settings

ROOT = "root"
"""The user whose key comes from the settings; it is neither added, disabled nor removed here."""

USER_NAME_MAX = 64  # IAM: 64 characters of these
DISPLAY_NAME_MAX = 128  # stands in every listing with owners; some 100 bytes are room for any person's name
EMAIL_MAX = 254  # RFC 5321, 4.5.3.1.3: a path has 256 octets with its brackets

_USER = re.compile(rf"[A-Za-z0-9_+=,.@-]{{1,{USER_NAME_MAX}}}", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")

Random = Callable[[int], bytes]
"""So many random bytes, unpredictable: `secrets.token_bytes`."""


def check_user_name(name: str) -> str:
    """The name itself, if IAM would let a user be called so. Raises `InvalidArgument`. Rule: "IAM and AWS STS quotas"."""
    if not _USER.fullmatch(name) or name in {".", ".."}:
        raise _invalid("name", f"a user name has 1 to {USER_NAME_MAX} letters, digits and +=,.@_-")
    return name


def check_display_name(text: str) -> str:
    """The text itself, if it is one short line of XML-safe characters. Raises `InvalidArgument`."""
    if not text.strip() or len(text) > DISPLAY_NAME_MAX or not text.isprintable():
        raise _invalid("display_name", f"a display name has 1 to {DISPLAY_NAME_MAX} printable characters")
    return text


def check_email(text: str) -> str:
    """The text itself, if it can be an address; empty means none. Raises `InvalidArgument`."""
    if text and (len(text) > EMAIL_MAX or not text.isprintable() or not _EMAIL.fullmatch(text)):
        raise _invalid("email", "this is not an e-mail address")
    return text


def key_pair(access_key: str | None, secret_key: str | None, random: Random) -> tuple[str, str]:
    """The pair that was given, or a new one if none was. Raises `InvalidArgument` for half a pair and for a bad one."""
    if (access_key is None) != (secret_key is None):
        missing = "access_key" if access_key is None else "secret_key"
        raise _invalid(missing, "give both the access key and the secret key, or neither")
    if access_key is None or secret_key is None:
        return new_access_key(random), new_secret_key(random)
    for name, kind, text in (("access_key", settings.USER, access_key), ("secret_key", settings.PASSWORD, secret_key)):
        if not _allows(kind, text):
            raise _invalid(name, f"allowed: {kind.allowed}")
    return access_key, secret_key


def new_access_key(random: Random) -> str:
    """20 capital letters and digits, as AWS's, of which 18 are random (90 bits)."""
    return "ZK" + b32encode(random(12)).decode("ascii")[:18]


def new_secret_key(random: Random) -> str:
    """40 letters and digits (237 bits): nothing that a shell, a URL or an INI file would misread."""
    return b64encode(random(30), b"Zz").decode("ascii")  # the two signs of Base64 become letters, which come twice as often


def new_canonical_id(random: Random) -> str:
    """64 hexadecimal digits, as AWS's."""
    return random(32).hex()


def _allows(kind: settings.Kind[str], text: str) -> bool:
    try:
        kind.parse(text)
    except ValueError:
        return False
    return bool(text)


def _invalid(argument: str, message: str) -> errors.InvalidArgument:
    return errors.InvalidArgument(f"{argument}: {message}", argument_name=argument)

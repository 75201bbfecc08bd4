"""Policy documents: from JSON to frozen values, read strictly, once.

Three kinds are read: a bucket's policy (who may do what here), an identity's (what its bearer may do) and a role's trust policy
(who may take it on). Source: IAM User Guide, "Grammar of the IAM JSON policy language"; messages as S3 words them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from zakrom.errors import MalformedPolicy
from zakrom.rules.policy.actions import EXISTING_TAGS
from zakrom.rules.policy.operators import Clause
from zakrom.rules.policy.patterns import Pattern

VERSIONS = ("2012-10-17", "2008-10-17")
WITH_VARIABLES = VERSIONS[0]
"""Variables are plain text in the older version."""

DEPTH_MAX = 16
"""Of nested braces and brackets; a policy has 5."""

REMEMBERED_MAX = 2048
"""Parsed policies, some 10 KiB each at worst."""

_ROOT = re.compile(r"arn:aws:iam::([^:]+):root")
_ACCOUNT = re.compile(r"\d{12}")
_PRINCIPAL = re.compile(
    r"arn:aws:(iam|sts)::[A-Za-z0-9_-]{1,64}:"  # AWS: 12 digits; other servers have names, and what matches nobody harms nobody
    r"(root|(user|role|federated-user)/[\w+=,.@/-]{1,576}|assumed-role/[\w+=,.@-]{1,64}/[\w+=,.@-]{2,64})"
)
_CANONICAL = re.compile(r"[0-9a-f]{64}")
_ROLE_PATH = re.compile(r"(:role)/.*/")


class Kind(Enum):
    """What a document is for."""

    BUCKET = "bucket"
    IDENTITY = "identity"
    TRUST = "trust"


class Principals(NamedTuple):
    """Whom a statement names. ARNs as `canonical_arn` writes them."""

    everyone: bool
    arns: frozenset[str]
    canonical_ids: frozenset[str]
    services: frozenset[str]
    federated: frozenset[str]


class Statement:
    """One statement. ``not_`` fields: the statement is about all but what is named.

    ``prefixes``: with one of them begins every resource that it is about; ``prefixes_settle``: and what begins so is.
    """

    __slots__ = (
        "actions", "clauses", "deny", "index", "keys", "not_actions", "not_principals", "not_resources", "prefixes",
        "prefixes_settle", "principals", "resources", "sid",
    )  # fmt: skip

    def __init__(
        self,
        index: int,
        sid: str | None,
        principals: Principals | None,
        actions: tuple[Pattern, ...],
        resources: tuple[Pattern, ...],
        clauses: tuple[Clause, ...],
        *,
        deny: bool,
        not_principals: bool,
        not_actions: bool,
        not_resources: bool,
    ) -> None:
        self.index, self.sid, self.deny = index, sid, deny
        self.principals, self.not_principals = principals, not_principals
        self.actions, self.not_actions = actions, not_actions
        self.resources, self.not_resources = resources, not_resources
        self.prefixes = ("",) if not_resources else tuple(pattern.prefix for pattern in resources)
        self.prefixes_settle = not not_resources and all(pattern.is_prefix for pattern in resources)
        self.clauses = clauses
        self.keys = frozenset(clause.key for clause in clauses)

    def is_about(self, action: str) -> bool:
        """Whether it is about an action; letters' case does not count."""
        folded = action.lower()
        return any(pattern.matches(folded, _nothing) for pattern in self.actions) != self.not_actions


class Policy:
    """A whole document, equal to itself only: `parse` remembers it, and others remember what they found in it.

    ``wants_tags``: whether it may ask for tags that an object has.
    """

    __slots__ = ("statements", "version", "wants_tags")

    def __init__(self, version: str, statements: tuple[Statement, ...], *, wants_tags: bool) -> None:
        self.version, self.statements, self.wants_tags = version, statements, wants_tags


def _nothing(_key: str) -> None:
    return None


@lru_cache(REMEMBERED_MAX)
def parse(body: bytes, kind: Kind) -> Policy:
    """The document. Raises `MalformedPolicy`."""
    top = _json(body)
    _check_fields(top, ("Version", "Id", "Statement"))
    version = top.get("Version", VERSIONS[1])
    if version not in VERSIONS:
        raise MalformedPolicy("The policy must contain a valid version string")
    if "Statement" not in top:
        raise MalformedPolicy("Missing required field Statement")
    found = top["Statement"]
    listed = found if isinstance(found, list) else [found]
    if not listed:
        raise MalformedPolicy("Could not parse the policy: Statement is empty!")
    reader = _Reader(kind, variables=version == WITH_VARIABLES)
    statements = tuple(reader.statement(index, one) for index, one in enumerate(listed))
    sids = [one.sid for one in statements if one.sid]
    if len(set(sids)) < len(sids):
        raise MalformedPolicy("Statement IDs (SID) in a single policy must be unique.")
    return Policy(version, statements, wants_tags=EXISTING_TAGS in json.dumps(top).lower())


def canonical_arn(principal: str) -> str:
    """A principal's ARN in the form that is compared: an account by its root, a role without its path (names are unique)."""
    if _ACCOUNT.fullmatch(principal):
        return f"arn:aws:iam::{principal}:root"
    return _ROLE_PATH.sub(r"\1/", principal)


def _json(body: bytes) -> dict[str, Any]:
    if not body.startswith(b"{"):
        raise MalformedPolicy("Policies must be valid JSON and the first byte must be '{'")
    try:
        _check_depth(body)
        top = json.loads(body.decode(), object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=_refuse)
        json.dumps(top, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except ValueError:
        raise MalformedPolicy("This policy contains invalid Json") from None
    assert isinstance(top, dict)
    return top


def _check_depth(body: bytes) -> None:
    """Raises `ValueError` for what would take the parser too deep."""
    depth = 0
    for byte in re.findall(rb"[\[\]{}]", re.sub(rb'"(?:[^"\\]|\\.)*"', b"", body)):
        depth += 1 if byte in b"[{" else -1
        if depth > DEPTH_MAX:
            raise ValueError("too deep")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are there once: which of two statements counts must not depend on who reads."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("duplicate keys")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _check_fields(found: Any, known: Collection[str]) -> None:  # noqa: ANN401 - JSON
    if not isinstance(found, dict):
        raise MalformedPolicy("Invalid policy syntax.")
    for name in found:
        if name not in known:
            raise MalformedPolicy(f"Unknown field {name}")


_FIELDS = {
    Kind.BUCKET: ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"),
    Kind.IDENTITY: ("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"),
    Kind.TRUST: ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Condition"),
}
"""What a statement of each kind may have."""


class _Reader:
    """Reads the statements of one document."""

    def __init__(self, kind: Kind, *, variables: bool) -> None:
        self._kind = kind
        self._variables = variables

    def statement(self, index: int, found: Any) -> Statement:  # noqa: ANN401 - JSON
        known = _FIELDS[self._kind]
        _check_fields(found, known)
        if found.get("Effect") not in ("Allow", "Deny"):
            raise MalformedPolicy(
                f"Invalid effect: {found['Effect']}" if "Effect" in found else "Missing required field Effect"
            )
        deny = found["Effect"] == "Deny"
        sid = found.get("Sid")
        if sid is not None and not isinstance(sid, str):
            raise MalformedPolicy("Invalid policy syntax.")
        who, not_principals = _either(found, "Principal") if "Principal" in known else (None, False)
        if not_principals and not deny:
            raise MalformedPolicy("Allow with NotPrincipal is not allowed.")
        actions, not_actions = _either(found, "Action")
        resources, not_resources = _either(found, "Resource") if "Resource" in known else ("*", False)
        return Statement(
            index,
            sid,
            None if who is None else _principals(who),
            self._patterns([one.lower() for one in _texts(actions, _INVALID_ACTION)], _INVALID_ACTION, variables=False),
            self._patterns(_texts(resources, _INVALID_RESOURCE), _INVALID_RESOURCE, variables=self._variables),
            self._clauses(found.get("Condition", {})),
            deny=deny,
            not_principals=not_principals,
            not_actions=not_actions,
            not_resources=not_resources,
        )

    def _patterns(self, texts: list[str], complaint: str, *, variables: bool) -> tuple[Pattern, ...]:
        try:
            return tuple(Pattern(text, variables=variables) for text in texts)
        except ValueError:
            raise MalformedPolicy(complaint) from None

    def _clauses(self, found: Any) -> tuple[Clause, ...]:  # noqa: ANN401 - JSON
        if not isinstance(found, dict):
            raise MalformedPolicy("Invalid policy syntax.")
        return tuple(self._clause(operator, key, values) for operator, keys in found.items() for key, values in _items(keys))

    def _clause(self, operator: str, key: str, values: Any) -> Clause:  # noqa: ANN401 - JSON
        texts = ["true" if one is True else "false" if one is False else one for one in _listed(values)]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise MalformedPolicy("Invalid policy syntax.")
        try:
            return Clause(operator, key, tuple(texts), variables=self._variables)
        except KeyError:
            raise MalformedPolicy(f"Invalid Condition type : {operator}") from None
        except ValueError:
            raise MalformedPolicy(f"Invalid condition value for {key}") from None


_INVALID_ACTION = "Policy has invalid action"
_INVALID_RESOURCE = "Policy has invalid resource"


def _either(found: dict[str, Any], name: str) -> tuple[Any, bool]:
    """What stands under a name, or under its opposite. Raises `MalformedPolicy` unless it is exactly one of them."""
    inverse = f"Not{name}"
    if name in found and inverse in found:
        raise MalformedPolicy("Invalid policy syntax.")
    if name not in found and inverse not in found:
        raise MalformedPolicy(f"Missing required field {name}")
    return (found[name], False) if name in found else (found[inverse], True)


def _listed(found: Any) -> list[Any]:  # noqa: ANN401 - JSON
    return found if isinstance(found, list) else [found]


def _texts(found: Any, complaint: str) -> list[str]:  # noqa: ANN401 - JSON
    texts = _listed(found)
    if not texts or not all(isinstance(one, str) and one for one in texts):
        raise MalformedPolicy(complaint)
    return texts


def _items(found: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - JSON
    if not isinstance(found, dict):
        raise MalformedPolicy("Invalid policy syntax.")
    return list(found.items())


# -------------------------------------------------------------------------------------------------------------- principals

_INVALID_PRINCIPAL = "Invalid principal in policy"
_NOBODY: frozenset[str] = frozenset()
_EVERYONE = Principals(True, _NOBODY, _NOBODY, _NOBODY, _NOBODY)
_KINDS = {"AWS": "arns", "CanonicalUser": "canonical_ids", "Service": "services", "Federated": "federated"}


def _principals(found: Any) -> Principals:  # noqa: ANN401 - JSON
    if found == "*":
        return _EVERYONE
    if not isinstance(found, dict) or not found:
        raise MalformedPolicy(_INVALID_PRINCIPAL)
    named: dict[str, frozenset[str]] = {}
    everyone = False
    for kind, values in found.items():
        if kind not in _KINDS:
            raise MalformedPolicy(_INVALID_PRINCIPAL)
        texts = set(_texts(values, _INVALID_PRINCIPAL))
        if "*" in texts and kind in {"AWS", "CanonicalUser"}:
            everyone = True
            texts.discard("*")
        named[_KINDS[kind]] = frozenset(_principal(kind, text) for text in texts)
    return _EVERYONE._replace(everyone=everyone, **named)


def _principal(kind: str, text: str) -> str:
    if (
        (kind == "AWS" and not (_ACCOUNT.fullmatch(text) or _PRINCIPAL.fullmatch(text)))
        or (kind == "CanonicalUser" and not _CANONICAL.fullmatch(text))
        or "*" in text
    ):
        raise MalformedPolicy(_INVALID_PRINCIPAL, detail=text)
    return canonical_arn(text) if kind == "AWS" else text

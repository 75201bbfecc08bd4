"""What an action is, what it is given, and what it gives back.

An action of IAM decides on an `Ask` (the account as it is now, and the form) and returns a `Done`: the answer, and what is to
be written. It knows no clock and writes nothing; the door applies what it decided, on the very revision it was decided on.
"""

from __future__ import annotations

import re
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from zakrom import errors
from zakrom.catalog.interface import Catalog
from zakrom.iam.oidc import Verifier
from zakrom.identity.sessions import Random, Sealer, Session
from zakrom.model.caller import Caller
from zakrom.model.facts import AccessKey
from zakrom.model.iam import AnyEntity, Entity, Realm, Tags
from zakrom.wire.dates import iso8601_seconds
from zakrom.wire.query import Form

ITEMS_DEFAULT, ITEMS_MAX = 100, 1_000  # IAM API Reference, MaxItems
TAGS_MAX, TAG_KEY_MAX, TAG_VALUE_MAX = 50, 128, 256  # IAM User Guide, "Rules for tagging in IAM and AWS STS"
PATH_MAX = 512  # CreateUser, Path
NAME_MAX = {"UserName": 64, "RoleName": 64, "GroupName": 128, "PolicyName": 128}  # "IAM name requirements"

_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]+", re.ASCII)
_PATH = re.compile(r"/|/[\x21-\x7e]+/", re.ASCII)
_TAG = re.compile(r"[\w\s.:/=+@-]*")

E = TypeVar("E", bound=Entity)
T = TypeVar("T")


class Done(NamedTuple):
    """What an action decided: its answer, entities and keys to be written, ids and keys to be removed."""

    result: Mapping[str, Any] | None = None
    put: tuple[AnyEntity, ...] = ()
    gone: tuple[str, ...] = ()
    keys: tuple[AccessKey, ...] = ()
    keys_gone: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything is to be written."""
        return bool(self.put or self.gone or self.keys or self.keys_gone)


class Tools(NamedTuple):
    """What a door has for its actions."""

    catalog: Catalog
    sealer: Sealer
    verifier: Verifier
    random: Random


class Ask:
    """One call in hand. ``facts``: what is known of the request, as condition keys in lower case."""

    def __init__(
        self,
        tools: Tools,
        realm: Realm,
        caller: Caller,
        session: Session | None,
        form: Form,
        now_ms: int,
        facts: Mapping[str, tuple[str, ...]],
    ) -> None:
        self.tools = tools
        self.realm = realm
        self.caller = caller
        self.session = session
        self.form = form
        self.now_ms = now_ms
        self.facts = facts

    # ------------------------------------------------------------------------------------------------- parameters

    def text(self, name: str, maximum: int = 1_000) -> str | None:
        """A parameter, at most so long. Raises `ValidationError`."""
        value = self.form.get(name)
        if value is not None and len(value) > maximum:
            raise invalid(name, f"Member must have length less than or equal to {maximum}", value)
        return value

    def need(self, name: str, maximum: int = 1_000) -> str:
        """A parameter that must be there. Raises `ValidationError`."""
        value = self.text(name, maximum)
        if value is None:
            raise invalid(name, "Member must not be null")
        return value

    def name(self, parameter: str, *, kind: str | None = None) -> str:
        """A name that must be there and be one. ``kind``: the parameter whose rules it follows, if another."""
        value = self.need(parameter, NAME_MAX[kind or parameter])
        if not _NAME.fullmatch(value):
            raise invalid(parameter, r"Member must satisfy regular expression pattern: [\w+=,.@-]+", value)
        return value

    def path(self, parameter: str = "Path") -> str:
        """A path; ``/`` if there is none."""
        value = self.text(parameter, PATH_MAX) or "/"
        if not _PATH.fullmatch(value):
            raise invalid(
                parameter, "The specified value is invalid. It must begin and end with / and contain only ASCII.", value
            )
        return value

    def number(self, name: str, default: int, minimum: int, maximum: int) -> int:
        """A parameter that is a number within bounds. Raises `ValidationError`."""
        text = self.text(name)
        if text is None:
            return default
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not minimum <= int(text) <= maximum:
            raise invalid(name, f"Member must be a value between {minimum} and {maximum}", text)
        return int(text)

    def truth(self, name: str, *, default: bool = False) -> bool:
        """A parameter that is ``true`` or ``false``."""
        text = self.text(name)
        return default if text is None else text.lower() == "true"

    def tags(self) -> Tags:
        """The tags sent along. Raises `InvalidInput`."""
        return check_tags(tuple((one.get("Key", ""), one.get("Value", "")) for one in self.form.structs("Tags")))

    # --------------------------------------------------------------------------------------------------- entities

    def find(self, kind: type[E], name: str) -> E:
        """The entity of that name. Raises `NoSuchEntity`."""
        found = self.realm.named(kind, name)
        if found is None:
            word = {"IamUser": "user", "Policy": "policy"}.get(kind.__name__, kind.__name__.lower())
            raise errors.NoSuchEntity(f"The {word} with name {name} cannot be found.")
        return found

    def check_free(self, kind: type[Entity], name: str, limit: int) -> None:
        """Raises `EntityAlreadyExists` if the name is taken, `LimitExceeded` if there are so many already."""
        taken = self.realm.named(kind, name)
        if taken is not None:
            word = kind.__name__.removeprefix("Iam")
            raise errors.EntityAlreadyExists(f"{word} with name {taken.name} already exists.")
        if sum(type(one) is kind for one in self.realm.by_id.values()) >= limit:
            raise errors.LimitExceeded(f"Cannot exceed quota for {kind.__name__.removeprefix('Iam')}s: {limit}")

    def new_id(self, prefix: str) -> str:
        """A unique id as AWS's: four letters that tell the kind, and 85 random bits."""
        return prefix + b32encode(self.tools.random(11)).decode("ascii")[:17]

    # ------------------------------------------------------------------------------------------------------ pages

    def page(self, name: str, items: Sequence[T], key: Callable[[T], str], show: Callable[[T], Any]) -> dict[str, Any]:
        """A page of items that are sorted by ``key``: those behind ``Marker``, at most ``MaxItems``."""
        limit = self.number("MaxItems", ITEMS_DEFAULT, 1, ITEMS_MAX)
        after = _unmark(self.text("Marker", 4096))
        rest = [one for one in items if after is None or key(one).lower() > after]
        more = len(rest) > limit
        marker = urlsafe_b64encode(key(rest[limit - 1]).lower().encode()).decode() if more else None
        return {name: [show(one) for one in rest[:limit]], "IsTruncated": more, "Marker": marker}

    def below(self, kind: type[E]) -> list[E]:
        """All of a kind below ``PathPrefix``."""
        prefix = self.text("PathPrefix", PATH_MAX) or "/"
        return [one for one in self.realm.all(kind) if one.path.startswith(prefix)]


def _unmark(marker: str | None) -> str | None:
    if marker is None:
        return None
    try:
        return urlsafe_b64decode(marker).decode()
    except ValueError:
        raise errors.ValidationError("Invalid Marker.") from None


def invalid(name: str, constraint: str, value: str | None = None) -> errors.ValidationError:
    """The error for a parameter, in AWS's words."""
    said = "null" if value is None else f"'{value[:256]}'"
    member = name[:1].lower() + name[1:]
    return errors.ValidationError(
        f"1 validation error detected: Value {said} at '{member}' failed to satisfy constraint: {constraint}"
    )


def check_tags(tags: Tags, already: Tags = ()) -> Tags:
    """The tags themselves, if an entity that has some already may have them too. Raises `InvalidInput`, `LimitExceeded`."""
    keys = [key.lower() for key, _ in tags]
    if len(set(keys)) < len(keys):
        raise errors.InvalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    for key, value in tags:
        if not 1 <= len(key) <= TAG_KEY_MAX or not _TAG.fullmatch(key):
            raise invalid("tags.member.key", f"Member must be 1 to {TAG_KEY_MAX} letters, digits, spaces and _.:/=+-@", key)
        if len(value) > TAG_VALUE_MAX or not _TAG.fullmatch(value):
            raise invalid("tags.member.value", f"Member must be up to {TAG_VALUE_MAX} such characters", value)
        if key.lower().startswith("aws:"):
            raise errors.InvalidInput("Tag keys must not begin with aws:.")
    if len({*keys, *(key.lower() for key, _ in already)}) > TAGS_MAX:
        raise errors.LimitExceeded(f"The number of tags has reached the maximum limit: {TAGS_MAX}")
    return tags


def tags_xml(tags: Tags) -> list[dict[str, str]]:
    """Tags as answers show them."""
    return [{"Key": key, "Value": value} for key, value in tags]


def moment(ms: int) -> str:
    """A time as answers show it."""
    return iso8601_seconds(ms)


# ------------------------------------------------------------------------------------------------------------------ the table

Run = Callable[[Ask], Done | Awaitable[Done]]
Resource = Callable[[Ask], str]


class Action(NamedTuple):
    """``open``: it authorises by itself. ``resource``: the ARN that policies allow it on."""

    name: str
    service: str
    run: Run
    resource: Resource
    open: bool


ACTIONS: dict[tuple[str, str], Action] = {}
"""By service and name."""


def anything(_ask: Ask) -> str:
    """For actions that are about no entity."""
    return "*"


def action(name: str, on: Resource = anything, *, service: str = "iam", open: bool = False) -> Callable[[Run], Run]:
    """Declares the function below it as an action."""

    def declare(run: Run) -> Run:
        declare_action(name, run, on, service=service, open=open)
        return run

    return declare


def declare_action(name: str, run: Run, on: Resource, *, service: str = "iam", open: bool = False) -> None:
    """The same for a function made by another."""
    if (service, name) in ACTIONS:
        raise ValueError(f"action {name} is declared twice")
    ACTIONS[service, name] = Action(name, service, run, on, open)


def on_entity(kind: type[Entity], parameter: str, *, own: bool = False) -> Resource:
    """The ARN of the entity that a parameter names, which need not exist. ``own``: without the parameter it is the caller."""
    word = {"IamUser": "user", "OpenIdProvider": "oidc-provider"}.get(kind.__name__, kind.__name__.lower())

    def resource(ask: Ask) -> str:
        name = ask.form.get(parameter)
        if name is None:
            return ask.caller.principal_arn if own else f"arn:aws:iam::{ask.realm.number}:{word}/"
        found = ask.realm.named(kind, name)
        path = (ask.form.get("Path") or "/") if found is None else found.path
        return f"arn:aws:iam::{ask.realm.number}:{word}{path}{name if found is None else found.name}"

    return resource


def on_arn(parameter: str) -> Resource:
    """The ARN that a parameter is."""
    return lambda ask: ask.form.get(parameter) or "*"


def all_of(word: str) -> Resource:
    """All entities of a kind in the account, for lists of them."""
    return lambda ask: f"arn:aws:iam::{ask.realm.number}:{word}/"


def first(items: Iterable[T]) -> T | None:
    """The first, if there is one."""
    return next(iter(items), None)

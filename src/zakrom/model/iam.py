"""What an account knows about identities: IAM users, groups, roles, managed policies, OpenID Connect providers.

An `Entity` is a frozen value with a unique id that outlives renaming. A `Realm` is all of one account at one moment: small
enough (quotas of IAM: thousands) to be held whole, so that whatever is asked or decided is a plain look at it. Source: IAM User
Guide, "IAM identifiers", "IAM and AWS STS quotas".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from zakrom.model import managed
from zakrom.model.facts import AccessKey, Fact, User
from zakrom.model.names import account_number

Tags = tuple[tuple[str, str], ...]


class Entity(Fact, tag=True, frozen=True):
    """Base: what all have. ``name`` as its creator wrote it; it is found whatever the case."""

    id: str
    name: str
    path: str
    created_ms: int


class Holder(Entity, frozen=True):
    """Base of what holds policies. ``inline``: documents by name; ``attached``: ARNs; ``boundary``: an ARN."""

    tags: Tags = ()
    inline: dict[str, str] = msgspec.field(default_factory=dict)
    attached: tuple[str, ...] = ()
    boundary: str | None = None


class IamUser(Holder, frozen=True):
    """A person or a program. ``groups``: ids."""

    groups: tuple[str, ...] = ()


class Group(Holder, frozen=True):
    """Users that share policies; it has neither tags nor a boundary."""


class Role(Holder, frozen=True):
    """What others may become for a while. ``trust``: the document that says who."""

    trust: str = ""
    description: str = ""
    session_seconds_max: int = 3600


class PolicyVersion(Fact, frozen=True):
    """A document of a managed policy. Its id is ``v`` and the number."""

    number: int
    document: str
    created_ms: int


class Policy(Entity, frozen=True):
    """A managed policy of the account. ``default``: the number of the version in force; ``last``: the greatest ever given."""

    description: str
    updated_ms: int
    versions: tuple[PolicyVersion, ...]
    default: int
    last: int
    tags: Tags = ()

    @property
    def document(self) -> str:
        """What is in force."""
        return next(one.document for one in self.versions if one.number == self.default)


class Provider(Entity, frozen=True):
    """An OpenID Connect provider that the account trusts. The name is its URL without the scheme; ``url`` is whole."""

    url: str
    clients: tuple[str, ...] = ()
    thumbprints: tuple[str, ...] = ()
    tags: Tags = ()


AnyEntity = IamUser | Group | Role | Policy | Provider

E = TypeVar("E", bound=Entity)

_WORDS: dict[type[Entity], str] = {IamUser: "user", Group: "group", Role: "role", Policy: "policy", Provider: "oidc-provider"}


class Realm:
    """One account at one moment. ``revision`` grows with every change: what a decision was made on."""

    def __init__(
        self,
        account: User,
        revision: int,
        entities: Iterable[AnyEntity],
        keys: Iterable[AccessKey],
        users: Iterable[User] = (),
    ) -> None:
        """``users``: the account's IAM users as facts, disabled or not."""
        self.account = account
        self.users = {user.name: user for user in users}
        self.revision = revision
        self.number = account_number(account.canonical_id)
        self.by_id: dict[str, AnyEntity] = {one.id: one for one in entities}
        self._by_name: dict[tuple[type[Entity], str], Entity] = {
            (type(one), one.name.lower()): one for one in self.by_id.values()
        }
        self._keys: dict[str, list[AccessKey]] = {}
        for key in keys:
            self._keys.setdefault(key.user, []).append(key)
        self._documents: dict[str, tuple[bytes, ...]] = {}

    # ------------------------------------------------------------------------------------------------------ names

    def named(self, kind: type[E], name: str) -> E | None:
        """The entity of that kind and name, whatever the case."""
        return self._by_name.get((kind, name.lower()))  # type: ignore[return-value] # the key says the kind of the value

    def all(self, kind: type[E]) -> list[E]:
        """All of a kind, by name."""
        return sorted((one for one in self.by_id.values() if type(one) is kind), key=lambda one: one.name.lower())

    def arn(self, entity: Entity) -> str:
        """The Amazon Resource Name."""
        return f"arn:aws:iam::{self.number}:{_WORDS[type(entity)]}{entity.path}{entity.name}"

    @property
    def root_arn(self) -> str:
        """The account's root user, and the account as a principal."""
        return f"arn:aws:iam::{self.number}:root"

    def by_arn(self, kind: type[E], arn: str) -> E | None:
        """The entity of that kind and ARN."""
        name = arn.partition(":oidc-provider/")[2] if kind is Provider else arn.rpartition("/")[2]
        found = self.named(kind, name)
        return found if found is not None and self.arn(found).lower() == arn.lower() else None

    def keys(self, user: str) -> list[AccessKey]:
        """The access keys of a user, by `facts.User.name`."""
        return self._keys.get(user, [])

    def all_keys(self) -> Iterable[AccessKey]:
        """The access keys of the account and its users."""
        return (key for some in self._keys.values() for key in some)

    # --------------------------------------------------------------------------------------------------- policies

    def document(self, arn: str) -> str | None:
        """What a managed policy of the account, or of AWS, says now."""
        builtin = managed.POLICIES.get(arn)
        if builtin is not None:
            return builtin.document
        found = self.by_arn(Policy, arn)
        return None if found is None else found.document

    def documents(self, holder: Holder) -> tuple[bytes, ...]:
        """All identity policies of a user (those of its groups too), a group or a role. Remembered."""
        known = self._documents.get(holder.id)
        if known is None:
            known = self._documents[holder.id] = tuple(self._gathered(holder))
        return known

    def boundary(self, holder: Holder) -> bytes | None:
        """The permissions boundary's document. One that is gone allows nothing."""
        if holder.boundary is None:
            return None
        return (self.document(holder.boundary) or managed.NOTHING).encode()

    def _gathered(self, holder: Holder) -> Iterable[bytes]:
        groups = [self.by_id.get(id) for id in holder.groups] if isinstance(holder, IamUser) else []
        for one in (holder, *groups):
            if isinstance(one, Holder):
                yield from (text.encode() for text in one.inline.values())
                yield from (text.encode() for arn in one.attached if (text := self.document(arn)) is not None)

    def holders_of(self, arn: str) -> list[Holder]:
        """Whoever has a managed policy attached."""
        return [one for one in self.by_id.values() if isinstance(one, Holder) and arn in one.attached]

    def bounded_by(self, arn: str) -> list[Holder]:
        """Whoever has a managed policy as boundary."""
        return [one for one in self.by_id.values() if isinstance(one, Holder) and one.boundary == arn]


def tags_after(tags: Tags, put: Iterable[tuple[str, str]], gone: Iterable[str] = ()) -> Tags:
    """Tags with some added or replaced (keys whatever the case), others taken away."""
    left: Mapping[str, tuple[str, str]] = {key.lower(): (key, value) for key, value in (*tags, *put)}
    doomed = {key.lower() for key in gone}
    return tuple(pair for key, pair in left.items() if key not in doomed)

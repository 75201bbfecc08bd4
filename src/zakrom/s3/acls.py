"""What operations share about ACLs and ownership: which ACL a request asks for, and who owns what it writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from zakrom import errors
from zakrom.model.acl import ENFORCED, OWNERSHIP_KIND, Acl, Grant, ownership_of, public_access_of
from zakrom.rules import acl as rules
from zakrom.s3.call import Call
from zakrom.wire import acl as wire
from zakrom.wire.acl import GRANT_HEADERS, IN_HEADERS, Names

_CANNED = "x-amz-acl"
_HEADERS = frozenset((_CANNED, *GRANT_HEADERS))


class Asked(NamedTuple):
    """An ACL that a request asks for. ``canned``: its name, if it has one."""

    acl: Acl
    canned: str | None


def owner_of_write(call: Call) -> str:
    """The canonical id of who owns what this call writes into its bucket."""
    bucket, documents = call.bucket, call.documents
    if OWNERSHIP_KIND not in documents:
        return bucket.owner
    return rules.owner_of_new(ownership_of(documents), bucket.owner, call.caller.canonical_id, call.header(_CANNED))


def enforced(call: Call) -> bool:
    """Whether ACLs are disabled in the call's bucket."""
    return ownership_of(call.documents) == ENFORCED


def is_asked(call: Call) -> bool:
    """Whether any header asks for an ACL."""
    return not _HEADERS.isdisjoint(call.request.texts)


async def in_headers(call: Call, owner: str, bucket_owner: str) -> Asked | None:
    """The ACL that the headers ask for, for what ``owner`` owns; None if they ask for none.

    Raises `InvalidRequest` (two kinds of headers), `InvalidArgument`, `UnresolvableGrantByEmailAddress`,
    `AmbiguousGrantByEmailAddress`.
    """
    header = call.request.text
    name = header(_CANNED)
    given = [(title, text) for title in GRANT_HEADERS if (text := header(title)) is not None]
    if not given:
        return None if name is None else Asked(rules.canned(name, owner, bucket_owner), name)
    if name is not None:
        raise errors.InvalidRequest("Specifying both Canned ACLs and Header Grants is not allowed")
    grants = [grant for title, text in given for grant in wire.parse_grant_header(title, text)]
    return Asked(Acl(owner, await resolve(call, grants, IN_HEADERS)), None)


def check(call: Call, asked: Asked) -> None:
    """Returns if the call's bucket takes this ACL. Raises as `rules.acl.check_write`."""
    documents = call.documents
    rules.check_write(
        asked.acl,
        asked.canned,
        ownership_of(documents),
        public_access_of(documents),
        call.bucket.owner,
        by_default=OWNERSHIP_KIND not in documents,
    )


async def resolve(call: Call, grants: Iterable[Grant], names: Names) -> tuple[Grant, ...]:
    """The grants with canonical ids in place of e-mail addresses, each id somebody's.

    Raises `MalformedACLError` (too many), `InvalidArgument`, `UnresolvableGrantByEmailAddress`, `AmbiguousGrantByEmailAddress`.
    """
    grants = tuple(grants)
    rules.check_count(grants)
    return tuple([await _resolve(call, grant, names) for grant in grants])


async def check_user(call: Call, canonical_id: str, name: str) -> None:
    """Returns if the canonical id is somebody's. Raises `InvalidArgument`."""
    if await call.store.catalog.user_by_canonical_id(canonical_id) is None:
        raise errors.InvalidArgument("Invalid id", argument_name=name, argument_value=canonical_id)


async def _resolve(call: Call, grant: Grant, names: Names) -> Grant:
    if grant.grantee_type == "CanonicalUser":
        await check_user(call, grant.grantee, names.user)
    elif grant.grantee_type == "AmazonCustomerByEmail":
        wanted = grant.grantee.lower()
        found = [user.canonical_id for user in await call.store.catalog.users() if user.email.lower() == wanted and wanted]
        if len(found) != 1:
            raise errors.AmbiguousGrantByEmailAddress if found else errors.UnresolvableGrantByEmailAddress
        return Grant("CanonicalUser", found[0], grant.permission)
    return grant

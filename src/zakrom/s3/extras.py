"""What subjects (locks, encryption, ACLs …) add to versions: entries in their ``extra``, and the headers that show them.

A subject declares both beside its operations, in its own file in `ops`; writes and reads ask here and know no subject.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

from zakrom.model.facts import Details, Version
from zakrom.s3.call import Call
from zakrom.store.objects import Draft, Put

Header = tuple[str, str]
Source = Callable[[Call], Awaitable[Mapping[str, str]]]
Show = Callable[[Call, Version], Awaitable[Iterable[Header]]]
Announce = Callable[[Call, Version], Iterable[Header]]

_SOURCES: list[Source] = []
_SHOWS: list[Show] = []
_ANNOUNCES: list[Announce] = []


def source(function: Source) -> Source:
    """Declares a function that says, from a write's headers and its bucket, which entries the new version begins with.

    It is asked before a byte of the body is. Raises what refuses the write.
    """
    _SOURCES.append(function)
    return function


def shown(function: Show) -> Show:
    """Declares a function that gives the headers by which GET and HEAD tell of a version.

    It is asked only where the version has extra entries or the bucket a document.
    """
    _SHOWS.append(function)
    return function


def announced(function: Announce) -> Announce:
    """Declares a function that gives headers of the answer to a write, from the new version.

    It is asked only where the bucket has a document.
    """
    _ANNOUNCES.append(function)
    return function


async def begin(call: Call, details: Details) -> Details:
    """The details of a new version with what all subjects add. For a copy, entries of the source never come along."""
    entries: dict[str, str] = {}
    for one in _SOURCES:
        if found := await one(call):
            entries.update(found)
    return Details(details.headers, details.metadata, details.tags, details.checksum, entries) if entries else details


async def headers(call: Call, version: Version) -> list[Header]:
    """What GET and HEAD say beside the common headers. Not to be asked in vain: see `shown`."""
    return [header for show in _SHOWS for header in await show(call, version)]


def headers_of_write(call: Call, draft: Draft, put: Put) -> list[Header]:
    """What the answer to a write says beside the common headers."""
    if not call.documents:
        return []
    written, details = put.written, draft.details
    return announce(
        call,
        Version(
            draft.bucket.id, draft.key, written.seq, written.nonce, False, put.size, written.modified_ms, put.etag,
            draft.storage_class, draft.owner, None, None, details,
        ),
    )  # fmt: skip


def announce(call: Call, version: Version) -> list[Header]:
    """The same for a version that is known whole."""
    return [header for function in _ANNOUNCES for header in function(call, version)]

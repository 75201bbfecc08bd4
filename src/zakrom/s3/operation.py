"""S3's operations, declared beside the functions that serve them, and the table that finds one for a request.

An operation is found by method, level (service, bucket, object) and *keyword*: the one query parameter that names a
sub-resource (``acl``, ``uploads`` …). Where several share those three, the one that asks for more query parameters or headers,
all present, wins. The table is compiled and checked for ties at start-up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

from zakrom import errors
from zakrom.s3.call import Call
from zakrom.web.message import Request, Response
from zakrom.wire.target import Target


class Level(StrEnum):
    """What an operation is about."""

    SERVICE = "service"
    BUCKET = "bucket"
    OBJECT = "object"


SERVICE, BUCKET, OBJECT = Level.SERVICE, Level.BUCKET, Level.OBJECT

Run = Callable[[Call], Awaitable[Response]]


class Operation(NamedTuple):
    """One of S3's operations. ``run`` None: known by name, not served yet. ``open``: it authorises by itself."""

    name: str
    method: str
    level: Level
    keyword: str
    query: tuple[str, ...]
    headers: tuple[str, ...]
    action: str
    run: Run | None
    open: bool = False

    @property
    def weight(self) -> int:
        """How much it asks for."""
        return len(self.query) + len(self.headers)


REGISTRY: dict[str, Operation] = {}


def operation(
    name: str,
    method: str,
    level: Level,
    keyword: str = "",
    *,
    query: tuple[str, ...] = (),
    headers: tuple[str, ...] = (),
    action: str = "",
    open: bool = False,
) -> Callable[[Run], Run]:
    """Declares the function below it as an operation.

    ``action``: the IAM action it needs, ``s3:`` + name if not given. ``open``: anybody may reach it; it authorises by itself.
    """

    def declare(run: Run) -> Run:
        _add(Operation(name, method, level, keyword, query, headers, action or f"s3:{name}", run, open))
        return run

    return declare


def unserved(
    name: str, method: str, level: Level, keyword: str = "", *, query: tuple[str, ...] = (), headers: tuple[str, ...] = ()
) -> None:
    """Declares an operation that answers NotImplemented by its name."""
    _add(Operation(name, method, level, keyword, query, headers, f"s3:{name}", None))


def _add(new: Operation) -> None:
    if new.name in REGISTRY:
        raise ValueError(f"operation {new.name} is declared twice")
    REGISTRY[new.name] = new


class Router:
    """The compiled table."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._table: dict[tuple[str, Level, str], list[Operation]] = {}
        for one in operations:
            self._table.setdefault((one.method, one.level, one.keyword), []).append(one)
        for key, candidates in self._table.items():
            candidates.sort(key=lambda one: -one.weight)
            asks = [(one.query, one.headers) for one in candidates]
            if len(set(asks)) != len(asks):
                raise ValueError(f"operations tie on {key}: {[one.name for one in candidates]}")
        self._keywords = frozenset(keyword for _, _, keyword in self._table if keyword)

    def match(self, request: Request, target: Target) -> Operation:
        """The operation a request means. Raises `MethodNotAllowed`."""
        level = SERVICE if target.bucket is None else BUCKET if target.key is None else OBJECT
        query = target.query
        keyword = ""
        if not self._keywords.isdisjoint(query.first):
            for name, _ in query.pairs:
                if name in self._keywords and (request.method, level, name) in self._table:
                    keyword = name
                    break
        for one in self._table.get((request.method, level, keyword), ()):
            if all(map(query.has, one.query)) and all(map(request.texts.__contains__, one.headers)):
                return one
        raise errors.MethodNotAllowed(method=request.method, resource_type=level.value.upper())

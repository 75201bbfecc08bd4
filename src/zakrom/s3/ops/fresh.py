"""What clients ask of every bucket, answered as a fresh bucket of AWS would: nothing is configured yet.

Each of these goes when its subject gets a file of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from zakrom import errors
from zakrom.errors import Error
from zakrom.s3.call import Call
from zakrom.s3.operation import BUCKET, operation
from zakrom.s3.render import xml_response
from zakrom.web.message import Response

_ABSENT: tuple[tuple[str, str, type[Error], str], ...] = (
    ("GetBucketReplication", "replication", errors.ReplicationConfigurationNotFoundError, "s3:GetReplicationConfiguration"),
)
"""Operation, keyword, the error that says "none", action."""

_EMPTY: tuple[tuple[str, str, str, str, str], ...] = (
    ("GetBucketNotificationConfiguration", "notification", "NotificationConfiguration", "", "s3:GetBucketNotification"),
)
"""Operation, keyword, root element, content, action."""


def _absent(error: type[Error]) -> Callable[[Call], Awaitable[Response]]:
    async def answer(call: Call) -> Response:
        """That there is none, as of a fresh bucket."""
        raise error(bucket=call.bucket.name)

    return answer


def _constant(root: str, content: str) -> Callable[[Call], Awaitable[Response]]:
    async def answer(_call: Call) -> Response:
        """What a fresh bucket has."""
        return xml_response(root, content)

    return answer


for _name, _keyword, _error, _action in _ABSENT:
    operation(_name, "GET", BUCKET, _keyword, action=_action)(_absent(_error))
for _name, _keyword, _root, _content, _action in _EMPTY:
    operation(_name, "GET", BUCKET, _keyword, action=_action)(_constant(_root, _content))

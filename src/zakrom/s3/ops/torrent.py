"""GetObjectTorrent: AWS has ended it, and answers so by its name."""

from __future__ import annotations

from zakrom import errors
from zakrom.s3.call import Call
from zakrom.s3.operation import OBJECT, operation
from zakrom.web.message import Response


@operation("GetObjectTorrent", "GET", OBJECT, "torrent")
async def get_object_torrent(call: Call) -> Response:
    """Raises `MethodNotAllowed`."""
    raise errors.MethodNotAllowed(method=call.request.method, resource_type="TORRENT")

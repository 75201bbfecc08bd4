"""PutObject."""

from __future__ import annotations

from zakrom.s3 import conditions, drafts, encryption, extras
from zakrom.s3.call import Call
from zakrom.s3.operation import OBJECT, operation
from zakrom.s3.payload import Payload
from zakrom.s3.render import Header, checksum_headers, empty, refuse_unserved_headers, written_headers
from zakrom.store import objects
from zakrom.web.message import Response


@operation("PutObject", "PUT", OBJECT)
async def put_object(call: Call) -> Response:
    """A new version of a key."""
    made, fields = await put(call)
    return empty(200, ("ETag", f'"{made.etag}"'), *checksum_headers(made.checksum), *fields)


async def put(call: Call) -> tuple[objects.Put, list[Header]]:
    """Writes the call's body as its key; what was written, and what to tell of it.

    All that can refuse it speaks before the first byte of the body is asked for.
    """
    refuse_unserved_headers(call)
    condition = conditions.of_write(call)
    draft = drafts.draft(call, await extras.begin(call, drafts.details(call)), condition)
    cover = encryption.cover(call, draft.details)
    payload = Payload.of_object(call)
    payload.opaque = encryption.is_opaque(cover)
    await conditions.check_early(call, condition)
    made = await objects.put(call.store, draft, payload, cover)
    fields = encryption.headers(call, draft.details, context=True) if cover else []
    return made, fields + written_headers(call, made.written.version_id) + extras.headers_of_write(call, draft, made)

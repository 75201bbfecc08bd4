"""Requester pays: who is let into a bucket whose requests others pay for, and whether they do.

Nobody sends bills here. But a client that does not know that it would pay is refused, as AWS refuses it. Source: Amazon S3 User
Guide, "Using Requester Pays general purpose buckets for storage transfers and usage".
"""

from __future__ import annotations

from zakrom import errors
from zakrom.model.caller import Caller
from zakrom.model.facts import Bucket

KIND = "request-payment"
REQUESTER = b"<Payer>Requester</Payer>"
"""The document of a bucket whose requesters pay; none where its owner does."""


def charged(document: bytes, bucket: Bucket, caller: Caller, sent: str | None) -> bool:
    """Whether the caller pays for a request. Raises `AccessDenied` if they should and do not say that they will.

    ``sent``: the header ``x-amz-request-payer``. The bucket's owner and root, who runs the server, never pay.
    """
    user = caller.user
    if document != REQUESTER or caller.canonical_id == bucket.owner or (user is not None and user.root):
        return False
    if user is None or sent != "requester":
        raise errors.AccessDenied
    return True

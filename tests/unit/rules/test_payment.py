"""Who pays, and who is let in."""

from __future__ import annotations

import pytest

from zakrom import errors
from zakrom.model.caller import ANONYMOUS, Caller
from zakrom.model.facts import Bucket, User
from zakrom.rules import payment

BUCKET = Bucket(1, "bucket", "host", "us-east-1", 0)
ROOT, HOST, GUEST = (Caller(User(name, name, name, "", 0, root=name == "root")) for name in ("root", "host", "guest"))
THEY = payment.REQUESTER


@pytest.mark.parametrize(
    ("document", "caller", "sent", "expected"),
    [
        (b"<Payer>BucketOwner</Payer>", GUEST, None, False),
        (b"<Payer>BucketOwner</Payer>", ANONYMOUS, None, False),
        (THEY, HOST, None, False),
        (THEY, ROOT, None, False),
        (THEY, GUEST, "requester", True),
    ],
)
def test_who_pays(document: bytes, caller: Caller, sent: str | None, expected: bool) -> None:
    """Others than the owner and root, if they say so."""
    assert payment.charged(document, BUCKET, caller, sent) is expected


@pytest.mark.parametrize(("caller", "sent"), [(GUEST, None), (GUEST, "owner"), (ANONYMOUS, "requester"), (ANONYMOUS, None)])
def test_who_is_not_let_in(caller: Caller, sent: str | None) -> None:
    """Who does not say that they pay, and who has no name to send a bill to."""
    with pytest.raises(errors.AccessDenied):
        payment.charged(THEY, BUCKET, caller, sent)

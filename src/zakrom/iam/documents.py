"""Policy documents as IAM takes them: within their limits, and readable. The language itself is `rules.policy`."""

from __future__ import annotations

import re
from urllib.parse import quote

from zakrom import errors
from zakrom.rules import policy
from zakrom.rules.policy import Kind

MANAGED_MAX, TRUST_MAX = 6_144, 2_048
INLINE_MAX = {"User": 2_048, "Group": 5_120, "Role": 10_240}  # all inline policies of one together
DOCUMENT_MAX = 131_072  # as sent, before white space is left out of the count
"""Characters but white space. Source: IAM User Guide, "IAM and AWS STS quotas"."""

_SPACE = re.compile(r"\s+")


def size(document: str) -> int:
    """As the quotas count it."""
    return len(_SPACE.sub("", document))


def checked(document: str, kind: Kind, limit: int) -> str:
    """The document itself, if it is a good one. Raises `MalformedPolicyDocument`, `LimitExceeded`."""
    if size(document) > limit:
        what = "ACLSizePerRole" if kind is Kind.TRUST else "PolicySize"
        raise errors.LimitExceeded(f"Cannot exceed quota for {what}: {limit}")
    try:
        policy.parse(document.encode(), kind)
    except errors.MalformedPolicy as error:
        raise errors.MalformedPolicyDocument(error.message) from None
    except UnicodeEncodeError:
        raise errors.MalformedPolicyDocument("This policy contains invalid Json") from None
    return document


def shown(document: str) -> str:
    """As answers show it: percent-encoded (RFC 3986)."""
    return quote(document, safe="-_.~")

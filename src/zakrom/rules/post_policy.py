"""Does a form keep what its signer demands?

Every field must be covered by a condition, else the bearer of a form could add what its signer never thought of. The bucket
counts as a field, though no form names it: a policy that does not say for which bucket it is made is good for none. Source:
Amazon S3 API Reference, "POST Policy".
"""

from __future__ import annotations

from collections.abc import Mapping

from zakrom import errors
from zakrom.model.post_policy import Condition, PostPolicy

BUCKET = "bucket"

_NEED_NO_CONDITION = frozenset({"awsaccesskeyid", "file", "policy", "signature", "x-amz-signature"})
_IGNORED = "x-ignore-"

_LEAD = "Invalid according to Policy: "


def check(policy: PostPolicy, fields: Mapping[str, str], bucket: str, now_ms: int) -> None:
    """Returns if the form may be used now for this bucket. Raises `AccessDenied` in AWS's words.

    ``fields`` by lower-case name, with the values that will be used. How long the file may be is for whoever receives it.
    """
    if now_ms >= policy.expires_ms:
        raise errors.AccessDenied(_LEAD + "Policy expired.")
    given = {**fields, BUCKET: bucket}
    for condition in policy.conditions:
        if not _holds(condition, given):
            raise errors.AccessDenied(f"{_LEAD}Policy Condition failed: {condition.shown}")
    covered = {condition.field for condition in policy.conditions} | _NEED_NO_CONDITION
    extra = sorted(name for name in given if name not in covered and not name.startswith(_IGNORED))
    if extra:
        raise errors.AccessDenied(f"{_LEAD}Extra input fields: {', '.join(extra)}")


def _holds(condition: Condition, fields: Mapping[str, str]) -> bool:
    """A field that is absent meets no condition, not even that it begins with nothing (AWS, observed)."""
    value = None if condition.field is None else fields.get(condition.field)
    if value is None:
        return False
    if not condition.prefix:
        return value == condition.value
    if condition.field == "content-type":  # the one field whose commas separate a list
        return all(one.strip().startswith(condition.value) for one in value.split(","))
    return value.startswith(condition.value)


def check_size(policy: PostPolicy | None, size: int, *, whole: bool) -> None:
    """Returns if a file of so many bytes is allowed; ``whole``: no more will come.

    Raises `EntityTooLarge`, `EntityTooSmall`.
    """
    if policy is None:
        return
    if policy.bytes_max is not None and size > policy.bytes_max:
        raise errors.EntityTooLarge(proposed_size=size, max_size_allowed=policy.bytes_max)
    if whole and policy.bytes_min is not None and size < policy.bytes_min:
        raise errors.EntityTooSmall(proposed_size=size, min_size_allowed=policy.bytes_min)

"""Condition keys: what a request says to policies, looked up only when a policy asks.

One table from keys (in lower case) to where their values stand. Source: Service Authorization Reference, "Condition keys for
Amazon S3"; IAM User Guide, "AWS global condition context keys" and "Information about the principal in policy variables". A key
that is in no table is absent from every request, which is also what AWS says of keys that do not apply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from zakrom import errors
from zakrom.model.facts import Bucket
from zakrom.model.names import account_number
from zakrom.rules.access import ObjectFacts
from zakrom.rules.policy.actions import EXISTING_TAGS
from zakrom.s3.call import Call
from zakrom.wire import dates, headers, tags

Values = tuple[str, ...]

TLS_VERSION_MIN = "1.2"  # `web.tls` accepts nothing older; the exact version stays within the listener

_REQUEST_TAGS = "s3:requestobjecttag/"
_PRINCIPAL_TAGS = "aws:principaltag/"
_HEADERS = "s3:x-amz-"
_DAY_MS = 24 * 60 * 60 * 1000


class Context:
    """The condition keys of one question: of a call, about a bucket, and perhaps about a version of an object."""

    __slots__ = ("_known", "bucket", "call", "object", "version_id")

    def __init__(
        self, call: Call, bucket: Bucket | None, version_id: str | None = None, more: Mapping[str, Values] | None = None
    ) -> None:
        """``more``: keys that only the operation knows, because they stand in the body; these come first."""
        self.call = call
        self.bucket = bucket
        self.version_id = version_id
        self.object: ObjectFacts | None = None
        self._known: dict[str, Values | None] = dict(more or {})

    def __call__(self, key: str) -> Values | None:
        """The values of a key; None where the request has none."""
        if key in self._known:
            return self._known[key]
        found = _KEYS[key](self) if key in _KEYS else self._by_family(key)
        values = (found,) if isinstance(found, str) else found
        if not key.startswith(EXISTING_TAGS):  # what is known of the object may come later
            self._known[key] = values
        return values

    def _by_family(self, key: str) -> str | Values | None:
        if key.startswith(_HEADERS):
            return self.call.header(key.removeprefix("s3:"))
        if key.startswith(EXISTING_TAGS):
            return _of_tag(self.object.tags if self.object else (), key.removeprefix(EXISTING_TAGS))
        if key.startswith(_PRINCIPAL_TAGS):
            return _of_tag(self.call.caller.principal_tags, key.removeprefix(_PRINCIPAL_TAGS))
        if key.startswith(_REQUEST_TAGS):
            return _of_tag(_request_tags(self), key.removeprefix(_REQUEST_TAGS))
        return None


def request_tags(sent: tuple[tuple[str, str], ...]) -> dict[str, Values]:
    """The keys that tell of tags in a body."""
    keys = {f"{_REQUEST_TAGS}{key.lower()}": (value,) for key, value in sent}
    return {**keys, "s3:requestobjecttagkeys": tuple(key for key, _ in sent)}


def _of_tag(found: tuple[tuple[str, str], ...], name: str) -> Values | None:
    """The values of the tags of a name, whatever the case of its letters: so are names of condition keys compared."""
    return tuple(value for key, value in found if key.lower() == name) or None


def _request_tags(context: Context) -> tuple[tuple[str, str], ...]:
    try:
        return tags.parse_header(context.call.header("x-amz-tagging") or "")
    except errors.Invalid:  # the operation will say so
        return ()


# ------------------------------------------------------------------------------------------------------------------ the table


def _header(name: str) -> Callable[[Context], str | None]:
    return lambda context: context.call.header(name)


def _param(name: str) -> Callable[[Context], str | None]:
    return lambda context: context.call.param(name)


def _copy_source(context: Context) -> str | None:
    """As policies write it, whatever way it was encoded: ``bucket/key``, decoded as the copy itself decodes it."""
    text = context.call.header(headers.COPY_SOURCE)
    if text is None:
        return None
    named = headers.parse_copy_source(text)
    return f"{named.bucket}/{named.key.decode()}"


def _signature_age(context: Context) -> str | None:
    signed_ms = dates.parse_amz_date(context.call.verified.amz_date) if context.call.verified else None
    return None if signed_ms is None else str(max(0, context.call.now_ms - signed_ms))


def _signature_version(context: Context) -> str | None:
    verified = context.call.verified
    return None if verified is None else "AWS4-HMAC-SHA256" if verified.scope else "AWS"


def _auth_type(context: Context) -> str | None:
    if context.call.verified is None:
        return None
    return "REST-QUERY-STRING" if context.call.caller.presigned else "REST-HEADER"


def _payload(context: Context) -> str | None:
    verified = context.call.verified
    return verified.payload if verified else context.call.header("x-amz-content-sha256")


def _retention_days(context: Context) -> str | None:
    try:
        until = datetime.fromisoformat(context.call.header("x-amz-object-lock-retain-until-date") or "")
    except ValueError:
        return None
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return str(-int((context.call.now_ms - aware.timestamp() * 1000) // _DAY_MS))


def _request_tag_keys(context: Context) -> Values | None:
    return tuple(key for key, _ in _request_tags(context)) or None


def _account(context: Context) -> str | None:
    return account_number(context.call.caller.canonical_id) if context.call.caller.user else None


def _principal_type(context: Context) -> str:
    caller = context.call.caller
    if caller.user is None:
        return "Anonymous"
    if caller.is_account_root:
        return "Account"
    return "AssumedRole" if ":assumed-role/" in caller.arn else "FederatedUser" if ":federated-user/" in caller.arn else "User"


def _user_id(context: Context) -> str:
    return context.call.caller.user_id or _account(context) or "anonymous"


def _user_name(context: Context) -> str | None:
    """Of IAM users only: accounts and sessions have none."""
    _, user, rest = context.call.caller.arn.partition(":user/")
    return rest.rpartition("/")[2] if user else None


_KEYS: dict[str, Callable[[Context], str | Values | None]] = {
    "aws:currenttime": lambda context: dates.iso8601_seconds(context.call.now_ms),
    "aws:epochtime": lambda context: str(context.call.now_ms // 1000),
    "aws:principalaccount": _account,
    "aws:principalarn": lambda context: context.call.caller.role_arn or context.call.caller.principal_arn or None,
    "aws:principalisawsservice": lambda _: "false",
    "aws:principaltype": _principal_type,
    "aws:referer": _header("referer"),
    "aws:requestedregion": lambda context: context.bucket.region if context.bucket else context.call.options.regions[0],
    "aws:resourceaccount": lambda context: account_number(context.bucket.owner) if context.bucket else None,
    "aws:securetransport": lambda context: "true" if context.call.request.secure else "false",
    "aws:sourceip": lambda context: context.call.request.peer or None,
    "aws:useragent": _header("user-agent"),
    "aws:userid": _user_id,
    "aws:username": _user_name,
    "aws:viaawsservice": lambda _: "false",
    "s3:authtype": _auth_type,
    "s3:delimiter": _param("delimiter"),
    "s3:if-match": _header("if-match"),
    "s3:if-none-match": _header("if-none-match"),
    "s3:max-keys": _param("max-keys"),
    "s3:object-lock-legal-hold": _header("x-amz-object-lock-legal-hold"),
    "s3:object-lock-mode": _header("x-amz-object-lock-mode"),
    "s3:object-lock-remaining-retention-days": _retention_days,
    "s3:object-lock-retain-until-date": _header("x-amz-object-lock-retain-until-date"),
    "s3:prefix": _param("prefix"),
    "s3:requestobjecttagkeys": _request_tag_keys,
    "s3:resourceaccount": lambda context: account_number(context.bucket.owner) if context.bucket else None,
    "s3:signatureage": _signature_age,
    "s3:signatureversion": _signature_version,
    "s3:tlsversion": lambda context: TLS_VERSION_MIN if context.call.request.secure else None,
    "s3:versionid": lambda context: context.version_id,
    "s3:x-amz-content-sha256": _payload,
    "s3:x-amz-copy-source": _copy_source,
}

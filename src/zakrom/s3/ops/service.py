"""What S3 says about the service itself: the list of buckets."""

from __future__ import annotations

import base64
import binascii

from zakrom import errors
from zakrom.model.facts import Bucket
from zakrom.s3.call import Call, arn
from zakrom.s3.operation import SERVICE, operation
from zakrom.s3.render import owner_xml, xml_response
from zakrom.web.message import Response
from zakrom.wire.dates import iso8601
from zakrom.wire.xml import element

BUCKETS_PAGE_MAX = 10_000  # AWS: max-buckets is 1 to 10,000, and without it all buckets are listed


@operation("ListBuckets", "GET", SERVICE, action="s3:ListAllMyBuckets")
async def list_buckets(call: Call) -> Response:
    """The caller's buckets by name; root sees all. Pages with ``max-buckets`` and ``continuation-token``."""
    limit = call.integer("max-buckets", BUCKETS_PAGE_MAX)
    if not 1 <= limit <= BUCKETS_PAGE_MAX:
        raise errors.InvalidArgument(
            "Argument max-buckets must be an integer between 1 and 10000",
            argument_name="max-buckets",
            argument_value=str(limit),
        )
    prefix = call.param("prefix") or ""
    rows = await _buckets(call, prefix, _region(call), _after(call.param("continuation-token")), limit + 1)
    buckets = "".join(
        f"<Bucket>{element('Name', one.name)}{element('CreationDate', iso8601(one.created_ms))}"
        f"{element('BucketRegion', one.region)}{element('BucketArn', arn(one.name))}</Bucket>"
        for one in rows[:limit]
    )
    token = base64.urlsafe_b64encode(rows[limit - 1].name.encode()).decode() if len(rows) > limit else None
    return xml_response(
        "ListAllMyBucketsResult",
        f"{await owner_xml(call, call.caller.canonical_id)}<Buckets>{buckets}</Buckets>"
        f"{element('ContinuationToken', token)}{element('Prefix', prefix or None)}",
    )


async def _buckets(call: Call, prefix: str, region: str | None, after: str, limit: int) -> list[Bucket]:
    """Up to ``limit`` buckets of the caller, or of all for root, beyond a name."""
    owner = None if call.caller.user is None or call.caller.user.root else call.caller.canonical_id
    found: list[Bucket] = []
    while rows := await call.store.catalog.buckets(owner, prefix, after, limit):
        found += [one for one in rows if region in (None, one.region)]
        if len(found) >= limit or len(rows) < limit:
            break
        after = rows[-1].name
    return found[:limit]


def _region(call: Call) -> str | None:
    """The region whose buckets are asked for. Raises `InvalidArgument` for one that this server has not."""
    region = call.param("bucket-region")
    if region is not None and region not in call.options.regions:
        raise errors.InvalidArgument(f"Argument value {region} is not a valid AWS Region", argument_name="bucket-region")
    return region


def _after(token: str | None) -> str:
    if not token:
        return ""
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        raise errors.InvalidArgument(
            "The continuation token provided is incorrect", argument_name="continuation-token"
        ) from None

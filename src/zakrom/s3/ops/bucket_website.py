"""What a bucket shows to browsers: the configuration, and the objects that send a reader elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec

from zakrom import errors
from zakrom.catalog.changes import SetDocument
from zakrom.model.facts import Version
from zakrom.model.website import Website
from zakrom.s3 import extras
from zakrom.s3.call import Call
from zakrom.s3.extras import Header
from zakrom.s3.operation import BUCKET, operation
from zakrom.s3.payload import read_body
from zakrom.s3.render import empty, xml_response
from zakrom.web.message import Response
from zakrom.wire import website

KIND = "website"
LOCATION = "x-amz-website-redirect-location"

ENTRY = "redirect"
"""The entry of a version that says where it sends readers of the website."""

SITES_CACHED = 256  # configurations of sites that are read at the moment; up to 128 KiB each

_decode = msgspec.msgpack.Decoder(Website).decode


@lru_cache(SITES_CACHED)
def site_of(document: bytes) -> Website:
    """The website that a document describes."""
    return _decode(document)


@operation("GetBucketWebsite", "GET", BUCKET, KIND)
async def get_bucket_website(call: Call) -> Response:
    """The configuration. Raises `NoSuchWebsiteConfiguration`."""
    document = call.documents.get(KIND)
    if document is None:
        raise errors.NoSuchWebsiteConfiguration(bucket=call.bucket.name)
    return xml_response("WebsiteConfiguration", website.content(site_of(document)))


@operation("PutBucketWebsite", "PUT", BUCKET, KIND)
async def put_bucket_website(call: Call) -> Response:
    """Replaces the configuration."""
    site = website.parse(await read_body(call, website.BODY_BYTES_MAX))
    await call.store.catalog.apply(SetDocument(call.bucket.id, KIND, msgspec.msgpack.encode(site)))
    return empty(200)


@operation("DeleteBucketWebsite", "DELETE", BUCKET, KIND)
async def delete_bucket_website(call: Call) -> Response:
    """Removes the configuration."""
    await call.store.catalog.apply(SetDocument(call.bucket.id, KIND, None))
    return empty(204)


@extras.source
async def begin(call: Call) -> Mapping[str, str]:
    """Where a new version sends readers, if it does. Raises `InvalidRedirectLocation`."""
    location = call.header(LOCATION)
    return {} if location is None else {ENTRY: website.check_location(location)}


@extras.shown
async def show(_call: Call, version: Version) -> Iterable[Header]:
    """The same, told to who reads the object by the API."""
    location = version.details.extra.get(ENTRY)
    return () if location is None else ((LOCATION, location),)

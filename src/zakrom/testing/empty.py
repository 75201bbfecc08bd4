"""Take away the buckets that a test made, whatever is in them: versions, delete markers and open uploads too.

Only `Access.request` is needed, so that the fixture works where no SDK is installed.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from urllib.parse import unquote_plus

from zakrom.testing.access import Access, Answer

PAGES_MAX = 10_000
"""A page has up to 1,000 names: a test that left ten million behind has another problem, and a loop has an end."""


def buckets(access: Access) -> frozenset[str]:
    """The names of all buckets that the key owns."""
    found: set[str] = set()
    token = ""
    for _ in range(PAGES_MAX):
        page = _document(access, "/", {"continuation-token": token} if token else {})
        found.update(name.text or "" for name in page.iter("Name"))
        token = page.findtext("ContinuationToken") or ""
        if not token:
            break
    return frozenset(found)


def remove(access: Access, bucket: str) -> None:
    """Delete the bucket with all that is in it.

    Raises:
        RuntimeError: the server refused a step; the message has its answer.
    """
    for _ in range(PAGES_MAX):  # the first page again and again: each is gone when the next is asked for
        page = _document(access, f"/{bucket}", {"uploads": "", "encoding-type": "url"})
        for upload in page.iter("Upload"):
            _delete(access, f"/{bucket}/{_key(page, upload)}", {"uploadId": upload.findtext("UploadId") or ""})
        if page.findtext("IsTruncated") != "true":
            break
    for _ in range(PAGES_MAX):
        page = _document(access, f"/{bucket}", {"versions": "", "encoding-type": "url"})
        for version in (*page.iter("Version"), *page.iter("DeleteMarker")):
            _delete(access, f"/{bucket}/{_key(page, version)}", {"versionId": version.findtext("VersionId") or "null"})
        if page.findtext("IsTruncated") != "true":
            break
    _delete(access, f"/{bucket}", {})


def _key(page: ET.Element, entry: ET.Element) -> str:
    """The key of an entry; encoded where the page says so, as was asked for (some services do not do it)."""
    key = entry.findtext("Key") or ""
    return unquote_plus(key) if page.findtext("EncodingType") == "url" else key


def _document(access: Access, path: str, query: Mapping[str, str]) -> ET.Element:
    answer = access.request("GET", path, query)
    _expect(answer, 200, f"GET {path}")
    root = ET.fromstring(answer.body)  # noqa: S314 - the answer of the server under test, not of a stranger
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _delete(access: Access, path: str, query: Mapping[str, str]) -> None:
    _expect(access.request("DELETE", path, query), 204, f"DELETE {path}")


def _expect(answer: Answer, status: int, what: str) -> None:
    if answer.status != status:
        raise RuntimeError(f"{what} was answered with {answer.status}: {answer.body[:1000]!r}")

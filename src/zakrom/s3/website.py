"""The door for readers of websites: a bucket's objects as pages, for everybody who may read them.

Beside the S3 door, on hosts or a socket of its own. Nobody is identified here; what is shown is what the bucket allows to
anybody. Errors are pages. Source: Amazon S3 User Guide, "Hosting a static website using Amazon S3".
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from zakrom import errors
from zakrom.errors import Error
from zakrom.model.caller import ANONYMOUS, Caller
from zakrom.model.facts import Bucket
from zakrom.model.website import RoutingRule, Website
from zakrom.rules import website as rules
from zakrom.s3 import authority, cors
from zakrom.s3.call import Call, DoorOptions
from zakrom.s3.door import OUR_FAULT, SERVER_HEADER, Note
from zakrom.s3.operation import REGISTRY
from zakrom.s3.ops.bucket_cors import preflight_object
from zakrom.s3.ops.bucket_website import KIND, LOCATION, site_of
from zakrom.s3.ops.get_object import get_object, head_object
from zakrom.store import Store, objects
from zakrom.web.message import Handler, Request, Response
from zakrom.wire.errors import code_of, status_of
from zakrom.wire.target import Query, Target, bucket_of_host, parse_target
from zakrom.wire.website import error_page

_NO_QUERY = Query(b"")
_PORT = re.compile(r":\d*$")
_ANY_DOMAIN = "any"
"""Makes a whole host the name of a bucket, in `parse_target`'s terms."""

_OF_THIS_OBJECT = frozenset(
    {b"range", b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range"}
)
"""Headers that speak of what was asked for, not of the error document shown instead."""

_PAGE = ("Content-Type", "text/html; charset=utf-8")


class Site:
    """Answers readers of websites."""

    def __init__(
        self,
        store: Store,
        options: DoorOptions,
        domains: tuple[str, ...],
        clock_ms: Callable[[], int],
        report: Callable[[Error, str], None],
        caller: Caller = ANONYMOUS,
    ) -> None:
        """``domains``: where ``bucket.domain`` is a site; on any other host that names no bucket, the path begins with one.

        ``caller``: as whom everybody reads.
        """
        self._store = store
        self._options = options
        self._domains = domains
        self._clock_ms = clock_ms
        self._report = report
        self._caller = caller
        self._host_id = secrets.token_hex(16)
        self._series = secrets.token_hex(4).upper()
        self._count = itertools.count(1)

    async def __call__(self, request: Request) -> Response:
        """The answer; never raises an `Error`."""
        request_id = f"{self._series}{next(self._count):08X}"
        target: Target | None = None
        code = None
        try:
            target = await self._target(request)
            response = await self._answer(request, target, request_id)
        except Error as error:
            code = code_of(error)
            response = self._page(request, error, request_id)
        response.headers += [("x-amz-request-id", request_id), ("x-amz-id-2", self._host_id), SERVER_HEADER]
        bucket = target.bucket if target else None
        if request.text("origin") is not None:
            response.headers += await cors.headers(self._store.catalog, request, bucket)
        operation = "HeadObject" if request.method == "HEAD" else "GetObject"
        key = target.key.decode("utf-8", "replace") if target and target.key else None
        response.note = Note(request_id, operation, code, None, bucket, key)
        return response

    async def _target(self, request: Request) -> Target:
        """Which bucket and key are meant. The query has no say."""
        host = request.text("host")
        target = parse_target(request.path, b"", host, self._domains)
        name = _PORT.sub("", host or "").rstrip(".").lower()
        if not target.virtual_host and await self._is_bucket(name):
            return parse_target(request.path, b"", f"{name}.{_ANY_DOMAIN}", (_ANY_DOMAIN,))
        return target

    async def _is_bucket(self, name: str) -> bool:
        try:
            await self._store.catalog.bucket(name)
        except errors.NoSuchBucket:
            return False
        return True

    async def _answer(self, request: Request, target: Target, request_id: str) -> Response:
        now_ms = self._clock_ms()
        if request.method == "OPTIONS":
            blank = Call(request, target, ANONYMOUS, None, None, self._store, self._options, request_id, now_ms, {})
            return await preflight_object(blank)
        if request.method not in ("GET", "HEAD"):
            raise errors.MethodNotAllowed(method=request.method, resource_type="OBJECT")
        catalog = self._store.catalog
        bucket = await catalog.bucket(target.bucket or "")
        documents = await catalog.documents(bucket.id)
        document = documents.get(KIND)
        if document is None:
            raise errors.NoSuchWebsiteConfiguration(bucket=bucket.name)

        def read(request: Request, key: bytes) -> Call:
            aim = Target(bucket.name, key, target.virtual_host, _NO_QUERY)
            return Call(request, aim, self._caller, None, bucket, self._store, self._options, request_id, now_ms, documents)

        return await _Visit(request, target, bucket, site_of(document), read).answer(self._page_of(request, request_id))

    def _page_of(self, request: Request, request_id: str) -> _Page:
        return lambda error, second: self._page(request, error, request_id, second)

    def _page(self, request: Request, error: Error, request_id: str, second: Error | None = None) -> Response:
        status = status_of(error)
        if status in OUR_FAULT:
            self._report(error, request_id)
        page = error_page(status, error, request_id, self._host_id, second)
        fields = [_PAGE, ("x-amz-error-code", code_of(error))]
        if request.method == "HEAD":
            return Response(status, fields, content_length=len(page))
        return Response(status, fields, page)


_Page = Callable[[Error, Error | None], Response]


class _Visit(NamedTuple):
    """One reader's request for a page of a site. ``read`` makes the call of the API that reads a key."""

    request: Request
    target: Target
    bucket: Bucket
    site: Website
    read: Callable[[Request, bytes], Call]

    @property
    def key(self) -> bytes:
        """The key that the path names; empty for the site itself."""
        return self.target.key or b""

    @property
    def base(self) -> str:
        """What stands before the key in the path of a URL."""
        return "/" if self.target.virtual_host else f"/{self.bucket.name}/"

    async def answer(self, page: _Page) -> Response:
        """The page, another one, or where to go."""
        if self.site.elsewhere is not None:
            away = self.site.elsewhere
            return _moved(f"{away.protocol or self._protocol()}://{away.host}/{rules.path(self.key)}")
        rule = rules.before(self.site, self.key)
        if rule is not None:
            return self._routed(rule)
        if not self.target.virtual_host and not self.key and not self.request.path.endswith(b"/"):
            return _moved(self.base, 302)  # else what the page links to would be looked for beside the bucket
        try:
            return await self._object(self.request, rules.key_of(self.site, self.key))
        except (errors.Invalid, errors.Denied, errors.NotFound) as error:
            return await self._failed(error, page)

    async def _failed(self, error: Error, page: _Page) -> Response:
        """A folder without its slash is sent there; then rules for errors count, then the site's error document."""
        hidden = isinstance(error, errors.NoSuchKey | errors.AccessDenied)
        if hidden and not rules.is_folder(self.key) and await self._has_index():
            return _moved(f"{self.base}{rules.path_from_root(self.key)}/", 302)
        status = status_of(error)
        rule = rules.after(self.site, self.key, status)
        if rule is not None:
            return self._routed(rule)
        if self.site.error_key is None:
            return page(error, None)
        kept = [(name, value) for name, value in self.request.headers if name not in _OF_THIS_OBJECT]
        try:
            response = await self._object(self.request.with_headers(kept), self.site.error_key.encode())
        except Error as second:
            return page(error, second)
        if response.status < 300:
            response.status = status
        return response

    async def _object(self, request: Request, key: bytes) -> Response:
        """The object as the API would show it, or where it sends its readers.

        Raises what GetObject does; `AccessDenied` for a key that is not there, where the reader may not know which are.
        """
        call = self.read(request, key)
        await authority.authorise(call, REGISTRY["GetObject"])
        try:
            response = await (head_object if request.method == "HEAD" else get_object)(call)
        except errors.NoSuchKey as missing:
            raise await authority.veil(call, authority.place_of(call), missing.with_fields(key=key.decode())) from None
        location = next((value for name, value in response.headers if name == LOCATION), None)
        if location is None:
            return response
        if not isinstance(response.body, bytes):
            response.body.close()
        return _moved(location)

    async def _has_index(self) -> bool:
        """Whether the path is that of a folder with a page that the reader may see."""
        call = self.read(self.request, self.key + b"/" + (self.site.index or "").encode())
        try:
            await authority.authorise(call, REGISTRY["GetObject"])
            await objects.find(call.store, self.bucket, call.key, None)
        except Error:
            return False
        return True

    def _routed(self, rule: RoutingRule) -> Response:
        to = rule.redirect
        host = self.request.text("host") or self.bucket.name
        base = self.base if to.host is None else "/"
        location = f"{to.protocol or self._protocol()}://{to.host or host}{base}{rules.path_of(rule, self.key)}"
        return _moved(location, rules.status_of(to))

    def _protocol(self) -> str:
        return "https" if self.request.secure else "http"


def _moved(location: str, status: int = rules.MOVED) -> Response:
    return Response(status, [("Location", location)])


def by_host(site: Handler, domains: tuple[str, ...], others: Handler) -> Handler:
    """Sends who asks for a site of these domains to ``site``, and all others to ``others``."""

    def answer(request: Request) -> Awaitable[Response]:
        host = request.text("host")
        return (site if host and bucket_of_host(host, domains) else others)(request)

    return answer

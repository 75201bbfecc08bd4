"""PostObject: the form of a browser becomes an object.

The fields stand for the headers of a PutObject, so all that a header can ask for, a field can ask for too; who sent it is told
by the signature of the policy among them; the file is the body.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from zakrom import errors
from zakrom.identity.doorman import Rules
from zakrom.identity.forms import identify_form
from zakrom.model.caller import Caller
from zakrom.model.post_policy import PostPolicy
from zakrom.rules import post_policy
from zakrom.s3 import authority
from zakrom.s3.call import Call
from zakrom.s3.context import Values
from zakrom.s3.operation import BUCKET, REGISTRY, operation
from zakrom.s3.ops.put_object import put
from zakrom.s3.render import Header, empty
from zakrom.store.objects import Put
from zakrom.web.message import Body, Request, Response
from zakrom.wire import tags
from zakrom.wire.documents import parse_tagging
from zakrom.wire.forms import FormReader, header_value
from zakrom.wire.headers import KEPT
from zakrom.wire.post_policy import parse as parse_policy
from zakrom.wire.sigv4.form import needed_field
from zakrom.wire.target import Query, Target
from zakrom.wire.xml import DECLARATION, element

EPILOGUE_BYTES_MAX = 64 * 1024
"""Of a body behind its file that are read to their end, so that the connection lives; with more it is closed."""

_FILENAME = "${filename}"
_AS_SENT = frozenset({"policy", "signature", "x-amz-signature"})
"""Fields in which the file's name is not put: they are signed or signatures."""

_HEADERS = frozenset({"content-md5", *(name.decode() for name in KEPT)})
_NO_HEADERS = frozenset(
    {
        "x-amz-algorithm", "x-amz-content-sha256", "x-amz-copy-source", "x-amz-credential", "x-amz-date",
        "x-amz-decoded-content-length", "x-amz-security-token", "x-amz-signature", "x-amz-trailer",
    }
)  # fmt: skip
"""Fields that speak of the signature, or would speak of another request than a form's."""

_OF_THE_REQUEST = frozenset({b"host", b"referer", b"user-agent"})
"""Headers of the form's own request that policies may ask for; no field stands for them."""

_STATUSES = {"200": 200, "201": 201}
_NO_CONTENT = 204

_URL = re.compile(r"[!-~]+")  # what a Location header can carry


class _FileBody:
    """The file's bytes, as the body of a request. They count only when the form has ended as it should."""

    def __init__(self, body: Body, reader: FormReader, first: list[bytes], policy: PostPolicy | None) -> None:
        self.length: int | None = None  # what a client says of the whole form, it does not say of the file
        self._body = body
        self._reader = reader
        self._pieces = first
        self._policy = policy
        self._size = 0
        self._ended = False

    async def read(self) -> bytes:
        """The next piece. Raises `EntityTooLarge` as soon as there are too many, `EntityTooSmall`, `MalformedPOSTRequest`."""
        while not self._pieces and not self._reader.done:
            data = await self._body.read()
            if not data:
                self._reader.finish()
            self._pieces = self._reader.feed(data)
        if self._pieces:
            piece = self._pieces.pop(0)
            self._size += len(piece)
            post_policy.check_size(self._policy, self._size, whole=False)
            return piece
        if not self._ended:
            self._ended = True
            post_policy.check_size(self._policy, self._size, whole=True)
            await self._drain()
        return b""

    async def _drain(self) -> None:
        left = EPILOGUE_BYTES_MAX
        while left > 0 and (data := await self._body.read()):
            left -= len(data)


@operation("PostObject", "POST", BUCKET, action="s3:PutObject", open=True)
async def post_object(call: Call) -> Response:
    """A new version of the key that the form names, if the policy in it allows that, and its signer may."""
    reader = FormReader(call.header("content-type"))
    if call.verified is not None:
        raise errors.InvalidRequest("A form is authenticated by its fields, not by headers or the query.")
    first: list[bytes] = []
    while not reader.file_began:
        data = await call.request.body.read()
        if not data or reader.done:
            reader.finish()
        first = reader.feed(data)
    fields = _filled(reader)
    key = fields.get("key")
    if not key:
        raise needed_field("key")
    rules = Rules(call.options.regions, call.options.sigv2)
    caller = await identify_form(call.store.catalog, rules, fields)
    policy = None
    if caller.user is not None:  # a policy that nobody signed says nothing
        policy = parse_policy(fields["policy"])
        post_policy.check(policy, fields, call.bucket.name, call.now_ms)
    meant = _as_put(call, caller, fields, key, _FileBody(call.request.body, reader, first, policy))
    await authority.authorise(meant, REGISTRY["PutObject"], _how(fields, caller))
    made, told = await put(meant)
    return _answer(call, fields, key, made, told)


def _filled(reader: FormReader) -> dict[str, str]:
    """The fields, with the file's name where they ask for it: only what follows its last slash or backslash."""
    if reader.filename is None:  # AWS leaves the variable as it is then (recorded)
        return reader.fields
    name = re.split(r"[/\\]", reader.filename)[-1]
    return {field: value if field in _AS_SENT else value.replace(_FILENAME, name) for field, value in reader.fields.items()}


def _as_put(call: Call, caller: Caller, fields: dict[str, str], key: str, body: Body) -> Call:
    """The PutObject that the form means."""
    sent = call.request
    headers = [(name, value) for name, value in sent.headers if name in _OF_THE_REQUEST] + _headers(fields)
    request = Request("PUT", sent.path, b"", headers, body, sent.peer, sent.secure)
    target = Target(call.bucket.name, key.encode(), call.target.virtual_host, Query(b""))
    return Call(
        request,
        target,
        caller,
        None,
        call.bucket,
        call.store,
        call.options,
        call.request_id,
        call.now_ms,
        call.documents,
    )


def _how(fields: dict[str, str], caller: Caller) -> dict[str, Values]:
    """What policies may ask about the way a form was signed, beside the keys that all requests have."""
    if caller.user is None:
        return {}
    return {"s3:authtype": ("POST",), "s3:signatureversion": ("AWS4-HMAC-SHA256" if "x-amz-algorithm" in fields else "AWS",)}


def _headers(fields: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """The fields that are headers of a PutObject. Raises `InvalidArgument` for a value that no header can carry."""
    found = {
        name: value
        for name, value in fields.items()
        if name in _HEADERS or (name.startswith("x-amz-") and name not in _NO_HEADERS)
    }
    if "acl" in fields:
        found["x-amz-acl"] = fields["acl"]
    if "tagging" in fields:
        found["x-amz-tagging"] = tags.format_header(tags.check_object_tags(parse_tagging(fields["tagging"].encode())))
    return [(name.encode(), header_value(name, value)) for name, value in found.items()]


def _answer(call: Call, fields: dict[str, str], key: str, made: Put, told: list[Header]) -> Response:
    etag = f'"{made.etag}"'
    headers: list[Header] = [("ETag", etag), *told]
    onward = _redirect(fields, {"bucket": call.bucket.name, "key": key, "etag": etag})
    if onward is not None:
        return empty(303, *headers, ("Location", onward))
    location = _location(call, key)
    headers.append(("Location", location))
    status = _STATUSES.get(fields.get("success_action_status", ""), _NO_CONTENT)
    if status != 201:
        return empty(status, *headers)
    content = element("Location", location) + element("Bucket", call.bucket.name) + element("Key", key) + element("ETag", etag)
    body = f"{DECLARATION}<PostResponse>{content}</PostResponse>".encode()  # without a namespace, as AWS has it
    return Response(status, [("Content-Type", "application/xml"), *headers], body)


def _redirect(fields: dict[str, str], facts: dict[str, str]) -> str | None:
    """Where the form wants the browser to go; None where it does not say, or says what is no URL, as AWS does."""
    url = fields.get("success_action_redirect") or fields.get("redirect") or ""
    if not _URL.fullmatch(url):
        return None
    try:
        split = urlsplit(url)
    except ValueError:
        return None
    if split.scheme not in ("http", "https") or not split.netloc:
        return None
    query = f"{split.query}&{urlencode(facts)}" if split.query else urlencode(facts)
    return urlunsplit(split._replace(query=query))


def _location(call: Call, key: str) -> str:
    """The new object's URL, as this client would reach it."""
    root = f"{'https' if call.request.secure else 'http'}://{call.header('host') or call.bucket.name}"
    bucket = "" if call.target.virtual_host else f"/{call.bucket.name}"
    return f"{root}{bucket}/{quote(key, safe='')}"

"""The body of PutBucketWebsite, read and written, and the page that tells a reader of a website what went wrong.

Source: Amazon S3 API Reference, "WebsiteConfiguration"; messages and the page as AWS sends them. What ends in a Location header
must be able to stand there: hosts are checked here, keys are escaped (`rules.website`).
"""

from __future__ import annotations

import html
import re
from http import HTTPStatus

from zakrom import errors
from zakrom.errors import Error
from zakrom.model.names import KEY_BYTES_MAX
from zakrom.model.website import Elsewhere, Redirect, RoutingRule, Website
from zakrom.wire import xml
from zakrom.wire.errors import code_of, field_name
from zakrom.wire.xml import Node, element

BODY_BYTES_MAX = 128 * 1024  # Amazon S3 API Reference, PutBucketWebsite: "limited to 128 KB"
RULES_MAX = 50  # the same
LOCATION_CHARACTERS_MAX = 2048  # the same, x-amz-website-redirect-location: "limited to 2 KB"

_ELSEWHERE_ALONE = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules."
_NO_INDEX = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty"
_BAD_PROTOCOL = "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically."
_BOTH_KEYS = "You can only define ReplaceKeyPrefix or ReplaceKey but not both."
_NO_CONDITION = (
    "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present."
)
_HOST = re.compile(r"[!-~]+")  # AWS takes a path behind the host too


# ------------------------------------------------------------------------------------------------------------ the document


def parse(body: bytes) -> Website:
    """A WebsiteConfiguration body. Raises `MalformedXML`, `InvalidArgument`, `InvalidRequest`."""
    root = xml.parse(body, "WebsiteConfiguration", bytes_max=BODY_BYTES_MAX)
    parts = _children(root, "IndexDocument", "ErrorDocument", "RedirectAllRequestsTo", "RoutingRules")
    elsewhere, index = parts.get("RedirectAllRequestsTo"), parts.get("IndexDocument")
    if elsewhere is not None:
        if len(parts) > 1:
            raise _bad("RedirectAllRequestsTo", "not null", _ELSEWHERE_ALONE)
        return Website(elsewhere=_elsewhere(elsewhere))
    if index is None:
        raise _bad("IndexDocument", "null", _NO_INDEX)
    rules = parts.get("RoutingRules")
    return Website(_index(index), _error_key(parts.get("ErrorDocument")), None, () if rules is None else _rules(rules))


def _index(node: Node) -> str:
    suffix = _texts(node, "Suffix").get("Suffix")
    if suffix is None:
        raise errors.MalformedXML
    if not suffix or "/" in suffix:
        raise _bad("IndexDocument", suffix, "The IndexDocument Suffix is not well formed")
    return suffix


def _error_key(node: Node | None) -> str | None:
    if node is None:
        return None
    key = _texts(node, "Key").get("Key")
    if key is None:
        raise errors.MalformedXML
    if not 0 < len(key.encode()) <= KEY_BYTES_MAX:
        raise _bad("ErrorDocument", key, "The ErrorDocument Key is not well formed")
    return key


def _elsewhere(node: Node) -> Elsewhere:
    texts = _texts(node, "HostName", "Protocol")
    host = _host(texts.get("HostName"))
    if host is None:
        raise errors.MalformedXML
    return Elsewhere(host, _protocol(texts.get("Protocol")))


def _rules(node: Node) -> tuple[RoutingRule, ...]:
    if not node.children or any(child.name != "RoutingRule" for child in node.children):
        raise errors.MalformedXML
    if len(node.children) > RULES_MAX:
        raise errors.InvalidRequest(
            f"{len(node.children)} routing rules provided, the number of routing rules in a website configuration is limited "
            f"to {RULES_MAX}."
        )
    return tuple(_rule(child) for child in node.children)


def _rule(node: Node) -> RoutingRule:
    parts = _children(node, "Condition", "Redirect")
    if "Redirect" not in parts:
        raise errors.MalformedXML
    redirect = _redirect(parts["Redirect"])
    if "Condition" not in parts:
        return RoutingRule(redirect)
    texts = _texts(parts["Condition"], "KeyPrefixEquals", "HttpErrorCodeReturnedEquals")
    if not texts:
        raise errors.InvalidRequest(_NO_CONDITION)
    error = _code(texts.get("HttpErrorCodeReturnedEquals"))
    if error is not None and not 400 <= error < 600:
        raise errors.InvalidRequest(f"The provided HTTP error code ({error}) is not valid. Valid codes are 4XX or 5XX.")
    return RoutingRule(redirect, texts.get("KeyPrefixEquals"), error)


def _redirect(node: Node) -> Redirect:
    texts = _texts(node, "HostName", "Protocol", "ReplaceKeyPrefixWith", "ReplaceKeyWith", "HttpRedirectCode")
    protocol = _protocol(texts.get("Protocol"))
    if "ReplaceKeyPrefixWith" in texts and "ReplaceKeyWith" in texts:
        raise errors.InvalidRequest(_BOTH_KEYS)
    code = _code(texts.get("HttpRedirectCode"))
    if code is not None and not 300 < code < 400:
        raise errors.InvalidRequest(f"The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX except 300.")
    key_prefix, key = texts.get("ReplaceKeyPrefixWith"), texts.get("ReplaceKeyWith")
    return Redirect(_host(texts.get("HostName")), protocol, key_prefix, key, code)


def _protocol(text: str | None) -> str | None:
    if text not in (None, "http", "https"):
        raise errors.InvalidRequest(_BAD_PROTOCOL)
    return text


def _host(text: str | None) -> str | None:
    if text is not None and not _HOST.fullmatch(text):
        raise _bad("HostName", text, "The HostName is not well formed")
    return text


def _code(text: str | None) -> int | None:
    if text is None:
        return None
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise errors.MalformedXML
    return int(text)


def _children(node: Node, *allowed: str) -> dict[str, Node]:
    """The children by name, each at most once."""
    found = {child.name: child for child in node.children}
    if len(found) != len(node.children) or not found.keys() <= set(allowed):
        raise errors.MalformedXML
    return found


def _texts(node: Node, *allowed: str) -> dict[str, str]:
    found = _children(node, *allowed)
    if any(child.children for child in found.values()):
        raise errors.MalformedXML
    return {name: child.text for name, child in found.items()}


def _bad(name: str, value: str, message: str) -> errors.InvalidArgument:
    return errors.InvalidArgument(message, argument_name=name, argument_value=value)


def content(site: Website) -> str:
    """What stands in a WebsiteConfiguration that says the same."""
    found = ""
    if site.elsewhere is not None:
        inner = element("HostName", site.elsewhere.host) + element("Protocol", site.elsewhere.protocol)
        found = f"<RedirectAllRequestsTo>{inner}</RedirectAllRequestsTo>"
    if site.index is not None:
        found += f"<IndexDocument>{element('Suffix', site.index)}</IndexDocument>"
    if site.error_key is not None:
        found += f"<ErrorDocument>{element('Key', site.error_key)}</ErrorDocument>"
    if site.rules:
        found += f"<RoutingRules>{''.join(map(_rule_xml, site.rules))}</RoutingRules>"
    return found


def _rule_xml(rule: RoutingRule) -> str:
    condition = element("KeyPrefixEquals", rule.prefix) + element("HttpErrorCodeReturnedEquals", rule.error)
    to = rule.redirect
    redirect = (
        element("Protocol", to.protocol)
        + element("HostName", to.host)
        + element("ReplaceKeyPrefixWith", to.key_prefix)
        + element("ReplaceKeyWith", to.key)
        + element("HttpRedirectCode", to.code)
    )
    when = f"<Condition>{condition}</Condition>" if condition else ""
    return f"<RoutingRule>{when}<Redirect>{redirect}</Redirect></RoutingRule>"


# ------------------------------------------------------------------------------------------------------------------ others


def check_location(location: str) -> str:
    """The text itself, if an object may send a reader of a website there. Raises `InvalidRedirectLocation`."""
    if len(location) > LOCATION_CHARACTERS_MAX:
        raise errors.InvalidRedirectLocation(
            f"The length of website redirect location cannot exceed {LOCATION_CHARACTERS_MAX} characters."
        )
    if not location.startswith(("/", "http://", "https://")):
        raise errors.InvalidRedirectLocation
    return location


_SHOWN = ("key", "bucket", "method", "resource_type")
"""Fields of an error that a page tells."""


def error_page(status: int, error: Error, request_id: str, host_id: str, second: Error | None = None) -> bytes:
    """The page. ``second``: what kept the site's own error document from being shown."""
    title = f"{status} {HTTPStatus(status).phrase}"
    more = ""
    if second is not None:
        more = "<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n" + _list(second)
    return (
        f"<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n"
        f"{_list(error, RequestId=request_id, HostId=host_id)}{more}<hr/>\n</body>\n</html>\n"
    ).encode()


def _list(error: Error, **more: str) -> str:
    facts = {"Code": code_of(error), "Message": error.message}
    facts |= {field_name(name): str(error.fields[name]) for name in _SHOWN if name in error.fields} | more
    rows = "".join(f"<li>{name}: {html.escape(value)}</li>\n" for name, value in facts.items())
    return f"<ul>\n{rows}</ul>\n"

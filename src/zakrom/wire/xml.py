"""XML as S3 writes and reads it.

Writing: text is escaped and joined; `escape` and `element` serve f-strings. Characters that XML 1.0 cannot carry are written as
numeric references (``&#x1;``), as AWS does, so that a key is never changed or dropped; clients that list such keys ask for
``encoding-type=url``. Reading: expat without a DTD, as UTF-8 whatever a declaration says, with limits on bytes, depth and
number of elements, because a body is parsed before its sender's intentions are known. Namespaces are ignored: clients write
them or not.
"""

from __future__ import annotations

import re
from xml.parsers import expat

from zakrom import errors

BODY_BYTES_MAX = 8 * 1024 * 1024  # 1000 escaped keys of 1024 bytes; 10,000 parts with checksums are about 3 MiB
DEPTH_MAX = 16  # the deepest of S3's documents has about seven levels
ELEMENTS_MAX = 100_000  # 10,000 parts, each with a number, an ETag and checksums of several kinds
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

INTEGER_DIGITS_MAX = 18  # any 64-bit size; more is no number of S3's
_INTEGER = re.compile(rf"-?\d{{1,{INTEGER_DIGITS_MAX}}}", re.ASCII)

# Carriage return is legal in XML 1.0 but a parser would read it as a line feed.
_SPECIAL = re.compile('[&<>"\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]')
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def escape(text: str) -> str:
    """The text as XML carries it."""
    return _SPECIAL.sub(_reference, text) if _SPECIAL.search(text) else text


def element(name: str, text: str | int | bool | None) -> str:
    """``<name>text</name>``; nothing for None; booleans as ``true`` and ``false``. The name must be one of ours."""
    if text is None:
        return ""
    if isinstance(text, bool):
        text = "true" if text else "false"
    return f"<{name}>{escape(text) if isinstance(text, str) else text}</{name}>"


def document(root: str, content: str) -> bytes:
    """A whole document in S3's namespace; ``content`` is XML already."""
    return f'{DECLARATION}<{root} xmlns="{NAMESPACE}">{content}</{root}>'.encode()


def _reference(match: re.Match[str]) -> str:
    character = match[0]
    return _NAMED.get(character) or f"&#x{ord(character):x};"


class Node:
    """An element: its name without a prefix, its text (of the element itself, references resolved), its children in order.

    ``attributes`` have the names that were written, prefixes and all.
    """

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.text = ""
        self.children: list[Node] = []

    def child(self, name: str) -> Node | None:
        """The first child of that name."""
        return next((child for child in self.children if child.name == name), None)

    def text_of(self, name: str) -> str | None:
        """The text of the first child of that name, "" if it is empty, None if there is no such child."""
        child = self.child(name)
        return None if child is None else child.text

    def attribute(self, name: str) -> str | None:
        """The value of the first attribute of that name, whatever its prefix."""
        return next((value for title, value in self.attributes.items() if title.rpartition(":")[2] == name), None)

    def all(self, name: str) -> list[Node]:
        """All children of that name, in order."""
        return [child for child in self.children if child.name == name]

    def fields(self, *allowed: str) -> dict[str, Node]:
        """The children by name. Raises `MalformedXML` for one that is not allowed, and for a second one of a name."""
        found = {child.name: child for child in self.children}
        if len(found) != len(self.children) or not found.keys() <= set(allowed):
            raise errors.MalformedXML
        return found

    def integer(self) -> int:
        """The text as a number of at most `INTEGER_DIGITS_MAX` digits. Raises `MalformedXML`."""
        if not _INTEGER.fullmatch(self.text.strip()):
            raise errors.MalformedXML
        return int(self.text)


def parse(
    body: bytes,
    root: str,
    *,
    bytes_max: int = BODY_BYTES_MAX,
    depth_max: int = DEPTH_MAX,
    elements_max: int = ELEMENTS_MAX,
) -> Node:
    """The document's root, which must be named ``root``.

    Raises `MalformedXML` for anything else, for a document type or entity declaration and beyond the limits;
    `MaxMessageLengthExceeded` for more than ``bytes_max`` bytes.
    """
    if len(body) > bytes_max:
        raise errors.MaxMessageLengthExceeded(max_message_length_bytes=bytes_max)
    top = Node("", {})
    try:
        _parser(top, depth_max, elements_max).Parse(body, True)
    except expat.ExpatError:
        raise errors.MalformedXML from None
    found = top.children[0]  # expat has made sure that there is exactly one
    if found.name != root:
        raise errors.MalformedXML
    return found


def _parser(top: Node, depth_max: int, elements_max: int) -> expat.XMLParserType:
    """A parser that hangs the tree under ``top``. Closures, not methods: they run three times for every element."""
    open_nodes = [top]
    left = elements_max

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal left
        left -= 1
        if left < 0 or len(open_nodes) > depth_max:
            raise errors.MalformedXML
        node = Node(name.rpartition(":")[2] if ":" in name else name, attributes)
        open_nodes[-1].children.append(node)
        open_nodes.append(node)

    def end(_name: str) -> None:
        open_nodes.pop()

    def text(text: str) -> None:
        open_nodes[-1].text += text

    def refuse(*_declaration: object) -> None:
        raise errors.MalformedXML

    parser = expat.ParserCreate("UTF-8")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    return parser

"""Writing and reading XML."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakrom import errors
from zakrom.wire import xml

LEGAL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="".join(map(chr, range(32))) + "\ufffe\uffff"))


def test_what_xml_cannot_carry_is_written_as_a_reference() -> None:
    """As AWS does; a carriage return too, which a parser would change."""
    assert xml.escape('a&b<c>"d"\x00\x1f\r\n\t\ufffe') == "a&amp;b&lt;c&gt;&quot;d&quot;&#x0;&#x1f;&#xd;\n\t&#xfffe;"


def test_elements_of_every_kind() -> None:
    """None is nothing; an empty text is an empty element."""
    assert xml.element("A", "<") + xml.element("B", 1) + xml.element("C", None) == "<A>&lt;</A><B>1</B>"
    assert xml.element("D", True) + xml.element("E", False) + xml.element("F", "") == "<D>true</D><E>false</E><F></F>"


@given(LEGAL)
def test_what_is_written_is_read_back(text: str) -> None:
    """Any text that XML can carry."""
    assert text == xml.parse(xml.document("R", xml.element("T", text)), "R").text_of("T")


def test_a_tree() -> None:
    """Names without prefixes, text of each element, children in their order; comments and attributes do not matter."""
    root = xml.parse(
        b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\n<!-- x --><s:R xmlns:s="u" a="1"><A>1</A>\n'
        b"<s:B><A>x&amp;y</A></s:B><A/><A><![CDATA[<2>]]></A></s:R>",
        "R",
    )

    assert [child.name for child in root.children] == ["A", "B", "A", "A"]
    assert [node.text for node in root.all("A")] == ["1", "", "<2>"]
    assert root.text_of("A") == "1"
    assert root.text_of("C") is None
    inner = root.child("B")
    assert inner is not None
    assert inner.text_of("A") == "x&y"


BOMB = b'<!DOCTYPE R [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><R>&b;</R>'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"R",
        b"<R>",
        b"<R></Q>",
        b"<Q/>",
        b"<R/><R/>",
        b"<R/>x",
        b"<R>&undefined;</R>",
        b"<R>\xff</R>",
        b"<R>\x00</R>",
        b"<R>&#1;</R>",
        b"<!DOCTYPE R><R/>",
        b'<!DOCTYPE R SYSTEM "file:///etc/passwd"><R/>',
        b'<!DOCTYPE R [<!ENTITY x SYSTEM "file:///etc/passwd">]><R>&x;</R>',
        BOMB,
        BOMB.decode().encode("utf-16"),
        b'<?xml version="1.0" encoding="ISO-8859-1"?><R>\xe9</R>',
        b"<R>" * 17 + b"</R>" * 17,
        b"<R>" + b"<A/>" * xml.ELEMENTS_MAX + b"</R>",
    ],
)
def test_what_is_no_document_of_ours_is_malformed(body: bytes) -> None:
    """Broken or foreign XML, anything with a document type or entities, too deep, too many elements."""
    with pytest.raises(errors.MalformedXML):
        xml.parse(body, "R")


def test_depth_and_number_are_allowed_up_to_the_limit() -> None:
    """The limits are exact."""
    assert xml.parse(b"<R>" + b"<A>" * 15 + b"</A>" * 15 + b"</R>", "R").name == "R"
    assert len(xml.parse(b"<R>" + b"<A/>" * 9 + b"</R>", "R", elements_max=10).children) == 9


def test_a_body_that_is_too_long_is_not_parsed() -> None:
    """The error says what is allowed."""
    with pytest.raises(errors.MaxMessageLengthExceeded) as caught:
        xml.parse(b"<R>" + b" " * 100 + b"</R>", "R", bytes_max=100)

    assert caught.value.fields == {"max_message_length_bytes": 100}


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    """The law of a parser: a value or the documented error."""
    with contextlib.suppress(errors.MalformedXML):
        assert xml.parse(b"<R>" + body + b"</R>", "R").name == "R"


def test_fields_of_an_element() -> None:
    """Each allowed child at most once, by name; numbers are plain."""
    node = xml.parse(b"<R><A> 7 </A><B>x</B></R>", "R")

    assert {name: child.text for name, child in node.fields("A", "B", "C").items()} == {"A": " 7 ", "B": "x"}
    assert node.fields("A", "B")["A"].integer() == 7
    for refused in (lambda: node.fields("A"), node.fields("A", "B")["B"].integer):
        with pytest.raises(errors.MalformedXML):
            refused()
    with pytest.raises(errors.MalformedXML):
        xml.parse(b"<R><A/><A/></R>", "R").fields("A")

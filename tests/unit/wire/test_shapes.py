"""Documents held against a shape."""

from __future__ import annotations

import pytest

from zakrom import errors
from zakrom.wire import shapes
from zakrom.wire.shapes import Shape

SHAPE: Shape = {
    "One!": shapes.some_text,
    "Maybe?": shapes.word("yes", "no"),
    "Many*": {"Days!": shapes.number},
    "Some+": shapes.text,
}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<One>a</One><Some/>", "<One>a</One><Some></Some>"),
        ("<Some>&lt;</Some>\n<One>a b</One><Some>c</Some>", "<One>a b</One><Some>&lt;</Some><Some>c</Some>"),
        (
            "<x:Maybe> yes </x:Maybe><Some/><Many><Days> 07</Days></Many><Many><Days>1</Days></Many><One>a</One>",
            "<One>a</One><Maybe>yes</Maybe><Many><Days>07</Days></Many><Many><Days>1</Days></Many><Some></Some>",
        ),
    ],
)
def test_what_has_the_shape_is_kept(content: str, expected: str) -> None:
    """In the order of the shape, without prefixes and white space between."""
    assert shapes.read(f"<Root>{content}</Root>".encode(), "Root", SHAPE) == expected
    assert shapes.read(f"<Root>{expected}</Root>".encode(), "Root", SHAPE) == expected


@pytest.mark.parametrize(
    "content",
    [
        "",
        "<One>a</One>",
        "<One>a</One><One>b</One><Some/>",
        "<One></One><Some/>",
        "<One>a</One><Some/><Other/>",
        "<One>a</One><Some/><Maybe>yes</Maybe><Maybe>no</Maybe>",
        "<One>a</One><Some/><Maybe>maybe</Maybe>",
        "<One>a</One><Some/><Many/>",
        "<One>a</One><Some/><Many><Days>-1</Days></Many>",
        "<One>a</One><Some/><Many><Days>1.5</Days></Many>",
        "<One>a</One><Some/><Many><Days>1000000000</Days></Many>",
        "<One><b/></One><Some/>",
    ],
)
def test_what_has_it_not_is_refused(content: str) -> None:
    """MalformedXML, as by AWS's schema."""
    with pytest.raises(errors.MalformedXML):
        shapes.read(f"<Root>{content}</Root>".encode(), "Root", SHAPE)

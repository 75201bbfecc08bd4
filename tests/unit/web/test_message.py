"""A request's headers, asked by name."""

from __future__ import annotations

from zakrom.web.message import Request


def test_has_any() -> None:
    """Whether one of several is there, before and after others were asked for."""
    request = Request("GET", b"/", b"", [(b"host", b"h"), (b"x-a", b"")], None, "", secure=False)  # type: ignore[arg-type]

    for _ in range(2):
        assert request.has_any(("x-b", "x-a"))
        assert not request.has_any(("x-b", "x-c"))
        assert request.text("host") == "h"

"""A page for people who look at /docs: the calls of the OpenAPI document in tables, with no script and nothing from elsewhere.

The pages that FastAPI brings load their scripts from a CDN, which an administration must not, and often cannot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%}td{border-top:1px solid #ddd;padding:.4rem .6rem .4rem 0;vertical-align:top}"
    "code{font:13px/1.5 ui-monospace,monospace;white-space:nowrap}h2{margin:2rem 0 .5rem;font-size:1.1rem}"
)


def render(openapi: Mapping[str, Any]) -> str:
    """The page, from the OpenAPI document."""
    groups: dict[str, list[str]] = {}
    for path, method, call in _calls(openapi):
        row = f"<tr><td><code>{method.upper()} {escape(path)}</code></td><td>{escape(call.get('description', ''))}</td></tr>"
        groups.setdefault(call.get("tags", ["other"])[0], []).append(row)
    tables = "".join(f"<h2>{escape(tag)}</h2><table>{''.join(rows)}</table>" for tag, rows in groups.items())
    title = escape(openapi["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>'
        f"<body><h1>{title}</h1><p>{escape(openapi['info']['description'])}</p>"
        f'<p>For programs: <a href="openapi.json">openapi.json</a>.</p>{tables}</body></html>'
    )


def _calls(openapi: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in openapi["paths"].items():
        for method, call in methods.items():
            yield path, method, call

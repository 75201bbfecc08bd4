"""Form uploads as a browser sends them, for tests: to encode one takes no HTTP client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

BOUNDARY = "----zakrom7MA4YWxkTrZu0gW"
"""What stands between the fields."""


def encode_form(
    fields: Mapping[str, str] | Iterable[tuple[str, str]], file: bytes | None, filename: str | None = None
) -> bytes:
    """The body of a ``multipart/form-data`` request with `BOUNDARY`: the fields in their order, then the file, if any.

    Names go out as they are: a test may break them.
    """
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    parts = [(f'name="{name}"', value.encode()) for name, value in pairs]
    if file is not None:
        quoted = "" if filename is None else '; filename="' + filename.replace("\\", "\\\\") + '"'
        parts.append((f'name="file"{quoted}', file))
    encoded = [
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; {parameters}\r\n\r\n".encode() + body + b"\r\n"
        for parameters, body in parts
    ]
    return b"".join(encoded) + f"--{BOUNDARY}--\r\n".encode()

"""May this many bytes more be stored? Versions and the parts of open uploads count; a copy counts in full."""

from __future__ import annotations

from zakrom import errors


def check(*, used_bytes: int, delta_bytes: int, quota_bytes: int | None, scope: str) -> None:
    """Returns if ``delta_bytes`` more may be added. What frees bytes, or adds none, always may.

    Raises `QuotaExceeded` with what was asked, used and allowed.
    """
    if quota_bytes is None or delta_bytes <= 0 or used_bytes + delta_bytes <= quota_bytes:
        return
    raise errors.QuotaExceeded(scope=scope, quota_bytes=quota_bytes, used_bytes=used_bytes, requested_bytes=delta_bytes)

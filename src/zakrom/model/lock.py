"""What object lock knows: a retention, and the one a bucket gives to every new version."""

from __future__ import annotations

from typing import NamedTuple

from zakrom.model.facts import Fact

GOVERNANCE, COMPLIANCE = MODES = ("GOVERNANCE", "COMPLIANCE")

DOCUMENT = "object-lock"
"""The kind of a bucket's configuration document. Once there it stays, and so does versioning: AWS knows no way back."""

RETENTION, HOLD = "lock", "hold"
"""The entries of a version's ``extra``: ``MODE milliseconds``; ``ON`` or ``OFF``."""


class Retention(NamedTuple):
    """How strictly a version is kept, and until when."""

    mode: str
    until_ms: int


class Default(Fact, frozen=True):
    """The body of the document: the retention of new versions, for days or years; without a mode there is none."""

    mode: str | None = None
    days: int | None = None
    years: int | None = None

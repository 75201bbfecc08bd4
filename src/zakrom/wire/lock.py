"""The bodies and headers of object lock. Source: Amazon S3 API Reference; messages of errors as AWS sends them (recorded)."""

from __future__ import annotations

from zakrom import errors
from zakrom.model.lock import MODES, Default, Retention
from zakrom.wire import dates, xml
from zakrom.wire.xml import element

DEFAULT_DAYS_MAX = 36_500  # S3: "the maximum is 36,500 days" and 100 years
DEFAULT_YEARS_MAX = 100  # the same

MODE = "x-amz-object-lock-mode"
UNTIL = "x-amz-object-lock-retain-until-date"
HOLD = "x-amz-object-lock-legal-hold"
HEADERS = frozenset((MODE, UNTIL, HOLD))

_BOTH = f"{UNTIL} and {MODE} must both be supplied"
_HOLDS = ("ON", "OFF")


def parse_configuration(body: bytes) -> Default:
    """An ObjectLockConfiguration body. Raises `MalformedXML`, `InvalidRetentionPeriod`."""
    found = xml.parse(body, "ObjectLockConfiguration").fields("ObjectLockEnabled", "Rule")
    if "ObjectLockEnabled" not in found or found["ObjectLockEnabled"].text != "Enabled":
        raise errors.MalformedXML
    if "Rule" not in found:
        return Default()
    retention = found["Rule"].fields("DefaultRetention").get("DefaultRetention")
    wanted = retention.fields("Mode", "Days", "Years") if retention else {}
    if "Mode" not in wanted or len(wanted) != 2 or wanted["Mode"].text not in MODES:
        raise errors.MalformedXML
    days, years = (wanted[name].integer() if name in wanted else None for name in ("Days", "Years"))
    _check_period(days or years or 0, DEFAULT_YEARS_MAX if days is None else DEFAULT_DAYS_MAX)
    return Default(wanted["Mode"].text, days, years)


def _check_period(period: int, longest: int) -> None:
    if period <= 0:
        raise errors.InvalidRetentionPeriod("Default retention period must be a positive integer value.")
    if period > longest:
        raise errors.InvalidRetentionPeriod("Default retention period is too large.")


def configuration_xml(default: Default) -> str:
    """The content of the document that `parse_configuration` reads."""
    enabled = element("ObjectLockEnabled", "Enabled")
    if default.mode is None:
        return enabled
    kept = element("Mode", default.mode) + element("Days", default.days) + element("Years", default.years)
    return f"{enabled}<Rule><DefaultRetention>{kept}</DefaultRetention></Rule>"


def parse_retention(body: bytes, now_ms: int) -> Retention | None:
    """A Retention body; an empty one is None. Raises `MalformedXML`, `InvalidArgument` for a date that is past."""
    found = xml.parse(body, "Retention").fields("Mode", "RetainUntilDate")
    if not found:
        return None
    if len(found) != 2 or found["Mode"].text not in MODES:
        raise errors.MalformedXML
    text = found["RetainUntilDate"].text
    until_ms = dates.parse_moment(text)
    if until_ms is None:
        raise errors.MalformedXML
    _check_future(until_ms, now_ms, "RetainUntilDate", text)
    return Retention(found["Mode"].text, until_ms)


def parse_legal_hold(body: bytes) -> str:
    """A LegalHold body: ON or OFF. Raises `MalformedXML`, `MissingRequestBodyError`."""
    if not body:
        raise errors.MalformedXML
    found = xml.parse(body, "LegalHold").fields("Status")
    if "Status" not in found or found["Status"].text not in _HOLDS:
        raise errors.MalformedXML
    return found["Status"].text


def retention_of_headers(mode: str | None, until: str | None, now_ms: int) -> Retention | None:
    """What a write asks for. Raises `InvalidArgument`."""
    if mode is None and until is None:
        return None
    if mode is None or until is None:
        raise errors.InvalidArgument(_BOTH, argument_name=MODE if mode is None else UNTIL)
    if mode not in MODES:
        raise errors.InvalidArgument("Unknown wormMode directive.", argument_name=MODE, argument_value=mode)
    until_ms = dates.parse_moment(until)
    if until_ms is None:
        raise errors.InvalidArgument(
            "The retain until date must be provided in ISO 8601 format", argument_name=UNTIL, argument_value=until
        )
    _check_future(until_ms, now_ms, UNTIL, until)
    return Retention(mode, until_ms)


def hold_of_header(text: str) -> str:
    """ON or OFF. Raises `InvalidArgument`."""
    if text not in _HOLDS:
        raise errors.InvalidArgument("Legal Hold must be either of 'ON' or 'OFF'", argument_name=HOLD, argument_value=text)
    return text


def _check_future(until_ms: int, now_ms: int, name: str, text: str) -> None:
    if until_ms <= now_ms:
        raise errors.InvalidArgument("The retain until date must be in the future!", argument_name=name, argument_value=text)

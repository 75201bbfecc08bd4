"""`web.limits`."""

from __future__ import annotations

import dataclasses

import pytest

from zakrom.web.limits import Limits, ProtocolError, plain_protocol_error


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Limits)])
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    """Zero would mean for ever to some and never to others."""
    with pytest.raises(ValueError, match=name):
        Limits(**{name: 0})


def test_the_plain_error_is_one_that_s3_clients_read() -> None:
    """Code and message in S3's XML."""
    error = ProtocolError(400, "BadRequest", "No.")

    assert plain_protocol_error(error.status, error.code, error.message) == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>BadRequest</Code><Message>No.</Message></Error>'
    )

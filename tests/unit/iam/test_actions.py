"""The table of actions against the service models that botocore ships."""

from __future__ import annotations

import botocore.session
import pytest

import zakrom.iam.door  # noqa: F401 - declares them
from zakrom.iam.action import ACTIONS

_SESSION = botocore.session.get_session()


@pytest.mark.parametrize("service", ["iam", "sts"])
def test_every_action_is_one_of_aws(service: str) -> None:
    """No name that no client has."""
    known = set(_SESSION.get_service_model(service).operation_names)
    assert {name for kind, name in ACTIONS if kind == service} <= known


def test_what_is_served() -> None:
    """So many; a smaller number is a loss that somebody should notice."""
    assert sum(kind == "iam" for kind, _ in ACTIONS) >= 94
    assert sum(kind == "sts" for kind, _ in ACTIONS) == 6

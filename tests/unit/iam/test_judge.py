"""Trust policies: who may take on a role, by name or by account, in one account or across two."""

# ruff: noqa: ANN401 - JSON

from __future__ import annotations

import json
from typing import Any

import pytest

from zakrom.iam import judge
from zakrom.model.caller import Caller
from zakrom.model.facts import User
from zakrom.model.names import account_number

HOME, AWAY = "a" * 64, "b" * 64
ROLE = f"arn:aws:iam::{account_number(HOME)}:role/r"
ROOTS = {one: f"arn:aws:iam::{account_number(one)}:root" for one in (HOME, AWAY)}
MAY = (json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:*", "Resource": ROLE}}).encode(),)
MAY_NOT = (json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}).encode(),)


def caller(account: str, *policies: bytes, **more: Any) -> Caller:
    """The user ada of an account."""
    arn = f"arn:aws:iam::{account_number(account)}:user/ada"
    user = User("AIDA", "AIDA", "ada", "", 0, account=account)
    return Caller(user, "key", False, account, arn, "AIDA", policies, **more)


def trust(principal: Any, effect: str = "Allow", name: str = "Principal") -> dict[str, Any]:
    """A statement of a trust policy."""
    return {"Effect": effect, name: principal, "Action": "sts:AssumeRole"}


def trusted(who: Caller, *statements: dict[str, Any]) -> bool:
    """The verdict."""
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    same = who.canonical_id == HOME
    return judge.trusts(document, who, "sts:AssumeRole", ROLE, {}.get, same_account=same)


ADA = {one: {"AWS": f"arn:aws:iam::{account_number(one)}:user/ada"} for one in (HOME, AWAY)}
BEA = {"AWS": f"arn:aws:iam::{account_number(HOME)}:user/bea"}


@pytest.mark.parametrize(
    ("account", "policies", "principal", "expected"),
    [
        (HOME, (), ADA[HOME], True),  # named in the same account: that is enough
        (HOME, (), {"AWS": ROOTS[HOME]}, False),  # the account: it must allow it too
        (HOME, MAY, {"AWS": ROOTS[HOME]}, True),
        (HOME, MAY, {"AWS": account_number(HOME)}, True),
        (HOME, MAY, BEA, False),
        (HOME, (), "*", True),
        (HOME, MAY_NOT, ADA[HOME], False),
        (AWAY, (), ADA[AWAY], False),  # across accounts both must agree
        (AWAY, MAY, ADA[AWAY], True),
        (AWAY, MAY, {"AWS": ROOTS[AWAY]}, True),
        (AWAY, MAY, {"AWS": ROOTS[HOME]}, False),
        (AWAY, (), "*", False),
        (AWAY, MAY, "*", True),
    ],
)
def test_who_is_trusted(account: str, policies: tuple[bytes, ...], principal: Any, expected: bool) -> None:
    """By name or account, with and without a policy of one's own."""
    assert expected == trusted(caller(account, *policies), trust(principal))


@pytest.mark.parametrize("principal", [ADA[HOME], {"AWS": ROOTS[HOME]}, "*"])
def test_a_deny_wins(principal: Any) -> None:
    """Of the user, of the account, of everybody."""
    assert not trusted(caller(HOME, *MAY), trust("*"), trust(principal, "Deny"))


def test_all_but_one() -> None:
    """Deny with NotPrincipal is about all others."""
    assert trusted(caller(HOME), trust("*"), trust(ADA[HOME], "Deny", "NotPrincipal"))
    assert not trusted(caller(HOME), trust("*"), trust(BEA, "Deny", "NotPrincipal"))


def test_a_boundary_holds_for_taking_on_roles() -> None:
    """Who is let in by account must be allowed within their boundary."""
    bound = caller(
        HOME, *MAY, boundary=b'{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}'
    )
    assert not trusted(bound, trust({"AWS": ROOTS[HOME]}))
